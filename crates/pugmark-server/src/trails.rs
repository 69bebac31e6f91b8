//! Trails: from members of requests to the rules of `pugmark-trail`, and back.

use pugmark_trail::{
    CreateTrail, EventConfiguration, InsightSelector, KeyRecord, Selectors, Tag, Trail, TrailConfig,
    TrailError, TrailErrorKind, UpdateTrail,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome};
use crate::fault::ApiFault;
use crate::input::{Input, missing};
use crate::operations::one_of;
use crate::pages::{self, Page};

impl From<TrailError> for ApiFault {
    fn from(error: TrailError) -> ApiFault {
        match error.kind {
            // Its text may name a path of ours.
            TrailErrorKind::InternalError => ApiFault::internal(),
            _ => ApiFault::new(error.code(), error.message),
        }
    }
}

/// The request as the type that trails read.
fn request<T: DeserializeOwned>(input: &Input) -> Result<T, ApiFault> {
    // Null is as good as absent.
    let members: Map<String, Value> = input
        .members()
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    serde_json::from_value(Value::Object(members))
        .map_err(|error| ApiFault::new("SerializationException", error.to_string()))
}

fn member<T: DeserializeOwned>(input: &Input, name: &str, code: &'static str) -> Result<Option<T>, ApiFault> {
    let Some(value) = input.get(name) else { return Ok(None) };
    serde_json::from_value(value.clone())
        .map(Some)
        .map_err(|error| ApiFault::new(code, format!("`{name}` is not valid: {error}")))
}

/// The trail as `CreateTrail` and `UpdateTrail` answer it.
fn made(config: &TrailConfig) -> Value {
    let mut answer = shown(config);
    if let Some(members) = answer.as_object_mut() {
        for name in ["HomeRegion", "HasCustomEventSelectors", "HasInsightSelectors"] {
            members.remove(name);
        }
    }
    answer
}

fn shown(config: &TrailConfig) -> Value {
    // A configuration is texts and flags, which JSON has.
    serde_json::to_value(config).unwrap_or_else(|_| json!({}))
}

pub(crate) fn create(call: &Call<'_>) -> Outcome {
    call.input.needed("Name")?;
    call.input.needed("S3BucketName")?;
    let request: CreateTrail = request(call.input)?;
    let trail = call.app.desk.create(call, &request)?;
    Ok(made(&trail.config))
}

pub(crate) fn update(call: &Call<'_>) -> Outcome {
    call.input.needed("Name")?;
    let request: UpdateTrail = request(call.input)?;
    let trail = call.app.desk.update(call, &request)?;
    Ok(made(&trail.config))
}

pub(crate) fn delete(call: &Call<'_>) -> Outcome {
    let name = call.input.needed("Name")?;
    call.app.desk.service.delete_trail(&call.trail_caller(), name)?;
    Ok(json!({}))
}

pub(crate) fn get(call: &Call<'_>) -> Outcome {
    let name = call.input.needed("Name")?;
    call.app
        .desk
        .read(|trails| Ok(json!({ "Trail": shown(&trails.get(&call.trail_caller(), name)?.config) })))
}

pub(crate) fn describe(call: &Call<'_>) -> Outcome {
    let names = call.input.texts("trailNameList")?.unwrap_or_default();
    let with_shadows = call.input.flag("includeShadowTrails")?.unwrap_or(true);
    call.app.desk.read(|trails| {
        let found = trails.describe(&call.trail_caller(), &names, with_shadows)?;
        let list: Vec<Value> = found.iter().map(|trail| shown(&trail.config)).collect();
        Ok(json!({ "trailList": list }))
    })
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    let page = Page::read(call, 1_000, 1_000)?;
    let found: Vec<Value> = call.app.desk.read(|trails| {
        let item = |trail: &&Trail| {
            let TrailConfig { trail_arn, name, home_region, .. } = &trail.config;
            json!({ "TrailARN": trail_arn, "Name": name, "HomeRegion": home_region })
        };
        trails.list(&call.trail_caller()).iter().map(item).collect()
    });
    Ok(page.cut(call, "Trails", found))
}

pub(crate) fn status(call: &Call<'_>) -> Outcome {
    let name = call.input.needed("Name")?;
    let status = call.app.desk.service.status(&call.trail_caller(), name)?;
    serde_json::to_value(status).map_err(|_| ApiFault::internal())
}

pub(crate) fn start_logging(call: &Call<'_>) -> Outcome {
    let name = call.input.needed("Name")?;
    call.app.desk.service.start_logging(&call.trail_caller(), name)?;
    Ok(json!({}))
}

pub(crate) fn stop_logging(call: &Call<'_>) -> Outcome {
    let name = call.input.needed("Name")?;
    call.app.desk.service.stop_logging(&call.trail_caller(), name)?;
    Ok(json!({}))
}

fn selectors(trail: &Trail) -> Value {
    let mut answer = json!({ "TrailARN": trail.config.trail_arn });
    match &trail.selectors {
        Selectors::Basic(selectors) => answer["EventSelectors"] = json!(selectors),
        Selectors::Advanced(selectors) => answer["AdvancedEventSelectors"] = json!(selectors),
    }
    answer
}

pub(crate) fn get_selectors(call: &Call<'_>) -> Outcome {
    let name = call.input.needed("TrailName")?;
    call.app.desk.read(|trails| Ok(selectors(trails.get(&call.trail_caller(), name)?)))
}

pub(crate) fn put_selectors(call: &Call<'_>) -> Outcome {
    const CODE: &str = "InvalidEventSelectorsException";
    let name = call.input.needed("TrailName")?;
    let basic = member(call.input, "EventSelectors", CODE)?;
    let advanced = member(call.input, "AdvancedEventSelectors", CODE)?;
    let given = match (basic, advanced) {
        (Some(basic), None) => Selectors::Basic(basic),
        (None, Some(advanced)) => Selectors::Advanced(advanced),
        _ => return Err(ApiFault::new(CODE, "Specify either EventSelectors or AdvancedEventSelectors.")),
    };
    let trail = call.app.desk.service.put_selectors(&call.trail_caller(), name, given)?;
    Ok(selectors(&trail))
}

fn insights(trail: &Trail) -> Value {
    json!({ "TrailARN": trail.config.trail_arn, "InsightSelectors": trail.insights })
}

/// The trail that the request names; for stores there are no Insights here.
fn trail_name<'a>(call: &Call<'a>) -> Result<&'a str, ApiFault> {
    match (call.input.text("TrailName")?, call.input.text("EventDataStore")?) {
        (Some(name), None) => Ok(name),
        (None, Some(_)) => {
            Err(ApiFault::unsupported("This is supported here for trails, not for event data stores."))
        }
        _ => Err(one_of("TrailName", "EventDataStore")),
    }
}

pub(crate) fn get_insights(call: &Call<'_>) -> Outcome {
    let name = trail_name(call)?;
    call.app.desk.read(|trails| Ok(insights(trails.insights(&call.trail_caller(), name)?)))
}

pub(crate) fn put_insights(call: &Call<'_>) -> Outcome {
    let name = trail_name(call)?;
    let given: Option<Vec<InsightSelector>> =
        member(call.input, "InsightSelectors", "InvalidInsightSelectorsException")?;
    let given = given.ok_or_else(|| missing("InsightSelectors"))?;
    let trail = call.app.desk.service.put_insights(&call.trail_caller(), name, given)?;
    Ok(insights(&trail))
}

fn configuration(trail: &Trail) -> Value {
    let mut answer = json!(trail.events);
    if trail.events.max_event_size.is_none() {
        answer["MaxEventSize"] = json!("Standard");
    }
    answer["TrailARN"] = json!(trail.config.trail_arn);
    answer
}

pub(crate) fn get_configuration(call: &Call<'_>) -> Outcome {
    let name = trail_name(call)?;
    call.app.desk.read(|trails| Ok(configuration(trails.get(&call.trail_caller(), name)?)))
}

pub(crate) fn put_configuration(call: &Call<'_>) -> Outcome {
    let name = trail_name(call)?;
    let given: EventConfiguration = request(call.input)?;
    let trail = call.app.desk.service.put_configuration(&call.trail_caller(), name, given)?;
    Ok(configuration(&trail))
}

/// Tags of a trail.
pub(crate) fn tags(call: &Call<'_>, arn: &str) -> Result<Vec<Tag>, ApiFault> {
    call.app.desk.read(|trails| Ok(trails.tags(&call.trail_caller(), arn)?))
}

pub(crate) fn add_tags(call: &Call<'_>, arn: &str) -> Outcome {
    let given: Vec<Tag> = member(call.input, "TagsList", "InvalidTagParameterException")?.unwrap_or_default();
    call.app.desk.service.add_tags(&call.trail_caller(), arn, &given)?;
    Ok(json!({}))
}

pub(crate) fn remove_tags(call: &Call<'_>, arn: &str) -> Outcome {
    let given: Vec<Tag> = member(call.input, "TagsList", "InvalidTagParameterException")?.unwrap_or_default();
    call.app.desk.service.remove_tags(&call.trail_caller(), arn, &given)?;
    Ok(json!({}))
}

pub(crate) fn public_keys(call: &Call<'_>) -> Outcome {
    let (since, until) = (call.input.time("StartTime")?, call.input.time("EndTime")?);
    let page = Page::read(call, 1_000, 1_000).map_err(|fault| match fault.code {
        "InvalidNextTokenException" => ApiFault::new("InvalidTokenException", fault.message),
        _ => fault,
    })?;
    let keys = call.app.desk.service.public_keys(&call.caller.region, since, until)?;
    let item = |key: &KeyRecord| {
        json!({
            "Value": key.value,
            "ValidityStartTime": pages::time(key.since),
            "ValidityEndTime": pages::time(key.until),
            "Fingerprint": key.fingerprint,
        })
    };
    Ok(page.cut(call, "PublicKeyList", keys.iter().map(item).collect()))
}
