//! Changes of a cluster that matter to its security.

use serde_json::Value;

use super::operations::{Change, SubjectKind};
use super::parameters::{Parameters, flag_at, text_at};
use crate::Arn;

/// What is relevant to security about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// The Kubernetes endpoint was opened to the internet.
    PublicEndpoint,
    /// Control-plane logs were switched off.
    LogsOff,
    /// A principal became administrator of the whole cluster.
    NewAdmin,
    /// A principal was put into Kubernetes groups.
    KubernetesGroups,
    /// A principal of another account was let in.
    ForeignPrincipal,
    /// Another way of authentication was chosen.
    AuthenticationMode,
    /// A role was given to pods.
    PodRole,
    /// A role of another account was given to pods.
    ForeignPodRole,
    /// An identity provider for people was added.
    IdentityProvider,
    /// Something was deleted.
    Deletion,
    /// Protection against deletion was switched off.
    DeletionProtectionOff,
}

impl Alarm {
    /// The alarm as words.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::PublicEndpoint => "endpoint opened to the internet",
            Alarm::LogsOff => "control-plane logs switched off",
            Alarm::NewAdmin => "new cluster administrator",
            Alarm::KubernetesGroups => "principal put into kubernetes groups",
            Alarm::ForeignPrincipal => "principal of another account",
            Alarm::AuthenticationMode => "authentication mode changed",
            Alarm::PodRole => "role given to pods",
            Alarm::ForeignPodRole => "role of another account given to pods",
            Alarm::IdentityProvider => "identity provider added",
            Alarm::Deletion => "deletion",
            Alarm::DeletionProtectionOff => "deletion protection switched off",
        }
    }

    /// The alarms of a request about a cluster of `account`.
    pub(crate) fn of(
        subject: SubjectKind,
        change: Change,
        parameters: &Parameters,
        account: &str,
    ) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        let request = &parameters.request;
        match (subject, change) {
            (SubjectKind::Cluster, Change::Create | Change::Update) => {
                settings(request, change, &mut alarms);
            }
            (SubjectKind::AccessEntry, Change::Create | Change::Update)
                if has_items(request.get("kubernetesGroups")) =>
            {
                alarms.push(Alarm::KubernetesGroups);
            }
            (SubjectKind::AccessPolicy, Change::Create) if is_admin_policy(request) => {
                alarms.push(Alarm::NewAdmin);
            }
            (SubjectKind::IdentityProvider, Change::Create) => alarms.push(Alarm::IdentityProvider),
            (SubjectKind::PodIdentity, Change::Create | Change::Update) => {
                pod_role(parameters, account, &mut alarms);
            }
            (
                SubjectKind::Cluster
                | SubjectKind::NodeGroup
                | SubjectKind::AddOn
                | SubjectKind::FargateProfile
                | SubjectKind::OidcProvider,
                Change::Delete,
            ) => alarms.push(Alarm::Deletion),
            _ => {}
        }
        let principal = parameters.asked(&["principalArn"]).filter(|_| change != Change::Delete);
        if principal.is_some_and(|arn| is_foreign(&arn, account)) {
            alarms.push(Alarm::ForeignPrincipal);
        }
        alarms
    }
}

fn settings(request: &Value, change: Change, alarms: &mut Vec<Alarm>) {
    let network = request.get("resourcesVpcConfig");
    let cidrs = network.and_then(|network| network.get("publicAccessCidrs")).and_then(Value::as_array);
    let world = |cidr: &Value| matches!(cidr.as_str(), Some("0.0.0.0/0" | "::/0"));
    let is_world = cidrs.is_some_and(|cidrs| cidrs.iter().any(world));
    let is_on = flag_at(request, &["resourcesVpcConfig", "endpointPublicAccess"]);
    // The word alone opens it to all addresses unless some are named.
    if is_on != Some(false) && (is_world || (is_on == Some(true) && cidrs.is_none_or(Vec::is_empty))) {
        alarms.push(Alarm::PublicEndpoint);
    }
    let logging = request.get("logging").and_then(|logging| logging.get("clusterLogging"));
    let is_off = |setup: &Value| flag_at(setup, &["enabled"]) == Some(false) && has_items(setup.get("types"));
    if change == Change::Update && logging.and_then(Value::as_array).is_some_and(|all| all.iter().any(is_off))
    {
        alarms.push(Alarm::LogsOff);
    }
    if change == Change::Update && text_at(request, &["accessConfig", "authenticationMode"]).is_some() {
        alarms.push(Alarm::AuthenticationMode);
    }
    if change == Change::Update && flag_at(request, &["deletionProtection"]) == Some(false) {
        alarms.push(Alarm::DeletionProtectionOff);
    }
}

/// The policies of EKS that give all rights (EKS User Guide, "Review access policy permissions").
fn is_admin_policy(request: &Value) -> bool {
    let policy = text_at(request, &["policyArn"]).map(super::parameters::decoded);
    let is_whole = text_at(request, &["accessScope", "type"]).is_none_or(|scope| scope == "cluster");
    is_whole
        && policy.is_some_and(|arn| {
            matches!(arn.rsplit('/').next(), Some("AmazonEKSClusterAdminPolicy" | "AmazonEKSAdminPolicy"))
        })
}

fn pod_role(parameters: &Parameters, account: &str, alarms: &mut Vec<Alarm>) {
    let role = parameters.asked(&["roleArn"]);
    let target = parameters.asked(&["targetRoleArn"]);
    if role.is_some() || target.is_some() {
        alarms.push(Alarm::PodRole);
    }
    if [role, target].into_iter().flatten().any(|arn| is_foreign(&arn, account)) {
        alarms.push(Alarm::ForeignPodRole);
    }
}

fn is_foreign(arn: &str, account: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| !arn.account.is_empty() && arn.account != account)
}

fn has_items(value: Option<&Value>) -> bool {
    value.and_then(Value::as_array).is_some_and(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(subject: SubjectKind, change: Change, request: &str) -> Vec<Alarm> {
        let request = serde_json::from_str(request).expect("JSON");
        let parameters = Parameters { request, response: Value::Null };
        Alarm::of(subject, change, &parameters, "111122223333")
    }

    #[test]
    fn an_endpoint_is_open_if_the_world_is_named_or_nobody_is() {
        let update = |request| alarms(SubjectKind::Cluster, Change::Update, request);
        assert_eq!(
            update(r#"{"resourcesVpcConfig":{"endpointPublicAccess":true}}"#),
            [Alarm::PublicEndpoint]
        );
        assert_eq!(
            update(r#"{"resourcesVpcConfig":{"publicAccessCidrs":["10.0.0.0/8","0.0.0.0/0"]}}"#),
            [Alarm::PublicEndpoint]
        );
        assert_eq!(
            update(
                r#"{"resourcesVpcConfig":{"endpointPublicAccess":true,"publicAccessCidrs":["198.51.100.0/24"]}}"#
            ),
            []
        );
        assert_eq!(
            update(
                r#"{"resourcesVpcConfig":{"endpointPublicAccess":false,"publicAccessCidrs":["0.0.0.0/0"]}}"#
            ),
            []
        );
    }

    #[test]
    fn logs_switched_off_and_the_authentication_mode_are_told() {
        let request = r#"{"logging":{"clusterLogging":[{"types":["audit"],"enabled":false}]},
            "accessConfig":{"authenticationMode":"API"},"deletionProtection":false}"#;
        assert_eq!(
            alarms(SubjectKind::Cluster, Change::Update, request),
            [Alarm::LogsOff, Alarm::AuthenticationMode, Alarm::DeletionProtectionOff]
        );
    }

    #[test]
    fn an_administrator_of_the_whole_cluster_is_told_from_one_of_a_namespace() {
        let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
        let whole = format!(r#"{{"policyArn":"{policy}","accessScope":{{"type":"cluster"}}}}"#);
        let part = format!(r#"{{"policyArn":"{policy}","accessScope":{{"type":"namespace"}}}}"#);
        assert_eq!(alarms(SubjectKind::AccessPolicy, Change::Create, &whole), [Alarm::NewAdmin]);
        assert_eq!(alarms(SubjectKind::AccessPolicy, Change::Create, &part), []);
    }

    #[test]
    fn principals_and_roles_of_other_accounts_are_told() {
        let entry =
            r#"{"principalArn":"arn%3Aaws%3Aiam%3A%3A999988887777%3Arole%2Fdev","kubernetesGroups":["ops"]}"#;
        assert_eq!(
            alarms(SubjectKind::AccessEntry, Change::Create, entry),
            [Alarm::KubernetesGroups, Alarm::ForeignPrincipal]
        );
        let role = r#"{"roleArn":"arn:aws:iam::111122223333:role/api","targetRoleArn":"arn:aws:iam::999988887777:role/x"}"#;
        assert_eq!(
            alarms(SubjectKind::PodIdentity, Change::Create, role),
            [Alarm::PodRole, Alarm::ForeignPodRole]
        );
    }
}
