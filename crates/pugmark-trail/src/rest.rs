//! Which trails and cuts rest for a while, so that a bucket that refuses a
//! trail is not asked again with every turn. Another trail may be welcome in
//! the same bucket. Not kept: after a restart all are asked.

use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000;
/// The longest rest of a trail that keeps being refused.
const REST_MAX: i64 = 60 * SECOND;

/// What rests, and until when; microseconds since 1970 (UTC).
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// By ARN.
    trails: BTreeMap<String, (u32, i64)>,
    cuts: BTreeMap<u64, i64>,
    /// When a cut was refused first.
    refused: BTreeMap<u64, i64>,
}

impl Rest {
    /// True if nothing of a trail is to be put now.
    pub(crate) fn has_trail(&self, arn: &str, now: i64) -> bool {
        self.trails.get(arn).is_some_and(|(_, until)| now < *until)
    }

    /// True if a cut is not to be looked at now.
    pub(crate) fn has_cut(&self, cut: u64, now: i64) -> bool {
        self.cuts.get(&cut).is_some_and(|until| now < *until)
    }

    /// A trail was refused: twice as long a rest each time.
    pub(crate) fn refused(&mut self, arn: &str, now: i64) {
        let (times, until) = self.trails.entry(arn.to_owned()).or_default();
        *until = now.saturating_add((SECOND << (*times).min(20)).min(REST_MAX));
        *times += 1;
    }

    /// A bucket took an object of a trail.
    pub(crate) fn took(&mut self, arn: &str) {
        self.trails.remove(arn);
    }

    /// A cut was refused now; answers when that began.
    pub(crate) fn refused_since(&mut self, cut: u64, now: i64) -> i64 {
        *self.refused.entry(cut).or_insert(now)
    }

    /// A cut has nothing to do before `until`.
    pub(crate) fn later(&mut self, cut: u64, until: i64) {
        self.cuts.insert(cut, until);
    }

    /// A cut is delivered.
    pub(crate) fn done(&mut self, cut: u64) {
        self.cuts.remove(&cut);
        self.refused.remove(&cut);
    }

    /// Everything may be tried again.
    pub(crate) fn wake(&mut self) {
        self.trails.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_that_keeps_being_refused_rests_longer_but_never_for_long() {
        let mut rest = Rest::default();
        let mut rests = Vec::new();
        for _ in 0..9 {
            rest.refused("b", 0);
            rests.push((1..100).find(|second| !rest.has_trail("b", second * SECOND)).unwrap());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        rest.took("b");
        assert!(!rest.has_trail("b", 0));
    }
}
