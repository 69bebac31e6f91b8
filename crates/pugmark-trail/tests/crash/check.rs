//! What must hold at the end, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pugmark_event::{Object as EventObject, ObjectKind};
use pugmark_integrity::{
    Content, Digest, DigestFile, Evidence, LogFile, PublicKeys, Question, Standing, Verdict, judge, sha256,
};
use pugmark_trail::{Object, Service};

/// The bytes of one gzip member as the trail writes them: a header of ten bytes.
pub(crate) fn inflated(bytes: &[u8]) -> Vec<u8> {
    let size: [u8; 4] = bytes[bytes.len() - 4..].try_into().unwrap();
    let mut out = Vec::with_capacity(u32::from_le_bytes(size) as usize + 64);
    let mut inflate = flate2::Decompress::new(false);
    inflate.decompress_vec(&bytes[10..], &mut out, flate2::FlushDecompress::Finish).unwrap();
    assert_eq!(inflate.total_in() as usize + 18, bytes.len(), "one member, and nothing after it");
    out
}

/// The `eventID`s in all log files, with how often each stands there.
pub(crate) fn delivered(objects: &BTreeMap<String, Object>) -> BTreeMap<String, usize> {
    let mut events = BTreeMap::new();
    for object in
        objects.iter().filter(|(key, _)| !key.contains("CloudTrail-Digest")).map(|(_, object)| object)
    {
        let body: serde_json::Value = serde_json::from_slice(&inflated(&object.bytes)).unwrap();
        for record in body["Records"].as_array().unwrap() {
            *events.entry(record["eventID"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    events
}

/// Each log file is listed once, and everything is proven.
pub(crate) fn check_chain(service: &Service, objects: &BTreeMap<String, Object>, regions: &[&str]) {
    let mut keys = PublicKeys::default();
    for region in regions {
        for key in service.public_keys(region, Some(i64::MIN), Some(i64::MAX)).unwrap() {
            let one = serde_json::json!({"PublicKeyList": [{
                "Value": key.value, "Fingerprint": key.fingerprint,
                "ValidityStartTime": key.since / 1_000_000, "ValidityEndTime": key.until / 1_000_000,
            }]});
            keys.add(one.to_string().as_bytes(), "the service").unwrap();
        }
    }
    let (evidence, listed) = evidence(objects);
    let logs: BTreeSet<String> = evidence.logs.iter().map(|log| log.object.name.clone()).collect();
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "a file is listed twice");
    assert_eq!(logs, listed.into_iter().collect(), "listed is not what was delivered");
    let report = judge(&evidence, &keys, &Question::default());
    for chain in &report.chains {
        assert!(chain.missing.is_empty() && chain.forks.is_empty(), "{chain:#?}");
    }
    for digest in report.chains.iter().flat_map(|chain| &chain.digests) {
        assert_eq!(digest.verdict, Verdict::Valid, "{digest:#?}");
    }
    for log in &report.logs {
        assert_eq!(log.verdict, Verdict::Valid, "{log:#?}");
    }
    assert_eq!(report.standing(), Standing::Proven);
}

fn evidence(objects: &BTreeMap<String, Object>) -> (Evidence, Vec<String>) {
    let (mut evidence, mut listed) = (Evidence::default(), Vec::new());
    for (key, stored) in objects {
        let body = inflated(&stored.bytes);
        let name = format!("s3://trail-logs-example/{key}");
        let parts: Vec<&str> = key.split('/').collect();
        let at = parts.iter().position(|part| *part == "AWSLogs").unwrap();
        let is_digest = key.contains("CloudTrail-Digest");
        let object = Arc::new(EventObject {
            name,
            kind: if is_digest { ObjectKind::Digest } else { ObjectKind::Log },
            account: Some(parts[at + 1].to_owned()),
            region: Some(parts[at + 3].to_owned()),
            ..EventObject::default()
        });
        let content = Content { sha256: sha256(&body), bytes: body.len() as u64, ..Content::default() };
        if is_digest {
            let digest = Digest::parse(&body).unwrap();
            assert_eq!(&*digest.place.key, key);
            listed.extend(digest.files.iter().map(|file| file.place.to_string()));
            let metadata = stored.metadata.clone().into_iter().collect();
            let digest = Ok(Arc::new(digest));
            evidence.digests.push(DigestFile { object, content, digest, malformed: Vec::new(), metadata });
        } else {
            evidence.logs.push(LogFile { object, content });
        }
    }
    evidence.buckets.insert("trail-logs-example".to_owned());
    (evidence, listed)
}
