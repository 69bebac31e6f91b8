//! The trails of this server: their configuration, what they take in and
//! deliver, and what is known of it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use pugmark_source::Location;
use pugmark_trail::{Change, Identifiers, Trail, TrailError, Trails};
use serde_json::{Value, json};

use crate::document::StateError;
use crate::fault::ApiFault;
use crate::ingest::Results;
use crate::random;

/// A public key, as `ListPublicKeys` lists it.
pub(crate) struct ListedKey {
    pub(crate) value: String,
    pub(crate) since: i64,
    pub(crate) until: i64,
    pub(crate) fingerprint: String,
}

struct Random;
impl Identifiers for Random {
    fn event_id(&self) -> String {
        random::uuid().expect("x")
    }
}

pub(crate) struct Desk {
    trails: Mutex<Trails>,
}

impl Desk {
    pub(crate) fn open(_folder: &Path) -> Result<Desk, StateError> {
        Ok(Desk { trails: Mutex::new(Trails::new("aws", None)) })
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Trails) -> T) -> T {
        read(&self.trails.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change(
        &self,
        _now: i64,
        check: impl FnOnce(&Trails) -> Result<Change, TrailError>,
    ) -> Result<Change, ApiFault> {
        let mut trails = self.trails.lock().unwrap_or_else(PoisonError::into_inner);
        let change = check(&trails)?;
        trails.apply(change.clone());
        Ok(change)
    }

    pub(crate) fn accept(&self, events: &[&[u8]], now: i64) -> Result<Results, ApiFault> {
        Ok(events.iter().map(|event| pugmark_trail::take(event, now, &Random)).collect())
    }

    pub(crate) fn status(&self, trail: &Trail, _region: &str) -> Value {
        json!({ "IsLogging": trail.is_logging })
    }

    pub(crate) fn public_keys(&self, _region: &str, _since: i64, _until: i64) -> Vec<ListedKey> {
        Vec::new()
    }

    pub(crate) fn location(&self, bucket: &str, prefix: &str) -> Location {
        Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    pub(crate) fn is_well(&self) -> bool {
        true
    }

    pub(crate) fn gauges(&self) -> Vec<(&'static str, &'static str, u64)> {
        Vec::new()
    }
}
