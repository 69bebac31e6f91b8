//! Tags of event data stores and channels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fault::ApiFault;
use crate::input::{Input, missing};

/// Tags of one resource.
const TAGS_MAX: usize = 50;

/// Key and value; a value may be absent.
pub(crate) type Tags = BTreeMap<String, Option<String>>;

/// Reads a list of `{Key, Value}`; absent is empty.
pub(crate) fn read(input: &Input, name: &str) -> Result<Tags, ApiFault> {
    let mut tags = Tags::new();
    for tag in input.list(name)?.unwrap_or_default() {
        let tag = Input::of(tag, name)?;
        let key = tag.text("Key")?.ok_or_else(|| missing("Key"))?;
        let value = tag.text("Value")?;
        if !(1..=128).contains(&key.chars().count())
            || value.is_some_and(|value| value.chars().count() > 256)
            || key.starts_with("aws:")
        {
            let message = "a tag needs a key of 1 to 128 characters, not beginning with `aws:`, and a value of at most 256";
            return Err(ApiFault::new("InvalidTagParameterException", message));
        }
        if tags.insert(key.to_owned(), value.map(ToOwned::to_owned)).is_some() {
            return Err(ApiFault::new(
                "InvalidTagParameterException",
                format!("the key `{key}` stands twice"),
            ));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

/// Refuses more tags than a resource may have.
pub(crate) fn check_count(tags: &Tags) -> Result<(), ApiFault> {
    if tags.len() > TAGS_MAX {
        return Err(ApiFault::new(
            "TagsLimitExceededException",
            format!("A resource has at most {TAGS_MAX} tags."),
        ));
    }
    Ok(())
}

/// As answers list them.
pub(crate) fn list(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| match value {
            Some(value) => json!({ "Key": key, "Value": value }),
            None => json!({ "Key": key }),
        })
        .collect()
}
