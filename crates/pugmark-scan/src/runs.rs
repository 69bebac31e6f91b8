//! Sorted runs: what fits in memory is sorted there, the rest goes to disk.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::sync::Arc;

use arrow::array::{Array, StringViewArray};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use pugmark_event::{EventBatch, Leaf, Projection};

use crate::{Copies, Duplicates, Order, Request, ScanError};

/// Rows of a batch that goes to disk or out of the merge.
pub(crate) const RUN_ROWS: usize = 1_024;

/// The leaves that decide the order and tell copies apart.
pub(crate) const KEYS: [Leaf; 5] =
    [Leaf::EventTime, Leaf::EventId, Leaf::Raw, Leaf::SourceObject, Leaf::SourceOffset];

/// The columns that rows are compared by.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Time keys: they ascend in the order asked for, and end with rows that have no time.
    times: Vec<i64>,
    ids: StringViewArray,
    raws: StringViewArray,
    objects: StringViewArray,
    offsets: Vec<u64>,
}

impl Keys {
    pub(crate) fn new(batch: &EventBatch, order: Order) -> Keys {
        let text = |leaf| batch.text(leaf).unwrap_or_else(|| StringViewArray::new_null(batch.rows()));
        Keys {
            times: time_keys(batch, order),
            ids: text(Leaf::EventId),
            raws: text(Leaf::Raw),
            objects: text(Leaf::SourceObject),
            offsets: batch
                .counts(Leaf::SourceOffset)
                .map_or_else(|| vec![0; batch.rows()], |offsets| offsets.values().to_vec()),
        }
    }

    /// The time key of a row.
    pub(crate) fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    /// Notes where the copy in `row` was delivered.
    pub(crate) fn note_copy(&self, row: usize, copies: &mut Copies) {
        let origin = (self.objects.value(row).to_owned(), self.offsets[row]);
        copies.entry(self.ids.value(row).to_owned()).or_default().push(origin);
    }

    /// Compares row `a` of these keys with row `b` of `other`.
    pub(crate) fn compare(&self, a: usize, other: &Keys, b: usize, order: Order) -> Ordering {
        self.times[a]
            .cmp(&other.times[b])
            .then_with(|| directed(self.ids.value(a).cmp(other.ids.value(b)), order))
            .then_with(|| self.raws.value(a).cmp(other.raws.value(b)))
            .then_with(|| self.objects.value(a).cmp(other.objects.value(b)))
            .then_with(|| self.offsets[a].cmp(&other.offsets[b]))
    }

    /// True if both rows are one event: one id (if any) and the same bytes.
    pub(crate) fn same_event(&self, a: usize, other: &Keys, b: usize) -> bool {
        self.ids.is_valid(a)
            && other.ids.is_valid(b)
            && self.ids.value(a) == other.ids.value(b)
            && self.raws.value(a) == other.raws.value(b)
    }
}

/// The event times of a batch as numbers that ascend in `order`; a row without a time comes last.
pub(crate) fn time_keys(batch: &EventBatch, order: Order) -> Vec<i64> {
    let key = |time: Option<i64>| match (time, order) {
        (None, _) => i64::MAX,
        (Some(time), Order::Ascending) => time,
        // Reverses without overflow.
        (Some(time), Order::Descending) => !time,
    };
    match batch.times(Leaf::EventTime) {
        Some(times) => times.iter().map(key).collect(),
        None => vec![i64::MAX; batch.rows()],
    }
}

fn directed(ordering: Ordering, order: Order) -> Ordering {
    match order {
        Order::Ascending => ordering,
        Order::Descending => ordering.reverse(),
    }
}

/// Where a run stands: a batch, what its rows are compared by, and the row.
#[derive(Clone)]
pub(crate) struct Cursor {
    pub(crate) batch: EventBatch,
    pub(crate) keys: Arc<Keys>,
    pub(crate) row: usize,
    /// Number of the batch within its run.
    number: usize,
}

impl Cursor {
    pub(crate) fn compare(&self, other: &Cursor, order: Order) -> Ordering {
        self.keys.compare(self.row, &other.keys, other.row, order)
    }
}

/// Rows in order.
pub(crate) enum Run {
    /// Batches as they came.
    Memory(Resident),
    /// Batches in order.
    Disk { reader: Box<StreamReader<BufReader<File>>>, projection: Projection, order: Order },
}

/// A run in memory.
pub(crate) struct Resident {
    batches: Vec<(EventBatch, Arc<Keys>)>,
    /// (batch, row) in order.
    rows: Vec<(u32, u32)>,
    /// The place in `rows` after the cursor's.
    next: usize,
    /// Bytes held, once the batches are its own and hold nothing but its rows.
    compacted: Option<usize>,
    order: Order,
}

impl Run {
    /// The first row.
    pub(crate) fn start(&mut self) -> Result<Option<Cursor>, ScanError> {
        match self {
            Run::Memory(resident) => Ok(resident.start()),
            Run::Disk { reader, projection, order } => read(reader, (*projection, *order), 0),
        }
    }

    /// Moves `cursor` to the next row; false at the end.
    pub(crate) fn advance(&mut self, cursor: &mut Cursor) -> Result<bool, ScanError> {
        match self {
            Run::Memory(resident) => return Ok(resident.advance(cursor)),
            Run::Disk { .. } if cursor.row + 1 < cursor.batch.rows() => cursor.row += 1,
            Run::Disk { reader, projection, order } => {
                match read(reader, (*projection, *order), cursor.number + 1)? {
                    Some(next) => *cursor = next,
                    None => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Gives back the memory of rows before the cursor; answers the bytes still held.
    pub(crate) fn compact(&mut self, cursor: &mut Cursor) -> Result<usize, ScanError> {
        let Run::Memory(resident) = self else { return Ok(0) };
        if let Some(bytes) = resident.compacted {
            return Ok(bytes);
        }
        let mut compacted = Resident::new(resident.left()?, resident.order);
        let bytes = compacted.batches.iter().map(|(batch, _)| batch.bytes_held()).sum();
        compacted.compacted = Some(bytes);
        compacted.rows = compacted.all_rows();
        // The row under the cursor is among those that are left.
        *cursor = compacted.start().expect("a head has a row");
        *resident = compacted;
        Ok(bytes)
    }

    /// Moves the rows from the cursor on to disk.
    pub(crate) fn unload(&mut self, cursor: &mut Cursor) -> Result<(), ScanError> {
        let Run::Memory(resident) = self else { return Ok(()) };
        let mut run = resident.written()?;
        if let Some(first) = run.start()? {
            *cursor = first;
        }
        *self = run;
        Ok(())
    }
}

impl Resident {
    /// A run of `batches` whose rows have no order yet.
    fn new(batches: Vec<EventBatch>, order: Order) -> Resident {
        let keyed = |batch| {
            let keys = Arc::new(Keys::new(&batch, order));
            (batch, keys)
        };
        let batches = batches.into_iter().map(keyed).collect();
        Resident { batches, rows: Vec::new(), next: 0, compacted: None, order }
    }

    /// The rows of all batches, as they stand.
    fn all_rows(&self) -> Vec<(u32, u32)> {
        let rows = |(number, (batch, _)): (usize, &(EventBatch, _))| {
            (0..batch.rows()).map(move |row| (number as u32, row as u32))
        };
        self.batches.iter().enumerate().flat_map(rows).collect()
    }

    /// Puts all rows in order.
    fn sort(&mut self) {
        let keys = |number: u32| &self.batches[number as usize].1;
        let mut rows: Vec<(i64, (u32, u32))> =
            self.all_rows().into_iter().map(|place| (keys(place.0).times[place.1 as usize], place)).collect();
        rows.sort_unstable_by(|(time, a), (other, b)| {
            time.cmp(other).then_with(|| keys(a.0).compare(a.1 as usize, keys(b.0), b.1 as usize, self.order))
        });
        self.rows = rows.into_iter().map(|(_, place)| place).collect();
    }

    /// Takes out rows that are copies of the row before them.
    fn collapse(&mut self, copies: &mut Copies) {
        let keys = |number: u32| &self.batches[number as usize].1;
        self.rows.dedup_by(|later, first| {
            let is_copy = keys(first.0).same_event(first.1 as usize, keys(later.0), later.1 as usize);
            if is_copy {
                keys(later.0).note_copy(later.1 as usize, copies);
            }
            is_copy
        });
    }

    fn start(&mut self) -> Option<Cursor> {
        let place = *self.rows.first()?;
        self.next = 1;
        Some(self.at(place))
    }

    fn advance(&mut self, cursor: &mut Cursor) -> bool {
        let Some(&(number, row)) = self.rows.get(self.next) else { return false };
        self.next += 1;
        if number as usize == cursor.number {
            cursor.row = row as usize;
        } else {
            *cursor = self.at((number, row));
        }
        true
    }

    fn at(&self, (number, row): (u32, u32)) -> Cursor {
        let (batch, keys) = &self.batches[number as usize];
        Cursor { batch: batch.clone(), keys: Arc::clone(keys), row: row as usize, number: number as usize }
    }

    /// Hands the rows from the cursor on to `out`, in order, in batches of their own memory.
    fn each(&self, out: &mut dyn FnMut(EventBatch) -> Result<(), ScanError>) -> Result<(), ScanError> {
        for rows in self.rows[self.next.saturating_sub(1)..].chunks(RUN_ROWS) {
            // Only the batches that these rows are in: a batch of few rows shall not know all buffers.
            let mut slots: HashMap<u32, usize> = HashMap::new();
            let mut batches = Vec::new();
            let mut places = Vec::with_capacity(rows.len());
            for (number, row) in rows {
                let slot = *slots.entry(*number).or_insert_with(|| {
                    batches.push(&self.batches[*number as usize].0);
                    batches.len() - 1
                });
                places.push((slot, *row as usize));
            }
            out(EventBatch::interleave(&batches, &places)?.compact())?;
        }
        Ok(())
    }

    /// The rows from the cursor on.
    fn left(&self) -> Result<Vec<EventBatch>, ScanError> {
        let mut left = Vec::new();
        self.each(&mut |batch| {
            left.push(batch);
            Ok(())
        })?;
        Ok(left)
    }

    /// The rows from the cursor on, on disk.
    fn written(&self) -> Result<Run, ScanError> {
        let Some((first, _)) = self.batches.first() else {
            return Ok(Run::Memory(Resident::new(Vec::new(), self.order)));
        };
        let failed =
            |error| ScanError::Spill { directory: std::env::temp_dir().display().to_string(), error };
        let file = tempfile::tempfile().map_err(failed)?;
        let schema = first.record_batch().schema();
        let mut writer =
            StreamWriter::try_new(BufWriter::with_capacity(1 << 20, file), &schema).map_err(spilled)?;
        self.each(&mut |batch| writer.write(batch.record_batch()).map_err(spilled))?;
        writer.finish().map_err(spilled)?;
        let writer = writer.into_inner().map_err(spilled)?;
        let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let reader = Box::new(StreamReader::try_new_buffered(file, None)?);
        Ok(Run::Disk { reader, projection: first.projection(), order: self.order })
    }
}

fn read(
    reader: &mut StreamReader<BufReader<File>>,
    (projection, order): (Projection, Order),
    number: usize,
) -> Result<Option<Cursor>, ScanError> {
    let Some(batch) = reader.next().transpose()? else { return Ok(None) };
    let batch = EventBatch::restored(batch, projection)?;
    Ok(Some(Cursor { keys: Arc::new(Keys::new(&batch, order)), batch, row: 0, number }))
}

/// What was collected.
pub(crate) struct Collected {
    pub(crate) runs: Vec<Run>,
    pub(crate) copies: Copies,
}

/// Collects rows into sorted runs.
pub(crate) struct Collector {
    order: Order,
    limit: Option<usize>,
    batches: Vec<EventBatch>,
    bytes: usize,
    rows: usize,
    duplicates: Duplicates,
    copies: Copies,
    runs: Vec<Run>,
}

impl Collector {
    pub(crate) fn new(request: &Request) -> Collector {
        Collector {
            order: request.order,
            limit: request.limit,
            batches: Vec::new(),
            bytes: 0,
            rows: 0,
            duplicates: request.duplicates,
            copies: Copies::new(),
            runs: Vec::new(),
        }
    }

    /// Takes rows; beyond `limit` rows only the first of the order are kept.
    pub(crate) fn collect(&mut self, batch: EventBatch) -> Result<(), ScanError> {
        self.keep(batch);
        if self.limit.is_some_and(|limit| self.rows > limit.saturating_mul(4).max(4 * RUN_ROWS)) {
            for batch in self.sort().left()? {
                self.keep(batch);
            }
        }
        Ok(())
    }

    /// Bytes held in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes what is in memory to disk, in order.
    pub(crate) fn spill(&mut self) -> Result<(), ScanError> {
        let run = self.sort().written()?;
        self.runs.push(run);
        Ok(())
    }

    /// Takes over what `other` collected.
    pub(crate) fn absorb(&mut self, other: Collector) {
        self.batches.extend(other.batches);
        self.runs.extend(other.runs);
        for (id, origins) in other.copies {
            self.copies.entry(id).or_default().extend(origins);
        }
    }

    /// Ends collecting: what is in memory becomes the last run.
    pub(crate) fn finish(mut self) -> Collected {
        let last = self.sort();
        self.runs.push(Run::Memory(last));
        Collected { runs: self.runs, copies: self.copies }
    }

    fn keep(&mut self, batch: EventBatch) {
        self.bytes += batch.bytes_held();
        self.rows += batch.rows();
        self.batches.push(batch);
    }

    /// Sorts what is in memory and collapses copies; beyond `limit` rows nothing is kept.
    fn sort(&mut self) -> Resident {
        self.bytes = 0;
        self.rows = 0;
        let mut sorted = Resident::new(std::mem::take(&mut self.batches), self.order);
        sorted.sort();
        if self.duplicates == Duplicates::Collapse {
            sorted.collapse(&mut self.copies);
        }
        if let Some(limit) = self.limit {
            sorted.rows.truncate(limit);
        }
        sorted
    }
}

/// An error of writing Arrow to a temporary file.
fn spilled(error: arrow::error::ArrowError) -> ScanError {
    match error {
        arrow::error::ArrowError::IoError(_, error) => {
            ScanError::Spill { directory: std::env::temp_dir().display().to_string(), error }
        }
        other => ScanError::Compute(other),
    }
}
