//! One module per command; here, what a command is started with.

mod detect;
mod doctor;
mod evidence;
mod generate;
mod insights;
mod lineage;
mod reference;
mod scan;
mod search;
mod serve;
mod shell;
mod show;
pub(crate) mod sql;
mod stats;

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use clap::CommandFactory;
use jiff::Zoned;

use crate::args::{AccessArgs, Args, Command, PrintArgs, ReadArgs, TalkArgs};
use crate::config::Settings;
use crate::examples;
use crate::exit::{Exit, Failure};
use crate::plan;
use crate::printer::{Content, Heading, Paint, Printer, Table, print_text};
use crate::suggest::closest;
use crate::time_expr;

/// Does what the command line says.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    if args.explain_config {
        return explain_config(&plan::settings(&TalkArgs::default(), None)?);
    }
    let Some(command) = args.command else {
        print_text(examples::OVERVIEW)?;
        return Ok(Exit::Done);
    };
    match command {
        Command::Scan(args) => {
            is_meant(&args.sources)?;
            let Some(start) = Start::reading(&args.read, examples::SCAN)? else { return Ok(Exit::Done) };
            scan::scan(&args, &start)
        }
        Command::Search(args) => {
            let Some(start) = Start::reading(&args.read, examples::SEARCH)? else { return Ok(Exit::Done) };
            search::search(&args, &start)
        }
        Command::Sql(args) => {
            let Some(start) = Start::new(&args.talk, Some(&args.access), args.quiet, examples::SQL)? else {
                return Ok(Exit::Done);
            };
            sql::sql(&args, start)
        }
        Command::Show(args) => {
            let Some(start) = Start::reading(&args.read, examples::SHOW)? else { return Ok(Exit::Done) };
            show::show(&args, &start)
        }
        Command::Stats(args) => {
            let Some(start) = Start::reading(&args.read, examples::STATS)? else { return Ok(Exit::Done) };
            stats::stats(&args, &start)
        }
        Command::Detect(command) => detect::run(command),
        Command::Evidence(command) => evidence::run(command),
        Command::Lineage(command) => lineage::run(command),
        other => run_other(other),
    }
}

/// Refuses `pugmark serach logs/`, where a source is a misspelt command.
fn is_meant(sources: &[String]) -> Result<(), Failure> {
    let Some(word) = sources.first().filter(|word| !std::path::Path::new(word).exists()) else {
        return Ok(());
    };
    let command = Args::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    match closest(word, names) {
        Some(near) if near != word => Err(Failure::new(
            format!("there is no command and no path `{word}`"),
            format!("did you mean `pugmark {near}`?"),
        )),
        _ => Ok(()),
    }
}

/// The commands that read no events.
fn run_other(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Generate(args) => {
            let Some(start) = Start::plain(&args.print, None, examples::GENERATE)? else {
                return Ok(Exit::Done);
            };
            generate::generate(&args, &start)
        }
        Command::Serve(args) => {
            let Some(start) = Start::plain(&args.print, Some(&args.access), examples::SERVE)? else {
                return Ok(Exit::Done);
            };
            serve::serve(&args, &start)
        }
        Command::Doctor(args) => {
            let Some(start) = Start::plain(&args.print, Some(&args.access), examples::DOCTOR)? else {
                return Ok(Exit::Done);
            };
            doctor::doctor(&args, &start)
        }
        Command::Schema(args) => {
            let Some(start) = Start::plain(&args.print, None, examples::SCHEMA)? else {
                return Ok(Exit::Done);
            };
            reference::schema(args.text.as_deref(), &start.printer)
        }
        Command::Limits(args) => {
            let Some(start) = Start::plain(&args.print, None, "")? else {
                return Ok(Exit::Done);
            };
            reference::limits(&start.printer)
        }
        Command::Completions { shell } => reference::completions(shell),
        Command::Man { directory } => reference::man(directory.as_deref()),
        Command::Scan(_)
        | Command::Search(_)
        | Command::Sql(_)
        | Command::Show(_)
        | Command::Stats(_)
        | Command::Detect(_)
        | Command::Evidence(_)
        | Command::Lineage(_) => {
            unreachable!("`run` has dealt with the commands that read events")
        }
    }
}

/// The form of `--output` that only some commands have; the printer, which
/// knows forms of rows alone, does not see it.
fn take_form(talk: &mut TalkArgs, forms: &[&'static str]) -> Option<&'static str> {
    let form = talk.output.as_deref().and_then(|name| forms.iter().copied().find(|form| *form == name))?;
    talk.output = None;
    Some(form)
}

/// What every command is started with.
pub(crate) struct Start {
    /// The settings, flags included.
    pub(crate) settings: Settings,
    /// Where to print.
    pub(crate) printer: Printer,
    /// The clock, in the zone of `--tz`; looked at once per run.
    pub(crate) now: Zoned,
}

impl Start {
    /// The start of a command that reads events.
    fn reading(read: &ReadArgs, examples: &str) -> Result<Option<Start>, Failure> {
        Start::plain(&read.print, Some(&read.access), examples)
    }

    /// The start of a command with the usual options of printing.
    fn plain(
        print: &PrintArgs,
        access: Option<&AccessArgs>,
        examples: &str,
    ) -> Result<Option<Start>, Failure> {
        Start::new(&print.talk, access, print.quiet.quiet, examples)
    }

    /// `None` if only examples or settings were asked for.
    fn new(
        talk: &TalkArgs,
        access: Option<&AccessArgs>,
        quiet: u8,
        examples: &str,
    ) -> Result<Option<Start>, Failure> {
        if talk.examples {
            print_text(examples)?;
            return Ok(None);
        }
        let settings = plan::settings(talk, access)?;
        if talk.explain_config {
            explain_config(&settings)?;
            return Ok(None);
        }
        let wishes = plan::wishes(talk, quiet, &settings)?;
        let now = time_expr::now_in(&wishes.zone);
        let printer = Printer::new(wishes, |name| std::env::var(name).ok());
        for (name, value) in settings.of_working_directory() {
            printer.note(&format!("`{name}` is `{value}`, from `./pugmark.toml`"));
        }
        Ok(Some(Start { settings, printer, now }))
    }
}

fn explain_config(settings: &Settings) -> Result<Exit, Failure> {
    let headings = ["setting", "value", "from", "meaning"].map(Heading::text).to_vec();
    let mut table = Table::new(headings, None, Paint::off());
    let mut text = String::new();
    for row in settings.explain() {
        table.row(row.into_iter().map(Some).collect(), &mut text);
    }
    table.finish(&mut text);
    print_text(&text)?;
    Ok(Exit::Done)
}

/// A column of [`print_rows`].
#[derive(Clone, Copy, Debug)]
enum Column<'a> {
    Text(&'a str),
    Number(&'a str),
}

/// Prints rows in whatever format was asked for. What is no number in a
/// column of numbers is null.
fn print_rows(
    printer: &Printer,
    columns: &[Column<'_>],
    rows: &[Vec<Option<String>>],
) -> Result<u64, Failure> {
    let cells = |column: usize| rows.iter().map(move |row| row.get(column).and_then(Option::as_deref));
    let arrays = columns.iter().enumerate().map(|(index, column)| match column {
        Column::Text(name) => (*name, Arc::new(cells(index).collect::<StringArray>()) as ArrayRef, true),
        Column::Number(name) => {
            let numbers = cells(index).map(|cell| cell.and_then(|text| text.parse().ok()));
            (*name, Arc::new(numbers.collect::<UInt64Array>()) as ArrayRef, true)
        }
    });
    let batch = RecordBatch::try_from_iter_with_nullable(arrays)?;
    let mut out = printer.rows(&batch.schema(), Content::Columns)?;
    out.batch(&batch)?;
    out.finish()
}
