//! What was concluded from all facts: sessions, actors, issuances, and how they hang together.
//!
//! Immutable and sorted: the same input in any order gives the same lineage.

use std::collections::BTreeSet;

use crate::actor::{Actor, ActorRecord};
use crate::caller::Caller;
use crate::cause::Causes;
use crate::clusters::Clusters;
use crate::credentials::{Covered, Credential, Span};
use crate::grants::{Grant, Issuance};
use crate::link::Confidence;
use crate::names::{Map, Names};
use crate::session::{Session, SessionRecord};
use crate::suspicion::{Suspicion, SuspicionRecord};
use crate::{ActorType, Row};

/// Sessions, actors and issuances of a whole input.
#[derive(Debug, Default)]
pub struct Lineage {
    pub(crate) names: Names,
    /// By first event, then by credential. Also those who are no session but stand above one.
    pub(crate) sessions: Vec<SessionRecord>,
    pub(crate) places: Map<Credential, u32>,
    /// By text.
    pub(crate) actors: Vec<ActorRecord>,
    /// By time, then by event id.
    pub(crate) grants: Vec<Grant>,
    /// (above, below), sorted.
    pub(crate) below: Vec<(u32, u32)>,
    pub(crate) suspicions: Vec<SuspicionRecord>,
    pub(crate) covered: Covered,
    /// Hexadecimal digits of a short id.
    pub(crate) id_digits: usize,
    pub(crate) causes: Causes,
    pub(crate) clusters: Clusters,
}

/// Who made one event, as far as the whole input tells.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// The session that made it; none where the record has no credential.
    pub session: Option<Session<'a>>,
    /// The identity at the root of the session's chain.
    pub actor: Actor<'a>,
    /// The weakest link of that chain.
    pub confidence: Confidence,
}

impl Judgement<'_> {
    /// What the actor is.
    pub fn actor_type(&self) -> ActorType {
        self.actor.kind()
    }
}

impl Lineage {
    /// Who made the event of `row`; `None` if its identity was not among the facts.
    pub fn judge(&self, row: Row<'_>) -> Option<Judgement<'_>> {
        let party = self.party(row)?;
        Some(Judgement {
            session: party.is_session().then_some(party),
            actor: party.actor(),
            confidence: party.confidence(),
        })
    }

    /// The clusters of EKS, every life of each.
    pub fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// The session that made the event of `row`, or the identity without a credential that did.
    pub fn party(&self, row: Row<'_>) -> Option<Session<'_>> {
        self.party_of(&Caller::of(row))
    }

    /// The session that `caller` acted with, or the identity without a credential that it is.
    pub fn party_of(&self, caller: &Caller<'_>) -> Option<Session<'_>> {
        let credential = Credential::of(caller, |text| self.names.find(text))?;
        self.places.get(&credential).map(|place| self.session_at(*place))
    }

    /// All sessions, by first event.
    pub fn sessions(&self) -> impl Iterator<Item = Session<'_>> {
        self.parties().filter(|party| party.is_session())
    }

    /// Sessions, and the identities without a credential of their own that stand above them:
    /// services, users at the sign-in page, callers with a web identity, other accounts.
    pub fn parties(&self) -> impl Iterator<Item = Session<'_>> {
        (0..self.sessions.len() as u32).map(|place| self.session_at(place))
    }

    /// All actors, by their text.
    pub fn actors(&self) -> impl Iterator<Item = Actor<'_>> {
        (0..self.actors.len() as u32).map(|place| Actor { lineage: self, place })
    }

    /// All events that handed out credentials, by time; copies in several accounts are one.
    pub fn issuances(&self) -> impl Iterator<Item = Issuance<'_>> {
        (0..self.grants.len() as u32).map(|place| Issuance { lineage: self, place })
    }

    /// Why services acted.
    pub fn causes(&self) -> &Causes {
        &self.causes
    }

    /// What is suspicious by itself, by session.
    pub fn suspicions(&self) -> impl Iterator<Item = Suspicion<'_>> {
        self.suspicions.iter().map(|record| Suspicion { lineage: self, record })
    }

    /// First and last event of the whole input, microseconds since 1970.
    pub fn covered(&self) -> (Option<i64>, Option<i64>) {
        let mut span = Span::default();
        self.covered.values().for_each(|coverage| span.merge(coverage.span));
        (span.first, span.last)
    }

    /// Accounts whose trails are among the input.
    pub fn accounts(&self) -> BTreeSet<&str> {
        self.covered.keys().map(String::as_str).filter(|account| !account.is_empty()).collect()
    }

    pub(crate) fn session_at(&self, place: u32) -> Session<'_> {
        Session { lineage: self, place }
    }
}
