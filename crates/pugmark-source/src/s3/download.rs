//! Fetches objects ahead of the workers.
//!
//! ```text
//! entries ─▶ [ at most GETS_MAX requests, AHEAD bytes ] ─▶ channel ─▶ workers
//! ```
//!
//! What is bounded is bytes, not objects: a permit for an object's bytes is
//! held from before its request until a worker is done with it. Small objects
//! arrive whole, large ones as a stream of chunks. A body that breaks is
//! resumed at the byte where it broke, on condition that the object is still
//! the same; repeats are paid from a budget that successes fill, so that a
//! failing service is not asked more and more.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{Attribute, AttributeValue, Attributes, GetOptions, GetRange, ObjectStore};
use pugmark_event::{DefectKind, Limits};
use tokio::runtime::Handle as RuntimeHandle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::{Stores, reason};
use crate::fetch::WHOLE_MAX;
use crate::inflate::Fault;
use crate::list::Handle;
use crate::{Entry, Metadata, SourceError};

/// Requests under way at a time.
const GETS_MAX: usize = 64;

/// Bytes fetched ahead of the workers, in units.
const AHEAD_UNITS: usize = 64 << 10;
const UNIT: u64 = 1 << 10;

/// Chunks of a large object that wait for its worker.
const CHUNKS_MAX: usize = 16;

/// Repeats of one object's requests, beyond those that the client makes.
const REPEATS_MAX: u32 = 8;

/// A service that has not sent a byte of an object for so long will not.
const STALL_MAX: Duration = Duration::from_secs(20);
const ANSWER_MAX: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_mins(2);

/// Failures in a row, over all objects, after which the service is down.
const DOWN_AFTER: u64 = 96;

/// A repeat costs two tokens and a success earns one, so that repeats end when
/// a third of all requests fail for long.
const TOKENS: i64 = 200;
const REPEAT_COST: i64 = 2;

/// Objects on their way from S3.
pub(crate) struct Fetch {
    stores: Stores,
    arrived: Mutex<Receiver<Fetched>>,
    health: Arc<Health>,
}

/// An object that has arrived, or not.
pub(crate) struct Fetched {
    pub(crate) entry: Entry,
    pub(crate) metadata: Metadata,
    pub(crate) body: Body,
    /// Given back when the worker is done.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// What arrived of an object.
pub(crate) enum Body {
    Whole(Bytes),
    Streamed(Chunks),
    Failed(Fault),
}

impl Fetch {
    /// Begins to fetch `entries` in order.
    pub(crate) fn start(stores: Stores, entries: Vec<Entry>, limits: &Limits) -> Fetch {
        let (sender, arrived) = channel(GETS_MAX);
        let health = Arc::new(Health::new());
        let pump = Pump {
            buckets: stores.buckets.clone(),
            ahead: Arc::new(Semaphore::new(AHEAD_UNITS)),
            gets: Arc::new(Semaphore::new(GETS_MAX)),
            bytes_max: limits.object_bytes_max,
            health: health.clone(),
            sender,
        };
        stores.runtime().spawn(pump.run(entries));
        Fetch { stores, arrived: Mutex::new(arrived), health }
    }

    /// The next object to arrive; nothing after the last, or once it `is_over`.
    pub(crate) fn next(&self, is_over: impl Fn() -> bool) -> Option<Fetched> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime: &RuntimeHandle = self.stores.runtime().handle();
        while !is_over() {
            // Waiting costs a timer and two switches of threads; mostly there is no need.
            if let Ok(next) = arrived.try_recv() {
                return Some(next);
            }
            let next = async { timeout(Duration::from_millis(100), arrived.recv()).await };
            if let Ok(next) = runtime.block_on(next) {
                return next;
            }
        }
        None
    }

    /// Ends requests that nobody waits for any more.
    pub(crate) fn stop(&self) {
        self.health.stopped.store(true, Ordering::Relaxed);
    }

    /// That the service is down, if it is.
    pub(crate) fn outage(&self) -> Option<SourceError> {
        let health = &self.health;
        let successes = health.successes.load(Ordering::Relaxed);
        let never = successes == 0 && health.given_up.load(Ordering::Relaxed) > 0;
        if !health.is_down() && !never {
            return None;
        }
        let last = health.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (place, reason) = last?;
        Some(SourceError::Unreachable { place, reason })
    }
}

/// How the service has been doing.
struct Health {
    stopped: AtomicBool,
    tokens: AtomicI64,
    successes: AtomicU64,
    /// Objects given up although nothing is known to be wrong with them.
    given_up: AtomicU64,
    failures_in_row: AtomicU64,
    /// Place and reason of the last failure.
    last: Mutex<Option<(String, String)>>,
}

impl Health {
    fn new() -> Health {
        Health {
            stopped: AtomicBool::new(false),
            tokens: AtomicI64::new(TOKENS),
            successes: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            failures_in_row: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    fn is_down(&self) -> bool {
        self.failures_in_row.load(Ordering::Relaxed) >= DOWN_AFTER
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.is_down()
    }

    fn succeeded(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
        self.failures_in_row.store(0, Ordering::Relaxed);
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a failure and answers whether another try is affordable.
    fn failed(&self, place: &str, reason: &str, cost: i64) -> bool {
        self.failures_in_row.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((place.to_owned(), reason.to_owned()));
        self.tokens.fetch_sub(cost, Ordering::Relaxed) >= cost
    }
}

/// Starts the requests.
struct Pump {
    buckets: std::collections::HashMap<String, Arc<dyn ObjectStore>>,
    ahead: Arc<Semaphore>,
    gets: Arc<Semaphore>,
    bytes_max: u64,
    health: Arc<Health>,
    sender: Sender<Fetched>,
}

impl Pump {
    async fn run(self, entries: Vec<Entry>) {
        for entry in entries {
            let units = entry.bytes_stored.min(WHOLE_MAX).div_ceil(UNIT).max(1) as u32;
            // Both wait only while the semaphores are open, which is always.
            let Ok(permit) = self.ahead.clone().acquire_many_owned(units).await else { return };
            let Ok(get) = self.gets.clone().acquire_owned().await else { return };
            if self.health.is_over() || self.sender.is_closed() {
                return;
            }
            let download = self.download(&entry);
            let (sender, bytes_max) = (self.sender.clone(), self.bytes_max);
            tokio::spawn(async move {
                deliver(entry, download, bytes_max, permit, sender).await;
                drop(get);
            });
        }
    }

    fn download(&self, entry: &Entry) -> Result<Download, Fault> {
        let unreadable = |detail: String| Fault::new(DefectKind::Unreadable, detail);
        let Handle::S3(bucket) = &entry.handle else { return Err(unreadable("not in S3".into())) };
        let store = self.buckets.get(bucket.as_ref());
        let store = store.ok_or_else(|| unreadable(format!("bucket `{bucket}` is not open")))?;
        // `s3://`, the bucket, a slash, the key.
        let key = entry.object.name.get(bucket.len() + 6..).unwrap_or_default();
        let path = Path::parse(key).map_err(|error| unreadable(error.to_string()))?;
        Ok(Download {
            store: store.clone(),
            path,
            place: entry.object.name.clone(),
            health: self.health.clone(),
            body: None,
            offset: 0,
            seen: None,
            metadata: Metadata::new(),
            repeats: 0,
            broken_at: None,
        })
    }
}

/// Fetches one object and hands it over. A worker that is gone does not
/// matter: the channel then takes nothing, and the object is not counted here.
async fn deliver(
    entry: Entry,
    download: Result<Download, Fault>,
    bytes_max: u64,
    permit: OwnedSemaphorePermit,
    sender: Sender<Fetched>,
) {
    let size = entry.bytes_stored;
    let fetched = |metadata, body| Fetched { entry, metadata, body, permit: Some(permit) };
    let mut download = match download {
        Ok(_) if size > bytes_max => {
            let fault = Fault::new(DefectKind::TooLarge, format!("more than {bytes_max} bytes stored"));
            drop(sender.send(fetched(Metadata::new(), Body::Failed(fault))).await);
            return;
        }
        Ok(download) => download,
        Err(fault) => {
            drop(sender.send(fetched(Metadata::new(), Body::Failed(fault))).await);
            return;
        }
    };
    if size <= WHOLE_MAX {
        let body = download.whole(size as usize).await.map_or_else(Body::Failed, Body::Whole);
        drop(sender.send(fetched(download.metadata, body)).await);
        return;
    }
    let (chunks, receiver) = channel(CHUNKS_MAX);
    let reader = Chunks { receiver, ready: Bytes::new(), ended: false };
    // The metadata comes with the first answer.
    let mut next = Some(download.next().await);
    let metadata = std::mem::take(&mut download.metadata);
    if sender.send(fetched(metadata, Body::Streamed(reader))).await.is_err() {
        return;
    }
    loop {
        let chunk = match next.take() {
            Some(first) => first,
            None => download.next().await,
        };
        // No bytes: the end. Without it a reader takes the object for cut.
        let chunk = chunk.map(Option::unwrap_or_default);
        let is_last = chunk.as_ref().map_or(true, Bytes::is_empty);
        if chunks.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

/// One object, byte by byte, over as many requests as it takes.
struct Download {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Name for people.
    place: String,
    health: Arc<Health>,
    body: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    offset: u64,
    /// Size and tag that the first answer stated.
    seen: Option<(u64, Option<String>)>,
    /// User metadata that the first answer brought.
    metadata: Metadata,
    repeats: u32,
    /// Where the last request broke off.
    broken_at: Option<u64>,
}

enum Trouble {
    Store(object_store::Error),
    Stalled,
    Short,
}

impl From<object_store::Error> for Trouble {
    fn from(error: object_store::Error) -> Trouble {
        Trouble::Store(error)
    }
}

impl Download {
    /// All of an object of about `size` bytes.
    async fn whole(&mut self, size: usize) -> Result<Bytes, Fault> {
        let mut is_second_try = false;
        loop {
            match self.collect(size).await {
                Ok(bytes) => return Ok(bytes),
                // Nobody has seen the old bytes: begin again with the new ones.
                Err(Failure::Changed) if !is_second_try => {
                    is_second_try = true;
                    (self.offset, self.seen, self.body) = (0, None, None);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn collect(&mut self, size: usize) -> Result<Bytes, Failure> {
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        if first.len() >= size && self.is_complete() {
            return Ok(first);
        }
        let mut whole = Vec::with_capacity(size.max(first.len()));
        whole.extend_from_slice(&first);
        while let Some(chunk) = self.piece().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }

    /// The next chunk of a stream.
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        self.piece().await.map_err(Fault::from)
    }

    fn is_complete(&self) -> bool {
        self.seen.as_ref().is_some_and(|(size, _)| self.offset >= *size)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        match timeout(PATIENCE, self.patient_piece()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.give_up(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        }
    }

    async fn patient_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.step().await {
                Ok(chunk) => return Ok(chunk),
                Err(trouble) => {
                    self.body = None;
                    self.recover(trouble).await?;
                }
            }
        }
    }

    /// One chunk from the request under way, or from a new one for the rest.
    async fn step(&mut self) -> Result<Option<Bytes>, Trouble> {
        if self.is_complete() {
            return Ok(None);
        }
        if self.body.is_none() {
            let if_match = self.seen.as_ref().and_then(|(_, tag)| tag.clone());
            let range = (self.offset > 0).then_some(GetRange::Offset(self.offset));
            let options = GetOptions { range, if_match, ..GetOptions::default() };
            let answer = timeout(ANSWER_MAX, self.store.get_opts(&self.path, options)).await;
            let answer = answer.map_err(|_| Trouble::Stalled)??;
            if self.seen.is_none() {
                self.seen = Some((answer.meta.size, answer.meta.e_tag.clone()));
                self.metadata = user_metadata(&answer.attributes);
            }
            self.body = Some(answer.into_stream());
        }
        let Some(body) = &mut self.body else { return Ok(None) };
        let next = loop {
            let next = timeout(STALL_MAX, body.next()).await.map_err(|_| Trouble::Stalled)?;
            // An empty chunk would be taken for the end.
            if !matches!(&next, Some(Ok(chunk)) if chunk.is_empty()) {
                break next.transpose()?;
            }
        };
        if let Some(chunk) = &next {
            self.offset += chunk.len() as u64;
            self.health.failures_in_row.store(0, Ordering::Relaxed);
        }
        if self.is_complete() {
            self.health.succeeded();
        } else if next.is_none() {
            return Err(Trouble::Short);
        }
        Ok(next)
    }

    /// Waits before another try, unless there is no point in one.
    async fn recover(&mut self, trouble: Trouble) -> Result<(), Failure> {
        let reason = match &trouble {
            Trouble::Store(object_store::Error::Precondition { .. }) => return Err(Failure::Changed),
            Trouble::Store(error) if is_final(error) => {
                // The service works; it is this object that cannot be had.
                self.health.succeeded();
                return Err(Failure::Final(reason(error)));
            }
            Trouble::Store(error) => reason(error),
            Trouble::Stalled => "no answer in time".to_owned(),
            Trouble::Short => "the body ended early".to_owned(),
        };
        // A request that brought bytes was not in vain, and the next asks for fewer.
        let in_vain = self.broken_at.replace(self.offset).unwrap_or(0) == self.offset;
        let affordable = self.health.failed(&self.place, &reason, if in_vain { REPEAT_COST } else { 0 });
        if !affordable || self.repeats == REPEATS_MAX || self.health.is_over() {
            return Err(self.give_up(reason));
        }
        sleep(Duration::from_millis(25 << self.repeats)).await;
        self.repeats += 1;
        Ok(())
    }

    fn give_up(&self, reason: String) -> Failure {
        self.health.given_up.fetch_add(1, Ordering::Relaxed);
        Failure::Final(reason)
    }
}

/// Why an object cannot be fetched.
enum Failure {
    /// It is not the object any more that it was.
    Changed,
    Final(String),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        let detail = match failure {
            Failure::Changed => "the object changed while it was read".to_owned(),
            Failure::Final(reason) => reason,
        };
        Fault::new(DefectKind::Unreadable, detail)
    }
}

/// What the writer of an object said of it.
fn user_metadata(attributes: &Attributes) -> Metadata {
    let of_user = |(name, value): (&Attribute, &AttributeValue)| match name {
        Attribute::Metadata(name) => Some((name.to_ascii_lowercase(), value.as_ref().to_owned())),
        _ => None,
    };
    attributes.iter().filter_map(of_user).collect()
}

/// True if asking again would bring the same answer.
fn is_final(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    match error {
        E::NotFound { .. }
        | E::InvalidPath { .. }
        | E::NotSupported { .. }
        | E::PermissionDenied { .. }
        | E::Unauthenticated { .. }
        | E::NotImplemented { .. } => true,
        E::Generic { .. } => ["InvalidObjectState", "PermanentRedirect", "InvalidRange"]
            .iter()
            .any(|code| error.to_string().contains(code)),
        _ => false,
    }
}

/// A large object's bytes, as its worker reads them.
pub(crate) struct Chunks {
    receiver: Receiver<Result<Bytes, Fault>>,
    ready: Bytes,
    ended: bool,
}

impl Read for Chunks {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.ready = chunk?,
                None => return Err(io::Error::other("the download was ended")),
            }
            self.ended = self.ready.is_empty();
        }
        let count = self.ready.len().min(target.len());
        self.ready.copy_to_slice(&mut target[..count]);
        Ok(count)
    }
}
