//! The map: for each account and Region, what was delivered in each slot of
//! time, and the gaps between.

use std::collections::BTreeMap;
use std::sync::Arc;

use pugmark_event::{Object, ObjectKind, TimeRange, format_time};

use super::super::changes::{Change, Window, windows};
use super::collect::{Collector, Delivery, Folder};

/// An hour in microseconds.
pub(super) const HOUR_US: i64 = 3_600_000_000;
/// Minutes from an event to its delivery beyond which it was late. `CloudTrail`
/// delivers within about 5 minutes on average, and promises no time.
pub(super) const LATE_MINUTES: u64 = 60;

/// Objects with their stored size.
pub(super) type Delivered = Vec<(Arc<Object>, u64)>;

/// The length of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Hour,
    Day,
}

impl Step {
    /// Microseconds.
    pub(super) fn micros(self) -> i64 {
        match self {
            Step::Hour => HOUR_US,
            Step::Day => 24 * HOUR_US,
        }
    }

    /// `hour` or `day`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Step::Hour => "hour",
            Step::Day => "day",
        }
    }

    /// `2026-08-01`, or `2026-08-01T09:00Z`.
    pub(super) fn label(self, slot: i64) -> String {
        let time = format_time(slot.saturating_mul(self.micros()));
        match self {
            Step::Hour => format!("{}Z", time.get(..16).unwrap_or(&time)),
            Step::Day => time.get(..10).unwrap_or(&time).to_owned(),
        }
    }
}

/// Account and Region.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) account: String,
    pub(super) region: String,
}

/// What there is of one place and slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// Log files delivered.
    pub(super) files: u64,
    /// Their stored bytes.
    pub(super) bytes: u64,
    /// Digests delivered.
    pub(super) digests: u64,
    /// Events that happened, each once.
    pub(super) events: u64,
    /// Data events among them.
    pub(super) data_events: u64,
    /// Further deliveries of these events.
    pub(super) copies: u64,
    /// Events delivered late.
    pub(super) late: u64,
    /// The longest time from event to delivery, in minutes.
    pub(super) delay_minutes: u64,
}

impl Cell {
    /// True if nothing was delivered.
    pub(super) fn is_bare(&self) -> bool {
        self.files == 0 && self.events == 0
    }
}

/// Why there are no files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// A trail of the account was switched off.
    Stopped(String),
    /// Digests came without log files: the trail was at work, and had nothing to log.
    Quiet,
    /// None is known.
    Unexplained,
}

impl Reason {
    /// The reason in words.
    fn words(&self) -> String {
        match self {
            Reason::Stopped(words) => words.clone(),
            Reason::Quiet => "digests came, without log files".to_owned(),
            Reason::Unexplained => "unexplained".to_owned(),
        }
    }
}

/// Slots without files between slots with files, or after the last of them while others go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) place: Place,
    /// First and last slot.
    pub(super) slots: (i64, i64),
    pub(super) reason: Reason,
    /// True if no file of the place came after it.
    pub(super) is_end: bool,
}

impl Gap {
    /// The reason in words.
    pub(super) fn words(&self) -> String {
        match self.reason {
            Reason::Unexplained if self.is_end => "unexplained: nothing after, while others go on".to_owned(),
            _ => self.reason.words(),
        }
    }

    /// The words for people, who are to look at what is unexplained.
    pub(super) fn marked(&self) -> String {
        let mark = if self.reason == Reason::Unexplained { "! " } else { "" };
        format!("{mark}{}", self.words())
    }
}

/// Everything that is known.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) step: Step,
    range: TimeRange,
    pub(super) places: BTreeMap<Place, BTreeMap<i64, Cell>>,
    pub(super) gaps: Vec<Gap>,
    pub(super) changes: Vec<Change>,
    pub(super) windows: Vec<Window>,
    /// Events delivered by several trails, by the set of their prefixes.
    pub(super) overlaps: BTreeMap<Vec<String>, u64>,
    pub(super) timeless: u64,
}

impl Map {
    /// An empty map of `range`.
    pub(super) fn new(step: Step, range: TimeRange) -> Map {
        Map {
            step,
            range,
            places: BTreeMap::new(),
            gaps: Vec::new(),
            changes: Vec::new(),
            windows: Vec::new(),
            overlaps: BTreeMap::new(),
            timeless: 0,
        }
    }

    /// Counts an object by its key.
    pub(super) fn object(&mut self, object: &Object, bytes: u64) {
        let day = object.day.map(|day| i64::from(day) * Step::Day.micros());
        // The folder says the day, which may be another than the name's.
        let time = match self.step {
            Step::Day => day.or(object.delivered),
            Step::Hour => object.delivered.or(day),
        };
        let (Some(time), Some(account), Some(region)) = (time, &object.account, &object.region) else {
            return;
        };
        let slot = time.div_euclid(self.step.micros());
        if !self.has(slot) {
            return;
        }
        let place = Place { account: account.clone(), region: region.clone() };
        let cell = self.places.entry(place).or_default().entry(slot).or_default();
        if object.kind == ObjectKind::Digest {
            cell.digests += 1;
        } else {
            cell.files += 1;
            cell.bytes += bytes;
        }
    }

    /// True if part of the slot was asked for.
    fn has(&self, slot: i64) -> bool {
        let (first, end) = (slot * self.step.micros(), (slot + 1) * self.step.micros());
        self.range.since.is_none_or(|since| end > since) && self.range.until.is_none_or(|until| first < until)
    }

    /// Counts the events that workers saw; answers how many were copies.
    pub(super) fn events(&mut self, collectors: Vec<Collector<'_>>, folders: Vec<Folder>) -> u64 {
        // Numbers were given in the order of work; the map must not depend on it.
        let mut order: Vec<usize> = (0..folders.len()).collect();
        order.sort_by(|a, b| folders[*a].cmp(&folders[*b]));
        let mut numbers = vec![0; folders.len()];
        for (new, old) in order.iter().enumerate() {
            numbers[*old] = new as u32;
        }
        let mut changes = BTreeMap::new();
        let mut deliveries = Vec::new();
        for collector in collectors {
            self.timeless += collector.timeless;
            changes.extend(collector.changes);
            deliveries.extend(collector.deliveries.into_iter().map(|delivery| delivery.renumbered(&numbers)));
        }
        deliveries.sort_unstable();
        let mut folders = folders;
        folders.sort_unstable();
        let mut copies = 0;
        for same in deliveries.chunk_by(|a, b| a.event() == b.event()) {
            copies += same.len() as u64 - 1;
            self.event(same, &folders);
        }
        self.changes = changes.into_values().collect();
        copies
    }

    /// Counts one event, given all its deliveries.
    fn event(&mut self, same: &[Delivery], folders: &[Folder]) {
        let Some((first, folder)) =
            same.first().and_then(|first| Some((*first, folders.get(first.folder())?)))
        else {
            return;
        };
        let slot = first.hour().div_euclid(self.step.micros() / HOUR_US);
        if !self.places.contains_key(&folder.place) {
            self.places.insert(folder.place.clone(), BTreeMap::new());
        }
        let Some(slots) = self.places.get_mut(&folder.place) else { return };
        let cell = slots.entry(slot).or_default();
        cell.events += 1;
        cell.copies += same.len() as u64 - 1;
        cell.data_events += u64::from(first.is_data());
        // What counts is when the event could first be seen.
        if let Some(delay) = same.iter().filter_map(|delivery| delivery.delay_minutes()).min() {
            cell.late += u64::from(delay > LATE_MINUTES);
            cell.delay_minutes = cell.delay_minutes.max(delay);
        }
        if same.len() > 1 {
            let mut trails: Vec<&str> = same
                .iter()
                .filter_map(|delivery| folders.get(delivery.folder()))
                .map(|folder| folder.trail.as_str())
                .collect();
            trails.sort_unstable();
            trails.dedup();
            if trails.len() > 1 {
                *self.overlaps.entry(trails.into_iter().map(str::to_owned).collect()).or_default() += 1;
            }
        }
    }

    /// Finds windows and gaps, once everything is counted.
    pub(super) fn close(&mut self) {
        self.windows = windows(&self.changes);
        let full = |slots: &BTreeMap<i64, Cell>| -> Vec<i64> {
            slots.iter().filter(|(_, cell)| !cell.is_bare()).map(|(slot, _)| *slot).collect()
        };
        let places: Vec<(&Place, Vec<i64>)> =
            self.places.iter().map(|(place, slots)| (place, full(slots))).collect();
        let end = places.iter().filter_map(|(_, full)| full.last().copied()).max();
        let mut gaps = Vec::new();
        for (place, full) in places {
            let mut add = |slots: (i64, i64), is_end| {
                let reason = self.reason(place, slots);
                gaps.push(Gap { place: place.clone(), slots, reason, is_end });
            };
            for pair in full.windows(2).filter(|pair| pair[1] > pair[0] + 1) {
                add((pair[0] + 1, pair[1] - 1), false);
            }
            // The last slot of all is rarely whole: who lacks that one alone may only be quiet.
            if let (Some(last), Some(end)) = (full.last(), end)
                && *last + 1 < end
            {
                add((*last + 1, end), true);
            }
        }
        self.gaps = gaps;
    }

    fn reason(&self, place: &Place, (first, last): (i64, i64)) -> Reason {
        let step = self.step.micros();
        // Files follow events by minutes, so the slot before may still have some.
        let stopped = self.windows.iter().find(|window| {
            window.account == place.account
                && window.since < (first + 1) * step
                && window.until.is_none_or(|until| until > last * step)
        });
        if let Some(window) = stopped {
            let until = window.until.map(|until| format!(" until {}", format_time(until)));
            return Reason::Stopped(format!(
                "{} of trail `{}` by {} at {}{}",
                window.name,
                window.trail,
                window.who,
                format_time(window.since),
                until.unwrap_or_default()
            ));
        }
        let has_digest = |slot: i64| {
            self.places.get(place).and_then(|slots| slots.get(&slot)).is_some_and(|cell| cell.digests > 0)
        };
        // A long gap is not walked: its digests are few or none.
        let quiet = last - first < 100_000 && (first..=last).all(has_digest);
        if quiet { Reason::Quiet } else { Reason::Unexplained }
    }

    /// True if nothing was delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.places.values().all(|slots| slots.values().all(Cell::is_bare))
    }

    /// Cells with something in them.
    pub(super) fn cells(&self) -> u64 {
        self.places.values().map(|slots| slots.len() as u64).sum()
    }

    /// First and last slot of all.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let slots = self.places.values().flat_map(|slots| slots.keys());
        Some((*slots.clone().min()?, *slots.max()?))
    }

    /// All cells added up; delays are not added, the longest counts.
    pub(super) fn sum(&self) -> Cell {
        let mut sum = Cell::default();
        for cell in self.places.values().flat_map(|slots| slots.values()) {
            sum.files += cell.files;
            sum.bytes += cell.bytes;
            sum.digests += cell.digests;
            sum.events += cell.events;
            sum.data_events += cell.data_events;
            sum.copies += cell.copies;
            sum.late += cell.late;
            sum.delay_minutes = sum.delay_minutes.max(cell.delay_minutes);
        }
        sum
    }

    /// The gaps of `place`; all gaps stand in order of place and time.
    pub(super) fn gaps_of(&self, place: &Place) -> &[Gap] {
        let first = self.gaps.partition_point(|gap| gap.place < *place);
        let end = self.gaps.partition_point(|gap| gap.place <= *place);
        &self.gaps[first..end]
    }

    /// The first gap of `place` in the slots from `first` to `last`.
    pub(super) fn gap(&self, place: &Place, (first, last): (i64, i64)) -> Option<&Gap> {
        let gaps = self.gaps_of(place);
        let gap = gaps.get(gaps.partition_point(|gap| gap.slots.1 < first))?;
        (gap.slots.0 <= last).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(day: i32, kind: ObjectKind) -> Object {
        Object {
            kind,
            account: Some("111122223333".to_owned()),
            region: Some("eu-west-1".to_owned()),
            day: Some(day),
            delivered: Some(i64::from(day) * 24 * HOUR_US + HOUR_US),
            ..Object::named("x")
        }
    }

    fn map(logs: &[i32], digests: &[i32]) -> Map {
        let mut map = Map::new(Step::Day, TimeRange::default());
        for day in logs {
            map.object(&object(*day, ObjectKind::Log), 10);
        }
        for day in digests {
            map.object(&object(*day, ObjectKind::Digest), 10);
        }
        map
    }

    #[test]
    fn a_gap_lies_between_days_with_files() {
        let mut map = map(&[1, 2, 5], &[]);
        map.close();
        let gaps: Vec<_> = map.gaps.iter().map(|gap| (gap.slots, gap.reason.clone())).collect();
        assert_eq!(gaps, [((3, 4), Reason::Unexplained)]);
        let place = Place { account: "111122223333".to_owned(), region: "eu-west-1".to_owned() };
        let is_gap = |slots| map.gap(&place, slots).is_some();
        assert_eq!([(0, 2), (1, 3), (4, 9), (5, 9)].map(is_gap), [false, true, true, false]);
        assert!(map.gap(&Place::default(), (3, 4)).is_none());
    }

    #[test]
    fn who_ends_before_others_do_has_a_gap() {
        let gaps = |last: i32| {
            let mut map = map(&[1, 2], &[]);
            for day in 1..=last {
                let other = Object { region: Some("us-east-1".to_owned()), ..object(day, ObjectKind::Log) };
                map.object(&other, 10);
            }
            map.close();
            map.gaps.iter().map(|gap| (gap.slots, gap.words())).collect::<Vec<_>>()
        };
        assert_eq!(gaps(3), []);
        assert_eq!(gaps(5), [((3, 5), "unexplained: nothing after, while others go on".to_owned())]);
    }

    #[test]
    fn digests_explain_days_without_files() {
        let mut map = map(&[1, 4], &[1, 2, 3, 4]);
        map.close();
        assert_eq!(map.gaps[0].reason, Reason::Quiet);
    }

    #[test]
    fn who_stopped_the_trail_explains_a_gap() {
        let mut map = map(&[1, 4], &[]);
        map.changes = vec![Change {
            time: 24 * HOUR_US + 20 * HOUR_US,
            name: "StopLogging".to_owned(),
            trail: "main".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            who: "alice".to_owned(),
            effect: String::new(),
            data_events: None,
            selects_nothing: None,
            error: None,
            id: String::new(),
        }];
        map.close();
        assert_eq!(map.gaps[0].words(), "StopLogging of trail `main` by alice at 1970-01-02T20:00:00Z");
    }

    #[test]
    fn a_day_outside_the_range_is_no_part_of_the_map() {
        let range = TimeRange { since: Some(48 * HOUR_US), until: Some(72 * HOUR_US) };
        let mut map = Map::new(Step::Day, range);
        for day in 1..5 {
            map.object(&object(day, ObjectKind::Log), 10);
        }
        assert_eq!(map.span(), Some((2, 2)));
    }
}
