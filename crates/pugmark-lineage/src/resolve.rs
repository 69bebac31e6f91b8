//! From facts to a lineage: order, issuances, links, circles, actors, suspicions.
//!
//! Everything is sorted by time and text first, so that no later choice can
//! depend on the order in which rows came.

use std::collections::BTreeMap;

use pugmark_event::format_time;
use xxhash_rust::xxh3::xxh3_64;

use crate::actor::{self, ActorRecord, ActorType, ClusterNames, Root};
use crate::caller::{ActorClass, Caller};
use crate::credentials::{Covered, Credential, CredentialFacts, Span, Use};
use crate::grants;
use crate::identity::Field;
use crate::lineage::Lineage;
use crate::link::Confidence;
use crate::links::Links;
use crate::names::{Map, Name};
use crate::session::{LinkRecord, SessionRecord};
use crate::{Arn, suspicion};

/// Concludes from all facts; `clusters` are names of clusters by the id of their identity provider.
pub(crate) fn resolve(facts: CredentialFacts, clusters: ClusterNames) -> Lineage {
    let covered = covered(&facts);
    let people = facts.people.clone();
    let mut lineage = Lineage { covered, ..ordered(facts) };
    let links = Links::new(&lineage, &people);
    let joined: Vec<_> = (0..lineage.sessions.len() as u32).map(|place| links.join(place)).collect();
    for (session, (link, above)) in lineage.sessions.iter_mut().zip(joined) {
        (session.link, session.above) = (link, above);
    }
    cut_circles(&mut lineage.sessions);
    lineage.below = below(&lineage.sessions);
    Conclusions { lineage: &mut lineage, people, clusters, roots: Vec::new() }.conclude();
    lineage.suspicions = suspicion::find(&lineage);
    lineage
}

/// The time that is covered, by account.
fn covered(facts: &CredentialFacts) -> Covered {
    let by_text = |(account, coverage): (&Name, &_)| (facts.names.text(*account).to_owned(), *coverage);
    facts.coverage.iter().map(by_text).collect()
}

/// Sessions by first event and credential, issuances by time, ids of the length that tells all apart.
fn ordered(facts: CredentialFacts) -> Lineage {
    let CredentialFacts { names, uses, mut issued, .. } = facts;
    let mut order: Vec<(Option<i64>, String, usize)> = uses
        .iter()
        .enumerate()
        .map(|(place, one)| (one.span.first, one.credential.canonical(&names), place))
        .collect();
    order.sort_unstable();
    let mut moved = vec![0; uses.len()];
    let mut old: Vec<Option<Use>> = uses.into_iter().map(Some).collect();
    let mut sessions = Vec::with_capacity(old.len());
    for (place, (_, text, from)) in order.into_iter().enumerate() {
        moved[from] = place as u32;
        if let Some(mut one) = old[from].take() {
            one.activity.shrink();
            let class = one.caller(&names).class();
            sessions.push(SessionRecord {
                one,
                hash: xxh3_64(text.as_bytes()),
                class,
                link: None,
                above: None,
                actor: 0,
                confidence: Confidence::Certain,
                depth: 0,
            });
        }
    }
    for one in &mut issued {
        one.caller = moved[one.caller as usize];
    }
    let grants = grants::merge(issued, &names, |place| {
        matches!(sessions[place as usize].class, ActorClass::OutsideAccount | ActorClass::Unknown)
    });
    let places = sessions.iter().enumerate().map(|(place, session)| (session.one.credential, place as u32));
    let places = places.collect();
    let id_digits = id_digits(&sessions);
    Lineage { names, sessions, places, grants, id_digits, ..Lineage::default() }
}

/// Eight digits, or as many more as it takes.
fn id_digits(sessions: &[SessionRecord]) -> usize {
    let mut hashes: Vec<u64> = sessions.iter().map(|session| session.hash).collect();
    hashes.sort_unstable();
    let is_enough = |digits: &usize| {
        let kept = |hash: u64| hash >> (64 - 4 * digits);
        hashes.windows(2).all(|pair| kept(pair[0]) != kept(pair[1]))
    };
    [8, 12].into_iter().find(is_enough).unwrap_or(16)
}

/// Takes away one link of every circle: that above the session that comes first.
fn cut_circles(sessions: &mut [SessionRecord]) {
    const NEW: u32 = u32::MAX;
    let mut walk_of = vec![NEW; sessions.len()];
    for start in 0..sessions.len() {
        let mut place = start;
        while walk_of[place] == NEW {
            walk_of[place] = start as u32;
            match sessions[place].above {
                Some(above) => place = above as usize,
                None => break,
            }
        }
        if walk_of[place] != start as u32 || sessions[place].above.is_none() {
            continue;
        }
        // `place` was met twice on this walk: it lies on a circle.
        let (mut first, mut next) = (place, sessions[place].above);
        while let Some(other) = next.filter(|other| *other as usize != place) {
            first = first.min(other as usize);
            next = sessions[other as usize].above;
        }
        sessions[first].above = None;
    }
}

fn below(sessions: &[SessionRecord]) -> Vec<(u32, u32)> {
    let pairs = sessions.iter().enumerate();
    let mut below: Vec<(u32, u32)> =
        pairs.filter_map(|(place, session)| Some((session.above?, place as u32))).collect();
    below.sort_unstable();
    below
}

/// Works out the actor of every party, from the top of each chain downward.
struct Conclusions<'a> {
    lineage: &'a mut Lineage,
    people: Map<Name, Name>,
    clusters: ClusterNames,
    roots: Vec<Option<(ActorRecord, Confidence)>>,
}

impl Conclusions<'_> {
    fn conclude(mut self) {
        let count = self.lineage.sessions.len();
        self.roots = vec![None; count];
        for place in 0..count as u32 {
            self.conclude_chain(place);
        }
        let mut actors: BTreeMap<ActorRecord, u32> = BTreeMap::new();
        for (actor, _) in self.roots.iter().flatten() {
            if !actors.contains_key(actor) {
                actors.insert(actor.clone(), 0);
            }
        }
        for (place, number) in actors.values_mut().enumerate() {
            *number = place as u32;
        }
        for (session, root) in self.lineage.sessions.iter_mut().zip(&self.roots) {
            if let Some((actor, confidence)) = root {
                session.actor = actors[actor];
                session.confidence = *confidence;
            }
        }
        self.lineage.actors = actors.into_keys().collect();
    }

    fn conclude_chain(&mut self, place: u32) {
        let mut chain = vec![place];
        while let Some(above) = chain.last().and_then(|last| self.lineage.sessions[*last as usize].above)
            && self.roots[above as usize].is_none()
        {
            chain.push(above);
        }
        for place in chain.into_iter().rev() {
            if self.roots[place as usize].is_none() {
                self.conclude_one(place);
            }
        }
    }

    /// The actor of one party, given that of the party above it.
    fn conclude_one(&mut self, place: u32) {
        let session = &self.lineage.sessions[place as usize];
        let above = session.above.map_or(0, |above| self.lineage.sessions[above as usize].depth);
        // A long-term key that nobody is known to have made is where a chain begins, not a step.
        let is_step = match session.one.credential {
            Credential::Principal(..) => false,
            _ => session.above.is_some() || session.one.identity.created.is_some(),
        };
        let depth = above + u32::from(is_step);
        let root = self.root(place);
        let session = &mut self.lineage.sessions[place as usize];
        session.depth = depth;
        if session.class == ActorClass::ServiceRole && root.actor.kind != ActorType::Service {
            session.class = ActorClass::ForwardAccess;
        }
        if let (None, Some(kind)) = (session.link, root.kind) {
            session.link = Some(LinkRecord { kind, confidence: root.confidence, grant: None });
        }
        self.roots[place as usize] = Some((root.actor, root.confidence));
    }

    fn root(&self, place: u32) -> Root {
        let names = &self.lineage.names;
        let session = &self.lineage.sessions[place as usize];
        let mut caller = session.one.caller(names);
        if let Some(person) = self.people.get(&session.one.identity.name(Field::BehalfUser)) {
            caller.behalf_user = names.get(*person);
        }
        if let Some(root) = actor::of_identity(&caller, session.class) {
            return root;
        }
        let link = session.link.map_or(Confidence::Certain, |link| link.confidence);
        let inherited = session.above.map(|above| {
            let above_session = &self.lineage.sessions[above as usize];
            let above_caller = above_session.one.caller(names);
            let pod =
                session.link.and_then(|link| self.lineage.grants[link.grant? as usize].issued.pod.as_deref());
            let pod = pod
                .map(|pod| [pod.cluster, pod.namespace, pod.account, pod.pod].map(|name| names.text(name)));
            match (above_session.class, &self.roots[above as usize]) {
                (ActorClass::Service, _) => {
                    let root = actor::of_service(above_caller.invoked_by.unwrap_or("AWS"), &caller, pod);
                    Root { confidence: link, ..root }
                }
                (_, Some((actor, confidence))) => {
                    Root { actor: actor.clone(), confidence: link.min(*confidence), kind: None }
                }
                (_, None) => self.unknown(place, &caller),
            }
        });
        match inherited {
            Some(root) if root.actor.kind != ActorType::Unknown => root,
            // A service acts for whoever is above, known or not.
            Some(root) if session.class == ActorClass::ServiceRole => root,
            inherited => actor::of_root(&caller, session.class, &self.clusters)
                .or(inherited)
                .unwrap_or_else(|| self.unknown(place, &caller)),
        }
    }

    /// Nobody is known: says what is missing.
    fn unknown(&self, place: u32, caller: &Caller<'_>) -> Root {
        let session = &self.lineage.sessions[place as usize];
        let account = caller.account.unwrap_or_default();
        let covered = self.lineage.covered.get(account).map(|coverage| coverage.span);
        if session.class == ActorClass::OutsideAccount && covered.is_none() {
            let text = format!("account/{}", if account.is_empty() { "anonymous" } else { account });
            return Root {
                actor: ActorRecord { text, kind: ActorType::Outside },
                confidence: Confidence::Certain,
                kind: None,
            };
        }
        let missing = match (session.one.identity.created, covered.unwrap_or_else(|| self.whole()).first) {
            (Some(created), Some(first)) if created < first => {
                format!("issued before {}, the first day covered", &format_time(first)[..10])
            }
            _ => missing(caller, account),
        };
        let text = format!("unknown ({missing})");
        let actor = ActorRecord { text, kind: ActorType::Unknown };
        Root { actor, confidence: Confidence::Weak, kind: None }
    }

    fn whole(&self) -> Span {
        let mut span = Span::default();
        self.lineage.covered.values().for_each(|coverage| span.merge(coverage.span));
        span
    }
}

/// What would have to be in the input to know the actor.
fn missing(caller: &Caller<'_>, account: &str) -> String {
    let issuer = caller.issuer_arn.and_then(Arn::parse).and_then(Arn::role).map(|(_, name)| name);
    let of_session = || Arn::parse(caller.arn?)?.session().map(|(role, _)| role);
    match (issuer.or_else(of_session), caller.kind, caller.principal_id) {
        (Some(role), ..) => format!("no issuance of role {role} of {account} in the input"),
        (None, Some("AWSAccount"), Some(principal)) => {
            format!("no event of {principal} of {account} in the input")
        }
        (None, Some(kind), _) if !account.is_empty() => format!("{kind} of {account}"),
        (None, Some(kind), _) => kind.to_owned(),
        (None, None, _) => "no identity in the record".to_owned(),
    }
}
