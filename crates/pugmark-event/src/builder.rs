//! Builds a batch, one record at a time.
//!
//! Columns grow only when a value arrives: a column that a corpus never fills
//! costs nothing, one that skips rows is topped up with nulls in one go.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, ListArray, StringViewArray, StructArray,
    TimestampMicrosecondArray, UInt64Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::fields::{Column, FIELDS, Field, Kind, Leaf};
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

/// The values of one leaf: 64-bit numbers or 128-bit string views.
#[derive(Debug, Default)]
struct Leaves<T> {
    /// The value of each row; zero where there is none, and ahead of the rows so far.
    values: Vec<T>,
    /// How many rows there are up to the last that has a value.
    rows: usize,
    /// The rows before that one that have none, in order.
    gaps: Vec<Range<usize>>,
    /// Rows of the batch before: so many are made at once.
    expected: usize,
}

impl<T: ArrowNativeType> Leaves<T> {
    /// Sets the value of a row that no later one has a value after.
    #[inline(always)]
    fn set(&mut self, row: usize, value: T) {
        if row >= self.values.len() {
            self.grow(row);
        }
        self.values[row] = value;
        if row > self.rows {
            self.gaps.push(self.rows..row);
        }
        self.rows = row + 1;
    }

    #[cold]
    fn grow(&mut self, row: usize) {
        self.values.resize((2 * row).max(self.expected).max(64), T::default());
    }

    /// Forgets the values from `row` on.
    fn clear(&mut self, row: usize) {
        if self.rows <= row {
            return;
        }
        self.values[row..self.rows].fill(T::default());
        self.rows = row;
        while let Some(gap) = self.gaps.pop_if(|gap| gap.end > row) {
            if gap.start < row {
                self.gaps.push(gap.start..row);
            }
        }
    }

    /// The value of a row that no later one has a value after.
    fn get(&self, row: usize) -> Option<T> {
        (row < self.rows).then(|| self.values[row])
    }

    fn finish(&mut self, rows: usize) -> (ScalarBuffer<T>, Option<NullBuffer>) {
        let mut values = std::mem::take(&mut self.values);
        values.resize(rows, T::default());
        if self.rows < rows {
            self.gaps.push(self.rows..rows);
        }
        self.rows = 0;
        self.expected = rows;
        let valid = (!self.gaps.is_empty()).then(|| all_but(rows, self.gaps.drain(..)));
        (ScalarBuffer::from(values), valid)
    }
}

/// Which of `rows` rows lie in none of the `gaps`.
fn all_but(rows: usize, gaps: impl Iterator<Item = Range<usize>>) -> NullBuffer {
    let mut words = vec![u64::MAX; rows.div_ceil(64)];
    for gap in gaps {
        let (first, last) = (gap.start / 64, (gap.end - 1) / 64);
        let (from, to) = (u64::MAX << (gap.start % 64), u64::MAX >> (63 - (gap.end - 1) % 64));
        if first == last {
            words[first] &= !(from & to);
        } else {
            words[first] &= !from;
            words[first + 1..last].fill(0);
            words[last] &= !to;
        }
    }
    NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, rows))
}

/// How a column is put together from leaves.
#[derive(Debug)]
enum Node {
    Leaf(&'static Field),
    Struct(Fields, Vec<Node>),
    List(FieldRef, Box<Node>),
}

impl Node {
    /// The node of `leaves`, which share their path up to `depth`.
    fn new(leaves: &'static [Field], depth: usize, data_type: &DataType) -> Node {
        match data_type {
            DataType::Struct(members) => {
                let groups = leaves.chunk_by(|a, b| segment(a, depth + 1) == segment(b, depth + 1));
                let nodes = groups
                    .zip(members)
                    .map(|(group, member)| Node::new(group, depth + 1, member.data_type()));
                Node::Struct(members.clone(), nodes.collect())
            }
            DataType::List(item) => {
                Node::List(Arc::clone(item), Box::new(Node::new(leaves, depth, item.data_type())))
            }
            _ => Node::Leaf(&leaves[0]),
        }
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
    views: Box<[Leaves<u128>; Leaf::COUNT]>,
    numbers: Box<[Leaves<i64>; Leaf::COUNT]>,
    list_ends: Vec<i32>,
    list_items: usize,
    segments: Vec<Segment>,
    schema: SchemaRef,
    nodes: Arc<[Node]>,
    /// An array of nulls for each kind.
    nulls: [Option<ArrayRef>; Kind::COUNT],
}

impl BatchBuilder {
    /// A builder of the leaves in `projection`.
    pub fn new(projection: Projection) -> BatchBuilder {
        let columns = projection.columns();
        let fields: Vec<FieldRef> = columns.iter().map(|column| Arc::new(column.arrow())).collect();
        let nodes = columns
            .iter()
            .zip(&fields)
            .map(|(column, field)| Node::new(column.leaves(), 0, field.data_type()));
        BatchBuilder {
            nodes: nodes.collect(),
            schema: Arc::new(Schema::new(fields)),
            projection,
            nulls: [const { None }; Kind::COUNT],
            rows: 0,
            views: Box::new(std::array::from_fn(|_| Leaves::default())),
            numbers: Box::new(std::array::from_fn(|_| Leaves::default())),
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
    #[inline(always)]
    pub fn set_view(&mut self, leaf: Leaf, view: u128) {
        self.views[leaf as usize].set(self.rows, view);
    }

    /// Sets a time (microseconds), flag (0 or 1) or count leaf of the open row.
    #[inline(always)]
    pub fn set_number(&mut self, leaf: Leaf, value: i64) {
        self.numbers[leaf as usize].set(self.rows, value);
    }

    /// Makes a leaf of the open row null again.
    pub fn clear(&mut self, leaf: Leaf) {
        self.views[leaf as usize].clear(self.rows);
        self.numbers[leaf as usize].clear(self.rows);
    }

    /// What the open row holds in a text or JSON leaf.
    pub fn view_of(&self, leaf: Leaf) -> Option<u128> {
        self.views[leaf as usize].get(self.rows)
    }

    /// What the open row holds in a time, flag or count leaf.
    pub fn number_of(&self, leaf: Leaf) -> Option<i64> {
        self.numbers[leaf as usize].get(self.rows)
    }

    /// Sets a leaf of the open item of the resources list.
    #[inline(always)]
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
        for field in FIELDS.iter().filter(|field| !LIST_LEAVES.contains(&field.leaf)) {
            self.clear(field.leaf);
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
        let nodes = Arc::clone(&self.nodes);
        let arrays = nodes.iter().map(|node| self.array(node, rows, &buffers)).collect();
        self.list_ends.clear();
        self.list_items = 0;
        self.segments.clear();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
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

    fn array(&mut self, node: &Node, rows: usize, buffers: &Arc<[Buffer]>) -> ArrayRef {
        match node {
            Node::Struct(members, nodes) => {
                let arrays = nodes.iter().map(|node| self.array(node, rows, buffers)).collect();
                Arc::new(
                    StructArray::try_new_with_length(members.clone(), arrays, None, rows)
                        .expect("members are built from the same fields"),
                )
            }
            Node::List(item, node) => {
                let items = std::mem::take(&mut self.list_items);
                let values = self.array(node, items, buffers);
                let mut ends = vec![0];
                ends.append(&mut self.list_ends);
                ends.resize(rows + 1, items as i32);
                let valid: BooleanBuffer = ends.windows(2).map(|pair| pair[0] < pair[1]).collect();
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(ListArray::new(Arc::clone(item), ends, values, Some(NullBuffer::new(valid))))
            }
            Node::Leaf(field) => self.leaf_array(field, rows, buffers),
        }
    }

    /// `rows` nulls; most columns of most batches have no value, so they share one array.
    fn nulls(&mut self, kind: Kind, rows: usize) -> ArrayRef {
        let shared = &mut self.nulls[kind as usize];
        match shared {
            Some(nulls) if nulls.len() >= rows => nulls.slice(0, rows),
            _ => {
                let nulls = new_null_array(&kind.data_type(), rows.max(1_024));
                shared.insert(nulls).slice(0, rows)
            }
        }
    }

    fn leaf_array(&mut self, field: &Field, rows: usize, buffers: &Arc<[Buffer]>) -> ArrayRef {
        let leaf = field.leaf as usize;
        if self.views[leaf].rows == 0 && self.numbers[leaf].rows == 0 {
            return self.nulls(field.kind, rows);
        }
        match field.kind {
            Kind::Text | Kind::Json => {
                let (views, valid) = self.views[leaf].finish(rows);
                #[expect(unsafe_code, reason = "validating each view again would cost more than decoding it")]
                // SAFETY: the caller of `finish` promises that the views are in bounds and UTF-8.
                let array = unsafe { StringViewArray::new_unchecked(views, Arc::clone(buffers), valid) };
                Arc::new(array)
            }
            Kind::Time => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                Arc::new(TimestampMicrosecondArray::new(values, valid).with_timezone("UTC"))
            }
            Kind::Flag => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                let values = BooleanBuffer::collect_bool(rows, |row| values[row] != 0);
                Arc::new(BooleanArray::new(values, valid))
            }
            Kind::Count => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                let values: ScalarBuffer<u64> = values.iter().map(|value| *value as u64).collect();
                Arc::new(UInt64Array::new(values, valid))
            }
            Kind::Day => {
                let (values, valid) = self.numbers[leaf].finish(rows);
                let values: ScalarBuffer<i32> = values.iter().map(|value| *value as i32).collect();
                Arc::new(Date32Array::new(values, valid))
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

/// The Arrow string view of `bytes[start..start + length]` in buffer `buffer`.
#[inline(always)]
pub fn view(bytes: &[u8], start: usize, length: usize, buffer: u32) -> u128 {
    if let Some(head) = bytes[start..].first_chunk() {
        return view_of(head, start, length, buffer);
    }
    let mut head = [0; 16];
    head[..length].copy_from_slice(&bytes[start..start + length]);
    view_of(&head, start, length, buffer)
}

/// The Arrow string view of the `length` bytes that stand at `start` in buffer
/// `buffer` and begin with `head`: up to 12 bytes inline, else a 4-byte prefix,
/// the buffer and the offset (Arrow columnar format, "Variable-size Binary View
/// Layout"). What of `head` lies behind the text does not count.
#[inline(always)]
pub fn view_of(head: &[u8; 16], start: usize, length: usize, buffer: u32) -> u128 {
    // Sixteen bytes at once; what is not ours is masked off.
    let word = u128::from_le_bytes(*head);
    let inline = (word & INLINE[length.min(12)]) << 32;
    let outside = (start as u128) << 96 | u128::from(buffer) << 64 | u128::from(word as u32) << 32;
    length as u128 | if length <= 12 { inline } else { outside }
}

/// The low bytes of a word, by how many.
const INLINE: [u128; 13] = {
    let mut masks = [0; 13];
    let mut length = 0;
    while length < 13 {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

impl Column {
    /// True for the one list column.
    pub fn is_list(self) -> bool {
        self.leaves().iter().all(|field| field.leaf.is_in_list())
    }
}
