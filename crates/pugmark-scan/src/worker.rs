//! One worker: objects in, wanted rows out.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, BooleanArray};
use arrow::compute::{and, prep_null_mask_filter};
use pugmark_decode::{Decoder, Plan, Verdict};
use pugmark_event::{Defect, DefectKind, EventBatch, Fill, Leaf, Object, Origin, Tally};
use pugmark_source::{Listing, Progress, Visitor, visit};

use crate::whole::Whole;
use crate::{Annotate, Duplicates, Ledger, Request, ScanError};

/// Takes the rows that one worker finds.
pub trait Sink: Send {
    /// Takes a batch; `Break` ends the whole run early.
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()>;
}

/// Reads every object of `listing` and hands the wanted rows to sinks, one per
/// worker, in no order.
///
/// The set of rows does not depend on the number of workers or on the order of
/// objects. Which copy of a duplicated event is the row is not defined: ask
/// [`sorted`](crate::sorted) where the origin of a row matters.
///
/// The tally balances; `rows` counts each event once, before range and filter.
///
/// # Errors
/// If the objects cannot be reached or the filter fails.
pub fn scan<S: Sink>(
    listing: Listing,
    request: &Request,
    progress: &Progress,
    make: impl Fn() -> S + Sync,
) -> Result<(Vec<S>, Tally), ScanError> {
    prepare(request)?;
    scan_with(listing, request, progress, (Copying::Drop, &make))
}

/// Lets annotators see the whole input, once per run.
pub(crate) fn prepare(request: &Request) -> Result<(), ScanError> {
    request.annotators().try_for_each(|annotator| annotator.prepare())
}

/// What happens to a row that was seen before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copying {
    /// It is left out.
    Drop,
    /// It is counted, and handed on.
    Count,
}

/// [`scan`] of a prepared request, with a say in what happens to copies.
pub(crate) fn scan_with<S: Sink>(
    listing: Listing,
    request: &Request,
    progress: &Progress,
    (copying, make): (Copying, &(impl Fn() -> S + Sync)),
) -> Result<(Vec<S>, Tally), ScanError> {
    let own = Ledger::default();
    let ledger = request.ledger.as_deref().unwrap_or(&own);
    let worker = |_| Worker::new(request, progress, (ledger, copying), make());
    let (workers, mut tally) =
        visit(listing, &request.access, &request.limits, request.threads, progress, worker)?;
    let mut sinks = Vec::with_capacity(workers.len());
    for worker in workers {
        let (sink, of_worker) = worker.finish()?;
        sinks.push(sink);
        tally.add(of_worker.tally);
        tally.decoded -= of_worker.foreign;
        tally.routed += of_worker.foreign;
    }
    // Workers share the objects by chance; the report must not.
    tally.defects.sort_by(|a, b| {
        (&a.origin.object.name, a.origin.offset, a.kind).cmp(&(
            &b.origin.object.name,
            b.origin.offset,
            b.kind,
        ))
    });
    tally.defects.truncate(request.limits.defects_kept);
    Ok((sinks, tally))
}

struct Worker<'a, S> {
    decoder: Decoder,
    rows: Rows<'a, S>,
}

/// What becomes of decoded batches.
struct Rows<'a, S> {
    request: &'a Request,
    progress: &'a Progress,
    ledger: &'a Ledger,
    copying: Copying,
    sink: S,
    sums: Sums,
    /// The sink wants no more, or something failed.
    ended: Result<ControlFlow<()>, ScanError>,
}

/// What a worker adds up.
#[derive(Default)]
struct Sums {
    tally: Tally,
    /// Objects that turned out to hold documents of another kind.
    foreign: u64,
}

impl<'a, S: Sink> Worker<'a, S> {
    fn new(
        request: &'a Request,
        progress: &'a Progress,
        (ledger, copying): (&'a Ledger, Copying),
        sink: S,
    ) -> Worker<'a, S> {
        let plan =
            Plan { projection: request.decoded(), needles: request.needles.clone(), limits: request.limits };
        let ended = Ok(ControlFlow::Continue(()));
        let rows = Rows { request, progress, ledger, copying, sink, sums: Sums::default(), ended };
        Worker { decoder: Decoder::new(plan), rows }
    }

    fn finish(mut self) -> Result<(S, Sums), ScanError> {
        self.decoder.finish(&mut |batch| self.rows.take(&batch));
        let _flow = self.rows.ended?;
        let Rows { sink, mut sums, .. } = self.rows;
        let duplicates = sums.tally.duplicates;
        let mut tally = self.decoder.take_tally();
        // Bytes are counted where objects are opened.
        tally.bytes_inflated = 0;
        tally.rows -= duplicates;
        sums.tally.add(tally);
        Ok((sink, sums))
    }
}

impl<S: Sink> Visitor for Worker<'_, S> {
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let verdict = if self.rows.witnesses().next().is_some() {
            let mut whole = Whole::read(fill, self.rows.request.limits.witness_bytes);
            if let Some(bytes) = whole.bytes() {
                self.rows.witnesses().for_each(|witness| witness.object(object, bytes));
            }
            self.decoder.object(object, &mut whole, &mut |batch| self.rows.take(&batch))
        } else {
            self.decoder.object(object, fill, &mut |batch| self.rows.take(&batch))
        };
        if verdict == Verdict::Foreign {
            self.rows.sums.foreign += 1;
        }
        match self.rows.ended {
            Ok(flow) => flow,
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn defect(&mut self, defect: Defect) {
        self.rows.sums.tally.defect(defect, self.rows.request.limits.defects_kept);
    }
}

impl<S: Sink> Rows<'_, S> {
    /// Those who want to see the bytes of objects.
    fn witnesses(&self) -> impl Iterator<Item = &Arc<dyn Annotate>> {
        self.request.annotators().filter(|annotator| annotator.wants_bytes())
    }

    fn take(&mut self, batch: &EventBatch) {
        if !matches!(self.ended, Ok(ControlFlow::Continue(()))) {
            return;
        }
        self.progress.rows.fetch_add(batch.rows() as u64, Ordering::Relaxed);
        self.ended = self.wanted(batch).map(|wanted| {
            if wanted.rows() == 0 { ControlFlow::Continue(()) } else { self.sink.batch(wanted) }
        });
    }

    /// The rows of `batch` that are wanted, each event once.
    fn wanted(&mut self, batch: &EventBatch) -> Result<EventBatch, ScanError> {
        let mut batch = batch.clone();
        // Every record is entered, wanted or not, so that the sums are those of the whole input.
        if self.request.duplicates == Duplicates::Collapse {
            let seen = self.ledger.enter(&batch);
            self.sums.tally.duplicates += seen.copies.len() as u64;
            for row in &seen.conflicts {
                self.conflict(&batch, *row);
            }
            if !seen.copies.is_empty() && self.copying == Copying::Drop {
                batch = batch.filter(&seen.first(batch.rows()))?;
            }
        }
        let mut keep: Option<BooleanArray> = None;
        if !self.request.range.is_open() {
            let times = batch.times(Leaf::EventTime);
            let range = self.request.range;
            keep = Some(match times {
                Some(times) => times.iter().map(|time| Some(range.contains(time))).collect(),
                None => BooleanArray::from(vec![false; batch.rows()]),
            });
        }
        for annotator in self.request.annotators() {
            batch = annotator.annotate(&batch)?;
        }
        if let Some(filter) = &self.request.filter {
            let passed = filter(&batch)?;
            let passed = if passed.null_count() == 0 { passed } else { prep_null_mask_filter(&passed) };
            keep = Some(match keep {
                Some(keep) => and(&keep, &passed)?,
                None => passed,
            });
        }
        match keep {
            Some(keep) if keep.true_count() < batch.rows() => {
                let kept = batch.filter(&keep)?;
                // A few rows must not keep a whole arena alive in a reader that collects them.
                Ok(if kept.rows() * 4 <= batch.rows() { kept.compact() } else { kept })
            }
            _ => Ok(batch),
        }
    }

    fn conflict(&mut self, batch: &EventBatch, row: usize) {
        let text = |leaf| batch.text(leaf).map(|column| column.value(row).to_owned()).unwrap_or_default();
        let object = Arc::new(Object::named(text(Leaf::SourceObject)));
        let offset = batch.counts(Leaf::SourceOffset).map_or(0, |offsets| offsets.value(row));
        let defect = Defect::new(DefectKind::IdConflict, Origin { object, offset }, text(Leaf::EventId));
        self.sums.tally.defect(defect, self.request.limits.defects_kept);
    }
}
