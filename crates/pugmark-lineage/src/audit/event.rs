//! One request to the Kubernetes endpoint of a cluster, as its audit log has it
//! (audit.k8s.io/v1, "Event"; EKS User Guide, "Send control plane logs to `CloudWatch` Logs").

use pugmark_event::parse_time;
use serde_json::Value;

use crate::clusters::text_at;

/// One request, at one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditEvent {
    /// When it was received, microseconds since 1970.
    pub time: Option<i64>,
    /// `auditID`: the same at every stage.
    pub id: String,
    /// How far the request was.
    pub stage: Stage,
    /// Cluster, where the log's surroundings name it.
    pub cluster: Option<String>,
    /// Account of the log, where it is named.
    pub account: Option<String>,
    /// `verb`.
    pub verb: String,
    /// Who asked.
    pub user: KubeUser,
    /// Whom the user acted as.
    pub impersonated: Option<String>,
    /// First of `sourceIPs`.
    pub address: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
    /// What was asked about.
    pub object: KubeObject,
    /// Status of the answer.
    pub code: Option<u16>,
    /// `allow` or `forbid`.
    pub decision: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What was made or changed, where the log has the object.
    pub made: Option<Made>,
}

/// How far a request was when it was logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Received.
    #[default]
    Received,
    /// The answer has begun.
    Started,
    /// Answered, or failed within the server.
    Complete,
}

/// A user of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubeUser {
    /// `username`.
    pub name: String,
    /// Account of the AWS identity.
    pub account: Option<String>,
    /// Unique id of the AWS identity, without the session's name.
    pub principal_id: Option<String>,
    /// Access key that signed the token.
    pub access_key: Option<String>,
    /// ARN, session form for roles.
    pub arn: Option<String>,
    /// Name of the role session.
    pub session_name: Option<String>,
    /// Pod that a service account's token is bound to.
    pub pod: Option<String>,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubeObject {
    /// `pods`, `deployments`…; empty if the request is about no resource.
    pub resource: String,
    /// `exec`, `log`, `token`…; empty for none.
    pub subresource: String,
    /// Namespace; empty for none.
    pub namespace: String,
    /// Name; empty for a list, or if the server gave it.
    pub name: String,
    /// Path of a request about no resource.
    pub path: String,
}

/// An object that was made or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    /// Service account of its pods.
    pub service_account: Option<String>,
    /// (resource, name) of what it belongs to.
    pub owners: Vec<(String, String)>,
    /// IAM roles and users that it names: `aws-auth` entries, the role of a service account.
    pub principals: Vec<String>,
}

impl KubeObject {
    /// The object as words: `pods/exec shop/api-1`.
    pub fn text(&self) -> String {
        if self.resource.is_empty() {
            return self.path.clone();
        }
        let mut text = self.resource.clone();
        for (separator, part) in [("/", &self.subresource), (" ", &self.namespace)] {
            if !part.is_empty() {
                text.push_str(separator);
                text.push_str(part);
            }
        }
        if !self.name.is_empty() {
            text.push_str(if self.namespace.is_empty() { " " } else { "/" });
            text.push_str(&self.name);
        }
        text
    }
}

impl AuditEvent {
    /// Reads a value; `None` if it is no audit event.
    pub(crate) fn read(value: &Value) -> Option<AuditEvent> {
        let is_event = text_at(value, &["kind"]) == Some("Event")
            && text_at(value, &["apiVersion"]).is_some_and(|version| version.starts_with("audit.k8s.io/"));
        if !is_event {
            return None;
        }
        let owned = |path: &[&str]| text_at(value, path).map(str::to_owned);
        let time = |member| text_at(value, &[member]).and_then(|text| parse_time(text.as_bytes()));
        let annotation = |key| text_at(value, &["annotations", key]).map(str::to_owned);
        let mut object = object(value);
        let made = Made::read(value);
        if object.name.is_empty() && object.subresource.is_empty() {
            let of_answer = text_at(value, &["responseObject", "metadata", "name"]);
            of_answer.unwrap_or_default().clone_into(&mut object.name);
        }
        Some(AuditEvent {
            time: time("requestReceivedTimestamp").or_else(|| time("stageTimestamp")),
            id: owned(&["auditID"]).unwrap_or_default(),
            stage: match text_at(value, &["stage"]) {
                Some("RequestReceived") => Stage::Received,
                Some("ResponseStarted") => Stage::Started,
                _ => Stage::Complete,
            },
            cluster: None,
            account: None,
            verb: owned(&["verb"]).unwrap_or_default(),
            user: KubeUser::read(value.get("user").unwrap_or(&Value::Null)),
            impersonated: owned(&["impersonatedUser", "username"]),
            address: value.get("sourceIPs").and_then(first_text).map(str::to_owned),
            agent: owned(&["userAgent"]),
            object,
            code: value
                .get("responseStatus")
                .and_then(|status| status.get("code")?.as_u64())
                .and_then(|code| code.try_into().ok()),
            decision: annotation("authorization.k8s.io/decision"),
            reason: annotation("authorization.k8s.io/reason"),
            made,
        })
    }

    /// True for requests that tell who did what: those of AWS identities, changes of what runs
    /// and of rights, ways into pods, and what was forbidden.
    pub(crate) fn is_telling(&self) -> bool {
        let is_change = matches!(
            self.verb.as_str(),
            "create"
                | "update"
                | "patch"
                | "delete"
                | "deletecollection"
                | "bind"
                | "escalate"
                | "impersonate"
        );
        let is_workload = WORKLOADS.contains(&self.object.resource.as_str());
        let is_person = !self.user.name.starts_with("system:node:") && self.user.is_aws();
        let is_forbidden = self.decision.as_deref() == Some("forbid");
        let is_way_in =
            matches!(self.object.subresource.as_str(), "exec" | "attach" | "portforward" | "proxy");
        let is_status = self.object.subresource == "status" || self.object.subresource == "scale";
        is_person || is_forbidden || is_way_in || (is_change && is_workload && !is_status)
    }
}

/// Resources whose changes tell what runs in a cluster, and who may do what.
const WORKLOADS: [&str; 15] = [
    "pods",
    "deployments",
    "replicasets",
    "replicationcontrollers",
    "daemonsets",
    "statefulsets",
    "jobs",
    "cronjobs",
    "serviceaccounts",
    "secrets",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "configmaps",
];

impl KubeUser {
    fn read(user: &Value) -> KubeUser {
        let extra = |key| user.get("extra").and_then(|extra| first_text(extra.get(key)?)).map(str::to_owned);
        let uid = text_at(user, &["uid"]).and_then(|uid| uid.strip_prefix("aws-iam-authenticator:"));
        let (account, principal) = uid.and_then(|uid| uid.split_once(':')).unzip();
        let principal = principal.map(str::to_owned).or_else(|| {
            extra("sigs.k8s.io/aws-iam-authenticator/principalId").or_else(|| extra("principalId"))
        });
        KubeUser {
            name: text_at(user, &["username"]).unwrap_or_default().to_owned(),
            account: account.map(str::to_owned),
            principal_id: principal,
            access_key: extra("accessKeyId").filter(|key| !key.is_empty()),
            arn: extra("arn"),
            session_name: extra("sessionName").filter(|name| !name.is_empty()),
            pod: extra("authentication.kubernetes.io/pod-name"),
        }
    }

    /// True for an identity of AWS.
    pub fn is_aws(&self) -> bool {
        self.access_key.is_some() || self.arn.is_some() || self.principal_id.is_some()
    }

    /// Namespace and name, for a service account.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.name.strip_prefix("system:serviceaccount:")?.split_once(':')
    }
}

impl Made {
    fn read(value: &Value) -> Option<Made> {
        let asked = value.get("requestObject").unwrap_or(&Value::Null);
        let answered = value.get("responseObject").unwrap_or(&Value::Null);
        let both = || [answered, asked].into_iter();
        let account = both().find_map(|object| {
            SPECS.iter().find_map(|spec| {
                let spec = spec.iter().try_fold(object, |value, member| value.get(member))?;
                text_at(spec, &["serviceAccountName"]).or_else(|| text_at(spec, &["serviceAccount"]))
            })
        });
        let owners = both()
            .filter_map(|object| object.get("metadata")?.get("ownerReferences")?.as_array())
            .flatten()
            .filter_map(|owner| {
                Some((
                    format!("{}s", text_at(owner, &["kind"])?.to_lowercase()),
                    text_at(owner, &["name"])?.to_owned(),
                ))
            });
        let mut owners: Vec<(String, String)> = owners.collect();
        owners.sort_unstable();
        owners.dedup();
        let mut principals: Vec<String> = both().flat_map(principals).collect();
        principals.sort_unstable();
        principals.dedup();
        let made = Made { service_account: account.map(str::to_owned), owners, principals };
        (made != Made::default()).then_some(made)
    }
}

/// Where a pod's specification is, in a pod, in what makes pods, and in what makes jobs.
const SPECS: [&[&str]; 3] =
    [&["spec"], &["spec", "template", "spec"], &["spec", "jobTemplate", "spec", "template", "spec"]];

/// IAM principals that an object names.
fn principals(object: &Value) -> Vec<String> {
    let role = text_at(object, &["metadata", "annotations", "eks.amazonaws.com/role-arn"]);
    let maps = ["mapRoles", "mapUsers"].iter().filter_map(|member| text_at(object, &["data", member]));
    let of_maps =
        maps.flat_map(|map| map.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')));
    of_maps
        .chain(role)
        .filter(|word| word.starts_with("arn:") && word.contains(":iam::"))
        .map(str::to_owned)
        .collect()
}

fn object(value: &Value) -> KubeObject {
    let at = |member| text_at(value, &["objectRef", member]).unwrap_or_default().to_owned();
    let path = text_at(value, &["requestURI"]).unwrap_or_default();
    KubeObject {
        resource: at("resource"),
        subresource: at("subresource"),
        namespace: at("namespace"),
        name: at("name"),
        path: path.split('?').next().unwrap_or(path).to_owned(),
    }
}

fn first_text(value: &Value) -> Option<&str> {
    value.as_array()?.first()?.as_str()
}
