//! The record of a call of this API, as the service records its own.
//!
//! Source: AWS `CloudTrail` User Guide, "Logging `CloudTrail` API calls by
//! using `CloudTrail`", and "`CloudTrail` record contents".

use pugmark_event::format_time;
use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome};

/// What is known of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) address: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) request_id: &'a str,
}

/// The record, without an `eventID`: that is given when it is accepted.
pub(crate) fn record(call: &Call<'_>, source: Source<'_>, is_read: bool, outcome: &Outcome) -> String {
    let caller = call.caller;
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": identity(call),
        "eventTime": format_time(call.now - call.now.rem_euclid(1_000_000)),
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": caller.region,
        "sourceIPAddress": source.address,
        "userAgent": source.agent.chars().take(1_024).collect::<String>(),
    });
    if let Err(fault) = outcome {
        // The record says `AccessDenied` where the answer says `AccessDeniedException`.
        record["errorCode"] =
            json!(if fault.code == "AccessDeniedException" { "AccessDenied" } else { fault.code });
        record["errorMessage"] = json!(fault.message);
    }
    let input = call.input.to_value();
    let is_empty = input.as_object().is_none_or(Map::is_empty);
    record["requestParameters"] = if is_empty { Value::Null } else { lower(&input) };
    record["responseElements"] = match outcome {
        Ok(answer) if !is_read && answer.as_object().is_some_and(|members| !members.is_empty()) => {
            lower(answer)
        }
        _ => Value::Null,
    };
    record["requestID"] = json!(source.request_id);
    record["readOnly"] = json!(is_read);
    record["eventType"] = json!("AwsApiCall");
    record["managementEvent"] = json!(true);
    record["recipientAccountId"] = json!(caller.account);
    record["eventCategory"] = json!("Management");
    record.to_string()
}

fn identity(call: &Call<'_>) -> Value {
    let caller = call.caller;
    match &caller.key_id {
        Some(key) => json!({
            "type": "IAMUser",
            "principalId": key,
            "arn": caller.arn(),
            "accountId": caller.account,
            "accessKeyId": key,
            "userName": caller.name,
        }),
        None => json!({ "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL" }),
    }
}

/// The same with names that begin in lower case, as records have them.
fn lower(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let mut letters = name.chars();
                let name = match letters.next() {
                    Some(first) => first.to_lowercase().chain(letters).collect(),
                    None => String::new(),
                };
                (name, lower(value))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(lower).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_in_lower_case() {
        let input = json!({ "Name": "a", "TagsList": [{ "Key": "B" }] });
        assert_eq!(lower(&input), json!({ "name": "a", "tagsList": [{ "key": "B" }] }));
    }
}
