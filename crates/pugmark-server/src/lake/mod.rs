//! The Lake: event data stores, queries over them, imports and channels.
//!
//! ```text
//! journal ─▶ stores that take the event ─▶ folder of events ─▶ query engine ─▶ rows as text
//! import  ─▶                               (`shelf`)
//! ```
//!
//! State is one document, replaced at each change. The engine that answers
//! statements is handed in: nothing here knows SQL but the ids in it.

pub(crate) mod cells;
pub(crate) mod channels;
pub(crate) mod delivery;
pub(crate) mod imports;
pub(crate) mod queries;
pub(crate) mod results;
pub(crate) mod stores;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use pugmark_source::Location;
use serde::{Deserialize, Serialize};

use crate::document::{self, StateError};
use crate::fault::ApiFault;
use crate::shelf::Shelf;
use channels::Channel;
use imports::Import;
use queries::Queries;
use stores::Store;

/// What a statement is asked of.
#[derive(Clone, Debug)]
pub struct LakeQuestion {
    /// The statement, as the client wrote it.
    pub statement: String,
    /// Folders with the events of the stores that it names.
    pub locations: Vec<Location>,
}

/// What a statement read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Events read.
    pub events: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Why a statement was not answered, in words for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFault(pub String);

/// Takes the rows of an answer, and says when there were enough.
pub trait Rows: Send {
    /// Takes a batch; false ends the statement.
    fn batch(&mut self, batch: &RecordBatch) -> bool;

    /// Whether nobody waits for the answer any more; asked while a batch is long in coming.
    fn is_cancelled(&self) -> bool;
}

/// Answers statements over folders of events.
///
/// # Errors
/// Both methods fail if the statement is refused; `run` also if it fails while it runs.
pub trait QueryEngine: Send + Sync {
    /// Whether the statement could be run at all.
    fn check(&self, statement: &str) -> Result<(), EngineFault>;

    /// Runs it to its end, or until `rows` has enough.
    fn run(&self, question: &LakeQuestion, rows: &mut dyn Rows) -> Result<Scanned, EngineFault>;
}

/// The state that lasts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) stores: BTreeMap<String, Store>,
    pub(crate) channels: BTreeMap<String, Channel>,
    pub(crate) imports: BTreeMap<String, Import>,
}

/// All of it.
pub(crate) struct Lake {
    folder: PathBuf,
    state: Mutex<State>,
    pub(crate) queries: Queries,
    pub(crate) engine: Arc<dyn QueryEngine>,
}

impl Lake {
    /// The lake of `folder`, as it was left.
    ///
    /// # Errors
    /// If the folder cannot be used, or its state is damaged.
    pub(crate) fn open(folder: &Path, engine: Arc<dyn QueryEngine>, now: i64) -> Result<Lake, StateError> {
        let mut state: State = document::load(&folder.join("lake.json"))?;
        for import in state.imports.values_mut() {
            import.interrupt(now);
        }
        let queries = Queries::open(&folder.join("queries"), now)?;
        Ok(Lake { folder: folder.to_owned(), state: Mutex::new(state), queries, engine })
    }

    /// The folder of a store's events.
    pub(crate) fn shelf(&self, store: &str) -> Shelf {
        Shelf::new(self.folder.join("stores").join(store))
    }

    /// Reads the state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and saves it, or leaves it as it was.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, ApiFault>,
    ) -> Result<T, ApiFault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = state.clone();
        let answer = change(&mut next)?;
        document::save(&self.folder.join("lake.json"), &next).map_err(|_| ApiFault::internal())?;
        *state = next;
        Ok(answer)
    }

    /// Removes stores whose time to be restored is over, and what they held.
    pub(crate) fn expire(&self, now: i64) -> Result<(), ApiFault> {
        let gone: Vec<String> = self.read(|state| {
            state.stores.values().filter(|store| store.is_gone(now)).map(|store| store.id.clone()).collect()
        });
        self.queries.expire(now);
        if gone.is_empty() {
            return Ok(());
        }
        self.change(|state| {
            state.stores.retain(|id, _| !gone.contains(id));
            Ok(())
        })?;
        for id in gone {
            // What cannot be removed now is nobody's, and harms nobody.
            drop(std::fs::remove_dir_all(self.folder.join("stores").join(id)));
        }
        Ok(())
    }
}
