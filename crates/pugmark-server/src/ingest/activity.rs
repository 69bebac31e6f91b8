//! What an integration sends, as the record that is kept of it.
//!
//! Event data is the activity schema of integrations; a whole `CloudTrail`
//! record is taken as it is. Source: AWS `CloudTrail` User Guide, "`CloudTrail`
//! Lake integrations event schema".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pugmark_event::{format_time, parse_time};
use pugmark_integrity::sha256;
use serde_json::{Map, Value, json};

/// Members that must be there.
const NEEDED: [&str; 7] =
    ["version", "userIdentity", "eventSource", "eventName", "eventTime", "UID", "recipientAccountId"];
/// Texts, and their greatest lengths.
const TEXTS: [(&str, usize); 8] = [
    ("version", 256),
    ("userAgent", 1_024),
    ("eventSource", 1_024),
    ("eventName", 1_024),
    ("UID", 1_024),
    ("errorCode", 256),
    ("errorMessage", 256),
    ("sourceIPAddress", 1_024),
];
/// Objects, and their greatest lengths as text.
const OBJECTS: [(&str, usize); 3] =
    [("requestParameters", 100_000), ("responseElements", 100_000), ("additionalEventData", 28_000)];

/// Why event data is refused: a code and a sentence.
pub(super) type Refusal = (&'static str, String);

/// Where and when event data came in.
#[derive(Clone, Copy)]
pub(super) struct Audit<'a> {
    pub(super) channel: &'a str,
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) now: i64,
}

impl Audit<'_> {
    /// The record of `text`, which the sender says has `checksum`.
    pub(super) fn record(&self, text: &str, checksum: Option<&str>) -> Result<String, Refusal> {
        if checksum.is_some_and(|checksum| checksum != STANDARD.encode(sha256(text.as_bytes()))) {
            return Err(("InvalidChecksum", "the checksum is not that of the event data".to_owned()));
        }
        let parsed: Result<Map<String, Value>, _> = serde_json::from_str(text);
        let data =
            parsed.map_err(|error| invalid(format!("the event data is not a JSON object: {error}")))?;
        if data.contains_key("eventVersion") {
            return Ok(text.to_owned());
        }
        self.check(&data)?;
        let time = data["eventTime"].as_str().unwrap_or_default();
        let record = json!({
            "eventVersion": "1.0",
            "eventCategory": "ActivityAuditLog",
            "eventType": "ActivityLog",
            "eventSource": data["eventSource"],
            "eventName": data["eventName"],
            "eventTime": format!("{}Z", time.trim_end_matches('Z')),
            "awsRegion": self.region,
            "recipientAccountId": self.account,
            "metadata": { "ingestionTime": format_time(self.now), "channelARN": self.channel },
            "eventData": data,
        });
        Ok(record.to_string())
    }

    fn check(&self, data: &Map<String, Value>) -> Result<(), Refusal> {
        if let Some(name) = NEEDED.iter().find(|name| data.get(**name).is_none_or(Value::is_null)) {
            return Err(invalid(format!("`{name}` is missing")));
        }
        for (name, max) in TEXTS {
            let Some(value) = data.get(name) else { continue };
            if value.as_str().is_none_or(|text| text.chars().count() > max) {
                return Err(invalid(format!("`{name}` must be a text of at most {max} characters")));
            }
        }
        for (name, max) in OBJECTS {
            let Some(value) = data.get(name).filter(|value| !value.is_null()) else { continue };
            if !value.is_object() || value.to_string().len() > max {
                return Err(invalid(format!("`{name}` must be an object of at most {max} bytes")));
            }
        }
        let identity = &data["userIdentity"];
        let is_text =
            |name: &str, max| identity[name].as_str().is_some_and(|text| text.chars().count() <= max);
        if !is_text("type", 128) || !is_text("principalId", 1_024) {
            return Err(invalid("`userIdentity` must have a `type` and a `principalId`".to_owned()));
        }
        let time = data["eventTime"].as_str().unwrap_or_default().trim_end_matches('Z');
        if time.len() != 19 || parse_time(format!("{time}Z").as_bytes()).is_none() {
            return Err(invalid("`eventTime` must be as `2026-01-15T10:00:00`, in UTC".to_owned()));
        }
        if data["recipientAccountId"] != self.account {
            let message = "`recipientAccountId` must be the account of the channel";
            return Err(("InvalidRecipient", message.to_owned()));
        }
        Ok(())
    }
}

fn invalid(message: String) -> Refusal {
    ("InvalidData", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIT: Audit<'_> = Audit {
        channel: "arn:aws:cloudtrail:us-east-1:111122223333:channel/0f6d3a1e-1111-4222-8333-444455556666",
        account: "111122223333",
        region: "us-east-1",
        now: 1_768_471_200_000_000,
    };

    fn data() -> Value {
        json!({
            "version": "1", "userIdentity": { "type": "person", "principalId": "alice" },
            "eventSource": "app.example.com", "eventName": "Login", "eventTime": "2026-01-15T10:00:00",
            "UID": "u1", "recipientAccountId": "111122223333",
        })
    }

    #[test]
    fn activity_becomes_a_record_of_its_own_category() {
        let record: Value = serde_json::from_str(&AUDIT.record(&data().to_string(), None).unwrap()).unwrap();
        assert_eq!(record["eventCategory"], "ActivityAuditLog");
        assert_eq!(record["eventTime"], "2026-01-15T10:00:00Z");
        assert_eq!(record["eventData"]["UID"], "u1");
    }

    #[test]
    fn what_is_needed_must_be_there() {
        for name in NEEDED {
            let mut data = data();
            data.as_object_mut().unwrap().remove(name);
            assert_eq!(AUDIT.record(&data.to_string(), None).unwrap_err().0, "InvalidData", "{name}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let text = data().to_string();
        let checksum = STANDARD.encode(sha256(text.as_bytes()));
        assert!(AUDIT.record(&text, Some(&checksum)).is_ok());
        assert_eq!(AUDIT.record(&text, Some("AAAA")).unwrap_err().0, "InvalidChecksum");
    }

    #[test]
    fn a_whole_record_is_taken_as_it_is() {
        assert_eq!(AUDIT.record(r#"{"eventVersion":"1.11"}"#, None).unwrap(), r#"{"eventVersion":"1.11"}"#);
    }
}
