//! How two steps of a chain were joined, and how sure that is.

/// How sure a conclusion is. The weakest link of a chain counts: the least is the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A name that a caller may choose says so.
    Weak,
    /// Ids and times agree; another reading is possible but unlikely.
    Strong,
    /// An id that AWS gives out once says so.
    Certain,
}

impl Confidence {
    /// `certain`, `strong` or `weak`.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Certain => "certain",
            Confidence::Strong => "strong",
            Confidence::Weak => "weak",
        }
    }
}

/// What joins a session to who opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// The access key id that the issuing event handed out.
    AccessKeyId,
    /// The same, with the caller taken from the other account's copy of the event.
    SharedEventId,
    /// Principal id with session name, and time of issue within two seconds.
    PrincipalAndCreation,
    /// Principal id alone, seen from another account.
    PrincipalId,
    /// Bearer token id.
    CredentialId,
    /// Source identity of the session.
    SourceIdentity,
    /// Session name: that of a console user who switched roles, or of an Identity Center user.
    SessionName,
    /// Credentials that the metadata service of an instance delivered.
    InstanceRole,
    /// EKS Pod Identity, by its session name.
    PodIdentity,
    /// A service account of a cluster, by the cluster's identity provider.
    Irsa,
    /// A role that only a service can use, or that the record says one used.
    ServiceRole,
    /// A function or other resource that the record says the credentials were issued to.
    IssuedTo,
}

impl LinkKind {
    /// The kind as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkKind::AccessKeyId => "access key id",
            LinkKind::SharedEventId => "shared event id",
            LinkKind::PrincipalAndCreation => "principal and creation time",
            LinkKind::PrincipalId => "principal id",
            LinkKind::CredentialId => "credential id",
            LinkKind::SourceIdentity => "source identity",
            LinkKind::SessionName => "session name",
            LinkKind::InstanceRole => "instance role",
            LinkKind::PodIdentity => "pod identity",
            LinkKind::Irsa => "service account",
            LinkKind::ServiceRole => "service role",
            LinkKind::IssuedTo => "issued to",
        }
    }
}

/// The join of a session with what is above it in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// What was joined on.
    pub kind: LinkKind,
    /// How sure it is.
    pub confidence: Confidence,
    /// Event ids of the issuing event and its copies; empty where the record itself is the evidence.
    pub events: Vec<&'a str>,
}
