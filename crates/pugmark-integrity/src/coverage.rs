//! Which times the digests of an account and Region cover.
//!
//! A log file's name says to the minute when it was delivered; a digest lists
//! what was delivered in its window. Near the ends of windows the two may
//! disagree, so that only a file well inside is called unlisted. Several
//! trails may deliver the log files of one account and Region: a file that
//! one of them need not list yet, or cannot, is not called unlisted either.

use std::collections::BTreeMap;

use pugmark_event::Object;

const MINUTE: i64 = 60_000_000;

/// How long after the time in its name a log file may have been delivered.
const LATENESS: i64 = 10 * MINUTE;

/// A digest is written every hour and is there an hour later at the latest.
const DUE: i64 = 120 * MINUTE;

/// Where a log file lies among the windows; the number is the chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covered {
    /// In a window: a digest should list it.
    Inside(usize),
    /// After the last window, where the next digest will list it.
    Pending(usize),
    /// After the last window, where the next digest should already be there.
    After(usize),
    /// Between two windows.
    Between(usize),
    /// Before the first window.
    Before(usize),
    /// There is no window, or the name does not say when and where.
    Nowhere,
}

/// The windows of all chains.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    chains: BTreeMap<String, BTreeMap<String, Vec<Windows>>>,
}

/// The windows of one chain, in order, joined where they adjoin.
#[derive(Debug)]
struct Windows {
    chain: usize,
    joined: Vec<(i64, i64)>,
}

impl Coverage {
    /// Adds the windows of a chain, in any order.
    pub(crate) fn add(&mut self, account: &str, region: &str, chain: usize, mut windows: Vec<(i64, i64)>) {
        windows.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for (start, end) in windows {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        if !joined.is_empty() {
            let regions = self.chains.entry(account.to_owned()).or_default();
            regions.entry(region.to_owned()).or_default().push(Windows { chain, joined });
        }
    }

    /// Where a log file lies.
    pub(crate) fn of(&self, object: &Object) -> Covered {
        let (Some(account), Some(region), Some(time)) = (&object.account, &object.region, object.delivered)
        else {
            return Covered::Nowhere;
        };
        let windows = self.chains.get(account).and_then(|regions| regions.get(region));
        let places = windows.into_iter().flatten().map(|windows| windows.of(time));
        // Whatever excuses the file comes first.
        places.min_by_key(|place| place.rank()).unwrap_or(Covered::Nowhere)
    }
}

impl Covered {
    fn rank(self) -> u8 {
        match self {
            Covered::Pending(_) => 0,
            Covered::Between(_) => 1,
            Covered::Inside(_) => 2,
            Covered::After(_) => 3,
            Covered::Before(_) => 4,
            Covered::Nowhere => 5,
        }
    }
}

impl Windows {
    fn of(&self, time: i64) -> Covered {
        let chain = self.chain;
        let (Some((first, _)), Some((_, last))) = (self.joined.first(), self.joined.last()) else {
            return Covered::Nowhere;
        };
        if time < first + MINUTE {
            // A chain may be shorter than what a name can tell: then the next digest may list it as well.
            let may_be_after = time > first - MINUTE && time + LATENESS >= *last;
            return if may_be_after { Covered::Pending(chain) } else { Covered::Before(chain) };
        }
        if time >= last + DUE {
            return Covered::After(chain);
        }
        if time + LATENESS >= *last {
            return Covered::Pending(chain);
        }
        let after = self.joined.partition_point(|(start, _)| start + MINUTE <= time);
        match self.joined[..after].last() {
            Some((_, end)) if time + LATENESS < *end => Covered::Inside(chain),
            _ => Covered::Between(chain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * MINUTE;

    fn at(coverage: &Coverage, time: i64) -> Covered {
        coverage.of(&Object {
            account: Some("111122223333".into()),
            region: Some("eu-west-1".into()),
            delivered: Some(time),
            ..Object::default()
        })
    }

    fn one(windows: &[(i64, i64)]) -> Coverage {
        let mut coverage = Coverage::default();
        coverage.add("111122223333", "eu-west-1", 0, windows.to_vec());
        coverage
    }

    #[test]
    fn a_file_is_inside_only_well_inside() {
        let coverage = one(&[(HOUR, 2 * HOUR), (2 * HOUR, 3 * HOUR)]);
        assert_eq!(at(&coverage, HOUR), Covered::Before(0));
        assert_eq!(at(&coverage, HOUR + MINUTE), Covered::Inside(0));
        assert_eq!(at(&coverage, 2 * HOUR), Covered::Inside(0));
        assert_eq!(at(&coverage, 3 * HOUR - LATENESS - 1), Covered::Inside(0));
        assert_eq!(at(&coverage, 3 * HOUR - LATENESS), Covered::Pending(0));
    }

    #[test]
    fn the_tail_is_pending_until_the_next_digest_is_overdue() {
        let coverage = one(&[(HOUR, 2 * HOUR)]);
        assert_eq!(at(&coverage, 4 * HOUR - 1), Covered::Pending(0));
        assert_eq!(at(&coverage, 4 * HOUR), Covered::After(0));
    }

    #[test]
    fn a_chain_shorter_than_a_minute_does_not_say_before_or_after() {
        let coverage = one(&[(HOUR + MINUTE / 8, HOUR + MINUTE / 2)]);
        assert_eq!(at(&coverage, HOUR), Covered::Pending(0));
        assert_eq!(at(&coverage, HOUR - MINUTE), Covered::Before(0));
    }

    #[test]
    fn between_windows_no_digest_can_list_it() {
        let coverage = one(&[(HOUR, 2 * HOUR), (5 * HOUR, 9 * HOUR)]);
        assert_eq!(at(&coverage, 3 * HOUR), Covered::Between(0));
        assert_eq!(at(&coverage, 2 * HOUR - MINUTE), Covered::Between(0));
        assert_eq!(at(&coverage, 5 * HOUR), Covered::Between(0));
        assert_eq!(at(&coverage, 5 * HOUR + MINUTE), Covered::Inside(0));
    }

    #[test]
    fn another_trails_next_digest_may_still_list_it() {
        let mut coverage = one(&[(HOUR, 9 * HOUR)]);
        coverage.add("111122223333", "eu-west-1", 1, vec![(HOUR, 4 * HOUR)]);
        assert_eq!(at(&coverage, 3 * HOUR), Covered::Inside(0));
        assert_eq!(at(&coverage, 5 * HOUR), Covered::Pending(1));
        assert_eq!(at(&coverage, 7 * HOUR), Covered::Inside(0));
    }

    #[test]
    fn without_windows_there_is_nothing_to_say() {
        assert_eq!(at(&one(&[]), HOUR), Covered::Nowhere);
        let elsewhere = Object { region: Some("us-east-1".into()), ..Object::default() };
        assert_eq!(one(&[(0, HOUR)]).of(&elsewhere), Covered::Nowhere);
    }
}
