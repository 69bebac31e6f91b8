//! Which events have been seen.
//!
//! CloudTrail delivers at least once: the same event may come in a second
//! file, in another Region's folder, or through a second trail. Two records are
//! copies if they have one event id in one recipient account and the same
//! bytes; with other bytes they are a conflict, and both are kept and noted.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, BooleanArray, StringViewArray};
use pugmark_event::{EventBatch, Leaf};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Shards, so that workers seldom wait for each other.
const SHARDS: usize = 64;

/// The events seen so far, shared by all workers of a run.
///
/// Sixteen bytes and a little room per event: a hash of id and account, and a
/// hash of the content, both keyed at random for each run. Should two ids share
/// a hash, their contents still differ: both events are kept.
pub struct Ledger {
    shards: Vec<Mutex<Shard>>,
    seed: u64,
}

/// Content by id.
type Shard = HashMap<u64, u64, BuildHasherDefault<Identity>>;

/// What the ledger says of the rows of a batch.
#[derive(Debug)]
pub struct Seen {
    /// True for rows seen for the first time.
    pub first: BooleanArray,
    /// Copies of rows seen before.
    pub duplicates: u64,
    /// Rows whose id was seen with other content; they are first of their content.
    pub conflicts: Vec<usize>,
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
        let columns = Ledger::LEAVES.map(|leaf| batch.text(leaf));
        let [Some(ids), Some(accounts), Some(raws)] = columns else {
            let first = BooleanArray::from(vec![true; batch.rows()]);
            return Seen { first, duplicates: 0, conflicts: Vec::new() };
        };
        let mut conflicts = Vec::new();
        let mut first = Vec::with_capacity(batch.rows());
        for row in 0..batch.rows() {
            first.push(match self.key(&ids, &accounts, row) {
                None => true,
                Some(key) => {
                    let content = xxh3_64_with_seed(raws.value(row).as_bytes(), self.seed);
                    match self.enter_key(key, content) {
                        Entered::First => true,
                        Entered::Copy => false,
                        Entered::Conflict => {
                            conflicts.push(row);
                            true
                        }
                    }
                }
            });
        }
        let duplicates = first.iter().filter(|first| !**first).count() as u64;
        Seen { first: BooleanArray::from(first), duplicates, conflicts }
    }

    fn key(&self, ids: &StringViewArray, accounts: &StringViewArray, row: usize) -> Option<u64> {
        if ids.is_null(row) {
            return None;
        }
        let id = xxh3_64_with_seed(ids.value(row).as_bytes(), self.seed);
        let account = xxh3_64_with_seed(accounts.value(row).as_bytes(), !self.seed);
        Some(id ^ account.rotate_left(32))
    }

    fn enter_key(&self, key: u64, content: u64) -> Entered {
        match self.shard(key).insert_new(key, content) {
            None => Entered::First,
            Some(known) if known == content => Entered::Copy,
            // Further contents of one id are entered under keys of their own.
            Some(_) => {
                let of_content = key ^ content.rotate_left(1);
                match self.shard(of_content).insert_new(of_content, content) {
                    None => Entered::Conflict,
                    Some(_) => Entered::Copy,
                }
            }
        }
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        &self.shards[(key >> 48) as usize % SHARDS]
    }
}

enum Entered {
    First,
    Copy,
    Conflict,
}

/// Inserts unless the key is there; answers what is there.
trait InsertNew {
    fn insert_new(&self, key: u64, content: u64) -> Option<u64>;
}

impl InsertNew for Mutex<Shard> {
    fn insert_new(&self, key: u64, content: u64) -> Option<u64> {
        // A worker that panicked holding the lock left the map whole: an insert does not panic half-way.
        let mut shard = self.lock().unwrap_or_else(PoisonError::into_inner);
        match shard.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => Some(*known.get()),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(content);
                None
            }
        }
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys are 64-bit numbers, which come by `write_u64`; other keys would be folded.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
