//! Attacks found by rules, and the rules themselves, as a person runs them.

#[expect(dead_code, reason = "other transcripts need the rest")]
mod common;

use common::{Desk, event, user};
use serde_json::Value;

/// Mallory stops a trail and deletes it; alice reads.
fn trail() -> Desk {
    let desk = Desk::new();
    let call = |id, time: &str, name: &str| {
        let more = format!(r#"{},"readOnly":false,"requestParameters":{{"name":"main"}}"#, user("mallory"));
        event(id, time, name, &more).replace("iam.amazonaws.com", "cloudtrail.amazonaws.com")
    };
    let read = event(9, "08:00:00", "GetUser", &format!(r#"{},"readOnly":true"#, user("alice")));
    // The later call stands first, and one of them twice.
    desk.log("b.json", &[call(2, "10:05:00", "DeleteTrail"), read]);
    desk.log("a.json", &[call(1, "10:00:00", "StopLogging"), call(2, "10:05:00", "DeleteTrail")]);
    desk
}

const RULES: &str = "\
title: Trail touched
id: 11111111-2222-4333-8444-555555555555
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: cloudtrail.amazonaws.com, eventName: [StopLogging, DeleteTrail]}
  condition: selection
level: high
tests:
  - {name: a stop, match: true, event: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging}}
---
title: For Windows
logsource: {product: windows, category: process_creation}
detection: {selection: {Image: a.exe}, condition: selection}
---
title: Broken
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: X}, condition: selection and}
";

fn findings(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn our_own_rules_name_the_attack_without_any_option() {
    let desk = trail();
    let answer = desk.run(&["detect", "logs", "--output", "jsonl"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let found = findings(&answer.stdout);
    let titles: Vec<&str> = found.iter().filter_map(|finding| finding["title"].as_str()).collect();
    assert!(titles.contains(&"Trail stopped") && titles.contains(&"Trail deleted"), "{titles:?}");
    let stopped = found.iter().find(|finding| finding["title"] == "Trail stopped").expect("a finding");
    assert_eq!((&stopped["level"], &stopped["count"]), (&Value::from("high"), &Value::from(1)));
    assert_eq!(stopped["actor"], "user/mallory@111122223333");
    assert_eq!(stopped["techniques"][0], "T1562.008");
}

#[test]
fn other_rules_run_instead_and_every_document_is_accounted_for() {
    let desk = trail();
    desk.file("rules/all.yml", RULES);
    desk.file("rules/README.md", "not a rule");
    let answer = desk.run(&["detect", "logs", "--rules", "rules", "--output", "jsonl"]);
    let found = findings(&answer.stdout);
    assert_eq!(found.len(), 1, "{}", answer.stdout);
    assert_eq!((&found[0]["title"], &found[0]["count"]), (&"Trail touched".into(), &2.into()));
    assert!(answer.stderr.contains("1 rule, 1 not for CloudTrail, 1 broken"), "{}", answer.stderr);
    assert!(answer.stderr.contains("all.yml:15: "), "{}", answer.stderr);
}

#[test]
fn a_bad_enough_finding_is_the_exit_code() {
    let desk = trail();
    assert_eq!(desk.run(&["detect", "logs", "--fail-on", "critical"]).code, 0);
    assert_eq!(desk.run(&["detect", "logs", "--fail-on", "high"]).code, 1);
    let wrong = desk.run_as_is(&["detect", "logs", "--level", "hig"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("`hig` is no level"), "{}", wrong.stderr);
}

#[test]
fn what_is_known_is_left_out_until_it_ends_and_what_is_new_is_marked() {
    let desk = trail();
    let first = desk.run(&["detect", "logs", "--output", "jsonl"]).stdout;
    desk.file("earlier.jsonl", &first[..=first.find('\n').expect("a line")]);
    let again = desk.run(&["detect", "logs", "--baseline", "earlier.jsonl", "--output", "jsonl"]);
    let new: Vec<Value> =
        findings(&again.stdout).into_iter().filter(|finding| finding["new"] == true).collect();
    assert_eq!(new.len() + 1, findings(&first).len(), "{}", again.stdout);

    let entry = |expires: &str| {
        format!(
            "[[suppress]]\nrule = \"Trail*\"\nactor = \"*mallory*\"\nowner = \"us\"\nreason = \"drill\"\nexpires = \"{expires}\"\n"
        )
    };
    desk.file("known.toml", entry("2999-01-01"));
    let quiet = desk.run(&["detect", "logs", "--suppress", "known.toml", "--output", "jsonl"]);
    assert!(!quiet.stdout.contains("\"Trail stopped\""), "{}", quiet.stdout);
    desk.file("known.toml", entry("2020-01-01"));
    let ended = desk.run(&["detect", "logs", "--suppress", "known.toml", "--output", "jsonl"]);
    assert!(ended.stdout.contains("\"Trail stopped\""), "{}", ended.stdout);
    assert!(ended.stderr.contains("ended on 2020-01-01"), "{}", ended.stderr);
    desk.file("known.toml", entry("soon"));
    let wrong = desk.run_as_is(&["detect", "logs", "--suppress", "known.toml"]);
    assert_eq!(wrong.code, 2);
}

#[test]
fn every_form_says_the_same_and_hostile_text_stays_text() {
    let desk = trail();
    let nasty = event(
        7,
        "11:00:00",
        "StopLogging",
        r#""userIdentity":{"type":"IAMUser","userName":"<script>alert(1)</script>\u001b[2J","arn":"arn:aws:iam::111122223333:user/<img onerror=x>"},"requestParameters":{"name":"main"}"#,
    );
    desk.log(
        "c.json",
        &[nasty.replace("iam.amazonaws.com\",\"eventName", "cloudtrail.amazonaws.com\",\"eventName")],
    );
    let html = desk.run(&["detect", "logs", "--output", "html"]).stdout;
    assert!(html.contains("Trail stopped") && html.contains("&lt;img onerror=x&gt;"), "{html}");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    let table = desk.run(&["detect", "logs", "--output", "table"]).stdout;
    assert!(table.contains("Trail stopped") && !table.contains("\u{1b}[2J"), "{table}");
    let sarif: Value =
        serde_json::from_str(&desk.run(&["detect", "logs", "--output", "sarif"]).stdout).expect("JSON");
    assert!(sarif["runs"][0]["results"].as_array().is_some_and(|results| results.len() >= 2), "{sarif}");
    for form in ["ocsf", "timesketch"] {
        let lines = findings(&desk.run(&["detect", "logs", "--output", form]).stdout);
        assert!(lines.len() >= 2, "{form}");
    }
    let ocsf = findings(&desk.run(&["detect", "logs", "--output", "ocsf"]).stdout);
    assert!(ocsf.iter().all(|line| line["class_uid"] == 2004), "{ocsf:?}");
}

#[test]
fn rules_are_tested_checked_explained_and_counted() {
    let desk = trail();
    desk.file("rules/all.yml", RULES.split("---").next().expect("a rule"));
    let test = desk.run_as_is(&["rules", "test", "--rules", "rules", "--junit", "out.xml"]);
    assert_eq!(test.code, 0, "{}", test.stderr);
    assert!(test.stderr.contains("1 of 1 test passed"), "{}", test.stderr);
    let junit = std::fs::read_to_string(desk.path().join("out.xml")).expect("a file");
    assert!(junit.contains("tests=\"1\" failures=\"0\""), "{junit}");

    desk.file(
        "bad/bad.yml",
        RULES.split("---").next().expect("a rule").replace("StopLogging,", "StopLoging,"),
    );
    let lint = desk.run_as_is(&["rules", "lint", "--rules", "bad", "--output", "csv"]);
    assert_eq!(lint.code, 1, "{}", lint.stdout);
    assert!(lint.stdout.contains("StopLogging"), "{}", lint.stdout);

    let id = "00000000-0000-4000-8000-000000000001";
    let explain = desk.run_as_is(&[
        "rules",
        "explain",
        "Trail touched",
        "logs",
        id,
        "--rules",
        "rules",
        "--output",
        "table",
    ]);
    assert_eq!(explain.code, 0, "{}", explain.stderr);
    assert!(explain.stdout.starts_with("`Trail touched` matches"), "{}", explain.stdout);
    let other = "00000000-0000-4000-8000-000000000009";
    assert_eq!(
        desk.run_as_is(&["rules", "explain", "Trail touched", "logs", other, "--rules", "rules"]).code,
        1
    );

    let layer = desk.run_as_is(&["rules", "coverage", "--output", "navigator"]).stdout;
    let layer: Value = serde_json::from_str(&layer).expect("JSON");
    assert!(layer["techniques"].as_array().is_some_and(|techniques| techniques.len() > 50), "{layer}");
}

#[test]
fn an_unusual_rate_is_told_as_cloudtrail_tells_it() {
    let desk = Desk::new();
    let call = |id: u32, day: u32, time: &str, who: &str| {
        let more = format!(
            r#"{},"readOnly":false,"managementEvent":true,"eventType":"AwsApiCall","eventCategory":"Management""#,
            user(who)
        );
        event(id, time, "DeleteUser", &more).replace("2026-08-01", &format!("2026-08-{day:02}"))
    };
    let quiet = (0..9).map(|day| call(day, day + 1, "00:00:00", "alice"));
    let burst =
        (0..200).map(|number| call(1_000 + number, 10, &format!("12:00:{:02}", number % 60), "mallory"));
    // An incident is over once usual minutes follow.
    let after = call(9_999, 10, "18:00:00", "alice");
    desk.log("a.json", &quiet.chain(burst).chain([after]).collect::<Vec<_>>());
    let answer = desk.run(&["insights", "logs", "--output", "records"]);
    let records = findings(&answer.stdout);
    assert_eq!(records.len(), 2, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(records[0]["insightDetails"]["eventName"], "DeleteUser");
    assert_eq!(records[0]["insightDetails"]["state"], "Start");
    assert_eq!(records[1]["insightDetails"]["state"], "End");
}
