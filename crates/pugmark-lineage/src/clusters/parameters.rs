//! The JSON members of a request to EKS: names, times, and what is worth telling.

use std::borrow::Cow;

use pugmark_event::Leaf;
use serde_json::Value;

use crate::{Arn, Row};

/// Longest value that is told of a request, in bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// What a request asked for and what was answered.
pub(crate) struct Parameters {
    pub(crate) request: Value,
    pub(crate) response: Value,
}

impl Parameters {
    /// The parameters of `row`: what cannot be read as JSON says nothing.
    pub(crate) fn of(row: Row<'_>) -> Parameters {
        let json = |leaf| {
            row.text(leaf).map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or(Value::Null))
        };
        Parameters { request: json(Leaf::RequestParameters), response: json(Leaf::ResponseElements) }
    }

    /// A member of the request, percent-decoded: EKS delivers path members as they were sent.
    pub(crate) fn asked(&self, path: &[&str]) -> Option<String> {
        text_at(&self.request, path).map(|text| decoded(text).into_owned())
    }

    /// A member of the answer.
    pub(crate) fn answered(&self, path: &[&str]) -> Option<&str> {
        text_at(&self.response, path)
    }

    /// The name of the cluster that the request is about (EKS API Reference): `name`, in old
    /// records `clusterName`, else the cluster's part of an ARN.
    pub(crate) fn cluster(&self) -> Option<String> {
        let of_arn = || self.arn().and_then(|arn| cluster_of_arn(&arn).map(str::to_owned));
        // `name` of a request that names a resource by ARN is no cluster's.
        if let Some(arn) = self.asked(&["resourceArn"]) {
            return cluster_of_arn(&arn).map(str::to_owned);
        }
        self.asked(&["name"]).or_else(|| self.asked(&["clusterName"])).or_else(of_arn)
    }

    /// The ARN in the answer, or the one asked for.
    pub(crate) fn arn(&self) -> Option<String> {
        let of_answer = || {
            let members = self.response.as_object()?;
            let parts = members.values().filter_map(Value::as_object);
            let texts = parts.flat_map(serde_json::Map::values).filter_map(Value::as_str);
            texts.filter(|text| is_eks_arn(text)).min().map(str::to_owned)
        };
        of_answer().or_else(|| self.asked(&["resourceArn"]).filter(|text| is_eks_arn(text)))
    }

    /// When the cluster in the answer was created, microseconds since 1970.
    pub(crate) fn cluster_created(&self) -> Option<i64> {
        let value = self.response.get("cluster")?.get("createdAt")?;
        match value {
            Value::Number(seconds) => micros(seconds.as_f64()?),
            Value::String(text) => match text.parse::<f64>() {
                Ok(seconds) => micros(seconds),
                Err(_) => pugmark_event::parse_time(text.as_bytes()),
            },
            _ => None,
        }
    }

    /// Labels and values of the members of the request that are worth telling.
    pub(crate) fn details(&self) -> Vec<(String, String)> {
        DETAILS
            .iter()
            .filter_map(|(label, path)| {
                let value = path.iter().try_fold(&self.request, |value, member| value.get(member))?;
                Some(((*label).to_owned(), rendered(value)?))
            })
            .collect()
    }
}

/// Members of requests that are told, with a label.
const DETAILS: &[(&str, &[&str])] = &[
    ("version", &["version"]),
    ("version", &["kubernetesVersion"]),
    ("role", &["roleArn"]),
    ("node role", &["nodeRole"]),
    ("pod execution role", &["podExecutionRoleArn"]),
    ("service account role", &["serviceAccountRoleArn"]),
    ("target role", &["targetRoleArn"]),
    ("principal", &["principalArn"]),
    ("type", &["type"]),
    ("user name", &["username"]),
    ("groups", &["kubernetesGroups"]),
    ("policy", &["policyArn"]),
    ("scope", &["accessScope", "type"]),
    ("namespaces", &["accessScope", "namespaces"]),
    ("namespace", &["namespace"]),
    ("service account", &["serviceAccount"]),
    ("association", &["associationId"]),
    ("add-on version", &["addonVersion"]),
    ("issuer", &["oidc", "issuerUrl"]),
    ("client", &["oidc", "clientId"]),
    ("public endpoint", &["resourcesVpcConfig", "endpointPublicAccess"]),
    ("private endpoint", &["resourcesVpcConfig", "endpointPrivateAccess"]),
    ("public access from", &["resourcesVpcConfig", "publicAccessCidrs"]),
    ("subnets", &["resourcesVpcConfig", "subnetIds"]),
    ("subnets", &["subnets"]),
    ("security groups", &["resourcesVpcConfig", "securityGroupIds"]),
    ("authentication mode", &["accessConfig", "authenticationMode"]),
    ("creator is admin", &["accessConfig", "bootstrapClusterCreatorAdminPermissions"]),
    ("logging", &["logging", "clusterLogging"]),
    ("encryption", &["encryptionConfig"]),
    ("auto mode", &["computeConfig", "enabled"]),
    ("deletion protection", &["deletionProtection"]),
    ("support", &["upgradePolicy", "supportType"]),
    ("instance types", &["instanceTypes"]),
    ("scaling", &["scalingConfig"]),
    ("capacity", &["capacityType"]),
    ("ami", &["amiType"]),
    ("release", &["releaseVersion"]),
    ("launch template", &["launchTemplate"]),
    ("remote access", &["remoteAccess"]),
    ("selectors", &["selectors"]),
    ("update", &["updateId"]),
    ("url", &["url"]),
    ("clients", &["clientIDList"]),
    ("provider", &["openIDConnectProviderArn"]),
    ("service", &["aWSServiceName"]),
    ("resource", &["resourceArn"]),
    ("tags", &["tags"]),
];

/// The text at `path`, if it is one and not empty.
pub(crate) fn text_at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, member| value.get(member))?.as_str().filter(|text| !text.is_empty())
}

/// True or false at `path`; some services deliver the words.
pub(crate) fn flag_at(value: &Value, path: &[&str]) -> Option<bool> {
    match path.iter().try_fold(value, |value, member| value.get(member))? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Decodes `%3A` and its like once; a text without them is itself.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, tail @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                let value = digit(high).unwrap_or(0) * 16 + digit(low).unwrap_or(0);
                bytes.push(value as u8);
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The cluster's name in an ARN of EKS: `cluster/<name>`, `nodegroup/<cluster>/…` and so on.
pub(crate) fn cluster_of_arn(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "eks")?;
    arn.resource.split('/').nth(1).filter(|name| !name.is_empty())
}

fn is_eks_arn(text: &str) -> bool {
    Arn::parse(text)
        .is_some_and(|arn| arn.service == "eks" && !arn.account.is_empty() && arn.account != "aws")
}

fn micros(seconds: f64) -> Option<i64> {
    // Beyond this a number of seconds is no time of this planet.
    (seconds.is_finite() && seconds.abs() < 1e12).then(|| (seconds * 1e6).round() as i64)
}

fn rendered(value: &Value) -> Option<String> {
    let mut text = match value {
        Value::Null => return None,
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => decoded(text).into_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    if text.len() > VALUE_BYTES_MAX {
        let end = (0..=VALUE_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Parameters {
        Parameters { request: serde_json::from_str(json).expect("JSON"), response: Value::Null }
    }

    #[test]
    fn the_cluster_is_the_name_or_in_old_records_the_cluster_name_or_a_part_of_an_arn() {
        assert_eq!(request(r#"{"name":"prod"}"#).cluster().as_deref(), Some("prod"));
        assert_eq!(request(r#"{"clusterName":"prod"}"#).cluster().as_deref(), Some("prod"));
        let arn =
            r#"{"resourceArn":"arn%3Aaws%3Aeks%3Aeu-west-1%3A111122223333%3Anodegroup%2Fprod%2Fweb%2F1"}"#;
        assert_eq!(request(arn).cluster().as_deref(), Some("prod"));
        assert_eq!(request("{}").cluster(), None);
    }

    #[test]
    fn a_path_member_is_decoded_once_and_broken_escapes_stay() {
        assert_eq!(decoded("arn%3Aaws%3aiam"), "arn:aws:iam");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%2"), "%zz%2");
        assert_eq!(decoded("%ff"), "%ff");
    }

    #[test]
    fn the_time_of_creation_is_seconds_with_a_fraction() {
        let response = serde_json::json!({"cluster":{"createdAt":1_768_468_603.208_f64}});
        let parameters = Parameters { request: Value::Null, response };
        assert_eq!(parameters.cluster_created(), Some(1_768_468_603_208_000));
    }

    #[test]
    fn long_values_are_cut() {
        let long = "x".repeat(VALUE_BYTES_MAX * 2);
        let details = request(&format!(r#"{{"version":"{long}"}}"#)).details();
        assert_eq!(details[0].1.len(), VALUE_BYTES_MAX + '…'.len_utf8());
    }
}
