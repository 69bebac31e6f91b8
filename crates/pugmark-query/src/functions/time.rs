//! Functions on instants and days. All of them reckon in UTC.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, IntervalMonthDayNanoArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{cast, kernels::numeric};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNano, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};
use pugmark_event::{format_time, parse_time};

use super::calendar::{Civil, DAY_US, SECOND_US};
use super::pattern::Pattern;
use super::{Arguments, Compiled, Function, TextColumn, gives_number, gives_text, is_text};

macro_rules! fields {
    ($( $($name:literal)|+ => $field:expr; )*) => {
        &[ $( $( Function {
            name: $name, arity: (1, 1), returns: gives_number,
            run: |arguments| field(arguments, $field),
        }, )+ )*
        Function { name: "date", arity: (1, 1), returns: gives_day, run: date },
        Function { name: "from_iso8601_date", arity: (1, 1), returns: gives_day, run: date },
        Function { name: "from_iso8601_timestamp", arity: (1, 1), returns: gives_instant, run: instant },
        Function { name: "from_unixtime", arity: (1, 1), returns: gives_instant, run: from_unixtime },
        Function { name: "to_iso8601", arity: (1, 1), returns: gives_text, run: to_iso8601 },
        Function { name: "date_parse", arity: (2, 2), returns: gives_instant, run: date_parse },
        Function { name: "parse_datetime", arity: (2, 2), returns: gives_instant, run: parse_datetime },
        Function { name: "date_format", arity: (2, 2), returns: gives_text, run: date_format },
        Function { name: "format_datetime", arity: (2, 2), returns: gives_text, run: format_datetime },
        Function { name: "date_add", arity: (3, 3), returns: sum_type, run: date_add },
        Function { name: "date_diff", arity: (3, 3), returns: gives_number, run: date_diff },
        ]
    };
}

pub(super) const FUNCTIONS: &[Function] = fields! {
    "year" => |civil| i64::from(civil.year);
    "quarter" => |civil| i64::from(civil.month.div_ceil(3));
    "month" => |civil| i64::from(civil.month);
    "week" | "week_of_year" => |civil| i64::from(civil.week());
    "day" | "day_of_month" => |civil| i64::from(civil.day);
    "day_of_week" | "dow" => |civil| i64::from(civil.day_of_week());
    "day_of_year" | "doy" => |civil| i64::from(civil.day_of_year());
    "hour" => |civil| i64::from(civil.hour);
    "minute" => |civil| i64::from(civil.minute);
    "second" => |civil| i64::from(civil.second);
    "millisecond" => |civil| i64::from(civil.micros / 1_000);
};

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn gives_instant(types: &[DataType]) -> Result<DataType> {
    match &types[0] {
        DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 | DataType::Null => Ok(utc()),
        text if is_text(text) => Ok(utc()),
        number if number.is_numeric() => Ok(utc()),
        other => plan_err!("takes an instant or its text, not {other}"),
    }
}

fn gives_day(types: &[DataType]) -> Result<DataType> {
    gives_instant(types).map(|_| DataType::Date32)
}

/// Argument `index` as microseconds since 1970; text that is no instant is null.
fn instants(arguments: &Arguments, index: usize) -> Result<Int64Array> {
    let array = arguments.array(index)?;
    if is_text(array.data_type()) {
        let texts = arguments.text(index)?;
        return Ok((0..arguments.rows)
            .map(|row| texts.get(row).and_then(|text| parse_time(text.as_bytes())))
            .collect());
    }
    let instants = cast(&cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None))?, &utc())?;
    let instants = match array.data_type() {
        DataType::Timestamp(_, Some(_)) => cast(&array, &utc())?,
        _ => instants,
    };
    Ok(instants.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
}

fn as_instants(values: &Int64Array) -> ArrayRef {
    let values: TimestampMicrosecondArray = values.reinterpret_cast();
    Arc::new(values.with_timezone("UTC"))
}

fn field(arguments: &Arguments, of: fn(Civil) -> i64) -> Result<ArrayRef> {
    let instants = instants(arguments, 0)?;
    Ok(Arc::new(instants.unary::<_, datafusion::arrow::datatypes::Int64Type>(|time| of(Civil::of(time)))))
}

fn date(arguments: &Arguments) -> Result<ArrayRef> {
    let instants = instants(arguments, 0)?;
    let days: Date32Array = instants.unary::<_, Date32Type>(|time| time.div_euclid(DAY_US) as i32);
    Ok(Arc::new(days))
}

fn instant(arguments: &Arguments) -> Result<ArrayRef> {
    Ok(as_instants(&instants(arguments, 0)?))
}

fn from_unixtime(arguments: &Arguments) -> Result<ArrayRef> {
    let seconds = cast(&arguments.array(0)?, &DataType::Float64)?;
    let seconds = seconds.as_primitive::<datafusion::arrow::datatypes::Float64Type>();
    let micros = seconds
        .unary::<_, datafusion::arrow::datatypes::Int64Type>(|second| (second * SECOND_US as f64) as i64);
    Ok(as_instants(&micros))
}

fn to_iso8601(arguments: &Arguments) -> Result<ArrayRef> {
    let instants = instants(arguments, 0)?;
    let is_day = matches!(arguments.array(0)?.data_type(), DataType::Date32);
    let mut column = TextColumn::new(arguments.rows);
    for time in &instants {
        let text = time.map(|time| {
            let mut text = format_time(time);
            if is_day {
                text.truncate(10);
            }
            text
        });
        column.push(text.as_deref())?;
    }
    Ok(column.finish())
}

fn date_parse(arguments: &Arguments) -> Result<ArrayRef> {
    parse(arguments, Pattern::percent)
}

fn parse_datetime(arguments: &Arguments) -> Result<ArrayRef> {
    parse(arguments, Pattern::letters)
}

fn parse(arguments: &Arguments, make: fn(&str) -> Result<Pattern>) -> Result<ArrayRef> {
    let texts = arguments.text(0)?;
    let mut patterns = Compiled::new(arguments.text(1)?, make);
    let mut instants = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let pattern = patterns.get(row)?;
        instants.push(texts.get(row).zip(pattern).and_then(|(text, pattern)| pattern.parse(text)));
    }
    Ok(as_instants(&Int64Array::from(instants)))
}

fn date_format(arguments: &Arguments) -> Result<ArrayRef> {
    format(arguments, Pattern::percent)
}

fn format_datetime(arguments: &Arguments) -> Result<ArrayRef> {
    format(arguments, Pattern::letters)
}

fn format(arguments: &Arguments, make: fn(&str) -> Result<Pattern>) -> Result<ArrayRef> {
    let instants = instants(arguments, 0)?;
    let mut patterns = Compiled::new(arguments.text(1)?, make);
    let mut column = TextColumn::new(arguments.rows);
    for row in 0..arguments.rows {
        let pattern = patterns.get(row)?.filter(|_| instants.is_valid(row));
        column.push(pattern.map(|pattern| pattern.format(instants.value(row))).as_deref())?;
    }
    Ok(column.finish())
}

/// A unit of time by name.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Micros(i64),
}

fn unit(name: &str) -> Result<Unit> {
    Ok(match name.trim().to_ascii_lowercase().trim_end_matches('s') {
        "millisecond" => Unit::Micros(1_000),
        "second" => Unit::Micros(SECOND_US),
        "minute" => Unit::Micros(60 * SECOND_US),
        "hour" => Unit::Micros(3_600 * SECOND_US),
        "day" => Unit::Micros(DAY_US),
        "week" => Unit::Micros(7 * DAY_US),
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        _ => {
            return exec_err!(
                "`{name}` is no unit of time: write 'day', 'hour', 'minute', 'week' or 'month'"
            );
        }
    })
}

fn sum_type(types: &[DataType]) -> Result<DataType> {
    match &types[2] {
        DataType::Date32 => Ok(DataType::Date32),
        _ => gives_instant(&types[2..]),
    }
}

fn date_add(arguments: &Arguments) -> Result<ArrayRef> {
    let mut units = Compiled::new(arguments.text(0)?, unit);
    let counts = arguments.numbers(1)?;
    let mut steps = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let step = units.get(row)?.filter(|_| counts.is_valid(row)).map(|unit| match unit {
            Unit::Months(months) => {
                IntervalMonthDayNano::new(counts.value(row).saturating_mul(*months) as i32, 0, 0)
            }
            Unit::Micros(micros) => IntervalMonthDayNano::new(
                0,
                0,
                counts.value(row).saturating_mul(*micros).saturating_mul(1_000),
            ),
        });
        steps.push(step);
    }
    let sums = numeric::add(
        &as_instants(&instants(arguments, 2)?).as_primitive::<TimestampMicrosecondType>(),
        &IntervalMonthDayNanoArray::from(steps),
    )?;
    Ok(cast(&sums, &arguments.returns)?)
}

/// Whole units from the first instant to the second.
fn date_diff(arguments: &Arguments) -> Result<ArrayRef> {
    let mut units = Compiled::new(arguments.text(0)?, unit);
    let (from, to) = (instants(arguments, 1)?, instants(arguments, 2)?);
    let mut counts = Vec::with_capacity(arguments.rows);
    for row in 0..arguments.rows {
        let unit = units.get(row)?.filter(|_| from.is_valid(row) && to.is_valid(row));
        counts.push(unit.map(|unit| match unit {
            Unit::Micros(micros) => (to.value(row) - from.value(row)) / micros,
            Unit::Months(months) => months_between(from.value(row), to.value(row)) / months,
        }));
    }
    Ok(Arc::new(Int64Array::from(counts)))
}

fn months_between(from: i64, to: i64) -> i64 {
    if to < from {
        return -months_between(to, from);
    }
    let (first, last) = (Civil::of(from), Civil::of(to));
    let months = i64::from(last.year - first.year) * 12 + i64::from(last.month) - i64::from(first.month);
    let within = |civil: Civil, time: i64| (civil.day, time.rem_euclid(DAY_US));
    months - i64::from(within(last, to) < within(first, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> i64 {
        parse_time(text.as_bytes()).expect("a time")
    }

    #[test]
    fn months_are_counted_in_full() {
        assert_eq!(months_between(time("2026-01-31T00:00:00Z"), time("2026-02-28T00:00:00Z")), 0);
        assert_eq!(months_between(time("2026-01-15T10:00:00Z"), time("2026-03-15T10:00:00Z")), 2);
        assert_eq!(months_between(time("2026-03-15T10:00:00Z"), time("2026-01-15T10:00:00Z")), -2);
    }
}
