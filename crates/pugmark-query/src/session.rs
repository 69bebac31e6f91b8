//! A session: the table, its functions, and statements run within limits.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion::config::Dialect;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateDefaults};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use futures::{StreamExt, stream};
use pugmark_event::{Projection, Tally};
use pugmark_scan::Request;
use pugmark_source::{Listing, Progress};
use tokio::time::Instant;

use crate::computed::{Computed, ComputedTable};
use crate::dialect::{self, CLOUDTRAIL_LOGS, EVENTS, TextPlanner};
use crate::shape::Shape;
use crate::source::Shared;
use crate::table::{EventsTable, STORE};
use crate::yielding::yielding;
use crate::{QueryError, functions};

/// Stack for planning, which recurses over the statement.
pub(crate) const PLANNING_STACK_BYTES: usize = 64 << 20;

/// How statements of a session are run.
#[derive(Clone)]
pub struct SessionOptions {
    /// Memory of sorts, joins and aggregates; beyond it they spill to the temporary directory.
    pub memory_bytes: usize,
    /// How long a statement may take.
    pub timeout: Option<Duration>,
    /// Rows after which an answer ends.
    pub rows_max: Option<usize>,
    /// How events are read, and which of them there are for every statement.
    pub request: Request,
    /// Tables beside the events.
    pub tables: Vec<Arc<dyn ComputedTable>>,
}

impl std::fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionOptions")
            .field("memory_bytes", &self.memory_bytes)
            .field("timeout", &self.timeout)
            .field("rows_max", &self.rows_max)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            memory_bytes: 2 << 30,
            timeout: None,
            rows_max: None,
            request: Request::new(Projection::NONE),
            tables: Vec::new(),
        }
    }
}

/// Answers SQL over what was listed.
pub struct Session {
    context: SessionContext,
    shared: Arc<Shared>,
    base: Tally,
    timeout: Option<Duration>,
    rows_max: Option<usize>,
}

impl Session {
    /// A session over the objects of `listing`.
    ///
    /// # Errors
    /// If the temporary directory or the engine cannot be set up.
    pub fn new(
        listing: Listing,
        options: SessionOptions,
        progress: Arc<Progress>,
    ) -> Result<Session, QueryError> {
        // The objects left are counted when a statement opens them.
        let mut base = listing.tally.clone();
        base.listed = base.listed.saturating_sub(listing.entries.len() as u64);
        let threads = options.request.threads;
        let shared = Arc::new(Shared { request: options.request, progress, tally: Mutex::new(base.clone()) });
        let context = context(options.memory_bytes, threads).map_err(|error| QueryError::run(&error))?;
        let listing = Arc::new(listing);
        for (name, shape) in [(EVENTS, Shape::Lake), (CLOUDTRAIL_LOGS, Shape::Athena)] {
            let table = EventsTable::new(shape, Arc::clone(&listing), Arc::clone(&shared));
            context.register_table(name, Arc::new(table)).map_err(|error| QueryError::run(&error))?;
        }
        for table in options.tables {
            let name = table.name();
            let table = Arc::new(Computed(table));
            context.register_table(name, table).map_err(|error| QueryError::run(&error))?;
        }
        Ok(Session { context, shared, base, timeout: options.timeout, rows_max: options.rows_max })
    }

    /// Runs one statement; rows stream as they are found.
    ///
    /// The stream ends after `rows_max` rows. What fails while it runs comes
    /// as an error of the stream, which [`QueryError::run`] puts in words.
    ///
    /// # Errors
    /// If the statement is refused, cannot be read, or does not fit the tables.
    pub async fn sql(&self, text: &str) -> Result<SendableRecordBatchStream, QueryError> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        *self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner) = self.base.clone();
        let planning = self.plan(text.to_owned());
        let plan = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, planning).await.map_err(|_| late())??,
            None => planning.await?,
        };
        let stream =
            execute_stream(plan, self.context.task_ctx()).map_err(|error| QueryError::run(&error))?;
        Ok(bounded(stream, deadline, self.rows_max))
    }

    /// What the statement run last has read so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Plans on a thread with a large stack: a long chain of operators overflows a small one.
    async fn plan(&self, text: String) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
        let (context, runtime) = (self.context.clone(), tokio::runtime::Handle::current());
        on_large_stack(move || runtime.block_on(plan(&context, &text))).await?
    }
}

async fn plan(context: &SessionContext, text: &str) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
    let statement = dialect::statement(text)?;
    let state = context.state();
    let fits = |error: DataFusionError| QueryError::plan(&error);
    let plan = state.statement_to_plan(Statement::Statement(Box::new(statement))).await.map_err(fits)?;
    // The guard has refused all of these; this is the engine's own lock behind it.
    let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reads.verify_plan(&plan).map_err(fits)?;
    let plan = state.create_physical_plan(&plan).await.map_err(fits)?;
    yielding(plan).map_err(fits)
}

/// Runs `work` on a thread of its own and waits for it.
async fn on_large_stack<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, QueryError> {
    let (done, wait) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("pugmark-plan".to_owned()).stack_size(PLANNING_STACK_BYTES);
    let run = move || {
        // Nobody waits any more if the statement was dropped.
        drop(done.send(work()));
    };
    let started = thread.spawn(run).map_err(|error| QueryError::Run {
        message: format!("cannot start a thread to plan the statement: {error}"),
    })?;
    match wait.await {
        Ok(made) => Ok(made),
        // The sender is gone without an answer: the thread panicked, and so do we.
        Err(_) => match started.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => Err(QueryError::Run { message: "planning ended without an answer".to_owned() }),
        },
    }
}

fn late() -> QueryError {
    QueryError::Limit { message: "the statement took longer than its time limit".to_owned() }
}

/// `stream` up to the deadline and the row limit.
fn bounded(
    stream: SendableRecordBatchStream,
    deadline: Option<Instant>,
    rows_max: Option<usize>,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let left = rows_max.unwrap_or(usize::MAX);
    let rows = stream::unfold(Some((stream, left)), move |state| async move {
        let (mut stream, left) = state.filter(|(_, left)| *left > 0)?;
        let next = match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline, stream.next()).await {
                Ok(next) => next,
                Err(_) => return Some((Err(DataFusionError::ResourcesExhausted(late().to_string())), None)),
            },
            None => stream.next().await,
        };
        match next? {
            Ok(batch) => {
                let batch = batch.slice(0, batch.num_rows().min(left));
                let left = left - batch.num_rows();
                Some((Ok(batch), Some((stream, left))))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// The engine, set up for our dialect and functions, without tables.
pub(crate) fn context(memory_bytes: usize, threads: usize) -> Result<SessionContext, DataFusionError> {
    let mut config =
        SessionConfig::new().with_target_partitions(threads.max(1)).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::DuckDB;
    // As in Lake and Athena, whichever way is sorted.
    "nulls_last".clone_into(&mut options.sql_parser.default_null_ordering);
    options.execution.enable_file_stream_work_stealing = false;
    options.optimizer.repartition_file_scans = false;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let store = object_store::memory::InMemory::new();
    let url = datafusion::execution::object_store::ObjectStoreUrl::parse(STORE)?;
    runtime.register_object_store(url.as_ref(), Arc::new(store));
    // Ours goes before the engine's planners: the first that plans an expression has the say.
    let mut planners = SessionStateDefaults::default_expr_planners();
    planners.insert(0, Arc::new(TextPlanner::new(functions::element_at())));
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_expr_planners(planners)
        .build();
    let context = SessionContext::new_with_state(state);
    functions::register(&context);
    Ok(context)
}
