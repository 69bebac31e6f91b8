//! The two shapes that one table of events is offered in.
//!
//! `events` has the columns of CloudTrail Lake, typed, and `eventjson`.
//! `cloudtrail_logs` has those of the Athena table: instants and truth values
//! are text as CloudTrail wrote them, `addendum` is a struct, and the
//! partition columns that people declare (`timestamp`, `year`, `month`, `day`)
//! are there. Both read the same records.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, StringViewBuilder, StructArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use pugmark_event::{Column, EventBatch, Leaf, Projection, format_time};

use crate::functions::json_text::{member, text_of};

/// A shape of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// `events`.
    Lake,
    /// `cloudtrail_logs`.
    Athena,
}

/// Columns of the Athena table, then what its partitions and our files add.
const ATHENA: [&str; 37] = [
    "eventversion",
    "useridentity",
    "eventtime",
    "eventsource",
    "eventname",
    "awsregion",
    "sourceipaddress",
    "useragent",
    "errorcode",
    "errormessage",
    "requestparameters",
    "responseelements",
    "additionaleventdata",
    "requestid",
    "eventid",
    "readonly",
    "resources",
    "eventtype",
    "apiversion",
    "recipientaccountid",
    "serviceeventdetails",
    "sharedeventid",
    "vpcendpointid",
    "vpcendpointaccountid",
    "eventcategory",
    "addendum",
    "sessioncredentialfromconsole",
    "edgedevicedetails",
    "tlsdetails",
    "account",
    "region",
    "timestamp",
    "year",
    "month",
    "day",
    "source_object",
    "source_offset",
];

const ADDENDUM: [&str; 4] = ["reason", "updatedFields", "originalRequestID", "originalEventID"];

impl Shape {
    /// Every column of the shape.
    pub(crate) fn schema(self) -> SchemaRef {
        static LAKE: OnceLock<SchemaRef> = OnceLock::new();
        static LOGS: OnceLock<SchemaRef> = OnceLock::new();
        let schema = match self {
            Shape::Lake => LAKE.get_or_init(|| {
                let mut fields: Vec<Field> = Column::all().iter().map(|column| column.arrow()).collect();
                fields.push(Field::new("eventjson", DataType::Utf8View, true));
                Arc::new(Schema::new(fields))
            }),
            Shape::Athena => LOGS.get_or_init(|| {
                let fields = ATHENA.iter().map(|name| Field::new(*name, athena_type(name), true));
                Arc::new(Schema::new(fields.collect::<Vec<_>>()))
            }),
        };
        Arc::clone(schema)
    }

    /// The leaves that column `name` is made of.
    pub(crate) fn leaves(self, name: &str) -> Projection {
        match (self, name) {
            (Shape::Lake, "eventjson") => Projection::NONE.with(Leaf::Raw),
            (Shape::Athena, "timestamp" | "year" | "month" | "day") => Projection::NONE.with(Leaf::PathDay),
            _ => Column::find(name).map_or(Projection::NONE, Projection::column),
        }
    }

    /// The columns of `schema`, which are columns of this shape, out of a decoded batch.
    pub(crate) fn columns(self, events: &EventBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let rows = events.rows();
        let mut arrays = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let array = match self {
                Shape::Lake => lake_array(events, field.name()),
                Shape::Athena => athena_array(events, field.name())?,
            };
            arrays.push(array.unwrap_or_else(|| new_null_array(field.data_type(), rows)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
    }
}

fn lake_array(events: &EventBatch, name: &str) -> Option<ArrayRef> {
    let name = if name == "eventjson" { "raw" } else { name };
    events.record_batch().column_by_name(name).map(Arc::clone)
}

fn athena_type(name: &str) -> DataType {
    match name {
        "timestamp" | "year" | "month" | "day" => DataType::Utf8View,
        "addendum" => DataType::Struct(addendum_fields()),
        _ => Column::find(name).map_or(DataType::Utf8View, |column| as_text(column.arrow().data_type())),
    }
}

fn addendum_fields() -> Fields {
    ADDENDUM.iter().map(|name| Field::new(name.to_ascii_lowercase(), DataType::Utf8View, true)).collect()
}

/// The type with text in the place of instants and truth values.
fn as_text(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(_, _) | DataType::Boolean => DataType::Utf8View,
        DataType::Struct(members) => DataType::Struct(
            members
                .iter()
                .map(|member| Field::new(member.name(), as_text(member.data_type()), true))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn athena_array(events: &EventBatch, name: &str) -> Result<Option<ArrayRef>, ArrowError> {
    let Some(part) = part_of_day(name) else {
        let column = events.record_batch().column_by_name(name);
        let shaped = |array| if name == "addendum" { Ok(addendum(array)) } else { text_array(array) };
        return column.map(shaped).transpose();
    };
    let days = events.days(Leaf::PathDay);
    Ok(days.map(|days| day_texts(&days, part)))
}

/// The partition columns that are made of days.
pub(crate) fn day_columns(days: &Date32Array) -> Vec<(&'static str, ArrayRef)> {
    ["timestamp", "year", "month", "day"]
        .into_iter()
        .filter_map(|name| Some((name, day_texts(days, part_of_day(name)?))))
        .collect()
}

/// How a column is cut out of `2026-01-15`.
fn part_of_day(column: &str) -> Option<fn(&str) -> String> {
    match column {
        "timestamp" => Some(|day| day.replace('-', "/")),
        "year" => Some(|day| day[..4].to_owned()),
        "month" => Some(|day| day[5..7].to_owned()),
        "day" => Some(|day| day[8..10].to_owned()),
        _ => None,
    }
}

fn day_texts(days: &Date32Array, part: fn(&str) -> String) -> ArrayRef {
    let mut texts = StringViewBuilder::with_capacity(days.len());
    // Rows of one file share their day.
    let mut known: Option<(i32, String)> = None;
    for day in days {
        if let Some(day) = day
            && known.as_ref().is_none_or(|(of, _)| *of != day)
        {
            let date = format_time(i64::from(day) * 86_400_000_000);
            known = Some((day, part(&date[..10])));
        }
        texts.append_option(day.and(known.as_ref().map(|(_, text)| text.as_str())));
    }
    Arc::new(texts.finish())
}

fn text_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let mut texts = StringViewBuilder::with_capacity(array.len());
            for time in array.as_primitive::<TimestampMicrosecondType>() {
                texts.append_option(time.map(format_time));
            }
            Arc::new(texts.finish())
        }
        DataType::Boolean => cast(array, &DataType::Utf8View)?,
        DataType::Struct(_) => {
            let DataType::Struct(fields) = as_text(array.data_type()) else { return Ok(Arc::clone(array)) };
            let group = array.as_struct();
            let arrays = group.columns().iter().map(text_array).collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields, arrays, group.nulls().cloned(), array.len())?)
        }
        _ => Arc::clone(array),
    })
}

/// `{"reason": …}` as a struct.
fn addendum(array: &ArrayRef) -> ArrayRef {
    let texts = array.as_string_view();
    let arrays = ADDENDUM.iter().map(|name| {
        let mut values = StringViewBuilder::with_capacity(texts.len());
        for json in texts {
            values.append_option(json.and_then(|json| member(json, name)).and_then(text_of));
        }
        Arc::new(values.finish()) as ArrayRef
    });
    Arc::new(StructArray::new(addendum_fields(), arrays.collect(), texts.nulls().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_athena_column_is_made_of_something() {
        for field in Shape::Athena.schema().fields() {
            assert_ne!(Shape::Athena.leaves(field.name()), Projection::NONE, "{}", field.name());
        }
    }
}
