//! Selectors: which events a trail asks for, as the API speaks of them.
//!
//! Checks and fills in; it does not look at events, which [`Selection`] does.
//!
//! Source: AWS `CloudTrail` API Reference, `EventSelector`,
//! `AdvancedEventSelector`, `AdvancedFieldSelector`, `InsightSelector`.
//!
//! [`Selection`]: crate::Selection

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{TrailError, TrailErrorKind as Kind};

/// Basic selectors a trail may have.
pub const SELECTORS_MAX: usize = 5;
/// Data resources over all basic selectors of a trail.
pub const DATA_RESOURCES_MAX: usize = 250;
/// Values over all advanced selectors of a trail.
pub const SELECTOR_VALUES_MAX: usize = 500;

/// A basic selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EventSelector {
    /// `ReadOnly`, `WriteOnly` or `All`.
    #[serde(default)]
    pub read_write_type: ReadWriteType,
    /// Whether management events are taken.
    #[serde(default = "yes")]
    pub include_management_events: bool,
    /// The data events that are taken.
    #[serde(default)]
    pub data_resources: Vec<DataResource>,
    /// Services whose management events are left out.
    #[serde(default)]
    pub exclude_management_event_sources: Vec<String>,
}

impl Default for EventSelector {
    fn default() -> EventSelector {
        EventSelector {
            read_write_type: ReadWriteType::All,
            include_management_events: true,
            data_resources: Vec::new(),
            exclude_management_event_sources: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

/// Reads, writes or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadWriteType {
    /// Events with `readOnly` true.
    ReadOnly,
    /// All others.
    WriteOnly,
    /// Both.
    #[default]
    All,
}

/// Data events of one type of resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DataResource {
    /// Such as `AWS::S3::Object`.
    #[serde(rename = "Type")]
    pub resource_type: String,
    /// ARNs, or the beginnings of ARNs.
    #[serde(default)]
    pub values: Vec<String>,
}

/// An advanced selector: all its fields must fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AdvancedEventSelector {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One for each field.
    pub field_selectors: Vec<FieldSelector>,
}

/// Conditions on one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct FieldSelector {
    /// Such as `eventCategory`.
    pub field: String,
    /// Values that it may have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "given")]
    pub equals: Vec<String>,
    /// Beginnings that it may have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "given")]
    pub starts_with: Vec<String>,
    /// Endings that it may have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "given")]
    pub ends_with: Vec<String>,
    /// Values that it must not have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "given")]
    pub not_equals: Vec<String>,
    /// Beginnings that it must not have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "given")]
    pub not_starts_with: Vec<String>,
    /// Endings that it must not have.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "given")]
    pub not_ends_with: Vec<String>,
}

/// An empty list is no condition but a mistake; so is `null` absent.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Option::<Vec<String>>::deserialize(deserializer)? {
        Some(values) if values.is_empty() => Err(serde::de::Error::custom("a list of values is empty")),
        values => Ok(values.unwrap_or_default()),
    }
}

impl FieldSelector {
    /// A field that must have one value.
    pub fn equals(field: &str, value: &str) -> FieldSelector {
        let equals = vec![value.to_owned()];
        FieldSelector { field: field.to_owned(), equals, ..FieldSelector::default() }
    }

    /// The operators that let through.
    pub(crate) fn selects(&self) -> [&[String]; 3] {
        [&self.equals, &self.starts_with, &self.ends_with]
    }

    /// The operators that keep out.
    pub(crate) fn deselects(&self) -> [&[String]; 3] {
        [&self.not_equals, &self.not_starts_with, &self.not_ends_with]
    }

    fn values(&self) -> impl Iterator<Item = &String> {
        self.selects().into_iter().chain(self.deselects()).flatten()
    }

    /// The one value of `Equals`, if that is the only condition.
    fn only_equals(&self) -> Option<&str> {
        match &self.equals[..] {
            [value] if self.values().count() == 1 => Some(value),
            _ => None,
        }
    }
}

/// The selectors of a trail: one kind or the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selectors {
    /// `EventSelectors`.
    Basic(Vec<EventSelector>),
    /// `AdvancedEventSelectors`.
    Advanced(Vec<AdvancedEventSelector>),
}

impl Default for Selectors {
    fn default() -> Selectors {
        Selectors::Advanced(vec![AdvancedEventSelector {
            name: Some("Management events selector".to_owned()),
            field_selectors: vec![FieldSelector::equals("eventCategory", "Management")],
        }])
    }
}

impl Selectors {
    /// False for what a new trail has, written in either way.
    pub fn is_custom(&self) -> bool {
        let basic = Selectors::Basic(vec![EventSelector::default()]);
        *self != Selectors::default() && *self != basic
    }

    /// Checks them as `PutEventSelectors` does.
    ///
    /// # Errors
    /// `InvalidEventSelectorsException`.
    pub fn check(&self) -> Result<(), TrailError> {
        let checked = match self {
            Selectors::Basic(selectors) => check_basic(selectors),
            Selectors::Advanced(selectors) => check_advanced(selectors),
        };
        checked.map_err(|message| TrailError::new(Kind::InvalidEventSelectors, message))
    }
}

/// Sources that may be left out of management events.
const EXCLUDABLE: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
const BASIC_TYPES: [&str; 3] = ["AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table"];

fn check_basic(selectors: &[EventSelector]) -> Result<(), String> {
    if !(1..=SELECTORS_MAX).contains(&selectors.len()) {
        return Err(format!("Specify 1 to {SELECTORS_MAX} event selectors."));
    }
    let resources = || selectors.iter().flat_map(|selector| &selector.data_resources);
    if resources().map(|resource| resource.values.len()).sum::<usize>() > DATA_RESOURCES_MAX {
        return Err(format!("A trail takes at most {DATA_RESOURCES_MAX} data resources."));
    }
    for selector in selectors {
        let excluded = &selector.exclude_management_event_sources;
        if let Some(source) = excluded.iter().find(|source| !EXCLUDABLE.contains(&source.as_str())) {
            return Err(format!("Value {source} for ExcludeManagementEventSources is not valid."));
        }
        if !selector.include_management_events && !excluded.is_empty() {
            return Err("ExcludeManagementEventSources needs IncludeManagementEvents.".to_owned());
        }
    }
    resources().try_for_each(check_resource)
}

fn check_resource(resource: &DataResource) -> Result<(), String> {
    let DataResource { resource_type, values } = resource;
    let Some(at) = BASIC_TYPES.iter().position(|known| known == resource_type) else {
        return Err(format!("Value {resource_type} for DataResources.Type is not valid."));
    };
    let service = ["s3", "lambda", "dynamodb"][at];
    let is_good = |value: &String| {
        let mut parts = value.splitn(4, ':');
        parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some(service)
    };
    match values.iter().find(|value| !is_good(value)) {
        Some(value) => Err(format!("Value {value} for DataResources.Values is not valid.")),
        None => Ok(()),
    }
}

fn check_advanced(selectors: &[AdvancedEventSelector]) -> Result<(), String> {
    if selectors.is_empty() {
        return Err("Specify at least one advanced event selector.".to_owned());
    }
    let values =
        selectors.iter().flat_map(|selector| &selector.field_selectors).flat_map(FieldSelector::values);
    if values.count() > SELECTOR_VALUES_MAX {
        return Err(format!("Advanced event selectors take at most {SELECTOR_VALUES_MAX} values."));
    }
    selectors.iter().try_for_each(check_selector)
}

fn check_selector(selector: &AdvancedEventSelector) -> Result<(), String> {
    if selector.name.as_ref().is_some_and(|name| name.chars().count() > 1_000) {
        return Err("The name of a selector has at most 1000 characters.".to_owned());
    }
    let fields = &selector.field_selectors;
    let mut seen = BTreeSet::new();
    for field in fields {
        if !seen.insert(&field.field) {
            return Err(format!("Field {} stands twice in a selector.", field.field));
        }
        if field.values().next().is_none() {
            return Err(format!("Field {} has no condition.", field.field));
        }
        if field.values().any(|value| !(1..=2_048).contains(&value.chars().count())) {
            return Err(format!("A value of field {} has not 1 to 2048 characters.", field.field));
        }
    }
    let of = |name: &str| fields.iter().find(|field| field.field == name);
    let category = of("eventCategory").and_then(FieldSelector::only_equals);
    let Some(category) = category else {
        return Err("Field eventCategory is needed once, with one value of Equals.".to_owned());
    };
    let resource_type = of("resources.type").and_then(FieldSelector::only_equals);
    if category == "Data" && resource_type.is_none() {
        return Err("Data events need resources.type, with one value of Equals.".to_owned());
    }
    let source = of("eventSource");
    if category == "NetworkActivity" && source.is_none_or(|source| source.equals.is_empty()) {
        return Err("Network activity events need eventSource with Equals.".to_owned());
    }
    if !["Management", "Data", "NetworkActivity"].contains(&category) {
        return Err(format!("Value {category} for eventCategory is not valid on a trail."));
    }
    fields.iter().try_for_each(|field| check_field(category, field))
}

/// What each field takes, for each category of a trail.
fn check_field(category: &str, field: &FieldSelector) -> Result<(), String> {
    let name = field.field.as_str();
    let all_in = |values: &[&str]| field.values().all(|value| values.contains(&value.as_str()));
    let only = |list: &Vec<String>| field.values().count() == list.len();
    let is_good = match (category, name) {
        ("Management", "eventSource") => only(&field.not_equals) && all_in(&EXCLUDABLE),
        ("Management" | "Data", "readOnly") => only(&field.equals) && all_in(&["true", "false"]),
        ("NetworkActivity", "eventSource") => only(&field.equals),
        ("NetworkActivity", "errorCode") => only(&field.equals) && all_in(&["VpceAccessDenied"]),
        ("Data", "sessionCredentialFromConsole") => {
            field.values().count() == field.equals.len() + field.not_equals.len() && all_in(&["true"])
        }
        ("Data", "resources.ARN") => {
            field.equals.iter().chain(&field.not_equals).all(|arn| arn.starts_with("arn:"))
        }
        (_, "eventCategory")
        | ("Data", "resources.type" | "eventName" | "eventSource" | "eventType" | "userIdentity.arn")
        | ("NetworkActivity", "eventName" | "vpcEndpointId") => true,
        _ => return Err(format!("Field {name} is not valid for event category {category}.")),
    };
    if is_good {
        Ok(())
    } else {
        Err(format!("Field {name} has an operator or a value that it does not take."))
    }
}

/// Which unusual activity a trail looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InsightSelector {
    /// `ApiCallRateInsight` or `ApiErrorRateInsight`.
    pub insight_type: InsightType,
    /// Over which events; management events if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_categories: Vec<InsightCategory>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InsightType {
    /// Calls per minute.
    ApiCallRateInsight,
    /// Errors per minute.
    ApiErrorRateInsight,
}

/// Over which events it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of the API")]
pub enum InsightCategory {
    Management,
    Data,
}

/// Checks them as `PutInsightSelectors` does, and fills in what is implied.
///
/// # Errors
/// `InvalidInsightSelectorsException`.
pub(crate) fn check_insights(
    mut selectors: Vec<InsightSelector>,
) -> Result<Vec<InsightSelector>, TrailError> {
    let mut seen = BTreeSet::new();
    for selector in &mut selectors {
        if !seen.insert(selector.insight_type) {
            let message = "An Insights type stands twice.";
            return Err(TrailError::new(Kind::InvalidInsightSelectors, message));
        }
        selector.event_categories.sort_unstable();
        selector.event_categories.dedup();
        if selector.event_categories.is_empty() {
            selector.event_categories.push(InsightCategory::Management);
        }
    }
    Ok(selectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advanced(json: &str) -> Result<(), TrailErrorOrJson> {
        let selectors: Vec<AdvancedEventSelector> =
            serde_json::from_str(json).map_err(|_| TrailErrorOrJson)?;
        Selectors::Advanced(selectors).check().map_err(|_| TrailErrorOrJson)
    }

    #[derive(Debug)]
    struct TrailErrorOrJson;

    #[test]
    fn a_basic_selector_is_read_with_its_defaults_filled_in() {
        let selector: EventSelector = serde_json::from_str("{}").unwrap();
        assert_eq!(selector, EventSelector::default());
        assert_eq!(
            serde_json::to_string(&selector).unwrap(),
            r#"{"ReadWriteType":"All","IncludeManagementEvents":true,"DataResources":[],"ExcludeManagementEventSources":[]}"#
        );
    }

    #[test]
    fn excluded_sources_need_management_events_and_known_names() {
        let selector = |source: &str, include| EventSelector {
            include_management_events: include,
            exclude_management_event_sources: vec![source.to_owned()],
            ..EventSelector::default()
        };
        let check = |selector| Selectors::Basic(vec![selector]).check().is_ok();
        assert!(check(selector("kms.amazonaws.com", true)));
        assert!(!check(selector("kms.amazonaws.com", false)));
        assert!(!check(selector("s3.amazonaws.com", true)));
    }

    #[test]
    fn basic_selectors_and_their_resources_are_counted() {
        let many = |count| Selectors::Basic(vec![EventSelector::default(); count]).check().is_ok();
        assert!(many(5) && !many(6) && !many(0));
        let values = |count| {
            let resource = DataResource {
                resource_type: "AWS::S3::Object".to_owned(),
                values: vec!["arn:aws:s3:::bucket/".to_owned(); count],
            };
            Selectors::Basic(vec![EventSelector {
                data_resources: vec![resource],
                ..EventSelector::default()
            }])
        };
        assert!(values(250).check().is_ok() && values(251).check().is_err());
    }

    #[test]
    fn each_category_takes_its_own_fields() {
        let with = |category: &str, rest: &str| {
            advanced(&format!(
                r#"[{{"FieldSelectors":[{{"Field":"eventCategory","Equals":["{category}"]}}{rest}]}}]"#
            ))
        };
        let object = r#",{"Field":"resources.type","Equals":["AWS::S3::Object"]}"#;
        assert!(with("Management", "").is_ok());
        assert!(with("Management", r#",{"Field":"eventSource","NotEquals":["kms.amazonaws.com"]}"#).is_ok());
        assert!(with("Management", r#",{"Field":"eventSource","Equals":["kms.amazonaws.com"]}"#).is_err());
        assert!(with("Management", r#",{"Field":"eventName","Equals":["RunInstances"]}"#).is_err());
        assert!(with("Management", r#",{"Field":"readOnly","Equals":["yes"]}"#).is_err());
        assert!(with("Data", "").is_err());
        assert!(with("Data", object).is_ok());
        assert!(
            with("Data", &format!("{object}{}", r#",{"Field":"resources.ARN","Equals":["b/k"]}"#)).is_err()
        );
        assert!(with("NetworkActivity", "").is_err());
        assert!(with("NetworkActivity", r#",{"Field":"eventSource","Equals":["s3.amazonaws.com"]}"#).is_ok());
        assert!(with("Insight", "").is_err());
    }

    #[test]
    fn a_field_stands_once_and_says_something() {
        assert!(advanced(r#"[{"FieldSelectors":[{"Field":"eventCategory","Equals":[]}]}]"#).is_err());
        assert!(advanced(r#"[{"FieldSelectors":[{"Field":"eventCategory"}]}]"#).is_err());
        assert!(
            advanced(
                r#"[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},{"Field":"eventCategory","Equals":["Management"]}]}]"#
            )
            .is_err()
        );
    }

    #[test]
    fn only_selectors_that_differ_from_a_new_trails_are_custom() {
        assert!(!Selectors::default().is_custom());
        assert!(!Selectors::Basic(vec![EventSelector::default()]).is_custom());
        let reads = EventSelector { read_write_type: ReadWriteType::ReadOnly, ..EventSelector::default() };
        assert!(Selectors::Basic(vec![reads]).is_custom());
    }

    #[test]
    fn an_insight_without_categories_looks_at_management_events() {
        let selector =
            InsightSelector { insight_type: InsightType::ApiCallRateInsight, event_categories: vec![] };
        let checked = check_insights(vec![selector.clone()]).unwrap();
        assert_eq!(checked[0].event_categories, [InsightCategory::Management]);
        assert!(check_insights(vec![selector.clone(), selector]).is_err());
    }
}
