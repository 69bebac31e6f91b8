//! What other services wrap around records.
//!
//! EventBridge puts the record in `detail`; `CloudWatch` Logs puts its text in
//! `message`; `LookupEvents` in `CloudTrailEvent`; SNS and SQS in `Message` and
//! `Body`; a batch of any of them is a list. Wrappers are told by their
//! members, never by file name.

use std::ops::Range;

use pugmark_event::DefectKind;

use crate::decoder::Sheet;
use crate::record::Text;
use crate::scan::{NoEnd, PADDING, Portable, container_end, scalar_end, skip_space, string_end};
use crate::shape::{Offsets, Shape, View, walk};
use crate::tabular;
use crate::text::{Flaw, unescape};

/// Envelopes within envelopes that are opened: SQS around SNS around `CloudWatch` Logs, and one to spare.
const WRAPPED_MAX: u32 = 5;

/// Members whose value is a list of records or of things wrapped around records.
const LISTS: [&[u8]; 6] = [b"Records", b"Events", b"logEvents", b"QueryResultRows", b"Messages", b"hits"];

/// Members whose value is a record's text, or text that holds records.
const TEXTS: [&[u8]; 4] = [b"CloudTrailEvent", b"eventJson", b"message", b"body"];

/// Members whose value is a record.
const OBJECTS: [&[u8]; 5] = [b"detail", b"event", b"_source", b"record", b"requestPayload"];

/// Members of documents that are none of records.
const FOREIGN: [&[u8]; 9] = [
    b"s3",
    b"s3ObjectKey",
    b"digestS3Object",
    b"digestStartTime",
    b"configurationItems",
    b"configSnapshotId",
    b"configurationItemDiff",
    b"hashSignature",
    b"pugmarkTruth",
];

/// Texts that services send to try a channel out.
const TRIALS: [&[u8]; 3] =
    [b"CloudTrail validation message", b"CWL CONTROL MESSAGE", b"Successfully validated SNS topic"];

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// True if a list of this name holds records.
pub(crate) fn is_list_of_records(name: &[u8]) -> bool {
    is_one_of(name, &LISTS)
}

/// True if an object with this member is a document of another kind.
pub(crate) fn is_foreign(name: &[u8]) -> bool {
    is_one_of(name, &FOREIGN)
}

/// True if an object with this member is a record or wrapped around one.
pub(crate) fn is_wrapper(name: &[u8]) -> bool {
    const RECORD: [&[u8]; 6] =
        [b"eventVersion", b"userIdentity", b"eventTime", b"eventName", b"eventID", b"eventSource"];
    is_one_of(name, &RECORD) || is_one_of(name, &TEXTS) || is_one_of(name, &OBJECTS)
}

/// Where the value at `at` ends.
pub(crate) fn value_end(bytes: &[u8], at: usize, end: usize) -> Result<usize, NoEnd> {
    match bytes[at] {
        b'"' => string_end(Portable, bytes, at + 1, end).map(|string| string.close + 1).ok_or(NoEnd::Text),
        b'{' | b'[' => container_end(Portable, bytes, at, end, u32::MAX),
        _ => Ok(scalar_end(bytes, at).max(at + 1)),
    }
}

/// Reads the records that the object in `range` is wrapped around.
#[cold]
pub(crate) fn open(sheet: &mut Sheet, view: &View<'_>, range: Range<usize>, wrapped: u32) {
    let bytes = view.text.bytes;
    let members = members(bytes, range.clone());
    let find = |wanted: &[u8]| {
        members
            .iter()
            .find(|(name, _)| bytes[name.clone()].eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.clone())
    };
    if wrapped >= WRAPPED_MAX {
        return not_an_event(sheet, view, range.start);
    }
    for name in TEXTS {
        if let Some(value) = find(name).filter(|value| bytes[value.start] == b'"') {
            return string(sheet, view, value.start + 1..value.end - 1, wrapped);
        }
    }
    for name in OBJECTS.iter().chain(&LISTS) {
        if let Some(value) = find(name).filter(|value| matches!(bytes[value.start], b'{' | b'[')) {
            return list(sheet, view, value, wrapped);
        }
    }
    let is_trial = find(b"Event").is_some_and(|value| bytes[value].starts_with(b"\"s3:"));
    if is_trial || members.iter().any(|(name, _)| is_foreign(&bytes[name.clone()])) {
        sheet.foreign += 1;
        return;
    }
    not_an_event(sheet, view, range.start);
}

fn not_an_event(sheet: &mut Sheet, view: &View<'_>, at: usize) {
    sheet.lost(
        DefectKind::NotAnEvent,
        view.offsets.of(at),
        "no eventName, eventID, or eventTime with eventSource",
    );
}

/// The members of a complete object, name and value, in order.
fn members(bytes: &[u8], range: Range<usize>) -> Vec<(Range<usize>, Range<usize>)> {
    let mut members = Vec::new();
    let mut at = skip_space(bytes, range.start + 1);
    while at < range.end && bytes[at] == b'"' {
        let Some(name) = string_end(Portable, bytes, at + 1, range.end) else { break };
        let value = skip_space(bytes, skip_space(bytes, name.close + 1) + 1);
        let Ok(after) = value_end(bytes, value, range.end) else { break };
        members.push((at + 1..name.close, value..after));
        at = skip_space(bytes, skip_space(bytes, after) + 1);
    }
    members
}

/// Reads records from a value that is complete: a list of them, or one.
pub(crate) fn list(sheet: &mut Sheet, view: &View<'_>, range: Range<usize>, wrapped: u32) {
    if wrapped >= WRAPPED_MAX {
        return not_an_event(sheet, view, range.start);
    }
    let text = Text { end: range.end, ..view.text };
    let inner = View { text, start: range.start, ended: true, ..*view };
    walk(sheet, &mut Shape::wrapped(wrapped + 1), &inner);
}

/// Reads records from the content of a string.
pub(crate) fn string(sheet: &mut Sheet, view: &View<'_>, content: Range<usize>, wrapped: u32) {
    let offset = view.offsets.of(content.start);
    if wrapped >= WRAPPED_MAX {
        return not_an_event(sheet, view, content.start);
    }
    let mut plain = Vec::with_capacity(content.len() + PADDING);
    match unescape(&view.text.bytes[content.clone()], &mut plain) {
        Ok(()) => {}
        Err(Flaw::LoneSurrogate) => sheet.defect(DefectKind::LoneSurrogate, offset, ""),
        Err(Flaw::BadEscape) => return sheet.lost(DefectKind::Malformed, offset, "a bad escape"),
    }
    let plain_start = plain.trim_ascii_start();
    if TRIALS.iter().any(|trial| plain_start.starts_with(trial)) {
        sheet.foreign += 1;
    } else if matches!(plain_start.first(), Some(b'{' | b'[')) {
        unwrapped(sheet, view, plain, offset, wrapped + 1);
    } else {
        not_an_event(sheet, view, content.start);
    }
}

/// Reads records from text that had to be written anew.
fn unwrapped(sheet: &mut Sheet, view: &View<'_>, mut plain: Vec<u8>, offset: u64, wrapped: u32) {
    let end = plain.len();
    let shift = sheet.derived.len();
    sheet.derived.extend_from_slice(&plain);
    plain.resize(end + PADDING, 0);
    let text = Text { bytes: &plain, end, buffer: 2, shift };
    let inner = View { text, start: 0, ended: true, offsets: Offsets::Fixed(offset), needles: view.needles };
    walk(sheet, &mut Shape::wrapped(wrapped), &inner);
}

/// Reads one row of a `CloudTrail` Lake result.
pub(crate) fn lake_row(sheet: &mut Sheet, view: &View<'_>, range: Range<usize>, wrapped: u32) {
    let offset = view.offsets.of(range.start);
    let mut record = Vec::new();
    match tabular::lake_row(&view.text.bytes[range], &sheet.limits, &mut record) {
        Ok(()) => unwrapped(sheet, view, record, offset, wrapped + 1),
        Err(kind) => sheet.lost(kind, offset, "a row without a column of an event"),
    }
}
