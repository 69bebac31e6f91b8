//! Parquet: Athena's `CREATE TABLE AS`, Security Lake, our own exports.
//!
//! Rows are read a few at a time; text stays in the pages it was delivered
//! in, so that a small file cannot ask for much memory by repeating a value.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, RecordBatch, RecordBatchReader};
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use pugmark_event::{DefectKind, Kind, Limits, format_time};

use super::Emit;
use super::names::{Meaning, Member};
use super::ocsf::Ocsf;
use super::render::{self, Writer};
use super::table::Table;

/// Rows read at once.
const BATCH_ROWS: usize = 256;
/// The mark at both ends of a Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Renders every row of a Parquet file as a record.
pub(crate) fn parquet(bytes: Vec<u8>, limits: &Limits, emit: &mut dyn Emit) {
    if bytes.is_empty() {
        return emit.defect(DefectKind::Empty, 0, String::new());
    }
    if bytes.len() < 12 || !bytes.starts_with(MAGIC) || !bytes.ends_with(MAGIC) {
        return emit.defect(DefectKind::Truncated, bytes.len() as u64, "no `PAR1` at both ends".into());
    }
    let mut reader = match caught(|| open(Bytes::from(bytes), limits)) {
        Some(Ok(reader)) => reader,
        Some(Err(NotRead::TooLarge)) => return emit.defect(DefectKind::TooLarge, 0, String::new()),
        Some(Err(NotRead::Damaged(error))) => return emit.defect(DefectKind::Corrupt, 0, error.to_string()),
        None => return emit.defect(DefectKind::Corrupt, 0, PANICKED.into()),
    };
    let Some(rows) = Rows::new(&reader.schema()) else {
        let detail = format!("no event columns in `{}`", shown(&reader.schema()));
        return emit.defect(DefectKind::NotAnEvent, 0, detail);
    };
    let mut number = 0;
    let mut json = Vec::new();
    loop {
        let batch = match caught(|| reader.next()) {
            Some(Some(Ok(batch))) => batch,
            Some(Some(Err(error))) => return emit.defect(damage(&error), number, error.to_string()),
            Some(None) => return,
            None => return emit.defect(DefectKind::Corrupt, number, PANICKED.into()),
        };
        for row in 0..batch.num_rows() {
            rows.render(&batch, row, (limits.record_bytes_max, &mut json));
            if json.len() > limits.record_bytes_max {
                emit.defect(DefectKind::RecordTooLarge, number, String::new());
            } else if let ControlFlow::Break(()) = emit.record(number, &json) {
                return;
            }
            number += 1;
        }
    }
}

/// What a reader that gave up leaves to say.
const PANICKED: &str = "the pages contradict each other";

/// The Parquet library asserts what damaged pages can break (59.3: the bit
/// width of dictionary indices, among others). Its panic ends this file, not
/// the run; the reader is not used again afterwards.
fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(read)).ok()
}

/// The rest of the file is lost, whatever the reason.
fn damage(error: &ArrowError) -> DefectKind {
    match error {
        ArrowError::NotYetImplemented(_) => DefectKind::Unreadable,
        _ => DefectKind::Corrupt,
    }
}

enum NotRead {
    TooLarge,
    Damaged(ParquetError),
}

impl From<ParquetError> for NotRead {
    fn from(error: ParquetError) -> NotRead {
        NotRead::Damaged(error)
    }
}

fn open(bytes: Bytes, limits: &Limits) -> Result<ParquetRecordBatchReader, NotRead> {
    // The Arrow schema that a writer may have left in the file is not to be trusted.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&bytes, options.clone())?;
    let sizes = metadata.metadata().row_groups().iter().map(|group| group.total_byte_size().max(0) as u64);
    if sizes.fold(0, u64::saturating_add) > limits.inflated_bytes_max {
        return Err(NotRead::TooLarge);
    }
    let views = Arc::new(Schema::new(viewed_all(metadata.schema().fields())));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options.with_schema(views))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
    Ok(builder.with_batch_size(BATCH_ROWS).build()?)
}

fn viewed_all(fields: &Fields) -> Fields {
    fields.iter().map(viewed).collect()
}

/// The field with text as views into the page it was delivered in.
fn viewed(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Struct(members) => DataType::Struct(viewed_all(members)),
        DataType::List(item) => DataType::List(viewed(item)),
        DataType::Map(entries, sorted) => DataType::Map(viewed(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// The start of a header, for people.
fn shown(schema: &SchemaRef) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.join(",").chars().take(80).collect()
}

/// What the rows of a file are.
enum Rows {
    /// Columns of a record.
    Table(Table),
    /// Security Lake's API Activity.
    Ocsf(Ocsf),
}

impl Rows {
    fn new(schema: &SchemaRef) -> Option<Rows> {
        if let Some(ocsf) = Ocsf::new(schema) {
            return Some(Rows::Ocsf(ocsf));
        }
        let header: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Table::new(&header).map(Rows::Table)
    }

    /// Writes one row as a record; a row beyond the limit is not written to its end.
    fn render(&self, batch: &RecordBatch, row: usize, (bytes_max, json): (usize, &mut Vec<u8>)) {
        match self {
            Rows::Table(table) => render_table(table, batch, row, (bytes_max, json)),
            Rows::Ocsf(ocsf) => ocsf.render(batch, row, (bytes_max, json)),
        }
    }
}

fn render_table(table: &Table, batch: &RecordBatch, row: usize, (bytes_max, json): (usize, &mut Vec<u8>)) {
    let whole = table.record.and_then(|index| text_at(batch.column(index), row));
    if let Some(text) = whole.filter(|text| !text.is_empty()) {
        json.clear();
        json.extend_from_slice(text.as_bytes());
        return;
    }
    let mut writer = Writer::new(json);
    for column in &table.columns {
        let array = batch.column(column.index);
        if array.is_null(row) {
            continue;
        }
        let (member, out) = match &column.meaning {
            Meaning::Member(place) => (place.last().copied(), writer.member(place)),
            Meaning::ResourceName(_) | Meaning::Unknown => (None, writer.extra(&column.name)),
            Meaning::Record | Meaning::Provenance => continue,
        };
        value(array, row, member, (bytes_max, out));
    }
    writer.finish();
}

/// Text at `row`, if this is a column of text.
pub(super) fn text_at(array: &ArrayRef, row: usize) -> Option<&str> {
    let texts = array.as_string_view_opt()?;
    texts.is_valid(row).then(|| texts.value(row))
}

/// Writes the value of `array` at `row` as JSON; stops early beyond `bytes_max`.
pub(super) fn value(
    array: &ArrayRef,
    row: usize,
    member: Option<&Member>,
    (bytes_max, out): (usize, &mut Vec<u8>),
) {
    if array.is_null(row) || out.len() > bytes_max {
        return out.extend_from_slice(b"null");
    }
    match array.data_type() {
        DataType::Utf8View => text(array.as_string_view().value(row), member, out),
        DataType::BinaryView => {
            text(&String::from_utf8_lossy(array.as_binary_view().value(row)), member, out);
        }
        DataType::Struct(fields) => {
            let group = array.as_struct();
            let present = fields.iter().zip(group.columns()).filter(|(_, column)| column.is_valid(row));
            out.push(b'{');
            for (field, column) in present {
                let member = member.and_then(|member| member.find(field.name()));
                name(member.map_or(field.name().as_str(), |member| member.name), out);
                value(column, row, member, (bytes_max, out));
            }
            out.push(b'}');
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push(b'[');
            for item in 0..items.len() {
                if item > 0 {
                    out.push(b',');
                }
                if out.len() > bytes_max {
                    break;
                }
                value(&items, item, member, (bytes_max, out));
            }
            out.push(b']');
        }
        DataType::Map(..) => map(array.as_map(), row, (bytes_max, out)),
        DataType::Timestamp(..) => render::string(&instant(array, row), out),
        data_type if data_type.is_numeric() || *data_type == DataType::Boolean => {
            let text = printed(array, row);
            if render::is_json(&text) {
                out.extend_from_slice(text.as_bytes());
            } else {
                render::string(&text, out);
            }
        }
        _ => render::string(&printed(array, row), out),
    }
}

fn text(text: &str, member: Option<&Member>, out: &mut Vec<u8>) {
    match member {
        Some(member) if text.is_empty() && member.kind.is_none_or(|kind| kind == Kind::Json) => {
            out.extend_from_slice(b"null");
        }
        Some(member) => render::text(member, text, out),
        None => render::string(text, out),
    }
}

/// Writes a map, as Lake types `requestParameters`: nested values are JSON text there.
fn map(map: &MapArray, row: usize, (bytes_max, out): (usize, &mut Vec<u8>)) {
    let entries = map.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    out.push(b'{');
    for entry in 0..entries.len() {
        if out.len() > bytes_max {
            break;
        }
        let key = text_at(keys, entry).map_or_else(|| printed(keys, entry), str::to_owned);
        name(&key, out);
        match text_at(values, entry) {
            Some(text) if text.starts_with(['{', '[']) && render::is_json(text) => {
                out.extend_from_slice(text.as_bytes());
            }
            _ => value(values, entry, None, (bytes_max, out)),
        }
    }
    out.push(b'}');
}

fn name(name: &str, out: &mut Vec<u8>) {
    if !out.ends_with(b"{") {
        out.push(b',');
    }
    render::string(name, out);
    out.push(b':');
}

/// An instant as `CloudTrail` writes it.
fn instant(array: &ArrayRef, row: usize) -> String {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let cast = arrow::compute::cast(&array.slice(row, 1), &micros);
    match cast.as_ref().map(|cast| cast.as_primitive_opt::<TimestampMicrosecondType>()) {
        Ok(Some(times)) if times.is_valid(0) => format_time(times.value(0)),
        _ => printed(array, row),
    }
}

/// As Arrow prints it; what it cannot print is told in its place.
fn printed(array: &ArrayRef, row: usize) -> String {
    match ArrayFormatter::try_new(array.as_ref(), &FormatOptions::new()) {
        Ok(formatter) => formatter.value(row).try_to_string().unwrap_or_else(|error| error.to_string()),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Int64Array, ListArray, MapBuilder, StringArray, StringBuilder, StructArray,
        TimestampMillisecondArray,
    };
    use arrow::buffer::OffsetBuffer;
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[derive(Default)]
    pub(crate) struct Seen {
        records: Vec<(u64, String)>,
        defects: Vec<(DefectKind, u64)>,
    }

    impl Emit for Seen {
        fn record(&mut self, offset: u64, json: &[u8]) -> ControlFlow<()> {
            self.records.push((offset, String::from_utf8(json.to_vec()).expect("UTF-8")));
            ControlFlow::Continue(())
        }

        fn defect(&mut self, kind: DefectKind, offset: u64, _: String) {
            self.defects.push((kind, offset));
        }
    }

    fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a schema");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        bytes
    }

    fn seen(bytes: Vec<u8>, limits: &Limits) -> Seen {
        let mut seen = Seen::default();
        parquet(bytes, limits, &mut seen);
        seen
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn group(members: Vec<(&str, ArrayRef)>) -> ArrayRef {
        Arc::new(StructArray::try_from(members).expect("members of one length"))
    }

    fn list(items: ArrayRef, lengths: &[usize]) -> ArrayRef {
        let field = Arc::new(Field::new("item", items.data_type().clone(), true));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), items, None))
    }

    fn athena() -> Vec<u8> {
        let mut parameters = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        parameters.keys().append_value("a");
        parameters.values().append_value(r#"{"b":1}"#);
        parameters.keys().append_value("c");
        parameters.values().append_value("5");
        parameters.append(true).expect("keys and values");
        parameters.append(false).expect("keys and values");
        file(vec![
            ("eventname", texts(&[Some("A"), Some("B")])),
            ("eventtime", Arc::new(TimestampMillisecondArray::from(vec![Some(1_768_471_200_000), None]))),
            ("readonly", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            (
                "useridentity",
                group(vec![
                    ("principalid", texts(&[Some("p\n"), None])),
                    ("sessioncontext", group(vec![("sourceidentity", texts(&[None, Some("s")]))])),
                ]),
            ),
            ("requestparameters", Arc::new(parameters.finish())),
            ("responseelements", texts(&[Some("{\"x\": [1]}"), Some("null")])),
            ("resources", list(group(vec![("arn", texts(&[Some("r")]))]), &[1, 0])),
            ("n", Arc::new(Int64Array::from(vec![7, 8]))),
        ])
    }

    #[test]
    fn typed_columns_become_a_record() {
        let seen = seen(athena(), &Limits::default());
        assert_eq!(seen.defects, []);
        assert_eq!(
            seen.records,
            [
                (
                    0,
                    r#"{"userIdentity":{"principalId":"p\n","sessionContext":{}},"eventTime":"2026-01-15T10:00:00Z","eventName":"A","requestParameters":{"a":{"b":1},"c":"5"},"responseElements":{"x": [1]},"readOnly":true,"resources":[{"ARN":"r"}],"n":7}"#
                        .to_owned()
                ),
                (
                    1,
                    r#"{"userIdentity":{"sessionContext":{"sourceIdentity":"s"}},"eventName":"B","responseElements":null,"resources":[],"n":8}"#
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn our_own_export_gives_the_record_back() {
        let bytes = file(vec![
            ("eventname", texts(&[Some("A"), Some("B")])),
            ("raw", texts(&[Some(r#"{"eventName" : "C"}"#), None])),
            ("source_object", texts(&[Some("o"), Some("o")])),
            ("region", texts(&[Some("r"), Some("r")])),
        ]);
        let records: Vec<String> =
            seen(bytes, &Limits::default()).records.into_iter().map(|(_, json)| json).collect();
        assert_eq!(records, [r#"{"eventName" : "C"}"#, r#"{"eventName":"B"}"#]);
    }

    #[test]
    fn a_security_lake_row_becomes_a_record() {
        let mut unmapped = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (key, value) in [("readOnly", "true"), ("eventCategory", "Management"), ("odd", "1")] {
            unmapped.keys().append_value(key);
            unmapped.values().append_value(value);
        }
        unmapped.append(true).expect("keys and values");
        let text = |value| texts(&[Some(value)]);
        let number = |value| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
        let bytes = file(vec![
            ("metadata", group(vec![("uid", text("id")), ("event_code", text("AwsApiCall"))])),
            ("time", number(1_768_471_200_000)),
            ("cloud", group(vec![("region", text("eu-west-1"))])),
            (
                "api",
                group(vec![
                    ("operation", text("Put")),
                    ("service", group(vec![("name", text("s3.amazonaws.com"))])),
                    ("request", group(vec![("uid", text("r")), ("data", text(r#"{"a":1}"#))])),
                    ("response", group(vec![("error", text("AccessDenied"))])),
                ]),
            ),
            (
                "actor",
                group(vec![
                    (
                        "user",
                        group(vec![
                            ("type", text("AssumedRole")),
                            ("uid", text("arn:aws:sts::1:assumed-role/r/s")),
                            ("uid_alt", text("AROA:s")),
                            ("account", group(vec![("uid", text("111122223333"))])),
                        ]),
                    ),
                    (
                        "session",
                        group(vec![
                            ("issuer", text("arn:aws:iam::1:role/r")),
                            ("created_time", number(1_768_471_200_000)),
                        ]),
                    ),
                ]),
            ),
            ("src_endpoint", group(vec![("ip", text("198.51.100.7"))])),
            ("resources", list(group(vec![("uid", text("arn:x")), ("type", text("T"))]), &[1])),
            ("unmapped", Arc::new(unmapped.finish())),
        ]);
        let seen = seen(bytes, &Limits::default());
        assert_eq!(seen.defects, []);
        assert_eq!(
            seen.records[0].1,
            r#"{"userIdentity":{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::1:assumed-role/r/s","accountId":"111122223333","sessionContext":{"attributes":{"creationDate":"2026-01-15T10:00:00Z"},"sessionIssuer":{"arn":"arn:aws:iam::1:role/r"}}},"eventTime":"2026-01-15T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"Put","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.7","errorCode":"AccessDenied","requestParameters":{"a":1},"requestID":"r","eventID":"id","readOnly":true,"resources":[{"type":"T","ARN":"arn:x"}],"eventType":"AwsApiCall","eventCategory":"Management","odd":"1"}"#
        );
    }

    #[test]
    fn a_row_beyond_the_limit_is_one_defect() {
        let long = "x".repeat(100);
        let bytes = file(vec![("eventid", texts(&[Some("a"), Some(&long), Some("c")]))]);
        let seen = seen(bytes, &Limits { record_bytes_max: 50, ..Limits::default() });
        assert_eq!(seen.records.len(), 2);
        assert_eq!(seen.defects, [(DefectKind::RecordTooLarge, 1)]);
    }

    #[test]
    fn a_damaged_file_is_a_defect_and_never_a_panic() {
        let whole = athena();
        for cut in 0..whole.len() {
            let seen = seen(whole[..cut].to_vec(), &Limits::default());
            assert_eq!((seen.records.len(), seen.defects.len()), (0, 1), "cut at {cut}");
        }
        for at in 4..whole.len() - 4 {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let seen = seen(bytes, &Limits::default());
                assert!(seen.records.len() <= 2 && seen.defects.len() <= 2, "byte {at} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn a_table_of_something_else_is_one_defect() {
        let seen = seen(file(vec![("name", texts(&[Some("a")]))]), &Limits::default());
        assert_eq!((seen.records.len(), seen.defects), (0, vec![(DefectKind::NotAnEvent, 0)]));
    }
}
