//! Requests as they arrive, without a socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;
use crate::keys::{AccessKey, AccessKeys};
use crate::lake::{EngineFault, LakeQuestion, QueryEngine, Rows, Scanned};
use crate::operations::OPERATIONS;
use crate::server::{Server, ServerOptions, Surroundings};
use crate::sigv4::tests::signed;
use crate::topics::NoCourier;
use pugmark_trail::{BucketPlace, Cadence, NewSigners};

const NOW: i64 = 1_768_471_200_000_000;

struct NoEngine;

impl QueryEngine for NoEngine {
    fn check(&self, _statement: &str) -> Result<(), EngineFault> {
        Ok(())
    }

    fn run(&self, question: &LakeQuestion, _rows: &mut dyn Rows) -> Result<Scanned, EngineFault> {
        assert!(!question.statement.contains("panic"), "asked to");
        Ok(Scanned::default())
    }
}

/// An application in a folder of its own, with a key for each role.
struct Desk {
    app: Arc<App>,
    keys: Vec<AccessKey>,
    log: Arc<Mutex<String>>,
    clock: Arc<AtomicI64>,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new(is_anonymous: bool) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let keys: Vec<AccessKey> = [Role::Read, Role::Write, Role::Admin]
            .map(|role| AccessKey::generate(role.name(), &[role]).unwrap())
            .into();
        let options = ServerOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: folder.path().join("data"),
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            named_buckets: BTreeMap::new(),
            other_buckets: BucketPlace::Folders(folder.path().to_owned()),
            cadence: Cadence::default(),
            chaos: None,
            tail: Vec::new(),
            tail_every: std::time::Duration::from_secs(1),
            hosts: vec!["trail.example.com".to_owned()],
            is_anonymous,
            requests_per_second: 1_000,
            lookups_per_second: 2,
            reading: Reading {
                lookup: Vec::new(),
                access: Access::default(),
                limits: Limits::default(),
                threads: 1,
            },
        };
        let (log, clock) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicI64::new(NOW)));
        let (lines, time) = (Arc::clone(&log), Arc::clone(&clock));
        let surroundings = Surroundings {
            clock: Arc::new(move || time.load(Ordering::Relaxed)),
            log: Arc::new(move |line: &str| lines.lock().unwrap().push_str(line)),
            engine: Arc::new(NoEngine),
            courier: Arc::new(NoCourier),
            signers: Arc::new(NewSigners),
        };
        let known: AccessKeys = keys.iter().cloned().collect();
        let server = runtime.block_on(Server::bind(options, known, surroundings)).unwrap();
        Desk { app: Arc::clone(server.app()), keys, log, clock, _runtime: runtime, _folder: folder }
    }

    fn answer(&self, request: &Arrived) -> (u16, Option<&'static str>, Value) {
        let answer = self.app.answer(request);
        (answer.status, answer.code, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// The code of the answer to an operation that this key signed.
    fn code(&self, key: &AccessKey, operation: &str, body: &str) -> &'static str {
        let time = self.clock.fetch_add(2_000_000, Ordering::Relaxed) + 2_000_000;
        let request = signed(key, time, call(operation, body));
        self.answer(&request).1.unwrap_or("OK")
    }
}

fn request(method: &str, path: &str, body: &[u8]) -> Arrived {
    let mut headers = BTreeMap::new();
    headers.insert("host".to_owned(), vec!["trail.example.com".to_owned()]);
    Arrived {
        id: "r".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers,
        body: Bytes::copy_from_slice(body),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

fn call(operation: &str, body: &str) -> Arrived {
    let mut request = request("POST", "/", body.as_bytes());
    request.headers.insert("x-amz-target".to_owned(), vec![format!("CloudTrail_20131101.{operation}")]);
    request.headers.insert("content-type".to_owned(), vec![AWS_JSON.to_owned()]);
    request
}

fn event(name: &str) -> String {
    format!(
        r#"{{"eventSource":"a.example.com","eventName":"{name}","awsRegion":"us-east-1","recipientAccountId":"111122223333"}}"#
    )
}

#[test]
fn every_operation_is_open_to_its_roles_and_to_no_other() {
    let desk = Desk::new(false);
    for operation in &OPERATIONS {
        for key in &desk.keys {
            let is_denied = desk.code(key, operation.name, "{}") == "AccessDeniedException";
            assert_eq!(is_denied, !key.may(operation.role), "{} {:?}", operation.name, key.roles);
        }
    }
}

#[test]
fn only_a_key_that_writes_sends_events() {
    let desk = Desk::new(false);
    for (key, expected) in desk.keys.iter().zip(["AccessDeniedException", "OK", "OK"]) {
        let time = desk.clock.fetch_add(2_000_000, Ordering::Relaxed) + 2_000_000;
        let request = signed(key, time, request("POST", "/ingest", event("A").as_bytes()));
        assert_eq!(desk.answer(&request).1.unwrap_or("OK"), expected);
    }
}

#[test]
fn a_signed_change_is_good_once() {
    let desk = Desk::new(false);
    let request = signed(&desk.keys[2], NOW, request("POST", "/ingest", event("A").as_bytes()));
    assert_eq!(desk.answer(&request).0, 200);
    desk.clock.store(NOW + 2_000_000, Ordering::Relaxed);
    assert_eq!(desk.answer(&request).1, Some("InvalidSignatureException"));
}

#[test]
fn a_name_that_is_not_the_servers_is_misdirected() {
    let desk = Desk::new(true);
    let mut request = request("GET", "/health", b"");
    assert_eq!(desk.answer(&request).0, 200);
    request.headers.insert("host".to_owned(), vec!["evil.example.com".to_owned()]);
    assert_eq!(desk.answer(&request).0, 421);
    request.headers.remove("host");
    assert_eq!(desk.answer(&request).0, 421);
}

#[test]
fn a_page_in_a_browser_changes_nothing() {
    let desk = Desk::new(true);
    for path in ["/ingest", "/"] {
        let mut request = request("POST", path, event("A").as_bytes());
        request.headers.insert("origin".to_owned(), vec!["https://evil.example.com".to_owned()]);
        assert_eq!(desk.answer(&request).0, 403);
    }
    let body = r#"{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"A"}]}"#;
    assert_eq!(desk.answer(&call("LookupEvents", body)).2["Events"], json!([]));
}

#[test]
fn what_is_mislabelled_or_cut_gets_the_documented_error() {
    let desk = Desk::new(true);
    let mut plain = call("ListTrails", "{}");
    plain.headers.insert("content-type".to_owned(), vec!["text/plain".to_owned()]);
    assert_eq!(desk.answer(&plain).1, Some("SerializationException"));
    assert_eq!(desk.answer(&call("ListTrails", "{\"a\":")).1, Some("SerializationException"));
    assert_eq!(desk.answer(&call("Nonesuch", "{}")).0, 404);
    assert_eq!(desk.answer(&request("GET", "/", b"")).0, 405);
    assert_eq!(desk.answer(&request("POST", "/nonesuch", b"")).0, 404);
}

#[test]
fn each_event_of_a_batch_has_its_own_result() {
    let desk = Desk::new(true);
    let body = format!("{}\nnot json\n{}", event("A"), event("B"));
    let (status, _, answer) = desk.answer(&request("POST", "/ingest", body.as_bytes()));
    assert_eq!((status, &answer["accepted"], &answer["failed"]), (200, &json!(2), &json!(1)));
    assert_eq!(answer["results"][1]["errorCode"], "InvalidData");
}

#[test]
fn an_accepted_event_can_be_looked_up_at_once() {
    let desk = Desk::new(true);
    desk.answer(&request("POST", "/ingest", event("Wanted").as_bytes()));
    let body = r#"{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"Wanted"}]}"#;
    let (_, _, answer) = desk.answer(&call("LookupEvents", body));
    assert_eq!(answer["Events"].as_array().map(Vec::len), Some(1), "{answer}");
}

/// The store that a statement names, and the answer to a query once it is over.
fn queried(desk: &Desk, store: &str, condition: &str) -> Value {
    let statement = json!({ "QueryStatement": format!("SELECT 1 FROM {store} WHERE {condition}") });
    let (_, _, started) = desk.answer(&call("StartQuery", &statement.to_string()));
    let question = json!({ "QueryId": started["QueryId"] }).to_string();
    for _ in 0..500 {
        let (_, _, answer) = desk.answer(&call("DescribeQuery", &question));
        if !matches!(answer["QueryStatus"].as_str(), Some("QUEUED" | "RUNNING")) {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the query does not end");
}

#[test]
fn a_query_that_panics_fails_and_holds_up_no_other() {
    let desk = Desk::new(true);
    let (_, _, made) = desk.answer(&call("CreateEventDataStore", r#"{"Name":"abc"}"#));
    let store = made["EventDataStoreArn"].as_str().and_then(|arn| arn.rsplit('/').next()).unwrap();
    for _ in 0..12 {
        assert_eq!(queried(&desk, store, "'panic' = 'panic'")["QueryStatus"], "FAILED");
    }
    assert_eq!(queried(&desk, store, "1 = 1")["QueryStatus"], "FINISHED");
}

#[test]
fn a_third_lookup_within_a_second_is_throttled() {
    let desk = Desk::new(true);
    let codes = [0; 3].map(|_| desk.answer(&call("LookupEvents", "{}")).1);
    assert_eq!(codes, [None, None, Some("ThrottlingException")]);
}

#[test]
fn no_secret_is_in_the_log() {
    let desk = Desk::new(false);
    for key in &desk.keys {
        desk.code(key, "ListTrails", "{}");
        desk.code(key, "CreateTrail", r#"{"Name":"main","S3BucketName":"nonesuch"}"#);
    }
    let log = desk.log.lock().unwrap();
    assert!(log.contains("CreateTrail"));
    assert!(desk.keys.iter().all(|key| !log.contains(key.secret())));
}

#[test]
fn metrics_name_operations_and_codes() {
    let desk = Desk::new(true);
    desk.answer(&call("ListTrails", "{}"));
    let answer = desk.app.answer(&request("GET", "/metrics", b""));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains(r#"pugmark_requests_total{operation="ListTrails",code="OK"} 1"#), "{text}");
    assert!(text.contains("pugmark_journal_events 1"), "{text}");
}

#[test]
fn no_mutation_of_a_request_is_an_error_of_the_server() {
    const BODIES: [(&str, &str); 6] = [
        ("CreateTrail", r#"{"Name":"main","S3BucketName":"nonesuch","TagsList":[{"Key":"a","Value":"b"}]}"#),
        (
            "LookupEvents",
            r#"{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"a"}],"StartTime":1}"#,
        ),
        (
            "PutEventSelectors",
            r#"{"TrailName":"main","EventSelectors":[{"ReadWriteType":"All","DataResources":[]}]}"#,
        ),
        (
            "CreateEventDataStore",
            r#"{"Name":"abc","AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"a"}]}]}"#,
        ),
        (
            "ListTags",
            r#"{"ResourceIdList":["arn:aws:cloudtrail:us-east-1:111122223333:trail/main"],"NextToken":"a"}"#,
        ),
        ("StartImport", r#"{"Destinations":["a"],"ImportSource":{"S3":{"S3LocationUri":"s3://a/b"}}}"#),
    ];
    let desk = Desk::new(true);
    // A generator whose numbers are the same everywhere (Numerical Recipes).
    let mut state: u64 = 7;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for round in 0..300 {
        desk.clock.fetch_add(1_000_000, Ordering::Relaxed);
        let (operation, body) = BODIES[round % BODIES.len()];
        let mut bytes = body.as_bytes().to_vec();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = b"\"{}[]:,0-e\\\x00\xff"[next(13)],
                1 => drop(bytes.drain(at..(at + 1 + next(8)).min(bytes.len()))),
                _ => bytes.insert(at, b"\"{}[]:,0"[next(8)]),
            }
        }
        let mut request = call(operation, "");
        request.body = Bytes::copy_from_slice(&bytes);
        let (status, code, _) = desk.answer(&request);
        assert!(status < 500, "round {round}: {code:?} {}", String::from_utf8_lossy(&bytes));
    }
}
