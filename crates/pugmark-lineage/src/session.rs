//! One credential's life: who holds it, who handed it out, what was done with it.

use crate::activity::{Activity, Counted, Counts};
use crate::actor::Actor;
use crate::caller::{ActorClass, Caller};
use crate::credentials::{Credential, Use};
use crate::grants::Issuance;
use crate::identity::Field;
use crate::lineage::Lineage;
use crate::link::{Confidence, Link, LinkKind};
use crate::suspicion::Suspicion;

/// What is kept of one session.
#[derive(Clone, Debug)]
pub(crate) struct SessionRecord {
    pub(crate) one: Use,
    /// Stable hash of the credential's text.
    pub(crate) hash: u64,
    pub(crate) class: ActorClass,
    pub(crate) link: Option<LinkRecord>,
    /// Whoever is above it in the chain.
    pub(crate) above: Option<u32>,
    pub(crate) actor: u32,
    pub(crate) confidence: Confidence,
    /// Sessions from the actor to this one.
    pub(crate) depth: u32,
}

/// A link as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkRecord {
    pub(crate) kind: LinkKind,
    pub(crate) confidence: Confidence,
    /// The issuing event.
    pub(crate) grant: Option<u32>,
}

/// One session of a [`Lineage`], or a party without a credential (see [`Session::is_session`]).
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub(crate) lineage: &'a Lineage,
    pub(crate) place: u32,
}

/// One node of the tree that hangs below a session.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Steps below the top.
    pub depth: usize,
    /// The session at this node.
    pub session: Session<'a>,
}

impl PartialEq for Session<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && std::ptr::eq(self.lineage, other.lineage)
    }
}

impl Eq for Session<'_> {}

impl<'a> Session<'a> {
    pub(crate) fn record(self) -> &'a SessionRecord {
        &self.lineage.sessions[self.place as usize]
    }

    fn field(self, field: Field) -> Option<&'a str> {
        self.lineage.names.get(self.record().one.identity.name(field))
    }

    /// False for those who have no credential in the records, but stand above sessions:
    /// a service, a user at the sign-in page, a pod with its token, another account.
    pub fn is_session(self) -> bool {
        !matches!(self.record().one.credential, Credential::Principal(..))
    }

    /// Short id: the first digits of a hash of the credential, the same in every run.
    pub fn id(self) -> String {
        let mut digits = format!("{:016x}", self.record().hash);
        digits.truncate(self.lineage.id_digits);
        digits
    }

    /// Access key id.
    pub fn access_key(self) -> Option<&'a str> {
        match self.record().one.credential {
            Credential::Key(key) => self.lineage.names.get(key),
            _ => None,
        }
    }

    /// Bearer token id.
    pub fn credential_id(self) -> Option<&'a str> {
        match self.record().one.credential {
            Credential::Bearer(id) => self.lineage.names.get(id),
            _ => None,
        }
    }

    /// The identity that its events record.
    pub fn caller(self) -> Caller<'a> {
        self.record().one.caller(&self.lineage.names)
    }

    /// What its events say the caller is, and the event that issued it.
    pub fn class(self) -> ActorClass {
        self.record().class
    }

    /// ARN of the identity, session form for roles.
    pub fn arn(self) -> Option<&'a str> {
        self.field(Field::Arn)
    }

    /// Unique id of the identity.
    pub fn principal_id(self) -> Option<&'a str> {
        self.field(Field::PrincipalId)
    }

    /// Account of the identity.
    pub fn account(self) -> Option<&'a str> {
        self.field(Field::Account)
    }

    /// ARN of the role or user that the session is one of, with its path.
    pub fn role(self) -> Option<&'a str> {
        self.field(Field::IssuerArn)
    }

    /// Name of the session, as whoever opened it chose it.
    pub fn session_name(self) -> Option<&'a str> {
        self.caller().session_name()
    }

    /// Source identity.
    pub fn source_identity(self) -> Option<&'a str> {
        self.field(Field::SourceIdentity)
    }

    /// A name to show: role and session, user, service, or what else there is.
    pub fn name(self) -> String {
        crate::actor::party_name(&self.caller())
    }

    /// When the credential was issued, by the records or by the issuing event; microseconds since 1970.
    pub fn created(self) -> Option<i64> {
        self.record().one.identity.created.or_else(|| self.issuance()?.time())
    }

    /// First event, microseconds since 1970.
    pub fn first_seen(self) -> Option<i64> {
        self.record().one.span.first
    }

    /// Last event, microseconds since 1970.
    pub fn last_seen(self) -> Option<i64> {
        self.record().one.span.last
    }

    /// Opened with MFA, where that is recorded.
    pub fn mfa(self) -> Option<bool> {
        self.issuance().and_then(Issuance::mfa).max(self.record().one.identity.mfa)
    }

    /// How it was joined to what is above it.
    pub fn link(self) -> Option<Link<'a>> {
        let link = self.record().link?;
        let events = self.issuance().map(Issuance::events).unwrap_or_default();
        Some(Link { kind: link.kind, confidence: link.confidence, events })
    }

    /// The event that handed it out.
    pub fn issuance(self) -> Option<Issuance<'a>> {
        let place = self.record().link?.grant?;
        Some(Issuance { lineage: self.lineage, place })
    }

    /// Who opened it.
    pub fn above(self) -> Option<Session<'a>> {
        self.record().above.map(|place| self.lineage.session_at(place))
    }

    /// The sessions that it opened, by first event.
    pub fn below(self) -> impl Iterator<Item = Session<'a>> {
        let below = &self.lineage.below;
        let start = below.partition_point(|(above, _)| *above < self.place);
        let lineage = self.lineage;
        below[start..]
            .iter()
            .take_while(move |(above, _)| *above == self.place)
            .map(move |(_, place)| lineage.session_at(*place))
    }

    /// The chain from the root to this session, which is its last.
    pub fn chain(self) -> Vec<Session<'a>> {
        let mut chain = vec![self];
        while let Some(above) = chain.last().and_then(|last| last.above()) {
            chain.push(above);
        }
        chain.reverse();
        chain
    }

    /// This session and all that was opened from it, in the order in which a tree is printed:
    /// each node before those below it, siblings by first event.
    pub fn tree(self) -> Vec<Node<'a>> {
        let (mut tree, mut open) = (Vec::new(), vec![Node { depth: 0, session: self }]);
        // Every session has one above it at most, and circles were cut: so this ends.
        while let Some(node) = open.pop() {
            tree.push(node);
            let below: Vec<Session<'a>> = node.session.below().collect();
            open.extend(below.into_iter().rev().map(|session| Node { depth: node.depth + 1, session }));
        }
        tree
    }

    /// How many sessions it takes from the actor to this one, which counts; none for a user's long-term key.
    pub fn depth(self) -> u32 {
        self.record().depth
    }

    /// The identity at the root of its chain.
    pub fn actor(self) -> Actor<'a> {
        Actor { lineage: self.lineage, place: self.record().actor }
    }

    /// The weakest link of its chain.
    pub fn confidence(self) -> Confidence {
        self.record().confidence
    }

    /// Events made with it.
    pub fn events(self) -> u64 {
        self.record().one.events
    }

    /// Events that failed.
    pub fn errors(self) -> u64 {
        self.record().one.errors
    }

    /// Counts of one kind: calls, Regions, addresses, agents…
    pub fn counts(self, what: Counted) -> Counts<'a> {
        Counts::of([self.activity()].into_iter(), what, &self.lineage.names)
    }

    /// Counts of one kind over several parties, such as all of a [`Session::tree`].
    pub fn counts_of(parties: impl IntoIterator<Item = Session<'a>>, what: Counted) -> Counts<'a> {
        let mut parties = parties.into_iter().peekable();
        let Some(names) = parties.peek().map(|party| &party.lineage.names) else {
            return Counts::default();
        };
        Counts::of(parties.map(Session::activity), what, names)
    }

    pub(crate) fn activity(self) -> &'a Activity {
        &self.record().one.activity
    }

    /// What is suspicious about it.
    pub fn suspicions(self) -> impl Iterator<Item = Suspicion<'a>> {
        let lineage = self.lineage;
        let all = &lineage.suspicions;
        let start = all.partition_point(|record| record.session < self.place);
        let of_session = all[start..].iter().take_while(move |record| record.session == self.place);
        of_session.map(move |record| Suspicion { lineage, record })
    }
}
