//! What ends the credentials of suspects.

use std::collections::BTreeMap;

use serde_json::json;

use super::fate::Fates;
use super::legacy::{Legacy, LegacyKind};
use super::step;
use crate::shell::AwsCommand;
use crate::{ActorClass, Arn, End, Session};

/// One identity or key whose credentials are to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Account that the commands are for.
    pub account: String,
    /// Key, user, role, or who else.
    pub name: String,
    /// Why, or what to do by hand where no command does it.
    pub words: String,
    /// Last event seen with it, microseconds since 1970.
    pub last_seen: Option<i64>,
    /// When the last of its sessions ends, if they end by themselves.
    pub ends: Option<End>,
    /// All its sessions have ended: nothing is left to revoke.
    pub is_over: bool,
    /// The commands; none where it is to be done by hand, or is over.
    pub commands: Vec<AwsCommand>,
}

/// What is gathered about one identity before its commands are written.
#[derive(Default)]
struct Gathered {
    words: String,
    last_seen: Option<i64>,
    ends: Option<End>,
    /// A session, or something else, that does not end or has not ended yet.
    is_live: bool,
    commands: Vec<AwsCommand>,
}

/// What is to be done about one party: a name, why, and the commands.
struct Step {
    name: String,
    words: String,
    commands: Vec<AwsCommand>,
    /// It is about sessions alone, and over when they have ended.
    ends_with_sessions: bool,
}

impl Step {
    fn new(name: &str, words: String, commands: Vec<AwsCommand>) -> Step {
        Step { name: name.to_owned(), words, commands, ends_with_sessions: false }
    }
}

/// The revocations, by account and name; what was ended already is left out.
pub(super) fn revocations(
    suspects: &[Session<'_>],
    legacies: &[Legacy],
    fates: &Fates,
    now: i64,
) -> Vec<Revocation> {
    let mut all: BTreeMap<(String, String), Gathered> = BTreeMap::new();
    for session in suspects {
        for step in steps(*session, fates, now) {
            let account = session.account().unwrap_or_default().to_owned();
            let one = all.entry((account, step.name)).or_default();
            let ends = session.ends().filter(|_| step.ends_with_sessions);
            one.is_live |= ends.is_none_or(|end| end.time > now);
            one.ends = one.ends.max(ends);
            one.last_seen = one.last_seen.max(session.last_seen());
            one.words = step.words;
            one.commands = step.commands;
        }
    }
    // Keys that suspects made or switched on, and that nobody has used yet.
    let is_key = |legacy: &&Legacy| matches!(legacy.kind, LegacyKind::Key | LegacyKind::KeyEnded);
    for legacy in legacies.iter().filter(is_key).filter(|legacy| !legacy.is_removed) {
        let one = all.entry((legacy.account.clone(), legacy.name.clone())).or_default();
        one.is_live = true;
        if one.commands.is_empty() {
            "access key made or switched on by a suspect, not seen in use".clone_into(&mut one.words);
            one.commands.clone_from(&legacy.commands);
        }
    }
    let revocation = |((account, name), one): ((String, String), Gathered)| Revocation {
        account,
        name,
        words: one.words,
        last_seen: one.last_seen,
        ends: one.ends,
        is_over: !one.is_live,
        commands: if one.is_live { one.commands } else { Vec::new() },
    };
    all.into_iter().map(revocation).collect()
}

/// What ends the credentials of one party.
fn steps(session: Session<'_>, fates: &Fates, now: i64) -> Vec<Step> {
    let role = session.role().and_then(Arn::parse);
    let by_hand = |words: &str| vec![Step::new(&session.name(), words.to_owned(), Vec::new())];
    match session.class() {
        ActorClass::Root => by_hand(
            "sign in as root: change the password, delete its access keys, check its MFA and e-mail address",
        ),
        ActorClass::Service | ActorClass::ServiceLinkedRole => Vec::new(),
        ActorClass::OutsideAccount => {
            by_hand("of another account: take it out of trust and resource policies")
        }
        ActorClass::IdentityCenter => by_hand(
            "disable the user in IAM Identity Center and delete its sessions; role sessions live on until they expire",
        ),
        _ => {
            if let Some((_, name)) = role.and_then(Arn::role) {
                if fates.is_deleted(LegacyKind::Role, session.account().unwrap_or_default(), name) {
                    return by_hand("of a role that was deleted: nothing to revoke");
                }
                let words = "role: refuses sessions opened before now; instances, pods and people with the role open new ones";
                let commands = older("put-role-policy", "role-name", name, now);
                let step = Step::new(name, words.to_owned(), commands);
                return vec![Step { ends_with_sessions: true, ..step }];
            }
            user_steps(session, fates, now)
        }
    }
}

fn user_steps(session: Session<'_>, fates: &Fates, now: i64) -> Vec<Step> {
    let own = session.arn().and_then(Arn::parse).and_then(Arn::user).map(|(_, name)| name);
    let issuer = session.role().and_then(Arn::parse).and_then(Arn::user).map(|(_, name)| name);
    let Some(user) = own.or(issuer) else { return Vec::new() };
    let mut steps = Vec::new();
    if let Some(key) = session.access_key().filter(|key| key.starts_with("AKIA") && !fates.is_key_ended(key))
    {
        let options = [("user-name", user), ("access-key-id", key)];
        let words = format!("long-term key of user `{user}`");
        steps.push(Step::new(key, words, step("iam update-access-key --status Inactive", &options)));
    }
    let account = session.account().unwrap_or_default();
    if fates.is_deleted(LegacyKind::User, account, user) {
        return steps;
    }
    let mut commands = Vec::new();
    if !fates.is_deleted(LegacyKind::Login, account, user) {
        commands.extend(step("iam delete-login-profile", &[("user-name", user)]));
    }
    commands.extend(older("put-user-policy", "user-name", user, now));
    commands.extend(step("iam list-access-keys", &[("user-name", user)]));
    let words =
        "user: no password, and sessions opened before now are refused; look for further keys".to_owned();
    steps.push(Step::new(user, words, commands));
    steps
}

/// The policy that refuses sessions issued before `now`, under the name that the console gives it (IAM User Guide,
/// "Revoke IAM role temporary security credentials").
fn older(words: &str, option: &str, name: &str, now: i64) -> Vec<AwsCommand> {
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["*"], "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": pugmark_event::format_time(now)}}}]});
    let options = [
        (option, name),
        ("policy-name", "AWSRevokeOlderSessions"),
        ("policy-document", &document.to_string()),
    ];
    step(&format!("iam {words}"), &options)
}
