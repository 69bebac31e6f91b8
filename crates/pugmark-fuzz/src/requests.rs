//! What strangers send to the server.
//!
//! An input is a request as on the wire: a line with method and target, lines of headers, an
//! empty line, the body.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pugmark_event::Limits;
use pugmark_server::{
    AccessKey, AccessKeys, BucketPlace, Cadence, EngineFault, LakeQuestion, NewSigners, NoCourier,
    QueryEngine, RawRequest, Reading, Role, Rows, Scanned, Server, ServerOptions, Surroundings,
};
use pugmark_source::Access;
use pugmark_trail::{Facts, Selectors};
use tokio::runtime::Runtime;

/// The time of the server's clock: 2026-01-15T10:00:00Z.
const NOW: i64 = 1_768_471_200_000_000;
/// Requests that one server answers before another takes its place, so that no disk fills.
const REQUESTS_MAX: u32 = 20_000;

/// A server in a folder of its own.
struct Desk {
    server: Server,
    answered: u32,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// Knows no statement: what SQL does is another target.
struct NoEngine;

impl QueryEngine for NoEngine {
    fn check(&self, _statement: &str) -> Result<(), EngineFault> {
        Ok(())
    }

    fn run(&self, _question: &LakeQuestion, _rows: &mut dyn Rows) -> Result<Scanned, EngineFault> {
        Ok(Scanned::default())
    }
}

impl Desk {
    fn new(is_anonymous: bool) -> Desk {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let key = AccessKey::generate("somebody", &[Role::Admin]).expect("random numbers");
        let keys: AccessKeys = [key].into_iter().collect();
        let surroundings = Surroundings {
            clock: Arc::new(|| NOW),
            log: Arc::new(|_| {}),
            engine: Arc::new(NoEngine),
            courier: Arc::new(NoCourier),
            signers: Arc::new(NewSigners),
        };
        let server = runtime.block_on(Server::bind(options(folder.path(), is_anonymous), keys, surroundings));
        Desk { server: server.expect("a server"), answered: 0, _runtime: runtime, _folder: folder }
    }
}

fn options(folder: &Path, is_anonymous: bool) -> ServerOptions {
    ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        data: folder.join("data"),
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        named_buckets: BTreeMap::new(),
        other_buckets: BucketPlace::Folders(folder.to_owned()),
        cadence: Cadence::default(),
        chaos: None,
        tail: Vec::new(),
        tail_every: std::time::Duration::from_secs(1),
        hosts: vec!["trail.example.com".to_owned()],
        is_anonymous,
        requests_per_second: u32::MAX,
        lookups_per_second: u32::MAX,
        reading: Reading {
            lookup: Vec::new(),
            access: Access::default(),
            limits: Limits::default(),
            threads: 1,
        },
    }
}

/// Whatever is sent, in either protocol, has an answer that a client can read: a result, or an
/// error that is not the server's own. The same holds for what comes after it.
///
/// # Panics
/// If not.
pub fn request(input: &[u8]) {
    static DESK: Mutex<Option<Desk>> = Mutex::new(None);
    let Some((status, body)) = answer(&DESK, true, input) else { return };
    assert!(status < 500, "{status} {}", String::from_utf8_lossy(&body));
    let is_text = input.starts_with(b"GET") || input.starts_with(b"HEAD");
    let is_json = || serde_json::from_slice::<serde_json::Value>(&body).is_ok();
    assert!(body.is_empty() || is_text || is_json(), "{}", String::from_utf8_lossy(&body));
}

/// Nobody who has no key comes in, whatever the signature looks like.
///
/// # Panics
/// If somebody does.
pub fn signature(input: &[u8]) {
    static DESK: Mutex<Option<Desk>> = Mutex::new(None);
    let Some((status, body)) = answer(&DESK, false, input) else { return };
    let is_open = ["GET /health", "GET /metrics", "HEAD /health", "HEAD /metrics"];
    let is_refused = (400..500).contains(&status);
    let is_asked = is_open.iter().any(|open| input.starts_with(open.as_bytes()));
    assert!(is_refused || is_asked, "{status} {}", String::from_utf8_lossy(&body));
}

/// Selectors are refused or applied, and what is kept of them is what was given.
///
/// # Panics
/// If not.
pub fn selectors(input: &[u8]) {
    let Ok(selectors) = serde_json::from_slice::<Selectors>(input) else { return };
    if selectors.check().is_err() {
        return;
    }
    for event in EVENTS {
        let facts = Facts::read(event).expect("events of our own");
        let is_taken = selectors.matches(facts.category(), &facts);
        let kept = serde_json::to_vec(&selectors).expect("text");
        let kept: Selectors = serde_json::from_slice(&kept).expect("what was written");
        assert_eq!(kept.matches(facts.category(), &facts), is_taken);
        assert_eq!(kept, selectors);
    }
}

const EVENTS: [&str; 3] = [
    r#"{"eventCategory":"Management","eventName":"CreateTrail","eventSource":"cloudtrail.amazonaws.com","readOnly":false}"#,
    r#"{"eventCategory":"Data","eventName":"GetObject","eventSource":"s3.amazonaws.com","readOnly":true,"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::a/b"}]}"#,
    r#"{"eventCategory":"NetworkActivity","eventName":"Decrypt","eventSource":"kms.amazonaws.com","vpcEndpointId":"vpce-1","errorCode":"VpceAccessDenied"}"#,
];

fn answer(desk: &Mutex<Option<Desk>>, is_anonymous: bool, input: &[u8]) -> Option<(u16, Vec<u8>)> {
    let cut = input.windows(2).position(|two| two == b"\n\n")?;
    let head = std::str::from_utf8(&input[..cut]).ok()?;
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    headers.push(("host", "trail.example.com"));
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    if desk.as_ref().is_none_or(|desk| desk.answered >= REQUESTS_MAX) {
        *desk = Some(Desk::new(is_anonymous));
    }
    let desk = desk.as_mut()?;
    desk.answered += 1;
    Some(desk.server.answer(RawRequest { method, target, headers: &headers, body: &input[cut + 2..] }))
}
