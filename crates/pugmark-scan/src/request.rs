//! What a reader wants of the events.

use std::fmt;
use std::sync::Arc;

use arrow::array::BooleanArray;
use pugmark_event::{EventBatch, Leaf, Limits, Projection, TimeRange};
use pugmark_source::Access;

use crate::{Annotate, Ledger, ScanError};

/// Which rows of a batch are wanted; null counts as no.
pub type Filter = Arc<dyn Fn(&EventBatch) -> Result<BooleanArray, ScanError> + Send + Sync>;

/// What happens to an event that was delivered more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Its copies become one row.
    #[default]
    Collapse,
    /// Each copy is a row.
    Keep,
}

/// In which order a list of events comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first; events without a time last.
    #[default]
    Ascending,
    /// Newest first; events without a time last.
    Descending,
}

/// What a reader wants.
#[derive(Clone)]
pub struct Request {
    /// The leaves it reads; a scan may deliver a few more.
    pub projection: Projection,
    /// Event times that are wanted.
    pub range: TimeRange,
    /// Literals that every wanted record's text holds.
    pub needles: Vec<Vec<u8>>,
    /// Who fills computed leaves, if the projection has them.
    pub annotators: Vec<Arc<dyn Annotate>>,
    /// Which rows are wanted, beyond the range.
    pub filter: Option<Filter>,
    /// What happens to copies.
    pub duplicates: Duplicates,
    /// Order of a sorted list.
    pub order: Order,
    /// No more rows of a sorted list are wanted than this.
    pub limit: Option<usize>,
    /// Bounds.
    pub limits: Limits,
    /// Workers.
    pub threads: usize,
    /// How S3 is reached.
    pub access: Access,
    /// The events seen so far, where several scans count as one; else each scan begins anew.
    pub ledger: Option<Arc<Ledger>>,
}

impl Request {
    /// All events, each once, on all processors.
    pub fn new(projection: Projection) -> Request {
        Request {
            projection,
            range: TimeRange::default(),
            needles: Vec::new(),
            annotators: Vec::new(),
            filter: None,
            duplicates: Duplicates::default(),
            order: Order::default(),
            limit: None,
            limits: Limits::default(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            access: Access::default(),
            ledger: None,
        }
    }

    /// The leaves that must be decoded to answer the request.
    pub(crate) fn decoded(&self) -> Projection {
        let mut projection = self.projection;
        if !self.range.is_open() {
            projection = projection.with(Leaf::EventTime);
        }
        if self.duplicates == Duplicates::Collapse {
            projection = projection.union(Ledger::LEAVES.into_iter().collect());
        }
        self.annotators().fold(projection, |projection, annotator| projection.union(annotator.needs()))
    }

    /// The annotators that fill a leaf that is wanted.
    pub(crate) fn annotators(&self) -> impl Iterator<Item = &Arc<dyn Annotate>> {
        self.annotators.iter().filter(|annotator| !annotator.fills().intersection(self.projection).is_none())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("projection", &self.projection)
            .field("range", &self.range)
            .field("duplicates", &self.duplicates)
            .field("order", &self.order)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
