//! What deserves a look in any trail: no rules, no verdicts, only what a
//! person would ask for first.

use std::collections::{BTreeMap, HashMap};

use arrow::array::Array;
use pugmark_event::{EventBatch, Leaf};
use pugmark_lineage::is_denial;

use super::overview::HOUR_US;
use crate::event_names::{EXPOSURE, NEW_ACCESS, TAMPERING};
use crate::view::Outcome;
use crate::who::{Texts, Who};

/// Denied calls of one actor in one hour that count as a burst.
const BURST: u64 = 20;
/// Pairs of actor and hour watched for bursts.
const WATCHED_MAX: usize = 200_000;

/// A reason to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Logging or alarms were changed.
    Tampering,
    /// The root user acted.
    Root,
    /// A console sign-in without MFA.
    LoginWithoutMfa,
    /// Failed console sign-ins.
    FailedLogin,
    /// Many denied calls in an hour.
    DeniedBurst,
    /// A new key, password, user or permission.
    NewAccess,
    /// Something was opened to others.
    Exposure,
    /// A service-linked role deleted something.
    ServiceLinkedDelete,
}

impl Reason {
    /// What is said about it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Reason::Tampering => "logging or alarms changed",
            Reason::Root => "root user active",
            Reason::LoginWithoutMfa => "console sign-in without MFA",
            Reason::FailedLogin => "failed console sign-in",
            Reason::DeniedBurst => "burst of denied calls",
            Reason::NewAccess => "new access",
            Reason::Exposure => "opened to others",
            Reason::ServiceLinkedDelete => "deleted by a service-linked role",
        }
    }
}

/// What was found for one reason, name and actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// How often.
    pub(super) events: u64,
    /// How many of them failed.
    pub(super) errors: u64,
    /// When first; `None` if no time was readable.
    pub(super) first: Option<i64>,
    /// Id of the first event.
    pub(super) id: String,
}

/// All that is odd.
#[derive(Debug, Default)]
pub(super) struct Odd {
    sightings: BTreeMap<(Reason, String, String), Sighting>,
    denied: HashMap<(String, i64), (u64, String)>,
}

impl Odd {
    /// Looks at every event of `batch`.
    pub(super) fn look(&mut self, batch: &EventBatch) {
        let who = Who::of(batch);
        let outcome = Outcome::of(batch);
        let texts = |leaf| Texts::of(batch, leaf);
        let (name, id, more) =
            (texts(Leaf::EventName), texts(Leaf::EventId), texts(Leaf::AdditionalEventData));
        let invoked_by = texts(Leaf::IdentityInvokedBy);
        let times = batch.times(Leaf::EventTime);
        for row in 0..batch.rows() {
            let name = name.get(row).unwrap_or("?");
            let error = outcome.error(row);
            let time = times.as_ref().filter(|times| !times.is_null(row)).map(|times| times.value(row));
            let sighting = || Sighting {
                events: 1,
                errors: u64::from(error.is_some()),
                first: time,
                id: id.get(row).unwrap_or_default().to_owned(),
            };
            let is_root = who.is_root(row) && invoked_by.get(row).is_none();
            for reason in reasons(name, error, is_root, more.get(row)).into_iter().flatten() {
                self.see((reason, name.to_owned(), who.name(row)), sighting());
            }
            if name.starts_with("Delete") && who.is_service_linked(row) {
                self.see(
                    (Reason::ServiceLinkedDelete, name.to_owned(), who.principal(row).into_owned()),
                    sighting(),
                );
            }
            if let (Some(time), true) = (time, error.is_some_and(is_denial)) {
                self.deny(who.name(row), time, id.get(row).unwrap_or_default());
            }
        }
    }

    /// Adds what another worker saw.
    pub(super) fn merge(&mut self, other: Odd) {
        for (key, sighting) in other.sightings {
            self.see(key, sighting);
        }
        for ((who, hour), (count, id)) in other.denied {
            let known = self.denied.entry((who, hour)).or_insert_with(|| (0, id.clone()));
            known.0 += count;
            if id < known.1 {
                known.1 = id;
            }
        }
    }

    /// Everything found, the gravest reason first, then by time.
    pub(super) fn list(&self) -> Vec<(Reason, String, String, Sighting)> {
        let mut list: Vec<_> = self
            .sightings
            .iter()
            .map(|((reason, name, who), sighting)| (*reason, name.clone(), who.clone(), sighting.clone()))
            .collect();
        for ((who, hour), (count, id)) in &self.denied {
            if *count >= BURST {
                let sighting =
                    Sighting { events: *count, errors: *count, first: Some(hour * HOUR_US), id: id.clone() };
                list.push((Reason::DeniedBurst, "within an hour".to_owned(), who.clone(), sighting));
            }
        }
        list.sort_by(|a, b| (a.0, a.3.first, &a.1, &a.2).cmp(&(b.0, b.3.first, &b.1, &b.2)));
        list
    }

    fn see(&mut self, key: (Reason, String, String), sighting: Sighting) {
        match self.sightings.get_mut(&key) {
            None => {
                self.sightings.insert(key, sighting);
            }
            Some(known) => {
                known.events += sighting.events;
                known.errors += sighting.errors;
                let is_earlier = sighting.first.is_some()
                    && (known.first.is_none() || (sighting.first, &sighting.id) < (known.first, &known.id));
                if is_earlier {
                    known.first = sighting.first;
                    known.id = sighting.id;
                }
            }
        }
    }

    fn deny(&mut self, who: String, time: i64, id: &str) {
        let key = (who, time.div_euclid(HOUR_US));
        if self.denied.len() >= WATCHED_MAX && !self.denied.contains_key(&key) {
            return;
        }
        let known = self.denied.entry(key).or_insert_with(|| (0, id.to_owned()));
        known.0 += 1;
        if id < known.1.as_str() {
            id.clone_into(&mut known.1);
        }
    }
}

fn reasons(name: &str, error: Option<&str>, is_root: bool, more: Option<&str>) -> [Option<Reason>; 2] {
    let by_name = if TAMPERING.contains(&name) {
        Some(Reason::Tampering)
    } else if NEW_ACCESS.contains(&name) {
        Some(Reason::NewAccess)
    } else if EXPOSURE.contains(&name) {
        Some(Reason::Exposure)
    } else if name == "ConsoleLogin" {
        match error {
            Some(_) => Some(Reason::FailedLogin),
            None => lacks_mfa(more).then_some(Reason::LoginWithoutMfa),
        }
    } else {
        None
    };
    [by_name, is_root.then_some(Reason::Root)]
}

/// `"MFAUsed":"No"`, and no sign-in through a provider that has its own MFA.
fn lacks_mfa(more: Option<&str>) -> bool {
    let Some(more) = more.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok()) else {
        return false;
    };
    more["MFAUsed"].as_str() == Some("No") && more["SamlProviderArn"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(records: &[String]) -> Vec<String> {
        let text = format!("{{\"Records\":[{}]}}", records.join(","));
        let plan = pugmark_decode::Plan {
            projection: super::super::overview::Collector::projection(),
            needles: Vec::new(),
            limits: pugmark_event::Limits::default(),
        };
        let (batches, _) = pugmark_decode::decode(text.as_bytes(), plan);
        let mut odd = Odd::default();
        for batch in &batches {
            odd.look(batch);
        }
        odd.list()
            .into_iter()
            .map(|(reason, name, who, sighting)| {
                format!("{}: {} {name} by {who}", reason.words(), sighting.events)
            })
            .collect()
    }

    fn record(id: usize, name: &str, rest: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.08","eventID":"{id}","eventTime":"2026-01-01T00:{:02}:00Z","eventSource":"x.amazonaws.com","eventName":"{name}",{rest}}}"#,
            id % 60
        )
    }

    #[test]
    fn what_a_person_would_ask_for_first_is_found() {
        let alice = r#""userIdentity":{"type":"IAMUser","userName":"alice"}"#;
        let linked = r#""userIdentity":{"type":"AssumedRole","principalId":"A:s","sessionContext":{"sessionIssuer":{"userName":"AWSServiceRoleForX","arn":"arn:aws:iam::1:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"}}}"#;
        let mut records = vec![
            record(1, "StopLogging", alice),
            record(2, "StopLogging", alice),
            record(3, "ListBuckets", r#""userIdentity":{"type":"Root"}"#),
            record(
                4,
                "ConsoleLogin",
                &format!(
                    r#"{alice},"additionalEventData":{{"MFAUsed":"No"}},"responseElements":{{"ConsoleLogin":"Success"}}"#
                ),
            ),
            record(
                5,
                "ConsoleLogin",
                &format!(
                    r#"{alice},"additionalEventData":{{"MFAUsed":"Yes"}},"responseElements":{{"ConsoleLogin":"Success"}}"#
                ),
            ),
            record(6, "ConsoleLogin", &format!(r#"{alice},"responseElements":{{"ConsoleLogin":"Failure"}}"#)),
            record(7, "CreateAccessKey", alice),
            record(8, "DeleteInstanceProfile", linked),
            record(9, "DescribeInstances", alice),
        ];
        records.extend(
            (0..BURST as usize).map(|index| {
                record(20 + index, "GetObject", &format!(r#"{alice},"errorCode":"AccessDenied""#))
            }),
        );
        assert_eq!(
            look(&records),
            [
                "logging or alarms changed: 2 StopLogging by alice",
                "root user active: 1 ListBuckets by root",
                "console sign-in without MFA: 1 ConsoleLogin by alice",
                "failed console sign-in: 1 ConsoleLogin by alice",
                "burst of denied calls: 20 within an hour by alice",
                "new access: 1 CreateAccessKey by alice",
                "deleted by a service-linked role: 1 DeleteInstanceProfile by AWSServiceRoleForX [service-linked]",
            ]
        );
    }

    #[test]
    fn a_quiet_trail_has_nothing_odd() {
        assert_eq!(look(&[record(1, "DescribeInstances", r#""readOnly":true"#)]), Vec::<String>::new());
    }
}
