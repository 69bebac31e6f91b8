//! Channels: through which events of other applications come into stores.
//!
//! Source: AWS `CloudTrail` API Reference, `CreateChannel` and its neighbours.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Call, Outcome, new_id};
use crate::fault::ApiFault;
use crate::input::{Input, missing};
use crate::lake::{State, stores};
use crate::pages::Page;
use crate::tags::{self, Tags};

/// Channels of one Region.
const CHANNELS_MAX: usize = 25;

/// One channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Channel {
    pub(crate) arn: String,
    name: String,
    source: String,
    region: String,
    /// ARNs of stores.
    destinations: Vec<String>,
    pub(crate) tags: Tags,
}

impl Channel {
    /// Whether it leads to the store with this ARN.
    pub(crate) fn feeds(&self, store: &str) -> bool {
        self.destinations.iter().any(|arn| arn == store)
    }

    fn describe(&self) -> Value {
        let destination = |arn: &String| json!({ "Type": "EVENT_DATA_STORE", "Location": arn });
        json!({
            "ChannelArn": self.arn,
            "Name": self.name,
            "Source": self.source,
            "Destinations": self.destinations.iter().map(destination).collect::<Vec<_>>(),
        })
    }
}

/// The channel that `text`, an ARN or an id, names.
pub(crate) fn find<'a>(state: &'a State, text: &str) -> Result<&'a Channel, ApiFault> {
    let id = id_of(text)?;
    state
        .channels
        .get(&id)
        .ok_or_else(|| ApiFault::new("ChannelNotFoundException", "The channel could not be found."))
}

fn id_of(text: &str) -> Result<String, ApiFault> {
    let id =
        if text.starts_with("arn:") { text.split_once(":channel/").map(|(_, id)| id) } else { Some(text) };
    let id = id.filter(|id| pugmark_event::is_uuid(id)).map(ToOwned::to_owned);
    id.ok_or_else(|| {
        ApiFault::new(
            "ChannelARNInvalidException",
            format!("`{text}` is neither the ARN nor the id of a channel"),
        )
    })
}

fn destinations(state: &State, input: &Input, region: &str) -> Result<Option<Vec<String>>, ApiFault> {
    let Some(given) = input.list("Destinations")? else { return Ok(None) };
    if given.is_empty() || given.len() > 200 {
        return Err(ApiFault::parameter("a channel has 1 to 200 destinations"));
    }
    let mut arns = Vec::new();
    for destination in given {
        let destination = Input::of(destination, "Destinations")?;
        if destination.needed("Type")? != "EVENT_DATA_STORE" {
            return Err(ApiFault::parameter("the destination of a channel must be of type EVENT_DATA_STORE"));
        }
        let store = stores::find(state, destination.needed("Location")?, region)?;
        store.check_active()?;
        if store.category() != Some("ActivityAuditLog") {
            let message = "A channel needs an event data store of category ActivityAuditLog.";
            return Err(ApiFault::new("InvalidEventDataStoreCategoryException", message));
        }
        arns.push(store.arn.clone());
    }
    Ok(Some(arns))
}

fn check_name(name: &str) -> Result<(), ApiFault> {
    stores::check_name(name)
}

fn check_unique(state: &State, name: &str, region: &str) -> Result<(), ApiFault> {
    if state.channels.values().any(|channel| channel.name == name && channel.region == region) {
        let message = format!("A channel named `{name}` exists already.");
        return Err(ApiFault::new("ChannelAlreadyExistsException", message));
    }
    Ok(())
}

pub(crate) fn create(call: &Call<'_>) -> Outcome {
    let (input, region) = (call.input, &call.caller.region);
    let (name, source) = (input.needed("Name")?, input.needed("Source")?);
    check_name(name)?;
    if !(1..=256).contains(&source.len()) {
        return Err(ApiFault::new(
            "InvalidSourceException",
            "The source of a channel has 1 to 256 characters.",
        ));
    }
    let tags = tags::read(input, "Tags")?;
    let id = new_id()?;
    call.app.lake.change(|state| {
        check_unique(state, name, region)?;
        if state.channels.len() >= CHANNELS_MAX {
            let message = format!("There may be at most {CHANNELS_MAX} channels.");
            return Err(ApiFault::new("ChannelMaxLimitExceededException", message));
        }
        let channel = Channel {
            arn: format!("arn:aws:cloudtrail:{region}:{}:channel/{id}", call.caller.account),
            name: name.to_owned(),
            source: source.to_owned(),
            region: region.clone(),
            destinations: destinations(state, input, region)?.ok_or_else(|| missing("Destinations"))?,
            tags,
        };
        let mut answer = channel.describe();
        if !channel.tags.is_empty() {
            answer["Tags"] = tags::list(&channel.tags);
        }
        state.channels.insert(id, channel);
        Ok(answer)
    })
}

pub(crate) fn get(call: &Call<'_>) -> Outcome {
    let text = call.input.needed("Channel")?;
    call.app.lake.read(|state| {
        let mut answer = find(state, text)?.describe();
        answer["SourceConfig"] = json!({ "ApplyToAllRegions": false });
        answer["IngestionStatus"] = json!({});
        Ok(answer)
    })
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    let page = Page::read(call, 1_000, 1_000)?;
    let found: Vec<Value> = call.app.lake.read(|state| {
        let own = state.channels.values().filter(|channel| channel.region == call.caller.region);
        own.map(|channel| json!({ "ChannelArn": channel.arn, "Name": channel.name })).collect()
    });
    Ok(page.cut(call, "Channels", found))
}

pub(crate) fn update(call: &Call<'_>) -> Outcome {
    let (input, region) = (call.input, &call.caller.region);
    let text = input.needed("Channel")?;
    call.app.lake.change(|state| {
        let mut channel = find(state, text)?.clone();
        if let Some(name) = input.text("Name")? {
            check_name(name)?;
            if channel.name != name {
                check_unique(state, name, region)?;
            }
            name.clone_into(&mut channel.name);
        }
        if let Some(destinations) = destinations(state, input, region)? {
            channel.destinations = destinations;
        }
        let answer = channel.describe();
        state.channels.insert(id_of(text)?, channel);
        Ok(answer)
    })
}

pub(crate) fn delete(call: &Call<'_>) -> Outcome {
    let text = call.input.needed("Channel")?;
    call.app.lake.change(|state| {
        find(state, text)?;
        state.channels.remove(&id_of(text)?);
        Ok(json!({}))
    })
}
