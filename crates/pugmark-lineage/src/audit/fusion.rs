//! One timeline of what Kubernetes saw and what `CloudTrail` saw, joined on what both record
//! (access key, ARN, session name, service account).

use std::collections::BTreeMap;

use pugmark_event::Leaf;

use super::authenticator::TokenCheck;
use super::event::{AuditEvent, KubeUser};
use super::reader::AuditLog;
use super::workloads::{Origin, Workloads};
use crate::{Caller, Cluster, Confidence, Lineage, Row, Session};

/// Which log an entry is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntrySource {
    /// `CloudTrail`.
    CloudTrail,
    /// The audit log of a cluster.
    Kubernetes,
    /// The authenticator of a cluster.
    Authenticator,
}

impl EntrySource {
    /// `cloudtrail`, `kubernetes` or `authenticator`.
    pub fn as_str(self) -> &'static str {
        match self {
            EntrySource::CloudTrail => "cloudtrail",
            EntrySource::Kubernetes => "kubernetes",
            EntrySource::Authenticator => "authenticator",
        }
    }
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Microseconds since 1970.
    pub time: Option<i64>,
    /// Which log it is from.
    pub source: EntrySource,
    /// Event id or audit id; empty for the authenticator.
    pub id: String,
    /// Cluster; empty where it is not known.
    pub cluster: String,
    /// Who, in the terms of the log: Kubernetes user, or ARN.
    pub who: String,
    /// Short id of the session that acted.
    pub session: Option<String>,
    /// Identity at the root of that session's chain.
    pub actor: Option<String>,
    /// How sure the two are.
    pub confidence: Option<Confidence>,
    /// Verb, or name of the event.
    pub verb: String,
    /// What it was about.
    pub object: String,
    /// `allow`, `forbid`, an error, or the words of the authenticator.
    pub decision: String,
    /// What the caller runs as and who made that, for workloads.
    pub because: Option<String>,
    /// Address.
    pub address: Option<String>,
}

/// The joint of both logs. Rows of pods' sessions are read in, then the timeline is taken out.
pub struct Fusion<'a> {
    lineage: &'a Lineage,
    log: &'a AuditLog,
    workloads: Workloads<'a>,
    by_arn: BTreeMap<&'a str, Vec<Session<'a>>>,
    issued: BTreeMap<&'a str, Session<'a>>,
    pods: BTreeMap<String, Pod<'a>>,
    entries: Vec<Entry>,
    limit: usize,
    left_out: u64,
}

/// The pod that a session is of.
#[derive(Clone, Copy)]
struct Pod<'a> {
    cluster: &'a str,
    namespace: &'a str,
    account: &'a str,
    name: &'a str,
}

/// A session found for a user of Kubernetes, or the one that issued the key it used.
struct Joined<'a> {
    session: Option<Session<'a>>,
    root: Session<'a>,
    confidence: Confidence,
}

impl<'a> Fusion<'a> {
    /// The leaves that [`Fusion::read`] wants, beside those of a caller.
    pub const LEAVES: [Leaf; 7] = [
        Leaf::EventTime,
        Leaf::EventId,
        Leaf::EventName,
        Leaf::EventSource,
        Leaf::ErrorCode,
        Leaf::RequestParameters,
        Leaf::SourceIpAddress,
    ];

    /// Joins `log` with `lineage`; at most `limit` entries are kept, the first ones.
    pub fn new(lineage: &'a Lineage, log: &'a AuditLog, limit: usize) -> Fusion<'a> {
        let mut by_arn: BTreeMap<&str, Vec<Session<'_>>> = BTreeMap::new();
        for session in lineage.parties() {
            if let Some(arn) = session.arn() {
                by_arn.entry(arn).or_default().push(session);
            }
        }
        let issued = lineage
            .issuances()
            .filter_map(|issuance| Some((issuance.access_key()?, issuance.caller())))
            .collect();
        let mut fusion = Fusion {
            lineage,
            log,
            workloads: Workloads::of(&log.events),
            by_arn,
            issued,
            pods: BTreeMap::new(),
            entries: Vec::new(),
            limit,
            left_out: 0,
        };
        fusion.find_pods();
        fusion.tell_clusters();
        for event in &log.events {
            let entry = fusion.of_event(event);
            fusion.push(entry);
        }
        for check in &log.checks {
            let entry = fusion.of_check(check);
            fusion.push(entry);
        }
        fusion
    }

    /// Takes in an event of `CloudTrail`; only calls of pods are kept.
    pub fn read(&mut self, row: Row<'_>) {
        let Some(session) = self.lineage.party(row) else { return };
        let Some(pod) = self.pods.get(&session.id()).copied() else { return };
        let time = row.time();
        let text = |leaf| row.text(leaf).unwrap_or_default();
        let source = text(Leaf::EventSource);
        let entry = Entry {
            time,
            source: EntrySource::CloudTrail,
            id: text(Leaf::EventId).to_owned(),
            cluster: pod.cluster.to_owned(),
            who: format!("system:serviceaccount:{}:{}", pod.namespace, pod.account),
            session: Some(session.id()),
            actor: Some(session.actor().text().to_owned()),
            confidence: Some(session.confidence()),
            verb: format!(
                "{}:{}",
                source.strip_suffix(".amazonaws.com").unwrap_or(source),
                text(Leaf::EventName)
            ),
            object: object_of(text(Leaf::RequestParameters)),
            decision: row.text(Leaf::ErrorCode).unwrap_or("allow").to_owned(),
            because: self.because(pod, time.unwrap_or(i64::MAX)),
            address: row.text(Leaf::SourceIpAddress).map(str::to_owned),
        };
        self.push(entry);
    }

    /// The timeline, by time, and how many entries did not find room in it.
    pub fn finish(mut self) -> (Vec<Entry>, u64) {
        self.bound();
        (self.entries, self.left_out + self.log.left_out)
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        if self.entries.len() > self.limit.saturating_mul(2).max(1024) {
            self.bound();
        }
    }

    fn bound(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.left_out += self.entries.len().saturating_sub(self.limit) as u64;
        self.entries.truncate(self.limit);
    }

    /// The sessions of pods, and those that were opened from them.
    fn find_pods(&mut self) {
        let clusters = self.lineage.clusters();
        for cluster in &clusters.all {
            for activity in clusters.pods(cluster, self.lineage) {
                let pod = Pod {
                    cluster: &cluster.name,
                    namespace: activity.namespace,
                    account: activity.service_account,
                    name: activity.pod,
                };
                self.pods.extend(activity.sessions.iter().map(|session| (session.id(), pod)));
            }
        }
    }

    /// What `CloudTrail` itself tells of clusters.
    fn tell_clusters(&mut self) {
        let lineage = self.lineage;
        for cluster in &lineage.clusters().all {
            for one in &cluster.happenings {
                let session = one.session(lineage);
                let decision = match &one.outcome {
                    crate::Outcome::Requested => "allow".to_owned(),
                    crate::Outcome::Failed { code, .. } => code.clone(),
                };
                let entry = Entry {
                    time: one.time,
                    source: EntrySource::CloudTrail,
                    id: one.event.clone(),
                    cluster: cluster.name.clone(),
                    who: one.who.arn.clone().unwrap_or_else(|| one.who.identity().to_owned()),
                    session: session.filter(|session| session.is_session()).map(Session::id),
                    actor: session.map(|session| session.actor().text().to_owned()),
                    confidence: session.map(Session::confidence),
                    verb: format!("eks:{}", one.name),
                    object: one.what(),
                    decision,
                    because: None,
                    address: one.who.address.clone(),
                };
                self.push(entry);
            }
        }
    }

    fn of_event(&self, event: &AuditEvent) -> Entry {
        let joined = self.join(&event.user, event.time);
        let time = event.time.unwrap_or(i64::MAX);
        let because = event.user.service_account().and_then(|(namespace, account)| {
            let pod = event.user.pod.as_deref().unwrap_or_default();
            let cluster = event.cluster.as_deref().unwrap_or_default();
            self.because(Pod { cluster, namespace, account, name: pod }, time)
        });
        let who = match &event.impersonated {
            Some(other) => format!("{} as {other}", event.user.name),
            None => event.user.name.clone(),
        };
        let code = event.code.filter(|code| *code >= 400).map(|code| format!("error {code}"));
        let forbidden = event.decision.clone().filter(|decision| decision == "forbid");
        Entry {
            time: event.time,
            source: EntrySource::Kubernetes,
            id: event.id.clone(),
            cluster: event.cluster.clone().unwrap_or_default(),
            who,
            session: joined.as_ref().and_then(|joined| joined.session).map(Session::id),
            actor: joined
                .as_ref()
                .map(|joined| joined.root.actor().text().to_owned())
                .or_else(|| of_itself(&event.user)),
            confidence: joined.as_ref().map(|joined| joined.confidence),
            verb: event.verb.clone(),
            object: told(event),
            decision: forbidden.or(code).or_else(|| event.decision.clone()).unwrap_or_default(),
            because,
            address: event.address.clone(),
        }
    }

    fn of_check(&self, check: &TokenCheck) -> Entry {
        let user =
            KubeUser { access_key: check.access_key.clone(), arn: check.arn.clone(), ..KubeUser::default() };
        let joined = self.join(&user, check.time);
        let refusal = check.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        Entry {
            time: check.time,
            source: EntrySource::Authenticator,
            id: String::new(),
            cluster: check.cluster.clone().unwrap_or_default(),
            who: check.user.clone().or_else(|| check.arn.clone()).unwrap_or_default(),
            session: joined.as_ref().and_then(|joined| joined.session).map(Session::id),
            actor: joined.as_ref().map(|joined| joined.root.actor().text().to_owned()),
            confidence: joined.as_ref().map(|joined| joined.confidence),
            verb: "token".to_owned(),
            object: check.groups.clone().unwrap_or_default(),
            decision: format!("{}{refusal}", check.verdict.as_str()),
            because: None,
            address: check.client.clone(),
        }
    }

    /// The session of a user: by the access key, else by ARN and time.
    fn join(&self, user: &KubeUser, time: Option<i64>) -> Option<Joined<'a>> {
        if let Some(key) = user.access_key.as_deref() {
            let caller = Caller { access_key: Some(key), ..Caller::default() };
            if let Some(session) = self.lineage.party_of(&caller) {
                let confidence = session.confidence();
                return Some(Joined { session: Some(session), root: session, confidence });
            }
            // Used for nothing but Kubernetes: `CloudTrail` has its issue alone.
            if let Some(opener) = self.issued.get(key) {
                return Some(Joined { session: None, root: *opener, confidence: opener.confidence() });
            }
        }
        // Sessions of one name may follow each other: the last that had begun counts.
        let candidates = self.by_arn.get(user.arn.as_deref()?)?;
        let time = time.unwrap_or(i64::MAX);
        let begin = |session: &Session<'a>| session.created().or(session.first_seen());
        let earlier = candidates.iter().filter(|session| begin(session).is_none_or(|begin| begin <= time));
        let session = earlier.max_by_key(|session| (begin(session), session.id())).copied()?;
        let sure = if candidates.len() == 1 { Confidence::Strong } else { Confidence::Weak };
        let session_of = session.is_session().then_some(session);
        Some(Joined { session: session_of, root: session, confidence: sure.min(session.confidence()) })
    }

    /// Where a pod comes from, as a sentence.
    fn because(&self, pod: Pod<'_>, time: i64) -> Option<String> {
        let known = (!pod.cluster.is_empty()).then_some(pod.cluster);
        // A log whose cluster nobody named may be that of any.
        [known, None].into_iter().find_map(|cluster| {
            let of_pod = self.workloads.of_pod(cluster, pod.namespace, pod.name, time);
            let origin = of_pod
                .or_else(|| self.workloads.of_service_account(cluster, pod.namespace, pod.account, time))?;
            Some(self.sentence(origin))
        })
    }

    fn sentence(&self, origin: Origin<'a>) -> String {
        let event = origin.event;
        let actor = self
            .join(&event.user, event.time)
            .map_or_else(|| event.user.name.clone(), |joined| joined.root.actor().text().to_owned());
        let act = if event.verb == "create" { "created" } else { "changed" };
        let time = event.time.map(pugmark_event::format_time).unwrap_or_default();
        let likely = if origin.is_sure { "" } else { "likely " };
        format!("{likely}of {}, {act} by {actor} at {time}", event.object.text())
    }
}

/// Users of Kubernetes that are parts of EKS or of Kubernetes itself.
fn of_itself(user: &KubeUser) -> Option<String> {
    let is_eks = user.name.starts_with("eks:");
    is_eks.then(|| "service/eks.amazonaws.com".to_owned())
}

/// The shortest telling part of a request: the first text member that names something.
fn object_of(parameters: &str) -> String {
    const NAMING: [&str; 9] = [
        "secretId",
        "bucketName",
        "key",
        "name",
        "tableName",
        "queueUrl",
        "keyId",
        "functionName",
        "roleArn",
    ];
    let value: serde_json::Value = serde_json::from_str(parameters).unwrap_or_default();
    let named: Vec<&str> =
        NAMING.iter().filter_map(|member| crate::clusters::text_at(&value, &[member])).collect();
    named.join("/")
}

impl Fusion<'_> {
    /// Clusters that the audit log names and `CloudTrail` knows.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        let named = |cluster: &&Cluster| {
            self.log.events.iter().any(|event| event.cluster.as_deref() == Some(cluster.name.as_str()))
        };
        self.lineage.clusters().all.iter().filter(named)
    }
}

/// What a request is about; of a change of `aws-auth` also the principals that it lets in from then on.
fn told(event: &AuditEvent) -> String {
    let text = event.object.text();
    let object = &event.object;
    let place = (object.resource.as_str(), object.namespace.as_str(), object.name.as_str());
    let is_map = place == ("configmaps", "kube-system", "aws-auth");
    match &event.made {
        Some(made) if is_map && !made.principals.is_empty() => {
            format!("{text}: {}", made.principals.join(", "))
        }
        _ => text,
    }
}
