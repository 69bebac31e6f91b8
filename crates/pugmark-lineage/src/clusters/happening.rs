//! One thing that was done, or tried, to a cluster: what, when, by whom, with which outcome.

use pugmark_event::Leaf;

use super::alarm::Alarm;
use super::operations::{Change, SubjectKind};
use crate::{Caller, Row};

/// One request to change a cluster or something of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Happening {
    /// `eventTime`, microseconds since 1970.
    pub time: Option<i64>,
    /// `eventID`.
    pub event: String,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// What was to be changed.
    pub subject: SubjectKind,
    /// Its name: of the node group, the add-on, the principal of an access entry…
    pub subject_name: String,
    /// How.
    pub change: Change,
    /// Who the record says asked for it; who is behind that, the lineage tells.
    pub who: Who,
    /// What came of it.
    pub outcome: Outcome,
    /// Labels and values of the request, in a fixed order: `version`, `policy`, `scope`…
    pub details: Vec<(String, String)>,
    /// What is relevant to security about it.
    pub alarms: Vec<Alarm>,
    /// `clientRequestToken`: requests with the same one are retries of one intent.
    pub token: Option<String>,
    /// Retries that were folded into this.
    pub retries: u32,
}

/// What came of a request. `CloudTrail` tells of the request, not of its completion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Taken; whether it was carried out is seen in later records only.
    Requested,
    /// Refused.
    Failed {
        /// `errorCode`.
        code: String,
        /// `errorMessage`, empty if there was none.
        message: String,
    },
}

impl Outcome {
    /// True if the request was refused.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed { .. })
    }

    pub(crate) fn of(row: Row<'_>) -> Outcome {
        match row.text(Leaf::ErrorCode) {
            None => Outcome::Requested,
            Some(code) => Outcome::Failed {
                code: code.to_owned(),
                message: row.text(Leaf::ErrorMessage).unwrap_or_default().to_owned(),
            },
        }
    }
}

impl Happening {
    /// The value of the detail `label`.
    pub fn detail(&self, label: &str) -> Option<&str> {
        self.details.iter().find(|(own, _)| own == label).map(|(_, value)| value.as_str())
    }

    /// What it was done to, as words: `node group web`.
    pub fn what(&self) -> String {
        if self.subject_name.is_empty() {
            self.subject.as_str().to_owned()
        } else {
            format!("{} {}", self.subject.as_str(), self.subject_name)
        }
    }
}

/// The identity of one record, kept: enough to look its session up in a lineage.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// `userIdentity.type`.
    pub kind: Option<String>,
    /// ARN, session form for roles.
    pub arn: Option<String>,
    /// Unique id, with the session's name.
    pub principal_id: Option<String>,
    /// Account of the identity.
    pub account: Option<String>,
    /// Access key id: the session's key, where it is recorded.
    pub access_key: Option<String>,
    /// Bearer token id.
    pub credential_id: Option<String>,
    /// Friendly name.
    pub user_name: Option<String>,
    /// Service that made the call.
    pub invoked_by: Option<String>,
    /// Identity Center user the call was made for.
    pub behalf_user: Option<String>,
    /// ARN of the role or user that issued the session.
    pub issuer_arn: Option<String>,
    /// Web identity provider of the session.
    pub federated_provider: Option<String>,
    /// Sticky identity set when a role was assumed.
    pub source_identity: Option<String>,
    /// `true` if the session was opened with MFA.
    pub mfa: Option<String>,
    /// When the session's credentials were issued, microseconds since 1970.
    pub created: Option<i64>,
    /// `sourceIPAddress`.
    pub address: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
}

impl Who {
    pub(crate) fn of(row: Row<'_>) -> Who {
        let text = |leaf| row.text(leaf).map(str::to_owned);
        Who {
            kind: text(Leaf::IdentityType),
            arn: text(Leaf::IdentityArn),
            principal_id: text(Leaf::IdentityPrincipalId),
            account: text(Leaf::IdentityAccountId),
            access_key: text(Leaf::IdentityAccessKeyId),
            credential_id: text(Leaf::IdentityCredentialId),
            user_name: text(Leaf::IdentityUserName),
            invoked_by: text(Leaf::IdentityInvokedBy),
            behalf_user: text(Leaf::BehalfUserId),
            issuer_arn: text(Leaf::IssuerArn),
            federated_provider: text(Leaf::FederatedProvider),
            source_identity: text(Leaf::SourceIdentity),
            mfa: text(Leaf::SessionMfa),
            created: row.session_created(),
            address: text(Leaf::SourceIpAddress),
            agent: text(Leaf::UserAgent),
        }
    }

    /// As the lineage looks it up.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            kind: self.kind.as_deref(),
            arn: self.arn.as_deref(),
            principal_id: self.principal_id.as_deref(),
            account: self.account.as_deref(),
            access_key: self.access_key.as_deref(),
            credential_id: self.credential_id.as_deref(),
            user_name: self.user_name.as_deref(),
            invoked_by: self.invoked_by.as_deref(),
            behalf_user: self.behalf_user.as_deref(),
            issuer_arn: self.issuer_arn.as_deref(),
            federated_provider: self.federated_provider.as_deref(),
            source_identity: self.source_identity.as_deref(),
            mfa: self.mfa.as_deref(),
            created: self.created,
            ..Caller::default()
        }
    }

    /// The identity itself without the session: ARN of the role or user, else what there is.
    pub fn identity(&self) -> &str {
        let texts = [&self.issuer_arn, &self.arn, &self.principal_id, &self.invoked_by, &self.account];
        texts.into_iter().flatten().next().map_or("", String::as_str)
    }
}
