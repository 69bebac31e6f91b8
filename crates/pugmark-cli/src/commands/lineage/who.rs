//! `pugmark who` and `pugmark session`: the chain behind a key, an ARN, an
//! event, an address or a name, and what was done with it.

use pugmark_lineage::{Counted, Counts, Lineage, Session};
use serde_json::json;

use super::timeline::{self, Consequences, Wanted};
use super::tree::{Form, Tree};
use super::{Question, Start};
use crate::args::lineage::WhoArgs;
use crate::exit::{Exit, Failure};
use crate::printer::{Ended, Format, Printer, Role, count_words, escape, json_line, time_text};

/// Entries of each list of what was done.
const TOP: usize = 6;

/// Finds who is behind the subject.
pub(super) fn who(args: &WhoArgs, form: Option<Form>, start: &Start) -> Result<Exit, Failure> {
    let mut question = Question::new(&args.about, start)?;
    let lineage = question.lineage()?;
    let parties = match lineage.find(question.subject) {
        Some(found) => found.parties,
        None => match question.event(&lineage)? {
            Some(party) => vec![party],
            None => return Ok(question.unknown(&lineage, "nobody is known as")),
        },
    };
    answer(&mut question, args, form, &parties)
}

/// One session, by its short id or another of its names.
pub(super) fn session(args: &WhoArgs, form: Option<Form>, start: &Start) -> Result<Exit, Failure> {
    let mut question = Question::new(&args.about, start)?;
    let lineage = question.lineage()?;
    let parties = if question.subject == "latest" {
        lineage.sessions().max_by_key(|session| (session.last_seen(), session.id())).into_iter().collect()
    } else {
        lineage.find(question.subject).map(|found| found.parties).unwrap_or_default()
    };
    let sessions: Vec<Session<'_>> = parties.into_iter().filter(|party| party.is_session()).collect();
    match sessions.len() {
        0 => Ok(question.unknown(&lineage, "there is no session")),
        1 => answer(&mut question, args, form, &sessions),
        many => {
            let ids: Vec<String> = sessions.iter().take(8).map(|session| session.id()).collect();
            Err(Failure::new(
                format!("`{}` names {many} sessions", question.subject),
                format!("name one: {}", ids.join(", ")),
            ))
        }
    }
}

fn answer(
    question: &mut Question<'_>,
    args: &WhoArgs,
    form: Option<Form>,
    parties: &[Session<'_>],
) -> Result<Exit, Failure> {
    let tree = Tree::of(parties);
    let printer = question.run.printer;
    if args.events && form.is_none() {
        if matches!(printer.format(), Format::Table | Format::Md) {
            question.run.quiet();
            printer.note(tree.text(printer).trim_end());
        }
        let lineage = question.lineage()?;
        let consequences = if args.unfold { Consequences::Tell } else { Consequences::Fold };
        let (shown, tally) = timeline::print(question, wanted(&lineage, &tree), consequences)?;
        return Ok(question.run.finish(tally, shown, Ended::AtTheEnd));
    }
    question.run.quiet();
    let text = match (form, printer.format()) {
        (Some(form), _) => tree.graph(form),
        (None, Format::Table | Format::Md) => page(&tree, printer),
        (None, Format::Json | Format::Jsonl) => {
            json_line(&json!({"v": 1, "subject": question.subject, "sessions": tree.json()}))
        }
        _ => {
            return Err(Failure::new(
                "chains are no rows",
                "give `--output table`, `json`, `dot` or `mermaid`, or `--events` for the timeline",
            ));
        }
    };
    printer.report(&text)?;
    Ok(question.end(Exit::Done))
}

/// The events of the sessions that were asked for and of all that was opened from them.
fn wanted(lineage: &Lineage, tree: &Tree<'_>) -> Wanted {
    let mut wanted = Wanted::default();
    for session in tree.below() {
        if session.is_session() {
            wanted.sessions.insert(session.id());
        } else {
            wanted.actors.insert(session.actor().text().to_owned());
        }
    }
    for request in lineage.causes().requests() {
        let party = lineage.party_of(&request.caller());
        let is_ours = party.is_some_and(|party| {
            if party.is_session() {
                wanted.sessions.contains(&party.id())
            } else {
                wanted.actors.contains(party.actor().text())
            }
        });
        if is_ours {
            let words = format!("{} at {}", request.name(), pugmark_event::format_time(request.time()));
            wanted.causes.insert(request.event_id().to_owned(), words);
        }
    }
    wanted
}

fn page(tree: &Tree<'_>, printer: &Printer) -> String {
    let paint = printer.paint();
    let mut out = tree.text(printer);
    let below = tree.below();
    let times = below.iter().filter_map(|session| session.first_seen());
    let first = times.min();
    let last = below.iter().filter_map(|session| session.last_seen()).max();
    let events: u64 = below.iter().map(|session| session.events()).sum();
    let errors: u64 = below.iter().map(|session| session.errors()).sum();
    let mut head = format!("did  {} events, {} errors", count_words(events), count_words(errors));
    if let (Some(first), Some(last)) = (first, last) {
        put!(head, ", {} → {}", time_text(first, printer.zone()), time_text(last, printer.zone()));
    }
    put!(out, "\n{}\n", paint.role(Role::Strong, &head));
    for (name, what) in [
        ("calls", Counted::Call),
        ("errors", Counted::Error),
        ("from", Counted::Address),
        ("agents", Counted::Agent),
        ("accounts", Counted::Account),
        ("regions", Counted::Region),
    ] {
        let line = top(&below, what);
        if !line.is_empty() {
            put!(out, "  {name:<9}{line}\n");
        }
    }
    let suspicions: Vec<_> = below.iter().flat_map(|session| session.suspicions()).collect();
    if !suspicions.is_empty() {
        put!(out, "\n{}\n", paint.role(Role::Warning, "suspicious by itself"));
        for one in suspicions.iter().take(20) {
            let about = escape(one.about()).into_owned();
            put!(out, "  {} {}: {about}\n", one.session().id(), one.kind().as_str());
        }
        if suspicions.len() > 20 {
            put!(out, "  … and {} more\n", suspicions.len() - 20);
        }
    }
    out
}

/// The most frequent texts of all sessions together.
fn top(sessions: &[Session<'_>], what: Counted) -> String {
    let Counts { kept: list, mut rest } = Session::counts_of(sessions.iter().copied(), what);
    let shown: Vec<String> = list
        .iter()
        .take(TOP)
        .map(|(text, count)| format!("{} {}", escape(text), count_words(*count)))
        .collect();
    let mut line = shown.join("   ");
    let more = list.len().saturating_sub(TOP);
    if more > 0 || rest > 0 {
        rest += list.iter().skip(TOP).map(|(_, count)| count).sum::<u64>();
        put!(line, "   others {}", count_words(rest));
    }
    line
}
