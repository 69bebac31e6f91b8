//! The audit log of a planted cluster: what was done inside, and which
//! credential was presented, in the form of `audit.k8s.io/v1` as JSON Lines,
//! with the authenticator's log beside it.

use serde_json::{Value, json};

use crate::chance::{Chance, scramble};
use crate::clock::iso;
use crate::identity::Voice;
use crate::stage::member_of;
use crate::story::Story;
use crate::truth::AuditJoin;

/// One cluster's log while it is written.
pub(super) struct AuditLog {
    /// Below the trail's folder.
    pub(super) file: String,
    entries: String,
    /// What the authenticator wrote.
    checks: String,
    /// Its own stream: the trail is the same with and without the log.
    chance: Chance,
    joins: Vec<AuditJoin>,
}

impl AuditLog {
    /// An empty log of a cluster that begins now.
    pub(super) fn begin(story: &Story<'_>, name: &str) -> AuditLog {
        let (account, region, time) = (story.account(), story.region(), story.time);
        let file = format!("k8s/{account}-{region}-{name}-{time}/audit.jsonl");
        let chance = Chance::new(scramble(story.stage.world.seed ^ scramble(time as u64)));
        AuditLog { file, entries: String::new(), checks: String::new(), chance, joins: Vec::new() }
    }

    /// A caller of AWS does something inside the cluster.
    pub(super) fn speaks(&mut self, story: &mut Story<'_>, voice: &Voice, what: (&str, &str, &str)) {
        story.time += 7;
        let identity = voice.identity.as_str();
        let principal = member_of(identity, "principalId");
        let (id, session) = principal.split_once(':').unwrap_or((principal, ""));
        let account = member_of(identity, "accountId");
        let canonical = member_of(&identity[identity.find("sessionIssuer").unwrap_or(0)..], "arn");
        let canonical = if session.is_empty() { voice.arn.as_str() } else { canonical };
        let extra = json!({
            "accessKeyId": [voice.key], "arn": [voice.arn], "canonicalArn": [without_path(canonical)],
            "principalId": [id], "sessionName": [session], "sigs.k8s.io/aws-iam-authenticator/principalId": [id],
        });
        let uid = format!("aws-iam-authenticator:{account}:{id}");
        let user = json!({"username": voice.arn.replace('@', "-"), "uid": uid, "groups": ["orders", "system:authenticated"], "extra": extra});
        let (time, key, arn) = (iso(story.time), &voice.key, &voice.arn);
        let head = format!("time=\"{time}\" level=info");
        let client = "client=\"127.0.0.1:39244\"";
        for line in [
            format!(
                "{head} msg=\"STS response\" accesskeyid={key} accountid={account} arn=\"{arn}\" {client} method=POST path=/authenticate session={session} userid={id}\n"
            ),
            format!(
                "{head} msg=\"access granted\" arn=\"{arn}\" {client} groups=\"[orders]\" uid=\"{uid}\" username=\"{arn}\"\n"
            ),
        ] {
            self.checks.push_str(&line);
        }
        let audit_id = self.entry(story.time, &user, (&voice.ip, what));
        let actor = story.stage.register.root(voice).actor;
        let access_key = voice.key.clone();
        self.joins.push(AuditJoin { file: self.file.clone(), audit_id, access_key, actor });
    }

    /// A pod does something inside, with an account that is no credential of AWS.
    pub(super) fn runs(&mut self, story: &mut Story<'_>, (account, verb, resource): (&str, &str, &str)) {
        story.time += 5;
        let user = json!({"username": account, "uid": self.chance.new_guid(), "groups": ["system:serviceaccounts", "system:authenticated"]});
        let audit_id = self.entry(story.time, &user, ("10.0.1.45", (verb, resource, "orders")));
        let actor = account.to_owned();
        self.joins.push(AuditJoin { file: self.file.clone(), audit_id, access_key: String::new(), actor });
    }

    /// Hands the log and its truth over.
    pub(super) fn end(self, story: &mut Story<'_>) {
        let register = &mut story.stage.register;
        register.joins.extend(self.joins);
        register.logs.push((self.file.replace("audit.jsonl", "authenticator.log"), self.checks));
        register.logs.push((self.file, self.entries));
    }

    fn entry(&mut self, time: i64, user: &Value, (ip, what): (&str, (&str, &str, &str))) -> String {
        let (verb, resource, namespace) = what;
        let audit_id = self.chance.new_guid();
        let stamp = iso(time).replace('Z', ".204511Z");
        let name = format!("{resource}-{}", self.chance.below(90));
        let path = if resource == "deployments" { "/apis/apps/v1" } else { "/api/v1" };
        let entry = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": audit_id,
            "stage": "ResponseComplete", "requestURI": format!("{path}/namespaces/{namespace}/{resource}/{name}"),
            "verb": verb, "user": user, "sourceIPs": [ip], "userAgent": "kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0",
            "objectRef": {"resource": resource, "namespace": namespace, "name": name, "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": if verb == "create" { 201 } else { 200 }},
            "requestReceivedTimestamp": stamp, "stageTimestamp": stamp,
            "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "EKS Access Policy"},
        });
        self.entries.push_str(&entry.to_string());
        self.entries.push('\n');
        audit_id
    }
}

/// A role's ARN as the authenticator writes it: without its path.
fn without_path(arn: &str) -> String {
    match (arn.split_once(":role/"), arn.rsplit_once('/')) {
        (Some((head, _)), Some((_, name))) => format!("{head}:role/{name}"),
        _ => arn.to_owned(),
    }
}
