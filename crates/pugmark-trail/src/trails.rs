//! The trails there are: a pure function from a request to a change.
//!
//! ```text
//! request ──check──▶ Change ──(made durable)──▶ Trails::apply
//! ```
//!
//! It checks what can be known without looking outside; whether the bucket
//! exists is asked between the check and the change.
//!
//! Source: AWS `CloudTrail` API Reference, the operations on trails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Caller, CreateTrail, EventConfiguration, Tag, Trail, TrailConfig, UpdateTrail};
use crate::error::{TrailError, TrailErrorKind as Kind};
use crate::name::{TrailArn, check_bucket, check_prefix, check_trail_name, key_arn, topic_arn};
use crate::selector::{InsightSelector, Selectors, check_insights};

/// Trails that a Region shows, its own and those of all Regions.
pub const TRAILS_MAX: usize = 5;
/// Tags of one trail.
pub const TAGS_MAX: usize = 50;
/// Characters of a resource policy.
pub const POLICY_CHARS_MAX: usize = 8_192;

/// A change of configuration, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A trail is, from now on, this.
    Trail(Box<Trail>),
    /// The trail with this ARN is gone.
    NoTrail(String),
    /// The policy of a resource, or none any more.
    Policy(String, Option<String>),
}

/// All trails and policies, by ARN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trails {
    /// Partition of all ARNs, such as `aws`.
    pub partition: String,
    /// The organization, if the accounts belong to one: `o-…`.
    pub organization: Option<String>,
    by_arn: BTreeMap<String, Trail>,
    policies: BTreeMap<String, String>,
}

type Answer<T> = Result<T, TrailError>;

impl Trails {
    /// None yet.
    pub fn new(partition: &str, organization: Option<String>) -> Trails {
        Trails { partition: partition.to_owned(), organization, ..Trails::default() }
    }

    /// Makes a change that was checked.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Trail(trail) => {
                self.by_arn.insert(trail.config.trail_arn.clone(), *trail);
            }
            Change::NoTrail(arn) => {
                self.by_arn.remove(&arn);
            }
            Change::Policy(arn, Some(policy)) => {
                self.policies.insert(arn, policy);
            }
            Change::Policy(arn, None) => {
                self.policies.remove(&arn);
            }
        }
    }

    /// Every trail, by ARN.
    pub fn iter(&self) -> impl Iterator<Item = &Trail> {
        self.by_arn.values()
    }

    /// The trail of this ARN, whoever asks.
    pub fn by_arn(&self, arn: &str) -> Option<&Trail> {
        self.by_arn.get(arn)
    }

    /// `GetTrail`: by name or ARN. A name means this account and Region.
    pub fn get(&self, caller: &Caller, name: &str) -> Answer<&Trail> {
        let unknown = || {
            let text = format!("Unknown trail: {name} for the user: {}", caller.account);
            TrailError::new(Kind::TrailNotFound, text)
        };
        if !name.starts_with("arn:") {
            check_trail_name(name)?;
            let is_it = |trail: &&Trail| trail.config.name == name && self.is_seen(caller, trail);
            let mut found: Vec<&Trail> = self.by_arn.values().filter(is_it).collect();
            // A trail of this Region hides those that only show here.
            found.sort_by_key(|trail| trail.config.home_region != caller.region);
            return found.first().copied().ok_or_else(unknown);
        }
        if TrailArn::parse(name).is_none() {
            let text = format!("The trail ARN {name} is not valid.");
            return Err(TrailError::new(Kind::CloudTrailARNInvalid, text));
        }
        self.by_arn.get(name).filter(|trail| self.is_readable(caller, trail)).ok_or_else(unknown)
    }

    /// True if `caller` may read it at all.
    fn is_readable(&self, caller: &Caller, trail: &Trail) -> bool {
        trail.account == caller.account || (trail.config.is_organization_trail && self.organization.is_some())
    }

    /// True if it shows in the caller's Region.
    fn is_seen(&self, caller: &Caller, trail: &Trail) -> bool {
        let is_here = trail.config.home_region == caller.region || trail.config.is_multi_region_trail;
        is_here && self.is_readable(caller, trail)
    }

    /// `DescribeTrails`: unknown names are left out in silence.
    pub fn describe(&self, caller: &Caller, names: &[String], with_shadows: bool) -> Answer<Vec<&Trail>> {
        let is_own = |trail: &&Trail| with_shadows || trail.config.home_region == caller.region;
        if names.is_empty() {
            return Ok(self
                .by_arn
                .values()
                .filter(|trail| self.is_seen(caller, trail))
                .filter(is_own)
                .collect());
        }
        let mut found = Vec::new();
        for name in names {
            match self.get(caller, name) {
                Ok(trail) => found.push(trail),
                Err(error) if error.kind == Kind::TrailNotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found.into_iter().filter(is_own).collect())
    }

    /// `ListTrails`: every trail that the caller may read, by ARN.
    pub fn list(&self, caller: &Caller) -> Vec<&Trail> {
        self.by_arn.values().filter(|trail| self.is_readable(caller, trail)).collect()
    }

    /// The trail, if the caller may change it from here.
    fn changeable(&self, caller: &Caller, name: &str) -> Answer<Trail> {
        let trail = self.get(caller, name)?;
        if trail.account != caller.account {
            let text = "The organization trail can be changed only by the account that owns it.";
            return Err(TrailError::new(Kind::NotOrganizationMasterAccount, text));
        }
        if trail.config.home_region != caller.region {
            let TrailConfig { trail_arn, home_region, .. } = &trail.config;
            let text =
                format!("The trail {trail_arn} can be changed only in its home Region, {home_region}.");
            return Err(TrailError::new(Kind::InvalidHomeRegion, text));
        }
        Ok(trail.clone())
    }

    /// Checks `CreateTrail`; the trail does not deliver yet.
    pub fn create(&self, caller: &Caller, request: &CreateTrail) -> Answer<Trail> {
        check_trail_name(&request.name)?;
        let arn = format!(
            "arn:{}:cloudtrail:{}:{}:trail/{}",
            self.partition, caller.region, caller.account, request.name
        );
        let is_own = |trail: &&Trail| trail.account == caller.account && self.is_seen(caller, trail);
        if self.by_arn.values().filter(is_own).any(|trail| trail.config.name == request.name) {
            let text = format!("Trail {} already exists for customer: {}", request.name, caller.account);
            return Err(TrailError::new(Kind::TrailAlreadyExists, text));
        }
        if self.by_arn.values().filter(is_own).count() >= TRAILS_MAX {
            let text =
                format!("User: {} already has {TRAILS_MAX} trails in {}.", caller.account, caller.region);
            return Err(TrailError::new(Kind::MaximumNumberOfTrailsExceeded, text));
        }
        let mut config = TrailConfig {
            name: request.name.clone(),
            home_region: caller.region.clone(),
            trail_arn: arn,
            include_global_service_events: true,
            ..TrailConfig::default()
        };
        let update = UpdateTrail {
            name: request.name.clone(),
            s3_bucket_name: Some(request.s3_bucket_name.clone()),
            s3_key_prefix: request.s3_key_prefix.clone(),
            sns_topic_name: request.sns_topic_name.clone(),
            include_global_service_events: request.include_global_service_events,
            is_multi_region_trail: request.is_multi_region_trail,
            enable_log_file_validation: request.enable_log_file_validation,
            cloud_watch_logs_log_group_arn: request.cloud_watch_logs_log_group_arn.clone(),
            cloud_watch_logs_role_arn: request.cloud_watch_logs_role_arn.clone(),
            kms_key_id: request.kms_key_id.clone(),
            is_organization_trail: request.is_organization_trail,
        };
        self.set(caller, &mut config, &update)?;
        let mut trail = Trail { account: caller.account.clone(), config, ..Trail::default() };
        add_tags(&mut trail, request.tags_list.as_deref().unwrap_or_default())?;
        Ok(trail)
    }

    /// Checks `UpdateTrail`.
    pub fn update(&self, caller: &Caller, request: &UpdateTrail) -> Answer<Trail> {
        let mut trail = self.changeable(caller, &request.name)?;
        self.set(caller, &mut trail.config, request)?;
        Ok(trail)
    }

    fn set(&self, caller: &Caller, config: &mut TrailConfig, request: &UpdateTrail) -> Answer<()> {
        if let Some(bucket) = &request.s3_bucket_name {
            check_bucket(bucket)?;
            config.s3_bucket_name.clone_from(bucket);
        }
        if let Some(prefix) = &request.s3_key_prefix {
            check_prefix(prefix)?;
            config.s3_key_prefix = text_of(prefix.trim_end_matches('/'));
        }
        let Caller { account, region } = caller;
        if let Some(topic) = &request.sns_topic_name {
            let arn = text_of(topic).map(|topic| topic_arn(&topic, &self.partition, region, account));
            config.sns_topic_arn = arn.transpose()?;
            config.sns_topic_name = text_of(topic);
        }
        if let Some(key) = &request.kms_key_id {
            let arn = text_of(key).map(|key| key_arn(&key, &self.partition, region, account));
            config.kms_key_id = arn.transpose()?;
        }
        set_logs(config, request)?;
        set_switches(self.organization.as_deref(), config, request)
    }

    /// Checks `DeleteTrail`.
    pub fn delete(&self, caller: &Caller, name: &str) -> Answer<Trail> {
        self.changeable(caller, name)
    }

    /// Checks `StartLogging`; `now` in microseconds. To start twice is to start once.
    pub fn start(&self, caller: &Caller, name: &str, now: i64) -> Answer<Trail> {
        let mut trail = self.changeable(caller, name)?;
        if !trail.is_logging {
            trail.is_logging = true;
            trail.started = Some(now);
        }
        Ok(trail)
    }

    /// Checks `StopLogging`; `now` in microseconds. To stop twice is to stop once.
    pub fn stop(&self, caller: &Caller, name: &str, now: i64) -> Answer<Trail> {
        let mut trail = self.changeable(caller, name)?;
        if trail.is_logging {
            trail.is_logging = false;
            trail.stopped = Some(now);
        }
        Ok(trail)
    }

    /// Checks `PutEventSelectors`.
    pub fn put_selectors(&self, caller: &Caller, name: &str, selectors: Selectors) -> Answer<Trail> {
        let mut trail = self.changeable(caller, name)?;
        selectors.check()?;
        trail.config.has_custom_event_selectors = selectors.is_custom();
        trail.selectors = selectors;
        Ok(trail)
    }

    /// Checks `PutInsightSelectors`; an empty list switches them off.
    pub fn put_insights(&self, caller: &Caller, name: &str, asked: Vec<InsightSelector>) -> Answer<Trail> {
        let mut trail = self.changeable(caller, name)?;
        trail.insights = check_insights(asked)?;
        trail.config.has_insight_selectors = !trail.insights.is_empty();
        Ok(trail)
    }

    /// `GetInsightSelectors`.
    pub fn insights(&self, caller: &Caller, name: &str) -> Answer<&Trail> {
        let trail = self.get(caller, name)?;
        if trail.insights.is_empty() {
            let text = "Trail ARN does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again.";
            return Err(TrailError::new(Kind::InsightNotEnabled, text));
        }
        Ok(trail)
    }

    /// Checks `PutEventConfiguration`.
    pub fn put_configuration(&self, caller: &Caller, name: &str, asked: EventConfiguration) -> Answer<Trail> {
        let mut trail = self.changeable(caller, name)?;
        check_configuration(&asked).map_err(|text| TrailError::new(Kind::InvalidParameter, text))?;
        trail.events = asked;
        Ok(trail)
    }

    /// Checks `AddTags` on a trail's ARN.
    pub fn add_tags(&self, caller: &Caller, arn: &str, tags: &[Tag]) -> Answer<Trail> {
        let mut trail = self.changeable(caller, tagged(arn)?).map_err(as_resource)?;
        add_tags(&mut trail, tags)?;
        Ok(trail)
    }

    /// Checks `RemoveTags` on a trail's ARN: keys count, values do not.
    pub fn remove_tags(&self, caller: &Caller, arn: &str, tags: &[Tag]) -> Answer<Trail> {
        let mut trail = self.changeable(caller, tagged(arn)?).map_err(as_resource)?;
        for tag in tags {
            trail.tags.remove(&tag.key);
        }
        Ok(trail)
    }

    /// `ListTags` of one trail's ARN.
    pub fn tags(&self, caller: &Caller, arn: &str) -> Answer<Vec<Tag>> {
        let trail = self.get(caller, tagged(arn)?).map_err(as_resource)?;
        Ok(trail.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect())
    }

    /// Checks `PutResourcePolicy`; that the resource exists is the caller's to know.
    pub fn put_policy(&self, arn: &str, policy: &str) -> Answer<Change> {
        check_policed(arn)?;
        let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy).is_ok();
        if !is_object || policy.chars().count() > POLICY_CHARS_MAX {
            let text = "The resource policy is not a policy document.";
            return Err(TrailError::new(Kind::ResourcePolicyNotValid, text));
        }
        Ok(Change::Policy(arn.to_owned(), Some(policy.to_owned())))
    }

    /// `GetResourcePolicy`.
    pub fn policy(&self, arn: &str) -> Answer<&str> {
        check_policed(arn)?;
        let text = || format!("The resource {arn} has no policy.");
        let found = self.policies.get(arn).map(String::as_str);
        found.ok_or_else(|| TrailError::new(Kind::ResourcePolicyNotFound, text()))
    }

    /// Checks `DeleteResourcePolicy`.
    pub fn delete_policy(&self, arn: &str) -> Answer<Change> {
        self.policy(arn)?;
        Ok(Change::Policy(arn.to_owned(), None))
    }
}

/// Nothing for the empty text.
fn text_of(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn set_logs(config: &mut TrailConfig, request: &UpdateTrail) -> Answer<()> {
    if let Some(group) = &request.cloud_watch_logs_log_group_arn {
        let parts: Vec<&str> = group.splitn(7, ':').collect();
        let is_arn = matches!(parts[..], ["arn", _, "logs", _, _, "log-group", name] if name.ends_with(":*"));
        if !is_arn && !group.is_empty() {
            let text = format!("CloudWatch Logs log group ARN {group} is not valid.");
            return Err(TrailError::new(Kind::InvalidCloudWatchLogsLogGroupArn, text));
        }
        config.cloud_watch_logs_log_group_arn = text_of(group);
    }
    if let Some(role) = &request.cloud_watch_logs_role_arn {
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        let is_arn = matches!(parts[..], ["arn", _, "iam", "", _, name] if name.starts_with("role/"));
        if !is_arn && !role.is_empty() {
            let text = format!("CloudWatch Logs role ARN {role} is not valid.");
            return Err(TrailError::new(Kind::InvalidCloudWatchLogsRoleArn, text));
        }
        config.cloud_watch_logs_role_arn = text_of(role);
    }
    if config.cloud_watch_logs_log_group_arn.is_some() != config.cloud_watch_logs_role_arn.is_some() {
        let text = "CloudWatchLogsLogGroupArn and CloudWatchLogsRoleArn must be given together.";
        return Err(TrailError::new(Kind::InvalidParameterCombination, text));
    }
    Ok(())
}

fn set_switches(organization: Option<&str>, config: &mut TrailConfig, request: &UpdateTrail) -> Answer<()> {
    let was_multi = config.is_multi_region_trail;
    if let Some(is_multi) = request.is_multi_region_trail {
        config.is_multi_region_trail = is_multi;
        // To leave the other Regions is to leave the global services, unless asked for.
        if was_multi && !is_multi {
            config.include_global_service_events = false;
        }
    }
    if let Some(include) = request.include_global_service_events {
        config.include_global_service_events = include;
    } else if config.is_multi_region_trail && !was_multi {
        config.include_global_service_events = true;
    }
    if config.is_multi_region_trail && !config.include_global_service_events {
        let text = "Multi-Region trail must include global service events.";
        return Err(TrailError::new(Kind::InvalidParameterCombination, text));
    }
    if let Some(is_enabled) = request.enable_log_file_validation {
        config.log_file_validation_enabled = is_enabled;
    }
    if let Some(is_organization) = request.is_organization_trail {
        if is_organization && organization.is_none() {
            let text = "The account belongs to no organization.";
            return Err(TrailError::new(Kind::OrganizationsNotInUse, text));
        }
        config.is_organization_trail = is_organization;
    }
    Ok(())
}

fn add_tags(trail: &mut Trail, tags: &[Tag]) -> Answer<()> {
    for (at, tag) in tags.iter().enumerate() {
        let value = tag.value.as_deref().unwrap_or_default();
        let is_long = !(1..=128).contains(&tag.key.chars().count()) || value.chars().count() > 256;
        if is_long || tag.key.starts_with("aws:") || tags[..at].iter().any(|other| other.key == tag.key) {
            let text = format!("Tag with key {} is not valid or stands twice.", tag.key);
            return Err(TrailError::new(Kind::InvalidTagParameter, text));
        }
        trail.tags.insert(tag.key.clone(), tag.value.clone());
    }
    if trail.tags.len() > TAGS_MAX {
        let text = format!("A trail takes at most {TAGS_MAX} tags.");
        return Err(TrailError::new(Kind::TagsLimitExceeded, text));
    }
    Ok(())
}

fn tagged(arn: &str) -> Answer<&str> {
    if TrailArn::parse(arn).is_some() {
        return Ok(arn);
    }
    let text = format!("The ARN {arn} is not the ARN of a trail.");
    Err(TrailError::new(Kind::CloudTrailARNInvalid, text))
}

/// The tag operations speak of resources, not of trails.
fn as_resource(error: TrailError) -> TrailError {
    match error.kind {
        Kind::TrailNotFound => TrailError::new(Kind::ResourceNotFound, error.message),
        _ => error,
    }
}

fn check_policed(arn: &str) -> Answer<()> {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let kind = resource.split('/').next().unwrap_or_default();
    match (arn.starts_with("arn:"), kind) {
        (true, "eventdatastore" | "channel" | "dashboard") => Ok(()),
        (true, "trail") => {
            Err(TrailError::new(Kind::ResourceTypeNotSupported, "A trail takes no resource policy."))
        }
        _ => Err(TrailError::new(Kind::ResourceARNNotValid, format!("The ARN {arn} is not valid."))),
    }
}

fn check_configuration(asked: &EventConfiguration) -> Result<(), String> {
    let is_size = |size: &str| ["Standard", "Large"].contains(&size);
    if asked.max_event_size.as_deref().is_some_and(|size| !is_size(size)) {
        return Err("MaxEventSize is Standard or Large.".to_owned());
    }
    let is_context = |kind: &str| ["TagContext", "RequestContext"].contains(&kind);
    let contexts = &asked.context_key_selectors;
    let is_key = |key: &String| (1..=128).contains(&key.chars().count());
    let is_good = |count: usize| (1..=50).contains(&count);
    if contexts.len() > 2
        || contexts.iter().any(|one| !is_context(&one.context) || !is_good(one.equals.len()))
        || contexts.iter().flat_map(|one| &one.equals).any(|key| !is_key(key))
        || (contexts.len() == 2 && contexts[0].context == contexts[1].context)
    {
        return Err("ContextKeySelectors is not valid.".to_owned());
    }
    let is_template =
        |name: &String| ["API_ACTIVITY", "RESOURCE_ACCESS", "USER_ACTIONS"].contains(&name.as_str());
    let aggregations = &asked.aggregation_configurations;
    if aggregations.len() > 1
        || aggregations.iter().any(|one| one.event_category != "Data" || !is_good(one.templates.len()))
        || !aggregations.iter().flat_map(|one| &one.templates).all(is_template)
    {
        return Err("AggregationConfigurations is not valid.".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
