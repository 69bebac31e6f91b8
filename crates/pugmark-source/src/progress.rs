//! Counters that a progress line reads while workers count.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared counters, and the flag that ends a run early.
///
/// The counters are for people to look at while a run goes on; the sums that
/// count are in the [`Tally`](pugmark_event::Tally).
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects found so far.
    pub objects_listed: AtomicU64,
    /// Objects dealt with so far, read or not.
    pub objects_done: AtomicU64,
    /// Bytes as stored of the objects that will be opened.
    pub bytes_total: AtomicU64,
    /// Bytes as stored that were read so far.
    pub bytes_stored: AtomicU64,
    /// Bytes after inflating so far.
    pub bytes_inflated: AtomicU64,
    /// Rows so far; counted by whoever decodes.
    pub rows: AtomicU64,
    /// Objects of which nothing could be read so far.
    pub skipped: AtomicU64,
    /// Set by whoever wants the run to end (Ctrl-C); looked at before every
    /// object and every chunk of one.
    pub cancelled: AtomicBool,
}

impl Progress {
    /// True once somebody wants the run to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Asks the run to end.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Adds to a counter that only people read.
pub(crate) fn count(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
