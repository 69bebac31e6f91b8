//! Objects that repeat from record to record.
//!
//! A principal makes many calls in a row, and each record spells its whole
//! `userIdentity` again. An object with the same bytes as one read before fills
//! the same leaves with the same parts of it: comparing half a kilobyte is
//! several times cheaper than reading fifteen strings.

use std::ops::Range;

use pugmark_event::{BatchBuilder, Leaf};

use crate::keys::Context;
use crate::record::Text;

/// Slots; an object goes where a few of its bytes say.
const SLOTS: usize = 64;

/// The longest object that is remembered: all of them together fit a processor's nearer cache.
const OBJECT_BYTES_MAX: usize = 2_048;

/// Objects that may repeat.
pub(crate) struct Memo {
    slots: Vec<Slot>,
}

#[derive(Clone, Default)]
struct Slot {
    /// The object; empty if nothing is remembered.
    text: Vec<u8>,
    context: Context,
    /// Views as they would be if the object stood at the start of buffer 0.
    views: Vec<(Leaf, u128)>,
    numbers: Vec<(Leaf, i64)>,
}

impl Default for Memo {
    fn default() -> Memo {
        Memo { slots: vec![Slot::default(); SLOTS] }
    }
}

impl Memo {
    /// Fills the leaves of the object that opens at `at` if it is remembered, and answers where it ends.
    #[inline(always)]
    pub(crate) fn recall(
        &self,
        text: &Text<'_>,
        at: usize,
        context: Context,
        builder: &mut BatchBuilder,
    ) -> Option<usize> {
        let slot = &self.slots[slot_of(text, at)?];
        let end = at + slot.text.len();
        // The text of an object that is whole is a prefix of no other object's.
        if slot.text.is_empty()
            || slot.context != context
            || end > text.end
            || text.bytes[at..end] != slot.text
        {
            return None;
        }
        let base = ((at + text.shift) as u128) << 96 | u128::from(text.buffer) << 64;
        for (leaf, view) in &slot.views {
            builder.set_view(*leaf, if is_inline(*view) { *view } else { *view + base });
        }
        for (leaf, number) in &slot.numbers {
            builder.set_number(*leaf, *number);
        }
        Some(end)
    }

    /// Remembers the object in `range`, whose leaves the open row holds.
    pub(crate) fn remember(
        &mut self,
        text: &Text<'_>,
        range: Range<usize>,
        context: Context,
        leaves: &[Leaf],
        builder: &BatchBuilder,
    ) {
        let Some(slot) = slot_of(text, range.start) else { return };
        let slot = &mut self.slots[slot];
        slot.text.clear();
        slot.views.clear();
        slot.numbers.clear();
        if range.len() > OBJECT_BYTES_MAX {
            return;
        }
        let base = ((range.start + text.shift) as u128) << 96 | u128::from(text.buffer) << 64;
        for leaf in leaves {
            if let Some(view) = builder.view_of(*leaf) {
                if is_inline(view) {
                    slot.views.push((*leaf, view));
                } else if (view >> 64) as u32 == text.buffer {
                    slot.views.push((*leaf, view - base));
                } else {
                    // Written anew, with escapes undone: it stands elsewhere in every record.
                    return;
                }
            } else if let Some(number) = builder.number_of(*leaf) {
                slot.numbers.push((*leaf, number));
            }
        }
        slot.text.extend_from_slice(&text.bytes[range]);
        slot.context = context;
    }
}

/// True if a view holds its text itself.
#[inline(always)]
fn is_inline(view: u128) -> bool {
    view as u32 <= 12
}

/// The slot of an object that opens at `at`: sixteen bytes in which principals differ.
#[inline(always)]
fn slot_of(text: &Text<'_>, at: usize) -> Option<usize> {
    let word = |at: usize| Some(u64::from_le_bytes(text.bytes.get(at..at + 8)?.try_into().ok()?));
    let mixed = word(at + 40)?.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ word(at + 64)?;
    Some((mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize)
}
