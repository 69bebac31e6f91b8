//! What was found: a rule and the events that matched it, folded per actor.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::{Level, RuleText, Sighting};

/// Events shown of a finding: the earliest.
pub const EVENTS_SHOWN: usize = 20;
/// Different addresses, Regions and the like that are kept of a finding.
pub const FEW: usize = 8;

/// What found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A Sigma rule.
    Rule,
    /// A Sigma correlation.
    Correlation,
    /// Something done for the first time.
    FirstSeen,
    /// One actor in two places, farther apart than one can travel.
    Travel,
    /// One session on two networks.
    NetworkChange,
    /// An unusual rate of calls or errors.
    Insight,
}

/// One thing that a person should look at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The same for the same rule and the same events: 32 hexadecimal digits.
    pub id: String,
    /// What found it.
    pub source: Source,
    /// The rule's words.
    #[serde(flatten)]
    pub rule: Arc<RuleText>,
    /// Who did it.
    pub actor: String,
    /// Time of the first event, microseconds since 1970 (UTC).
    pub first: i64,
    /// Time of the last event.
    pub last: i64,
    /// How many events there are.
    pub count: u64,
    /// Accounts, a few.
    pub accounts: Few,
    /// Regions, a few.
    pub regions: Few,
    /// Addresses, a few.
    pub addresses: Few,
    /// Names of the calls, a few.
    pub calls: Few,
    /// Error codes, a few.
    pub errors: Few,
    /// Short ids of sessions, a few.
    pub sessions: Few,
    /// What the events of a correlation have in common; otherwise what is special, as name and value.
    pub details: Vec<(String, String)>,
    /// The earliest events.
    pub events: Vec<Arc<Sighting>>,
}

impl Finding {
    /// The level of the rule.
    pub fn level(&self) -> Level {
        self.rule.level
    }

    /// The worst first, then the most recent, then by id: the same order for the same findings.
    pub fn sort(findings: &mut [Finding]) {
        findings.sort_by(|a, b| {
            (b.rule.level, b.last, &a.rule.title, &a.id).cmp(&(a.rule.level, a.last, &b.rule.title, &b.id))
        });
    }
}

/// The least few of many texts, in order, and whether there are more: the
/// same whatever the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Few {
    /// The texts.
    pub texts: BTreeSet<Arc<str>>,
    /// True if some were left out.
    pub more: bool,
}

impl Few {
    /// Adds a text; an empty one is none.
    pub fn add(&mut self, text: &str) {
        if text.is_empty() || self.texts.contains(text) {
            return;
        }
        if self.texts.len() < FEW || self.texts.last().is_some_and(|last| text < &**last) {
            self.texts.insert(text.into());
        } else {
            self.more = true;
        }
        if self.texts.len() > FEW {
            self.texts.pop_last();
            self.more = true;
        }
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Few) {
        self.more |= other.more;
        other.texts.iter().for_each(|text| self.add(text));
    }

    /// All, with `…` for what was left out.
    pub fn words(&self) -> String {
        let texts: Vec<&str> = self.texts.iter().map(|text| &**text).collect();
        format!("{}{}", texts.join(", "), if self.more { ", …" } else { "" })
    }
}

/// Events of a finding in the making; commutative.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fold {
    count: u64,
    first: i64,
    last: i64,
    /// Sum of the hashes of event ids.
    ids: u128,
    accounts: Few,
    regions: Few,
    addresses: Few,
    calls: Few,
    errors: Few,
    sessions: Few,
    events: BTreeSet<Arc<Sighting>>,
}

impl Fold {
    pub(crate) fn add(&mut self, event: &Arc<Sighting>) {
        self.widen(event.time, event.time);
        self.count += 1;
        self.ids = self.ids.wrapping_add(fingerprint(event));
        self.accounts.add(&event.call.account);
        self.regions.add(&event.call.region);
        self.addresses.add(&event.caller.ip);
        self.calls.add(&event.call.name);
        self.errors.add(&event.call.error);
        self.sessions.add(&event.caller.session);
        self.show(event);
    }

    fn show(&mut self, event: &Arc<Sighting>) {
        self.events.insert(Arc::clone(event));
        if self.events.len() > EVENTS_SHOWN {
            self.events.pop_last();
        }
    }

    fn widen(&mut self, first: i64, last: i64) {
        if self.count == 0 {
            (self.first, self.last) = (first, last);
        } else {
            (self.first, self.last) = (self.first.min(first), self.last.max(last));
        }
    }

    pub(crate) fn merge(&mut self, other: &Fold) {
        if other.count == 0 {
            return;
        }
        self.widen(other.first, other.last);
        self.count += other.count;
        self.ids = self.ids.wrapping_add(other.ids);
        self.accounts.merge(&other.accounts);
        self.regions.merge(&other.regions);
        self.addresses.merge(&other.addresses);
        self.calls.merge(&other.calls);
        self.errors.merge(&other.errors);
        self.sessions.merge(&other.sessions);
        other.events.iter().for_each(|event| self.show(event));
    }

    pub(crate) fn finding(self, source: Source, rule: &Arc<RuleText>, actor: &str) -> Finding {
        let identity = format!("{}\n{actor}\n{:032x}", rule.id, self.ids);
        Finding {
            id: format!("{:032x}", xxh3_128(identity.as_bytes())),
            source,
            rule: Arc::clone(rule),
            actor: actor.to_owned(),
            first: self.first,
            last: self.last,
            count: self.count,
            accounts: self.accounts,
            regions: self.regions,
            addresses: self.addresses,
            calls: self.calls,
            errors: self.errors,
            sessions: self.sessions,
            details: Vec::new(),
            events: self.events.into_iter().collect(),
        }
    }
}

fn fingerprint(event: &Sighting) -> u128 {
    let (id, object, offset) = event.key();
    xxh3_128(format!("{id}\0{object}\0{offset}").as_bytes())
}
