//! Who acted, in a few words.
//!
//! A user by name, a role with its session (`Admin/alice`), a service by its
//! host, root as `root`. A service-linked role is marked, because nobody
//! signed in to use it, and a service that called on somebody's behalf is
//! named after `via`.

use std::borrow::Cow;

use arrow::array::{Array, StringViewArray};
use pugmark_event::{EventBatch, Leaf};

/// The mark of a service-linked role.
pub(crate) const SERVICE_LINKED: &str = " [service-linked]";

/// Names the actors of one batch.
pub(crate) struct Who {
    kind: Texts,
    arn: Texts,
    principal: Texts,
    account: Texts,
    user: Texts,
    invoked_by: Texts,
    issuer_arn: Texts,
    issuer_name: Texts,
    behalf: Texts,
}

/// A text column that may not have been decoded.
pub(crate) struct Texts(Option<StringViewArray>);

impl Texts {
    /// The text of `leaf` in `batch`.
    pub(crate) fn of(batch: &EventBatch, leaf: Leaf) -> Texts {
        Texts(batch.text(leaf))
    }

    /// The text of one row, if there is any.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let texts = self.0.as_ref()?;
        (!texts.is_null(row)).then(|| texts.value(row)).filter(|text| !text.is_empty())
    }
}

impl Who {
    /// The leaves that names are made of.
    pub(crate) const LEAVES: [Leaf; 9] = [
        Leaf::IdentityType,
        Leaf::IdentityArn,
        Leaf::IdentityPrincipalId,
        Leaf::IdentityAccountId,
        Leaf::IdentityUserName,
        Leaf::IdentityInvokedBy,
        Leaf::IssuerArn,
        Leaf::IssuerUserName,
        Leaf::BehalfUserId,
    ];

    /// The actors of `batch`, which must have [`Who::LEAVES`].
    pub(crate) fn of(batch: &EventBatch) -> Who {
        let texts = |leaf| Texts::of(batch, leaf);
        Who {
            kind: texts(Leaf::IdentityType),
            arn: texts(Leaf::IdentityArn),
            principal: texts(Leaf::IdentityPrincipalId),
            account: texts(Leaf::IdentityAccountId),
            user: texts(Leaf::IdentityUserName),
            invoked_by: texts(Leaf::IdentityInvokedBy),
            issuer_arn: texts(Leaf::IssuerArn),
            issuer_name: texts(Leaf::IssuerUserName),
            behalf: texts(Leaf::BehalfUserId),
        }
    }

    /// Who acted in `row`.
    pub(crate) fn name(&self, row: usize) -> String {
        let kind = self.kind.get(row).unwrap_or_default();
        let mut name = self.own_name(kind, row);
        if self.is_service_linked(row) {
            name.push_str(SERVICE_LINKED);
        }
        if let Some(service) = self.invoked_by.get(row).map(short_service)
            && service != name
        {
            name.push_str(" via ");
            name.push_str(service);
        }
        name
    }

    /// The identity without its session, for counting: `Admin` for `Admin/alice`.
    pub(crate) fn principal(&self, row: usize) -> Cow<'_, str> {
        let kind = self.kind.get(row).unwrap_or_default();
        // The usual kinds cost no allocation: this is asked for every event.
        let known = match kind {
            "AssumedRole" => match self.role(row) {
                Some(role) if self.is_service_linked(row) => {
                    return Cow::Owned(format!("{role}{SERVICE_LINKED}"));
                }
                role => role,
            },
            "IAMUser" => self.user.get(row),
            "AWSService" => self.invoked_by.get(row).map(short_service),
            _ => None,
        };
        known.map_or_else(|| Cow::Owned(self.own_name(kind, row)), Cow::Borrowed)
    }

    /// True for roles that only a service can use.
    pub(crate) fn is_service_linked(&self, row: usize) -> bool {
        self.issuer_arn.get(row).is_some_and(|arn| arn.contains(":role/aws-service-role/"))
            || self.arn.get(row).is_some_and(|arn| arn.contains(":assumed-role/AWSServiceRoleFor"))
    }

    /// True for the root user of an account.
    pub(crate) fn is_root(&self, row: usize) -> bool {
        self.kind.get(row) == Some("Root")
    }

    fn own_name(&self, kind: &str, row: usize) -> String {
        let known = match kind {
            "Root" => Some("root".to_owned()),
            "AssumedRole" | "FederatedUser" => self.session_name(row),
            "AWSService" => self.invoked_by.get(row).map(|service| short_service(service).to_owned()),
            "AWSAccount" => self.account.get(row).map(|account| match account {
                "anonymous" | "ANONYMOUS_PRINCIPAL" => "anonymous".to_owned(),
                account => format!("account {account}"),
            }),
            "IdentityCenterUser" => self.behalf.get(row).map(|user| format!("identity-center/{user}")),
            _ => None,
        };
        known
            .or_else(|| self.user.get(row).map(str::to_owned))
            .or_else(|| self.arn.get(row).and_then(arn_name).map(str::to_owned))
            .or_else(|| self.invoked_by.get(row).map(|service| short_service(service).to_owned()))
            .or_else(|| self.principal.get(row).map(str::to_owned))
            .or_else(|| self.account.get(row).map(|account| format!("account {account}")))
            .unwrap_or_else(|| "unknown".to_owned())
    }

    /// `Admin/alice` for a role, `alice/session` for a federated user.
    fn session_name(&self, row: usize) -> Option<String> {
        let session = self
            .principal
            .get(row)
            .and_then(|principal| principal.split_once(':'))
            .map(|(_, session)| session)
            .or_else(|| self.arn.get(row).and_then(|arn| arn.rsplit_once('/')).map(|(_, session)| session));
        match (self.role(row), session) {
            (Some(role), Some(session)) if role != session => Some(format!("{role}/{session}")),
            (Some(name), _) | (None, Some(name)) => Some(name.to_owned()),
            (None, None) => None,
        }
    }

    fn role(&self, row: usize) -> Option<&str> {
        self.issuer_name.get(row).or_else(|| {
            let (_, rest) = self.arn.get(row)?.split_once(":assumed-role/")?;
            rest.split('/').next()
        })
    }
}

/// `ec2` for `ec2.amazonaws.com`.
pub(crate) fn short_service(host: &str) -> &str {
    host.strip_suffix(".amazonaws.com").unwrap_or(host)
}

/// What follows the last `/` of an ARN's resource.
fn arn_name(arn: &str) -> Option<&str> {
    let resource = arn.rsplit(':').next()?;
    resource.rsplit('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(identity: &str) -> String {
        let record = format!(
            r#"{{"Records":[{{"eventVersion":"1.08","eventTime":"2026-01-01T00:00:00Z","eventSource":"x","eventName":"y","eventID":"1","userIdentity":{identity}}}]}}"#
        );
        let plan = pugmark_decode::Plan {
            projection: Who::LEAVES.into_iter().collect(),
            needles: Vec::new(),
            limits: pugmark_event::Limits::default(),
        };
        let (batches, tally) = pugmark_decode::decode(record.as_bytes(), plan);
        assert_eq!(tally.rows, 1, "{:?}", tally.defects);
        Who::of(&batches[0]).name(0)
    }

    #[test]
    fn each_kind_of_identity_has_a_readable_name() {
        for (identity, expected) in [
            (r#"{"type":"IAMUser","userName":"alice","arn":"arn:aws:iam::1:user/alice"}"#, "alice"),
            (r#"{"type":"IAMUser","arn":"arn:aws:iam::1:user/team/bob"}"#, "bob"),
            (r#"{"type":"Root","arn":"arn:aws:iam::1:root","accountId":"1"}"#, "root"),
            (
                r#"{"type":"AssumedRole","principalId":"AROA1:alice@example.com","arn":"arn:aws:sts::1:assumed-role/Admin/alice@example.com","sessionContext":{"sessionIssuer":{"type":"Role","userName":"Admin","arn":"arn:aws:iam::1:role/Admin"}}}"#,
                "Admin/alice@example.com",
            ),
            (r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/Admin/x"}"#, "Admin/x"),
            (
                r#"{"type":"AssumedRole","principalId":"AROA1:s","sessionContext":{"sessionIssuer":{"userName":"AWSServiceRoleForECS","arn":"arn:aws:iam::1:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"}}}"#,
                "AWSServiceRoleForECS/s [service-linked]",
            ),
            (r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#, "ec2"),
            (
                r#"{"type":"IAMUser","userName":"alice","invokedBy":"cloudformation.amazonaws.com"}"#,
                "alice via cloudformation",
            ),
            (
                r#"{"type":"AWSAccount","accountId":"222222222222","principalId":"AIDA"}"#,
                "account 222222222222",
            ),
            (r#"{"type":"AWSAccount","accountId":"anonymous","principalId":""}"#, "anonymous"),
            (r#"{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u-1"}}"#, "identity-center/u-1"),
            (r#"{"type":"SAMLUser","userName":"carol","principalId":"q:carol"}"#, "carol"),
            (r#"{"accountId":"1","invokedBy":"config.amazonaws.com"}"#, "config"),
            ("null", "unknown"),
        ] {
            assert_eq!(name(identity), expected, "{identity}");
        }
    }
}
