//! A year of digests, for measuring verification.
//!
//! ```text
//! year serve FOLDER HOURS FILES_AN_HOUR   makes a trail and serves it
//! year cost FOLDER ROUNDS                 what inflating, hashing and judging cost
//! ```
//!
//! `serve` fills a bucket in memory, with one log file changed and one missing
//! in the middle, copies it to `FOLDER/copy` and its public key to
//! `FOLDER/keys.json`, serves it on the loopback address, prints one line of
//! JSON about it, and ends when its standard input does. `cost` prints a line
//! of JSON per round and step. `benches/verify.py` runs both; CPU seconds come
//! from `/proc`, so it is for Linux.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails there")]
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/evidence/bucket.rs"]
mod bucket;
#[path = "../tests/evidence/server.rs"]
mod server;

use std::fs;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pugmark_event::{Defect, Fill, Filled, Limits, Object, format_time};
use pugmark_integrity::{Evidence, PublicKeys, Question, Reading, gather, judge, sha256};
use pugmark_source::{Access, Contents, Listing, Location, Progress, Selection, Visitor, list, visit};

use bucket::{ACCOUNT, BUCKET, MINUTE, REGION, Store, Trail, beginning, gzip, public_key};
use server::{Service, serve};

/// Keys of one page of a listing, as in S3.
const PAGE: usize = 1_000;

/// Records of one log file.
const RECORDS: usize = 40;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words[at].parse().unwrap();
    match words[0].as_str() {
        "serve" => serve_year(Path::new(&words[1]), number(2), number(3)),
        "cost" => cost(Path::new(&words[1]), number(2)),
        other => println!("no measurement is called `{other}`"),
    }
}

fn serve_year(folder: &Path, hours: u32, files: u32) {
    let (mut store, mut trail) = (Store::default(), Trail { files_an_hour: files, ..Trail::default() });
    let bytes_inflated = fill(&mut store, &mut trail, hours);
    let middle = trail.logs.len() / 2;
    store.rewrite(&trail.logs[middle].clone(), |text| text.replacen("GetObject", "GetObjecu", 1));
    store.remove(&trail.logs[middle + 1].clone());
    let objects = store.objects.len();
    let bytes_stored: usize = store.objects.values().map(|object| object.bytes.len()).sum();
    store.copy_to(&folder.join("copy"), false);
    let mut key = public_key();
    (key.since, key.until) = (Some(beginning() - MINUTE), Some(trail.now + MINUTE));
    let mut keys = PublicKeys::default();
    keys.insert(key.clone());
    fs::write(folder.join("keys.json"), keys.to_key_file()).unwrap();
    let address = serve(Service { store, keys: vec![key], page: PAGE, ..Service::default() });
    let about = serde_json::json!({
        "address": address, "bucket": BUCKET, "region": REGION,
        "trail": format!("arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"),
        "since": format_time(beginning() - MINUTE), "until": format_time(trail.now + MINUTE),
        "digests": hours, "log_files": trail.logs.len() - 1, "objects": objects,
        "bytes_stored": bytes_stored, "bytes_inflated": bytes_inflated,
    });
    println!("{about}");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// Hours as the tests have them, with log files of a usual size. Answers their
/// uncompressed bytes.
fn fill(store: &mut Store, trail: &mut Trail, hours: u32) -> usize {
    let mut bytes = 0;
    for hour in 0..hours {
        let start = trail.now;
        for number in 0..trail.files_an_hour {
            let minutes = MINUTE + i64::from(number) * 50 * MINUTE / i64::from(trail.files_an_hour);
            let place = trail.deliver(store, start + minutes);
            let text = text((hour * trail.files_an_hour + number) as usize * RECORDS);
            bytes += text.len();
            store.put(&place, gzip(text.as_bytes()));
            trail.waiting.last_mut().unwrap().sha256 = sha256(text.as_bytes());
        }
        let end = start + bucket::HOUR;
        let files = std::mem::take(&mut trail.waiting);
        let digest = trail.digest(start, end, trail.place(trail.digest_key(end, "")), files);
        trail.put(store, digest);
        trail.now = end;
    }
    bytes
}

/// A log file whose records are numbered from `first`.
fn text(first: usize) -> String {
    let record = |number: usize| {
        format!(
            "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"AssumedRole\",\"accountId\":\"{ACCOUNT}\"}},\
             \"eventTime\":\"2026-01-15T10:{:02}:00Z\",\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"GetObject\",\
             \"awsRegion\":\"{REGION}\",\"sourceIPAddress\":\"192.0.2.{}\",\"requestParameters\":{{\"key\":\"{:x}\"}},\
             \"eventID\":\"{:032x}\",\"readOnly\":true,\"eventType\":\"AwsApiCall\"}}",
            number % 60,
            number % 250,
            number * 7_919,
            number * 2_654_435_761
        )
    };
    let records: Vec<String> = (first..first + RECORDS).map(record).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

fn cost(folder: &Path, rounds: u32) {
    let copy = folder.join("copy").display().to_string();
    let mut keys = PublicKeys::default();
    keys.add(&fs::read(folder.join("keys.json")).unwrap(), "keys.json").unwrap();
    for _ in 0..rounds {
        timed("list", || find(&copy));
        let listing = find(&copy);
        let bytes = timed("inflate", || inflate(listing));
        timed("sha256", || hash_alone(bytes));
        let listing = find(&copy);
        let evidence = timed("inflate and hash", || collect(listing));
        timed("judge", || judge(&evidence, &keys, &Question::default()));
    }
}

/// Prints what `run` takes in wall and CPU seconds.
fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let value = run();
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{}", serde_json::json!({ "what": what, "wall": wall, "cpu": cpu }));
    value
}

/// Of all threads of this process, ended ones too.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn find(source: &str) -> Listing {
    let selection = Selection { contents: Contents::Evidence, ..Selection::default() };
    let location = Location::parse(source).unwrap();
    list(&[location], &selection, &Access::default(), &Limits::default(), &Progress::default()).unwrap()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Inflates every object and does nothing with the bytes.
fn inflate(listing: Listing) -> u64 {
    struct Nothing(Vec<u8>);
    impl Visitor for Nothing {
        fn object(&mut self, _: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
            loop {
                self.0.clear();
                if !matches!(fill.fill(&mut self.0, 256 << 10), Ok(Filled::More)) {
                    return ControlFlow::Continue(());
                }
            }
        }

        fn defect(&mut self, _: Defect) {}
    }
    let (limits, progress) = (Limits::default(), Progress::default());
    let visited = visit(listing, &Access::default(), &limits, threads(), &progress, |_| Nothing(Vec::new()));
    visited.unwrap().1.bytes_inflated
}

/// Hashes so many bytes in portions of a log file, on one thread.
fn hash_alone(bytes: u64) {
    let text = text(0);
    for _ in 0..bytes / text.len() as u64 {
        black_box(sha256(black_box(text.as_bytes())));
    }
}

fn collect(listing: Listing) -> Evidence {
    let (access, limits, progress) = (Access::default(), Limits::default(), Progress::default());
    let reading = Reading { access: &access, limits: &limits, threads: threads(), progress: &progress };
    gather(listing, &reading).unwrap().0
}
