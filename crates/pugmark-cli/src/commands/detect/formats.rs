//! Findings for other programs: rows, OCSF, SARIF, Timesketch.

use std::collections::BTreeMap;

use pugmark_detect::{Few, Finding, Level};
use pugmark_event::format_time;
use serde_json::{Value, json};

use super::super::{Column, Start, print_rows};
use super::{Answer, Told, page, report};
use crate::exit::Failure;
use crate::printer::{Format, json_line};

/// Forms that only findings have.
pub(super) const NAMES: [&str; 4] = ["html", "ocsf", "sarif", "timesketch"];

/// Prints the answer; tells how many findings are in it.
pub(super) fn print(
    answer: &Answer,
    form: Option<&str>,
    limit: Option<usize>,
    start: &Start,
) -> Result<u64, Failure> {
    let printer = &start.printer;
    let told = &answer.told[..limit.unwrap_or(usize::MAX).min(answer.told.len())];
    let text = match (form, printer.format()) {
        (Some("html"), _) => report::html(answer, &start.now),
        (Some("ocsf"), _) => lines(told, |told| vec![ocsf(told, &start.now)]),
        (Some("timesketch"), _) => lines(told, timesketch),
        (Some("sarif"), _) => json_line(&sarif(told)),
        (_, Format::Table | Format::Md) => {
            let (text, shown) = page::text(answer, limit, printer);
            printer.report(&text)?;
            return Ok(shown);
        }
        (_, Format::Jsonl) => lines(told, |told| vec![document(told)]),
        (_, Format::Json) => {
            let findings: Vec<Value> = told.iter().map(document).collect();
            json_line(&json!({"v": 1, "events": answer.sums.events, "matched": answer.sums.events_matched,
                "suppressed": answer.suppressed, "findings": findings}))
        }
        _ => {
            let (columns, rows) = rows(told);
            return print_rows(printer, &columns, &rows);
        }
    };
    printer.report(&text)?;
    Ok(told.len() as u64)
}

/// One JSON document per line.
fn lines(told: &[Told], line: impl Fn(&Told) -> Vec<Value>) -> String {
    told.iter().flat_map(line).map(|value| json_line(&value)).collect()
}

fn list(few: &Few) -> Vec<&str> {
    few.texts.iter().map(|text| &**text).collect()
}

/// A finding with every member.
pub(super) fn document(told: &Told) -> Value {
    let Told { finding, chain, because, is_new } = told;
    let mut value = json!({
        "v": 1, "id": finding.id, "level": finding.level().name(), "title": finding.rule.title,
        "rule": finding.rule.id, "source": finding.source, "file": finding.rule.file,
        "actor": finding.actor, "first": format_time(finding.first), "last": format_time(finding.last),
        "count": finding.count, "accounts": list(&finding.accounts), "regions": list(&finding.regions),
        "addresses": list(&finding.addresses), "calls": list(&finding.calls), "errors": list(&finding.errors),
        "sessions": list(&finding.sessions), "chain": chain, "because": because,
        "techniques": finding.rule.techniques().collect::<Vec<_>>(),
        "tactics": finding.rule.tactics().collect::<Vec<_>>(),
        "description": finding.rule.description, "falsepositives": finding.rule.falsepositives,
        "references": finding.rule.references,
        "details": finding.details.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
        "events": finding.events.iter().map(|event| json!({
            "id": &*event.id, "time": format_time(event.time), "source": &*event.call.source,
            "name": &*event.call.name, "error": &*event.call.error, "account": &*event.call.account,
            "region": &*event.call.region, "arn": &*event.caller.arn, "key": &*event.caller.key,
            "ip": &*event.caller.ip, "agent": &*event.caller.agent, "object": &*event.object,
            "offset": event.offset,
        })).collect::<Vec<_>>(),
    });
    if let Some(is_new) = is_new {
        value["new"] = Value::Bool(*is_new);
    }
    value
}

type Rows = Vec<Vec<Option<String>>>;

fn rows(told: &[Told]) -> (Vec<Column<'static>>, Rows) {
    let columns = vec![
        Column::Text("level"),
        Column::Text("title"),
        Column::Text("actor"),
        Column::Number("count"),
        Column::Text("first"),
        Column::Text("last"),
        Column::Text("accounts"),
        Column::Text("regions"),
        Column::Text("addresses"),
        Column::Text("calls"),
        Column::Text("errors"),
        Column::Text("chain"),
        Column::Text("because"),
        Column::Text("techniques"),
        Column::Text("rule"),
        Column::Text("id"),
        Column::Text("event"),
    ];
    let row = |told: &Told| {
        let finding = &told.finding;
        let techniques: Vec<String> = finding.rule.techniques().collect();
        vec![
            Some(finding.level().name().to_owned()),
            Some(finding.rule.title.clone()),
            Some(finding.actor.clone()),
            Some(finding.count.to_string()),
            Some(format_time(finding.first)),
            Some(format_time(finding.last)),
            Some(finding.accounts.words()),
            Some(finding.regions.words()),
            Some(finding.addresses.words()),
            Some(finding.calls.words()),
            Some(finding.errors.words()),
            told.chain.clone(),
            told.because.clone(),
            Some(techniques.join(" ")),
            Some(finding.rule.id.clone()),
            Some(finding.id.clone()),
            finding.events.first().map(|event| event.id.to_string()),
        ]
    };
    (columns, told.iter().map(row).collect())
}

/// OCSF 1.3, class Detection Finding (2004).
///
/// Source: schema.ocsf.io, `detection_finding`.
fn ocsf(told: &Told, now: &jiff::Zoned) -> Value {
    let finding = &told.finding;
    let millis = |micros: i64| micros.div_euclid(1_000);
    let severity = match finding.level() {
        Level::Informational => 1,
        Level::Low => 2,
        Level::Medium => 3,
        Level::High => 4,
        Level::Critical => 5,
    };
    let attacks: Vec<Value> = finding
        .rule
        .techniques()
        .map(|technique| {
            let (main, sub) = match technique.split_once('.') {
                Some((main, _)) => (main.to_owned(), Some(technique.clone())),
                None => (technique.clone(), None),
            };
            let mut attack = json!({"version": "15", "technique": {"uid": main}});
            if let Some(sub) = sub {
                attack["sub_technique"] = json!({ "uid": sub });
            }
            attack
        })
        .collect();
    let evidences: Vec<Value> = finding
        .events
        .iter()
        .map(|event| {
            json!({
                "api": {"operation": &*event.call.name, "service": {"name": &*event.call.source},
                    "response": {"error": &*event.call.error}, "request": {"uid": &*event.id}},
                "actor": {"user": {"uid": &*event.caller.arn, "credential_uid": &*event.caller.key},
                    "invoked_by": &*event.caller.actor},
                "src_endpoint": {"ip": &*event.caller.ip},
            })
        })
        .collect();
    json!({
        "activity_id": 1, "category_uid": 2, "class_uid": 2004, "type_uid": 200_401,
        "time": now.timestamp().as_millisecond(), "severity_id": severity, "status_id": 1,
        "start_time": millis(finding.first), "end_time": millis(finding.last), "count": finding.count,
        "message": finding.rule.title, "is_alert": finding.level() >= Level::High,
        "cloud": {"provider": "AWS", "account": {"uid": finding.accounts.texts.first().map(|text| &**text)},
            "region": finding.regions.texts.first().map(|text| &**text)},
        "metadata": {"version": "1.3.0", "profiles": ["cloud"],
            "product": {"name": "Pugmark", "vendor_name": "Pugmark", "version": env!("CARGO_PKG_VERSION")}},
        "finding_info": {"uid": finding.id, "title": finding.rule.title, "desc": finding.rule.description,
            "first_seen_time": millis(finding.first), "last_seen_time": millis(finding.last),
            "analytic": {"type_id": 1, "type": "Rule", "uid": finding.rule.id, "name": finding.rule.title},
            "attacks": attacks, "src_url": finding.rule.references.first()},
        "evidences": evidences,
        "unmapped": {"actor": finding.actor, "chain": told.chain, "because": told.because},
    })
}

/// SARIF 2.1.0, so that a pipeline can show findings where it shows others.
///
/// Source: OASIS, "Static Analysis Results Interchange Format", version 2.1.0.
fn sarif(told: &[Told]) -> Value {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for told in told {
        rules.insert(&told.finding.rule.id, &told.finding);
    }
    let rule = |finding: &&Finding| {
        json!({"id": finding.rule.id, "name": finding.rule.title,
            "shortDescription": {"text": finding.rule.title}, "fullDescription": {"text": finding.rule.description},
            "helpUri": finding.rule.references.first(), "properties": {"tags": finding.rule.tags}})
    };
    let result = |told: &Told| {
        let finding = &told.finding;
        let level = match finding.level() {
            Level::Critical | Level::High => "error",
            Level::Medium => "warning",
            Level::Low | Level::Informational => "note",
        };
        let places: Vec<Value> = finding
            .events
            .iter()
            .map(|event| {
                json!({"physicalLocation": {"artifactLocation": {"uri": &*event.object},
                    "region": {"byteOffset": event.offset}}})
            })
            .collect();
        json!({"ruleId": finding.rule.id, "level": level, "locations": places,
            "message": {"text": format!("{}: {} events by {}", finding.rule.title, finding.count, finding.actor)},
            "partialFingerprints": {"findingId/v1": finding.id}, "occurrenceCount": finding.count})
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "Pugmark", "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.values().map(rule).collect::<Vec<_>>()}},
            "results": told.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// One line per event, as Timesketch imports JSON Lines.
///
/// Source: timesketch.org, "Import from JSON or CSV": `message`, `datetime`, `timestamp_desc` are required.
fn timesketch(told: &Told) -> Vec<Value> {
    let finding = &told.finding;
    let line = |event: &std::sync::Arc<pugmark_detect::Sighting>| {
        json!({
            "message": format!("{}: {} by {}", finding.rule.title, event.call.name, finding.actor),
            "datetime": format_time(event.time), "timestamp_desc": "Event Time",
            "level": finding.level().name(), "rule_id": finding.rule.id, "finding_id": finding.id,
            "tag": finding.rule.techniques().collect::<Vec<_>>(), "event_id": &*event.id,
            "event_source": &*event.call.source, "event_name": &*event.call.name, "error_code": &*event.call.error,
            "account": &*event.call.account, "region": &*event.call.region, "actor": finding.actor,
            "arn": &*event.caller.arn, "source_ip": &*event.caller.ip, "user_agent": &*event.caller.agent,
        })
    };
    finding.events.iter().map(line).collect()
}
