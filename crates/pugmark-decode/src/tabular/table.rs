//! A table whose rows are events: which column holds which member.

use super::names::{self, Meaning};
use super::render::{self, Writer};

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    /// Number of the column in the table.
    pub(super) index: usize,
    /// As the table calls it.
    pub(super) name: String,
    /// What it holds.
    pub(super) meaning: Meaning,
}

impl Column {
    /// Numbers of the members on the way to the one this column holds.
    fn path(&self) -> Vec<usize> {
        match &self.meaning {
            Meaning::Member(place) | Meaning::ResourceName(place) => {
                place.iter().map(|member| member.order).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The columns of a table, in the order in which a record is written.
#[derive(Debug)]
pub(super) struct Table {
    /// Members in the order of the tree, then what is not in it.
    pub(super) columns: Vec<Column>,
    /// The column that holds whole records.
    pub(super) record: Option<usize>,
}

impl Table {
    /// Reads a header; `None` if these columns cannot make an event.
    pub(super) fn new(header: &[String]) -> Option<Table> {
        let mut columns: Vec<Column> = header
            .iter()
            .enumerate()
            .map(|(index, name)| Column {
                index,
                name: name.trim().to_owned(),
                meaning: names::meaning(name),
            })
            .collect();
        if !names::can_be_event(columns.iter().map(|column| &column.meaning)) {
            return None;
        }
        let is_record = |column: &&Column| matches!(column.meaning, Meaning::Record);
        let record = columns.iter().find(is_record).map(|column| column.index);
        drop_our_own(&mut columns);
        keep_first(&mut columns);
        columns.sort_by_key(|column| column.path().last().copied().unwrap_or(usize::MAX));
        Some(Table { columns, record })
    }

    /// Writes the record of a row whose value in column `index` is `values(index)`.
    pub(super) fn render<'v>(&self, values: impl Fn(usize) -> &'v str, json: &mut Vec<u8>) {
        if let Some(text) = self.record.map(&values).filter(|text| !text.is_empty()) {
            json.clear();
            json.extend_from_slice(text.as_bytes());
            return;
        }
        let mut writer = Writer::new(json);
        for column in &self.columns {
            write_text(&mut writer, column, values(column.index));
        }
        writer.finish();
    }
}

/// The columns that say where a row came from are no part of the record; in
/// a table of ours that goes for those of the object's key too.
fn drop_our_own(columns: &mut [Column]) {
    if !columns.iter().any(|column| matches!(column.meaning, Meaning::Provenance)) {
        return;
    }
    for column in columns {
        if ["org", "account", "region", "day"].contains(&column.name.as_str()) {
            column.meaning = Meaning::Provenance;
        }
    }
}

/// A second column for the same member, or for a part of a member that is
/// there as a whole, is kept under its own name.
fn keep_first(columns: &mut [Column]) {
    let mut taken: Vec<Vec<usize>> = Vec::new();
    let mut by_length: Vec<usize> = (0..columns.len()).collect();
    by_length.sort_by_key(|at| columns[*at].path().len());
    for at in by_length {
        let path = columns[at].path();
        if path.is_empty() {
            continue;
        }
        if taken.iter().any(|whole| path.starts_with(whole)) {
            columns[at].meaning = Meaning::Unknown;
        } else {
            taken.push(path);
        }
    }
}

/// Writes a value that was delivered as text; no text is no value.
fn write_text(writer: &mut Writer<'_>, column: &Column, text: &str) {
    if text.is_empty() || text == "null" {
        return;
    }
    match &column.meaning {
        Meaning::Member(place) => {
            if let Some(member) = place.last() {
                render::text(member, text, writer.member(place));
            }
        }
        Meaning::ResourceName(place) if render::is_arn(text) => render::string(text, writer.member(place)),
        Meaning::ResourceName(_) | Meaning::Unknown => render::string(text, writer.extra(&column.name)),
        Meaning::Record | Meaning::Provenance => {}
    }
}
