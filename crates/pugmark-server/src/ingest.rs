//! Events in: plain batches, and `PutAuditEvents`.
//!
//! An event is on disk, in the journal, before its sender gets an answer. Each event has
//! a result of its own: one that is refused does not hold up the others.
//! Source: AWS `CloudTrail` Data Service API Reference, `PutAuditEvents`.

mod activity;
mod batch;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pugmark_trail::{Accepted, Category, Facts, RecordFault};
use serde_json::{Value, json};

use crate::answer::{Answer, JSON};
use crate::app::{App, Arrived};
use crate::desk::Results;
use crate::fault::ApiFault;
use crate::gate::Caller;
use crate::input::{Input, missing};
use crate::lake::channels;
use crate::shelf::Placed;
use crate::sigv4;

/// Where plain batches go.
pub(crate) const INGEST: &str = "/ingest";
/// Events of one `PutAuditEvents`.
const AUDIT_EVENTS_MAX: usize = 100;

/// Takes events in; when this returns, those that were taken are on disk.
pub(crate) fn accept(app: &App, events: &[&[u8]]) -> Result<Results, ApiFault> {
    let results = app.desk.accept(events)?;
    let accepted = results.iter().filter(|result| result.is_ok()).count() as u64;
    app.metrics.events_accepted.fetch_add(accepted, Ordering::Relaxed);
    app.metrics.events_refused.fetch_add(results.len() as u64 - accepted, Ordering::Relaxed);
    Ok(results)
}

/// Puts accepted events where they can be asked for.
pub(crate) fn shelve(app: &App, events: &[&str]) -> io::Result<()> {
    let now = app.now();
    // What was accepted can be read.
    let events: Vec<(&str, Facts<'_>)> =
        events.iter().filter_map(|event| Some((*event, Facts::read(event).ok()?))).collect();
    let own = &app.gate.account;
    let place = |(event, facts): &'_ (&'_ str, Facts<'_>)| {
        let account = facts.account().unwrap_or(own).to_owned();
        let region = facts.aws_region.as_deref().unwrap_or(&app.gate.region).to_owned();
        (account, region, facts.time().unwrap_or(now), (*event).to_owned())
    };
    let put = |shelf: &crate::shelf::Shelf, wanted: &dyn Fn(&Facts<'_>) -> bool| {
        let rows: Vec<(String, String, i64, String)> =
            events.iter().filter(|(_, facts)| wanted(facts)).map(place).collect();
        let placed: Vec<Placed<'_>> = rows
            .iter()
            .map(|(account, region, time, record)| Placed { account, region, time: *time, record })
            .collect();
        shelf.put(&placed)
    };
    put(&app.history, &|facts| matches!(facts.category(), Category::Management | Category::Insight))?;
    for store in app.lake.read(|state| state.stores.values().cloned().collect::<Vec<_>>()) {
        if store.is_taking() {
            put(&app.lake.shelf(&store.id), &|facts| store.takes(facts))?;
        }
    }
    Ok(())
}

/// True for a batch that takes up more room than its body, for as long as it is at work.
pub(crate) fn is_packed(request: &Arrived) -> bool {
    request.path == INGEST && batch::is_packed(&request.body)
}

/// `POST /ingest`: JSON Lines, or `{"Records": […]}`, plain or gzip.
pub(crate) fn ingest(app: &Arc<App>, request: &Arrived) -> Result<Answer, ApiFault> {
    let text = batch::inflated(&request.body)?;
    let events = batch::records(&text)?;
    let results = accept(app, &events)?;
    let result = |(place, result): (usize, &Result<Accepted, RecordFault>)| match result {
        Ok(accepted) => json!({ "index": place, "eventID": accepted.event_id }),
        Err(fault) => json!({ "index": place, "errorCode": fault.code(), "errorMessage": fault.to_string() }),
    };
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let answer = json!({
        "accepted": accepted,
        "failed": results.len() - accepted,
        "results": results.iter().enumerate().map(result).collect::<Vec<Value>>(),
    });
    Ok(Answer::value(JSON, &answer))
}

/// `POST /PutAuditEvents?channelArn=…`
pub(crate) fn put_audit_events(
    app: &Arc<App>,
    caller: &Caller,
    request: &Arrived,
) -> Result<Answer, ApiFault> {
    let channel = parameter(&request.query, "channelArn").ok_or_else(|| missing("channelArn"))?;
    app.lake.read(|state| channels::find(state, &channel).map(|_| ())).map_err(|fault| match fault.code {
        "ChannelARNInvalidException" => ApiFault::new("InvalidChannelARN", fault.message),
        _ => ApiFault::new("ChannelNotFound", fault.message),
    })?;
    let input = Input::parse(&request.body)?;
    let given = input.list("auditEvents")?.ok_or_else(|| missing("auditEvents"))?;
    if !(1..=AUDIT_EVENTS_MAX).contains(&given.len()) {
        let message = format!("`auditEvents` has 1 to {AUDIT_EVENTS_MAX} events");
        return Err(ApiFault::new("ValidationException", message));
    }
    let mut ids = BTreeSet::new();
    let mut events = Vec::new();
    for event in given {
        let event = Input::of(event, "auditEvents")?;
        let id = event.needed("id")?.to_owned();
        if !ids.insert(id.clone()) {
            let message = format!("the id `{id}` stands twice in the request");
            return Err(ApiFault::new("DuplicatedAuditEventId", message));
        }
        let audit = activity::Audit {
            channel: &channel,
            account: &caller.account,
            region: &caller.region,
            now: app.now(),
        };
        events.push((id, audit.record(event.needed("eventData")?, event.text("eventDataChecksum")?)));
    }
    let good: Vec<&[u8]> =
        events.iter().filter_map(|(_, event)| event.as_ref().ok()).map(String::as_bytes).collect();
    let mut results = accept(app, &good)?.into_iter();
    let (mut failed, mut successful) = (Vec::new(), Vec::new());
    for (id, event) in &events {
        let result = match event {
            Ok(_) => results.next().map(|result| result.map_err(|fault| (fault.code(), fault.to_string()))),
            Err(fault) => Some(Err(fault.clone())),
        };
        match result {
            Some(Ok(accepted)) => successful.push(json!({ "id": id, "eventID": accepted.event_id })),
            Some(Err((code, message))) => {
                failed.push(json!({ "id": id, "errorCode": code, "errorMessage": message }));
            }
            None => return Err(ApiFault::internal()),
        }
    }
    Ok(Answer::value(JSON, &json!({ "failed": failed, "successful": successful })))
}

/// A parameter of the query, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(of, _)| *of == name)?.1;
    String::from_utf8(sigv4::decode(value)).ok()
}
