//! What really happened in the simulated world: the answer sheet beside a trail.

use serde::{Deserialize, Serialize};
use serde_json::{Result, to_string};

/// The answer sheet, also written as `truth.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this document's form; its name tells readers of log files that here are none.
    #[serde(rename = "pugmarkTruth")]
    pub form: u32,
    /// The seed the trail grew from.
    pub seed: u64,
    /// Different records in the trail.
    pub events: u64,
    /// Records in the files, repeated deliveries included.
    pub records: u64,
    /// Records that were delivered again.
    pub duplicates: u64,
    /// Objects written.
    pub files: u64,
    /// Bytes of those objects before compression.
    pub bytes_inflated: u64,
    /// First moment of the trail.
    pub from: String,
    /// Moment after the last event.
    pub until: String,
    /// Accounts, the busiest first.
    pub accounts: Vec<String>,
    /// Regions, the busiest first.
    pub regions: Vec<String>,
    /// The attacks that were played.
    pub attacks: Vec<Attack>,
    /// The clusters whose lives were played.
    pub clusters: Vec<Cluster>,
    /// Every temporary credential, and every long-term key that was made in the trail, in order of opening.
    #[serde(default)]
    pub sessions: Vec<Session>,
    /// Records that show a caller only as another account, with the record that shows it in full.
    #[serde(default)]
    pub copies: Vec<Copied>,
    /// Credentials in the wrong hands.
    #[serde(default)]
    pub thefts: Vec<Theft>,
    /// What services did because of a request. What they did and is not listed here has no cause.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// All clusters' lives, those of `clusters` too.
    #[serde(default)]
    pub lives: Vec<ClusterLife>,
    /// Who was behind the entries of the clusters' own audit logs, if those were asked for.
    #[serde(default)]
    pub joins: Vec<AuditJoin>,
}

/// One credential and where it came from.
///
/// An actor is written `kind/name@account`: `user/noor@111122223333`, `sso/…`, `saml/…`, `root@…`, `instance/i-…@…`,
/// `function/…`, `task/…`, `pod/cluster/namespace/service-account@…`, `ci/subject@…`, `service/principal`,
/// `account/999988887777`. Its type is `human`, `root`, `workload`, `service` or `outside`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Access key id that its events show; empty if they show none.
    pub access_key: String,
    /// `principalId` that its events show.
    pub principal: String,
    /// `creationDate` that its events show; empty for long-term keys.
    pub created: String,
    /// When it ends; empty for long-term keys.
    pub expires: String,
    /// How it was made: `role`, `saml`, `identity-center`, `web-identity`, `irsa`, `pod-identity`, `instance`,
    /// `service-role`, `service-linked`, `session-token`, `federation-token`, `assumed-root`, `console`, `switch-role`,
    /// `user-key` or `forward-access`.
    pub class: String,
    /// The record of its making, as the caller's account has it; none if the trail lacks it.
    pub issued_by: Option<String>,
    /// Access key of the session that made it, or the user's long-term key.
    pub parent: Option<String>,
    /// The best join the records allow: `access-key`, `principal-creation`, `session-name`, `source-identity`,
    /// `identity-center`, `instance`, `irsa`, `service` or `none`. It is the worst of the whole chain.
    pub link: String,
    /// Number of sessions from the actor to this one, which counts.
    pub depth: u32,
    /// Who stands at the root of the chain.
    pub actor: String,
    /// What kind of actor that is.
    pub actor_type: String,
}

/// A record that shows its caller as another account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The copy in the account that was called.
    pub event_id: String,
    /// The record in the caller's account; none if the trail lacks it.
    pub original: Option<String>,
    /// Who was behind it, as far as the trail can tell.
    pub actor: String,
    /// What kind of actor that is.
    pub actor_type: String,
}

/// A credential in the wrong hands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theft {
    /// `two-networks`, `instance-outside` or `instance-in-other-account`.
    pub kind: String,
    /// The credential.
    pub access_key: String,
    /// From where it was abused.
    pub address: String,
    /// Events of the abuse.
    pub events: Vec<String>,
}

/// One thing that a service did because of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What was done.
    pub event_id: String,
    /// The request of a person or program that set it off.
    pub cause: String,
    /// What the record shows of it: `parameters` (a name, a tag or an id), `time` (nothing but account, Region, role
    /// and time), or `session` (the service taking up its role: no cause is an answer as good as the true one).
    pub evidence: String,
}

/// The life of one cluster and of what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLife {
    /// Cluster name.
    pub name: String,
    /// Account it lies in.
    pub account: String,
    /// Region it lies in.
    pub region: String,
    /// The request that made it.
    pub created_by: String,
    /// Who that was, as in [`Session::actor`].
    pub creator: String,
    /// When.
    pub created: String,
    /// The request that deleted it, if it was deleted.
    pub deleted_by: Option<String>,
    /// When.
    pub deleted: Option<String>,
    /// Version at last.
    pub version: String,
    /// Node groups it had.
    pub nodegroups: Vec<String>,
    /// Requests that let someone in: creation, access entries and policies, associations of pods, identity providers.
    pub entries: Vec<String>,
    /// Requests about it that failed.
    pub failures: Vec<String>,
    /// Pods that worked in AWS, as actors.
    pub pods: Vec<String>,
    /// File of its Kubernetes audit log below the trail's folder, if one was asked for.
    pub audit_log: Option<String>,
}

/// An entry of a cluster's audit log and who was behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditJoin {
    /// File of the log below the trail's folder.
    pub file: String,
    /// `auditID` of the entry.
    pub audit_id: String,
    /// The credential that was presented; empty for pods' own accounts, which have none.
    pub access_key: String,
    /// Who was behind it.
    pub actor: String,
}

impl Truth {
    /// The document, with one line for each thing: readable, and not ten times as long.
    pub(crate) fn to_json(&self) -> Result<String> {
        let members = [
            ("pugmarkTruth", to_string(&self.form)?),
            ("seed", to_string(&self.seed)?),
            ("events", to_string(&self.events)?),
            ("records", to_string(&self.records)?),
            ("duplicates", to_string(&self.duplicates)?),
            ("files", to_string(&self.files)?),
            ("bytes_inflated", to_string(&self.bytes_inflated)?),
            ("from", to_string(&self.from)?),
            ("until", to_string(&self.until)?),
            ("accounts", to_string(&self.accounts)?),
            ("regions", to_string(&self.regions)?),
            ("attacks", lines(&self.attacks)?),
            ("clusters", lines(&self.clusters)?),
            ("sessions", lines(&self.sessions)?),
            ("copies", lines(&self.copies)?),
            ("thefts", lines(&self.thefts)?),
            ("causes", lines(&self.causes)?),
            ("lives", lines(&self.lives)?),
            ("joins", lines(&self.joins)?),
        ];
        let members: Vec<String> =
            members.into_iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
        Ok(format!("{{\n{}\n}}\n", members.join(",\n")))
    }
}

fn lines<T: Serialize>(things: &[T]) -> Result<String> {
    let lines: Vec<String> = things.iter().map(to_string).collect::<Result<_>>()?;
    Ok(if lines.is_empty() { "[]".to_owned() } else { format!("[\n    {}\n  ]", lines.join(",\n    ")) })
}

/// One attack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// Short name, `leaked-key`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// Account it happened in.
    pub account: String,
    /// ARN of the identity that was abused.
    pub principal: String,
    /// Keys the attacker used.
    pub access_keys: Vec<String>,
    /// Addresses the attacker came from.
    pub addresses: Vec<String>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One event of a story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub time: String,
    /// What.
    pub event_name: String,
    /// The record.
    pub event_id: String,
}

/// The life of one EKS cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Cluster name.
    pub name: String,
    /// Account it lies in.
    pub account: String,
    /// Region it lies in.
    pub region: String,
    /// ARN of the person that created it.
    pub created_by: String,
    /// Every event of its life, in order of writing.
    pub steps: Vec<Step>,
    /// The request that deleted the node group.
    pub delete_nodegroup: String,
    /// What service-linked roles did because of it.
    pub consequences: Vec<String>,
}
