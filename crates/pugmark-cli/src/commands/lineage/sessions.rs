//! `pugmark sessions`: every credential's life in a line.

use pugmark_event::format_time;
use pugmark_lineage::{Counted, Session};

use super::{Column, Start, print_rows};
use crate::args::lineage::SessionsArgs;
use crate::exit::{Exit, Failure};
use crate::pattern::Pattern;
use crate::plan::Reading;
use crate::printer::{Ended, Format, time_text};
use crate::provenance::Provenance;
use crate::run::Run;

/// Lists the sessions that were asked for.
pub(super) fn sessions(args: &SessionsArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let provenance = Provenance::new(&reading, &run);
    let lineage = provenance.lineage()?;
    run.quiet();
    let actors: Vec<Pattern> = args.actor.iter().map(|text| Pattern::part(text)).collect();
    let mut sessions: Vec<Session<'_>> = lineage
        .sessions()
        .filter(|session| is_wanted(*session, &reading, &actors))
        .filter(|session| !args.suspicious || session.suspicions().next().is_some())
        .collect();
    if args.latest {
        sessions.sort_by(|a, b| b.last_seen().cmp(&a.last_seen()).then_with(|| a.id().cmp(&b.id())));
    }
    let found = sessions.len();
    sessions.truncate(args.limit.unwrap_or(usize::MAX));
    let shown = print(&sessions, start)?;
    if sessions.len() < found {
        start.printer.note(&format!("{found} sessions match; --limit shows the first {shown}"));
    }
    Ok(run.finish(provenance.tally(), shown, Ended::AtTheEnd))
}

/// Lineage is worked out of more than was asked for; sessions outside it are not shown.
fn is_wanted(session: Session<'_>, reading: &Reading, actors: &[Pattern]) -> bool {
    let range = reading.selection.range;
    let is_within = range.is_open()
        || range.since.is_none_or(|since| session.last_seen() >= Some(since))
            && range.until.is_none_or(|until| session.first_seen().is_some_and(|first| first < until));
    let has = |wanted: &[String], what: Counted, own: Option<&str>| {
        wanted.is_empty()
            || own.is_some_and(|own| wanted.iter().any(|text| text == own))
            || session.counts(what).kept.iter().any(|(text, _)| wanted.iter().any(|wanted| wanted == text))
    };
    let names =
        [Some(session.name()), Some(session.actor().text().to_owned()), session.arn().map(str::to_owned)];
    is_within
        && has(&reading.selection.accounts, Counted::Account, session.account())
        && has(&reading.selection.regions, Counted::Region, None)
        && actors.iter().all(|actor| names.iter().flatten().any(|name| actor.matches(name)))
}

fn print(sessions: &[Session<'_>], start: &Start) -> Result<u64, Failure> {
    // People read times in their zone; files keep them as they are.
    let is_page = matches!(start.printer.format(), Format::Table | Format::Md);
    let time = |time: Option<i64>| {
        time.map(|time| if is_page { time_text(time, start.printer.zone()) } else { format_time(time) })
    };
    let columns = [
        Column::Text("session"),
        Column::Text("actor"),
        Column::Text("name"),
        Column::Text("opened"),
        Column::Text("from"),
        Column::Text("mfa"),
        Column::Number("events"),
        Column::Number("errors"),
        Column::Text("last"),
        Column::Text("confidence"),
        Column::Text("suspicious"),
    ];
    let rows: Vec<Vec<Option<String>>> = sessions
        .iter()
        .map(|session| {
            let addresses = session.counts(Counted::Address);
            let suspicions: Vec<&str> = session.suspicions().map(|one| one.kind().as_str()).collect();
            let from = match addresses.kept.len() {
                0 => None,
                1 => Some(addresses.kept[0].0.to_owned()),
                more => Some(format!("{} +{}", addresses.kept[0].0, more - 1)),
            };
            vec![
                Some(session.id()),
                Some(session.actor().text().to_owned()),
                Some(session.name()),
                time(session.created().or(session.first_seen())),
                from,
                session.mfa().map(|mfa| if mfa { "yes" } else { "no" }.to_owned()),
                Some(session.events().to_string()),
                Some(session.errors().to_string()),
                time(session.last_seen()),
                Some(session.confidence().as_str().to_owned()),
                (!suspicions.is_empty()).then(|| suspicions.join("; ")),
            ]
        })
        .collect();
    print_rows(&start.printer, &columns, &rows)
}
