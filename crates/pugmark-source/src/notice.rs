//! Messages that say which objects were written, or that hold events themselves.
//!
//! Sources: Amazon S3 User Guide, "Event message structure" (2.x, and the test
//! event); Amazon EventBridge, "Object Created"; Amazon SNS, envelopes of
//! notifications; AWS CloudTrail User Guide, "Configuring Amazon SNS
//! notifications".

use serde_json::Value;
use url::form_urlencoded;

/// An envelope in an envelope in an envelope: more is nobody's message.
const NESTED_MAX: usize = 4;
/// What `CloudTrail` writes when it is given a topic.
const VALIDATION: &str = "CloudTrail validation message.";

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Bucket and key of each object that was written; none if something else happened to them.
    Written(Vec<(String, String)>),
    /// The message is a log file itself, or an event that Amazon EventBridge passed on: its text.
    Events(String),
}

/// Reads a message, out of the envelopes of Amazon SNS.
///
/// # Errors
/// A short reason, if it is no such message.
pub fn read_notice(body: &str) -> Result<Notice, &'static str> {
    let mut body = body.to_owned();
    for _ in 0..NESTED_MAX {
        if body.trim() == VALIDATION {
            return Ok(Notice::Written(Vec::new()));
        }
        let message: Value = serde_json::from_str(&body).map_err(|_| "it is not JSON")?;
        match message.get("Message").and_then(Value::as_str) {
            Some(inner) if message.get("s3Bucket").is_none() => inner.clone_into(&mut body),
            _ if holds_events(&message) => return Ok(Notice::Events(body)),
            _ => return written(&message).map(Notice::Written),
        }
    }
    Err("it is nested too deep")
}

/// True if the message has records of `CloudTrail`, or is one that Amazon EventBridge passed on.
fn holds_events(message: &Value) -> bool {
    let is_record = |record: &Value| record.get("eventVersion").is_some() && record.get("eventID").is_some();
    ["/Records/0", "/detail"].iter().any(|path| message.pointer(path).is_some_and(is_record))
}

fn written(message: &Value) -> Result<Vec<(String, String)>, &'static str> {
    if message.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if let Some(records) = message.get("Records").and_then(Value::as_array) {
        return records.iter().filter_map(|record| record_of_s3(record).transpose()).collect();
    }
    let text = |path: &str| message.pointer(path).and_then(Value::as_str);
    if text("/source") == Some("aws.s3") {
        if text("/detail-type") != Some("Object Created") {
            return Ok(Vec::new());
        }
        return match (text("/detail/bucket/name"), text("/detail/object/key")) {
            (Some(bucket), Some(key)) => Ok(vec![(bucket.to_owned(), key.to_owned())]),
            _ => Err("it names no object"),
        };
    }
    let (Some(bucket), Some(keys)) =
        (text("/s3Bucket"), message.get("s3ObjectKey").and_then(Value::as_array))
    else {
        return Err("it is no message of Amazon S3 or CloudTrail");
    };
    let key = |key: &Value| key.as_str().map(|key| (bucket.to_owned(), key.to_owned()));
    keys.iter().map(|one| key(one).ok_or("it names no object")).collect()
}

/// An object in a record of a notification; none if it was not written.
fn record_of_s3(record: &Value) -> Result<Option<(String, String)>, &'static str> {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str);
    if text("/eventSource") != Some("aws:s3") {
        return Err("it is no message of Amazon S3 or CloudTrail");
    }
    if !text("/eventName").is_some_and(|name| name.starts_with("ObjectCreated:")) {
        return Ok(None);
    }
    match (text("/s3/bucket/name"), text("/s3/object/key").map(decoded)) {
        (Some(bucket), Some(key)) => Ok(Some((bucket.to_owned(), key))),
        _ => Err("it names no object"),
    }
}

/// A key as notifications write it: as in a query, but whole.
fn decoded(key: &str) -> String {
    let whole = key.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(whole.as_bytes()).map(|(key, _)| key.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bucket: &str, key: &str) -> Notice {
        Notice::Written(vec![(bucket.to_owned(), key.to_owned())])
    }

    fn record(name: &str, key: &str) -> String {
        format!(
            r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"{name}","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}]}}"#
        )
    }

    #[test]
    fn every_form_names_its_objects() {
        let put = record("ObjectCreated:Put", "a+b%2B%C3%BC/c.json.gz");
        assert_eq!(read_notice(&put), Ok(one("b", "a b+\u{fc}/c.json.gz")));
        let wrapped = serde_json::json!({"Type": "Notification", "Message": put}).to_string();
        assert_eq!(read_notice(&wrapped), Ok(one("b", "a b+\u{fc}/c.json.gz")));
        // Some that speak S3 leave these as they are.
        assert_eq!(read_notice(&record("ObjectCreated:Put", "y=1&2/%3D")), Ok(one("b", "y=1&2/=")));
        assert_eq!(read_notice(r#"{"s3Bucket":"b","s3ObjectKey":["a+b"]}"#), Ok(one("b", "a+b")));
        let bus = r#"{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"b"},"object":{"key":"a+b"}}}"#;
        assert_eq!(read_notice(bus), Ok(one("b", "a+b")));
    }

    #[test]
    fn what_writes_nothing_names_nothing() {
        let removed = record("ObjectRemoved:Delete", "k");
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
        let validation = r#"{"Type":"Notification","Message":"CloudTrail validation message."}"#;
        for body in [removed.as_str(), test, validation] {
            assert_eq!(read_notice(body), Ok(Notice::Written(Vec::new())), "{body}");
        }
    }

    #[test]
    fn a_message_may_be_the_events_themselves() {
        let file = r#"{"Records":[{"eventVersion":"1.11","eventID":"e"}]}"#;
        let bus = r#"{"source":"aws.iam","detail":{"eventVersion":"1.11","eventID":"e"}}"#;
        for body in [file, bus] {
            assert_eq!(read_notice(body), Ok(Notice::Events(body.to_owned())));
            let wrapped = serde_json::json!({"Type": "Notification", "Message": body}).to_string();
            assert_eq!(read_notice(&wrapped), Ok(Notice::Events(body.to_owned())));
        }
    }

    #[test]
    fn other_messages_are_refused_with_a_reason() {
        let deep = (0..9).fold("{}".to_owned(), |body, _| serde_json::json!({"Message": body}).to_string());
        assert_eq!(read_notice(&deep), Err("it is nested too deep"));
        assert_eq!(read_notice("hello"), Err("it is not JSON"));
        for body in ["{}", "[]", "1", r#"{"Records":[{}]}"#, r#"{"s3Bucket":"b","s3ObjectKey":"k"}"#] {
            assert!(read_notice(body).is_err(), "{body}");
        }
    }
}
