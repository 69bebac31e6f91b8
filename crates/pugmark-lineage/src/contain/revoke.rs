//! What ends the credentials of suspects.

use std::collections::BTreeMap;

use serde_json::json;

use super::fate::Fates;
use super::legacy::{Legacy, LegacyKind};
use super::step;
use crate::shell::AwsCommand;
use crate::{ActorClass, Arn, Session};

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
    /// The commands; none where it is to be done by hand.
    pub commands: Vec<AwsCommand>,
}

/// What is gathered about one identity before its commands are written.
#[derive(Default)]
struct Gathered {
    words: String,
    last_seen: Option<i64>,
    commands: Vec<AwsCommand>,
}

/// The revocations, by account and name; what is ended already is left out.
pub(super) fn revocations(
    suspects: &[Session<'_>],
    legacies: &[Legacy],
    fates: &Fates,
    now: i64,
) -> Vec<Revocation> {
    let mut all: BTreeMap<(String, String), Gathered> = BTreeMap::new();
    for session in suspects {
        for (name, words, commands) in steps(*session, fates, now) {
            let account = session.account().unwrap_or_default().to_owned();
            let one = all.entry((account, name)).or_default();
            one.words = words;
            one.last_seen = one.last_seen.max(session.last_seen());
            one.commands = commands;
        }
    }
    // Keys that suspects made or switched on, and that nobody has used yet.
    let is_key = |legacy: &&Legacy| matches!(legacy.kind, LegacyKind::Key | LegacyKind::KeyEnded);
    for legacy in legacies.iter().filter(is_key).filter(|legacy| !legacy.is_removed) {
        let one = all.entry((legacy.account.clone(), legacy.name.clone())).or_default();
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
        commands: one.commands,
    };
    all.into_iter().map(revocation).collect()
}

/// Names, reasons and commands that end the credentials of one party.
fn steps(session: Session<'_>, fates: &Fates, now: i64) -> Vec<(String, String, Vec<AwsCommand>)> {
    let role = session.role().and_then(Arn::parse);
    let by_hand = |words: &str| vec![(session.name(), words.to_owned(), Vec::new())];
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
                return vec![(
                    name.to_owned(),
                    words.to_owned(),
                    older("put-role-policy", "role-name", name, now),
                )];
            }
            user_steps(session, fates, now)
        }
    }
}

fn user_steps(session: Session<'_>, fates: &Fates, now: i64) -> Vec<(String, String, Vec<AwsCommand>)> {
    let own = session.arn().and_then(Arn::parse).and_then(Arn::user).map(|(_, name)| name);
    let issuer = session.role().and_then(Arn::parse).and_then(Arn::user).map(|(_, name)| name);
    let Some(user) = own.or(issuer) else { return Vec::new() };
    let mut steps = Vec::new();
    if let Some(key) = session.access_key().filter(|key| key.starts_with("AKIA") && !fates.is_key_ended(key))
    {
        let options = [("user-name", user), ("access-key-id", key)];
        let words = format!("long-term key of user `{user}`");
        steps.push((key.to_owned(), words, step("iam update-access-key --status Inactive", &options)));
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
    steps.push((user.to_owned(), words, commands));
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
