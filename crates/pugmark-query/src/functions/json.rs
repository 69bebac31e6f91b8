//! Functions on JSON text.
//!
//! JSON has no type of its own here: `requestparameters` and its like are the
//! text as delivered, and what these functions take out of it is compact JSON
//! text again. So `json_parse` and `json_format` only check and tidy.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};

use super::json_text::{Path, compact, item, items, scalar_of, size, text_of};
use super::{Arguments, Compiled, Function, gives_flag, gives_number, gives_text, map_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "json_extract", arity: (2, 2), returns: gives_text, run: extract },
    Function { name: "json_extract_scalar", arity: (2, 2), returns: gives_text, run: extract_scalar },
    Function { name: "json_parse", arity: (1, 1), returns: gives_text, run: parse },
    Function { name: "json_format", arity: (1, 1), returns: gives_text, run: parse },
    Function { name: "json_array_get", arity: (2, 2), returns: gives_text, run: array_get },
    Function { name: "json_array_length", arity: (1, 1), returns: gives_number, run: array_length },
    Function { name: "json_array_contains", arity: (2, 2), returns: gives_flag, run: array_contains },
    Function { name: "json_size", arity: (2, 2), returns: gives_number, run: size_at },
    Function { name: "json_scalar", arity: (1, 1), returns: gives_text, run: scalar },
    Function { name: "json_to_json_array", arity: (1, 1), returns: gives_texts, run: to_json_array },
    Function { name: "json_to_text_array", arity: (1, 1), returns: gives_texts, run: to_text_array },
];

#[expect(clippy::unnecessary_wraps, reason = "it stands in tables of fallible functions")]
pub(super) fn gives_texts(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))))
}

fn path(text: &str) -> Result<Path> {
    let Some(path) = Path::parse(text) else {
        return exec_err!("`{text}` is no JSON path of ours: write `$.name`, `$[0]` or `$[\"name\"]`");
    };
    Ok(path)
}

fn paths(arguments: &Arguments) -> Result<Compiled<Path>> {
    Ok(Compiled::new(arguments.text(1)?, path))
}

fn extract(arguments: &Arguments) -> Result<ArrayRef> {
    let mut paths = paths(arguments)?;
    map_text(arguments, |row, json| {
        let path = paths.get(row)?;
        Ok(path.and_then(|path| path.find(json)).map(|value| compact(value).into_owned()))
    })
}

fn extract_scalar(arguments: &Arguments) -> Result<ArrayRef> {
    let mut paths = paths(arguments)?;
    map_text(arguments, |row, json| {
        let value = paths.get(row)?.and_then(|path| path.find(json));
        Ok(value.and_then(scalar_of).map(std::borrow::Cow::into_owned))
    })
}

fn parse(arguments: &Arguments) -> Result<ArrayRef> {
    let whole = path("$")?;
    map_text(arguments, |_, json| Ok(whole.find(json).map(|value| compact(value).into_owned())))
}

/// What `CAST(json AS VARCHAR)` gives: the text of a scalar.
fn scalar(arguments: &Arguments) -> Result<ArrayRef> {
    map_text(arguments, |_, json| Ok(text_of(json).map(std::borrow::Cow::into_owned)))
}

fn array_get(arguments: &Arguments) -> Result<ArrayRef> {
    let places = arguments.numbers(1)?;
    map_text(arguments, |row, json| {
        if datafusion::arrow::array::Array::is_null(&places, row) {
            return Ok(None);
        }
        let place = places.value(row);
        let place = match usize::try_from(place) {
            Ok(place) => Some(place),
            // From the end: -1 is the last one.
            Err(_) => size(json).and_then(|size| size.checked_sub(place.unsigned_abs() as usize)),
        };
        Ok(place.and_then(|place| item(json, place)).map(|value| compact(value).into_owned()))
    })
}

fn array_length(arguments: &Arguments) -> Result<ArrayRef> {
    let texts = arguments.text(0)?;
    let length = |row| {
        let json: &str = texts.get(row)?;
        json.trim_start().starts_with('[').then(|| size(json)).flatten()
    };
    let lengths = (0..arguments.rows).map(|row| length(row).map(|length| length as i64));
    Ok(Arc::new(lengths.collect::<Int64Array>()))
}

fn array_contains(arguments: &Arguments) -> Result<ArrayRef> {
    let (texts, wanted) = (arguments.text(0)?, arguments.text(1)?);
    let has = |row| {
        let (items, wanted) = (items(texts.get(row)?)?, wanted.get(row)?);
        Some(items.into_iter().any(|item| scalar_of(item).is_some_and(|text| text == wanted)))
    };
    Ok(Arc::new((0..arguments.rows).map(has).collect::<BooleanArray>()))
}

/// Members or items of the value at a path; nothing counts in a scalar.
fn size_at(arguments: &Arguments) -> Result<ArrayRef> {
    let texts = arguments.text(0)?;
    let mut paths = paths(arguments)?;
    let mut sizes = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let path = paths.get(row)?;
        let value = texts.get(row).zip(path).and_then(|(json, path)| path.find(json));
        sizes.push(value.map(|value| size(value).unwrap_or(0) as i64));
    }
    Ok(Arc::new(Int64Array::from(sizes)))
}

fn to_json_array(arguments: &Arguments) -> Result<ArrayRef> {
    to_array(arguments, |value| (value != "null").then(|| compact(value)))
}

fn to_text_array(arguments: &Arguments) -> Result<ArrayRef> {
    to_array(arguments, text_of)
}

fn to_array(
    arguments: &Arguments,
    text: impl Fn(&str) -> Option<std::borrow::Cow<'_, str>>,
) -> Result<ArrayRef> {
    let texts = arguments.text(0)?;
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..arguments.rows {
        match texts.get(row).and_then(items) {
            Some(items) => {
                for item in items {
                    lists.values().append_option(text(item));
                }
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}
