//! What verification found: types alone.
//!
//! A report is a pure function of the evidence, the keys and the question:
//! the same input gives the same report, whatever the order of files or the
//! number of threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use pugmark_event::Object;

use crate::digest::S3Place;
use crate::name::ChainId;

/// What is to be said of one object, digest or log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Its bytes are those that `CloudTrail` delivered.
    Valid,
    /// Its bytes are others than those that were delivered.
    Modified,
    /// A digest names it, and it is not there.
    Missing,
    /// A log file in a window that digests cover, and no digest lists it.
    Unlisted,
    /// Delivered bytes, and others after them.
    TrailingData,
    /// Delivered bytes under the name of another object.
    Renamed,
    /// A digest whose signature does not fit.
    BadSignature,
    /// A digest signed with a key that is not among the public keys.
    UnknownKey,
    /// A digest signed with a key of another time or Region.
    WrongKey,
    /// A digest that is not written as digests are.
    Malformed,
    /// An object that could not be read.
    Unreadable,
    /// A digest without a signature, and without a later digest that holds it.
    Unsigned,
    /// As a digest says that it must be, but that digest is not proven.
    Unproven,
    /// A log file that no digest can list: it lies before, between or after
    /// the windows of all digests.
    NotCovered,
    /// A log file of an account and Region of which there is no digest.
    NoDigest,
    /// A log file in a bucket that was not among the sources.
    NotRead,
}

/// How much a verdict weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Proven to be what was delivered.
    Proven,
    /// Neither proven nor contradicted.
    Unproven,
    /// Something is wrong: the answer is no.
    Negative,
}

impl Verdict {
    /// All verdicts, the worst first.
    pub const WORST_FIRST: [Verdict; 16] = [
        Verdict::Modified,
        Verdict::Missing,
        Verdict::Unlisted,
        Verdict::BadSignature,
        Verdict::UnknownKey,
        Verdict::WrongKey,
        Verdict::Renamed,
        Verdict::TrailingData,
        Verdict::Malformed,
        Verdict::Unreadable,
        Verdict::Unsigned,
        Verdict::Unproven,
        Verdict::NotRead,
        Verdict::NotCovered,
        Verdict::NoDigest,
        Verdict::Valid,
    ];

    /// Stable name, as printed and as written in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Modified => "modified",
            Verdict::Missing => "missing",
            Verdict::Unlisted => "unlisted",
            Verdict::TrailingData => "trailing data",
            Verdict::Renamed => "renamed",
            Verdict::BadSignature => "bad signature",
            Verdict::UnknownKey => "unknown key",
            Verdict::WrongKey => "wrong key",
            Verdict::Malformed => "malformed",
            Verdict::Unreadable => "unreadable",
            Verdict::Unsigned => "unsigned",
            Verdict::Unproven => "unproven",
            Verdict::NotCovered => "not covered",
            Verdict::NoDigest => "no digest",
            Verdict::NotRead => "not read",
        }
    }

    /// How much it weighs.
    pub fn standing(self) -> Standing {
        match self {
            Verdict::Valid => Standing::Proven,
            Verdict::Unreadable
            | Verdict::Unsigned
            | Verdict::Unproven
            | Verdict::NotCovered
            | Verdict::NoDigest
            | Verdict::NotRead => Standing::Unproven,
            _ => Standing::Negative,
        }
    }
}

/// What proved a digest's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing did.
    None,
    /// The metadata of the object, or the file beside it that holds them.
    Metadata,
    /// The digest after it, which repeats its signature.
    Successor,
}

impl Proof {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Proof::None => "none",
            Proof::Metadata => "metadata",
            Proof::Successor => "successor",
        }
    }
}

/// What was found of one digest that is there.
#[derive(Clone, Debug)]
pub struct DigestReport {
    /// The object.
    pub object: Arc<Object>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for people; empty for a plain valid one.
    pub detail: String,
    /// Remarks that do not change the verdict.
    pub remarks: Vec<String>,
    /// What proved its signature.
    pub proof: Proof,
    /// Start and end of its window, microseconds since 1970 (UTC), if it can be read.
    pub window: Option<(i64, i64)>,
    /// The key it names, if it can be read.
    pub fingerprint: Option<String>,
    /// SHA-256 of its uncompressed bytes.
    pub sha256: [u8; 32],
    /// How many log files it lists.
    pub files: usize,
    /// Where it was delivered, if it stands somewhere else now.
    pub moved_from: Option<S3Place>,
    /// True if another object holds the same digest.
    pub is_copy: bool,
}

/// A digest that is named by the one after it and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingDigest {
    /// Where it was delivered.
    pub place: S3Place,
    /// SHA-256 of its uncompressed bytes.
    pub sha256: [u8; 32],
    /// End of the last digest before the hole; its predecessors since then are
    /// missing too.
    pub since: Option<i64>,
    /// Start of the digest that names it.
    pub until: i64,
    /// The digest that names it.
    pub named_by: Arc<Object>,
}

/// Why there is no digest for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// The digest after the gap begins a chain, which `CloudTrail` itself
    /// writes after logging or validation was switched on again.
    Restarted,
    /// Digests are missing.
    Missing,
    /// Digests are in a bucket that was not among the sources.
    NotRead,
    /// None that the digests give.
    Unexplained,
}

impl GapReason {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            GapReason::Restarted => "restarted",
            GapReason::Missing => "missing digests",
            GapReason::NotRead => "digests not read",
            GapReason::Unexplained => "unexplained",
        }
    }
}

/// A stretch of time between digests that none covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// End of the digest before.
    pub since: i64,
    /// Start of the digest after.
    pub until: i64,
    /// Why.
    pub reason: GapReason,
    /// Log files delivered meanwhile, which no digest can list.
    pub files: u64,
    /// The digest after.
    pub before: Arc<Object>,
    /// Calls of that time that switched the trail, in words; digests do not
    /// know them, so whoever reads events adds them.
    pub calls: Vec<String>,
}

/// How a chain begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// With the first digest after validation was switched on.
    Starting,
    /// In the middle: the digest before is not there.
    Cut {
        /// The digest that the first one names.
        previous: S3Place,
        /// Log files from before the first one.
        files: u64,
    },
    /// Unknown: no digest of it can be read, or the question begins later.
    Unknown,
}

/// How a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing came after the newest digest.
    Complete,
    /// Some log files came after it, which the next one will list.
    Pending {
        /// How many.
        files: u64,
    },
    /// The digests that should have come after it are not there.
    Truncated {
        /// End of the newest digest.
        since: i64,
        /// Delivery of the newest log file, or the time asked for.
        until: i64,
        /// Log files from then on.
        files: u64,
    },
}

/// Two digests that both say to follow the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The digest that both name.
    pub previous: S3Place,
    /// Those that name it.
    pub objects: Vec<Arc<Object>>,
}

/// What was found of one chain.
#[derive(Clone, Debug)]
pub struct ChainReport {
    /// Which chain.
    pub id: ChainId,
    /// Its digests, by end and name.
    pub digests: Vec<DigestReport>,
    /// Digests that are not there.
    pub missing: Vec<MissingDigest>,
    /// Times that no digest covers.
    pub gaps: Vec<Gap>,
    /// Digests that follow the same one.
    pub forks: Vec<Fork>,
    /// How it begins.
    pub head: Head,
    /// How it ends.
    pub tail: Tail,
    /// First start and last end of its proven digests within the question,
    /// microseconds since 1970 (UTC).
    pub proven: Option<(i64, i64)>,
    /// Its log files, by verdict.
    pub files: BTreeMap<Verdict, u64>,
}

/// What was found of one log file.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// The object; none if it is missing.
    pub object: Option<Arc<Object>>,
    /// Where it was delivered, if a digest lists it.
    pub place: Option<S3Place>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for people; empty for a plain valid one.
    pub detail: String,
    /// True if it stands somewhere else than where it was delivered.
    pub is_moved: bool,
    /// SHA-256 of its uncompressed bytes as they are now.
    pub sha256: Option<[u8; 32]>,
    /// SHA-256 that the digest states.
    pub stated: Option<[u8; 32]>,
    /// Index into [`Report::chains`], if one covers it.
    pub chain: Option<usize>,
    /// The digest that lists it.
    pub digest: Option<Arc<Object>>,
}

impl LogReport {
    /// What people call it: the object's name, or where it should be.
    pub fn name(&self) -> String {
        match (&self.object, &self.place) {
            (Some(object), _) => object.name.clone(),
            (None, Some(place)) => place.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each chain, by its id.
    pub chains: Vec<ChainReport>,
    /// Digests of which not even the chain is known, by name.
    pub strays: Vec<DigestReport>,
    /// Each log file, by name; missing ones by where they should be.
    pub logs: Vec<LogReport>,
    /// Objects that are neither digests nor named as log files are, and that
    /// no digest lists.
    pub others: u64,
    /// Buckets that digests with a valid signature name and that were not among the sources.
    pub other_buckets: Vec<String>,
}

impl Report {
    /// How many objects have each verdict: digests, missing digests and log files.
    pub fn counts(&self) -> BTreeMap<Verdict, u64> {
        let mut counts = BTreeMap::new();
        let digests = self.digests().map(|digest| digest.verdict);
        let missing = self.chains.iter().flat_map(|chain| chain.missing.iter().map(|_| Verdict::Missing));
        let logs = self.logs.iter().map(|log| log.verdict);
        for verdict in digests.chain(missing).chain(logs) {
            *counts.entry(verdict).or_default() += 1;
        }
        counts
    }

    /// All digests that are there.
    pub fn digests(&self) -> impl Iterator<Item = &DigestReport> {
        self.chains.iter().flat_map(|chain| &chain.digests).chain(&self.strays)
    }

    /// How much the whole weighs: the worst of its parts.
    pub fn standing(&self) -> Standing {
        let objects = self.counts().keys().map(|verdict| verdict.standing()).max();
        let chains = self.chains.iter().map(ChainReport::standing).max();
        objects.max(chains).unwrap_or(Standing::Unproven)
    }

    /// Objects that stand somewhere else than where they were delivered.
    pub fn moved(&self) -> u64 {
        let digests = self.digests().filter(|digest| digest.moved_from.is_some()).count();
        (digests + self.logs.iter().filter(|log| log.is_moved).count()) as u64
    }
}

impl ChainReport {
    /// How much the chain's shape weighs, its objects and log files included.
    pub fn standing(&self) -> Standing {
        let objects = self.digests.iter().map(|digest| digest.verdict.standing());
        let files = self.files.keys().map(|verdict| verdict.standing());
        let worst = objects.chain(files).max().unwrap_or(Standing::Unproven);
        let not_read = self.gaps.iter().any(|gap| gap.reason == GapReason::NotRead);
        let worst = if not_read { worst.max(Standing::Unproven) } else { worst };
        let is_wrong = |gap: &Gap| matches!(gap.reason, GapReason::Missing | GapReason::Unexplained);
        let unexplained = self.gaps.iter().any(is_wrong);
        let cut = matches!(self.head, Head::Cut { files: 1.., .. });
        let truncated = matches!(self.tail, Tail::Truncated { .. });
        if unexplained || cut || truncated || !self.missing.is_empty() || !self.forks.is_empty() {
            return Standing::Negative;
        }
        worst
    }
}
