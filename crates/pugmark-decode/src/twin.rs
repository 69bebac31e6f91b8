//! The slow, obviously right reading of JSON that the kernel is tested against.
//!
//! It works on whole texts over `serde_json`, with one function per rule, and
//! answers every leaf as a person would read it off the record. It is not fast
//! and bounds no memory. Broken text ends it: a text that is not JSON is one
//! [`DefectKind::Malformed`], and what follows is not looked at, whereas the
//! kernel finds the next record.
//!
//! The rules, where they are not plain from the record's description:
//! * A text is JSON documents, back to back, on lines, or set apart by commas
//!   or record separators; a line may begin with a time and a blank.
//! * The first member that tells decides what a document is: a list of
//!   records, a document of another kind, or a record or something around one.
//! * `CloudTrailEvent` and `eventJson` are the record, whatever stands beside
//!   them; else an object with a name, an id, or a time and a source is a
//!   record; else text, objects and lists in members of certain names are
//!   looked into, in that order.
//! * Names compare without ASCII case; all spellings are one member, and a
//!   later member takes back all that an earlier one of its name filled.
//! * A stand-in (`@timestamp`, `timeWindow.windowStart`, `accountId`) fills a
//!   leaf that is empty when it comes; the leaf's own member replaces it.

use std::collections::{BTreeMap, BTreeSet};

use pugmark_event::{DefectKind, FIELDS, Kind, Leaf, Limits, parse_time};
use serde_json::value::RawValue;

/// What a column should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text or JSON leaf.
    Text(String),
    /// A flag leaf.
    Flag(bool),
    /// A time leaf, microseconds since 1970 (UTC).
    Time(i64),
    /// A leaf of the list of resources: one entry per item.
    Items(Vec<Option<String>>),
}

/// The leaves of one record that are not null, [`Leaf::Raw`] among them.
pub type Record = BTreeMap<Leaf, Value>;

/// All that a text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The records, in order.
    pub records: Vec<Record>,
    /// How often each kind of defect occurs.
    pub defects: BTreeMap<DefectKind, u64>,
    /// Documents of another kind.
    pub routed: u64,
}

/// Reads `bytes`, the whole of one object.
pub fn read(bytes: &[u8], limits: &Limits) -> Reading {
    let mut reader = Reader { reading: Reading::default(), limits: *limits };
    if is_utf16(bytes) {
        reader.defect(DefectKind::Encoding);
        return reader.reading;
    }
    let text = reader.utf8(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    reader.documents(&text, 0);
    reader.reading
}

/// Envelopes within envelopes that are opened.
const WRAPPED_MAX: u32 = 5;
const LISTS: [&str; 6] = ["Records", "Events", "logEvents", "QueryResultRows", "Messages", "hits"];
const TEXTS: [&str; 4] = ["CloudTrailEvent", "eventJson", "message", "body"];
const OBJECTS: [&str; 5] = ["detail", "event", "_source", "record", "requestPayload"];
const RECORD: [&str; 6] =
    ["eventVersion", "userIdentity", "eventTime", "eventName", "eventID", "eventSource"];
/// Members that make even an object with an event's name a document of another kind.
const FOREIGN: [&str; 5] =
    ["s3", "digestS3Object", "digestStartTime", "configurationItems", "configSnapshotId"];
const FOREIGN_UNLESS_RECORD: [&str; 3] = ["s3ObjectKey", "configurationItemDiff", "hashSignature"];
/// Members that are the record, whatever stands beside them.
const WRAPPERS: [&str; 2] = ["CloudTrailEvent", "eventJson"];
const TRIALS: [&str; 3] =
    ["CloudTrail validation message", "CWL CONTROL MESSAGE", "Successfully validated SNS topic"];

struct Reader {
    reading: Reading,
    limits: Limits,
}

/// A member: its name in plain text, and its value as delivered.
type Member<'t> = (String, &'t str);

impl Reader {
    fn defect(&mut self, kind: DefectKind) {
        *self.reading.defects.entry(kind).or_default() += 1;
    }

    /// Bytes that are not UTF-8 become U+FFFD, each stretch of them one note.
    fn utf8(&mut self, bytes: &[u8]) -> String {
        for chunk in bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()) {
            debug_assert!(chunk.invalid().len() <= 3);
            self.defect(DefectKind::InvalidUtf8);
        }
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Documents, one after the other. Answers false if the text is broken.
    fn documents(&mut self, text: &str, wrapped: u32) {
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\n', '\r', ',', '\u{1E}']);
            if rest.is_empty() {
                return;
            }
            if !rest.starts_with(['{', '[', '"']) {
                match after_timestamp(rest) {
                    Some(after) => rest = after,
                    None => return self.defect(DefectKind::Malformed),
                }
            }
            let Some((value, after)) = value_at(rest) else { return self.defect(DefectKind::Malformed) };
            self.document(value, wrapped);
            rest = after;
        }
    }

    fn document(&mut self, value: &str, wrapped: u32) {
        if value.starts_with('[') {
            return self.items(value, wrapped, false);
        }
        if !value.starts_with('{') {
            return self.item(value, wrapped, false);
        }
        let members = members(value);
        let tells = |(name, value): &&Member<'_>| {
            is_list(name, value)
                || is_one_of(name, &FOREIGN)
                || is_one_of(name, &FOREIGN_UNLESS_RECORD)
                || is_one_of(name, &RECORD)
                || is_one_of(name, &TEXTS)
                || is_one_of(name, &OBJECTS)
        };
        match members.iter().find(tells) {
            Some((name, first)) if is_list(name, first) => {
                for (name, list) in members.iter().filter(|(name, value)| is_list(name, value)) {
                    self.items(list, wrapped, name.eq_ignore_ascii_case("QueryResultRows"));
                }
            }
            Some((name, _)) if is_one_of(name, &FOREIGN) || is_one_of(name, &FOREIGN_UNLESS_RECORD) => {
                self.reading.routed += 1;
            }
            _ => self.object(value, wrapped),
        }
    }

    fn items(&mut self, list: &str, wrapped: u32, lake: bool) {
        for item in items(list) {
            self.item(item, wrapped, lake);
        }
    }

    /// An item of a list of records.
    fn item(&mut self, value: &str, wrapped: u32, lake: bool) {
        match value.as_bytes().first() {
            Some(b'{') => self.object(value, wrapped),
            Some(b'[') if lake => self.lake_row(value, wrapped),
            Some(b'[') => self.inside(value, wrapped),
            Some(b'"') => self.string(value, wrapped),
            _ => self.defect(DefectKind::NotAnEvent),
        }
    }

    /// A record, something around one, or neither.
    fn object(&mut self, value: &str, wrapped: u32) {
        let members = members(value);
        let mut row = Row { limits: self.limits, ..Row::default() };
        row.object("", &members);
        if depth(value) > self.limits.depth_max {
            self.defect(DefectKind::TooDeep);
        } else if row.unknown > self.limits.members_max {
            self.defect(DefectKind::TooManyMembers);
        } else if value.len() > self.limits.record_bytes_max {
            self.defect(DefectKind::RecordTooLarge);
        } else if members.iter().any(|(name, _)| is_one_of(name, &FOREIGN)) {
            self.reading.routed += 1;
        } else if !is_record(&members) {
            self.envelope(&members, wrapped);
        } else {
            row.notes.iter().for_each(|kind| self.defect(*kind));
            row.leaves.insert(Leaf::Raw, Value::Text(value.to_owned()));
            self.reading.records.push(row.leaves);
        }
    }

    /// What is wrapped around records: text in a member, else an object or a
    /// list in a member, each looked for in a fixed order.
    fn envelope(&mut self, members: &[Member<'_>], wrapped: u32) {
        for name in TEXTS {
            if let Some((_, text)) = members.iter().find(|(other, value)| is_text(other, value, name)) {
                return self.string(text, wrapped);
            }
        }
        for name in OBJECTS.iter().chain(&LISTS) {
            let holds = |(other, value): &&Member<'_>| {
                other.eq_ignore_ascii_case(name) && value.starts_with(['{', '['])
            };
            if let Some((_, value)) = members.iter().find(holds) {
                return self.inside(value, wrapped);
            }
        }
        let is_trial =
            |(name, value): &Member<'_>| name.eq_ignore_ascii_case("Event") && value.starts_with("\"s3:");
        let is_foreign = |(name, _): &Member<'_>| is_one_of(name, &FOREIGN_UNLESS_RECORD);
        if members.iter().any(|member| is_trial(member) || is_foreign(member)) {
            self.reading.routed += 1;
        } else {
            self.defect(DefectKind::NotAnEvent);
        }
    }

    /// Records that stand inside another value.
    fn inside(&mut self, text: &str, wrapped: u32) {
        if wrapped >= WRAPPED_MAX {
            return self.defect(DefectKind::NotAnEvent);
        }
        self.documents(text, wrapped + 1);
    }

    /// Records that stand in a string.
    fn string(&mut self, value: &str, wrapped: u32) {
        if wrapped >= WRAPPED_MAX {
            return self.defect(DefectKind::NotAnEvent);
        }
        let (text, lone) = unescaped(value);
        if lone {
            self.defect(DefectKind::LoneSurrogate);
        }
        let start = text.trim_ascii_start();
        if TRIALS.iter().any(|trial| start.starts_with(trial)) {
            self.reading.routed += 1;
        } else if start.starts_with(['{', '[']) {
            self.documents(&text, wrapped + 1);
        } else {
            self.defect(DefectKind::NotAnEvent);
        }
    }

    fn lake_row(&mut self, value: &str, wrapped: u32) {
        let mut record = Vec::new();
        match crate::tabular::lake_row(value.as_bytes(), &self.limits, &mut record) {
            Ok(()) => {
                let text = self.utf8(&record);
                self.documents(&text, wrapped + 1);
            }
            Err(kind) => self.defect(kind),
        }
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_list(name: &str, value: &str) -> bool {
    value.starts_with('[') && is_one_of(name, &LISTS)
}

fn is_text(name: &str, value: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted) && value.starts_with('"')
}

/// A record has a name, an id, or both a time and a source; aggregated
/// records and Logstash say the time in their own way. An answer of
/// `LookupEvents` has them too, beside the record.
fn is_record(members: &[Member<'_>]) -> bool {
    let has = |names: &[&str]| members.iter().any(|(name, _)| is_one_of(name, names));
    let named = has(&["eventName", "eventID"]);
    let placed = has(&["eventTime", "@timestamp", "timeWindow"]) && has(&["eventSource"]);
    !has(&WRAPPERS) && (named || placed)
}

/// A line of an exported log group, without its time.
fn after_timestamp(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let open = line.find('{').filter(|open| *open < 64)?;
    parse_time(line[..open].trim_ascii().as_bytes())?;
    text.get(open..)
}

/// A record being read.
#[derive(Default)]
struct Row {
    leaves: Record,
    notes: Vec<DefectKind>,
    unknown: u32,
    limits: Limits,
}

/// What a member of a record is.
enum What {
    Leaf(Leaf),
    Object,
    List,
    StandIn(Leaf),
    /// It says what the object is and fills no leaf.
    Mark,
    Unknown,
}

/// Finds the member at `path`, in lower case.
fn what(path: &str) -> What {
    match path {
        "accountid" => return What::StandIn(Leaf::RecipientAccountId),
        "@timestamp" | "timewindow.windowstart" => return What::StandIn(Leaf::EventTime),
        "timewindow" => return What::Object,
        _ if is_one_of(path, &FOREIGN) || is_one_of(path, &WRAPPERS) => return What::Mark,
        _ => {}
    }
    for field in FIELDS.iter().filter(|field| !field.member.is_empty()) {
        let member = field.member.to_ascii_lowercase();
        if member == path {
            return What::Leaf(field.leaf);
        }
        match member.strip_prefix(path) {
            Some(below) if below.starts_with("[].") => return What::List,
            Some(below) if below.starts_with('.') => return What::Object,
            _ => {}
        }
    }
    What::Unknown
}

impl Row {
    /// The members of the object at `path`.
    fn object(&mut self, path: &str, members: &[Member<'_>]) {
        let mut seen = BTreeSet::new();
        for (name, value) in members {
            let name = name.to_ascii_lowercase();
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let what = if name.contains(['.', '[']) { What::Unknown } else { what(&path) };
            if !matches!(what, What::Unknown) && !seen.insert(name) {
                self.notes.push(DefectKind::DuplicateKey);
                self.forget(&path);
            }
            match what {
                What::Leaf(leaf) => self.leaf(leaf, value),
                What::StandIn(leaf) if !self.leaves.contains_key(&leaf) => self.leaf(leaf, value),
                What::StandIn(_) | What::Mark => {}
                What::Object if value.starts_with('{') => self.object(&path, &self::members(value)),
                What::List if value.starts_with('[') => self.list(&path, &items(value)),
                What::Object | What::List if *value == "null" => {}
                What::Object | What::List => self.notes.push(DefectKind::BadValue),
                What::Unknown => self.unknown += 1,
            }
        }
    }

    /// The items of the list at `path`; what is no object is no item.
    fn list(&mut self, path: &str, items: &[&str]) {
        let mut rows = Vec::new();
        for item in items {
            if item.starts_with('{') {
                let mut row = Row { limits: self.limits, ..Row::default() };
                row.object(&format!("{path}[]"), &members(item));
                self.notes.append(&mut row.notes);
                self.unknown += row.unknown;
                rows.push(row.leaves);
            } else if *item != "null" {
                self.notes.push(DefectKind::BadValue);
            }
        }
        for field in FIELDS.iter().filter(|field| field.leaf.is_in_list() && !rows.is_empty()) {
            let texts = rows.iter().map(|row| match row.get(&field.leaf) {
                Some(Value::Text(text)) => Some(text.clone()),
                _ => None,
            });
            self.leaves.insert(field.leaf, Value::Items(texts.collect()));
        }
    }

    /// A later member takes back what one of the same name filled.
    fn forget(&mut self, path: &str) {
        self.leaves.retain(|leaf, _| {
            let member = leaf.field().member.to_ascii_lowercase();
            !member
                .strip_prefix(path)
                .is_some_and(|below| below.is_empty() || below.starts_with('.') || below.starts_with("[]."))
        });
    }

    /// The value of a leaf; null is no value.
    fn leaf(&mut self, leaf: Leaf, value: &str) {
        if value == "null" {
            return;
        }
        let found = match leaf.field().kind {
            Kind::Json => Some(Value::Text(value.to_owned())),
            Kind::Text => Some(Value::Text(self.text(value))),
            Kind::Time => time(value).map(Value::Time),
            Kind::Flag => flag(value).map(Value::Flag),
            Kind::Count | Kind::Day => None,
        };
        match found {
            Some(found) => {
                self.leaves.insert(leaf, found);
            }
            None if leaf.field().kind == Kind::Time => self.notes.push(DefectKind::BadTime),
            None => self.notes.push(DefectKind::BadValue),
        }
    }

    /// A string's text, anything else as delivered; cut between characters.
    fn text(&mut self, value: &str) -> String {
        let (mut text, lone) =
            if value.starts_with('"') { unescaped(value) } else { (value.to_owned(), false) };
        if lone {
            self.notes.push(DefectKind::LoneSurrogate);
        }
        if text.len() > self.limits.text_bytes_max {
            self.notes.push(DefectKind::ValueTruncated);
            let end = (0..=self.limits.text_bytes_max).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
        }
        text
    }
}

/// A string that [`parse_time`] reads.
fn time(value: &str) -> Option<i64> {
    value.starts_with('"').then(|| unescaped(value).0).and_then(|text| parse_time(text.as_bytes()))
}

/// `true`, `false`, or a string that says so in any case.
fn flag(value: &str) -> Option<bool> {
    let text =
        if value.starts_with('"') { unescaped(value).0.to_ascii_lowercase() } else { value.to_owned() };
    text.parse().ok()
}

/// Splits the JSON value that `text` starts with from what follows it.
fn value_at(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let value = values.next()?.ok()?;
    Some((value.get(), &text[values.byte_offset()..]))
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The members of an object that is known to be JSON, in order.
fn members(object: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    let mut rest = &object[1..];
    while let Some((name, after)) = value_at(rest.trim_start_matches(SPACE).trim_start_matches(',')) {
        let Some((value, after)) = after.trim_start_matches(SPACE).strip_prefix(':').and_then(value_at)
        else {
            break;
        };
        members.push((unescaped(name).0, value));
        rest = after;
    }
    members
}

/// The items of a list that is known to be JSON.
fn items(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut rest = &list[1..];
    while let Some((item, after)) = value_at(rest.trim_start_matches(SPACE).trim_start_matches(',')) {
        items.push(item);
        rest = after;
    }
    items
}

/// How deep the brackets of a JSON value go.
fn depth(value: &str) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0);
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => pass_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn pass_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

/// The text of a JSON string, and whether half a surrogate pair had to be
/// replaced in it: such halves are written as U+FFFD before JSON is asked.
fn unescaped(string: &str) -> (String, bool) {
    if let Ok(text) = serde_json::from_str(string) {
        return (text, false);
    }
    let mut mended = String::new();
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        mended.push_str(plain);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
            (Some(0xD800..0xE000), _) => {
                mended.push('\u{FFFD}');
                rest = &escape[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        mended.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    mended.push_str(rest);
    (serde_json::from_str(&mended).unwrap_or(mended), true)
}

/// The number of the `\uXXXX` that `text` starts with.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// UTF-16 begins with its byte order mark, or with a bracket beside a zero.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, b'{' | b'[', ..] | [b'{' | b'[', 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Reading {
        read(text.as_bytes(), &Limits::default())
    }

    fn only(text: &str) -> (Record, Vec<(DefectKind, u64)>) {
        let mut reading = reading(text);
        assert_eq!(reading.records.len(), 1, "{text}");
        (reading.records.remove(0), reading.defects.into_iter().collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn leaves_are_read_off_the_record() {
        let (record, defects) = only(
            r#"{"eventID":"i","userIdentity":{"type":"Root","sessionContext":{"attributes":{"creationDate":"2026-01-15T10:00:00Z"}}},
            "readOnly":"TRUE","managementEvent":false,"apiVersion":1.50,"requestParameters":{"a" : 1},"responseElements":null,
            "resources":[{"ARN":"a"},null,{"type":"t"}],"errorCode":null,"requestID":{"x":1}}"#,
        );
        assert_eq!(defects, []);
        assert_eq!(record.get(&Leaf::IdentityType), Some(&text("Root")));
        assert_eq!(record.get(&Leaf::SessionCreated), Some(&Value::Time(1_768_471_200_000_000)));
        assert_eq!(record.get(&Leaf::ReadOnly), Some(&Value::Flag(true)));
        assert_eq!(record.get(&Leaf::ManagementEvent), Some(&Value::Flag(false)));
        assert_eq!(record.get(&Leaf::ApiVersion), Some(&text("1.50")));
        assert_eq!(record.get(&Leaf::RequestParameters), Some(&text(r#"{"a" : 1}"#)));
        assert_eq!(record.get(&Leaf::RequestId), Some(&text(r#"{"x":1}"#)));
        assert_eq!(record.get(&Leaf::ResourceArn), Some(&Value::Items(vec![Some("a".into()), None])));
        assert!(!record.contains_key(&Leaf::ResponseElements) && !record.contains_key(&Leaf::ErrorCode));
    }

    #[test]
    fn the_last_of_two_members_counts_with_all_below_it() {
        let (record, defects) = only(
            r#"{"eventID":"a","EVENTid":"b","userIdentity":{"type":"x","arn":"y"},"useridentity":{"type":"z"},"errorCode":"e","errorCode":null}"#,
        );
        assert_eq!(defects, [(DefectKind::DuplicateKey, 3)]);
        assert_eq!(record.get(&Leaf::EventId), Some(&text("b")));
        assert_eq!(record.get(&Leaf::IdentityType), Some(&text("z")));
        assert!(!record.contains_key(&Leaf::IdentityArn) && !record.contains_key(&Leaf::ErrorCode));
    }

    #[test]
    fn what_does_not_fit_is_null_and_noted() {
        let (record, defects) = only(
            r#"{"eventID":"a\ud83d\u00e9 \ud83d\ude00","eventTime":"now","readOnly":1,"userIdentity":"x","resources":[5],"managementEvent":"yes"}"#,
        );
        let expected = [(DefectKind::LoneSurrogate, 1), (DefectKind::BadValue, 4), (DefectKind::BadTime, 1)];
        assert_eq!(defects, expected);
        assert_eq!(record.get(&Leaf::EventId), Some(&text("a\u{fffd}\u{e9} \u{1f600}")));
        assert_eq!(record.len(), 2);
    }

    #[test]
    fn an_aggregated_record_has_names_of_its_own() {
        let (record, _) = only(
            r#"{"accountId":"1","eventId":"i","timeWindow":{"windowStart":"2026-01-15 10:00:00"},"eventSource":"s"}"#,
        );
        assert_eq!(record.get(&Leaf::RecipientAccountId), Some(&text("1")));
        assert_eq!(record.get(&Leaf::EventId), Some(&text("i")));
        assert_eq!(record.get(&Leaf::EventTime), Some(&Value::Time(1_768_471_200_000_000)));
    }

    #[test]
    fn every_shape_gives_its_record() {
        let string = r#""{\"eventID\":\"1\"}""#;
        for text in [
            r#"{"Records":[{"eventID":"1"}]}"#.to_owned(),
            r#"{"a":1,"Records":[{"eventID":"1"}],"b":{}}"#.to_owned(),
            r#" [ {"eventID":"1"} ] "#.to_owned(),
            r#"{"eventID":"1"}"#.to_owned(),
            "\u{feff}{\"eventID\":\"1\"}\n\n".to_owned(),
            r#"{"version":"0","detail-type":"x","source":"aws.eks","detail":{"eventID":"1"}}"#.to_owned(),
            format!(r#"{{"Events":[{{"EventId":"2","EventName":"n","CloudTrailEvent":{string}}}]}}"#),
            format!(r#"{{"EventId":"2","CloudTrailEvent":{string}}}"#),
            format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"3","message":{string}}}]}}"#),
            format!(r#"{{"events":[{{"timestamp":1,"message":{string}}}],"nextToken":"t"}}"#),
            format!(r#"{{"Type":"Notification","Message":{string}}}"#),
            "2026-01-15T10:00:00.000Z {\"eventID\":\"1\"}\n".to_owned(),
            format!(r#"{{"QueryResultRows":[[{{"eventJson":{string}}}]]}}"#),
            string.to_owned(),
        ] {
            let (record, defects) = only(&text);
            assert_eq!((record.get(&Leaf::EventId), defects), (Some(&self::text("1")), vec![]), "{text}");
        }
        assert_eq!(reading("{\"eventID\":\"1\"}\n{\"eventID\":\"2\"}{\"eventID\":\"3\"}").records.len(), 3);
    }

    #[test]
    fn documents_of_another_kind_are_routed() {
        for text in [
            r#"{"Records":[{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{"bucket":{}}}]}"#,
            r#"{"awsAccountId":"1","digestStartTime":"2026-01-15T10:00:00Z"}"#,
            r#"{"fileVersion":"1.0","configurationItems":[{}]}"#,
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#,
            r#"{"Type":"Notification","Message":"{\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"k\"]}"}"#,
            r#"{"Type":"Notification","Message":"CloudTrail validation message."}"#,
        ] {
            let reading = reading(text);
            assert_eq!((reading.records.len(), reading.defects.len(), reading.routed), (0, 0, 1), "{text}");
        }
    }

    #[test]
    fn what_is_lost_says_why() {
        let deep =
            |levels: usize| format!(r#"{{"eventID":"1","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(reading(&deep(63)).defects.is_empty());
        let kinds = |text: &str| reading(text).defects.into_keys().collect::<Vec<_>>();
        assert_eq!(kinds(&deep(64)), [DefectKind::TooDeep]);
        assert_eq!(kinds(&deep(100_000)), [DefectKind::TooDeep]);
        assert_eq!(kinds(r#"{"a":1}"#), [DefectKind::NotAnEvent]);
        assert_eq!(kinds(r#"[1,{"eventID":"1"}]"#), [DefectKind::NotAnEvent]);
        assert_eq!(kinds(r#"{"eventID":"1""#), [DefectKind::Malformed]);
        assert_eq!(kinds("{\0e\0"), [DefectKind::Encoding]);
        assert!(kinds("").is_empty() && kinds(r#"{"Records":[]}"#).is_empty());
        let limits = Limits { text_bytes_max: 4, ..Limits::default() };
        let cut = read("{\"eventID\":\"abc\u{e9}\"}".as_bytes(), &limits);
        assert_eq!(cut.records[0].get(&Leaf::EventId), Some(&text("abc")));
        assert_eq!(cut.defects.into_keys().collect::<Vec<_>>(), [DefectKind::ValueTruncated]);
    }
}
