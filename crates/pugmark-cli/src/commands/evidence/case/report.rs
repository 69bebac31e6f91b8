//! Whether a case still comes out the same, and if not, why not.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::beside::Beside;
use super::bundle::{self, Answer, Case, Step, VERSION, hash_file, program};
use super::inputs::Change;
use crate::exit::Failure;
use crate::printer::{count_words, counted, escape};

/// Inputs listed for each kind of change.
const CHANGES_SHOWN: usize = 100;

/// What came of running a command again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The same bytes and the same exit code.
    Same,
    /// The answer in the case is not the one that was put there.
    Altered,
    /// The same lines in another order.
    Order,
    /// Other lines.
    Differs {
        /// The first line that differs, from 1.
        line: u64,
        /// Lines then and now.
        lines: (u64, u64),
    },
    /// The same bytes with another exit code.
    Exit(i32),
}

impl Outcome {
    /// In words.
    fn words(&self, step: &Step) -> String {
        match self {
            Outcome::Same => "identical".to_owned(),
            Outcome::Altered => "the answer in the case is not the one that was recorded".to_owned(),
            Outcome::Order => "the same lines in another order".to_owned(),
            Outcome::Differs { line, lines: (then, now) } => format!(
                "differs from line {line} on; {} then, {} now",
                counted(*then, "line"),
                counted(*now, "line")
            ),
            Outcome::Exit(now) => format!("identical, but exit code {now} instead of {}", step.exit),
        }
    }
}

/// Runs the command again and compares line by line; neither answer is held whole.
pub(super) fn again(case: &Case, directory: &Path, number: u32, step: &Step) -> Result<Outcome, Failure> {
    let path = Answer::path(directory, number);
    let (sha256, _) = hash_file(&path)?;
    if sha256 != step.sha256 {
        return Ok(Outcome::Altered);
    }
    let fail = |error: io::Error| Failure::bare(format!("cannot compare command {number:03}: {error}"));
    // The words are those of whoever made the case.
    let words = bundle::checked(&step.words)?;
    let mut child = program(&case.command(&words))?.stdout(Stdio::piped()).spawn().map_err(fail)?;
    let now = child.stdout.take().ok_or_else(|| fail(io::ErrorKind::BrokenPipe.into()))?;
    let mut then = Lines::new(File::open(&path).map_err(fail)?);
    let mut now = Lines::new(now);
    let compared = compare(&mut then, &mut now).map_err(fail)?;
    let exit = child.wait().map_err(fail)?.code().unwrap_or(-1);
    Ok(match compared {
        None if exit == step.exit => Outcome::Same,
        None => Outcome::Exit(exit),
        Some(_) if then.count == now.count && then.sum == now.sum => Outcome::Order,
        Some(line) => Outcome::Differs { line, lines: (then.count, now.count) },
    })
}

/// Lines of a stream, counted, with a sum that does not depend on their order.
struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    count: u64,
    sum: u64,
}

impl<R: io::Read> Lines<R> {
    fn new(stream: R) -> Lines<R> {
        Lines { reader: BufReader::new(stream), line: Vec::new(), count: 0, sum: 0 }
    }

    /// Reads the next line; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        if self.reader.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.count += 1;
        let mut hasher = DefaultHasher::new();
        self.line.hash(&mut hasher);
        self.sum = self.sum.wrapping_add(hasher.finish());
        Ok(true)
    }
}

/// The first line that differs. Both streams are read to their ends.
fn compare(then: &mut Lines<impl io::Read>, now: &mut Lines<impl io::Read>) -> io::Result<Option<u64>> {
    let mut first = None;
    loop {
        let (has_then, has_now) = (then.advance()?, now.advance()?);
        if !has_then && !has_now {
            return Ok(first);
        }
        if has_then != has_now || then.line != now.line {
            first = first.or(Some(then.count.max(now.count)));
        }
    }
}

/// A command that was run again.
pub(super) struct Checked {
    pub(super) number: u32,
    pub(super) step: Step,
    pub(super) outcome: Outcome,
    /// What the files that it names are now.
    pub(super) beside: Beside,
}

/// The report.
pub(super) struct Page<'a> {
    pub(super) case: &'a Case,
    pub(super) changes: &'a [(Change, String)],
    pub(super) steps: &'a [Checked],
}

impl Page<'_> {
    /// True if everything came out the same.
    pub(super) fn is_same(&self) -> bool {
        !self.changes.iter().any(|(change, _)| change.matters())
            && self.steps.iter().all(|checked| checked.outcome == Outcome::Same)
    }

    /// The report in Markdown. The same case gives the same bytes: no clock.
    pub(super) fn text(&self) -> String {
        let answer = if self.is_same() {
            "Every input and every answer is the same as when the case was made."
        } else {
            "Not everything is as it was when the case was made; the differences are named below."
        };
        let mut out = format!("# Case report\n\n{answer}\n");
        self.about(&mut out);
        self.inputs(&mut out);
        self.commands(&mut out);
        self.beside(&mut out);
        out
    }

    fn about(&self, out: &mut String) {
        let sources: Vec<String> = self.case.sources.iter().map(|source| code(source)).collect();
        let stored: u64 = self.case.inputs.iter().map(|input| input.bytes_stored).sum();
        put!(out, "\n- sources: {}\n", sources.join(", "));
        put!(
            out,
            "- inputs: {}, {} bytes as stored\n- made by: {}\n- checked by: {VERSION}\n",
            count_words(self.case.inputs.len() as u64),
            count_words(stored),
            code(&self.case.version)
        );
    }

    fn inputs(&self, out: &mut String) {
        out.push_str("\n## Inputs that changed\n\n");
        if self.changes.is_empty() {
            out.push_str("None.\n");
        }
        for kind in [Change::Content, Change::Missing, Change::New, Change::Storage] {
            let names: Vec<&str> = self
                .changes
                .iter()
                .filter(|(change, _)| *change == kind)
                .map(|(_, name)| name.as_str())
                .collect();
            for name in names.iter().take(CHANGES_SHOWN) {
                put!(out, "- {}: {}\n", kind.words(), code(name));
            }
            if names.len() > CHANGES_SHOWN {
                put!(out, "- {}: {} more\n", kind.words(), names.len() - CHANGES_SHOWN);
            }
        }
    }

    fn commands(&self, out: &mut String) {
        out.push_str("\n## Commands\n\n");
        if self.steps.is_empty() {
            out.push_str("None.\n");
            return;
        }
        out.push_str("| command | words | exit code | bytes | SHA-256 of the answer | now |\n");
        out.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for Checked { number, step, outcome, .. } in self.steps {
            let words: Vec<String> = step.words.iter().map(|word| quoted(word)).collect();
            put!(
                out,
                "| {number:03} | {} | {} | {} | {} | {} |\n",
                code(&words.join(" ")),
                step.exit,
                step.bytes,
                code(&step.sha256),
                outcome.words(step)
            );
        }
        if self.steps.iter().any(|checked| checked.outcome != Outcome::Same) {
            put!(out, "\n{}\n", self.why());
        }
    }

    /// Rules, keys and whatever else commands name.
    fn beside(&self, out: &mut String) {
        if self.steps.iter().all(|checked| checked.step.beside.is_empty()) {
            return;
        }
        out.push_str("\n## Rules, keys and other files that commands name\n\n");
        out.push_str("| command | what | SHA-256 | now |\n| --- | --- | --- | --- |\n");
        for Checked { number, step, beside, .. } in self.steps {
            for (name, sha256) in &step.beside {
                let now = match beside.get(name) {
                    Some(now) if now == sha256 => "identical",
                    Some(_) => "other content",
                    None => "missing",
                };
                put!(out, "| {number:03} | {} | {} | {now} |\n", code(name), code(sha256));
            }
        }
    }

    /// Why answers differ, as far as a case can know.
    fn why(&self) -> &'static str {
        let is_other_program =
            self.case.version != VERSION || self.steps.iter().any(|checked| checked.step.version != VERSION);
        let is_other_beside = self.steps.iter().any(|checked| checked.step.beside != checked.beside);
        let is_other_input = self.changes.iter().any(|(change, _)| change.matters());
        match (is_other_input, is_other_program) {
            (true, _) => "The inputs named above changed, so answers may differ.",
            _ if is_other_beside => {
                "Files named below, such as rules or keys, changed, so answers may differ."
            }
            (false, true) => "The inputs are the same; another version of the program gave the answers.",
            (false, false) => {
                "Inputs and program are the same: the command depends on the clock, on settings, or on an order \
                 that it does not ask for."
            }
        }
    }
}

/// A word as a shell would read it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Text as Markdown code, whatever it holds.
fn code(text: &str) -> String {
    format!("`{}`", escape(text).replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(then: &str, now: &str) -> (Option<u64>, bool) {
        let (mut then, mut now) = (Lines::new(then.as_bytes()), Lines::new(now.as_bytes()));
        let first = compare(&mut then, &mut now).expect("memory");
        (first, then.count == now.count && then.sum == now.sum)
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(compared("a\nb\n", "a\nb\n"), (None, true));
        assert_eq!(compared("a\nb\nc\n", "a\nx\nc\n"), (Some(2), false));
        assert_eq!(compared("a\nb\n", "b\na\n"), (Some(1), true));
        assert_eq!(compared("a\n", "a\nb\nc\n"), (Some(2), false));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("--name=X"), "--name=X");
        assert_eq!(quoted("SELECT 'a'"), "'SELECT '\\''a'\\'''");
    }
}
