//! Against a server that speaks S3 over a real socket.
//!
//! The server is `moto`: an executable named by `PUGMARK_MOTO`, or the one
//! that `cargo xtask moto` puts under `target`. Without it the test says so
//! and passes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStoreExt as _};
use pugmark_event::{Defect, Fill, Filled, Limits, Object};
use pugmark_source::{Access, Location, Progress, Selection, SourceError, Visitor, list, visit};

const BUCKET: &str = "trail-logs-example";
const ENDPOINT: &str = "PUGMARK_TEST_ENDPOINT";
const OBJECTS: usize = 40;

fn moto() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("PUGMARK_MOTO") {
        return Some(path.into());
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/moto");
    ["bin/moto_server", "Scripts/moto_server.exe"]
        .map(|name| root.join(name))
        .into_iter()
        .find(|path| path.exists())
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(executable: &PathBuf) -> Server {
        let mut process = Command::new(executable)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server ended");
            if let Some((_, address)) = line.split_once("http://") {
                break address.split_whitespace().next().unwrap().to_owned();
            }
        };
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Server { process, address }
    }

    fn put_bucket(&self) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        let request = format!(
            "PUT /{BUCKET} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    fn put_objects(&self) {
        let store = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_region("us-east-1")
            .with_endpoint(format!("http://{}", self.address))
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_access_key_id("AKIAEXAMPLE")
            .with_secret_access_key("secret")
            .build()
            .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            for number in 0..OBJECTS {
                let day = 10 + number % 2;
                let key =
                    format!("AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/{day}/{number:02} +ü.json");
                store.put(&Path::parse(key).unwrap(), format!("{{\"n\":{number}}}").into()).await.unwrap();
            }
            // More than is read whole: streamed.
            store.put(&Path::from("large.json"), vec![b' '; 6 << 20].into()).await.unwrap();
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_bucket_is_read_through_the_credential_chain() {
    let Some(executable) = moto() else {
        eprintln!("SKIPPED: no moto_server; install it with `cargo xtask moto` or name it in PUGMARK_MOTO");
        return;
    };
    let server = Server::start(&executable);
    server.put_bucket();
    server.put_objects();
    // The environment of a process is set from outside, so the reading half
    // of this test runs in one of its own.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_reading_half", "--nocapture"])
        .env(ENDPOINT, format!("http://{}", server.address))
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_PROFILE")
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn the_reading_half() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let access = Access { endpoint_url: Some(endpoint), ..Access::default() };
    let find = |text: &str, selection: &Selection| {
        let location = Location::parse(text).unwrap();
        list(&[location], selection, &access, &Limits::default(), &Progress::default())
    };
    let listing = find(&format!("s3://{BUCKET}/"), &Selection::default()).unwrap();
    assert_eq!(listing.tally.listed as usize, OBJECTS + 1);
    assert_eq!(listing.coverage[0].days.len(), 2);
    let (recorders, tally) =
        visit(listing, &access, &Limits::default(), 2, &Progress::default(), |_| Recorder::default())
            .unwrap();
    assert!(tally.balances());
    let mut objects: Vec<_> = recorders.iter().flat_map(|recorder| recorder.objects.clone()).collect();
    objects.sort();
    assert_eq!(objects.len(), OBJECTS + 1);
    assert_eq!(objects[OBJECTS].1, 6 << 20);
    assert!(objects[0].0.ends_with("/10/00 +ü.json") && objects[0].1 == 7);
    assert!(recorders.iter().all(|recorder| recorder.defects.is_empty()));

    let regions = Selection { regions: vec!["us-east-1".into()], ..Selection::default() };
    assert_eq!(find(&format!("s3://{BUCKET}/AWSLogs/"), &regions).unwrap().entries.len(), 0);
    let missing: SourceError = find("s3://no-such-bucket-example/", &Selection::default()).unwrap_err();
    assert_eq!((missing.kind(), missing.hint().is_some()), ("not-found", true));
}

#[derive(Default)]
struct Recorder {
    objects: Vec<(String, usize)>,
    defects: Vec<Defect>,
}

impl Visitor for Recorder {
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let mut bytes = Vec::new();
        while let Ok(Filled::More) = fill.fill(&mut bytes, 64 << 10) {}
        self.objects.push((object.name.clone(), bytes.len()));
        ControlFlow::Continue(())
    }

    fn defect(&mut self, defect: Defect) {
        self.defects.push(defect);
    }
}
