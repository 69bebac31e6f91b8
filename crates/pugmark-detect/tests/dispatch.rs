//! How often rules are tried does not grow with their number.

use std::fmt::Write as _;
use std::sync::Arc;

use pugmark_decode::{Plan, decode};
use pugmark_detect::{Detection, Grouping, LoadOptions, RuleFile, RuleSet, Sums};

/// Rules of which one in seven names no event, and none is about everyday life.
fn rules(count: usize) -> Arc<RuleSet> {
    let mut text = String::new();
    for rule in 0..count {
        let asked = match rule % 14 {
            0 => format!("{{userAgent|contains: ['tool-{rule}', 'kit{rule}/']}}"),
            7 => format!("{{userIdentity.arn|endswith: ':user/mallory-{rule}', errorCode: AccessDenied}}"),
            _ => format!("{{eventSource: s{rule}.amazonaws.com, eventName: [Odd{rule}, Rare{rule}]}}"),
        };
        writeln!(
            text,
            "---\ntitle: rule {rule}\nid: r{rule}\nlogsource: {{product: aws, service: cloudtrail}}"
        )
        .expect("a string");
        writeln!(text, "detection:\n  a: {asked}\n  condition: a").expect("a string");
    }
    let (rules, report) = RuleSet::load(&[RuleFile { name: "f", text: &text }], &LoadOptions::default());
    assert_eq!((report.loaded, report.broken.len()), (count, 0));
    Arc::new(rules)
}

fn sums(rules: &Arc<RuleSet>) -> Sums {
    let plan = Plan { projection: Detection::leaves(rules), ..Plan::default() };
    let mut detection = Detection::new(Arc::clone(rules), Grouping::Actor);
    for batch in decode(&pugmark_sim::sample_file(3, 500), plan).0 {
        detection.read(&batch);
    }
    detection.finish().sums
}

#[test]
fn two_thousand_rules_about_other_events_are_hardly_ever_tried() {
    let sums = sums(&rules(2_000));
    assert_eq!((sums.events, sums.matches), (500, 0));
    assert!(sums.tries <= sums.events, "{} tries on {} events", sums.tries, sums.events);
}
