//! The kernel against its twin: same text, same columns, same defects.
//!
//! Texts are grown from a tape of random bytes, so that a failing case shrinks
//! to the few bytes that matter.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;
use pugmark_decode::twin::{self, Record, Value};
use pugmark_decode::{Decoder, Plan, decode};
use pugmark_event::{
    Defect, DefectKind, EventBatch, FIELDS, Fill, Filled, Kind, Leaf, Limits, Object, Projection, Tally,
};

/// Leaves that the record alone decides.
fn is_of_record(leaf: Leaf) -> bool {
    leaf == Leaf::Raw || !leaf.field().member.is_empty()
}

/// The rows of a batch as the twin says them.
fn records(batch: &EventBatch) -> Vec<Record> {
    for column in batch.record_batch().columns() {
        column.to_data().validate_full().expect("views lie in their buffers and hold UTF-8");
    }
    let mut records = vec![Record::new(); batch.rows()];
    for field in FIELDS.iter().filter(|field| is_of_record(field.leaf)) {
        for (row, record) in records.iter_mut().enumerate() {
            if let Some(value) = value(batch, field.leaf, row) {
                record.insert(field.leaf, value);
            }
        }
    }
    records
}

fn value(batch: &EventBatch, leaf: Leaf, row: usize) -> Option<Value> {
    if leaf.is_in_list() {
        return items(batch, leaf, row).map(Value::Items);
    }
    let array = batch.leaf(leaf).filter(|array| array.is_valid(row))?;
    Some(match leaf.field().kind {
        Kind::Text | Kind::Json => Value::Text(array.as_string_view().value(row).to_owned()),
        Kind::Flag => Value::Flag(array.as_boolean().value(row)),
        _ => Value::Time(batch.times(leaf)?.value(row)),
    })
}

fn items(batch: &EventBatch, leaf: Leaf, row: usize) -> Option<Vec<Option<String>>> {
    if !batch.projection().has(leaf) {
        return None;
    }
    let column = batch.record_batch().column_by_name(leaf.column().name())?;
    let list = column.as_list::<i32>();
    let items = list.is_valid(row).then(|| list.value(row))?;
    let member = leaf.name().rsplit('.').next()?;
    let texts = items.as_struct().column_by_name(member)?.as_string_view().clone();
    Some(texts.iter().map(|text| text.map(str::to_owned)).collect())
}

fn counts(defects: &[Defect]) -> BTreeMap<DefectKind, u64> {
    let mut counts = BTreeMap::new();
    for defect in defects {
        *counts.entry(defect.kind).or_default() += 1;
    }
    counts
}

fn plan(limits: Limits) -> Plan {
    Plan { projection: Projection::all(), needles: Vec::new(), limits }
}

/// A fill that yields `step` bytes at a time.
struct Drip<'b> {
    bytes: &'b [u8],
    step: usize,
}

impl Fill for Drip<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, _: usize) -> io::Result<Filled> {
        let (now, later) = self.bytes.split_at(self.step.min(self.bytes.len()));
        buffer.extend_from_slice(now);
        self.bytes = later;
        Ok(if later.is_empty() { Filled::End } else { Filled::More })
    }
}

/// Everything in `bytes`, read `step` bytes at a time through a small arena.
fn dripped(bytes: &[u8], step: usize, limits: Limits) -> (Vec<Record>, Tally) {
    let mut decoder = Decoder::new(plan(limits));
    let mut rows = Vec::new();
    let mut out = |batch: EventBatch| rows.append(&mut records(&batch));
    let object = Arc::new(Object::named("drip"));
    let _ = decoder.object(&object, &mut Drip { bytes, step }, &mut out);
    decoder.finish(&mut out);
    (rows, decoder.take_tally())
}

/// The first leaf in which two readings differ, for the message of a failure.
fn difference(one: &[Record], other: &[Record]) -> Option<String> {
    if one.len() != other.len() {
        return Some(format!("{} records, {} expected", one.len(), other.len()));
    }
    let rows = one.iter().zip(other).enumerate();
    let mut leaves =
        rows.flat_map(|(row, (one, other))| FIELDS.iter().map(move |field| (row, one, other, field.leaf)));
    leaves.find(|(_, one, other, leaf)| one.get(leaf) != other.get(leaf)).map(|(row, one, other, leaf)| {
        format!("row {row}, {}: {:?}, {:?} expected", leaf.name(), one.get(&leaf), other.get(&leaf))
    })
}

/// Fails unless kernel and twin read the same from `text`.
fn agree(text: &[u8], limits: Limits) -> Result<(), TestCaseError> {
    let shown = || String::from_utf8_lossy(&text[..text.len().min(4_000)]).into_owned();
    let expected = twin::read(text, &limits);
    let (batches, tally) = decode(text, plan(limits));
    let rows: Vec<Record> = batches.iter().flat_map(records).collect();
    let defects = counts(&tally.defects);
    prop_assert!(tally.balances(), "{}", shown());
    prop_assert_eq!(tally.rows, rows.len() as u64);
    prop_assert_eq!(tally.duplicates, 0);
    if !expected.defects.contains_key(&DefectKind::Malformed) {
        prop_assert_eq!(difference(&rows, &expected.records), None, "{}", shown());
        prop_assert_eq!(&defects, &expected.defects, "{}", shown());
        let is_foreign = expected.routed > 0 && tally.records == 0;
        prop_assert_eq!(tally.routed, u64::from(is_foreign), "{}", shown());
    }
    for (step, arena_bytes) in [(1, 64), (7, 256), (61, 1 << 10), (4_096, 4_096)] {
        let small = Limits { arena_bytes, batch_rows: 3, ..limits };
        let (again, tally) = dripped(text, step, small);
        prop_assert_eq!(difference(&again, &rows), None, "{} bytes at a time: {}", step, shown());
        prop_assert_eq!(&counts(&tally.defects), &defects, "{} bytes at a time: {}", step, shown());
    }
    Ok(())
}

/// Random choices, read off a tape; after its end every choice is the first.
struct Tape<'t>(&'t [u8]);

impl Tape<'_> {
    fn pick(&mut self, choices: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % choices
    }

    fn of<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.pick(choices.len())]
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn space(&mut self) -> &'static str {
        const WIDE: &str = "                                                                      ";
        self.of(&["", "", "", "", "", "", " ", "\n\t", "\r\n", WIDE])
    }
}

/// A JSON string, with quotes.
fn string(tape: &mut Tape<'_>) -> String {
    const PIECES: [&str; 24] = [
        "a",
        "Zz9",
        "AssumedRole",
        "arn:aws:iam::111122223333:role/x",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "é",
        "日本語",
        "😀",
        "\u{fffd}",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b\\f\\n\\r\\t",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\u0000",
        "\\ud800",
        "\\udc00x",
        "0123456789012345678901234567890123456789012345678901234567890123",
    ];
    let mut text = String::from("\"");
    for _ in 0..tape.pick(7) {
        text.push_str(tape.of(&PIECES));
    }
    text.push('"');
    text
}

/// Any JSON value.
fn any_value(tape: &mut Tape<'_>, depth: usize) -> String {
    const SCALARS: [&str; 16] = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.50",
        "1e999",
        "-1E-5",
        "9223372036854775808",
        "\"true\"",
        "\"False\"",
        "\"\"",
        "\"2026-01-15T10:00:00Z\"",
        "{}",
        "[]",
        "123456789012345678901234567890",
    ];
    match tape.pick(if depth == 0 { 5 } else { 8 }) {
        0..=1 => tape.of(&SCALARS).to_owned(),
        2..=4 => string(tape),
        5 => {
            let items: Vec<String> = (0..tape.pick(4)).map(|_| any_value(tape, depth - 1)).collect();
            brackets(tape, '[', &items, ']')
        }
        6 => {
            let members: Vec<String> = (0..tape.pick(4)).map(|_| any_member(tape, depth - 1)).collect();
            brackets(tape, '{', &members, '}')
        }
        _ => {
            let levels = tape.pick(70);
            format!("{}{}", "[".repeat(levels + 1), "]".repeat(levels + 1))
        }
    }
}

fn any_member(tape: &mut Tape<'_>, depth: usize) -> String {
    let name = string(tape);
    let (before, after) = (tape.space(), tape.space());
    format!("{name}{before}:{after}{}", any_value(tape, depth))
}

fn brackets(tape: &mut Tape<'_>, open: char, items: &[String], close: char) -> String {
    let mut text = String::from(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let _ = write!(text, "{}{item}{}", tape.space(), tape.space());
    }
    text.push_str(tape.space());
    text.push(close);
    text
}

/// The names that can follow `path` in a record.
fn names_below(path: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = FIELDS
        .iter()
        .filter_map(|field| field.member.strip_prefix(path))
        .filter_map(|below| if path.is_empty() { Some(below) } else { below.strip_prefix('.') })
        .filter_map(|below| below.split('.').next())
        .filter(|name| !name.is_empty())
        .collect();
    names.dedup();
    names
}

/// The object at `path`: members that the field table knows, and others.
fn group(tape: &mut Tape<'_>, path: &str) -> String {
    const OTHERS: [&str; 12] = [
        "x",
        "",
        "__proto__",
        "eventNames",
        "userIdentity.arn",
        "@version",
        "名",
        "type2",
        "accountId",
        "@timestamp",
        "timeWindow",
        "resources[]",
    ];
    let known = names_below(path);
    let mut members = Vec::new();
    for _ in 0..=tape.pick(12) {
        if tape.is_over() {
            break;
        }
        let name = if tape.pick(6) == 5 { tape.of(&OTHERS) } else { tape.of(&known) };
        let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let plain = name.trim_end_matches("[]");
        let spelled = match tape.pick(12) {
            9 => plain.to_ascii_lowercase(),
            10 => plain.to_ascii_uppercase(),
            11 if plain.starts_with('e') => format!("\\u0065{}", &plain[1..]),
            _ => plain.to_owned(),
        };
        let value = match tape.pick(8) {
            7 => any_value(tape, 3),
            _ if name == "timeWindow" => {
                format!(
                    "{{\"windowStart\":{}}}",
                    tape.of(&["\"2026-01-15 10:00:00\"", "null", "\"soon\"", "5"])
                )
            }
            _ if !names_below(&below).is_empty() && name.ends_with("[]") => {
                let items: Vec<String> = (0..tape.pick(4)).map(|_| group(tape, &below)).collect();
                brackets(tape, '[', &items, ']')
            }
            _ if !names_below(&below).is_empty() => group(tape, &below),
            _ => leaf(tape, &below),
        };
        let (before, after) = (tape.space(), tape.space());
        members.push(format!("\"{spelled}\"{before}:{after}{value}"));
    }
    brackets(tape, '{', &members, '}')
}

/// A value as the leaf at `path` has it.
fn leaf(tape: &mut Tape<'_>, path: &str) -> String {
    const TIMES: [&str; 6] = [
        "\"2026-01-15T10:00:00Z\"",
        "\"2026-01-15 10:00:00.123456789+01:00\"",
        "\"20260115T100000Z\"",
        "\"\"",
        "\"2026-13-01T00:00:00Z\"",
        "\"2026-01-15T10:00:0\\u0030Z\"",
    ];
    match Leaf::find(path).map(|leaf| leaf.field().kind) {
        Some(Kind::Time) => tape.of(&TIMES).to_owned(),
        Some(Kind::Flag) => tape.of(&["true", "false", "\"true\"", "\"FALSE\"", "\"yes\"", "0"]).to_owned(),
        Some(Kind::Json) => any_value(tape, 3),
        _ => string(tape),
    }
}

/// A record, or something that is nearly one; some have the same identity.
fn record(tape: &mut Tape<'_>, identity: &str) -> String {
    let text = group(tape, "");
    let shared = match tape.pick(6) {
        0..=2 => String::new(),
        3..=4 => format!(",\"userIdentity\":{identity}"),
        _ => return text,
    };
    let rest = text[1..].trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!("{{\"eventVersion\":\"1.08\",\"eventID\":\"{}\"{shared}{comma}{rest}", tape.pick(256))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

/// A whole object: records in one of the shapes that they are delivered in.
fn document(tape: &mut Tape<'_>) -> String {
    let shape = tape.pick(16);
    let identity = group(tape, "userIdentity");
    let mut records = vec![record(tape, &identity)];
    while !tape.is_over() && records.len() < 8 {
        records.push(record(tape, &identity));
    }
    let wrapped = |open: &str, close: &str| {
        let events: Vec<String> =
            records.iter().map(|text| format!("{open}{}{close}", quoted(text))).collect();
        events
    };
    match shape {
        0..=3 => format!("{{\"Records\":{}}}", brackets(tape, '[', &records, ']')),
        4 => brackets(tape, '[', &records, ']'),
        5 => records.join("\n"),
        6 => records.join(tape.space()),
        7 => format!(
            "{{\"a\":[{{\"b\":1}}],\"Records\":{} ,\"c\":null}}\n",
            brackets(tape, '[', &records, ']')
        ),
        8 => {
            format!("{{\"Events\":[{}]}}", wrapped("{\"EventId\":\"z\",\"CloudTrailEvent\":", "}").join(","))
        }
        9 => wrapped("{\"EventId\":\"z\",\"CloudTrailEvent\":", "}").join("\n"),
        10 => format!("{{\"source\":\"aws.s3\",\"detail\":{}}}", records.join("}\n{\"detail\":")),
        11 => format!(
            "{{\"owner\":\"1\",\"logEvents\":[{}]}}",
            wrapped("{\"id\":\"1\",\"message\":", "}").join(",")
        ),
        12 => wrapped("{\"Type\":\"Notification\",\"Message\":", "}").join(""),
        13 => format!("{{\"QueryResultRows\":[{}]}}", wrapped("[{\"eventJson\":", "}]").join(",")),
        14 => format!("\u{feff}[{}]", wrapped("", "").join(" , ")),
        _ => format!("2026-01-15T10:00:00.000Z {}\n", records.join("\n2026-01-15T10:00:00.000Z ")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kernel_and_twin_read_the_same(tape in vec(any::<u8>(), 0..600)) {
        agree(document(&mut Tape(&tape)).as_bytes(), Limits::default())?;
    }

    #[test]
    fn they_agree_on_depth_and_length(tape in vec(any::<u8>(), 0..300), text in 0_usize..40, depth in 5_u32..9) {
        let limits = Limits { text_bytes_max: text, depth_max: depth, ..Limits::default() };
        agree(document(&mut Tape(&tape)).as_bytes(), limits)?;
    }

    #[test]
    fn they_agree_on_the_number_of_members(tape in vec(any::<u8>(), 0..300), members in 0_u32..5) {
        let limits = Limits { members_max: members, depth_max: 1_000, ..Limits::default() };
        agree(document(&mut Tape(&tape)).as_bytes(), limits)?;
    }

    #[test]
    fn what_is_asked_for_does_not_depend_on_what_is_not(tape in vec(any::<u8>(), 0..300), leaves in any::<u128>()) {
        let text = document(&mut Tape(&tape));
        let wanted = |leaf: Leaf| leaves >> (leaf as u8) & 1 == 1;
        let projection: Projection = FIELDS.iter().map(|field| field.leaf).filter(|leaf| wanted(*leaf)).collect();
        let (batches, all) = decode(text.as_bytes(), plan(Limits::default()));
        let mut expected: Vec<Record> = batches.iter().flat_map(records).collect();
        for record in &mut expected {
            record.retain(|leaf, _| wanted(*leaf));
        }
        let limits = Limits::default();
        let (batches, some) = decode(text.as_bytes(), Plan { projection, needles: Vec::new(), limits });
        let rows: Vec<Record> = batches.iter().flat_map(records).collect();
        prop_assert_eq!((some.rows, some.lost, some.routed), (all.rows, all.lost, all.routed), "{}", text);
        prop_assert_eq!(difference(&rows, &expected), None, "{}", text);
    }

    #[test]
    fn damaged_text_balances_and_reads_the_same_in_any_window(tape in vec(any::<u8>(), 0..300), at in any::<u16>(), byte in any::<u8>()) {
        let mut text = document(&mut Tape(&tape)).into_bytes();
        if !text.is_empty() {
            let at = usize::from(at) % text.len();
            text[at] = byte;
        }
        let (batches, tally) = decode(&text, plan(Limits::default()));
        let rows: Vec<Record> = batches.iter().flat_map(records).collect();
        prop_assert_eq!((tally.balances(), tally.rows), (true, rows.len() as u64));
        for step in [1, 50] {
            let small = Limits { arena_bytes: 128, batch_rows: 2, ..Limits::default() };
            let (again, _) = dripped(&text, step, small);
            prop_assert_eq!(difference(&again, &rows), None, "{} bytes at a time: {}", step, String::from_utf8_lossy(&text));
        }
    }
}

/// Files of the shared corpus, inflated; none where it is not at hand.
fn corpus(directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            corpus(&path, files);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a readable file");
        let bytes = if bytes.starts_with(&[0x1F, 0x8B]) { inflated(&bytes) } else { bytes };
        if bytes.trim_ascii_start().first().is_some_and(|byte| b"{[".contains(byte)) {
            files.push((path, bytes));
        }
    }
}

fn inflated(bytes: &[u8]) -> Vec<u8> {
    let size = bytes.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    let mut out = vec![0; size as usize];
    let length =
        libdeflater::Decompressor::new().gzip_decompress(bytes, &mut out).expect("a gzip file of one member");
    out.truncate(length);
    out
}

#[test]
fn a_time_window_that_repeats_tells_the_time_of_each_record() {
    let record = |id: u32| {
        format!(
            r#"{{"accountId":"1","eventId":"{id}","timeWindow":{{"windowStart":"2026-01-15 10:00:00"}},"eventSource":"s"}}"#
        )
    };
    let text = format!(r#"{{"Records":[{},{},{}]}}"#, record(1), record(2), record(3));
    agree(text.as_bytes(), Limits::default()).expect("the kernel reads as its twin");
}

#[test]
fn members_of_an_object_that_repeats_count_in_each_record() {
    let identity = r#"{"type":"IAMUser","a":1,"b":2,"c":3,"userName":"noor"}"#;
    let record = |id: u32| {
        format!(
            r#"{{"eventSource":"s","eventTime":"2026-01-15T10:00:00Z","eventID":"{id}","userIdentity":{identity},"x":1}}"#
        )
    };
    let text = format!(r#"{{"Records":[{},{},{}]}}"#, record(1), record(2), record(3));
    for members in 0..12 {
        let limits = Limits { members_max: members, ..Limits::default() };
        agree(text.as_bytes(), limits).expect("the kernel reads as its twin");
    }
}

#[test]
fn real_files_read_the_same() {
    let mut files = Vec::new();
    corpus(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), &mut files);
    for (path, bytes) in files {
        if let Err(error) = agree(&bytes, Limits::default()) {
            panic!("{}: {error}", path.display());
        }
    }
}
