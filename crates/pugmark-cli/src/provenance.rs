//! The lineage of everything under the sources, worked out when it is first
//! asked for.
//!
//! A credential is handed out before it is used, often by another account and
//! in another Region. So lineage is worked out of more than was asked for: of
//! all accounts and Regions, and of two days before the first instant.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use pugmark_event::{EventBatch, Leaf, Projection, Tally, TimeRange};
use pugmark_lineage::{Caller, Causes, Facts, Folded, Folds, Lineage, LineageColumns, LineageOnce};
use pugmark_query::ComputedTable;
use pugmark_scan::{Request, ScanError, Sink, scan};
use pugmark_source::{Location, Progress, Selection};

use crate::exit::Failure;
use crate::plan::Reading;
use crate::run::{Run, request};

/// The longest session that STS hands out lives 36 hours; two days hold it and what opened it.
const BEFORE_US: i64 = 2 * 86_400_000_000;

/// What is known about who acted, once somebody asks.
pub(crate) struct Provenance {
    reading: Arc<Reading>,
    progress: Arc<Progress>,
    lineage: Arc<LineageOnce>,
    /// What was read for it.
    tally: Arc<OnceLock<Tally>>,
}

impl Provenance {
    /// The lineage of what `reading` is about. Nothing is read yet.
    pub(crate) fn new(reading: &Reading, run: &Run<'_>) -> Provenance {
        let since = reading.selection.range.since.map(|since| since.saturating_sub(BEFORE_US));
        let range = TimeRange { since, until: reading.selection.range.until };
        let selection = Selection { range, ..Selection::default() };
        let reading = Arc::new(Reading { selection, ..reading.clone() });
        let progress = Arc::clone(&run.progress);
        let tally = Arc::new(OnceLock::new());
        let (from, counters, read) = (Arc::clone(&reading), Arc::clone(&progress), Arc::clone(&tally));
        let lineage = LineageOnce::new(move || {
            let (lineage, sums) = work_out(&from, &counters)?;
            read.get_or_init(|| sums);
            Ok(lineage)
        });
        Provenance { reading, progress, lineage: Arc::new(lineage), tally }
    }

    /// Reads everything, the first time.
    pub(crate) fn lineage(&self) -> Result<Arc<Lineage>, Failure> {
        Ok(self.lineage.get()?)
    }

    /// What was read for it; nothing if nobody asked yet.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.get().cloned().unwrap_or_default()
    }

    /// Who fills the columns `session`, `actor`, `actor_type`, `cause` and `confidence`.
    pub(crate) fn columns(&self) -> Arc<LineageColumns> {
        Arc::new(LineageColumns(Arc::clone(&self.lineage)))
    }

    /// The tables that SQL has beside the events.
    pub(crate) fn tables(&self) -> Vec<Arc<dyn ComputedTable>> {
        let table = |name, schema, rows: Rows| -> Arc<dyn ComputedTable> {
            let (lineage, progress) = (Arc::clone(&self.lineage), Arc::clone(&self.progress));
            Arc::new(Table { name, schema, rows, lineage, reading: Arc::clone(&self.reading), progress })
        };
        vec![
            table("sessions", Lineage::sessions_schema(), |_, lineage| Ok(lineage.sessions_table())),
            table("causes", Folded::default().table().schema(), |table, lineage| {
                Ok(table.consequences(lineage)?.table())
            }),
            table("clusters", Lineage::clusters_schema(), |_, lineage| Ok(lineage.clusters_table())),
        ]
    }
}

fn work_out(reading: &Reading, progress: &Progress) -> Result<(Lineage, Tally), ScanError> {
    if is_read_once(reading) {
        let refusal =
            "lineage reads its input twice, and stdin can be read only once: save it to a file first";
        return Err(ScanError::Filter(refusal.to_owned()));
    }
    let request = request(reading, Facts::leaves());
    let (facts, tally) = scan(reading.list(progress)?, &request, progress, Facts::default)?;
    let facts = facts.into_iter().reduce(Facts::merge).unwrap_or_default();
    Ok((facts.resolve(), tally))
}

/// Makes the rows of a table.
type Rows = fn(&Table, &Lineage) -> Result<RecordBatch, ScanError>;

/// A table that is made of a lineage.
struct Table {
    name: &'static str,
    schema: SchemaRef,
    rows: Rows,
    lineage: Arc<LineageOnce>,
    reading: Arc<Reading>,
    progress: Arc<Progress>,
}

impl Table {
    /// Every request that made services act, with what they did: a second reading of the input.
    fn consequences(&self, lineage: &Lineage) -> Result<Folded, ScanError> {
        let listing = self.reading.list(&self.progress)?;
        let leaves = Caller::LEAVES.into_iter().chain(Causes::LEAVES).chain([Leaf::EventId]);
        let request = request(&self.reading, leaves.collect());
        let make = || Folding { lineage, folds: Folds::default() };
        let (found, _tally) = scan(listing, &request, &self.progress, make)?;
        let mut folds = Folds::default();
        for folding in found {
            folds.merge(folding.folds);
        }
        Ok(folds.finish(lineage.causes()))
    }
}

impl ComputedTable for Table {
    fn name(&self) -> &'static str {
        self.name
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn rows(&self) -> Result<RecordBatch, ScanError> {
        (self.rows)(self, &*self.lineage.get()?)
    }
}

/// Folds what services did below the requests that made them.
struct Folding<'a> {
    lineage: &'a Lineage,
    folds: Folds,
}

impl Sink for Folding<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let rows = pugmark_lineage::Rows::of(&batch);
        rows.iter().for_each(|row| self.folds.read(self.lineage.causes(), row));
        ControlFlow::Continue(())
    }
}

/// Lets `request` fill the columns of lineage that it wants; from standard
/// input they stay empty, and the person is told.
pub(crate) fn attach(reading: &Reading, run: &Run<'_>, request: &mut Request) {
    if request.projection.intersection(leaves()).is_none() {
        return;
    }
    if is_read_once(reading) {
        run.printer.note(
            "stdin can be read only once, so chains of roles are not followed; save it to a file first",
        );
        return;
    }
    request.annotators.push(Provenance::new(reading, run).columns());
}

/// The columns that lineage fills.
fn leaves() -> Projection {
    [Leaf::Session, Leaf::Actor, Leaf::ActorType, Leaf::Cause, Leaf::Confidence].into_iter().collect()
}

fn is_read_once(reading: &Reading) -> bool {
    reading.locations.iter().any(|location| matches!(location, Location::Stdin))
}
