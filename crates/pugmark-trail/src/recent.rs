//! The newest events, so that one that is sent again is not taken again.
//!
//! A client that never got its answer sends the same bytes again. Only bytes
//! that are equal to the last one count as the same event, and only events
//! that came with an `eventID` and an `eventTime` of their own can be.

use std::collections::{HashMap, VecDeque};

use xxhash_rust::xxh3::xxh3_128;

/// Events that are remembered.
pub(crate) const RECENT_MAX: usize = 1 << 18;

/// Numbers of the newest events, by the hash of their bytes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    numbers: HashMap<u128, u64>,
    order: VecDeque<u128>,
}

impl Recent {
    /// The number of an equal event, if one came lately.
    pub(crate) fn number(&self, event: &str) -> Option<u64> {
        self.numbers.get(&xxh3_128(event.as_bytes())).copied()
    }

    /// Remembers an event.
    pub(crate) fn insert(&mut self, event: &str, number: u64) {
        let hash = xxh3_128(event.as_bytes());
        if self.numbers.insert(hash, number).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.numbers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_and_the_oldest_forgotten() {
        let mut recent = Recent::default();
        for number in 0..=RECENT_MAX as u64 {
            recent.insert(&number.to_string(), number);
        }
        assert_eq!(recent.number("0"), None);
        assert_eq!(recent.number("1"), Some(1));
        assert_eq!(recent.number("none"), None);
    }
}
