//! Security Lake: `CloudTrail` events as OCSF, versions 1.0.0-rc.2 and 1.1.
//!
//! The mapping is read backwards. Where the two versions differ both places
//! are looked at; `unmapped` gives back what OCSF had no place for.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use pugmark_event::{Kind, format_time};
use serde_json::Value;

use super::names::{self, Meaning, Member, Place};
use super::parquet::{text_at, value};
use super::render::{self, Writer};

/// Member of a record, and the places where OCSF may keep it.
const RULES: &[(&str, &[&str])] = &[
    ("eventVersion", &["metadata.product.version"]),
    ("userIdentity.type", &["actor.user.type"]),
    ("userIdentity.principalId", &["actor.user.uid_alt", "actor.user.uid"]),
    ("userIdentity.arn", &["actor.user.uuid", "actor.user.uid"]),
    ("userIdentity.accountId", &["actor.user.account.uid", "actor.user.account_uid"]),
    ("userIdentity.accessKeyId", &["actor.user.credential_uid"]),
    ("userIdentity.userName", &["actor.user.name"]),
    ("userIdentity.invokedBy", &["actor.invoked_by"]),
    ("userIdentity.identityProvider", &["actor.idp.name"]),
    ("userIdentity.credentialId", &["actor.session.credential_uid"]),
    (
        "userIdentity.sessionContext.attributes.creationDate",
        &["actor.session.created_time_dt", "actor.session.created_time"],
    ),
    (
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
        &["actor.session.is_mfa", "actor.session.mfa"],
    ),
    ("userIdentity.sessionContext.sessionIssuer.arn", &["actor.session.issuer"]),
    ("userIdentity.sessionContext.sessionIssuer.principalId", &["actor.session.uid"]),
    ("eventTime", &["time_dt", "time"]),
    ("eventSource", &["api.service.name"]),
    ("eventName", &["api.operation"]),
    ("awsRegion", &["cloud.region"]),
    ("sourceIPAddress", &["src_endpoint.ip", "src_endpoint.domain", "src_endpoint.svc_name"]),
    ("userAgent", &["http_request.user_agent"]),
    ("errorCode", &["api.response.error"]),
    ("errorMessage", &["api.response.error_message", "api.response.message"]),
    ("requestParameters", &["api.request.data"]),
    ("responseElements", &["api.response.data"]),
    ("requestID", &["api.request.uid"]),
    ("eventID", &["metadata.uid"]),
    ("resources", &["resources"]),
    ("eventType", &["metadata.event_code"]),
    ("apiVersion", &["api.version"]),
    ("recipientAccountId", &["cloud.account.uid", "cloud.account_uid"]),
    ("vpcEndpointId", &["src_endpoint.uid"]),
    ("eventCategory", &["metadata.product.feature.name"]),
    ("tlsDetails.tlsVersion", &["tls.version"]),
    ("tlsDetails.cipherSuite", &["tls.cipher"]),
    ("tlsDetails.clientProvidedHostHeader", &["tls.sni"]),
];

/// Members of an entry of `resources`.
const RESOURCE_RULES: &[(&str, &[&str])] =
    &[("accountId", &["owner.account.uid", "account_uid"]), ("type", &["type"]), ("ARN", &["uid"])];

/// A file of OCSF events.
pub(super) struct Ocsf {
    rules: Vec<(Place, &'static [&'static str])>,
}

impl Ocsf {
    /// `None` if these are not columns of an OCSF event.
    pub(super) fn new(schema: &SchemaRef) -> Option<Ocsf> {
        let has = |name| schema.column_with_name(name).is_some();
        if !has("metadata") || !has("api") && !has("class_uid") {
            return None;
        }
        let rules = RULES.iter().filter_map(|(path, from)| Some((names::place(path)?, *from))).collect();
        Some(Ocsf { rules })
    }

    /// Writes one row as a record; stops early beyond `bytes_max`.
    pub(super) fn render(&self, batch: &RecordBatch, row: usize, (bytes_max, json): (usize, &mut Vec<u8>)) {
        let mut written: Vec<(&Place, Vec<u8>)> = Vec::new();
        let (unmapped, extras) = unmapped(batch, row);
        for (place, from) in &self.rules {
            let mut out = Vec::new();
            if let Some(member) = place.last() {
                write(batch, row, (member, from), (bytes_max, &mut out));
            }
            if !out.is_empty() {
                written.push((place, out));
            }
        }
        for (place, out) in unmapped.iter().map(|(place, out)| (place, out.clone())) {
            if !written.iter().any(|(other, _)| order(other) == order(place)) {
                written.push((place, out));
            }
        }
        written.sort_by_key(|(place, _)| order(place));
        let mut writer = Writer::new(json);
        for (place, out) in written {
            let json = writer.member(place);
            if json.len() <= bytes_max {
                json.extend_from_slice(&out);
            }
        }
        for (name, text) in extras {
            render::string(&text, writer.extra(&name));
        }
        writer.finish();
    }
}

fn order(place: &Place) -> usize {
    place.last().map_or(0, |member| member.order)
}

/// Writes the first value that is there among the places `from`.
fn write(
    batch: &RecordBatch,
    row: usize,
    (member, from): (&Member, &[&str]),
    (bytes_max, out): (usize, &mut Vec<u8>),
) {
    let column = |name: &str| batch.column_by_name(name);
    let Some((array, row)) = from.iter().find_map(|path| find(column, path, row)) else { return };
    match member.name {
        "resources" => resources(&array, row, (bytes_max, out)),
        "arn" if !text_at(&array, row).is_some_and(render::is_arn) => {}
        // Version 1 keeps the principal, version 2 the ARN in `uid`.
        "principalId" if text_at(&array, row).is_some_and(render::is_arn) => {}
        "eventVersion" if text_at(&array, row).is_none_or(str::is_empty) => {}
        _ => match array.as_primitive_opt::<Int64Type>() {
            Some(numbers) if member.kind == Some(Kind::Time) => {
                render::string(&format_time(numbers.value(row).saturating_mul(1_000)), out);
            }
            _ => value(&array, row, Some(member), (bytes_max, out)),
        },
    }
}

/// The array at `path`, if it is there and holds something at `row`.
fn find<'b>(
    column: impl Fn(&str) -> Option<&'b ArrayRef>,
    path: &str,
    row: usize,
) -> Option<(ArrayRef, usize)> {
    let mut names = path.split('.');
    let mut array = column(names.next()?)?.clone();
    for name in names {
        let group = array.as_struct_opt().filter(|group| group.is_valid(row))?;
        let member = group.column_by_name(name)?.clone();
        array = member;
    }
    let is_empty = text_at(&array, row).is_some_and(str::is_empty);
    (array.is_valid(row) && !is_empty).then_some((array, row))
}

fn resources(array: &ArrayRef, row: usize, (bytes_max, out): (usize, &mut Vec<u8>)) {
    let Some(items) = array.as_list_opt::<i32>().map(|list| list.value(row)) else { return };
    let Some(group) = items.as_struct_opt() else { return };
    out.push(b'[');
    for item in 0..group.len() {
        if out.len() > bytes_max {
            break;
        }
        out.extend_from_slice(if item > 0 { b",{" } else { b"{" });
        for (name, from) in RESOURCE_RULES {
            let column = |name: &str| group.column_by_name(name);
            let Some((array, row)) = from.iter().find_map(|path| find(column, path, item)) else { continue };
            if !out.ends_with(b"{") {
                out.push(b',');
            }
            render::string(name, out);
            out.push(b':');
            value(&array, row, None, (bytes_max, out));
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// What `unmapped` holds: values of members that have a place, and the rest.
#[expect(clippy::type_complexity, reason = "two lists, named by the line above")]
fn unmapped(batch: &RecordBatch, row: usize) -> (Vec<(Place, Vec<u8>)>, Vec<(String, String)>) {
    let (mut placed, mut extras) = (Vec::new(), Vec::new());
    for (name, text) in batch.column_by_name("unmapped").map(|array| pairs(array, row)).unwrap_or_default() {
        match names::meaning(&name) {
            Meaning::Member(place) => {
                if let Some(member) = place.last().filter(|member| member.kind.is_some() && !text.is_empty())
                {
                    let mut out = Vec::new();
                    render::text(member, &text, &mut out);
                    placed.push((place, out));
                }
            }
            _ => extras.push((name, text)),
        }
    }
    (placed, extras)
}

/// `unmapped` is a map of texts, or JSON text.
fn pairs(array: &ArrayRef, row: usize) -> Vec<(String, String)> {
    if let Some(text) = text_at(array, row) {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Vec::new() };
        let plain = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return members.into_iter().map(|(name, value)| (name, plain(value))).collect();
    }
    let Some(map) = array.as_map_opt().filter(|map| map.is_valid(row)) else { return Vec::new() };
    let entries = map.value(row);
    (0..entries.len())
        .filter_map(|entry| {
            Some((
                text_at(entries.column(0), entry)?.to_owned(),
                text_at(entries.column(1), entry)?.to_owned(),
            ))
        })
        .collect()
}
