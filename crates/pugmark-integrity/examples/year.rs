//! A year of digests, verified by us and by the AWS CLI, in turns.
//!
//! ```text
//! year HOURS FILES_AN_HOUR ROUNDS [PYTHON]
//! ```
//!
//! Fills a bucket in memory, serves it on the loopback address, copies it to a
//! temporary folder, and prints seconds: inflating the copy, hashing it,
//! verifying it, verifying the bucket, and `aws cloudtrail validate-logs` run
//! by the interpreter `PYTHON`. It needs `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY` and `AWS_REGION=eu-west-1` in the environment.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails there")]
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/evidence/bucket.rs"]
mod bucket;
#[path = "../tests/evidence/server.rs"]
mod server;

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use pugmark_event::{Defect, Fill, Filled, Limits, Object, format_time};
use pugmark_integrity::{Question, Reading, Standing, gather, judge};
use pugmark_source::{Access, Contents, Listing, Location, Progress, Selection, Visitor, list, visit};

use bucket::{ACCOUNT, BUCKET, MINUTE, REGION, SIGNER, Store, Trail, beginning, gzip, keys, public_key};
use server::{Service, serve};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u32| words.get(at).map_or(default, |word| word.parse().unwrap());
    let (hours, files, rounds) = (number(0, 8_760), number(1, 12), number(2, 3));
    let (mut store, mut trail) = (Store::default(), Trail { files_an_hour: files, ..Trail::default() });
    let started = Instant::now();
    fill(&mut store, &mut trail, hours);
    let (mut stored, count) = (0, store.objects.len());
    store.objects.values().for_each(|object| stored += object.bytes.len());
    println!("made {count} objects of {stored} bytes in {:.1} s", started.elapsed().as_secs_f64());
    let folder = tempfile::tempdir().unwrap();
    store.copy_to(folder.path(), true);
    let mut key = public_key();
    (key.since, key.until) = (Some(beginning() - MINUTE), Some(trail.now + MINUTE));
    let address = serve(Service { store, keys: vec![key], trails: Vec::new() });
    let disk = folder.path().display().to_string();
    let bucket = format!("s3://{BUCKET}/");
    for round in 0..rounds {
        let mut line = format!("round {round}:");
        timed(&mut line, "inflate", || inflate(&disk, &address));
        timed(&mut line, "hash", || drop(collect(&disk, &address)));
        timed(&mut line, "verify disk", || verify(&disk, &address));
        timed(&mut line, "verify bucket", || verify(&bucket, &address));
        if let Some(python) = words.get(3) {
            timed(&mut line, "AWS CLI", || aws_cli(python, &address, trail.now));
        }
        println!("{line}");
    }
}

/// Hours as the tests have them, with log files of a usual size.
fn fill(store: &mut Store, trail: &mut Trail, hours: u32) {
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
    for hour in 0..hours {
        let start = trail.now;
        for number in 0..trail.files_an_hour {
            let place = trail.deliver(
                store,
                start + MINUTE + i64::from(number) * 50 * MINUTE / i64::from(trail.files_an_hour),
            );
            let first = (hour * trail.files_an_hour + number) as usize * 40;
            let records: Vec<String> = (first..first + 40).map(record).collect();
            let text = format!("{{\"Records\":[{}]}}", records.join(","));
            store.put(&place, gzip(text.as_bytes()));
            trail.waiting.last_mut().unwrap().sha256 = pugmark_integrity::sha256(text.as_bytes());
        }
        let end = start + bucket::HOUR;
        let files = std::mem::take(&mut trail.waiting);
        let digest = trail.digest(start, end, trail.place(trail.digest_key(end, "")), files);
        trail.put(store, digest);
        trail.now = end;
    }
    assert!(SIGNER.fingerprint().len() == 32);
}

fn timed(line: &mut String, what: &str, run: impl FnOnce()) {
    let started = Instant::now();
    run();
    write!(line, " {what} {:.2} s", started.elapsed().as_secs_f64()).unwrap();
}

fn find(source: &str, address: &str) -> (Listing, Access) {
    let access = Access { endpoint_url: Some(address.to_owned()), ..Access::default() };
    let selection = Selection { contents: Contents::Evidence, ..Selection::default() };
    let location = Location::parse(source).unwrap();
    let listing = list(&[location], &selection, &access, &Limits::default(), &Progress::default());
    (listing.unwrap(), access)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Inflates every object and does nothing with the bytes.
fn inflate(source: &str, address: &str) {
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
    let (listing, access) = find(source, address);
    let (limits, progress) = (Limits::default(), Progress::default());
    visit(listing, &access, &limits, threads(), &progress, |_| Nothing(Vec::new())).unwrap();
}

fn collect(source: &str, address: &str) -> pugmark_integrity::Evidence {
    let (listing, access) = find(source, address);
    let (limits, progress) = (Limits::default(), Progress::default());
    let reading = Reading { access: &access, limits: &limits, threads: threads(), progress: &progress };
    gather(listing, &reading).unwrap().0
}

fn verify(source: &str, address: &str) {
    let report = judge(&collect(source, address), &keys(), &Question::default());
    assert_eq!(report.standing(), Standing::Proven);
}

fn aws_cli(python: &str, address: &str, end: i64) {
    let arn = format!("arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main");
    let (start, end) = (format_time(beginning() - MINUTE), format_time(end + MINUTE));
    let output = Command::new(python)
        .args(["-m", "awscli", "cloudtrail", "validate-logs", "--trail-arn", &arn])
        .args(["--start-time", &start, "--end-time", &end, "--region", REGION, "--s3-bucket", BUCKET])
        .env("AWS_ENDPOINT_URL", address)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
