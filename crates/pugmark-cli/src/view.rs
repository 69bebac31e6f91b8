//! Events as columns that people read: time, who, action, target, outcome, from.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use jiff::tz::TimeZone;
use pugmark_event::{EventBatch, FIELDS, Leaf, Projection};
use serde_json::Value;

use crate::exit::Failure;
use crate::printer::{cell_text, time_text};
use crate::suggest::closest;
use crate::who::{Texts, Who, short_service};

/// One column of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewColumn {
    /// When.
    Time,
    /// Who acted.
    Who,
    /// `iam:CreateUser`
    Action,
    /// What was acted on.
    Target,
    /// `ok`, or the error.
    Outcome,
    /// From which address.
    From,
    /// The account that got the event.
    Account,
    /// The Region.
    Region,
    /// The event's id.
    Id,
    /// The object it stands in.
    Object,
    /// What the digests say of the object; what is not valid is marked.
    Verified,
    /// Any field, as it is.
    Leaf(Leaf),
}

const NAMED: [(&str, ViewColumn); 11] = [
    ("time", ViewColumn::Time),
    ("who", ViewColumn::Who),
    ("action", ViewColumn::Action),
    ("target", ViewColumn::Target),
    ("outcome", ViewColumn::Outcome),
    ("from", ViewColumn::From),
    ("account", ViewColumn::Account),
    ("region", ViewColumn::Region),
    ("id", ViewColumn::Id),
    ("object", ViewColumn::Object),
    ("verified", ViewColumn::Verified),
];

/// The columns of a table.
pub(crate) const SHORT: &[ViewColumn] = &[
    ViewColumn::Time,
    ViewColumn::Who,
    ViewColumn::Action,
    ViewColumn::Target,
    ViewColumn::Outcome,
    ViewColumn::From,
];

/// The columns of separated files, which have room.
pub(crate) const LONG: &[ViewColumn] = &[
    ViewColumn::Time,
    ViewColumn::Who,
    ViewColumn::Action,
    ViewColumn::Target,
    ViewColumn::Outcome,
    ViewColumn::From,
    ViewColumn::Account,
    ViewColumn::Region,
    ViewColumn::Id,
    ViewColumn::Object,
];

impl ViewColumn {
    /// The column called `name`: one of ours, or any field by either spelling.
    pub(crate) fn named(name: &str) -> Result<ViewColumn, Failure> {
        if let Some((_, column)) = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Ok(*column);
        }
        field(name).map(ViewColumn::Leaf)
    }

    fn name(self) -> &'static str {
        match self {
            ViewColumn::Leaf(leaf) => leaf.name(),
            column => NAMED.iter().find(|(_, known)| *known == column).map_or("", |(name, _)| name),
        }
    }

    fn leaves(self) -> Vec<Leaf> {
        match self {
            ViewColumn::Time => vec![Leaf::EventTime],
            ViewColumn::Who => Who::LEAVES.to_vec(),
            ViewColumn::Action => vec![Leaf::EventSource, Leaf::EventName],
            ViewColumn::Target => {
                vec![Leaf::RequestParameters, Leaf::ResourceArn, Leaf::ResourceType]
            }
            ViewColumn::Outcome => {
                vec![Leaf::ErrorCode, Leaf::ErrorMessage, Leaf::EventName, Leaf::ResponseElements]
            }
            ViewColumn::From => vec![Leaf::SourceIpAddress],
            ViewColumn::Account => vec![Leaf::RecipientAccountId, Leaf::PathAccount],
            ViewColumn::Region => vec![Leaf::AwsRegion],
            ViewColumn::Id => vec![Leaf::EventId],
            ViewColumn::Object => vec![Leaf::SourceObject],
            ViewColumn::Verified => vec![Leaf::Verified],
            ViewColumn::Leaf(leaf) => vec![leaf],
        }
    }
}

/// The leaves that `columns` are made of.
pub(crate) fn projection(columns: &[ViewColumn]) -> Projection {
    columns.iter().flat_map(|column| column.leaves()).collect()
}

/// The schema of a view.
pub(crate) fn schema(columns: &[ViewColumn]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new(column.name(), arrow::datatypes::DataType::Utf8, true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The view of `batch`.
pub(crate) fn view(
    batch: &EventBatch,
    columns: &[ViewColumn],
    zone: &TimeZone,
) -> Result<RecordBatch, Failure> {
    let arrays = columns.iter().map(|column| array(batch, *column, zone)).collect();
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.rows()));
    Ok(RecordBatch::try_new_with_options(schema(columns), arrays, &options)?)
}

fn array(batch: &EventBatch, column: ViewColumn, zone: &TimeZone) -> ArrayRef {
    match column {
        ViewColumn::Time => {
            let times = batch.times(Leaf::EventTime);
            texts(batch, |row| {
                let times = times.as_ref()?;
                (!arrow::array::Array::is_null(times, row)).then(|| time_text(times.value(row), zone))
            })
        }
        ViewColumn::Who => {
            let who = Who::of(batch);
            texts(batch, |row| Some(who.name(row)))
        }
        ViewColumn::Action => {
            let (service, name) = (Texts::of(batch, Leaf::EventSource), Texts::of(batch, Leaf::EventName));
            texts(batch, |row| Some(action(service.get(row), name.get(row))))
        }
        ViewColumn::Target => {
            let parameters = Texts::of(batch, Leaf::RequestParameters);
            texts(batch, |row| {
                parameters.get(row).and_then(parameter_target).or_else(|| resource_target(batch, row))
            })
        }
        ViewColumn::Outcome => {
            let outcome = Outcome::of(batch);
            texts(batch, |row| Some(outcome.words(row)))
        }
        ViewColumn::From => leaf_texts(batch, Leaf::SourceIpAddress, zone),
        ViewColumn::Account => {
            let (recipient, path) =
                (Texts::of(batch, Leaf::RecipientAccountId), Texts::of(batch, Leaf::PathAccount));
            texts(batch, |row| recipient.get(row).or_else(|| path.get(row)).map(str::to_owned))
        }
        ViewColumn::Region => leaf_texts(batch, Leaf::AwsRegion, zone),
        ViewColumn::Id => leaf_texts(batch, Leaf::EventId, zone),
        ViewColumn::Object => leaf_texts(batch, Leaf::SourceObject, zone),
        ViewColumn::Verified => {
            let verified = Texts::of(batch, Leaf::Verified);
            texts(batch, |row| verified.get(row).map(verified_words))
        }
        ViewColumn::Leaf(leaf) => leaf_texts(batch, leaf, zone),
    }
}

/// The verdict with its mark: an error, a warning, or none.
fn verified_words(verdict: &str) -> String {
    match verdict {
        "valid" => verdict.to_owned(),
        "modified" | "unlisted" => format!("✗ {verdict}"),
        other => format!("! {other}"),
    }
}

fn texts(batch: &EventBatch, text: impl Fn(usize) -> Option<String>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for row in 0..batch.rows() {
        builder.append_option(text(row));
    }
    Arc::new(builder.finish())
}

fn leaf_texts(batch: &EventBatch, leaf: Leaf, zone: &TimeZone) -> ArrayRef {
    let array = leaf_array(batch, leaf);
    texts(batch, |row| cell_text(array.as_ref()?, row, zone).map(std::borrow::Cow::into_owned))
}

/// The array of a leaf; of one in a list, the whole list.
pub(crate) fn leaf_array(batch: &EventBatch, leaf: Leaf) -> Option<ArrayRef> {
    if leaf.is_in_list() {
        return batch.record_batch().column_by_name(leaf.column().name()).cloned();
    }
    batch.leaf(leaf)
}

/// `iam:CreateUser`
pub(crate) fn action(service: Option<&str>, name: Option<&str>) -> String {
    format!("{}:{}", service.map_or("?", short_service), name.unwrap_or("?"))
}

/// How calls of one batch went.
pub(crate) struct Outcome {
    name: Texts,
    code: Texts,
    message: Texts,
    response: Texts,
}

impl Outcome {
    /// The leaves that outcomes are made of.
    pub(crate) const LEAVES: [Leaf; 4] =
        [Leaf::EventName, Leaf::ErrorCode, Leaf::ErrorMessage, Leaf::ResponseElements];

    /// The outcomes of `batch`.
    pub(crate) fn of(batch: &EventBatch) -> Outcome {
        Outcome {
            name: Texts::of(batch, Leaf::EventName),
            code: Texts::of(batch, Leaf::ErrorCode),
            message: Texts::of(batch, Leaf::ErrorMessage),
            response: Texts::of(batch, Leaf::ResponseElements),
        }
    }

    /// The error of a call that failed. A failed sign-in has none of its own:
    /// it says so in its response.
    pub(crate) fn error(&self, row: usize) -> Option<&str> {
        if let Some(code) = self.code.get(row) {
            return Some(code);
        }
        let is_login = self.name.get(row) == Some("ConsoleLogin");
        if is_login && self.response.get(row).is_some_and(|text| text.contains("\"Failure\"")) {
            return Some("Failure");
        }
        self.message.get(row)
    }

    fn words(&self, row: usize) -> String {
        self.error(row).map_or_else(|| "ok".to_owned(), |error| format!("✗ {error}"))
    }
}

/// Parameters that name what is acted on, the most telling first.
const TARGETS: [&str; 40] = [
    "bucketName",
    "userName",
    "roleName",
    "groupName",
    "policyArn",
    "roleArn",
    "functionName",
    "instanceId",
    "secretId",
    "keyId",
    "trailName",
    "tableName",
    "dBInstanceIdentifier",
    "dBSnapshotIdentifier",
    "clusterName",
    "cluster",
    "repositoryName",
    "logGroupName",
    "stackName",
    "topicArn",
    "queueUrl",
    "streamName",
    "snapshotId",
    "volumeId",
    "imageId",
    "groupId",
    "vpcId",
    "subnetId",
    "networkInterfaceId",
    "allocationId",
    "detectorId",
    "hostedZoneId",
    "certificateArn",
    "parameterName",
    "documentName",
    "instanceProfileName",
    "accessKeyId",
    "accountId",
    "resourceArn",
    "name",
];

fn parameter_target(text: &str) -> Option<String> {
    let parameters: Value = serde_json::from_str(text).ok()?;
    let parameters = parameters.as_object()?;
    if let Some(bucket) = parameters.get("bucketName").and_then(Value::as_str) {
        return Some(match parameters.get("key").and_then(Value::as_str) {
            Some(key) => format!("{bucket}/{key}"),
            None => bucket.to_owned(),
        });
    }
    TARGETS
        .iter()
        .find_map(|name| parameters.get(*name).and_then(Value::as_str))
        .or_else(|| parameters.values().find_map(nested_id))
        .map(str::to_owned)
}

/// The first id in `{"items":[{"instanceId":"i-0abc"}]}`.
fn nested_id(value: &Value) -> Option<&str> {
    let item = value.get("items")?.get(0)?.as_object()?;
    item.iter().find(|(name, _)| name.ends_with("Id")).and_then(|(_, id)| id.as_str())
}

fn resource_target(batch: &EventBatch, row: usize) -> Option<String> {
    let resources = batch.record_batch().column_by_name(Leaf::ResourceArn.column().name())?;
    if resources.is_null(row) {
        return None;
    }
    let items = arrow::array::AsArray::as_list_opt::<i32>(resources)?.value(row);
    let group = arrow::array::AsArray::as_struct_opt(&items)?;
    let arns = arrow::array::AsArray::as_string_view_opt(group.column_by_name("arn")?)?;
    arns.iter().flatten().next().map(str::to_owned)
}

/// The field called `name` by either spelling, or what was meant.
pub(crate) fn field(name: &str) -> Result<Leaf, Failure> {
    if let Some(leaf) = Leaf::find(name) {
        return Ok(leaf);
    }
    let list_name = name.replacen("resources.", "resources[].", 1);
    if let Some(leaf) = Leaf::find(&list_name) {
        return Ok(leaf);
    }
    let by_tail = FIELDS
        .iter()
        .filter(|field| field.name.rsplit('.').next().is_some_and(|tail| tail.eq_ignore_ascii_case(name)));
    let near = by_tail.map(|field| field.member).next().filter(|member| !member.is_empty()).or_else(|| {
        closest(
            name,
            FIELDS.iter().flat_map(|field| [field.member, field.name]).filter(|name| !name.is_empty()),
        )
    });
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`pugmark schema` lists all fields".to_owned(),
    };
    Err(Failure::new(format!("there is no field `{name}`"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_the_most_telling_parameter() {
        for (text, expected) in [
            (r#"{"bucketName":"logs","key":"a/b.gz"}"#, Some("logs/a/b.gz")),
            (r#"{"policyArn":"arn:aws:iam::aws:policy/X","userName":"bob"}"#, Some("bob")),
            (r#"{"instancesSet":{"items":[{"instanceId":"i-0abc"}]}}"#, Some("i-0abc")),
            (r#"{"maxResults":5}"#, None),
            ("null", None),
            ("{oops", None),
        ] {
            assert_eq!(parameter_target(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_field_is_found_or_guessed_at_aloud() {
        assert_eq!(field("sourceIPAddress").ok(), Some(Leaf::SourceIpAddress));
        assert_eq!(field("useridentity.arn").ok(), Some(Leaf::IdentityArn));
        assert_eq!(field("resources.arn").ok(), Some(Leaf::ResourceArn));
        for (name, hint) in [
            ("evnetName", "did you mean `eventName`?"),
            ("accessKeyId", "did you mean `userIdentity.accessKeyId`?"),
            ("colour", "`pugmark schema` lists all fields"),
        ] {
            let Err(Failure::Told { hint: told, .. }) = field(name) else { unreachable!("{name}") };
            assert_eq!(told.as_deref(), Some(hint), "{name}");
        }
    }

    #[test]
    fn ours_and_any_field_can_be_columns() {
        assert_eq!(ViewColumn::named("Who").ok(), Some(ViewColumn::Who));
        assert_eq!(ViewColumn::named("userAgent").ok(), Some(ViewColumn::Leaf(Leaf::UserAgent)));
        assert!(ViewColumn::named("nonesuch").is_err());
    }
}
