//! The least IAM policy that the observed calls of some identities need.
//!
//! A second reading, after the lineage is known. It allows what was done, not what was refused; what a service did
//! with the caller's identity is kept apart, and calls that are not understood are listed.

use std::collections::{BTreeMap, BTreeSet};

use pugmark_event::{Leaf, partition_of};
use serde_json::{Value, json};

use crate::actions::{Needed, needed};
use crate::denial::{Denial, is_bad_credential};
use crate::mentions::{record, text, texts};
use crate::{Arn, Caller, Lineage, Row, Session};

/// Resources of one action that are listed, the objects of a bucket counted as one; if there are more, they are `*`.
pub const POLICY_RESOURCES_MAX: usize = 64;
/// Distinct refusals, and distinct calls that are not understood, that are kept.
const LISTED_MAX: usize = 10_000;
/// Objects of one bucket and one action; if there are more, they are all its objects.
const OBJECTS_MAX: usize = 4;

/// One action, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grantable {
    /// Calls that needed it.
    pub calls: u64,
    /// Resources that the records name; empty if they name none.
    pub resources: BTreeSet<String>,
    /// Some calls named no resource, or there were more than [`POLICY_RESOURCES_MAX`].
    pub is_anywhere: bool,
}

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    /// `s3:GetObject`, as the message or else our table says; else the event.
    pub action: String,
    /// What the message tells.
    pub denial: Denial,
}

/// What identities needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Least {
    /// By action.
    pub actions: BTreeMap<String, Grantable>,
    /// Actions that services used with the identity, by service and action.
    pub through: BTreeMap<(String, String), u64>,
    /// Refused calls, counted.
    pub denied: BTreeMap<Denied, u64>,
    /// `service:EventName` of calls whose action is not known.
    pub untold: BTreeMap<String, u64>,
    /// Calls that need no permission.
    pub free: u64,
    /// Events that were read.
    pub events: u64,
}

/// Gathers what the sessions of some identities needed.
#[derive(Clone, Debug)]
pub struct Needs<'a> {
    lineage: &'a Lineage,
    places: BTreeSet<u32>,
    least: Least,
}

impl<'a> Needs<'a> {
    /// The leaves that are read, besides those of [`Caller`].
    pub const LEAVES: [Leaf; 7] = [
        Leaf::EventSource,
        Leaf::EventName,
        Leaf::EventType,
        Leaf::IdentityInvokedBy,
        Leaf::ErrorCode,
        Leaf::ErrorMessage,
        Leaf::Raw,
    ];

    /// What `parties` needed.
    pub fn new(lineage: &'a Lineage, parties: &[Session<'_>]) -> Needs<'a> {
        Needs { lineage, places: parties.iter().map(|party| party.place).collect(), least: Least::default() }
    }

    /// Takes in an event.
    pub fn read(&mut self, row: Row<'_>) {
        let party = self.lineage.party_of(&Caller::of(row));
        if !party.is_some_and(|party| self.places.contains(&party.place)) {
            return;
        }
        self.least.events += 1;
        let is_no_call = row.text(Leaf::EventType).is_some_and(|kind| kind != "AwsApiCall");
        // What a bad credential asked for was never weighed.
        if is_no_call || row.text(Leaf::ErrorCode).is_some_and(is_bad_credential) {
            self.least.free += 1;
            return;
        }
        let (source, name) = (row.text(Leaf::EventSource).unwrap_or_default(), row.text(Leaf::EventName));
        let record = record(row.text(Leaf::Raw)).unwrap_or(Value::Null);
        let name = name.unwrap_or_default();
        let request = record.get("requestParameters").unwrap_or(&Value::Null);
        let needed = needed(source, name, request);
        let event = format!("{}:{name}", source.trim_end_matches(".amazonaws.com"));
        let denial = row
            .text(Leaf::ErrorCode)
            .and_then(|code| Denial::read(code, row.text(Leaf::ErrorMessage).unwrap_or_default()));
        if let Some(denial) = denial {
            let ours = match needed {
                // Which of two it was, the refusal itself says where it says anything.
                Needed::Action(prefix, action) | Needed::Both(prefix, [action, _]) => {
                    format!("{prefix}:{action}")
                }
                Needed::Nothing | Needed::Untold => event,
            };
            let action = denial.action.clone().unwrap_or(ours);
            count(&mut self.least.denied, Denied { action, denial });
            return;
        }
        match needed {
            Needed::Nothing => self.least.free += 1,
            Needed::Untold => count(&mut self.least.untold, event),
            Needed::Action(prefix, action) => self.take(prefix, action, row, &record),
            Needed::Both(prefix, actions) => {
                for action in actions {
                    self.take(prefix, action, row, &record);
                }
            }
        }
    }

    fn take(&mut self, prefix: &str, action: &str, row: Row<'_>, record: &Value) {
        let needed = format!("{prefix}:{action}");
        match row.text(Leaf::IdentityInvokedBy) {
            Some(service) => count(&mut self.least.through, (service.to_owned(), needed)),
            None => self.least.actions.entry(needed).or_default().take(prefix, action, record),
        }
    }

    /// The readings of two workers as one.
    #[must_use]
    pub fn merge(mut self, other: Needs<'a>) -> Needs<'a> {
        let (ours, theirs) = (&mut self.least, other.least);
        for (action, grantable) in theirs.actions {
            ours.actions.entry(action).or_default().merge(grantable);
        }
        add(&mut ours.through, theirs.through);
        add(&mut ours.denied, theirs.denied);
        add(&mut ours.untold, theirs.untold);
        ours.free += theirs.free;
        ours.events += theirs.events;
        self
    }

    /// Concludes.
    pub fn finish(self) -> Least {
        self.least
    }
}

impl Least {
    /// The policy document: actions with the same resources are one statement.
    pub fn document(&self) -> Value {
        let mut statements: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
        for (action, grantable) in &self.actions {
            statements.entry(grantable.allowed()).or_default().push(action);
        }
        let mut statements: Vec<_> = statements.into_iter().collect();
        statements.sort_by(|one, other| one.1.cmp(&other.1));
        let statements: Vec<Value> = statements
            .into_iter()
            .map(|(resources, actions)| json!({"Effect": "Allow", "Action": actions, "Resource": resources}))
            .collect();
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}

impl Grantable {
    /// What the policy names: the resources, or everything.
    fn allowed(&self) -> BTreeSet<&str> {
        if self.is_anywhere || self.resources.is_empty() {
            BTreeSet::from(["*"])
        } else {
            self.resources.iter().map(String::as_str).collect()
        }
    }

    fn take(&mut self, prefix: &str, action: &str, record: &Value) {
        self.calls += 1;
        if self.is_anywhere {
            return;
        }
        let resources = resources(prefix, action, record);
        self.is_anywhere |= resources.is_empty();
        let known = self.resources.len();
        self.resources.extend(resources);
        if self.is_anywhere || self.resources.len() > known {
            self.bound();
        }
    }

    fn merge(&mut self, other: Grantable) {
        self.calls += other.calls;
        self.is_anywhere |= other.is_anywhere;
        self.resources.extend(other.resources);
        self.bound();
    }

    /// Many objects are all objects of their bucket, and too many resources are all. Either is the same in whatever
    /// order they come: the objects of one bucket count as one resource, however many of them are known by now, so
    /// that what is counted only grows.
    fn bound(&mut self) {
        let mut buckets: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for (bucket, key) in self.resources.iter().filter_map(|arn| object(arn)) {
            let (objects, is_whole) = buckets.entry(bucket).or_default();
            *objects += 1;
            *is_whole |= key == "*";
        }
        let objects: usize = buckets.values().map(|(objects, _)| objects).sum();
        let distinct = self.resources.len() - objects + buckets.len();
        self.is_anywhere |= distinct > POLICY_RESOURCES_MAX;
        if self.is_anywhere {
            self.resources.clear();
            return;
        }
        let is_all = |(objects, is_whole): &(usize, bool)| *is_whole || *objects > OBJECTS_MAX;
        let whole: BTreeSet<String> =
            buckets.into_iter().filter(|(_, of)| is_all(of)).map(|(bucket, _)| bucket.to_owned()).collect();
        self.resources.retain(|arn| object(arn).is_none_or(|(bucket, _)| !whole.contains(bucket)));
        self.resources.extend(whole.into_iter().map(|bucket| format!("{bucket}/*")));
    }
}

/// Bucket and key of an object's ARN.
fn object(arn: &str) -> Option<(&str, &str)> {
    if arn.contains(":s3:::") { arn.split_once('/') } else { None }
}

/// The resources of `action` that the record names.
fn resources(prefix: &str, action: &str, record: &Value) -> BTreeSet<String> {
    let request = record.get("requestParameters").unwrap_or(&Value::Null);
    // Listing and describing mostly know no resource, whatever the filter names.
    if prefix == "ec2" && action.starts_with("Describe") {
        return BTreeSet::new();
    }
    if prefix == "s3" {
        return bucket(action, record, request).into_iter().collect();
    }
    if prefix == "ec2" && OF_INSTANCES.contains(&action) {
        return instances(record, request);
    }
    if prefix == "iam" {
        return identities(record, request);
    }
    let mut found = BTreeSet::new();
    let mut look = |_: &str, text: &str| {
        if Arn::parse(text).is_some_and(|arn| arn.service == service_of(prefix, action)) && is_plain(text) {
            found.insert(text.to_owned());
        }
    };
    record.get("resources").into_iter().for_each(|value| texts(value, &mut look));
    texts(request, &mut look);
    if found.is_empty() {
        found.extend(named(prefix, record, request));
    }
    found
}

/// EC2 actions that need nothing but the instances they name.
const OF_INSTANCES: [&str; 4] = ["RebootInstances", "StartInstances", "StopInstances", "TerminateInstances"];

fn instances(record: &Value, request: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (Some(account), Some(region)) = (text(record, &["recipientAccountId"]), text(record, &["awsRegion"]))
    else {
        return found;
    };
    texts(request, &mut |member, id| {
        if member == "instanceId" && is_plain(id) {
            found.insert(format!("arn:{}:ec2:{region}:{account}:instance/{id}", partition_of(region)));
        }
    });
    found
}

/// Whom a call to IAM is about. The ARN of a policy that is attached is not its
/// resource: the identity is. A record has no path, so that it is left open.
fn identities(record: &Value, request: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (Some(account), Some(region)) = (text(record, &["recipientAccountId"]), text(record, &["awsRegion"]))
    else {
        return found;
    };
    let kinds = [
        ("userName", "user"),
        ("roleName", "role"),
        ("groupName", "group"),
        ("instanceProfileName", "instance-profile"),
    ];
    for (member, kind) in kinds {
        if let Some(name) = text(request, &[member]).filter(|name| is_plain(name)) {
            let start = format!("arn:{}:iam::{account}:{kind}", partition_of(region));
            found.extend([format!("{start}/{name}"), format!("{start}/*/{name}")]);
        }
    }
    if found.is_empty() {
        found.extend(text(request, &["policyArn"]).filter(|arn| is_plain(arn)).map(str::to_owned));
    }
    found
}

/// Roles are resources of IAM, also where STS is asked.
fn service_of<'a>(prefix: &'a str, action: &str) -> &'a str {
    if prefix == "sts" && action.starts_with("Assume") { "iam" } else { prefix }
}

/// A resource that a member names without an ARN.
fn named(prefix: &str, record: &Value, request: &Value) -> Option<String> {
    let account = text(record, &["recipientAccountId"])?;
    let region = text(record, &["awsRegion"])?;
    let (member, kind) = match prefix {
        "dynamodb" => ("tableName", "table/"),
        "eks" => ("clusterName", "cluster/"),
        "lambda" => ("functionName", "function:"),
        "logs" => ("logGroupName", "log-group:"),
        "secretsmanager" => ("secretId", "secret:"),
        "ssm" => ("name", "parameter/"),
        _ => return None,
    };
    let name = text(request, &[member]).filter(|name| is_plain(name))?;
    let ending = match prefix {
        // Six characters that AWS chose follow the name of a secret.
        "secretsmanager" => "-??????",
        "logs" => ":*",
        _ => "",
    };
    let partition = partition_of(region);
    // The slash of a parameter's path stands once in its ARN.
    let name = if prefix == "ssm" { name.trim_start_matches('/') } else { name };
    Some(format!("arn:{partition}:{prefix}:{region}:{account}:{kind}{name}{ending}"))
}

fn bucket(action: &str, record: &Value, request: &Value) -> Option<String> {
    let partition = partition_of(text(record, &["awsRegion"]).unwrap_or_default());
    let bucket = text(request, &["bucketName"]).filter(|name| is_plain(name))?;
    let is_of_object =
        ["Object", "MultipartUploadParts", "AbortMultipartUpload"].iter().any(|word| action.contains(word))
            && !action.contains("Bucket");
    match text(request, &["key"]).filter(|key| is_plain(key)) {
        Some(key) if is_of_object => Some(format!("arn:{partition}:s3:::{bucket}/{key}")),
        _ if is_of_object => Some(format!("arn:{partition}:s3:::{bucket}/*")),
        _ => Some(format!("arn:{partition}:s3:::{bucket}")),
    }
}

/// A wildcard or a variable in a name would allow more than was seen.
fn is_plain(name: &str) -> bool {
    !name.contains(['*', '?', '$']) && !name.chars().any(char::is_control) && name.len() <= 1024
}

/// Counts bounded by distinct names: those that sort first are kept, and exactly counted.
fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, name: K) {
    *counts.entry(name).or_default() += 1;
    if counts.len() > LISTED_MAX {
        counts.pop_last();
    }
}

fn add<K: Ord>(ours: &mut BTreeMap<K, u64>, theirs: BTreeMap<K, u64>) {
    for (name, count) in theirs {
        *ours.entry(name).or_default() += count;
    }
    while ours.len() > LISTED_MAX {
        ours.pop_last();
    }
}
