//! One event, as a service that records its own requests writes it.

use std::borrow::Cow;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// An event with the members of a `CloudTrail` record.
///
/// [`Event::new`] gives it an `eventID` and an `eventTime`: an event that is
/// sent again is then known to be the same one.
///
/// Source: AWS `CloudTrail` User Guide, "`CloudTrail` record contents".
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Version of the record.
    pub event_version: Cow<'static, str>,
    /// Who asked.
    pub user_identity: UserIdentity,
    /// When, as `2026-01-15T10:00:00Z`.
    pub event_time: String,
    /// The service, such as `orders.example.com`.
    pub event_source: String,
    /// The operation, such as `CreateOrder`.
    pub event_name: String,
    /// The Region that was asked.
    pub aws_region: String,
    /// From where.
    #[serde(rename = "sourceIPAddress", skip_serializing_if = "Option::is_none")]
    pub source_ip_address: Option<String>,
    /// With which program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Why it failed; none if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What was asked for. Leave secrets out.
    pub request_parameters: Option<Map<String, Value>>,
    /// What a change answered.
    pub response_elements: Option<Map<String, Value>>,
    /// The service's own name for the request.
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// A GUID that no other event has.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// False if something was changed, or may have been.
    pub read_only: bool,
    /// `AwsApiCall`, unless it was something else, such as `AwsConsoleSignIn`.
    pub event_type: Cow<'static, str>,
    /// True for the control plane, false for data.
    pub management_event: bool,
    /// The account that the event belongs to, 12 digits.
    pub recipient_account_id: String,
    /// `Management` or `Data`.
    pub event_category: Cow<'static, str>,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity {
    /// `IAMUser`, `AssumedRole`, `WebIdentityUser`, `Unknown` ….
    #[serde(rename = "type")]
    pub identity_type: String,
    /// A stable name of the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// Its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Its account, 12 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The access key used, never its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
}

impl UserIdentity {
    /// A user by name.
    pub fn user(account: &str, name: &str) -> UserIdentity {
        UserIdentity {
            identity_type: "IAMUser".to_owned(),
            arn: Some(format!("arn:aws:iam::{account}:user/{name}")),
            account_id: Some(account.to_owned()),
            user_name: Some(name.to_owned()),
            ..UserIdentity::default()
        }
    }

    /// Nobody that the service knows.
    pub fn unknown() -> UserIdentity {
        UserIdentity { identity_type: "Unknown".to_owned(), ..UserIdentity::default() }
    }
}

/// Whose service it is, and where: what its events have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The service, such as `orders.example.com`.
    pub event_source: String,
    /// Its account, 12 digits.
    pub account: String,
    /// Its Region.
    pub region: String,
}

impl Event {
    /// An event of now, that changed something and did not fail.
    pub fn new(origin: &Origin, name: impl Into<String>, identity: UserIdentity) -> Event {
        Event {
            event_version: Cow::Borrowed("1.11"),
            user_identity: identity,
            event_time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            event_source: origin.event_source.clone(),
            event_name: name.into(),
            aws_region: origin.region.clone(),
            source_ip_address: None,
            user_agent: None,
            error_code: None,
            error_message: None,
            request_parameters: None,
            response_elements: None,
            request_id: None,
            event_id: guid(),
            read_only: false,
            event_type: Cow::Borrowed("AwsApiCall"),
            management_event: true,
            recipient_account_id: origin.account.clone(),
            event_category: Cow::Borrowed("Management"),
        }
    }

    /// Marks it as an event of the data plane, such as the reading of an object.
    #[must_use]
    pub fn of_data(self) -> Event {
        Event { management_event: false, event_category: Cow::Borrowed("Data"), ..self }
    }

    /// The record, one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text, flags and JSON values always serialize")
    }
}

/// A random UUID (RFC 9562, version 4), in lower case.
fn guid() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random numbers once it has started");
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            event_source: "orders.example.com".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    #[test]
    fn an_event_has_the_members_that_a_record_needs() {
        let event = Event::new(&origin(), "CreateOrder", UserIdentity::user("111122223333", "alice"));
        let record: Value = serde_json::from_str(&event.to_json()).unwrap();
        assert_eq!(record["eventName"], "CreateOrder");
        assert_eq!(record["eventCategory"], "Management");
        assert_eq!(record["userIdentity"]["arn"], "arn:aws:iam::111122223333:user/alice");
        assert_eq!(record["requestParameters"], Value::Null);
        assert!(record.get("errorCode").is_none());
        assert_eq!(record["eventTime"].as_str().map(str::len), Some(20));
        assert_eq!(event.of_data().event_category, "Data");
    }

    #[test]
    fn no_two_events_have_one_id() {
        let (first, second) = (guid(), guid());
        assert_ne!(first, second);
        assert_eq!((&first[14..15], first.len()), ("4", 36));
        assert!(matches!(&first[19..20], "8" | "9" | "a" | "b"));
    }
}
