//! `pugmark policy`: the least IAM policy that an identity's observed calls need, and what it was refused.

use pugmark_lineage::{Least, Needs, Row};

use serde_json::json;

use super::{Question, Start};
use crate::args::lineage::AboutArgs;
use crate::exit::{Exit, Failure};
use crate::printer::{Ended, Format, Heading, Printer, Role, counted, escape, json_line};

/// What `--output` calls the bare document.
pub(super) const FORMS: [&str; 1] = ["policy"];
/// Resources of an action that a page names.
const SHOWN: usize = 3;
/// What no log can tell (CloudTrail User Guide, "Logging data events"; IAM User Guide, "Grant a user permissions to
/// pass a role").
const UNSEEN: [&str; 4] = [
    "data events, where the trail does not record them: objects, items, invocations",
    "iam:PassRole, which is checked and never recorded",
    "conditions, tags and further actions that a call needs besides its own",
    "what the identity may need on other days than those covered",
];

/// Finds what the identity did and prints what that needs.
pub(super) fn policy(args: &AboutArgs, form: Option<&str>, start: &Start) -> Result<Exit, Failure> {
    let mut question = Question::new(args, start)?;
    let lineage = question.lineage()?;
    let Some(found) = lineage.find(question.subject) else {
        return Ok(question.unknown(&lineage, "nobody is known as"));
    };
    let how = (Needs::read as fn(&mut _, Row<'_>), Needs::merge as fn(_, _) -> _);
    let make = || Needs::new(&lineage, &found.parties);
    let (needs, tally) = question.fold(Needs::LEAVES, None, make, how)?;
    let least = needs.finish();
    question.run.quiet();
    let printer = question.run.printer;
    let text = match (form, printer.format()) {
        (Some(_), _) => {
            warn(&least, printer);
            pretty(&least)
        }
        (None, Format::Table | Format::Md) => page(&least, question.subject, printer),
        (None, Format::Json | Format::Jsonl) => document(&least, question.subject),
        _ => return Err(Failure::new("a policy is no rows", "give `--output table`, `json` or `policy`")),
    };
    printer.report(&text)?;
    Ok(question.run.finish(tally, least.events, Ended::AtTheEnd))
}

/// Says what the bare document leaves out.
fn warn(least: &Least, printer: &Printer) {
    for (call, count) in &least.untold {
        printer
            .warning(&format!("the action of `{call}` is not known: {} left out", counted(*count, "call")));
    }
}

fn pretty(least: &Least) -> String {
    format!("{:#}\n", least.document())
}

fn page(least: &Least, subject: &str, printer: &Printer) -> String {
    let paint = printer.paint();
    let head = |words: &str, out: &mut String| put!(out, "\n{}\n", paint.role(Role::Strong, words));
    let mut out =
        format!("{}  {}\n", paint.role(Role::Strong, &escape(subject)), counted(least.events, "event"));
    head("needs", &mut out);
    let mut table =
        printer.table(vec![Heading::text("action"), Heading::number("calls"), Heading::text("resources")]);
    for (action, grantable) in &least.actions {
        let mut resources: Vec<&str> = grantable.resources.iter().take(SHOWN).map(String::as_str).collect();
        let more = grantable.resources.len().saturating_sub(SHOWN);
        let rest = format!("… and {more} more");
        if more > 0 {
            resources.push(&rest);
        }
        let resources = if resources.is_empty() { "* (none named)".to_owned() } else { resources.join(", ") };
        table.row(vec![Some(action.clone()), Some(grantable.calls.to_string()), Some(resources)], &mut out);
    }
    table.finish(&mut out);
    if !least.denied.is_empty() {
        head("refused, and not in the policy", &mut out);
        let headings =
            ["action", "reason", "on"].map(Heading::text).into_iter().chain([Heading::number("calls")]);
        let mut table = printer.table(headings.collect());
        for (denied, count) in &least.denied {
            let cells = vec![
                Some(denied.action.clone()),
                Some(denied.denial.refusal.to_string()),
                denied.denial.resource.clone(),
                Some(count.to_string()),
            ];
            table.row(cells, &mut out);
        }
        table.finish(&mut out);
    }
    if !least.through.is_empty() {
        head("through services, with its identity, and not in the policy", &mut out);
        for ((service, action), count) in &least.through {
            put!(out, "  {}  {}  {count}\n", escape(service), escape(action));
        }
    }
    if !least.untold.is_empty() {
        head("calls whose action is not known, and not in the policy", &mut out);
        least.untold.iter().for_each(|(call, count)| put!(out, "  {}  {count}\n", escape(call)));
    }
    head("what no log can tell", &mut out);
    for words in UNSEEN {
        put!(out, "  {words}\n");
    }
    head("policy", &mut out);
    out.push_str(&escape_lines(&pretty(least)));
    out
}

/// Lines of our own, with text from a log between.
fn escape_lines(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        put!(out, "{}\n", escape(line));
    }
    out
}

fn document(least: &Least, subject: &str) -> String {
    let actions: Vec<_> = least
        .actions
        .iter()
        .map(|(action, one)| json!({"action": action, "calls": one.calls, "resources": one.resources, "anywhere": one.is_anywhere || one.resources.is_empty()}))
        .collect();
    let denied: Vec<_> = least
        .denied
        .iter()
        .map(|(one, count)| json!({"action": one.action, "reason": one.denial.refusal.to_string(), "resource": one.denial.resource, "calls": count}))
        .collect();
    let through: Vec<_> = least
        .through
        .iter()
        .map(|((service, action), count)| json!({"service": service, "action": action, "calls": count}))
        .collect();
    let document = json!({
        "v": 1, "subject": subject, "events": least.events, "actions": actions, "denied": denied, "through": through,
        "unknown": least.untold, "free": least.free, "unseen": UNSEEN, "policy": least.document(),
    });
    json_line(&document)
}
