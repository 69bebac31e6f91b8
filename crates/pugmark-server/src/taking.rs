//! Which events an event data store takes.
//!
//! Stores have the selectors of trails, with more categories and more fields.
//! Source: AWS `CloudTrail` API Reference, `AdvancedEventSelector`.

use std::collections::BTreeSet;

use pugmark_trail::{AdvancedEventSelector, Facts};
use serde_json::Value;

use crate::fault::ApiFault;

const SELECTORS_MAX: usize = 5;
const VALUES_MAX: usize = 500;

/// Categories, and the fields that go with each beside `eventCategory`.
const FIELDS: [(&str, &[&str]); 7] = [
    (
        "Management",
        &[
            "eventName",
            "eventType",
            "eventSource",
            "userIdentity.arn",
            "sessionCredentialFromConsole",
            "readOnly",
        ],
    ),
    (
        "Data",
        &[
            "resources.type",
            "readOnly",
            "eventName",
            "resources.ARN",
            "eventSource",
            "eventType",
            "userIdentity.arn",
            "sessionCredentialFromConsole",
        ],
    ),
    ("NetworkActivity", &["eventSource", "eventName", "vpcEndpointId", "errorCode"]),
    ("Insight", &[]),
    ("ConfigurationItem", &[]),
    ("Evidence", &[]),
    ("ActivityAuditLog", &[]),
];

/// The selectors as they are kept, once they are known to be good.
///
/// # Errors
/// `InvalidEventSelectorsException`.
pub(crate) fn checked(given: &[Value]) -> Result<Value, ApiFault> {
    let fault = |message: String| ApiFault::new("InvalidEventSelectorsException", message);
    let selectors = read(given).map_err(fault)?;
    if !(1..=SELECTORS_MAX).contains(&selectors.len()) {
        return Err(fault(format!("Specify 1 to {SELECTORS_MAX} advanced event selectors.")));
    }
    let mut values = 0;
    for selector in &selectors {
        values += check(selector).map_err(fault)?;
    }
    if values > VALUES_MAX {
        return Err(fault(format!("Advanced event selectors take at most {VALUES_MAX} values.")));
    }
    serde_json::to_value(selectors).map_err(|_| ApiFault::internal())
}

fn read(given: &[Value]) -> Result<Vec<AdvancedEventSelector>, String> {
    let one = |value: &Value| serde_json::from_value(value.clone()).map_err(|error| error.to_string());
    given.iter().map(one).collect()
}

/// Whether any of the kept `selectors` takes an event of these facts.
pub(crate) fn takes(selectors: &Value, facts: &Facts<'_>) -> bool {
    let selectors = selectors.as_array().map_or(&[][..], Vec::as_slice);
    let category = facts.category();
    // They were checked before they were kept.
    read(selectors).is_ok_and(|selectors| selectors.iter().any(|one| one.matches(category, facts)))
}

/// Checks one selector, and counts its values.
fn check(selector: &AdvancedEventSelector) -> Result<usize, String> {
    let mut seen = BTreeSet::new();
    let mut values = 0;
    for field in &selector.field_selectors {
        if !seen.insert(field.field.as_str()) {
            return Err(format!("Field {} stands twice in a selector.", field.field));
        }
        let lists = [
            &field.equals,
            &field.starts_with,
            &field.ends_with,
            &field.not_equals,
            &field.not_starts_with,
            &field.not_ends_with,
        ];
        let count: usize = lists.iter().map(|list| list.len()).sum();
        if count == 0 {
            return Err(format!("Field {} has no condition.", field.field));
        }
        values += count;
    }
    let only = |name: &str| {
        let field = selector.field_selectors.iter().find(|field| field.field == name)?;
        if let [value] = &field.equals[..] { Some(value.as_str()) } else { None }
    };
    let Some(category) = only("eventCategory") else {
        return Err("Field eventCategory is needed once, with one value of Equals.".to_owned());
    };
    let Some((_, fields)) = FIELDS.iter().find(|(name, _)| *name == category) else {
        return Err(format!("Value {category} for eventCategory is not valid."));
    };
    if category == "Data" && only("resources.type").is_none() {
        return Err("Data events need resources.type, with one value of Equals.".to_owned());
    }
    let foreign = seen.iter().find(|name| **name != "eventCategory" && !fields.contains(name));
    match foreign {
        Some(name) => Err(format!("Field {name} is not valid for event category {category}.")),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(fields: &Value) -> Result<Value, ApiFault> {
        checked(&[json!({ "FieldSelectors": fields })])
    }

    #[test]
    fn a_category_is_needed() {
        assert!(one(&json!([{ "Field": "eventCategory", "Equals": ["Management"] }])).is_ok());
        let fault = one(&json!([{ "Field": "readOnly", "Equals": ["true"] }])).unwrap_err();
        assert_eq!(fault.code, "InvalidEventSelectorsException");
    }

    #[test]
    fn a_field_of_another_category_is_refused() {
        let fields = json!([
            { "Field": "eventCategory", "Equals": ["Management"] },
            { "Field": "resources.ARN", "Equals": ["arn:aws:s3:::a/b"] },
        ]);
        assert!(one(&fields).is_err());
    }

    #[test]
    fn a_store_takes_what_its_selectors_take() {
        let fields = json!([
            { "Field": "eventCategory", "Equals": ["Management"] },
            { "Field": "eventName", "StartsWith": ["Delete"] },
        ]);
        let selectors = one(&fields).unwrap();
        let facts = |name: &str| {
            let record = json!({ "eventCategory": "Management", "eventName": name }).to_string();
            takes(&selectors, &Facts::read(&record).unwrap())
        };
        assert!(facts("DeleteTrail") && !facts("CreateTrail"));
    }
}
