//! What is suspicious about a session by itself, without a rule.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pugmark_event::format_time;

use crate::activity::Counted;
use crate::actor::ActorType;
use crate::caller::ActorClass;
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
    /// More sessions lie between it and its actor than usual.
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

/// Chains of up to this many sessions are nowhere unusual.
const USUAL_DEPTH: u32 = 3;

/// Everything that is suspicious, by session and kind.
pub(crate) fn find(lineage: &Lineage) -> Vec<SuspicionRecord> {
    let mut found = Vec::new();
    two_networks(lineage, &mut found);
    instances(lineage, &mut found);
    no_issuance(lineage, &mut found);
    long_chains(lineage, &mut found);
    found.sort_by(|a, b| (a.session, a.kind, &a.about).cmp(&(b.session, b.kind, &b.about)));
    found
}

/// The network of an address: the first 16 bits of an IPv4 address, the first 32 of an IPv6
/// address; `None` for the name of a service.
fn network(address: &str) -> Option<[u8; 4]> {
    match address.parse().ok()? {
        IpAddr::V4(address) => Some([4, address.octets()[0], address.octets()[1], 0]),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => Some([4, address.octets()[0], address.octets()[1], 0]),
            None => Some(address.octets()[..4].try_into().expect("four of sixteen bytes")),
        },
    }
}

/// Addresses of a session by network, the most frequent of each; not those of VPC endpoints,
/// which are private addresses of the caller's own choice.
fn networks(session: Session<'_>) -> BTreeMap<[u8; 4], (&str, u64)> {
    let mut networks: BTreeMap<[u8; 4], (&str, u64)> = BTreeMap::new();
    for (address, count) in session.counts(Counted::Address).kept {
        if let Some(network) = network(address) {
            networks.entry(network).or_insert((address, 0)).1 += count;
        }
    }
    networks
}

fn two_networks(lineage: &Lineage, found: &mut Vec<SuspicionRecord>) {
    // An instance has addresses of its own within its VPC; it has a rule of its own below.
    for session in lineage.sessions().filter(|session| session.class() != ActorClass::Instance) {
        let networks = networks(session);
        if networks.len() > 1 {
            let mut addresses: Vec<(&str, u64)> = networks.into_values().collect();
            addresses.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            let shown: Vec<String> = addresses
                .iter()
                .take(4)
                .map(|(address, count)| format!("{address} ({count} events)"))
                .collect();
            let about = format!("{} networks: {}", addresses.len(), shown.join(", "));
            found.push(SuspicionRecord { session: session.place, kind: SuspicionKind::TwoNetworks, about });
        }
    }
}

/// Sessions of instances by instance id and account.
type Instances<'a> = BTreeMap<(&'a str, &'a str), Vec<Session<'a>>>;

/// Credentials of instances away from where the instance is.
fn instances(lineage: &Lineage, found: &mut Vec<SuspicionRecord>) {
    let mut people: BTreeMap<&str, &str> = BTreeMap::new();
    let mut instances: Instances<'_> = BTreeMap::new();
    for session in lineage.sessions() {
        let is_person = matches!(session.actor().kind(), ActorType::Human | ActorType::Root);
        if session.class() == ActorClass::Instance {
            let instance =
                (session.session_name().unwrap_or_default(), session.account().unwrap_or_default());
            instances.entry(instance).or_default().push(session);
        } else if is_person && session.class() != ActorClass::ForwardAccess {
            for (address, _) in session.counts(Counted::Address).kept {
                let name = session.actor().text();
                people.entry(address).and_modify(|known| *known = name.min(known)).or_insert(name);
            }
        }
    }
    let private_accounts = private_accounts(&instances);
    for ((instance, account), sessions) in instances {
        let home = home(&sessions, |address| people.contains_key(address));
        for session in sessions {
            let addresses: Vec<&str> = session.counts(Counted::Address).texts();
            let is_private_account = private_accounts.contains(account);
            let away = addresses.iter().filter(|address| network(address).is_some()).find_map(|address| {
                let person = people.get(address).map(|person| format!("{address}, as {person}"));
                let of_home = || {
                    let (home, known) = home?;
                    (network(address) != Some(home))
                        .then(|| format!("{address}, while {instance} is at {known}"))
                };
                let of_account = || {
                    let is_odd = is_private_account && !is_private(address);
                    is_odd.then(|| {
                        format!("{address}, while other instances of {account} have private addresses")
                    })
                };
                person.or_else(of_home).or_else(of_account)
            });
            if let Some(about) = away {
                found.push(SuspicionRecord {
                    session: session.place,
                    kind: SuspicionKind::OutsideAws,
                    about,
                });
            }
            let owners = session.counts(Counted::EndpointAccount);
            if let Some((owner, _)) = owners.kept.iter().find(|(owner, _)| *owner != account) {
                let about = format!("through a VPC endpoint of {owner}, while {instance} is of {account}");
                found.push(SuspicionRecord {
                    session: session.place,
                    kind: SuspicionKind::OtherAccount,
                    about,
                });
            }
        }
    }
}

/// Accounts whose instances are seen by private addresses, all but one of twenty at most.
fn private_accounts<'a>(instances: &Instances<'a>) -> BTreeSet<&'a str> {
    let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for ((_, account), sessions) in instances {
        let is_public = |session: &Session<'_>| {
            let addresses = session.counts(Counted::Address).texts();
            addresses.iter().any(|address| network(address).is_some() && !is_private(address))
        };
        let sum = sums.entry(*account).or_default();
        sum.0 += 1;
        sum.1 += usize::from(sessions.iter().any(is_public));
    }
    sums.into_iter()
        .filter(|(_, (all, public))| *all >= 4 && public * 20 <= *all)
        .map(|(account, _)| account)
        .collect()
}

/// Addresses that only exist within a network.
fn is_private(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(address)) => address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_unique_local(),
        Err(_) => false,
    }
}

/// The network that an instance is in, and an address of it: none that a person comes from too,
/// a private one where there is one, else that of most events.
fn home<'a>(sessions: &[Session<'a>], is_of_person: impl Fn(&str) -> bool) -> Option<([u8; 4], &'a str)> {
    let mut sums: BTreeMap<[u8; 4], (u64, &str)> = BTreeMap::new();
    for session in sessions {
        for (network, (address, count)) in networks(*session) {
            let sum = sums.entry(network).or_insert((0, address));
            *sum = (sum.0 + count, sum.1.min(address));
        }
    }
    // Whoever took the credentials away may well use them more than the instance does.
    let rank = |(network, (count, address)): &([u8; 4], (u64, &str))| {
        (!is_of_person(address), is_private(address), *count, Reverse(*network))
    };
    let best = sums.into_iter().max_by_key(rank)?;
    Some((best.0, best.1.1))
}

/// Sessions that nothing opened, although their account's issuances are among the input.
fn no_issuance(lineage: &Lineage, found: &mut Vec<SuspicionRecord>) {
    let mut reported = BTreeSet::new();
    for session in lineage.sessions() {
        let is_issued_in_account = matches!(
            session.class(),
            ActorClass::Role
                | ActorClass::Instance
                | ActorClass::HybridNode
                | ActorClass::PodIdentity
                | ActorClass::PodIrsa
                | ActorClass::IdentityCenter
                | ActorClass::Federated
                | ActorClass::User
                | ActorClass::Root
        );
        let (Some(created), Some(account), None) =
            (session.record().one.identity.created, session.account(), session.issuance())
        else {
            continue;
        };
        let Some(coverage) = lineage.covered.get(account).filter(|coverage| coverage.issuances > 0) else {
            continue;
        };
        let is_covered = coverage.span.first.is_some_and(|first| first < created)
            && coverage.span.last.is_some_and(|last| created <= last);
        // A console session has many keys; one report of them is enough.
        if is_issued_in_account && is_covered && reported.insert((session.principal_id(), created)) {
            let about = format!("issued {}, which is covered", format_time(created));
            found.push(SuspicionRecord { session: session.place, kind: SuspicionKind::NoIssuance, about });
        }
    }
}

/// Chains longer than 95 of 100 others.
fn long_chains(lineage: &Lineage, found: &mut Vec<SuspicionRecord>) {
    let is_step = |session: &Session<'_>| session.class() != ActorClass::ForwardAccess;
    let mut depths: Vec<u32> = lineage.sessions().filter(is_step).map(Session::depth).collect();
    depths.sort_unstable();
    let Some(last) = depths.len().checked_sub(1) else { return };
    let usual = depths[last * 95 / 100].max(USUAL_DEPTH);
    for session in lineage.sessions().filter(is_step).filter(|session| session.depth() > usual) {
        let about = format!("{} sessions deep; up to {usual} are usual", session.depth());
        found.push(SuspicionRecord { session: session.place, kind: SuspicionKind::LongChain, about });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_the_first_half_of_an_address() {
        assert_eq!(network("198.51.100.7"), network("198.51.7.1"));
        assert_ne!(network("198.51.100.7"), network("198.52.100.7"));
        assert_eq!(network("2001:db8:1::1"), network("2001:db8:2::1"));
        assert_eq!(network("::ffff:198.51.100.7"), network("198.51.100.9"));
        assert_eq!(network("ec2.amazonaws.com"), None);
    }
}
