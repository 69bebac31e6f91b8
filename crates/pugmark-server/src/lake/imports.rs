//! Imports: copies of a bucket's events into a store.
//!
//! Source: AWS `CloudTrail` API Reference, `StartImport` and its neighbours;
//! User Guide, "Copying trail events to `CloudTrail` Lake".

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pugmark_event::{EventBatch, Leaf, Projection, TimeRange};
use pugmark_scan::{Request, Sink, scan};
use pugmark_source::{Location, Progress, Selection};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::call::{Call, Outcome, new_id};
use crate::fault::ApiFault;
use crate::input::{Input, missing};
use crate::lake::stores;
use crate::pages::{self, Page};
use crate::shelf::{Placed, Shelf};

/// Failures of an import that are kept.
const FAILURES_MAX: usize = 1_000;
/// Imports that are kept.
const IMPORTS_MAX: usize = 100;

/// Where an import is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    InProgress,
    Failed,
    Stopped,
    Completed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::InProgress => "IN_PROGRESS",
            Status::Failed => "FAILED",
            Status::Stopped => "STOPPED",
            Status::Completed => "COMPLETED",
        }
    }
}

/// One import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Import {
    id: String,
    /// ARN of the store.
    pub(crate) destination: String,
    store: String,
    uri: String,
    bucket_region: String,
    role: String,
    since: Option<i64>,
    until: Option<i64>,
    status: Status,
    created: i64,
    updated: i64,
    prefixes: u64,
    files: u64,
    events: u64,
    failed: u64,
    failures: Vec<(String, String)>,
}

impl Import {
    pub(crate) fn is_running(&self) -> bool {
        self.status == Status::InProgress
    }

    /// The server was restarted: what was at work has failed, and can be retried.
    pub(crate) fn interrupt(&mut self, now: i64) {
        if self.is_running() {
            self.status = Status::Failed;
            self.updated = now;
        }
    }

    fn describe(&self) -> Value {
        let mut answer = json!({
            "ImportId": self.id,
            "Destinations": [self.destination],
            "ImportSource": { "S3": {
                "S3LocationUri": self.uri,
                "S3BucketRegion": self.bucket_region,
                "S3BucketAccessRoleArn": self.role,
            } },
            "ImportStatus": self.status.name(),
            "CreatedTimestamp": pages::time(self.created),
            "UpdatedTimestamp": pages::time(self.updated),
        });
        for (name, time) in [("StartEventTime", self.since), ("EndEventTime", self.until)] {
            if let Some(time) = time {
                answer[name] = pages::time(time);
            }
        }
        answer
    }

    fn with_statistics(&self) -> Value {
        let mut answer = self.describe();
        answer["ImportStatistics"] = json!({
            "PrefixesFound": self.prefixes,
            "PrefixesCompleted": if self.is_running() { 0 } else { self.prefixes },
            "FilesCompleted": self.files,
            "EventsCompleted": self.events,
            "FailedEntries": self.failed,
        });
        answer
    }
}

pub(crate) fn start(call: &Call<'_>) -> Outcome {
    let import = match call.input.text("ImportId")? {
        Some(id) => retried(call, id)?,
        None => new(call)?,
    };
    let answer = import.describe();
    call.app.lake.change(|state| {
        if state.imports.values().any(Import::is_running) {
            let message = "Only one import may be at work at a time.";
            return Err(ApiFault::new("AccountHasOngoingImportException", message));
        }
        state.imports.insert(import.id.clone(), import.clone());
        while state.imports.len() > IMPORTS_MAX {
            let oldest =
                state.imports.values().min_by_key(|import| import.created).map(|import| import.id.clone());
            let Some(oldest) = oldest else { break };
            state.imports.remove(&oldest);
        }
        Ok(())
    })?;
    let worker = Arc::clone(call.app);
    let thread = std::thread::Builder::new().name("pugmark-import".to_owned());
    let id = import.id.clone();
    let started = thread.spawn(move || {
        let ran = catch_unwind(AssertUnwindSafe(|| run(&worker, &import)));
        if ran.is_err() {
            worker.metrics.panics.fetch_add(1, Ordering::Relaxed);
            finish(&worker, &import.id, |import| import.status = Status::Failed);
        }
    });
    if started.is_err() {
        finish(call.app, &id, |import| import.status = Status::Failed);
    }
    Ok(answer)
}

fn retried(call: &Call<'_>, id: &str) -> Result<Import, ApiFault> {
    let import = call.app.lake.read(|state| state.imports.get(id).cloned()).ok_or_else(|| not_found(id))?;
    Ok(Import { status: Status::InProgress, updated: call.now, failures: Vec::new(), failed: 0, ..import })
}

fn new(call: &Call<'_>) -> Result<Import, ApiFault> {
    let destinations = call.input.texts("Destinations")?.ok_or_else(|| missing("Destinations"))?;
    let [destination] = &destinations[..] else {
        return Err(ApiFault::parameter("an import has one destination"));
    };
    let store = call.app.lake.read(|state| stores::find(state, destination, &call.caller.region).cloned())?;
    store.check_active()?;
    if !matches!(store.category(), Some("Management" | "Data" | "NetworkActivity")) {
        let message = "Trail events cannot be imported into this category of event data store.";
        return Err(ApiFault::new("InvalidEventDataStoreCategoryException", message));
    }
    let source = call.input.get("ImportSource").ok_or_else(|| missing("ImportSource"))?;
    let source = Input::of(source, "ImportSource")?;
    let s3 = Input::of(source.get("S3").ok_or_else(|| missing("S3"))?, "S3")?;
    let uri = s3.needed("S3LocationUri")?;
    call.app.location(uri).map_err(|message| ApiFault::new("InvalidImportSourceException", message))?;
    let (since, until) = (call.input.time("StartEventTime")?, call.input.time("EndEventTime")?);
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(ApiFault::parameter("the start of the time range is after its end"));
    }
    Ok(Import {
        id: new_id()?,
        destination: store.arn.clone(),
        store: store.id,
        uri: uri.to_owned(),
        bucket_region: s3.needed("S3BucketRegion")?.to_owned(),
        role: s3.needed("S3BucketAccessRoleArn")?.to_owned(),
        since,
        until,
        status: Status::InProgress,
        created: call.now,
        updated: call.now,
        prefixes: 0,
        files: 0,
        events: 0,
        failed: 0,
        failures: Vec::new(),
    })
}

fn run(app: &Arc<App>, import: &Import) {
    let copied = app.location(&import.uri).and_then(|location| copy(app, import, &location));
    finish(app, &import.id, |kept| match copied {
        Ok(copied) => {
            kept.status = if copied.failures.is_empty() { Status::Completed } else { Status::Failed };
            kept.prefixes = copied.prefixes;
            kept.files = copied.files;
            kept.events = copied.events;
            kept.failed = copied.failures.len() as u64;
            kept.failures = copied.failures;
            kept.failures.truncate(FAILURES_MAX);
        }
        Err(message) => {
            kept.status = Status::Failed;
            kept.failed = 1;
            kept.failures = vec![(kept.uri.clone(), message)];
        }
    });
}

/// Notes how an import ended, unless it was stopped meanwhile.
fn finish(app: &Arc<App>, id: &str, change: impl FnOnce(&mut Import)) {
    let now = app.now();
    let changed = app.lake.change(|state| {
        if let Some(import) = state.imports.get_mut(id).filter(|import| import.is_running()) {
            change(import);
            import.updated = now;
        }
        Ok(())
    });
    if let Err(fault) = changed {
        app.note("import", &fault.to_string());
    }
}

struct Copied {
    prefixes: u64,
    files: u64,
    events: u64,
    failures: Vec<(String, String)>,
}

fn copy(app: &App, import: &Import, location: &Location) -> Result<Copied, String> {
    let range = TimeRange { since: import.since, until: import.until.map(|until| until + 1_000_000) };
    let selection = Selection { range, ..Selection::default() };
    let (progress, settings) = (Progress::default(), &app.reading);
    let listing = pugmark_source::list(
        std::slice::from_ref(location),
        &selection,
        &settings.access,
        &settings.limits,
        &progress,
    )
    .map_err(|error| error.to_string())?;
    let leaves = [Leaf::Raw, Leaf::EventTime, Leaf::RecipientAccountId, Leaf::AwsRegion];
    let request = Request {
        range,
        limits: settings.limits,
        access: settings.access.clone(),
        threads: 1,
        ..Request::new(leaves.into_iter().collect::<Projection>())
    };
    let is_stopped =
        || app.lake.read(|state| state.imports.get(&import.id).is_none_or(|import| !import.is_running()));
    let shelf = app.lake.shelf(&import.store);
    let make = || Copier { shelf: shelf.clone(), is_stopped: &is_stopped, events: 0, failure: None };
    let (copiers, tally) = scan(listing, &request, &progress, make).map_err(|error| error.to_string())?;
    let mut failures: Vec<(String, String)> = copiers
        .iter()
        .filter_map(|copier| copier.failure.clone())
        .map(|failure| (import.uri.clone(), failure))
        .collect();
    failures.extend(tally.defects.iter().map(|defect| {
        (defect.origin.object.name.clone(), format!("{}: {}", defect.kind.name(), defect.detail))
    }));
    Ok(Copied {
        prefixes: 1,
        files: tally.decoded,
        events: copiers.iter().map(|copier| copier.events).sum(),
        failures,
    })
}

/// Puts rows into a store's folder.
struct Copier<'a> {
    shelf: Shelf,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
    events: u64,
    failure: Option<String>,
}

impl Sink for Copier<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        if (self.is_stopped)() || self.failure.is_some() {
            return ControlFlow::Break(());
        }
        let text = |leaf| batch.text(leaf);
        let (Some(records), Some(times)) = (text(Leaf::Raw), batch.times(Leaf::EventTime)) else {
            return ControlFlow::Continue(());
        };
        let (accounts, regions) = (text(Leaf::RecipientAccountId), text(Leaf::AwsRegion));
        let mut placed = Vec::with_capacity(batch.rows());
        for row in 0..batch.rows() {
            let safe = |texts: &Option<arrow::array::StringViewArray>, fits: fn(&str) -> bool| {
                texts.as_ref().map(|texts| texts.value(row).to_owned()).filter(|text| fits(text))
            };
            let account = safe(&accounts, pugmark_event::is_account);
            let region = safe(&regions, pugmark_event::is_region);
            placed.push((account, region, times.value(row), records.value(row)));
        }
        let placed: Vec<Placed<'_>> = placed
            .iter()
            .map(|(account, region, time, record)| Placed {
                account: account.as_deref().unwrap_or("000000000000"),
                region: region.as_deref().unwrap_or("us-east-1"),
                time: *time,
                record,
            })
            .collect();
        if self.shelf.put(&placed).is_err() {
            self.failure = Some("the events could not be written".to_owned());
            return ControlFlow::Break(());
        }
        self.events += placed.len() as u64;
        ControlFlow::Continue(())
    }
}

fn not_found(id: &str) -> ApiFault {
    ApiFault::new("ImportNotFoundException", format!("The import `{id}` does not exist."))
}

fn asked(call: &Call<'_>) -> Result<Import, ApiFault> {
    let id = call.input.needed("ImportId")?;
    if !pugmark_event::is_uuid(id) {
        return Err(ApiFault::parameter("`ImportId` must be the id of an import"));
    }
    call.app.lake.read(|state| state.imports.get(id).cloned()).ok_or_else(|| not_found(id))
}

pub(crate) fn get(call: &Call<'_>) -> Outcome {
    Ok(asked(call)?.with_statistics())
}

pub(crate) fn stop(call: &Call<'_>) -> Outcome {
    let import = asked(call)?;
    call.app.lake.change(|state| {
        let import = state.imports.get_mut(&import.id).ok_or_else(|| not_found(&import.id))?;
        if import.is_running() {
            import.status = Status::Stopped;
            import.updated = call.now;
        }
        Ok(import.with_statistics())
    })
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    let page = Page::read(call, 1_000, 1_000).map_err(as_parameter)?;
    let destination = call.input.text("Destination")?;
    let status = call.input.text("ImportStatus")?;
    let mut found: Vec<Import> = call.app.lake.read(|state| state.imports.values().cloned().collect());
    found.retain(|import| {
        destination.is_none_or(|destination| import.destination == destination)
            && status.is_none_or(|status| import.status.name() == status)
    });
    found.sort_by(|first, second| (second.created, &second.id).cmp(&(first.created, &first.id)));
    let item = |import: &Import| {
        json!({
            "ImportId": import.id,
            "ImportStatus": import.status.name(),
            "Destinations": [import.destination],
            "CreatedTimestamp": pages::time(import.created),
            "UpdatedTimestamp": pages::time(import.updated),
        })
    };
    Ok(page.cut(call, "Imports", found.iter().map(item).collect()))
}

pub(crate) fn failures(call: &Call<'_>) -> Outcome {
    let import = asked(call)?;
    let page = Page::read(call, 1_000, 1_000).map_err(as_parameter)?;
    let item = |(place, message): &(String, String)| {
        json!({
            "Location": place,
            "Status": "FAILED",
            "ErrorType": "UNREADABLE",
            "ErrorMessage": message,
            "LastUpdatedTime": pages::time(import.updated),
        })
    };
    Ok(page.cut(call, "Failures", import.failures.iter().map(item).collect()))
}

/// These operations know no exception for `MaxResults`.
fn as_parameter(fault: ApiFault) -> ApiFault {
    match fault.code {
        "InvalidMaxResultsException" => ApiFault::parameter(fault.message),
        _ => fault,
    }
}
