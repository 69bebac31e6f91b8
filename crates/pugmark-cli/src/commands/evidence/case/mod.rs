//! `pugmark case`: a bundle that somebody else can check. It holds the hashes
//! of the inputs, the commands with what they answered, and a report of
//! whether all of that still comes out the same.
//!
//! ```text
//! DIR/case.json            sources, version, hashes of the inputs
//! DIR/commands/001.json    words, exit code, hashes of the answer and of rules and keys
//! DIR/commands/001.jsonl   the answer
//! DIR/report.md            written by `case report`
//! ```
//!
//! Commands run as processes of this same program, so that an answer in a
//! case is what a person would have got.

mod beside;
mod bundle;
mod inputs;
mod report;

use std::path::Path;

use super::super::Start;
use crate::args::evidence::{CaseAddArgs, CaseArgs, CaseNewArgs, CaseReportArgs};
use crate::exit::{Exit, Failure};
use crate::plan::Reading;
use crate::printer::{Ended, Overwrite, counted};
use crate::run::Run;
use bundle::{Answer, Case, Step, VERSION};

/// Does what the words after `case` say.
pub(super) fn run(args: &CaseArgs) -> Result<Exit, Failure> {
    match args {
        CaseArgs::New(args) => {
            let Some(start) = Start::reading(&args.read, "")? else { return Ok(Exit::Done) };
            new(args, &start)
        }
        CaseArgs::Add(args) => {
            let Some(start) = Start::plain(&args.print, None, "")? else {
                return Ok(Exit::Done);
            };
            add(args, &start)
        }
        CaseArgs::Report(args) => {
            let Some(start) = Start::plain(&args.print, Some(&args.access), "")? else {
                return Ok(Exit::Done);
            };
            check(args, &start)
        }
    }
}

/// Lists and hashes the inputs.
fn new(args: &CaseNewArgs, start: &Start) -> Result<Exit, Failure> {
    let reading = Reading::new(&args.sources, &args.read.select, &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let (inputs, tally) = inputs::read(&reading, &mut run)?;
    let case = Case {
        version: VERSION.to_owned(),
        sources: args.sources.clone(),
        select: bundle::Select::of(&reading.selection),
        inputs,
    };
    let overwrite = if args.read.print.talk.force { Overwrite::Allow } else { Overwrite::Refuse };
    bundle::create_folder(&args.directory)?;
    bundle::write(&bundle::case_path(&args.directory), &case.text(), overwrite)?;
    start.printer.note(&format!(
        "case `{}`: {}; add answers with `pugmark case add {} -- search @ …`",
        args.directory.display(),
        counted(case.inputs.len() as u64, "input"),
        args.directory.display()
    ));
    let shown = case.inputs.len() as u64;
    Ok(run.finish(tally, shown, Ended::AtTheEnd))
}

/// Runs a command and keeps what it answered.
fn add(args: &CaseAddArgs, start: &Start) -> Result<Exit, Failure> {
    let case = Case::read(&args.directory)?;
    let words = bundle::checked(&args.words)?;
    for word in bundle::moving_times(&words) {
        start.printer.warning(&format!(
            "`{word}` means another time later, so the answer cannot be had again; write a date"
        ));
    }
    let number = bundle::next_number(&args.directory)?;
    let answer = Answer::path(&args.directory, number);
    let beside = beside::of(&words)?;
    let exit = bundle::answer_into(&case.command(&words), &answer)?;
    let (sha256, bytes) = bundle::hash_file(&answer)?;
    let step = Step { words, exit, sha256, bytes, version: VERSION.to_owned(), beside };
    bundle::write(&Step::path(&args.directory, number), &step.text(), Overwrite::Refuse)?;
    start.printer.note(&format!("command {number:03}: exit code {exit}, {}", counted(bytes, "byte")));
    Ok(if exit == 2 { Exit::Failed } else { Exit::Done })
}

/// Runs everything again and compares.
fn check(args: &CaseReportArgs, start: &Start) -> Result<Exit, Failure> {
    let case = Case::read(&args.directory)?;
    let reading = Reading::new(&case.sources, &case.select.arguments(), &start.settings, &start.now)?;
    let mut run = Run::start(&start.printer)?;
    let (now, tally) = inputs::read(&reading, &mut run)?;
    let changes = inputs::changes(&case.inputs, &now);
    let steps = bundle::steps(&args.directory)?;
    let mut checked = Vec::with_capacity(steps.len());
    for (number, step) in steps {
        let beside = beside::of(&bundle::checked(&step.words)?)?;
        let outcome = report::again(&case, &args.directory, number, &step)?;
        checked.push(report::Checked { number, step, outcome, beside });
    }
    run.quiet();
    let page = report::Page { case: &case, changes: &changes, steps: &checked };
    let text = page.text();
    keep(&args.directory.join("report.md"), &text, args.print.talk.force)?;
    start.printer.report(&text)?;
    let exit = run.finish(tally, checked.len() as u64, Ended::AtTheEnd);
    Ok(if page.is_same() { exit } else { Exit::No })
}

/// Writes the report, unless the very same stands there already.
fn keep(path: &Path, text: &str, is_forced: bool) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|known| known == text.as_bytes()) {
        return Ok(());
    }
    let overwrite = if is_forced { Overwrite::Allow } else { Overwrite::Refuse };
    bundle::write(path, text, overwrite)
}
