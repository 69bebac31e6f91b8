//! Issuing events with their copies in other accounts taken together.

use crate::issuance::{IssuanceKind, Issued};
use crate::lineage::Lineage;
use crate::names::{Map, Name, Names};
use crate::session::Session;

/// One act of handing out a credential.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// The copy that knows most, with what only others know filled in.
    pub(crate) issued: Issued,
    /// Event ids of all copies, by time, then by id.
    pub(crate) events: Vec<Name>,
    /// The caller is known, not only the caller's account.
    pub(crate) has_caller: bool,
    /// The caller is known only from the copy of another account.
    pub(crate) is_shared: bool,
    /// Copies contradict each other about the caller.
    pub(crate) is_disputed: bool,
}

/// An event that handed out a credential.
#[derive(Clone, Copy, Debug)]
pub struct Issuance<'a> {
    pub(crate) lineage: &'a Lineage,
    pub(crate) place: u32,
}

impl<'a> Issuance<'a> {
    fn grant(self) -> &'a Grant {
        &self.lineage.grants[self.place as usize]
    }

    fn text(self, name: Name) -> Option<&'a str> {
        self.lineage.names.get(name)
    }

    /// What kind of event it is.
    pub fn kind(self) -> IssuanceKind {
        self.grant().issued.kind
    }

    /// When, microseconds since 1970.
    pub fn time(self) -> Option<i64> {
        self.grant().issued.time
    }

    /// Event id, of the copy that knows most.
    pub fn event_id(self) -> Option<&'a str> {
        self.text(self.grant().issued.event)
    }

    /// Event ids of all copies.
    pub fn events(self) -> Vec<&'a str> {
        self.grant().events.iter().filter_map(|event| self.text(*event)).collect()
    }

    /// Who asked for it.
    pub fn caller(self) -> Session<'a> {
        self.lineage.session_at(self.grant().issued.caller)
    }

    /// Access key id that was handed out.
    pub fn access_key(self) -> Option<&'a str> {
        self.text(self.grant().issued.key)
    }

    /// Principal id of the session that was opened.
    pub fn principal_id(self) -> Option<&'a str> {
        self.text(self.grant().issued.principal)
    }

    /// ARN of the role.
    pub fn role(self) -> Option<&'a str> {
        self.text(self.grant().issued.role)
    }

    /// Name of the session, or of the user whose key it is.
    pub fn session_name(self) -> Option<&'a str> {
        self.text(self.grant().issued.session)
    }

    /// Source identity that was set.
    pub fn source_identity(self) -> Option<&'a str> {
        self.text(self.grant().issued.source_identity)
    }

    /// Address it was asked for from.
    pub fn address(self) -> Option<&'a str> {
        self.text(self.grant().issued.address)
    }

    /// Agent it was asked for with.
    pub fn agent(self) -> Option<&'a str> {
        self.text(self.grant().issued.agent)
    }

    /// Account whose trail has it.
    pub fn recipient(self) -> Option<&'a str> {
        self.text(self.grant().issued.recipient)
    }

    /// With MFA, where the event says so.
    pub fn mfa(self) -> Option<bool> {
        self.grant().issued.mfa
    }

    /// When the credential ends, microseconds since 1970, where the event says so.
    pub fn expires(self) -> Option<i64> {
        self.grant().issued.expires
    }

    /// The pod it was for: cluster, namespace, service account, pod; each empty where unknown.
    pub fn pod(self) -> Option<[&'a str; 4]> {
        let pod = self.grant().issued.pod.as_deref()?;
        let names = &self.lineage.names;
        Some([pod.cluster, pod.namespace, pod.account, pod.pod].map(|name| names.text(name)))
    }

    /// The sessions that came of it.
    pub fn sessions(self) -> impl Iterator<Item = Session<'a>> {
        self.lineage
            .parties()
            .filter(move |party| party.record().link.is_some_and(|link| link.grant == Some(self.place)))
    }
}

/// Takes copies together: those that handed out the same key, and those with one shared id.
/// `is_vague` tells callers of which a copy knows only the account.
pub(crate) fn merge(mut issued: Vec<Issued>, names: &Names, is_vague: impl Fn(u32) -> bool) -> Vec<Grant> {
    issued.sort_by(|a, b| {
        let by_event = order(a, names).cmp(&order(b, names));
        by_event.then_with(|| words(a, names).cmp(&words(b, names)))
    });
    let mut groups = Groups((0..issued.len()).collect());
    let (mut by_key, mut by_shared) = (Map::default(), Map::default());
    for (place, one) in issued.iter().enumerate() {
        for (index, name) in [(&mut by_key, one.key), (&mut by_shared, one.shared)] {
            if !name.is_none() {
                let first = *index.entry(name).or_insert(place);
                groups.join(first, place);
            }
        }
    }
    let mut members: Map<usize, Vec<usize>> = Map::default();
    for place in 0..issued.len() {
        members.entry(groups.first(place)).or_default().push(place);
    }
    // A group is named by its first member, so its order is that of the events.
    let mut firsts: Vec<usize> = members.keys().copied().collect();
    firsts.sort_unstable();
    firsts.into_iter().map(|first| grant(&members[&first], &issued, &is_vague)).collect()
}

type Order<'a> = (Option<i64>, &'a str, &'a str, IssuanceKind);

fn order<'a>(issued: &Issued, names: &'a Names) -> Order<'a> {
    (issued.time, names.text(issued.event), names.text(issued.recipient), issued.kind)
}

/// All else that it says, for the order of records that claim to be one event and are not.
fn words<'a>(issued: &Issued, names: &'a Names) -> ([&'a str; 13], Option<bool>, Option<i64>, u32) {
    let pod = issued.pod.as_deref().copied().unwrap_or_default();
    let told = [
        issued.key,
        issued.principal,
        issued.role,
        issued.session,
        issued.shared,
        issued.address,
        issued.agent,
        issued.source_identity,
        issued.switched_from,
        pod.cluster,
        pod.namespace,
        pod.account,
        pod.pod,
    ];
    (told.map(|name| names.text(name)), issued.mfa, issued.expires, issued.caller)
}

fn grant(members: &[usize], issued: &[Issued], is_vague: impl Fn(u32) -> bool) -> Grant {
    let full: Vec<&Issued> =
        members.iter().map(|place| &issued[*place]).filter(|one| !is_vague(one.caller)).collect();
    let best = full.first().copied().unwrap_or(&issued[members[0]]);
    let mut merged = best.clone();
    for one in members.iter().map(|place| &issued[*place]) {
        let fields = [
            (&mut merged.key, one.key),
            (&mut merged.principal, one.principal),
            (&mut merged.role, one.role),
            (&mut merged.session, one.session),
            (&mut merged.source_identity, one.source_identity),
            (&mut merged.switched_from, one.switched_from),
        ];
        for (ours, theirs) in fields {
            *ours = ours.or(theirs);
        }
        merged.mfa = merged.mfa.max(one.mfa);
        merged.expires = merged.expires.max(one.expires);
        merged.pod = merged.pod.take().or_else(|| one.pod.clone());
    }
    let mut events: Vec<Name> = members.iter().map(|place| issued[*place].event).collect();
    events.dedup();
    Grant {
        has_caller: !full.is_empty(),
        is_shared: full.len() < members.len() && best.key.is_none(),
        is_disputed: full.iter().any(|one| one.caller != best.caller),
        issued: merged,
        events,
    }
}

/// Which member each is joined to.
struct Groups(Vec<usize>);

impl Groups {
    fn first(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }
}
