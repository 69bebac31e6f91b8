//! The register: what becomes the truth about credentials, causes and clusters.
//!
//! It listens while the stage records; it decides nothing and draws no chance,
//! so that a trail's bytes do not depend on it.

use std::collections::HashMap;

use serde_json::Value;

use crate::clock::iso;
use crate::identity::{Role, Session, Voice};
use crate::stage::member_of;
use crate::truth;

/// Everything noted so far.
#[derive(Default)]
pub(crate) struct Register {
    pub(crate) sessions: Vec<truth::Session>,
    pub(crate) copies: Vec<truth::Copied>,
    pub(crate) thefts: Vec<truth::Theft>,
    pub(crate) causes: Vec<truth::Cause>,
    pub(crate) lives: Vec<truth::ClusterLife>,
    pub(crate) joins: Vec<truth::AuditJoin>,
    /// Logs of clusters: file below the trail's folder, and its text.
    pub(crate) logs: Vec<(String, String)>,
    by_key: HashMap<String, usize>,
    /// Sessions that show no key, by principal and time of issue.
    by_principal: HashMap<(String, i64), usize>,
    /// Cluster names by the id of their token issuer, where a record tells it.
    pub(crate) issuers: HashMap<String, String>,
}

/// A role as it was assumed.
pub(crate) struct Assumed<'a> {
    pub(crate) caller: &'a Voice,
    pub(crate) role: &'a Role,
    pub(crate) session: &'a Session,
    pub(crate) call: &'a str,
    pub(crate) ends: i64,
    pub(crate) across: bool,
}

/// Who stands at the root of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) actor: String,
    pub(crate) kind: &'static str,
    /// Worst join on the way, and sessions so far.
    link: String,
    depth: u32,
}

impl Register {
    /// Notes a session that a script made by itself.
    pub(crate) fn open(&mut self, session: truth::Session) {
        if !session.access_key.is_empty() {
            self.by_key.insert(session.access_key.clone(), self.sessions.len());
        }
        self.sessions.push(session);
    }

    /// Who is behind a caller.
    pub(crate) fn root(&self, voice: &Voice) -> Root {
        match self.by_key.get(&voice.key) {
            Some(index) => Register::rooted(&self.sessions[*index]),
            None => self.stated(voice),
        }
    }

    /// A session opened by this caller, still without what tells it from others.
    pub(crate) fn child(&self, caller: &Voice, class: &str, link: &str) -> truth::Session {
        let root = self.root(caller);
        truth::Session {
            class: class.to_owned(),
            link: worse(&root.link, link).to_owned(),
            depth: root.depth + 1,
            parent: Some(member_of(&caller.identity, "accessKeyId"))
                .filter(|key| !key.is_empty())
                .map(str::to_owned),
            actor_type: root.kind.to_owned(),
            actor: root.actor,
            ..truth::Session::default()
        }
    }

    /// Notes a role's assumption, with its record in the caller's account and in the role's.
    pub(crate) fn assumed(
        &mut self,
        assumed: &Assumed<'_>,
        (original, called): (Option<String>, Option<String>),
    ) {
        let Assumed { caller, role, session, .. } = *assumed;
        let linked = role.path.starts_with("/aws-service-role/");
        let (class, workload) = self.class(assumed);
        let issued = original.clone().or_else(|| called.clone());
        let link = match (issued.is_some(), linked, class) {
            (true, true, _) => "principal-creation",
            (true, ..) => "access-key",
            (_, true, _) | (.., "service-role") => "service",
            (.., "instance") => "instance",
            (.., "irsa" | "pod-identity") => "irsa",
            (.., "identity-center") => "identity-center",
            _ if !session.source_identity.is_empty() => "source-identity",
            _ => "none",
        };
        let mut opened = self.child(caller, class, link);
        if let Some(actor) = workload {
            kind_of(&actor).clone_into(&mut opened.actor_type);
            opened.actor = actor;
        }
        if issued.is_none() && link != "none" {
            // What names the actor then stands in the session's own events.
            link.clone_into(&mut opened.link);
        }
        opened.access_key = if linked { String::new() } else { session.key.clone() };
        opened.principal = format!("{}:{}", role.id, session.name);
        opened.created = iso(session.created);
        opened.expires = iso(assumed.ends);
        opened.issued_by = issued;
        if assumed.across
            && let Some(event_id) = called
        {
            let root = self.root(caller);
            let (actor, actor_type) = (root.actor, root.kind.to_owned());
            self.copies.push(truth::Copied { event_id, original, actor, actor_type });
        }
        if !linked {
            self.open(opened);
        } else if self.is_new(&opened.principal, session.created) {
            self.sessions.push(opened);
        }
    }

    /// Notes a session of a service-linked role that nobody saw being opened.
    pub(crate) fn service_session(&mut self, role: &Role, name: &str, (created, ends): (i64, i64)) {
        let principal = format!("{}:{name}", role.id);
        if !self.is_new(&principal, created) {
            return;
        }
        let service = role.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        self.sessions.push(truth::Session {
            principal,
            created: iso(created),
            expires: iso(ends),
            class: "service-linked".to_owned(),
            link: "service".to_owned(),
            depth: 1,
            actor: format!("service/{service}"),
            actor_type: "service".to_owned(),
            ..truth::Session::default()
        });
    }

    fn is_new(&mut self, principal: &str, created: i64) -> bool {
        let index = self.sessions.len();
        self.by_principal.insert((principal.to_owned(), created), index).is_none()
    }

    /// The class of an assumption, and the workload that gets the session, if one does.
    fn class(&self, assumed: &Assumed<'_>) -> (&'static str, Option<String>) {
        let Assumed { caller, role, session, call, .. } = *assumed;
        let (name, account) = (&session.name, &role.account);
        match (call, caller.arn.as_str()) {
            ("AssumeRoleWithSAML", _) if role.name.starts_with("AWSReservedSSO_") => {
                ("identity-center", Some(format!("sso/{name}@{account}")))
            }
            ("AssumeRoleWithSAML", subject) => ("saml", Some(format!("saml/{subject}@{account}"))),
            ("AssumeRoleWithWebIdentity", subject) => match self.pod(&session.provider, subject) {
                Some(pod) => ("irsa", Some(format!("pod/{pod}@{account}"))),
                None => ("web-identity", Some(format!("ci/{subject}@{account}"))),
            },
            (_, "ec2.amazonaws.com") => ("instance", Some(format!("instance/{name}@{account}"))),
            (_, "lambda.amazonaws.com") => ("service-role", Some(format!("function/{name}@{account}"))),
            (_, "ecs-tasks.amazonaws.com") => ("service-role", Some(format!("task/{name}@{account}"))),
            (_, "pods.eks.amazonaws.com") => {
                ("pod-identity", Some(format!("pod/{}@{account}", session.subject)))
            }
            _ if role.path.starts_with("/aws-service-role/") => ("service-linked", None),
            _ if !caller.arn.starts_with("arn:") => ("service-role", None),
            _ => ("role", None),
        }
    }

    /// `cluster/namespace/account` of a token's subject; the cluster is `?` if no story knows its issuer.
    fn pod(&self, provider: &str, subject: &str) -> Option<String> {
        let issuer = provider.split_once("oidc-provider/oidc.eks.")?.1.rsplit('/').next()?;
        let cluster = self.issuers.get(issuer).map_or("?", String::as_str);
        let account = subject.trim_start_matches("system:serviceaccount:").replace(':', "/");
        Some(format!("{cluster}/{account}"))
    }

    /// Who a caller says it is, where no session leads further.
    fn stated(&self, voice: &Voice) -> Root {
        let identity: Value = serde_json::from_str(&voice.identity).unwrap_or_default();
        let text = |name: &str| identity[name].as_str().unwrap_or_default();
        let (account, name) = (text("accountId"), text("userName"));
        let actor = match text("type") {
            "IAMUser" => format!("user/{name}@{account}"),
            "Root" => format!("root@{account}"),
            "AWSService" => format!("service/{}", text("invokedBy")),
            "AWSAccount" => format!("account/{account}"),
            "AssumedRole" => match self.principal_of(&identity) {
                Some(session) => return Register::rooted(session),
                None => format!("role/{}@{account}", text("principalId")),
            },
            _ => format!("{}/{name}", text("type")),
        };
        Root { kind: kind_of(&actor), actor, link: "access-key".to_owned(), depth: 0 }
    }

    fn principal_of(&self, identity: &Value) -> Option<&truth::Session> {
        let principal = identity["principalId"].as_str()?;
        self.sessions.iter().rev().find(|session| session.principal == principal)
    }

    fn rooted(session: &truth::Session) -> Root {
        let kind = kind_of(&session.actor);
        Root { actor: session.actor.clone(), kind, link: session.link.clone(), depth: session.depth }
    }
}

/// The kind of an actor, by how it is written.
fn kind_of(actor: &str) -> &'static str {
    match actor.split(['/', '@']).next().unwrap_or_default() {
        "user" | "sso" | "saml" => "human",
        "root" => "root",
        "service" => "service",
        "account" => "outside",
        "instance" | "function" | "task" | "pod" | "ci" => "workload",
        _ => "unknown",
    }
}

/// The weaker of two joins.
fn worse<'a>(first: &'a str, second: &'a str) -> &'a str {
    const ORDER: [&str; 9] = [
        "access-key",
        "instance",
        "service",
        "principal-creation",
        "identity-center",
        "irsa",
        "session-name",
        "source-identity",
        "none",
    ];
    let rank = |link: &str| ORDER.iter().position(|known| *known == link);
    if rank(second) > rank(first) { second } else { first }
}
