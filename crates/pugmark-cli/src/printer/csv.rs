//! Rows as CSV, TSV and Markdown.
//!
//! Text is escaped as for a terminal, so a cell is always one line. A cell that
//! a spreadsheet would run as a formula gets a leading `'` where asked for.

use std::borrow::Cow;

use super::cell::escape;

/// What happens to text that a spreadsheet would take for a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formulas {
    /// A `'` in front makes it text.
    Escape,
    /// As it is, for programs that read the file.
    Keep,
}

/// Which separated form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separated {
    /// RFC 4180.
    Csv,
    /// Tab-separated; tabs in text are escaped.
    Tsv,
    /// A Markdown table.
    Md,
}

impl Separated {
    /// One line of cells with its end; `None` is null.
    pub(crate) fn line<'a>(self, cells: impl Iterator<Item = Option<Cow<'a, str>>>, out: &mut String) {
        if self == Separated::Md {
            out.push_str("| ");
        }
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                out.push_str(match self {
                    Separated::Csv => ",",
                    Separated::Tsv => "\t",
                    Separated::Md => " | ",
                });
            }
            if let Some(cell) = cell {
                self.cell(&escape(&cell), out);
            }
        }
        out.push_str(match self {
            Separated::Csv => "\r\n",
            Separated::Tsv => "\n",
            Separated::Md => " |\n",
        });
    }

    fn cell(self, text: &str, out: &mut String) {
        match self {
            Separated::Csv if text.contains([',', '"', '\'', ' ']) => {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            }
            Separated::Csv | Separated::Tsv => out.push_str(text),
            Separated::Md => {
                for c in text.chars() {
                    if matches!(c, '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '!') {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
    }
}

/// `text` with a `'` before it if a spreadsheet would run it.
pub(crate) fn disarm(text: &str, formulas: Formulas) -> Cow<'_, str> {
    let start = text.trim_start_matches([' ', '"', '\'', '\t', '\r', '\n', '\u{a0}']);
    let runs = start.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n']);
    if formulas == Formulas::Escape && runs { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(form: Separated, cells: &[Option<&str>]) -> String {
        let mut out = String::new();
        form.line(cells.iter().map(|cell| cell.map(Cow::Borrowed)), &mut out);
        out
    }

    #[test]
    fn a_cell_is_one_line_in_every_form() {
        let cells = [Some("plain"), Some("a,\"b\"\nc"), None, Some("x|y\tz")];
        assert_eq!(line(Separated::Csv, &cells), "plain,\"a,\"\"b\"\"\\u{a}c\",,x|y\\u{9}z\r\n");
        assert_eq!(line(Separated::Tsv, &cells), "plain\ta,\"b\"\\u{a}c\t\tx|y\\u{9}z\n");
        assert_eq!(line(Separated::Md, &cells), "| plain | a,\"b\"\\\\u{a}c |  | x\\|y\\\\u{9}z |\n");
    }

    #[test]
    fn formulas_are_disarmed_however_they_hide() {
        for formula in [
            "=HYPERLINK(\"http://x\")",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "\"=1",
            "  \"' =1",
            "＝1",
            "=cmd|' /C calc'!A0",
        ] {
            assert!(disarm(formula, Formulas::Escape).starts_with('\''), "{formula}");
            assert_eq!(disarm(formula, Formulas::Keep), formula);
        }
        for harmless in ["", "Admin", "1-2", "a=b", "arn:aws:iam::1:role/x", "10.0.0.1"] {
            assert_eq!(disarm(harmless, Formulas::Escape), harmless);
        }
    }
}
