//! The sums that every run must satisfy.

use crate::{Defect, Severity};

/// What a run saw, added up.
///
/// Two identities hold at the end of every run and are asserted in tests:
/// `listed = decoded + pruned + routed + skipped` for objects, and
/// `records = rows + duplicates + lost` for records. Nothing is dropped in
/// silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects found under the sources.
    pub listed: u64,
    /// Objects left out by account, Region or time before they were opened.
    pub pruned: u64,
    /// Objects that hold something other than events (digests, other services' files).
    pub routed: u64,
    /// Objects of which nothing could be read.
    pub skipped: u64,
    /// Objects read, perhaps in part.
    pub decoded: u64,
    /// Bytes as stored of the objects opened.
    pub bytes_stored: u64,
    /// Bytes after inflating.
    pub bytes_inflated: u64,
    /// Bytes passed over because a literal that must occur did not.
    pub bytes_passed: u64,
    /// Records seen.
    pub records: u64,
    /// Records that became rows.
    pub rows: u64,
    /// Records that had been seen before.
    pub duplicates: u64,
    /// Records that became a defect instead of a row.
    pub lost: u64,
    /// Objects that are damaged or cut (also those read in part).
    pub damaged: u64,
    /// Remarks on rows that are there.
    pub notes: u64,
    /// The first defects, with their places.
    pub defects: Vec<Defect>,
}

impl Tally {
    /// Counts `defect`, and keeps it while fewer than `kept_max` are kept.
    pub fn defect(&mut self, defect: Defect, kept_max: usize) {
        match defect.kind.severity() {
            Severity::Note => self.notes += 1,
            Severity::LostRecord => {
                self.records += 1;
                self.lost += 1;
            }
            Severity::LostObject => self.damaged += 1,
        }
        if self.defects.len() < kept_max {
            self.defects.push(defect);
        }
    }

    /// Adds `other` to this tally.
    pub fn add(&mut self, other: Tally) {
        self.listed += other.listed;
        self.pruned += other.pruned;
        self.routed += other.routed;
        self.skipped += other.skipped;
        self.decoded += other.decoded;
        self.bytes_stored += other.bytes_stored;
        self.bytes_inflated += other.bytes_inflated;
        self.bytes_passed += other.bytes_passed;
        self.records += other.records;
        self.rows += other.rows;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.damaged += other.damaged;
        self.notes += other.notes;
        self.defects.extend(other.defects);
    }

    /// True if both identities hold.
    pub fn balances(&self) -> bool {
        self.listed == self.decoded + self.pruned + self.routed + self.skipped
            && self.records == self.rows + self.duplicates + self.lost
    }

    /// True if part of the input is missing from the answer.
    pub fn is_partial(&self) -> bool {
        self.skipped > 0 || self.lost > 0 || self.damaged > 0
    }
}
