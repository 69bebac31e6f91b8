//! What is planted for whoever asks who did it, checked against the records.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pugmark_sim::{Options, Planted, Truth, generate};
use serde_json::Value;

/// A trail by event id, and its truth.
struct Trail {
    root: PathBuf,
    truth: Truth,
    records: BTreeMap<String, Value>,
}

impl Trail {
    fn make(name: &str, options: &Options) -> Trail {
        // Tests may run in processes of their own, side by side: each has its folder.
        let test = std::thread::current().name().unwrap_or("main").replace("::", "-");
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{test}"));
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        let truth = generate(&root, options, &|_| {}).unwrap();
        let mut records = BTreeMap::new();
        let mut folders = vec![root.join("AWSLogs")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let file: Value = serde_json::from_str(&unpacked(&fs::read(&path).unwrap())).unwrap();
                for record in file["Records"].as_array().unwrap() {
                    records.insert(text(record, "/eventID").to_owned(), record.clone());
                }
            }
        }
        Trail { root, truth, records }
    }

    fn record(&self, id: &str) -> &Value {
        &self.records[id]
    }

    /// Records of role sessions whose issuer lies below the reserved path.
    fn linked(&self) -> impl Iterator<Item = &Value> {
        self.records.values().filter(|record| text(record, ISSUER).contains(":role/aws-service-role/"))
    }
}

const ISSUER: &str = "/userIdentity/sessionContext/sessionIssuer/arn";
const CREATED: &str = "/userIdentity/sessionContext/attributes/creationDate";

#[expect(clippy::disallowed_types, reason = "reads back single members that the generator wrote")]
fn unpacked(packed: &[u8]) -> String {
    let mut body = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut body).unwrap();
    body
}

fn options() -> Options {
    Options { events: 12_000, days: 6, seed: 11, ..Options::default() }
}

/// One trail with everything in it, made once.
fn shared() -> &'static Trail {
    static SHARED: OnceLock<Trail> = OnceLock::new();
    SHARED.get_or_init(|| Trail::make("planted", &options()))
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn seconds(time: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| time[range].parse::<i64>().unwrap();
    (part(8..10) * 24 + part(11..13)) * 3_600 + part(14..16) * 60 + part(17..19)
}

#[test]
fn the_truth_reads_back_as_it_was_written() {
    let trail = shared();
    let kept: Truth = serde_json::from_slice(&fs::read(trail.root.join("truth.json")).unwrap()).unwrap();
    assert!(kept == trail.truth);
}

#[test]
fn every_temporary_key_in_use_is_a_session_of_the_truth() {
    let trail = shared();
    let known: BTreeSet<&str> =
        trail.truth.sessions.iter().map(|session| session.access_key.as_str()).collect();
    for record in trail.records.values() {
        let key = text(record, "/userIdentity/accessKeyId");
        assert!(!key.starts_with("ASIA") || known.contains(key), "{record}");
    }
}

#[test]
fn every_session_of_a_linked_role_is_in_the_truth() {
    let trail = shared();
    let known: BTreeSet<(&str, &str)> = trail
        .truth
        .sessions
        .iter()
        .map(|session| (session.principal.as_str(), session.created.as_str()))
        .collect();
    assert!(trail.linked().count() > 300);
    for record in trail.linked() {
        let shown = (text(record, "/userIdentity/principalId"), text(record, CREATED));
        assert!(known.contains(&shown), "{record}");
    }
}

#[test]
fn an_issuing_record_shows_the_key_it_issued_and_a_missing_one_is_nowhere() {
    let trail = shared();
    let mut shown = BTreeSet::new();
    for record in trail.records.values() {
        for pointer in
            ["/responseElements/credentials/accessKeyId", "/responseElements/accessKey/accessKeyId"]
        {
            shown.insert(text(record, pointer));
        }
    }
    let by_key = trail.truth.sessions.iter().filter(|session| !session.access_key.is_empty());
    let mut missing = 0;
    for session in by_key {
        let key = session.access_key.as_str();
        match &session.issued_by {
            Some(id) if session.class == "console" => {
                assert_eq!(text(trail.record(id), "/eventName"), "ConsoleLogin");
            }
            Some(id) if session.class == "switch-role" => {
                assert_eq!(text(trail.record(id), "/eventName"), "SwitchRole");
            }
            Some(id) => {
                let response = trail.record(id)["responseElements"].to_string();
                assert!(response.contains(key), "{session:?}");
            }
            None => {
                assert!(!shown.contains(key), "{session:?}");
                missing += 1;
            }
        }
    }
    assert!(missing >= 10, "{missing}");
}

#[test]
fn all_kinds_of_sessions_and_chains_of_up_to_five_are_planted() {
    let sessions = &shared().truth.sessions;
    let classes: BTreeSet<&str> = sessions.iter().map(|session| session.class.as_str()).collect();
    for class in [
        "role",
        "identity-center",
        "web-identity",
        "irsa",
        "pod-identity",
        "instance",
        "service-role",
        "service-linked",
        "session-token",
        "federation-token",
        "assumed-root",
        "console",
        "switch-role",
        "user-key",
        "forward-access",
    ] {
        assert!(classes.contains(class), "{class}");
    }
    let depths: BTreeSet<u32> = sessions.iter().map(|session| session.depth).collect();
    assert!((1..=5).all(|depth| depths.contains(&depth)), "{depths:?}");
    assert!(sessions.iter().all(|session| session.actor_type != "unknown"));
}

#[test]
fn a_copy_shows_an_account_and_its_original_the_caller() {
    let trail = shared();
    assert!(trail.truth.copies.iter().filter(|copy| copy.original.is_some()).count() >= 8);
    assert!(trail.truth.copies.iter().any(|copy| copy.original.is_none()));
    for copy in &trail.truth.copies {
        let record = trail.record(&copy.event_id);
        assert_eq!(text(record, "/userIdentity/type"), "AWSAccount");
        if let Some(original) = &copy.original {
            let original = trail.record(original);
            assert_eq!(text(original, "/sharedEventID"), text(record, "/sharedEventID"));
            assert_ne!(text(original, "/userIdentity/type"), "AWSAccount");
        }
    }
}

#[test]
fn a_cause_lies_before_its_effect_in_the_same_account_and_was_asked_by_no_linked_role() {
    let trail = shared();
    assert!(trail.truth.causes.len() > 250);
    let mut effects = BTreeSet::new();
    for cause in &trail.truth.causes {
        assert!(effects.insert(&cause.event_id), "one cause each: {cause:?}");
        let (effect, request) = (trail.record(&cause.event_id), trail.record(&cause.cause));
        let apart = seconds(text(effect, "/eventTime")) - seconds(text(request, "/eventTime"));
        assert!((0..3_600).contains(&apart), "{apart} {effect}");
        assert_eq!(text(effect, "/recipientAccountId"), text(request, "/recipientAccountId"));
        assert_ne!(text(effect, "/userIdentity/invokedBy"), "");
        assert!(request["errorCode"].is_null() && request["readOnly"] == false, "{request}");
        assert!(!text(request, ISSUER).contains("/aws-service-role/"));
    }
}

#[test]
fn linked_roles_also_act_without_a_cause_and_some_only_look_like_them() {
    let trail = shared();
    let caused: BTreeSet<&str> = trail.truth.causes.iter().map(|cause| cause.event_id.as_str()).collect();
    let writes = trail.linked().filter(|record| record["readOnly"] == false);
    assert!(writes.filter(|record| !caused.contains(text(record, "/eventID"))).count() >= 2);
    let alike = trail.records.values().any(|record| {
        text(record, ISSUER).ends_with(":role/AWSServiceRoleForAmazonEKSNodegroup-old")
            && text(record, "/eventName") == "DeleteInstanceProfile"
    });
    assert!(alike);
}

#[test]
fn the_two_events_of_the_guide_stand_in_every_trail() {
    let trail = shared();
    let is_user = |record: &Value| text(record, "/userIdentity/type") == "IAMUser";
    assert!(
        trail.records.values().any(|record| is_user(record) && text(record, "/eventName") == "CreateCluster")
    );
    let deletion = trail.truth.causes.iter().find(|cause| {
        let effect = trail.record(&cause.event_id);
        text(effect, "/eventName") == "DeleteInstanceProfile"
            && text(effect, ISSUER).ends_with("/AWSServiceRoleForAmazonEKSNodegroup")
            && is_user(trail.record(&cause.cause))
    });
    assert_eq!(text(trail.record(&deletion.unwrap().cause), "/eventName"), "DeleteNodegroup");
}

#[test]
fn node_groups_are_deleted_at_the_same_time_and_under_the_same_names() {
    let trail = shared();
    let deletions: Vec<(&str, i64, &Value)> = trail
        .records
        .values()
        .filter(|record| text(record, "/eventName") == "DeleteNodegroup" && record["errorCode"].is_null())
        .map(|record| {
            let cluster = text(record, "/requestParameters/name");
            (cluster, seconds(text(record, "/eventTime")), record)
        })
        .collect();
    let together = |test: &dyn Fn(&Value, &Value) -> bool| {
        deletions.iter().any(|(cluster, time, first)| {
            deletions.iter().any(|(other, later, second)| {
                other == cluster && (1..60).contains(&(later - time)) && test(first, second)
            })
        })
    };
    assert!(together(&|first, second| first["awsRegion"] == second["awsRegion"]));
    let group = "/requestParameters/nodegroupName";
    assert!(together(&|first, second| first["awsRegion"] != second["awsRegion"]
        && text(first, group) == text(second, group)));
}

#[test]
fn a_cluster_lives_again_under_its_name() {
    let trail = shared();
    let lives = &trail.truth.lives;
    let again = lives.iter().any(|life| {
        life.deleted.as_ref().is_some_and(|deleted| {
            lives.iter().any(|next| {
                (&next.name, &next.account, &next.region) == (&life.name, &life.account, &life.region)
                    && next.created > *deleted
                    && next.created_by != life.created_by
            })
        })
    });
    assert!(again);
    for life in lives {
        assert_eq!(text(trail.record(&life.created_by), "/eventName"), "CreateCluster");
        for id in life.entries.iter().chain(&life.failures) {
            assert_eq!(life.failures.contains(id), !trail.record(id)["errorCode"].is_null(), "{id}");
        }
    }
}

#[test]
fn thefts_name_the_events_of_the_thief() {
    let trail = shared();
    let kinds: BTreeSet<&str> = trail.truth.thefts.iter().map(|theft| theft.kind.as_str()).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    for theft in &trail.truth.thefts {
        assert!(!theft.events.is_empty());
        for id in &theft.events {
            let record = trail.record(id);
            assert_eq!(text(record, "/userIdentity/accessKeyId"), theft.access_key);
            assert_eq!(text(record, "/sourceIPAddress"), theft.address);
        }
    }
}

#[test]
fn audit_logs_lie_beside_the_same_trail_and_name_its_keys() {
    let asked = Options { planted: Planted::LineageAndAuditLogs, ..options() };
    let trail = Trail::make("planted-with-logs", &asked);
    assert!(trail.records == shared().records, "the logs change nothing in the trail");
    assert!(!trail.truth.joins.is_empty());
    for join in &trail.truth.joins {
        let log = fs::read_to_string(trail.root.join(&join.file)).unwrap();
        let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let entry = entries.iter().find(|entry| text(entry, "/auditID") == join.audit_id).unwrap();
        assert_eq!(text(entry, "/user/extra/accessKeyId/0"), join.access_key);
        let session = trail.truth.sessions.iter().find(|session| session.access_key == join.access_key);
        let known = session.is_some_and(|session| session.actor == join.actor);
        assert!(join.access_key.is_empty() || join.access_key.starts_with("AKIA") || known, "{join:?}");
    }
}

#[test]
fn a_small_trail_is_the_same_with_and_without() {
    let small = Options { events: 3_000, days: 2, ..options() };
    let with = Trail::make("small-with", &small);
    let without = Trail::make("small-without", &Options { planted: Planted::Nothing, ..small });
    assert!(with.records == without.records && with.truth == without.truth);
}

#[test]
fn one_account_and_region_have_room_for_more_than_one_round() {
    let narrow = Options { events: 50_000, days: 2, accounts: 1, regions: 1, ..options() };
    let trail = Trail::make("narrow", &narrow);
    assert_eq!(trail.records.len() as u64, trail.truth.events);
    let planted = trail.truth.lives.iter().filter(|life| life.name != "prod").count();
    assert_eq!(planted, 4, "two rounds of a life and the one after it");
}
