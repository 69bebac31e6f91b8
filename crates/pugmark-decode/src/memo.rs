//! Objects that repeat from record to record.
//!
//! A principal makes many calls in a row, and each record spells its whole
//! `userIdentity` again. An object with the same bytes as one read before in
//! this batch fills the same leaves with the same views: comparing half a
//! kilobyte is several times cheaper than reading fifteen strings.

use std::ops::Range;

use pugmark_event::{BatchBuilder, Leaf};

use crate::keys::Context;
use crate::record::Text;

/// Slots; an object goes where a few of its bytes say.
const SLOTS: usize = 64;

/// The objects of one batch that may repeat.
pub(crate) struct Memo {
    slots: Vec<Slot>,
}

#[derive(Clone, Default)]
struct Slot {
    /// Where the object stands in the arena; empty if nothing is remembered.
    text: Range<usize>,
    context: Context,
    views: Vec<(Leaf, u128)>,
    numbers: Vec<(Leaf, i64)>,
}

impl Default for Memo {
    fn default() -> Memo {
        Memo { slots: vec![Slot::default(); SLOTS] }
    }
}

impl Memo {
    /// Forgets everything: the arena has gone.
    pub(crate) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.text = 0..0);
    }

    /// Fills the leaves of the object that opens at `at` if it is remembered, and answers where it ends.
    #[inline(always)]
    pub(crate) fn recall(
        &self,
        text: Text<'_>,
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
            || text.bytes[at..end] != text.bytes[slot.text.clone()]
        {
            return None;
        }
        for (leaf, view) in &slot.views {
            builder.set_view(*leaf, *view);
        }
        for (leaf, number) in &slot.numbers {
            builder.set_number(*leaf, *number);
        }
        Some(end)
    }

    /// Remembers the object in `range`, whose leaves the open row holds.
    #[inline(never)]
    pub(crate) fn remember(
        &mut self,
        text: Text<'_>,
        range: Range<usize>,
        context: Context,
        leaves: &[Leaf],
        builder: &BatchBuilder,
    ) {
        let Some(slot) = slot_of(text, range.start) else { return };
        let slot = &mut self.slots[slot];
        slot.text = range;
        slot.context = context;
        slot.views.clear();
        slot.numbers.clear();
        for leaf in leaves {
            if let Some(view) = builder.view_of(*leaf) {
                slot.views.push((*leaf, view));
            } else if let Some(number) = builder.number_of(*leaf) {
                slot.numbers.push((*leaf, number));
            }
        }
    }
}

/// The slot of an object that opens at `at`: sixteen bytes in which principals
/// differ. Only text of the arena is remembered, for its positions stay valid.
#[inline(always)]
fn slot_of(text: Text<'_>, at: usize) -> Option<usize> {
    if text.buffer != 0 {
        return None;
    }
    let word = |at: usize| Some(u64::from_le_bytes(text.bytes.get(at..at + 8)?.try_into().ok()?));
    let mixed = word(at + 40)?.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ word(at + 64)?;
    Some((mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize)
}
