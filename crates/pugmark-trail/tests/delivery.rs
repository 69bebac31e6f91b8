//! A trail into a directory, read back by what reads trails.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use pugmark_event::Limits;
use pugmark_integrity::{PublicKeys, Question, Reading, Report, Verdict, verify};
use pugmark_source::{Access, Contents, Location, Progress, Selection, list};
use pugmark_trail::{
    BucketPlace, Cadence, Caller, Chaos, Clock, CreateTrail, InsightRecord, InsightSelector, InsightType,
    Insights, LocalDisk, Notify, Service, Settings, Stores, Terms, UpdateTrail, World,
};

const HOUR: i64 = 3_600_000_000;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Default)]
struct Letters(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Notify for Letters {
    async fn notify(&self, topic: &str, message: &str) -> Result<(), String> {
        self.0.lock().unwrap().push(format!("{topic} {message}"));
        Ok(())
    }
}

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<Hands>,
    letters: Arc<Letters>,
    settings: Settings,
}

impl Bench {
    fn new(settings: Settings) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("buckets/trail-logs-example")).unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(1_768_471_207_000_000)));
        Bench { folder, clock, letters: Arc::default(), settings }
    }

    fn open(&self) -> Service {
        let disk = Arc::new(LocalDisk::open(&self.folder.path().join("state")).unwrap());
        let place = BucketPlace::Folders(self.folder.path().join("buckets"));
        let stores = Arc::new(Stores::new(BTreeMap::new(), Some(place)));
        let world = World { notify: self.letters.clone(), ..World::new(disk, stores, self.clock.clone()) };
        Service::open(world, self.settings.clone()).unwrap()
    }

    fn bucket(&self) -> PathBuf {
        self.folder.path().join("buckets/trail-logs-example")
    }

    fn pass(&self, time: i64) {
        self.clock.0.fetch_add(time, Ordering::SeqCst);
    }

    /// What verification says of the bucket's directory.
    fn report(&self, service: &Service) -> Report {
        let mut keys = PublicKeys::default();
        for key in service.public_keys("eu-west-1", Some(0), Some(i64::MAX)).unwrap() {
            let one = serde_json::json!({"PublicKeyList": [{"Value": key.value, "Fingerprint": key.fingerprint,
                "ValidityStartTime": key.since / 1_000_000, "ValidityEndTime": key.until / 1_000_000}]});
            keys.add(one.to_string().as_bytes(), "the service").unwrap();
        }
        let (access, limits, progress) = (Access::default(), Limits::default(), Progress::default());
        let selection = Selection { contents: Contents::Evidence, ..Selection::default() };
        let location = Location::Path(self.bucket());
        let listing = list(&[location], &selection, &access, &limits, &progress).unwrap();
        let reading = Reading { access: &access, limits: &limits, threads: 1, progress: &progress };
        verify(listing, &reading, &keys, &Question::default()).unwrap().0
    }
}

fn caller() -> Caller {
    Caller { account: "111122223333".to_owned(), region: "eu-west-1".to_owned() }
}

async fn begin(service: &Service, request: CreateTrail) {
    let request = CreateTrail {
        name: "main".to_owned(),
        s3_bucket_name: "trail-logs-example".to_owned(),
        enable_log_file_validation: Some(true),
        ..request
    };
    service.create_trail(&caller(), &request).await.unwrap();
    service.start_logging(&caller(), "main").unwrap();
}

fn event(name: &str) -> String {
    format!(r#"{{"eventSource":"ec2.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1"}}"#)
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

fn verdicts(report: &Report) -> Vec<Verdict> {
    report.logs.iter().map(|log| log.verdict).collect()
}

#[tokio::test]
async fn what_is_delivered_is_proven_and_a_changed_byte_is_not() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    for hour in 0..3 {
        service.accept(&[event("RunInstances"), event("StopInstances")]).unwrap();
        bench.pass(HOUR / 2);
        assert_eq!(service.turn().await.unwrap().log_files, 1, "hour {hour}");
        bench.pass(HOUR / 2);
        assert_eq!(service.turn().await.unwrap().digests, 1, "hour {hour}");
    }
    let report = bench.report(&service);
    assert_eq!(verdicts(&report), [Verdict::Valid; 3]);
    assert!(report.digests().all(|digest| digest.verdict == Verdict::Valid));
    let log = files(&bench.bucket()).into_iter().find(|path| path.contains("/CloudTrail/")).unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert_eq!(
        verdicts(&bench.report(&service)).iter().filter(|verdict| **verdict == Verdict::Valid).count(),
        2
    );
}

#[tokio::test]
async fn keys_and_names_are_those_of_the_service() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail { s3_key_prefix: Some("audit".to_owned()), ..CreateTrail::default() }).await;
    service.accept(&[event("RunInstances")]).unwrap();
    bench.pass(HOUR);
    service.turn().await.unwrap();
    let root = bench.bucket().to_str().unwrap().to_owned() + "/";
    let names: Vec<String> = files(&bench.bucket()).iter().map(|path| path.replace(&root, "")).collect();
    let [digest, metadata, log] = &names[..] else { unreachable!("{names:?}") };
    let front = "audit/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/15/111122223333_CloudTrail_eu-west-1_20260115T1100Z_";
    assert_eq!(log.replace(front, "").len(), "0123456789abcdef.json.gz".len(), "{log}");
    assert_eq!(
        digest,
        "audit/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/15/111122223333_CloudTrail-Digest_eu-west-1_main_eu-west-1_20260115T110007Z.json.gz"
    );
    assert_eq!(*metadata, format!("{digest}.metadata.json"));
}

#[tokio::test]
async fn a_trail_that_is_refused_holds_up_no_other_in_the_same_bucket() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail { s3_key_prefix: Some("audit".to_owned()), ..CreateTrail::default() }).await;
    let other = CreateTrail {
        name: "other".to_owned(),
        s3_bucket_name: "trail-logs-example".to_owned(),
        enable_log_file_validation: Some(true),
        ..CreateTrail::default()
    };
    service.create_trail(&caller(), &other).await.unwrap();
    service.start_logging(&caller(), "other").unwrap();
    // What takes the first trail's folder away refuses it from now on.
    std::fs::remove_dir_all(bench.bucket().join("audit")).unwrap();
    std::fs::write(bench.bucket().join("audit"), "").unwrap();
    service.accept(&[event("RunInstances")]).unwrap();
    for _ in 0..3 {
        bench.pass(HOUR);
        service.turn().await.unwrap();
    }
    let delivered = files(&bench.bucket());
    assert!(delivered.iter().any(|path| path.contains("/CloudTrail/")), "{delivered:?}");
    assert!(delivered.iter().any(|path| path.contains("/CloudTrail-Digest/")), "{delivered:?}");
}

#[tokio::test]
async fn no_digest_comes_after_validation_was_switched_off() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    // The first file of another Region, on its way while validation ends.
    service.accept(&[event("RunInstances").replace("eu-west-1", "us-east-1")]).unwrap();
    let off = UpdateTrail {
        name: "main".to_owned(),
        enable_log_file_validation: Some(false),
        ..UpdateTrail::default()
    };
    service.update_trail(&caller(), &off).await.unwrap();
    let mut digests = Vec::new();
    for _ in 0..6 {
        bench.pass(HOUR);
        digests.push(service.turn().await.unwrap().digests);
    }
    assert_eq!(digests[3..], [0, 0, 0], "{digests:?}");
}

#[tokio::test]
async fn what_missed_its_hour_is_listed_in_a_backfill_digest() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    service.accept(&[event("RunInstances")]).unwrap();
    bench.pass(HOUR / 2);
    // The bucket is away while the log file should go there.
    let away = bench.bucket().with_extension("away");
    std::fs::rename(bench.bucket(), &away).unwrap();
    assert_eq!(service.turn().await.unwrap().refused, 1);
    let status = service.status(&caller(), "main").unwrap();
    assert_eq!(status.latest_delivery_error.as_deref(), Some("NoSuchBucket"));
    bench.pass(2 * HOUR);
    assert!(service.turn().await.unwrap().refused > 0);
    std::fs::rename(&away, bench.bucket()).unwrap();
    bench.pass(HOUR);
    service.turn().await.unwrap();
    service.turn().await.unwrap();
    assert!(files(&bench.bucket()).iter().any(|path| path.ends_with("_backfill.json.gz")));
    let report = bench.report(&service);
    assert_eq!(verdicts(&report), [Verdict::Valid]);
    assert!(report.digests().all(|digest| digest.verdict == Verdict::Valid));
    assert_eq!(service.status(&caller(), "main").unwrap().latest_delivery_error, None);
}

#[tokio::test]
async fn hours_without_events_have_digests_and_an_outage_is_caught_up() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    drop(service);
    bench.pass(5 * HOUR);
    let service = bench.open();
    assert_eq!(service.turn().await.unwrap().digests, 5);
    let report = bench.report(&service);
    assert_eq!(report.chains[0].digests.len(), 5);
    assert!(report.chains[0].gaps.is_empty());
}

#[tokio::test]
async fn a_deleted_trail_ends_with_a_last_digest_and_forgets_nothing() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    service.accept(&[event("RunInstances")]).unwrap();
    bench.pass(HOUR / 4);
    service.delete_trail(&caller(), "main").unwrap();
    bench.pass(2_000_000);
    let turn = service.turn().await.unwrap();
    assert_eq!((turn.log_files, turn.digests), (1, 1));
    assert_eq!(verdicts(&bench.report(&service)), [Verdict::Valid]);
    bench.pass(9 * HOUR);
    assert_eq!(service.turn().await.unwrap().digests, 0);
}

#[tokio::test]
async fn keys_change_every_month_and_old_digests_stay_proven() {
    let cadence = Cadence { digests: 24 * HOUR, ..Cadence::default() };
    let bench = Bench::new(Settings { cadence, ..Settings::default() });
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    for _ in 0..33 {
        bench.pass(24 * HOUR);
        service.turn().await.unwrap();
    }
    assert_eq!(service.public_keys("eu-west-1", Some(0), Some(i64::MAX)).unwrap().len(), 2);
    let report = bench.report(&service);
    assert_eq!(report.digests().count(), 33);
    assert!(report.digests().all(|digest| digest.verdict == Verdict::Valid));
}

#[tokio::test]
async fn a_topic_hears_of_each_log_file() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail { sns_topic_name: Some("ct".to_owned()), ..CreateTrail::default() }).await;
    service.accept(&[event("RunInstances")]).unwrap();
    service.flush().await.unwrap();
    let letters = bench.letters.0.lock().unwrap();
    let front =
        r#"arn:aws:sns:eu-west-1:111122223333:ct {"s3Bucket":"trail-logs-example","s3ObjectKey":["AWSLogs/"#;
    assert!(letters.len() == 1 && letters[0].starts_with(front), "{letters:?}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_refused() {
    let bench = Bench::new(Settings::default());
    let request = CreateTrail {
        name: "main".to_owned(),
        s3_bucket_name: "no-such-bucket".to_owned(),
        ..CreateTrail::default()
    };
    let error = bench.open().create_trail(&caller(), &request).await.unwrap_err();
    assert_eq!(error.code(), "S3BucketDoesNotExistException");
    assert_eq!(error.to_string(), "S3 bucket no-such-bucket does not exist!");
}

#[tokio::test]
async fn faults_are_made_only_when_asked_for_and_are_marked() {
    let chaos = Chaos { tampered: 1_000, ..Chaos::default() };
    let bench = Bench::new(Settings { chaos: Some(chaos), ..Settings::default() });
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    service.accept(&[event("RunInstances")]).unwrap();
    service.flush().await.unwrap();
    bench.pass(HOUR);
    service.turn().await.unwrap();
    assert_eq!(verdicts(&bench.report(&service)), [Verdict::Modified]);
    assert!(service.status(&caller(), "main").unwrap().chaos.is_some());
}

#[tokio::test]
async fn a_missing_file_is_missed_and_a_late_one_comes() {
    let late = Chaos { late: 1_000, ..Chaos::default() };
    let missing = Chaos { missing: 1_000, ..Chaos::default() };
    for (chaos, expected) in [(missing, Verdict::Missing), (late, Verdict::Valid)] {
        let bench = Bench::new(Settings { chaos: Some(chaos), ..Settings::default() });
        let service = bench.open();
        begin(&service, CreateTrail::default()).await;
        service.accept(&[event("RunInstances")]).unwrap();
        service.flush().await.unwrap();
        assert!(!files(&bench.bucket()).iter().any(|path| path.contains("/CloudTrail/")));
        bench.pass(HOUR);
        service.turn().await.unwrap();
        service.turn().await.unwrap();
        assert_eq!(verdicts(&bench.report(&service)), [expected]);
    }
}

/// Says the same of any event, and learns nothing.
struct Alarm(&'static str);

const RECORD: &str = r#"{"eventVersion":"1.09","eventTime":"2026-01-15T10:00:00Z","eventID":"00000000-0000-4000-8000-000000000009","awsRegion":"eu-west-1","eventType":"AwsCloudTrailInsight","eventCategory":"Insight"}"#;

impl Insights for Alarm {
    fn observe(&mut self, trails: &[&Terms], events: &[String], _now: i64) -> Vec<InsightRecord> {
        let record = |terms: &&Terms| InsightRecord { trail: terms.arn.clone(), event: self.0.to_owned() };
        if events.is_empty() { Vec::new() } else { trails.iter().map(record).collect() }
    }

    fn memory(&mut self) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn recall(&mut self, _memory: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn weight(&self) -> u64 {
        0
    }
}

#[tokio::test]
async fn unusual_activity_is_delivered_to_the_trail_that_looks_for_it() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    service.set_insights(Box::new(Alarm(RECORD))).unwrap();
    let insight = InsightSelector { insight_type: InsightType::ApiCallRateInsight, event_categories: vec![] };
    service.put_insights(&caller(), "main", vec![insight]).unwrap();
    service.turn().await.unwrap();
    service.accept(&[event("RunInstances")]).unwrap();
    service.turn().await.unwrap();
    service.turn().await.unwrap();
    service.flush().await.unwrap();
    let found = files(&bench.bucket()).iter().filter(|path| path.contains("/CloudTrail-Insight/")).count();
    assert_eq!(found, 1);
}

#[tokio::test]
async fn a_finding_that_is_no_record_is_told_and_holds_up_nothing() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    begin(&service, CreateTrail::default()).await;
    service.set_insights(Box::new(Alarm("{"))).unwrap();
    let insight = InsightSelector { insight_type: InsightType::ApiCallRateInsight, event_categories: vec![] };
    service.put_insights(&caller(), "main", vec![insight]).unwrap();
    service.turn().await.unwrap();
    service.accept(&[event("RunInstances")]).unwrap();
    bench.pass(HOUR / 2);
    let turn = service.turn().await.unwrap();
    assert_eq!((turn.log_files, turn.faults.len()), (1, 1));
}

#[tokio::test]
async fn what_is_sent_again_is_taken_once_even_after_a_restart() {
    let bench = Bench::new(Settings::default());
    let service = bench.open();
    let whole = event("RunInstances").replacen(
        '{',
        r#"{"eventVersion":"1.11","eventTime":"2026-01-15T10:00:00Z","eventID":"00000000-0000-4000-8000-000000000001","#,
        1,
    );
    let number =
        |service: &Service, event: &str| service.accept(&[event]).unwrap()[0].clone().unwrap().number;
    assert_eq!(number(&service, &whole), 0);
    assert_eq!(number(&service, &whole), 0);
    assert_eq!(number(&service, &whole.replace("RunInstances", "StopInstances")), 1);
    assert_eq!(number(&service, &event("RunInstances")), 2);
    assert_eq!(number(&service, &event("RunInstances")), 3, "without an `eventID` it is another event");
    drop(service);
    let service = bench.open();
    assert_eq!(number(&service, &whole), 0);
    assert_eq!(service.head(), 4);
}

#[tokio::test]
async fn a_reader_keeps_the_events_that_it_needs() {
    let bench = Bench::new(Settings { segment_bytes_max: 300, ..Settings::default() });
    let service = bench.open();
    service.hold("lake", 0).unwrap();
    for at in 0..9 {
        service.accept(&[event(&format!("Call{at}"))]).unwrap();
    }
    service.turn().await.unwrap();
    assert_eq!(service.events(0).unwrap()[0].0, 0);
    service.hold("lake", 5).unwrap();
    assert!(service.turn().await.unwrap().collected > 0);
    assert!(service.events(0).is_err());
    assert_eq!(service.events(5).unwrap()[0].0, 5);
    assert_eq!(service.held("lake"), Some(5));
}
