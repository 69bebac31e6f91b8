//! The steps between an event's arrival and its end, by name.
//!
//! A test stops at any of them, as a crash would; the product does not.

use std::io;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Records were checked.
    Accept,
    /// Their bytes go to the journal.
    JournalAppend,
    /// The journal becomes durable.
    JournalSync,
    /// A segment of the journal is closed.
    Seal,
    /// A log file goes to its bucket.
    PutLog,
    /// That it was put is written down.
    RecordPut,
    /// A digest is put together.
    DigestBuild,
    /// It is signed.
    DigestSign,
    /// It goes to its bucket.
    PutDigest,
    /// That a cut or a digest is done is written down.
    Advance,
    /// Segments that nobody needs are removed.
    Collect,
    /// What was learned for Insights is kept.
    KeepInsights,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Step; 12] = [
        Step::Accept,
        Step::JournalAppend,
        Step::JournalSync,
        Step::Seal,
        Step::PutLog,
        Step::RecordPut,
        Step::DigestBuild,
        Step::DigestSign,
        Step::PutDigest,
        Step::Advance,
        Step::Collect,
        Step::KeepInsights,
    ];
}

/// Is told of each step before it is made, and may stop there.
pub trait Steps: Send + Sync {
    /// # Errors
    /// Only to stop, as a crash would.
    fn before(&self, step: Step) -> io::Result<()>;
}

/// Stops nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryStep;

impl Steps for EveryStep {
    fn before(&self, _step: Step) -> io::Result<()> {
        Ok(())
    }
}
