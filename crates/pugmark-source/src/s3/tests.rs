//! Fetching from a store that fails in every way a store can.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ::bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use pugmark_event::{Defect, DefectKind, Fill, Filled, Limits, Object, Tally, TimeRange, parse_time};

use super::*;
use crate::fetch::{Run, WHOLE_MAX};
use crate::{Listing, Progress, Selection, Visitor};

/// What goes wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mishap {
    None,
    /// 503, or no connection.
    Transient,
    /// The body breaks after so many bytes.
    Reset(usize),
    /// The body ends early without an error.
    Short(usize),
    /// The object is written anew before it is read on.
    Replaced,
    Denied,
}

/// Decides by path and number of the request for that path.
type Plan = Box<dyn Fn(&str, u32) -> Mishap + Send + Sync>;

/// A store in memory whose downloads go wrong as planned.
struct FaultyStore {
    inner: InMemory,
    plan: Plan,
    asked: StdMutex<HashMap<Path, u32>>,
    gets: AtomicU64,
    /// Prefixes listed.
    lists: StdMutex<Vec<String>>,
}

impl FaultyStore {
    fn new(plan: impl Fn(&str, u32) -> Mishap + Send + Sync + 'static) -> Arc<FaultyStore> {
        Arc::new(FaultyStore {
            inner: InMemory::new(),
            plan: Box::new(plan),
            asked: StdMutex::default(),
            gets: AtomicU64::new(0),
            lists: StdMutex::default(),
        })
    }

    fn listed(&self, prefix: Option<&Path>) {
        self.lists.lock().unwrap().push(prefix.map_or("", |prefix| prefix.as_ref()).to_owned());
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn slow_down() -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: "503 <Code>SlowDown</Code>".into() }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, to: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.inner.put_opts(to, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let request = {
            let mut asked = self.asked.lock().unwrap();
            let count = asked.entry(path.clone()).or_default();
            *count += 1;
            *count
        };
        let mishap = (self.plan)(path.as_ref(), request);
        match mishap {
            Mishap::Transient => return Err(slow_down()),
            Mishap::Denied => {
                let source = "403 <Code>AccessDenied</Code><Message>no</Message>".into();
                return Err(object_store::Error::PermissionDenied { path: path.to_string(), source });
            }
            Mishap::Replaced => {
                let old = self.inner.get(path).await?.bytes().await?;
                self.inner.put(path, old.repeat(2).into()).await?;
            }
            _ => {}
        }
        let mut result = self.inner.get_opts(path, options).await?;
        let (kept, error) = match mishap {
            Mishap::Reset(kept) => (kept, Some(slow_down())),
            Mishap::Short(kept) => (kept, None),
            _ => return Ok(result),
        };
        let (meta, range, attributes) =
            (result.meta.clone(), result.range.clone(), result.attributes.clone());
        result.payload = GetResultPayload::Stream(
            GetResult { payload: result.payload, meta, range, attributes }.into_stream(),
        );
        let whole = result.bytes().await?;
        let meta = self.inner.head(path).await?;
        let first = whole.slice(..kept.min(whole.len()));
        let chunks: Vec<StoreResult<Bytes>> =
            [Some(Ok(first)), error.map(Err)].into_iter().flatten().collect();
        let payload = GetResultPayload::Stream(stream::iter(chunks).boxed());
        let range = 0..meta.size;
        Ok(GetResult { payload, meta, range, attributes: object_store::Attributes::default() })
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.listed(prefix);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.listed(prefix);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Remembers everything.
#[derive(Default)]
struct Recorder {
    objects: Vec<(String, Vec<u8>)>,
    defects: Vec<Defect>,
    store: Option<Arc<FaultyStore>>,
    gets_at_first: u64,
}

impl Visitor for Recorder {
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        if let (Some(store), true) = (&self.store, self.objects.is_empty()) {
            self.gets_at_first = store.gets.load(Ordering::Relaxed);
        }
        let mut bytes = Vec::new();
        while let Ok(Filled::More) = fill.fill(&mut bytes, 64 << 10) {}
        self.objects.push((object.name.clone(), bytes));
        ControlFlow::Continue(())
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }
}

struct Seen {
    objects: Vec<(String, Vec<u8>)>,
    defects: Vec<Defect>,
    tally: Tally,
    gets_at_first: u64,
}

fn stores_of(store: &Arc<FaultyStore>) -> Stores {
    let mut stores = Stores::none().unwrap();
    stores.buckets.insert("trail-logs".into(), store.clone());
    stores
}

fn fill(store: &Arc<FaultyStore>, objects: impl IntoIterator<Item = (String, Bytes)>) {
    let objects: Vec<_> = objects.into_iter().collect();
    let stores = Stores::none().unwrap();
    let put = async {
        for (key, bytes) in objects {
            store.inner.put(&Path::from(key), bytes.into()).await.unwrap();
        }
        Ok(())
    };
    stores.wait(put).unwrap();
}

fn find(store: &Arc<FaultyStore>, prefix: &str, selection: &Selection) -> Result<Listing, SourceError> {
    let (limits, progress) = (Limits::default(), Progress::default());
    let mut found = Found::new(selection, &limits, &progress);
    let opened: Arc<dyn ObjectStore> = store.clone();
    stores_of(store).wait(folders::list(&opened, "trail-logs", prefix, &mut found))?;
    Ok(found.finish())
}

fn read(store: &Arc<FaultyStore>, threads: usize) -> Result<Seen, SourceError> {
    let listing = find(store, "", &Selection::default())?;
    let (limits, progress) = (Limits::default(), Progress::default());
    let run = Run { limits: &limits, threads, progress: &progress };
    let make = |_| Recorder { store: Some(store.clone()), ..Recorder::default() };
    let (recorders, tally) = run.visit(listing, Some(stores_of(store)), make)?;
    assert!(tally.balances(), "{tally:?}");
    let gets_at_first = recorders[0].gets_at_first;
    let (mut objects, mut defects) = (Vec::new(), Vec::new());
    for recorder in recorders {
        objects.extend(recorder.objects);
        defects.extend(recorder.defects);
    }
    objects.sort();
    Ok(Seen { objects, defects, tally, gets_at_first })
}

fn numbered(count: usize) -> Vec<(String, Bytes)> {
    (0..count)
        .map(|number| (format!("{number:05}.json"), format!("{{\"number\":{number}}}").into()))
        .collect()
}

/// A number between 0 and 99 that looks like chance.
fn dice(path: &str, request: u32) -> u32 {
    let mixed = path.bytes().fold(request.wrapping_mul(0x9e37_79b9), |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193).rotate_left(5)
    });
    (mixed >> 8) % 100
}

fn assert_nothing_lost(store: &Arc<FaultyStore>, objects: &[(String, Bytes)]) {
    let seen = read(store, 2).unwrap();
    assert_eq!(seen.defects, []);
    assert_eq!(seen.objects.len(), objects.len());
    for ((name, read), (key, stored)) in seen.objects.iter().zip(objects) {
        assert_eq!((name.as_str(), &read[..]), (format!("s3://trail-logs/{key}").as_str(), &stored[..]));
    }
}

#[test]
fn one_fault_in_twenty_loses_nothing_and_costs_little() {
    let store = FaultyStore::new(|path, request| match dice(path, request) {
        0..3 => Mishap::Transient,
        3..5 => Mishap::Reset(7),
        _ => Mishap::None,
    });
    let objects = numbered(2_000);
    fill(&store, objects.clone());
    assert_nothing_lost(&store, &objects);
    let gets = store.gets.load(Ordering::Relaxed);
    assert!((2_001..2_600).contains(&gets), "{gets}");
}

#[test]
fn one_fault_in_five_loses_nothing() {
    let store = FaultyStore::new(|path, request| match dice(path, request) {
        0..10 => Mishap::Transient,
        10..15 => Mishap::Reset(3),
        15..20 => Mishap::Short(5),
        _ => Mishap::None,
    });
    let objects = numbered(2_000);
    fill(&store, objects.clone());
    assert_nothing_lost(&store, &objects);
}

#[test]
fn a_body_that_breaks_anywhere_is_resumed_there() {
    let text: Vec<u8> = (0..=255).collect();
    let objects: Vec<_> = (0..text.len()).map(|at| (format!("{at:03}"), Bytes::from(text.clone()))).collect();
    let store = FaultyStore::new(|path, request| match request {
        1 => Mishap::Reset(path.parse().unwrap()),
        _ => Mishap::None,
    });
    fill(&store, objects.clone());
    assert_nothing_lost(&store, &objects);
}

#[test]
fn a_large_object_is_streamed_and_resumed() {
    let text: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    assert!(text.len() as u64 > WHOLE_MAX);
    let store =
        FaultyStore::new(|_, request| if request < 4 { Mishap::Reset(1_234_567) } else { Mishap::None });
    let objects = vec![("large.json".to_owned(), Bytes::from(text))];
    fill(&store, objects.clone());
    assert_nothing_lost(&store, &objects);
}

#[test]
fn an_object_that_changes_is_read_anew_or_given_up() {
    let store = FaultyStore::new(|path, request| match request {
        1 => Mishap::Reset(if path == "large.json" { 100_000 } else { 2 }),
        2 => Mishap::Replaced,
        _ => Mishap::None,
    });
    let large = Bytes::from(vec![b' '; WHOLE_MAX as usize + 1]);
    fill(&store, [("large.json".to_owned(), large), ("small.json".to_owned(), Bytes::from("{}12"))]);
    let seen = read(&store, 1).unwrap();
    assert_eq!(seen.objects[1].1, b"{}12{}12", "nobody had seen the old bytes");
    assert_eq!(seen.objects[0].1.len(), 100_000);
    let kinds: Vec<_> = seen.defects.iter().map(|defect| (defect.kind, defect.detail.as_str())).collect();
    assert_eq!(kinds, [(DefectKind::Unreadable, "the object changed while it was read")]);
}

#[test]
fn a_permanent_fault_names_its_object_and_the_rest_goes_on() {
    let store = FaultyStore::new(|path, _| if path == "00007.json" { Mishap::Denied } else { Mishap::None });
    fill(&store, numbered(20));
    let seen = read(&store, 2).unwrap();
    assert_eq!((seen.objects.len(), seen.tally.decoded, seen.tally.skipped), (19, 19, 1));
    assert_eq!(seen.defects.len(), 1);
    assert_eq!(
        seen.defects[0].to_string(),
        "unreadable at `s3://trail-logs/00007.json` byte 0: AccessDenied: no"
    );
}

#[test]
fn a_total_outage_is_one_sentence() {
    let store = FaultyStore::new(|_, _| Mishap::Transient);
    fill(&store, numbered(100));
    let error = read(&store, 2).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), "unreachable");
    assert!(error.to_string().ends_with(": SlowDown"), "{error}");
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn an_outage_on_the_way_leaves_what_was_read() {
    let store = FaultyStore::new(|path, _| if path < "00300" { Mishap::None } else { Mishap::Transient });
    fill(&store, numbered(600));
    let seen = read(&store, 2).unwrap();
    assert_eq!(seen.objects.len(), 300);
    assert_eq!((seen.tally.decoded, seen.tally.skipped), (300, 300));
    assert!(seen.tally.is_partial());
    assert!(seen.defects.iter().any(|defect| defect.detail.contains("were not fetched")));
}

#[test]
fn bytes_ahead_of_the_workers_are_bounded() {
    let store = FaultyStore::new(|_, _| Mishap::None);
    let large = Bytes::from(vec![b' '; WHOLE_MAX as usize]);
    fill(&store, (0..40).map(|number| (format!("{number:02}"), large.clone())));
    let seen = read(&store, 1).unwrap();
    assert_eq!(seen.tally.decoded, 40);
    assert!(seen.gets_at_first <= 16, "{}", seen.gets_at_first);
}

/// Remembers metadata alone.
#[derive(Default)]
struct Metadatas(Vec<(String, crate::Metadata)>);

impl Visitor for Metadatas {
    fn object(&mut self, _: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let mut bytes = Vec::new();
        while let Ok(Filled::More) = fill.fill(&mut bytes, 64 << 10) {}
        ControlFlow::Continue(())
    }

    fn metadata(&mut self, object: &Arc<Object>, metadata: &crate::Metadata) {
        self.0.push((object.name.clone(), metadata.clone()));
    }

    fn defect(&mut self, _: Defect) {}
}

#[test]
fn user_metadata_come_before_small_objects_and_large_ones() {
    let store = FaultyStore::new(|_, request| if request == 1 { Mishap::Transient } else { Mishap::None });
    let put = async {
        for (key, size) in [("a.json", 10), ("b.json", WHOLE_MAX as usize + 1), ("c.json", 10)] {
            let mut attributes = object_store::Attributes::new();
            if key != "c.json" {
                attributes.insert(object_store::Attribute::Metadata("Signature".into()), key.into());
            }
            let options = PutOptions { attributes, ..PutOptions::default() };
            store.inner.put_opts(&Path::from(key), vec![b' '; size].into(), options).await.unwrap();
        }
        Ok(())
    };
    Stores::none().unwrap().wait(put).unwrap();
    let listing = find(&store, "", &Selection::default()).unwrap();
    let (limits, progress) = (Limits::default(), Progress::default());
    let run = Run { limits: &limits, threads: 2, progress: &progress };
    let (visitors, _) = run.visit(listing, Some(stores_of(&store)), |_| Metadatas::default()).unwrap();
    let mut seen: Vec<_> = visitors.into_iter().flat_map(|visitor| visitor.0).collect();
    seen.sort();
    let expected = ["a.json", "b.json"]
        .map(|key| (format!("s3://trail-logs/{key}"), [("signature".to_owned(), key.to_owned())].into()));
    assert_eq!(seen, expected);
}

#[test]
fn a_folders_marker_is_routed_in_silence_and_an_empty_object_is_not() {
    let store = FaultyStore::new(|_, _| Mishap::None);
    fill(&store, [("logs".to_owned(), Bytes::new()), ("logs/a.json.gz".to_owned(), Bytes::new())]);
    let seen = read(&store, 1).unwrap();
    assert_eq!((seen.tally.listed, seen.tally.routed, seen.tally.skipped), (2, 1, 1));
    assert_eq!(seen.defects[0].kind, DefectKind::Empty);
}

#[test]
fn only_folders_that_may_hold_what_is_wanted_are_listed() {
    let store = FaultyStore::new(|_, _| Mishap::None);
    let mut keys = Vec::new();
    for account in ["111122223333", "444455556666"] {
        for region in ["eu-west-1", "us-east-1"] {
            for month in 1..=12 {
                keys.push(format!("AWSLogs/{account}/CloudTrail/{region}/2026/{month:02}/15/x.json.gz"));
            }
        }
        keys.push(format!("AWSLogs/{account}/Config/eu-west-1/2026/1/15/x.json.gz"));
    }
    fill(&store, keys.into_iter().map(|key| (key, Bytes::from("{}"))));
    let since = parse_time(b"2026-03-15T12:00:00Z");
    let selection = Selection {
        accounts: vec!["444455556666".into()],
        regions: vec!["us-east-1".into()],
        range: TimeRange { since, until: since.map(|time| time + 1) },
        ..Selection::default()
    };
    let listing = find(&store, "AWSLogs/", &selection).unwrap();
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(
        listing.entries[0].object.name,
        "s3://trail-logs/AWSLogs/444455556666/CloudTrail/us-east-1/2026/03/15/x.json.gz"
    );
    let lists = store.lists.lock().unwrap();
    let root = "AWSLogs/444455556666/CloudTrail";
    assert!(lists.iter().all(|prefix| prefix.len() < root.len() || prefix.starts_with(root)), "{lists:?}");
    assert!(lists.len() <= 7, "{lists:?}");
}

#[test]
fn a_prefix_is_a_folder_if_there_is_one_and_else_the_start_of_a_name() {
    let store = FaultyStore::new(|_, _| Mishap::None);
    let keys = ["logs/a.json", "logs-old/b.json", "logs-old/2026/c.json", "logger.json"];
    fill(&store, keys.map(|key| (key.to_owned(), Bytes::from("{}"))));
    let names = |prefix: &str| {
        let listing = find(&store, prefix, &Selection::default()).unwrap();
        listing
            .entries
            .iter()
            .map(|entry| entry.object.name["s3://trail-logs/".len()..].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("logs"), ["logs/a.json"]);
    assert_eq!(names("logs/"), ["logs/a.json"]);
    assert_eq!(names("logs-"), ["logs-old/2026/c.json", "logs-old/b.json"]);
    assert_eq!(names("log"), ["logger.json", "logs-old/2026/c.json", "logs-old/b.json", "logs/a.json"]);
    assert_eq!(names("logs-old/2026/c.json"), ["logs-old/2026/c.json"]);
    assert_eq!(names("nothing").len(), 0);
}

#[test]
fn prefixes_inside_others_are_listed_once() {
    let locations: Vec<Location> =
        ["s3://trail/a/", "s3://trail/a/b", "s3://trail/a", "s3://trail/ab", "s3://other"]
            .iter()
            .map(|text| Location::parse(text).unwrap())
            .collect();
    let buckets = buckets(&locations);
    assert_eq!(buckets["trail"], ["a", "ab"]);
    assert_eq!(buckets["other"], [""]);
}

#[test]
fn the_services_own_words_are_the_reason() {
    let wordy = "Error performing GET: <Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>";
    let error = object_store::Error::Generic { store: "S3", source: wordy.into() };
    assert_eq!(reason(&error), "NoSuchBucket: gone");
    let told = listing_error("s3://trail-logs/a".into(), &error);
    assert_eq!((told.kind(), told.to_string().as_str()), ("not-found", "cannot find bucket `trail-logs`"));
}
