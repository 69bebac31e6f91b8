//! Resource policies of event data stores and channels: kept and shown.
//!
//! Roles of access keys decide who may call; a policy is configuration here.

use serde_json::json;

use crate::call::{Call, Outcome};
use crate::fault::ApiFault;
use crate::lake::{channels, stores};

/// Whether the ARN is of something that has policies, and is there.
fn check(call: &Call<'_>, arn: &str) -> Result<(), ApiFault> {
    call.app
        .lake
        .read(|state| match arn.splitn(6, ':').nth(5).and_then(|resource| resource.split('/').next()) {
            Some("channel") => channels::find(state, arn).map(|_| ()),
            Some("eventdatastore") => stores::find(state, arn, &call.caller.region).map(|_| ()),
            // Whatever else it is, the rules of policies name the fault.
            _ => Ok(()),
        })
        .map_err(|fault| match fault.code {
            "ChannelNotFoundException" | "EventDataStoreNotFoundException" => {
                ApiFault::new("ResourceNotFoundException", fault.message)
            }
            _ => ApiFault::new("ResourceARNNotValidException", fault.message),
        })
}

pub(crate) fn put(call: &Call<'_>) -> Outcome {
    let (arn, policy) = (call.input.needed("ResourceArn")?, call.input.needed("ResourcePolicy")?);
    check(call, arn)?;
    call.app.desk.service.put_policy(arn, policy)?;
    Ok(json!({ "ResourceArn": arn, "ResourcePolicy": policy }))
}

pub(crate) fn get(call: &Call<'_>) -> Outcome {
    let arn = call.input.needed("ResourceArn")?;
    check(call, arn)?;
    call.app.desk.read(|trails| Ok(json!({ "ResourceArn": arn, "ResourcePolicy": trails.policy(arn)? })))
}

pub(crate) fn delete(call: &Call<'_>) -> Outcome {
    let arn = call.input.needed("ResourceArn")?;
    check(call, arn)?;
    call.app.desk.service.delete_policy(arn)?;
    Ok(json!({}))
}
