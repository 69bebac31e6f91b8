//! `pugmark story`: the life of one resource, and who stands behind each step.

use pugmark_lineage::{Chapter, Deed, Life, Lineage, Row, STORY_EVENTS_MAX, Story};

use serde_json::json;

use super::{Column, Question, Start, print_rows};
use crate::args::lineage::AboutArgs;
use crate::exit::{Exit, Failure};
use crate::printer::{Ended, Format, Heading, Printer, Role, counted, escape, json_line, time_text};

/// Finds every event that names the resource.
pub(super) fn story(args: &AboutArgs, start: &Start) -> Result<Exit, Failure> {
    let mut question = Question::new(args, start)?;
    let lineage = question.lineage()?;
    let how = (Story::read as fn(&mut _, Row<'_>), Story::merge as fn(_, _) -> _);
    let needle = Some(Story::needle(question.subject));
    let make = || Story::new(&lineage, question.subject);
    let (story, tally) = question.fold(Story::LEAVES, needle, make, how)?;
    let life = story.finish();
    if life.chapters.is_empty() {
        return Ok(question.unknown(&lineage, "no event names"));
    }
    question.run.quiet();
    let printer = question.run.printer;
    if life.left_out > 0 {
        printer.warning(&format!(
            "{} events beyond the first {STORY_EVENTS_MAX} are left out; narrow the time",
            life.left_out
        ));
    }
    let shown = life.chapters.len() as u64;
    match printer.format() {
        Format::Table | Format::Md => printer.report(&page(&life, question.subject, &lineage, printer))?,
        Format::Json => printer.report(&document(&life, question.subject))?,
        _ => {
            let rows: Vec<_> = life.chapters.iter().map(row).collect();
            print_rows(printer, &COLUMNS.map(Column::Text), &rows)?;
        }
    }
    Ok(question.run.finish(tally, shown, Ended::AtTheEnd))
}

const COLUMNS: [&str; 12] = [
    "time",
    "deed",
    "event",
    "actor",
    "session",
    "confidence",
    "from",
    "through",
    "error",
    "account",
    "region",
    "id",
];

fn row(chapter: &Chapter) -> Vec<Option<String>> {
    vec![
        chapter.time.map(pugmark_event::format_time),
        Some(chapter.deed.as_str().to_owned()),
        Some(call(chapter)),
        chapter.actor.clone(),
        chapter.session.clone(),
        chapter.confidence.map(|sure| sure.as_str().to_owned()),
        chapter.address.clone(),
        chapter.through.clone(),
        chapter.error.clone(),
        Some(chapter.account.clone()),
        Some(chapter.region.clone()),
        Some(chapter.id.clone()),
    ]
}

/// `eks:CreateCluster`.
fn call(chapter: &Chapter) -> String {
    format!("{}:{}", chapter.source.trim_end_matches(".amazonaws.com"), chapter.name)
}

/// Deeds that a page tells one by one; uses are counted.
fn is_told(chapter: &Chapter) -> bool {
    !matches!(chapter.deed, Deed::Used | Deed::Mentioned) || chapter.error.is_some()
}

fn page(life: &Life, subject: &str, lineage: &Lineage, printer: &Printer) -> String {
    let paint = printer.paint();
    let counted_events = counted(life.chapters.len() as u64, "event");
    let mut out = format!("{}  {counted_events}\n", paint.role(Role::Strong, &escape(subject)));
    let is_made = life.chapters.iter().any(|one| one.deed == Deed::Created && one.error.is_none());
    if !is_made {
        put!(out, "its creation is not among {}\n", super::covered(lineage));
    }
    out.push('\n');
    let headings = ["time", "was", "event", "by", "from", "outcome", "where"];
    let mut table = printer.table(headings.map(Heading::text).to_vec());
    for one in life.chapters.iter().filter(|one| is_told(one)) {
        let by = match (&one.actor, &one.through) {
            (Some(actor), Some(service)) => Some(format!("{actor} through {service}")),
            (actor, service) => actor.clone().or_else(|| service.clone()),
        };
        let cells = vec![
            one.time.map(|time| time_text(time, printer.zone())),
            Some(one.deed.as_str().to_owned()),
            Some(call(one)),
            by,
            one.address.clone(),
            Some(one.error.clone().unwrap_or_else(|| "ok".to_owned())),
            Some(format!("{} {}", one.account, one.region)),
        ];
        table.row(cells, &mut out);
    }
    table.finish(&mut out);
    uses(life, printer, &mut out);
    if !life.related.is_empty() {
        put!(out, "\n{}\n", paint.role(Role::Strong, "came into being with it"));
        life.related.iter().for_each(|name| put!(out, "  {}\n", escape(name)));
    }
    out
}

/// Who used it or spoke of it, and how often.
fn uses(life: &Life, printer: &Printer, out: &mut String) {
    let mut uses = std::collections::BTreeMap::<(String, &str, String), u64>::new();
    for one in life.chapters.iter().filter(|one| !is_told(one)) {
        let actor = one.actor.clone().unwrap_or_default();
        *uses.entry((actor, one.deed.as_str(), call(one))).or_default() += 1;
    }
    if uses.is_empty() {
        return;
    }
    put!(out, "\n{}\n", printer.paint().role(Role::Strong, "used and mentioned"));
    let headings =
        vec![Heading::text("by"), Heading::text("was"), Heading::text("event"), Heading::number("events")];
    let mut table = printer.table(headings);
    for ((actor, deed, call), count) in uses {
        table.row(vec![Some(actor), Some(deed.to_owned()), Some(call), Some(count.to_string())], out);
    }
    table.finish(out);
}

fn document(life: &Life, subject: &str) -> String {
    let chapters: Vec<_> = life
        .chapters
        .iter()
        .map(|one| {
            json!({
                "time": one.time.map(pugmark_event::format_time), "id": one.id, "deed": one.deed.as_str(),
                "source": one.source, "name": one.name, "account": one.account, "region": one.region,
                "actor": one.actor, "session": one.session,
                "confidence": one.confidence.map(pugmark_lineage::Confidence::as_str),
                "from": one.address, "through": one.through, "error": one.error, "related": one.related,
            })
        })
        .collect();
    let document = json!({"v": 1, "subject": subject, "events": chapters, "related": life.related, "left_out": life.left_out});
    json_line(&document)
}
