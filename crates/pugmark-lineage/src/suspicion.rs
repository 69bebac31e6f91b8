//! What is suspicious about a session by itself, without a rule.

use crate::lineage::Lineage;
use crate::session::Session;

/// What is suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuspicionKind {
    /// One credential was used from two networks.
    TwoNetworks,
    /// Credentials of an instance were used outside AWS.
    OutsideAws,
    /// Credentials of an instance came through an endpoint of another account.
    OtherAccount,
    /// No issuance, although the time of issue is covered.
    NoIssuance,
    /// More sessions stand above it than usual.
    LongChain,
}

impl SuspicionKind {
    /// The kind as words.
    pub fn as_str(self) -> &'static str {
        match self {
            SuspicionKind::TwoNetworks => "used from two networks",
            SuspicionKind::OutsideAws => "instance credentials used outside AWS",
            SuspicionKind::OtherAccount => "instance credentials used from another account",
            SuspicionKind::NoIssuance => "session without issuance",
            SuspicionKind::LongChain => "chain longer than usual",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SuspicionRecord {
    pub(crate) session: u32,
    pub(crate) kind: SuspicionKind,
    pub(crate) about: String,
}

/// One suspicion.
#[derive(Clone, Copy, Debug)]
pub struct Suspicion<'a> {
    pub(crate) lineage: &'a Lineage,
    pub(crate) record: &'a SuspicionRecord,
}

impl<'a> Suspicion<'a> {
    /// What it is.
    pub fn kind(self) -> SuspicionKind {
        self.record.kind
    }

    /// The session it is about.
    pub fn session(self) -> Session<'a> {
        self.lineage.session_at(self.record.session)
    }

    /// The evidence, as a sentence without a period.
    pub fn about(self) -> &'a str {
        &self.record.about
    }
}

/// Everything that is suspicious, by session and kind.
pub(crate) fn find(_lineage: &Lineage) -> Vec<SuspicionRecord> {
    Vec::new()
}
