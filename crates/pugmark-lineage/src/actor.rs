//! Who stands at the root of a chain, as a readable name that is stable.

use std::collections::BTreeMap;

use crate::activity::{Counted, Counts};
use crate::arn::Arn;
use crate::caller::{ActorClass, Caller, is_instance};
use crate::lineage::Lineage;
use crate::link::{Confidence, LinkKind};
use crate::session::Session;
use pugmark_event::is_account;

/// What an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorType {
    /// A person: an IAM user, a federated user, a user of Identity Center.
    Human,
    /// The root user of an account.
    Root,
    /// An instance, function, task, pod or pipeline.
    Workload,
    /// An AWS service.
    Service,
    /// A principal of an account that is not among the input.
    Outside,
    /// Not to be told from the input.
    Unknown,
}

impl ActorType {
    /// `human`, `root`, `workload`, `service`, `outside` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorType::Human => "human",
            ActorType::Root => "root",
            ActorType::Workload => "workload",
            ActorType::Service => "service",
            ActorType::Outside => "outside",
            ActorType::Unknown => "unknown",
        }
    }
}

/// What is kept of one actor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActorRecord {
    pub(crate) text: String,
    pub(crate) kind: ActorType,
}

/// One actor of a [`Lineage`].
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub(crate) lineage: &'a Lineage,
    pub(crate) place: u32,
}

impl PartialEq for Actor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && std::ptr::eq(self.lineage, other.lineage)
    }
}

impl Eq for Actor<'_> {}

impl<'a> Actor<'a> {
    fn record(self) -> &'a ActorRecord {
        &self.lineage.actors[self.place as usize]
    }

    /// The name: `user/alice@111122223333`, `instance/i-0abc@111122223333`, `service/…`,
    /// or `unknown (…)` with what is missing.
    pub fn text(self) -> &'a str {
        &self.record().text
    }

    /// What it is.
    pub fn kind(self) -> ActorType {
        self.record().kind
    }

    /// The name without what it is and without the account: `alice`.
    pub fn name(self) -> &'a str {
        let text = self.text();
        if self.kind() == ActorType::Unknown {
            return text;
        }
        let text = text.split_once('/').map_or(text, |(_, rest)| rest);
        text.rsplit_once('@').map_or(text, |(name, _)| name)
    }

    /// The account, where the name has one.
    pub fn account(self) -> Option<&'a str> {
        let account = self.text().rsplit_once('@')?.1;
        is_account(account).then_some(account)
    }

    /// All parties at whose root it stands, by first event; see [`Session::is_session`].
    pub fn parties(self) -> impl Iterator<Item = Session<'a>> {
        self.lineage.parties().filter(move |party| party.record().actor == self.place)
    }

    /// Events of all its parties.
    pub fn events(self) -> u64 {
        self.parties().map(Session::events).sum()
    }

    /// Counts of one kind over all its parties.
    pub fn counts(self, what: Counted) -> Counts<'a> {
        Counts::of(self.parties().map(Session::activity), what, &self.lineage.names)
    }
}

/// A conclusion about a root: who, how sure, and from what where no event says so.
pub(crate) struct Root {
    pub(crate) actor: ActorRecord,
    pub(crate) confidence: Confidence,
    pub(crate) kind: Option<LinkKind>,
}

impl Root {
    fn new(kind: ActorType, text: String, confidence: Confidence) -> Root {
        Root { actor: ActorRecord { text, kind }, confidence, kind: None }
    }

    fn by(self, kind: LinkKind) -> Root {
        Root { kind: Some(kind), ..self }
    }
}

/// The actor that an identity names by itself, whoever opened its session; `None` if it names none.
pub(crate) fn of_identity(caller: &Caller<'_>, class: ActorClass) -> Option<Root> {
    let account = caller.account.unwrap_or_default();
    let certain = |kind, text| Some(Root::new(kind, text, Confidence::Certain));
    match caller.kind {
        Some("IAMUser") => certain(ActorType::Human, format!("user/{}@{account}", user_name(caller))),
        Some("Root") if caller.assumed_root.is_none() => certain(ActorType::Root, format!("root@{account}")),
        Some("IdentityCenterUser") => {
            certain(ActorType::Human, format!("sso/{}@{account}", caller.behalf_user.unwrap_or("?")))
        }
        _ => match class {
            ActorClass::Service => {
                certain(ActorType::Service, format!("service/{}", caller.invoked_by.unwrap_or("AWS")))
            }
            ActorClass::ServiceLinkedRole => {
                let service = caller.linked_service().unwrap_or("AWS");
                let root = Root::new(ActorType::Service, format!("service/{service}"), Confidence::Certain);
                Some(root.by(LinkKind::ServiceRole))
            }
            ActorClass::IdentityCenter if is_identity_center(caller) => {
                // Only Identity Center can open sessions of these roles, and it names them by user.
                let name = caller.session_name().unwrap_or("?");
                let root = Root::new(ActorType::Human, format!("sso/{name}@{account}"), Confidence::Strong);
                Some(root.by(LinkKind::SessionName))
            }
            ActorClass::ForwardAccess if is_identity_center(caller) => {
                let name = caller.session_name().unwrap_or("?");
                let root = Root::new(ActorType::Human, format!("sso/{name}@{account}"), Confidence::Strong);
                Some(root.by(LinkKind::SessionName))
            }
            _ => None,
        },
    }
}

fn is_identity_center(caller: &Caller<'_>) -> bool {
    caller.issuer_arn.and_then(Arn::parse).is_some_and(Arn::is_identity_center_role)
}

/// The workload that `service` opened a session for; the service itself where it is for its own use.
pub(crate) fn of_service(service: &str, session: &Caller<'_>, pod: Option<[&str; 4]>) -> Root {
    let account = session.account.unwrap_or_default();
    let name = session.session_name().unwrap_or("?");
    let workload = |what: &str, name: &str| {
        Root::new(ActorType::Workload, format!("{what}/{name}@{account}"), Confidence::Certain)
    };
    if let Some([cluster, namespace, service_account, _]) = pod {
        return workload("pod", &format!("{cluster}/{namespace}/{service_account}"));
    }
    match service {
        "ec2.amazonaws.com" if is_instance(name) => workload("instance", name),
        "lambda.amazonaws.com" => workload("function", name),
        "ecs-tasks.amazonaws.com" => workload("task", name),
        "pods.eks.amazonaws.com" | "eks-fargate-pods.amazonaws.com" => workload("pod", name),
        "codebuild.amazonaws.com" => workload("build", name),
        "ssm.amazonaws.com" if name.starts_with("mi-") => workload("node", name),
        _ => Root::new(ActorType::Service, format!("service/{service}"), Confidence::Certain),
    }
}

/// The actor of an identity that nobody is known to stand above; `None` if something is missing.
pub(crate) fn of_root(caller: &Caller<'_>, class: ActorClass, clusters: &ClusterNames) -> Option<Root> {
    let account = caller.account.unwrap_or_default();
    let name = caller.session_name().unwrap_or("?");
    let root = |kind, text: String, confidence, link| Some(Root::new(kind, text, confidence).by(link));
    if let Some(resource) = caller.issued_to {
        let function = resource.rsplit(':').next().unwrap_or(resource);
        let text = format!("function/{function}@{account}");
        return root(ActorType::Workload, text, Confidence::Certain, LinkKind::IssuedTo);
    }
    match class {
        ActorClass::PodIrsa if caller.kind == Some("WebIdentityUser") => {
            Some(Root::new(ActorType::Workload, pod_of_token(caller, clusters), Confidence::Certain))
        }
        ActorClass::WebIdentity => Some(of_token(caller)),
        ActorClass::Saml => {
            let name = caller.user_name.or(caller.principal_id).unwrap_or("?");
            Some(Root::new(ActorType::Human, with_account("saml", name, account), Confidence::Certain))
        }
        ActorClass::Instance => {
            // The session's name alone could be chosen by anyone who may open the role.
            let sure = if caller.role_delivery.is_some() { Confidence::Certain } else { Confidence::Weak };
            root(ActorType::Workload, format!("instance/{name}@{account}"), sure, LinkKind::InstanceRole)
        }
        ActorClass::HybridNode => root(
            ActorType::Workload,
            format!("node/{name}@{account}"),
            Confidence::Weak,
            LinkKind::InstanceRole,
        ),
        ActorClass::PodIdentity => root(
            ActorType::Workload,
            format!("pod/{name}@{account}"),
            Confidence::Weak,
            LinkKind::PodIdentity,
        ),
        ActorClass::PodIrsa => {
            let provider = caller.federated_provider.unwrap_or_default();
            let text = format!("pod/{}/{name}@{account}", cluster_of(provider, clusters));
            root(ActorType::Workload, text, Confidence::Strong, LinkKind::Irsa)
        }
        ActorClass::ServiceRole => {
            // Without the issuing event, a service that acts for a person looks the same; but
            // people have no use for roles that were made for services.
            let path = caller.issuer_arn.and_then(Arn::parse).and_then(Arn::role).map(|(path, _)| path);
            let is_own = path.is_some_and(|path| path.starts_with("/service-role/"));
            let sure = if is_own { Confidence::Strong } else { Confidence::Weak };
            let service = caller.invoked_by.unwrap_or("AWS");
            root(ActorType::Service, format!("service/{service}"), sure, LinkKind::ServiceRole)
        }
        ActorClass::Federated | ActorClass::ForwardAccess if caller.kind == Some("FederatedUser") => {
            let issuer = Arn::parse(caller.issuer_arn?)?;
            let (kind, text) = match issuer.user() {
                Some((_, user)) => (ActorType::Human, format!("user/{user}@{}", issuer.account)),
                None => (ActorType::Root, format!("root@{}", issuer.account)),
            };
            Some(Root::new(kind, text, Confidence::Certain))
        }
        _ => {
            let identity = caller.source_identity?;
            let text = format!("source-identity/{identity}@{account}");
            root(ActorType::Human, text, Confidence::Weak, LinkKind::SourceIdentity)
        }
    }
}

/// Names of clusters by the id of their identity provider.
pub(crate) type ClusterNames = BTreeMap<String, String>;

/// Name of the cluster that a provider belongs to; the provider's id where the input does not tell.
fn cluster_of<'a>(provider: &'a str, clusters: &'a ClusterNames) -> &'a str {
    let id = provider.rsplit('/').next().unwrap_or(provider);
    clusters.get(id).map_or(id, String::as_str)
}

/// `pod/<cluster>/<namespace>/<service account>@<account>`.
fn pod_of_token(caller: &Caller<'_>, clusters: &ClusterNames) -> String {
    let provider = caller.provider.unwrap_or_default();
    let account = Arn::parse(provider).map(|arn| arn.account).or(caller.account).unwrap_or_default();
    let cluster = cluster_of(provider, clusters);
    let subject = caller.user_name.unwrap_or("?");
    let subject = subject.strip_prefix("system:serviceaccount:").unwrap_or(subject).replacen(':', "/", 1);
    format!("pod/{cluster}/{subject}@{account}")
}

/// Providers that AWS knows by itself, all of people (IAM User Guide, "OIDC federation").
const PEOPLE: [&str; 4] =
    ["accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"];

/// Who a token speaks for: a pipeline, whose subject is composed (`repo:acme/app:ref:…`), or a person.
fn of_token(caller: &Caller<'_>) -> Root {
    let provider = caller.provider.unwrap_or_default();
    let subject = caller.user_name.or(caller.principal_id).unwrap_or("?");
    let account = Arn::parse(provider).map(|arn| arn.account).or(caller.account).unwrap_or_default();
    let is_pipeline = subject.contains([':', '/']) && !PEOPLE.iter().any(|known| provider.contains(known));
    let (kind, what) = if is_pipeline { (ActorType::Workload, "ci") } else { (ActorType::Human, "web") };
    Root::new(kind, with_account(what, subject, account), Confidence::Certain)
}

fn with_account(what: &str, name: &str, account: &str) -> String {
    if account.is_empty() { format!("{what}/{name}") } else { format!("{what}/{name}@{account}") }
}

fn user_name<'a>(caller: &Caller<'a>) -> &'a str {
    let of_arn = || Some(Arn::parse(caller.arn?)?.user()?.1);
    of_arn().or(caller.user_name).or(caller.principal_id).unwrap_or("?")
}

/// A name to show for a party.
pub(crate) fn party_name(caller: &Caller<'_>) -> String {
    let of_arn = || {
        let arn = Arn::parse(caller.arn?)?;
        arn.session()
            .map(|(role, session)| format!("{role}/{session}"))
            .or_else(|| Some(arn.resource.to_owned()))
    };
    let known = of_arn().or_else(|| caller.user_name.or(caller.invoked_by).map(str::to_owned));
    let known = known.or_else(|| caller.principal_id.or(caller.behalf_user).map(str::to_owned));
    known
        .or_else(|| caller.account.map(|account| format!("account {account}")))
        .unwrap_or_else(|| "nobody".to_owned())
}
