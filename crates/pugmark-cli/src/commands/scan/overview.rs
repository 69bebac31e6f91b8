//! Counts over all events, one set per worker, merged at the end. Merging in
//! any order gives the same overview.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use arrow::array::Array;
use pugmark_event::{EventBatch, Leaf, Projection};
use pugmark_scan::Sink;

use super::odd::Odd;
use crate::view::Outcome;
use crate::who::{Texts, Who, short_service};

/// Distinct values counted per list; what comes after is counted together.
const VALUES_MAX: usize = 500_000;

/// An hour in microseconds.
pub(super) const HOUR_US: i64 = 3_600_000_000;

/// Everything the overview shows.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// Events, each once.
    pub(super) events: u64,
    /// Events that failed.
    pub(super) errors: u64,
    /// Events without a readable time.
    pub(super) timeless: u64,
    /// Events by hour since 1970.
    pub(super) hours: BTreeMap<i64, u64>,
    /// Time of the first and last event.
    pub(super) span: Option<(i64, i64)>,
    /// Events by recipient account.
    pub(super) accounts: Counts,
    /// Events by Region.
    pub(super) regions: Counts,
    /// Events by actor.
    pub(super) principals: Counts,
    /// Events by service.
    pub(super) services: Counts,
    /// Events by name.
    pub(super) names: Counts,
    /// Events by error.
    pub(super) error_codes: Counts,
    /// What is odd at first look.
    pub(super) odd: Odd,
}

/// How often each text occurs.
#[derive(Debug, Default)]
pub(super) struct Counts {
    by_text: HashMap<String, u64>,
    beyond: u64,
}

impl Counts {
    pub(super) fn add(&mut self, text: &str) {
        self.add_many(text, 1);
    }

    fn add_many(&mut self, text: &str, count: u64) {
        if let Some(known) = self.by_text.get_mut(text) {
            *known += count;
        } else if self.by_text.len() < VALUES_MAX {
            self.by_text.insert(text.to_owned(), count);
        } else {
            self.beyond += count;
        }
    }

    /// Distinct values.
    pub(super) fn distinct(&self) -> usize {
        self.by_text.len()
    }

    /// The most frequent, equal ones in order of their text.
    pub(super) fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut list: Vec<(&str, u64)> =
            self.by_text.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        list.truncate(most);
        list
    }

    fn merge(&mut self, other: Counts) {
        self.beyond += other.beyond;
        for (text, count) in other.by_text {
            self.add_many(&text, count);
        }
    }
}

impl Overview {
    /// Adds what another worker saw.
    pub(super) fn merge(&mut self, other: Overview) {
        self.events += other.events;
        self.errors += other.errors;
        self.timeless += other.timeless;
        for (hour, count) in other.hours {
            *self.hours.entry(hour).or_default() += count;
        }
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (one, other) => one.or(other),
        };
        self.accounts.merge(other.accounts);
        self.regions.merge(other.regions);
        self.principals.merge(other.principals);
        self.services.merge(other.services);
        self.names.merge(other.names);
        self.error_codes.merge(other.error_codes);
        self.odd.merge(other.odd);
    }

    fn time(&mut self, time: Option<i64>) {
        let Some(time) = time else {
            self.timeless += 1;
            return;
        };
        *self.hours.entry(time.div_euclid(HOUR_US)).or_default() += 1;
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
    }
}

/// One worker's overview.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) overview: Overview,
}

impl Collector {
    /// The leaves that the overview is made of.
    pub(super) fn projection() -> Projection {
        let own = [
            Leaf::EventTime,
            Leaf::EventSource,
            Leaf::EventId,
            Leaf::AwsRegion,
            Leaf::RecipientAccountId,
            Leaf::PathAccount,
            Leaf::AdditionalEventData,
            Leaf::SourceIpAddress,
        ];
        own.into_iter().chain(Who::LEAVES).chain(Outcome::LEAVES).collect()
    }
}

impl Sink for Collector {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let texts = |leaf| Texts::of(&batch, leaf);
        let (who, outcome, times) = (Who::of(&batch), Outcome::of(&batch), batch.times(Leaf::EventTime));
        let (account, path_account) = (texts(Leaf::RecipientAccountId), texts(Leaf::PathAccount));
        let (region, service, name) =
            (texts(Leaf::AwsRegion), texts(Leaf::EventSource), texts(Leaf::EventName));
        let overview = &mut self.overview;
        for row in 0..batch.rows() {
            overview.events += 1;
            overview.time(times.as_ref().filter(|times| !times.is_null(row)).map(|times| times.value(row)));
            if let Some(account) = account.get(row).or_else(|| path_account.get(row)) {
                overview.accounts.add(account);
            }
            if let Some(region) = region.get(row) {
                overview.regions.add(region);
            }
            overview.principals.add(&who.principal(row));
            overview.services.add(service.get(row).map_or("?", short_service));
            overview.names.add(name.get(row).unwrap_or("?"));
            if let Some(error) = outcome.error(row) {
                overview.errors += 1;
                overview.error_codes.add(error);
            }
        }
        overview.odd.look(&batch);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_ties_in_order() {
        let mut counts = Counts::default();
        for text in ["b", "a", "c", "c"] {
            counts.add(text);
        }
        assert_eq!(counts.top(2), [("c", 2), ("a", 1)]);
        assert_eq!(counts.distinct(), 3);
    }

    #[test]
    fn merging_adds_up() {
        let one = |time: i64| {
            let mut overview = Overview { events: 1, ..Overview::default() };
            overview.time(Some(time));
            overview.names.add("X");
            overview
        };
        let mut sum = one(7);
        sum.merge(one(3 * HOUR_US));
        assert_eq!((sum.events, sum.span), (2, Some((7, 3 * HOUR_US))));
        assert_eq!(sum.names.top(1), [("X", 2)]);
        assert_eq!(sum.hours, BTreeMap::from([(0, 1), (3, 1)]));
    }
}
