//! The first occurrence of each value, per principal and per account.
//!
//! Memory has a bound that depends on the events alone: a set with too many values is closed, for a
//! value more in it is no news; when all sets together are too many, sets may hold fewer, and at last
//! only one subject in 2ⁿ is kept.

use std::collections::{BTreeMap, HashMap};

use pugmark_event::{EventBatch, Leaf};
use xxhash_rust::xxh3::xxh3_64;

use super::agent;
use crate::geo::{GeoDb, network};
use crate::observed::{Observations, Observed};

/// Values of one dimension of one principal or account that are kept; with more it is not judged.
pub const VALUES_MAX: usize = 1_024;
/// Values of all principals and accounts together, at about 200 bytes each.
pub const CHARGE_MAX: usize = 1 << 20;

const DAY_US: i64 = 86_400_000_000;

/// In what respect something is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Country of the address; needs a database.
    Country,
    /// Account in whose trail the principal appears, or that owns what it uses.
    Account,
    /// `awsRegion`.
    Region,
    /// Tool and system of the user agent.
    Agent,
    /// Autonomous system, or network block where that is not known.
    Network,
    /// A principal of the account.
    Principal,
    /// `service:EventName`.
    Call,
    /// ARN of a resource; objects count as their bucket.
    Resource,
}

impl Dimension {
    pub(crate) const COUNT: usize = Dimension::Resource as usize + 1;

    /// Every dimension.
    pub const ALL: [Dimension; Dimension::COUNT] = [
        Dimension::Country,
        Dimension::Account,
        Dimension::Region,
        Dimension::Agent,
        Dimension::Network,
        Dimension::Principal,
        Dimension::Call,
        Dimension::Resource,
    ];

    /// The dimension as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Country => "country",
            Dimension::Account => "account",
            Dimension::Region => "region",
            Dimension::Agent => "user agent",
            Dimension::Network => "network",
            Dimension::Principal => "principal",
            Dimension::Call => "call",
            Dimension::Resource => "resource",
        }
    }
}

/// Whose first time it is. Principals of several accounts are one: an actor is one actor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    Principal(String),
    Account(String),
}

/// The first event with a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct First {
    pub(crate) time: i64,
    pub(crate) event_id: Box<str>,
    /// Who did it, where, and what it was.
    pub(crate) principal: Box<str>,
    pub(crate) account: Box<str>,
    pub(crate) call: Box<str>,
    pub(crate) address: Box<str>,
    pub(crate) is_write: bool,
    pub(crate) is_denied: bool,
    pub(crate) is_by_service: bool,
}

/// Values of one dimension: how often each came, and first.
type Values = HashMap<Box<str>, (First, u64)>;

/// What is known of a principal or account.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Events by day, days since 1970.
    pub(crate) days: BTreeMap<i32, u64>,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// Values of each dimension; none where there were too many.
    pub(crate) values: [Option<Values>; Dimension::COUNT],
}

/// First occurrences. Facts of several workers are merged in any order.
#[derive(Clone, Debug)]
pub struct FirstSeen {
    pub(crate) subjects: HashMap<Subject, History>,
    charge: usize,
    charge_max: usize,
    values_max: usize,
    bits: u32,
}

impl Default for FirstSeen {
    fn default() -> FirstSeen {
        FirstSeen::bounded(CHARGE_MAX)
    }
}

impl FirstSeen {
    /// Keeps about `charge_max` values in all.
    pub fn bounded(charge_max: usize) -> FirstSeen {
        FirstSeen { subjects: HashMap::new(), charge: 0, charge_max, values_max: VALUES_MAX, bits: 0 }
    }

    /// Takes in a batch. Each event must come once.
    pub fn read(&mut self, batch: &EventBatch, geo: &GeoDb) {
        for seen in Observations::of(batch).iter() {
            self.sight(seen, geo);
        }
    }

    fn sight(&mut self, seen: Observed<'_>, geo: &GeoDb) {
        let Some(time) = seen.time() else { return };
        let principal = seen.principal();
        let account = seen.account();
        let first = First {
            time,
            event_id: seen.text(Leaf::EventId).unwrap_or_default().into(),
            principal: principal.as_ref().into(),
            account: account.into(),
            call: seen.call().into(),
            address: seen.text(Leaf::SourceIpAddress).unwrap_or_default().into(),
            is_write: seen.is_write(),
            is_denied: seen.text(Leaf::ErrorCode).is_some(),
            is_by_service: seen.is_by_service(),
        };
        let values = values_of(seen, &principal, geo);
        for subject in [Subject::Principal(principal.into_owned()), Subject::Account(account.to_owned())] {
            if self.keeps(&subject) {
                self.add(subject, &first, &values);
            }
        }
        if self.charge > self.charge_max {
            self.shrink();
        }
    }

    fn add(&mut self, subject: Subject, first: &First, values: &[(Dimension, String)]) {
        let is_account = matches!(subject, Subject::Account(_));
        let values_max = self.values_max;
        let history = self.subjects.entry(subject).or_insert_with(|| {
            self.charge += SUBJECT_CHARGE;
            History::empty()
        });
        history.see(first.time, 1);
        for (dimension, value) in values {
            if is_account && *dimension == Dimension::Account
                || !is_account && *dimension == Dimension::Principal
            {
                continue;
            }
            let added = history.add(*dimension, value, (first, 1), values_max);
            self.charge += usize::from(added);
        }
    }

    fn keeps(&self, subject: &Subject) -> bool {
        let (Subject::Principal(text) | Subject::Account(text)) = subject;
        self.bits == 0 || xxh3_64(text.as_bytes()).trailing_zeros() >= self.bits
    }

    /// Keeps less until it fits.
    fn shrink(&mut self) {
        while self.charge > self.charge_max && self.bits < 63 {
            if self.values_max > 16 {
                self.limit(self.values_max / 2, self.bits);
            } else {
                self.limit(self.values_max, self.bits + 1);
            }
        }
    }

    fn limit(&mut self, values_max: usize, bits: u32) {
        (self.values_max, self.bits) = (values_max.min(self.values_max), bits.max(self.bits));
        let mut subjects = std::mem::take(&mut self.subjects);
        subjects.retain(|subject, _| self.keeps(subject));
        self.charge = 0;
        for history in subjects.values_mut() {
            self.charge += SUBJECT_CHARGE;
            for values in &mut history.values {
                if values.as_ref().is_some_and(|values| values.len() > self.values_max) {
                    *values = None;
                }
                // A closed set is charged as a full one, so that more events never mean less charge.
                self.charge += values.as_ref().map_or(self.values_max, HashMap::len);
            }
        }
        self.subjects = subjects;
    }

    /// The facts of two workers as one.
    #[must_use]
    pub fn merge(mut self, mut other: FirstSeen) -> FirstSeen {
        self.limit(other.values_max, other.bits);
        other.limit(self.values_max, self.bits);
        for (subject, theirs) in other.subjects {
            match self.subjects.get_mut(&subject) {
                None => drop(self.subjects.insert(subject, theirs)),
                Some(ours) => ours.merge(theirs, self.values_max),
            }
        }
        self.limit(self.values_max, self.bits);
        self.shrink();
        self
    }

    /// How much is kept: values of one set, and one in how many subjects.
    pub fn kept(&self) -> (usize, u64) {
        (self.values_max, 1 << self.bits)
    }

    /// First and last event, microseconds since 1970.
    pub fn span(&self) -> Option<(i64, i64)> {
        let first = self.subjects.values().filter_map(|history| history.first).min()?;
        Some((first, self.subjects.values().filter_map(|history| history.last).max()?))
    }
}

/// What a subject counts for, beside its values.
const SUBJECT_CHARGE: usize = 4;

impl History {
    fn empty() -> History {
        History { values: std::array::from_fn(|_| Some(Values::new())), ..History::default() }
    }

    fn see(&mut self, time: i64, events: u64) {
        *self.days.entry(time.div_euclid(DAY_US) as i32).or_default() += events;
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    /// Enters a value; true if it was not known and the set is not closed.
    fn add(
        &mut self,
        dimension: Dimension,
        value: &str,
        (first, count): (&First, u64),
        values_max: usize,
    ) -> bool {
        let slot = &mut self.values[dimension as usize];
        let Some(values) = slot else { return false };
        if let Some((known, known_count)) = values.get_mut(value) {
            *known_count += count;
            if first < known {
                known.clone_from(first);
            }
            return false;
        }
        if values.len() >= values_max {
            *slot = None;
            return false;
        }
        values.insert(value.into(), (first.clone(), count));
        true
    }

    fn merge(&mut self, other: History, values_max: usize) {
        for (day, events) in other.days {
            *self.days.entry(day).or_default() += events;
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        for (dimension, theirs) in Dimension::ALL.into_iter().zip(other.values) {
            let Some(theirs) = theirs else {
                self.values[dimension as usize] = None;
                continue;
            };
            for (value, (first, count)) in theirs {
                self.add(dimension, &value, (&first, count), values_max);
            }
        }
    }

    /// Events on the days before that of `time`.
    pub(crate) fn events_before(&self, time: i64) -> u64 {
        let day = time.div_euclid(DAY_US) as i32;
        self.days.range(..day).map(|(_, events)| events).sum()
    }
}

/// The values of one event.
fn values_of(seen: Observed<'_>, principal: &str, geo: &GeoDb) -> Vec<(Dimension, String)> {
    let mut values = vec![
        (Dimension::Call, seen.call()),
        (Dimension::Principal, principal.to_owned()),
        (Dimension::Account, seen.account().to_owned()),
    ];
    let mut put = |dimension: Dimension, value: Option<String>| {
        values.extend(value.map(|value| (dimension, value)));
    };
    put(Dimension::Region, seen.text(Leaf::AwsRegion).map(str::to_owned));
    if !seen.is_by_service() {
        put(Dimension::Agent, seen.text(Leaf::UserAgent).and_then(agent::family));
    }
    if let Some(address) = seen.address() {
        let place = geo.place(address);
        put(Dimension::Network, Some(network(address, &place)));
        put(Dimension::Country, place.country);
    }
    for (arn, owner) in seen.resources() {
        put(Dimension::Account, owner);
        put(Dimension::Resource, Some(whole(arn)));
    }
    values
}

/// The bucket of an object; other resources as they are.
fn whole(mut arn: String) -> String {
    if let Some(bucket) = arn.strip_prefix("arn:aws:s3:::").and_then(|path| path.find('/')) {
        arn.truncate("arn:aws:s3:::".len() + bucket);
    }
    arn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_counts_as_its_bucket() {
        assert_eq!(whole("arn:aws:s3:::logs/a/b".to_owned()), "arn:aws:s3:::logs");
        assert_eq!(whole("arn:aws:s3:::logs".to_owned()), "arn:aws:s3:::logs");
        assert_eq!(whole("arn:aws:iam::1:role/a/b".to_owned()), "arn:aws:iam::1:role/a/b");
    }
}
