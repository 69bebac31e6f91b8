//! Functions on arrays and maps, where a map is a JSON object's text.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, ListBuilder, StringViewBuilder, StructArray, UInt32Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, plan_err};

use super::json::gives_texts;
use super::json_text::{entries, items, member, size, text_of};
use super::{Arguments, Function, TextColumn, gives_number, is_text, list_item, map_text, no_such_argument};

pub(super) const ELEMENT_AT: Function =
    Function { name: "element_at", arity: (2, 2), returns: element_type, run: element_at };

pub(super) const FUNCTIONS: &[Function] = &[
    ELEMENT_AT,
    Function { name: "cardinality", arity: (1, 1), returns: gives_number, run: cardinality },
    Function { name: "map_keys", arity: (1, 1), returns: gives_texts, run: map_keys },
    Function { name: "map_values", arity: (1, 1), returns: gives_texts, run: map_values },
    Function { name: "unnest_items", arity: (1, 1), returns: items_type, run: unnest_items },
    Function { name: "unnest_outer", arity: (1, 1), returns: list_type, run: unnest_outer },
];

fn element_type(types: &[DataType]) -> Result<DataType> {
    match &types[0] {
        text if is_text(text) => Ok(DataType::Utf8View),
        DataType::Null => Ok(DataType::Utf8View),
        other => {
            let Some(item) = list_item(other) else {
                return plan_err!(
                    "takes a map (JSON text) and a key, or an array and a position, not {other}"
                );
            };
            Ok(item.clone())
        }
    }
}

fn element_at(arguments: &Arguments) -> Result<ArrayRef> {
    let array = arguments.array(0)?;
    if list_item(array.data_type()).is_some() {
        return element_of_list(arguments);
    }
    let keys = arguments.text(1)?;
    map_text(arguments, |row, json| {
        let key = keys.get(row);
        Ok(key.and_then(|key| member(json, key)).and_then(text_of).map(std::borrow::Cow::into_owned))
    })
}

/// Positions count from 1, or from the end below 0.
fn element_of_list(arguments: &Arguments) -> Result<ArrayRef> {
    let lists = as_list(&arguments.array(0)?)?;
    let places = arguments.numbers(1)?;
    let place = |row: usize| -> Option<u32> {
        if lists.is_null(row) || places.is_null(row) {
            return None;
        }
        let (start, length) = (lists.value_offsets()[row], i64::from(lists.value_length(row)));
        let place = places.value(row);
        let place = if place < 0 { length + place } else { place - 1 };
        (0..length).contains(&place).then(|| start as u32 + place as u32)
    };
    let places: UInt32Array = (0..arguments.rows).map(place).collect();
    Ok(take(lists.values(), &places, None)?)
}

fn as_list(array: &ArrayRef) -> Result<ListArray> {
    let Some(item) = list_item(array.data_type()) else {
        return no_such_argument("an array function", array.data_type());
    };
    let list = DataType::List(Arc::new(Field::new_list_field(item.clone(), true)));
    Ok(cast(array, &list)?.as_list::<i32>().clone())
}

fn cardinality(arguments: &Arguments) -> Result<ArrayRef> {
    let array = arguments.array(0)?;
    if list_item(array.data_type()).is_some() {
        let lists = as_list(&array)?;
        let length = |row| lists.is_valid(row).then(|| i64::from(lists.value_length(row)));
        return Ok(Arc::new((0..arguments.rows).map(length).collect::<Int64Array>()));
    }
    let texts = arguments.text(0)?;
    let count = |row| texts.get(row).and_then(size).map(|size| size as i64);
    Ok(Arc::new((0..arguments.rows).map(count).collect::<Int64Array>()))
}

fn map_keys(arguments: &Arguments) -> Result<ArrayRef> {
    lists_of(arguments, |json, list| {
        for (key, _) in entries(json)? {
            list.append_value(key);
        }
        Some(())
    })
}

fn map_values(arguments: &Arguments) -> Result<ArrayRef> {
    lists_of(arguments, |json, list| {
        for (_, value) in entries(json)? {
            list.append_option(text_of(value));
        }
        Some(())
    })
}

fn lists_of(
    arguments: &Arguments,
    fill: impl Fn(&str, &mut StringViewBuilder) -> Option<()>,
) -> Result<ArrayRef> {
    let texts = arguments.text(0)?;
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..arguments.rows {
        let filled = texts.get(row).and_then(|json| fill(json, lists.values()));
        lists.append(filled.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn items_type(types: &[DataType]) -> Result<DataType> {
    let fields = match list_item(&types[0]) {
        Some(DataType::Struct(members)) => renamed(members),
        None if is_text(&types[0]) => entry_fields(),
        _ => return plan_err!("only an array of structs or a map unnests into several columns"),
    };
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields), true))))
}

fn renamed(members: &Fields) -> Fields {
    members
        .iter()
        .enumerate()
        .map(|(place, member)| Field::new(format!("c{place}"), member.data_type().clone(), true))
        .collect()
}

fn entry_fields() -> Fields {
    Fields::from(vec![Field::new("c0", DataType::Utf8View, true), Field::new("c1", DataType::Utf8View, true)])
}

/// An array of structs with members `c0`, `c1`…: those of the structs, or key
/// and value of a map's entries. What `UNNEST(x) AS t(a, b)` is rewritten to.
fn unnest_items(arguments: &Arguments) -> Result<ArrayRef> {
    let array = arguments.array(0)?;
    if let Some(DataType::Struct(members)) = list_item(array.data_type()) {
        let fields = renamed(members);
        let lists = as_list(&array)?;
        let structs = lists.values().as_struct();
        let (_, columns, nulls) = structs.clone().into_parts();
        let values = StructArray::try_new(fields.clone(), columns, nulls)?;
        let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
        return Ok(Arc::new(ListArray::try_new(
            item,
            lists.offsets().clone(),
            Arc::new(values),
            lists.nulls().cloned(),
        )?));
    }
    let texts = arguments.text(0)?;
    let (mut keys, mut values) = (TextColumn::new(arguments.rows), TextColumn::new(arguments.rows));
    let mut lengths = Vec::with_capacity(arguments.rows);
    let mut valid = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let found = texts.get(row).and_then(entries_or_items);
        valid.push(found.is_some());
        let found = found.unwrap_or_default();
        lengths.push(found.len());
        for (key, value) in found {
            keys.push(Some(&key))?;
            values.push(text_of(value).as_deref())?;
        }
    }
    let structs = StructArray::try_new(entry_fields(), vec![keys.finish(), values.finish()], None)?;
    let item = Arc::new(Field::new_list_field(DataType::Struct(entry_fields()), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item, offsets, Arc::new(structs), Some(NullBuffer::from(valid)))?))
}

fn list_type(types: &[DataType]) -> Result<DataType> {
    let Some(item) = list_item(&types[0]) else {
        return plan_err!("only an array unnests, not {}", types[0]);
    };
    Ok(DataType::List(Arc::new(Field::new_list_field(item.clone(), true))))
}

/// The array, with one null item where there is none: what a LEFT JOIN keeps.
fn unnest_outer(arguments: &Arguments) -> Result<ArrayRef> {
    let lists = as_list(&arguments.array(0)?)?;
    let mut places: Vec<Option<u32>> = Vec::with_capacity(lists.values().len());
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let start = places.len();
        if lists.is_valid(row) {
            let (from, to) = (lists.value_offsets()[row] as u32, lists.value_offsets()[row + 1] as u32);
            places.extend((from..to).map(Some));
        }
        if places.len() == start {
            places.push(None);
        }
        lengths.push(places.len() - start);
    }
    let values = take(lists.values(), &UInt32Array::from(places), None)?;
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, None)?))
}

type Entry<'a> = (std::borrow::Cow<'a, str>, &'a str);

/// Members of an object, or items of an array under their positions from 1.
fn entries_or_items(json: &str) -> Option<Vec<Entry<'_>>> {
    entries(json).or_else(|| {
        let numbered = items(json)?.into_iter().enumerate();
        Some(numbered.map(|(place, value)| ((place + 1).to_string().into(), value)).collect())
    })
}
