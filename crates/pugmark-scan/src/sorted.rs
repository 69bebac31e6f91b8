//! Events in order.

use pugmark_event::{EventBatch, Tally};
use pugmark_source::{Listing, Progress};

use crate::merge::{Copies, Merge};
use crate::runs::{Collector, KEYS};
use crate::worker::{Copying, scan_with};
use crate::{Request, ScanError};

/// Events sorted by (`eventtime`, `eventid`), each once.
///
/// The list is the same whatever the order of files and workers; of several
/// copies the one with the least (object name, offset) is the row.
pub struct Sorted {
    merge: Merge,
    left: Option<usize>,
    failed: bool,
}

/// Reads every object of `listing` and answers the wanted events in order.
///
/// Rows beyond `limits.sort_bytes` are sorted on disk, in the system's
/// temporary directory. With `request.limit`, only that many are kept.
///
/// # Errors
/// If the objects cannot be reached, the filter fails, or the disk is full.
pub fn sorted(
    listing: Listing,
    request: &Request,
    progress: &Progress,
) -> Result<(Sorted, Tally), ScanError> {
    let mut inner = request.clone();
    inner.projection = request.projection.union(KEYS.into_iter().collect());
    // Copies are told apart by their neighbours in the list, so that the row's origin is certain;
    // the ledger only counts them.
    let (collectors, tally) =
        scan_with(listing, &inner, progress, (Copying::Count, &|| Collector::new(&inner)))?;
    let collected = collectors.into_iter().map(Collector::finish).collect::<Result<Vec<_>, _>>()?;
    let merge = Merge::new(collected, request.order, request.duplicates)?;
    Ok((Sorted { merge, left: request.limit, failed: false }, tally))
}

impl Sorted {
    /// Other origins of the rows so far.
    pub fn copies(&self) -> &Copies {
        &self.merge.copies
    }
}

impl Iterator for Sorted {
    type Item = Result<EventBatch, ScanError>;

    fn next(&mut self) -> Option<Result<EventBatch, ScanError>> {
        if self.failed || self.left == Some(0) {
            return None;
        }
        let next = self.merge.next().transpose()?;
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
