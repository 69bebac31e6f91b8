//! Bytes of exported logs to audit events and token checks.
//!
//! Accepted: JSON Lines of audit events (also pretty-printed, in lists, or one after another),
//! lines of an export of `CloudWatch` Logs to S3 (a time, a blank, the message), the envelope of
//! a subscription, answers of `filter-log-events`, and lines of the authenticator.

use pugmark_event::parse_time;
use serde_json::Value;

use super::authenticator::TokenCheck;
use super::event::AuditEvent;
use crate::clusters::text_at;

/// Most events that are kept of all logs together: those that come first.
pub const EVENTS_MAX: usize = 200_000;

/// Most defects that are kept; the rest are counted.
const DEFECTS_MAX: usize = 100;

/// Longest message that is read, in bytes: `CloudWatch` Logs takes 1 MB at most.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// What was read of audit logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditLog {
    /// Requests that tell who did what, by time.
    pub events: Vec<AuditEvent>,
    /// Token checks, by time.
    pub checks: Vec<TokenCheck>,
    /// Messages that were read, but tell nothing of who did what.
    pub passed: u64,
    /// Events that were left out because of [`EVENTS_MAX`].
    pub left_out: u64,
    /// What could not be read; some of it if it is much.
    pub defects: Vec<AuditDefect>,
    /// How much could not be read.
    pub defect_count: u64,
}

/// A stretch of a log that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditDefect {
    /// The file or object.
    pub object: String,
    /// Byte offset in it, uncompressed.
    pub offset: usize,
    /// What is wrong.
    pub reason: String,
}

/// Where messages come from.
#[derive(Clone, Copy, Default)]
struct Surroundings<'a> {
    cluster: Option<&'a str>,
    account: Option<&'a str>,
    time: Option<i64>,
}

impl AuditLog {
    /// Takes in the inflated bytes of one file or object. `cluster` is the name of the cluster
    /// where the caller knows it; else the log group in the envelope or in `object` tells it.
    pub fn read(&mut self, bytes: &[u8], object: &str, cluster: Option<&str>) {
        let around =
            Surroundings { cluster: cluster.or_else(|| cluster_of_group(object)), ..Surroundings::default() };
        let mut offset = 0;
        while offset < bytes.len() {
            let rest = &bytes[offset..];
            match rest[0] {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => offset += 1,
                b'{' | b'[' => offset += self.read_json(rest, offset, object, around),
                _ => {
                    let end = line_end(rest);
                    self.read_line(&rest[..end], offset, object, around);
                    offset += end;
                }
            }
        }
        self.bound();
    }

    /// Adds what was read elsewhere.
    pub fn merge(&mut self, other: AuditLog) {
        self.events.extend(other.events);
        self.checks.extend(other.checks);
        self.passed += other.passed;
        self.left_out += other.left_out;
        self.defect_count += other.defect_count;
        self.defects.extend(other.defects);
        self.bound();
    }

    /// Reads the value that `rest` begins with; answers its length.
    fn read_json(&mut self, rest: &[u8], offset: usize, object: &str, around: Surroundings<'_>) -> usize {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let length = values.byte_offset().max(1);
                self.read_value(&value, offset, object, around);
                length
            }
            Some(Err(error)) => {
                self.defect(object, offset, format!("no JSON: {error}"));
                line_end(rest).max(1)
            }
            None => rest.len(),
        }
    }

    /// A line that does not begin with JSON: a time and a message, or `key=value` pairs.
    fn read_line(&mut self, line: &[u8], offset: usize, object: &str, around: Surroundings<'_>) {
        if line.len() > MESSAGE_BYTES_MAX {
            self.defect(object, offset, "a line that is too long".to_owned());
            return;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            self.defect(object, offset, "no UTF-8".to_owned());
            return;
        };
        let stamped =
            line.split_once(' ').and_then(|(first, message)| Some((parse_time(first.as_bytes())?, message)));
        match stamped {
            Some((time, message)) => {
                self.read_message(message, offset, object, Surroundings { time: Some(time), ..around });
            }
            None => self.read_message(line, offset, object, around),
        }
    }

    /// The message of one log event.
    fn read_message(&mut self, message: &str, offset: usize, object: &str, around: Surroundings<'_>) {
        let message = message.trim();
        if message.starts_with('{') {
            match serde_json::from_str::<Value>(message) {
                Ok(value) => self.read_event(&value, around),
                Err(error) => self.defect(object, offset, format!("no JSON: {error}")),
            }
        } else if let Some(check) = TokenCheck::read(message, around.time) {
            self.checks.push(TokenCheck { cluster: around.cluster.map(str::to_owned), ..check });
        } else {
            self.passed += 1;
        }
    }

    /// A value: an audit event, a list of them, or an envelope around messages.
    fn read_value(&mut self, value: &Value, offset: usize, object: &str, around: Surroundings<'_>) {
        let group = text_at(value, &["logGroup"]).or_else(|| text_at(value, &["logGroupName"]));
        let inner = Surroundings {
            cluster: around.cluster.or_else(|| group.and_then(cluster_of_group)),
            account: text_at(value, &["owner"]).or(around.account),
            time: None,
        };
        let lists = ["logEvents", "events", "items"];
        if let Some(items) =
            value.as_array().or_else(|| lists.iter().find_map(|name| value.get(name)?.as_array()))
        {
            for item in items {
                self.read_item(item, offset, object, inner);
            }
        } else if text_at(value, &["messageType"]) != Some("CONTROL_MESSAGE") {
            self.read_item(value, offset, object, inner);
        }
    }

    fn read_item(&mut self, item: &Value, offset: usize, object: &str, around: Surroundings<'_>) {
        match text_at(item, &["message"]).or_else(|| text_at(item, &["@message"])) {
            Some(message) if item.get("auditID").is_none() => {
                let time = item.get("timestamp").and_then(Value::as_i64).and_then(|ms| ms.checked_mul(1000));
                self.read_message(message, offset, object, Surroundings { time, ..around });
            }
            _ => self.read_event(item, around),
        }
    }

    fn read_event(&mut self, value: &Value, around: Surroundings<'_>) {
        match AuditEvent::read(value) {
            Some(event) if event.is_telling() => {
                let account = around.account.map(str::to_owned).or_else(|| event.user.account.clone());
                let cluster = around.cluster.map(str::to_owned);
                self.events.push(AuditEvent { cluster, account, time: event.time.or(around.time), ..event });
            }
            _ => self.passed += 1,
        }
        if self.events.len() > EVENTS_MAX * 2 {
            self.bound();
        }
    }

    fn defect(&mut self, object: &str, offset: usize, reason: String) {
        self.defect_count += 1;
        self.defects.push(AuditDefect { object: object.to_owned(), offset, reason });
        if self.defects.len() > DEFECTS_MAX * 2 {
            self.bound();
        }
    }

    /// Sorts, takes the stages of one request together, and keeps what comes first.
    fn bound(&mut self) {
        self.events.sort_unstable_by(|a, b| {
            (&a.id, &a.cluster, b.stage).cmp(&(&b.id, &b.cluster, a.stage)).then(a.cmp(b))
        });
        self.events.dedup_by(|later, kept| {
            !kept.id.is_empty() && later.id == kept.id && later.cluster == kept.cluster
        });
        self.events.sort_unstable();
        self.left_out += self.events.len().saturating_sub(EVENTS_MAX) as u64;
        self.events.truncate(EVENTS_MAX);
        self.checks.sort_unstable();
        self.checks.dedup();
        self.checks.truncate(EVENTS_MAX);
        self.defects.sort_unstable();
        self.defects.truncate(DEFECTS_MAX);
    }
}

/// The cluster in `/aws/eks/<cluster>/cluster`.
fn cluster_of_group(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("/aws/eks/")?;
    rest.split('/').next().filter(|name| !name.is_empty())
}

fn line_end(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a-1","stage":"ResponseComplete","verb":"delete","requestURI":"/api/v1/namespaces/shop/pods/api-1","user":{"username":"dev:alice","uid":"aws-iam-authenticator:111122223333:AROAEXAMPLEDEV","extra":{"accessKeyId":["ASIAEXAMPLE000000001"],"arn":["arn:aws:sts::111122223333:assumed-role/dev/alice"],"sessionName":["alice"]}},"sourceIPs":["198.51.100.7"],"objectRef":{"resource":"pods","namespace":"shop","name":"api-1"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-15T10:00:00.5Z","annotations":{"authorization.k8s.io/decision":"allow"}}"#;

    fn read(text: &str) -> AuditLog {
        let mut log = AuditLog::default();
        log.read(text.as_bytes(), "log", None);
        log
    }

    #[test]
    fn every_form_of_export_gives_the_same_event() {
        let lines = read(&format!("{EVENT}\n"));
        let exported = read(&format!("2026-01-15T10:00:00.500Z {EVENT}\n"));
        let pretty = serde_json::from_str::<Value>(EVENT).expect("JSON");
        let list = serde_json::to_string_pretty(&serde_json::json!({"kind": "EventList", "items": [pretty]}));
        assert_eq!(lines.events.len(), 1);
        assert_eq!(lines.events, exported.events);
        assert_eq!(lines.events, read(&list.expect("JSON")).events);
        assert_eq!(lines.events[0].object.text(), "pods shop/api-1");
        assert_eq!(lines.events[0].user.access_key.as_deref(), Some("ASIAEXAMPLE000000001"));
    }

    #[test]
    fn the_envelope_of_a_subscription_names_cluster_and_account() {
        let envelope = serde_json::json!({
            "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/aws/eks/prod/cluster",
            "logStream": "kube-apiserver-audit-1", "logEvents": [{"id": "1", "timestamp": 1, "message": EVENT}],
        });
        let log = read(&format!("{envelope}{envelope}"));
        assert_eq!(log.events.len(), 1, "the same request twice");
        assert_eq!(log.events[0].cluster.as_deref(), Some("prod"));
        assert_eq!(log.events[0].account.as_deref(), Some("111122223333"));
    }

    #[test]
    fn broken_lines_are_defects_and_reading_goes_on() {
        let log = read(&format!("{{\"kind\":\n{EVENT}\n{{]\n"));
        assert_eq!(log.defect_count, 2);
        assert_eq!(log.events.len(), 1);
        let mut deep = AuditLog::default();
        deep.read("[".repeat(100_000).as_bytes(), "deep", None);
        assert_eq!(deep.defect_count, 1);
        deep.read(b"\xff\xfe {", "bytes", None);
        assert_eq!(deep.defect_count, 2);
    }

    #[test]
    fn lines_of_other_components_are_passed_over() {
        let log = read("I0115 10:00:00.000000       1 controller.go:1] hello\n2026-01-15T10:00:00Z hello\n");
        assert_eq!((log.passed, log.defect_count), (2, 0));
    }

    #[test]
    fn order_and_split_do_not_matter() {
        let other = EVENT.replace("a-1", "a-2");
        let mut merged = read(&other);
        merged.merge(read(EVENT));
        assert_eq!(read(&format!("{EVENT}\n{other}")), merged);
    }
}
