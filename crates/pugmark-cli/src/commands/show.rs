//! `pugmark show`: one event whole, where all its copies stand, and what
//! happened around it.

use std::collections::BTreeSet;

use arrow::array::Array;
use pugmark_event::{EventBatch, Leaf, Projection, Tally, TimeRange};
use pugmark_scan::{Duplicates, sorted};
use pugmark_source::Location;
use serde_json::Value;

use super::Start;
use crate::args::{FilterArgs, ShowArgs};
use crate::exit::{Exit, Failure};
use crate::filter::Filters;
use crate::plan::{self, Reading};
use crate::printer::{
    Ended, Format, Heading, Paint, Printer, Role, Table, cell_text, escape, json_document, json_string,
};
use crate::run::{Listed, Run, nothing_found, request};
use crate::view::{self, ViewColumn};
use crate::who::Texts;

/// Columns of the neighbours.
const NEIGHBOURS: &[ViewColumn] = view::SHORT;

/// The command that shows an event, for whoever wants to copy it: none if the
/// id, which is text of a log, is more than one plain word.
pub(super) fn command(sources: &str, id: &str) -> Option<String> {
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_plain.then(|| format!("pugmark show {sources} {id}"))
}

/// Finds the event named last.
pub(super) fn show(args: &ShowArgs, start: &Start) -> Result<Exit, Failure> {
    let (id, sources) = match args.words.split_last() {
        Some((id, sources)) if !sources.is_empty() => (id, sources),
        _ => return Err(Failure::new("no event is named", "write `pugmark show SOURCE EVENT_ID`")),
    };
    let reading = Reading::new(sources, &args.read.select, &start.settings, &start.now)?;
    let around = plan::span(&args.around, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let (events, listed, tally) = find(id, &reading, &mut run)?;
    if events.is_empty() {
        run.quiet();
        start.printer.note(&format!("there is no event `{id}`"));
        start.printer.note(&nothing_found(&listed, &tally, reading.selection.range));
        let exit = run.finish(tally, 0, Ended::AtTheEnd);
        return Ok(if exit == Exit::Done { Exit::No } else { exit });
    }
    let is_stdin = reading.locations.iter().any(|location| matches!(location, Location::Stdin));
    let format = start.printer.format();
    let mut around_it = Around::default();
    if is_stdin {
        start.printer.note("stdin can be read only once, so the event is shown without its neighbours");
    } else if format != Format::Raw && args.neighbours > 0 {
        around_it = neighbours(&events[0], args.neighbours, (around.as_micros() as i64, &reading), &run)?;
    }
    run.quiet();
    let text = match format {
        Format::Json | Format::Jsonl | Format::Raw if args.paths => path_lines(&events),
        Format::Raw => events.iter().flat_map(|event| [event.raw.as_str(), "\n"]).collect(),
        Format::Json | Format::Jsonl => json(&events, &around_it),
        Format::Table | Format::Md => report(&events, &around_it, args, &start.printer),
        _ => return Err(Failure::new("`show` prints one event", "give `--output table`, `json` or `raw`")),
    };
    start.printer.report(&text)?;
    Ok(run.finish(tally, events.len() as u64, Ended::AtTheEnd))
}

/// An event and the places it stands at.
struct Event {
    raw: String,
    time: Option<i64>,
    key: Option<String>,
    arn: Option<String>,
    row: Vec<Option<String>>,
    origins: BTreeSet<(String, u64)>,
}

/// The records with this id: one event, or several that contradict each other.
fn find(id: &str, reading: &Reading, run: &mut Run<'_>) -> Result<(Vec<Event>, Listed, Tally), Failure> {
    let projection = view::projection(view::SHORT).union(
        [
            Leaf::Raw,
            Leaf::SourceObject,
            Leaf::SourceOffset,
            Leaf::EventId,
            Leaf::IdentityAccessKeyId,
            Leaf::IdentityArn,
        ]
        .into_iter()
        .collect(),
    );
    let mut request = request(reading, projection);
    request.duplicates = Duplicates::Keep;
    let args = FilterArgs { path: vec![format!("eventID={id}")], ..FilterArgs::default() };
    Filters::new(&args, &reading.selection)?.apply(&mut request);
    request.needles = vec![id.as_bytes().to_vec()];
    let (listing, listed) = run.list(reading)?;
    let (batches, tally) = sorted(listing, &request, &run.progress)?;
    let mut events: Vec<Event> = Vec::new();
    for batch in batches {
        for event in events_of(&batch?, run.printer)? {
            match events.iter_mut().find(|known| known.raw == event.raw) {
                Some(known) => known.origins.extend(event.origins),
                None => events.push(event),
            }
        }
    }
    Ok((events, listed, tally))
}

fn events_of(batch: &EventBatch, printer: &Printer) -> Result<Vec<Event>, Failure> {
    let texts = |leaf| Texts::of(batch, leaf);
    let (raw, object) = (texts(Leaf::Raw), texts(Leaf::SourceObject));
    let (key, arn) = (texts(Leaf::IdentityAccessKeyId), texts(Leaf::IdentityArn));
    let (times, offsets) = (batch.times(Leaf::EventTime), batch.counts(Leaf::SourceOffset));
    let shown = view::view(batch, view::SHORT, printer.zone())?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok((0..batch.rows())
        .map(|row| Event {
            raw: raw.get(row).unwrap_or("null").to_owned(),
            time: times.as_ref().filter(|times| !times.is_null(row)).map(|times| times.value(row)),
            key: owned(key.get(row)),
            arn: owned(arn.get(row)),
            row: shown
                .columns()
                .iter()
                .map(|column| cell_text(column, row, printer.zone()).map(std::borrow::Cow::into_owned))
                .collect(),
            origins: std::iter::once((
                object.get(row).unwrap_or_default().to_owned(),
                offsets.as_ref().map_or(0, |offsets| offsets.value(row)),
            ))
            .collect(),
        })
        .collect())
}

/// What the same key or principal did before and after.
#[derive(Default)]
struct Around {
    before: Vec<(String, Vec<Option<String>>)>,
    after: Vec<(String, Vec<Option<String>>)>,
    by: String,
}

fn neighbours(
    event: &Event,
    count: usize,
    (micros, reading): (i64, &Reading),
    run: &Run<'_>,
) -> Result<Around, Failure> {
    let Some(time) = event.time else {
        return Ok(Around::default());
    };
    let (filter, by) = match (&event.key, &event.arn) {
        (Some(key), _) => (format!("userIdentity.accessKeyId={key}"), format!("key {key}")),
        (None, Some(arn)) => (format!("userIdentity.arn={arn}"), arn.clone()),
        (None, None) => return Ok(Around::default()),
    };
    let mut near = reading.clone();
    near.selection.range = TimeRange { since: Some(time - micros), until: Some(time + micros + 1) };
    let projection: Projection = view::projection(NEIGHBOURS).with(Leaf::Raw).with(Leaf::EventId);
    let mut request = request(&near, projection);
    let args = FilterArgs { path: vec![filter], ..FilterArgs::default() };
    Filters::new(&args, &near.selection)?.apply(&mut request);
    let listing = near.list(&run.progress)?;
    let (batches, _) = sorted(listing, &request, &run.progress)?;
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(events_of(&batch?, run.printer)?.into_iter().map(|event| (event.raw, event.row)));
    }
    let at = rows.iter().position(|(raw, _)| *raw == event.raw).unwrap_or(rows.len());
    let after = rows.iter().skip(at + 1).take(count).cloned().collect();
    rows.truncate(at);
    let before = rows.split_off(at.saturating_sub(count));
    Ok(Around { before, after, by })
}

fn json(events: &[Event], around: &Around) -> String {
    let mut out = String::from("{\"v\":1,\"events\":[");
    for (index, event) in events.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str("{\"event\":");
        json_document(&event.raw, &mut out);
        out.push_str(",\"origins\":[");
        for (index, (object, offset)) in event.origins.iter().enumerate() {
            out.push_str(if index > 0 { ",{\"object\":" } else { "{\"object\":" });
            json_string(object, &mut out);
            put!(out, ",\"offset\":{offset}}}");
        }
        out.push_str("]}");
    }
    out.push(']');
    for (name, rows) in [("before", &around.before), ("after", &around.after)] {
        put!(out, ",\"{name}\":[");
        for (index, (raw, _)) in rows.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            json_document(raw, &mut out);
        }
        out.push(']');
    }
    out.push_str("}\n");
    out
}

/// One line for each value of each record, and nothing else: for `grep`.
fn path_lines(events: &[Event]) -> String {
    let mut out = String::new();
    for event in events {
        if let Ok(value) = serde_json::from_str::<Value>(&event.raw) {
            paths("", &value, Paint::off(), &mut out);
        } else {
            put!(out, "{}\n", escape(&event.raw));
        }
    }
    out
}

fn report(events: &[Event], around: &Around, args: &ShowArgs, printer: &Printer) -> String {
    let paint = printer.paint();
    let mut out = String::new();
    if events.len() > 1 {
        let words = format!("{} records have this id and differ", events.len());
        put!(out, "{}\n\n", paint.role(Role::Warning, &words));
    }
    for event in events {
        for (column, cell) in view::SHORT.iter().zip(&event.row) {
            let name = view::schema(&[*column]).field(0).name().clone();
            let text = cell.as_deref().map_or("·".into(), escape);
            put!(out, "{} {text}\n", paint.role(Role::Strong, &format!("{name:<8}")));
        }
        for (object, offset) in &event.origins {
            let place = format!("{} byte {offset}", escape(object));
            put!(out, "{} {}\n", paint.role(Role::Strong, "object  "), paint.role(Role::Literal, &place));
        }
        out.push('\n');
        match serde_json::from_str::<Value>(&event.raw) {
            Ok(value) if args.paths => paths("", &value, paint, &mut out),
            Ok(value) => pretty(&value, 0, paint, &mut out),
            Err(_) => out.push_str(&escape(&event.raw)),
        }
        out.push('\n');
    }
    if !around.before.is_empty() || !around.after.is_empty() {
        out.push_str(&neighbour_table(&events[0], around, args, printer));
    }
    out
}

fn neighbour_table(event: &Event, around: &Around, args: &ShowArgs, printer: &Printer) -> String {
    let title = format!("around it, by {} within {}", escape(&around.by), escape(&args.around));
    let mut out = format!("\n{}\n", printer.paint().role(Role::Strong, &title));
    let mut headings = vec![Heading::text("")];
    headings
        .extend(view::schema(NEIGHBOURS).fields().iter().map(|field| Heading::text(field.name().as_str())));
    let mut table: Table = printer.table(headings);
    let before = around.before.iter().map(|(_, row)| ("", row));
    let after = around.after.iter().map(|(_, row)| ("", row));
    for (mark, row) in before.chain([(">", &event.row)]).chain(after) {
        let cells = std::iter::once(Some(mark.to_owned())).chain(row.iter().cloned());
        table.row(cells.collect(), &mut out);
    }
    table.finish(&mut out);
    out
}

/// `requestParameters.bucketName = "logs"`, one line per value: each path can
/// be given to `--path` and to `stats`.
fn paths(path: &str, value: &Value, paint: Paint, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths(&path, value, paint, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                paths(&format!("{path}[{index}]"), value, paint, out);
            }
        }
        scalar => {
            put!(out, "{} = ", paint.role(Role::Literal, &escape(path)));
            scalar_text(scalar, out);
            out.push('\n');
        }
    }
}

fn pretty(value: &Value, depth: usize, paint: Paint, out: &mut String) {
    let indent = "  ".repeat(depth + 1);
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push_str("{\n");
            for (index, (name, value)) in members.iter().enumerate() {
                let mut key = String::new();
                json_string(name, &mut key);
                put!(out, "{indent}{}: ", paint.role(Role::Literal, &key));
                pretty(value, depth + 1, paint, out);
                out.push_str(if index + 1 < members.len() { ",\n" } else { "\n" });
            }
            put!(out, "{}}}", "  ".repeat(depth));
        }
        Value::Array(items) if !items.is_empty() => {
            out.push_str("[\n");
            for (index, value) in items.iter().enumerate() {
                out.push_str(&indent);
                pretty(value, depth + 1, paint, out);
                out.push_str(if index + 1 < items.len() { ",\n" } else { "\n" });
            }
            put!(out, "{}]", "  ".repeat(depth));
        }
        scalar => scalar_text(scalar, out),
    }
}

fn scalar_text(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => json_string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_path_that_leads_to_it() {
        let value: Value =
            serde_json::from_str(r#"{"a":{"b":[1,{"c":"x\u001b"}]},"n":null,"e":{}}"#).expect("JSON");
        let mut out = String::new();
        paths("", &value, Paint::off(), &mut out);
        assert_eq!(out, "a.b[0] = 1\na.b[1].c = \"x\\u001b\"\nn = null\ne = {}\n");
    }

    #[test]
    fn pretty_json_is_json() {
        let text = r#"{"a":[1,2.50,"é\"",{}],"b":{"c":null}}"#;
        let value: Value = serde_json::from_str(text).expect("JSON");
        let mut out = String::new();
        pretty(&value, 0, Paint::off(), &mut out);
        assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), value);
        assert!(out.contains("    2.50,\n"), "{out}");
    }
}
