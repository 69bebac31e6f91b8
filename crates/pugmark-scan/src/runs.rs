//! Sorted runs: what fits in memory is sorted there, the rest goes to disk.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, StringViewArray};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use pugmark_event::{EventBatch, Leaf, Projection};

use crate::{Copies, Duplicates, Order, Request, ScanError, Sink};

/// Rows of a batch that goes to disk or out of the merge.
pub(crate) const RUN_ROWS: usize = 1_024;

/// The leaves that decide the order and tell copies apart.
pub(crate) const KEYS: [Leaf; 5] =
    [Leaf::EventTime, Leaf::EventId, Leaf::Raw, Leaf::SourceObject, Leaf::SourceOffset];

/// The columns that rows are compared by.
#[derive(Debug)]
pub(crate) struct Keys {
    times: Vec<Option<i64>>,
    ids: StringViewArray,
    raws: StringViewArray,
    objects: StringViewArray,
    offsets: Vec<u64>,
}

impl Keys {
    pub(crate) fn new(batch: &EventBatch) -> Keys {
        let text = |leaf| batch.text(leaf).unwrap_or_else(|| StringViewArray::new_null(batch.rows()));
        Keys {
            times: batch
                .times(Leaf::EventTime)
                .map_or_else(|| vec![None; batch.rows()], |times| times.iter().collect()),
            ids: text(Leaf::EventId),
            raws: text(Leaf::Raw),
            objects: text(Leaf::SourceObject),
            offsets: batch
                .counts(Leaf::SourceOffset)
                .map_or_else(|| vec![0; batch.rows()], |offsets| offsets.values().to_vec()),
        }
    }

    /// Notes where the copy in `row` was delivered.
    pub(crate) fn note_copy(&self, row: usize, copies: &mut Copies) {
        let origin = (self.objects.value(row).to_owned(), self.offsets[row]);
        copies.entry(self.ids.value(row).to_owned()).or_default().push(origin);
    }

    /// Compares row `a` of these keys with row `b` of `other`.
    pub(crate) fn compare(&self, a: usize, other: &Keys, b: usize, order: Order) -> Ordering {
        let by_time = match (self.times[a], other.times[b]) {
            (Some(first), Some(second)) => directed(first.cmp(&second), order),
            (first, second) => first.is_none().cmp(&second.is_none()),
        };
        by_time
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
    pub(crate) number: usize,
}

/// Rows in order.
pub(crate) enum Run {
    /// Batches as they came, and their rows (batch, row) in order.
    Memory { batches: Vec<(EventBatch, Arc<Keys>)>, rows: VecDeque<(usize, usize)> },
    /// Batches in order.
    Disk { reader: Box<StreamReader<BufReader<File>>>, projection: Projection },
}

impl Run {
    /// The first row.
    pub(crate) fn start(&mut self) -> Result<Option<Cursor>, ScanError> {
        match self {
            Run::Memory { batches, rows } => Ok(rows.pop_front().map(|place| at(batches, place))),
            Run::Disk { reader, projection } => read(reader, *projection, 0),
        }
    }

    /// Moves `cursor` to the next row; false at the end.
    pub(crate) fn advance(&mut self, cursor: &mut Cursor) -> Result<bool, ScanError> {
        match self {
            Run::Memory { batches, rows } => {
                let Some((number, row)) = rows.pop_front() else { return Ok(false) };
                if number == cursor.number {
                    cursor.row = row;
                } else {
                    *cursor = at(batches, (number, row));
                }
            }
            Run::Disk { .. } if cursor.row + 1 < cursor.batch.rows() => cursor.row += 1,
            Run::Disk { reader, projection } => match read(reader, *projection, cursor.number + 1)? {
                Some(next) => *cursor = next,
                None => return Ok(false),
            },
        }
        Ok(true)
    }
}

fn at(batches: &[(EventBatch, Arc<Keys>)], (number, row): (usize, usize)) -> Cursor {
    let (batch, keys) = &batches[number];
    Cursor { batch: batch.clone(), keys: Arc::clone(keys), row, number }
}

fn read(
    reader: &mut StreamReader<BufReader<File>>,
    projection: Projection,
    number: usize,
) -> Result<Option<Cursor>, ScanError> {
    let Some(batch) = reader.next().transpose()? else { return Ok(None) };
    let batch = EventBatch::restored(batch, projection)?;
    Ok(Some(Cursor { keys: Arc::new(Keys::new(&batch)), batch, row: 0, number }))
}

/// What a worker collected.
pub(crate) struct Collected {
    pub(crate) runs: Vec<Run>,
    pub(crate) copies: Copies,
}

/// Collects one worker's rows into sorted runs.
pub(crate) struct Collector {
    order: Order,
    limit: Option<usize>,
    bytes_max: usize,
    batches: Vec<EventBatch>,
    bytes: usize,
    rows: usize,
    duplicates: Duplicates,
    copies: Copies,
    runs: Vec<Run>,
    failed: Option<ScanError>,
}

impl Collector {
    pub(crate) fn new(request: &Request) -> Collector {
        Collector {
            order: request.order,
            limit: request.limit,
            bytes_max: request.limits.sort_bytes / request.threads.max(1),
            batches: Vec::new(),
            bytes: 0,
            rows: 0,
            duplicates: request.duplicates,
            copies: Copies::new(),
            runs: Vec::new(),
            failed: None,
        }
    }

    /// Sorts what is in memory and collapses copies; beyond `limit` rows nothing is kept.
    fn sort(&mut self) -> Run {
        self.bytes = 0;
        self.rows = 0;
        let batches: Vec<(EventBatch, Arc<Keys>)> = std::mem::take(&mut self.batches)
            .into_iter()
            .map(|batch| {
                let keys = Arc::new(Keys::new(&batch));
                (batch, keys)
            })
            .collect();
        let all =
            |(number, (batch, _)): (usize, &(EventBatch, _))| (0..batch.rows()).map(move |row| (number, row));
        let mut rows: Vec<(usize, usize)> = batches.iter().enumerate().flat_map(all).collect();
        let keys = |number: usize| &batches[number].1;
        rows.sort_unstable_by(|a, b| keys(a.0).compare(a.1, keys(b.0), b.1, self.order));
        if self.duplicates == Duplicates::Collapse {
            rows.dedup_by(|later, first| {
                let is_copy = keys(first.0).same_event(first.1, keys(later.0), later.1);
                if is_copy {
                    keys(later.0).note_copy(later.1, &mut self.copies);
                }
                is_copy
            });
        }
        if let Some(limit) = self.limit {
            rows.truncate(limit);
        }
        Run::Memory { batches, rows: rows.into() }
    }

    /// The rows of a run in batches of their own.
    fn batches(run: Run) -> Result<Vec<EventBatch>, ScanError> {
        let Run::Memory { batches, rows } = run else { return Ok(Vec::new()) };
        let batches: Vec<&EventBatch> = batches.iter().map(|(batch, _)| batch).collect();
        let rows: Vec<(usize, usize)> = rows.into();
        rows.chunks(RUN_ROWS).map(|rows| Ok(EventBatch::interleave(&batches, rows)?.compact())).collect()
    }

    /// Writes what is in memory to disk, in order, a batch at a time.
    fn spill(&mut self) -> Result<(), ScanError> {
        let Run::Memory { batches, rows } = self.sort() else { return Ok(()) };
        let batches: Vec<&EventBatch> = batches.iter().map(|(batch, _)| batch).collect();
        let rows: Vec<(usize, usize)> = rows.into();
        let Some(first) = batches.first() else { return Ok(()) };
        let failed =
            |error| ScanError::Spill { directory: std::env::temp_dir().display().to_string(), error };
        let file = tempfile::tempfile().map_err(failed)?;
        let schema = first.record_batch().schema();
        let mut writer =
            StreamWriter::try_new(BufWriter::with_capacity(1 << 20, file), &schema).map_err(spilled)?;
        for rows in rows.chunks(RUN_ROWS) {
            let batch = EventBatch::interleave(&batches, rows)?.compact();
            writer.write(batch.record_batch()).map_err(spilled)?;
        }
        writer.finish().map_err(spilled)?;
        let writer = writer.into_inner().map_err(spilled)?;
        let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let reader = Box::new(StreamReader::try_new_buffered(file, None)?);
        self.runs.push(Run::Disk { reader, projection: first.projection() });
        Ok(())
    }

    /// Ends collecting: what is in memory becomes the last run.
    pub(crate) fn finish(mut self) -> Result<Collected, ScanError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let last = self.sort();
        self.runs.push(last);
        Ok(Collected { runs: self.runs, copies: self.copies })
    }

    fn keep(&mut self, batch: EventBatch) {
        self.bytes += batch.bytes_held();
        self.rows += batch.rows();
        self.batches.push(batch);
    }

    fn collect(&mut self, batch: EventBatch) -> Result<(), ScanError> {
        self.keep(batch);
        if self.limit.is_some_and(|limit| self.rows > limit.saturating_mul(4).max(4 * RUN_ROWS)) {
            for batch in Collector::batches(self.sort())? {
                self.keep(batch);
            }
        }
        if self.bytes > self.bytes_max { self.spill() } else { Ok(()) }
    }
}

impl Sink for Collector {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        match self.collect(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
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
