//! Counts the events that it is shown, and reports each tenth: what it learned must outlive any crash.

use std::collections::BTreeSet;
use std::io;

use pugmark_trail::{InsightRecord, InsightSelector, InsightType, Insights, Terms};

/// Events between two reports.
const EVERY: usize = 10;
/// How the ids of reports begin.
pub(crate) const MARK: &str = "ffffffff";

/// The ids of the events that were shown.
#[derive(Debug, Default)]
pub(crate) struct Census {
    seen: BTreeSet<String>,
}

impl Insights for Census {
    fn observe(&mut self, trails: &[&Terms], events: &[String], _now: i64) -> Vec<InsightRecord> {
        let mut found = Vec::new();
        for event in events {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            let id = event["eventID"].as_str().unwrap().to_owned();
            assert!(self.seen.insert(id.clone()), "{id} was shown twice");
            if self.seen.len().is_multiple_of(EVERY) {
                let event = format!(
                    r#"{{"eventVersion":"1.09","eventTime":"2026-01-15T10:00:00Z","eventID":"{MARK}-0000-4000-8000-{:012}","awsRegion":"eu-west-1","eventType":"AwsCloudTrailInsight","eventCategory":"Insight"}}"#,
                    self.seen.len() / EVERY
                );
                let record =
                    |terms: &&Terms| InsightRecord { trail: terms.arn.clone(), event: event.clone() };
                found.extend(trails.iter().map(record));
            }
        }
        found
    }

    fn memory(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.seen.iter().cloned().collect::<Vec<_>>().join("\n").into_bytes())
    }

    fn recall(&mut self, memory: &[u8]) -> io::Result<()> {
        let text = String::from_utf8(memory.to_vec()).map_err(io::Error::other)?;
        self.seen = text.lines().map(str::to_owned).collect();
        Ok(())
    }

    fn weight(&self) -> u64 {
        0
    }
}

/// What a trail asks for so that it is shown to the census.
pub(crate) fn asked() -> Vec<InsightSelector> {
    vec![InsightSelector { insight_type: InsightType::ApiCallRateInsight, event_categories: vec![] }]
}

/// Each tenth of `events` events was reported, once; not the last ones, if the trail was stopped first.
pub(crate) fn check(reports: &[(String, usize)], events: usize) {
    for (number, (id, times)) in reports.iter().enumerate() {
        assert_eq!((id.ends_with(&format!("{:012}", number + 1)), *times), (true, 1), "{reports:?}");
    }
    assert!(reports.len() + 2 > events / EVERY, "{} reports of {events} events", reports.len());
}
