//! `GetTrailStatus`: what a trail did last, and what went wrong.
//!
//! Source: AWS `CloudTrail` API Reference, `GetTrailStatus`.

use pugmark_event::format_time;
use serde::Serialize;

use crate::chaos::Chaos;
use crate::config::Trail;
use crate::deliver::Latest;

/// What went wrong last, as error codes; nothing if the last attempt succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    /// Of a log file.
    pub(crate) delivery: Option<String>,
    /// Of a digest.
    pub(crate) digest: Option<String>,
    /// Of a notification.
    pub(crate) notification: Option<String>,
}

/// The status, spelled as on the wire; times in seconds since 1970 (UTC).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "each is named as the API names it")]
pub struct TrailStatus {
    pub is_logging: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_delivery_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_notification_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_delivery_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_notification_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_logging_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_logging_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_digest_delivery_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_digest_delivery_error: Option<String>,
    pub latest_delivery_attempt_time: String,
    pub latest_notification_attempt_time: String,
    pub latest_notification_attempt_succeeded: String,
    pub latest_delivery_attempt_succeeded: String,
    pub time_logging_started: String,
    pub time_logging_stopped: String,
    /// Only where faults are made on purpose.
    #[serde(rename = "chaos", skip_serializing_if = "Option::is_none")]
    pub chaos: Option<String>,
}

impl TrailStatus {
    pub(crate) fn new(trail: &Trail, latest: Latest, errors: Errors, chaos: Option<Chaos>) -> TrailStatus {
        let seconds = |time: Option<i64>| time.map(|time| time as f64 / 1e6);
        let text = |time: Option<i64>| time.map(format_time).unwrap_or_default();
        let succeeded = |time: Option<i64>, error: &Option<String>| {
            if error.is_some() { String::new() } else { text(time) }
        };
        TrailStatus {
            is_logging: trail.is_logging,
            latest_delivery_time: seconds(latest.delivery),
            latest_notification_time: seconds(latest.notification),
            start_logging_time: seconds(trail.started),
            stop_logging_time: seconds(trail.stopped),
            latest_digest_delivery_time: seconds(latest.digest),
            latest_delivery_attempt_time: text(latest.delivery),
            latest_notification_attempt_time: text(latest.notification),
            latest_notification_attempt_succeeded: succeeded(latest.notification, &errors.notification),
            latest_delivery_attempt_succeeded: succeeded(latest.delivery, &errors.delivery),
            time_logging_started: text(trail.started),
            time_logging_stopped: text(trail.stopped),
            latest_delivery_error: errors.delivery,
            latest_notification_error: errors.notification,
            latest_digest_delivery_error: errors.digest,
            chaos: chaos.map(|chaos| format!("{chaos:?}")),
        }
    }
}
