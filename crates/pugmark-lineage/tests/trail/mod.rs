//! Small trails made by hand: one call makes one record.

#![expect(dead_code, reason = "each test takes the records that it needs")]

use pugmark_decode::{Plan, decode};
use pugmark_event::{EventBatch, Leaf, Limits};
use pugmark_lineage::{Facts, Lineage, Row, Rows};
use serde_json::{Value, json};

/// The account that most records are of.
pub(crate) const ACCOUNT: &str = "111122223333";
/// Another account, whose trail is among the input where a test says so.
pub(crate) const OTHER: &str = "444455556666";
/// Address of the operator.
pub(crate) const OFFICE: &str = "198.51.100.7";

/// `2026-01-15T10:00:00Z` and `seconds`.
pub(crate) fn at(seconds: u32) -> String {
    format!("2026-01-15T{:02}:{:02}:{:02}Z", 10 + seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// An IAM user with a key.
pub(crate) fn user(name: &str, key: &str) -> Value {
    json!({
        "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{name}"), "accountId": ACCOUNT, "userName": name,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "accessKeyId": key,
    })
}

/// A role session.
pub(crate) fn role(account: &str, role: &str, session: &str, key: &str, created: u32) -> Value {
    let path = if role.contains('/') { role.to_owned() } else { format!("/{role}") };
    let name = path.rsplit('/').next().expect("a name");
    json!({
        "type": "AssumedRole", "principalId": format!("AROAEXAMPLE{name}:{session}"), "accountId": account,
        "arn": format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"), "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role", "principalId": format!("AROAEXAMPLE{name}"), "accountId": account,
                "arn": format!("arn:aws:iam::{account}:role{path}"), "userName": name,
            },
            "attributes": {"creationDate": at(created), "mfaAuthenticated": "false"},
        },
    })
}

/// A service as itself.
pub(crate) fn service(principal: &str) -> Value {
    json!({"type": "AWSService", "invokedBy": principal})
}

/// `identity` with further members.
pub(crate) fn with(mut identity: Value, members: Value) -> Value {
    let Value::Object(members) = members else { return identity };
    identity.as_object_mut().expect("an object").extend(members);
    identity
}

/// A record.
pub(crate) fn event(id: u32, seconds: u32, identity: &Value, call: (&str, &str)) -> Value {
    let account = identity["accountId"].as_str().unwrap_or(ACCOUNT);
    json!({
        "eventVersion": "1.11", "userIdentity": identity, "eventTime": at(seconds),
        "eventSource": format!("{}.amazonaws.com", call.0), "eventName": call.1, "awsRegion": "eu-west-1",
        "sourceIPAddress": OFFICE, "userAgent": "aws-cli/2.22.0", "requestParameters": null,
        "responseElements": null, "eventID": event_id(id), "eventType": "AwsApiCall",
        "recipientAccountId": account, "eventCategory": "Management",
    })
}

/// The event id of record `id`.
pub(crate) fn event_id(id: u32) -> String {
    format!("00000000-0000-4000-8000-{id:012}")
}

/// An `AssumeRole` that hands out `key`.
pub(crate) fn assume(id: u32, seconds: u32, identity: &Value, to: (&str, &str, &str), key: &str) -> Value {
    let (account, role, session) = to;
    let name = role.rsplit('/').next().expect("a name");
    let path = if role.contains('/') { role.to_owned() } else { format!("/{role}") };
    with(
        event(id, seconds, identity, ("sts", "AssumeRole")),
        json!({
            "requestParameters": {"roleArn": format!("arn:aws:iam::{account}:role{path}"), "roleSessionName": session},
            "responseElements": {
                "credentials": {"accessKeyId": key, "expiration": "Jan 15, 2026, 11:00:00 AM"},
                "assumedRoleUser": {
                    "assumedRoleId": format!("AROAEXAMPLE{name}:{session}"),
                    "arn": format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
                },
            },
        }),
    )
}

/// The batches of one file with `records`.
pub(crate) fn batches(records: &[Value]) -> Vec<EventBatch> {
    let body = json!({"Records": records}).to_string();
    decoded(body.as_bytes())
}

/// The batches of a file.
pub(crate) fn decoded(bytes: &[u8]) -> Vec<EventBatch> {
    let plan = Plan {
        projection: Facts::leaves().with(Leaf::EventId),
        needles: Vec::new(),
        limits: Limits::default(),
    };
    decode(bytes, plan).0
}

/// What is concluded from files of records, each read by a worker of its own.
pub(crate) fn lineage_of(files: &[Vec<Value>]) -> Lineage {
    let read = |records: &Vec<Value>| {
        let mut facts = Facts::default();
        for batch in &batches(records) {
            facts.read(batch);
        }
        facts
    };
    files.iter().map(read).reduce(Facts::merge).unwrap_or_default().resolve()
}

/// What is concluded from one file.
pub(crate) fn lineage(records: &[Value]) -> Lineage {
    lineage_of(&[records.to_vec()])
}

/// Calls `look` with the row of one record.
pub(crate) fn row<T>(record: &Value, look: impl Fn(Row<'_>) -> T) -> T {
    let batch = &batches(std::slice::from_ref(record))[0];
    let rows = Rows::of(batch);
    let row = rows.iter().next().expect("a row");
    look(row)
}

/// The whole lineage as text: nothing that comes out of it is missing here.
pub(crate) fn told(lineage: &Lineage) -> String {
    let mut out = String::new();
    for party in lineage.parties() {
        let joined = party.link().map(|link| (link.kind.as_str(), link.confidence.as_str(), link.events));
        let counts = pugmark_lineage::Counted::ALL.map(|what| party.counts(what));
        let line = format!(
            "{} {} {:?} {:?} {:?} above={:?} actor={} {:?} depth={} events={} errors={} mfa={:?} {counts:?}\n",
            party.id(),
            party.name(),
            party.access_key(),
            party.class(),
            joined,
            party.above().map(pugmark_lineage::Session::id),
            party.actor().text(),
            party.confidence(),
            party.depth(),
            party.events(),
            party.errors(),
            party.mfa(),
        );
        out.push_str(&line);
    }
    for issuance in lineage.issuances() {
        let sessions: Vec<String> = issuance.sessions().map(pugmark_lineage::Session::id).collect();
        let line = format!(
            "{} {:?} {:?} {:?} {:?} {sessions:?}\n",
            issuance.kind().as_str(),
            issuance.time(),
            issuance.events(),
            issuance.access_key(),
            issuance.caller().id(),
        );
        out.push_str(&line);
    }
    for suspicion in lineage.suspicions() {
        let line =
            format!("{} {} {}\n", suspicion.session().id(), suspicion.kind().as_str(), suspicion.about());
        out.push_str(&line);
    }
    out
}
