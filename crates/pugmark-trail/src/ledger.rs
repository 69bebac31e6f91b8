//! The ledger: what was configured and how far delivery is, durable.
//!
//! ```text
//! state/00000000000000000007   a snapshot, then every change since
//! ```
//!
//! Changes that belong together are one frame: all of them are kept, or none.
//! When a file has grown, a new one begins with a snapshot and is put in place
//! whole; then the older ones go.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::deliver::{Deliveries, Progress};
use crate::disk::{Appender, Disk};
use crate::frame::{Frames, push};
use crate::keys::{KeyRecord, KeyRecords};
use crate::trails::{Change, Trails};

const FOLDER: &str = "state";
/// Bytes of changes after which a snapshot is written.
const CHANGE_BYTES_MAX: usize = 4 << 20;

/// All that is kept besides the events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) trails: Trails,
    pub(crate) deliveries: Deliveries,
    pub(crate) keys: KeyRecords,
}

/// One change of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record {
    Configured(Change),
    Progressed(Progress),
    Keyed(KeyRecord),
}

impl State {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Configured(change) => self.trails.apply(change),
            Record::Progressed(progress) => self.deliveries.apply(progress),
            Record::Keyed(key) => self.keys.insert(key),
        }
    }
}

/// The state and its file.
pub(crate) struct Ledger {
    disk: Arc<dyn Disk>,
    state: State,
    file: Box<dyn Appender>,
    number: u64,
    change_bytes: usize,
    is_broken: bool,
}

impl Ledger {
    /// Opens it; a new one begins with `state`.
    pub(crate) fn open(disk: Arc<dyn Disk>, state: State) -> io::Result<Ledger> {
        let names = disk.names(FOLDER)?;
        let mut numbers = Vec::new();
        for name in &names {
            match name.parse::<u64>() {
                Ok(number) if name.len() == 20 => numbers.push(number),
                // A draft that a crash left behind.
                _ if name.strip_suffix(".tmp").is_some() => disk.remove(&format!("{FOLDER}/{name}"))?,
                _ => return Err(damaged(name)),
            }
        }
        let Some(number) = numbers.last().copied() else {
            let file = snapshot(&*disk, 0, &state)?;
            return Ok(Ledger { disk, state, file, number: 0, change_bytes: 0, is_broken: false });
        };
        let name = path(number);
        let mut file = disk.append(&name)?;
        let log = disk.read(&name)?;
        let mut frames = Frames::new(&log);
        let first = frames.next().ok_or_else(|| damaged(&name))?;
        let mut state: State = serde_json::from_slice(first).map_err(|_| damaged(&name))?;
        let mut change_bytes = 0;
        for frame in frames.by_ref() {
            let records: Vec<Record> = serde_json::from_slice(frame).map_err(|_| damaged(&name))?;
            for record in records {
                state.apply(record);
            }
            change_bytes += frame.len();
        }
        if frames.end() < log.len() {
            disk.truncate(&name, frames.end() as u64)?;
        }
        // What survived without an `fsync` must not be lost later.
        file.sync()?;
        for older in numbers.iter().filter(|older| **older < number) {
            disk.remove(&path(*older))?;
        }
        Ok(Ledger { disk, state, file, number, change_bytes, is_broken: false })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Makes changes that belong together; they are durable on return.
    ///
    /// # Errors
    /// If the disk fails; nothing more is taken then.
    pub(crate) fn commit(&mut self, records: Vec<Record>) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("the state takes nothing more: an earlier write failed"));
        }
        if records.is_empty() {
            return Ok(());
        }
        self.is_broken = true;
        let text = serde_json::to_vec(&records).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(text.len() + 16);
        push(&mut frame, &text);
        self.file.write(&frame)?;
        self.file.sync()?;
        for record in records {
            self.state.apply(record);
        }
        self.change_bytes += frame.len();
        if self.change_bytes > CHANGE_BYTES_MAX {
            self.file = snapshot(&*self.disk, self.number + 1, &self.state)?;
            self.disk.remove(&path(self.number))?;
            self.number += 1;
            self.change_bytes = 0;
        }
        self.is_broken = false;
        Ok(())
    }
}

fn snapshot(disk: &dyn Disk, number: u64, state: &State) -> io::Result<Box<dyn Appender>> {
    let mut log = Vec::new();
    push(&mut log, &serde_json::to_vec(state).map_err(io::Error::other)?);
    disk.replace(&path(number), &log)?;
    disk.append(&path(number))
}

fn path(number: u64) -> String {
    format!("{FOLDER}/{number:020}")
}

fn damaged(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the state is damaged: `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    fn open(folder: &std::path::Path) -> Ledger {
        Ledger::open(Arc::new(LocalDisk::open(folder).unwrap()), State::default()).unwrap()
    }

    fn reader(name: &str, position: u64) -> Record {
        Record::Progressed(Progress::Reader { name: name.to_owned(), position })
    }

    #[test]
    fn changes_are_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(folder.path());
        ledger.commit(vec![reader("a", 1), reader("b", 2)]).unwrap();
        ledger.commit(vec![reader("a", 3)]).unwrap();
        let before = ledger.state().clone();
        drop(ledger);
        assert_eq!(*open(folder.path()).state(), before);
    }

    #[test]
    fn changes_that_belong_together_are_lost_together() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(folder.path());
        ledger.commit(vec![reader("a", 1)]).unwrap();
        ledger.commit(vec![reader("a", 2), reader("b", 2)]).unwrap();
        drop(ledger);
        let path = folder.path().join("state/00000000000000000000");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let readers = open(folder.path()).state().deliveries.readers.clone();
        assert_eq!(readers.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1)]);
    }

    #[test]
    fn a_long_ledger_begins_again_with_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open(folder.path());
        let long = "x".repeat(CHANGE_BYTES_MAX / 4);
        for position in 0..9 {
            ledger.commit(vec![reader(&long, position)]).unwrap();
        }
        drop(ledger);
        let ledger = open(folder.path());
        assert!(ledger.number > 0);
        assert_eq!(ledger.state().deliveries.readers[&long], 8);
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 1);
    }
}
