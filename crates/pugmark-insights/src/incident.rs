//! From counts per minute to incidents: where a rate was unusual, and against which baseline.
//!
//! High: a minute's count that independent calls at the baseline's rate would hardly ever reach, and
//! that is more than the baseline's own bursts. Low: a steady API without any call. Minutes of past
//! incidents enter no later baseline.

use std::ops::Range;

use crate::Settings;

/// What was usual before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Baseline {
    /// First minute.
    pub(crate) from: u32,
    /// First minute after: the start of the incident.
    pub(crate) to: u32,
    /// Mean count of a minute.
    pub(crate) average: f64,
}

/// A stretch of unusual minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Incident {
    /// First unusual minute.
    pub(crate) start: u32,
    /// First minute after the last unusual one; `None` while the incident is running.
    pub(crate) end: Option<u32>,
    /// What was usual.
    pub(crate) baseline: Baseline,
}

/// The minutes of an account and Region that are known: those between its first and last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Minute of the first event.
    pub(crate) first: u32,
    /// Minute of the last event.
    pub(crate) last: u32,
}

impl Span {
    pub(crate) fn merge(self, other: Span) -> Span {
        Span { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// The incidents of one series, in order. `minutes` are its minutes with a count, in order.
pub(crate) fn incidents(minutes: &[(u32, u64)], span: Span, settings: &Settings) -> Vec<Incident> {
    let mut watch =
        Watch { line: Line::of(minutes), span, settings, past: Vec::new(), found: Vec::new(), bound: None };
    let mut open: Option<Open> = None;
    for (place, (minute, count)) in minutes.iter().enumerate() {
        open = open.and_then(|open| watch.carry_on(open, *minute));
        match &mut open {
            Some(open) if *count >= open.bound => open.last = *minute,
            Some(_) => {}
            None => {
                if let Some((before, _)) = place.checked_sub(1).map(|before| minutes[before]) {
                    watch.silence(before + 1, *minute, Some(*minute));
                }
                open = watch.open(*minute, *count);
            }
        }
    }
    match (open, minutes.last()) {
        (Some(open), _) => watch.end_of_data(&open),
        (None, Some((last, _))) if *last < span.last => watch.silence(last + 1, span.last + 1, None),
        _ => {}
    }
    watch.found
}

/// An incident that runs.
struct Open {
    start: u32,
    last: u32,
    bound: u64,
    baseline: Baseline,
}

struct Watch<'a> {
    line: Line<'a>,
    span: Span,
    settings: &'a Settings,
    /// Minutes of incidents so far, which are no baseline.
    past: Vec<Range<u32>>,
    found: Vec<Incident>,
    /// What the baseline's own bursts allow, by (hour, incidents so far).
    bound: Option<((u32, usize), u64)>,
}

impl Watch<'_> {
    /// The incident, if it still runs at `minute`.
    fn carry_on(&mut self, open: Open, minute: u32) -> Option<Open> {
        let quiet = minute - open.last > self.settings.quiet_minutes;
        let rule = minute - open.start >= self.settings.incident_minutes_max;
        if !quiet && !rule {
            return Some(open);
        }
        self.close(&open, !rule);
        None
    }

    fn close(&mut self, open: &Open, is_past: bool) {
        let end = open.last + 1;
        if is_past {
            self.past.push(open.start..end);
        }
        self.found.push(Incident { start: open.start, end: Some(end), baseline: open.baseline });
    }

    fn end_of_data(&mut self, open: &Open) {
        if self.span.last - open.last >= self.settings.quiet_minutes {
            return self.close(open, true);
        }
        self.found.push(Incident { start: open.start, end: None, baseline: open.baseline });
    }

    /// An incident that starts at `minute`, if its count is unusual.
    fn open(&mut self, minute: u32, count: u64) -> Option<Open> {
        if count < self.settings.calls_min {
            return None;
        }
        let baseline = self.baseline(minute)?;
        let floor = 1.0 / f64::from(self.settings.baseline_minutes.max(1));
        let rate = baseline.average.max(floor);
        if !is_rare(count, rate, self.settings) {
            return None;
        }
        let bound = least_rare(rate, self.settings).max(self.bursts(minute));
        (count >= bound).then_some(Open { start: minute, last: minute, bound, baseline })
    }

    /// No call from `from` to before `to`: an incident, if calls are missing.
    fn silence(&mut self, from: u32, to: u32, end: Option<u32>) {
        let missing = |rate: f64| rate * f64::from(to - from);
        // Without history a rate is no rate: looked up only where the gap may matter.
        if to <= from || self.line.counts_before(from) < self.settings.missing_min {
            return;
        }
        let Some(baseline) = self.baseline(from) else { return };
        let steady = baseline.average >= self.settings.steady_rate
            && missing(baseline.average) >= self.settings.missing_min
            && self.hours(&baseline) >= self.settings.steady_hours;
        if steady {
            self.past.push(from..to);
            self.found.push(Incident { start: from, end, baseline });
        }
    }

    /// The baseline of an incident that starts at `minute`; `None` before enough is known.
    fn baseline(&self, minute: u32) -> Option<Baseline> {
        let from = minute.saturating_sub(self.settings.baseline_minutes).max(self.span.first);
        let length = minute.checked_sub(from)?;
        if length < self.settings.learning_minutes.max(1) {
            return None;
        }
        let (mut count, mut minutes) = (self.line.sum(&(from..minute)), u64::from(length));
        for past in self.past.iter().rev().take_while(|past| past.end > from) {
            let inside = past.start.max(from)..past.end.min(minute);
            count -= self.line.sum(&inside);
            minutes -= u64::from(inside.end - inside.start);
        }
        Some(Baseline { from, to: minute, average: count as f64 / minutes.max(1) as f64 })
    }

    /// The least count that is more than the bursts which the API has anyway; judged once an hour.
    fn bursts(&mut self, minute: u32) -> u64 {
        let key = (minute / 60, self.past.len());
        if let Some((of, bound)) = self.bound
            && of == key
        {
            return bound;
        }
        let from = minute.saturating_sub(self.settings.baseline_minutes).max(self.span.first);
        // Past incidents are in order, and none overlaps another.
        let is_past = |minute: &u32| {
            let next = self.past.partition_point(|past| past.end <= *minute);
            self.past.get(next).is_some_and(|past| past.contains(minute))
        };
        let mut busy: Vec<u64> = self
            .line
            .within(&(from..minute))
            .iter()
            .filter(|(minute, _)| !is_past(minute))
            .map(|(_, count)| *count)
            .collect();
        let bound = if busy.len() < self.settings.busy_minutes {
            0
        } else {
            burst_bound(&mut busy, self.settings.deviations)
        };
        self.bound = Some((key, bound));
        bound
    }

    /// Share of the baseline's hours that have a call.
    fn hours(&self, baseline: &Baseline) -> f64 {
        let inside = self.line.within(&(baseline.from..baseline.to));
        let hour = |minute: u32| (minute - baseline.from) / 60;
        let with_call = inside.chunk_by(|a, b| hour(a.0) == hour(b.0)).count();
        with_call as f64 / f64::from((baseline.to - baseline.from).div_ceil(60).max(1))
    }
}

/// Counts per minute with running sums.
struct Line<'a> {
    minutes: &'a [(u32, u64)],
    /// Sum of the counts before each place.
    sums: Vec<u64>,
}

impl<'a> Line<'a> {
    fn of(minutes: &'a [(u32, u64)]) -> Line<'a> {
        let running = minutes.iter().scan(0, |sum, (_, count)| {
            *sum += count;
            Some(*sum)
        });
        Line { minutes, sums: std::iter::once(0).chain(running).collect() }
    }

    fn places(&self, range: &Range<u32>) -> Range<usize> {
        let from = self.minutes.partition_point(|(minute, _)| *minute < range.start);
        from..self.minutes.partition_point(|(minute, _)| *minute < range.end).max(from)
    }

    fn within(&self, range: &Range<u32>) -> &'a [(u32, u64)] {
        &self.minutes[self.places(range)]
    }

    fn sum(&self, range: &Range<u32>) -> u64 {
        let places = self.places(range);
        self.sums[places.end] - self.sums[places.start]
    }

    fn counts_before(&self, minute: u32) -> f64 {
        self.sum(&(0..minute)) as f64
    }
}

/// True if `count` is so high above `rate` that chance hardly explains it.
///
/// Chernoff's bound on a Poisson tail: P(X ≥ c) ≤ e^(c − λ) (λ/c)^c. It is at least the
/// probability itself, so what it calls rare is rare.
fn is_rare(count: u64, rate: f64, settings: &Settings) -> bool {
    let calls = count as f64;
    calls >= settings.ratio * rate
        && calls > rate
        && calls - rate - calls * (calls / rate).ln() < settings.alpha.ln()
}

/// The least count of at least `calls_min` that is rare.
fn least_rare(rate: f64, settings: &Settings) -> u64 {
    let mut high = settings.calls_min.max(1);
    while !is_rare(high, rate, settings) && high < u64::MAX / 4 {
        high *= 2;
    }
    let mut low = (high / 2).max(settings.calls_min.max(1));
    while low < high {
        let middle = low.midpoint(high);
        if is_rare(middle, rate, settings) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

/// More than the usual burst: above the median by some deviations, and above all but one in a hundred.
fn burst_bound(busy: &mut [u64], deviations: f64) -> u64 {
    busy.sort_unstable();
    let median = busy[busy.len() / 2];
    let high = busy[(busy.len() * 99 / 100).min(busy.len() - 1)];
    let mut distances: Vec<u64> = busy.iter().map(|count| count.abs_diff(median)).collect();
    distances.sort_unstable();
    // 1.4826 makes the median distance comparable to a standard deviation.
    let spread = (1.482_6 * distances[distances.len() / 2] as f64).max((median as f64).sqrt());
    (median as f64 + deviations * spread).max(high as f64).floor() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: u32 = 7 * 24 * 60;

    fn found(minutes: &[(u32, u64)], last: u32) -> Vec<Incident> {
        incidents(minutes, Span { first: 0, last }, &Settings::default())
    }

    #[test]
    fn a_call_hardly_ever_made_that_runs_at_a_handful_a_minute_is_an_incident() {
        let minutes = [(100, 1), (200, 1), (5_000, 1), (WEEK, 6), (WEEK + 1, 9)];
        let [incident] = found(&minutes, WEEK + 30)[..] else { unreachable!("one incident") };
        assert_eq!((incident.start, incident.end), (WEEK, Some(WEEK + 2)));
        assert!((incident.baseline.average - 3.0 / 10_080.0).abs() < 1e-12);
        assert_eq!(incident.baseline.to - incident.baseline.from, WEEK);
    }

    #[test]
    fn nothing_is_unusual_before_enough_is_known() {
        assert!(found(&[(600, 50)], 3_000).is_empty());
        assert_eq!(found(&[(1_440, 50)], 3_000).len(), 1);
    }

    #[test]
    fn a_busy_call_needs_many_more_calls_than_a_rare_one() {
        let mut minutes: Vec<(u32, u64)> = (0..WEEK).map(|minute| (minute, 20)).collect();
        minutes.push((WEEK, 55));
        assert!(found(&minutes, WEEK + 30).iter().all(|incident| incident.start > WEEK));
        minutes.pop();
        minutes.push((WEEK, 100));
        assert_eq!(found(&minutes, WEEK + 5)[0].start, WEEK);
    }

    #[test]
    fn a_steady_call_that_falls_silent_is_an_incident_until_it_comes_back() {
        let before = (0..WEEK).map(|minute| (minute, 20));
        let after = (WEEK + 10..WEEK + 60).map(|minute| (minute, 20));
        let minutes: Vec<(u32, u64)> = before.chain(after).collect();
        let [incident] = found(&minutes, WEEK + 59)[..] else { unreachable!("one incident") };
        assert_eq!((incident.start, incident.end), (WEEK, Some(WEEK + 10)));
    }

    #[test]
    fn a_silence_lasts_while_others_are_heard_and_is_none_when_all_is_silent() {
        let minutes: Vec<(u32, u64)> = (0..WEEK).map(|minute| (minute, 2)).collect();
        let [incident] = found(&minutes, WEEK + 30)[..] else { unreachable!("one incident") };
        assert_eq!((incident.start, incident.end), (WEEK, None));
        assert!(found(&minutes, WEEK - 1).is_empty());
    }

    #[test]
    fn incidents_less_than_ten_minutes_apart_are_one() {
        let minutes = [(WEEK, 8), (WEEK + 10, 8), (WEEK + 21, 8)];
        let ends: Vec<_> = found(&minutes, WEEK + 60).iter().map(|one| (one.start, one.end)).collect();
        assert_eq!(ends, [(WEEK, Some(WEEK + 11)), (WEEK + 21, Some(WEEK + 22))]);
    }

    #[test]
    fn minutes_of_an_incident_are_no_baseline_for_the_next() {
        let minutes = [(WEEK, 500), (WEEK + 600, 8)];
        let found = found(&minutes, WEEK + 700);
        assert_eq!(found.len(), 2);
        assert!(found[1].baseline.average < 1e-9);
    }

    #[test]
    fn an_incident_at_the_end_of_the_data_is_still_running() {
        let found = found(&[(WEEK, 8)], WEEK + 9);
        assert_eq!(found[0].end, None);
    }

    #[test]
    fn a_nightly_job_is_no_incident_once_its_bursts_are_known() {
        let night = |day: u32| (0..10).map(move |minute| (day * 1_440 + 120 + minute, 50));
        let minutes: Vec<(u32, u64)> = (0..14).flat_map(night).collect();
        let starts: Vec<u32> = found(&minutes, 14 * 1_440).iter().map(|one| one.start / 1_440).collect();
        // Learned from two nights that were usual: the first, and the second cannot be known yet.
        assert!(starts.len() <= 2, "{starts:?}");
    }

    #[test]
    fn a_rate_that_stays_becomes_the_rule() {
        let minutes: Vec<(u32, u64)> = (WEEK..3 * WEEK).map(|minute| (minute, 30)).collect();
        let found = found(&minutes, 3 * WEEK);
        assert!(found.len() < 5, "{}", found.len());
        assert!(found[0].end.is_some_and(|end| end <= WEEK + 1_441));
    }

    #[test]
    fn the_least_rare_count_is_rare_and_the_one_below_is_not() {
        let settings = Settings::default();
        for rate in [1e-4, 0.01, 0.5, 1.0, 7.0, 20.0, 400.0] {
            let least = least_rare(rate, &settings);
            assert!(is_rare(least, rate, &settings), "{rate}");
            assert!(least == settings.calls_min || !is_rare(least - 1, rate, &settings), "{rate}");
        }
    }
}
