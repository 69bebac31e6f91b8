//! From first occurrences to few findings: what is new in the window, how much it says, and what
//! belongs together.
//!
//! A new value says more the longer its principal was known without it, the rarer new values are for
//! it, and if nobody else of the account had it either. New values of one principal within an hour
//! are one burst.

use std::collections::{BTreeMap, BTreeSet};

use crate::Level;

use super::facts::{Dimension, First, FirstSeen, History, Subject};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// What is judged, and how strictly.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// First occurrences from here on are news, microseconds since 1970; what came before was learned.
    pub since: i64,
    /// Days that a principal or account must have been known.
    pub history_days: f64,
    /// Events that it must have made before that day.
    pub history_events: u64,
    /// Bursts that score less are left out.
    pub score_min: f64,
}

impl Settings {
    /// The usual strictness, for what happens from `since` on.
    pub fn since(since: i64) -> Settings {
        Settings { since, history_days: 3.0, history_events: 100, score_min: LOW }
    }
}

/// Where learning ends if nothing is said: after `percent` of the time between first and last event.
pub fn detection_since(seen: &FirstSeen, percent: u8) -> Option<i64> {
    let (first, last) = seen.span()?;
    Some(first + (last - first) / 100 * i64::from(percent.min(100)))
}

/// Whose first time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Others of the account did it before.
    Principal,
    /// Nobody of the account did it before; the principal itself is not known well enough to say.
    Account,
    /// New for both.
    Both,
}

/// One value that was never seen before.
#[derive(Clone, Debug, PartialEq)]
pub struct Novelty {
    /// In what respect.
    pub dimension: Dimension,
    /// What.
    pub value: String,
    /// For whom.
    pub scope: Scope,
    /// The first event with it: time (microseconds since 1970), id, call, address.
    pub time: i64,
    /// Its id.
    pub event_id: String,
    /// `service:EventName` of that event.
    pub call: String,
    /// Where it came from.
    pub address: String,
    /// How often it came in all.
    pub count: u64,
    /// Days that the principal (or account, for [`Scope::Account`]) was known without it.
    pub days: u64,
    /// Events that it made on the days before.
    pub events: u64,
    /// How much it says.
    pub score: f64,
}

/// A Region that is new for one principal, and not for its account, scores 20: no finding by itself.
const LOW: f64 = 24.0;
const MEDIUM: f64 = 50.0;
const HIGH: f64 = 100.0;

/// What one principal did for the first time within a short while.
#[derive(Clone, Debug, PartialEq)]
pub struct Burst {
    /// Who.
    pub principal: String,
    /// In which account.
    pub account: String,
    /// First new value, microseconds since 1970.
    pub from: i64,
    /// Last new value.
    pub to: i64,
    /// What is new, by score, at least one.
    pub novelties: Vec<Novelty>,
    /// How much it says.
    pub score: f64,
}

impl Novelty {
    /// How novel, in words: `first in 61 days and 2112034 events`.
    pub fn text(&self) -> String {
        let of = match self.scope {
            Scope::Principal => "",
            Scope::Account => " of the account",
            Scope::Both => ", for the account too",
        };
        format!(
            "{} `{}`: first in {} days and {} events{of}",
            self.dimension.as_str(),
            self.value,
            self.days,
            self.events
        )
    }
}

impl Burst {
    /// How serious.
    pub fn level(&self) -> Level {
        match self.score {
            score if score >= HIGH => Level::High,
            score if score >= MEDIUM => Level::Medium,
            score if score >= LOW => Level::Low,
            _ => Level::Informational,
        }
    }

    /// Ids of the first events, each once, in order.
    pub fn events(&self) -> BTreeSet<&str> {
        self.novelties.iter().map(|novelty| novelty.event_id.as_str()).collect()
    }
}

impl FirstSeen {
    /// What is new from [`Settings::since`] on, folded into bursts; the telling ones first.
    pub fn findings(&self, settings: &Settings) -> Vec<Burst> {
        let mut news: BTreeMap<(&str, &str), Vec<Novelty>> = BTreeMap::new();
        for ((dimension, value, first), scopes) in self.candidates(settings) {
            if let Some(novelty) = judge(dimension, value, first, scopes) {
                news.entry((&first.principal, &first.account)).or_default().push(novelty);
            }
        }
        let mut bursts: Vec<Burst> = news
            .into_iter()
            .flat_map(|(who, novelties)| bursts(who, novelties))
            .filter(|burst| burst.score >= settings.score_min)
            .collect();
        bursts.sort_by(|a, b| {
            let order = b.score.total_cmp(&a.score).then(a.from.cmp(&b.from));
            order.then_with(|| (&a.principal, &a.account).cmp(&(&b.principal, &b.account)))
        });
        bursts
    }

    /// New values and for whom they are new. A value that is new for principal and account has one
    /// and the same first event.
    fn candidates<'a>(&'a self, settings: &Settings) -> BTreeMap<Candidate<'a>, Scopes<'a>> {
        let mut candidates: BTreeMap<Candidate<'a>, Scopes<'a>> = BTreeMap::new();
        for (subject, history) in &self.subjects {
            for (dimension, value, first, count) in history.firsts() {
                if first.time < settings.since || !history.is_known(first.time, settings) {
                    continue;
                }
                let scopes = candidates.entry((dimension, value, first)).or_default();
                let known = Some(Known {
                    history,
                    count,
                    habit: history.habit(dimension, settings),
                    is_constant: history.is_constant(dimension, settings),
                });
                match subject {
                    Subject::Principal(_) => scopes.principal = known,
                    Subject::Account(_) => scopes.account = known,
                }
            }
        }
        candidates
    }
}

/// How much a new value says; `None` if it is new for nobody.
fn judge(dimension: Dimension, value: &str, first: &First, scopes: Scopes<'_>) -> Option<Novelty> {
    let (scope, weight, known) = match (scopes.principal, scopes.account) {
        (Some(own), Some(account)) => {
            let rarer = if account.habit < own.habit { account.habit } else { own.habit };
            (Scope::Both, 1.5 / (1.0 + rarer), own)
        }
        (Some(own), None) => {
            let others_do = if own.is_constant { 0.8 } else { 0.4 };
            (Scope::Principal, others_do / (1.0 + own.habit), own)
        }
        (None, Some(account)) => (Scope::Account, 1.0 / (1.0 + account.habit), account),
        (None, None) => return None,
    };
    let service = if first.principal.starts_with("service/") { 0.05 } else { 1.0 };
    let forwarded = if first.is_by_service { 0.2 } else { 1.0 };
    let novelty = Novelty {
        dimension,
        value: value.to_owned(),
        scope,
        time: first.time,
        event_id: first.event_id.to_string(),
        call: first.call.to_string(),
        address: first.address.to_string(),
        count: known.count,
        days: ((first.time - known.history.first?) / DAY_US).max(0) as u64,
        events: known.history.events_before(first.time),
        score: base(dimension, first) * weight * service * forwarded,
    };
    Some(novelty)
}

type Candidate<'a> = (Dimension, &'a str, &'a First);

/// For whom a value is new.
#[derive(Clone, Copy, Default)]
struct Scopes<'a> {
    principal: Option<Known<'a>>,
    account: Option<Known<'a>>,
}

#[derive(Clone, Copy)]
struct Known<'a> {
    history: &'a History,
    count: u64,
    habit: f64,
    is_constant: bool,
}

/// How much a new value says by itself: what people rarely change says most.
fn base(dimension: Dimension, first: &First) -> f64 {
    let denied = if first.is_denied { 4.0 } else { 0.0 };
    match dimension {
        Dimension::Country => 40.0,
        Dimension::Account | Dimension::Region => 25.0,
        Dimension::Agent => 20.0,
        Dimension::Network => 15.0,
        Dimension::Principal => 12.0,
        Dimension::Call if first.is_write => 12.0 + denied,
        Dimension::Call => 3.0 + denied,
        Dimension::Resource => 2.0,
    }
}

impl History {
    fn firsts(&self) -> impl Iterator<Item = (Dimension, &str, &First, u64)> {
        Dimension::ALL.into_iter().zip(&self.values).flat_map(|(dimension, values)| {
            let all = values.iter().flatten();
            all.map(move |(value, (first, count))| (dimension, value.as_ref(), first, *count))
        })
    }

    /// True if enough was known before `time` to call something new.
    fn is_known(&self, time: i64, settings: &Settings) -> bool {
        let known_us = self.first.map_or(0, |first| time - first);
        known_us as f64 >= settings.history_days * DAY_US as f64
            && self.events_before(time) >= settings.history_events
    }

    /// How many values were new on a day, in the later half of what was learned: who has new ones
    /// all the time says little with one more.
    fn habit(&self, dimension: Dimension, settings: &Settings) -> f64 {
        let Some(first) = self.first else { return 0.0 };
        let half = first + (settings.since - first) / 2;
        let values = self.values[dimension as usize].iter().flatten();
        let new = values.filter(|(_, (first, _))| (half..settings.since).contains(&first.time)).count();
        let days = (settings.since - half) as f64 / DAY_US as f64;
        new as f64 / days.max(1.0)
    }

    /// True if it had one or two values in all the time before `since`: another one says more.
    fn is_constant(&self, dimension: Dimension, settings: &Settings) -> bool {
        let values = self.values[dimension as usize].iter().flatten();
        (1..=2).contains(&values.filter(|(_, (first, _))| first.time < settings.since).count())
    }
}

/// News of one principal, cut where an hour passes without any.
fn bursts((principal, account): (&str, &str), mut novelties: Vec<Novelty>) -> Vec<Burst> {
    novelties.sort_by_key(|novelty| novelty.time);
    let parts = novelties.chunk_by(|a, b| b.time - a.time <= HOUR_US);
    let burst = |part: &[Novelty]| {
        let mut novelties = part.to_vec();
        novelties.sort_by(|a, b| {
            let order = b.score.total_cmp(&a.score).then(a.dimension.cmp(&b.dimension));
            order.then_with(|| a.value.cmp(&b.value))
        });
        Burst {
            principal: principal.to_owned(),
            account: account.to_owned(),
            from: part.first().map_or(0, |novelty| novelty.time),
            to: part.last().map_or(0, |novelty| novelty.time),
            score: score(&novelties),
            novelties,
        }
    };
    parts.map(burst).collect()
}

/// Each dimension counts by its most telling value, a little more if there are many.
fn score(novelties: &[Novelty]) -> f64 {
    let mut dimensions: BTreeMap<Dimension, (f64, u32)> = BTreeMap::new();
    for novelty in novelties {
        let (most, count) = dimensions.entry(novelty.dimension).or_default();
        *most = most.max(novelty.score);
        *count += 1;
    }
    dimensions.values().map(|(most, count)| most * (1.0 + 0.15 * f64::from(*count).log2())).sum()
}
