//! `pugmark contain`: what to revoke and look at if an identity is compromised. Prints, never executes.

use pugmark_lineage::{AwsCommand, Contain, Containment, End, Legacy, Revocation, Row};

use serde_json::json;

use super::{Question, Start};
use crate::args::lineage::ContainArgs;
use crate::exit::{Exit, Failure};
use crate::printer::{Ended, Format, Heading, Printer, Role, counted, escape, json_line, time_text};
use crate::time_expr;

/// What `--output` calls the commands alone.
pub(super) const FORMS: [&str; 1] = ["sh"];
/// Lines of each list; the rest is counted.
const SHOWN: usize = 100;

/// Finds what the identity holds, made and touched.
pub(super) fn contain(args: &ContainArgs, form: Option<&str>, start: &Start) -> Result<Exit, Failure> {
    let at = time_expr::instant(&args.at, &start.now)?;
    let mut question = Question::new(&args.about, start)?;
    let lineage = question.lineage()?;
    let Some(found) = lineage.find(question.subject) else {
        return Ok(question.unknown(&lineage, "nobody is known as"));
    };
    let how = (Contain::read as fn(&mut _, Row<'_>), Contain::merge as fn(_, _) -> _);
    let (gathered, tally) = question.fold(Contain::LEAVES, None, || Contain::new(&lineage), how)?;
    let containment = gathered.finish(&found.parties, at);
    question.run.quiet();
    let printer = question.run.printer;
    if containment.left_out > 0 {
        printer.warning(&format!("{} things are left out; narrow the time", containment.left_out));
    }
    let text = match (form, printer.format()) {
        (Some(_), _) => script(&containment, question.subject),
        (None, Format::Table | Format::Md) => page(&containment, question.subject, printer),
        (None, Format::Json | Format::Jsonl) => document(&containment, question.subject),
        _ => return Err(Failure::new("a plan is no rows", "give `--output table`, `json` or `sh`")),
    };
    printer.report(&text)?;
    let shown = (containment.revocations.len() + containment.legacies.len()) as u64;
    Ok(question.run.finish(tally, shown, Ended::AtTheEnd))
}

fn page(found: &Containment<'_>, subject: &str, printer: &Printer) -> String {
    let paint = printer.paint();
    let head = |words: &str, out: &mut String| put!(out, "\n{}\n", paint.role(Role::Strong, words));
    let suspects = counted(found.suspects.len() as u64, "session or identity of its own");
    let mut out = format!("{}  {suspects}\n", paint.role(Role::Strong, &escape(subject)));
    head("revoke", &mut out);
    let (over, live): (Vec<_>, Vec<_>) = found.revocations.iter().partition(|one| one.is_over);
    for one in &live {
        revocation(one, &one.words, printer, &mut out);
        lines(&one.commands, &mut out);
    }
    if live.is_empty() {
        out.push_str("  nothing that is known\n");
    }
    if !over.is_empty() {
        head("over: nothing to revoke", &mut out);
        for one in over {
            revocation(one, "all its sessions have ended", printer, &mut out);
        }
    }
    if !found.legacies.is_empty() {
        head("left behind", &mut out);
        for one in found.legacies.iter().take(SHOWN) {
            let time = one.time.map(|time| time_text(time, printer.zone())).unwrap_or_default();
            put!(out, "  {time}  {}  {}\n", escape(&one.call), escape(&words(one)));
            lines(&one.commands, &mut out);
        }
        if found.legacies.len() > SHOWN {
            put!(out, "  … and {} more\n", found.legacies.len() - SHOWN);
        }
    }
    if !found.touched.is_empty() {
        head("touched", &mut out);
        let headings = vec![Heading::text("what"), Heading::text("name"), Heading::number("events")];
        let mut table = printer.table(headings);
        for ((kind, name), count) in found.touched.iter().take(SHOWN) {
            let cells = vec![Some((*kind).to_owned()), Some(name.clone()), Some(count.to_string())];
            table.row(cells, &mut out);
        }
        table.finish(&mut out);
        if found.touched.len() > SHOWN {
            put!(out, "… and {} more\n", found.touched.len() - SHOWN);
        }
    }
    out.push_str("\nnothing was executed; `--output sh` prints the commands alone\n");
    out
}

/// One identity, when it was seen and until when its sessions work.
fn revocation(one: &Revocation, words: &str, printer: &Printer, out: &mut String) {
    let text = |time: i64| time_text(time, printer.zone());
    let seen = one.last_seen.map_or_else(|| "never".to_owned(), text);
    let ends = match (one.ends, one.is_over) {
        (None, _) => String::new(),
        (Some(End { time, is_recorded: true }), false) => format!(", works until {}", text(time)),
        (Some(End { time, is_recorded: false }), false) => format!(", works until {} at most", text(time)),
        (Some(End { time, is_recorded: true }), true) => format!(", ended {}", text(time)),
        (Some(End { time, is_recorded: false }), true) => format!(", ended {} at the latest", text(time)),
    };
    let (name, account) = (escape(&one.name), escape(&one.account));
    put!(out, "  {name} in {account}, last seen {seen}{ends}: {}\n", escape(words));
}

fn lines(commands: &[AwsCommand], out: &mut String) {
    for command in commands {
        put!(out, "      {}\n", escape(command.as_str()));
    }
}

/// `access key AKIA… of mallory in 111122223333 eu-west-1`.
fn words(one: &Legacy) -> String {
    let of = one.owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
    let removed = if one.is_removed { ", removed later" } else { "" };
    format!("{} {}{of} in {} {}{removed}", one.kind.as_str(), one.name, one.account, one.region)
}

/// The commands alone, for a person to read and run: a comment can hold no line end of its own.
fn script(found: &Containment<'_>, subject: &str) -> String {
    let comment = |text: &str, out: &mut String| {
        let text: String =
            text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        put!(out, "# {}\n", escape(&text));
    };
    let run = |commands: &[AwsCommand], out: &mut String| {
        if commands.is_empty() {
            out.push_str("# no command: do it by hand\n");
        }
        for command in commands {
            put!(out, "{}\n", command.as_str());
        }
        out.push('\n');
    };
    let mut out =
        "#!/bin/sh\n# Read each line before you run it, with credentials of the account that is named.\n"
            .to_owned();
    comment(&format!("About: {subject}"), &mut out);
    out.push('\n');
    for one in &found.revocations {
        let words = if one.is_over { "all its sessions have ended: nothing to revoke" } else { &one.words };
        comment(&format!("account {}: {}: {words}", one.account, one.name), &mut out);
        if one.is_over {
            out.push('\n');
        } else {
            run(&one.commands, &mut out);
        }
    }
    for one in found.legacies.iter().filter(|one| !one.is_removed) {
        let time = one.time.map(pugmark_event::format_time).unwrap_or_default();
        comment(&format!("account {}: {time} {} left: {}", one.account, one.call, words(one)), &mut out);
        run(&one.commands, &mut out);
    }
    out
}

fn document(found: &Containment<'_>, subject: &str) -> String {
    let time = |time: Option<i64>| time.map(pugmark_event::format_time);
    let end =
        |end: Option<End>| end.map(|end| json!({"time": time(Some(end.time)), "recorded": end.is_recorded}));
    let commands = |all: &[AwsCommand]| all.iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
    let suspects: Vec<_> = found
        .suspects
        .iter()
        .map(|one| json!({"session": one.is_session().then(|| one.id()), "name": one.name(), "arn": one.arn(), "accessKeyId": one.access_key(),
            "actor": one.actor().text(), "created": time(one.created()), "lastSeen": time(one.last_seen()), "ends": end(one.ends())}))
        .collect();
    let revocations: Vec<_> = found
        .revocations
        .iter()
        .map(|one| json!({"account": one.account, "name": one.name, "why": one.words, "lastSeen": time(one.last_seen), "ends": end(one.ends), "over": one.is_over,
            "commands": commands(&one.commands)}))
        .collect();
    let legacies: Vec<_> = found
        .legacies
        .iter()
        .map(|one| json!({"time": time(one.time), "event": one.event, "call": one.call, "kind": one.kind.as_str(), "name": one.name,
            "owner": one.owner, "account": one.account, "region": one.region, "removed": one.is_removed, "commands": commands(&one.commands)}))
        .collect();
    let touched: Vec<_> = found
        .touched
        .iter()
        .map(|((kind, name), count)| json!({"what": kind, "name": name, "events": count}))
        .collect();
    let document = json!({"v": 1, "subject": subject, "suspects": suspects, "revoke": revocations, "left_behind": legacies,
        "touched": touched, "left_out": found.left_out});
    json_line(&document)
}
