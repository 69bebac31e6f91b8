//! Texts inside a record, each with the member that holds it.
//!
//! Not what they mean: that is the reader's matter.

use serde_json::Value;

/// Deepest member that is looked at; a log is not trusted to be shallow.
const DEPTH_MAX: u8 = 24;

/// Calls `look` with every text below `value` and the nearest member name above it.
pub(crate) fn texts<'v>(value: &'v Value, look: &mut impl FnMut(&'v str, &'v str)) {
    below(value, "", 0, look);
}

/// The text at a path of members; empty texts count as absent.
pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, member| value.get(member))?.as_str().filter(|text| !text.is_empty())
}

/// The record of a row, as delivered; `None` if it was not decoded or is no JSON object.
pub(crate) fn record(raw: Option<&str>) -> Option<Value> {
    // What is no JSON names nothing; the decoder has told of it as a defect already.
    serde_json::from_str(raw?).ok().filter(Value::is_object)
}

/// `Create` of `CreateBucket`.
pub(crate) fn verb(event: &str) -> &str {
    let second = event.char_indices().skip(1).find(|(_, letter)| letter.is_ascii_uppercase());
    event.split_at(second.map_or(event.len(), |(at, _)| at)).0
}

/// `CreateFunction` of `CreateFunction20150331v2`: Lambda and `CloudFront` write the date of their API behind the name.
pub(crate) fn without_version(name: &str) -> &str {
    let bare =
        name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '_' || letter == 'v');
    let is_date =
        name.get(bare.len()..).is_some_and(|rest| rest.bytes().filter(u8::is_ascii_digit).count() >= 8);
    if is_date { bare } else { name }
}

fn below<'v>(value: &'v Value, member: &'v str, depth: u8, look: &mut impl FnMut(&'v str, &'v str)) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) if !text.is_empty() => look(member, text),
        Value::Array(items) => items.iter().for_each(|item| below(item, member, depth + 1, look)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| below(value, name, depth + 1, look));
        }
        _ => {}
    }
}
