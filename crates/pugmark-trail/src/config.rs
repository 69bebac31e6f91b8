//! A trail as it is configured, and the requests that configure it.
//!
//! Members are spelled as on the wire, so that a request is read and a trail
//! is answered without another set of types.
//!
//! Source: AWS `CloudTrail` API Reference, `Trail`, `CreateTrail`,
//! `UpdateTrail`, `PutEventConfiguration`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::selector::{InsightSelector, Selectors};

/// Who asks, and in which Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Account, 12 digits.
    pub account: String,
    /// Region of the endpoint asked.
    pub region: String,
}

/// A trail as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "the members of the API")]
#[expect(missing_docs, reason = "each is named as the API names it")]
pub struct TrailConfig {
    pub name: String,
    #[serde(rename = "S3BucketName")]
    pub s3_bucket_name: String,
    #[serde(rename = "S3KeyPrefix", default, skip_serializing_if = "Option::is_none")]
    pub s3_key_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sns_topic_name: Option<String>,
    #[serde(rename = "SnsTopicARN", default, skip_serializing_if = "Option::is_none")]
    pub sns_topic_arn: Option<String>,
    pub include_global_service_events: bool,
    pub is_multi_region_trail: bool,
    pub home_region: String,
    #[serde(rename = "TrailARN")]
    pub trail_arn: String,
    pub log_file_validation_enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logs_log_group_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logs_role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    pub has_custom_event_selectors: bool,
    pub has_insight_selectors: bool,
    pub is_organization_trail: bool,
}

/// A request to make a trail; `UpdateTrail` is [`UpdateTrail`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is named as the API names it")]
pub struct CreateTrail {
    pub name: String,
    #[serde(rename = "S3BucketName")]
    pub s3_bucket_name: String,
    #[serde(rename = "S3KeyPrefix")]
    pub s3_key_prefix: Option<String>,
    pub sns_topic_name: Option<String>,
    pub include_global_service_events: Option<bool>,
    pub is_multi_region_trail: Option<bool>,
    pub enable_log_file_validation: Option<bool>,
    pub cloud_watch_logs_log_group_arn: Option<String>,
    pub cloud_watch_logs_role_arn: Option<String>,
    pub kms_key_id: Option<String>,
    pub is_organization_trail: Option<bool>,
    pub tags_list: Option<Vec<Tag>>,
}

/// A request to change a trail: only what is given changes, and an empty
/// text takes an optional member away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "each is named as the API names it")]
pub struct UpdateTrail {
    pub name: String,
    #[serde(rename = "S3BucketName")]
    pub s3_bucket_name: Option<String>,
    #[serde(rename = "S3KeyPrefix")]
    pub s3_key_prefix: Option<String>,
    pub sns_topic_name: Option<String>,
    pub include_global_service_events: Option<bool>,
    pub is_multi_region_trail: Option<bool>,
    pub enable_log_file_validation: Option<bool>,
    pub cloud_watch_logs_log_group_arn: Option<String>,
    pub cloud_watch_logs_role_arn: Option<String>,
    pub kms_key_id: Option<String>,
    pub is_organization_trail: Option<bool>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// 0 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What `PutEventConfiguration` sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventConfiguration {
    /// `Standard` or `Large`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_event_size: Option<String>,
    /// Tags and request keys that enriched events carry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context_key_selectors: Vec<ContextKeySelector>,
    /// How data events are aggregated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aggregation_configurations: Vec<AggregationConfiguration>,
}

/// Keys of one kind that enriched events carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContextKeySelector {
    /// `TagContext` or `RequestContext`.
    #[serde(rename = "Type")]
    pub context: String,
    /// The keys.
    pub equals: Vec<String>,
}

/// How events of a category are aggregated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AggregationConfiguration {
    /// `Data`.
    pub event_category: String,
    /// `API_ACTIVITY`, `RESOURCE_ACCESS`, `USER_ACTIONS`.
    pub templates: Vec<String>,
}

/// All that is kept of a trail; times in microseconds since 1970 (UTC).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Account that owns it.
    pub account: String,
    /// As the API shows it.
    pub config: TrailConfig,
    /// Which events it takes.
    pub selectors: Selectors,
    /// Which unusual activity it looks for.
    pub insights: Vec<InsightSelector>,
    /// Its tags.
    pub tags: BTreeMap<String, Option<String>>,
    /// What `PutEventConfiguration` set.
    pub events: EventConfiguration,
    /// Whether it delivers.
    pub is_logging: bool,
    /// When `StartLogging` last took effect.
    pub started: Option<i64>,
    /// When `StopLogging` last took effect.
    pub stopped: Option<i64>,
}
