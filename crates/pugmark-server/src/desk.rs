//! The trails of this server, and what follows from an accepted event.
//!
//! ```text
//! accept ─▶ journal ─▶ turn ─▶ buckets            (pugmark-trail)
//!              └─ reader ─▶ history, event data stores
//! ```
//!
//! What can be asked for is copied out of the journal by a reader of it: it
//! keeps its place across restarts, and what it copies twice is one event.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pugmark_source::Location;
use pugmark_trail::{
    Accepted, BucketFault, BucketPlace, Clock, CreateTrail, LocalDisk, Object, RecordFault, Service,
    ServiceError, Settings, Stores, Trail, TrailError, Trails, UpdateTrail, World,
};
use tokio::runtime::Handle;

use crate::app;
use crate::call::Call;
use crate::fault::ApiFault;

/// The reader of the journal that fills what can be asked for.
const READER: &str = "history";

/// Results of a batch, in its order.
pub(crate) type Results = Vec<Result<Accepted, RecordFault>>;

/// Where buckets are, as far as they can be read.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) named: BTreeMap<String, BucketPlace>,
    pub(crate) others: BucketPlace,
}

/// The trails, and the way to them.
pub(crate) struct Desk {
    pub(crate) service: Arc<Service>,
    places: Places,
    /// Trails talk to buckets; handlers wait for that here.
    runtime: Handle,
    /// The next event of the journal that is to be copied.
    position: Mutex<u64>,
}

/// Our clock, as trails know it.
struct SharedClock(app::Clock);

impl Clock for SharedClock {
    fn now(&self) -> i64 {
        (self.0)()
    }
}

impl Desk {
    /// The trails of `disk`, as they were left, in the world that `furnish` makes of ours.
    ///
    /// # Errors
    /// If their state is damaged.
    pub(crate) fn open(
        disk: LocalDisk,
        places: Places,
        settings: Settings,
        clock: &app::Clock,
        furnish: impl FnOnce(World) -> World,
    ) -> Result<Desk, ServiceError> {
        let buckets = Stores::new(places.named.clone(), Some(places.others.clone()));
        let clock = Arc::new(SharedClock(Arc::clone(clock)));
        let world = furnish(World::new(Arc::new(disk), Arc::new(buckets), clock));
        let service = Service::open(world, settings)?;
        let position = service.held(READER).unwrap_or_else(|| service.undelivered());
        service.hold(READER, position)?;
        Ok(Desk {
            service: Arc::new(service),
            places,
            runtime: Handle::current(),
            position: Mutex::new(position),
        })
    }

    /// Reads the trails there are.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Trails) -> T) -> T {
        read(&self.service.trails())
    }

    pub(crate) fn create(&self, call: &Call<'_>, request: &CreateTrail) -> Result<Trail, TrailError> {
        self.runtime.block_on(self.service.create_trail(&call.trail_caller(), request))
    }

    pub(crate) fn update(&self, call: &Call<'_>, request: &UpdateTrail) -> Result<Trail, TrailError> {
        self.runtime.block_on(self.service.update_trail(&call.trail_caller(), request))
    }

    /// Sees whether objects can be put below `prefix` of a bucket.
    pub(crate) fn check_place(&self, bucket: &str, prefix: &str) -> Result<(), TrailError> {
        self.runtime.block_on(self.service.check_place(bucket, prefix))
    }

    /// Puts an object that is no log file.
    pub(crate) fn put(&self, bucket: &str, key: &str, object: Object) -> Result<(), BucketFault> {
        self.runtime.block_on(self.service.put(bucket, key, object))
    }

    /// Takes events in; those that were taken are on disk on return.
    pub(crate) fn accept(&self, events: &[&[u8]]) -> Result<Results, ApiFault> {
        self.service.accept(events).map_err(|_| {
            ApiFault::with_status(503, "ServiceUnavailable", "events cannot be kept now: the disk fails")
        })
    }

    /// Copies what was accepted since the last call, in order.
    ///
    /// # Errors
    /// If the disk fails; what is left is copied by the next call.
    pub(crate) fn copy(
        &self,
        mut put: impl FnMut(&[&str]) -> std::io::Result<()>,
    ) -> Result<(), ServiceError> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        while *position < self.service.head() {
            let entries = self.service.events(*position)?;
            let Some((last, _)) = entries.last() else { break };
            let next = last + 1;
            let events: Vec<&str> = entries.iter().map(|(_, entry)| entry.event.as_str()).collect();
            put(&events)?;
            self.service.hold(READER, next)?;
            *position = next;
        }
        Ok(())
    }

    /// Where the objects of a bucket are read.
    pub(crate) fn location(&self, bucket: &str, prefix: &str) -> Location {
        match self.places.named.get(bucket).unwrap_or(&self.places.others) {
            BucketPlace::Folder(folder) => Location::Path(below(folder, prefix)),
            BucketPlace::Folders(root) => Location::Path(below(&root.join(bucket), prefix)),
            BucketPlace::S3(_) => Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() },
        }
    }

    /// What is counted of the trails.
    pub(crate) fn gauges(&self) -> [(&'static str, &'static str, u64); 3] {
        let head = self.service.head();
        let trails = self.service.trails();
        let logging = trails.iter().filter(|trail| trail.is_logging).count() as u64;
        [
            ("pugmark_journal_events", "Events ever accepted.", head),
            (
                "pugmark_undelivered_events",
                "Accepted events that a trail or the history still needs.",
                head.saturating_sub(self.service.undelivered()),
            ),
            ("pugmark_logging_trails", "Trails that deliver.", logging),
        ]
    }
}

/// The path of a prefix below a bucket's folder; steps upward are left out.
fn below(folder: &Path, prefix: &str) -> std::path::PathBuf {
    let steps = prefix.split('/').filter(|step| !matches!(*step, "" | "." | ".."));
    folder.join(steps.collect::<std::path::PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_never_leaves_its_bucket() {
        assert_eq!(below(Path::new("b"), "/../a//./c/"), Path::new("b/a/c"));
    }
}
