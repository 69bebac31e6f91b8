//! The only place that prints.
//!
//! stdout carries rows and nothing else; stderr carries talk: progress, notes,
//! the summary, errors. Whatever comes from a log passes [`escape`] on its way
//! to either, except in the `raw`, `parquet` and `arrow` formats, which are
//! asked for to get the bytes.

mod cell;
mod csv;
mod json;
mod output;
mod paint;
mod plot;
mod progress;
mod rows;
mod summary;
mod table;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anstream::ColorChoice;
use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use pugmark_source::Progress;

use crate::exit::{Exit, Failure};

pub(crate) use cell::escape;
pub(crate) use csv::Formulas;
pub(crate) use json::{document as json_document, line as json_line, string as json_string};
pub(crate) use output::{Output, Overwrite};
pub(crate) use paint::{Paint, Role};
pub(crate) use plot::{Ink, bar, sparkline, squeeze};
pub(crate) use progress::ProgressLine;
pub(crate) use rows::{Content, Format, Rows, cell as cell_text, time_text};
pub(crate) use summary::{Ended, Summary, SummaryForm};
pub(crate) use table::{Heading, Table};
pub(crate) use words::{bytes as byte_words, count as count_words, counted};

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Talk {
    /// Errors only (`-qq`).
    Errors,
    /// Warnings and errors (`-q`).
    Warnings,
    /// Progress, notes and the summary.
    Normal,
    /// Why, too (`-v`).
    Reasons,
}

/// What a person wants of the printer.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// The format; by default a table on a terminal and JSON lines elsewhere.
    pub(crate) format: Option<Format>,
    /// A file instead of stdout.
    pub(crate) to: Option<(PathBuf, Overwrite)>,
    /// Colour.
    pub(crate) color: ColorChoice,
    /// How much is said.
    pub(crate) talk: Talk,
    /// Columns are as wide as their cells.
    pub(crate) is_wide: bool,
    /// ASCII only.
    pub(crate) is_plain: bool,
    /// What happens to formulas in CSV; by default they are kept in a pipe.
    pub(crate) formulas: Option<Formulas>,
    /// Zone that times are shown in.
    pub(crate) zone: TimeZone,
    /// The pager's command line; empty for none.
    pub(crate) pager: String,
    /// How the summary is written.
    pub(crate) summary: SummaryForm,
}

/// Prints rows to stdout and talk to stderr.
#[derive(Debug)]
pub(crate) struct Printer {
    wishes: Wishes,
    out: Paint,
    err: Paint,
    /// Columns and lines of the terminal that stdout is.
    terminal: Option<(usize, usize)>,
    /// Columns that a table may take.
    columns: Option<usize>,
}

impl Printer {
    /// A printer for this process's streams.
    pub(crate) fn new(wishes: Wishes, environment: impl Fn(&str) -> Option<String>) -> Printer {
        let terminal = output::terminal_size();
        let asked =
            environment("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        let columns = asked.or(terminal.map(|(columns, _)| columns)).filter(|_| !wishes.is_wide);
        let (out, err) = (Paint::stdout(wishes.color), Paint::stderr(wishes.color));
        Printer { wishes, out, err, terminal, columns }
    }

    /// The format of rows.
    pub(crate) fn format(&self) -> Format {
        let is_terminal = self.terminal.is_some() && self.wishes.to.is_none();
        self.wishes.format.unwrap_or(if is_terminal { Format::Table } else { Format::Jsonl })
    }

    /// Zone that times are shown in.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.wishes.zone
    }

    /// Colour of reports on stdout.
    pub(crate) fn paint(&self) -> Paint {
        self.out
    }

    /// What plots are drawn with.
    pub(crate) fn ink(&self) -> Ink {
        if self.wishes.is_plain { Ink::Ascii } else { Ink::Blocks }
    }

    /// Columns that a report may take.
    pub(crate) fn columns(&self) -> usize {
        self.columns.unwrap_or(100)
    }

    /// True if `-v` was given.
    pub(crate) fn gives_reasons(&self) -> bool {
        self.wishes.talk >= Talk::Reasons
    }

    /// Begins rows of `schema`.
    pub(crate) fn rows(&self, schema: &SchemaRef, content: Content) -> Result<Rows, Failure> {
        let format = self.format();
        let is_file = self.wishes.to.is_some() || output::stdout_is_file();
        if format.is_binary() && self.wishes.to.is_none() && io::stdout().is_terminal() {
            return Err(Failure::new(
                "this format is not for a terminal",
                "redirect stdout or give `--to FILE`",
            ));
        }
        let default = if is_file { Formulas::Escape } else { Formulas::Keep };
        let look = rows::Look {
            format,
            columns: self.columns,
            paint: if self.wishes.to.is_some() { Paint::off() } else { self.out },
            is_plain: self.wishes.is_plain,
            formulas: self.wishes.formulas.unwrap_or(default),
            zone: self.wishes.zone.clone(),
        };
        let output = match &self.wishes.to {
            Some((path, overwrite)) => Output::file(path, *overwrite)?,
            None if self.terminal.is_some() && format == Format::Table => Output::pager(&self.wishes.pager),
            None => Output::stdout(),
        };
        Rows::begin(schema, content, look, output)
    }

    /// Prints a finished report; through the pager if it is taller than the screen.
    pub(crate) fn report(&self, text: &str) -> Result<(), Failure> {
        let mut output = match (&self.wishes.to, self.terminal) {
            (Some((path, overwrite)), _) => Output::file(path, *overwrite)?,
            (None, Some((_, lines))) if text.lines().count() >= lines => Output::pager(&self.wishes.pager),
            _ => Output::stdout(),
        };
        output.write_all(text.as_bytes())?;
        Ok(output.finish()?)
    }

    /// An empty table in this printer's look.
    pub(crate) fn table(&self, headings: Vec<Heading>) -> Table {
        Table::new(headings, self.columns, self.out).plain(self.wishes.is_plain)
    }

    /// A line that shows how far the run is.
    pub(crate) fn progress(&self, progress: &Arc<Progress>) -> ProgressLine {
        let environment = |name: &str| std::env::var(name).ok();
        if self.wishes.talk >= Talk::Normal && progress::is_wanted(environment) {
            ProgressLine::start(Arc::clone(progress), self.ink())
        } else {
            ProgressLine::none()
        }
    }

    /// Says something worth knowing.
    pub(crate) fn note(&self, text: &str) {
        if self.wishes.talk >= Talk::Normal {
            say(&escape(text));
        }
    }

    /// Says why, for `-v`.
    pub(crate) fn reason(&self, text: &str) {
        if self.gives_reasons() {
            say(&self.err.role(Role::Dim, &escape(text)));
        }
    }

    /// Says what may be wrong with the answer.
    pub(crate) fn warning(&self, text: &str) {
        if self.wishes.talk >= Talk::Warnings {
            say(&format!("{}: {}", self.err.role(Role::Warning, "warning"), escape(text)));
        }
    }

    /// Says how the run went, and answers its exit code.
    pub(crate) fn summary(&self, summary: &Summary) -> Exit {
        let text = match self.wishes.summary {
            SummaryForm::None => return summary.exit(),
            SummaryForm::Json => summary.json(),
            SummaryForm::Text if self.wishes.talk < Talk::Normal => String::new(),
            SummaryForm::Text => summary.text(self.err),
        };
        if self.wishes.talk > Talk::Errors || self.wishes.summary == SummaryForm::Json {
            write_stderr(&text);
        }
        if self.wishes.summary == SummaryForm::Text
            && self.wishes.talk == Talk::Warnings
            && summary.tally.is_partial()
        {
            self.warning("part of the input was skipped or damaged; without `-q` it is listed");
        }
        summary.exit()
    }
}

/// Says why a run cannot go on, and answers the exit code. Needs no printer,
/// since the command line that describes one may be what is wrong.
pub(crate) fn failure(failure: &Failure, color: ColorChoice) -> Exit {
    let Failure::Told { message, hint } = failure else {
        return Exit::Done;
    };
    let paint = Paint::stderr(color);
    let mut text = format!("{}: {}\n", paint.role(Role::Bad, "error"), escape_lines(message));
    if let Some(hint) = hint {
        put!(text, "{}: {}\n", paint.role(Role::Good, "hint"), escape_lines(hint));
    }
    write_stderr(&text);
    Exit::Failed
}

/// Text of our own making, such as help, to stdout.
pub(crate) fn print_text(text: &str) -> Result<(), Failure> {
    let mut output = Output::stdout();
    output.write_all(text.as_bytes())?;
    Ok(output.finish()?)
}

/// Lines of our own making on stderr that need no printer.
pub(crate) fn print_talk(text: &str) {
    write_stderr(text);
}

/// Escapes all but the line breaks that a message of several lines is made of.
fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

fn say(line: &str) {
    write_stderr(&format!("{line}\n"));
}

fn write_stderr(text: &str) {
    // Nobody can be told that stderr is closed.
    let _written = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_keeps_its_lines_and_nothing_else() {
        assert_eq!(escape_lines("a\x1b[1m\nb\r"), "a\\u{1b}[1m\nb\\u{d}");
    }
}
