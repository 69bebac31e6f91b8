//! What answers stand on: digests of a copied folder, and which days there are.

mod common;
#[path = "evidence/s3.rs"]
mod s3;
#[expect(dead_code, reason = "no script of its own runs there")]
#[path = "common/venv.rs"]
mod venv;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};

use common::{Desk, event, small_trail, user};
use flate2::Compression;
use flate2::write::GzEncoder;
use pugmark_integrity::{Digest, ListedFile, PublicKeys, S3Place, Signer, sha256};

const HOUR: i64 = 3_600_000_000;
/// 2026-08-01T00:00:00Z
const START: i64 = 1_785_542_400_000_000;
const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const ROOT: &str = "logs/AWSLogs/111122223333";

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().expect("random numbers"));

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A trail of twelve hours, one log file of two events and one digest an hour.
struct Trail {
    desk: Desk,
    logs: Vec<PathBuf>,
    digests: Vec<PathBuf>,
}

fn log_key(hour: u32, minute: u32) -> String {
    format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/08/01/\
         {ACCOUNT}_CloudTrail_{REGION}_20260801T{hour:02}{minute:02}Z_{hour:08}{minute:08}.json.gz"
    )
}

fn records(hour: u32) -> String {
    let call = |minute: u32, name: &str| {
        let time = format!("{hour:02}:{minute:02}:00");
        event(hour * 100 + minute, &time, name, &user("alice"))
    };
    format!("{{\"Records\":[{},{}]}}", call(5, "GetUser"), call(10, "ListUsers"))
}

fn place(key: &str) -> S3Place {
    S3Place { bucket: Arc::from("trail-logs-example"), key: key.into() }
}

impl Trail {
    fn new() -> Trail {
        Trail::of((0..12).map(|hour| (hour, records(hour))).collect())
    }

    /// Stopped by alice in the hour of 02, with this call, and on again at 06.
    fn paused(call: &str, parameters: &str) -> Trail {
        let members = format!(
            r#"{},"requestParameters":{{"name":"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"{parameters}}}"#,
            user("alice")
        );
        let stop = event(777, "02:59:00", call, &members);
        let stop = stop.replace("iam.amazonaws.com", "cloudtrail.amazonaws.com");
        let last = records(2).replace("]}", &format!(",{stop}]}}"));
        let hours = [(0, records(0)), (1, records(1)), (2, last), (6, records(6)), (7, records(7))];
        Trail::of(hours.into())
    }

    /// Log files of some hours; a digest that follows a pause begins a chain.
    fn of(hours: Vec<(u32, String)>) -> Trail {
        let desk = Desk::new();
        let (mut logs, mut digests, mut previous) = (Vec::new(), Vec::new(), None);
        let mut next = 0;
        for (hour, text) in hours {
            if hour != next {
                previous = None;
            }
            next = hour + 1;
            let key = log_key(hour, 15);
            logs.push(desk.file(&format!("logs/{key}"), gzip(text.as_bytes())));
            let file = ListedFile {
                place: place(&key),
                sha256: sha256(text.as_bytes()),
                newest_event: None,
                oldest_event: None,
            };
            let key = format!(
                "AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/08/01/\
                 {ACCOUNT}_CloudTrail-Digest_{REGION}_main_{REGION}_20260801T{:02}0000Z.json.gz",
                hour + 1
            );
            let digest = Digest {
                account: ACCOUNT.to_owned(),
                start: START + i64::from(hour) * HOUR,
                end: START + i64::from(hour + 1) * HOUR,
                place: place(&key),
                fingerprint: SIGNER.fingerprint().to_owned(),
                newest_event: None,
                oldest_event: None,
                previous: previous.take(),
                files: vec![file],
            };
            let signed = SIGNER.sign(&digest);
            let path = desk.file(&format!("logs/{key}"), gzip(&signed.bytes));
            let metadata: serde_json::Map<String, serde_json::Value> =
                signed.metadata().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            desk.file(
                &format!("logs/{key}.metadata.json"),
                serde_json::json!({ "Metadata": metadata }).to_string(),
            );
            previous = Some(signed.as_previous(&digest));
            digests.push(path);
        }
        let mut keys = PublicKeys::default();
        keys.insert(SIGNER.public_key("the test's own key").expect("a key"));
        desk.file("keys.json", keys.to_key_file());
        Trail { desk, logs, digests }
    }

    /// One byte changed in the log of 02, the log of 04 deleted, one added in
    /// hour 06, the last three digests removed.
    fn tampered() -> Trail {
        let trail = Trail::new();
        std::fs::write(&trail.logs[2], gzip(records(2).replace("ListUsers", "ListUserz").as_bytes()))
            .expect("a file");
        std::fs::remove_file(&trail.logs[4]).expect("a file");
        let added = event(9_999, "06:40:00", "CreateUser", &user("eve"));
        trail
            .desk
            .file(&format!("logs/{}", log_key(6, 45)), gzip(format!("{{\"Records\":[{added}]}}").as_bytes()));
        for path in &trail.digests[9..] {
            std::fs::remove_file(path).expect("a file");
            std::fs::remove_file(format!("{}.metadata.json", path.display())).expect("a file");
        }
        trail
    }
}

/// Lines of `text` that hold `word`.
fn lines<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(word)).collect()
}

#[test]
fn a_clean_copy_is_proven_without_network() {
    let trail = Trail::new();
    let answer = trail.desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", "table"]);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    let head = answer.stdout.lines().next().expect("a line");
    assert_eq!(head, "✓ proven · 1 chain · 12 digests · 12 log files · 24 valid");
}

/// Answers each of `pages` once, as `CloudTrail` would on a loopback address; gives back the requests.
fn key_server(pages: Vec<(u16, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serve = move || {
        let answer = |(status, page): (u16, String)| {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut request = Vec::new();
            let is_whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).to_lowercase();
                text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    length.is_some_and(|length| Ok(body.len()) == length.parse())
                })
            };
            while !is_whole(&request) {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).expect("a request");
                assert!(count > 0, "cut: {}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&part[..count]);
            }
            let length = page.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
            )
            .expect("an answer");
            stream.shutdown(Shutdown::Write).expect("an end");
            String::from_utf8(request).expect("UTF-8")
        };
        pages.into_iter().map(answer).collect()
    };
    (url, thread::spawn(serve))
}

#[test]
fn a_gap_names_the_call_that_stopped_the_trail() {
    for (call, parameters, words) in [
        ("StopLogging", "", "StopLogging by alice"),
        ("DeleteTrail", "", "DeleteTrail by alice"),
        ("UpdateTrail", r#","enableLogFileValidation":false"#, "UpdateTrail (digests off) by alice"),
    ] {
        let trail = Trail::paused(call, parameters);
        // The call stands before the time that is asked about.
        for asked in [&[][..], &["--since", "2026-08-01T05:30:00Z"]] {
            let words_of_run = ["verify", "logs", "--keys", "keys.json", "--output", "jsonl"];
            let answer = trail.desk.run_as_is(&[&words_of_run[..], asked].concat());
            let gaps = lines(&answer.stdout, r#""kind":"gap""#);
            assert_eq!(gaps.len(), 1, "{}", answer.stdout);
            assert!(gaps[0].contains(&format!("; {words} at 2026-08-01T02:59:00Z")), "{}", gaps[0]);
        }
    }
    let other = Trail::paused("UpdateTrail", r#","includeGlobalServiceEvents":false"#);
    let answer = other.desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", "jsonl"]);
    assert!(!answer.stdout.contains("UpdateTrail"), "{}", answer.stdout);
}

#[test]
fn keys_are_asked_for_once_and_kept_with_where_they_came_from() {
    let trail = Trail::new();
    let given = std::fs::read_to_string(trail.desk.path().join("keys.json")).expect("keys");
    let key: serde_json::Value = serde_json::from_str(&given).expect("JSON");
    let value = key["PublicKeyList"][0]["Value"].clone();
    let page = |page: serde_json::Value| page.to_string();
    let pages = vec![
        (503, String::new()),
        (200, page(serde_json::json!({"PublicKeyList": [], "NextToken": "t1"}))),
        (200, page(serde_json::json!({"PublicKeyList": [{"Value": value, "ValidityStartTime": 1.7e9}]}))),
    ];
    let (url, server) = key_server(pages);
    let words = ["verify", "logs", "--fetch-keys", "--keys-endpoint-url", &url, "--output", "table"];
    let fetch = trail
        .desk
        .command(&words)
        .envs([("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret-example")])
        .env("PUGMARK_KEY_FILE", trail.desk.path().join("of-this-service.json"))
        .output()
        .expect("pugmark runs");
    assert!(fetch.stdout.starts_with("✓ proven".as_bytes()), "{}", String::from_utf8_lossy(&fetch.stderr));
    let requests = server.join().expect("a server");
    assert!(requests[0].contains("Credential=AKIAEXAMPLE/"), "{}", requests[0]);
    assert!(requests[0].contains("/us-east-1/cloudtrail/aws4_request"), "{}", requests[0]);
    assert!(requests[0].ends_with(r#"{"StartTime":1785542400,"EndTime":1785585601}"#), "{}", requests[0]);
    assert!(requests[2].contains(r#""NextToken":"t1""#), "{}", requests[2]);
    let kept = std::fs::read_to_string(trail.desk.path().join("of-this-service.json")).expect("kept");
    assert!(kept.contains(&format!("ListPublicKeys of {url}, asked 2")), "{kept}");
    let offline = trail
        .desk
        .command(&["verify", "logs", "--output", "table"])
        .env("PUGMARK_KEY_FILE", trail.desk.path().join("of-this-service.json"))
        .output()
        .expect("pugmark runs");
    assert_eq!(offline.status.code(), Some(0), "{}", String::from_utf8_lossy(&offline.stderr));
    assert!(!trail.desk.path().join(".config/pugmark/keys.json").exists(), "they are no keys of AWS");
}

#[test]
fn a_refused_question_for_keys_tells_the_missing_permission() {
    let trail = Trail::new();
    let denial = r#"{"__type":"AccessDeniedException","message":"not you"}"#;
    let (url, server) = key_server(vec![(400, denial.to_owned())]);
    let answer = trail
        .desk
        .command(&["verify", "logs", "--fetch-keys", "--keys-endpoint-url", &url])
        .envs([("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret-example")])
        .output()
        .expect("pugmark runs");
    server.join().expect("a server");
    let said = String::from_utf8(answer.stderr).expect("UTF-8");
    assert_eq!(answer.status.code(), Some(2), "{said}");
    assert!(
        said.contains("AccessDeniedException: not you") && said.contains("cloudtrail:ListPublicKeys"),
        "{said}"
    );
}

#[test]
fn one_command_names_all_that_was_done_to_a_copied_folder() {
    let trail = Trail::tampered();
    let answer = trail.desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", "table"]);
    assert_eq!(answer.code, 1, "{}{}", answer.stdout, answer.stderr);
    let text = &answer.stdout;
    assert!(text.starts_with("✗ does not hold"), "{text}");
    for (verdict, name) in [
        ("  modified", "20260801T0215Z"),
        ("  missing", "20260801T0415Z"),
        ("  unlisted", "20260801T0645Z"),
        ("  truncated tail", "main"),
    ] {
        let found = lines(text, verdict);
        assert_eq!(found.len(), 1, "{verdict}: {text}");
        assert!(found[0].contains(name), "{verdict}: {text}");
    }
    assert!(text.contains("no digest after 2026-08-01T09:00:00Z"), "{text}");
}

#[test]
fn json_lines_hold_every_object_with_its_hash() {
    let trail = Trail::tampered();
    let answer = trail.desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", "jsonl"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let rows: Vec<serde_json::Value> =
        answer.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let verdict = |name: &str| rows.iter().filter(|row| row["verdict"] == name).count();
    // Nine digests and the logs of nine hours, but one modified and one missing.
    assert_eq!(
        (verdict("valid"), verdict("modified"), verdict("missing"), verdict("unlisted")),
        (16, 1, 1, 1)
    );
    let modified = rows.iter().find(|row| row["verdict"] == "modified").expect("a row");
    assert_eq!(modified["stated_sha256"].as_str().map(str::len), Some(64));
    assert_ne!(modified["sha256"], modified["stated_sha256"]);
}

#[test]
fn an_evidence_report_is_the_same_each_time_and_names_its_inputs() {
    let trail = Trail::tampered();
    for form in ["md", "html"] {
        let run = || trail.desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", form]);
        let (first, second) = (run(), run());
        assert_eq!(first.stdout, second.stdout);
        assert!(first.stdout.contains(SIGNER.fingerprint()), "{}", first.stdout);
        let hash = pugmark_integrity::hex(&sha256(records(3).as_bytes()));
        assert!(first.stdout.contains(&hash), "{}", first.stdout);
        assert!(!first.stdout.contains("<script"), "{}", first.stdout);
    }
    let written = trail.desk.run_as_is(&[
        "verify",
        "logs",
        "--keys",
        "keys.json",
        "--output",
        "html",
        "--to",
        "evidence.html",
    ]);
    assert_eq!((written.code, written.stdout.as_str()), (1, ""), "{}", written.stderr);
    let again = trail.desk.run_as_is(&[
        "verify",
        "logs",
        "--keys",
        "keys.json",
        "--output",
        "html",
        "--to",
        "evidence.html",
    ]);
    assert_eq!(again.code, 2, "{}", again.stderr);
}

#[test]
fn the_words_of_the_aws_cli_are_there_on_request() {
    let trail = Trail::tampered();
    let arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main";
    let answer = trail.desk.run_as_is(&[
        "verify",
        "logs",
        "--keys",
        "keys.json",
        "--output",
        "aws",
        "--when",
        "2026-08-01",
        "--trail",
        arn,
    ]);
    assert_eq!(answer.code, 1, "{}{}", answer.stdout, answer.stderr);
    assert!(
        answer.stdout.starts_with(&format!("Validating log files for trail {arn} between ")),
        "{}",
        answer.stdout
    );
    assert!(answer.stdout.contains("7/9 log files valid, 2/9 log files INVALID"), "{}", answer.stdout);
    assert!(answer.stderr.contains("INVALID: hash value doesn't match"), "{}", answer.stderr);
    assert!(answer.stderr.contains("INVALID: not found"), "{}", answer.stderr);
    let refused =
        trail.desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", "aws", "--trail", arn]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[test]
fn without_keys_nothing_is_said_to_be_proven() {
    let trail = Trail::new();
    let answer = trail.desk.run_as_is(&["verify", "logs"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{}", answer.stderr);
    assert!(answer.stderr.contains("list-public-keys"), "{}", answer.stderr);
    trail.desk.file("not-a-key.txt", "hello");
    let answer = trail.desk.run_as_is(&["verify", "logs", "--keys", "not-a-key.txt"]);
    assert_eq!(answer.code, 2, "{}", answer.stderr);
}

#[test]
fn a_search_marks_exactly_the_rows_that_are_not_what_was_delivered() {
    let trail = Trail::tampered();
    let words = ["search", "logs", "--verify", "--keys", "keys.json", "--columns", "time,verified"];
    let answer = trail.desk.run(&[&words[..], &["--output", "tsv"]].concat());
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let marked: Vec<&str> = answer.stdout.lines().skip(1).filter(|line| !line.ends_with("\tvalid")).collect();
    assert_eq!(
        marked,
        [
            "2026-08-01T02:05:00Z\t✗ modified",
            "2026-08-01T02:10:00Z\t✗ modified",
            "2026-08-01T06:40:00Z\t✗ unlisted",
            "2026-08-01T09:05:00Z\t! no digest",
            "2026-08-01T09:10:00Z\t! no digest",
            "2026-08-01T10:05:00Z\t! no digest",
            "2026-08-01T10:10:00Z\t! no digest",
            "2026-08-01T11:05:00Z\t! no digest",
            "2026-08-01T11:10:00Z\t! no digest",
        ]
    );
    assert!(
        answer.stderr.contains("verified rows: 14 valid, 2 modified, 1 unlisted, 6 no digest"),
        "{}",
        answer.stderr
    );
}

#[test]
fn sql_and_stats_and_scan_know_what_is_verified() {
    let trail = Trail::tampered();
    let given = ["--verify", "--keys", "keys.json", "--output", "csv"];
    let query = "SELECT verified, count(*) AS n FROM events GROUP BY 1 ORDER BY 1";
    let sql = trail.desk.run(&[&["sql", "logs", "-q", query][..], &given].concat());
    assert_eq!(
        sql.stdout.replace('\r', ""),
        "verified,n\nmodified,2\n\"no digest\",6\nunlisted,1\nvalid,14\n",
        "{}",
        sql.stderr
    );
    let stats = trail.desk.run(&[&["stats", "logs", "verified"][..], &given].concat());
    assert!(stats.stdout.contains("modified,2,"), "{}{}", stats.stdout, stats.stderr);
    let scan = trail.desk.run(&["scan", "logs", "--verify", "--keys", "keys.json", "--output", "json"]);
    assert!(scan.stderr.contains("verified rows: 14 valid, 2 modified"), "{}", scan.stderr);
    let detect = trail.desk.run(&["detect", "logs", "--verify", "--keys", "keys.json", "--output", "json"]);
    assert!(detect.stderr.contains("verified rows: 14 valid, 2 modified"), "{}", detect.stderr);
    let table = trail.desk.run(&["search", "logs", "-n", "1", "--output", "table"]);
    assert!(!table.stdout.contains("verified"), "{}", table.stdout);
}

#[test]
fn rows_that_are_read_twice_are_counted_once() {
    let trail = Trail::tampered();
    let query =
        "SELECT count(*) FROM events a JOIN events b ON a.eventid = b.eventid WHERE a.verified = b.verified";
    let sql =
        trail.desk.run(&["sql", "logs", "-q", query, "--verify", "--keys", "keys.json", "--output", "csv"]);
    assert!(sql.stdout.contains("23"), "{}", sql.stdout);
    assert!(sql.stderr.contains("verified rows: 14 valid, 2 modified"), "{}", sql.stderr);
}

#[test]
fn coverage_names_gaps_and_who_switched_logging_off() {
    let desk = Desk::new();
    let log = |day: u32, records: &[String]| {
        desk.file(
            &format!("{ROOT}/CloudTrail/us-east-1/2026/08/{day:02}/{ACCOUNT}_CloudTrail_us-east-1_202608{day:02}T0015Z_a{day}.json"),
            format!("{{\"Records\":[{}]}}", records.join(",")),
        );
    };
    let stop = event(
        1,
        "00:10:00",
        "StopLogging",
        &format!(r#"{},"requestParameters":{{"name":"main"}}"#, user("eve")),
    )
    .replace("iam.amazonaws.com", "cloudtrail.amazonaws.com");
    desk.log(&format!("{ACCOUNT}_CloudTrail_us-east-1_20260801T0015Z_a1.json"), &[stop]);
    for day in [4, 5, 7] {
        let get = event(day, "00:00:00", "GetUser", "").replace("2026-08-01T", &format!("2026-08-{day:02}T"));
        log(day, &[get]);
    }
    let start = event(
        9,
        "00:00:00",
        "StartLogging",
        &format!(r#"{},"requestParameters":{{"name":"main"}}"#, user("eve")),
    )
    .replace("iam.amazonaws.com", "cloudtrail.amazonaws.com")
    .replace("2026-08-01T", "2026-08-03T23:");
    let start = start.replace("T23:00:00:00Z", "T23:00:00Z");
    log(4, &[start, event(4, "00:00:00", "GetUser", "").replace("2026-08-01T", "2026-08-04T")]);
    let answer = desk.run(&["coverage", "logs", "--output", "table"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    insta::assert_snapshot!(answer.stdout, @r"
    4 objects · 5 events · 0 digests · 1 account · 1 account-Region · 2026-08-01 → 2026-08-07 UTC · 2 gaps, 1 unexplained

    events by day, UTC, at most 1 a day; `╳` is a gap
      111122223333  us-east-1   █╳███╳█
                                2026-08-01 2026-08-07

    gaps
    account       region     without files  days  reason
    ────────────  ─────────  ─────────────  ────  ─────────────────────────────────────────────────────────────────────────────────────
    111122223333  us-east-1  2026-08-06        1  ! unexplained
    111122223333  us-east-1  2026-08-02        1  StopLogging of trail `main` by eve at 2026-08-01T00:10:00Z until 2026-08-03T23:00:00Z

    what trails were told
    time                  call          trail  account       who  effect
    ────────────────────  ────────────  ─────  ────────────  ───  ────────────────────────────────
    2026-08-01T00:10:00Z  StopLogging   main   111122223333  eve  ! off until 2026-08-03T23:00:00Z
    2026-08-03T23:00:00Z  StartLogging  main   111122223333  eve  logging on

    deliveries
      1.8 kB in 4 log files
      data events: none
      late: 1 event delivered more than 60 minutes after they happened, the last after 75 minutes
    ");
    let plain = desk.run(&["coverage", "logs", "--output", "table", "--plain"]);
    assert!(lines(&plain.stdout, "111122223333")[0].ends_with('#'), "{}", plain.stdout);
    let rows = desk.run(&["coverage", "logs", "--output", "csv"]).stdout;
    assert_eq!(lines(&rows, "unexplained").len(), 1, "{rows}");
    let json = desk.run(&["coverage", "logs", "--output", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["gaps"].as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(json["off"][0]["until"], "2026-08-03T23:00:00Z", "{json}");
    let html = desk.run(&["coverage", "logs", "--output", "html"]).stdout;
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("unexplained"), "{html}");
    assert!(html.contains("! off until 2026-08-03T23:00:00Z"), "{html}");
}

#[test]
fn coverage_counts_digests_copies_and_overlapping_trails() {
    let trail = Trail::new();
    let copy = trail.logs[3].strip_prefix(trail.desk.path()).expect("below").display().to_string();
    let second = copy.replacen("logs/AWSLogs", "logs/second/AWSLogs", 1);
    trail.desk.file(&second, std::fs::read(&trail.logs[3]).expect("a file"));
    let json = trail.desk.run(&["coverage", "logs", "--hourly", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["overlaps"][0]["trails"], serde_json::json!(["logs", "logs/second"]), "{json}");
    assert_eq!(json["overlaps"][0]["events"], 2, "{json}");
    let cells = json["cells"].as_array().expect("cells");
    let sum = |name: &str| cells.iter().filter_map(|cell| cell[name].as_u64()).sum::<u64>();
    assert_eq!((sum("files"), sum("digests"), sum("events"), sum("copies")), (13, 12, 24, 2), "{json}");
}

#[test]
fn an_empty_answer_says_on_which_days_there_are_files() {
    let trail = Trail::new();
    let answer =
        trail.desk.run(&["search", "logs", "--when", "2026-08-01..2026-08-03", "--name", "DeleteTrail"]);
    assert!(answer.stderr.contains("files on 1 of 2 days, none on 2026-08-02"), "{}", answer.stderr);
}

#[test]
fn a_case_comes_out_the_same_until_an_input_changes() {
    let trail = Trail::new();
    let run = |words: &[&str]| trail.desk.run_as_is(words);
    let made = run(&["case", "new", "case-17", "--source", "logs"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for words in [
        &["search", "@", "--name", "ListUsers"][..],
        &["sql", "@", "-q", "SELECT eventname, count(*) AS n FROM events GROUP BY 1 ORDER BY 1"],
        &["verify", "@", "--keys", "keys.json"],
    ] {
        let added = run(&[&["case", "add", "case-17", "--"], words].concat());
        assert_eq!(added.code, 0, "{}", added.stderr);
    }
    let answer =
        std::fs::read_to_string(trail.desk.path().join("case-17/commands/002.jsonl")).expect("a file");
    assert_eq!(answer, "{\"eventName\":\"GetUser\",\"n\":12}\n{\"eventName\":\"ListUsers\",\"n\":12}\n");
    let first = run(&["case", "report", "case-17"]);
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    // Three answers, and the file of keys.
    assert_eq!(lines(&first.stdout, "identical").len(), 4, "{}", first.stdout);
    let kept = std::fs::read_to_string(trail.desk.path().join("case-17/report.md")).expect("a file");
    assert_eq!(kept, first.stdout);
    assert_eq!(run(&["case", "report", "case-17"]).stdout, first.stdout);

    std::fs::write(&trail.logs[2], gzip(records(2).replace("ListUsers", "ListUserz").as_bytes()))
        .expect("a file");
    std::fs::remove_file(&trail.logs[4]).expect("a file");
    let changed = run(&["case", "report", "case-17", "--force"]);
    assert_eq!(changed.code, 1, "{}{}", changed.stdout, changed.stderr);
    assert!(lines(&changed.stdout, "- other content")[0].contains("T0215Z"), "{}", changed.stdout);
    assert!(lines(&changed.stdout, "- missing")[0].contains("T0415Z"), "{}", changed.stdout);
    assert!(
        changed.stdout.contains("differs from line 3 on; 12 lines then, 10 lines now"),
        "{}",
        changed.stdout
    );
    let refused = run(&["case", "new", "case-17", "--source", "logs"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert_eq!(run(&["case", "add", "case-17", "--", "generate", "x"]).code, 2);
}

#[test]
fn a_case_names_the_rules_that_changed_under_it() {
    let trail = Trail::new();
    let rule = |name: &str| {
        format!(
            "title: Listing\nid: 00000000-0000-4000-8000-000000000001\nlevel: medium\n\
             logsource:\n    product: aws\n    service: cloudtrail\n\
             detection:\n    selection:\n        eventName: {name}\n    condition: selection\n"
        )
    };
    trail.desk.file("rules/a.yml", rule("ListUsers"));
    let run = |words: &[&str]| trail.desk.run_as_is(words);
    run(&["case", "new", "c", "--source", "logs"]);
    for words in [&["detect", "@", "--rules", "rules"][..], &["detect", "@"]] {
        let added = run(&[&["case", "add", "c", "--"], words].concat());
        assert_eq!(added.code, 0, "{}", added.stderr);
    }
    let first = run(&["case", "report", "c"]);
    assert_eq!(first.code, 0, "{}", first.stdout);
    assert!(first.stdout.contains("| 001 | `rules` | `"), "{}", first.stdout);
    assert!(first.stdout.contains("| 002 | `the program's own rules` | `"), "{}", first.stdout);
    trail.desk.file("rules/a.yml", rule("GetUser"));
    let changed = run(&["case", "report", "c", "--force"]);
    assert_eq!(changed.code, 1, "{}", changed.stdout);
    let of_rules = lines(&changed.stdout, "| 001 | `rules` | `");
    assert!(of_rules.len() == 1 && of_rules[0].ends_with("| other content |"), "{}", changed.stdout);
    assert!(changed.stdout.contains("such as rules or keys, changed"), "{}", changed.stdout);
}

#[test]
fn a_case_tells_an_answer_that_was_edited() {
    let trail = Trail::new();
    trail.desk.run_as_is(&["case", "new", "c", "--source", "logs"]);
    trail.desk.run_as_is(&["case", "add", "c", "--", "stats", "@", "eventName"]);
    let path = trail.desk.path().join("c/commands/001.jsonl");
    let answer = std::fs::read_to_string(&path).expect("a file").replace("12", "13");
    std::fs::write(&path, answer).expect("a file");
    let report = trail.desk.run_as_is(&["case", "report", "c"]);
    assert_eq!(report.code, 1, "{}", report.stderr);
    assert!(report.stdout.contains("is not the one that was recorded"), "{}", report.stdout);
}

#[test]
fn without_digests_no_row_is_said_to_be_valid() {
    let (desk, keys) = (small_trail(), Trail::new());
    desk.file("keys.json", std::fs::read(keys.desk.path().join("keys.json")).expect("a file"));
    let answer =
        desk.run(&["stats", "logs", "verified", "--verify", "--keys", "keys.json", "--output", "jsonl"]);
    assert!(answer.stdout.starts_with("{\"verified\":\"no digest\",\"events\":4"), "{}", answer.stdout);
    assert!(answer.stderr.contains("nothing is verified"), "{}", answer.stderr);
    let verified = desk.run_as_is(&["verify", "logs", "--keys", "keys.json", "--output", "table"]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    assert!(verified.stdout.starts_with("! not proven"), "{}", verified.stdout);
    let stdin = desk.run_as_is(&["search", "-", "--verify", "--keys", "keys.json"]);
    assert_eq!(stdin.code, 2, "{}", stdin.stderr);
}
