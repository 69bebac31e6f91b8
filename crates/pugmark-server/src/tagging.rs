//! Tags of anything that has an ARN.

use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::fault::ApiFault;
use crate::input::missing;
use crate::lake::{State, channels, stores};
use crate::pages::Page;
use crate::tags::{self, Tags};
use crate::trails;

/// Resources of one `ListTags`.
const RESOURCES_MAX: usize = 20;

/// What an ARN is of.
enum Kind {
    Trail,
    Store,
    Channel,
}

fn kind(arn: &str) -> Result<Kind, ApiFault> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "cloudtrail", _, _, resource] = parts[..] else {
        return Err(ApiFault::new("CloudTrailARNInvalidException", format!("The ARN {arn} is not valid.")));
    };
    match resource.split_once('/').map(|(kind, _)| kind) {
        Some("trail") => Ok(Kind::Trail),
        Some("eventdatastore") => Ok(Kind::Store),
        Some("channel") => Ok(Kind::Channel),
        Some("dashboard") => {
            Err(ApiFault::new("ResourceTypeNotSupportedException", "Dashboards have no tags here."))
        }
        _ => Err(ApiFault::new("CloudTrailARNInvalidException", format!("The ARN {arn} is not valid."))),
    }
}

pub(crate) fn add(call: &Call<'_>) -> Outcome {
    let (arn, given) = (call.input.needed("ResourceId")?, tags::read(call.input, "TagsList")?);
    if given.is_empty() {
        return Err(missing("TagsList"));
    }
    if let Kind::Trail = kind(arn)? {
        return trails::add_tags(call, arn);
    }
    change(call, arn, |tags| {
        tags.extend(given);
        tags::check_count(tags)
    })
}

pub(crate) fn remove(call: &Call<'_>) -> Outcome {
    let (arn, given) = (call.input.needed("ResourceId")?, tags::read(call.input, "TagsList")?);
    if let Kind::Trail = kind(arn)? {
        return trails::remove_tags(call, arn);
    }
    change(call, arn, |tags| {
        tags.retain(|key, _| !given.contains_key(key));
        Ok(())
    })
}

fn change(call: &Call<'_>, arn: &str, change: impl FnOnce(&mut Tags) -> Result<(), ApiFault>) -> Outcome {
    call.app.lake.change(|state| {
        let tags = tags_of(state, call, arn)?;
        let id = arn.rsplit('/').next().unwrap_or_default().to_owned();
        let mut tags = tags.clone();
        change(&mut tags)?;
        if let Some(store) = state.stores.get_mut(&id) {
            store.tags = tags;
        } else if let Some(channel) = state.channels.get_mut(&id) {
            channel.tags = tags;
        }
        Ok(json!({}))
    })
}

fn tags_of<'a>(state: &'a State, call: &Call<'_>, arn: &str) -> Result<&'a Tags, ApiFault> {
    if let Kind::Channel = kind(arn)? {
        return Ok(&channels::find(state, arn)?.tags);
    }
    let store = stores::find(state, arn, &call.caller.region)?;
    store.check_active()?;
    Ok(&store.tags)
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    let arns = call.input.texts("ResourceIdList")?.ok_or_else(|| missing("ResourceIdList"))?;
    if !(1..=RESOURCES_MAX).contains(&arns.len()) {
        let message = format!("`ResourceIdList` has 1 to {RESOURCES_MAX} ARNs");
        return Err(ApiFault::new("ValidationException", message));
    }
    let page = Page::read(call, RESOURCES_MAX, RESOURCES_MAX).map_err(|fault| match fault.code {
        "InvalidNextTokenException" => ApiFault::new("InvalidTokenException", fault.message),
        _ => fault,
    })?;
    let mut found = Vec::new();
    for arn in &arns {
        let list: Value = match kind(arn)? {
            Kind::Trail => json!(trails::tags(call, arn)?),
            _ => call.app.lake.read(|state| tags_of(state, call, arn).map(tags::list))?,
        };
        found.push(json!({ "ResourceId": arn, "TagsList": list }));
    }
    Ok(page.cut(call, "ResourceTagList", found))
}
