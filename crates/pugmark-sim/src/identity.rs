//! Who speaks: the `userIdentity` of each kind of caller, made once per session.

use std::rc::Rc;

use crate::clock::iso;

/// One caller as its events show it; shared by all events of a session.
#[derive(Debug)]
pub(crate) struct Voice {
    /// The text of `userIdentity`.
    pub(crate) identity: String,
    /// ARN as error messages name the caller.
    pub(crate) arn: String,
    /// Temporary or long-term key; empty if the caller shows none.
    pub(crate) key: String,
    pub(crate) ip: String,
    pub(crate) agent: String,
    pub(crate) manner: Manner,
}

/// How the requests of a caller reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A client on the network: TLS details are recorded.
    Client,
    /// The console, which speaks for the person.
    Console,
    /// A service inside AWS.
    Service,
}

/// A role and the account it lies in.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) account: String,
    pub(crate) name: String,
    /// `/` or `/path/`.
    pub(crate) path: String,
    pub(crate) id: String,
}

/// An IAM user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) key: String,
}

/// What a role session is beyond its role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// Empty for service-linked roles, which show no key.
    pub(crate) key: String,
    pub(crate) created: i64,
    pub(crate) mfa: bool,
    pub(crate) source_identity: String,
    /// ARN of the identity provider whose token was brought.
    pub(crate) provider: String,
    pub(crate) on_instance: bool,
    /// Service that uses the role.
    pub(crate) invoked_by: String,
    /// `cluster/namespace/account` of the pod it is for; records do not show it.
    pub(crate) subject: String,
}

impl Role {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role{}{}", self.account, self.path, self.name)
    }

    pub(crate) fn session_arn(&self, session: &str) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.account, self.name)
    }

    /// `userIdentity` of a session of this role.
    pub(crate) fn identity(&self, session: &Session) -> String {
        let key = member("accessKeyId", &session.key);
        let provider = if session.provider.is_empty() {
            String::new()
        } else {
            format!(r#""federatedProvider":"{}","attributes":{{}}"#, session.provider)
        };
        let source_identity = member_last("sourceIdentity", &session.source_identity);
        let delivery = if session.on_instance { r#","ec2RoleDelivery":"2.0""# } else { "" };
        let invoked_by = member_last("invokedBy", &session.invoked_by);
        format!(
            concat!(
                r#"{{"type":"AssumedRole","principalId":"{id}:{name}","arn":"{arn}","accountId":"{account}",{key}"#,
                r#""sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{id}","arn":"{role}","#,
                r#""accountId":"{account}","userName":"{user}"}},"webIdFederationData":{{{provider}}},"#,
                r#""attributes":{{"creationDate":"{created}","mfaAuthenticated":"{mfa}"}}{source}{delivery}}}{invoked}}}"#,
            ),
            id = self.id,
            name = session.name,
            arn = self.session_arn(&session.name),
            account = self.account,
            key = key,
            role = self.arn(),
            user = self.name,
            provider = provider,
            created = iso(session.created),
            mfa = session.mfa,
            source = source_identity,
            delivery = delivery,
            invoked = invoked_by,
        )
    }
}

impl User {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account, self.name)
    }

    /// `userIdentity` with the user's own key, or with none at sign-in.
    pub(crate) fn identity(&self, key: &str) -> String {
        format!(
            r#"{{"type":"IAMUser","principalId":"{}","arn":"{}","accountId":"{}",{}"userName":"{}"}}"#,
            self.id,
            self.arn(),
            self.account,
            member("accessKeyId", key),
            self.name
        )
    }

    /// `userIdentity` of a console session.
    pub(crate) fn console_identity(&self, session: &Session) -> String {
        format!(
            concat!(
                r#"{{"type":"IAMUser","principalId":"{id}","arn":"{arn}","accountId":"{account}","accessKeyId":"{key}","#,
                r#""userName":"{name}","sessionContext":{{"sessionIssuer":{{}},"webIdFederationData":{{}},"#,
                r#""attributes":{{"creationDate":"{created}","mfaAuthenticated":"{mfa}"}}}}}}"#,
            ),
            id = self.id,
            arn = self.arn(),
            account = self.account,
            key = session.key,
            name = self.name,
            created = iso(session.created),
            mfa = session.mfa,
        )
    }
}

/// `userIdentity` of an AWS service acting for itself.
pub(crate) fn service(principal: &str) -> Rc<Voice> {
    Rc::new(Voice {
        identity: format!(r#"{{"type":"AWSService","invokedBy":"{principal}"}}"#),
        arn: principal.to_owned(),
        key: String::new(),
        ip: principal.to_owned(),
        agent: principal.to_owned(),
        manner: Manner::Service,
    })
}

/// The voice of a service-linked role: three times the principal, and no key.
pub(crate) fn linked_role(role: &Role, session: &str, created: i64) -> Rc<Voice> {
    let principal = role.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let session =
        Session { name: session.to_owned(), created, invoked_by: principal.clone(), ..Session::default() };
    Rc::new(Voice {
        identity: role.identity(&session),
        arn: role.session_arn(&session.name),
        key: String::new(),
        ip: principal.clone(),
        agent: principal,
        manner: Manner::Service,
    })
}

/// The callee's view of a caller in another account.
pub(crate) fn foreign(principal_id: &str, account: &str) -> String {
    format!(r#"{{"type":"AWSAccount","principalId":"{principal_id}","accountId":"{account}"}}"#)
}

/// A caller that brings a token of another identity provider.
pub(crate) fn web_identity(provider: &str, subject: &str) -> String {
    format!(
        r#"{{"type":"WebIdentityUser","principalId":"{provider}:sts.amazonaws.com:{subject}","userName":"{subject}","identityProvider":"{provider}"}}"#
    )
}

/// A caller that brings a SAML assertion.
pub(crate) fn saml(subject: &str) -> String {
    format!(
        r#"{{"type":"SAMLUser","principalId":"kQ1dN0e2u4XJ9Zc=:{subject}","userName":"{subject}","identityProvider":"kQ1dN0e2u4XJ9Zc="}}"#
    )
}

fn member(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(r#""{name}":"{value}","#) }
}

fn member_last(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(r#","{name}":"{value}""#) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_is_json() {
        let role = Role {
            account: "111122223333".into(),
            name: "web-node".into(),
            path: "/fleet/".into(),
            id: "AROAEXAMPLE0000000001".into(),
        };
        let user = User {
            account: "111122223333".into(),
            name: "noor".into(),
            id: "AIDAEXAMPLE0000000001".into(),
            key: "AKIAEXAMPLE000000001".into(),
        };
        let session = Session {
            name: "i-0abc".into(),
            key: "ASIAEXAMPLE000000001".into(),
            on_instance: true,
            ..Session::default()
        };
        for text in [
            role.identity(&session),
            user.identity(&user.key),
            user.identity(""),
            user.console_identity(&session),
            service("cloudtrail.amazonaws.com").identity.clone(),
            linked_role(&role, "EKS", 0).identity.clone(),
            foreign("AIDAEXAMPLE0000000001", "111122223333"),
            web_identity("p", "s"),
            saml("noor@example.com"),
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }
}
