//! One event as a rule sees it: members by path, out of the columns.
//!
//! A path of the record that is a column is read from there; one inside a JSON
//! column is read from that column's text, parsed once per event; the rest,
//! which is rare, from the record as it was delivered. Only events that a rule
//! may be about ever get so far ([`crate::dispatch`]).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use arrow::array::{Array, BooleanArray, StringViewArray, TimestampMicrosecondArray, UInt64Array};
use memchr::memmem;
use pugmark_event::{EventBatch, FIELDS, Kind, Leaf, Projection};
use rsigma_eval::{Event, EventValue, JsonEvent};
use serde_json::Value;

/// Where the value of a path is found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Access {
    Text(Leaf),
    Flag(Leaf),
    /// A JSON column as a whole: its text.
    Whole(Leaf),
    /// A path inside a JSON column.
    Inside(Leaf, String),
    /// Only the record itself has it.
    Record,
}

impl Access {
    fn of(path: &str) -> Access {
        let field = FIELDS.iter().find(|field| !field.member.is_empty() && field.member == path);
        match field.map(|field| (field.leaf, field.kind)) {
            Some((leaf, _)) if leaf.is_in_list() => Access::Record,
            Some((leaf, Kind::Text)) => Access::Text(leaf),
            Some((leaf, Kind::Flag)) => Access::Flag(leaf),
            Some((leaf, Kind::Json)) => Access::Whole(leaf),
            Some(_) => Access::Record,
            None => Access::inside(path),
        }
    }

    fn inside(path: &str) -> Access {
        let holds = |member: &str| path.strip_prefix(member).and_then(|rest| rest.strip_prefix('.'));
        let json = FIELDS.iter().filter(|field| field.kind == Kind::Json && !field.member.is_empty());
        json.filter(|field| !field.leaf.is_in_list())
            .find_map(|field| Some(Access::Inside(field.leaf, holds(field.member)?.to_owned())))
            .unwrap_or(Access::Record)
    }
}

/// Every path that rules ask for, and where each is found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths(HashMap<String, Access>);

impl Paths {
    pub(crate) fn add(&mut self, path: &str) {
        self.0.entry(path.to_owned()).or_insert_with(|| Access::of(path));
    }

    /// The leaves that reading them takes.
    pub(crate) fn leaves(&self) -> Projection {
        let own = self.0.values().filter_map(|access| match access {
            Access::Text(leaf) | Access::Flag(leaf) | Access::Whole(leaf) | Access::Inside(leaf, _) => {
                Some(*leaf)
            }
            Access::Record => None,
        });
        own.chain([Leaf::Raw]).collect()
    }
}

/// The columns of a batch, opened once for all its events.
pub(crate) struct Columns<'a> {
    paths: &'a Paths,
    texts: Vec<Option<StringViewArray>>,
    flags: Vec<Option<BooleanArray>>,
    time: Option<TimestampMicrosecondArray>,
    offset: Option<UInt64Array>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &EventBatch, paths: &'a Paths) -> Columns<'a> {
        let is_text = |kind| matches!(kind, Kind::Text | Kind::Json);
        Columns {
            paths,
            texts: FIELDS
                .iter()
                .map(|field| is_text(field.kind).then(|| batch.text(field.leaf)).flatten())
                .collect(),
            flags: FIELDS
                .iter()
                .map(|field| (field.kind == Kind::Flag).then(|| batch.flags(field.leaf)).flatten())
                .collect(),
            time: batch.times(Leaf::EventTime),
            offset: batch.counts(Leaf::SourceOffset),
        }
    }

    /// The text of a column.
    pub(crate) fn text(&self, leaf: Leaf, row: usize) -> Option<&str> {
        let texts = self.texts[leaf as usize].as_ref()?;
        texts.is_valid(row).then(|| texts.value(row))
    }

    fn flag(&self, leaf: Leaf, row: usize) -> Option<bool> {
        let flags = self.flags[leaf as usize].as_ref()?;
        flags.is_valid(row).then(|| flags.value(row))
    }

    /// `eventTime`, microseconds since 1970.
    pub(crate) fn time(&self, row: usize) -> Option<i64> {
        let times = self.time.as_ref()?;
        times.is_valid(row).then(|| times.value(row))
    }

    /// Byte offset of the record in its object.
    pub(crate) fn offset(&self, row: usize) -> u64 {
        self.offset.as_ref().filter(|offsets| offsets.is_valid(row)).map_or(0, |offsets| offsets.value(row))
    }
}

/// One event.
pub(crate) struct Row<'a> {
    columns: &'a Columns<'a>,
    index: usize,
    record: OnceCell<Value>,
    parsed: [Parsed; JSON.len()],
}

/// What was made of a JSON column of one event.
struct Parsed {
    leaf: Leaf,
    value: OnceCell<Value>,
    /// The text without blanks, if it has any.
    compact: OnceCell<Option<String>>,
}

impl Parsed {
    fn new(leaf: Leaf) -> Parsed {
        Parsed { leaf, value: OnceCell::new(), compact: OnceCell::new() }
    }
}

/// Columns that are parsed where a rule looks inside.
const JSON: [Leaf; 4] =
    [Leaf::RequestParameters, Leaf::ResponseElements, Leaf::AdditionalEventData, Leaf::ServiceEventDetails];

impl<'a> Row<'a> {
    pub(crate) fn new(columns: &'a Columns<'a>, row: usize) -> Row<'a> {
        let parsed = JSON.map(Parsed::new);
        Row { columns, index: row, record: OnceCell::new(), parsed }
    }

    fn raw(&self) -> &str {
        self.columns.text(Leaf::Raw, self.index).unwrap_or_default()
    }

    fn record(&self) -> &Value {
        self.record.get_or_init(|| serde_json::from_str(self.raw()).unwrap_or_default())
    }

    fn of_record(&self, path: &str) -> Option<EventValue<'_>> {
        get(self.record(), path)
    }

    /// A value that no column has: absent, or `null`, or of another type than it should be.
    fn odd(&self, path: &str) -> Option<EventValue<'_>> {
        let member = path.rsplit('.').next().unwrap_or(path);
        let is_named = memmem::find(self.raw().as_bytes(), member.as_bytes()).is_some();
        if is_named { self.of_record(path) } else { None }
    }

    /// A JSON column as text, if it is an object or a list.
    fn whole<'b>(&'b self, leaf: Leaf, text: &'b str) -> EventValue<'b> {
        if !text.starts_with(['{', '[']) {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            return owned(&EventValue::from(&value));
        }
        let known = self.parsed.iter().find(|parsed| parsed.leaf == leaf);
        EventValue::Str(match known.map(|parsed| parsed.compact.get_or_init(|| compact(text))) {
            Some(Some(compact)) => Cow::Borrowed(compact),
            Some(None) => Cow::Borrowed(text),
            None => compact(text).map_or(Cow::Borrowed(text), Cow::Owned),
        })
    }

    fn inside(&self, leaf: Leaf, rest: &str, path: &str) -> Option<EventValue<'_>> {
        let Some(parsed) = self.parsed.iter().find(|parsed| parsed.leaf == leaf) else {
            return self.of_record(path);
        };
        let text = self.columns.text(leaf, self.index)?;
        get(parsed.value.get_or_init(|| serde_json::from_str(text).unwrap_or_default()), rest)
    }
}

/// As `JsonEvent` looks a path up; it holds a borrowed value, and so does what it answers.
fn get<'v>(value: &'v Value, path: &str) -> Option<EventValue<'v>> {
    let event = JsonEvent::borrow(value);
    event.get_field(path).map(|found| owned(&found))
}

fn owned(value: &EventValue<'_>) -> EventValue<'static> {
    match value {
        EventValue::Str(text) => EventValue::Str(Cow::Owned(text.clone().into_owned())),
        EventValue::Int(number) => EventValue::Int(*number),
        EventValue::Float(number) => EventValue::Float(*number),
        EventValue::Bool(flag) => EventValue::Bool(*flag),
        EventValue::Null => EventValue::Null,
        EventValue::Array(items) => EventValue::Array(items.iter().map(owned).collect()),
        EventValue::Map(members) => EventValue::Map(
            members
                .iter()
                .map(|(name, value)| (Cow::Owned(name.clone().into_owned()), owned(value)))
                .collect(),
        ),
    }
}

/// The text of a JSON column as published rules expect it, without blanks
/// between tokens; `None` if it is so already.
fn compact(text: &str) -> Option<String> {
    let is_spread = memmem::find(text.as_bytes(), b"\": ").is_some() || text.contains('\n');
    let value: Value = is_spread.then(|| serde_json::from_str(text).ok()).flatten()?;
    Some(value.to_string())
}

impl Event for Row<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let columns = self.columns;
        let known;
        let access = if let Some(access) = columns.paths.0.get(path) {
            access
        } else {
            known = Access::of(path);
            &known
        };
        match access {
            Access::Text(leaf) => match columns.text(*leaf, self.index) {
                Some(text) => Some(EventValue::Str(Cow::Borrowed(text))),
                // A list where an object belongs has no members, as for the dispatch.
                None => self.odd(path).filter(EventValue::is_null),
            },
            Access::Flag(leaf) => match columns.flag(*leaf, self.index) {
                Some(flag) => Some(EventValue::Bool(flag)),
                None => self.odd(path),
            },
            Access::Whole(leaf) => match columns.text(*leaf, self.index) {
                Some(text) => Some(self.whole(*leaf, text)),
                None => self.odd(path),
            },
            Access::Inside(leaf, rest) => self.inside(*leaf, rest, path),
            Access::Record => self.of_record(path),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        JsonEvent::borrow(self.record()).any_string_value(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let event = JsonEvent::borrow(self.record());
        event.all_string_values().into_iter().map(|text| Cow::Owned(text.into_owned())).collect()
    }

    fn to_json(&self) -> Value {
        self.record().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_the_narrowest_place() {
        assert_eq!(Access::of("eventName"), Access::Text(Leaf::EventName));
        assert_eq!(Access::of("readOnly"), Access::Flag(Leaf::ReadOnly));
        assert_eq!(Access::of("requestParameters"), Access::Whole(Leaf::RequestParameters));
        assert_eq!(
            Access::of("requestParameters.ipPermissions.items"),
            Access::Inside(Leaf::RequestParameters, "ipPermissions.items".to_owned())
        );
        assert_eq!(Access::of("resources.ARN"), Access::Record);
        assert_eq!(Access::of("eventname"), Access::Record);
    }

    #[test]
    fn a_json_column_is_searched_without_blanks() {
        let text = "{\"a\": {\"b\": 1}}";
        assert_eq!(compact(text).as_deref(), Some("{\"a\":{\"b\":1}}"));
        assert_eq!(compact("{\"a\":1}"), None);
    }
}
