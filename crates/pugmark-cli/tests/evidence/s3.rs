//! The same evidence in a bucket, of a server that speaks S3 (`moto`).

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::common::Answer;
use super::venv::venv;
use super::{Trail, gzip, lines, log_key, records};

/// A server, and the interpreter that fills it.
struct Bucket {
    process: Child,
    address: String,
    python: PathBuf,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Makes the environment of `command` that of somebody who may read the buckets.
fn credentials(command: &mut Command) -> &mut Command {
    command.envs([
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret-example"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
}

impl Bucket {
    fn start() -> Option<Bucket> {
        let environment = venv("PUGMARK_MOTO", "moto", "moto_server")?;
        let mut process = Command::new(environment.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut said = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("a line"), 0, "the server ended");
            if let Some((_, address)) = line.split_once("http://") {
                break format!("http://{}", address.split_whitespace().next().expect("an address"));
            }
        };
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Some(Bucket { process, address, python: environment.join("bin/python") })
    }

    /// Puts the log files and digests of `trail` into a bucket.
    fn fill(&self, name: &str, trail: &Trail) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/evidence/upload.py");
        let mut command = Command::new(&self.python);
        let folder = trail.desk.path().join("logs");
        let status = credentials(command.arg(script).args([&self.address, name]).arg(folder)).status();
        assert!(status.expect("python").success());
    }

    /// Runs `pugmark` on the trail's desk.
    fn run(&self, trail: &Trail, words: &[&str]) -> Answer {
        let mut command = trail.desk.command(words);
        let output = credentials(&mut command).env("PUGMARK_ENDPOINT_URL", &self.address).output();
        let output = output.expect("pugmark runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().unwrap_or(-1);
        Answer { stdout: text(output.stdout), stderr: text(output.stderr), code, summary: None }
    }
}

const SOURCE: &str = "s3://trail-logs-example/";

#[test]
fn a_bucket_gets_the_verdicts_of_its_copy_on_disk() {
    let Some(bucket) = Bucket::start() else { return };
    let trail = Trail::tampered();
    bucket.fill("trail-logs-example", &trail);
    let verdicts = |source: &str| {
        let answer = bucket.run(&trail, &["verify", source, "--keys", "keys.json", "--output", "jsonl"]);
        assert_eq!(answer.code, 1, "{}", answer.stderr);
        let rows = answer.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let rows = rows.map(|row: serde_json::Value| {
            let last =
                |name: &str| row[name].as_str().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
            (last("object"), last("kind"), last("verdict"), last("proof"), last("sha256"))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    };
    let (of_bucket, of_folder) = (verdicts(SOURCE), verdicts("logs"));
    assert_eq!(of_bucket, of_folder);
    let said = |verdict: &str| of_bucket.iter().filter(|row| row.2.as_deref() == Some(verdict)).count();
    assert_eq!(["valid", "modified", "missing", "unlisted"].map(said), [16, 1, 1, 1]);
    let by_metadata = of_bucket.iter().filter(|row| row.3.as_deref() == Some("metadata")).count();
    assert_eq!(by_metadata, 9, "{of_bucket:?}");
}

#[test]
fn rows_out_of_a_bucket_are_marked_as_those_of_its_copy_are() {
    let Some(bucket) = Bucket::start() else { return };
    let trail = Trail::tampered();
    bucket.fill("trail-logs-example", &trail);
    let marked = |source: &str| {
        let words = ["search", source, "--verify", "--keys", "keys.json", "--columns", "time,verified"];
        let answer = bucket.run(&trail, &[&words[..], &["--output", "tsv"]].concat());
        assert!(answer.stderr.contains("14 valid, 2 modified, 1 unlisted, 6 no digest"), "{}", answer.stderr);
        answer.stdout
    };
    assert_eq!(marked(SOURCE), marked("logs"));
    let scan = bucket.run(&trail, &["scan", SOURCE, "--verify", "--keys", "keys.json", "--output", "json"]);
    assert!(scan.stderr.contains("verified rows: 14 valid, 2 modified"), "{}", scan.stderr);
    let detect =
        bucket.run(&trail, &["detect", SOURCE, "--verify", "--keys", "keys.json", "--output", "json"]);
    assert!(detect.stderr.contains("verified rows: 14 valid, 2 modified"), "{}", detect.stderr);
    let cells = |source: &str| {
        let answer = bucket.run(&trail, &["coverage", source, "--hourly", "--output", "json"]);
        let map: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
        assert_eq!(map["cells"].as_array().map(Vec::len), Some(12), "{map}");
        (map["cells"].clone(), map["gaps"].clone())
    };
    assert_eq!(cells(SOURCE), cells("logs"));
}

#[test]
fn a_file_missing_from_a_copy_in_another_bucket_is_missing() {
    let Some(bucket) = Bucket::start() else { return };
    let trail = Trail::new();
    std::fs::remove_file(&trail.logs[4]).expect("a file");
    std::fs::remove_file(&trail.digests[6]).expect("a file");
    bucket.fill("copy-example", &trail);
    let answer =
        bucket.run(&trail, &["verify", "s3://copy-example/", "--keys", "keys.json", "--output", "table"]);
    assert_eq!(answer.code, 1, "{}{}", answer.stdout, answer.stderr);
    let missing = lines(&answer.stdout, "  missing    ");
    assert_eq!(missing.len(), 2, "{}", answer.stdout);
    assert!(missing.iter().any(|line| line.contains("T0415Z")), "{missing:?}");
    assert!(missing.iter().any(|line| line.contains("T070000Z")), "{missing:?}");
    assert!(answer.stdout.contains("stand elsewhere than where they were delivered"), "{}", answer.stdout);
}

#[test]
fn a_case_of_a_bucket_comes_out_the_same_until_an_object_changes() {
    let Some(bucket) = Bucket::start() else { return };
    let trail = Trail::new();
    bucket.fill("trail-logs-example", &trail);
    let run = |words: &[&str]| bucket.run(&trail, words);
    let made = run(&["case", "new", "c", "--source", SOURCE]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for words in [&["search", "@", "--name", "ListUsers"][..], &["verify", "@", "--keys", "keys.json"]] {
        let added = run(&[&["case", "add", "c", "--"], words].concat());
        assert_eq!(added.code, 0, "{}", added.stderr);
    }
    let case = std::fs::read_to_string(trail.desk.path().join("c/case.json")).expect("a file");
    assert_eq!(lines(&case, "\"sha256\":\"").len(), 24, "{case}");
    let first = run(&["case", "report", "c"]);
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    assert_eq!(lines(&first.stdout, "identical").len(), 3, "{}", first.stdout);
    assert_eq!(run(&["case", "report", "c"]).stdout, first.stdout);

    let changed = gzip(records(2).replace("ListUsers", "ListUserz").as_bytes());
    std::fs::write(&trail.logs[2], changed).expect("a file");
    let added = trail.desk.file(&format!("logs/{}", log_key(6, 45)), gzip(records(6).as_bytes()));
    bucket.fill("trail-logs-example", &trail);
    let report = run(&["case", "report", "c", "--force"]);
    assert_eq!(report.code, 1, "{}{}", report.stdout, report.stderr);
    assert!(lines(&report.stdout, "- other content")[0].contains("T0215Z"), "{}", report.stdout);
    let name = added.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(lines(&report.stdout, "- new")[0].contains(name), "{}", report.stdout);
    assert!(report.stdout.contains("The inputs named above changed"), "{}", report.stdout);
}
