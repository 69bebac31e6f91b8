//! What is counted: per account, Region, API (and error) and minute, by caller. Facts of several
//! workers are merged in any order.
//!
//! Memory has a bound. When it is reached, all counts get coarser by one step ([`Detail`]). Whether
//! they must depends on the events alone, not on their order: what is too much for a part is too much
//! for the whole.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use pugmark_event::{EventBatch, Projection};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::call::{Call, Calls};
use crate::cells::{Cell, Cells};
use crate::incident::{Incident, Span, incidents};
use crate::insight::{Attribute, Attribution, Insight, State, VALUES_MAX, Valued};
use crate::memory::{Line, Memory};
use crate::names::{Name, Names};
use crate::{InsightType, Selector, Settings};

/// Bytes that counts may take. At 12 bytes a cell these are twenty million (API, minute, caller).
pub const LIVE_BYTES_MAX: usize = 256 << 20;

/// How fine the counts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Detail {
    /// By ARN, user agent and error code.
    #[default]
    Full,
    /// Without user agents.
    Identities,
    /// Without any attribution.
    Totals,
    /// Without attribution, and one in 2ⁿ APIs only.
    Sampled(u8),
}

impl Detail {
    fn coarser(self) -> Detail {
        match self {
            Detail::Full => Detail::Identities,
            Detail::Identities => Detail::Totals,
            Detail::Totals => Detail::Sampled(1),
            Detail::Sampled(bits) => Detail::Sampled(bits.saturating_add(1)),
        }
    }

    /// True if what has this hash is counted.
    fn keeps(self, hash: u64) -> bool {
        match self {
            Detail::Sampled(bits) => hash.trailing_zeros() >= u32::from(bits),
            _ => true,
        }
    }
}

/// What is counted for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    selector: Selector,
    account: Name,
    region: Name,
    event_source: Name,
    event_name: Name,
    error: Name,
}

/// A caller: ARN, agent, error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Who {
    arn: Name,
    agent: Name,
    error: Name,
}

/// The text of a [`Key`], by which series are ordered and Insights identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series<'a> {
    account: &'a str,
    region: &'a str,
    event_source: &'a str,
    event_name: &'a str,
    error: Option<&'a str>,
    selector: Selector,
}

/// Counts per API and minute.
#[derive(Clone, Debug)]
pub struct Counts {
    selectors: Vec<Selector>,
    bytes_max: usize,
    detail: Detail,
    names: Names,
    places: HashMap<Key, usize>,
    series: Vec<(Key, Cells)>,
    whos: HashMap<Who, u32>,
    callers: Vec<Who>,
    spans: HashMap<(Name, Name), Span>,
    /// Cells added since memory was last measured.
    added: usize,
    /// Bytes when memory was last measured.
    measured: usize,
    /// Bytes of texts at that time.
    measured_texts: usize,
}

impl Counts {
    /// Counts what `selectors` ask for, in at most [`LIVE_BYTES_MAX`] bytes.
    pub fn new(selectors: &[Selector]) -> Counts {
        Counts::bounded(selectors, LIVE_BYTES_MAX)
    }

    /// Counts what `selectors` ask for, in about `bytes_max` bytes.
    pub fn bounded(selectors: &[Selector], bytes_max: usize) -> Counts {
        let mut selectors = selectors.to_vec();
        selectors.sort_unstable();
        selectors.dedup();
        Counts {
            selectors,
            bytes_max,
            detail: Detail::Full,
            names: Names::default(),
            places: HashMap::new(),
            series: Vec::new(),
            whos: HashMap::new(),
            callers: Vec::new(),
            spans: HashMap::new(),
            added: 0,
            measured: 0,
            measured_texts: 0,
        }
    }

    /// The leaves that are read; others of a batch are passed over.
    pub fn leaves() -> Projection {
        Call::leaves()
    }

    /// Takes in a batch. Each event must come once.
    pub fn read(&mut self, batch: &EventBatch) {
        for call in Calls::of(batch).iter() {
            self.count(&call);
        }
    }

    /// Takes in one event.
    pub fn count(&mut self, call: &Call<'_>) {
        let (Some(minute), Some(category)) = (call.minute(), call.category()) else { return };
        self.include((call.account, call.region), Span { first: minute, last: minute });
        for index in 0..self.selectors.len() {
            let selector = self.selectors[index];
            if selector.category == category && call.counts_for(selector) {
                self.add(selector, call, minute);
            }
        }
        let texts = self.names.bytes().saturating_sub(self.measured_texts);
        let grown = self.added * size_of::<Cell>() + texts;
        if self.measured + grown > self.bytes_max + self.bytes_max / 4 {
            self.measure();
        }
    }

    fn add(&mut self, selector: Selector, call: &Call<'_>, minute: u32) {
        let of_error = selector.kind == InsightType::ApiErrorRate;
        let place = self.series(Series {
            account: call.account,
            region: call.region,
            event_source: call.event_source,
            event_name: call.event_name,
            error: call.error().filter(|_| of_error),
            selector,
        });
        let Some(place) = place else { return };
        let error = call.error_code.filter(|_| !of_error);
        let who = self.who(call.identity().as_deref(), call.user_agent, error);
        self.put(place, Cell { minute, who, count: 1 });
    }

    fn put(&mut self, place: usize, cell: Cell) {
        self.series[place].1.add(cell);
        self.added += 1;
    }

    /// The number of a caller, as fine as callers are told apart.
    fn who(&mut self, arn: Option<&str>, agent: Option<&str>, error: Option<&str>) -> u32 {
        let is_full = self.detail == Detail::Full;
        let is_named = self.detail <= Detail::Identities;
        let who = Who {
            arn: self.names.intern_some(arn.filter(|_| is_named)),
            agent: self.names.intern_some(agent.filter(|_| is_full)),
            error: self.names.intern_some(error.filter(|_| is_named)),
        };
        if let Some(number) = self.whos.get(&who) {
            return *number;
        }
        let number = self.callers.len() as u32;
        self.callers.push(who);
        self.whos.insert(who, number);
        number
    }

    /// The place of a series; `None` if it is not among the sample.
    fn series(&mut self, series: Series<'_>) -> Option<usize> {
        if let Detail::Sampled(_) = self.detail {
            let api = [series.event_source, series.event_name, series.error.unwrap_or_default()];
            let is_kept = self.detail.keeps(hash(&[series.account, series.region]));
            if !is_kept || !self.detail.keeps(hash(&api)) {
                return None;
            }
        }
        let key = Key {
            selector: series.selector,
            account: self.names.intern(series.account),
            region: self.names.intern(series.region),
            event_source: self.names.intern(series.event_source),
            event_name: self.names.intern(series.event_name),
            error: self.names.intern_some(series.error),
        };
        if let Some(place) = self.places.get(&key) {
            return Some(*place);
        }
        self.places.insert(key, self.series.len());
        self.series.push((key, Cells::default()));
        Some(self.series.len() - 1)
    }

    fn include(&mut self, (account, region): (&str, &str), span: Span) {
        let sampled = matches!(self.detail, Detail::Sampled(_));
        if sampled && !self.detail.keeps(hash(&[account, region])) {
            return;
        }
        let place = (self.names.intern(account), self.names.intern(region));
        self.spans.entry(place).and_modify(|known| *known = known.merge(span)).or_insert(span);
    }

    fn text(&self, name: Name) -> &str {
        self.names.text(name).unwrap_or_default()
    }

    /// Bytes that the counts take, each cell once.
    fn live_bytes(&mut self) -> usize {
        let mut cells = 0;
        for (_, series) in &mut self.series {
            series.settle();
            cells += series.len();
        }
        cells * size_of::<Cell>()
            + self.series.len() * 160
            + self.callers.len() * 48
            + self.spans.len() * 48
            + self.names.bytes()
    }

    /// Makes the counts coarser until they fit.
    fn measure(&mut self) {
        self.measured = self.live_bytes();
        while self.measured > self.bytes_max && self.detail < Detail::Sampled(63) {
            self.coarsen(self.detail.coarser());
            self.measured = self.live_bytes();
        }
        (self.added, self.measured_texts) = (0, self.names.bytes());
    }

    /// The same counts, told less finely.
    fn coarsen(&mut self, detail: Detail) {
        if self.detail >= detail {
            return;
        }
        let empty = Counts { detail, ..Counts::bounded(&self.selectors, usize::MAX / 2) };
        let fine = std::mem::replace(self, empty);
        self.take(&fine);
        self.bytes_max = fine.bytes_max;
    }

    /// The counts of two workers as one. Both must have the same selectors.
    #[must_use]
    pub fn merge(mut self, mut other: Counts) -> Counts {
        self.coarsen(other.detail);
        other.coarsen(self.detail);
        self.take(&other);
        self.measure();
        self
    }

    fn take(&mut self, other: &Counts) {
        for ((account, region), span) in &other.spans {
            self.include((other.text(*account), other.text(*region)), *span);
        }
        let mut numbers: Vec<Option<u32>> = vec![None; other.callers.len()];
        for (key, cells) in &other.series {
            let Some(place) = self.series(other.series_of(*key)) else { continue };
            for cell in cells.all() {
                let who = numbers[cell.who as usize].unwrap_or_else(|| {
                    let Who { arn, agent, error } = other.callers[cell.who as usize];
                    let [arn, agent, error] = [arn, agent, error].map(|name| other.names.text(name));
                    self.who(arn, agent, error)
                });
                numbers[cell.who as usize] = Some(who);
                self.put(place, Cell { who, ..*cell });
            }
        }
    }

    /// How fine the counts still are: [`Detail::Full`], unless there were too many.
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// The Insights of all that was counted, by time; start and end of one incident are two.
    pub fn insights(&mut self, settings: &Settings) -> Vec<Insight> {
        self.insights_until(settings, None)
    }

    /// As [`Counts::insights`], of incidents that began in these minutes (since 1970), as if nothing were
    /// known of what comes after.
    pub(crate) fn insights_until(&mut self, settings: &Settings, within: Option<(u32, u32)>) -> Vec<Insight> {
        let (since, until) = (within.map_or(0, |within| within.0), within.map(|within| within.1));
        self.measure();
        let mut found = Vec::new();
        for (key, cells) in &self.series {
            let Some(span) = self.span(*key, until) else { continue };
            let mut minutes = cells.minutes();
            minutes.truncate(minutes.partition_point(|(minute, _)| *minute <= span.last));
            let fresh = incidents(&minutes, span, settings).into_iter().filter(|found| found.start >= since);
            for incident in fresh {
                found.extend(self.records(*key, cells, &incident, settings));
            }
        }
        found.sort_by(|a, b| order(a).cmp(&order(b)));
        found
    }

    fn span(&self, key: Key, until: Option<u32>) -> Option<Span> {
        let span = self.spans.get(&(key.account, key.region))?;
        // An account is not silent because nothing of it has arrived yet: it is heard up to `until`.
        let last = until.map_or(Some(span.last), |until| until.checked_sub(1))?;
        (last >= span.first).then_some(Span { first: span.first, last })
    }

    /// Start, and end if there is one.
    fn records(&self, key: Key, cells: &Cells, incident: &Incident, settings: &Settings) -> Vec<Insight> {
        let series = self.series_of(key);
        let start = self.insight(&series, cells, (incident, State::Start), settings);
        let end = incident.end.map(|_| self.insight(&series, cells, (incident, State::End), settings));
        [Some(start), end].into_iter().flatten().collect()
    }

    fn series_of(&self, key: Key) -> Series<'_> {
        Series {
            account: self.text(key.account),
            region: self.text(key.region),
            event_source: self.text(key.event_source),
            event_name: self.text(key.event_name),
            error: self.names.text(key.error),
            selector: key.selector,
        }
    }

    fn insight(
        &self,
        series: &Series<'_>,
        cells: &Cells,
        (incident, state): (&Incident, State),
        settings: &Settings,
    ) -> Insight {
        let Incident { start, baseline, .. } = *incident;
        let end = incident.end.filter(|_| state == State::End);
        let period = start..end.unwrap_or(start + 1);
        let count: u64 = cells.within(&period).iter().map(|cell| u64::from(cell.count)).sum();
        let minutes = period.end - period.start;
        Insight {
            time: Insight::instant(end.unwrap_or(start)),
            account: series.account.to_owned(),
            region: series.region.to_owned(),
            event_source: series.event_source.to_owned(),
            event_name: series.event_name.to_owned(),
            error_code: series.error.map(str::to_owned),
            kind: series.selector.kind,
            category: series.selector.category,
            state,
            event_id: guid(series, start, state.as_str()),
            shared_id: guid(series, start, "incident"),
            baseline_average: baseline.average,
            insight_average: count as f64 / f64::from(minutes),
            insight_minutes: minutes,
            baseline_minutes: baseline.to - baseline.from,
            attributions: self.attributions(series, cells, &period, &(baseline.from..baseline.to)),
            insight_source: settings.insight_source.clone(),
        }
    }

    fn attributions(
        &self,
        series: &Series<'_>,
        cells: &Cells,
        period: &Range<u32>,
        baseline: &Range<u32>,
    ) -> Vec<Attribution> {
        let attributes: &[Attribute] = match (self.detail, series.selector.kind) {
            (Detail::Full, InsightType::ApiCallRate) => {
                &[Attribute::UserIdentityArn, Attribute::UserAgent, Attribute::ErrorCode]
            }
            (Detail::Full, InsightType::ApiErrorRate) => &[Attribute::UserIdentityArn, Attribute::UserAgent],
            (Detail::Identities, InsightType::ApiCallRate) => {
                &[Attribute::UserIdentityArn, Attribute::ErrorCode]
            }
            (Detail::Identities, InsightType::ApiErrorRate) => &[Attribute::UserIdentityArn],
            (Detail::Totals | Detail::Sampled(_), _) => &[],
        };
        let of = |attribute: &Attribute| Attribution {
            attribute: *attribute,
            insight: self.values(*attribute, cells, period),
            baseline: self.values(*attribute, cells, baseline),
        };
        attributes.iter().map(of).collect()
    }

    /// The most frequent values of an attribute in some minutes.
    fn values(&self, attribute: Attribute, cells: &Cells, period: &Range<u32>) -> Vec<Valued> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for cell in cells.within(period) {
            let who = self.callers[cell.who as usize];
            let text = match attribute {
                Attribute::UserIdentityArn => self.names.text(who.arn),
                Attribute::UserAgent => self.names.text(who.agent),
                Attribute::ErrorCode => self.names.text(who.error).or(Some("null")),
            };
            if let Some(text) = text {
                *sums.entry(text).or_default() += u64::from(cell.count);
            }
        }
        let mut sums: Vec<(&str, u64)> = sums.into_iter().collect();
        // Stable: equal ones stay in the order of the alphabet.
        sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let minutes = f64::from(period.end - period.start);
        let valued = |(value, count): &(&str, u64)| Valued {
            value: (*value).to_owned(),
            average: *count as f64 / minutes,
        };
        sums.iter().take(VALUES_MAX).map(valued).collect()
    }

    /// Forgets the minutes before `minute`, minutes since 1970.
    pub(crate) fn forget_before(&mut self, minute: u32) {
        self.series.iter_mut().for_each(|(_, cells)| cells.forget_before(minute));
        self.spans.values_mut().for_each(|span| span.first = span.first.max(minute).min(span.last));
        if self.series.iter().all(|(_, cells)| cells.len() > 0) {
            return;
        }
        // Names and callers of what is gone go with it.
        let empty = Counts { detail: self.detail, ..Counts::bounded(&self.selectors, self.bytes_max) };
        let mut old = std::mem::replace(self, empty);
        old.series.retain(|(_, cells)| cells.len() > 0);
        self.take(&old);
    }

    /// Cells, each once or more often.
    pub(crate) fn cells(&self) -> usize {
        self.series.iter().map(|(_, cells)| cells.len()).sum()
    }

    /// All that is counted; nothing that was told.
    pub(crate) fn memory(&mut self) -> Memory {
        self.series.iter_mut().for_each(|(_, cells)| cells.settle());
        let line = |(key, cells): &(Key, Cells)| Line {
            selector: key.selector,
            api: [key.account, key.region, key.event_source, key.event_name].map(Name::number),
            error: key.error.some(),
            cells: cells.all().iter().map(|cell| (cell.minute, cell.who, cell.count)).collect(),
        };
        let mut spans: Vec<_> = self.spans.iter().collect();
        spans.sort_unstable_by_key(|((account, region), _)| (account.number(), region.number()));
        Memory {
            detail: self.detail,
            texts: self.names.texts().map(str::to_owned).collect(),
            callers: self.callers.iter().map(|who| [who.arn, who.agent, who.error].map(Name::some)).collect(),
            series: self.series.iter().map(line).collect(),
            spans: spans
                .into_iter()
                .map(|((account, region), span)| (account.number(), region.number(), span.first, span.last))
                .collect(),
            told: BTreeMap::new(),
            open: BTreeMap::new(),
            asked: None,
        }
    }

    /// Takes in what `memory` says; `None` if it names what it does not have.
    pub(crate) fn recall(&mut self, memory: &Memory) -> Option<()> {
        self.coarsen(memory.detail);
        let text = |name: u32| memory.texts.get(name as usize).map(String::as_str);
        let some = |name: Option<u32>| name.map_or(Some(None), |name| text(name).map(Some));
        let mut numbers = Vec::with_capacity(memory.callers.len());
        for [arn, agent, error] in &memory.callers {
            numbers.push(self.who(some(*arn)?, some(*agent)?, some(*error)?));
        }
        for Line { selector, api, error, cells } in &memory.series {
            let [account, region, event_source, event_name] = *api;
            let place = self.series(Series {
                account: text(account)?,
                region: text(region)?,
                event_source: text(event_source)?,
                event_name: text(event_name)?,
                error: some(*error)?,
                selector: *selector,
            });
            let Some(place) = place else { continue };
            for (minute, who, count) in cells {
                let who = *numbers.get(*who as usize)?;
                self.put(place, Cell { minute: *minute, who, count: *count });
            }
        }
        for (account, region, first, last) in &memory.spans {
            self.include((text(*account)?, text(*region)?), Span { first: *first, last: *last });
        }
        self.measure();
        Some(())
    }
}

/// By what Insights are sorted.
fn order(insight: &Insight) -> (i64, &str, &str, &str, &str, Option<&str>, InsightType, State, &str) {
    (
        insight.time,
        &insight.account,
        &insight.region,
        &insight.event_source,
        &insight.event_name,
        insight.error_code.as_deref(),
        insight.kind,
        insight.state,
        &insight.event_id,
    )
}

fn hash(texts: &[&str]) -> u64 {
    xxh3_64(texts.join("\0").as_bytes())
}

/// A GUID (RFC 9562, version 8) made of what it names, so that each run makes the same.
fn guid(series: &Series<'_>, start: u32, role: &str) -> String {
    let Series { account, region, event_source, event_name, error, selector } = series;
    let error = error.unwrap_or_default();
    let (kind, category) = (selector.kind.as_str(), selector.category.as_str());
    let text = [role, account, region, event_source, event_name, error, kind, category].join("\0");
    let hash = xxh3_128(format!("{text}\0{start}").as_bytes());
    let versioned = hash & !(0xF << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let digits = format!("{versioned:032x}");
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &digits[group]).join("-")
}
