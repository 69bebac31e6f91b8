//! Values of an answer as the Lake writes them: everything is text.
//!
//! Instants are `2026-01-15 10:00:00.000`, structs `{a=1, b=2}`, lists
//! `[1, 2]`. Source: AWS CloudTrail API Reference, `GetQueryResults`.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pugmark_event::format_time;
use serde_json::{Map, Value};

/// The rows of a batch, each a list of maps with one entry: column and text.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Value>, ArrowError> {
    let names = names(batch);
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let mut cells = Vec::with_capacity(names.len());
        for (name, column) in names.iter().zip(batch.columns()) {
            let mut cell = Map::new();
            let text = text(column, row)?;
            cell.insert(name.clone(), text.map_or(Value::Null, Value::String));
            cells.push(Value::Object(cell));
        }
        rows.push(Value::Array(cells));
    }
    Ok(rows)
}

/// Column names; one that is no word was an expression without a name.
pub(crate) fn names(batch: &RecordBatch) -> Vec<String> {
    let is_word = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$. ".contains(&byte))
    };
    let fields = batch.schema_ref().fields().iter().enumerate();
    fields
        .map(|(place, field)| match field.name() {
            name if is_word(name) => name.clone(),
            _ => format!("_col{place}"),
        })
        .collect()
}

/// One value; `None` for SQL's null.
pub(crate) fn text(array: &dyn Array, row: usize) -> Result<Option<String>, ArrowError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let text = match array.data_type() {
        DataType::Timestamp(unit, _) => instant(microseconds(array, *unit, row)),
        DataType::Struct(_) => group(array, row)?,
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref())?,
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref())?,
        DataType::Map(_, _) => map(array, row)?,
        _ => {
            let options = FormatOptions::default();
            ArrayFormatter::try_new(array, &options)?.value(row).try_to_string()?
        }
    };
    Ok(Some(text))
}

fn microseconds(array: &dyn Array, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000)
        }
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000),
    }
}

/// `2026-01-15 10:00:00.000`
fn instant(time: i64) -> String {
    let millis = time.div_euclid(1_000).rem_euclid(1_000);
    let whole = format_time(time.div_euclid(1_000_000) * 1_000_000);
    format!("{}.{millis:03}", whole.trim_end_matches('Z').replace('T', " "))
}

fn group(array: &dyn Array, row: usize) -> Result<String, ArrowError> {
    let group = array.as_struct();
    let mut out = String::from("{");
    for (place, (field, column)) in group.fields().iter().zip(group.columns()).enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let value = text(column, row)?.unwrap_or_else(null);
        // Writing to a `String` cannot fail.
        let _written = write!(out, "{comma}{}={value}", field.name());
    }
    out.push('}');
    Ok(out)
}

fn list(values: &dyn Array) -> Result<String, ArrowError> {
    let texts = (0..values.len()).map(|row| Ok(text(values, row)?.unwrap_or_else(null)));
    Ok(format!("[{}]", texts.collect::<Result<Vec<_>, ArrowError>>()?.join(", ")))
}

fn map(array: &dyn Array, row: usize) -> Result<String, ArrowError> {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let pair = |row| {
        let key = text(keys, row)?.unwrap_or_else(null);
        Ok(format!("{key}={}", text(values, row)?.unwrap_or_else(null)))
    };
    Ok(format!("{{{}}}", (0..entries.len()).map(pair).collect::<Result<Vec<_>, ArrowError>>()?.join(", ")))
}

fn null() -> String {
    "null".to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Int64Array, StringArray, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;
    use serde_json::json;

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn everything_is_text_in_the_order_of_the_columns() {
        let times = TimestampMicrosecondArray::from(vec![1_768_471_200_000_000]).with_timezone("UTC");
        let batch = batch(vec![
            ("eventname", Arc::new(StringArray::from(vec!["CreateCluster"]))),
            ("eventtime", Arc::new(times)),
            ("count(*)", Arc::new(Int64Array::from(vec![3]))),
            ("readonly", Arc::new(BooleanArray::from(vec![Some(true)]))),
        ]);
        assert_eq!(
            rows(&batch).unwrap(),
            [json!([
                {"eventname": "CreateCluster"},
                {"eventtime": "2026-01-15 10:00:00.000"},
                {"_col2": "3"},
                {"readonly": "true"}
            ])]
        );
    }

    #[test]
    fn null_is_no_text() {
        let batch = batch(vec![("errorcode", Arc::new(StringArray::from(vec![None::<&str>])))]);
        assert_eq!(rows(&batch).unwrap(), [json!([{"errorcode": null}])]);
    }

    #[test]
    fn structs_print_their_members() {
        let members: Vec<(Arc<Field>, ArrayRef)> = vec![
            (Arc::new(Field::new("a", DataType::Int64, true)), Arc::new(Int64Array::from(vec![1]))),
            (
                Arc::new(Field::new("b", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec![None::<&str>])),
            ),
        ];
        assert_eq!(text(&StructArray::from(members), 0).unwrap().unwrap(), "{a=1, b=null}");
    }

    #[test]
    fn milliseconds_are_kept() {
        assert_eq!(instant(1_768_471_200_123_456), "2026-01-15 10:00:00.123");
    }
}
