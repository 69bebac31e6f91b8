//! A table fitted to the terminal, written row by row.
//!
//! The first rows decide the widths; from then on rows stream. Numbers stand
//! at the right, null is a `·`, and a text too long for its column is cut in
//! the middle (see [`elide`]).

use super::cell::{elide, escape, width};
use super::paint::{Paint, Role};

/// Rows looked at before the widths are fixed.
const SAMPLE_ROWS: usize = 200;
/// Blanks between columns.
const GAP: usize = 2;
/// No column gets narrower than this.
const NARROWEST: usize = 8;

/// How a column is set.
#[derive(Clone, Debug)]
pub(crate) struct Heading {
    /// The name at the top.
    pub(crate) name: String,
    /// Numbers stand at the right.
    pub(crate) is_number: bool,
    /// Times and numbers are never cut.
    pub(crate) is_rigid: bool,
}

impl Heading {
    /// A column of text.
    pub(crate) fn text(name: impl Into<String>) -> Heading {
        Heading { name: name.into(), is_number: false, is_rigid: false }
    }

    /// A column of numbers.
    pub(crate) fn number(name: impl Into<String>) -> Heading {
        Heading { name: name.into(), is_number: true, is_rigid: true }
    }
}

/// A table in the making.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<Heading>,
    /// Columns of the terminal; `None` is as wide as need be.
    columns: Option<usize>,
    paint: Paint,
    rule: char,
    sample: Vec<Vec<Option<String>>>,
    widths: Option<Vec<usize>>,
}

impl Table {
    /// A table that fits into `columns`.
    pub(crate) fn new(headings: Vec<Heading>, columns: Option<usize>, paint: Paint) -> Table {
        let headings = headings
            .into_iter()
            .map(|heading| Heading { name: escape(&heading.name).into_owned(), ..heading })
            .collect();
        Table { headings, columns, paint, rule: '─', sample: Vec::new(), widths: None }
    }

    /// Draws with ASCII only.
    pub(crate) fn plain(mut self, is_plain: bool) -> Table {
        if is_plain {
            self.rule = '-';
        }
        self
    }

    /// Adds a row; what can be printed already goes to `out`.
    pub(crate) fn row(&mut self, cells: Vec<Option<String>>, out: &mut String) {
        let cells: Vec<_> =
            cells.into_iter().map(|cell| cell.map(|cell| escape(&cell).into_owned())).collect();
        if let Some(widths) = &self.widths {
            self.line(&cells, widths, out);
            return;
        }
        self.sample.push(cells);
        if self.sample.len() >= SAMPLE_ROWS {
            self.begin(out);
        }
    }

    /// Prints what was held back.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if self.widths.is_none() {
            self.begin(out);
        }
    }

    fn begin(&mut self, out: &mut String) {
        let widths = self.fit();
        let names: Vec<String> = self
            .headings
            .iter()
            .zip(&widths)
            .map(|(heading, width)| align(&elide(&heading.name, *width), *width, heading.is_number))
            .collect();
        let rules: Vec<String> = widths.iter().map(|width| self.rule.to_string().repeat(*width)).collect();
        let names = names.join(&" ".repeat(GAP));
        out.push_str(&self.paint.role(Role::Strong, names.trim_end()));
        out.push('\n');
        out.push_str(&self.paint.role(Role::Dim, &rules.join(&" ".repeat(GAP))));
        out.push('\n');
        for cells in std::mem::take(&mut self.sample) {
            self.line(&cells, &widths, out);
        }
        self.widths = Some(widths);
    }

    fn line(&self, cells: &[Option<String>], widths: &[usize], out: &mut String) {
        let mut line = String::new();
        for (index, (heading, width)) in self.headings.iter().zip(widths).enumerate() {
            if index > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            let Some(Some(text)) = cells.get(index) else {
                let null = align("·", *width, heading.is_number);
                line.push_str(&self.paint.role(Role::Dim, &null));
                continue;
            };
            let shown = align(&elide(text, *width), *width, heading.is_number);
            match Role::of_cell(text) {
                Some(role) => line.push_str(&self.paint.role(role, &shown)),
                None => line.push_str(&shown),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }

    /// The widths: what the cells want, the widest cut first until all fit.
    fn fit(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| width(&heading.name)).collect();
        for cells in &self.sample {
            for (wanted, cell) in widths.iter_mut().zip(cells) {
                *wanted = (*wanted).max(cell.as_deref().map_or(1, width));
            }
        }
        let Some(columns) = self.columns else {
            return widths;
        };
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > columns {
            let widest = (0..widths.len())
                .filter(|index| !self.headings[*index].is_rigid && widths[*index] > NARROWEST)
                .max_by_key(|index| widths[*index]);
            match widest {
                Some(index) => widths[index] -= 1,
                None => break,
            }
        }
        widths
    }
}

fn align(text: &str, columns: usize, at_right: bool) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(text)));
    if at_right { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: Option<usize>, rows: &[[Option<&str>; 3]]) -> String {
        let mut headings = vec![Heading::text("who"), Heading::number("count"), Heading::text("from")];
        headings[2].is_rigid = false;
        let mut table = Table::new(headings, columns, Paint::off());
        let mut out = String::new();
        for row in rows {
            table.row(row.iter().map(|cell| cell.map(str::to_owned)).collect(), &mut out);
        }
        table.finish(&mut out);
        out
    }

    #[test]
    fn numbers_stand_at_the_right_and_null_is_a_dot() {
        let out =
            table(None, &[[Some("alice"), Some("7"), None], [Some("bob"), Some("1,234"), Some("10.0.0.1")]]);
        insta::assert_snapshot!(out, @r"
        who    count  from
        ─────  ─────  ────────
        alice      7  ·
        bob    1,234  10.0.0.1
        ");
    }

    #[test]
    fn the_widest_column_gives_way() {
        let arn = "arn:aws:sts::123456789012:assumed-role/Administrator/alice@example.com";
        let out = table(Some(60), &[[Some(arn), Some("7"), Some("10.0.0.1")]]);
        assert!(out.lines().all(|line| width(line) <= 60), "{out}");
        insta::assert_snapshot!(out, @r"
        who                                          count  from
        ───────────────────────────────────────────  ─────  ────────
        arn:aws:sts::12345678…tor/alice@example.com      7  10.0.0.1
        ");
    }

    #[test]
    fn a_cell_cannot_forge_a_row() {
        let out = table(None, &[[Some("a\nroot  1  127.0.0.1"), Some("7"), Some("\x1b[1A\r")]]);
        assert_eq!(out.lines().count(), 3, "{out}");
        assert!(!out.contains(['\x1b', '\r']), "{out}");
    }

    #[test]
    fn rows_stream_once_the_widths_are_known() {
        let mut table = Table::new(vec![Heading::text("x")], None, Paint::off());
        let mut out = String::new();
        for _ in 0..SAMPLE_ROWS - 1 {
            table.row(vec![Some("a".to_owned())], &mut out);
        }
        assert_eq!(out, "");
        table.row(vec![Some("b".to_owned())], &mut out);
        assert_eq!(out.lines().count(), SAMPLE_ROWS + 2);
        out.clear();
        table.row(vec![Some("c".to_owned())], &mut out);
        assert_eq!(out, "c\n");
    }
}
