//! Values at a path of an event: a field of the table, or anything below or
//! beside one, such as `requestParameters.ipPermissions.items[0].ipRanges`.

use arrow::array::ArrayRef;
use jiff::tz::TimeZone;
use pugmark_event::{Column, EventBatch, FIELDS, Kind, Leaf};
use serde_json::Value;

use crate::exit::Failure;
use crate::printer::cell_text;
use crate::suggest::closest;
use crate::view::{field, leaf_array};

/// A path, and the leaf that it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath {
    leaf: Leaf,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member; of a list, the member of every item.
    Member(String),
    /// One item of a list.
    Item(usize),
}

impl JsonPath {
    /// The path written `a.b[0].c`.
    pub(crate) fn parse(text: &str) -> Result<JsonPath, Failure> {
        let wrong = |hint: &str| Failure::new(format!("`{text}` is not a path"), hint);
        if let Some(leaf) = Leaf::find(text) {
            return Ok(JsonPath { leaf, steps: Vec::new() });
        }
        let segments: Vec<&str> = text.split('.').collect();
        if segments.iter().any(|segment| segment.trim().is_empty()) {
            return Err(wrong("write `requestParameters.bucketName`"));
        }
        for length in (1..segments.len()).rev() {
            let head = segments[..length].join(".");
            if let Some(leaf) = Leaf::find(&head).filter(|leaf| leaf.field().kind == Kind::Json) {
                let steps =
                    steps(&segments[length..]).ok_or_else(|| wrong("an index is a number: `items[0]`"))?;
                return Ok(JsonPath { leaf, steps });
            }
        }
        let steps = steps(&segments).ok_or_else(|| wrong("an index is a number: `items[0]`"))?;
        known_or_strange(segments[0], text)?;
        Ok(JsonPath { leaf: Leaf::Raw, steps })
    }

    /// The leaf that must be decoded.
    pub(crate) fn leaf(&self) -> Leaf {
        self.leaf
    }

    /// True if values stand in the record byte for byte, but for escapes.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.leaf.field().kind, Kind::Text | Kind::Json) && !self.leaf.field().member.is_empty()
            || self.leaf == Leaf::Raw
    }

    /// The values at this path in `batch`.
    pub(crate) fn of(&self, batch: &EventBatch) -> Values<'_> {
        Values { path: self, array: leaf_array(batch, self.leaf) }
    }
}

/// A record may have members that are in no table, but a name close to a known
/// one is more likely misspelt.
fn known_or_strange(head: &str, text: &str) -> Result<(), Failure> {
    let head = head.split('[').next().unwrap_or(head);
    if Column::find(head).is_some() {
        return Ok(());
    }
    if head == text {
        return field(text).map(|_| ());
    }
    let names =
        FIELDS.iter().filter_map(|field| field.member.split('.').next()).filter(|name| !name.is_empty());
    match closest(head, names) {
        Some(near) => {
            Err(Failure::new(format!("there is no field `{head}`"), format!("did you mean `{near}`?")))
        }
        None => Ok(()),
    }
}

/// The values of one path in one batch.
pub(crate) struct Values<'a> {
    path: &'a JsonPath,
    array: Option<ArrayRef>,
}

impl Values<'_> {
    /// The values in `row`: none, one, or one per item of a list.
    pub(crate) fn get(&self, row: usize) -> Vec<String> {
        let Some(text) = self.array.as_ref().and_then(|array| cell_text(array, row, &TimeZone::UTC)) else {
            return Vec::new();
        };
        if self.path.steps.is_empty() {
            if self.path.leaf.is_in_list() {
                return list_values(self.path.leaf, &text);
            }
            return vec![text.into_owned()];
        }
        let Ok(document) = serde_json::from_str::<Value>(&text) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        walk(&document, &self.path.steps, &mut values);
        values
    }
}

/// The members of the items of `resources`, which come as one JSON list.
fn list_values(leaf: Leaf, text: &str) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let tail = leaf.name().rsplit('.').next().unwrap_or_default();
    let mut values = Vec::new();
    walk(&document, &[Step::Member(tail.to_owned())], &mut values);
    values
}

fn walk(value: &Value, steps: &[Step], found: &mut Vec<String>) {
    match (value, steps.split_first()) {
        (Value::Null, None) => {}
        (Value::String(text), None) => found.push(text.clone()),
        (Value::Array(items), None) => items.iter().for_each(|item| walk(item, &[], found)),
        (other, None) => found.push(other.to_string()),
        (Value::Object(members), Some((Step::Member(name), rest))) => {
            if let Some(value) = members.get(name) {
                walk(value, rest, found);
            }
        }
        (Value::Array(items), Some((Step::Member(_), _))) => {
            for item in items {
                walk(item, steps, found);
            }
        }
        (Value::Array(items), Some((Step::Item(index), rest))) => {
            if let Some(item) = items.get(*index) {
                walk(item, rest, found);
            }
        }
        _ => {}
    }
}

/// `items[0]` is two steps; `items[]` is one.
fn steps(segments: &[&str]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for segment in segments {
        let (name, mut rest) = segment.find('[').map_or((*segment, ""), |at| segment.split_at(at));
        steps.push(Step::Member(name.to_owned()));
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']')?;
            if !index.is_empty() && index != "*" {
                steps.push(Step::Item(index.parse().ok()?));
            }
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(path: &str, record: &str) -> Vec<String> {
        let path = JsonPath::parse(path).expect("a path");
        let plan = pugmark_decode::Plan {
            projection: std::iter::once(path.leaf()).collect(),
            needles: Vec::new(),
            limits: pugmark_event::Limits::default(),
        };
        let text = format!("{{\"Records\":[{record}]}}");
        let (batches, _) = pugmark_decode::decode(text.as_bytes(), plan);
        path.of(&batches[0]).get(0)
    }

    const RECORD: &str = r#"{"eventVersion":"1.08","eventID":"1","eventTime":"2026-01-01T00:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"X","requestParameters":{"a":{"b":[{"c":1},{"c":"two"}]},"n":null},"resources":[{"ARN":"arn:aws:s3:::x"},{"ARN":"arn:aws:s3:::y"}],"other":{"z":true}}"#;

    #[test]
    fn a_path_leads_into_fields_and_beside_them() {
        assert_eq!(values("requestParameters.a.b.c", RECORD), ["1", "two"]);
        assert_eq!(values("requestParameters.a.b[1].c", RECORD), ["two"]);
        assert_eq!(values("requestparameters.a.b[].c", RECORD), ["1", "two"]);
        assert_eq!(values("eventName", RECORD), ["X"]);
        assert_eq!(values("resources[].ARN", RECORD), ["arn:aws:s3:::x", "arn:aws:s3:::y"]);
        assert_eq!(values("other.z", RECORD), ["true"]);
        assert_eq!(values("requestParameters.n", RECORD), Vec::<String>::new());
        assert_eq!(values("requestParameters.a.x", RECORD), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a..b", "a.b[x]", "a.b[0", "a.b[0]c", "evnetName", "requestParamters.bucketName"] {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
    }
}
