//! Takes letters out of the outbox and to their sinks.
//!
//! A letter leaves the outbox only when its sink has it, or when it lies among
//! the dead letters. What a sink says is believed by its HTTP status alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pugmark_source::{Address, Poster};

use super::messages::{Channel, Template, body, line};
use super::state::{Letter, State, Store, already, append};
use crate::exit::Failure;
use crate::printer::{Format, Output, Printer, counted, escape};
use crate::webhook;

/// Letters that wait at most; the oldest of more are given up.
const OUTBOX_MAX: usize = 100_000;
/// The first pause after a failure; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(15);

/// Everybody who is told.
#[derive(Debug)]
pub(super) struct Sinks {
    pub(super) file: Option<PathBuf>,
    /// Addresses of webhook, Slack and Teams.
    pub(super) urls: BTreeMap<Channel, Address>,
    pub(super) poster: Poster,
    pub(super) template: Option<Template>,
    /// The key of signatures.
    pub(super) key: Option<String>,
    /// A letter is given up after so many seconds.
    pub(super) give_up_s: i64,
    pub(super) pauses: BTreeMap<Channel, Pause>,
}

/// A sink that failed, and when it is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    failures: u32,
    until: Instant,
}

/// What one attempt came to.
enum Outcome {
    Taken,
    /// This letter is refused; others may not be.
    Refused(String),
    /// Nobody takes letters now.
    Down(String),
}

impl Sinks {
    /// The channels that every finding goes to.
    pub(super) fn channels(&self) -> Vec<Channel> {
        let first = if self.file.is_some() { Channel::File } else { Channel::Stdout };
        [first].into_iter().chain(self.urls.keys().copied()).collect()
    }

    /// When the first sink is to be tried again for which letters wait.
    pub(super) fn next_attempt(&self, state: &State) -> Option<Instant> {
        let waits = |channel: &Channel| state.outbox.iter().any(|letter| letter.channel == *channel);
        self.pauses.iter().filter(|(channel, _)| waits(channel)).map(|(_, pause)| pause.until).min()
    }

    /// Lines that a crash may have left in the file are there already.
    pub(super) fn doubt(&self, state: &mut State) {
        let Some(path) = &self.file else { return };
        let waiting = state.outbox.iter().filter(|letter| letter.channel == Channel::File);
        let written: BTreeSet<String> = already(path, waiting.map(|letter| letter.id.as_str()));
        state.outbox.retain(|letter| letter.channel != Channel::File || !written.contains(&letter.id));
    }

    /// Tries every sink that has letters and is not in a pause, and saves what is left.
    pub(super) fn deliver(
        &mut self,
        (store, state): (&Store, &mut State),
        now_s: i64,
        printer: &Printer,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        if state.outbox.is_empty() {
            return Ok(());
        }
        let before = state.outbox.len();
        let (mut left, mut ended) = (Vec::new(), Ok(()));
        let mut by_channel: BTreeMap<Channel, Vec<Letter>> = BTreeMap::new();
        for letter in std::mem::take(&mut state.outbox) {
            by_channel.entry(letter.channel).or_default().push(letter);
        }
        for channel in Channel::ALL {
            let Some(letters) = by_channel.remove(&channel) else { continue };
            let is_ours = self.channels().contains(&channel);
            match channel {
                Channel::Stdout | Channel::File if is_ours && ended.is_ok() => {
                    ended = self.write(channel, &letters, printer);
                    if ended.is_err() {
                        left.extend(letters);
                    }
                }
                _ if is_ours => left.extend(self.send(channel, letters, now_s, printer, is_stopped)),
                _ => left.extend(letters),
            }
        }
        left.sort_by_key(|letter| letter.since);
        let surplus = left.len().saturating_sub(OUTBOX_MAX);
        let (mut dead, mut alive) = (Vec::new(), Vec::new());
        for (index, letter) in left.into_iter().enumerate() {
            let is_over = index < surplus || letter.since.saturating_add(self.give_up_s) <= now_s;
            if is_over { dead.push(letter) } else { alive.push(letter) }
        }
        if !dead.is_empty() {
            match store.bury(&dead) {
                Ok(path) => {
                    let count = counted(dead.len() as u64, "finding");
                    printer.warning(&format!("{count} given up, kept in `{}`", path.display()));
                }
                // A letter that cannot be buried stays.
                Err(error) => {
                    dead.append(&mut alive);
                    alive = dead;
                    ended = ended.and(Err(error));
                }
            }
        }
        state.outbox = alive;
        if state.outbox.len() != before {
            store.save(state)?;
        }
        ended
    }

    /// Writes lines.
    fn write(&self, channel: Channel, letters: &[Letter], printer: &Printer) -> Result<(), Failure> {
        let lines: Vec<String> = letters.iter().map(|letter| body(letter, None)).collect();
        if let (Some(path), Channel::File) = (&self.file, channel) {
            return append(path, &lines);
        }
        let mut output = Output::stdout();
        for (letter, text) in letters.iter().zip(lines) {
            let shown = match printer.format() {
                Format::Table => escape(&line(&letter.finding)).into_owned(),
                _ => text,
            };
            output.write_all(format!("{shown}\n").as_bytes())?;
        }
        Ok(output.finish()?)
    }

    /// Posts letters in their order, until one shows that nobody takes any; answers with the rest.
    fn send(
        &mut self,
        channel: Channel,
        letters: Vec<Letter>,
        now_s: i64,
        printer: &Printer,
        is_stopped: &dyn Fn() -> bool,
    ) -> Vec<Letter> {
        if self.pauses.get(&channel).is_some_and(|pause| pause.until > Instant::now()) {
            return letters;
        }
        let (mut left, mut why) = (Vec::new(), None);
        let mut is_down = false;
        for letter in letters {
            if is_down || is_stopped() {
                left.push(letter);
                continue;
            }
            match self.attempt(channel, &letter, now_s) {
                Outcome::Taken => {}
                Outcome::Refused(reason) => {
                    why = Some(reason);
                    left.push(letter);
                }
                Outcome::Down(reason) => {
                    (why, is_down) = (Some(reason), true);
                    left.push(letter);
                }
            }
        }
        let Some(why) = why else {
            self.pauses.remove(&channel);
            return left;
        };
        let failures = self.pauses.get(&channel).map_or(0, |pause| pause.failures);
        let pause = PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
        self.pauses.insert(channel, Pause { failures: failures + 1, until: Instant::now() + pause });
        let count = counted(left.len() as u64, "finding");
        printer.warning(&format!("{} did not take {count}, kept for later: {why}", channel.name()));
        left
    }

    fn attempt(&self, channel: Channel, letter: &Letter, now_s: i64) -> Outcome {
        let Some(url) = self.urls.get(&channel) else {
            return Outcome::Down("it has no address".to_owned());
        };
        let text = body(letter, self.template.as_ref());
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if channel == Channel::Webhook {
            headers.push(("idempotency-key", letter.id.clone()));
            if let Some(key) = &self.key {
                headers.extend(webhook::headers(key, now_s, &text));
            }
        }
        match self.poster.post(url, &headers, text.into_bytes()) {
            Ok(200..=299) => Outcome::Taken,
            // What is wrong is in the letter, not in the way there.
            Ok(status @ (400 | 413 | 422)) => Outcome::Refused(format!("status {status}")),
            Ok(status) => Outcome::Down(format!("status {status}")),
            Err(error) => Outcome::Down(error.to_string()),
        }
    }
}
