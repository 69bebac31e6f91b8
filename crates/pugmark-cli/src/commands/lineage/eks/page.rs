//! A cluster as a page for people and as JSON.

use std::collections::BTreeMap;

use pugmark_event::format_time;
use pugmark_lineage::{
    AccessMode, Cluster, Counts, Door, Happening, LifeState, Lineage, Outcome, ServiceCall, SubjectKind,
};
use serde_json::{Value, json};

use crate::printer::{Heading, Printer, Role, count_words, counted, escape, json_line, time_text};

/// Lines of each list; the rest is counted.
const SHOWN: usize = 25;

/// Whoever stands behind a happening.
fn actor(happening: &Happening, lineage: &Lineage) -> String {
    match happening.session(lineage) {
        Some(session) => session.actor().text().to_owned(),
        None => happening.who.identity().to_owned(),
    }
}

/// The page.
pub(super) fn text(cluster: &Cluster, lineage: &Lineage, printer: &Printer) -> String {
    let paint = printer.paint();
    let time =
        |time: Option<i64>| time.map_or_else(|| "?".to_owned(), |time| time_text(time, printer.zone()));
    let mut head =
        format!("{}  {} {}", escape(&cluster.name), escape(&cluster.region), escape(&cluster.account));
    put!(head, "  {}", cluster.state.as_str());
    if let Some(version) = &cluster.version {
        put!(head, "  Kubernetes {}", escape(version));
    }
    let mut out = format!("{}\n", paint.role(Role::Strong, &head));
    for (word, happening, at) in
        [("created", cluster.creation(), cluster.created), ("deleted", cluster.deletion(), cluster.deleted)]
    {
        if let Some(happening) = happening {
            let from = happening.who.address.as_deref().unwrap_or("?");
            put!(out, "  {word}  {}  by {}", time(at.or(happening.time)), escape(&actor(happening, lineage)));
            put!(out, " from {}\n", escape(from));
        }
    }
    changes(cluster, lineage, printer, &mut out);
    doors(cluster, printer, &mut out);
    parts(cluster, lineage, &mut out, &time);
    visits(cluster, lineage, printer, &mut out);
    services(&cluster.service_calls, printer, &mut out);
    workloads(cluster, lineage, printer, &mut out);
    out
}

fn title(printer: &Printer, words: &str, out: &mut String) {
    put!(out, "\n  {}\n", printer.paint().role(Role::Strong, words));
}

/// A table below a title; nothing if it has no rows.
fn table(printer: &Printer, words: &str, headings: &[&str], rows: Vec<Vec<Option<String>>>) -> String {
    let mut out = String::new();
    if rows.is_empty() {
        return out;
    }
    let count = rows.len();
    title(printer, &format!("{words} ({count})"), &mut out);
    let mut table = printer.table(headings.iter().map(|name| Heading::text(*name)).collect());
    for row in rows.into_iter().take(SHOWN) {
        table.row(row, &mut out);
    }
    table.finish(&mut out);
    if count > SHOWN {
        put!(out, "… and {}\n", counted((count - SHOWN) as u64, "more line"));
    }
    out
}

fn changes(cluster: &Cluster, lineage: &Lineage, printer: &Printer, out: &mut String) {
    let row = |happening: &Happening| {
        let outcome = match &happening.outcome {
            Outcome::Requested => "ok".to_owned(),
            Outcome::Failed { code, message } if message.is_empty() => code.clone(),
            Outcome::Failed { code, message } => format!("{code}: {message}"),
        };
        let alarms: Vec<&str> = happening.alarms.iter().map(|alarm| alarm.as_str()).collect();
        let details: Vec<String> =
            happening.details.iter().map(|(label, value)| format!("{label} {value}")).collect();
        vec![
            happening.time.map(|time| time_text(time, printer.zone())),
            Some(actor(happening, lineage)),
            Some(happening.name.clone()),
            Some(happening.what()),
            Some(outcome),
            (!alarms.is_empty()).then(|| alarms.join("; ")),
            (!details.is_empty()).then(|| details.join(", ")),
        ]
    };
    let headings = ["time", "who", "request", "what", "outcome", "attention", "details"];
    let (refused, done): (Vec<_>, Vec<_>) =
        cluster.happenings.iter().partition(|happening| happening.outcome.is_failure());
    out.push_str(&table(printer, "changes", &headings, done.into_iter().map(row).collect()));
    out.push_str(&table(printer, "failed attempts", &headings, refused.into_iter().map(row).collect()));
}

/// Who may enter, and what of that no record tells.
fn doors(cluster: &Cluster, printer: &Printer, out: &mut String) {
    let time = |time: Option<i64>| time.map(|time| time_text(time, printer.zone()));
    let row = |door: Door| {
        vec![
            Some(door.principal),
            Some(door.kind.as_str().to_owned()),
            Some(door.purpose).filter(|purpose| !purpose.is_empty()),
            time(door.opened),
            time(door.closed),
        ]
    };
    let rows: Vec<_> = cluster.doors().into_iter().map(row).collect();
    let is_hidden = cluster.has_hidden_doors() && cluster.state != LifeState::Refused;
    let headings = ["principal", "by", "for", "since", "until"];
    out.push_str(&table(printer, "who may enter", &headings, rows));
    if is_hidden {
        let mode = cluster.access_mode().map_or("unknown", AccessMode::as_str);
        put!(
            out,
            "    authentication mode {mode}: the ConfigMap aws-auth may let in others, whom no event names; "
        );
        out.push_str("the cluster's audit log does (--audit)\n");
    }
}

fn parts(cluster: &Cluster, lineage: &Lineage, out: &mut String, time: &impl Fn(Option<i64>) -> String) {
    let happening = |place: Option<usize>| place.and_then(|place| cluster.happenings.get(place));
    let mut kinds: Vec<SubjectKind> = cluster.parts.iter().map(|part| part.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        put!(out, "\n  {}\n", kind.as_str());
        for part in cluster.parts_of(kind).take(SHOWN) {
            put!(out, "    {}", escape(&part.name));
            if let Some(made) = happening(part.created) {
                put!(out, "  created {} by {}", time(made.time), escape(&actor(made, lineage)));
            }
            if !part.changed.is_empty() {
                put!(out, "  {}", counted(part.changed.len() as u64, "change"));
            }
            if let Some(gone) = happening(part.deleted) {
                put!(out, "  deleted {} by {}", time(gone.time), escape(&actor(gone, lineage)));
            }
            out.push('\n');
        }
    }
}

fn visits(cluster: &Cluster, lineage: &Lineage, printer: &Printer, out: &mut String) {
    let row = |visit: &pugmark_lineage::Visit| {
        let party = lineage.party_of(&visit.who.caller());
        vec![
            party.map(|party| party.actor().text().to_owned()),
            Some(visit.identity.clone()),
            Some(visit.call.clone()),
            Some(visit.count.to_string()),
            visit.error.as_ref().map(|(code, _)| code.clone()),
            visit.first.map(|time| time_text(time, printer.zone())),
            visit.last.map(|time| time_text(time, printer.zone())),
        ]
    };
    let rows = cluster.visits.iter().map(row).collect();
    let headings = ["actor", "identity", "call", "times", "error", "first", "last"];
    out.push_str(&table(printer, "looked at by", &headings, rows));
}

/// What EKS did by itself, a line for each role.
fn services(calls: &[ServiceCall], printer: &Printer, out: &mut String) {
    let mut roles: BTreeMap<(&str, &str, &str), Vec<&ServiceCall>> = BTreeMap::new();
    for call in calls {
        roles.entry((call.hand.as_str(), &call.service, &call.role)).or_default().push(call);
    }
    if roles.is_empty() {
        return;
    }
    title(printer, "what EKS did", out);
    for ((hand, service, role), calls) in roles {
        let name = if role.is_empty() { service } else { role };
        let sum: u64 = calls.iter().map(|call| call.count).sum();
        let shown: Vec<String> =
            calls.iter().take(12).map(|call| format!("{} {}", escape(&call.call), call.count)).collect();
        put!(out, "    {} ({hand}) {}: {}", escape(name), count_words(sum), shown.join(", "));
        out.push_str(if calls.len() > 12 { ", …\n" } else { "\n" });
    }
}

fn call_words(calls: &Counts<'_>) -> String {
    let shown: Vec<String> =
        calls.kept.iter().take(8).map(|(call, count)| format!("{} {count}", escape(call))).collect();
    let more = calls.kept.len() > 8 || calls.rest > 0;
    format!("{}{}", shown.join(", "), if more { ", …" } else { "" })
}

fn workloads(cluster: &Cluster, lineage: &Lineage, printer: &Printer, out: &mut String) {
    let nodes = cluster.nodes(lineage);
    if !nodes.is_empty() {
        title(printer, "what its nodes did", out);
        for node in nodes {
            let sessions = counted(node.sessions.len() as u64, "session");
            put!(out, "    {} {sessions}: {}\n", escape(node.role), call_words(&node.calls));
        }
    }
    let pods = lineage.clusters().pods(cluster, lineage);
    if !pods.is_empty() {
        title(printer, "what its pods did in AWS", out);
        for pod in pods.iter().take(SHOWN) {
            put!(out, "    {}/{}", escape(pod.namespace), escape(pod.service_account));
            if !pod.pod.is_empty() {
                put!(out, " {}", escape(pod.pod));
            }
            put!(out, " by {} as {}", pod.right.as_str(), escape(pod.role));
            put!(out, " ({}): {}\n", pod.confidence.as_str(), call_words(&pod.calls));
        }
        if pods.len() > SHOWN {
            put!(out, "    … and {}\n", counted((pods.len() - SHOWN) as u64, "more pod"));
        }
    }
}

/// Clusters as one JSON document.
pub(super) fn document(clusters: &[&Cluster], lineage: &Lineage) -> String {
    let clusters: Vec<Value> = clusters.iter().map(|cluster| json(cluster, lineage)).collect();
    json_line(&json!({"v": 1, "clusters": clusters}))
}

fn json(cluster: &Cluster, lineage: &Lineage) -> Value {
    let time = |time: Option<i64>| time.map(format_time);
    let happening = |one: &Happening| {
        let (code, message) = match &one.outcome {
            Outcome::Requested => (None, None),
            Outcome::Failed { code, message } => (Some(code), Some(message)),
        };
        json!({
            "time": time(one.time), "id": one.event, "name": one.name, "subject": one.subject.as_str(),
            "subject_name": one.subject_name, "actor": actor(one, lineage), "arn": one.who.arn,
            "session": one.session(lineage).filter(|session| session.is_session()).map(pugmark_lineage::Session::id),
            "from": one.who.address, "error": code, "message": message, "retries": one.retries,
            "alarms": one.alarms.iter().map(|alarm| alarm.as_str()).collect::<Vec<_>>(),
            "details": one.details.iter().cloned().collect::<BTreeMap<_, _>>(),
        })
    };
    let counts = |counts: &Counts<'_>| -> Value {
        counts.kept.iter().map(|(call, count)| ((*call).to_owned(), json!(count))).collect()
    };
    let pods = lineage.clusters().pods(cluster, lineage);
    json!({
        "arn": cluster.arn(), "name": cluster.name, "account": cluster.account, "region": cluster.region,
        "state": cluster.state.as_str(), "version": cluster.version,
        "created": time(cluster.created), "deleted": time(cluster.deleted),
        "created_by": cluster.creation().map(|one| actor(one, lineage)),
        "created_by_event": cluster.creation().map(|one| &one.event),
        "deleted_by": cluster.deletion().map(|one| actor(one, lineage)),
        "deleted_by_event": cluster.deletion().map(|one| &one.event),
        "first": time(cluster.first_seen), "last": time(cluster.last_seen),
        "happenings": cluster.happenings.iter().map(happening).collect::<Vec<_>>(),
        "access_mode": cluster.access_mode().map(AccessMode::as_str), "has_hidden_doors": cluster.has_hidden_doors(),
        "doors": cluster.doors().iter().map(|door| json!({
            "principal": door.principal, "by": door.kind.as_str(), "for": door.purpose,
            "since": time(door.opened), "until": time(door.closed), "id": door.event,
        })).collect::<Vec<_>>(),
        "visits": cluster.visits.iter().map(|visit| json!({
            "identity": visit.identity, "call": visit.call, "count": visit.count,
            "error": visit.error.as_ref().map(|(code, _)| code), "first": time(visit.first), "last": time(visit.last),
        })).collect::<Vec<_>>(),
        "service_calls": cluster.service_calls.iter().map(|call| json!({
            "hand": call.hand.as_str(), "service": call.service, "role": call.role, "call": call.call,
            "count": call.count, "error": call.error,
        })).collect::<Vec<_>>(),
        "pods": pods.iter().map(|pod| json!({
            "namespace": pod.namespace, "service_account": pod.service_account, "pod": pod.pod,
            "right": pod.right.as_str(), "role": pod.role, "confidence": pod.confidence.as_str(),
            "sessions": pod.sessions.iter().map(|session| session.id()).collect::<Vec<_>>(),
            "calls": counts(&pod.calls),
        })).collect::<Vec<_>>(),
    })
}
