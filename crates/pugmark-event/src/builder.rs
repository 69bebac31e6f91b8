//! Builds a batch, one record at a time.
//!
//! Columns grow only when a value arrives: a column that a corpus never fills
//! costs nothing, one that skips rows is topped up with nulls in one go.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, ListArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    UInt64Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::fields::{Column, Field, Kind, Leaf};
use crate::{EventBatch, Object, Projection};

/// The rows of one object in a batch.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The object.
    pub object: Arc<Object>,
    /// First row that came from it.
    pub first_row: usize,
}

/// The memory that string views of a batch point into, by buffer number.
#[derive(Debug)]
pub struct Buffers {
    /// Buffer 0: inflated bytes, as delivered.
    pub arena: Buffer,
    /// Buffer 1: text that had to be written anew (escapes, object names).
    pub side: Vec<u8>,
    /// Buffer 2: records that had to be unwrapped or mended before they could be read.
    pub derived: Vec<u8>,
}

/// Values of one leaf: 64-bit numbers or 128-bit string views.
#[derive(Debug)]
struct Values<T> {
    values: Vec<T>,
    valid: Vec<u64>,
}

impl<T> Default for Values<T> {
    fn default() -> Values<T> {
        Values { values: Vec::new(), valid: Vec::new() }
    }
}

impl<T: Copy + Default> Values<T> {
    #[inline]
    fn set(&mut self, row: usize, value: T) {
        if self.values.len() == row {
            self.values.push(value);
        } else {
            self.values.resize(self.values.len().max(row + 1), T::default());
            self.values[row] = value;
        }
        let word = row / 64;
        if self.valid.len() <= word {
            self.valid.resize(word + 1, 0);
        }
        self.valid[word] |= 1 << (row % 64);
    }

    fn clear(&mut self, row: usize) {
        self.values.truncate(row);
        if let Some(word) = self.valid.get_mut(row / 64) {
            *word &= (1 << (row % 64)) - 1;
        }
        self.valid.truncate(row / 64 + 1);
    }

    fn has(&self, row: usize) -> bool {
        self.valid.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn finish(&mut self, rows: usize) -> (ScalarBuffer<T>, NullBuffer)
    where
        T: arrow::datatypes::ArrowNativeType,
    {
        self.values.resize(rows, T::default());
        self.valid.resize(rows.div_ceil(64), 0);
        let capacity = self.values.capacity();
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(capacity));
        let valid = std::mem::take(&mut self.valid);
        let valid = BooleanBuffer::new(Buffer::from_vec(valid), 0, rows);
        (ScalarBuffer::from(values), NullBuffer::new(valid))
    }
}

/// Collects records into an [`EventBatch`].
///
/// A row is open from the first value set after [`BatchBuilder::end_row`] to
/// the next `end_row` or [`BatchBuilder::undo_row`].
#[derive(Debug)]
pub struct BatchBuilder {
    projection: Projection,
    rows: usize,
    views: Vec<Values<u128>>,
    numbers: Vec<Values<i64>>,
    list_ends: Vec<i32>,
    list_items: usize,
    segments: Vec<Segment>,
}

impl BatchBuilder {
    /// A builder of the leaves in `projection`.
    pub fn new(projection: Projection) -> BatchBuilder {
        BatchBuilder {
            projection,
            rows: 0,
            views: (0..Leaf::COUNT).map(|_| Values::default()).collect(),
            numbers: (0..Leaf::COUNT).map(|_| Values::default()).collect(),
            list_ends: Vec::new(),
            list_items: 0,
            segments: Vec::new(),
        }
    }

    /// The leaves that are built.
    pub fn projection(&self) -> Projection {
        self.projection
    }

    /// Rows ended so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The objects that the rows so far came from.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Forgets the objects that gave no row.
    pub fn clear_segments(&mut self) {
        self.segments.retain(|segment| segment.first_row < self.rows);
    }

    /// From here on, rows come from `object`.
    pub fn begin_object(&mut self, object: &Arc<Object>) {
        self.segments.push(Segment { object: Arc::clone(object), first_row: self.rows });
    }

    /// Sets a text or JSON leaf of the open row to a view made by [`view`].
    #[inline]
    pub fn set_view(&mut self, leaf: Leaf, view: u128) {
        self.views[leaf as usize].set(self.rows, view);
    }

    /// Sets a time (microseconds), flag (0 or 1) or count leaf of the open row.
    #[inline]
    pub fn set_number(&mut self, leaf: Leaf, value: i64) {
        self.numbers[leaf as usize].set(self.rows, value);
    }

    /// Makes a leaf of the open row null again.
    pub fn clear(&mut self, leaf: Leaf) {
        self.views[leaf as usize].clear(self.rows);
        self.numbers[leaf as usize].clear(self.rows);
    }

    /// True if the open row has a value in `leaf`.
    pub fn is_set(&self, leaf: Leaf) -> bool {
        self.views[leaf as usize].has(self.rows) || self.numbers[leaf as usize].has(self.rows)
    }

    /// Sets a leaf of the open item of the resources list.
    #[inline]
    pub fn set_item_view(&mut self, leaf: Leaf, view: u128) {
        self.views[leaf as usize].set(self.list_items, view);
    }

    /// Makes a leaf of the open item null again.
    pub fn clear_item(&mut self, leaf: Leaf) {
        self.views[leaf as usize].clear(self.list_items);
    }

    /// Ends the open item of the resources list.
    #[inline]
    pub fn end_item(&mut self) {
        self.list_items += 1;
    }

    /// Forgets the resources of the open row.
    pub fn clear_items(&mut self) {
        self.list_items = self.list_ends.last().map_or(0, |end| *end as usize);
        for leaf in LIST_LEAVES {
            self.views[leaf as usize].clear(self.list_items);
        }
    }

    /// Ends the open row.
    #[inline]
    pub fn end_row(&mut self) {
        self.list_ends.push(self.list_items as i32);
        self.rows += 1;
    }

    /// Forgets the open row.
    pub fn undo_row(&mut self) {
        for (views, numbers) in self.views.iter_mut().zip(&mut self.numbers) {
            if views.values.len() > self.rows {
                views.clear(self.rows);
            }
            if numbers.values.len() > self.rows {
                numbers.clear(self.rows);
            }
        }
        self.clear_items();
    }

    /// Makes the batch and starts the next one.
    ///
    /// # Safety
    /// Every view set since the last `finish` must lie inside the buffer of
    /// its number, start and end at character boundaries, and cover valid UTF-8.
    #[expect(unsafe_code, reason = "the decoder has validated each window of text once, as a whole")]
    pub unsafe fn finish(&mut self, mut buffers: Buffers) -> EventBatch {
        let rows = std::mem::take(&mut self.rows);
        self.fill_path_columns(rows, &mut buffers.side);
        let buffers: Arc<[Buffer]> =
            Arc::from([buffers.arena, Buffer::from_vec(buffers.side), Buffer::from_vec(buffers.derived)]);
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for column in self.projection.columns() {
            let field: FieldRef = Arc::new(column.arrow());
            arrays.push(self.array(column.leaves(), 0, &field, rows, &buffers));
            fields.push(field);
        }
        self.list_ends.clear();
        self.list_items = 0;
        self.segments.clear();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .expect("every array is built for `rows` rows from the field table's own types");
        EventBatch::built(batch, self.projection)
    }

    /// Columns that are the same for all rows of an object.
    fn fill_path_columns(&mut self, rows: usize, side: &mut Vec<u8>) {
        if !self.projection.has_any(Leaf::SourceObject, Leaf::PathDay) {
            return;
        }
        let ends: Vec<usize> =
            self.segments.iter().skip(1).map(|next| next.first_row).chain([rows]).collect();
        for (segment, end) in std::mem::take(&mut self.segments).into_iter().zip(ends) {
            let object = &segment.object;
            let range = segment.first_row..end;
            if range.is_empty() {
                continue;
            }
            let texts = [
                (Leaf::SourceObject, Some(object.name.as_str())),
                (Leaf::PathOrg, object.org.as_deref()),
                (Leaf::PathAccount, object.account.as_deref()),
                (Leaf::PathRegion, object.region.as_deref()),
            ];
            for (leaf, text) in texts {
                if let Some(text) = text.filter(|_| self.projection.has(leaf)) {
                    let start = side.len();
                    side.extend_from_slice(text.as_bytes());
                    let view = view(side, start, text.len(), 1);
                    range.clone().for_each(|row| self.views[leaf as usize].set(row, view));
                }
            }
            if let Some(day) = object.day.filter(|_| self.projection.has(Leaf::PathDay)) {
                range.for_each(|row| self.numbers[Leaf::PathDay as usize].set(row, i64::from(day)));
            }
        }
    }

    /// The array of the leaves that share a path up to `depth`.
    fn array(
        &mut self,
        leaves: &'static [Field],
        depth: usize,
        field: &FieldRef,
        rows: usize,
        buffers: &Arc<[Buffer]>,
    ) -> ArrayRef {
        match field.data_type() {
            DataType::Struct(members) => {
                let mut arrays = Vec::with_capacity(members.len());
                let groups = leaves.chunk_by(|a, b| segment(a, depth + 1) == segment(b, depth + 1));
                for (group, member) in groups.zip(members) {
                    arrays.push(self.array(group, depth + 1, member, rows, buffers));
                }
                Arc::new(
                    StructArray::try_new_with_length(members.clone(), arrays, None, rows)
                        .expect("members are built from the same fields"),
                )
            }
            DataType::List(item) => {
                let items = std::mem::take(&mut self.list_items);
                let values = self.array(leaves, depth, item, items, buffers);
                let mut ends = vec![0];
                ends.append(&mut self.list_ends);
                ends.resize(rows + 1, items as i32);
                let valid: BooleanBuffer = ends.windows(2).map(|pair| pair[0] < pair[1]).collect();
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(ListArray::new(Arc::clone(item), ends, values, Some(NullBuffer::new(valid))))
            }
            data_type => self.leaf_array(&leaves[0], data_type, rows, buffers),
        }
    }

    fn leaf_array(
        &mut self,
        field: &Field,
        data_type: &DataType,
        rows: usize,
        buffers: &Arc<[Buffer]>,
    ) -> ArrayRef {
        let leaf = field.leaf as usize;
        if self.views[leaf].is_empty() && self.numbers[leaf].is_empty() {
            return new_null_array(data_type, rows);
        }
        match field.kind {
            Kind::Text | Kind::Json => {
                let (views, valid) = self.views[leaf].finish(rows);
                #[expect(unsafe_code, reason = "validating each view again would cost more than decoding it")]
                // SAFETY: the caller of `finish` promises that the views are in bounds and UTF-8.
                let array =
                    unsafe { StringViewArray::new_unchecked(views, Arc::clone(buffers), Some(valid)) };
                Arc::new(array)
            }
            Kind::Time => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                Arc::new(TimestampMicrosecondArray::new(values, Some(valid)).with_timezone("UTC"))
            }
            Kind::Flag => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                let values: BooleanBuffer = values.iter().map(|value| *value != 0).collect();
                Arc::new(BooleanArray::new(values, Some(valid)))
            }
            Kind::Count => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                let values: ScalarBuffer<u64> = values.iter().map(|value| *value as u64).collect();
                Arc::new(UInt64Array::new(values, Some(valid)))
            }
            Kind::Day => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                let values: ScalarBuffer<i32> = values.iter().map(|value| *value as i32).collect();
                Arc::new(Date32Array::new(values, Some(valid)))
            }
        }
    }
}

/// The leaves of the one list of structs that events have.
const LIST_LEAVES: [Leaf; 4] =
    [Leaf::ResourceAccountId, Leaf::ResourceType, Leaf::ResourceArn, Leaf::ResourceArnPrefix];

fn segment(field: &Field, depth: usize) -> &'static str {
    field.name.split('.').nth(depth).unwrap_or_default()
}

/// The Arrow string view of `bytes[start..start + length]` in buffer `buffer`:
/// up to 12 bytes inline, else a 4-byte prefix, the buffer and the offset
/// (Arrow columnar format, "Variable-size Binary View Layout").
#[inline]
pub fn view(bytes: &[u8], start: usize, length: usize, buffer: u32) -> u128 {
    if length <= 12 {
        // Sixteen bytes at once where they are there; the mask drops what is not ours.
        let word = match bytes.get(start..start + 16) {
            Some(window) => u128::from_le_bytes(window.try_into().expect("16 bytes")),
            None => {
                let mut window = [0; 16];
                window[..length].copy_from_slice(&bytes[start..start + length]);
                u128::from_le_bytes(window)
            }
        };
        let kept = word & ((1 << (8 * length)) - 1);
        kept << 32 | length as u128
    } else {
        let prefix = u32::from_le_bytes([bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]]);
        (start as u128) << 96 | u128::from(buffer) << 64 | u128::from(prefix) << 32 | length as u128
    }
}

impl Column {
    /// True for the one list column.
    pub fn is_list(self) -> bool {
        self.leaves().iter().all(|field| field.leaf.is_in_list())
    }
}
