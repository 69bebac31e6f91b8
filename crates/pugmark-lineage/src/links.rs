//! Which issuing event opened a session, and whose it was.
//!
//! The access key id decides where there is one. Else principal and time must agree; what is
//! left are names, which callers choose.

use crate::arn::Arn;
use crate::caller::ActorClass;
use crate::credentials::{Credential, Span, Use};
use crate::grants::Grant;
use crate::identity::Field;
use crate::issuance::IssuanceKind;
use crate::lineage::Lineage;
use crate::link::{Confidence, LinkKind};
use crate::names::{Map, Name, Names};
use crate::session::{LinkRecord, SessionRecord};

/// Time of issue and time of the issuing event differ by this much at most, microseconds:
/// both are cut to seconds, by different hosts.
const SKEW_US: i64 = 2_000_000;

/// Longest life of a console session, microseconds (IAM User Guide, "Switch to an IAM role (console)").
const CONSOLE_US: i64 = 12 * 3_600 * 1_000_000;

/// A link, and who is above.
pub(crate) type Joined = (Option<LinkRecord>, Option<u32>);

/// Issuing events and sessions by what they can be joined on.
pub(crate) struct Links<'a> {
    names: &'a Names,
    sessions: &'a [SessionRecord],
    grants: &'a [Grant],
    by_key: Map<Name, u32>,
    by_principal: Map<Name, Vec<u32>>,
    by_role: Map<(Name, Name), Vec<u32>>,
    /// Sign-ins, by the principal that signed in.
    logins: Map<Name, Vec<u32>>,
    /// Console switches, by the name of the user who switched, which is that of the new session.
    switches: Map<String, Vec<u32>>,
    /// Role credentials of Identity Center, by the user's name.
    portal: Map<Name, Vec<u32>>,
    /// Parties by principal id.
    parties: Map<Name, Vec<u32>>,
    /// Parties by ARN.
    by_arn: Map<Name, u32>,
    /// Long-term keys and sign-ins of IAM users, by the user's name.
    users: Map<Name, Vec<u32>>,
}

impl<'a> Links<'a> {
    /// Indexes sessions and issuances; `people` are names of Identity Center users by their id.
    pub(crate) fn new(lineage: &'a Lineage, people: &Map<Name, Name>) -> Links<'a> {
        let Lineage { names, sessions, grants, .. } = lineage;
        let mut links = Links {
            names,
            sessions,
            grants,
            by_key: Map::default(),
            by_principal: Map::default(),
            by_role: Map::default(),
            logins: Map::default(),
            switches: Map::default(),
            portal: Map::default(),
            parties: Map::default(),
            by_arn: Map::default(),
            users: Map::default(),
        };
        for (place, grant) in grants.iter().enumerate() {
            links.enter(place as u32, grant, people);
        }
        for (place, session) in sessions.iter().enumerate() {
            let identity = &session.one.identity;
            let principal = identity.name(Field::PrincipalId);
            if !principal.is_none() {
                links.parties.entry(principal).or_default().push(place as u32);
            }
            if !identity.name(Field::Arn).is_none() {
                links.by_arn.entry(identity.name(Field::Arn)).or_insert(place as u32);
            }
            if session.class == ActorClass::User && identity.created.is_none() {
                links.users.entry(identity.name(Field::UserName)).or_default().push(place as u32);
            }
        }
        links
    }

    fn enter(&mut self, place: u32, grant: &Grant, people: &Map<Name, Name>) {
        let issued = &grant.issued;
        let caller = &self.sessions[issued.caller as usize].one.identity;
        if !issued.key.is_none() {
            self.by_key.entry(issued.key).or_insert(place);
        }
        if !issued.principal.is_none() {
            self.by_principal.entry(issued.principal).or_default().push(place);
        }
        if !issued.role.is_none() && !issued.session.is_none() {
            self.by_role.entry((issued.role, issued.session)).or_default().push(place);
        }
        match issued.kind {
            IssuanceKind::ConsoleLogin | IssuanceKind::SigninToken => {
                self.logins.entry(caller.name(Field::PrincipalId)).or_default().push(place);
            }
            IssuanceKind::SwitchRole => {
                let from = names_user(self.names.text(issued.switched_from)).map(str::to_owned);
                let user = from.or_else(|| self.names.get(caller.name(Field::UserName)).map(str::to_owned));
                self.switches.entry(user.unwrap_or_default()).or_default().push(place);
            }
            IssuanceKind::RoleCredentials => {
                let person = people.get(&caller.name(Field::BehalfUser)).copied().unwrap_or_default();
                let person = person.or(caller.name(Field::UserName));
                self.portal.entry(person).or_default().push(place);
            }
            _ => {}
        }
    }

    /// What joins the party at `place` to what is above it.
    pub(crate) fn join(&self, place: u32) -> Joined {
        let joined = match self.sessions[place as usize].one.credential {
            Credential::Principal(..) => self.by_other_account(place),
            Credential::Key(key) => self.by_key(key).or_else(|| self.by_grant(place)),
            Credential::Bearer(_) | Credential::Grant(..) => self.by_grant(place),
        };
        let (link, above) = joined.unwrap_or((None, None));
        (link, above.filter(|above| *above != place))
    }

    fn by_key(&self, key: Name) -> Option<Joined> {
        let place = *self.by_key.get(&key)?;
        let grant = &self.grants[place as usize];
        let kind = if grant.is_shared { LinkKind::SharedEventId } else { LinkKind::AccessKeyId };
        let is_certain = grant.has_caller && !grant.is_disputed;
        let confidence = if is_certain { Confidence::Certain } else { Confidence::Strong };
        Some(self.of_grant(place, kind, confidence))
    }

    fn of_grant(&self, place: u32, kind: LinkKind, confidence: Confidence) -> Joined {
        let link = LinkRecord { kind, confidence, grant: Some(place) };
        (Some(link), Some(self.grants[place as usize].issued.caller))
    }

    /// The issuing event of a session whose key no event handed out.
    fn by_grant(&self, place: u32) -> Option<Joined> {
        let session = &self.sessions[place as usize];
        let created = session.one.identity.created?;
        let identity = &session.one.identity;
        let principal = identity.name(Field::PrincipalId);
        let of = |found: Option<&Vec<u32>>| found.map(Vec::as_slice).unwrap_or_default().to_vec();
        let mut candidates = of(self.by_principal.get(&principal).filter(|_| !principal.is_none()));
        let caller = session.one.caller(self.names);
        if let Some(name) = caller.session_name().and_then(|name| self.names.find(name)) {
            candidates.extend(of(self.by_role.get(&(identity.name(Field::IssuerArn), name))));
        }
        if !principal.is_none() {
            candidates.extend(of(self.logins.get(&principal)));
        }
        candidates.sort_unstable();
        candidates.dedup();
        self.forwarded(place, created)
            .or_else(|| self.nearest(&candidates, created))
            .or_else(|| self.switched(place, created))
            .or_else(|| self.by_portal(place, created))
            .or_else(|| self.by_source_identity(place))
    }

    /// Credentials that Identity Center gave its user for a role of its own, which bears the
    /// user's name as session name.
    fn by_portal(&self, place: u32, created: i64) -> Option<Joined> {
        let session = &self.sessions[place as usize];
        if session.class != ActorClass::IdentityCenter {
            return None;
        }
        let caller = session.one.caller(self.names);
        let grants = self.portal.get(&self.names.find(caller.session_name()?)?)?;
        let (link, above) = self.nearest(grants, created)?;
        Some((link.map(|link| LinkRecord { kind: LinkKind::SessionName, ..link }), above))
    }

    /// The candidate whose time is nearest to `created`.
    fn nearest(&self, candidates: &[u32], created: i64) -> Option<Joined> {
        let distance = |grant: u32| {
            let time = self.grants[grant as usize].issued.time?;
            Some((time - created).abs()).filter(|distance| *distance <= SKEW_US)
        };
        // Grants are in order of time and event id, so the first of several equals is always the same.
        let best = candidates
            .iter()
            .copied()
            .filter(|grant| distance(*grant).is_some())
            .min_by_key(|grant| distance(*grant))?;
        let caller = |grant: u32| self.grants[grant as usize].issued.caller;
        let mut rivals = candidates.iter().filter(|grant| distance(**grant) == distance(best));
        let is_alone = rivals.all(|grant| caller(*grant) == caller(best));
        let confidence = if is_alone { Confidence::Strong } else { Confidence::Weak };
        Some(self.of_grant(best, LinkKind::PrincipalAndCreation, confidence))
    }

    /// A service acts for somebody with a key of its own: above it is the session of the same
    /// principal and time of issue, or else the user's long-term key.
    fn forwarded(&self, place: u32, created: i64) -> Option<Joined> {
        let session = &self.sessions[place as usize];
        if !is_forwarded(session) {
            return None;
        }
        let siblings = self.parties.get(&session.one.identity.name(Field::PrincipalId))?;
        let is_above = |other: u32, is_alike: &dyn Fn(&Use) -> bool| {
            let other = &self.sessions[other as usize];
            let is_key = matches!(other.one.credential, Credential::Key(_));
            is_key && !is_forwarded(other) && is_alike(&other.one)
        };
        let of_session = |other: &Use| other.identity.created == Some(created);
        // A long-term key is never used with MFA, and was in use when the service began to act.
        let has_mfa = session.one.identity.mfa == Some(true);
        let of_long_term_key = |other: &Use| {
            let Span { first, last } = other.span;
            !has_mfa
                && other.identity.created.is_none()
                && first.is_some_and(|first| first - SKEW_US <= created)
                && last.is_some_and(|last| created <= last + SKEW_US)
        };
        let of_kind = |is_alike: &dyn Fn(&Use) -> bool| -> Vec<u32> {
            siblings.iter().copied().filter(|other| is_above(*other, is_alike)).collect()
        };
        let (of_session, of_key) = (of_kind(&of_session), of_kind(&of_long_term_key));
        // The keys of one session are one to us: any of them is the session.
        let is_alone = !of_session.is_empty() || of_key.len() == 1;
        let above = of_session.first().or(of_key.first()).copied()?;
        let confidence = if is_alone { Confidence::Strong } else { Confidence::Weak };
        let link = LinkRecord { kind: LinkKind::PrincipalAndCreation, confidence, grant: None };
        Some((Some(link), Some(above)))
    }

    /// A role that was switched to in the console: its session bears the user's name.
    fn switched(&self, place: u32, created: i64) -> Option<Joined> {
        let session = &self.sessions[place as usize];
        if session.class != ActorClass::Role {
            return None;
        }
        let caller = session.one.caller(self.names);
        let switches = self.switches.get(caller.session_name()?)?;
        let distance = |grant: u32| {
            let time = self.grants[grant as usize].issued.time?;
            Some((time - created).abs()).filter(|distance| *distance <= CONSOLE_US)
        };
        let near = switches.iter().copied().filter(|grant| distance(*grant).is_some());
        let grant = near.min_by_key(|grant| distance(*grant))?;
        let issued = &self.grants[grant as usize].issued;
        let of_switch = self.sessions[issued.caller as usize].one.identity.name(Field::Arn);
        // Recorded where the user is, by the user's own session; or where the role is, by the new one.
        let above = if of_switch == issued.switched_from {
            Some(issued.caller)
        } else {
            self.by_arn.get(&issued.switched_from).copied().filter(|_| !issued.switched_from.is_none())
        };
        let link =
            LinkRecord { kind: LinkKind::SessionName, confidence: Confidence::Weak, grant: Some(grant) };
        Some((Some(link), above))
    }

    /// A source identity that is the name of one user in the input.
    fn by_source_identity(&self, place: u32) -> Option<Joined> {
        let identity = &self.sessions[place as usize].one.identity;
        let users = self.users.get(&identity.name(Field::SourceIdentity))?;
        let account = |user: u32| self.sessions[user as usize].one.identity.name(Field::Account);
        // Users of one name in two accounts may be two people.
        let above = users
            .first()
            .copied()
            .filter(|first| users.iter().all(|user| account(*user) == account(*first)))?;
        let link = LinkRecord { kind: LinkKind::SourceIdentity, confidence: Confidence::Weak, grant: None };
        Some((Some(link), Some(above)))
    }

    /// A caller that another account's copy names by its principal id alone.
    fn by_other_account(&self, place: u32) -> Option<Joined> {
        let session = &self.sessions[place as usize];
        if session.class != ActorClass::OutsideAccount {
            return None;
        }
        let parties = self.parties.get(&session.one.identity.name(Field::PrincipalId))?;
        let mut known = parties
            .iter()
            .copied()
            .filter(|other| self.sessions[*other as usize].class != ActorClass::OutsideAccount);
        let above = known.next()?;
        let created = |place: u32| self.sessions[place as usize].one.identity.created;
        let is_one = known.all(|other| created(other) == created(above));
        let confidence = if is_one { Confidence::Strong } else { Confidence::Weak };
        let link = LinkRecord { kind: LinkKind::PrincipalId, confidence, grant: None };
        Some((Some(link), Some(above)))
    }
}

/// A service made all its calls, perhaps for somebody.
fn is_forwarded(session: &SessionRecord) -> bool {
    matches!(session.class, ActorClass::ForwardAccess | ActorClass::ServiceRole)
}

/// The name of the user that an ARN is of.
fn names_user(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn)?;
    arn.user().or_else(|| arn.session()).map(|(_, name)| name)
}
