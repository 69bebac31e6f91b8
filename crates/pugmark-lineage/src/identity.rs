//! What all rows of one credential say of its owner, taken together.

use crate::caller::Caller;
use crate::names::{Name, Names, Renamed};

/// Fields of an identity that are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Kind,
    PrincipalId,
    Arn,
    Account,
    UserName,
    InvokedBy,
    Provider,
    BehalfUser,
    IssuedTo,
    IssuerArn,
    FederatedProvider,
    SourceIdentity,
}

const FIELDS: usize = Field::SourceIdentity as usize + 1;

/// The owner of a credential. Where rows differ, the text that sorts first
/// counts, so that the order of rows cannot be seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    texts: [Name; FIELDS],
    /// When the credential was issued, microseconds since 1970.
    pub(crate) created: Option<i64>,
    /// Opened with MFA.
    pub(crate) mfa: Option<bool>,
    /// Delivered by an instance's metadata service.
    pub(crate) is_delivered: bool,
    /// A session of sts:AssumeRoot.
    pub(crate) is_assumed_root: bool,
}

impl Identity {
    /// The name in `field`.
    pub(crate) fn name(&self, field: Field) -> Name {
        self.texts[field as usize]
    }

    /// Takes in one row.
    pub(crate) fn read(&mut self, caller: &Caller<'_>, names: &mut Names) {
        let texts: [Option<&str>; FIELDS] = [
            caller.kind,
            caller.principal_id,
            caller.arn,
            caller.account,
            caller.user_name,
            caller.invoked_by,
            caller.provider,
            caller.behalf_user,
            caller.issued_to,
            caller.issuer_arn,
            caller.federated_provider,
            caller.source_identity,
        ];
        for (index, text) in texts.into_iter().enumerate() {
            let Some(text) = text else { continue };
            let known = self.texts[index];
            if known.is_none() || (names.text(known) != text && precedes(index, text, names.text(known))) {
                self.texts[index] = names.intern(text);
            }
        }
        self.created = least(self.created, caller.created);
        self.mfa = self.mfa.max(match caller.mfa {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        });
        self.is_delivered |= caller.role_delivery.is_some();
        self.is_assumed_root |= caller.assumed_root == Some("true");
    }

    /// Takes in what another worker read of the same credential.
    pub(crate) fn merge(&mut self, other: &Identity, renamed: &Renamed, names: &Names) {
        for (index, theirs) in other.texts.iter().enumerate() {
            let theirs = renamed.of(*theirs);
            let ours = self.texts[index];
            if !theirs.is_none() && (ours.is_none() || precedes(index, names.text(theirs), names.text(ours)))
            {
                self.texts[index] = theirs;
            }
        }
        self.created = least(self.created, other.created);
        self.mfa = self.mfa.max(other.mfa);
        self.is_delivered |= other.is_delivered;
        self.is_assumed_root |= other.is_assumed_root;
    }

    /// The identity as a caller again.
    pub(crate) fn caller<'a>(&self, names: &'a Names) -> Caller<'a> {
        let text = |field: Field| names.get(self.name(field));
        Caller {
            kind: text(Field::Kind),
            principal_id: text(Field::PrincipalId),
            arn: text(Field::Arn),
            account: text(Field::Account),
            access_key: None,
            credential_id: None,
            user_name: text(Field::UserName),
            invoked_by: text(Field::InvokedBy),
            provider: text(Field::Provider),
            behalf_user: text(Field::BehalfUser),
            issued_to: text(Field::IssuedTo),
            created: self.created,
            mfa: self.mfa.map(|mfa| if mfa { "true" } else { "false" }),
            issuer_arn: text(Field::IssuerArn),
            federated_provider: text(Field::FederatedProvider),
            source_identity: text(Field::SourceIdentity),
            role_delivery: self.is_delivered.then_some("2.0"),
            assumed_root: self.is_assumed_root.then_some("true"),
        }
    }
}

/// True if `text` counts rather than `other`: the copy of another account's
/// trail knows less of the caller than the caller's own.
fn precedes(index: usize, text: &str, other: &str) -> bool {
    let is_vague = |kind: &str| index == Field::Kind as usize && matches!(kind, "AWSAccount" | "Unknown");
    (is_vague(text), text) < (is_vague(other), other)
}

pub(crate) fn least(ours: Option<i64>, theirs: Option<i64>) -> Option<i64> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        (ours, theirs) => ours.or(theirs),
    }
}

pub(crate) fn greatest(ours: Option<i64>, theirs: Option<i64>) -> Option<i64> {
    ours.max(theirs)
}
