//! Finding parties by what a person has at hand: a key, an ARN, an address, an id, a name.

use crate::activity::Counted;
use crate::arn::Arn;
use crate::grants::Issuance;
use crate::lineage::Lineage;
use crate::names::Name;
use crate::session::Session;

/// What a search text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundBy {
    /// Access key id or bearer token id.
    Credential,
    /// Short id of a session, or its first digits (four at least).
    ShortId,
    /// Event id of an issuing event.
    Issuance,
    /// ARN of a user, role or session.
    Arn,
    /// Principal id, with or without session name.
    PrincipalId,
    /// Address that events came from.
    Address,
    /// Name of an actor, as the column `actor` has it, with or without type and account.
    Actor,
    /// Name of a user, role, session, source identity or account.
    Name,
}

/// Parties that a search text leads to.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// What the text turned out to be.
    pub by: FoundBy,
    /// The parties, by first event.
    pub parties: Vec<Session<'a>>,
    /// The issuing event, if the text is its id.
    pub issuance: Option<Issuance<'a>>,
}

impl Lineage {
    /// The parties that `text` names; `None` if it names none. The most exact reading counts:
    /// a key before an ARN, an ARN before a name. Names are compared without regard to case.
    pub fn find(&self, text: &str) -> Option<Found<'_>> {
        let found =
            |by, parties: Vec<_>| (!parties.is_empty()).then_some(Found { by, parties, issuance: None });
        let all = |is_it: &dyn Fn(Session<'_>) -> bool| -> Vec<_> {
            self.parties().filter(|party| is_it(*party)).collect()
        };
        let credential =
            || all(&|party| party.access_key() == Some(text) || party.credential_id() == Some(text));
        let short = || {
            let is_id = (4..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let text = text.to_ascii_lowercase();
            all(&|party| {
                is_id && party.is_session() && format!("{:016x}", party.record().hash).starts_with(&text)
            })
        };
        found(FoundBy::Credential, credential())
            .or_else(|| found(FoundBy::ShortId, short()))
            .or_else(|| self.find_issuance(text))
            .or_else(|| found(FoundBy::Arn, all(&|party| has_arn(party, text))))
            .or_else(|| found(FoundBy::PrincipalId, all(&|party| has_principal(party, text))))
            .or_else(|| found(FoundBy::Address, self.find_address(text)))
            .or_else(|| found(FoundBy::Actor, all(&|party| has_actor(party, text))))
            .or_else(|| found(FoundBy::Name, all(&|party| has_name(party, text))))
    }

    /// The sessions that came of an issuing event, or else its caller.
    fn find_issuance(&self, text: &str) -> Option<Found<'_>> {
        let name = self.names.find(text)?;
        let place = self.grants.iter().position(|grant| grant.events.contains(&name))?;
        let issuance = Issuance { lineage: self, place: place as u32 };
        let mut parties: Vec<Session<'_>> = issuance.sessions().collect();
        if parties.is_empty() {
            parties.push(issuance.caller());
        }
        Some(Found { by: FoundBy::Issuance, parties, issuance: Some(issuance) })
    }

    fn find_address(&self, text: &str) -> Vec<Session<'_>> {
        let Some(name) = self.names.find(text).filter(|_| text.parse::<std::net::IpAddr>().is_ok()) else {
            return Vec::new();
        };
        let has = |party: Session<'_>, what| {
            party.activity().of(what).any(|(address, _): (Name, u64)| address == name)
        };
        self.parties()
            .filter(|party| has(*party, Counted::Address) || has(*party, Counted::EndpointAddress))
            .collect()
    }
}

/// The party's ARN, that of its role or user, or the session form without the role's path.
fn has_arn(party: Session<'_>, text: &str) -> bool {
    if !text.starts_with("arn:") {
        return false;
    }
    let of_role = || {
        let (wanted, role) = (Arn::parse(text)?, Arn::parse(party.role()?)?);
        // aws-auth and access entries write roles without their path.
        let is_role =
            wanted.account == role.account && wanted.role()?.0 == "/" && wanted.role()?.1 == role.role()?.1;
        Some(is_role)
    };
    party.arn() == Some(text) || party.role() == Some(text) || of_role().unwrap_or(false)
}

fn has_principal(party: Session<'_>, text: &str) -> bool {
    party.principal_id().is_some_and(|id| id == text || id.split(':').next() == Some(text))
}

fn has_actor(party: Session<'_>, text: &str) -> bool {
    let actor = party.actor();
    let without_account = actor.text().rsplit_once('@').map_or(actor.text(), |(name, _)| name);
    actor.text() == text || without_account == text || actor.name().eq_ignore_ascii_case(text)
}

fn has_name(party: Session<'_>, text: &str) -> bool {
    let caller = party.caller();
    let role = party.role().and_then(Arn::parse).and_then(Arn::role).map(|(_, name)| name);
    let names = [
        caller.session_name(),
        caller.user_name,
        caller.source_identity,
        caller.account,
        caller.invoked_by,
        caller.behalf_user,
        role,
    ];
    names.into_iter().flatten().any(|name| name.eq_ignore_ascii_case(text))
        || party.name().eq_ignore_ascii_case(text)
}
