//! What is kept of an event that a rule matched.

use std::collections::HashMap;
use std::sync::Arc;

use pugmark_event::{Leaf, Projection};
use serde::{Deserialize, Serialize};

use crate::principal::{self, principal};
use crate::row::Columns;

/// One event, as findings show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sighting {
    /// `eventTime`, microseconds since 1970 (UTC).
    pub time: i64,
    /// `eventID`.
    pub id: Arc<str>,
    /// What was called.
    #[serde(flatten)]
    pub call: Arc<Call>,
    /// By whom, from where.
    #[serde(flatten)]
    pub caller: Arc<Caller>,
    /// Event id of the request that made a service act, if that was worked out.
    pub cause: Option<Arc<str>>,
    /// File or object that holds the record.
    pub object: Arc<str>,
    /// Byte offset of the record in it.
    pub offset: u64,
}

/// What was called, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Call {
    /// `eventSource`.
    pub source: Box<str>,
    /// `eventName`.
    pub name: Box<str>,
    /// `errorCode`; empty on success.
    pub error: Box<str>,
    /// Account whose trail has the event.
    pub account: Box<str>,
    /// `awsRegion`.
    pub region: Box<str>,
}

/// Who called; texts are empty where a record says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// The identity at the root of the chain where lineage was worked out,
    /// else the role, the user or the service that the record names.
    pub actor: Box<str>,
    /// `userIdentity.arn`.
    pub arn: Box<str>,
    /// Short id of the session, if lineage was worked out.
    pub session: Box<str>,
    /// `userIdentity.accessKeyId`.
    pub key: Box<str>,
    /// `sourceIPAddress`.
    pub ip: Box<str>,
    /// `userAgent`.
    pub agent: Box<str>,
}

impl Sighting {
    /// What makes an event itself: its id, or else where it lies.
    pub(crate) fn key(&self) -> (&str, &str, u64) {
        if self.id.is_empty() { ("", &self.object, self.offset) } else { (&self.id, "", 0) }
    }
}

/// Leaves that a sighting is made of; those of lineage are filled if somebody does.
pub(crate) fn leaves() -> Projection {
    [
        Leaf::EventTime,
        Leaf::EventId,
        Leaf::EventSource,
        Leaf::EventName,
        Leaf::ErrorCode,
        Leaf::RecipientAccountId,
        Leaf::AwsRegion,
        Leaf::IdentityArn,
        Leaf::IdentityAccessKeyId,
        Leaf::SourceIpAddress,
        Leaf::UserAgent,
        Leaf::SourceObject,
        Leaf::SourceOffset,
    ]
    .into_iter()
    .chain(principal::LEAVES)
    .collect()
}

/// Makes sightings; what recurs is kept once.
#[derive(Debug, Default)]
pub(crate) struct Sighter {
    calls: HashMap<Call, Arc<Call>>,
    callers: HashMap<Caller, Arc<Caller>>,
    objects: HashMap<Box<str>, Arc<str>>,
}

/// Texts kept; beyond, they are no longer shared.
const KEPT_MAX: usize = 1 << 20;

impl Sighter {
    /// The sighting of an event; one without a time is of 1970.
    pub(crate) fn sight(&mut self, columns: &Columns<'_>, row: usize) -> Arc<Sighting> {
        let text = |leaf| columns.text(leaf, row).unwrap_or_default();
        let call = Call {
            source: text(Leaf::EventSource).into(),
            name: text(Leaf::EventName).into(),
            error: text(Leaf::ErrorCode).into(),
            account: text(Leaf::RecipientAccountId).into(),
            region: text(Leaf::AwsRegion).into(),
        };
        let caller = Caller {
            actor: principal(&|leaf| columns.text(leaf, row).filter(|text| !text.is_empty())).into(),
            arn: text(Leaf::IdentityArn).into(),
            session: text(Leaf::Session).into(),
            key: text(Leaf::IdentityAccessKeyId).into(),
            ip: text(Leaf::SourceIpAddress).into(),
            agent: text(Leaf::UserAgent).into(),
        };
        Arc::new(Sighting {
            time: columns.time(row).unwrap_or_default(),
            id: text(Leaf::EventId).into(),
            call: kept(&mut self.calls, call),
            caller: kept(&mut self.callers, caller),
            cause: columns.text(Leaf::Cause, row).map(Arc::from),
            object: kept_text(&mut self.objects, text(Leaf::SourceObject)),
            offset: columns.offset(row),
        })
    }
}

fn kept<T: Clone + Eq + std::hash::Hash>(known: &mut HashMap<T, Arc<T>>, value: T) -> Arc<T> {
    if let Some(shared) = known.get(&value) {
        return Arc::clone(shared);
    }
    let shared = Arc::new(value.clone());
    if known.len() < KEPT_MAX {
        known.insert(value, Arc::clone(&shared));
    }
    shared
}

fn kept_text(known: &mut HashMap<Box<str>, Arc<str>>, text: &str) -> Arc<str> {
    if let Some(shared) = known.get(text) {
        return Arc::clone(shared);
    }
    let shared: Arc<str> = text.into();
    if known.len() < KEPT_MAX {
        known.insert(text.into(), Arc::clone(&shared));
    }
    shared
}
