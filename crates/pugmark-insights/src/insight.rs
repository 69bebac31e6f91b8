//! The two records of an incident, as `CloudTrail` delivers them.

use pugmark_event::format_time;
use serde_json::{Map, Value, json};

use crate::{Category, InsightType};

/// Values kept of each attribute, as in `CloudTrail`'s own records.
pub const VALUES_MAX: usize = 5;

const MINUTE_US: i64 = 60_000_000;

/// Which of the two records of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Unusual activity began.
    Start,
    /// The rate is usual again.
    End,
}

impl State {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Start => "Start",
            State::End => "End",
        }
    }
}

/// What calls are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// ARN of the caller, without the session's name; the service, where one called.
    UserIdentityArn,
    /// `userAgent`, in full.
    UserAgent,
    /// `errorCode`; the text `null` for calls that succeeded.
    ErrorCode,
}

impl Attribute {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Attribute::UserIdentityArn => "userIdentityArn",
            Attribute::UserAgent => "userAgent",
            Attribute::ErrorCode => "errorCode",
        }
    }
}

/// A value and how often it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Valued {
    /// The ARN, agent or code.
    pub value: String,
    /// Calls with it, per minute of the period.
    pub average: f64,
}

/// Who or what the calls had in common, then and before.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// What is counted.
    pub attribute: Attribute,
    /// The most frequent values of the unusual minutes, at most [`VALUES_MAX`].
    pub insight: Vec<Valued>,
    /// The same of the baseline.
    pub baseline: Vec<Valued>,
}

/// One Insights event.
#[derive(Clone, Debug, PartialEq)]
pub struct Insight {
    /// Minute at which the unusual activity began, or ended, microseconds since 1970.
    pub time: i64,
    /// `recipientAccountId`.
    pub account: String,
    /// `awsRegion`.
    pub region: String,
    /// Service of the API.
    pub event_source: String,
    /// The API.
    pub event_name: String,
    /// The error, for an error rate.
    pub error_code: Option<String>,
    /// What is unusual.
    pub kind: InsightType,
    /// Of which events.
    pub category: Category,
    /// Start or end.
    pub state: State,
    /// `eventID`: the same for the same incident and state, in every run.
    pub event_id: String,
    /// `sharedEventID`: the same for start and end.
    pub shared_id: String,
    /// Mean count of a minute before.
    pub baseline_average: f64,
    /// Mean count of a minute of the incident; at its start, of the first minute.
    pub insight_average: f64,
    /// Minutes of the incident; at its start, what is known so far.
    pub insight_minutes: u32,
    /// Minutes of the baseline; fewer than 10,080 where there is less history.
    pub baseline_minutes: u32,
    /// Who called, with what, with which outcome.
    pub attributions: Vec<Attribution>,
    /// ARN of the trail or store that was analysed.
    pub insight_source: Option<String>,
}

impl Insight {
    /// The record, as one line of JSON; the same bytes for the same Insight.
    pub fn record(&self) -> String {
        let mut details = Map::new();
        let mut put = |member: &str, value: Value| drop(details.insert(member.to_owned(), value));
        put("state", self.state.as_str().into());
        put("eventSource", self.event_source.as_str().into());
        put("eventName", self.event_name.as_str().into());
        put("insightType", self.kind.as_str().into());
        if let Some(code) = &self.error_code {
            put("errorCode", code.as_str().into());
        }
        put("sourceEventCategory", self.category.as_str().into());
        if let Some(source) = &self.insight_source {
            put("insightSource", source.as_str().into());
        }
        put("insightContext", self.context());
        let mut record = json!({
            "eventVersion": "1.09",
            "eventTime": format_time(self.time),
            "awsRegion": self.region,
            "eventID": self.event_id,
            "eventType": "AwsCloudTrailInsight",
        });
        let members = record.as_object_mut().expect("made as an object");
        if !self.account.is_empty() {
            members.insert("recipientAccountId".to_owned(), self.account.as_str().into());
        }
        members.insert("sharedEventID".to_owned(), self.shared_id.as_str().into());
        members.insert("insightDetails".to_owned(), Value::Object(details));
        members.insert("eventCategory".to_owned(), "Insight".into());
        record.to_string()
    }

    /// How many times the baseline the rate is; `None` where the baseline is zero.
    pub fn rate_change(&self) -> Option<f64> {
        (self.baseline_average > 0.0).then(|| self.insight_average / self.baseline_average)
    }

    fn context(&self) -> Value {
        let statistics = json!({
            "baseline": {"average": short(self.baseline_average)},
            "insight": {"average": short(self.insight_average)},
            "insightDuration": self.insight_minutes,
            "baselineDuration": self.baseline_minutes,
        });
        if self.attributions.is_empty() {
            return json!({"statistics": statistics});
        }
        let attributions: Vec<Value> = self.attributions.iter().map(attribution).collect();
        json!({"statistics": statistics, "attributions": attributions})
    }

    /// The instant of a minute.
    pub(crate) fn instant(minute: u32) -> i64 {
        i64::from(minute) * MINUTE_US
    }
}

fn attribution(of: &Attribution) -> Value {
    let values = |values: &[Valued]| -> Vec<Value> {
        values.iter().map(|one| json!({"value": one.value, "average": short(one.average)})).collect()
    };
    json!({
        "attribute": of.attribute.as_str(),
        "insight": values(&of.insight),
        "baseline": values(&of.baseline),
    })
}

/// Six significant digits, as many as `CloudTrail` writes.
fn short(average: f64) -> f64 {
    format!("{average:.5e}").parse().unwrap_or(average)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_have_six_digits() {
        assert_eq!(short(3.0 / 10_080.0).to_string(), "0.000297619");
        assert_eq!(serde_json::to_string(&short(1.0 / 10_080.0)).expect("a number"), "0.0000992063");
        assert_eq!(serde_json::to_string(&short(7.5)).expect("a number"), "7.5");
    }
}
