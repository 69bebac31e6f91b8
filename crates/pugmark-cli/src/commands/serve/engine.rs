//! The query engine as the server's Lake sees it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pugmark_event::Projection;
use pugmark_query::{QueryError, Session, SessionOptions};
use pugmark_scan::Request;
use pugmark_server::{EngineFault, LakeQuestion, QueryEngine, Reading, Rows, Scanned};
use pugmark_source::{Location, Progress, Selection};
use tokio::runtime::Runtime;

/// How long a statement may take.
const TIMEOUT: Duration = Duration::from_hours(1);
/// Time between two looks at whether the statement was cancelled.
const PATIENCE: Duration = Duration::from_millis(200);
/// Memory of one statement's sorts and joins.
const MEMORY_BYTES: usize = 256 << 20;

/// Answers statements with `pugmark-query`.
pub(super) struct Engine {
    reading: Reading,
}

impl Engine {
    pub(super) fn new(reading: Reading) -> Engine {
        Engine { reading }
    }

    fn session(&self, locations: &[Location]) -> Result<Session, EngineFault> {
        let progress = Arc::new(Progress::default());
        let Reading { access, limits, threads, .. } = &self.reading;
        // A store that has taken nothing yet has no folder.
        let there = |location: &&Location| match location {
            Location::Path(path) => path.exists(),
            _ => true,
        };
        let locations: Vec<Location> = locations.iter().filter(there).cloned().collect();
        let listing = pugmark_source::list(&locations, &Selection::default(), access, limits, &progress)
            .map_err(|error| failed(error.to_string()))?;
        let request = Request {
            access: access.clone(),
            limits: *limits,
            threads: *threads,
            ..Request::new(Projection::NONE)
        };
        let options = SessionOptions {
            memory_bytes: MEMORY_BYTES,
            timeout: Some(TIMEOUT),
            request,
            ..SessionOptions::default()
        };
        Session::new(listing, options, progress).map_err(|error| fault(&error))
    }
}

impl QueryEngine for Engine {
    fn check(&self, statement: &str) -> Result<(), EngineFault> {
        let session = self.session(&[])?;
        runtime(1)?.block_on(session.sql(statement)).map(drop).map_err(|error| fault(&error))
    }

    fn run(&self, question: &LakeQuestion, rows: &mut dyn Rows) -> Result<Scanned, EngineFault> {
        let session = self.session(&question.locations)?;
        let runtime = runtime(self.reading.threads)?;
        let ran = runtime.block_on(async {
            let mut stream = session.sql(&question.statement).await.map_err(|error| fault(&error))?;
            loop {
                // A sort gives nothing for long: who waits may have gone meanwhile.
                let batch = match tokio::time::timeout(PATIENCE, stream.next()).await {
                    Ok(batch) => batch,
                    Err(_) if rows.is_cancelled() => break,
                    Err(_) => continue,
                };
                let Some(batch) = batch else { break };
                if !rows.batch(&batch.map_err(|error| fault(&QueryError::run(&error)))?) {
                    break;
                }
            }
            Ok(())
        });
        let tally = session.tally();
        runtime.shutdown_background();
        ran.map(|()| Scanned { events: tally.rows, bytes: tally.bytes_inflated })
    }
}

fn runtime(threads: usize) -> Result<Runtime, EngineFault> {
    let built =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads.max(1)).enable_all().build();
    built.map_err(|error| failed(error.to_string()))
}

fn failed(message: String) -> EngineFault {
    EngineFault(message)
}

fn fault(error: &QueryError) -> EngineFault {
    failed(match error.place() {
        Some((line, column)) => format!("line {line}:{column}: {error}"),
        None => error.to_string(),
    })
}
