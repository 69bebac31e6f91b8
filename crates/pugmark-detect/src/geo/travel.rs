//! Who was in two places at once: sessions and people whose calls came from places too far apart.
//!
//! Observations are kept per traveller, network, place and hour, as first and last call with it: enough
//! to see any journey, and the same whatever the order of events.

use std::collections::{BTreeSet, HashMap};

use pugmark_event::{EventBatch, Leaf};
use xxhash_rust::xxh3::xxh3_64;

use super::db::{GeoDb, Place, network};
use crate::observed::{Observations, Observed};

/// Kilometres below which two places are one.
pub const DISTANCE_KM_MIN: f64 = 500.0;
/// Kilometres an hour that nobody travels faster than.
pub const SPEED_KMH_MAX: f64 = 900.0;
/// Networks of one traveller beyond which it is nobody in particular, and not judged.
pub const PLACES_MAX: usize = 32;
/// Travellers that are kept; beyond them, one in 2ⁿ is.
pub const TRAVELLERS_MAX: usize = 200_000;

const HOUR_US: i64 = 3_600_000_000;

/// Who travels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traveller {
    /// One session's credential: the session's id, or its temporary access key.
    Session(String),
    /// A person over all sessions: an IAM user, the root user, or the human actor of lineage.
    Person(String),
}

/// One end of a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// First or last call here, microseconds since 1970.
    pub time: i64,
    /// That event.
    pub event_id: String,
    /// The address.
    pub address: String,
    /// Its network.
    pub network: String,
    /// Where that is, as far as it is known.
    pub place: Place,
}

/// What is wrong with a journey.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JourneyKind {
    /// Nobody travels so fast; infinite where both places were used at the same time.
    TooFast {
        /// Kilometres between the places.
        distance_km: f64,
        /// Kilometres an hour.
        speed_kmh: f64,
    },
    /// One session's credential was used in two networks.
    OtherNetwork,
}

/// A traveller who was here and then there.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    /// Who.
    pub traveller: Traveller,
    /// The principal of the first call.
    pub principal: String,
    /// Account of the first call.
    pub account: String,
    /// Last call at the first place.
    pub from: Stop,
    /// First call at the second place.
    pub to: Stop,
    /// What is wrong.
    pub kind: JourneyKind,
    /// True if one of the networks belongs to a provider of servers, so that a proxy explains it.
    pub is_hosted: bool,
    /// How often the traveller changed between these two networks.
    pub times: u64,
}

/// First and last of the calls with one key.
#[derive(Clone, Debug)]
struct Stay {
    first: At,
    last: At,
}

/// Time, id and address of a call.
type At = (i64, String, String);

#[derive(Clone, Debug)]
struct Trail {
    /// Principal and account of the first call.
    who: (i64, String, String, String),
    networks: BTreeSet<String>,
    /// By (hour, network); none once there are too many networks.
    stays: Option<HashMap<(i64, String), Stay>>,
}

/// The places of each session and person. Facts of several workers are merged in any order.
#[derive(Debug, Default)]
pub struct Travel {
    trails: HashMap<Traveller, Trail>,
    /// Of 2ⁿ travellers one is kept.
    bits: u32,
}

impl Travel {
    /// Takes in a batch.
    pub fn read(&mut self, batch: &EventBatch, geo: &GeoDb) {
        for seen in Observations::of(batch).iter() {
            self.sight(seen, geo);
        }
    }

    fn sight(&mut self, seen: Observed<'_>, geo: &GeoDb) {
        let (Some(time), Some(address)) = (seen.time(), seen.address()) else { return };
        let travellers = [seen.session().map(|id| Traveller::Session(id.to_owned())), person(seen)];
        if travellers.iter().all(Option::is_none) {
            return;
        }
        let network = network(address, &geo.place(address));
        let id = seen.text(Leaf::EventId).unwrap_or_default();
        let at = (time, id.to_owned(), address.to_string());
        let stay = Stay { first: at.clone(), last: at };
        let who = (time, id.to_owned(), seen.principal().into_owned(), seen.account().to_owned());
        for traveller in travellers.into_iter().flatten() {
            let stays = HashMap::from([((time.div_euclid(HOUR_US), network.clone()), stay.clone())]);
            let networks = BTreeSet::from([network.clone()]);
            self.enter(traveller, Trail { who: who.clone(), networks, stays: Some(stays) });
        }
    }

    fn enter(&mut self, traveller: Traveller, trail: Trail) {
        if !is_kept(&traveller, self.bits) {
            return;
        }
        match self.trails.get_mut(&traveller) {
            Some(known) => known.merge(trail),
            None => drop(self.trails.insert(traveller, trail)),
        }
        while self.trails.len() > TRAVELLERS_MAX {
            self.bits += 1;
            self.trails.retain(|traveller, _| is_kept(traveller, self.bits));
        }
    }

    /// The places of two workers as one.
    #[must_use]
    pub fn merge(mut self, other: Travel) -> Travel {
        let bits = self.bits.max(other.bits);
        self.bits = bits;
        self.trails.retain(|traveller, _| is_kept(traveller, bits));
        for (traveller, trail) in other.trails {
            self.enter(traveller, trail);
        }
        self
    }

    /// One in how many travellers is kept: 1, unless there were too many.
    pub fn kept_one_in(&self) -> u64 {
        1 << self.bits.min(63)
    }

    /// Journeys that nobody can make, and sessions that changed their network: one for each traveller
    /// and pair of networks, by time.
    pub fn journeys(&self, geo: &GeoDb) -> Vec<Journey> {
        let mut journeys: Vec<Journey> =
            self.trails.iter().flat_map(|(traveller, trail)| trail.journeys(traveller, geo)).collect();
        journeys.sort_by(|a, b| {
            let key = |one: &Journey| (one.to.time, one.to.event_id.clone(), one.traveller.clone());
            key(a).cmp(&key(b)).then_with(|| a.from.network.cmp(&b.from.network))
        });
        // A person's journey within one session is that session's.
        let of_sessions: BTreeSet<(String, String)> = journeys
            .iter()
            .filter(|journey| matches!(journey.traveller, Traveller::Session(_)))
            .map(Journey::ends)
            .collect();
        journeys.retain(|journey| {
            matches!(journey.traveller, Traveller::Session(_)) || !of_sessions.contains(&journey.ends())
        });
        journeys
    }
}

impl Journey {
    fn ends(&self) -> (String, String) {
        (self.from.event_id.clone(), self.to.event_id.clone())
    }

    /// What happened, in a sentence.
    pub fn text(&self) -> String {
        let (from, to) = (&self.from, &self.to);
        match self.kind {
            JourneyKind::TooFast { distance_km, speed_kmh } if speed_kmh.is_finite() => format!(
                "from {} to {}: {distance_km:.0} km in {}, {speed_kmh:.0} km/h",
                from.place.text(),
                to.place.text(),
                duration(to.time - from.time),
            ),
            JourneyKind::TooFast { distance_km, .. } => format!(
                "in {} and {} at the same time, {distance_km:.0} km apart",
                from.place.text(),
                to.place.text(),
            ),
            JourneyKind::OtherNetwork => format!(
                "one credential in two networks: {} ({}), then {} ({})",
                from.address, from.network, to.address, to.network
            ),
        }
    }
}

fn duration(time_us: i64) -> String {
    let minutes = time_us / 60_000_000;
    if minutes < 120 { format!("{minutes} minutes") } else { format!("{} hours", minutes / 60) }
}

impl Trail {
    fn merge(&mut self, other: Trail) {
        if other.who < self.who {
            self.who = other.who;
        }
        self.networks.extend(other.networks);
        while self.networks.len() > PLACES_MAX + 1 {
            drop(self.networks.pop_last());
        }
        let (Some(stays), Some(more)) = (&mut self.stays, other.stays) else {
            self.stays = None;
            return;
        };
        if self.networks.len() > PLACES_MAX {
            self.stays = None;
            return;
        }
        for (key, stay) in more {
            match stays.get_mut(&key) {
                Some(known) => known.merge(stay),
                None => drop(stays.insert(key, stay)),
            }
        }
    }

    fn journeys(&self, traveller: &Traveller, geo: &GeoDb) -> Vec<Journey> {
        let Some(stays) = self.stays.as_ref().filter(|_| self.networks.len() > 1) else {
            return Vec::new();
        };
        let mut stays: Vec<(&str, &Stay)> =
            stays.iter().map(|((_, network), stay)| (network.as_str(), stay)).collect();
        stays.sort_by(|a, b| (&a.1.first, a.0).cmp(&(&b.1.first, b.0)));
        let mut found: HashMap<(&str, &str), Journey> = HashMap::new();
        for pair in stays.windows(2) {
            let [(from, here), (to, there)] = [pair[0], pair[1]];
            if from == to {
                continue;
            }
            let pair = (from.min(to), from.max(to));
            if let Some(known) = found.get_mut(&pair) {
                known.times += 1;
                continue;
            }
            let stop = |network: &str, (time, event_id, address): &At| Stop {
                time: *time,
                event_id: event_id.clone(),
                address: address.clone(),
                network: network.to_owned(),
                place: address.parse().map(|address| geo.place(address)).unwrap_or_default(),
            };
            let (from, to) = (stop(from, &here.last), stop(to, &there.first));
            if let Some(kind) = judge(traveller, &from, &to) {
                let is_hosted = from.place.is_hosted() || to.place.is_hosted();
                let (_, _, principal, account) = self.who.clone();
                let traveller = traveller.clone();
                let journey = Journey { traveller, principal, account, from, to, kind, is_hosted, times: 1 };
                found.insert(pair, journey);
            }
        }
        found.into_values().collect()
    }
}

impl Stay {
    fn merge(&mut self, other: Stay) {
        if other.first < self.first {
            self.first = other.first;
        }
        if other.last > self.last {
            self.last = other.last;
        }
    }
}

/// What is wrong with going from one place to the other; `None` if nothing is.
fn judge(traveller: &Traveller, from: &Stop, to: &Stop) -> Option<JourneyKind> {
    let apart = from.place.distance_km(&to.place).map(|distance| {
        let doubt = from.place.accuracy_km.unwrap_or(0.0) + to.place.accuracy_km.unwrap_or(0.0);
        (distance - doubt).max(0.0)
    });
    let same_system = from.place.asn.is_some() && from.place.asn == to.place.asn;
    if let Some(distance_km) = apart.filter(|distance| *distance >= DISTANCE_KM_MIN && !same_system) {
        let hours = (to.time - from.time).max(0) as f64 / HOUR_US as f64;
        let speed_kmh = if hours > 0.0 { distance_km / hours } else { f64::INFINITY };
        if speed_kmh > SPEED_KMH_MAX {
            return Some(JourneyKind::TooFast { distance_km, speed_kmh });
        }
    }
    // A host with both IPv4 and IPv6 has two networks unless their system is known.
    let one_family = from.address.contains(':') == to.address.contains(':');
    let known = from.place.asn.is_some() && to.place.asn.is_some();
    let is_session = matches!(traveller, Traveller::Session(_));
    (is_session && (one_family || known)).then_some(JourneyKind::OtherNetwork)
}

/// The person who acts, where the record names one: users are people or are at least one machine.
fn person(seen: Observed<'_>) -> Option<Traveller> {
    let is_person = match seen.text(Leaf::ActorType) {
        Some(kind) => kind == "human" || kind == "root",
        None => matches!(seen.text(Leaf::IdentityType), Some("IAMUser" | "Root" | "IdentityCenterUser")),
    };
    is_person.then(|| Traveller::Person(seen.principal().into_owned()))
}

fn is_kept(traveller: &Traveller, bits: u32) -> bool {
    let (Traveller::Session(text) | Traveller::Person(text)) = traveller;
    bits == 0 || xxh3_64(text.as_bytes()).trailing_zeros() >= bits
}
