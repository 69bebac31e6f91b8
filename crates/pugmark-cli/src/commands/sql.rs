//! `pugmark sql`: one statement, or a shell of them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pugmark_event::Projection;
use pugmark_query::{QueryError, Session, SessionOptions};
use pugmark_scan::{Annotate, Duplicates};
use tokio::runtime::Runtime;

use super::evidence::Watch;
use super::{Start, shell};
use crate::args::{FilterArgs, SqlArgs};
use crate::config::Setting;
use crate::exit::{Exit, Failure};
use crate::filter::Filters;
use crate::plan::{self, Reading};
use crate::printer::{Content, Ended};
use crate::provenance::Provenance;
use crate::run::{Run, request};

/// How soon Ctrl-C is noticed while the engine is at work.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// Answers the statement of `-q` or `-f`, or opens the shell.
pub(super) fn sql(args: &SqlArgs, mut start: Start) -> Result<Exit, Failure> {
    start.settings.flag(Setting::MEMORY, args.memory.clone());
    start.settings.flag(Setting::TIMEOUT, args.timeout.clone());
    let reading = Reading::new(&args.sources, &args.select, &start.settings, &start.now)?;
    let mut request = request(&reading, Projection::NONE);
    // Accounts and Regions choose rows too: the key of an object may not tell.
    Filters::new(&FilterArgs::default(), &reading.selection)?.apply(&mut request);
    request.duplicates = if args.with_duplicates { Duplicates::Keep } else { Duplicates::Collapse };
    let watch = Watch::new(&args.witness, &reading, &start)?;
    if let Some(watch) = &watch {
        // Statements say themselves whether they read the column.
        request.annotators.push(Arc::clone(watch) as Arc<dyn Annotate>);
    }
    let mut options = SessionOptions {
        timeout: plan::timeout(&start.settings, &start.now)?,
        rows_max: args.max_rows,
        request,
        ..SessionOptions::default()
    };
    if let Some(bytes) = plan::memory(&start.settings)? {
        options.memory_bytes = bytes;
    }
    let text = statement(args)?;
    let mut run = Run::start(&start.printer)?;
    let provenance = Provenance::new(&reading, &run);
    options.request.annotators.push(provenance.columns());
    options.tables = provenance.tables();
    let (listing, _) = run.list(&reading)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(reading.threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::bare(format!("cannot start the query engine: {error}")))?;
    let session =
        Session::new(listing, options, Arc::clone(&run.progress)).map_err(|error| explain(&error, ""))?;
    let mut desk = Desk { session, runtime, run };
    let exit = match text {
        Some(text) => desk.answer(&text),
        None => shell::shell(&mut desk),
    };
    if let Some(watch) = watch.filter(|_| exit.is_ok()) {
        watch.report(&start.printer);
    }
    exit
}

fn statement(args: &SqlArgs) -> Result<Option<String>, Failure> {
    if let Some(text) = &args.query {
        return Ok(Some(text.clone()));
    }
    let Some(path) = &args.file else {
        return Ok(None);
    };
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    text.map(Some).map_err(|error| Failure::bare(format!("cannot read `{}`: {error}", path.display())))
}

/// A session, and what surrounds it.
pub(super) struct Desk<'a> {
    session: Session,
    runtime: Runtime,
    /// The run that statements are part of.
    pub(super) run: Run<'a>,
}

impl Desk<'_> {
    /// Answers one statement.
    pub(super) fn answer(&mut self, text: &str) -> Result<Exit, Failure> {
        let Desk { session, runtime, run } = self;
        let (shown, ended) = runtime.block_on(async {
            let mut stream = tokio::select! {
                stream = session.sql(text) => stream.map_err(|error| explain(&error, text))?,
                () = interruption(run) => return Ok((0, Ended::ByCtrlC)),
            };
            let mut rows = None;
            let mut ended = Ended::AtTheEnd;
            loop {
                let batch = tokio::select! {
                    batch = stream.next() => batch,
                    () = interruption(run) => {
                        ended = Ended::ByCtrlC;
                        break;
                    }
                };
                let Some(batch) = batch else { break };
                let batch = batch.map_err(|error| explain(&QueryError::run(&error), text))?;
                if rows.is_none() {
                    run.quiet();
                    rows = Some(run.printer.rows(&stream.schema(), Content::Columns)?);
                }
                if let Some(rows) = &mut rows {
                    rows.batch(&batch)?;
                }
            }
            run.quiet();
            let rows = match rows {
                Some(rows) => rows,
                None => run.printer.rows(&stream.schema(), Content::Columns)?,
            };
            Ok::<_, Failure>((rows.finish()?, ended))
        })?;
        Ok(run.finish(session.tally(), shown, ended))
    }
}

async fn interruption(run: &Run<'_>) {
    while !run.is_interrupted() {
        tokio::time::sleep(HEARTBEAT).await;
    }
}

/// A query error as a failure: with the line it is about and a caret under the place.
pub(crate) fn explain(error: &QueryError, text: &str) -> Failure {
    let (mut message, meant) = without_list(&error.to_string());
    if let Some((line, column)) = error.place()
        && let Some(source) = text.lines().nth((line as usize).saturating_sub(1))
    {
        let source = source.replace('\t', " ");
        let before = " ".repeat((column as usize).saturating_sub(1));
        put!(message, "\n  {source}\n  {before}^");
    }
    let hint = error.hint().or(meant).or_else(|| match error.kind() {
        "plan" => Some("`pugmark schema` lists the columns; `.schema` does in the shell".to_owned()),
        _ => None,
    });
    Failure::Told { message, hint }
}

/// The engine names every column there is after one that is not; the nearest is enough.
fn without_list(message: &str) -> (String, Option<String>) {
    let head = message.split("Valid fields are").next().unwrap_or(message).trim_end();
    match head.split_once(". Did you mean '") {
        Some((head, near)) => {
            let near = near.trim_end_matches(['?', '.', '\'']);
            let near = near.strip_prefix("events.").unwrap_or(near);
            (head.to_owned(), Some(format!("did you mean `{near}`?")))
        }
        None => (head.trim_end_matches('.').to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_column_gets_the_nearest_and_not_all() {
        let plan = |message: &str| explain(&QueryError::Plan { message: message.to_owned() }, "");
        let Failure::Told { message, hint } = plan(
            "no field named evntname. Did you mean 'events.eventname'?\nValid fields are events.a, events.b",
        ) else {
            unreachable!("it is told")
        };
        assert_eq!(message, "no field named evntname");
        assert_eq!(hint.as_deref(), Some("did you mean `eventname`?"));
        assert_eq!(plan("no field named x. Valid fields are events.a").to_string(), "no field named x");
    }

    #[test]
    fn a_syntax_error_points_at_its_place() {
        let error = QueryError::Syntax {
            message: "Expected: an expression, found: FROM".to_owned(),
            line: Some(2),
            column: Some(8),
        };
        let failure = explain(&error, "-- who\nSELECT FROM events");
        assert_eq!(
            failure.to_string(),
            "Expected: an expression, found: FROM\n  SELECT FROM events\n         ^"
        );
    }
}
