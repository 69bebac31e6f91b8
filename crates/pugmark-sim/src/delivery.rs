//! Delivery: which record lies in which file, when it came, and how often.
//!
//! Records of one account, Region and kind wait in a lane until the next
//! five-minute mark. Some come hours later, some come twice, some in another
//! Region's folder; most files are not in order of time.

use std::collections::BTreeMap;
use std::io;

use crate::chance::Chance;
use crate::clock::{self, TICK};
use crate::writer::{Finished, Outlet};

/// Records a file holds at most, in the mean; silence in between brings it to about 60.
const FILE_RECORDS: f64 = 130.0;
/// Share of files with records out of order; files of one record bring it to about 60 %.
const SHUFFLED: f64 = 0.92;
const HEAD: &str = r#"{"Records":["#;

/// The folders of one account and Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Log,
    Insight,
    Network,
}

impl Folder {
    const ALL: [Folder; 3] = [Folder::Log, Folder::Insight, Folder::Network];

    fn name(self) -> &'static str {
        match self {
            Folder::Log => "CloudTrail",
            Folder::Insight => "CloudTrail-Insight",
            Folder::Network => "CloudTrail-NetworkActivity",
        }
    }
}

/// How files are named and how faithfully they are delivered.
pub(crate) struct Manners {
    pub(crate) accounts: Vec<String>,
    pub(crate) regions: Vec<&'static str>,
    /// `o-…/` or nothing.
    pub(crate) org: &'static str,
    pub(crate) duplicates: f64,
}

/// All lanes and what is still to come.
pub(crate) struct Lanes {
    manners: Manners,
    all: Vec<Lane>,
    /// Records held back until a mark, with their lane and time.
    later: BTreeMap<i64, Vec<(usize, i64, Box<str>)>>,
    /// The mark of the next delivery.
    pub(crate) next_mark: i64,
    pub(crate) counts: Counts,
}

/// When a record happened and when it is delivered.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    pub(crate) time: i64,
    pub(crate) mark: i64,
}

/// What was delivered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct Lane {
    text: String,
    /// Time, start and end of each waiting record.
    waiting: Vec<(i64, usize, usize)>,
}

/// The mark at which a record of this time is delivered: 3 to 297 seconds later, as a rule.
pub(crate) fn mark_of(time: i64) -> i64 {
    (time + 3 + TICK - 1).div_euclid(TICK) * TICK
}

impl Lanes {
    pub(crate) fn new(manners: Manners) -> Lanes {
        let count = manners.accounts.len() * manners.regions.len() * Folder::ALL.len();
        let all = std::iter::repeat_with(Lane::default).take(count).collect();
        Lanes { manners, all, later: BTreeMap::new(), next_mark: i64::MIN, counts: Counts::default() }
    }

    pub(crate) fn lane(&self, account: usize, region: usize, folder: Folder) -> usize {
        (account * self.manners.regions.len() + region) * Folder::ALL.len() + folder as usize
    }

    /// Takes a record that `write` appends.
    pub(crate) fn place(&mut self, lane: usize, due: Due, write: impl FnOnce(&mut String)) {
        self.counts.events += 1;
        if due.mark <= self.next_mark {
            let lane = &mut self.all[lane];
            let start = lane.text.len();
            write(&mut lane.text);
            lane.waiting.push((due.time, start, lane.text.len()));
        } else {
            self.hold(lane, due, write);
        }
    }

    /// Takes a record for a later mark.
    fn hold(&mut self, lane: usize, due: Due, write: impl FnOnce(&mut String)) {
        let mut text = String::new();
        write(&mut text);
        self.later.entry(due.mark).or_default().push((lane, due.time, text.into_boxed_str()));
    }

    /// Delivers all that waits at a mark.
    pub(crate) fn deliver(
        &mut self,
        mark: i64,
        chance: &mut Chance,
        outlet: &mut dyn Outlet,
    ) -> io::Result<()> {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= mark) {
            for (lane, time, text) in entry.remove() {
                let lane = &mut self.all[lane];
                let start = lane.text.len();
                lane.text.push_str(&text);
                lane.waiting.push((time, start, lane.text.len()));
            }
        }
        for index in 0..self.all.len() {
            if !self.all[index].waiting.is_empty() {
                let mut lane = std::mem::take(&mut self.all[index]);
                self.deliver_lane(index, &mut lane, &mut Round { mark, chance, outlet })?;
                lane.text.clear();
                lane.waiting.clear();
                self.all[index] = lane;
            }
        }
        Ok(())
    }

    /// Delivers what was still held back when the world stopped.
    pub(crate) fn deliver_rest(&mut self, chance: &mut Chance, outlet: &mut dyn Outlet) -> io::Result<()> {
        // What is delivered last is not repeated, or there would be no end.
        self.manners.duplicates = 0.0;
        while let Some(mark) = self.later.keys().next().copied() {
            self.deliver(mark, chance, outlet)?;
        }
        Ok(())
    }

    fn deliver_lane(&mut self, index: usize, lane: &mut Lane, round: &mut Round<'_>) -> io::Result<()> {
        lane.waiting.sort_by_key(|(time, start, _)| (*time, *start));
        let total = lane.waiting.len();
        let mean = FILE_RECORDS.max(total as f64 / 4.0);
        let mut from = 0;
        while from < total {
            let size = round.chance.lognormal(mean, 0.8).max(1.0) as usize;
            // A rest of a few records would rather travel with its neighbours.
            let size = if total - from < size * 3 / 2 { total - from } else { size };
            let mut records = lane.waiting[from..from + size].to_vec();
            from += size;
            self.repeat(index, lane, &mut records, round);
            if round.chance.odds(SHUFFLED) {
                shuffle(&mut records, round.chance);
            }
            self.finish(index, lane, &records, round)?;
        }
        Ok(())
    }

    /// Lets some records come a second time: in this file, a later one, or another Region's folder.
    fn repeat(
        &mut self,
        index: usize,
        lane: &Lane,
        records: &mut Vec<(i64, usize, usize)>,
        round: &mut Round<'_>,
    ) {
        if self.manners.duplicates <= 0.0 {
            return;
        }
        for (time, start, end) in records.clone() {
            if !round.chance.odds(self.manners.duplicates) {
                continue;
            }
            self.counts.duplicates += 1;
            let kind = round.chance.unit();
            if kind < 0.35 {
                records.push((time, start, end));
            } else {
                let delay = round.chance.between(1, if kind < 0.8 { 12 } else { 72 });
                let place = if kind > 0.95 { self.elsewhere(index, round.chance) } else { index };
                let mark = round.mark + delay * TICK;
                self.hold(place, Due { time, mark }, |out| out.push_str(&lane.text[start..end]));
            }
        }
    }

    /// A lane of the same account and folder in some Region.
    fn elsewhere(&self, index: usize, chance: &mut Chance) -> usize {
        let per_account = self.manners.regions.len() * Folder::ALL.len();
        let region = chance.below(self.manners.regions.len());
        index / per_account * per_account + region * Folder::ALL.len() + index % Folder::ALL.len()
    }

    fn finish(
        &mut self,
        index: usize,
        lane: &Lane,
        records: &[(i64, usize, usize)],
        round: &mut Round<'_>,
    ) -> io::Result<()> {
        let bytes: usize = records.iter().map(|(_, start, end)| end - start + 1).sum();
        let mut body = String::with_capacity(HEAD.len() + bytes + 2);
        body.push_str(HEAD);
        for (place, (_, start, end)) in records.iter().enumerate() {
            if place > 0 {
                body.push(',');
            }
            body.push_str(&lane.text[*start..*end]);
        }
        body.push_str("]}");
        self.counts.files += 1;
        self.counts.records += records.len() as u64;
        self.counts.bytes += body.len() as u64;
        let key = self.key(index, round);
        round.outlet.put(Finished { key, body })
    }

    /// `AWSLogs/<org>/<account>/<folder>/<region>/<day>/<file>`
    fn key(&self, index: usize, round: &mut Round<'_>) -> String {
        let folder = Folder::ALL[index % Folder::ALL.len()].name();
        let place = index / Folder::ALL.len();
        let account = &self.manners.accounts[place / self.manners.regions.len()];
        let region = self.manners.regions[place % self.manners.regions.len()];
        let mut key = format!("AWSLogs/{}{account}/{folder}/{region}/", self.manners.org);
        clock::push_day(&mut key, round.mark);
        for part in ["/", account, "_", folder, "_", region, "_"] {
            key.push_str(part);
        }
        clock::push_compact(&mut key, round.mark);
        key.push('_');
        round.chance.word(&mut key, 16);
        key.push_str(".json.gz");
        key
    }
}

/// One delivery.
struct Round<'a> {
    mark: i64,
    chance: &'a mut Chance,
    outlet: &'a mut dyn Outlet,
}

/// Swaps enough pairs that hardly any file of two records or more stays in order.
fn shuffle(records: &mut [(i64, usize, usize)], chance: &mut Chance) {
    for _ in 0..=records.len() / 3 {
        let first = chance.below(records.len());
        let second = chance.below(records.len());
        records.swap(first, second);
    }
    let last = records.len() - 1;
    records.swap(0, last);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::Kept;

    fn lanes() -> Lanes {
        Lanes::new(Manners {
            accounts: vec!["111122223333".into()],
            regions: vec!["us-east-1", "eu-west-1"],
            org: "",
            duplicates: 0.0,
        })
    }

    #[test]
    fn a_record_of_the_last_minutes_of_a_day_lies_in_the_next_days_folder() {
        let mut lanes = lanes();
        let midnight = 20_468 * clock::DAY;
        let mut kept = Kept::default();
        lanes.next_mark = midnight;
        lanes.place(0, Due { time: midnight - 5, mark: mark_of(midnight - 5) }, |out| out.push_str("{}"));
        lanes.deliver(midnight, &mut Chance::new(1), &mut kept).unwrap();
        let key = &kept.0[0].key;
        assert!(key.starts_with("AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/15/111122223333_CloudTrail_us-east-1_20260115T0000Z_"), "{key}");
        assert!(key.ends_with(".json.gz"));
        assert_eq!(kept.0[0].body, r#"{"Records":[{}]}"#);
    }

    #[test]
    fn a_record_is_delivered_3_to_302_seconds_after_its_time() {
        for time in 0..1_000 {
            let wait = mark_of(time) - time;
            assert!((3..=302).contains(&wait), "{time} {wait}");
        }
    }

    #[test]
    fn a_held_record_waits_for_its_mark() {
        let mut lanes = lanes();
        let mut kept = Kept::default();
        lanes.hold(1, Due { time: 0, mark: 900 }, |out| out.push_str("{}"));
        lanes.deliver(600, &mut Chance::new(1), &mut kept).unwrap();
        assert!(kept.0.is_empty());
        lanes.deliver_rest(&mut Chance::new(1), &mut kept).unwrap();
        assert!(kept.0[0].key.contains("/CloudTrail-Insight/us-east-1/"), "{}", kept.0[0].key);
    }
}
