//! The life of one resource: every event that names it, what the event was to it, and who stands behind.
//!
//! A second reading, after the lineage is known. Not what was done *by* a role or user: that is a session's matter.

mod subject;

use std::collections::{BTreeMap, BTreeSet};

use pugmark_event::Leaf;
use serde_json::Value;

use crate::mentions::{record, text, texts, verb, without_version};
use crate::{Caller, Confidence, Lineage, Row};
use subject::{Naming, Subject, noun};

/// Events of one life that are kept, the earliest; more are counted.
pub const STORY_EVENTS_MAX: usize = 100_000;
/// Related resources that are kept of one creation.
const RELATED_MAX: usize = 64;

/// What an event was to the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Made it.
    Created,
    /// Changed it, or something in it.
    Changed,
    /// Opened it to others.
    Shared,
    /// Took on its identity, or opened a session on it.
    Entered,
    /// Read it or used it.
    Used,
    /// Spoke of it, for instance in a policy.
    Mentioned,
    /// Put an end to it.
    Deleted,
}

impl Deed {
    /// The deed as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Deed::Created => "created",
            Deed::Changed => "changed",
            Deed::Shared => "shared",
            Deed::Entered => "entered",
            Deed::Used => "used",
            Deed::Mentioned => "mentioned",
            Deed::Deleted => "deleted",
        }
    }
}

/// One event of the life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// `eventTime`, microseconds since 1970.
    pub time: Option<i64>,
    /// `eventID`.
    pub id: String,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// Account whose trail has it.
    pub account: String,
    /// `awsRegion`.
    pub region: String,
    /// What it was to the resource.
    pub deed: Deed,
    /// The actor at the root of the chain.
    pub actor: Option<String>,
    /// Short id of the session.
    pub session: Option<String>,
    /// How sure the actor is.
    pub confidence: Option<Confidence>,
    /// Service that made the call for the caller.
    pub through: Option<String>,
    /// `sourceIPAddress`.
    pub address: Option<String>,
    /// `errorCode`: the event was tried, not done.
    pub error: Option<String>,
    /// Ids and ARNs in the answer of a creation.
    pub related: BTreeSet<String>,
}

/// A life, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// By time, then event id.
    pub chapters: Vec<Chapter>,
    /// Events beyond [`STORY_EVENTS_MAX`].
    pub left_out: u64,
    /// Resources that came into being with it.
    pub related: BTreeSet<String>,
}

/// A chapter whose deed waits for what the whole input calls the resource.
#[derive(Clone, Debug)]
struct Draft {
    chapter: Chapter,
    naming: Naming,
    is_read: bool,
}

/// Gathers the events that name one resource.
#[derive(Clone, Debug)]
pub struct Story<'a> {
    lineage: &'a Lineage,
    subject: Subject,
    drafts: BTreeMap<(Option<i64>, String), Draft>,
    left_out: u64,
    /// What members call it: `bucket`, `cluster`.
    nouns: BTreeSet<String>,
}

impl<'a> Story<'a> {
    /// The leaves that are read, besides those of [`Caller`].
    pub const LEAVES: [Leaf; 10] = [
        Leaf::EventId,
        Leaf::EventTime,
        Leaf::EventSource,
        Leaf::EventName,
        Leaf::AwsRegion,
        Leaf::RecipientAccountId,
        Leaf::SourceIpAddress,
        Leaf::ErrorCode,
        Leaf::IdentityInvokedBy,
        Leaf::Raw,
    ];

    /// The story of `subject`: an ARN, an id or a name.
    pub fn new(lineage: &'a Lineage, subject: &str) -> Story<'a> {
        Story {
            lineage,
            subject: Subject::new(subject),
            drafts: BTreeMap::new(),
            left_out: 0,
            nouns: BTreeSet::new(),
        }
    }

    /// A text that every record naming `subject` holds, to pass over the others.
    pub fn needle(subject: &str) -> String {
        Subject::new(subject).name().to_owned()
    }

    /// Takes in an event.
    pub fn read(&mut self, row: Row<'_>) {
        let Some(record) = record(row.text(Leaf::Raw)) else { return };
        let Some(naming) = self.subject.named(&record) else { return };
        self.nouns.extend(naming.stems.iter().filter(|stem| !stem.is_empty()).cloned());
        let owned = |leaf| row.text(leaf).unwrap_or_default().to_owned();
        let party = self.lineage.party_of(&Caller::of(row));
        let name = owned(Leaf::EventName);
        let chapter = Chapter {
            time: row.time(),
            id: owned(Leaf::EventId),
            source: owned(Leaf::EventSource),
            account: owned(Leaf::RecipientAccountId),
            region: owned(Leaf::AwsRegion),
            deed: Deed::Mentioned,
            actor: party.map(|party| party.actor().text().to_owned()),
            session: party.filter(|party| party.is_session()).map(crate::Session::id),
            confidence: party.map(crate::Session::confidence),
            through: row.text(Leaf::IdentityInvokedBy).map(str::to_owned),
            address: row.text(Leaf::SourceIpAddress).map(str::to_owned),
            error: row.text(Leaf::ErrorCode).map(str::to_owned),
            related: self.related(&record),
            name,
        };
        let is_read = record.get("readOnly").and_then(Value::as_bool).unwrap_or_else(|| {
            ["Get", "List", "Describe", "Head"].iter().any(|verb| chapter.name.starts_with(verb))
        });
        self.keep(Draft { chapter, naming, is_read });
    }

    /// The readings of two workers as one.
    #[must_use]
    pub fn merge(mut self, other: Story<'a>) -> Story<'a> {
        self.left_out += other.left_out;
        self.nouns.extend(other.nouns);
        other.drafts.into_values().for_each(|draft| self.keep(draft));
        self
    }

    /// Concludes.
    pub fn finish(self) -> Life {
        let Story { drafts, left_out, nouns, subject, .. } = self;
        let nouns = subject.noun().map_or(nouns, |noun| BTreeSet::from([noun.to_owned()]));
        let chapters: Vec<Chapter> = drafts.into_values().map(|draft| concluded(draft, &nouns)).collect();
        let related = chapters.iter().flat_map(|chapter| chapter.related.iter().cloned()).collect();
        Life { chapters, left_out, related }
    }

    /// The earliest are kept, so that no order of the input can be seen.
    fn keep(&mut self, draft: Draft) {
        self.drafts.insert((draft.chapter.time, draft.chapter.id.clone()), draft);
        if self.drafts.len() > STORY_EVENTS_MAX {
            self.drafts.pop_last();
            self.left_out += 1;
        }
    }

    fn related(&self, record: &Value) -> BTreeSet<String> {
        let mut related = BTreeSet::new();
        if let Some(answer) = record.get("responseElements") {
            texts(answer, &mut |_, text| {
                let is_name = text.starts_with("arn:") || subject::is_id(text);
                if is_name && text.len() < 512 && !self.subject.is(text) {
                    related.insert(text.to_owned());
                }
            });
        }
        while related.len() > RELATED_MAX {
            related.pop_last();
        }
        related
    }
}

fn concluded(draft: Draft, nouns: &BTreeSet<String>) -> Chapter {
    let Draft { mut chapter, naming, is_read } = draft;
    chapter.deed = deed(&chapter.name, &naming, is_read, nouns);
    if chapter.deed != Deed::Created || chapter.error.is_some() {
        chapter.related.clear();
    }
    chapter
}

/// What an event was to what it names.
fn deed(name: &str, naming: &Naming, is_read: bool, nouns: &BTreeSet<String>) -> Deed {
    let bare = without_version(name);
    if !naming.is_exact() {
        return match (naming.is_within, is_read) {
            (true, true) => Deed::Used,
            (true, false) => Deed::Changed,
            (false, _) => Deed::Mentioned,
        };
    }
    let about = noun(bare);
    let is_subject = naming.stems.contains(&about)
        || (naming.stems.contains("") && (nouns.is_empty() || nouns.contains(&about)));
    match verb(bare) {
        _ if ENTRANCES.contains(&bare) => Deed::Entered,
        _ if SHARINGS.contains(&bare) => Deed::Shared,
        _ if bare == "ScheduleKeyDeletion" => Deed::Deleted,
        "Create" | "Run" | "Allocate" | "Register" | "Import" | "Copy" if is_subject => Deed::Created,
        "Delete" | "Terminate" | "Release" | "Deregister" if is_subject => Deed::Deleted,
        _ if is_read => Deed::Used,
        _ => Deed::Changed,
    }
}

/// Events that let somebody in.
const ENTRANCES: [&str; 16] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoleForPodIdentity",
    "AssumeRoot",
    "AccessKubernetesApi",
    "ConsoleLogin",
    "ExecuteCommand",
    "GetFederationToken",
    "GetPasswordData",
    "ResumeSession",
    "SendCommand",
    "SendSSHPublicKey",
    "SendSerialConsoleSSHPublicKey",
    "StartSession",
    "SwitchRole",
];

/// Events that open a resource to others.
const SHARINGS: [&str; 18] = [
    "AddLayerVersionPermission",
    "AddPermission",
    "AssociateResourceShare",
    "AuthorizeSnapshotAccess",
    "CreateGrant",
    "CreateResourceShare",
    "ModifyDBClusterSnapshotAttribute",
    "ModifyDBSnapshotAttribute",
    "ModifyImageAttribute",
    "ModifySnapshotAttribute",
    "PutBucketAcl",
    "PutBucketPolicy",
    "PutKeyPolicy",
    "PutObjectAcl",
    "PutResourcePolicy",
    "SetRepositoryPolicy",
    "SharedSnapshotVolumeCreated",
    "UpdateAssumeRolePolicy",
];

/// Account of the record, for names that are only unique in one.
fn account_of(record: &Value) -> Option<&str> {
    text(record, &["recipientAccountId"]).or_else(|| text(record, &["userIdentity", "accountId"]))
}
