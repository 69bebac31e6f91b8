//! What the Sigma specification promises of numbers in correlations, of filters and of placeholders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pugmark_decode::{Plan, decode};
use pugmark_detect::{Detection, Finding, Grouping, LoadOptions, LoadReport, RuleFile, RuleSet};

const BASE: &str = "
title: a volume is made
id: volume
logsource: {product: aws, service: cloudtrail}
detection: {a: {eventName: CreateVolume}, condition: a}
level: low
";

/// Minute, user, size and Region of each event.
type Made<'a> = (u32, &'a str, &'a str, &'a str);

fn records(events: &[Made<'_>]) -> String {
    let mut text = String::from("{\"Records\":[");
    for (number, (minute, user, size, region)) in events.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"eventVersion":"1.11","eventID":"00000000-0000-4000-8000-{number:012}","eventTime":"2026-08-01T10:{minute:02}:00Z","eventSource":"ec2.amazonaws.com","eventName":"CreateVolume","awsRegion":"{region}","sourceIPAddress":"203.0.113.7","userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/{user}","userName":"{user}"}},"requestParameters":{{"size":{size}}},"recipientAccountId":"111122223333"}}"#
        )
        .expect("a string");
    }
    text + "]}"
}

fn load(text: &str, options: &LoadOptions) -> (RuleSet, LoadReport) {
    RuleSet::load(&[RuleFile { name: "f", text }], options)
}

fn found(rules: RuleSet, events: &[Made<'_>]) -> Vec<Finding> {
    let rules = Arc::new(rules);
    let plan = Plan { projection: Detection::leaves(&rules), ..Plan::default() };
    let mut detection = Detection::new(rules, Grouping::Event);
    for batch in decode(records(events).as_bytes(), plan).0 {
        detection.read(&batch);
    }
    detection.finish().findings
}

/// How often a correlation of volumes fires.
fn fires(kind: &str, condition: &str, events: &[Made<'_>]) -> usize {
    let correlation = format!(
        "{BASE}---\ntitle: c\nid: c\ncorrelation: {{type: {kind}, rules: [volume], group-by: [userIdentity.arn], timespan: 30m, condition: {{field: requestParameters.size, {condition}}}}}\nlevel: high\n"
    );
    let (rules, report) = load(&correlation, &LoadOptions::default());
    assert_eq!(report.broken, Vec::new());
    found(rules, events).iter().filter(|finding| finding.rule.id == "c").count()
}

/// Sizes of volumes that one user made, a minute apart.
fn sizes<'a>(sizes: &[&'a str]) -> Vec<Made<'a>> {
    let made = |(minute, size): (usize, &&'a str)| (minute as u32, "mia", *size, "eu-west-1");
    sizes.iter().enumerate().map(made).collect()
}

#[test]
fn sums_are_of_the_window_and_the_group() {
    let events = sizes(&["400", "300", "400"]);
    assert_eq!(fires("value_sum", "gte: 1100", &events), 1);
    assert_eq!(fires("value_sum", "gte: 1101", &events), 0);
    // Others have a sum of their own, and an hour later the sum begins anew.
    let others = [(0, "mia", "600", "r"), (1, "noor", "600", "r"), (59, "mia", "600", "r")];
    assert_eq!(fires("value_sum", "gte: 700", &others), 0);
}

#[test]
fn a_sum_may_be_large() {
    let events = sizes(&["4000000000", "4000000000"]);
    assert_eq!(fires("value_sum", "gt: 7000000000", &events), 1);
}

#[test]
fn averages_medians_and_percentiles_are_those_of_the_window() {
    let events = sizes(&["10", "10", "10", "10", "1000"]);
    assert_eq!(fires("value_avg", "gte: 208", &events), 1);
    assert_eq!(fires("value_avg", "gt: 208", &events), 0);
    assert_eq!(fires("value_median", "gte: 11", &events), 0);
    assert_eq!(fires("value_median", "gte: 10", &events), 1);
    assert_eq!(fires("value_percentile", "gte: 900, percentile: 100", &events), 1);
    assert_eq!(fires("value_percentile", "gte: 900, percentile: 50", &events), 0);
}

#[test]
fn what_is_no_number_counts_for_nothing() {
    let events = sizes(&["\"many\"", "null", "{}", "7"]);
    assert_eq!(fires("value_sum", "gte: 7", &events), 1);
    assert_eq!(fires("value_sum", "gte: 8", &events), 0);
    assert_eq!(fires("value_avg", "lt: 7", &events), 0);
}

/// Rule and actor of each finding.
fn told(text: &str, options: &LoadOptions, events: &[Made<'_>]) -> Vec<String> {
    let (rules, report) = load(text, options);
    assert_eq!(report.broken, Vec::new());
    let findings = found(rules, events).into_iter();
    findings.map(|finding| format!("{} {}", finding.rule.id, finding.actor)).collect()
}

const WHO: [Made<'_>; 2] = [(0, "mia", "1", "eu-west-1"), (1, "backup", "1", "eu-west-1")];

#[test]
fn a_filter_takes_away_from_the_rules_that_it_names() {
    let filter = |rules: &str| {
        format!(
            "{BASE}---\ntitle: other\nid: other\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{a: {{eventName: CreateVolume}}, condition: a}}\nlevel: low\n---\ntitle: not the backup\nlogsource: {{product: aws, service: cloudtrail}}\nfilter:\n  rules: {rules}\n  selection: {{userIdentity.userName: backup}}\n  condition: not selection\n"
        )
    };
    let named = told(&filter("[volume]"), &LoadOptions::default(), &WHO);
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(!named.iter().any(|text| text.starts_with("volume") && text.contains("backup")), "{named:?}");
    let all = told(&filter("any"), &LoadOptions::default(), &WHO);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.iter().all(|text| text.contains("mia")), "{all:?}");
}

#[test]
fn a_correlation_counts_only_what_its_filters_leave() {
    let text = format!(
        "{BASE}---\ntitle: c\nid: c\ncorrelation: {{type: event_count, rules: [volume], group-by: [recipientAccountId], timespan: 1h, condition: {{gte: 2}}}}\nlevel: high\n---\ntitle: not the backup\nlogsource: {{product: aws, service: cloudtrail}}\nfilter:\n  rules: [volume]\n  selection: {{userIdentity.userName: backup}}\n  condition: not selection\n"
    );
    let count = |events: &[Made<'_>]| told(&text, &LoadOptions::default(), events).len();
    assert_eq!((count(&WHO), count(&[WHO[0], (1, "mia", "1", "eu-west-1")])), (0, 1));
}

#[test]
fn placeholders_get_their_values_and_without_them_the_rule_is_named() {
    let text = "
title: not by an administrator
id: expanded
logsource: {product: aws, service: cloudtrail}
detection:
  made: {eventName: CreateVolume}
  admins: {userIdentity.userName|expand: '%admins%'}
  condition: made and not admins
level: low
";
    let values = vec!["mia".to_owned(), "back*".to_owned()];
    let with = |values: &[String]| LoadOptions {
        placeholders: BTreeMap::from([("admins".to_owned(), values.to_vec())]),
        ..LoadOptions::default()
    };
    assert_eq!(told(text, &with(&values[..1]), &WHO).len(), 1);
    assert_eq!(told(text, &with(&values), &WHO), Vec::<String>::new());
    let (_, report) = load(text, &LoadOptions::default());
    assert_eq!((report.loaded, report.broken.len()), (0, 1));
    assert!(report.broken[0].reason.contains("admins"), "{:?}", report.broken);
}

#[test]
fn aliases_join_fields_of_other_names() {
    let text = format!(
        "{BASE}---\ntitle: by account\nid: second\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{a: {{awsRegion: us-east-1}}, condition: a}}\nlevel: low\n---\ntitle: both\nid: both\ncorrelation:\n  type: temporal\n  rules: [volume, second]\n  aliases:\n    who: {{volume: userIdentity.userName, second: requestParameters.size}}\n  group-by: [who]\n  timespan: 30m\nlevel: high\n"
    );
    // The second rule's size is the first one's user.
    let joined = [(0, "mia", "\"x\"", "eu-west-1"), (1, "noor", "\"mia\"", "us-east-1")];
    let apart = [(0, "mia", "\"x\"", "eu-west-1"), (1, "noor", "\"zoe\"", "us-east-1")];
    let both = |events: &[Made<'_>]| {
        let findings = told(&text, &LoadOptions::default(), events);
        findings.iter().filter(|text| text.starts_with("both")).count()
    };
    assert_eq!((both(&joined), both(&apart)), (1, 0));
}

#[test]
fn a_broken_condition_is_told_in_one_line() {
    let broken = |condition: &str| {
        let rule = BASE.replace("condition: a", &format!("condition: {condition}"));
        let (_, report) = load(&rule, &LoadOptions::default());
        assert_eq!(report.broken.len(), 1);
        report.broken[0].reason.clone()
    };
    let aggregation = broken("a | count(eventName) by userIdentity.arn > 50");
    assert!(aggregation.contains("correlations have replaced"), "{aggregation}");
    let odd = broken("a and and");
    assert!(odd.contains("expected") && !odd.contains(['\n', '|']), "{odd}");
}
