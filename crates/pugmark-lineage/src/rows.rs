//! The rows of a batch as the readers of this crate see them: text by leaf.

use arrow::array::{Array, StringViewArray, TimestampMicrosecondArray};
use pugmark_event::{EventBatch, Leaf};

/// The columns of a batch that lineage reads, opened once for all rows.
pub struct Rows {
    texts: Vec<Option<StringViewArray>>,
    time: Option<TimestampMicrosecondArray>,
    created: Option<TimestampMicrosecondArray>,
    len: usize,
}

/// One event.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    rows: &'a Rows,
    index: usize,
}

impl Rows {
    /// Opens the columns of `batch`; a leaf that was not decoded reads as absent.
    pub fn of(batch: &EventBatch) -> Rows {
        let texts = pugmark_event::FIELDS.iter().map(|field| batch.text(field.leaf)).collect();
        Rows {
            texts,
            time: batch.times(Leaf::EventTime),
            created: batch.times(Leaf::SessionCreated),
            len: batch.rows(),
        }
    }

    /// The events, in the order of the batch.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len).map(|index| Row { rows: self, index })
    }
}

impl<'a> Row<'a> {
    /// The text of `leaf`; an empty text counts as absent.
    #[inline]
    pub fn text(self, leaf: Leaf) -> Option<&'a str> {
        let texts = self.rows.texts[leaf as usize].as_ref()?;
        (!texts.is_null(self.index)).then(|| texts.value(self.index)).filter(|text| !text.is_empty())
    }

    /// `eventTime`, microseconds since 1970.
    pub fn time(self) -> Option<i64> {
        instant(self.rows.time.as_ref()?, self.index)
    }

    /// When the session's credentials were issued, microseconds since 1970.
    pub fn session_created(self) -> Option<i64> {
        instant(self.rows.created.as_ref()?, self.index)
    }
}

fn instant(times: &TimestampMicrosecondArray, index: usize) -> Option<i64> {
    times.is_valid(index).then(|| times.value(index))
}
