//! Queries: started, watched, paged through, cancelled, forgotten.
//!
//! Each runs on a thread of its own; there are never more than ten. What it
//! found stands in a file of rows, so that pages cost no memory and outlive a
//! restart. Source: AWS `CloudTrail` API Reference, `StartQuery` and its
//! neighbours.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::call::{Call, Outcome, new_id};
use crate::document::{self, StateError};
use crate::fault::ApiFault;
use crate::input::missing;
use crate::lake::delivery::{Delivery, DeliveryStatus};
use crate::lake::results::{self, RowFile};
use crate::lake::stores;
use crate::lake::{EngineFault, LakeQuestion};
use crate::pages;
use pugmark_event::is_uuid;

const DAY_US: i64 = 86_400_000_000;
/// Days that a query and its answer are kept.
const KEPT_DAYS: i64 = 7;
/// Queries at work.
const RUNNING_MAX: usize = 10;
const STATEMENT_CHARS_MAX: usize = 10_000;

/// Where a query is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Queued,
    Running,
    Finished,
    Failed,
    Cancelled,
    TimedOut,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Queued => "QUEUED",
            Status::Running => "RUNNING",
            Status::Finished => "FINISHED",
            Status::Failed => "FAILED",
            Status::Cancelled => "CANCELLED",
            Status::TimedOut => "TIMED_OUT",
        }
    }

    fn parse(text: &str) -> Result<Status, ApiFault> {
        const ALL: [Status; 6] = [
            Status::Queued,
            Status::Running,
            Status::Finished,
            Status::Failed,
            Status::Cancelled,
            Status::TimedOut,
        ];
        let found = ALL.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| {
            ApiFault::new("InvalidQueryStatusException", format!("`{text}` is no query status"))
        })
    }

    fn is_active(self) -> bool {
        matches!(self, Status::Queued | Status::Running)
    }
}

/// One query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Query {
    id: String,
    /// Ids of the stores that the statement names.
    stores: Vec<String>,
    statement: String,
    status: Status,
    created: i64,
    millis: i64,
    scanned: u64,
    bytes: u64,
    rows: u64,
    error: Option<String>,
    delivery: Option<Delivery>,
}

impl Query {
    /// Ends without an answer, of which nothing is delivered then.
    fn end(&mut self, status: Status) {
        self.status = status;
        if let Some(delivery) = &mut self.delivery {
            delivery.status = match status {
                Status::Cancelled => DeliveryStatus::Cancelled,
                _ => DeliveryStatus::Failed,
            };
        }
    }

    /// The server was restarted: what was at work has failed.
    fn interrupt(&mut self) {
        if self.status.is_active() {
            self.end(Status::Failed);
            self.error = Some("The server was restarted while the query ran.".to_owned());
        }
        let pending = self.delivery.as_mut().filter(|delivery| delivery.status == DeliveryStatus::Pending);
        if let Some(delivery) = pending {
            delivery.status = DeliveryStatus::Failed;
        }
    }
}

/// All queries.
pub(crate) struct Queries {
    folder: PathBuf,
    known: Mutex<BTreeMap<String, Known>>,
}

struct Known {
    query: Query,
    cancelled: Arc<AtomicBool>,
}

impl Queries {
    /// The queries of `folder`; what was at work when the server ended has failed.
    pub(crate) fn open(folder: &Path, now: i64) -> Result<Queries, StateError> {
        std::fs::create_dir_all(folder).map_err(StateError::io(folder))?;
        let mut known = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(StateError::io(folder))? {
            let path = entry.map_err(StateError::io(folder))?.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            let Some(mut query) = document::load::<Option<Query>>(&path)? else { continue };
            query.interrupt();
            known.insert(query.id.clone(), Known { query, cancelled: Arc::default() });
        }
        let queries = Queries { folder: folder.to_owned(), known: Mutex::new(known) };
        queries.expire(now);
        Ok(queries)
    }

    /// Forgets queries that are older than a week.
    pub(crate) fn expire(&self, now: i64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id, known| {
            let is_old = known.query.created + KEPT_DAYS * DAY_US < now && !known.query.status.is_active();
            if is_old {
                // What cannot be removed is forgotten all the same.
                drop(std::fs::remove_file(self.folder.join(format!("{id}.json"))));
                drop(std::fs::remove_file(self.rows_path(id)));
            }
            !is_old
        });
    }

    /// Asks everything at work to end.
    pub(crate) fn cancel_all(&self) {
        for known in self.known.lock().unwrap_or_else(PoisonError::into_inner).values() {
            known.cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn rows_path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.rows"))
    }

    fn add(&self, query: Query) -> Result<Arc<AtomicBool>, ApiFault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.values().filter(|known| known.query.status.is_active()).count() >= RUNNING_MAX {
            let message = "You are already running the maximum number of concurrent queries.";
            return Err(ApiFault::new("MaxConcurrentQueriesException", message));
        }
        self.save(&query).map_err(|_| ApiFault::internal())?;
        let cancelled = Arc::new(AtomicBool::new(false));
        known.insert(query.id.clone(), Known { query, cancelled: Arc::clone(&cancelled) });
        Ok(cancelled)
    }

    fn save(&self, query: &Query) -> Result<(), StateError> {
        document::save(&self.folder.join(format!("{}.json", query.id)), query)
    }

    fn get(&self, id: &str) -> Result<Query, ApiFault> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).map(|known| known.query.clone()).ok_or_else(|| unknown(id))
    }

    /// Notes how the delivery of an answer went.
    fn delivered(&self, id: &str, status: DeliveryStatus) -> Result<(), StateError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.get_mut(id) else { return Ok(()) };
        if let Some(delivery) = &mut known.query.delivery {
            delivery.status = status;
        }
        self.save(&known.query)
    }

    /// Changes a query that is still at work.
    fn advance(&self, id: &str, change: impl FnOnce(&mut Query)) -> Result<(), StateError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(id) {
            Some(known) if known.query.status.is_active() => {
                change(&mut known.query);
                self.save(&known.query)
            }
            _ => Ok(()),
        }
    }
}

fn unknown(id: &str) -> ApiFault {
    ApiFault::new(
        "QueryIdNotFoundException",
        format!("The query ID `{id}` does not exist or does not map to a query."),
    )
}

fn statement_fault(message: impl Into<String>) -> ApiFault {
    ApiFault::new("InvalidQueryStatementException", message)
}

/// The ids of stores that a statement names outside quoted text.
fn named(statement: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let code: Vec<&str> = statement.split('\'').step_by(2).collect();
    for part in code {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        for word in part.split(|letter| !is_word(letter)) {
            let id = word.to_ascii_lowercase();
            if is_uuid(&id) && !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

pub(crate) fn start(call: &Call<'_>) -> Outcome {
    let app = call.app;
    if call.input.has("QueryAlias") {
        return Err(ApiFault::unsupported("Only query statements are run here: there are no query aliases."));
    }
    let statement = call.input.text("QueryStatement")?.ok_or_else(|| missing("QueryStatement"))?;
    if !(1..=STATEMENT_CHARS_MAX).contains(&statement.chars().count()) {
        return Err(statement_fault("A query statement has 1 to 10000 characters."));
    }
    let stores = named(statement);
    match stores.len() {
        0 => {
            return Err(statement_fault("The statement names no event data store: write its id after FROM."));
        }
        1 => {}
        _ => return Err(statement_fault("A statement may name one event data store.")),
    }
    app.lake.read(|state| {
        stores.iter().try_for_each(|id| stores::find(state, id, &call.caller.region)?.check_active())
    })?;
    app.lake.engine.check(statement).map_err(|EngineFault(message)| statement_fault(message))?;
    let query = Query {
        id: new_id()?,
        stores,
        statement: statement.to_owned(),
        status: Status::Queued,
        created: call.now,
        millis: 0,
        scanned: 0,
        bytes: 0,
        rows: 0,
        error: None,
        delivery: Delivery::asked(call)?,
    };
    let id = query.id.clone();
    let cancelled = app.lake.queries.add(query.clone())?;
    let worker = Arc::clone(app);
    let thread = std::thread::Builder::new().name("pugmark-query".to_owned());
    let started = thread.spawn(move || {
        let ran = catch_unwind(AssertUnwindSafe(|| run(&worker, &query, &cancelled)));
        if ran.is_err() {
            worker.metrics.panics.fetch_add(1, Ordering::Relaxed);
            fail(&worker, &query.id, "The query ended by an error of the server.".to_owned());
        }
    });
    if started.is_err() {
        fail(app, &id, "The query could not be started.".to_owned());
    }
    Ok(json!({ "QueryId": id, "EventDataStoreOwnerAccountId": call.caller.account }))
}

fn run(app: &Arc<App>, query: &Query, cancelled: &Arc<AtomicBool>) {
    let lake = &app.lake;
    let begun = app.now();
    if app.catch_up().is_err() {
        return fail(app, &query.id, "The events could not be read.".to_owned());
    }
    let path = lake.queries.rows_path(&query.id);
    let file = RowFile::create(&path, Arc::clone(cancelled));
    let (Ok(mut rows), Ok(())) =
        (file, lake.queries.advance(&query.id, |query| query.status = Status::Running))
    else {
        return fail(app, &query.id, "The answer could not be written.".to_owned());
    };
    let locations = query.stores.iter().map(|store| lake.shelf(store).location()).collect();
    let question = LakeQuestion { statement: query.statement.clone(), locations };
    let ran = lake.engine.run(&question, &mut rows);
    let millis = (app.now() - begun) / 1_000;
    match (ran, rows.finish()) {
        (Ok(scanned), Ok(count)) => {
            let done = lake.queries.advance(&query.id, |query| {
                query.status = Status::Finished;
                query.rows = count;
                query.millis = millis;
                query.scanned = scanned.events;
                query.bytes = scanned.bytes;
            });
            if done.is_err() {
                return fail(app, &query.id, "The answer could not be kept.".to_owned());
            }
            deliver(app, query, &path);
        }
        (Err(EngineFault(message)), _) | (Ok(_), Err(message)) => {
            fail(app, &query.id, message);
        }
    }
}

/// Delivers the answer where the query asked for it, unless it was cancelled.
fn deliver(app: &Arc<App>, query: &Query, path: &Path) {
    let queries = &app.lake.queries;
    let is_finished = queries.get(&query.id).is_ok_and(|query| query.status == Status::Finished);
    let Some(delivery) = query.delivery.as_ref().filter(|_| is_finished) else { return };
    let status = delivery.deliver(app, &query.id, path, app.now());
    if status != DeliveryStatus::Success {
        app.note("query", &format!("results were not delivered to {}: {}", delivery.uri, status.name()));
    }
    if let Err(error) = queries.delivered(&query.id, status) {
        app.note("query", &error.to_string());
    }
}

fn fail(app: &Arc<App>, id: &str, message: String) {
    let saved = app.lake.queries.advance(id, |query| {
        query.end(Status::Failed);
        query.error = Some(message);
    });
    if let Err(error) = saved {
        app.note("query", &error.to_string());
    }
}

/// The query that the request names, if the caller may see it.
fn asked(call: &Call<'_>) -> Result<Query, ApiFault> {
    let input = call.input;
    if input.has("QueryAlias") {
        return Err(ApiFault::unsupported("There are no query aliases here: give the query's id."));
    }
    let id = input.needed("QueryId")?;
    if !is_uuid(id) {
        return Err(ApiFault::parameter("`QueryId` must be the id of a query"));
    }
    call.app.lake.queries.get(id)
}

pub(crate) fn describe(call: &Call<'_>) -> Outcome {
    let query = asked(call)?;
    let mut answer = json!({
        "QueryId": query.id,
        "QueryString": query.statement,
        "QueryStatus": query.status.name(),
        "QueryStatistics": {
            "EventsMatched": query.rows,
            "EventsScanned": query.scanned,
            "BytesScanned": query.bytes,
            "ExecutionTimeInMillis": query.millis,
            "CreationTime": pages::time(query.created),
        },
        "EventDataStoreOwnerAccountId": call.caller.account,
    });
    if let Some(delivery) = query.delivery {
        answer["DeliveryS3Uri"] = json!(delivery.uri);
        answer["DeliveryStatus"] = json!(delivery.status.name());
    }
    if let Some(error) = query.error {
        answer["ErrorMessage"] = json!(error);
    }
    Ok(answer)
}

pub(crate) fn results(call: &Call<'_>) -> Outcome {
    let query = asked(call)?;
    let count = match call.input.integer("MaxQueryResults")? {
        None => 1_000,
        Some(count @ 1..=1_000) => count as usize,
        Some(_) => {
            let message = "MaxQueryResults must be between 1 and 1000.";
            return Err(ApiFault::new("InvalidMaxResultsException", message));
        }
    };
    let question = call.question();
    let position = call.app.tokens.position(&question, call.input)?;
    let mut answer = json!({ "QueryStatus": query.status.name() });
    if let Some(error) = query.error {
        answer["ErrorMessage"] = json!(error);
    }
    if query.status != Status::Finished {
        return Ok(answer);
    }
    let path = call.app.lake.queries.rows_path(&query.id);
    let page = results::page(&path, position.as_deref(), count).map_err(|_| ApiFault::internal())?;
    answer["QueryStatistics"] = json!({
        "ResultsCount": page.rows.len(),
        "TotalResultsCount": query.rows,
        "BytesScanned": query.bytes,
    });
    answer["QueryResultRows"] = Value::Array(page.rows);
    if let Some(next) = page.next {
        answer["NextToken"] = json!(call.app.tokens.seal(&question, &next));
    }
    Ok(answer)
}

pub(crate) fn cancel(call: &Call<'_>) -> Outcome {
    let query = asked(call)?;
    if !query.status.is_active() {
        let message = "The specified query cannot be canceled because it is in the FINISHED, FAILED, TIMED_OUT, or CANCELLED state.";
        return Err(ApiFault::new("InactiveQueryException", message));
    }
    let queries = &call.app.lake.queries;
    queries.advance(&query.id, |query| query.end(Status::Cancelled)).map_err(|_| ApiFault::internal())?;
    if let Some(known) = queries.known.lock().unwrap_or_else(PoisonError::into_inner).get(&query.id) {
        known.cancelled.store(true, Ordering::Relaxed);
    }
    Ok(json!({
        "QueryId": query.id,
        "QueryStatus": Status::Cancelled.name(),
        "EventDataStoreOwnerAccountId": call.caller.account,
    }))
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    let store = stores::asked(call)?;
    let page = pages::Page::read(call, 1_000, 1_000)?;
    let (since, until) = (call.input.time("StartTime")?, call.input.time("EndTime")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(ApiFault::new(
            "InvalidDateRangeException",
            "The start of the time range is after its end.",
        ));
    }
    let status = call.input.text("QueryStatus")?.map(Status::parse).transpose()?;
    let mut found: Vec<Query> = {
        let known = call.app.lake.queries.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|known| known.query.clone()).collect()
    };
    found.retain(|query| {
        query.stores.contains(&store.id)
            && status.is_none_or(|status| query.status == status)
            && since.is_none_or(|since| query.created >= since)
            && until.is_none_or(|until| query.created <= until)
    });
    found.sort_by(|first, second| (second.created, &second.id).cmp(&(first.created, &first.id)));
    let item = |query: &Query| {
        json!({
            "QueryId": query.id,
            "QueryStatus": query.status.name(),
            "CreationTime": pages::time(query.created),
        })
    };
    Ok(page.cut(call, "Queries", found.iter().map(item).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f6d3a1e-1111-4222-8333-444455556666";

    #[test]
    fn stores_are_named_outside_of_texts() {
        assert_eq!(named(&format!("SELECT 1 FROM {ID}")), [ID]);
        assert_eq!(named(&format!("SELECT 1 FROM \"{ID}\" a JOIN {ID} b")), [ID]);
        assert_eq!(named(&format!("SELECT '{ID}'")), [""; 0]);
        assert_eq!(named(&format!("SELECT 1 FROM arn:aws:cloudtrail:a:b:eventdatastore/{ID}")), [ID]);
    }

    #[test]
    fn what_ran_when_the_server_ended_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let queries = Queries::open(folder.path(), 0).unwrap();
        let query = Query {
            id: ID.to_owned(),
            stores: Vec::new(),
            statement: String::new(),
            status: Status::Queued,
            created: 0,
            millis: 0,
            scanned: 0,
            bytes: 0,
            rows: 0,
            error: None,
            delivery: None,
        };
        queries.add(query).unwrap();
        let later = Queries::open(folder.path(), 1).unwrap();
        assert_eq!(later.get(ID).unwrap().status, Status::Failed);
        let much_later = Queries::open(folder.path(), 8 * DAY_US).unwrap();
        assert_eq!(much_later.get(ID).unwrap_err().code, "QueryIdNotFoundException");
    }
}
