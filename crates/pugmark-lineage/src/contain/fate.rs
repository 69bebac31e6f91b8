//! Whether what was left behind still lives at the end of the input: the last call about it says so.

use std::collections::BTreeMap;

use pugmark_event::Leaf;
use serde_json::Value;

use super::LEGACIES_MAX;
use super::legacy::{Legacy, LegacyKind, holder, named};
use crate::Row;
use crate::mentions::text;

/// What tells one thing from another: kind, account, whose it is, and name.
type Thing = (LegacyKind, String, String, String);

/// The last word about each thing, and whether it lives after that. Of two calls in one second the one after which
/// it lives counts: rather something is looked at in vain than forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates(BTreeMap<Thing, (Option<i64>, bool)>);

impl Fates {
    /// Takes in a call that succeeded, if it makes or ends something of `kind`.
    pub(super) fn read(&mut self, kind: LegacyKind, is_live: bool, row: Row<'_>, record: &Value) {
        let call = row.text(Leaf::EventName).unwrap_or_default();
        let account = row.text(Leaf::RecipientAccountId).unwrap_or_default();
        let (Some(name), owner) = named(record, kind) else { return };
        self.add(thing(kind, call, account, owner, name), (row.time(), is_live));
    }

    pub(super) fn merge(&mut self, other: Fates) {
        other.0.into_iter().for_each(|(thing, word)| self.add(thing, word));
    }

    /// The bound keeps the things that sort first; those beyond it count as living.
    fn add(&mut self, thing: Thing, word: (Option<i64>, bool)) {
        let last = self.0.entry(thing).or_insert(word);
        *last = (*last).max(word);
        if self.0.len() > LEGACIES_MAX {
            self.0.pop_last();
        }
    }

    /// `legacy` was removed, and did not come again.
    pub(super) fn is_removed(&self, legacy: &Legacy) -> bool {
        let owner = legacy.owner.as_deref();
        self.has_ended(&thing(legacy.kind, &legacy.call, &legacy.account, owner, &legacy.name))
    }

    /// The access key was switched off or deleted, and not switched on again.
    pub(super) fn is_key_ended(&self, key: &str) -> bool {
        self.has_ended(&thing(LegacyKind::Key, "", "", None, key))
    }

    /// The user, password or role was deleted, and not made again.
    pub(super) fn is_deleted(&self, kind: LegacyKind, account: &str, name: &str) -> bool {
        self.has_ended(&thing(kind, "", account, None, name))
    }

    fn has_ended(&self, thing: &Thing) -> bool {
        self.0.get(thing).is_some_and(|(_, is_live)| !is_live)
    }
}

/// Key ids are unique in the world; a trust policy goes with its role.
fn thing(kind: LegacyKind, call: &str, account: &str, owner: Option<&str>, name: &str) -> Thing {
    let owner = owner.unwrap_or_default();
    let (kind, account, owner) = match kind {
        LegacyKind::Key | LegacyKind::KeyEnded => (LegacyKind::Key, "", String::new()),
        LegacyKind::Role | LegacyKind::Trust => (LegacyKind::Role, account, String::new()),
        LegacyKind::Attached | LegacyKind::Inline => (kind, account, format!("{} {owner}", holder(call))),
        _ => (kind, account, owner.to_owned()),
    };
    (kind, account.to_owned(), owner, name.to_owned())
}

/// The kind of thing that the call `name` of `source` removes.
pub(super) fn removed(source: &str, name: &str) -> Option<LegacyKind> {
    Some(match (source.strip_suffix(".amazonaws.com")?, name) {
        ("iam", "DeleteUser") => LegacyKind::User,
        ("iam", "DeleteLoginProfile") => LegacyKind::Login,
        ("iam", "DeleteRole") => LegacyKind::Role,
        ("iam", "DetachUserPolicy" | "DetachRolePolicy" | "DetachGroupPolicy") => LegacyKind::Attached,
        ("iam", "DeleteUserPolicy" | "DeleteRolePolicy" | "DeleteGroupPolicy") => LegacyKind::Inline,
        ("iam", "RemoveUserFromGroup") => LegacyKind::Member,
        ("eks", "DeleteAccessEntry") => LegacyKind::AccessEntry,
        _ => return None,
    })
}

/// What the call `name` makes live or not: a key that is switched has the state that the request asks for.
pub(super) fn lives_after(kind: LegacyKind, name: &str, record: &Value) -> bool {
    kind != LegacyKind::KeyEnded
        || (name != "DeleteAccessKey" && text(&record["requestParameters"], &["status"]) != Some("Inactive"))
}
