//! Opens listed objects and hands their bytes to visitors.
//!
//! This is the one place of concurrency: workers take entries in order from a
//! shared counter, each with a visitor, a read buffer and a decompressor of
//! its own. Nothing is shared between them but counters.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use pugmark_event::{Defect, DefectKind, Fill, Filled, Limits, Object, Origin, Tally};

use crate::inflate::{self, Fault, Layer, Magic, Notes, Opened, Whole};
use crate::list::Handle;
use crate::progress::count;
use crate::{Access, Entry, Listing, Progress, Selection, SourceError};

/// Stored bytes up to which a file is read whole.
const WHOLE_MAX: u64 = 4 << 20;

/// Entries that a worker takes at a time.
const TAKEN: usize = 8;

/// One worker's view of objects.
pub trait Visitor: Send {
    /// Called once per object; members of archives are objects of their own.
    ///
    /// `fill` yields the uncompressed bytes; the visitor reads to the end or
    /// gives up. After an error from `fill` it keeps what came before; the
    /// reason reaches [`Visitor::defect`], so it need not report one.
    /// `Break` ends the run: what is not yet opened counts as pruned.
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()>;

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
    let _ = access;
    let Listing { entries, mut tally, selection, .. } = listing;
    let shared = Shared {
        entries: &entries,
        next: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        selection: &selection,
        limits,
        progress,
    };
    let threads = threads.clamp(1, entries.len().max(1));
    let (shared, make) = (&shared, &make);
    let finished = thread::scope(|scope| {
        let start = |index| {
            let run = move || Worker::new(shared, make(index)).run();
            thread::Builder::new().name(format!("pugmark-{index}")).spawn_scoped(scope, run)
        };
        let workers: Vec<_> = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect::<Vec<_>>())
    });
    let mut visitors = Vec::with_capacity(threads);
    for (visitor, of_worker) in finished.map_err(SourceError::Start)? {
        visitors.push(visitor);
        tally.add(of_worker);
    }
    Ok((visitors, tally))
}

/// What all workers see.
struct Shared<'a> {
    entries: &'a [Entry],
    next: AtomicUsize,
    stopped: AtomicBool,
    #[expect(dead_code, reason = "used by archives")]
    selection: &'a Selection,
    limits: &'a Limits,
    progress: &'a Progress,
}

/// One worker.
struct Worker<'a, V> {
    shared: &'a Shared<'a>,
    visitor: V,
    stored: Vec<u8>,
    whole: Whole,
    tally: Tally,
}

impl<'a, V: Visitor> Worker<'a, V> {
    fn new(shared: &'a Shared<'a>, visitor: V) -> Worker<'a, V> {
        Worker { shared, visitor, stored: Vec::new(), whole: Whole::new(), tally: Tally::default() }
    }

    fn run(mut self) -> (V, Tally) {
        loop {
            let from = self.shared.next.fetch_add(TAKEN, Ordering::Relaxed);
            let Some(rest) = self.shared.entries.get(from..) else { break };
            if rest.is_empty() {
                break;
            }
            for entry in rest.iter().take(TAKEN) {
                self.entry(entry);
            }
        }
        (self.visitor, self.tally)
    }

    fn entry(&mut self, entry: &Entry) {
        let progress = self.shared.progress;
        if self.shared.stopped.load(Ordering::Relaxed) {
            self.tally.pruned += 1;
        } else if progress.is_cancelled() {
            self.tally.skipped += 1;
        } else {
            if let Err(fault) = self.open(entry) {
                self.skip(&entry.object, fault);
            }
            self.tally.bytes_stored += entry.bytes_stored;
            count(&progress.bytes_stored, entry.bytes_stored);
        }
        count(&progress.objects_done, 1);
    }

    fn open(&mut self, entry: &Entry) -> Result<(), Fault> {
        let object = &entry.object;
        if entry.bytes_stored > self.shared.limits.object_bytes_max {
            return Err(too_large("stored", self.shared.limits.object_bytes_max));
        }
        match (&entry.handle, entry.path()) {
            (Handle::Stdin, _) => self.stream(object, Box::new(io::stdin().lock())),
            (_, Some(path)) => {
                let mut file = File::open(path)?;
                if entry.bytes_stored > WHOLE_MAX {
                    return self.stream(object, Box::new(file));
                }
                let mut stored = std::mem::take(&mut self.stored);
                let outcome = match read_whole(&mut file, &mut stored, entry.bytes_stored as usize) {
                    Ok(length) if length as u64 > WHOLE_MAX => {
                        self.stream(object, Box::new(stored[..length].chain(file)))
                    }
                    Ok(length) => self.whole(object, &stored[..length]),
                    Err(error) => Err(error.into()),
                };
                self.stored = stored;
                outcome
            }
            (_, None) => Err(Fault::new(DefectKind::Unreadable, "no path")),
        }
    }

    /// An object whose stored bytes are in memory.
    fn whole(&mut self, object: &Arc<Object>, stored: &[u8]) -> Result<(), Fault> {
        let limits = self.shared.limits;
        let Some(size) = Whole::stated_size(stored, limits.inflated_bytes_max) else {
            return self.stream(object, Box::new(stored));
        };
        // What inflates to little more than itself holds something compressed.
        if size < stored.len() * 3 / 2 && stored.len() > 4 << 10 {
            return self.stream(object, Box::new(stored));
        }
        let notes = Notes::default();
        let source = Source::Whole { stored, size, whole: &mut self.whole, notes: notes.clone() };
        let mut bytes = Bytes::new(source, self.shared);
        let flow = self.visitor.object(object, &mut bytes);
        let rerouted = matches!(bytes.source, Source::Rerouted);
        let seen = bytes.seen();
        if rerouted {
            return self.stream(object, Box::new(stored));
        }
        self.done(object, seen, &notes, flow);
        Ok(())
    }

    /// An object of any kind and size.
    fn stream(&mut self, object: &Arc<Object>, reader: Box<dyn Read + '_>) -> Result<(), Fault> {
        let notes = Notes::default();
        match inflate::open(reader, self.shared.limits, &notes)? {
            Opened::Bytes(layer) => {
                let mut bytes = Bytes::new(Source::Layer(layer), self.shared);
                let flow = self.visitor.object(object, &mut bytes);
                let seen = bytes.seen();
                self.done(object, seen, &notes, flow);
                Ok(())
            }
            Opened::Tar(_) | Opened::Zip(_) => Err(Fault::new(DefectKind::Unsupported, "an archive")),
        }
    }

    /// Counts an object that the visitor has seen.
    fn done(&mut self, object: &Arc<Object>, seen: Seen, notes: &Notes, flow: ControlFlow<()>) {
        self.tally.bytes_inflated += seen.delivered;
        count(&self.shared.progress.bytes_inflated, seen.delivered);
        for note in notes.take() {
            self.defect(object, seen.delivered, note);
        }
        if flow.is_break() {
            self.shared.stopped.store(true, Ordering::Relaxed);
        }
        let lost = seen.delivered == 0 && (seen.fault.is_some() || seen.cancelled);
        if lost {
            self.tally.skipped += 1;
            count(&self.shared.progress.skipped, 1);
        } else {
            self.tally.decoded += 1;
        }
        if let Some(fault) = seen.fault {
            self.defect(object, seen.delivered, fault);
        }
    }

    /// Counts an object that could not even be opened.
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

/// Reads all of a file that is said to have `size` bytes into the start of
/// `stored`, which stays initialised from file to file; at most a chunk more
/// than [`WHOLE_MAX`].
fn read_whole(file: &mut File, stored: &mut Vec<u8>, size: usize) -> io::Result<usize> {
    let mut length = 0;
    loop {
        // One byte of room more than expected: a file that has not grown is
        // read in one call that comes back short.
        let room = (size + 1).max(length + 1);
        if stored.len() < room {
            stored.resize(room.next_power_of_two(), 0);
        }
        let available = if length > size { stored.len() } else { room };
        match file.read(&mut stored[length..available]) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length == size && size > 0 || length as u64 > WHOLE_MAX {
            return Ok(length);
        }
    }
}

/// Where one object's bytes come from.
enum Source<'a> {
    /// A small gzip file, to be inflated in one call.
    Whole { stored: &'a [u8], size: usize, whole: &'a mut Whole, notes: Notes },
    /// Anything else.
    Layer(Box<dyn Layer + 'a>),
    /// A small gzip file that turned out to hold an archive.
    Rerouted,
}

/// One object's uncompressed bytes, capped.
struct Bytes<'a> {
    source: Source<'a>,
    limits: &'a Limits,
    progress: &'a Progress,
    delivered: u64,
    ended: bool,
    fault: Option<Fault>,
    cancelled: bool,
}

/// What became of an object's bytes.
struct Seen {
    delivered: u64,
    fault: Option<Fault>,
    cancelled: bool,
}

impl<'a> Bytes<'a> {
    fn new(source: Source<'a>, shared: &Shared<'a>) -> Bytes<'a> {
        let (limits, progress) = (shared.limits, shared.progress);
        Bytes { source, limits, progress, delivered: 0, ended: false, fault: None, cancelled: false }
    }

    fn seen(self) -> Seen {
        Seen { delivered: self.delivered, fault: self.fault, cancelled: self.cancelled }
    }

    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault> {
        match &mut self.source {
            Source::Layer(layer) => return layer.more(buffer, want),
            Source::Rerouted => return Err(Fault::new(DefectKind::Unsupported, "an archive")),
            Source::Whole { stored, size, whole, notes } => {
                let start = buffer.len();
                let (stored, notes) = (*stored, notes.clone());
                if whole.inflate(stored, *size, buffer) {
                    match inflate::sniff(&buffer[start..]) {
                        Magic::Plain | Magic::Empty => return Ok(Filled::End),
                        Magic::Utf16 => {
                            buffer.truncate(start);
                            return Err(Fault::new(DefectKind::Encoding, "UTF-16 text"));
                        }
                        Magic::Compressed(_) | Magic::Tar | Magic::Zip => buffer.truncate(start),
                    }
                } else if let Opened::Bytes(layer) = inflate::open(Box::new(stored), self.limits, &notes)? {
                    self.source = Source::Layer(layer);
                    return self.more(buffer, want);
                }
            }
        }
        self.source = Source::Rerouted;
        Err(Fault::new(DefectKind::Unsupported, "an archive"))
    }
}

impl Fill for Bytes<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> io::Result<Filled> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if self.ended {
            return Ok(Filled::End);
        }
        if self.progress.is_cancelled() {
            self.cancelled = true;
            return Err(io::Error::other("the run was cancelled"));
        }
        let start = buffer.len();
        let left = self.limits.inflated_bytes_max - self.delivered;
        let mut outcome = self.more(buffer, want.max(1).min(left.saturating_add(1) as usize));
        if (buffer.len() - start) as u64 > left {
            buffer.truncate(start + left as usize);
            outcome = Err(too_large("uncompressed", self.limits.inflated_bytes_max));
        }
        self.delivered += (buffer.len() - start) as u64;
        match outcome {
            Ok(filled) => {
                self.ended = filled == Filled::End;
                Ok(filled)
            }
            Err(fault) => {
                self.fault = Some(fault.clone());
                Err(fault.into())
            }
        }
    }

    fn size_hint(&self) -> Option<u64> {
        match &self.source {
            Source::Whole { size, .. } => Some(*size as u64),
            Source::Layer(layer) => layer.size_hint(),
            Source::Rerouted => None,
        }
    }
}

fn too_large(what: &str, max: u64) -> Fault {
    Fault::new(DefectKind::TooLarge, format!("more than {max} bytes {what}"))
}
