//! The scan as the engine sees it: a [`FileSource`] in a `FileScanConfig`.
//!
//! It is not an execution plan of our own: a distributed scheduler cuts a
//! scan into tasks only if it knows the leaf, and gives silently wrong counts
//! otherwise. So each partition is a group of files, and reads exactly those.
//!
//! Log files are small (90 KB each, 34,000 in a month of one account), so a
//! decoder, a channel and a stream for each would cost more than the reading.
//! The opener of a partition therefore reads its whole group when it is asked
//! for the first file, with one worker of [`pugmark_scan`], and answers with
//! no rows for every other file of the group:
//!
//! ```text
//! open(file 1) ─▶ worker thread: fetch ▸ decode ▸ once ▸ filter ─▶ channel ─▶ rows of all files
//! open(file 2) ─▶ nothing                                          (bounded)
//! ```

use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::Array;
use datafusion::arrow::compute::{and_kleene, prep_null_mask_filter};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, exec_err, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_expr::projection::{ProjectionExprs, Projector};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{FutureExt, StreamExt, stream};
use object_store::ObjectStore;
use pugmark_event::{EventBatch, Leaf, Projection, Tally, TimeRange};
use pugmark_scan::{Duplicates, Filter, Ledger, Request, ScanError, Sink};
use pugmark_source::{Listing, Progress};
use tokio::sync::mpsc;

use crate::needed::{leaves, needles};
use crate::shape::Shape;

/// Batches that wait for the engine, for each partition.
const WAITING: usize = 4;

/// What all statements of a session share.
pub(crate) struct Shared {
    /// What is read for every statement, whatever it asks for.
    pub(crate) request: Request,
    pub(crate) progress: Arc<Progress>,
    pub(crate) tally: Mutex<Tally>,
}

impl Shared {
    pub(crate) fn add(&self, tally: Tally) {
        let mut sum = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        sum.add(tally);
        sum.defects.truncate(self.request.limits.defects_kept);
    }
}

/// One scan: which objects by partition, which columns, which rows.
#[derive(Clone)]
pub(crate) struct CloudTrailSource {
    shape: Shape,
    schema: TableSchema,
    groups: Arc<[Listing]>,
    shared: Arc<Shared>,
    /// The events seen, by all partitions of this scan.
    ledger: Arc<Ledger>,
    projection: ProjectionExprs,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    range: TimeRange,
    /// Of the copies of an event, the one with the smallest place is its row.
    ordered: bool,
    metrics: ExecutionPlanMetricsSet,
}

impl CloudTrailSource {
    /// A scan of all columns in `columns` of the objects in `groups`, one group for each partition.
    pub(crate) fn new(shape: Shape, groups: Vec<Listing>, columns: &[usize], shared: Arc<Shared>) -> Self {
        let schema = shape.schema();
        CloudTrailSource {
            shape,
            projection: ProjectionExprs::from_indices(columns, &schema),
            schema: TableSchema::from(schema),
            groups: groups.into(),
            shared,
            ledger: Arc::new(Ledger::default()),
            predicate: None,
            range: TimeRange::default(),
            ordered: false,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// Rows outside `range` are not wanted.
    pub(crate) fn with_range(mut self, range: TimeRange) -> Self {
        self.range = range;
        self
    }

    /// Two copies of an event differ in their places; where those can be seen,
    /// which copy is the row must not be chance.
    pub(crate) fn with_smallest_places(mut self) -> Self {
        self.ordered = self.shared.request.duplicates == Duplicates::Collapse;
        self
    }

    /// The leaves that projection and predicate read.
    fn leaves(&self) -> Projection {
        let exprs = self.projection.expr_iter().chain(self.predicate.clone());
        exprs.map(|expr| leaves(&expr, self.shape)).fold(Projection::NONE, Projection::union)
    }

    /// How to read one partition.
    fn run(&self, partition: usize) -> Result<Run> {
        let Some(listing) = self.groups.get(partition) else {
            return exec_err!("the scan has no partition {partition}");
        };
        let columns = |exprs: Vec<Arc<dyn PhysicalExpr>>| -> SchemaRef {
            let schema = self.schema.table_schema();
            let mut wanted: Vec<usize> =
                exprs.iter().flat_map(|expr| collect_columns(expr).into_iter().map(|c| c.index())).collect();
            wanted.sort_unstable();
            wanted.dedup();
            let fields: Vec<_> =
                wanted.into_iter().map(|index| Arc::clone(&schema.fields()[index])).collect();
            Arc::new(Schema::new(fields))
        };
        let schema = columns(self.projection.expr_iter().collect());
        let projection =
            self.projection.clone().try_map_exprs(|expr| reassign_expr_columns(expr, &schema))?;
        let filter = match &self.predicate {
            Some(predicate) => {
                let schema = columns(vec![Arc::clone(predicate)]);
                Some(row_filter(self.shape, reassign_expr_columns(Arc::clone(predicate), &schema)?, schema))
            }
            None => None,
        };
        let mut request = self.shared.request.clone();
        request.projection = request.projection.union(self.leaves());
        request.range = request.range.intersection(self.range);
        request.needles.extend(self.predicate.iter().flat_map(needles));
        request.filter = match (request.filter, filter) {
            (Some(one), Some(other)) => Some(both(one, other)),
            (one, other) => one.or(other),
        };
        request.threads = 1;
        request.ledger = Some(Arc::clone(&self.ledger));
        Ok(Run {
            listing: listing.part(listing.entries.clone()),
            request,
            ordered: self.ordered,
            shape: self.shape,
            projector: projection.make_projector(&schema)?,
            schema,
            shared: Arc::clone(&self.shared),
        })
    }
}

/// True if which copy of an event is its row can be seen in `columns`.
pub(crate) fn shows_place(shape: Shape, columns: &[usize]) -> bool {
    let schema = shape.schema();
    let leaves = columns.iter().map(|index| shape.leaves(schema.field(*index).name()));
    !leaves.fold(Projection::NONE, Projection::union).intersection(places()).is_none()
}

/// Leaves in which copies of one event may differ.
fn places() -> Projection {
    let place = [Leaf::SourceObject, Leaf::SourceOffset, Leaf::PathOrg, Leaf::PathAccount, Leaf::PathRegion];
    place.into_iter().chain([Leaf::PathDay, Leaf::Verified]).collect()
}

/// Lets pass what both let pass.
fn both(one: Filter, other: Filter) -> Filter {
    Arc::new(move |events: &EventBatch| Ok(and_kleene(&one(events)?, &other(events)?)?))
}

pub(crate) fn row_filter(shape: Shape, predicate: Arc<dyn PhysicalExpr>, schema: SchemaRef) -> Filter {
    Arc::new(move |events: &EventBatch| {
        let failed = |error: DataFusionError| ScanError::Filter(error.to_string());
        let batch = shape.columns(events, &schema)?;
        let passed = predicate.evaluate(&batch).map_err(failed)?;
        let passed = passed.into_array(batch.num_rows()).map_err(failed)?;
        let passed = datafusion::common::cast::as_boolean_array(&passed).map_err(failed)?;
        Ok(if passed.null_count() == 0 { passed.clone() } else { prep_null_mask_filter(passed) })
    })
}

impl FileSource for CloudTrailSource {
    fn create_file_opener(
        &self,
        _object_store: Arc<dyn ObjectStore>,
        _base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        Ok(Arc::new(GroupOpener { run: Mutex::new(Some(self.run(partition)?)) }))
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, _batch_size: usize) -> Arc<dyn FileSource> {
        // Batches are as long as the decoder makes them.
        Arc::new(self.clone())
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.predicate.clone()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &'static str {
        "cloudtrail"
    }

    fn fmt_extra(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(predicate) = &self.predicate {
            write!(f, ", predicate={predicate}")?;
            for needle in needles(predicate) {
                write!(f, ", needle={}", needle.escape_ascii())?;
            }
        }
        let leaves = self.leaves();
        let names: Vec<&str> = pugmark_event::FIELDS
            .iter()
            .filter(|field| leaves.has(field.leaf))
            .map(|field| field.name)
            .collect();
        write!(f, ", decoded=[{}]", names.join(", "))
    }

    fn supports_repartitioning(&self) -> bool {
        // Compressed files cannot be entered in the middle.
        false
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let taken: Vec<bool> = filters.iter().map(is_fixed).collect();
        let answers = taken.iter().map(|taken| if *taken { PushedDown::Yes } else { PushedDown::No });
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(answers.collect());
        let ours =
            filters.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(filter, _)| Arc::clone(filter));
        let ours: Vec<_> = self.predicate.clone().into_iter().chain(ours).collect();
        if !taken.contains(&true) {
            return Ok(answer);
        }
        let source = CloudTrailSource { predicate: Some(conjunction(ours)), ..self.clone() };
        Ok(answer.with_updated_node(Arc::new(source)))
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let projection = self.projection.try_merge(projection)?;
        Ok(Some(Arc::new(CloudTrailSource { projection, ..self.clone() })))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expr in self.projection.expr_iter().chain(self.predicate.clone()) {
            if f(&expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

/// True for filters that do not change while the statement runs.
fn is_fixed(filter: &Arc<dyn PhysicalExpr>) -> bool {
    let mut fixed = true;
    let visited = filter.apply(|expr| {
        fixed &=
            !expr.as_ref().is_volatile_node() && expr.downcast_ref::<DynamicFilterPhysicalExpr>().is_none();
        Ok(TreeNodeRecursion::Continue)
    });
    fixed && visited.is_ok()
}

/// Everything that reading one partition takes.
struct Run {
    listing: Listing,
    request: Request,
    /// Rows come from the copies with the smallest places.
    ordered: bool,
    shape: Shape,
    schema: SchemaRef,
    projector: Projector,
    shared: Arc<Shared>,
}

/// Opens the files of one partition: all of them with the first.
struct GroupOpener {
    run: Mutex<Option<Run>>,
}

impl FileOpener for GroupOpener {
    fn open(&self, _: PartitionedFile) -> Result<FileOpenFuture> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(async move {
            let Some(run) = run else { return Ok(stream::empty().boxed()) };
            let (rows, waiting) = mpsc::channel(WAITING);
            let thread = std::thread::Builder::new().name("pugmark-scan".to_owned());
            let reader = thread.spawn(move || run.read(&rows))?;
            let batches = stream::unfold((waiting, Some(reader)), |(mut waiting, reader)| async move {
                match waiting.recv().await {
                    Some(batch) => Some((batch, (waiting, reader))),
                    // The sender is gone. Rows that are missing must not look like an end.
                    None => match reader?.join() {
                        Ok(()) => None,
                        Err(_) => Some((internal_err!("the scan panicked"), (waiting, None))),
                    },
                }
            });
            Ok(batches.boxed())
        }
        .boxed())
    }
}

type Rows = mpsc::Sender<Result<RecordBatch>>;

impl Run {
    /// Reads the partition; what goes wrong is the last thing that is sent.
    fn read(self, rows: &Rows) {
        let Run { listing, request, ordered, shape, schema, projector, shared } = self;
        let sender = Sender { shape, schema, projector: Arc::new(projector), rows: rows.clone() };
        let result = if ordered {
            pugmark_scan::sorted(listing, &request, &shared.progress).and_then(|(sorted, tally)| {
                shared.add(tally);
                for batch in sorted {
                    if sender.clone().batch(batch?).is_break() {
                        break;
                    }
                }
                Ok(())
            })
        } else {
            pugmark_scan::scan(listing, &request, &shared.progress, || sender.clone()).map(|(_, tally)| {
                shared.add(tally);
            })
        };
        if let Err(error) = result {
            // Nobody listens any more if the statement was dropped.
            drop(rows.blocking_send(Err(DataFusionError::External(Box::new(error)))));
        }
    }
}

/// Gives decoded batches their shape and hands them to the engine.
#[derive(Clone)]
struct Sender {
    shape: Shape,
    schema: SchemaRef,
    projector: Arc<Projector>,
    rows: Rows,
}

impl Sink for Sender {
    fn batch(&mut self, events: EventBatch) -> ControlFlow<()> {
        let columns = self.shape.columns(&events, &self.schema).map_err(DataFusionError::from);
        let batch = columns.and_then(|columns| self.projector.project_batch(&columns));
        let failed = batch.is_err();
        match self.rows.blocking_send(batch) {
            Ok(()) if !failed => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}
