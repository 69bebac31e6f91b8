//! What delivery knows of a trail: its configuration, frozen at a moment.
//!
//! A cut keeps the terms under which its events came, so that a later change
//! of the trail does not touch them.

use serde::{Deserialize, Serialize};

use crate::config::Trail;
use crate::record::Facts;
use crate::selection::Selection;
use crate::selector::{InsightSelector, Selectors};

/// Services whose calls are recorded in one Region for all.
///
/// Source: AWS `CloudTrail` User Guide, "About global service events".
const GLOBAL_SOURCES: [&str; 10] = [
    "account.amazonaws.com",
    "cloudfront.amazonaws.com",
    "globalaccelerator.amazonaws.com",
    "health.amazonaws.com",
    "iam.amazonaws.com",
    "organizations.amazonaws.com",
    "route53.amazonaws.com",
    "signin.amazonaws.com",
    "sts.amazonaws.com",
    "support.amazonaws.com",
];
const GLOBAL_REGION: &str = "us-east-1";

/// A trail's configuration as delivery sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// ARN of the trail.
    pub arn: String,
    /// Name of the trail.
    pub name: String,
    /// Owning account.
    pub account: String,
    /// Home Region.
    pub home_region: String,
    /// Bucket of the log files.
    pub bucket: String,
    /// Prefix of their keys.
    pub prefix: Option<String>,
    /// The organization whose accounts it logs, if it is an organization's.
    pub organization: Option<String>,
    /// Whether it logs all Regions.
    pub is_multi_region: bool,
    /// Whether it logs the global services.
    pub takes_global: bool,
    /// Whether digests are written.
    pub is_validated: bool,
    /// Topic that hears of new log files, by ARN.
    pub topic: Option<String>,
    /// Which events it takes.
    pub selectors: Selectors,
    /// Which unusual activity it looks for.
    pub insights: Vec<InsightSelector>,
}

impl Terms {
    /// The terms of a trail as it is.
    pub fn of(trail: &Trail, organization: Option<&str>) -> Terms {
        let config = &trail.config;
        Terms {
            arn: config.trail_arn.clone(),
            name: config.name.clone(),
            account: trail.account.clone(),
            home_region: config.home_region.clone(),
            bucket: config.s3_bucket_name.clone(),
            prefix: config.s3_key_prefix.clone(),
            organization: organization.filter(|_| config.is_organization_trail).map(str::to_owned),
            is_multi_region: config.is_multi_region_trail,
            takes_global: config.include_global_service_events,
            is_validated: config.log_file_validation_enabled,
            topic: config.sns_topic_arn.clone(),
            selectors: trail.selectors.clone(),
            insights: trail.insights.clone(),
        }
    }

    /// The account under which an event of these facts is delivered, if the
    /// trail takes it.
    pub fn takes(&self, facts: &Facts<'_>) -> Option<String> {
        let account = facts.account().unwrap_or(&self.account);
        let region = facts.aws_region.as_deref()?;
        let source = facts.event_source.as_deref().unwrap_or_default();
        let is_global = region == GLOBAL_REGION && GLOBAL_SOURCES.contains(&source);
        let is_ours = self.organization.is_some() || account == self.account;
        let is_here =
            if is_global { self.takes_global } else { self.is_multi_region || region == self.home_region };
        let selection = Selection { selectors: &self.selectors, insights: &self.insights };
        (is_ours && is_here && selection.matches(facts)).then(|| account.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            account: "111122223333".to_owned(),
            home_region: "eu-west-1".to_owned(),
            takes_global: true,
            ..Terms::default()
        }
    }

    fn takes(terms: &Terms, region: &str, source: &str, account: &str) -> bool {
        let event = format!(
            r#"{{"awsRegion":"{region}","eventSource":"{source}","recipientAccountId":"{account}"}}"#
        );
        terms.takes(&Facts::read(&event).unwrap()).is_some()
    }

    #[test]
    fn a_trail_of_one_region_takes_that_region_and_the_global_services() {
        let mut terms = terms();
        assert!(takes(&terms, "eu-west-1", "ec2.amazonaws.com", "111122223333"));
        assert!(!takes(&terms, "us-east-1", "ec2.amazonaws.com", "111122223333"));
        assert!(takes(&terms, "us-east-1", "iam.amazonaws.com", "111122223333"));
        terms.takes_global = false;
        assert!(!takes(&terms, "us-east-1", "iam.amazonaws.com", "111122223333"));
        terms.is_multi_region = true;
        assert!(takes(&terms, "us-east-1", "ec2.amazonaws.com", "111122223333"));
    }

    #[test]
    fn only_the_trail_of_an_organization_takes_other_accounts() {
        let mut terms = terms();
        assert!(!takes(&terms, "eu-west-1", "ec2.amazonaws.com", "444455556666"));
        terms.organization = Some("o-exampleorg11".to_owned());
        assert!(takes(&terms, "eu-west-1", "ec2.amazonaws.com", "444455556666"));
    }
}
