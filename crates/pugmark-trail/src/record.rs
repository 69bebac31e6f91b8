//! One record on its way in: what must be right, what is filled in, and the
//! few facts that decide where it goes.
//!
//! ```text
//! bytes ──Intake::take──▶ Taken { event, event_id } | RecordFault
//! ```
//!
//! What a producer wrote stays as it is, byte for byte; members that lack are
//! put in front.
//!
//! Source: AWS `CloudTrail` User Guide, "`CloudTrail` record contents".

use std::borrow::Cow;
use std::fmt::Write as _;

use pugmark_event::{format_time, is_account, is_region, is_uuid, parse_time};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Longest record, in bytes: the service's own `Large` size.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of a record, as deep as readers go.
pub const EVENT_DEPTH_MAX: usize = 64;
/// What a record without `eventVersion` is.
const EVENT_VERSION: &str = "1.11";

/// Why a record is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// Not one JSON object, or not readable as a record.
    #[error("not a record: {0}")]
    NotARecord(String),
    /// Longer than [`EVENT_BYTES_MAX`].
    #[error("record of {0} bytes is longer than {EVENT_BYTES_MAX}")]
    TooLong(usize),
    /// Deeper than [`EVENT_DEPTH_MAX`].
    #[error("record is nested deeper than {EVENT_DEPTH_MAX}")]
    TooDeep,
    /// A member that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member is not what it must be.
    #[error("`{0}` is not valid")]
    NotValid(&'static str),
}

impl RecordFault {
    /// A short stable name for answers: `InvalidData`, `TooLarge`.
    pub fn code(&self) -> &'static str {
        match self {
            RecordFault::TooLong(_) => "TooLarge",
            _ => "InvalidData",
        }
    }
}

/// Which kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Management events.
    Management,
    /// Data events.
    Data,
    /// Network activity events.
    NetworkActivity,
    /// Insights events.
    Insight,
    /// Aggregated data events.
    Aggregated,
    /// What an integration sent; for event data stores alone.
    ActivityAuditLog,
}

impl Category {
    /// The word in a record and in selectors.
    pub fn name(self) -> &'static str {
        match self {
            Category::Management => "Management",
            Category::Data => "Data",
            Category::NetworkActivity => "NetworkActivity",
            Category::Insight => "Insight",
            Category::Aggregated => "Aggregated",
            Category::ActivityAuditLog => "ActivityAuditLog",
        }
    }

    /// The folder of its log files.
    pub fn folder(self) -> &'static str {
        match self {
            Category::Management | Category::Data | Category::ActivityAuditLog => "CloudTrail",
            Category::NetworkActivity => "CloudTrail-NetworkActivity",
            Category::Insight => "CloudTrail-Insight",
            Category::Aggregated => "CloudTrail-Aggregated",
        }
    }
}

/// A resource that a record names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resource<'a> {
    /// Such as `AWS::S3::Object`.
    #[serde(borrow, rename = "type")]
    pub resource_type: Option<Cow<'a, str>>,
    /// Its ARN.
    #[serde(borrow, rename = "ARN")]
    pub arn: Option<Cow<'a, str>>,
    /// The beginning of the ARNs meant.
    #[serde(borrow, rename = "ARNPrefix")]
    pub arn_prefix: Option<Cow<'a, str>>,
}

/// The members of a record that decide where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is named as the record names it")]
pub struct Facts<'a> {
    #[serde(borrow)]
    pub event_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_time: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "eventID")]
    pub event_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_category: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub aws_region: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub error_code: Option<Cow<'a, str>>,
    pub read_only: Option<bool>,
    pub management_event: Option<bool>,
    #[serde(borrow)]
    pub recipient_account_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub vpc_endpoint_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub session_credential_from_console: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub user_identity: Option<Identity<'a>>,
    #[serde(borrow)]
    pub resources: Option<Vec<Resource<'a>>>,
}

/// What matters of `userIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is named as the record names it")]
pub struct Identity<'a> {
    #[serde(borrow)]
    pub arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub account_id: Option<Cow<'a, str>>,
}

impl<'a> Facts<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// If `event` is not one JSON object with members of the right types.
    pub fn read(event: &'a str) -> Result<Facts<'a>, RecordFault> {
        serde_json::from_str(event).map_err(|error| RecordFault::NotARecord(error.to_string()))
    }

    /// Which kind of event it is; older records say it in other words.
    pub fn category(&self) -> Category {
        match (self.event_category.as_deref(), self.event_type.as_deref()) {
            (Some("Data"), _) => Category::Data,
            (Some("NetworkActivity"), _) | (None, Some("AwsVpceEvent" | "AwsVpceEvents")) => {
                Category::NetworkActivity
            }
            (Some("Insight"), _) | (None, Some("AwsCloudTrailInsight")) => Category::Insight,
            (Some("Aggregated"), _) | (None, Some("AwsAggregatedEvent")) => Category::Aggregated,
            (Some("ActivityAuditLog"), _) | (None, Some("ActivityLog")) => Category::ActivityAuditLog,
            (None, _) if self.management_event == Some(false) => Category::Data,
            _ => Category::Management,
        }
    }

    /// The account in which it was recorded, if it says so.
    pub fn account(&self) -> Option<&str> {
        let identity = self.user_identity.as_ref().and_then(|identity| identity.account_id.as_deref());
        self.recipient_account_id.as_deref().or(identity.filter(|account| is_account(account)))
    }

    /// When it happened, microseconds since 1970 (UTC).
    pub fn time(&self) -> Option<i64> {
        parse_time(self.event_time.as_deref()?.as_bytes())
    }

    /// True unless the record says that nothing was changed.
    pub fn is_write(&self) -> bool {
        self.read_only != Some(true)
    }
}

/// Gives out identifiers that no other event has.
pub trait Identifiers: Send + Sync {
    /// A new GUID in lower case.
    fn event_id(&self) -> String;
}

/// A record that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The record as it will be delivered.
    pub event: String,
    /// Its `eventID`.
    pub event_id: String,
}

/// Checks a record and fills in what it may lack; `now` in microseconds.
///
/// # Errors
/// What is wrong with it. Nothing of it is kept then.
pub fn take(bytes: &[u8], now: i64, identifiers: &dyn Identifiers) -> Result<Taken, RecordFault> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(RecordFault::TooLong(bytes.len()));
    }
    let text =
        str::from_utf8(bytes).map_err(|error| RecordFault::NotARecord(error.to_string()))?.trim_ascii();
    if depth(text) > EVENT_DEPTH_MAX {
        return Err(RecordFault::TooDeep);
    }
    if !text.starts_with('{') {
        return Err(RecordFault::NotARecord("not a JSON object".to_owned()));
    }
    let facts = Facts::read(text)?;
    check(&facts)?;
    let mut lacking = String::new();
    let mut lack = |name: &str, value: &str| {
        write!(lacking, "\"{name}\":\"{value}\",").expect("a string takes all that is written");
    };
    if facts.event_version.is_none() {
        lack("eventVersion", EVENT_VERSION);
    }
    if facts.event_time.is_none() {
        lack("eventTime", &format_time(now - now.rem_euclid(1_000_000)));
    }
    let event_id = if let Some(event_id) = &facts.event_id {
        event_id.to_string()
    } else {
        let event_id = identifiers.event_id();
        lack("eventID", &event_id);
        event_id
    };
    if lacking.is_empty() {
        return Ok(Taken { event: text.to_owned(), event_id });
    }
    // `null` where a value must be counts as lacking, and must not stand twice.
    let text = without_nulls(text, &facts)?;
    let event = format!("{{{lacking}{}", &text[1..]);
    // What is taken must be readable whenever it is delivered.
    Facts::read(&event)?;
    Ok(Taken { event, event_id })
}

fn check(facts: &Facts<'_>) -> Result<(), RecordFault> {
    use RecordFault::{Missing, NotValid};
    let is_insight = facts.category() == Category::Insight;
    let is_name = |text: &str, max: usize| !text.is_empty() && text.len() <= max;
    match facts.event_source.as_deref() {
        Some(source) if is_name(source, 256) => {}
        Some(_) => return Err(NotValid("eventSource")),
        None if is_insight => {}
        None => return Err(Missing("eventSource")),
    }
    match facts.event_name.as_deref() {
        Some(name) if is_name(name, 256) => {}
        Some(_) => return Err(NotValid("eventName")),
        None if is_insight => {}
        None => return Err(Missing("eventName")),
    }
    let region = facts.aws_region.as_deref().ok_or(Missing("awsRegion"))?;
    if !is_region(region) {
        return Err(NotValid("awsRegion"));
    }
    if facts.recipient_account_id.as_deref().is_some_and(|account| !is_account(account)) {
        return Err(NotValid("recipientAccountId"));
    }
    // The form of the service; readers sort by it as text.
    let is_time = |text: &str| text.len() == 20 && text.ends_with('Z') && facts.time().is_some();
    if facts.event_time.as_deref().is_some_and(|text| !is_time(text)) {
        return Err(NotValid("eventTime"));
    }
    let is_number =
        |text: &str| !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    let is_version = |text: &str| text.split('.').count() == 2 && text.split('.').all(is_number);
    if facts.event_version.as_deref().is_some_and(|text| !is_version(text)) {
        return Err(NotValid("eventVersion"));
    }
    if facts.event_id.as_deref().is_some_and(|text| !is_uuid(text)) {
        return Err(NotValid("eventID"));
    }
    let categories = [
        Category::Management,
        Category::Data,
        Category::NetworkActivity,
        Category::Insight,
        Category::Aggregated,
        Category::ActivityAuditLog,
    ];
    if facts.event_category.as_deref().is_some_and(|name| !categories.iter().any(|one| one.name() == name)) {
        return Err(NotValid("eventCategory"));
    }
    Ok(())
}

/// The record without the members that are filled in and stand there as `null`.
fn without_nulls<'a>(text: &'a str, facts: &Facts<'_>) -> Result<Cow<'a, str>, RecordFault> {
    let lacking = [
        ("eventVersion", facts.event_version.is_none()),
        ("eventTime", facts.event_time.is_none()),
        ("eventID", facts.event_id.is_none()),
    ];
    // A name may be written with escapes.
    let is_named =
        |(name, is_lacking): &(&str, bool)| *is_lacking && (text.contains(name) || text.contains('\\'));
    if !lacking.iter().any(is_named) {
        return Ok(Cow::Borrowed(text));
    }
    let fault = |error: serde_json::Error| RecordFault::NotARecord(error.to_string());
    let members: Members<'_> = serde_json::from_str(text).map_err(fault)?;
    let is_kept = |name: &str| !lacking.contains(&(name, true));
    let mut kept = String::with_capacity(text.len());
    for (name, value) in members.0.iter().filter(|(name, _)| is_kept(name)) {
        let name = serde_json::to_string(name).map_err(fault)?;
        kept.push(if kept.is_empty() { '{' } else { ',' });
        write!(kept, "{name}:{value}").expect("a string takes all that is written");
    }
    Ok(Cow::Owned(if kept.is_empty() { "{}".to_owned() } else { kept + "}" }))
}

/// The members of an object in their order, values unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// How deep brackets nest, outside of strings.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;
    impl Identifiers for One {
        fn event_id(&self) -> String {
            "00000000-0000-4000-8000-000000000001".to_owned()
        }
    }

    const NOW: i64 = 1_768_471_200_500_000;
    const LEAST: &str =
        r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-west-1"}"#;
    const WHOLE: &str = r#" {"eventVersion":"1.08","eventTime":"2026-01-15T10:00:00Z","eventID":"0b6f0c52-0000-4000-8000-00000000a001", "eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-west-1","x":1e999}
"#;

    fn taken(text: &str) -> Result<Taken, RecordFault> {
        take(text.as_bytes(), NOW, &One)
    }

    #[test]
    fn a_whole_record_is_kept_byte_for_byte() {
        let taken = taken(WHOLE).unwrap();
        assert_eq!(taken.event, WHOLE.trim());
        assert_eq!(taken.event_id, "0b6f0c52-0000-4000-8000-00000000a001");
    }

    #[test]
    fn a_null_whose_name_is_written_with_escapes_does_not_stand_twice() {
        let text = format!(r#"{{"event\u0049D":null,{}"#, &LEAST[1..]);
        let taken = taken(&text).unwrap();
        assert_eq!(
            taken.event.matches("event").count(),
            LEAST.matches("event").count() + 3,
            "{}",
            taken.event
        );
        assert!(Facts::read(&taken.event).is_ok(), "{}", taken.event);
    }

    #[test]
    fn what_lacks_is_put_in_front() {
        let taken = taken(LEAST).unwrap();
        let front = r#"{"eventVersion":"1.11","eventTime":"2026-01-15T10:00:00Z","eventID":"00000000-0000-4000-8000-000000000001","eventSource""#;
        assert!(taken.event.starts_with(front), "{}", taken.event);
        assert!(taken.event.ends_with(&LEAST[1..]));
    }

    #[test]
    fn null_where_a_value_must_be_is_replaced_and_does_not_stand_twice() {
        let text = LEAST.replacen('{', r#"{"eventID":null,"requestParameters":null,"#, 1);
        let taken = taken(&text).unwrap();
        assert_eq!(taken.event.matches("eventID").count(), 1, "{}", taken.event);
        assert!(taken.event.contains(r#""requestParameters":null"#));
    }

    #[test]
    fn each_member_that_must_be_right_is_checked() {
        let with = |members: &str| {
            taken(&LEAST.replacen('{', &format!("{{{members},"), 1)).map_err(|e| e.to_string())
        };
        assert!(with(r#""eventTime":"2026-01-15 10:00""#).is_err());
        assert!(with(r#""eventTime":"2026-02-30T10:00:00Z""#).is_err());
        assert!(with(r#""eventVersion":"1""#).is_err());
        assert!(with(r#""eventID":"x""#).is_err());
        assert!(with(r#""recipientAccountId":"../..""#).is_err());
        assert!(with(r#""eventCategory":"Other""#).is_err());
        assert!(with(r#""readOnly":"true""#).is_err());
        assert!(with(r#""eventName":"twice""#).is_err());
        assert!(taken(&LEAST.replace("eu-west-1", "../../x")).is_err());
        assert_eq!(taken(&LEAST.replace("eventName", "y")), Err(RecordFault::Missing("eventName")));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in ["", "[]", "{", "null", "{}{}", "\u{0}"] {
            assert!(taken(text).is_err(), "{text:?}");
        }
        assert!(take(b"{\"a\":\"\xff\"}", NOW, &One).is_err());
    }

    #[test]
    fn a_record_may_be_as_long_and_as_deep_as_the_limits() {
        let long = |bytes: usize| {
            let rest = LEAST.len() + r#""x":"","#.len();
            taken(&LEAST.replacen('{', &format!(r#"{{"x":"{}","#, "a".repeat(bytes - rest)), 1))
        };
        assert!(long(EVENT_BYTES_MAX).is_ok());
        assert_eq!(long(EVENT_BYTES_MAX + 1), Err(RecordFault::TooLong(EVENT_BYTES_MAX + 1)));
        let deep = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            taken(&LEAST.replacen('{', &format!(r#"{{"x":{open}{close},"#), 1))
        };
        assert!(deep(EVENT_DEPTH_MAX).is_ok());
        assert_eq!(deep(EVENT_DEPTH_MAX + 1), Err(RecordFault::TooDeep));
    }

    #[test]
    fn the_category_of_older_records_is_derived() {
        let category = |text: &str| Facts::read(text).unwrap().category();
        assert_eq!(category("{}"), Category::Management);
        assert_eq!(category(r#"{"managementEvent":false}"#), Category::Data);
        assert_eq!(category(r#"{"eventType":"AwsVpceEvent"}"#), Category::NetworkActivity);
        assert_eq!(category(r#"{"eventCategory":"Insight"}"#), Category::Insight);
    }
}
