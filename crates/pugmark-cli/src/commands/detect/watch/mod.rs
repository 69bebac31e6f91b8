//! `pugmark watch`: rules run on objects as they arrive.
//!
//! ```text
//! list, or messages of a queue ─▶ new objects ─▶ detect, with the matches kept ─▶ state (seen, sent, kept, outbox) ─▶ sinks
//! ```
//!
//! The order is what makes it safe: a finding is in the state's outbox before
//! its objects count as seen, and leaves it when a sink has it. Persons behind
//! roles are not looked for: that needs the whole of a trail.

mod messages;
mod notices;
mod sinks;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Zoned;
use pugmark_detect::{Detection, Finding, Grouping, RuleSet};
use pugmark_event::{DefectKind, EventBatch, Tally};
use pugmark_integrity::hex;
use pugmark_scan::{Sink, scan};
use pugmark_source::{Address, Entry, Listing, Location, Poster, SourceError, list_told};

use super::files::RuleTexts;
use super::suppress::Suppressions;
use super::{Told, formats, level_of, suppressions};
use crate::args::SelectArgs;
use crate::args::detect::WatchArgs;
use crate::commands::Start;
use crate::config::own_folder;
use crate::exit::{Exit, Failure};
use crate::plan::{Reading, span};
use crate::printer::{Ended, Format, count_words, counted};
use crate::run::{Run, request};
use crate::time_expr::now_in;
use crate::webhook;
use messages::{Channel, Template};
use notices::Notices;
use sinks::Sinks;
use state::{Letter, State, Store};

/// Objects that are read before the state is saved.
const PART_OBJECTS: usize = 5_000;
/// Their bytes, as stored.
const PART_BYTES: u64 = 256 << 20;
/// Matches kept for events to come; of more, the latest are kept.
const KEPT_MAX: usize = 200_000;
/// An object that cannot be read rests for at most two to the power of so many looks.
const PASSED_OVER_MAX: u32 = 7;
/// Warnings that are remembered.
const SAID_MAX: usize = 1_000;

/// Runs until Ctrl-C, or once.
pub(super) fn watch(args: &WatchArgs, to: Option<PathBuf>, start: &Start) -> Result<Exit, Failure> {
    if !matches!(start.printer.format(), Format::Table | Format::Jsonl) {
        return Err(Failure::new(
            "a watch prints lines",
            "`--output` is `jsonl`, or `table` for one line per finding",
        ));
    }
    let every = span(&args.every, &start.now)?.max(Duration::from_secs(1));
    let mut watch = Watch::new(args, to, start)?;
    let mut run = Run::start(&start.printer)?;
    run.quiet();
    // A queue is waited for, and looked into until it is empty.
    let wait_s = if args.once { 1 } else { every.as_secs() };
    while watch.round(&run, wait_s)? && args.once && !run.is_interrupted() {}
    if args.once {
        let ended = Ended::AtTheEnd;
        return Ok(run.finish(watch.tally, watch.told, ended));
    }
    let pause = if args.sqs.is_some() { Duration::ZERO } else { every };
    let how = if args.sqs.is_some() {
        "for messages of the queue".to_owned()
    } else {
        format!("again every {}", args.every)
    };
    start.printer.note(&format!("watching; looks {how}, Ctrl-C ends it"));
    let mut next = Instant::now() + pause;
    while !run.is_interrupted() {
        let now = Instant::now();
        let outcome = if now >= next {
            let outcome = watch.round(&run, wait_s);
            // A queue is waited for by itself, unless it is out of reach.
            next = Instant::now() + if outcome.is_ok() { pause } else { every };
            outcome.map(|_| ())
        } else if watch.sinks.next_attempt(&watch.state).is_some_and(|due| due <= now) {
            watch.deliver(&run)
        } else {
            Ok(())
        };
        // What is out of reach now is asked again.
        match outcome {
            Ok(()) => {}
            Err(Failure::Told { message, .. }) => start.printer.warning(&message),
            Err(closed @ Failure::PipeClosed) => return Err(closed),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let waiting = watch.state.outbox.len() as u64;
    let words = if waiting > 0 {
        format!("; {} wait for their sinks", counted(waiting, "finding"))
    } else {
        String::new()
    };
    start.printer.note(&format!("stopped: {} told{words}", counted(watch.told, "finding")));
    Ok(Exit::Done)
}

struct Watch<'a> {
    args: &'a WatchArgs,
    start: &'a Start,
    rules: Arc<RuleSet>,
    suppressions: Suppressions,
    lateness_us: i64,
    store: Store,
    state: State,
    /// True if the state on disk is older.
    is_changed: bool,
    sinks: Sinks,
    /// The queue that names objects, if they are not listed.
    notices: Option<Notices>,
    /// Objects that could not be read: how often, and the look at which they are tried again.
    unread: BTreeMap<String, (u32, u64)>,
    looks: u64,
    /// What was said once is not said again at every look.
    said: BTreeSet<String>,
    tally: Tally,
    told: u64,
}

/// What reading some objects came to.
struct Part {
    whole: Detection,
    /// Marks of the objects that need not be read again.
    read: Vec<String>,
    /// Marks of those that must be.
    unread: Vec<String>,
}

type Marked = (String, Entry);

impl<'a> Watch<'a> {
    fn new(args: &'a WatchArgs, to: Option<PathBuf>, start: &'a Start) -> Result<Watch<'a>, Failure> {
        let reading = reading(args, start, &start.now)?;
        if reading.locations.contains(&Location::Stdin) {
            return Err(Failure::new("stdin cannot be watched", "name a folder or `s3://bucket/prefix`"));
        }
        let notices = args.sqs.as_deref().map(|url| notices(url, &reading)).transpose()?;
        let sinks = sinks(args, to, start)?;
        let lateness_us = span(&args.lateness, &start.now)?.as_micros() as i64;
        let today = start.now.date().to_string();
        let suppressions = suppressions(args.suppress.as_deref(), &today, start)?;
        let (rules, _) = RuleTexts::read(&args.chosen)?.load(level_of(&args.level)?, &start.printer)?;
        let folder = folder(args)?;
        let (store, mut state) = Store::open(&folder)?;
        start.printer.note(&format!("state in `{}`", folder.display()));
        sinks.doubt(&mut state);
        Ok(Watch {
            args,
            start,
            rules: Arc::new(rules),
            suppressions,
            lateness_us,
            store,
            state,
            is_changed: false,
            sinks,
            notices,
            unread: BTreeMap::new(),
            looks: 0,
            said: BTreeSet::new(),
            tally: Tally::default(),
            told: 0,
        })
    }

    /// Looks at the sources, or into the queue, once, and tells what is new there. True if there
    /// was a message.
    fn round(&mut self, run: &Run<'_>, wait_s: u64) -> Result<bool, Failure> {
        // What waits from before does not wait for the sources.
        self.deliver(run)?;
        self.looks += 1;
        let now = now_in(self.start.printer.zone());
        let reading = reading(self.args, self.start, &now)?;
        self.is_changed |= self.state.age(now.timestamp().as_second());
        let is_told = if let Some(mut notices) = self.notices.take() {
            let outcome = self.hear(run, &reading, (&mut notices, wait_s));
            self.notices = Some(notices);
            outcome?
        } else {
            self.look(run, &reading)?;
            false
        };
        self.save()?;
        Ok(is_told)
    }

    /// Lists the sources, and reads what is new.
    fn look(&mut self, run: &Run<'_>, reading: &Reading) -> Result<(), Failure> {
        let listing = reading.list(&run.progress)?;
        if run.is_interrupted() {
            return Ok(());
        }
        let marked: Vec<Marked> =
            listing.entries.iter().map(|entry| (State::mark(entry), entry.clone())).collect();
        if listing.tally.defects.is_empty() {
            let there = marked.iter().map(|(mark, _)| mark.clone()).collect();
            self.is_changed |= self.state.forget(&there);
        } else {
            let count = counted(listing.tally.defects.len() as u64, "object");
            self.warn(&format!("{count} could not be listed: `pugmark doctor` tells why"));
        }
        let rests = |mark: &str| self.unread.get(mark).is_some_and(|(_, look)| *look > self.looks);
        let fresh =
            marked.into_iter().filter(|(mark, _)| !self.state.has_seen(mark) && !rests(mark)).collect();
        self.work(run, reading, &listing, fresh)
    }

    /// Waits for messages, reads what they name, and deletes them when that is safe. True if there
    /// was one.
    fn hear(
        &mut self,
        run: &Run<'_>,
        reading: &Reading,
        (notices, wait_s): (&mut Notices, u64),
    ) -> Result<bool, Failure> {
        let mut received = notices.receive(&reading.locations, wait_s, &run.progress)?;
        if received.is_empty() || run.is_interrupted() {
            return Ok(false);
        }
        let bad = std::mem::take(&mut received.tally);
        for defect in &bad.defects {
            self.warn(&format!("left in the queue: {}: {}", defect.origin.object.name, defect.detail));
        }
        self.tally.add(bad);
        if received.outside > 0 {
            self.start.printer.reason(&format!(
                "{} named that are not under the sources",
                counted(received.outside, "object")
            ));
        }
        let Reading { selection, access, limits, .. } = reading;
        let mut listing = list_told(&received.told, selection, access, limits, &run.progress)?;
        let mut left = std::mem::take(&mut listing.tally);
        left.listed -= listing.entries.len() as u64;
        let mut unread: BTreeSet<String> = BTreeSet::new();
        for defect in &left.defects {
            let name = &defect.origin.object.name;
            self.warn(&format!("left in the queue: the message about `{name}`: {}", defect.detail));
            unread.insert(name.clone());
        }
        self.tally.add(left);
        let marked: Vec<Marked> =
            listing.entries.iter().map(|entry| (State::mark(entry), entry.clone())).collect();
        let fresh = marked.iter().filter(|(mark, _)| !self.state.has_seen(mark)).cloned().collect();
        self.work(run, reading, &listing, fresh)?;
        self.save()?;
        let later = marked.into_iter().filter(|(mark, _)| !self.state.has_seen(mark));
        unread.extend(later.map(|(_, entry)| entry.object.name.clone()));
        let outage = received.outage.take();
        let left = notices.conclude(received, &unread)?;
        if left > 0 {
            let count = counted(left as u64, "message");
            self.start.printer.reason(&format!("{count} could not be deleted, and will come again"));
        }
        outage.map_or(Ok(true), |error| Err(error.into()))
    }

    /// Reads objects part by part, and tells what each brings.
    fn work(
        &mut self,
        run: &Run<'_>,
        reading: &Reading,
        listing: &Listing,
        fresh: Vec<Marked>,
    ) -> Result<(), Failure> {
        let mut parts = parts(fresh);
        parts.reverse();
        while let Some(entries) = parts.pop() {
            match self.read(run, reading, listing, entries)? {
                Ok(part) => self.conclude(part)?,
                // More is wrong than is named: halves tell which objects it concerns.
                Err(mut entries) if entries.len() > 1 => {
                    let later = entries.split_off(entries.len() / 2);
                    parts.extend([later, entries]);
                }
                Err(_) => return Ok(()),
            }
            self.deliver(run)?;
        }
        Ok(())
    }

    /// Reads objects. They come back if all of it is to be done again, in smaller parts; none if
    /// the run was stopped.
    fn read(
        &mut self,
        run: &Run<'_>,
        reading: &Reading,
        listing: &Listing,
        entries: Vec<Marked>,
    ) -> Result<Result<Part, Vec<Marked>>, Failure> {
        let rules = &self.rules;
        let request = request(reading, Detection::leaves(rules));
        let make = || Matches(Detection::new(Arc::clone(rules), Grouping::Event));
        let part = listing.part(entries.iter().map(|(_, entry)| entry.clone()).collect());
        let (workers, tally) = scan(part, &request, &run.progress, make)?;
        if run.is_interrupted() {
            return Ok(Err(Vec::new()));
        }
        let wrong = tally.notes + tally.lost + tally.damaged;
        if tally.damaged > 0 && wrong > tally.defects.len() as u64 && entries.len() > 1 {
            return Ok(Err(entries));
        }
        let defects = tally.defects.iter().filter(|defect| defect.kind == DefectKind::Unreadable);
        let unreadable: BTreeSet<&str> = defects.map(|defect| defect.origin.object.name.as_str()).collect();
        let is_read = |entry: &Entry| !unreadable.iter().any(|name| name.starts_with(&entry.object.name));
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for (mark, entry) in &entries {
            if is_read(entry) { &mut read } else { &mut unread }.push(mark.clone());
        }
        self.start.printer.reason(&format!(
            "{} new, {} events",
            counted(entries.len() as u64, "object"),
            count_words(tally.rows)
        ));
        let whole = workers.into_iter().map(|worker| worker.0).reduce(Detection::merge);
        let whole = whole.unwrap_or_else(|| Detection::new(Arc::clone(rules), Grouping::Event));
        self.tally.add(tally);
        self.tally.defects.truncate(reading.limits.defects_kept);
        Ok(Ok(Part { whole, read, unread }))
    }

    /// Turns what was read into letters, and saves them before anything is told.
    fn conclude(&mut self, part: Part) -> Result<(), Failure> {
        let Part { mut whole, read, unread } = part;
        let now = now_in(self.start.printer.zone());
        let seconds = now.timestamp().as_second();
        whole.recall(&self.state.kept);
        let window = self.lateness_us.saturating_add(self.rules.timespan_longest());
        let since = whole
            .latest(now.timestamp().as_microsecond())
            .map_or(i64::MIN, |latest| latest.saturating_sub(window));
        let mut kept = whole.kept(since);
        let surplus = kept.len().saturating_sub(KEPT_MAX);
        kept.drain(..surplus);
        let found = whole.finish();
        let left_out = found.sums.left_out + surplus as u64;
        if left_out > 0 {
            let count = counted(left_out, "match");
            self.start
                .printer
                .warning(&format!("{count} left out of correlations: there are too many at a time"));
        }
        let today = now.date().to_string();
        let mut findings = found.findings;
        findings.sort_by(|a, b| (a.first, a.last, &a.id).cmp(&(b.first, b.last, &b.id)));
        for finding in findings {
            if !self.suppressions.covers(&finding, &today) && self.state.is_news(&finding, seconds) {
                self.told += 1;
                self.letters(finding, seconds);
            }
        }
        self.state.keep(kept, since);
        if !unread.is_empty() {
            let count = counted(unread.len() as u64, "object");
            self.warn(&format!("{count} could not be read, and will be tried again"));
        }
        for mark in unread {
            let (tries, look) = self.unread.entry(mark).or_default();
            // Objects that were archived are not asked for at every look.
            *look = self.looks + (1 << (*tries).min(PASSED_OVER_MAX));
            *tries += 1;
        }
        for mark in read {
            self.unread.remove(&mark);
            if self.args.sqs.is_some() {
                self.state.see_named(mark, seconds);
            } else {
                self.state.see(mark);
            }
        }
        self.is_changed = true;
        self.save()
    }

    /// One letter for each sink.
    fn letters(&mut self, finding: Finding, seconds: i64) {
        let id = finding.id.clone();
        let told = Told { finding, chain: None, because: None, is_new: None };
        let document = formats::document(&told);
        for channel in self.sinks.channels() {
            let finding = document.clone();
            self.state.outbox.push(Letter { channel, id: id.clone(), since: seconds, finding });
        }
    }

    /// Warns of what may last, once.
    fn warn(&mut self, text: &str) {
        if self.said.len() > SAID_MAX {
            self.said.clear();
        }
        if self.said.insert(text.to_owned()) {
            self.start.printer.warning(text);
        }
    }

    fn save(&mut self) -> Result<(), Failure> {
        if self.is_changed {
            self.store.save(&self.state)?;
            self.is_changed = false;
        }
        Ok(())
    }

    fn deliver(&mut self, run: &Run<'_>) -> Result<(), Failure> {
        let seconds = now_in(self.start.printer.zone()).timestamp().as_second();
        let kept = (&self.store, &mut self.state);
        self.sinks.deliver(kept, seconds, &self.start.printer, &|| run.is_interrupted())
    }
}

/// Where findings go.
fn sinks(args: &WatchArgs, to: Option<PathBuf>, start: &Start) -> Result<Sinks, Failure> {
    let key = webhook::key();
    let urls =
        [(Channel::Webhook, &args.webhook), (Channel::Slack, &args.slack), (Channel::Teams, &args.teams)];
    let urls = urls.into_iter().filter_map(|(channel, url)| Some((channel, url.as_deref()?)));
    let urls: BTreeMap<Channel, Address> =
        urls.map(|(channel, url)| Ok((channel, Address::parse(url)?))).collect::<Result<_, SourceError>>()?;
    Ok(Sinks {
        file: to,
        urls,
        poster: Poster::new()?,
        template: args.template.as_deref().map(Template::read).transpose()?,
        key,
        give_up_s: span(&args.give_up, &start.now)?.as_secs() as i64,
        pauses: BTreeMap::new(),
    })
}

/// The queue at `url`, which can tell of buckets only.
fn notices(url: &str, reading: &Reading) -> Result<Notices, Failure> {
    if !notices::are_buckets(&reading.locations) {
        return Err(Failure::new(
            "a queue tells of objects in buckets",
            "with `--sqs` every source is `s3://bucket/prefix`",
        ));
    }
    Ok(Notices::open(url, &reading.access)?)
}

/// What is looked at; a `since` that counts from now moves with it.
fn reading(args: &WatchArgs, start: &Start, now: &Zoned) -> Result<Reading, Failure> {
    let select = SelectArgs {
        account: args.account.clone(),
        region: args.region.clone(),
        since: args.since.clone(),
        ..SelectArgs::default()
    };
    Reading::new(&args.sources, &select, &start.settings, now)
}

/// Objects in their order, in parts that are read one after the other.
fn parts(entries: Vec<Marked>) -> Vec<Vec<Marked>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
    for marked in entries {
        bytes = bytes.saturating_add(marked.1.bytes_stored);
        part.push(marked);
        if part.len() >= PART_OBJECTS || bytes >= PART_BYTES {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// The folder of `--state`, or one beside the settings that these sources have for themselves.
fn folder(args: &WatchArgs) -> Result<PathBuf, Failure> {
    if let Some(folder) = &args.state {
        return Ok(folder.clone());
    }
    let own = own_folder(&|name| std::env::var(name).ok())
        .ok_or_else(|| Failure::new("there is no home for the state", "name a folder with `--state`"))?;
    let place = std::env::current_dir().unwrap_or_default();
    let mut names = vec![place.display().to_string()];
    names.extend(args.sources.iter().cloned());
    let name = hex(&digest(&SHA256, names.join("\0").as_bytes()).as_ref()[..8]);
    Ok(own.join("watch").join(name))
}
/// One worker of the scan.
struct Matches(Detection);

impl Sink for Matches {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.0.read(&batch);
        ControlFlow::Continue(())
    }
}
