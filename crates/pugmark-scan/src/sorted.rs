//! Events in order.
//!
//! What fits in memory is sorted there. What does not is read a second time, a
//! window after the other ([`windows`](crate::windows)), if it can be; else it
//! is sorted on disk.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{self, AtomicBool};

use pugmark_event::{EventBatch, Tally};
use pugmark_source::{Entry, Listing, Progress};

use crate::merge::{Copies, Merge};
use crate::runs::{Collector, KEYS};
use crate::windows::{Spans, Windows};
use crate::worker::{Copying, prepare, scan_with};
use crate::{Duplicates, Ledger, Order, Request, ScanError, Sink};

/// Events sorted by (`eventtime`, `eventid`), each once.
///
/// The list is the same whatever the order of files and workers; of several
/// copies the one with the least (object name, offset) is the row.
pub struct Sorted {
    merge: Merge,
    /// What is still to be read, and the time key that all of it has reached.
    windows: Option<Windows>,
    horizon: Option<i64>,
    carry_bytes: usize,
    left: Option<usize>,
    failed: bool,
}

/// Reads every object of `listing` and answers the wanted events in order.
///
/// Wanted rows beyond half of `limits.sort_bytes` are not kept: files are read
/// again, in order of time, while the list is taken. Where that cannot be
/// (stdin, archives, S3), rows beyond `limits.sort_bytes` are sorted on disk,
/// in the system's temporary directory.
/// With `request.limit`, only that many are kept.
///
/// # Errors
/// If the objects cannot be reached, the filter fails, the disk is full, or,
/// from the list, if an object changed in between.
pub fn sorted(
    listing: Listing,
    request: &Request,
    progress: &Progress,
) -> Result<(Sorted, Tally), ScanError> {
    prepare(request)?;
    let mut inner = request.clone();
    inner.projection = request.projection.union(KEYS.into_iter().collect());
    let entries = listing.entries.clone();
    let again = listing.part(Vec::new());
    let excess = Excess { entries: &entries, found: AtomicBool::new(false), can_read_again: OnceLock::new() };
    // Copies are told apart by their neighbours in the list, so that the row's origin is certain;
    // the ledger only counts them.
    let make = || Gatherer::new(&inner, &excess);
    let (gatherers, tally) = scan_with(listing, &inner, progress, (Copying::Count, &make))?;
    let (collector, spans) = Gatherer::together(gatherers)?;
    let is_excess = excess.found.load(atomic::Ordering::Relaxed);
    let mut sorted = Sorted {
        merge: Merge::new(request.order, request.duplicates),
        windows: None,
        horizon: None,
        carry_bytes: request.limits.sort_bytes / 4,
        left: request.limit,
        failed: false,
    };
    if is_excess {
        drop(collector);
        // The ledger has counted the copies; the merge takes them out. The columns stay as they were.
        if request.duplicates == Duplicates::Collapse {
            inner.projection = inner.projection.union(Ledger::LEAVES.into_iter().collect());
        }
        inner.duplicates = Duplicates::Keep;
        let is_cut = progress.is_cancelled();
        sorted.windows = Some(Windows::open(again, spans.plan(entries), inner, is_cut)?);
    } else if let Some(collector) = collector {
        sorted.merge.add(collector.finish())?;
    }
    Ok((sorted, tally))
}

impl Sorted {
    /// Other origins of the rows so far.
    pub fn copies(&self) -> &Copies {
        &self.merge.copies
    }

    fn next_batch(&mut self) -> Result<Option<EventBatch>, ScanError> {
        loop {
            if let Some(batch) = self.merge.next(self.horizon)? {
                return Ok(Some(batch));
            }
            let Some(windows) = &mut self.windows else { return Ok(None) };
            self.merge.carry(self.carry_bytes)?;
            if let Some(window) = windows.next()? {
                self.merge.add(window.collected)?;
                self.horizon = Some(window.horizon);
            } else {
                self.windows = None;
                self.horizon = None;
            }
        }
    }
}

impl Iterator for Sorted {
    type Item = Result<EventBatch, ScanError>;

    fn next(&mut self) -> Option<Result<EventBatch, ScanError>> {
        if self.failed || self.left == Some(0) {
            return None;
        }
        let next = self.next_batch().transpose()?;
        self.failed = next.is_err();
        let batch = match next {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let kept = self.left.map_or(batch.rows(), |left| left.min(batch.rows()));
        if let Some(left) = &mut self.left {
            *left -= kept;
        }
        Some(Ok(batch.head(kept)))
    }
}

/// Whether the wanted rows are more than memory holds, and what then.
struct Excess<'a> {
    entries: &'a [Entry],
    /// They are, and will be read again.
    found: AtomicBool,
    can_read_again: OnceLock<bool>,
}

impl Excess<'_> {
    /// True if all entries are files whose rows can be told by their object's name; members of archives cannot:
    /// their names have a `!`.
    fn can_read_again(&self) -> bool {
        *self.can_read_again.get_or_init(|| {
            let mut names: Vec<&str> = self.entries.iter().map(|entry| entry.object.name.as_str()).collect();
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1])
                && self.entries.iter().all(|entry| !entry.object.name.contains('!') && entry.is_file())
        })
    }
}

/// Collects one worker's rows; if they are too many, only where they are.
struct Gatherer<'a> {
    excess: &'a Excess<'a>,
    collector: Option<Collector>,
    bytes_max: usize,
    spans: Spans,
    failed: Option<ScanError>,
    order: Order,
}

impl<'a> Gatherer<'a> {
    fn new(request: &Request, excess: &'a Excess<'a>) -> Gatherer<'a> {
        Gatherer {
            excess,
            collector: Some(Collector::new(request)),
            bytes_max: request.limits.sort_bytes / request.threads.max(1),
            spans: Spans::default(),
            failed: None,
            order: request.order,
        }
    }

    /// What all workers gathered.
    fn together(gatherers: Vec<Gatherer<'_>>) -> Result<(Option<Collector>, Spans), ScanError> {
        let mut spans = Spans::default();
        let mut all: Option<Collector> = None;
        for gatherer in gatherers {
            if let Some(error) = gatherer.failed {
                return Err(error);
            }
            spans.add(gatherer.spans);
            match (&mut all, gatherer.collector) {
                (Some(all), Some(one)) => all.absorb(one),
                (None, one) => all = one,
                (Some(_), None) => {}
            }
        }
        Ok((all, spans))
    }

    fn gather(&mut self, batch: EventBatch) -> Result<(), ScanError> {
        self.spans.note(&batch, self.order);
        if self.excess.found.load(atomic::Ordering::Relaxed) {
            self.collector = None;
        }
        let Some(collector) = &mut self.collector else { return Ok(()) };
        collector.collect(batch)?;
        // Half, since the ledger grows while the memory of dropped rows is not yet given back.
        if collector.bytes() <= self.bytes_max / 2 {
            return Ok(());
        }
        if self.spans.are_of_files() && self.excess.can_read_again() {
            self.excess.found.store(true, atomic::Ordering::Relaxed);
            self.collector = None;
            return Ok(());
        }
        if collector.bytes() > self.bytes_max { collector.spill() } else { Ok(()) }
    }
}

impl Sink for Gatherer<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        match self.gather(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}
