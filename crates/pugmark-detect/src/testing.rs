//! Tests that rules carry with them: events that must and must not match.
//!
//! ```yaml
//! tests:
//!   - name: a user stops a trail
//!     match: true
//!     event: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging}
//! ```
//!
//! A correlation has `findings` and `events` instead. Records may be partial:
//! what every record has is filled in; a member that is `null` is left out.
//! They go the whole way, through the decoder and the dispatch.

use std::fmt::Write as _;
use std::sync::Arc;

use pugmark_decode::{Plan, decode};
use pugmark_event::{EventBatch, Projection};
use rsigma_parser::parse_sigma_yaml;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::load::{documents, refusal};
use crate::{Detection, Grouping, LoadOptions, RuleFile, RuleSet, RuleText};

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// The file.
    pub file: String,
    /// Id of the rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// The test's name.
    pub name: String,
    /// What went wrong; `None` if nothing did.
    pub failure: Option<String>,
}

/// What all files' tests came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TestReport {
    /// Every test.
    pub outcomes: Vec<TestOutcome>,
    /// Titles of rules that are reported and carry no test.
    pub untested: Vec<String>,
}

impl TestReport {
    /// Tests that failed.
    pub fn failures(&self) -> impl Iterator<Item = &TestOutcome> {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some())
    }

    /// As continuous integration reads it.
    ///
    /// Source: the `JUnit` XML format, as Jenkins and others read it.
    pub fn junit(&self) -> String {
        let (all, failed) = (self.outcomes.len(), self.failures().count());
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let mut put = |line: std::fmt::Arguments<'_>| writeln!(out, "{line}").expect("memory does not fail");
        put(format_args!("<testsuite name=\"rules\" tests=\"{all}\" failures=\"{failed}\">"));
        for outcome in &self.outcomes {
            let (class, name, file) = (xml(&outcome.title), xml(&outcome.name), xml(&outcome.file));
            let case = format!("  <testcase classname=\"{class}\" name=\"{name}\" file=\"{file}\"");
            match &outcome.failure {
                None => put(format_args!("{case}/>")),
                Some(failure) => {
                    put(format_args!("{case}><failure message=\"{}\"/></testcase>", xml(failure)));
                }
            }
        }
        put(format_args!("</testsuite>"));
        out
    }
}

fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What XML cannot hold.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Runs the tests of every rule in `files`, which are loaded together.
pub fn run_tests(files: &[RuleFile<'_>], options: &LoadOptions) -> TestReport {
    let (rules, _) = RuleSet::load(files, options);
    let mut runner = Runner { rules: Arc::new(rules), report: TestReport::default() };
    for file in files.iter().filter(|file| refusal(file.text).is_none()) {
        for (_, text) in documents(file.text) {
            let Ok(collection) = parse_sigma_yaml(text) else { continue };
            for rule in &collection.rules {
                let tests = rule.custom_attributes.get("tests").map(serde_json::to_value);
                let named = (file.name, rule.title.as_str(), rule.id.as_deref());
                runner.run(named, tests.and_then(Result::ok).as_ref(), of_rule);
            }
            for rule in &collection.correlations {
                let tests = rule.custom_attributes.get("tests").map(serde_json::to_value);
                let named = (file.name, rule.title.as_str(), rule.id.as_deref());
                runner.run(named, tests.and_then(Result::ok).as_ref(), of_correlation);
            }
        }
    }
    runner.report
}

struct Runner {
    rules: Arc<RuleSet>,
    report: TestReport,
}

impl Runner {
    /// Runs the tests of a document by file, title and id.
    fn run(
        &mut self,
        (file, title, id): (&str, &str, Option<&str>),
        tests: Option<&Value>,
        judge: fn(&Value, &str, &Arc<RuleSet>) -> Result<(), String>,
    ) {
        let is_meant = |text: &&Arc<RuleText>| match id {
            Some(id) => text.id == id,
            None => text.file == file && text.title == title,
        };
        let loaded = self.rules.texts().find(is_meant).cloned();
        let tests = tests.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if tests.is_empty() && loaded.as_ref().is_some_and(|text| !text.is_silent) {
            self.report.untested.push(title.to_owned());
        }
        for one in tests {
            let failure = match &loaded {
                Some(text) => judge(one, &text.id, &self.rules).err(),
                None => Some("the rule does not load".to_owned()),
            };
            self.report.outcomes.push(TestOutcome {
                file: file.to_owned(),
                rule: loaded.as_ref().map_or_else(String::new, |text| text.id.clone()),
                title: title.to_owned(),
                name: one["name"].as_str().unwrap_or("a test without a name").to_owned(),
                failure,
            });
        }
    }
}

fn of_rule(test: &Value, id: &str, rules: &Arc<RuleSet>) -> Result<(), String> {
    let wanted = test["match"].as_bool().ok_or("it lacks `match: true` or `match: false`")?;
    let batches = decoded(&[&test["event"]])?;
    let matches =
        batches.iter().any(|batch| rules.matching(batch).iter().flatten().any(|found| *found == id));
    match (wanted, matches) {
        (true, false) => Err("the event should match, and does not".to_owned()),
        (false, true) => Err("the event should not match, and does".to_owned()),
        _ => Ok(()),
    }
}

fn of_correlation(test: &Value, id: &str, rules: &Arc<RuleSet>) -> Result<(), String> {
    let wanted = test["findings"].as_u64().ok_or("it lacks `findings: N`")?;
    let events = test["events"].as_array().ok_or("it lacks a list of `events`")?;
    let mut detection = Detection::new(Arc::clone(rules), Grouping::Actor);
    for batch in decoded(&events.iter().collect::<Vec<_>>())? {
        detection.read(&batch);
    }
    let findings = detection.finish().findings;
    let found = findings.iter().filter(|finding| finding.rule.id == id).count() as u64;
    if found == wanted { Ok(()) } else { Err(format!("{wanted} findings were expected, {found} found")) }
}

/// Records as batches with every column.
fn decoded(events: &[&Value]) -> Result<Vec<EventBatch>, String> {
    let records: Result<Vec<Value>, String> =
        events.iter().enumerate().map(|(place, event)| whole(place, event)).collect();
    let text = json!({ "Records": records? }).to_string();
    let (batches, tally) = decode(text.as_bytes(), Plan { projection: Projection::all(), ..Plan::default() });
    match tally.lost {
        0 => Ok(batches),
        _ => Err("its event is no record that can be read".to_owned()),
    }
}

/// A partial record with what every record has.
fn whole(place: usize, event: &Value) -> Result<Value, String> {
    let event = event.as_object().ok_or("an event is a mapping of members of a record")?;
    let source = event.get("eventSource").and_then(Value::as_str).unwrap_or("test.amazonaws.com");
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    put("eventVersion", "1.11".into());
    put("userIdentity", json!({"type": "IAMUser", "accountId": "111122223333"}));
    put("eventTime", "2026-01-01T00:00:00Z".into());
    put("eventSource", source.into());
    put("eventName", "Test".into());
    put("awsRegion", "us-east-1".into());
    put("sourceIPAddress", "198.51.100.7".into());
    put("userAgent", "test".into());
    put("requestParameters", Value::Null);
    put("responseElements", Value::Null);
    put("requestID", format!("request-{place}").into());
    put("eventID", format!("00000000-0000-4000-8000-{place:012}").into());
    put("readOnly", false.into());
    put("eventType", "AwsApiCall".into());
    put("managementEvent", true.into());
    put("recipientAccountId", "111122223333".into());
    put("eventCategory", "Management".into());
    for (name, value) in event {
        if value.is_null() {
            record.remove(name);
        } else {
            record.insert(name.clone(), value.clone());
        }
    }
    Ok(Value::Object(record))
}
