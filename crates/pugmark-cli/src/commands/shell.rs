//! The interactive shell of `pugmark sql`.

use std::borrow::Cow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pugmark_event::FIELDS;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};

use super::reference;
use super::sql::Desk;
use crate::exit::{Exit, Failure};
use crate::printer;

const HELP: &str = "\
A statement ends with `;`. Tables: events. Ctrl-C stops a statement, Ctrl-D leaves.
.help            this text
.schema [TEXT]   the columns, or those that speak of TEXT
.examples        statements to start from
.quit            leave
";

const EXAMPLES: &str = "\
SELECT eventname, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC LIMIT 20;
SELECT eventtime, useridentity.arn, eventname FROM events WHERE errorcode = 'AccessDenied' ORDER BY eventtime;
SELECT useridentity.accesskeyid, min(eventtime), max(eventtime), count(*) FROM events GROUP BY 1;
";

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "DESC",
    "ASC",
    "AND",
    "OR",
    "NOT",
    "LIKE",
    "ILIKE",
    "IN",
    "BETWEEN",
    "IS NULL",
    "IS NOT NULL",
    "DISTINCT",
    "AS",
    "WITH",
    "UNION ALL",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "INTERVAL",
    "TIMESTAMP",
    "EXPLAIN",
    "events",
    "count(",
    "min(",
    "max(",
    "sum(",
    "avg(",
    "approx_distinct(",
    "array_agg(",
    "date_trunc(",
    "date_bin(",
    "now(",
    "lower(",
    "upper(",
    "substr(",
    "split_part(",
    "regexp_like(",
    "coalesce(",
    "json_extract(",
    "json_extract_scalar(",
    "element_at(",
    "cardinality(",
    "from_iso8601_timestamp(",
    "row_number(",
    "lag(",
    "lead(",
];

/// Reads statements until the person leaves.
pub(super) fn shell(desk: &mut Desk<'_>) -> Result<Exit, Failure> {
    let wrong = |error: ReadlineError| Failure::bare(format!("cannot read from the terminal: {error}"));
    let mut editor: Editor<Words, FileHistory> = Editor::new().map_err(wrong)?;
    editor.set_helper(Some(Words));
    let history = history_file(&|name| std::env::var(name).ok());
    if let Some(path) = &history {
        // The first run has no history.
        let _loaded = editor.load_history(path);
    }
    desk.run.quiet();
    printer::print_talk("statements end with `;`, `.help` helps, `.quit` leaves\n");
    let mut last = Exit::Done;
    loop {
        let line = match editor.readline("pugmark> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(wrong(error)),
        };
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        let _added = editor.add_history_entry(text);
        match text {
            ".quit" | ".exit" | ".q" => break,
            _ if text.starts_with('.') => command(text, desk)?,
            _ => match answer(text, desk) {
                Ok(exit) => last = exit,
                Err(Failure::PipeClosed) => {}
                Err(failure) => {
                    printer::failure(&failure, anstream::ColorChoice::Auto);
                }
            },
        }
    }
    if let Some(path) = &history {
        keep_history(&mut editor, path);
    }
    Ok(if last == Exit::Interrupted { Exit::Done } else { last })
}

fn answer(text: &str, desk: &mut Desk<'_>) -> Result<Exit, Failure> {
    desk.run.restart();
    desk.answer(text.trim_end_matches(';'))
}

fn command(text: &str, desk: &Desk<'_>) -> Result<(), Failure> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    match name {
        ".help" => printer::print_talk(HELP),
        ".examples" => printer::print_talk(EXAMPLES),
        ".schema" => {
            reference::schema(Some(rest.trim()), desk.run.printer)?;
        }
        _ => printer::print_talk(&format!(
            "there is no command `{}`; `.help` lists them\n",
            printer::escape(name)
        )),
    }
    Ok(())
}

/// `$XDG_STATE_HOME/pugmark/history`
fn history_file(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let state = environment("XDG_STATE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state.join("pugmark").join("history"))
}

/// Statements can name people and keys: the file is for its owner alone.
fn keep_history(editor: &mut Editor<Words, FileHistory>, path: &Path) {
    let Some(folder) = path.parent() else { return };
    let is_there = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).is_ok();
    let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    if is_there && file.is_ok() {
        let _saved = editor.save_history(path);
    }
}

/// Completes words; reads on until `;`.
struct Words;

impl Helper for Words {}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {
    fn highlight<'l>(&self, line: &'l str, _position: usize) -> Cow<'l, str> {
        Cow::Borrowed(line)
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input().trim();
        let is_whole = text.is_empty() || text.starts_with('.') || text.ends_with(';');
        Ok(if is_whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(line, position))
    }
}

/// Where the word at `position` begins, and what it can become.
fn complete(line: &str, position: usize) -> (usize, Vec<String>) {
    let before = line.get(..position).unwrap_or(line);
    let start = before
        .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_'))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = before[start..].to_lowercase();
    if word.is_empty() {
        return (start, Vec::new());
    }
    let fields = FIELDS.iter().filter(|field| !field.leaf.is_in_list()).map(|field| {
        // The spelling that was begun is the one that is offered.
        let is_lower = before[start..].chars().all(|c| !c.is_uppercase());
        if is_lower || field.member.is_empty() { field.name } else { field.member }
    });
    let commands = [".help", ".schema", ".examples", ".quit"];
    let mut found: Vec<String> = fields
        .chain(WORDS.iter().copied())
        .chain(commands)
        .filter(|candidate| candidate.to_lowercase().starts_with(&word))
        .map(str::to_owned)
        .collect();
    found.dedup();
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keywords_and_functions_are_completed() {
        assert_eq!(complete("SELECT eventn", 13), (7, vec!["eventname".to_owned()]));
        assert_eq!(complete("SELECT eventN", 13), (7, vec!["eventName".to_owned()]));
        assert_eq!(complete("sel", 3), (0, vec!["SELECT".to_owned()]));
        assert_eq!(complete("SELECT json_extract_", 20), (7, vec!["json_extract_scalar(".to_owned()]));
        assert!(
            complete("WHERE userIdentity.sess", 23)
                .1
                .iter()
                .all(|name| name.starts_with("userIdentity.session"))
        );
        assert_eq!(complete("x ", 2).1, Vec::<String>::new());
        assert_eq!(complete("é", 2).1, Vec::<String>::new());
    }

    #[test]
    fn the_history_lies_in_the_state_folder() {
        let state = history_file(&|name| (name == "XDG_STATE_HOME").then(|| "/s".to_owned()));
        assert_eq!(state, Some(PathBuf::from("/s/pugmark/history")));
        let home = history_file(&|name| (name == "HOME").then(|| "/h".to_owned()));
        assert_eq!(home, Some(PathBuf::from("/h/.local/state/pugmark/history")));
    }
}
