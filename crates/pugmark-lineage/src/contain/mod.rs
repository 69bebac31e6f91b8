//! What to revoke and look at if an identity is compromised.
//!
//! A second reading, after the lineage is known. Everything that leaves something behind is gathered for all
//! parties; then the suspects grow by what they made, until nothing is added. Nothing is ever executed.

mod fate;
mod legacy;
mod revoke;

use std::collections::{BTreeMap, BTreeSet};

use pugmark_event::Leaf;
use serde_json::Value;

use crate::mentions::record;
use crate::shell::AwsCommand;
use crate::{Caller, Lineage, Row, Session};
use fate::Fates;

pub use legacy::{Legacy, LegacyKind};
pub use revoke::Revocation;

/// Things left behind that are kept of the whole input, the earliest; more are counted.
pub const LEGACIES_MAX: usize = 200_000;
/// Distinct things touched, by party, that are kept; more are counted.
pub const TOUCHED_MAX: usize = 500_000;

/// What is to be done about an identity.
#[derive(Clone, Debug, Default)]
pub struct Containment<'a> {
    /// The sessions and parties that are suspect, by first event: those asked about, and what they opened or made.
    pub suspects: Vec<Session<'a>>,
    /// What ends their credentials.
    pub revocations: Vec<Revocation>,
    /// What they left behind, by time.
    pub legacies: Vec<Legacy>,
    /// What they touched: kind and name, with the number of events.
    pub touched: BTreeMap<(&'static str, String), u64>,
    /// Things that were beyond the bounds.
    pub left_out: u64,
}

/// Gathers what parties leave behind and touch.
#[derive(Clone, Debug)]
pub struct Contain<'a> {
    lineage: &'a Lineage,
    legacies: BTreeMap<(Option<i64>, String, String), (u32, Legacy)>,
    touched: BTreeMap<(u32, &'static str, String), u64>,
    fates: Fates,
    left_out: u64,
}

impl<'a> Contain<'a> {
    /// The leaves that are read, besides those of [`Caller`].
    pub const LEAVES: [Leaf; 8] = [
        Leaf::EventId,
        Leaf::EventTime,
        Leaf::EventSource,
        Leaf::EventName,
        Leaf::AwsRegion,
        Leaf::RecipientAccountId,
        Leaf::ErrorCode,
        Leaf::Raw,
    ];

    /// Nothing gathered yet.
    pub fn new(lineage: &'a Lineage) -> Contain<'a> {
        Contain {
            lineage,
            legacies: BTreeMap::new(),
            touched: BTreeMap::new(),
            fates: Fates::default(),
            left_out: 0,
        }
    }

    /// Takes in an event.
    pub fn read(&mut self, row: Row<'_>) {
        if row.text(Leaf::ErrorCode).is_some() {
            return;
        }
        let (Some(source), Some(name)) = (row.text(Leaf::EventSource), row.text(Leaf::EventName)) else {
            return;
        };
        if let Some(kind) = fate::removed(source, name) {
            if let Some(record) = record(row.text(Leaf::Raw)) {
                self.fates.read(kind, false, row, &record);
            }
            return;
        }
        let Some(kind) = LegacyKind::of(source, name) else {
            self.touch(row, source, name);
            return;
        };
        let Some(record) = record(row.text(Leaf::Raw)) else { return };
        self.fates.read(kind, fate::lives_after(kind, name, &record), row, &record);
        let Some(party) = self.lineage.party_of(&Caller::of(row)) else { return };
        for legacy in Legacy::read(kind, row, &record) {
            self.keep((row.time(), legacy.event.clone(), legacy.name.clone()), (party.place, legacy));
        }
    }

    /// The readings of two workers as one.
    #[must_use]
    pub fn merge(mut self, other: Contain<'a>) -> Contain<'a> {
        self.left_out += other.left_out;
        self.fates.merge(other.fates);
        other.legacies.into_iter().for_each(|(key, legacy)| self.keep(key, legacy));
        for (key, count) in other.touched {
            self.add(key, count);
        }
        self
    }

    /// What `parties` call for. `now` is the time before which their sessions are to be refused, microseconds since 1970.
    pub fn finish(self, parties: &[Session<'a>], now: i64) -> Containment<'a> {
        let suspects = self.suspects(parties);
        let is_suspect = |place: u32| suspects.contains(&place);
        let legacies: Vec<Legacy> = self
            .legacies
            .values()
            .filter(|(place, _)| is_suspect(*place))
            .map(|(_, legacy)| legacy.clone().with(&self.fates))
            .collect();
        let mut touched: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
        for ((place, kind, name), count) in self.touched {
            if is_suspect(place) {
                *touched.entry((kind, name)).or_default() += count;
            }
        }
        let suspects: Vec<Session<'a>> =
            suspects.iter().map(|place| self.lineage.session_at(*place)).collect();
        let revocations = revoke::revocations(&suspects, &legacies, &self.fates, now);
        Containment { suspects, revocations, legacies, touched, left_out: self.left_out }
    }

    /// Parties asked about, what hangs below them, and the users and roles that any of these made.
    fn suspects(&self, parties: &[Session<'a>]) -> BTreeSet<u32> {
        let mut suspects = BTreeSet::new();
        let mut open: Vec<Session<'a>> = parties.to_vec();
        while !open.is_empty() {
            let fresh: BTreeSet<u32> = open
                .drain(..)
                .flat_map(Session::tree)
                .map(|node| node.session.place)
                .filter(|place| !suspects.contains(place))
                .collect();
            suspects.extend(&fresh);
            let made: BTreeSet<&str> = self
                .legacies
                .values()
                .filter(|(place, _)| fresh.contains(place))
                .filter_map(|(_, legacy)| legacy.identity())
                .collect();
            if !made.is_empty() {
                let is_made = |party: &Session<'a>| {
                    let names = [party.access_key(), party.arn(), party.role()];
                    names.into_iter().flatten().any(|name| made.contains(name))
                };
                open = self
                    .lineage
                    .parties()
                    .filter(|party| !suspects.contains(&party.place))
                    .filter(is_made)
                    .collect();
            }
        }
        suspects
    }

    fn keep(&mut self, key: (Option<i64>, String, String), legacy: (u32, Legacy)) {
        self.legacies.insert(key, legacy);
        if self.legacies.len() > LEGACIES_MAX {
            self.legacies.pop_last();
            self.left_out += 1;
        }
    }

    fn touch(&mut self, row: Row<'_>, source: &str, name: &str) {
        let Some((kind, members)) = touching(source, name) else { return };
        let Some(party) = self.lineage.party_of(&Caller::of(row)) else { return };
        let Some(record) = record(row.text(Leaf::Raw)) else { return };
        let request = record.get("requestParameters").unwrap_or(&Value::Null);
        let found = members.iter().find_map(|member| crate::mentions::text(request, &[member]));
        let arn = || record.get("resources")?.as_array()?.iter().find_map(|one| one.get("ARN")?.as_str());
        let what = found.or_else(arn).unwrap_or("(not recorded)").to_owned();
        self.add((party.place, kind, what), 1);
    }

    fn add(&mut self, key: (u32, &'static str, String), count: u64) {
        *self.touched.entry(key).or_default() += count;
        if self.touched.len() > TOUCHED_MAX
            && let Some((_, count)) = self.touched.pop_last()
        {
            self.left_out += count;
        }
    }
}

/// What kind of data a call reads or takes away, and the members that name it.
fn touching(source: &str, name: &str) -> Option<(&'static str, &'static [&'static str])> {
    let host = source.strip_suffix(".amazonaws.com")?;
    Some(match (host, name) {
        ("s3", "GetObject" | "SelectObjectContent") => ("objects read in bucket", &["bucketName"]),
        ("s3", "PutObject" | "CopyObject" | "CompleteMultipartUpload") => {
            ("objects written in bucket", &["bucketName"])
        }
        ("s3", "DeleteObject" | "DeleteObjects" | "DeleteBucket") => {
            ("objects deleted in bucket", &["bucketName"])
        }
        ("s3", "ListObjects") => ("bucket listed", &["bucketName"]),
        ("secretsmanager", "GetSecretValue" | "BatchGetSecretValue") => ("secret read", &["secretId"]),
        ("ssm", "GetParameter" | "GetParameters" | "GetParametersByPath") => {
            ("parameter read", &["name", "path"])
        }
        ("kms", "Decrypt" | "GenerateDataKey" | "ReEncrypt") => ("key used", &["keyId"]),
        ("dynamodb", "GetItem" | "Query" | "Scan" | "BatchGetItem" | "ExportTableToPointInTime") => {
            ("table read", &["tableName", "tableArn"])
        }
        ("ebs", "GetSnapshotBlock" | "ListSnapshotBlocks") => ("snapshot read", &["snapshotId"]),
        ("ec2", "GetPasswordData") => ("instance password read", &["instanceId"]),
        ("rds", "CreateDBSnapshot" | "StartExportTask" | "CopyDBSnapshot") => {
            ("database copied", &["dBInstanceIdentifier", "sourceArn", "sourceDBSnapshotIdentifier"])
        }
        _ => return None,
    })
}

/// A command, or words about what to do by hand.
pub(crate) fn step(words: &str, options: &[(&str, &str)]) -> Vec<AwsCommand> {
    AwsCommand::new(words, options).into_iter().collect()
}
