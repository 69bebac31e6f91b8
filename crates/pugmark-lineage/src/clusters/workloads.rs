//! What the pods and nodes of a cluster did in the account: which pod, by which credentials.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Clusters};
use super::facts::issuer_id;
use super::happening::Happening;
use super::lives::overlaps;
use crate::activity::{Counted, Counts};
use crate::caller::is_cluster_provider;
use crate::{ActorClass, Arn, Confidence, Issuance, Lineage, Session};

/// How pods of a service account got credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodRight {
    /// By the token of the service account (IAM roles for service accounts).
    Irsa,
    /// By EKS Pod Identity.
    PodIdentity,
}

impl PodRight {
    /// The way as words.
    pub fn as_str(self) -> &'static str {
        match self {
            PodRight::Irsa => "IRSA",
            PodRight::PodIdentity => "Pod Identity",
        }
    }
}

/// What pods of one service account did with one role.
#[derive(Clone, Debug)]
pub struct PodActivity<'a> {
    /// Kubernetes namespace; empty if the event that issued the credentials is missing.
    pub namespace: &'a str,
    /// Service account; empty as well.
    pub service_account: &'a str,
    /// Name of the pod; empty where it is not recorded.
    pub pod: &'a str,
    /// How it got credentials.
    pub right: PodRight,
    /// ARN of the role.
    pub role: &'a str,
    /// How sure it is that the pod is of this cluster.
    pub confidence: Confidence,
    /// How often credentials were issued.
    pub issued: u64,
    /// The sessions, and those that were opened from them, by first event.
    pub sessions: Vec<Session<'a>>,
    /// What was called, most frequent first.
    pub calls: Counts<'a>,
}

/// What nodes did with one role.
#[derive(Clone, Debug)]
pub struct NodeActivity<'a> {
    /// ARN of the role.
    pub role: &'a str,
    /// The sessions of instances, by first event.
    pub sessions: Vec<Session<'a>>,
    /// What was called, most frequent first.
    pub calls: Counts<'a>,
}

/// Namespace, service account, pod, right, role: what pods are told apart by.
type PodKey<'a> = (&'a str, &'a str, &'a str, PodRight, &'a str);

#[derive(Default)]
struct Pods<'a>(BTreeMap<PodKey<'a>, (Option<Confidence>, u64, Vec<Session<'a>>)>);

impl<'a> Pods<'a> {
    fn meet(
        &mut self,
        key: PodKey<'a>,
        confidence: Confidence,
    ) -> &mut (Option<Confidence>, u64, Vec<Session<'a>>) {
        let one = self.0.entry(key).or_default();
        one.0 = Some(one.0.map_or(confidence, |known| known.min(confidence)));
        one
    }
}

impl Clusters {
    /// What the pods of `cluster` did, by namespace, service account and pod.
    pub fn pods<'a>(&'a self, cluster: &'a Cluster, lineage: &'a Lineage) -> Vec<PodActivity<'a>> {
        let mut pods = Pods::default();
        let is_only = self
            .all
            .iter()
            .filter(|other| other.account == cluster.account && other.region == cluster.region)
            .count()
            == 1;
        for issuance in lineage.issuances() {
            if let Some((key, confidence)) = pod_of(cluster, issuance, is_only) {
                pods.meet(key, confidence).1 += 1;
            }
        }
        for party in lineage.sessions() {
            let found = match party.issuance() {
                Some(issuance) => pod_of(cluster, issuance, is_only),
                None => unissued_pod(cluster, party, is_only),
            };
            if let Some((key, confidence)) = found {
                pods.meet(key, confidence).2.extend(party.tree().into_iter().map(|node| node.session));
            }
        }
        let tell = |(key, (confidence, issued, sessions)): (
            PodKey<'a>,
            (Option<Confidence>, u64, Vec<Session<'a>>),
        )| {
            let (namespace, service_account, pod, right, role) = key;
            let calls = calls(&sessions, lineage);
            let confidence = confidence.unwrap_or(Confidence::Weak);
            PodActivity { namespace, service_account, pod, right, role, confidence, issued, sessions, calls }
        };
        pods.0.into_iter().map(tell).collect()
    }
}

impl Cluster {
    /// What its nodes did, by role. A role may serve nodes of several clusters.
    pub fn nodes<'a>(&'a self, lineage: &'a Lineage) -> Vec<NodeActivity<'a>> {
        let mut by_role: BTreeMap<&str, Vec<Session<'a>>> =
            self.node_roles().into_iter().map(|role| (role, Vec::new())).collect();
        for session in lineage.parties() {
            let in_time = || {
                let (Some(first), Some(last)) = (session.first_seen(), session.last_seen()) else {
                    return true;
                };
                overlaps(self, first, last.saturating_add(1))
            };
            if let Some(sessions) = session.role().and_then(|role| by_role.get_mut(role))
                && in_time()
            {
                sessions.push(session);
            }
        }
        by_role
            .into_iter()
            .map(|(role, sessions)| NodeActivity { role, calls: calls(&sessions, lineage), sessions })
            .collect()
    }
}

impl Happening {
    /// The session that asked, and with it whoever stands at the root of its chain.
    pub fn session<'a>(&self, lineage: &'a Lineage) -> Option<Session<'a>> {
        lineage.party_of(&self.who.caller())
    }
}

fn calls<'a>(sessions: &[Session<'a>], lineage: &'a Lineage) -> Counts<'a> {
    Counts::of(sessions.iter().map(|session| session.activity()), Counted::Call, &lineage.names)
}

/// The pod of `cluster` that credentials were issued to.
fn pod_of<'a>(cluster: &Cluster, issuance: Issuance<'a>, is_only: bool) -> Option<(PodKey<'a>, Confidence)> {
    let role = issuance.role().unwrap_or_default();
    let time = issuance.time().unwrap_or_default();
    if !overlaps(cluster, time, time.saturating_add(1)) {
        return None;
    }
    if let Some([name, namespace, service_account, pod]) = issuance.pod() {
        let is_here =
            name == cluster.name && issuance.recipient().is_none_or(|account| account == cluster.account);
        let key = (namespace, service_account, pod, PodRight::PodIdentity, role);
        return is_here.then_some((key, Confidence::Certain));
    }
    let caller = issuance.caller().caller();
    let provider = caller.provider.filter(|provider| is_cluster_provider(provider))?;
    let confidence = of_provider(cluster, provider, is_only)?;
    let subject = caller.user_name.and_then(|name| name.strip_prefix("system:serviceaccount:"));
    let (namespace, service_account) =
        subject.and_then(|subject| subject.split_once(':')).unwrap_or_default();
    Some(((namespace, service_account, "", PodRight::Irsa, role), confidence))
}

/// The pod whose session's issuance is not among the records, as far as the session itself tells.
fn unissued_pod<'a>(
    cluster: &Cluster,
    session: Session<'a>,
    is_only: bool,
) -> Option<(PodKey<'a>, Confidence)> {
    let caller = session.caller();
    let role = session.role().unwrap_or_default();
    match session.class() {
        ActorClass::PodIrsa => {
            let confidence = of_provider(cluster, caller.federated_provider?, is_only)?;
            Some((("", "", "", PodRight::Irsa, role), confidence))
        }
        ActorClass::PodIdentity if caller.account == Some(cluster.account.as_str()) => {
            let rest = caller.session_name()?.strip_prefix("eks-")?.strip_prefix(cluster.name.as_str())?;
            let pod = rest.strip_prefix('-')?;
            Some((("", "", pod, PodRight::PodIdentity, role), Confidence::Weak))
        }
        _ => None,
    }
}

/// How sure it is that an identity provider is that of `cluster`; `None` if it is not.
fn of_provider(cluster: &Cluster, provider: &str, is_only: bool) -> Option<Confidence> {
    if cluster.issuers.contains(issuer_id(provider)) {
        return Some(Confidence::Certain);
    }
    // Nobody told the id of the issuer; account and Region are in the provider's ARN.
    let account = Arn::parse(provider).map(|arn| arn.account);
    let is_near = account.is_none_or(|account| account == cluster.account)
        && super::facts::provider_region(provider) == Some(cluster.region.as_str());
    (cluster.issuers.is_empty() && is_near && is_only).then_some(Confidence::Strong)
}
