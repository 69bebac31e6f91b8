//! Names of trails, buckets, prefixes, topics and keys: what the API takes.
//!
//! Source: AWS `CloudTrail` User Guide, "Naming requirements"; Amazon S3 User
//! Guide, "General purpose bucket naming rules".

use std::net::Ipv4Addr;

use crate::error::{TrailError, TrailErrorKind as Kind};
use pugmark_event::{is_account, is_region};

/// A trail's ARN, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailArn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov` ….
    pub partition: &'a str,
    /// Home Region.
    pub region: &'a str,
    /// Owning account, 12 digits.
    pub account: &'a str,
    /// The trail's name.
    pub name: &'a str,
}

impl<'a> TrailArn<'a> {
    /// Takes `arn:PARTITION:cloudtrail:REGION:ACCOUNT:trail/NAME` apart.
    pub fn parse(text: &'a str) -> Option<TrailArn<'a>> {
        let (head, name) = text.split_once(":trail/")?;
        let parts: Vec<&str> = head.split(':').collect();
        let ["arn", partition, "cloudtrail", region, account] = parts[..] else { return None };
        let is_whole = partition.starts_with("aws") && is_region(region) && is_account(account);
        (is_whole && check_trail_name(name).is_ok()).then_some(TrailArn { partition, region, account, name })
    }
}

/// Checks the name of a trail.
///
/// # Errors
/// `InvalidTrailNameException`, in the words of the service.
pub fn check_trail_name(name: &str) -> Result<(), TrailError> {
    let fail = |text: String| Err(TrailError::new(Kind::InvalidTrailName, text));
    let count = name.chars().count();
    let is_mark = |c: char| matches!(c, '.' | '_' | '-');
    if count < 3 {
        return fail(format!(
            "Trail name too short. Minimum allowed length: 3 characters. Specified name length: {count} characters."
        ));
    }
    if count > 128 {
        return fail(format!(
            "Trail name too long. Maximum allowed length: 128 characters. Specified name length: {count} characters."
        ));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return fail("Trail name must starts with a letter or number.".to_owned());
    }
    if !name.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return fail("Trail name must ends with a letter or number.".to_owned());
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || is_mark(c)) {
        return fail(
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_)."
                .to_owned(),
        );
    }
    if name.as_bytes().windows(2).any(|two| is_mark(two[0].into()) && is_mark(two[1].into())) {
        return fail("Trail name cannot have adjacent periods, hyphens or underscores.".to_owned());
    }
    if name.parse::<Ipv4Addr>().is_ok() {
        return fail("Trail name cannot be in IP address format.".to_owned());
    }
    Ok(())
}

/// Checks the name of a bucket.
///
/// # Errors
/// `InvalidS3BucketNameException`.
pub(crate) fn check_bucket(name: &str) -> Result<(), TrailError> {
    let is_end = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let is_good = (3..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && is_end(name.bytes().next())
        && is_end(name.bytes().next_back())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err();
    let message = || format!("S3 bucket name {name} is not valid!");
    if is_good { Ok(()) } else { Err(TrailError::new(Kind::InvalidS3BucketName, message())) }
}

/// Checks a prefix of keys: at most 200 characters, no step upwards.
///
/// # Errors
/// `InvalidS3PrefixException`.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), TrailError> {
    let is_step = |part: &str| part.is_empty() || part == "." || part == "..";
    let is_good = prefix.chars().count() <= 200
        && !prefix.chars().any(|c| c.is_control() || c == '\\')
        && !prefix.trim_end_matches('/').split('/').any(is_step);
    let message = || format!("S3 prefix {prefix} is not valid!");
    if is_good || prefix.is_empty() { Ok(()) } else { Err(TrailError::new(Kind::InvalidS3Prefix, message())) }
}

/// Checks the name or ARN of a topic and answers its ARN.
///
/// # Errors
/// `InvalidSnsTopicNameException`.
pub(crate) fn topic_arn(
    topic: &str,
    partition: &str,
    region: &str,
    account: &str,
) -> Result<String, TrailError> {
    let name = if topic.starts_with("arn:") { topic.rsplit(':').next().unwrap_or_default() } else { topic };
    let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    let is_arn = topic.split(':').count() == 6 && topic.split(':').nth(2) == Some("sns");
    if !(1..=256).contains(&name.len()) || !name.bytes().all(is_name) || (topic.contains(':') && !is_arn) {
        return Err(TrailError::new(
            Kind::InvalidSnsTopicName,
            format!("SNS topic name {topic} is not valid!"),
        ));
    }
    if is_arn { Ok(topic.to_owned()) } else { Ok(format!("arn:{partition}:sns:{region}:{account}:{name}")) }
}

/// Checks a KMS key's name and answers its ARN: aliases stay aliases.
///
/// # Errors
/// `InvalidKmsKeyIdException`.
pub(crate) fn key_arn(key: &str, partition: &str, region: &str, account: &str) -> Result<String, TrailError> {
    let fail = || TrailError::new(Kind::InvalidKmsKeyId, format!("KMS key {key} is not valid."));
    let is_word = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'/');
    let is_tail = |tail: &str| !tail.is_empty() && tail.bytes().all(is_word);
    if key.len() > 350 {
        return Err(fail());
    }
    let prefix = format!("arn:{partition}:kms:{region}:{account}:");
    match key.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "kms", _, _, tail] if is_tail(tail) => Ok(key.to_owned()),
        [tail] if is_tail(tail) && tail.starts_with("alias/") => Ok(prefix + tail),
        [tail] if is_tail(tail) && !tail.contains('/') => Ok(prefix + "key/" + tail),
        _ => Err(fail()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_name_is_held_to_each_rule() {
        for good in ["abc", "my-trail.1", "A_b-c", &"x".repeat(128)] {
            assert!(check_trail_name(good).is_ok(), "{good}");
        }
        for bad in ["ab", "-abc", "abc.", "a__b", "a b c", "192.168.5.4", "a/b/c", &"x".repeat(129), "ünï"]
        {
            assert_eq!(check_trail_name(bad).map_err(|e| e.kind), Err(Kind::InvalidTrailName), "{bad}");
        }
    }

    #[test]
    fn an_arn_is_taken_apart_or_refused() {
        let arn = TrailArn::parse("arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/main");
        assert_eq!(arn.map(|arn| (arn.region, arn.name)), Some(("us-gov-west-1", "main")));
        for bad in ["arn:aws:cloudtrail:eu-west-1:1111:trail/main", "arn:aws:s3:::trail/main", "main"] {
            assert_eq!(TrailArn::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bucket_name_is_held_to_the_rules_of_s3() {
        assert!(["abc", "trail-logs.example"].into_iter().all(|name| check_bucket(name).is_ok()));
        assert!(
            ["ab", "Abc", "a..b", "-ab", "10.0.0.1", "a_b"]
                .into_iter()
                .all(|name| check_bucket(name).is_err())
        );
    }

    #[test]
    fn a_prefix_never_steps_upwards() {
        assert!(["", "audit", "a/b", "a/b/"].into_iter().all(|prefix| check_prefix(prefix).is_ok()));
        assert!(
            ["../x", "a/../b", "/a", "a//b", "a\nb"].into_iter().all(|prefix| check_prefix(prefix).is_err())
        );
    }

    #[test]
    fn a_topic_and_a_key_are_answered_as_arns() {
        let topic = topic_arn("ct", "aws", "eu-west-1", "111122223333");
        assert_eq!(topic.as_deref(), Ok("arn:aws:sns:eu-west-1:111122223333:ct"));
        assert!(topic_arn("a b", "aws", "eu-west-1", "111122223333").is_err());
        let key = key_arn("alias/logs", "aws", "eu-west-1", "111122223333");
        assert_eq!(key.as_deref(), Ok("arn:aws:kms:eu-west-1:111122223333:alias/logs"));
        assert!(key_arn("arn:aws:s3:::x", "aws", "eu-west-1", "111122223333").is_err());
    }
}
