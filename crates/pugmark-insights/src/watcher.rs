//! Insights of events as they come: the same counts, asked minute by minute.

use std::collections::{BTreeMap, BTreeSet};

use pugmark_event::EventBatch;

use crate::{Call, Counts, Insight, Selector, Settings, State};

/// Minutes of events that a watcher keeps (AWS: baselines are learned from 28 days).
pub const KEPT_MINUTES: u32 = 28 * 24 * 60;

/// Minutes between two times that old events are forgotten.
const FORGET_EVERY: u32 = 60;

/// Counts events and tells each Insight once, when the events of its minutes have had time to arrive.
///
/// What it knows outlives a restart in its [`Memory`](crate::Memory). Events that it is shown again make
/// the same records with the same ids.
#[derive(Clone, Debug)]
pub struct Watcher {
    pub(crate) counts: Counts,
    pub(crate) settings: Settings,
    /// Ids of records that were told, by the start of their incident's record time.
    pub(crate) told: BTreeMap<String, i64>,
    /// Series whose start was told but not yet its end, and the start's shared id.
    pub(crate) open: BTreeMap<String, String>,
    pub(crate) asked: Option<u32>,
}

impl Watcher {
    /// Watches what `selectors` ask for.
    pub fn new(selectors: &[Selector], settings: Settings) -> Watcher {
        Watcher {
            counts: Counts::new(selectors),
            settings,
            told: BTreeMap::new(),
            open: BTreeMap::new(),
            asked: None,
        }
    }

    /// Takes in one event. Each must come once.
    pub fn count(&mut self, call: &Call<'_>) {
        self.counts.count(call);
    }

    /// Takes in a batch of events.
    pub fn read(&mut self, batch: &EventBatch) {
        self.counts.read(batch);
    }

    /// What is new at `now` (microseconds since 1970), to be asked about once a minute: starts and
    /// ends of incidents whose minutes lie [`Settings::lateness_minutes`] back.
    pub fn minute(&mut self, now: i64) -> Vec<Insight> {
        let Ok(minute) = u32::try_from(now.div_euclid(60_000_000)) else { return Vec::new() };
        let until = minute.saturating_sub(self.settings.lateness_minutes);
        if self.asked.is_some_and(|asked| asked >= until) {
            return Vec::new();
        }
        if self.asked.is_none_or(|asked| asked / FORGET_EVERY != until / FORGET_EVERY) {
            self.forget(until.saturating_sub(KEPT_MINUTES));
        }
        // What lies farther back than an incident can last was told in its time: with the days that are
        // forgotten the baselines of the first ones kept change, and old nights would become news.
        let margin = self.settings.incident_minutes_max + self.settings.lateness_minutes;
        let since = self.asked.replace(until).map_or(0, |asked| asked.saturating_sub(margin));
        let found = self.counts.insights_until(&self.settings, Some((since, until)));
        found.into_iter().filter_map(|insight| self.tell(insight)).collect()
    }

    fn forget(&mut self, before: u32) {
        self.counts.forget_before(before);
        let before = Insight::instant(before);
        self.told.retain(|_, time| *time >= before);
    }

    /// `insight`, if it is new. Events that came late can move the start of an incident; its end then
    /// belongs to the start that was told.
    fn tell(&mut self, mut insight: Insight) -> Option<Insight> {
        if self.told.contains_key(&insight.event_id) {
            return None;
        }
        let series = series_of(&insight);
        match (insight.state, self.open.get(&series)) {
            (State::Start, Some(_)) | (State::End, None) => return None,
            (State::Start, None) => drop(self.open.insert(series, insight.shared_id.clone())),
            (State::End, Some(shared)) => {
                insight.shared_id.clone_from(shared);
                self.open.remove(&series);
            }
        }
        self.told.insert(insight.event_id.clone(), insight.time);
        Some(insight)
    }

    /// Shared ids of incidents that are running.
    pub fn running(&self) -> BTreeSet<&str> {
        self.open.values().map(String::as_str).collect()
    }
}

/// What an incident is about, as one text.
fn series_of(insight: &Insight) -> String {
    [
        insight.account.as_str(),
        &insight.region,
        &insight.event_source,
        &insight.event_name,
        insight.error_code.as_deref().unwrap_or_default(),
        insight.kind.as_str(),
        insight.category.as_str(),
    ]
    .join("\0")
}
