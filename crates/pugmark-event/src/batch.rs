//! Rows of events as Arrow columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, ListArray, PrimitiveArray, StringViewArray,
    StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Date32Type, Schema, TimestampMicrosecondType, UInt64Type};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::Projection;
use crate::fields::{Column, Leaf};

/// A [`RecordBatch`] whose columns are columns of the field table, with their
/// types and in schema order.
///
/// Strings are views into the buffer that the object was inflated into; a
/// batch keeps that buffer alive.
#[derive(Clone, Debug)]
pub struct EventBatch {
    batch: RecordBatch,
    projection: Projection,
}

/// A record batch that is not one of events.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("column `{column}` is not as the field table has it")]
pub struct NotEventBatch {
    /// The first column that does not fit.
    pub column: String,
}

impl EventBatch {
    /// Checks `batch` against the field table.
    ///
    /// # Errors
    /// Names the first column that is unknown, of another type, or out of order.
    pub fn try_new(batch: RecordBatch) -> Result<EventBatch, NotEventBatch> {
        let mut projection = Projection::NONE;
        let mut known = Column::all().iter();
        for field in batch.schema_ref().fields() {
            let column = known
                .find(|column| column.name() == field.name())
                .filter(|column| column.arrow().data_type() == field.data_type())
                .ok_or_else(|| NotEventBatch { column: field.name().clone() })?;
            projection = projection.union(Projection::column(*column));
        }
        Ok(EventBatch { batch, projection })
    }

    /// For the builder, which made the columns from the field table itself.
    pub(crate) fn built(batch: RecordBatch, projection: Projection) -> EventBatch {
        EventBatch { batch, projection }
    }

    /// Number of events.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The leaves that were decoded; other leaves of a column that is here are null.
    pub fn projection(&self) -> Projection {
        self.projection
    }

    /// The Arrow batch.
    pub fn record_batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The Arrow batch, given away.
    pub fn into_record_batch(self) -> RecordBatch {
        self.batch
    }

    /// The rows for which `keep` is true.
    ///
    /// # Errors
    /// If `keep` has another length than the batch.
    pub fn filter(&self, keep: &BooleanArray) -> Result<EventBatch, ArrowError> {
        let batch = arrow::compute::filter_record_batch(&self.batch, keep)?;
        Ok(EventBatch { batch, projection: self.projection })
    }

    /// The first `rows` rows, without copying.
    #[must_use]
    pub fn head(&self, rows: usize) -> EventBatch {
        EventBatch { batch: self.batch.slice(0, rows.min(self.rows())), projection: self.projection }
    }

    /// One row, without copying.
    #[must_use]
    pub fn row(&self, row: usize) -> EventBatch {
        EventBatch { batch: self.batch.slice(row, 1), projection: self.projection }
    }

    /// Rows of several batches of one projection, as (batch, row), in this order.
    ///
    /// # Errors
    /// If the batches differ in their columns or a row lies outside its batch.
    pub fn interleave(batches: &[&EventBatch], rows: &[(usize, usize)]) -> Result<EventBatch, ArrowError> {
        let projection = batches.first().map_or(Projection::NONE, |batch| batch.projection);
        let batches: Vec<&RecordBatch> = batches.iter().map(|batch| &batch.batch).collect();
        let batch = arrow::compute::interleave_record_batch(&batches, rows)?;
        Ok(EventBatch { batch, projection })
    }

    /// Bytes that this batch keeps alive, each buffer counted once however many columns view it.
    pub fn bytes_held(&self) -> usize {
        let mut buffers = BTreeMap::new();
        for column in self.batch.columns() {
            hold(&column.to_data(), &mut buffers);
        }
        buffers.values().sum()
    }

    /// The same rows in memory of their own: what a few rows keep alive of a
    /// large arena is given back.
    #[must_use]
    pub fn compact(&self) -> EventBatch {
        let columns = self.batch.columns().iter().map(compact).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        let batch = RecordBatch::try_new_with_options(self.batch.schema(), columns, &options)
            .expect("the columns keep their types and lengths");
        EventBatch { batch, projection: self.projection }
    }

    /// Reads back a batch that was written from one with `projection`.
    ///
    /// # Errors
    /// As [`EventBatch::try_new`].
    pub fn restored(batch: RecordBatch, projection: Projection) -> Result<EventBatch, NotEventBatch> {
        Ok(EventBatch { projection, ..EventBatch::try_new(batch)? })
    }

    /// This batch with `texts` as the column of `leaf`, which is a column of its own.
    ///
    /// # Errors
    /// If `texts` has another length than the batch.
    pub fn with_text(&self, leaf: Leaf, texts: StringViewArray) -> Result<EventBatch, ArrowError> {
        let column = leaf.column();
        let mut fields: Vec<_> = self.batch.schema_ref().fields().iter().map(Arc::clone).collect();
        let mut columns = self.batch.columns().to_vec();
        let place = fields.iter().position(|field| {
            Column::find(field.name()).is_some_and(|other| other.leaves()[0].leaf >= column.leaves()[0].leaf)
        });
        match place {
            Some(place) if fields[place].name() == column.name() => columns[place] = Arc::new(texts),
            _ => {
                let place = place.unwrap_or(fields.len());
                fields.insert(place, Arc::new(column.arrow()));
                columns.insert(place, Arc::new(texts));
            }
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        Ok(EventBatch { batch, projection: self.projection.with(leaf) })
    }

    /// The column of a leaf (for a leaf in a struct: the member's array), or
    /// `None` if it was not decoded. Members of a list have no array of their own.
    pub fn leaf(&self, leaf: Leaf) -> Option<ArrayRef> {
        if !self.projection.has(leaf) || leaf.is_in_list() {
            return None;
        }
        let mut path = leaf.name().split('.');
        let mut array: ArrayRef = Arc::clone(self.batch.column_by_name(path.next()?)?);
        for member in path {
            let group: &StructArray = array.as_struct_opt()?;
            array = Arc::clone(group.column_by_name(member)?);
        }
        Some(array)
    }

    /// The text column of a leaf.
    pub fn text(&self, leaf: Leaf) -> Option<StringViewArray> {
        self.leaf(leaf)?.as_string_view_opt().cloned()
    }

    /// The instants of a leaf, microseconds since 1970.
    pub fn times(&self, leaf: Leaf) -> Option<PrimitiveArray<TimestampMicrosecondType>> {
        self.leaf(leaf)?.as_primitive_opt::<TimestampMicrosecondType>().cloned()
    }

    /// The booleans of a leaf.
    pub fn flags(&self, leaf: Leaf) -> Option<BooleanArray> {
        self.leaf(leaf)?.as_boolean_opt().cloned()
    }

    /// The numbers of a leaf.
    pub fn counts(&self, leaf: Leaf) -> Option<PrimitiveArray<UInt64Type>> {
        self.leaf(leaf)?.as_primitive_opt::<UInt64Type>().cloned()
    }

    /// The days of a leaf, days since 1970.
    pub fn days(&self, leaf: Leaf) -> Option<PrimitiveArray<Date32Type>> {
        self.leaf(leaf)?.as_primitive_opt::<Date32Type>().cloned()
    }
}

/// Enters the buffers of a column by their address.
fn hold(data: &ArrayData, buffers: &mut BTreeMap<usize, usize>) {
    for buffer in data.buffers().iter().chain(data.nulls().map(NullBuffer::buffer)) {
        buffers.insert(buffer.data_ptr().as_ptr() as usize, buffer.capacity());
    }
    for child in data.child_data() {
        hold(child, buffers);
    }
}

/// A column in memory of its own.
fn compact(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::Struct(members) => {
            let group = array.as_struct();
            let columns = group.columns().iter().map(compact).collect();
            let compacted = StructArray::try_new_with_length(
                members.clone(),
                columns,
                group.nulls().cloned(),
                group.len(),
            );
            Arc::new(compacted.expect("the members keep their types and lengths"))
        }
        DataType::List(item) => {
            let list: &ListArray = array.as_list();
            let values = compact(list.values());
            Arc::new(ListArray::new(Arc::clone(item), list.offsets().clone(), values, list.nulls().cloned()))
        }
        _ => Arc::clone(array),
    }
}
