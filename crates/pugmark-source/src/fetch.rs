//! Opens listed objects and hands their bytes to visitors.
//!
//! This is the one place of concurrency. Workers take local entries in order
//! from a shared counter, then what the [`Fetch`](crate::s3::Fetch) brings
//! from S3; each has a visitor, a read buffer and a decompressor of its own.
//! Nothing is shared between them but counters.

mod archive;
mod bytes;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use pugmark_event::{Defect, DefectKind, Fill, Limits, Object, Origin, Tally};

use crate::inflate::{self, Fault, Notes, Opened, Whole};
use crate::list::Handle;
use crate::progress::count;
use crate::s3::{Body, Fetch, Fetched, Stores};
use crate::{Access, Entry, Listing, Progress, Selection, SourceError};
use bytes::{Bytes, Seen, Source, too_large};

/// Stored bytes up to which an object is read whole.
pub(crate) const WHOLE_MAX: u64 = 4 << 20;

/// Entries that a worker takes at a time.
const TAKEN: usize = 8;

/// User metadata of an object in S3 (`x-amz-meta-…`), by name.
pub type Metadata = BTreeMap<String, String>;

/// One worker's view of objects.
pub trait Visitor: Send {
    /// Called once per object; members of archives are objects of their own.
    ///
    /// `fill` yields the uncompressed bytes; the visitor reads to the end or
    /// gives up. After an error from `fill` it keeps what came before; the
    /// reason reaches [`Visitor::defect`], so it need not report one. In a
    /// rare case (a small gzip file that turns out to hold an archive) an
    /// object yields an error and no byte; it is then not counted, and its
    /// members follow.
    ///
    /// `Break` ends the run: what is not yet opened counts as pruned.
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()>;

    /// Takes the user metadata of an object in S3, names in lower case, just
    /// before [`Visitor::object`]. Not called where there is none.
    fn metadata(&mut self, _object: &Arc<Object>, _metadata: &Metadata) {}

    /// Takes what was wrong in opening, fetching or inflating an object.
    fn defect(&mut self, defect: Defect);
}

/// Opens every entry of `listing`, with as many visitors as `threads`.
///
/// The tally returned begins with the listing's, so that it balances by
/// itself: `listed = decoded + pruned + routed + skipped`. An archive counts
/// as its members. Defects found here go to the visitors, not into the tally.
/// After [`Progress::cancelled`] what is not yet opened counts as skipped.
pub fn visit<V: Visitor>(
    listing: Listing,
    access: &Access,
    limits: &Limits,
    threads: usize,
    progress: &Progress,
    make: impl Fn(usize) -> V + Sync,
) -> Result<(Vec<V>, Tally), SourceError> {
    let run = Run { limits, threads, progress };
    if listing.regions.is_empty() {
        return run.visit(listing, None, make);
    }
    let stores = Stores::open(access, &listing.regions)?;
    run.visit(listing, Some(stores), make)
}

/// What bounds one run.
pub(crate) struct Run<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) threads: usize,
    pub(crate) progress: &'a Progress,
}

impl Run<'_> {
    /// Visits every entry, those in S3 through `stores`.
    pub(crate) fn visit<V: Visitor>(
        &self,
        listing: Listing,
        stores: Option<Stores>,
        make: impl Fn(usize) -> V + Sync,
    ) -> Result<(Vec<V>, Tally), SourceError> {
        let Listing { entries, mut tally, selection, .. } = listing;
        let (remote, local): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| matches!(entry.handle, Handle::S3(_)));
        let threads = self.threads.clamp(1, (local.len() + remote.len()).max(1));
        let awaited = remote.len() as u64;
        let fetch = stores.map(|stores| Fetch::start(stores, remote, self.limits));
        let shared = Shared {
            local: &local,
            next: AtomicUsize::new(0),
            fetch: fetch.as_ref(),
            stopped: AtomicBool::new(false),
            selection: &selection,
            limits: self.limits,
            progress: self.progress,
        };
        let mut visitors = Vec::with_capacity(threads);
        let mut arrived = 0;
        for (visitor, of_worker, taken) in workers(&shared, threads, &make)? {
            visitors.push(visitor);
            tally.add(of_worker);
            arrived += taken;
        }
        // What was never fetched was not wanted any more, or could not be had.
        let missing = awaited - arrived;
        if shared.stopped.load(Ordering::Relaxed) {
            tally.pruned += missing;
        } else {
            tally.skipped += missing;
            count(&self.progress.skipped, missing);
        }
        if let Some(outage) = fetch.as_ref().and_then(Fetch::outage) {
            if tally.decoded == 0 {
                return Err(outage);
            }
            if let Some(visitor) = visitors.first_mut() {
                let origin = Origin { object: Arc::new(Object::named("s3://")), offset: 0 };
                let detail = format!("{outage}; {missing} objects were not fetched");
                visitor.defect(Defect::new(DefectKind::Unreadable, origin, detail));
            }
        }
        Ok((visitors, tally))
    }
}

/// Runs all workers to their end.
fn workers<V: Visitor>(
    shared: &Shared<'_>,
    threads: usize,
    make: &(impl Fn(usize) -> V + Sync),
) -> Result<Vec<(V, Tally, u64)>, SourceError> {
    let finished = thread::scope(|scope| {
        let start = |index| {
            let run = move || Worker::new(shared, make(index)).run();
            thread::Builder::new().name(format!("pugmark-{index}")).spawn_scoped(scope, run)
        };
        let workers: Vec<_> = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect())
    });
    finished.map_err(SourceError::Start)
}

/// What all workers see.
struct Shared<'a> {
    local: &'a [Entry],
    next: AtomicUsize,
    fetch: Option<&'a Fetch>,
    stopped: AtomicBool,
    selection: &'a Selection,
    limits: &'a Limits,
    progress: &'a Progress,
}

impl Shared<'_> {
    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.progress.is_cancelled()
    }
}

/// Where the bytes of an object being opened stand.
#[derive(Clone, Copy)]
struct Place<'p> {
    /// The file that they are, if they are one.
    path: Option<&'p Path>,
    /// In how many archives they are.
    depth: u32,
}

const OUTSIDE: Place<'static> = Place { path: None, depth: 0 };

/// One worker.
struct Worker<'a, V> {
    shared: &'a Shared<'a>,
    visitor: V,
    stored: Vec<u8>,
    whole: Whole,
    tally: Tally,
    /// Objects taken from the fetch.
    arrived: u64,
}

impl<'a, V: Visitor> Worker<'a, V> {
    fn new(shared: &'a Shared<'a>, visitor: V) -> Worker<'a, V> {
        let (whole, tally) = (Whole::new(), Tally::default());
        Worker { shared, visitor, stored: Vec::new(), whole, tally, arrived: 0 }
    }

    fn run(mut self) -> (V, Tally, u64) {
        loop {
            let from = self.shared.next.fetch_add(TAKEN, Ordering::Relaxed);
            let Some(rest) = self.shared.local.get(from..).filter(|rest| !rest.is_empty()) else { break };
            for entry in rest.iter().take(TAKEN) {
                self.entry(entry, |worker| worker.open(entry));
            }
        }
        if let Some(fetch) = self.shared.fetch {
            while let Some(fetched) = fetch.next(|| self.shared.is_over()) {
                self.arrived += 1;
                // The permit for the bytes is held until the worker is done.
                let Fetched { entry, metadata, body, permit } = fetched;
                self.entry(&entry, |worker| {
                    if !metadata.is_empty() {
                        worker.visitor.metadata(&entry.object, &metadata);
                    }
                    worker.fetched(&entry, body)
                });
                drop(permit);
            }
            if self.shared.is_over() {
                fetch.stop();
            }
        }
        (self.visitor, self.tally, self.arrived)
    }

    /// Deals with one entry, and counts it.
    fn entry(&mut self, entry: &Entry, read: impl FnOnce(&mut Self) -> Result<(), Fault>) {
        let progress = self.shared.progress;
        if self.shared.stopped.load(Ordering::Relaxed) {
            self.tally.pruned += 1;
        } else if progress.is_cancelled() {
            self.tally.skipped += 1;
        } else {
            if let Err(fault) = read(self) {
                self.skip(&entry.object, fault);
            }
            self.tally.bytes_stored += entry.bytes_stored;
            count(&progress.bytes_stored, entry.bytes_stored);
        }
        count(&progress.objects_done, 1);
    }

    fn open(&mut self, entry: &Entry) -> Result<(), Fault> {
        let object = &entry.object;
        if let Handle::Text(text) = &entry.handle {
            return self.whole(object, text.as_bytes(), OUTSIDE);
        }
        let Some(path) = entry.path() else {
            let mut read = 0;
            let input = Counted { reader: io::stdin().lock(), read: &mut read };
            let outcome = self.stream(object, Box::new(input), OUTSIDE);
            self.tally.bytes_stored += read;
            count(&self.shared.progress.bytes_stored, read);
            return outcome;
        };
        let max = self.shared.limits.object_bytes_max;
        if entry.bytes_stored > max {
            return Err(too_large("stored", max));
        }
        let place = Place { path: Some(path), depth: 0 };
        let mut file = File::open(path)?;
        if entry.bytes_stored > WHOLE_MAX {
            return self.stream(object, Box::new(file), place);
        }
        let mut stored = std::mem::take(&mut self.stored);
        let outcome = match read_whole(&mut file, &mut stored, entry.bytes_stored as usize) {
            Ok(length) if length as u64 > WHOLE_MAX => {
                self.stream(object, Box::new(stored[..length].chain(file)), place)
            }
            Ok(length) => self.whole(object, &stored[..length], place),
            Err(error) => Err(error.into()),
        };
        self.stored = stored;
        outcome
    }

    fn fetched(&mut self, entry: &Entry, body: Body) -> Result<(), Fault> {
        match body {
            Body::Failed(fault) => Err(fault),
            Body::Whole(stored) => self.whole(&entry.object, &stored, OUTSIDE),
            Body::Streamed(reader) => self.stream(&entry.object, Box::new(reader), OUTSIDE),
        }
    }

    /// An object whose stored bytes are in memory.
    fn whole(&mut self, object: &Arc<Object>, stored: &[u8], place: Place<'_>) -> Result<(), Fault> {
        let Some(size) = Whole::stated_size(stored, self.shared.limits.inflated_bytes_max) else {
            return self.stream(object, Box::new(stored), place);
        };
        // What inflates to little more than itself holds something compressed.
        if size < stored.len() * 3 / 2 && stored.len() > 4 << 10 {
            return self.stream(object, Box::new(stored), place);
        }
        let notes = Notes::default();
        let source = Source::Whole { stored, size, whole: &mut self.whole, notes: notes.clone() };
        let mut bytes = Bytes::new(source, self.shared);
        let flow = self.visitor.object(object, &mut bytes);
        let seen = bytes.seen();
        if seen.rerouted {
            let place = Place { path: None, ..place };
            return self.stream(object, Box::new(stored), place);
        }
        self.done(object, seen, &notes, flow);
        Ok(())
    }

    /// An object of any kind and size.
    fn stream(
        &mut self,
        object: &Arc<Object>,
        reader: Box<dyn Read + '_>,
        place: Place<'_>,
    ) -> Result<(), Fault> {
        let notes = Notes::default();
        let opened = match inflate::open(reader, self.shared.limits, &notes)? {
            Opened::Bytes(layer) => {
                let mut bytes = Bytes::new(Source::Layer(layer), self.shared);
                let flow = self.visitor.object(object, &mut bytes);
                let seen = bytes.seen();
                self.done(object, seen, &notes, flow);
                return Ok(());
            }
            archive => archive,
        };
        let outcome = match opened {
            Opened::Tar(input) => self.tar(object, input, place),
            Opened::Zip(input) => self.zip(object, input, place),
            // The zip archive is inside the file, which is something else.
            Opened::CompressedZip(input) => self.zip(object, input, Place { path: None, ..place }),
            Opened::Bytes(_) => Ok(()),
        };
        for note in notes.take() {
            self.defect(object, 0, note);
        }
        outcome
    }

    /// Counts an object that the visitor has seen.
    fn done(&mut self, object: &Arc<Object>, seen: Seen, notes: &Notes, flow: ControlFlow<()>) {
        self.tally.bytes_inflated += seen.delivered;
        count(&self.shared.progress.bytes_inflated, seen.delivered);
        if flow.is_break() {
            self.shared.stopped.store(true, Ordering::Relaxed);
        }
        if seen.delivered == 0 && (seen.fault.is_some() || seen.cancelled) {
            self.tally.skipped += 1;
            count(&self.shared.progress.skipped, 1);
        } else {
            self.tally.decoded += 1;
        }
        for fault in notes.take().into_iter().chain(seen.fault) {
            self.defect(object, seen.delivered, fault);
        }
    }

    /// Counts an object of which nothing could be read.
    fn skip(&mut self, object: &Arc<Object>, fault: Fault) {
        self.tally.skipped += 1;
        count(&self.shared.progress.skipped, 1);
        self.defect(object, 0, fault);
    }

    fn defect(&mut self, object: &Arc<Object>, offset: u64, fault: Fault) {
        let origin = Origin { object: object.clone(), offset };
        self.visitor.defect(Defect::new(fault.kind, origin, fault.detail));
    }
}

/// A reader that counts.
struct Counted<'c, R> {
    reader: R,
    read: &'c mut u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(target)?;
        *self.read += read as u64;
        Ok(read)
    }
}

/// Reads all of a file that is said to have `size` bytes into the start of
/// `stored`, which stays initialised from file to file; stops soon after
/// [`WHOLE_MAX`] if the file has grown.
fn read_whole(file: &mut File, stored: &mut Vec<u8>, size: usize) -> io::Result<usize> {
    let mut length = 0;
    loop {
        // One byte of room more than expected: a file that has not grown is
        // read in one call that comes back short.
        let room = size.max(length) + 1;
        if stored.len() < room {
            stored.resize(room.next_power_of_two(), 0);
        }
        let room = if length > size { stored.len() } else { room };
        match file.read(&mut stored[length..room]) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if (length == size && size > 0) || length as u64 > WHOLE_MAX {
            return Ok(length);
        }
    }
}
