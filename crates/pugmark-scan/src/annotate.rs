//! Columns that no record holds: what is known of a row only from all others.

use pugmark_event::{EventBatch, Object, Projection};

use crate::ScanError;

/// Fills computed leaves of batches, such as `actor` or `verified`.
///
/// It is asked only in runs whose projection has a leaf that it fills.
pub trait Annotate: Send + Sync {
    /// The leaves it fills.
    fn fills(&self) -> Projection;

    /// The leaves it reads to fill them.
    fn needs(&self) -> Projection;

    /// Called before the first batch of a run; an annotator that must see the
    /// whole input first reads it here, once.
    ///
    /// # Errors
    /// If that fails.
    fn prepare(&self) -> Result<(), ScanError> {
        Ok(())
    }

    /// True if [`Annotate::object`] wants to see the bytes of objects.
    fn wants_bytes(&self) -> bool {
        false
    }

    /// The inflated bytes of an object, before any row of it.
    fn object(&self, _object: &Object, _bytes: &[u8]) {}

    /// `batch` with its leaves filled.
    ///
    /// # Errors
    /// If the columns cannot be made.
    fn annotate(&self, batch: &EventBatch) -> Result<EventBatch, ScanError>;
}
