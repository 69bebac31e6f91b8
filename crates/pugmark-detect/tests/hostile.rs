//! Rules that are meant to hurt are refused or bounded, with a sentence.

use std::fmt::Write as _;
use std::sync::Arc;

use pugmark_decode::{Plan, decode};
use pugmark_detect::{
    Detection, FILE_BYTES_MAX, Grouping, LoadOptions, LoadReport, RuleFile, RuleSet, VALUES_MAX,
};

fn load(text: &str) -> (RuleSet, LoadReport) {
    RuleSet::load(&[RuleFile { name: "hostile.yml", text }], &LoadOptions::default())
}

fn plan(rules: &RuleSet) -> Plan {
    Plan { projection: Detection::leaves(rules), ..Plan::default() }
}

fn refused(text: &str) -> String {
    let (rules, report) = load(text);
    assert_eq!(rules.texts().count(), 0);
    assert_eq!(report.broken.len(), 1, "{:?}", report.broken.iter().take(3).collect::<Vec<_>>());
    report.broken[0].reason.clone()
}

fn rule(detection: &str, condition: &str) -> String {
    let condition = serde_json::Value::from(condition);
    format!(
        "title: t\nid: r\nlevel: high\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{detection}\n  condition: {condition}\n"
    )
}

const PLAIN: &str = "  a: {eventName: X}";

#[test]
fn a_catastrophic_pattern_takes_linear_time() {
    let text = rule("  a: {userAgent|re: '^(a+)+(a|aa)*$'}", "a");
    let (rules, report) = load(&text);
    assert_eq!(report.loaded, 1);
    assert_eq!(matches_of(&rules, &"a".repeat(200_000)), 1);
    assert_eq!(matches_of(&rules, &format!("{}!", "a".repeat(200_000))), 0);
}

fn matches_of(rules: &RuleSet, agent: &str) -> usize {
    let record = serde_json::json!({"Records": [{"eventVersion": "1.11", "eventTime": "2026-01-01T00:00:00Z",
        "eventSource": "s3.amazonaws.com", "eventName": "X", "eventID": "e", "userAgent": agent}]});
    let (batches, _) = decode(record.to_string().as_bytes(), plan(rules));
    batches.iter().flat_map(|batch| rules.matching(batch)).map(|ids| ids.len()).sum()
}

#[test]
fn a_pattern_that_compiles_to_gigabytes_is_refused() {
    let reason = refused(&rule("  a: {userAgent|re: '(((a{100}){100}){100}){100}'}", "a"));
    assert!(reason.contains("size limit") || reason.contains("regex"), "{reason}");
}

#[test]
fn a_list_of_values_is_taken_up_to_its_limit() {
    let list = |count: usize| {
        let values: Vec<String> = (0..count).map(|value| format!("v{value}")).collect();
        rule(&format!("  a: {{eventName: [{}]}}", values.join(", ")), "a")
    };
    assert_eq!(load(&list(VALUES_MAX)).1.loaded, 1);
    assert_eq!(refused(&list(VALUES_MAX + 1)), format!("more than {VALUES_MAX} values in one rule"));
}

#[test]
fn a_file_is_taken_up_to_its_limit() {
    let mut text = rule(PLAIN, "a");
    let fill = |text: &mut String, bytes: usize| {
        text.push_str("# ");
        text.push_str(&"x".repeat(bytes - text.len()));
    };
    let mut longer = text.clone();
    fill(&mut text, FILE_BYTES_MAX);
    assert_eq!(load(&text).1.loaded, 1);
    fill(&mut longer, FILE_BYTES_MAX + 1);
    assert!(refused(&longer).contains("bytes"));
}

#[test]
fn deep_nesting_is_refused_however_it_is_written() {
    let one_line = rule(&format!("  a: {}{}", "[".repeat(100_000), "]".repeat(100_000)), "a");
    assert!(!refused(&one_line).is_empty());
    let many_lines =
        rule(&format!("  a:\n{}    x\n{}", "    [\n".repeat(50_000), "    ]\n".repeat(50_000)), "a");
    assert!(!refused(&many_lines).is_empty());
    let mut indented = String::from("  a:\n");
    for depth in 0..2_000 {
        writeln!(indented, "{}k:", " ".repeat(4 + depth)).expect("a string");
    }
    assert!(!refused(&rule(&indented, "a")).is_empty());
    let dashes = rule(&format!("  a:\n    {}x", "- ".repeat(50_000)), "a");
    assert!(!refused(&dashes).is_empty());
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from(
        "title: t\nlogsource: {product: aws, service: cloudtrail}\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n",
    );
    for level in 1..12 {
        let inner = vec![format!("*x{}", level - 1); 10].join(", ");
        writeln!(text, "x{level}: &x{level} [{inner}]").expect("a string");
    }
    text.push_str("detection:\n  a: {eventName: *x11}\n  condition: a\n");
    assert!(!refused(&text).is_empty());
}

#[test]
fn a_deep_condition_is_refused() {
    let deep = format!("{}a{}", "(".repeat(20_000), ")".repeat(20_000));
    assert!(!refused(&rule(PLAIN, &deep)).is_empty());
}

#[test]
fn a_chain_of_negations_neither_crashes_nor_is_lost() {
    let (_, report) = load(&rule(PLAIN, &format!("{}a", "not ".repeat(50_000))));
    assert_eq!(report.loaded + report.broken.len(), 1);
}

#[test]
fn a_long_condition_neither_crashes_nor_is_lost() {
    let (_, report) = load(&rule(PLAIN, &format!("a{}", " or a".repeat(50_000))));
    assert_eq!(report.loaded + report.broken.len(), 1);
}

#[test]
fn correlations_that_lead_back_to_themselves_are_refused() {
    let mut text = String::new();
    for (id, next) in [("a", "b"), ("b", "c"), ("c", "a")] {
        write!(
            text,
            "---\ntitle: {id}\nid: {id}\ncorrelation:\n  type: temporal\n  rules: [{next}]\n  timespan: 1h\n"
        )
        .expect("a string");
    }
    let (rules, report) = load(&text);
    assert_eq!(rules.texts().count(), 0);
    assert_eq!(report.broken.len(), 3, "{:?}", report.broken);
    assert!(report.broken.iter().any(|broken| broken.reason == "it leads back to itself"));
}

#[test]
fn a_correlation_that_counts_without_end_is_refused() {
    let text = format!(
        "{}---\ntitle: many\nid: many\ncorrelation:\n  type: event_count\n  rules: [r]\n  group-by: [sourceIPAddress]\n  timespan: 1d\n  condition: {{gte: 4000000000}}\n",
        rule(PLAIN, "a")
    );
    let (_, report) = load(&text);
    assert_eq!(report.broken.len(), 1);
    assert!(report.broken[0].reason.contains("counts beyond"), "{:?}", report.broken);
}

#[test]
fn text_that_is_no_rule_is_named_with_its_line() {
    let (_, report) = load(&format!("{}---\ntitle: [broken\n", rule(PLAIN, "a")));
    assert_eq!(report.loaded, 1);
    assert_eq!(report.broken.len(), 1);
    assert!(report.broken[0].line >= 8, "{:?}", report.broken);
    for text in ["\u{0}\u{1}", "%%%", "- - -", "null", "7", "[]", "detection: {}", "&a *a", "!!binary x"] {
        let (rules, _) = load(text);
        assert_eq!(rules.texts().count(), 0, "{text}");
    }
}

#[test]
fn an_empty_set_finds_nothing() {
    let (rules, report) = load("");
    assert_eq!((report.loaded, report.broken.len()), (0, 0));
    let (batches, _) = decode(&pugmark_sim::sample_file(1, 20), plan(&rules));
    let mut detection = Detection::new(Arc::new(rules), Grouping::Actor);
    for batch in &batches {
        detection.read(batch);
    }
    let findings = detection.finish();
    assert_eq!((findings.findings.len(), findings.sums.events), (0, 20));
}

#[test]
fn a_value_that_looks_like_an_absent_one_hides_nothing() {
    let (rules, report) = load(&rule("  a: {eventName: X, errorCode: null}", "a"));
    assert_eq!(report.loaded, 1);
    let event = |id: &str, error: Option<&str>| {
        let mut event = serde_json::json!({"eventVersion": "1.11", "eventTime": "2026-01-01T00:00:00Z",
            "eventSource": "s3.amazonaws.com", "eventName": "X", "eventID": id});
        if let Some(error) = error {
            event["errorCode"] = error.into();
        }
        event
    };
    let records = serde_json::json!({"Records": [event("a", Some("\u{0}absent")), event("b", None), event("c", Some("\u{0}absent"))]});
    let (batches, _) = decode(records.to_string().as_bytes(), plan(&rules));
    let matches: Vec<usize> =
        batches.iter().flat_map(|batch| rules.matching(batch)).map(|ids| ids.len()).collect();
    assert_eq!(matches, [0, 1, 0]);
}
