//! What came of each request, folded: so many acts of such a role, because of such a request.
//!
//! The second pass: a worker reads rows against finished [`Causes`]; counts of several workers are merged in any order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ListBuilder, RecordBatch, StringBuilder, StringViewArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use pugmark_event::Leaf;

use crate::caller::Caller;
use crate::cause::{Causes, Request, Why};
use crate::link::Confidence;
use crate::requests::{account_of, service_of};
use crate::{Arn, Row};

/// Kinds of acts that are listed by name in a fold.
const NAMES_MAX: usize = 64;

/// Who acted: service and role.
type Hand = (String, String);

/// What one worker folded.
#[derive(Clone, Debug, Default)]
pub struct Folds {
    caused: BTreeMap<(i64, String, Hand), Tally>,
    unexplained: BTreeMap<(String, Hand, String, String), Tally>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    effects: u64,
    first: Option<i64>,
    last: Option<i64>,
    names: BTreeMap<String, u64>,
    /// Least of all acts, and the evidence of the act that sorts first by time and event id.
    confidence: Option<Confidence>,
    example: Option<(i64, String)>,
    evidence: Vec<String>,
    is_ambiguous: bool,
}

/// What one service did because of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Event id of the request.
    pub request_id: String,
    /// Time of the request, microseconds since 1970.
    pub time: i64,
    /// `eks.amazonaws.com`.
    pub source: String,
    /// `DeleteNodegroup`.
    pub name: String,
    /// Account of the request.
    pub account: String,
    /// Region of the request.
    pub region: String,
    /// Name to show of who made the request.
    pub who: String,
    /// ARN or principal id of who made the request.
    pub who_arn: String,
    /// Service that acted.
    pub service: String,
    /// Role that it acted with; empty if it had none.
    pub role: String,
    /// Acts.
    pub effects: u64,
    /// First act, microseconds since 1970.
    pub first: i64,
    /// Last act, microseconds since 1970.
    pub last: i64,
    /// The least of all acts.
    pub confidence: Confidence,
    /// Evidence of the first act.
    pub evidence: Vec<String>,
    /// How often which event, at most 64 names.
    pub names: BTreeMap<String, u64>,
}

/// What a service did without a known cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained {
    /// Account whose trail has it.
    pub account: String,
    /// Service that acted.
    pub service: String,
    /// Role that it acted with; empty if it had none.
    pub role: String,
    /// `ec2.amazonaws.com`.
    pub source: String,
    /// `TerminateInstances`.
    pub name: String,
    /// Acts.
    pub events: u64,
    /// First act, microseconds since 1970.
    pub first: i64,
    /// Last act, microseconds since 1970.
    pub last: i64,
    /// Event id of the first act.
    pub event_id: String,
    /// For some of them several requests fit equally well.
    pub is_ambiguous: bool,
}

/// The folds of a whole input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// By time of the request, its event id, service and role.
    pub folds: Vec<Fold>,
    /// By account, service, role and event.
    pub unexplained: Vec<Unexplained>,
}

impl Folds {
    /// Takes in one event.
    pub fn read(&mut self, causes: &Causes, row: Row<'_>) {
        let caller = Caller::of(row);
        let (Some(service), Some(time)) = (service_of(&caller), row.time()) else { return };
        let hand = (service.to_owned(), role_of(&caller));
        let text = |leaf| row.text(leaf).unwrap_or_default().to_owned();
        let example = (time, text(Leaf::EventId));
        match causes.why(row) {
            Why::Own => {}
            Why::Caused(cause) => {
                let request = cause.request();
                let key = (request.time(), request.event_id().to_owned(), hand);
                let evidence = || cause.evidence().iter().map(ToString::to_string).collect();
                let tally = self.caused.entry(key).or_default();
                tally.count(example, text(Leaf::EventName), evidence);
                tally.confidence = least(tally.confidence, Some(cause.confidence()));
            }
            why => {
                let account = account_of(row).unwrap_or_default().to_owned();
                let key = (account, hand, text(Leaf::EventSource), text(Leaf::EventName));
                let tally = self.unexplained.entry(key).or_default();
                tally.count(example, String::new(), Vec::new);
                tally.is_ambiguous |= matches!(why, Why::Ambiguous { .. });
            }
        }
    }

    /// Takes in what another worker folded.
    pub fn merge(&mut self, other: Folds) {
        for (key, tally) in other.caused {
            self.caused.entry(key).or_default().merge(tally);
        }
        for (key, tally) in other.unexplained {
            self.unexplained.entry(key).or_default().merge(tally);
        }
    }

    /// Concludes.
    pub fn finish(self, causes: &Causes) -> Folded {
        let requests: BTreeMap<(i64, &str), Request<'_>> =
            causes.requests().map(|request| ((request.time(), request.event_id()), request)).collect();
        let folds = self.caused.into_iter().filter_map(|((time, id, hand), tally)| {
            Some(tally.fold(*requests.get(&(time, id.as_str()))?, hand))
        });
        let unexplained = self.unexplained.into_iter().map(|(key, tally)| tally.unexplained(key));
        Folded { folds: folds.collect(), unexplained: unexplained.collect() }
    }
}

impl Tally {
    fn count(&mut self, example: (i64, String), name: String, evidence: impl FnOnce() -> Vec<String>) {
        self.effects += 1;
        self.first = Some(self.first.map_or(example.0, |first| first.min(example.0)));
        self.last = self.last.max(Some(example.0));
        if !name.is_empty() {
            self.name(name, 1);
        }
        if self.example.as_ref().is_none_or(|known| example < *known) {
            self.example = Some(example);
            self.evidence = evidence();
        }
    }

    /// Those that sort first are kept: a name that stays to the end is among the first of every part.
    fn name(&mut self, name: String, count: u64) {
        *self.names.entry(name).or_default() += count;
        if self.names.len() > NAMES_MAX {
            self.names.pop_last();
        }
    }

    fn merge(&mut self, other: Tally) {
        self.effects += other.effects;
        self.first = match (self.first, other.first) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.last = self.last.max(other.last);
        self.confidence = least(self.confidence, other.confidence);
        self.is_ambiguous |= other.is_ambiguous;
        other.names.into_iter().for_each(|(name, count)| self.name(name, count));
        let is_earlier = self.example.is_none() || (other.example.is_some() && other.example < self.example);
        if is_earlier {
            self.example = other.example;
            self.evidence = other.evidence;
        }
    }

    fn fold(self, request: Request<'_>, (service, role): Hand) -> Fold {
        let caller = request.caller();
        Fold {
            request_id: request.event_id().to_owned(),
            time: request.time(),
            source: request.source().to_owned(),
            name: request.name().to_owned(),
            account: request.account().to_owned(),
            region: request.region().to_owned(),
            who: crate::actor::party_name(&caller),
            who_arn: caller.arn.or(caller.principal_id).unwrap_or_default().to_owned(),
            service,
            role,
            effects: self.effects,
            first: self.first.unwrap_or_default(),
            last: self.last.unwrap_or_default(),
            confidence: self.confidence.unwrap_or(Confidence::Weak),
            evidence: self.evidence,
            names: self.names,
        }
    }

    fn unexplained(
        self,
        (account, (service, role), source, name): (String, Hand, String, String),
    ) -> Unexplained {
        Unexplained {
            account,
            service,
            role,
            source,
            name,
            events: self.effects,
            first: self.first.unwrap_or_default(),
            last: self.last.unwrap_or_default(),
            event_id: self.example.map(|(_, id)| id).unwrap_or_default(),
            is_ambiguous: self.is_ambiguous,
        }
    }
}

impl Folded {
    /// The table `causes`: one row for each request and each service that acted because of it.
    pub fn table(&self) -> RecordBatch {
        let texts = |text: fn(&Fold) -> &str| -> ArrayRef {
            Arc::new(StringViewArray::from_iter_values(self.folds.iter().map(text)))
        };
        let times = |time: fn(&Fold) -> i64| -> ArrayRef {
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(self.folds.iter().map(time)).with_timezone("UTC"),
            )
        };
        let columns = vec![
            texts(|fold| &fold.request_id),
            times(|fold| fold.time),
            texts(|fold| &fold.source),
            texts(|fold| &fold.name),
            texts(|fold| &fold.account),
            texts(|fold| &fold.region),
            texts(|fold| &fold.who),
            texts(|fold| &fold.who_arn),
            texts(|fold| &fold.service),
            texts(|fold| &fold.role),
            Arc::new(UInt64Array::from_iter_values(self.folds.iter().map(|fold| fold.effects))) as ArrayRef,
            times(|fold| fold.first),
            times(|fold| fold.last),
            texts(|fold| fold.confidence.as_str()),
            self.evidence_column(),
        ];
        RecordBatch::try_new(Arc::new(schema()), columns)
            .expect("columns are made after the schema, one row a fold")
    }

    fn evidence_column(&self) -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for fold in &self.folds {
            fold.evidence.iter().for_each(|sentence| lists.values().append_value(sentence));
            lists.append(true);
        }
        Arc::new(lists.finish())
    }
}

/// Columns of the table `causes`.
pub(crate) fn schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let columns = [
        ("cause", DataType::Utf8View),
        ("time", time()),
        ("eventsource", DataType::Utf8View),
        ("eventname", DataType::Utf8View),
        ("account", DataType::Utf8View),
        ("region", DataType::Utf8View),
        ("actor", DataType::Utf8View),
        ("actor_arn", DataType::Utf8View),
        ("service", DataType::Utf8View),
        ("role", DataType::Utf8View),
        ("effects", DataType::UInt64),
        ("first", time()),
        ("last", time()),
        ("confidence", DataType::Utf8View),
        ("evidence", list),
    ];
    Schema::new(columns.map(|(name, kind)| Field::new(name, kind, false)).to_vec())
}

impl fmt::Display for Fold {
    /// `+14 by AWSServiceRoleForAmazonEKSNodegroup, because of DeleteNodegroup by alice at 10:02` (UTC).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hand = if self.role.is_empty() { &self.service } else { &self.role };
        let minutes = self.time.div_euclid(60_000_000);
        let (hour, minute) = (minutes.div_euclid(60).rem_euclid(24), minutes.rem_euclid(60));
        let (effects, name, who) = (self.effects, &self.name, &self.who);
        write!(out, "+{effects} by {hand}, because of {name} by {who} at {hour:02}:{minute:02}")
    }
}

/// Name of the role that a service acts with.
fn role_of(caller: &Caller<'_>) -> String {
    let role = caller.issuer_arn.and_then(Arn::parse).and_then(Arn::role);
    role.map(|(_, name)| name.to_owned()).unwrap_or_default()
}

fn least(one: Option<Confidence>, other: Option<Confidence>) -> Option<Confidence> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
