//! What EKS itself did in an account: calls of its service-linked roles, of the cluster role
//! it was given, and of EKS on behalf of a person.

use std::collections::BTreeSet;

use pugmark_event::{Leaf, is_uuid};
use serde_json::Value;

use super::parameters::Parameters;
use crate::{ActorClass, Caller, Row};

/// By which right a service acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hand {
    /// A service-linked role.
    LinkedRole,
    /// A role of the customer, such as the cluster role.
    ServiceRole,
    /// For the person who had asked.
    ForwardAccess,
    /// As the service itself.
    Itself,
}

impl Hand {
    /// The right as words.
    pub fn as_str(self) -> &'static str {
        match self {
            Hand::LinkedRole => "service-linked role",
            Hand::ServiceRole => "service role",
            Hand::ForwardAccess => "on behalf of the caller",
            Hand::Itself => "service",
        }
    }
}

/// Calls of one kind, by the hour: what is told apart, and nothing of the single event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServiceKey {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) hand: Hand,
    /// The service that acted.
    pub(crate) service: String,
    /// ARN of the role that it used; empty for none.
    pub(crate) role: String,
    /// `service:EventName`.
    pub(crate) call: String,
    pub(crate) error: String,
    pub(crate) hint: Hint,
    /// Hours since 1970.
    pub(crate) hour: i64,
}

/// How a call can be told to be of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hint {
    /// A tag or a name in the parameters has the cluster's name.
    Cluster(String),
    /// A name in the parameters ends in the id of a node group.
    NodeGroup(String),
    /// Nothing.
    None,
}

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

impl ServiceKey {
    /// What `row` counts as; `None` if EKS did not act.
    pub(crate) fn of(row: Row<'_>) -> Option<ServiceKey> {
        let (hand, service, role) = acting(row)?;
        let text = |leaf| row.text(leaf).unwrap_or_default().to_owned();
        let source = row.text(Leaf::EventSource).unwrap_or_default();
        let call = format!(
            "{}:{}",
            source.strip_suffix(".amazonaws.com").unwrap_or(source),
            row.text(Leaf::EventName).unwrap_or_default()
        );
        let account = row.text(Leaf::RecipientAccountId).or(row.text(Leaf::IdentityAccountId));
        let parameters = Parameters::of(row);
        let hint = if source.starts_with("eks") {
            parameters.cluster().map_or(Hint::None, Hint::Cluster)
        } else {
            Hint::of(&parameters)
        };
        // Auto Scaling works for others too; without a name of EKS it is not ours.
        if !is_eks(&service) && hint == Hint::None {
            return None;
        }
        Some(ServiceKey {
            account: account.unwrap_or_default().to_owned(),
            region: text(Leaf::AwsRegion),
            hand,
            service,
            role,
            call,
            error: text(Leaf::ErrorCode),
            hint,
            hour: row.time().unwrap_or(0).div_euclid(HOUR),
        })
    }

    /// When the hour begins, microseconds since 1970.
    pub(crate) fn start(&self) -> i64 {
        self.hour * HOUR
    }

    /// When the next hour begins.
    pub(crate) fn end(&self) -> i64 {
        (self.hour + 1) * HOUR
    }
}

/// The service that made the call of `row`, if it is EKS or Auto Scaling for it.
fn acting(row: Row<'_>) -> Option<(Hand, String, String)> {
    let issuer = row.text(Leaf::IssuerArn).unwrap_or_default();
    let invoked_by = row.text(Leaf::IdentityInvokedBy).unwrap_or_default();
    let is_candidate = is_eks(invoked_by)
        || (issuer.contains("/aws-service-role/")
            && (issuer.contains("eks") || issuer.contains("autoscaling")));
    if !is_candidate {
        return None;
    }
    let caller = Caller::of(row);
    if let Some(service) = caller.linked_service() {
        return (is_eks(service) || service == "autoscaling.amazonaws.com")
            .then(|| (Hand::LinkedRole, service.to_owned(), issuer.to_owned()));
    }
    let hand = match caller.class() {
        ActorClass::Service => Hand::Itself,
        ActorClass::ServiceRole => Hand::ServiceRole,
        _ => Hand::ForwardAccess,
    };
    let role = if hand == Hand::ServiceRole { issuer } else { "" };
    is_eks(invoked_by).then(|| (hand, invoked_by.to_owned(), role.to_owned()))
}

/// True for the service principals of EKS (EKS User Guide, "Using service-linked roles").
pub(crate) fn is_eks(service: &str) -> bool {
    service.strip_suffix(".amazonaws.com").is_some_and(|name| {
        let own = name.rsplit('.').next().unwrap_or(name);
        matches!(own, "eks" | "eks-local")
            || matches!(name, "eks-nodegroup" | "eks-fargate" | "eks-connector" | "eks-fargate-pods")
    })
}

impl Hint {
    /// What the parameters say of the cluster; of several, the one that sorts first.
    pub(crate) fn of(parameters: &Parameters) -> Hint {
        let mut hints = BTreeSet::new();
        for value in [&parameters.request, &parameters.response] {
            collect(value, &mut hints);
            if !hints.is_empty() {
                break;
            }
        }
        hints.pop_first().unwrap_or(Hint::None)
    }

    fn of_text(text: &str) -> Option<Hint> {
        if let Some((_, rest)) = text.split_once("kubernetes.io/cluster/") {
            let name = rest.split(|c: char| !is_name(c)).next().filter(|name| !name.is_empty())?;
            return Some(Hint::Cluster(name.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("eks-cluster-sg-") {
            let (name, _) = rest.rsplit_once('-')?;
            return Some(Hint::Cluster(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("Amazon EKS ") {
            return name.chars().all(is_name).then(|| Hint::Cluster(name.to_owned()));
        }
        let id = text.strip_prefix("eks-").map(|_| text)?;
        let start = id.len().checked_sub(UUID)?;
        let id = id.get(start..).filter(|id| is_uuid(id))?;
        Some(Hint::NodeGroup(id.to_owned()))
    }
}

const UUID: usize = 36;

/// Tags of EKS whose value is the cluster's name.
const CLUSTER_TAGS: [&str; 4] =
    ["eks:cluster-name", "aws:eks:cluster-name", "eks:eks-cluster-name", "alpha.eksctl.io/cluster-name"];

// The parser bounds how deep a value nests, so this recursion is bounded too.
fn collect(value: &Value, hints: &mut BTreeSet<Hint>) {
    match value {
        Value::String(text) => hints.extend(Hint::of_text(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, hints)),
        Value::Object(members) => {
            let named = |name: &str| {
                let (_, value) = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                value.as_str()
            };
            if let (Some(key), Some(value)) = (named("key"), named("value"))
                && CLUSTER_TAGS.contains(&key)
            {
                hints.insert(Hint::Cluster(value.to_owned()));
            }
            members.values().for_each(|member| collect(member, hints));
        }
        _ => {}
    }
}

/// Characters of a cluster's name (EKS API Reference, `CreateCluster`).
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(request: &str) -> Hint {
        let request = serde_json::from_str(request).expect("JSON");
        Hint::of(&Parameters { request, response: Value::Null })
    }

    #[test]
    fn a_tag_names_the_cluster() {
        let tag =
            r#"{"tagSpecificationSet":{"items":[{"tags":[{"key":"eks:cluster-name","value":"prod"}]}]}}"#;
        assert_eq!(hint(tag), Hint::Cluster("prod".to_owned()));
        let owned = r#"{"tagSet":{"items":[{"key":"kubernetes.io/cluster/prod","value":"owned"}]}}"#;
        assert_eq!(hint(owned), Hint::Cluster("prod".to_owned()));
    }

    #[test]
    fn names_that_eks_gives_say_which_cluster_or_node_group() {
        assert_eq!(
            hint(r#"{"groupName":"eks-cluster-sg-my-prod-1234567890"}"#),
            Hint::Cluster("my-prod".to_owned())
        );
        assert_eq!(hint(r#"{"description":"Amazon EKS prod"}"#), Hint::Cluster("prod".to_owned()));
        let id = "11111111-2222-3333-4444-abcdef123456";
        let profile = format!(r#"{{"instanceProfileName":"eks-{id}"}}"#);
        let group = format!(r#"{{"autoScalingGroupName":"eks-web-{id}"}}"#);
        assert_eq!(hint(&profile), Hint::NodeGroup(id.to_owned()));
        assert_eq!(hint(&group), Hint::NodeGroup(id.to_owned()));
        assert_eq!(hint(r#"{"autoScalingGroupName":"web"}"#), Hint::None);
    }

    #[test]
    fn only_services_of_eks_count_as_eks() {
        assert!(is_eks("eks-nodegroup.amazonaws.com"));
        assert!(is_eks("pods.eks.amazonaws.com"));
        assert!(!is_eks("autoscaling.amazonaws.com"));
        assert!(!is_eks("leeks.amazonaws.com"));
    }
}
