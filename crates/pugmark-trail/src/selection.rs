//! Selectors at work: whether a trail takes an event.
//!
//! Values are compared as they stand in the record, with regard to case; no
//! value is a pattern.
//!
//! Source: AWS `CloudTrail` User Guide, "Filtering data events by using advanced
//! event selectors", "Logging management events", "Logging data events".

use std::borrow::Cow;

use crate::record::{Category, Facts, Resource};
use crate::selector::{
    AdvancedEventSelector, DataResource, EventSelector, FieldSelector, InsightSelector, ReadWriteType,
    Selectors,
};

/// What a trail has selected.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// Its event selectors.
    pub selectors: &'a Selectors,
    /// Its insight selectors.
    pub insights: &'a [InsightSelector],
}

impl Selection<'_> {
    /// True if an event of these facts is taken.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        match facts.category() {
            Category::Insight => !self.insights.is_empty(),
            // Integrations write to event data stores, never to trails.
            Category::ActivityAuditLog => false,
            category => self.selectors.matches(category, facts),
        }
    }
}

impl Selectors {
    /// True if any selector takes an event of this category and these facts.
    pub fn matches(&self, category: Category, facts: &Facts<'_>) -> bool {
        match self {
            Selectors::Basic(selectors) => selectors.iter().any(|one| takes_basic(one, category, facts)),
            Selectors::Advanced(selectors) => selectors.iter().any(|one| one.matches(category, facts)),
        }
    }
}

fn takes_basic(selector: &EventSelector, category: Category, facts: &Facts<'_>) -> bool {
    let fits = match selector.read_write_type {
        ReadWriteType::All => true,
        ReadWriteType::ReadOnly => !facts.is_write(),
        ReadWriteType::WriteOnly => facts.is_write(),
    };
    let source = facts.event_source.as_deref().unwrap_or_default();
    fits && match category {
        Category::Management => {
            let excluded = &selector.exclude_management_event_sources;
            selector.include_management_events && !excluded.iter().any(|one| one == source)
        }
        Category::Data | Category::Aggregated => {
            selector.data_resources.iter().any(|resource| takes_resource(resource, facts))
        }
        _ => false,
    }
}

fn takes_resource(wanted: &DataResource, facts: &Facts<'_>) -> bool {
    let resources = facts.resources.as_deref().unwrap_or_default();
    let is_s3 = wanted.resource_type == "AWS::S3::Object";
    let of_type = |resource: &&Resource<'_>| resource.resource_type.as_deref() == Some(&wanted.resource_type);
    resources.iter().filter(of_type).any(|resource| {
        let arn = resource.arn.as_deref().or(resource.arn_prefix.as_deref()).unwrap_or_default();
        wanted.values.iter().any(|value| {
            // `arn:aws:s3`, without a resource, is all of them.
            let is_all = value.splitn(4, ':').count() == 3;
            let is_whole_bucket = is_s3 && !value.contains('/') && arn.starts_with(&format!("{value}/"));
            let is_within =
                is_s3 && (value.contains('/') || value.ends_with(':')) && arn.starts_with(value.as_str());
            is_all || is_whole_bucket || is_within || arn == value
        })
    })
}

impl AdvancedEventSelector {
    /// True if every field fits.
    pub fn matches(&self, category: Category, facts: &Facts<'_>) -> bool {
        self.field_selectors.iter().all(|field| match field.field.as_str() {
            "resources.ARN" => self.matches_arn(field, facts),
            "resources.type" => {
                let resources = facts.resources.as_deref().unwrap_or_default();
                let types = || resources.iter().filter_map(|resource| resource.resource_type.as_deref());
                passes_any(field, types)
            }
            _ => passes(field, value_of(&field.field, category, facts).as_deref()),
        })
    }

    /// The ARN is that of the resource of the selected type.
    fn matches_arn(&self, field: &FieldSelector, facts: &Facts<'_>) -> bool {
        let wanted = self.field_selectors.iter().find(|other| other.field == "resources.type");
        let is_wanted = |resource: &&Resource<'_>| {
            wanted.is_none_or(|wanted| passes(wanted, resource.resource_type.as_deref()))
        };
        let resources = facts.resources.as_deref().unwrap_or_default();
        let arns = || {
            let arn = |resource: &'_ Resource<'_>| resource.arn.is_some() || resource.arn_prefix.is_some();
            let wanted = resources.iter().filter(is_wanted).filter(move |one| arn(one));
            wanted.filter_map(|one| one.arn.as_deref().or(one.arn_prefix.as_deref()))
        };
        passes_any(field, arns)
    }
}

fn value_of<'a>(field: &str, category: Category, facts: &'a Facts<'_>) -> Option<Cow<'a, str>> {
    let text = |value: &'a Option<Cow<'_, str>>| value.as_deref().map(Cow::Borrowed);
    match field {
        "eventCategory" => Some(Cow::Borrowed(category.name())),
        "readOnly" => Some(Cow::Borrowed(if facts.is_write() { "false" } else { "true" })),
        "eventName" => text(&facts.event_name),
        "eventSource" => text(&facts.event_source),
        "eventType" => text(&facts.event_type),
        "errorCode" => text(&facts.error_code),
        "vpcEndpointId" => text(&facts.vpc_endpoint_id),
        "sessionCredentialFromConsole" => text(&facts.session_credential_from_console),
        "userIdentity.arn" => facts.user_identity.as_ref().and_then(|identity| text(&identity.arn)),
        _ => None,
    }
}

/// One value against a field's conditions; what is absent is not selected,
/// and not kept out.
fn passes(field: &FieldSelector, value: Option<&str>) -> bool {
    passes_any(field, || value.into_iter())
}

/// Selected if any value is; kept out if any value is.
fn passes_any<'v, I: Iterator<Item = &'v str>>(field: &FieldSelector, values: impl Fn() -> I) -> bool {
    let hits = |[equals, starts, ends]: [&[String]; 3], value: &str| {
        equals.iter().any(|one| one == value)
            || starts.iter().any(|one| value.starts_with(one.as_str()))
            || ends.iter().any(|one| value.ends_with(one.as_str()))
    };
    let selects = field.selects();
    let is_selected =
        selects.iter().all(|list| list.is_empty()) || values().any(|value| hits(selects, value));
    is_selected && !values().any(|value| hits(field.deselects(), value))
}

#[cfg(test)]
mod tests;
