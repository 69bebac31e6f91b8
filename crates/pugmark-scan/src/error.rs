//! What can go wrong around the data, not in it.

use std::io;

use arrow::error::ArrowError;
use pugmark_event::NotEventBatch;
use pugmark_source::SourceError;

/// Why a scan could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The objects could not be reached.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A filter or an Arrow kernel failed.
    #[error("{0}")]
    Compute(#[from] ArrowError),
    /// Rows could not be written to or read from disk while sorting.
    #[error("cannot sort on disk in `{directory}`: {error}")]
    Spill {
        /// The temporary directory.
        directory: String,
        /// What the system said.
        error: io::Error,
    },
    /// What was read back is not what was written.
    #[error("a sort file is damaged: {0}")]
    Damaged(#[from] NotEventBatch),
    /// An object had other events when its rows were read than when they were counted.
    #[error("`{object}` changed while it was read")]
    Changed {
        /// The object.
        object: String,
    },
    /// A condition could not be evaluated.
    #[error("{0}")]
    Filter(String),
}

impl ScanError {
    /// What to do about it, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            ScanError::Source(error) => error.hint(),
            ScanError::Spill { .. } => {
                Some("sorting needs disk for rows beyond the memory limit; set TMPDIR to a larger disk, or narrow the search".to_owned())
            }
            ScanError::Changed { .. } => {
                Some("a sorted list reads log files twice; read a copy of them, or name fewer at a time".to_owned())
            }
            _ => None,
        }
    }
}
