//! Rows of Arrow batches in the format asked for.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use pugmark_event::Leaf;

use super::csv::{Formulas, Separated, disarm};
use super::json;
use super::output::Output;
use super::paint::Paint;
use super::table::{Heading, Table};
use crate::exit::Failure;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Fitted to the terminal.
    Table,
    /// One document: `{"v":1,"rows":[…]}`.
    Json,
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated.
    Csv,
    /// Tab-separated.
    Tsv,
    /// A Markdown table.
    Md,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
    /// Records exactly as delivered, one after the other.
    Raw,
}

impl Format {
    /// Every format with its name.
    pub(crate) const ALL: [(&'static str, Format); 9] = [
        ("table", Format::Table),
        ("json", Format::Json),
        ("jsonl", Format::Jsonl),
        ("csv", Format::Csv),
        ("tsv", Format::Tsv),
        ("md", Format::Md),
        ("parquet", Format::Parquet),
        ("arrow", Format::Arrow),
        ("raw", Format::Raw),
    ];

    /// The format called `name`.
    pub(crate) fn named(name: &str) -> Option<Format> {
        Format::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// True for bytes that are no text.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow)
    }
}

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Columns as they stand in the batch.
    Columns,
    /// Events: JSON formats print the `raw` column, the record as delivered.
    Events,
}

/// What a row's cells look like.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The format.
    pub(crate) format: Format,
    /// Columns of the terminal to fit into.
    pub(crate) columns: Option<usize>,
    /// Colour of stdout.
    pub(crate) paint: Paint,
    /// ASCII only.
    pub(crate) is_plain: bool,
    /// CSV text that a spreadsheet would run.
    pub(crate) formulas: Formulas,
    /// Zone that times are shown in; JSON is always in UTC.
    pub(crate) zone: TimeZone,
}

/// Writes batches of one schema.
pub(crate) struct Rows {
    form: Form,
    content: Content,
    look: Look,
    written: u64,
}

enum Form {
    Table { table: Table, output: Output },
    Json(Output),
    Jsonl(Output),
    Separated { separated: Separated, output: Output },
    Parquet(Box<ArrowWriter<Output>>),
    Arrow(Box<arrow::ipc::writer::StreamWriter<Output>>),
    Raw(Output),
}

impl Rows {
    /// Begins the rows of `schema` on `output`.
    pub(crate) fn begin(
        schema: &SchemaRef,
        content: Content,
        look: Look,
        output: Output,
    ) -> Result<Rows, Failure> {
        let form = Form::begin(schema, &look, output)?;
        Ok(Rows { form, content, look, written: 0 })
    }

    /// Writes `batch`.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.written += batch.num_rows() as u64;
        let mut text = String::new();
        let output = match &mut self.form {
            Form::Parquet(writer) => return Ok(writer.write(batch)?),
            Form::Arrow(writer) => return Ok(writer.write(&shed(batch)?)?),
            Form::Raw(output) => {
                let column = first_of(batch, Leaf::Raw.name());
                for row in 0..batch.num_rows() {
                    if let Some(value) = cell(column, row, &self.look.zone) {
                        output.write_all(value.as_bytes())?;
                    }
                    output.write_all(b"\n")?;
                }
                return Ok(());
            }
            Form::Table { table, output } => {
                for row in 0..batch.num_rows() {
                    let cells =
                        batch.columns().iter().map(|column| owned(cell(column, row, &self.look.zone)));
                    table.row(cells.collect(), &mut text);
                }
                output
            }
            Form::Json(output) => {
                let first = self.written - batch.num_rows() as u64;
                for row in 0..batch.num_rows() {
                    text.push_str(if first + row as u64 > 0 { ",\n" } else { "\n" });
                    json_row(batch, row, self.content, &mut text);
                }
                output
            }
            Form::Jsonl(output) => {
                for row in 0..batch.num_rows() {
                    json_row(batch, row, self.content, &mut text);
                    text.push('\n');
                }
                output
            }
            Form::Separated { separated, output } => {
                for row in 0..batch.num_rows() {
                    let cells = batch
                        .columns()
                        .iter()
                        .map(|column| separated_cell(column, row, *separated, &self.look));
                    separated.line(cells, &mut text);
                }
                output
            }
        };
        output.write_all(text.as_bytes())?;
        Ok(output.flush()?)
    }

    /// Ends the rows: footers, flush, and the pager is waited for.
    pub(crate) fn finish(self) -> Result<u64, Failure> {
        match self.form {
            Form::Parquet(writer) => writer.into_inner()?.finish()?,
            Form::Arrow(writer) => writer.into_inner()?.finish()?,
            Form::Table { mut table, mut output } => {
                let mut text = String::new();
                table.finish(&mut text);
                output.write_all(text.as_bytes())?;
                output.finish()?;
            }
            Form::Json(mut output) => {
                output.write_all(b"\n]}\n")?;
                output.finish()?;
            }
            Form::Jsonl(output) | Form::Separated { output, .. } | Form::Raw(output) => output.finish()?,
        }
        Ok(self.written)
    }
}

impl Form {
    fn begin(schema: &SchemaRef, look: &Look, mut output: Output) -> Result<Form, Failure> {
        let separated = |separated: Separated, mut output: Output| {
            let mut head = String::new();
            separated.line(
                schema.fields().iter().map(|field| Some(Cow::Borrowed(field.name().as_str()))),
                &mut head,
            );
            if separated == Separated::Md {
                let rules = vec!["---"; schema.fields().len()];
                put!(head, "| {} |\n", rules.join(" | "));
            }
            output.write_all(head.as_bytes())?;
            Ok(Form::Separated { separated, output })
        };
        match look.format {
            Format::Table => {
                let headings = schema.fields().iter().map(|field| heading(field)).collect();
                let table = Table::new(headings, look.columns, look.paint).plain(look.is_plain);
                Ok(Form::Table { table, output })
            }
            Format::Json => {
                output.write_all(b"{\"v\":1,\"rows\":[")?;
                Ok(Form::Json(output))
            }
            Format::Jsonl => Ok(Form::Jsonl(output)),
            Format::Csv => separated(Separated::Csv, output),
            Format::Tsv => separated(Separated::Tsv, output),
            Format::Md => separated(Separated::Md, output),
            Format::Raw => Ok(Form::Raw(output)),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                let writer = ArrowWriter::try_new(output, Arc::clone(schema), Some(properties))?;
                Ok(Form::Parquet(Box::new(writer)))
            }
            Format::Arrow => {
                let writer = arrow::ipc::writer::StreamWriter::try_new(output, schema)?;
                Ok(Form::Arrow(Box::new(writer)))
            }
        }
    }
}

fn heading(field: &arrow::datatypes::Field) -> Heading {
    let data_type = field.data_type();
    Heading {
        name: field.name().clone(),
        is_number: data_type.is_numeric(),
        is_rigid: data_type.is_numeric()
            || matches!(data_type, DataType::Timestamp(..))
            || field.name() == "time",
    }
}

fn json_row(batch: &RecordBatch, row: usize, content: Content, out: &mut String) {
    if content == Content::Events {
        json::document(json::text(first_of(batch, Leaf::Raw.name()), row).unwrap_or("null"), out);
    } else {
        json::row(batch, row, out);
    }
}

/// The column called `name`, or the first.
fn first_of<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch.column_by_name(name).unwrap_or_else(|| batch.column(0))
}

fn owned(cell: Option<Cow<'_, str>>) -> Option<String> {
    cell.map(Cow::into_owned)
}

fn separated_cell<'a>(
    column: &'a ArrayRef,
    row: usize,
    form: Separated,
    look: &Look,
) -> Option<Cow<'a, str>> {
    let text = cell(column, row, &look.zone)?;
    let is_number = column.data_type().is_numeric();
    if is_number || form == Separated::Md {
        return Some(text);
    }
    Some(Cow::Owned(disarm(&text, look.formulas).into_owned()))
}

/// The text of one value; `None` is null. Not yet escaped.
pub(crate) fn cell<'a>(column: &'a ArrayRef, row: usize, zone: &TimeZone) -> Option<Cow<'a, str>> {
    if column.is_null(row) {
        return None;
    }
    if let Some(text) = json::text(column, row) {
        return Some(Cow::Borrowed(text));
    }
    if let Some(micros) = json::micros(column, row) {
        return Some(Cow::Owned(time_text(micros, zone)));
    }
    Some(Cow::Owned(match column.data_type() {
        DataType::Struct(_) | DataType::List(_) | DataType::LargeList(_) | DataType::Boolean => {
            json::value_text(column, row)
        }
        _ => json::integer(column, row).unwrap_or_else(|| json::display(column, row)),
    }))
}

/// An instant in `zone`, with the offset written out.
pub(crate) fn time_text(micros: i64, zone: &TimeZone) -> String {
    if *zone == TimeZone::UTC {
        return pugmark_event::format_time(micros);
    }
    match Timestamp::from_microsecond(micros) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        Err(_) => pugmark_event::format_time(micros),
    }
}

/// `batch` without the parts of its text buffers that no row points to: a
/// filtered batch would otherwise carry the whole inflated object along.
fn shed(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = batch.columns().iter().map(shed_array).collect();
    RecordBatch::try_new(batch.schema(), columns)
}

fn shed_array(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::Struct(fields) => {
            let group = array.as_struct();
            let columns = group.columns().iter().map(shed_array).collect();
            Arc::new(StructArray::new(fields.clone(), columns, group.nulls().cloned()))
        }
        _ => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};

    use super::super::output::Overwrite;
    use super::*;

    fn look(format: Format) -> Look {
        Look {
            format,
            columns: None,
            paint: Paint::off(),
            is_plain: false,
            formulas: Formulas::Escape,
            zone: TimeZone::UTC,
        }
    }

    fn batch() -> RecordBatch {
        let time: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1_000_000]).with_timezone("UTC"));
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("=1+1"), None]));
        let count: ArrayRef = Arc::new(Int64Array::from(vec![-5, 12]));
        RecordBatch::try_from_iter_with_nullable([
            ("eventtime", time, true),
            ("eventname", name, true),
            ("n", count, true),
        ])
        .expect("a batch")
    }

    fn written(look: Look) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let output = Output::file(&path, Overwrite::Refuse).expect("a file");
        let mut rows = Rows::begin(&batch().schema(), Content::Columns, look, output).expect("begun");
        rows.batch(&batch()).expect("written");
        assert_eq!(rows.finish().expect("finished"), 2);
        std::fs::read(&path).expect("a file")
    }

    fn text(format: Format) -> String {
        String::from_utf8(written(look(format))).expect("text")
    }

    #[test]
    fn every_text_format_says_the_same() {
        insta::assert_snapshot!(text(Format::Table), @r"
        eventtime             eventname   n
        ────────────────────  ─────────  ──
        1970-01-01T00:00:00Z  =1+1       -5
        1970-01-01T00:00:01Z  ·          12
        ");
        insta::assert_snapshot!(text(Format::Jsonl), @r#"
        {"eventTime":"1970-01-01T00:00:00Z","eventName":"=1+1","n":-5}
        {"eventTime":"1970-01-01T00:00:01Z","n":12}
        "#);
        insta::assert_snapshot!(text(Format::Json), @r#"
        {"v":1,"rows":[
        {"eventTime":"1970-01-01T00:00:00Z","eventName":"=1+1","n":-5},
        {"eventTime":"1970-01-01T00:00:01Z","n":12}
        ]}
        "#);
        insta::assert_snapshot!(text(Format::Tsv).replace('\t', "<tab>"), @r"
        eventtime<tab>eventname<tab>n
        1970-01-01T00:00:00Z<tab>'=1+1<tab>-5
        1970-01-01T00:00:01Z<tab><tab>12
        ");
        insta::assert_snapshot!(text(Format::Csv).replace('\r', ""), @r#"
        eventtime,eventname,n
        1970-01-01T00:00:00Z,"'=1+1",-5
        1970-01-01T00:00:01Z,,12
        "#);
        insta::assert_snapshot!(text(Format::Md), @r"
        | eventtime | eventname | n |
        | --- | --- | --- |
        | 1970-01-01T00:00:00Z | =1+1 | -5 |
        | 1970-01-01T00:00:01Z |  | 12 |
        ");
    }

    #[test]
    fn a_kept_formula_is_as_delivered() {
        let look = Look { formulas: Formulas::Keep, ..look(Format::Csv) };
        assert!(String::from_utf8(written(look)).expect("text").contains(",=1+1,"));
    }

    #[test]
    fn parquet_and_arrow_read_back() {
        let parquet = bytes::Bytes::from(written(look(Format::Parquet)));
        let mut reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 10).expect("Parquet");
        assert_eq!(reader.next().expect("a batch").expect("readable").num_rows(), 2);
        let arrow = std::io::Cursor::new(written(look(Format::Arrow)));
        let mut reader = arrow::ipc::reader::StreamReader::try_new(arrow, None).expect("Arrow");
        assert_eq!(reader.next().expect("a batch").expect("readable"), batch());
    }

    #[test]
    fn times_are_shown_in_the_zone_asked_for() {
        let zone = TimeZone::get("Asia/Kolkata").expect("a known zone");
        assert_eq!(time_text(0, &zone), "1970-01-01T05:30:00+05:30");
        assert_eq!(time_text(0, &TimeZone::UTC), "1970-01-01T00:00:00Z");
    }
}
