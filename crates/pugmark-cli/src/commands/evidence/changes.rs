//! Events that change what a trail logs, and the times in which it did not.
//!
//! Source: AWS `CloudTrail` API Reference: `StartLogging`, `StopLogging`,
//! `CreateTrail`, `UpdateTrail`, `DeleteTrail`, `PutEventSelectors`,
//! `PutInsightSelectors`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow::array::Array;
use pugmark_event::{EventBatch, Leaf};
use pugmark_scan::{Sink, scan};
use serde_json::Value;

use crate::exit::Failure;
use crate::plan::Reading;
use crate::run::{Run, request};
use crate::who::{Texts, Who};

const SOURCE: &str = "cloudtrail.amazonaws.com";
const NAMES: [&str; 7] = [
    "StartLogging",
    "StopLogging",
    "CreateTrail",
    "UpdateTrail",
    "DeleteTrail",
    "PutEventSelectors",
    "PutInsightSelectors",
];

/// True for calls that [`Change`] is about.
pub(super) fn is_change(source: Option<&str>, name: Option<&str>) -> bool {
    name.is_some_and(|name| NAMES.contains(&name)) && source == Some(SOURCE)
}

/// Every such call of the input, in order of time; the rest of it is passed over.
pub(super) fn read(reading: &Reading, run: &Run<'_>) -> Result<Vec<Change>, Failure> {
    let leaves = [
        Leaf::EventTime,
        Leaf::EventId,
        Leaf::EventSource,
        Leaf::EventName,
        Leaf::ErrorCode,
        Leaf::RequestParameters,
        Leaf::RecipientAccountId,
        Leaf::AwsRegion,
    ];
    let mut request = request(reading, leaves.into_iter().chain(Who::LEAVES).collect());
    request.needles = vec![SOURCE.as_bytes().to_vec()];
    let (found, _tally) = scan(reading.list(&run.progress)?, &request, &run.progress, Changes::default)?;
    let mut changes: Vec<Change> = found.into_iter().flat_map(|found| found.0).collect();
    changes.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    Ok(changes)
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Sink for Changes {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let (source, name) = (Texts::of(&batch, Leaf::EventSource), Texts::of(&batch, Leaf::EventName));
        let who = Who::of(&batch);
        let times = batch.times(Leaf::EventTime);
        for row in (0..batch.rows()).filter(|row| is_change(source.get(*row), name.get(*row))) {
            if let Some(times) = times.as_ref().filter(|times| !times.is_null(row)) {
                self.0.push(Change::of(&batch, row, (times.value(row), who.name(row))));
            }
        }
        ControlFlow::Continue(())
    }
}

/// One such call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// The event's name.
    pub(super) name: String,
    /// The trail's name, without the rest of its ARN.
    pub(super) trail: String,
    /// Account whose trail it is.
    pub(super) account: String,
    /// The trail's home Region: that of its ARN, or else of the call.
    pub(super) region: String,
    /// Who called.
    pub(super) who: String,
    /// What it did, in words.
    pub(super) effect: String,
    /// Data events on or off, if the call says.
    pub(super) data_events: Option<bool>,
    /// True if nothing at all is selected any more, false if something is; `None` if the call does not say.
    pub(super) selects_nothing: Option<bool>,
    /// Why the call failed.
    pub(super) error: Option<String>,
    /// The event's id.
    pub(super) id: String,
}

impl Change {
    /// The change that `row` is.
    pub(super) fn of(batch: &EventBatch, row: usize, (time, who): (i64, String)) -> Change {
        let text = |leaf| Texts::of(batch, leaf).get(row).unwrap_or_default().to_owned();
        let parameters: Value = serde_json::from_str(&text(Leaf::RequestParameters)).unwrap_or(Value::Null);
        let name = text(Leaf::EventName);
        let trail = ["name", "trailName", "Name", "TrailName"]
            .iter()
            .find_map(|member| parameters[*member].as_str())
            .unwrap_or_default();
        let (region, account, trail) = match trail.rsplit_once(":trail/") {
            // `arn:aws:cloudtrail:eu-west-1:111122223333:trail/name`
            Some((arn, trail)) => {
                let mut parts = arn.rsplit(':').map(str::to_owned);
                let account = parts.next().unwrap_or_default();
                (parts.next().unwrap_or_default(), account, trail)
            }
            None => (text(Leaf::AwsRegion), text(Leaf::RecipientAccountId), trail),
        };
        let Effect { words: effect, data_events, selects_nothing } = effect(&name, &parameters);
        Change {
            time,
            trail: trail.to_owned(),
            account,
            region,
            who,
            effect,
            data_events,
            selects_nothing,
            error: Texts::of(batch, Leaf::ErrorCode).get(row).map(str::to_owned),
            id: text(Leaf::EventId),
            name,
        }
    }
}

/// What a call does.
#[derive(Debug, Default, PartialEq, Eq)]
struct Effect {
    words: String,
    data_events: Option<bool>,
    selects_nothing: Option<bool>,
}

impl Effect {
    fn of(words: impl Into<String>) -> Effect {
        Effect { words: words.into(), ..Effect::default() }
    }
}

fn effect(name: &str, parameters: &Value) -> Effect {
    match name {
        "StartLogging" => Effect::of("logging on"),
        "StopLogging" => Effect::of("logging off"),
        "DeleteTrail" => Effect::of("trail deleted"),
        "PutEventSelectors" => selectors(parameters),
        "PutInsightSelectors" => {
            let on = parameters["insightSelectors"].as_array().is_some_and(|list| !list.is_empty());
            Effect::of(format!("Insights {}", if on { "on" } else { "off" }))
        }
        _ => Effect::of(settings(parameters)),
    }
}

/// Settings of a trail that decide what is logged and where it goes.
fn settings(parameters: &Value) -> String {
    let mut words = Vec::new();
    for (member, meaning) in [
        ("isMultiRegionTrail", "all Regions"),
        ("includeGlobalServiceEvents", "global services"),
        ("enableLogFileValidation", "digests"),
        ("isOrganizationTrail", "whole organization"),
    ] {
        if let Some(on) = parameters[member].as_bool() {
            words.push(format!("{meaning} {}", if on { "on" } else { "off" }));
        }
    }
    for (member, meaning) in [("s3BucketName", "bucket"), ("s3KeyPrefix", "prefix"), ("kmsKeyId", "key")] {
        if let Some(value) = parameters[member].as_str() {
            words.push(format!("{meaning} `{value}`"));
        }
    }
    words.join(", ")
}

fn selectors(parameters: &Value) -> Effect {
    let list = |member: &str| parameters[member].as_array().cloned().unwrap_or_default();
    let (basic, advanced) = (list("eventSelectors"), list("advancedEventSelectors"));
    if basic.is_empty() && advanced.is_empty() {
        return Effect::default();
    }
    let has_basic = basic
        .iter()
        .any(|selector| selector["dataResources"].as_array().is_some_and(|resources| !resources.is_empty()));
    let categories: Vec<&Value> = advanced
        .iter()
        .flat_map(|selector| selector["fieldSelectors"].as_array().into_iter().flatten())
        .filter(|field| field["field"].as_str() == Some("eventCategory"))
        .flat_map(|field| field["equals"].as_array().into_iter().flatten())
        .collect();
    let has = |category: &str| categories.iter().any(|value| value.as_str() == Some(category));
    let data = has_basic || has("Data");
    let management = if basic.is_empty() {
        has("Management")
    } else {
        basic.iter().any(|selector| selector["includeManagementEvents"].as_bool() != Some(false))
    };
    let words = |on: bool| if on { "on" } else { "off" };
    let others = categories.iter().any(|value| !matches!(value.as_str(), Some("Data" | "Management")));
    Effect {
        words: format!("data events {}, management events {}", words(data), words(management)),
        data_events: Some(data),
        selects_nothing: Some(!data && !management && !others),
    }
}

/// A time in which a trail did not log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Account whose trail it is.
    pub(super) account: String,
    /// The trail.
    pub(super) trail: String,
    /// From when, microseconds since 1970.
    pub(super) since: i64,
    /// Until when; `None` if nobody switched it on again.
    pub(super) until: Option<i64>,
    /// The call that switched it off.
    pub(super) name: String,
    /// Who called.
    pub(super) who: String,
}

/// The times between `StopLogging` or `DeleteTrail` and the next
/// `StartLogging` of the same trail, and those between `PutEventSelectors`
/// that selects nothing and the next that does. Calls that failed change
/// nothing.
pub(super) fn windows(changes: &[Change]) -> Vec<Window> {
    let mut open: BTreeMap<(&str, &str, bool), Window> = BTreeMap::new();
    let mut closed = Vec::new();
    for change in changes.iter().filter(|change| change.error.is_none()) {
        let (switches_off, by_selectors) = match (change.name.as_str(), change.selects_nothing) {
            ("StopLogging" | "DeleteTrail", _) => (true, false),
            ("StartLogging", _) => (false, false),
            ("PutEventSelectors", Some(selects_nothing)) => (selects_nothing, true),
            _ => continue,
        };
        let trail = (change.account.as_str(), change.trail.as_str(), by_selectors);
        if switches_off {
            open.entry(trail).or_insert_with(|| Window {
                account: change.account.clone(),
                trail: change.trail.clone(),
                since: change.time,
                until: None,
                name: change.name.clone(),
                who: change.who.clone(),
            });
        } else {
            closed.extend(open.remove(&trail).map(|window| Window { until: Some(change.time), ..window }));
        }
    }
    closed.extend(open.into_values());
    closed.sort_by(|a, b| (a.since, &a.account, &a.trail).cmp(&(b.since, &b.account, &b.trail)));
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(time: i64, name: &str, error: Option<&str>) -> Change {
        Change {
            time,
            name: name.to_owned(),
            trail: "main".to_owned(),
            account: "1".to_owned(),
            region: "eu-west-1".to_owned(),
            who: "alice".to_owned(),
            effect: String::new(),
            data_events: None,
            selects_nothing: None,
            error: error.map(str::to_owned),
            id: String::new(),
        }
    }

    #[test]
    fn a_trail_is_off_from_stop_to_start() {
        let changes = [
            change(1, "StopLogging", Some("AccessDenied")),
            change(2, "StopLogging", None),
            change(3, "StopLogging", None),
            change(5, "StartLogging", None),
            change(9, "DeleteTrail", None),
        ];
        let times: Vec<_> =
            windows(&changes).into_iter().map(|window| (window.since, window.until)).collect();
        assert_eq!(times, [(2, Some(5)), (9, None)]);
    }

    #[test]
    fn a_trail_that_selects_nothing_is_off_until_it_selects_something() {
        let put =
            |time, nothing| Change { selects_nothing: nothing, ..change(time, "PutEventSelectors", None) };
        let changes =
            [put(1, Some(true)), change(2, "StartLogging", None), put(3, None), put(4, Some(false))];
        let found: Vec<_> =
            windows(&changes).into_iter().map(|window| (window.name, window.since, window.until)).collect();
        assert_eq!(found, [("PutEventSelectors".to_owned(), 1, Some(4))]);
    }

    #[test]
    fn selectors_say_whether_data_events_are_logged() {
        let of = |text: &str| {
            let effect = effect("PutEventSelectors", &serde_json::from_str(text).expect("JSON"));
            (effect.words, effect.data_events)
        };
        assert_eq!(
            of(
                r#"{"eventSelectors":[{"includeManagementEvents":true,"dataResources":[{"type":"AWS::S3::Object"}]}]}"#
            ),
            ("data events on, management events on".to_owned(), Some(true))
        );
        assert_eq!(
            of(r#"{"eventSelectors":[{"includeManagementEvents":false,"dataResources":[]}]}"#),
            ("data events off, management events off".to_owned(), Some(false))
        );
        assert_eq!(
            of(
                r#"{"advancedEventSelectors":[{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]}]}]}"#
            ),
            ("data events off, management events on".to_owned(), Some(false))
        );
    }
}
