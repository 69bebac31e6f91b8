//! Who the record itself says made the call: the identity of one row, and its class.
//!
//! Not who stands behind it: that is the lineage's matter.

use pugmark_event::Leaf;

use crate::{Arn, Row};

/// The `userIdentity` of one row (`CloudTrail` User Guide, "`CloudTrail` userIdentity element").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller<'a> {
    /// `type`: IAMUser, AssumedRole, AWSService…
    pub kind: Option<&'a str>,
    /// Unique id; `<id>:<session name>` for sessions.
    pub principal_id: Option<&'a str>,
    /// ARN, session form for roles.
    pub arn: Option<&'a str>,
    /// Account that owns the identity.
    pub account: Option<&'a str>,
    /// Access key that signed.
    pub access_key: Option<&'a str>,
    /// Bearer token id.
    pub credential_id: Option<&'a str>,
    /// Friendly name.
    pub user_name: Option<&'a str>,
    /// Service that made the call.
    pub invoked_by: Option<&'a str>,
    /// Provider of a SAML or web identity user.
    pub provider: Option<&'a str>,
    /// Identity Center user the call was made for.
    pub behalf_user: Option<&'a str>,
    /// What the credentials were issued to, such as a function's ARN.
    pub issued_to: Option<&'a str>,
    /// When the credentials were issued, microseconds since 1970.
    pub created: Option<i64>,
    /// `true` or `false`, as delivered.
    pub mfa: Option<&'a str>,
    /// ARN of the role or user that issued the session, with its path.
    pub issuer_arn: Option<&'a str>,
    /// Web identity provider of the session.
    pub federated_provider: Option<&'a str>,
    /// Sticky identity set when a role was assumed.
    pub source_identity: Option<&'a str>,
    /// Version of the metadata service that delivered the credentials.
    pub role_delivery: Option<&'a str>,
    /// `true` for sessions of sts:AssumeRoot.
    pub assumed_root: Option<&'a str>,
}

/// Classes of callers, in the order in which they are tested (EKS User Guide, "Analyze AWS
/// `CloudTrail` log file entries"; IAM User Guide, "Service-linked roles").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActorClass {
    /// An AWS service as itself.
    Service,
    /// A service-linked role, known by its reserved path.
    ServiceLinkedRole,
    /// A customer's role used by a service.
    ServiceRole,
    /// A service that acts for a person, with the person's identity.
    ForwardAccess,
    /// An EC2 instance with its role.
    Instance,
    /// An on-premises node with an instance id of Systems Manager.
    HybridNode,
    /// A pod by its service account's web identity.
    PodIrsa,
    /// A pod by EKS Pod Identity.
    PodIdentity,
    /// A person by IAM Identity Center.
    IdentityCenter,
    /// Any other role session.
    Role,
    /// An IAM user.
    User,
    /// The root user.
    Root,
    /// A session of `GetFederationToken`.
    Federated,
    /// The caller of `AssumeRoleWithSAML`.
    Saml,
    /// The caller of `AssumeRoleWithWebIdentity`.
    WebIdentity,
    /// A principal of another account, of which the record tells little.
    OutsideAccount,
    /// None of these.
    Unknown,
}

impl ActorClass {
    /// The class as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorClass::Service => "service",
            ActorClass::ServiceLinkedRole => "service-linked role",
            ActorClass::ServiceRole => "service role",
            ActorClass::ForwardAccess => "forward access",
            ActorClass::Instance => "instance",
            ActorClass::HybridNode => "hybrid node",
            ActorClass::PodIrsa => "pod (IRSA)",
            ActorClass::PodIdentity => "pod (Pod Identity)",
            ActorClass::IdentityCenter => "identity center",
            ActorClass::Role => "role",
            ActorClass::User => "user",
            ActorClass::Root => "root",
            ActorClass::Federated => "federated user",
            ActorClass::Saml => "saml user",
            ActorClass::WebIdentity => "web identity",
            ActorClass::OutsideAccount => "outside account",
            ActorClass::Unknown => "unknown",
        }
    }
}

impl<'a> Caller<'a> {
    /// The leaves that [`Caller::of`] reads.
    pub const LEAVES: [Leaf; 18] = [
        Leaf::IdentityType,
        Leaf::IdentityPrincipalId,
        Leaf::IdentityArn,
        Leaf::IdentityAccountId,
        Leaf::IdentityAccessKeyId,
        Leaf::IdentityCredentialId,
        Leaf::IdentityUserName,
        Leaf::IdentityInvokedBy,
        Leaf::IdentityProvider,
        Leaf::BehalfUserId,
        Leaf::ScopeIssuedTo,
        Leaf::SessionCreated,
        Leaf::SessionMfa,
        Leaf::IssuerArn,
        Leaf::FederatedProvider,
        Leaf::SourceIdentity,
        Leaf::Ec2RoleDelivery,
        Leaf::AssumedRoot,
    ];

    /// The identity of `row`.
    pub fn of(row: Row<'a>) -> Caller<'a> {
        Caller {
            kind: row.text(Leaf::IdentityType),
            principal_id: row.text(Leaf::IdentityPrincipalId),
            arn: row.text(Leaf::IdentityArn),
            // Records that were cut to size may lack it; the ARN has it too.
            account: row.text(Leaf::IdentityAccountId).or_else(|| {
                let arn = Arn::parse(row.text(Leaf::IdentityArn)?)?;
                (!arn.account.is_empty()).then_some(arn.account)
            }),
            access_key: row.text(Leaf::IdentityAccessKeyId),
            credential_id: row.text(Leaf::IdentityCredentialId),
            user_name: row.text(Leaf::IdentityUserName),
            invoked_by: row.text(Leaf::IdentityInvokedBy),
            provider: row.text(Leaf::IdentityProvider),
            behalf_user: row.text(Leaf::BehalfUserId),
            issued_to: row.text(Leaf::ScopeIssuedTo),
            created: row.session_created(),
            mfa: row.text(Leaf::SessionMfa),
            issuer_arn: row.text(Leaf::IssuerArn),
            federated_provider: row.text(Leaf::FederatedProvider),
            source_identity: row.text(Leaf::SourceIdentity),
            role_delivery: row.text(Leaf::Ec2RoleDelivery),
            assumed_root: row.text(Leaf::AssumedRoot),
        }
    }

    /// The session's name: what follows the colon of the principal id, or the end of the ARN.
    pub fn session_name(&self) -> Option<&'a str> {
        let of_principal = self.principal_id.and_then(|id| id.split_once(':')).map(|(_, name)| name);
        let of_arn = || Some(Arn::parse(self.arn?)?.session()?.1);
        of_principal.filter(|_| self.is_role_session()).or_else(of_arn)
    }

    /// The service of the service-linked role that made the call.
    pub fn linked_service(&self) -> Option<&'a str> {
        Arn::parse(self.issuer_arn?)?.linked_service()
    }

    /// What the record alone says the caller is.
    pub fn class(&self) -> ActorClass {
        match self.kind {
            Some("AWSService") => ActorClass::Service,
            None if self.invoked_by.is_some() && self.access_key.is_none() => ActorClass::Service,
            Some("AssumedRole") => self.role_class(),
            Some("IAMUser" | "Root" | "FederatedUser" | "IdentityCenterUser") if self.is_forwarded() => {
                ActorClass::ForwardAccess
            }
            Some("IAMUser") => ActorClass::User,
            Some("Root") => ActorClass::Root,
            Some("FederatedUser") => ActorClass::Federated,
            Some("IdentityCenterUser") => ActorClass::IdentityCenter,
            Some("SAMLUser") => ActorClass::Saml,
            Some("WebIdentityUser") if self.is_pod() => ActorClass::PodIrsa,
            Some("WebIdentityUser") => ActorClass::WebIdentity,
            Some("AWSAccount") => ActorClass::OutsideAccount,
            Some("Role") => ActorClass::Role,
            _ => ActorClass::Unknown,
        }
    }

    /// True if a service made the call for this identity.
    pub fn is_forwarded(&self) -> bool {
        self.invoked_by.is_some()
    }

    /// A token of a cluster: of EKS by its provider, of any other by the form of its subject.
    fn is_pod(&self) -> bool {
        self.provider.is_some_and(is_cluster_provider)
            || self.user_name.is_some_and(|subject| subject.starts_with("system:serviceaccount:"))
    }

    fn is_role_session(&self) -> bool {
        matches!(self.kind, Some("AssumedRole" | "AWSAccount"))
    }

    /// Signs of a person behind a role session that a service uses: only people's sessions have
    /// MFA or a source identity, and a service that uses a role of its own has a name.
    fn is_of_person(&self) -> bool {
        let is_named = self.invoked_by.is_some_and(|service| service.contains(".amazonaws.com"));
        self.source_identity.is_some() || self.mfa == Some("true") || !is_named
    }

    fn role_class(&self) -> ActorClass {
        let issuer = self.issuer_arn.and_then(Arn::parse);
        let name = self.session_name().unwrap_or_default();
        if issuer.and_then(Arn::linked_service).is_some() {
            ActorClass::ServiceLinkedRole
        } else if issuer.is_some_and(Arn::is_identity_center_role) {
            if self.is_forwarded() { ActorClass::ForwardAccess } else { ActorClass::IdentityCenter }
        } else if self.is_forwarded() && self.is_of_person() {
            ActorClass::ForwardAccess
        } else if self.is_forwarded() && !is_instance(name) {
            ActorClass::ServiceRole
        } else if is_instance(name) {
            ActorClass::Instance
        } else if is_hybrid_node(name) {
            ActorClass::HybridNode
        } else if self.federated_provider.is_some_and(is_cluster_provider) {
            ActorClass::PodIrsa
        } else if is_pod_session(name) {
            ActorClass::PodIdentity
        } else {
            ActorClass::Role
        }
    }
}

/// `i-` and 8 to 17 hexadecimal digits.
pub(crate) fn is_instance(name: &str) -> bool {
    name.strip_prefix("i-").is_some_and(|id| (8..=17).contains(&id.len()) && is_hex(id))
}

/// `mi-` and 17 hexadecimal digits.
fn is_hybrid_node(name: &str) -> bool {
    name.strip_prefix("mi-").is_some_and(|id| id.len() == 17 && is_hex(id))
}

/// `eks-<cluster>-<pod>-<UUID>`, the UUID perhaps cut short.
fn is_pod_session(name: &str) -> bool {
    name.strip_prefix("eks-").is_some_and(|rest| rest.matches('-').count() >= 2)
}

/// True for the `OpenID` Connect provider of an EKS cluster.
pub(crate) fn is_cluster_provider(provider: &str) -> bool {
    provider.contains("oidc-provider/oidc.eks") || provider.starts_with("oidc.eks")
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: Caller<'_> = Caller {
        kind: Some("AssumedRole"),
        principal_id: Some("AROAEXAMPLE0000000001:alice"),
        issuer_arn: Some("arn:aws:iam::111122223333:role/dev"),
        ..NOBODY
    };
    const NOBODY: Caller<'_> = Caller {
        kind: None,
        principal_id: None,
        arn: None,
        account: None,
        access_key: None,
        credential_id: None,
        user_name: None,
        invoked_by: None,
        provider: None,
        behalf_user: None,
        issued_to: None,
        created: None,
        mfa: None,
        issuer_arn: None,
        federated_provider: None,
        source_identity: None,
        role_delivery: None,
        assumed_root: None,
    };

    #[test]
    fn a_service_is_told_by_its_type_or_by_having_none() {
        let typed = Caller { kind: Some("AWSService"), invoked_by: Some("ec2.amazonaws.com"), ..NOBODY };
        let bare = Caller { invoked_by: Some("ec2.amazonaws.com"), ..NOBODY };
        assert_eq!(typed.class(), ActorClass::Service);
        assert_eq!(bare.class(), ActorClass::Service);
        assert_eq!(NOBODY.class(), ActorClass::Unknown);
    }

    #[test]
    fn the_reserved_path_makes_a_service_linked_role_whatever_else_is_said() {
        let linked = Caller {
            issuer_arn: Some(
                "arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS",
            ),
            invoked_by: Some("eks.amazonaws.com"),
            ..ROLE
        };
        assert_eq!(linked.class(), ActorClass::ServiceLinkedRole);
        assert_eq!(linked.linked_service(), Some("eks.amazonaws.com"));
        let alike =
            Caller { issuer_arn: Some("arn:aws:iam::111122223333:role/AWSServiceRoleForAmazonEKS"), ..ROLE };
        assert_eq!(alike.class(), ActorClass::Role);
    }

    #[test]
    fn a_user_with_invoked_by_is_a_service_acting_for_a_person() {
        let user = Caller { kind: Some("IAMUser"), ..NOBODY };
        assert_eq!(user.class(), ActorClass::User);
        let forwarded = Caller { invoked_by: Some("cloudformation.amazonaws.com"), ..user };
        assert_eq!(forwarded.class(), ActorClass::ForwardAccess);
    }

    #[test]
    fn a_role_that_a_service_uses_is_its_own_unless_a_person_shows() {
        let used = Caller { invoked_by: Some("cloudformation.amazonaws.com"), ..ROLE };
        assert_eq!(used.class(), ActorClass::ServiceRole);
        assert_eq!(Caller { mfa: Some("true"), ..used }.class(), ActorClass::ForwardAccess);
        assert_eq!(Caller { source_identity: Some("noor"), ..used }.class(), ActorClass::ForwardAccess);
        assert_eq!(Caller { invoked_by: Some("AWS Internal"), ..used }.class(), ActorClass::ForwardAccess);
    }

    #[test]
    fn session_names_of_instances_nodes_and_pods_are_recognised() {
        let named = |principal_id| Caller { principal_id: Some(principal_id), ..ROLE }.class();
        assert_eq!(named("AROAEXAMPLE0000000001:i-0abc1234def567890"), ActorClass::Instance);
        assert_eq!(named("AROAEXAMPLE0000000001:i-alice"), ActorClass::Role);
        assert_eq!(named("AROAEXAMPLE0000000001:mi-0abc1234def567890"), ActorClass::HybridNode);
        assert_eq!(named("AROAEXAMPLE0000000001:eks-prod-api-7d4f-1b2c"), ActorClass::PodIdentity);
        assert_eq!(named("AROAEXAMPLE0000000001:alice"), ActorClass::Role);
    }

    #[test]
    fn a_session_name_is_the_end_of_the_principal_id() {
        assert_eq!(ROLE.session_name(), Some("alice"));
        let arn = "arn:aws:sts::111122223333:assumed-role/dev/bob";
        let bob = Caller { principal_id: None, arn: Some(arn), ..ROLE };
        assert_eq!(bob.session_name(), Some("bob"));
    }
}
