//! What one worker learns about clusters. Rows go in, in any order; nothing is concluded here.

use std::collections::BTreeMap;

use pugmark_event::Leaf;

use super::alarm::Alarm;
use super::happening::{Happening, Outcome, Who};
use super::operations::{Change, SubjectKind, iam_operation, operation};
use super::parameters::{Parameters, text_at};
use super::service::{ServiceKey, is_eks};
use crate::caller::is_cluster_provider;
use crate::identity::{greatest, least};
use crate::{ActorClass, Arn, Caller, Row};

/// All facts about clusters.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterFacts {
    pub(crate) requests: Vec<Request>,
    pub(crate) visits: BTreeMap<VisitKey, Visits>,
    pub(crate) service: BTreeMap<ServiceKey, u64>,
}

/// Where a cluster is: one name is many clusters over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
    /// Empty where a record does not name it.
    pub(crate) cluster: String,
}

/// One request with what its answer says of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) happening: Happening,
    pub(crate) place: Place,
    /// `createdAt` of the cluster, microseconds since 1970.
    pub(crate) created: Option<i64>,
    /// ARN in the answer.
    pub(crate) arn: Option<String>,
    /// Issuer of the service accounts' tokens.
    pub(crate) issuer: Option<String>,
    pub(crate) version: Option<String>,
    /// Id of a Pod Identity association, asked for or given.
    pub(crate) association: Option<String>,
}

/// Reads of one kind by one identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VisitKey {
    pub(crate) place: Place,
    pub(crate) identity: String,
    pub(crate) call: String,
    pub(crate) error: String,
}

/// How often, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visits {
    pub(crate) count: u64,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// Event id and caller of the first by time, then by id.
    pub(crate) sample: (Option<i64>, String, Who, String),
}

impl ClusterFacts {
    /// The leaves that are read, beside those of a caller.
    pub(crate) const LEAVES: [Leaf; 11] = [
        Leaf::EventTime,
        Leaf::EventId,
        Leaf::EventName,
        Leaf::EventSource,
        Leaf::AwsRegion,
        Leaf::SourceIpAddress,
        Leaf::UserAgent,
        Leaf::ErrorCode,
        Leaf::ErrorMessage,
        Leaf::RequestParameters,
        Leaf::ResponseElements,
    ];

    /// Takes in one event.
    pub(crate) fn read(&mut self, row: Row<'_>) {
        let (Some(source), Some(name)) = (row.text(Leaf::EventSource), row.text(Leaf::EventName)) else {
            return;
        };
        if let Some(key) = ServiceKey::of(row) {
            *self.service.entry(key).or_default() += 1;
            // The access entries that it makes for nodes are doors like others.
            if source != "eks.amazonaws.com" || operation(name).is_none() {
                return;
            }
        }
        match source {
            "eks.amazonaws.com" | "eks-auth.amazonaws.com" => self.read_eks(row, source, name),
            "iam.amazonaws.com" => self.read_iam(row, source, name),
            "sts.amazonaws.com" if name == "AssumeRoleWithWebIdentity" => {
                self.read_refused_token(row, source);
            }
            _ => {}
        }
    }

    fn read_eks(&mut self, row: Row<'_>, source: &str, name: &str) {
        let parameters = Parameters::of(row);
        let Some((subject, change)) = operation(name) else {
            self.visit(row, &parameters, name);
            return;
        };
        let place = place(row, &parameters);
        let subject_name = subject_name(subject, &parameters, &place.cluster);
        let alarms = Alarm::of(subject, change, &parameters, &place.account);
        let act = Act { source, name, subject, subject_name, change, alarms };
        self.requests.push(Request::of(row, &parameters, place, act));
    }

    fn read_iam(&mut self, row: Row<'_>, source: &str, name: &str) {
        let Some((subject, change)) = iam_operation(name) else { return };
        let parameters = Parameters::of(row);
        let provider = parameters
            .answered(&["openIDConnectProviderArn"])
            .map(str::to_owned)
            .or_else(|| parameters.asked(&["openIDConnectProviderArn"]))
            .or_else(|| parameters.asked(&["url"]));
        let service = parameters.asked(&["aWSServiceName"]).or_else(|| parameters.asked(&["roleName"]));
        let subject_name = match subject {
            SubjectKind::OidcProvider => provider.filter(|provider| provider.contains("oidc.eks")),
            _ => {
                service.filter(|service| is_eks(service) || service.starts_with("AWSServiceRoleForAmazonEKS"))
            }
        };
        let Some(subject_name) = subject_name else { return };
        let issuer = (subject == SubjectKind::OidcProvider).then(|| issuer_id(&subject_name).to_owned());
        let alarms = Alarm::of(subject, change, &parameters, "");
        let region = provider_region(&subject_name).or(row.text(Leaf::AwsRegion)).unwrap_or_default();
        let place = Place {
            account: owner(row, None).unwrap_or_default(),
            region: region.to_owned(),
            cluster: tagged_cluster(&parameters).unwrap_or_default(),
        };
        let act = Act { source, name, subject, subject_name, change, alarms };
        let request = Request::of(row, &parameters, place, act);
        self.requests.push(Request { issuer: issuer.or(request.issuer.clone()), ..request });
    }

    /// A pod's token that was refused: who got a role is in the lineage, who did not is here.
    fn read_refused_token(&mut self, row: Row<'_>, source: &str) {
        let provider = row.text(Leaf::IdentityProvider).filter(|provider| is_cluster_provider(provider));
        let (Some(provider), Some(_)) = (provider, row.text(Leaf::ErrorCode)) else { return };
        let parameters = Parameters::of(row);
        let place = Place {
            account: Arn::parse(provider).map(|arn| arn.account.to_owned()).unwrap_or_default(),
            region: provider_region(provider).or(row.text(Leaf::AwsRegion)).unwrap_or_default().to_owned(),
            cluster: String::new(),
        };
        let act = Act {
            source,
            name: "AssumeRoleWithWebIdentity",
            subject: SubjectKind::OidcProvider,
            subject_name: row.text(Leaf::IdentityUserName).unwrap_or_default().to_owned(),
            change: Change::Update,
            alarms: Vec::new(),
        };
        let request = Request::of(row, &parameters, place, act);
        self.requests.push(Request { issuer: Some(issuer_id(provider).to_owned()), ..request });
    }

    fn visit(&mut self, row: Row<'_>, parameters: &Parameters, name: &str) {
        let place = place(row, parameters);
        // Lists of clusters, add-on versions and the like are of no cluster.
        if place.cluster.is_empty() || name == "DescribeAddonVersions" || name.contains("EksAnywhere") {
            return;
        }
        let caller = Caller::of(row);
        let identity = match caller.class() {
            // Nodes come and go; their role stays.
            ActorClass::Instance | ActorClass::HybridNode => caller.issuer_arn.or(caller.arn),
            _ => caller.arn.or(caller.principal_id).or(caller.account),
        };
        let key = VisitKey {
            place,
            identity: identity.unwrap_or_default().to_owned(),
            call: name.to_owned(),
            error: row.text(Leaf::ErrorCode).unwrap_or_default().to_owned(),
        };
        let event = row.text(Leaf::EventId).unwrap_or_default().to_owned();
        let message = row.text(Leaf::ErrorMessage).unwrap_or_default().to_owned();
        let time = row.time();
        let one = Visits { count: 1, first: time, last: time, sample: (time, event, Who::of(row), message) };
        self.add_visits(key, one);
    }

    fn add_visits(&mut self, key: VisitKey, theirs: Visits) {
        match self.visits.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(theirs);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let ours = entry.get_mut();
                ours.count += theirs.count;
                ours.first = least(ours.first, theirs.first);
                ours.last = greatest(ours.last, theirs.last);
                if theirs.sample < ours.sample {
                    ours.sample = theirs.sample;
                }
            }
        }
    }

    /// Adds what another worker read.
    pub(crate) fn merge(&mut self, other: ClusterFacts) {
        self.requests.extend(other.requests);
        for (key, visits) in other.visits {
            self.add_visits(key, visits);
        }
        for (key, count) in other.service {
            *self.service.entry(key).or_default() += count;
        }
    }
}

/// What is done by a request.
struct Act<'a> {
    source: &'a str,
    name: &'a str,
    subject: SubjectKind,
    subject_name: String,
    change: Change,
    alarms: Vec<Alarm>,
}

impl Request {
    fn of(row: Row<'_>, parameters: &Parameters, place: Place, act: Act<'_>) -> Request {
        let happening = Happening {
            time: row.time(),
            event: row.text(Leaf::EventId).unwrap_or_default().to_owned(),
            source: act.source.to_owned(),
            name: act.name.to_owned(),
            subject: act.subject,
            subject_name: act.subject_name,
            change: act.change,
            who: Who::of(row),
            outcome: Outcome::of(row),
            details: parameters.details(),
            alarms: act.alarms,
            token: parameters.asked(&["clientRequestToken"]),
            retries: 0,
        };
        let issuer = parameters.answered(&["cluster", "identity", "oidc", "issuer"]);
        Request {
            happening,
            place,
            created: parameters.cluster_created(),
            arn: parameters.arn(),
            issuer: issuer.map(|issuer| issuer_id(issuer).to_owned()),
            version: parameters.answered(&["cluster", "version"]).map(str::to_owned),
            association: parameters
                .asked(&["associationId"])
                .or_else(|| parameters.answered(&["association", "associationId"]).map(str::to_owned)),
        }
    }
}

/// The id of a cluster's identity provider: what URL and ARN end in.
pub(crate) fn issuer_id(text: &str) -> &str {
    text.trim_end_matches('/').rsplit('/').next().unwrap_or(text)
}

/// The Region in `oidc.eks.<region>.amazonaws.com`.
pub(crate) fn provider_region(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("oidc.eks.")?;
    rest.split('.').next().filter(|region| !region.is_empty())
}

/// Where the cluster of a request to EKS is.
fn place(row: Row<'_>, parameters: &Parameters) -> Place {
    let arn = parameters.arn();
    let parsed = arn.as_deref().and_then(Arn::parse);
    Place {
        account: owner(row, parsed).unwrap_or_default(),
        region: parsed
            .map(|arn| arn.region)
            .filter(|region| !region.is_empty())
            .or(row.text(Leaf::AwsRegion))
            .unwrap_or_default()
            .to_owned(),
        cluster: parameters.cluster().unwrap_or_default(),
    }
}

/// The owner of what a request is about: EKS takes no requests from other accounts.
fn owner(row: Row<'_>, arn: Option<Arn<'_>>) -> Option<String> {
    let of_arn = arn.map(|arn| arn.account).filter(|account| !account.is_empty());
    of_arn
        .or_else(|| row.text(Leaf::IdentityAccountId))
        .or_else(|| row.text(Leaf::RecipientAccountId))
        .map(str::to_owned)
}

fn tagged_cluster(parameters: &Parameters) -> Option<String> {
    let tags = parameters.request.get("tags")?.as_array()?;
    let of_cluster = |key: &str| {
        matches!(key, "alpha.eksctl.io/cluster-name" | "eks:cluster-name" | "aws:eks:cluster-name")
    };
    let tag = tags.iter().find(|tag| text_at(tag, &["key"]).is_some_and(of_cluster))?;
    text_at(tag, &["value"]).map(str::to_owned)
}

/// The name of what a request changes.
fn subject_name(subject: SubjectKind, parameters: &Parameters, cluster: &str) -> String {
    let asked = |member: &str| parameters.asked(&[member]);
    let name = match subject {
        SubjectKind::Cluster => Some(cluster.to_owned()),
        SubjectKind::NodeGroup => asked("nodegroupName"),
        SubjectKind::FargateProfile => asked("fargateProfileName"),
        SubjectKind::AddOn => asked("addonName"),
        SubjectKind::Capability => asked("capabilityName"),
        SubjectKind::AccessEntry | SubjectKind::AccessPolicy => asked("principalArn"),
        SubjectKind::PodIdentity => pod_subject(parameters),
        SubjectKind::IdentityProvider => ["oidc", "identityProviderConfig"]
            .iter()
            .flat_map(|part| [vec![*part, "identityProviderConfigName"], vec![*part, "name"]])
            .find_map(|path| parameters.asked(&path)),
        SubjectKind::Tags => asked("resourceArn"),
        SubjectKind::Encryption | SubjectKind::OidcProvider | SubjectKind::LinkedRole => None,
    };
    name.unwrap_or_default()
}

/// Namespace and service account, or the id of the association where only that is known.
fn pod_subject(parameters: &Parameters) -> Option<String> {
    let at = |member: &str| {
        let asked = parameters.asked(&[member]);
        asked.or_else(|| parameters.answered(&["association", member]).map(str::to_owned))
    };
    match (at("namespace"), at("serviceAccount")) {
        (Some(namespace), Some(account)) => Some(format!("{namespace}/{account}")),
        _ => at("associationId"),
    }
}
