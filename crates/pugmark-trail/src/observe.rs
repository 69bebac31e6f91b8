//! Insights: the newest events are shown to what finds unusual activity, and
//! what it learned is kept.
//!
//! ```text
//! journal ─▶ observe ─▶ records, accepted for their trails
//!               └─▶ insights/memory    what it knew before event N
//! ```
//!
//! The journal keeps all events since that one, so that a restart loses nothing
//! of what was learned: it is recalled, and the events since come again. A record
//! that they give again is known by its bytes.

use std::io;

use crate::deliver::Progress;
use crate::edge::Insights;
use crate::journal::Entry;
use crate::service::{Service, lock};
use crate::steps::Step;
use crate::terms::Terms;

/// What insights are called among the readers of the journal.
pub(crate) const READER: &str = "insights";
const FOLDER: &str = "insights";
const MEMORY: &str = "memory";
/// What was learned is kept at least so often.
const KEEP_AFTER: i64 = 600 * 1_000_000;
/// Events that are shown again after a restart, unless there is more to keep than they are worth.
const AGAIN_MAX: u64 = 200_000;

/// What finds unusual activity, and how far it has read.
pub(crate) struct Observer {
    insights: Box<dyn Insights>,
    /// Number of the next event that it has to see; unknown before the first look.
    next: Option<u64>,
    /// When its memory was kept last.
    kept_at: i64,
}

impl Service {
    /// Sets what finds unusual activity. It goes on from what it learned before.
    ///
    /// # Errors
    /// In words, if that is not to be had: it learns anew.
    pub fn set_insights(&self, mut insights: Box<dyn Insights>) -> Result<(), String> {
        let needed = lock(&self.ledger).state().deliveries.readers.get(READER).copied();
        let recalled = self.recall(&mut *insights, needed);
        let (next, outcome) = match recalled {
            Ok(next) => (next, Ok(())),
            Err(error) => (None, Err(format!("what was learned for Insights is lost: {error}"))),
        };
        *lock(&self.observer) = Some(Observer { insights, next, kept_at: self.world.clock.now() });
        outcome
    }

    /// The event from which on what is kept knows nothing; `None` if nothing is kept.
    fn recall(&self, insights: &mut dyn Insights, needed: Option<u64>) -> io::Result<Option<u64>> {
        let is_there = self.world.disk.names(FOLDER)?.iter().any(|name| name == MEMORY);
        let Some(needed) = needed.filter(|_| is_there) else { return Ok(None) };
        let bytes = self.world.disk.read(&format!("{FOLDER}/{MEMORY}"))?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its file is damaged");
        let (position, memory) = bytes.split_first_chunk().ok_or_else(damaged)?;
        let position = u64::from_le_bytes(*position);
        // Older than what the journal still has: nobody asked in between.
        if position < needed || position > self.journal.head() {
            return Ok(None);
        }
        insights.recall(memory)?;
        Ok(Some(position))
    }

    /// Shows the newest events to what finds unusual activity; what it finds
    /// is accepted for its trail. Answers what was wrong with records that are not valid.
    pub(crate) fn observe(&self, now: i64) -> io::Result<Vec<String>> {
        let mut observer = lock(&self.observer);
        let Some(observer) = observer.as_mut() else { return Ok(Vec::new()) };
        let (trails, needed) = {
            let ledger = lock(&self.ledger);
            let deliveries = &ledger.state().deliveries;
            let open = deliveries.routes.values().filter(|route| route.closed.is_none());
            let looking = open.filter(|route| !route.terms.insights.is_empty());
            let trails: Vec<Terms> = looking.map(|route| route.terms.clone()).collect();
            (trails, deliveries.readers.get(READER).copied())
        };
        let head = self.journal.head();
        if trails.is_empty() {
            // Nobody asks: nothing is read, and what was watched is forgotten.
            observer.insights.observe(&[], &[], now);
            observer.next = None;
            if needed.is_some_and(|needed| needed != head) {
                self.commit(vec![Progress::Reader { name: READER.to_owned(), position: head }])?;
            }
            return Ok(Vec::new());
        }
        let from = observer.next.or(needed).unwrap_or(head);
        let run = self.journal.read(from, u64::MAX)?;
        let position = from + run.len() as u64;
        let is_plain = |(_, entry): (u64, Entry)| entry.only_for.is_none().then_some(entry.event);
        let events: Vec<String> = run.into_iter().filter_map(is_plain).collect();
        let found = observer.insights.observe(&trails.iter().collect::<Vec<_>>(), &events, now);
        let is_news = !found.is_empty();
        let faults = self.accept_found(found)?;
        observer.next = Some(position);
        let again = needed.map_or(0, |needed| position - needed);
        let is_time = again > 0 && now.saturating_sub(observer.kept_at) >= KEEP_AFTER;
        let is_much = again > AGAIN_MAX && again > observer.insights.weight();
        if needed.is_none() || is_news || is_time || is_much {
            self.keep(observer, now)?;
        }
        Ok(faults)
    }

    /// Keeps what was learned, before an end that is planned.
    pub(crate) fn keep_insights(&self, now: i64) -> io::Result<()> {
        let mut observer = lock(&self.observer);
        let needed = lock(&self.ledger).state().deliveries.readers.get(READER).copied();
        match observer.as_mut() {
            Some(observer) if observer.next.is_some() && observer.next != needed => self.keep(observer, now),
            _ => Ok(()),
        }
    }

    fn keep(&self, observer: &mut Observer, now: i64) -> io::Result<()> {
        let Some(position) = observer.next else { return Ok(()) };
        let mut bytes = position.to_le_bytes().to_vec();
        bytes.extend(observer.insights.memory()?);
        self.world.steps.before(Step::KeepInsights)?;
        self.world.disk.replace(&format!("{FOLDER}/{MEMORY}"), &bytes)?;
        observer.kept_at = now;
        // From here on the journal may forget what came before.
        self.commit(vec![Progress::Reader { name: READER.to_owned(), position }])
    }
}
