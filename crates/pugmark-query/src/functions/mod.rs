//! The functions that statements written for CloudTrail Lake and Athena use,
//! where the engine lacks them or means something else by their names.
//!
//! Each file is a group and lists its functions as [`Function`] values: name,
//! what it returns, how a batch of arguments is computed. Functions that can
//! be said in terms of others are rewritten in [`crate::dialect`] instead.

mod arrays;
mod calendar;
mod json;
pub(crate) mod json_text;
mod net;
mod pattern;
mod text;
mod time;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;

/// Registers every function of ours, over the engine's where names collide.
pub(crate) fn register(context: &SessionContext) {
    let groups = [arrays::FUNCTIONS, json::FUNCTIONS, net::FUNCTIONS, text::FUNCTIONS, time::FUNCTIONS];
    for function in groups.into_iter().flatten() {
        context.register_udf(ScalarUDF::from(Udf::new(function)));
    }
}

/// `element_at`, which a subscript of a map is another name of.
pub(crate) fn element_at() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Udf::new(&arrays::ELEMENT_AT)))
}

/// One function.
pub(crate) struct Function {
    name: &'static str,
    /// Fewest and most arguments.
    arity: (usize, usize),
    /// The type of the answer, or a sentence why these arguments do not fit.
    returns: fn(&[DataType]) -> Result<DataType>,
    run: fn(&Arguments) -> Result<ArrayRef>,
}

/// The arguments of one call: columns and constants.
pub(crate) struct Arguments {
    values: Vec<ColumnarValue>,
    rows: usize,
    /// The type of the answer.
    returns: DataType,
}

impl Arguments {
    fn len(&self) -> usize {
        self.values.len()
    }

    fn array(&self, index: usize) -> Result<ArrayRef> {
        self.values[index].to_array(self.rows)
    }

    /// Argument `index` as text.
    fn text(&self, index: usize) -> Result<Texts> {
        match &self.values[index] {
            ColumnarValue::Scalar(value) => {
                let array = cast(&value.to_array()?, &DataType::Utf8View)?;
                let array = array.as_string_view();
                Ok(Texts::One(array.is_valid(0).then(|| array.value(0).to_owned())))
            }
            ColumnarValue::Array(array) => {
                Ok(Texts::Many(cast(array, &DataType::Utf8View)?.as_string_view().clone()))
            }
        }
    }

    /// Argument `index` as whole numbers.
    fn numbers(&self, index: usize) -> Result<Int64Array> {
        Ok(cast(&self.array(index)?, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }
}

/// A text argument: the same for all rows, or one for each.
pub(crate) enum Texts {
    One(Option<String>),
    Many(StringViewArray),
}

impl Texts {
    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Texts::One(text) => text.as_deref(),
            Texts::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// Something compiled from a text argument, once if the text is constant.
pub(crate) struct Compiled<T> {
    texts: Texts,
    make: fn(&str) -> Result<T>,
    last: Option<(String, T)>,
}

impl<T> Compiled<T> {
    fn new(texts: Texts, make: fn(&str) -> Result<T>) -> Compiled<T> {
        Compiled { texts, make, last: None }
    }

    fn get(&mut self, row: usize) -> Result<Option<&T>> {
        let Some(text) = self.texts.get(row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(known, _)| known != text) {
            self.last = Some((text.to_owned(), (self.make)(text)?));
        }
        Ok(self.last.as_ref().map(|(_, made)| made))
    }
}

/// [`Function`] as the engine wants it.
struct Udf {
    function: &'static Function,
    signature: Signature,
}

impl Udf {
    fn new(function: &'static Function) -> Udf {
        let signature = Signature::new(TypeSignature::UserDefined, Volatility::Immutable);
        Udf { function, signature }
    }
}

impl fmt::Debug for Udf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Udf({})", self.function.name)
    }
}

impl PartialEq for Udf {
    fn eq(&self, other: &Udf) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (least, most) = self.function.arity;
        if !(least..=most).contains(&types.len()) {
            let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return plan_err!("`{}` takes {wanted} arguments, not {}", self.function.name, types.len());
        }
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.function.returns)(types).map_err(|error| error.context(self.function.name))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let returns = args.return_field.data_type().clone();
        let array = (self.function.run)(&Arguments { values: args.args, rows, returns })?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

/// True for the types that text comes in.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

fn list_item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

/// Most bytes that one call makes of its arguments.
const MADE_BYTES_MAX: usize = 256 << 20;

/// Collects texts into a column, within a bound.
struct TextColumn {
    builder: datafusion::arrow::array::StringViewBuilder,
    bytes: usize,
}

impl TextColumn {
    fn new(rows: usize) -> TextColumn {
        TextColumn { builder: datafusion::arrow::array::StringViewBuilder::with_capacity(rows), bytes: 0 }
    }

    fn push(&mut self, text: Option<&str>) -> Result<()> {
        self.bytes += text.map_or(0, str::len);
        if self.bytes > MADE_BYTES_MAX {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "a text function made more than {} MiB out of one batch",
                MADE_BYTES_MAX >> 20
            )));
        }
        self.builder.append_option(text);
        Ok(())
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

/// A text for each row, made from the texts of the first argument.
fn map_text(
    arguments: &Arguments,
    mut make: impl FnMut(usize, &str) -> Result<Option<String>>,
) -> Result<ArrayRef> {
    let texts = arguments.text(0)?;
    let mut column = TextColumn::new(arguments.rows);
    for row in 0..arguments.rows {
        let text = match texts.get(row) {
            Some(text) => make(row, text)?,
            None => None,
        };
        column.push(text.as_deref())?;
    }
    Ok(column.finish())
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in tables of fallible functions")]
fn gives_text(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8View)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in tables of fallible functions")]
fn gives_number(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int64)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in tables of fallible functions")]
fn gives_flag(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Boolean)
}

fn no_such_argument<T>(function: &str, found: &DataType) -> Result<T> {
    exec_err!("`{function}` does not take {found}")
}
