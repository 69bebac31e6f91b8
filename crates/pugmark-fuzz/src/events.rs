//! The kernel against its twin.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use pugmark_decode::twin::{self, Record, Value};
use pugmark_decode::{Decoder, Plan};
use pugmark_event::{
    Defect, DefectKind, EventBatch, FIELDS, Fill, Filled, Kind, Leaf, Limits, Object, Projection, Severity,
    Tally,
};

/// Bytes at a time, and the arena they go through.
const STEPS: [(usize, usize); 3] = [(1, 64), (61, 1 << 10), (4_096, 4_096)];

/// The kernel reads what its twin reads, however the text arrives; columns are
/// valid and the sums hold.
///
/// # Panics
/// If not.
pub fn decode(input: &[u8]) {
    let limits = Limits::default();
    let (batches, tally) = pugmark_decode::decode(input, plan(limits));
    let rows: Vec<Record> = batches.iter().flat_map(records).collect();
    let defects = counts(&tally.defects);
    assert!(tally.balances(), "{tally:?}");
    assert_eq!(tally.rows, rows.len() as u64);
    if !is_json(input) {
        return;
    }
    let expected = twin::read(input, &limits);
    if !expected.defects.contains_key(&DefectKind::Malformed) {
        assert_same(&rows, &expected.records);
        // Why a value is no record may have two answers; that it is lost, one.
        assert_eq!(coarse(&defects), coarse(&expected.defects));
    }
    for (step, arena_bytes) in STEPS {
        let (again, tally) = dripped(input, step, Limits { arena_bytes, batch_rows: 3, ..limits });
        assert_same(&again, &rows);
        assert_eq!(coarse(&counts(&tally.defects)), coarse(&defects), "{step} bytes at a time");
    }
}

/// Anything else may be a table, which the first bytes decide and the twin does not read.
fn is_json(input: &[u8]) -> bool {
    let text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input).trim_ascii_start();
    text.starts_with(b"{") || text.starts_with(b"[")
}

fn plan(limits: Limits) -> Plan {
    Plan { projection: Projection::all(), needles: Vec::new(), limits }
}

fn assert_same(rows: &[Record], expected: &[Record]) {
    assert_eq!(rows.len(), expected.len(), "records");
    for (row, (one, other)) in rows.iter().zip(expected).enumerate() {
        for field in FIELDS {
            assert_eq!(one.get(&field.leaf), other.get(&field.leaf), "row {row}, {}", field.name);
        }
    }
}

fn counts(defects: &[Defect]) -> BTreeMap<DefectKind, u64> {
    let mut counts = BTreeMap::new();
    for defect in defects {
        *counts.entry(defect.kind).or_default() += 1;
    }
    counts
}

/// The counts by kind, and of all records lost.
fn coarse(counts: &BTreeMap<DefectKind, u64>) -> BTreeMap<&'static str, u64> {
    let mut coarse = BTreeMap::new();
    for (kind, count) in counts {
        let is_loss = kind.severity() == Severity::LostRecord;
        *coarse.entry(if is_loss { "lost" } else { kind.name() }).or_default() += count;
    }
    coarse
}

/// Everything in `bytes`, read `step` bytes at a time.
fn dripped(bytes: &[u8], step: usize, limits: Limits) -> (Vec<Record>, Tally) {
    let mut decoder = Decoder::new(plan(limits));
    let mut rows = Vec::new();
    let mut out = |batch: EventBatch| rows.append(&mut records(&batch));
    let object = Arc::new(Object::named("drip"));
    let _ = decoder.object(&object, &mut Drip { bytes, step }, &mut out);
    decoder.finish(&mut out);
    (rows, decoder.take_tally())
}

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

/// The rows of a batch as the twin says them.
fn records(batch: &EventBatch) -> Vec<Record> {
    for column in batch.record_batch().columns() {
        column.to_data().validate_full().expect("views lie in their buffers and hold UTF-8");
    }
    let mut records = vec![Record::new(); batch.rows()];
    let leaves = FIELDS.iter().filter(|field| field.leaf == Leaf::Raw || !field.member.is_empty());
    for leaf in leaves.map(|field| field.leaf) {
        for (row, record) in records.iter_mut().enumerate() {
            if let Some(value) = value(batch, leaf, row) {
                record.insert(leaf, value);
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
    let column = batch.record_batch().column_by_name(leaf.column().name())?;
    let list = column.as_list::<i32>();
    let items = list.is_valid(row).then(|| list.value(row))?;
    let member = leaf.name().rsplit('.').next()?;
    let texts = items.as_struct().column_by_name(member)?.as_string_view().clone();
    Some(texts.iter().map(|text| text.map(str::to_owned)).collect())
}
