//! Which buckets and cuts rest for a while, so that a bucket that refuses is
//! not asked again with every turn. Not kept: after a restart all are asked.

use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000;
/// The longest rest of a bucket that keeps refusing.
const REST_MAX: i64 = 60 * SECOND;

/// What rests, and until when; microseconds since 1970 (UTC).
#[derive(Debug, Default)]
pub(crate) struct Rest {
    buckets: BTreeMap<String, (u32, i64)>,
    cuts: BTreeMap<u64, i64>,
}

impl Rest {
    /// True if a bucket is not to be asked now.
    pub(crate) fn has_bucket(&self, bucket: &str, now: i64) -> bool {
        self.buckets.get(bucket).is_some_and(|(_, until)| now < *until)
    }

    /// True if a cut is not to be looked at now.
    pub(crate) fn has_cut(&self, cut: u64, now: i64) -> bool {
        self.cuts.get(&cut).is_some_and(|until| now < *until)
    }

    /// A bucket refused: twice as long a rest each time.
    pub(crate) fn refused(&mut self, bucket: &str, now: i64) {
        let (times, until) = self.buckets.entry(bucket.to_owned()).or_default();
        *until = now.saturating_add((SECOND << (*times).min(20)).min(REST_MAX));
        *times += 1;
    }

    /// A bucket took an object.
    pub(crate) fn took(&mut self, bucket: &str) {
        self.buckets.remove(bucket);
    }

    /// A cut has nothing to do before `until`.
    pub(crate) fn later(&mut self, cut: u64, until: i64) {
        self.cuts.insert(cut, until);
    }

    /// A cut is delivered.
    pub(crate) fn done(&mut self, cut: u64) {
        self.cuts.remove(&cut);
    }

    /// Everything may be tried again.
    pub(crate) fn wake(&mut self) {
        self.buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_keeps_refusing_rests_longer_but_never_for_long() {
        let mut rest = Rest::default();
        let mut rests = Vec::new();
        for _ in 0..9 {
            rest.refused("b", 0);
            rests.push((1..100).find(|second| !rest.has_bucket("b", second * SECOND)).unwrap());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        rest.took("b");
        assert!(!rest.has_bucket("b", 0));
    }
}
