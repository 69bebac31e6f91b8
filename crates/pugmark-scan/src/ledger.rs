//! Which events have been seen.
//!
//! CloudTrail delivers at least once: the same event may come in a second
//! file, in another Region's folder, or through a second trail. Two records are
//! copies if they have one event id in one recipient account and the same
//! bytes; with other bytes they are a conflict, and both are kept and noted.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, BooleanArray, StringViewArray};
use pugmark_event::{EventBatch, Leaf};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Shards, so that workers seldom wait for each other. A batch locks each of
/// them once, so that there should be several rows for each.
const SHARDS: usize = 32;

/// The events seen so far, shared by all workers of a run.
///
/// Sixteen bytes and a little room per event: a hash of id and account, and a
/// hash of the content, both keyed at random for each run. Should two ids share
/// a hash, their contents still differ: both events are kept.
pub struct Ledger {
    shards: Vec<Mutex<Shard>>,
    seed: u64,
}

/// What the ledger says of the rows of a batch.
#[derive(Debug)]
pub struct Seen {
    /// Rows seen before, in order.
    pub copies: Vec<usize>,
    /// Rows whose id was seen with other content, in order; they are first of their content.
    pub conflicts: Vec<usize>,
}

impl Seen {
    /// True for rows seen for the first time, of a batch of `rows`.
    pub fn first(&self, rows: usize) -> BooleanArray {
        let mut first = vec![true; rows];
        for copy in &self.copies {
            first[*copy] = false;
        }
        BooleanArray::from(first)
    }
}

/// A row to be entered.
#[derive(Clone, Copy, Default)]
struct Entry {
    key: u64,
    content: u64,
    row: usize,
}

impl Default for Ledger {
    fn default() -> Ledger {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Ledger { shards, seed: RandomState::new().hash_one(0_u8) }
    }
}

impl Ledger {
    /// The leaves that the ledger reads.
    pub const LEAVES: [Leaf; 3] = [Leaf::EventId, Leaf::RecipientAccountId, Leaf::Raw];

    /// Enters the rows of `batch`. A row without an event id is always first.
    pub fn enter(&self, batch: &EventBatch) -> Seen {
        let mut seen = Seen { copies: Vec::new(), conflicts: Vec::new() };
        let columns = Ledger::LEAVES.map(|leaf| batch.text(leaf));
        let [Some(ids), Some(accounts), Some(raws)] = columns else { return seen };
        let mut others = Vec::new();
        for (shard, entries) in self.shards.iter().zip(self.by_shard(&ids, &accounts, &raws)) {
            if entries.is_empty() {
                continue;
            }
            // A worker that panicked holding the lock left the map whole: entering does not panic half-way.
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.reserve(entries.len());
            // Reads every place first: one cache miss need not wait for the other.
            std::hint::black_box(entries.iter().fold(0, |sum, entry| sum ^ shard.glance(entry.key)));
            for entry in entries {
                match shard.enter(entry.key, entry.content) {
                    None => {}
                    Some(known) if known == entry.content => seen.copies.push(entry.row),
                    Some(_) => others.push(entry),
                }
            }
        }
        others.sort_unstable_by_key(|entry| entry.row);
        for Entry { key, content, row } in others {
            // Further contents of one id are entered under keys of their own.
            let of_content = key ^ content.rotate_left(1);
            let mut shard = self.shards[shard_of(of_content)].lock().unwrap_or_else(PoisonError::into_inner);
            shard.reserve(1);
            match shard.enter(of_content, content) {
                None => seen.conflicts.push(row),
                Some(_) => seen.copies.push(row),
            }
        }
        seen.copies.sort_unstable();
        seen
    }

    /// The rows that have an id, for each shard in order.
    fn by_shard(
        &self,
        ids: &StringViewArray,
        accounts: &StringViewArray,
        raws: &StringViewArray,
    ) -> Vec<Vec<Entry>> {
        let room = ids.len() / SHARDS * 2;
        let mut shards: Vec<Vec<Entry>> = (0..SHARDS).map(|_| Vec::with_capacity(room)).collect();
        for row in (0..ids.len()).filter(|row| ids.is_valid(*row)) {
            let id = xxh3_64_with_seed(ids.value(row).as_bytes(), self.seed);
            let account = xxh3_64_with_seed(accounts.value(row).as_bytes(), !self.seed);
            let key = id ^ account.rotate_left(32);
            let content = xxh3_64_with_seed(raws.value(row).as_bytes(), self.seed);
            shards[shard_of(key)].push(Entry { key, content, row });
        }
        shards
    }
}

fn shard_of(key: u64) -> usize {
    (key >> 48) as usize % SHARDS
}

/// Content by key, in one table of places; a key stands at or after its own.
#[derive(Default)]
struct Shard {
    /// (key, content); the key 0 is a free place. Their number is a power of two.
    places: Vec<(u64, u64)>,
    taken: usize,
}

impl Shard {
    /// Makes room for `more` keys: a quarter of the places stays free.
    fn reserve(&mut self, more: usize) {
        let wanted = (self.taken + more) * 4 / 3 + 1;
        if wanted <= self.places.len() {
            return;
        }
        let places = vec![(0, 0); wanted.next_power_of_two().max(64)];
        for (key, content) in std::mem::replace(&mut self.places, places) {
            if key != 0 {
                let (place, _) = self.find(key);
                self.places[place] = (key, content);
            }
        }
    }

    /// What stands where a key would be.
    fn glance(&self, key: u64) -> u64 {
        self.places[key as usize & (self.places.len() - 1)].0
    }

    /// Enters a key unless it is there; answers the content that is there. There must be room.
    fn enter(&mut self, key: u64, content: u64) -> Option<u64> {
        // One key in 2^64 shares the number of its neighbour.
        let key = key.max(1);
        let (place, known) = self.find(key);
        if known.is_none() {
            self.places[place] = (key, content);
            self.taken += 1;
        }
        known
    }

    /// The place of a key, and its content if it is there.
    fn find(&self, key: u64) -> (usize, Option<u64>) {
        let last = self.places.len() - 1;
        let mut place = key as usize & last;
        loop {
            match self.places[place] {
                (0, _) => return (place, None),
                (known, content) if known == key => return (place, Some(content)),
                _ => place = (place + 1) & last,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_knows_every_key_however_much_it_grows() {
        let mut shard = Shard::default();
        // Keys that share their low bits stand one after the other.
        let keys: Vec<u64> = (0..2_000).map(|number| ((number % 7) << 40) | ((number / 7) << 12)).collect();
        for (number, key) in (0..).zip(&keys) {
            shard.reserve(1);
            assert_eq!(shard.enter(key + 1, number), None);
        }
        for (number, key) in (0..).zip(&keys) {
            assert_eq!(shard.enter(key + 1, 0), Some(number));
        }
        assert_eq!(shard.taken, 2_000);
        assert!(shard.places.len() <= 4_096);
    }
}
