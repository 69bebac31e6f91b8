//! Says of bytes, as they are decoded, whether a digest vouches for them.

use std::collections::HashMap;

use pugmark_event::{Object, ObjectKind};

use crate::chain::stem;
use crate::coverage::{Coverage, Covered};
use crate::gather::Evidence;
use crate::judge::{Question, proven_digests};
use crate::keys::PublicKeys;

/// What is known of the bytes of one object: the values of the column
/// `verified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verified {
    /// A proven digest lists the object with this very hash.
    Valid,
    /// A proven digest lists the object with another hash.
    Modified,
    /// Digests cover its time, and none lists it.
    Unlisted,
    /// No digest covers it.
    NoDigest,
    /// A digest that is not proven lists the object with this hash.
    Unproven,
}

impl Verified {
    /// All of them.
    pub const ALL: [Verified; 5] =
        [Verified::Valid, Verified::Modified, Verified::Unlisted, Verified::NoDigest, Verified::Unproven];

    /// Stable name, as printed and as written in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verified::Valid => "valid",
            Verified::Modified => "modified",
            Verified::Unlisted => "unlisted",
            Verified::NoDigest => "no digest",
            Verified::Unproven => "unproven",
        }
    }
}

/// Knows what digests say of log files; shared by all workers.
#[derive(Debug, Default)]
pub struct Witness {
    /// By the log file's name without what it says of compression: hash, and whether the digest is proven.
    stated: HashMap<Box<str>, Vec<([u8; 32], bool)>>,
    coverage: Coverage,
}

impl Witness {
    /// A witness from digests, which [`gather`](crate::gather) read from a
    /// listing of digests alone.
    pub fn new(evidence: &Evidence, keys: &PublicKeys, question: &Question) -> Witness {
        let (digests, coverage) = proven_digests(evidence, keys, question);
        let mut stated: HashMap<Box<str>, Vec<([u8; 32], bool)>> = HashMap::new();
        for (digest, is_proven) in digests {
            for file in &digest.files {
                stated.entry(stem(&file.place.key).into()).or_default().push((file.sha256, is_proven));
            }
        }
        Witness { stated, coverage }
    }

    /// What the digests say of an object with these uncompressed bytes.
    pub fn verdict(&self, object: &Object, sha256: &[u8; 32]) -> Verified {
        let Some(stated) = self.stated.get(stem(&object.name)) else {
            let is_covered =
                object.kind == ObjectKind::Log && matches!(self.coverage.of(object), Covered::Inside { .. });
            return if is_covered { Verified::Unlisted } else { Verified::NoDigest };
        };
        let equal = stated.iter().filter(|(stated, _)| stated == sha256).map(|(_, is_proven)| *is_proven);
        match equal.max() {
            Some(true) => Verified::Valid,
            Some(false) => Verified::Unproven,
            None => Verified::Modified,
        }
    }

    /// How many log files the digests list.
    pub fn files(&self) -> usize {
        self.stated.len()
    }
}
