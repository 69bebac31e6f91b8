//! The operations of the EKS API that change something, and what they change
//! (EKS API Reference, "Actions").

/// What in or of a cluster is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// The cluster itself.
    Cluster,
    /// A managed node group.
    NodeGroup,
    /// A Fargate profile.
    FargateProfile,
    /// An add-on.
    AddOn,
    /// A managed capability.
    Capability,
    /// An access entry: an IAM principal that may enter.
    AccessEntry,
    /// An access policy of an access entry.
    AccessPolicy,
    /// An `OpenID` Connect provider for people.
    IdentityProvider,
    /// A Pod Identity association.
    PodIdentity,
    /// Envelope encryption of secrets.
    Encryption,
    /// Tags of any of these.
    Tags,
    /// The IAM `OpenID` Connect provider through which service accounts get roles.
    OidcProvider,
    /// A service-linked role of EKS.
    LinkedRole,
}

impl SubjectKind {
    /// The kind as words.
    pub fn as_str(self) -> &'static str {
        match self {
            SubjectKind::Cluster => "cluster",
            SubjectKind::NodeGroup => "node group",
            SubjectKind::FargateProfile => "fargate profile",
            SubjectKind::AddOn => "add-on",
            SubjectKind::Capability => "capability",
            SubjectKind::AccessEntry => "access entry",
            SubjectKind::AccessPolicy => "access policy",
            SubjectKind::IdentityProvider => "identity provider",
            SubjectKind::PodIdentity => "pod identity association",
            SubjectKind::Encryption => "encryption",
            SubjectKind::Tags => "tags",
            SubjectKind::OidcProvider => "OIDC provider",
            SubjectKind::LinkedRole => "service-linked role",
        }
    }
}

/// How it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Made.
    Create,
    /// Changed.
    Update,
    /// Removed.
    Delete,
}

/// What the operation `name` of EKS changes; `None` for reads and what is no cluster's.
pub(crate) fn operation(name: &str) -> Option<(SubjectKind, Change)> {
    use Change::{Create, Delete, Update};
    use SubjectKind as Kind;
    Some(match name {
        "CreateCluster" | "RegisterCluster" => (Kind::Cluster, Create),
        "DeleteCluster" | "DeregisterCluster" => (Kind::Cluster, Delete),
        "UpdateClusterConfig" | "UpdateClusterVersion" | "CancelUpdate" => (Kind::Cluster, Update),
        "CreateNodegroup" => (Kind::NodeGroup, Create),
        "UpdateNodegroupConfig" | "UpdateNodegroupVersion" => (Kind::NodeGroup, Update),
        "DeleteNodegroup" => (Kind::NodeGroup, Delete),
        "CreateFargateProfile" => (Kind::FargateProfile, Create),
        "DeleteFargateProfile" => (Kind::FargateProfile, Delete),
        "CreateAddon" => (Kind::AddOn, Create),
        "UpdateAddon" => (Kind::AddOn, Update),
        "DeleteAddon" => (Kind::AddOn, Delete),
        "CreateCapability" => (Kind::Capability, Create),
        "UpdateCapability" => (Kind::Capability, Update),
        "DeleteCapability" => (Kind::Capability, Delete),
        "CreateAccessEntry" => (Kind::AccessEntry, Create),
        "UpdateAccessEntry" => (Kind::AccessEntry, Update),
        "DeleteAccessEntry" => (Kind::AccessEntry, Delete),
        "AssociateAccessPolicy" => (Kind::AccessPolicy, Create),
        "DisassociateAccessPolicy" => (Kind::AccessPolicy, Delete),
        "AssociateIdentityProviderConfig" => (Kind::IdentityProvider, Create),
        "DisassociateIdentityProviderConfig" => (Kind::IdentityProvider, Delete),
        "CreatePodIdentityAssociation" => (Kind::PodIdentity, Create),
        "UpdatePodIdentityAssociation" => (Kind::PodIdentity, Update),
        "DeletePodIdentityAssociation" => (Kind::PodIdentity, Delete),
        "AssociateEncryptionConfig" => (Kind::Encryption, Create),
        "TagResource" => (Kind::Tags, Update),
        "UntagResource" => (Kind::Tags, Delete),
        _ => return None,
    })
}

/// What an operation of IAM changes for EKS; whether it is about EKS is in its parameters.
pub(crate) fn iam_operation(name: &str) -> Option<(SubjectKind, Change)> {
    use Change::{Create, Delete, Update};
    Some(match name {
        "CreateOpenIDConnectProvider" => (SubjectKind::OidcProvider, Create),
        "AddClientIDToOpenIDConnectProvider"
        | "RemoveClientIDFromOpenIDConnectProvider"
        | "UpdateOpenIDConnectProviderThumbprint" => (SubjectKind::OidcProvider, Update),
        "DeleteOpenIDConnectProvider" => (SubjectKind::OidcProvider, Delete),
        "CreateServiceLinkedRole" => (SubjectKind::LinkedRole, Create),
        "DeleteServiceLinkedRole" => (SubjectKind::LinkedRole, Delete),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_changes_nothing() {
        assert_eq!(operation("DescribeCluster"), None);
        assert_eq!(operation("CreateEksAnywhereSubscription"), None);
        assert_eq!(operation("DeleteNodegroup"), Some((SubjectKind::NodeGroup, Change::Delete)));
    }
}
