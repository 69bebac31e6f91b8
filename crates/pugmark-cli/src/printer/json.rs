//! Arrow values as JSON.
//!
//! Keys of event columns are `CloudTrail`'s own member names; JSON columns
//! stay nested as delivered. Strings escape, beyond what JSON asks for, all
//! that could drive a terminal: the value is the same, the bytes are harmless.

use std::collections::HashMap;
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pugmark_event::{FIELDS, Kind, Leaf, format_time};

use super::cell::is_forbidden;

/// Writes row `row` of `batch` as one object on one line. Null columns are left out.
pub(crate) fn row(batch: &RecordBatch, row: usize, out: &mut String) {
    out.push('{');
    let mut first = true;
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        member(field.name(), field.name(), column, row, &mut first, out);
    }
    out.push('}');
}

/// The text of one value, as it stands in a JSON document.
pub(crate) fn value_text(column: &ArrayRef, row: usize) -> String {
    let mut out = String::new();
    value("", column, row, &mut out);
    out
}

/// A JSON string.
pub(crate) fn string(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|byte| matches!(byte, 0x20..0x7f) && !matches!(byte, b'"' | b'\\')) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => push_harmless(c, out),
        }
    }
    out.push('"');
}

/// A value of our own making as a line of its own.
pub(crate) fn line(value: &serde_json::Value) -> String {
    let mut out = String::new();
    document(&value.to_string(), &mut out);
    out.push('\n');
    out
}

/// A JSON document on one line, each value as it was written; as a string if
/// it is no JSON.
pub(crate) fn document(text: &str, out: &mut String) {
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() {
        string(text, out);
        return;
    }
    // Runs are copied as they are; most of a record is one run.
    let bytes = text.as_bytes();
    let (mut start, mut at, mut in_string) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        let (length, kept) = match (in_string, byte) {
            // The character after a backslash is ASCII, since this is JSON.
            (true, b'\\') => (2, true),
            (true, 0x7f..) => {
                let c = text[at..].chars().next().unwrap_or('\u{7f}');
                (c.len_utf8(), !is_forbidden(c))
            }
            (_, b'"') => {
                in_string = !in_string;
                (1, true)
            }
            (false, b' ' | b'\n' | b'\r' | b'\t') => (1, false),
            _ => (1, true),
        };
        if !kept {
            out.push_str(&text[start..at]);
            if in_string {
                push_harmless(text[at..].chars().next().unwrap_or_default(), out);
            }
            start = at + length;
        }
        at += length;
    }
    out.push_str(&text[start..]);
}

fn push_harmless(c: char, out: &mut String) {
    if is_forbidden(c) {
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            put!(out, "\\u{unit:04x}");
        }
    } else {
        out.push(c);
    }
}

/// `path` is the dotted lower-case SQL path of the value in an event.
fn member(name: &str, path: &str, column: &ArrayRef, row: usize, first: &mut bool, out: &mut String) {
    if column.is_null(row) {
        return;
    }
    if !std::mem::take(first) {
        out.push(',');
    }
    string(spelling(path).unwrap_or(name), out);
    out.push(':');
    value(path, column, row, out);
}

fn value(path: &str, column: &ArrayRef, row: usize, out: &mut String) {
    if column.is_null(row) {
        out.push_str("null");
        return;
    }
    if let Some(text) = text(column, row) {
        if Leaf::find(path).is_some_and(|leaf| leaf.field().kind == Kind::Json) {
            document(text, out);
        } else {
            string(text, out);
        }
        return;
    }
    match column.data_type() {
        DataType::Boolean => out.push_str(if column.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Struct(_) => group(path, column.as_struct(), row, out),
        DataType::List(_) => list(path, &column.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => list(path, &column.as_list::<i64>().value(row), out),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row), out),
        DataType::Float32 => float(f64::from(column.as_primitive::<Float32Type>().value(row)), out),
        _ => match (integer(column, row), micros(column, row)) {
            (Some(number), _) => out.push_str(&number),
            (None, Some(time)) => string(&format_time(time), out),
            (None, None) => string(&display(column, row), out),
        },
    }
}

fn group(path: &str, group: &StructArray, row: usize, out: &mut String) {
    out.push('{');
    let mut first = true;
    for (field, column) in group.fields().iter().zip(group.columns()) {
        let path = format!("{path}.{}", field.name());
        member(field.name(), &path, column, row, &mut first, out);
    }
    out.push('}');
}

fn list(path: &str, items: &ArrayRef, out: &mut String) {
    let path = format!("{path}[]");
    out.push('[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(',');
        }
        value(&path, items, item, out);
    }
    out.push(']');
}

fn float(number: f64, out: &mut String) {
    if number.is_finite() {
        out.push_str(&number.to_string());
    } else {
        string(&number.to_string(), out);
    }
}

/// The text of a string column of any layout.
pub(crate) fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    match column.data_type() {
        DataType::Utf8View => Some(column.as_string_view().value(row)),
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row)),
        _ => None,
    }
}

/// The digits of a whole number.
pub(crate) fn integer(column: &ArrayRef, row: usize) -> Option<String> {
    Some(match column.data_type() {
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Decimal128(_, _) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        _ => return None,
    })
}

/// Microseconds since 1970 of an instant of any unit.
pub(crate) fn micros(column: &ArrayRef, row: usize) -> Option<i64> {
    let DataType::Timestamp(unit, _) = column.data_type() else {
        return None;
    };
    match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(row).checked_mul(1_000_000),
        TimeUnit::Millisecond => {
            column.as_primitive::<TimestampMillisecondType>().value(row).checked_mul(1_000)
        }
        TimeUnit::Microsecond => Some(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        TimeUnit::Nanosecond => {
            Some(column.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000))
        }
    }
}

/// What Arrow would show for a value of any other type.
pub(crate) fn display(column: &ArrayRef, row: usize) -> String {
    if let DataType::Date32 = column.data_type() {
        let day = i64::from(column.as_primitive::<Date32Type>().value(row));
        return format_time(day * 86_400_000_000)[..10].to_owned();
    }
    ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default())
        .map_or_else(|error| error.to_string(), |formatter| formatter.value(row).to_string())
}

/// `CloudTrail`'s spelling of the last segment of an event path.
fn spelling(path: &str) -> Option<&'static str> {
    static SPELLINGS: OnceLock<HashMap<String, &'static str>> = OnceLock::new();
    let spellings = SPELLINGS.get_or_init(|| {
        let mut spellings = HashMap::new();
        for field in FIELDS.iter().filter(|field| !field.member.is_empty()) {
            let mut path = String::new();
            for (segment, member) in field.name.split('.').zip(field.member.split('.')) {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(segment);
                let member = member.trim_end_matches("[]");
                spellings.insert(path.trim_end_matches("[]").to_owned(), member);
                spellings.insert(path.clone(), member);
            }
        }
        spellings
    });
    spellings.get(path).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array};
    use arrow::datatypes::{Field, Fields, Schema};

    use super::*;

    fn line(columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .expect("a batch");
        let mut out = String::new();
        row(&batch, 0, &mut out);
        out
    }

    #[test]
    fn keys_are_cloudtrails_own() {
        let name: ArrayRef = Arc::new(StringViewArray::from(vec!["Admin"]));
        let issuer = Fields::from(vec![Field::new("username", DataType::Utf8View, true)]);
        let issuer: ArrayRef = Arc::new(StructArray::new(issuer, vec![name], None));
        let context = Fields::from(vec![Field::new("sessionissuer", issuer.data_type().clone(), true)]);
        let context: ArrayRef = Arc::new(StructArray::new(context, vec![issuer], None));
        let identity = Fields::from(vec![Field::new("sessioncontext", context.data_type().clone(), true)]);
        let identity: ArrayRef = Arc::new(StructArray::new(identity, vec![context], None));
        let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"));
        let address: ArrayRef = Arc::new(StringViewArray::from(vec!["10.0.0.1"]));
        let lines = line(vec![
            ("useridentity", identity),
            ("eventtime", time),
            ("sourceipaddress", address),
            ("n", Arc::new(UInt64Array::from(vec![7]))),
        ]);
        assert_eq!(
            lines,
            r#"{"userIdentity":{"sessionContext":{"sessionIssuer":{"userName":"Admin"}}},"eventTime":"1970-01-01T00:00:00Z","sourceIPAddress":"10.0.0.1","n":7}"#
        );
        let _schema: Arc<Schema> = pugmark_event::schema();
    }

    #[test]
    fn json_columns_stay_nested_and_lie_on_one_line() {
        let delivered: ArrayRef = Arc::new(StringArray::from(vec!["{ \"a b\" :\n [1.50, \"x \\\" y\"]}"]));
        assert_eq!(
            line(vec![("requestparameters", Arc::clone(&delivered))]),
            r#"{"requestParameters":{"a b":[1.50,"x \" y"]}}"#
        );
        let broken: ArrayRef = Arc::new(StringArray::from(vec!["{oops"]));
        assert_eq!(line(vec![("requestparameters", broken)]), r#"{"requestParameters":"{oops"}"#);
    }

    #[test]
    fn control_characters_leave_as_escapes() {
        let hostile: ArrayRef = Arc::new(StringArray::from(vec!["\x1b[2J\u{9b}\u{202e}\u{e0041}\"\\\n"]));
        assert_eq!(
            line(vec![("useragent", hostile)]),
            r#"{"userAgent":"\u001b[2J\u009b\u202e\udb40\udc41\"\\\n"}"#
        );
        let delivered: ArrayRef = Arc::new(StringArray::from(vec!["{\"a\":\"\u{9b}2J\"}"]));
        assert_eq!(line(vec![("raw", delivered)]), r#"{"raw":{"a":"\u009b2J"}}"#);
    }

    proptest::proptest! {
        #[test]
        fn a_document_keeps_its_value_and_loses_its_dangers(text in "\\PC*[\u{1b}\u{9b}\u{202e}\\\\\"]{0,3}\\PC*") {
            let value = serde_json::json!({ "a b": [text, 1.5, null], "c": { "d": "x y" } });
            for document_text in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
                let mut out = String::new();
                document(&document_text, &mut out);
                proptest::prop_assert!(!out.chars().any(is_forbidden));
                let back: serde_json::Value = serde_json::from_str(&out).expect("JSON");
                proptest::prop_assert_eq!(back, value.clone());
            }
        }
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_a_string() {
        let odd: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
        assert_eq!(line(vec![("x", odd)]), r#"{"x":"NaN"}"#);
    }
}
