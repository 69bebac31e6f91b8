//! What accounts, Regions and ids look like.
//!
//! Source: AWS General Reference, "AWS account identifiers", "Regions and endpoints".

use std::borrow::Cow;

/// True for 12 digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `eu-west-1`, `us-gov-east-1`, `us-isob-east-1`: words and a number, at
/// least three parts. Safe in keys, paths and the names of hosts.
pub fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.len() <= 32
        && words.contains('-')
        && words.split('-').all(|word| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The role of a role session's ARN; other ARNs as they are.
pub fn without_session(arn: &str) -> Cow<'_, str> {
    match arn.split_once(":assumed-role/").and_then(|(head, rest)| Some((head, rest.split_once('/')?.0))) {
        Some((head, role)) => Cow::Owned(format!("{head}:assumed-role/{role}")),
        None => Cow::Borrowed(arn),
    }
}

/// The partition that a Region belongs to, as ARNs name it.
pub fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shaped_like_a_region_is_one() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-12", "us-isob-east-1"] {
            assert!(is_region(region), "{region}");
        }
        for text in
            ["", "..", "us/east-1", "us-east-x", "US-east-1", "us-1", "evil.example#-a-1", "x@10.0.0.1"]
        {
            assert!(!is_region(text), "{text}");
        }
    }

    #[test]
    fn a_session_is_its_role() {
        assert_eq!(without_session("arn:aws:sts::1:assumed-role/r/s"), "arn:aws:sts::1:assumed-role/r");
        assert_eq!(without_session("arn:aws:iam::1:user/a/b"), "arn:aws:iam::1:user/a/b");
    }

    #[test]
    fn china_and_the_government_have_partitions_of_their_own() {
        assert_eq!(
            ["eu-west-1", "cn-north-1", "us-gov-east-1"].map(partition_of),
            ["aws", "aws-cn", "aws-us-gov"]
        );
    }
}
