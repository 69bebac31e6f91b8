//! Events that hand out credentials: what was issued, by whom, to whom.

use pugmark_event::Leaf;
use serde_json::Value;

use crate::Row;
use crate::lifetime::expiration;
use crate::names::{Name, Names, Renamed};

/// What kind of event hands out credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssuanceKind {
    /// sts:AssumeRole.
    AssumeRole,
    /// sts:AssumeRoleWithSAML.
    AssumeRoleWithSaml,
    /// sts:AssumeRoleWithWebIdentity.
    AssumeRoleWithWebIdentity,
    /// sts:AssumeRoot.
    AssumeRoot,
    /// sts:GetSessionToken.
    GetSessionToken,
    /// sts:GetFederationToken.
    GetFederationToken,
    /// iam:CreateAccessKey.
    CreateAccessKey,
    /// Sign-in to the console.
    ConsoleLogin,
    /// Role switched in the console.
    SwitchRole,
    /// A console link made from credentials.
    GetSigninToken,
    /// `aws login` and other tokens of the sign-in service.
    SigninToken,
    /// Role credentials of IAM Identity Center.
    RoleCredentials,
    /// eks-auth:AssumeRoleForPodIdentity.
    PodIdentity,
    /// IAM Roles Anywhere.
    RolesAnywhere,
    /// Credentials of a Cognito identity.
    CognitoIdentity,
}

impl IssuanceKind {
    /// The kind of event that `name` of `source` is, if it hands out credentials.
    pub fn of(source: &str, name: &str) -> Option<IssuanceKind> {
        let (kind, of_service) = match name {
            "AssumeRole" => (IssuanceKind::AssumeRole, "sts."),
            "AssumeRoleWithSAML" => (IssuanceKind::AssumeRoleWithSaml, "sts."),
            "AssumeRoleWithWebIdentity" => (IssuanceKind::AssumeRoleWithWebIdentity, "sts."),
            "AssumeRoot" => (IssuanceKind::AssumeRoot, "sts."),
            "GetSessionToken" => (IssuanceKind::GetSessionToken, "sts."),
            "GetFederationToken" => (IssuanceKind::GetFederationToken, "sts."),
            "CreateAccessKey" => (IssuanceKind::CreateAccessKey, "iam."),
            "ConsoleLogin" => (IssuanceKind::ConsoleLogin, "signin."),
            "SwitchRole" => (IssuanceKind::SwitchRole, "signin."),
            "GetSigninToken" => (IssuanceKind::GetSigninToken, "signin."),
            "CreateOAuth2Token" | "AuthorizeOAuth2Access" => (IssuanceKind::SigninToken, "signin."),
            "GetRoleCredentials" | "Federate" => (IssuanceKind::RoleCredentials, "sso."),
            "AssumeRoleForPodIdentity" => (IssuanceKind::PodIdentity, "eks-auth."),
            "CreateSession" => (IssuanceKind::RolesAnywhere, "rolesanywhere."),
            "GetCredentialsForIdentity" => (IssuanceKind::CognitoIdentity, "cognito-identity."),
            _ => return None,
        };
        source.starts_with(of_service).then_some(kind)
    }

    /// Name of the event.
    pub fn as_str(self) -> &'static str {
        match self {
            IssuanceKind::AssumeRole => "AssumeRole",
            IssuanceKind::AssumeRoleWithSaml => "AssumeRoleWithSAML",
            IssuanceKind::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            IssuanceKind::AssumeRoot => "AssumeRoot",
            IssuanceKind::GetSessionToken => "GetSessionToken",
            IssuanceKind::GetFederationToken => "GetFederationToken",
            IssuanceKind::CreateAccessKey => "CreateAccessKey",
            IssuanceKind::ConsoleLogin => "ConsoleLogin",
            IssuanceKind::SwitchRole => "SwitchRole",
            IssuanceKind::GetSigninToken => "GetSigninToken",
            IssuanceKind::SigninToken => "CreateOAuth2Token",
            IssuanceKind::RoleCredentials => "GetRoleCredentials",
            IssuanceKind::PodIdentity => "AssumeRoleForPodIdentity",
            IssuanceKind::RolesAnywhere => "CreateSession",
            IssuanceKind::CognitoIdentity => "GetCredentialsForIdentity",
        }
    }
}

/// The Kubernetes names that EKS Pod Identity puts into session tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodNames {
    pub(crate) cluster: Name,
    pub(crate) namespace: Name,
    pub(crate) account: Name,
    pub(crate) pod: Name,
}

/// One event that handed out a credential.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) kind: IssuanceKind,
    /// `eventID`.
    pub(crate) event: Name,
    /// Microseconds since 1970.
    pub(crate) time: Option<i64>,
    /// Place of the caller's credential among the facts.
    pub(crate) caller: u32,
    /// Access key id handed out.
    pub(crate) key: Name,
    /// Principal id of the new session, with its name.
    pub(crate) principal: Name,
    /// ARN of the role.
    pub(crate) role: Name,
    /// Name of the new session.
    pub(crate) session: Name,
    /// `sharedEventID`.
    pub(crate) shared: Name,
    pub(crate) address: Name,
    pub(crate) agent: Name,
    pub(crate) recipient: Name,
    pub(crate) source_identity: Name,
    /// ARN that a console switch came from.
    pub(crate) switched_from: Name,
    pub(crate) mfa: Option<bool>,
    /// When the credential ends, microseconds since 1970.
    pub(crate) expires: Option<i64>,
    pub(crate) pod: Option<Box<PodNames>>,
}

impl Issued {
    /// Reads the issuance of `kind` out of `row`; `None` if nothing was handed out.
    pub(crate) fn read(kind: IssuanceKind, row: Row<'_>, caller: u32, names: &mut Names) -> Option<Issued> {
        if row.text(Leaf::ErrorCode).is_some() {
            return None;
        }
        let parts = Parts::of(row);
        if kind == IssuanceKind::ConsoleLogin
            && text_at(&parts.response, &["ConsoleLogin"]) != Some("Success")
        {
            return None;
        }
        Some(Issued {
            kind,
            event: names.intern_option(row.text(Leaf::EventId)),
            time: row.time(),
            caller,
            key: names.intern_option(issued_key(&parts.response, 0)),
            principal: names.intern_option(parts.principal()),
            role: names.intern_option(parts.role()),
            session: names.intern_option(parts.session()),
            shared: names.intern_option(row.text(Leaf::SharedEventId)),
            address: names.intern_option(row.text(Leaf::SourceIpAddress)),
            agent: names.intern_option(row.text(Leaf::UserAgent)),
            recipient: names.intern_option(row.text(Leaf::RecipientAccountId)),
            source_identity: names.intern_option(parts.source_identity()),
            switched_from: names.intern_option(text_at(&parts.additional, &["SwitchFrom"])),
            mfa: parts.mfa(row),
            expires: expiration(&parts.response, 0),
            pod: parts.pod(names),
        })
    }

    /// The same with the names of another table.
    pub(crate) fn renamed(mut self, renamed: &Renamed, caller: u32) -> Issued {
        for name in [
            &mut self.event,
            &mut self.key,
            &mut self.principal,
            &mut self.role,
            &mut self.session,
            &mut self.shared,
            &mut self.address,
            &mut self.agent,
            &mut self.recipient,
            &mut self.source_identity,
            &mut self.switched_from,
        ] {
            *name = renamed.of(*name);
        }
        if let Some(pod) = &mut self.pod {
            let PodNames { cluster, namespace, account, pod } = &mut **pod;
            for name in [cluster, namespace, account, pod] {
                *name = renamed.of(*name);
            }
        }
        self.caller = caller;
        self
    }
}

/// The JSON members of an issuing event.
struct Parts {
    request: Value,
    response: Value,
    additional: Value,
}

impl Parts {
    fn of(row: Row<'_>) -> Parts {
        let json = |leaf| row.text(leaf).map_or(Value::Null, parse);
        Parts {
            request: json(Leaf::RequestParameters),
            response: json(Leaf::ResponseElements),
            additional: json(Leaf::AdditionalEventData),
        }
    }

    fn principal(&self) -> Option<&str> {
        text_at(&self.response, &["assumedRoleUser", "assumedRoleId"])
            .or_else(|| text_at(&self.response, &["assumedRoleUser", "assumeRoleId"]))
            .or_else(|| text_at(&self.response, &["federatedUser", "federatedUserId"]))
    }

    fn role(&self) -> Option<&str> {
        text_at(&self.request, &["roleArn"]).or_else(|| text_at(&self.response, &["roleArn"]))
    }

    fn session(&self) -> Option<&str> {
        text_at(&self.request, &["roleSessionName"])
            .or_else(|| text_at(&self.request, &["name"]))
            .or_else(|| text_at(&self.request, &["userName"]))
    }

    fn source_identity(&self) -> Option<&str> {
        text_at(&self.request, &["sourceIdentity"]).or_else(|| text_at(&self.response, &["sourceIdentity"]))
    }

    /// True or false where the event says so.
    fn mfa(&self, row: Row<'_>) -> Option<bool> {
        match text_at(&self.additional, &["MFAUsed"]) {
            Some("Yes") => return Some(true),
            Some("No") => return Some(false),
            _ => {}
        }
        if text_at(&self.request, &["serialNumber"]).is_some() {
            return Some(true);
        }
        match row.text(Leaf::SessionMfa) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        }
    }

    /// The pod, from the tags of an `AssumeRole` by EKS Pod Identity or the answer of EKS Auth
    /// (EKS User Guide, "Grant Pods access to AWS resources based on tags").
    fn pod(&self, names: &mut Names) -> Option<Box<PodNames>> {
        let tag = |key: &str| {
            let tags = self.request.get("tags")?.as_array()?;
            let found = tags.iter().find(|tag| text_at(tag, &["key"]) == Some(key))?;
            text_at(found, &["value"])
        };
        let subject = |member: &str| text_at(&self.response, &["subject", member]);
        let namespace = tag("kubernetes-namespace").or_else(|| subject("namespace"))?;
        let cluster = tag("eks-cluster-name").or_else(|| text_at(&self.request, &["clusterName"]));
        let account = tag("kubernetes-service-account").or_else(|| subject("serviceAccount"));
        Some(Box::new(PodNames {
            namespace: names.intern(namespace),
            cluster: names.intern_option(cluster),
            account: names.intern_option(account),
            pod: names.intern_option(tag("kubernetes-pod-name")),
        }))
    }
}

/// JSON of a record: what cannot be read as JSON holds nothing that could be joined.
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, member| value.get(member))?.as_str().filter(|text| !text.is_empty())
}

/// Levels of an answer that are searched for the key.
const DEPTH: u8 = 6;

/// The access key id in an answer, wherever the service puts it.
fn issued_key(value: &Value, depth: u8) -> Option<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("accessKeyId").and_then(Value::as_str).filter(|key| !key.is_empty());
            own.or_else(|| members.values().find_map(|member| deeper(member, depth)))
        }
        Value::Array(items) => items.iter().find_map(|item| deeper(item, depth)),
        _ => None,
    }
}

fn deeper(value: &Value, depth: u8) -> Option<&str> {
    if depth < DEPTH { issued_key(value, depth + 1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_must_be_the_right_one() {
        assert_eq!(IssuanceKind::of("sts.amazonaws.com", "AssumeRole"), Some(IssuanceKind::AssumeRole));
        assert_eq!(IssuanceKind::of("quidditch.amazonaws.com", "AssumeRole"), None);
        assert_eq!(IssuanceKind::of("sts.amazonaws.com", "GetCallerIdentity"), None);
    }

    #[test]
    fn the_key_is_found_wherever_an_answer_has_it() {
        let answers = [
            r#"{"credentials":{"accessKeyId":"ASIAEXAMPLE000000001"}}"#,
            r#"{"accessKey":{"accessKeyId":"ASIAEXAMPLE000000001","status":"Active"}}"#,
            r#"{"credentialSet":[{"credentials":{"accessKeyId":"ASIAEXAMPLE000000001"}}]}"#,
        ];
        for answer in answers {
            assert_eq!(issued_key(&parse(answer), 0), Some("ASIAEXAMPLE000000001"), "{answer}");
        }
        assert_eq!(issued_key(&parse(r#"{"ConsoleLogin":"Success"}"#), 0), None);
    }

    #[test]
    fn an_answer_that_is_no_json_holds_no_key() {
        assert_eq!(issued_key(&parse("{\"accessKeyId\":"), 0), None);
    }
}
