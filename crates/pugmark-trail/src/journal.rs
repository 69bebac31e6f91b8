//! The journal: every accepted event, durable before its answer.
//!
//! ```text
//! journal/00000000000000000000   sealed     events 0 …
//! journal/00000000000000004711   the last   events 4711 … head
//! ```
//!
//! Events have numbers that follow each other. A segment is named after its
//! first. Only the last segment grows, and the one before is durable before
//! a new one begins, so only the last can have a torn end. Who comes while
//! another waits for the disk waits with it: one `fsync` serves them all.
//!
//! After a failed write or `fsync` the journal takes nothing more: what the
//! disk holds is known only after it is opened again.

use std::io;
use std::sync::{Arc, Mutex};

use crate::disk::{Appender, Disk};
use crate::frame::{Frames, push};
use crate::service::lock;
use crate::steps::{Step, Steps};

const FOLDER: &str = "journal";

/// An event as it lies in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The one trail it is for, by ARN; all trails if none.
    pub only_for: Option<String>,
    /// The record.
    pub event: String,
}

impl Entry {
    fn to_bytes(&self) -> Vec<u8> {
        let only_for = self.only_for.as_deref().unwrap_or_default();
        let length = u16::try_from(only_for.len()).expect("an ARN is short");
        let mut bytes = Vec::with_capacity(2 + only_for.len() + self.event.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(only_for.as_bytes());
        bytes.extend_from_slice(self.event.as_bytes());
        bytes
    }

    /// Its frame.
    pub(crate) fn to_frame(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(self.event.len() + 64);
        push(&mut frame, &self.to_bytes());
        frame
    }

    fn from_bytes(bytes: &[u8]) -> Option<Entry> {
        let (length, rest) = bytes.split_at_checked(2)?;
        let length = usize::from(u16::from_le_bytes(length.try_into().expect("two bytes")));
        let (only_for, event) = rest.split_at_checked(length)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let only_for = if length == 0 { None } else { Some(text(only_for)?) };
        Some(Entry { only_for, event: text(event)? })
    }
}

/// All accepted events that somebody still needs.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    steps: Arc<dyn Steps>,
    segment_bytes_max: u64,
    /// What waits for the next `fsync`.
    waiting: Mutex<Waiting>,
    /// What is durable. Held while the disk works: others queue here.
    stored: Mutex<Stored>,
}

#[derive(Default)]
struct Waiting {
    frames: Vec<Vec<u8>>,
    /// Number of the next event.
    next: u64,
    is_broken: bool,
}

struct Stored {
    file: Box<dyn Appender>,
    /// First numbers of the segments, the last one growing.
    firsts: Vec<u64>,
    last_bytes: u64,
    /// Number after the last durable event.
    head: u64,
}

impl Journal {
    /// Opens it and forgets a torn end. A new journal begins with event `first`.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        steps: Arc<dyn Steps>,
        segment_bytes_max: u64,
        first: u64,
    ) -> io::Result<Journal> {
        let mut firsts = Vec::new();
        for name in disk.names(FOLDER)? {
            let is_ours = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
            firsts.push(name.parse().ok().filter(|_| is_ours).ok_or_else(|| damaged(&name))?);
        }
        firsts.sort_unstable();
        if firsts.is_empty() {
            firsts.push(first);
        }
        let last = *firsts.last().expect("one was put there");
        let mut file = disk.append(&path(last))?;
        let log = disk.read(&path(last))?;
        let mut frames = Frames::new(&log);
        let head = last + frames.by_ref().count() as u64;
        let whole = frames.end();
        if whole < log.len() {
            disk.truncate(&path(last), whole as u64)?;
        }
        // What survived without an `fsync` must not be lost later.
        file.sync()?;
        let waiting = Mutex::new(Waiting { next: head, ..Waiting::default() });
        let stored = Mutex::new(Stored { file, firsts, last_bytes: whole as u64, head });
        Ok(Journal { disk, steps, segment_bytes_max, waiting, stored })
    }

    /// Gives events their numbers, in memory. Answers the first.
    pub(crate) fn queue(&self, frames: Vec<Vec<u8>>) -> io::Result<u64> {
        let mut waiting = lock(&self.waiting);
        if waiting.is_broken {
            return Err(broken());
        }
        let first = waiting.next;
        waiting.next += frames.len() as u64;
        waiting.frames.extend(frames);
        Ok(first)
    }

    /// Waits until the events before `until` are durable.
    pub(crate) fn settle(&self, until: u64) -> io::Result<()> {
        let mut stored = lock(&self.stored);
        if stored.head < until {
            let frames = {
                let mut waiting = lock(&self.waiting);
                if waiting.is_broken {
                    return Err(broken());
                }
                std::mem::take(&mut waiting.frames)
            };
            if let Err(error) = self.store(&mut stored, &frames) {
                lock(&self.waiting).is_broken = true;
                return Err(error);
            }
        }
        Ok(())
    }

    fn store(&self, stored: &mut Stored, frames: &[Vec<u8>]) -> io::Result<()> {
        self.steps.before(Step::JournalAppend)?;
        let mut next = stored.head;
        let mut run = Vec::new();
        for frame in frames {
            let bytes = stored.last_bytes + run.len() as u64;
            if bytes > 0 && bytes + frame.len() as u64 > self.segment_bytes_max {
                stored.file.write(&run)?;
                run.clear();
                self.seal(stored, next)?;
            }
            run.extend_from_slice(frame);
            next += 1;
        }
        stored.file.write(&run)?;
        stored.last_bytes += run.len() as u64;
        self.steps.before(Step::JournalSync)?;
        stored.file.sync()?;
        stored.head = next;
        Ok(())
    }

    fn seal(&self, stored: &mut Stored, next: u64) -> io::Result<()> {
        self.steps.before(Step::Seal)?;
        stored.file.sync()?;
        stored.file = self.disk.append(&path(next))?;
        stored.firsts.push(next);
        stored.last_bytes = 0;
        Ok(())
    }

    /// The first event of the segment in which `number` lies, or of the oldest.
    pub(crate) fn segment_of(&self, number: u64) -> u64 {
        let stored = lock(&self.stored);
        let first = stored.firsts.iter().rev().find(|first| **first <= number);
        first.or(stored.firsts.first()).copied().unwrap_or(stored.head)
    }

    /// Number after the last durable event.
    pub(crate) fn head(&self) -> u64 {
        lock(&self.stored).head
    }

    /// Where a run of events from `from` ends that lies in one segment, and
    /// whether that segment is sealed.
    pub(crate) fn run(&self, from: u64) -> (u64, bool) {
        let stored = lock(&self.stored);
        let next = stored.firsts.iter().copied().find(|first| *first > from && *first <= stored.head);
        (next.unwrap_or(stored.head), next.is_some())
    }

    /// The events from `from` on, before `until`, that lie in one segment.
    pub(crate) fn read(&self, from: u64, until: u64) -> io::Result<Vec<(u64, Entry)>> {
        let first = {
            let stored = lock(&self.stored);
            let until = until.min(stored.head);
            if from >= until {
                return Ok(Vec::new());
            }
            let first = stored.firsts.iter().rev().copied().find(|first| *first <= from);
            first.ok_or_else(|| damaged("a segment that is needed"))?
        };
        let log = self.disk.read(&path(first))?;
        let mut entries = Vec::new();
        for (number, frame) in (first..until).zip(Frames::new(&log)) {
            if number >= from {
                let entry = Entry::from_bytes(frame).ok_or_else(|| damaged(&path(first)))?;
                entries.push((number, entry));
            }
        }
        // The rest may lie in the next segment, but never nothing.
        if entries.is_empty() { Err(damaged(&path(first))) } else { Ok(entries) }
    }

    /// Removes the sealed segments whose events all lie before `below`.
    pub(crate) fn collect(&self, below: u64) -> io::Result<usize> {
        let mut removed = 0;
        loop {
            let first = {
                let stored = lock(&self.stored);
                match stored.firsts[..] {
                    [first, second, ..] if second <= below && second <= stored.head => first,
                    _ => return Ok(removed),
                }
            };
            self.steps.before(Step::Collect)?;
            self.disk.remove(&path(first))?;
            lock(&self.stored).firsts.remove(0);
            removed += 1;
        }
    }
}

fn path(first: u64) -> String {
    format!("{FOLDER}/{first:020}")
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the journal is damaged: `{what}`"))
}

fn broken() -> io::Error {
    io::Error::other("the journal takes nothing more: an earlier write failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;
    use crate::steps::EveryStep;

    fn open(folder: &std::path::Path, segment_bytes_max: u64) -> Journal {
        let disk = Arc::new(LocalDisk::open(folder).unwrap());
        Journal::open(disk, Arc::new(EveryStep), segment_bytes_max, 0).unwrap()
    }

    fn append(journal: &Journal, entries: &[Entry]) -> u64 {
        let first = journal.queue(entries.iter().map(Entry::to_frame).collect()).unwrap();
        journal.settle(first + entries.len() as u64).unwrap();
        first
    }

    fn entry(text: &str) -> Entry {
        Entry { only_for: None, event: text.to_owned() }
    }

    fn all(journal: &Journal) -> Vec<String> {
        let (mut from, mut texts) = (0, Vec::new());
        while from < journal.head() {
            let run = journal.read(from, u64::MAX).unwrap();
            from += run.len() as u64;
            texts.extend(run.into_iter().map(|(_, entry)| entry.event));
        }
        texts
    }

    #[test]
    fn events_are_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path(), 100);
        for at in 0..20 {
            assert_eq!(append(&journal, &[entry(&format!("event {at}"))]), at);
        }
        let before = all(&journal);
        drop(journal);
        let journal = open(folder.path(), 100);
        assert_eq!(all(&journal), before);
        assert_eq!(append(&journal, &[entry("next")]), 20);
    }

    #[test]
    fn a_torn_end_is_forgotten_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path(), 1_000);
        append(&journal, &[entry("one"), entry("two")]);
        drop(journal);
        let path = folder.path().join("journal/00000000000000000000");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let journal = open(folder.path(), 1_000);
        assert_eq!(append(&journal, &[entry("three")]), 1);
        assert_eq!(all(&journal), ["one", "three"]);
    }

    #[test]
    fn segments_that_nobody_needs_are_removed_but_never_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path(), 60);
        for at in 0..10 {
            append(&journal, &[entry(&format!("a long event, number {at}"))]);
        }
        assert_eq!(journal.collect(5).unwrap(), 5);
        assert!(journal.read(4, 5).is_err());
        assert_eq!(journal.read(5, 6).unwrap().len(), 1);
        assert_eq!(journal.collect(10).unwrap(), 4);
        drop(journal);
        let journal = open(folder.path(), 60);
        assert_eq!(journal.head(), 10);
    }

    #[test]
    fn many_at_once_share_the_disk_and_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path(), 4_000);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let journal = &journal;
                scope.spawn(move || {
                    for at in 0..50 {
                        append(journal, &[entry(&format!("{thread}/{at}"))]);
                    }
                });
            }
        });
        let mut texts = all(&journal);
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 400);
    }

    #[test]
    fn an_event_for_one_trail_says_so() {
        let only = Entry { only_for: Some("arn:x".to_owned()), event: "{}".to_owned() };
        assert_eq!(Entry::from_bytes(&only.to_bytes()), Some(only));
        assert_eq!(Entry::from_bytes(&[9, 0, 1]), None);
    }
}
