//! What a generated trail is like, seen from its files.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pugmark_sim::{Options, Truth, generate, sample_file};
use serde_json::Value;

/// A fresh directory of the test's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    path
}

/// Every object of a trail by key, not compressed.
fn objects(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.join("AWSLogs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let body = unpacked(&fs::read(&path).unwrap());
            let key = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(key, body);
        }
    }
    found
}

#[expect(clippy::disallowed_types, reason = "reads back single members that the generator wrote")]
fn unpacked(packed: &[u8]) -> String {
    let mut body = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut body).unwrap();
    body
}

fn records(body: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(body).unwrap();
    file["Records"].as_array().unwrap().clone()
}

fn made(name: &str, options: &Options) -> (Truth, BTreeMap<String, String>) {
    let root = directory(name);
    let truth = generate(&root, options, &|_| {}).unwrap();
    (truth, objects(&root))
}

fn small() -> Options {
    Options { events: 8_000, days: 4, ..Options::default() }
}

/// One small trail and its records, made once for all tests that only look.
fn shared() -> &'static (Truth, BTreeMap<String, String>, Vec<Value>) {
    static SHARED: OnceLock<(Truth, BTreeMap<String, String>, Vec<Value>)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (truth, objects) = made("shared", &small());
        let all = objects.values().flat_map(|body| records(body)).collect();
        (truth, objects, all)
    })
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_threads() {
    let (first_truth, first) = made("same-1", &Options { threads: 1, events: 3_000, ..small() });
    let (second_truth, second) = made("same-2", &Options { threads: 3, events: 3_000, ..small() });
    assert_eq!(first_truth, second_truth);
    assert!(first == second, "the objects differ");
    let (_, other) = made("same-3", &Options { seed: 2, events: 3_000, ..small() });
    assert!(first != other, "another seed gives another trail");
}

#[test]
fn the_truth_counts_what_lies_in_the_files() {
    let (truth, objects, all) = shared();
    let ids: BTreeSet<&str> = all.iter().map(|record| text(record, "/eventID")).collect();
    assert_eq!(truth.events, 8_000);
    assert_eq!(ids.len() as u64, truth.events);
    assert_eq!(all.len() as u64, truth.records);
    assert_eq!(truth.records, truth.events + truth.duplicates);
    assert_eq!(objects.len() as u64, truth.files);
    assert_eq!(objects.values().map(|body| body.len() as u64).sum::<u64>(), truth.bytes_inflated);
}

#[test]
fn a_trail_looks_like_a_real_one() {
    let (truth, objects) = made("statistics", &Options { events: 20_000, days: 10, ..Options::default() });
    let files: Vec<Vec<Value>> = objects.values().map(|body| records(body)).collect();
    let all: Vec<&Value> = files.iter().flatten().collect();
    let share = |test: &dyn Fn(&Value) -> bool| {
        all.iter().filter(|record| test(record)).count() as f64 / all.len() as f64
    };
    let errors = share(&|record| record.get("errorCode").is_some());
    assert!((0.065..0.095).contains(&errors), "errors {errors}");
    let deliveries = share(&|record| {
        text(record, "/userIdentity/type") == "AWSService"
            && matches!(text(record, "/eventName"), "PutObject" | "GetBucketAcl" | "GenerateDataKey")
    });
    assert!((0.55..0.65).contains(&deliveries), "deliveries {deliveries}");
    let repeated = truth.duplicates as f64 / truth.events as f64;
    assert!((0.008..0.012).contains(&repeated), "duplicates {repeated}");
    let unsorted =
        files.iter().filter(|records| !records.is_sorted_by_key(|record| text(record, "/eventTime"))).count();
    let unsorted = unsorted as f64 / files.len() as f64;
    assert!((0.45..0.70).contains(&unsorted), "unsorted {unsorted}");
    let mean = all.len() as f64 / files.len() as f64;
    assert!((30.0..80.0).contains(&mean), "records per file {mean}");
    let names: BTreeSet<&str> = all.iter().map(|record| text(record, "/eventName")).collect();
    let sources: BTreeSet<&str> = all.iter().map(|record| text(record, "/eventSource")).collect();
    assert!(names.len() >= 250 && sources.len() >= 40, "{} names, {} sources", names.len(), sources.len());
}

#[test]
fn records_have_the_sizes_of_real_ones() {
    let body = String::from_utf8(sample_file(5, 10_000)).unwrap();
    let mut sizes: Vec<usize> = records(&body).iter().map(|record| record.to_string().len()).collect();
    sizes.sort_unstable();
    let at = |permille: usize| sizes[sizes.len() * permille / 1_000];
    assert!((1_200..=1_600).contains(&at(500)), "median {}", at(500));
    assert!((1_500..=1_900).contains(&at(900)), "p90 {}", at(900));
    assert!((1_800..=2_800).contains(&at(990)), "p99 {}", at(990));
    assert!((3_000..=6_500).contains(&at(999)), "p99.9 {}", at(999));
    assert!(sizes.last().unwrap() < &262_144);
}

#[test]
fn every_key_of_a_role_session_was_issued_before_its_use() {
    let (_, _, all) = shared();
    let mut issued = BTreeMap::new();
    for record in all {
        let key = text(record, "/responseElements/credentials/accessKeyId");
        if !key.is_empty() {
            issued.insert(key, text(record, "/eventTime"));
        }
    }
    let used: Vec<&Value> = all
        .iter()
        .filter(|record| text(record, "/userIdentity/type") == "AssumedRole")
        .filter(|record| text(record, "/userIdentity/accessKeyId").starts_with("ASIA"))
        .collect();
    assert!(used.len() > 1_000, "{}", used.len());
    for record in used {
        let issue = issued.get(text(record, "/userIdentity/accessKeyId"));
        assert!(issue.is_some_and(|time| *time <= text(record, "/eventTime")), "{record}");
    }
}

#[test]
fn a_role_assumed_across_accounts_leaves_a_copy_in_both() {
    let (_, _, all) = shared();
    let mut copies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in all.iter().filter(|record| text(record, "/eventName") == "AssumeRole") {
        if let Some(shared) = record.get("sharedEventID").and_then(Value::as_str) {
            copies.entry(shared).or_default().insert(text(record, "/recipientAccountId"));
        }
    }
    assert!(copies.len() >= 3, "{}", copies.len());
    assert!(copies.values().all(|accounts| accounts.len() == 2));
}

#[test]
fn the_events_of_the_truth_are_in_the_trail() {
    let (truth, _, all) = shared();
    let by_id: BTreeMap<&str, &Value> = all.iter().map(|record| (text(record, "/eventID"), record)).collect();
    assert_eq!(truth.attacks.len(), 4);
    assert_eq!(truth.clusters.len(), 4);
    let attack_steps = truth.attacks.iter().flat_map(|attack| &attack.steps);
    for step in attack_steps.chain(truth.clusters.iter().flat_map(|cluster| &cluster.steps)) {
        let record = by_id[step.event_id.as_str()];
        assert_eq!(text(record, "/eventName"), step.event_name);
        assert_eq!(text(record, "/eventTime"), step.time);
    }
    for cluster in &truth.clusters {
        assert_eq!(text(by_id[cluster.delete_nodegroup.as_str()], "/eventName"), "DeleteNodegroup");
        for id in &cluster.consequences {
            let issuer = text(by_id[id.as_str()], "/userIdentity/sessionContext/sessionIssuer/arn");
            assert!(issuer.contains(":role/aws-service-role/"), "{issuer}");
        }
    }
}

#[test]
fn options_at_their_edges_are_kept() {
    let (truth, objects) = made("nothing", &Options { events: 0, ..small() });
    assert_eq!((truth.events, objects.len()), (0, 0));
    let (truth, _) = made("one", &Options { events: 1, days: 1, accounts: 1, regions: 1, ..small() });
    assert_eq!((truth.events, truth.files), (1, 1));
    let (truth, _) = made("all-twice", &Options { events: 500, duplicates_percent: 100.0, ..small() });
    assert!(truth.duplicates > 400 && truth.events == 500, "{truth:?}");
    let (truth, objects) = made(
        "calm",
        &Options { events: 2_000, attacks: false, duplicates_percent: 0.0, org: true, ..small() },
    );
    assert!(truth.attacks.is_empty() && truth.duplicates == 0);
    assert!(objects.keys().all(|key| key.starts_with("AWSLogs/o-exampleorg11/")));
    let refused = generate(&directory("refused"), &Options { days: 0, ..small() }, &|_| {});
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_sample_file_has_as_many_records_as_asked_for() {
    for count in [0, 1, 17, 3_000] {
        let body = String::from_utf8(sample_file(9, count)).unwrap();
        assert_eq!(records(&body).len(), count);
    }
}

#[test]
fn the_sample_trail_of_the_repository_is_what_the_generator_makes() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/trail");
    let (truth, made) = made("sample", &Options::sample());
    let kept: Truth = serde_json::from_slice(&fs::read(sample.join("truth.json")).unwrap()).unwrap();
    assert!(kept == truth, "run the example `generate samples/trail sample`");
    assert!(objects(&sample) == made, "run the example `generate samples/trail sample`");
    let all: Vec<Value> = made.values().flat_map(|body| records(body)).collect();
    for name in ["DeleteTrail", "CreateCluster", "DeleteNodegroup"] {
        assert!(all.iter().any(|record| text(record, "/eventName") == name), "{name}");
    }
    let issuer = "/userIdentity/sessionContext/sessionIssuer/userName";
    assert!(all.iter().any(|record| {
        text(record, "/eventName") == "DeleteInstanceProfile"
            && text(record, issuer) == "AWSServiceRoleForAmazonEKSNodegroup"
    }));
    assert!(made.len() < 150, "{}", made.len());
}
