//! Delivery as a state machine: what is decided, what is done, what is next.
//!
//! ```text
//!            due(now) ─▶ Progress ─▶ (durable) ─▶ apply ─▶ work
//!  events ─▶ cut ─▶ log files put ─▶ cut done ─▶ digest planned ─▶ signed and put
//! ```
//!
//! A *route* is one span of a trail's logging. It takes events in *cuts*:
//! runs of the journal, delivered together under the terms and the time
//! written in the cut. What a cut delivers follows from the cut alone, so a
//! cut that a crash interrupted is simply delivered again: the same keys, the
//! same bytes. Digests are the same: planned first, then signed and put, as
//! often as it takes. Nothing here touches a clock, a disk or a bucket.
//!
//! All times are microseconds since 1970 (UTC), in whole seconds.
//!
//! Source: AWS `CloudTrail` User Guide, "Validating `CloudTrail` log file
//! integrity", "`CloudTrail` digest file structure".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::terms::Terms;

const SECOND: i64 = 1_000_000;

/// How often things happen, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Between log files of a trail.
    pub logs: i64,
    /// Between digests of a chain.
    pub digests: i64,
    /// How long a digest waits for log files of its window that cannot be
    /// delivered; they are listed in a backfill digest then.
    pub patience: i64,
}

impl Default for Cadence {
    fn default() -> Cadence {
        Cadence { logs: 300 * SECOND, digests: 3_600 * SECOND, patience: 3_600 * SECOND }
    }
}

/// A log file that was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutFile {
    /// Where it was put.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// SHA-256 of its uncompressed bytes, in hexadecimal.
    pub sha256: String,
    /// Time of its oldest event.
    pub oldest: Option<i64>,
    /// Time of its newest event.
    pub newest: Option<i64>,
    /// Account of its events.
    pub account: String,
    /// Region of its events.
    pub region: String,
    /// Time of its cut.
    pub time: i64,
}

/// A run of the journal that is delivered together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Its number; no other cut has it.
    pub id: u64,
    /// First event.
    pub from: u64,
    /// Event after the last.
    pub until: u64,
    /// When it was made; log files are named after it.
    pub time: i64,
    /// Under which terms.
    pub terms: Terms,
    /// Keys that were put already.
    pub put: Vec<String>,
}

/// What a digest says of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousDigest {
    /// Where that is.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// SHA-256 of its uncompressed bytes, in hexadecimal.
    pub sha256: String,
    /// Its signature, in hexadecimal.
    pub signature: String,
}

/// A digest that was decided on but is not put yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Account whose files it lists.
    pub account: String,
    /// Region whose files it lists.
    pub region: String,
    /// Where it will be.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// Beginning of its window.
    pub start: i64,
    /// End of its window.
    pub end: i64,
    /// Whether it lists what missed its hour.
    pub is_backfill: bool,
    /// Whether the chain ends with it.
    pub is_final: bool,
    /// Key that signs it.
    pub fingerprint: String,
    /// What it says of the one before.
    pub previous: Option<PreviousDigest>,
    /// The files it lists.
    pub files: Vec<PutFile>,
}

/// The digests of one account and Region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Where the next window begins.
    pub start: i64,
    /// When logging or validation stopped.
    pub ends: Option<i64>,
    /// Whether the last digest was put.
    pub is_over: bool,
    /// Files for the next digests.
    pub files: Vec<PutFile>,
    /// Files whose digest was signed without them.
    pub late: Vec<PutFile>,
    /// The last digest.
    pub previous: Option<PreviousDigest>,
    /// The last backfill digest.
    pub backfill: Option<PreviousDigest>,
    /// Where its window ended.
    pub backfill_end: i64,
    /// The digest that is being put.
    pub plan: Option<Plan>,
}

/// One span of a trail's logging.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The terms now.
    pub terms: Terms,
    /// When it began.
    pub opened: i64,
    /// When it ended.
    pub closed: Option<i64>,
    /// Events before this one are in cuts, or none of its own.
    pub taken: u64,
    /// When the last cut was made.
    pub last_cut: i64,
    /// Cuts that are not delivered.
    pub cuts: BTreeMap<u64, Cut>,
    /// Its digests, by `account/region`.
    pub chains: BTreeMap<String, Chain>,
}

/// When things last succeeded, for a trail's status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// A log file was put.
    pub delivery: Option<i64>,
    /// A digest was put.
    pub digest: Option<i64>,
    /// A topic heard of a log file.
    pub notification: Option<i64>,
}

/// What happened to delivery, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// A trail logs, from this event on.
    Opened { terms: Box<Terms>, position: u64, time: i64 },
    /// Its terms are others.
    Changed { route: u64, terms: Box<Terms>, time: i64 },
    /// It takes the events up to here.
    Cut { route: u64, until: u64, time: i64 },
    /// A log file was put.
    Put { route: u64, cut: u64, file: Box<PutFile> },
    /// All log files of a cut were put.
    Delivered { route: u64, cut: u64, time: i64, is_told: bool },
    /// It logs no more.
    Closed { route: u64, time: i64 },
    /// A digest was decided on.
    Planned { route: u64, chain: String, due: Due, key: String, fingerprint: String },
    /// It was put.
    Signed { route: u64, chain: String, sha256: String, signature: String, time: i64 },
    /// All is delivered of a route that was closed.
    Done { route: u64 },
    /// A reader of the journal needs nothing before this event.
    Reader { name: String, position: u64 },
}

/// Which digest is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Beginning of its window.
    pub start: i64,
    /// End of its window.
    pub end: i64,
    /// Whether it lists what missed its hour.
    pub is_backfill: bool,
    /// Whether the chain ends with it.
    pub is_final: bool,
}

/// The state of all delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// Routes by number.
    pub routes: BTreeMap<u64, Route>,
    /// Readers of the journal, and the first event that each needs.
    pub readers: BTreeMap<String, u64>,
    /// By trail.
    pub latest: BTreeMap<String, Latest>,
    /// The latest time written down; no later one is smaller.
    pub time: i64,
    /// Number of the next route or cut.
    next: u64,
}

impl Deliveries {
    /// The first event that no route and no reader has come to yet.
    pub fn reaches(&self) -> u64 {
        let open = self.routes.values().filter(|route| route.closed.is_none()).map(|route| route.taken);
        let cuts = self.routes.values().flat_map(|route| route.cuts.values()).map(|cut| cut.until);
        open.chain(cuts).chain(self.readers.values().copied()).max().unwrap_or(0)
    }

    /// The route that takes events of a trail, with its number.
    pub fn open_route(&self, arn: &str) -> Option<(u64, &Route)> {
        let is_it = |(_, route): &(&u64, &Route)| route.closed.is_none() && route.terms.arn == arn;
        self.routes.iter().find(is_it).map(|(number, route)| (*number, route))
    }

    /// The first event that anybody needs; `head` if none.
    pub fn needed(&self, head: u64) -> u64 {
        self.first_of(head, |_| true)
    }

    /// The first event that anybody but the reader `other` needs; `head` if none.
    pub fn awaited(&self, other: &str, head: u64) -> u64 {
        self.first_of(head, |name| name != other)
    }

    fn first_of(&self, head: u64, counts: impl Fn(&str) -> bool) -> u64 {
        let open = self.routes.values().filter(|route| route.closed.is_none()).map(|route| route.taken);
        let cuts = self.routes.values().flat_map(|route| route.cuts.values()).map(|cut| cut.from);
        let readers = self.readers.iter().filter(|(name, _)| counts(name)).map(|(_, position)| *position);
        open.chain(cuts).chain(readers).min().unwrap_or(head).min(head)
    }

    /// The time for what happens now: whole seconds, never before what is written down.
    pub fn second(&self, now: i64) -> i64 {
        now.div_euclid(SECOND).saturating_mul(SECOND).max(self.time)
    }

    /// Cuts that are due. `run` answers where a run of events ends that lies
    /// in one segment, and whether that segment is full.
    pub fn due_cuts(&self, now: i64, cadence: &Cadence, run: impl Fn(u64) -> (u64, bool)) -> Vec<Progress> {
        let mut due = Vec::new();
        let time = self.second(now);
        for (number, route) in self.routes.iter().filter(|(_, route)| route.closed.is_none()) {
            let (until, is_full) = run(route.taken);
            let is_time = now.saturating_sub(route.last_cut) >= cadence.logs;
            if until > route.taken && (is_full || is_time) {
                due.push(Progress::Cut { route: *number, until, time });
            }
        }
        due
    }

    /// The cuts that take all up to `head`, before a route's terms change.
    pub fn cuts_to(
        &self,
        number: u64,
        now: i64,
        head: u64,
        run: impl Fn(u64) -> (u64, bool),
    ) -> Vec<Progress> {
        let time = self.second(now);
        let mut from = self.routes.get(&number).map_or(head, |route| route.taken);
        let mut cuts = Vec::new();
        while from < head {
            let until = run(from).0.min(head);
            if until <= from {
                break;
            }
            cuts.push(Progress::Cut { route: number, until, time });
            from = until;
        }
        cuts
    }

    /// Digests that are due: the route, the chain, and which.
    pub fn due_digests(&self, now: i64, cadence: &Cadence) -> Vec<(u64, String, Due)> {
        let mut due = Vec::new();
        for (number, route) in &self.routes {
            for (name, chain) in &route.chains {
                if let Some(one) = route.due_digest(chain, now, cadence) {
                    due.push((*number, name.clone(), one));
                }
            }
        }
        due
    }

    /// Routes of which nothing is left to do.
    pub fn done(&self) -> Vec<Progress> {
        let is_done = |route: &Route| {
            route.closed.is_some()
                && route.cuts.is_empty()
                && route
                    .chains
                    .values()
                    .all(|chain| chain.is_over && chain.late.is_empty() && chain.plan.is_none())
        };
        let done = self.routes.iter().filter(|(_, route)| is_done(route));
        done.map(|(number, _)| Progress::Done { route: *number }).collect()
    }

    /// Makes a step that is durable. What names an unknown route changes nothing.
    pub fn apply(&mut self, progress: Progress) {
        match progress {
            Progress::Opened { terms, position, time } => self.opened(*terms, position, time),
            Progress::Reader { name, position } => {
                self.readers.insert(name, position);
            }
            Progress::Done { route } => {
                self.routes.remove(&route);
            }
            Progress::Cut { route, until, time } => {
                let id = self.next;
                self.next += 1;
                self.time = self.time.max(time);
                if let Some(route) = self.routes.get_mut(&route) {
                    let (from, terms) = (route.taken, route.terms.clone());
                    route.cuts.insert(id, Cut { id, from, until, time, terms, put: Vec::new() });
                    route.taken = until;
                    route.last_cut = time;
                }
            }
            Progress::Delivered { route, cut, time, is_told } => {
                self.time = self.time.max(time);
                if let Some(route) = self.routes.get_mut(&route)
                    && let Some(cut) = route.cuts.remove(&cut)
                    && !cut.put.is_empty()
                {
                    let latest = self.latest.entry(route.terms.arn.clone()).or_default();
                    latest.delivery = Some(time);
                    latest.notification = if is_told { Some(time) } else { latest.notification };
                }
            }
            Progress::Signed { route, chain, sha256, signature, time } => {
                self.time = self.time.max(time);
                if let Some(route) = self.routes.get_mut(&route) {
                    self.latest.entry(route.terms.arn.clone()).or_default().digest = Some(time);
                    route.signed(&chain, sha256, signature);
                }
            }
            Progress::Changed { route, terms, time } => {
                self.time = self.time.max(time);
                self.with(route, |route| route.changed(*terms, time));
            }
            Progress::Closed { route, time } => {
                self.time = self.time.max(time);
                self.with(route, |route| route.close(time));
            }
            Progress::Put { route, cut, file } => self.with(route, |route| route.put(cut, *file)),
            Progress::Planned { route, chain, due, key, fingerprint } => {
                self.with(route, |route| route.plan(&chain, due, key, fingerprint));
            }
        }
    }

    fn with(&mut self, route: u64, change: impl FnOnce(&mut Route)) {
        if let Some(route) = self.routes.get_mut(&route) {
            change(route);
        }
    }

    fn opened(&mut self, terms: Terms, position: u64, time: i64) {
        let number = self.next;
        self.next += 1;
        // A span that ended in this second has digests named after it.
        let same = self.routes.values().filter(|route| route.terms.arn == terms.arn);
        let closed = same.filter_map(|route| route.closed).max();
        let opened = closed.map_or(time, |closed| time.max(closed + SECOND));
        self.time = self.time.max(opened);
        let mut route = Route { opened, taken: position, last_cut: opened, terms, ..Route::default() };
        route.begin_home_chain(opened);
        self.routes.insert(number, route);
    }
}

impl Route {
    fn due_digest(&self, chain: &Chain, now: i64, cadence: &Cadence) -> Option<Due> {
        if chain.plan.is_some() {
            return None;
        }
        let waits_before = |end: i64| self.cuts.values().any(|cut| cut.time < end && cut.terms.is_validated);
        if !chain.late.is_empty()
            && (!waits_before(chain.start) || now >= chain.backfill_end + cadence.digests)
        {
            let times = || chain.late.iter().map(|file| file.time);
            let start = times().min().unwrap_or_default();
            let end = times().max().unwrap_or_default() + SECOND;
            let end = end.max(chain.backfill_end + SECOND);
            return Some(Due { start, end, is_backfill: true, is_final: false });
        }
        if chain.is_over {
            return None;
        }
        let regular = chain.start + cadence.digests;
        let last = chain.ends.map(|ends| ends.max(chain.start) + SECOND);
        let (end, is_final) = match last {
            Some(last) if last <= regular => (last, true),
            _ => (regular, false),
        };
        let is_ready = now >= end && (!waits_before(end) || now >= end + cadence.patience);
        is_ready.then_some(Due { start: chain.start, end, is_backfill: false, is_final })
    }

    fn begin_home_chain(&mut self, time: i64) {
        if self.terms.is_validated {
            let Terms { account, home_region, .. } = &self.terms;
            let (account, region) = (account.clone(), home_region.clone());
            let chain = self.chains.entry(format!("{account}/{region}")).or_default();
            let is_new = chain.account.is_empty() || chain.is_over;
            if is_new {
                chain.begin(account, region, time);
            }
        }
    }

    fn changed(&mut self, terms: Terms, time: i64) {
        let was_validated = std::mem::replace(&mut self.terms, terms).is_validated;
        if was_validated && !self.terms.is_validated {
            for chain in self.chains.values_mut() {
                chain.ends = Some(chain.ends.unwrap_or(time));
            }
        }
        if self.terms.is_validated && !was_validated {
            self.begin_home_chain(time);
        }
    }

    fn close(&mut self, time: i64) {
        let time = time.max(self.opened);
        self.closed = Some(time);
        for chain in self.chains.values_mut() {
            chain.ends = Some(chain.ends.unwrap_or(time));
        }
    }

    fn put(&mut self, cut: u64, file: PutFile) {
        let Some(cut) = self.cuts.get_mut(&cut) else { return };
        if cut.put.contains(&file.key) {
            return;
        }
        cut.put.push(file.key.clone());
        if !cut.terms.is_validated {
            return;
        }
        let chain = self.chains.entry(format!("{}/{}", file.account, file.region)).or_default();
        if chain.account.is_empty() {
            chain.begin(file.account.clone(), file.region.clone(), file.time);
            chain.ends = self.closed.or((!self.terms.is_validated).then_some(chain.start));
        } else if chain.is_over && self.closed.is_none() && self.terms.is_validated {
            chain.begin(file.account.clone(), file.region.clone(), file.time.max(chain.start));
        }
        let is_late = chain.is_over || file.time < chain.start;
        if is_late { chain.late.push(file) } else { chain.files.push(file) }
    }

    fn signed(&mut self, chain: &str, sha256: String, signature: String) {
        let is_on = self.closed.is_none() && self.terms.is_validated;
        let home = format!("{}/{}", self.terms.account, self.terms.home_region);
        let Some(chain) = self.chains.get_mut(chain) else { return };
        chain.signed(sha256, signature);
        let is_home = home == format!("{}/{}", chain.account, chain.region);
        // Switched on again while the last digest of before was on its way.
        if chain.is_over && (!chain.files.is_empty() || (is_on && is_home)) {
            let start = chain.start;
            chain.begin(chain.account.clone(), chain.region.clone(), start);
            chain.ends = self.closed.or((!self.terms.is_validated).then_some(start));
        }
    }

    fn plan(&mut self, chain: &str, due: Due, key: String, fingerprint: String) {
        let bucket = self.terms.bucket.clone();
        let Some(chain) = self.chains.get_mut(chain) else { return };
        let Due { start, end, is_backfill, is_final } = due;
        let (files, previous) = if is_backfill {
            (std::mem::take(&mut chain.late), chain.backfill.clone())
        } else {
            let (now, later) = std::mem::take(&mut chain.files).into_iter().partition(|file| file.time < end);
            chain.files = later;
            // What comes from here on is late for this window.
            chain.start = end;
            (now, chain.previous.clone())
        };
        let Chain { account, region, .. } = &*chain;
        let (account, region) = (account.clone(), region.clone());
        chain.plan = Some(Plan {
            account,
            region,
            bucket,
            key,
            start,
            end,
            is_backfill,
            is_final,
            fingerprint,
            previous,
            files,
        });
    }
}

impl Chain {
    /// Begins, or begins again, with a digest that has none before it.
    fn begin(&mut self, account: String, region: String, start: i64) {
        self.account = account;
        self.region = region;
        self.start = start.max(self.start);
        self.previous = None;
        self.ends = None;
        self.is_over = false;
    }

    fn signed(&mut self, sha256: String, signature: String) {
        let Some(plan) = self.plan.take() else { return };
        let signed = PreviousDigest { bucket: plan.bucket, key: plan.key, sha256, signature };
        if plan.is_backfill {
            self.backfill = Some(signed);
            self.backfill_end = plan.end;
        } else {
            self.previous = Some(signed);
            self.is_over = plan.is_final;
        }
    }
}
