//! One life of a cluster, and all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::happening::{Happening, Who};
use super::operations::SubjectKind;
use super::service::Hand;
use pugmark_event::partition_of;

/// All clusters of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// By account, Region, name, then by time.
    pub all: Vec<Cluster>,
    /// What is about EKS, but of no cluster that could be told: service-linked roles,
    /// identity providers; by time.
    pub elsewhere: Vec<Happening>,
    /// What EKS did of which the cluster could not be told.
    pub unplaced: Vec<ServiceCall>,
}

/// One life of one cluster: a name may be used again after a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Account that owns it.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// What is known of its life.
    pub state: LifeState,
    /// When it was created (`createdAt` of an answer, else the time of the request);
    /// microseconds since 1970.
    pub created: Option<i64>,
    /// When its deletion was asked for, microseconds since 1970.
    pub deleted: Option<i64>,
    /// Kubernetes version: the last one that was asked for or told.
    pub version: Option<String>,
    /// First record that is about it.
    pub first_seen: Option<i64>,
    /// Last record that is about it.
    pub last_seen: Option<i64>,
    /// Requests about it and its parts, also refused ones, by time.
    pub happenings: Vec<Happening>,
    /// Node groups, profiles, add-ons, access entries…, by kind, name and time.
    pub parts: Vec<Part>,
    /// Who read of it, by identity.
    pub visits: Vec<Visit>,
    /// What EKS itself did for it, most frequent first.
    pub service_calls: Vec<ServiceCall>,
    /// Ids of its service accounts' token issuer.
    pub issuers: BTreeSet<String>,
}

/// What is known of a cluster's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LifeState {
    /// Only refused requests are about it.
    #[default]
    Refused,
    /// It was used, but its creation is not among the records.
    Seen,
    /// It was created, and not deleted as far as the records go.
    Created,
    /// Its deletion was asked for and taken.
    Deleted,
}

impl LifeState {
    /// The state as words.
    pub fn as_str(self) -> &'static str {
        match self {
            LifeState::Refused => "never seen to exist",
            LifeState::Seen => "created before the records",
            LifeState::Created => "created",
            LifeState::Deleted => "deleted",
        }
    }
}

/// One life of something of a cluster: a node group, an add-on, an access entry…
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// What it is.
    pub kind: SubjectKind,
    /// Its name.
    pub name: String,
    /// Place of the request that made it among the cluster's happenings; none if it was not seen.
    pub created: Option<usize>,
    /// Place of the request that removed it.
    pub deleted: Option<usize>,
    /// Places of the requests that changed it.
    pub changed: Vec<usize>,
    /// Settings as last asked for.
    pub settings: BTreeMap<String, String>,
}

/// Reads of a cluster of one kind by one identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    /// ARN of the identity; of nodes the role.
    pub identity: String,
    /// `eventName`.
    pub call: String,
    /// `errorCode` and `errorMessage` of the first, if they were refused.
    pub error: Option<(String, String)>,
    /// How many.
    pub count: u64,
    /// First, microseconds since 1970.
    pub first: Option<i64>,
    /// Last, microseconds since 1970.
    pub last: Option<i64>,
    /// Event id of the first.
    pub event: String,
    /// Caller of the first.
    pub who: Who,
}

/// Calls of one kind that EKS made by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceCall {
    /// By which right.
    pub hand: Hand,
    /// The service: `eks-nodegroup.amazonaws.com`…
    pub service: String,
    /// ARN of the role that it used; empty for none.
    pub role: String,
    /// `service:EventName`.
    pub call: String,
    /// `errorCode`; empty for success.
    pub error: String,
    /// Account.
    pub account: String,
    /// Region of the call; IAM's are all in one.
    pub region: String,
    /// True if a name or tag in the calls says that they are of this cluster; false if it is
    /// concluded from the role used or from there being no other cluster.
    pub is_named: bool,
    /// How many.
    pub count: u64,
    /// Start of the hour of the first, microseconds since 1970.
    pub first: i64,
    /// Start of the hour of the last.
    pub last: i64,
}

impl Clusters {
    /// The lives of clusters whose name, ARN or issuer is `text`.
    pub fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a Cluster> {
        self.all.iter().filter(move |cluster| {
            cluster.name == text
                || cluster.arn() == text
                || cluster.issuers.contains(super::facts::issuer_id(text))
        })
    }
}

impl Cluster {
    /// ARN. It says nothing of the life: a new cluster of the name has the same one.
    pub fn arn(&self) -> String {
        let partition = partition_of(&self.region);
        format!("arn:{partition}:eks:{}:{}:cluster/{}", self.region, self.account, self.name)
    }

    /// The request that created it.
    pub fn creation(&self) -> Option<&Happening> {
        self.own().find(|one| one.name.starts_with("CreateCluster") || one.name == "RegisterCluster")
    }

    /// The request that deleted it.
    pub fn deletion(&self) -> Option<&Happening> {
        self.own().find(|one| matches!(one.name.as_str(), "DeleteCluster" | "DeregisterCluster"))
    }

    /// Requests that were refused, and why.
    pub fn refused(&self) -> impl Iterator<Item = &Happening> {
        self.happenings.iter().filter(|one| one.outcome.is_failure())
    }

    /// Requests that matter to its security.
    pub fn alarming(&self) -> impl Iterator<Item = &Happening> {
        self.happenings.iter().filter(|one| !one.alarms.is_empty())
    }

    /// Parts of one kind.
    pub fn parts_of(&self, kind: SubjectKind) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.kind == kind)
    }

    /// The role that EKS uses for it.
    pub fn role(&self) -> Option<&str> {
        self.creation()?.detail("role")
    }

    /// Roles of its nodes: of node groups, of access entries of nodes, and of Fargate.
    pub fn node_roles(&self) -> BTreeSet<&str> {
        let mut roles = BTreeSet::new();
        for one in self.happenings.iter().filter(|one| !one.outcome.is_failure()) {
            roles.extend(one.detail("node role"));
            roles.extend(one.detail("pod execution role"));
            let is_node =
                one.detail("type").is_some_and(|kind| kind.starts_with("EC2") || kind.ends_with("_LINUX"));
            if one.subject == SubjectKind::AccessEntry && is_node {
                roles.insert(one.subject_name.as_str());
            }
        }
        roles
    }

    /// Requests about the cluster itself that were taken.
    fn own(&self) -> impl Iterator<Item = &Happening> {
        self.happenings.iter().filter(|one| one.subject == SubjectKind::Cluster && !one.outcome.is_failure())
    }
}
