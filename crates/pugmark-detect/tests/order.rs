//! What is found does not depend on how the input is cut, ordered or spread over workers.

use std::sync::Arc;

use proptest::prelude::*;
use pugmark_decode::{Plan, decode};
use pugmark_detect::{Detection, Grouping, LoadOptions, RuleFile, RuleSet};
use pugmark_event::EventBatch;

const RULES: &str = include_str!("data/modifiers.yml");

const CORRELATIONS: &str = "
title: many calls of one address
id: many
correlation: {type: event_count, rules: [startswith, contains], group-by: [sourceIPAddress], timespan: 1h, condition: {gte: 5}}
level: high
---
title: many names
id: names
correlation: {type: value_count, rules: [flag], group-by: [userIdentity.arn], timespan: 2h, condition: {field: eventName, gte: 3}}
level: medium
---
title: one and the other
id: both
correlation: {type: temporal, rules: [startswith, exists], group-by: [recipientAccountId], timespan: 30m}
level: low
---
title: one after the other
id: after
correlation: {type: temporal_ordered, rules: [exists, startswith], group-by: [recipientAccountId], timespan: 30m}
level: low
---
title: a correlation of one
id: chain
correlation: {type: event_count, rules: [many], group-by: [sourceIPAddress], timespan: 3h, condition: {gte: 2}}
level: critical
";

fn rules() -> Arc<RuleSet> {
    let text = format!("{RULES}---{CORRELATIONS}");
    let (rules, report) =
        RuleSet::load(&[RuleFile { name: "rules.yml", text: &text }], &LoadOptions::default());
    assert_eq!(report.broken, Vec::new());
    Arc::new(rules)
}

fn batches(rules: &RuleSet) -> Vec<EventBatch> {
    let plan = Plan { projection: Detection::leaves(rules), ..Plan::default() };
    decode(&pugmark_sim::sample_file(7, 400), plan).0
}

/// Everything that is found, as text.
fn found(detection: Detection) -> String {
    let findings = detection.finish();
    format!(
        "{:?}\n{}",
        findings.sums,
        serde_json::to_string_pretty(&findings.findings).expect("plain values")
    )
}

fn in_order(rules: &Arc<RuleSet>, batches: &[EventBatch], grouping: Grouping) -> String {
    let mut detection = Detection::new(Arc::clone(rules), grouping);
    for batch in batches {
        detection.read(batch);
    }
    found(detection)
}

/// Numbers that only look random.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn scattered(rules: &Arc<RuleSet>, batches: &[EventBatch], (grouping, seed): (Grouping, u64)) -> String {
    let mut state = seed;
    let mut rows: Vec<EventBatch> =
        batches.iter().flat_map(|batch| (0..batch.rows()).map(|row| batch.row(row))).collect();
    for last in (1..rows.len()).rev() {
        rows.swap(last, next(&mut state) % (last + 1));
    }
    let mut workers: Vec<Detection> = (0..3).map(|_| Detection::new(Arc::clone(rules), grouping)).collect();
    for row in &rows {
        workers[next(&mut state) % 3].read(row);
    }
    workers.rotate_left(next(&mut state) % 3);
    let whole = workers.into_iter().reduce(Detection::merge).expect("three workers");
    found(whole)
}

#[test]
fn every_kind_of_correlation_finds_something() {
    let rules = rules();
    let mut detection = Detection::new(Arc::clone(&rules), Grouping::Actor);
    for batch in &batches(&rules) {
        detection.read(batch);
    }
    let findings = detection.finish().findings;
    // `many` feeds `chain`, and is not told itself.
    for id in ["names", "both", "after", "chain"] {
        assert!(findings.iter().any(|finding| finding.rule.id == id), "{id}");
    }
    assert!(findings.iter().all(|finding| finding.rule.id != "many"));
}

#[test]
fn a_finding_in_json_has_an_id_of_its_own_and_that_of_its_rule() {
    let rules = rules();
    let mut detection = Detection::new(Arc::clone(&rules), Grouping::Actor);
    for batch in &batches(&rules) {
        detection.read(batch);
    }
    let finding = detection.finish().findings.remove(0);
    let text = serde_json::to_string(&finding).expect("plain values");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (value["id"].as_str(), value["rule_id"].as_str()),
        (Some(&*finding.id), Some(&*finding.rule.id))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn findings_do_not_depend_on_order_or_workers(seed in any::<u64>(), by_actor in any::<bool>()) {
        let rules = rules();
        let batches = batches(&rules);
        let grouping = if by_actor { Grouping::Actor } else { Grouping::Event };
        let wanted = in_order(&rules, &batches, grouping);
        prop_assert!(wanted == scattered(&rules, &batches, (grouping, seed)), "seed {seed}");
    }
}
