//! The batch path and the evaluator it rests on, alone and with every event
//! as one JSON value, find the same.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use pugmark_decode::{Plan, decode};
use pugmark_detect::{Detection, LoadOptions, RuleFile, RuleSet};
use pugmark_event::Leaf;
use rsigma_eval::{Engine, Event, EventValue, JsonEvent};
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;

const RULES: &str = include_str!("data/modifiers.yml");
const ODD: &str = include_str!("data/odd.json");

/// A whole record as the evaluator reads it, but for one agreement: objects
/// that rules search as text are their JSON text.
struct Record<'a>(&'a Value);

const SEARCHED: [&str; 4] =
    ["requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"];

impl Event for Record<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        match self.0.get(path) {
            Some(whole @ (Value::Object(_) | Value::Array(_))) if SEARCHED.contains(&path) => {
                Some(EventValue::Str(Cow::Owned(whole.to_string())))
            }
            Some(member) => Some(EventValue::from(member)),
            None => nested(self.0, path),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        JsonEvent::borrow(self.0).any_string_value(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let event = JsonEvent::borrow(self.0);
        event.all_string_values().into_iter().map(|text| Cow::Owned(text.into_owned())).collect()
    }

    fn to_json(&self) -> Value {
        self.0.clone()
    }
}

/// As `JsonEvent` goes down a path: through every element of a list.
fn nested<'v>(value: &'v Value, path: &str) -> Option<EventValue<'v>> {
    let mut found = vec![value];
    for member in path.split('.') {
        found = found
            .into_iter()
            .flat_map(|value| match value {
                Value::Array(items) => items.iter().collect::<Vec<_>>(),
                other => vec![other],
            })
            .filter_map(|value| value.get(member))
            .collect();
    }
    match found.len() {
        0 => None,
        1 => Some(EventValue::from(found[0])),
        _ => Some(EventValue::Array(found.into_iter().map(EventValue::from).collect())),
    }
}

struct Both {
    ours: RuleSet,
    theirs: Engine,
    /// Rules that have matched something.
    seen: BTreeSet<String>,
    events: usize,
}

impl Both {
    fn of(rules: &str) -> Both {
        let (ours, report) =
            RuleSet::load(&[RuleFile { name: "modifiers.yml", text: rules }], &LoadOptions::default());
        assert_eq!(report.broken, Vec::new());
        let collection = parse_sigma_yaml(rules).expect("YAML");
        let mut theirs = Engine::new();
        theirs.add_collection(&collection).expect("rules that compile");
        assert_eq!(theirs.rule_count(), report.loaded);
        Both { ours, theirs, seen: BTreeSet::new(), events: 0 }
    }

    fn compare(&mut self, text: &[u8]) {
        let (batches, _) =
            decode(text, Plan { projection: Detection::leaves(&self.ours), ..Plan::default() });
        for batch in &batches {
            let raw = batch.text(Leaf::Raw).expect("every column was asked for");
            let matching = self.ours.matching(batch);
            assert_eq!(matching.len(), batch.rows());
            for (row, ours) in matching.into_iter().enumerate() {
                let record: Value = serde_json::from_str(raw.value(row)).expect("a record is JSON");
                let theirs = self.theirs.evaluate(&Record(&record));
                let theirs: BTreeSet<&str> =
                    theirs.iter().filter_map(|found| found.header.rule_id.as_deref()).collect();
                let ours: BTreeSet<&str> = ours.into_iter().collect();
                assert_eq!(ours, theirs, "{}", raw.value(row));
                self.seen.extend(ours.into_iter().map(str::to_owned));
                self.events += 1;
            }
        }
    }
}

#[test]
fn generated_events_match_the_same_rules_both_ways() {
    let mut both = Both::of(RULES);
    for seed in 0..8 {
        both.compare(&pugmark_sim::sample_file(seed, 250));
    }
    assert_eq!(both.events, 2_000);
    assert!(both.seen.len() > 20, "too few rules match anything: {:?}", both.seen);
}

#[test]
fn odd_events_match_the_same_rules_both_ways() {
    let mut both = Both::of(RULES);
    both.compare(ODD.as_bytes());
    assert_eq!(both.events, 6);
}

#[test]
fn recorded_events_match_the_same_rules_both_ways() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let mut both = Both::of(RULES);
    for part in ["records", "stratus"] {
        let Ok(files) = std::fs::read_dir(folder.join(part)) else { continue };
        let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()).take(60) {
            let text = std::fs::read(path).expect("a file that is there");
            both.compare(&text);
        }
    }
}
