//! What a key says about its object, before the object is opened.
//!
//! ```text
//! [prefix/]AWSLogs/[o-id/]account/kind/region/YYYY/MM/DD/file
//! account_kind_region_YYYYMMDDThhmmZ_unique.json.gz
//! ```
//!
//! Folder and file name are read independently, so that copied subtrees and
//! flat folders say as much as they can. The folder counts where both speak.

use pugmark_event::{Object, ObjectKind, is_account, is_region, parse_day, parse_time};

/// What a key says; parts borrow from the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectKey<'a> {
    /// What stands before `AWSLogs/`: the trail's key prefix, without the last slash.
    pub trail_prefix: Option<&'a str>,
    /// Organization id, `o-…`.
    pub org: Option<&'a str>,
    /// Account, 12 digits.
    pub account: Option<&'a str>,
    /// What the object holds.
    pub kind: ObjectKind,
    /// Region.
    pub region: Option<&'a str>,
    /// Day of delivery, days since 1970-01-01.
    pub day: Option<i32>,
    /// Time of delivery in the file name, microseconds since 1970 (UTC).
    pub delivered: Option<i64>,
}

/// Reads a key, a path or the name of an archive's member. Never fails: what
/// it cannot read it leaves out.
pub fn parse_key(key: &str) -> ObjectKey<'_> {
    let (folder, file) = key.rsplit_once('/').unwrap_or(("", key));
    let from_file = parse_file_name(file);
    let from_folder = parse_folder(folder);
    let kind = match (from_folder.kind, from_file.kind) {
        // All kinds of events may have the same file names.
        (Some(kind), Some(ObjectKind::Log)) if kind.has_events() => kind,
        // Otherwise the name is the narrower statement: a log file that was
        // copied into another service's folder is still a log file.
        (folder, file) => file.or(folder).unwrap_or_default(),
    };
    let delivered = from_file.delivered;
    ObjectKey {
        trail_prefix: from_folder.trail_prefix,
        org: from_folder.org,
        account: from_folder.account.or(from_file.account),
        kind,
        region: from_folder.region.or(from_file.region),
        day: from_folder.day.or(delivered.map(|time| time.div_euclid(86_400_000_000) as i32)),
        delivered,
    }
}

impl ObjectKey<'_> {
    /// The object of this key under the name that people see.
    pub fn object(&self, name: impl Into<String>) -> Object {
        Object {
            name: name.into(),
            kind: self.kind,
            org: self.org.map(str::to_owned),
            account: self.account.map(str::to_owned),
            region: self.region.map(str::to_owned),
            day: self.day,
            delivered: self.delivered,
        }
    }
}

/// The same parts, where `kind` may be unsaid.
#[derive(Default)]
struct Parts<'a> {
    trail_prefix: Option<&'a str>,
    org: Option<&'a str>,
    account: Option<&'a str>,
    kind: Option<ObjectKind>,
    region: Option<&'a str>,
    day: Option<i32>,
    delivered: Option<i64>,
}

/// `[prefix/]AWSLogs/[o-id/]account/kind/region/YYYY/MM/DD`, or the end of it.
fn parse_folder(folder: &str) -> Parts<'_> {
    let mut parts = Parts::default();
    let mut rest = folder;
    if let Some(at) = find_root(folder) {
        parts.trail_prefix = Some(folder[..at].trim_end_matches('/'));
        rest = &folder[at..];
    }
    let mut names = rest.split('/').peekable();
    // The date closes a folder, so the last region, account and date win over
    // directories of the same look further up.
    while let Some(name) = names.next() {
        if is_org(name) {
            parts.org = Some(name);
        } else if is_account(name) {
            parts.account = Some(name);
            parts.kind = names.peek().copied().and_then(kind_of).or(parts.kind);
        } else if is_region(name) {
            parts.region = Some(name);
            parts.day = date_of(names.clone()).or(parts.day);
        } else if let Some(kind) = kind_of(name)
            && names.peek().is_some_and(|next| is_region(next))
        {
            parts.kind = Some(kind);
        } else if parts.day.is_none() && parts.region.is_none() {
            parts.day = date_of(std::iter::once(name).chain(names.clone()));
        }
    }
    parts
}

/// Byte offset of the last folder `AWSLogs`.
fn find_root(folder: &str) -> Option<usize> {
    let mut end = folder.len();
    while let Some(at) = folder[..end].rfind("AWSLogs") {
        let starts = at == 0 || folder.as_bytes()[at - 1] == b'/';
        let ends = folder.as_bytes().get(at + 7).is_none_or(|byte| *byte == b'/');
        if starts && ends {
            return Some(at);
        }
        end = at;
    }
    None
}

/// `account_kind_region_YYYYMMDDThhmm[ss]Z…`; anything may stand before the account.
fn parse_file_name(file: &str) -> Parts<'_> {
    let mut parts = Parts::default();
    let stem = file.split('.').next().unwrap_or(file);
    let mut before = "";
    let mut names = stem.split('_');
    for name in names.by_ref() {
        match kind_of(name) {
            Some(kind) if !before.is_empty() => {
                parts.kind = Some(kind);
                parts.account = before.get(before.len().saturating_sub(12)..).filter(|text| is_account(text));
                break;
            }
            _ => before = name,
        }
    }
    if parts.kind.is_none() {
        return parts;
    }
    for name in names {
        if parts.region.is_none() && is_region(name) {
            parts.region = Some(name);
        }
        parts.delivered = delivery_time(name).or(parts.delivered);
    }
    parts
}

/// The kind that a folder's name, or the infix of a file's name, stands for.
///
/// Only names that are surely another service's are foreign: an unknown
/// folder is opened rather than an event missed.
fn kind_of(name: &str) -> Option<ObjectKind> {
    Some(match name {
        "CloudTrail" => ObjectKind::Log,
        "CloudTrail-Insight" => ObjectKind::Insight,
        "CloudTrail-NetworkActivity" => ObjectKind::NetworkActivity,
        "CloudTrail-Aggregated" => ObjectKind::Aggregated,
        "CloudTrail-Digest" => ObjectKind::Digest,
        "CloudTrail-Lake"
        | "Config"
        | "GuardDuty"
        | "WAFLogs"
        | "elasticloadbalancing"
        | "vpcflowlogs"
        | "vpcdnsquerylogs"
        | "redshift"
        | "network-firewall"
        | "vpc-lattice"
        | "verifiedaccess"
        | "VerifiedAccess" => ObjectKind::Foreign,
        _ => return None,
    })
}

fn is_org(name: &str) -> bool {
    name.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// `YYYY`, `MM`, `DD` at the start of `names`.
fn date_of<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<i32> {
    let mut text = [b'-'; 10];
    for (place, length) in [(0, 4), (5, 2), (8, 2)] {
        let name = names.next().filter(|name| name.len() == length)?;
        text[place..place + length].copy_from_slice(name.as_bytes());
    }
    parse_day(&text)
}

/// `20260115T1005Z` or `20260115T100500Z`.
fn delivery_time(name: &str) -> Option<i64> {
    let is_time = matches!(name.len(), 14 | 16)
        && name.as_bytes()[8] == b'T'
        && name.as_bytes()[name.len() - 1] == b'Z';
    if is_time { parse_time(name.as_bytes()) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pugmark_event::days_from_civil;

    use super::*;

    const FILE: &str = "111122223333_CloudTrail_eu-west-1_20260115T1005Z_a1B2c3D4e5F6g7H8.json.gz";
    const DAY: i32 = days_from_civil(2026, 1, 15);
    const DELIVERED: i64 = DAY as i64 * 86_400_000_000 + 36_300_000_000;

    #[test]
    fn a_log_file_of_an_organization_trail_says_everything() {
        let key =
            format!("audit/x/AWSLogs/o-exampleorg11/111122223333/CloudTrail/eu-west-1/2026/01/15/{FILE}");
        let expected = ObjectKey {
            trail_prefix: Some("audit/x"),
            org: Some("o-exampleorg11"),
            account: Some("111122223333"),
            kind: ObjectKind::Log,
            region: Some("eu-west-1"),
            day: Some(DAY),
            delivered: Some(DELIVERED),
        };
        assert_eq!(parse_key(&key), expected);
    }

    #[test]
    fn a_flat_file_says_account_region_and_time() {
        let key = parse_key(FILE);
        assert_eq!((key.account, key.region, key.day), (Some("111122223333"), Some("eu-west-1"), Some(DAY)));
        assert_eq!((key.delivered, key.trail_prefix, key.org), (Some(DELIVERED), None, None));
        let copied = format!("copy-of-{FILE}");
        assert_eq!(parse_key(&copied).account, Some("111122223333"));
    }

    #[test]
    fn a_copied_subtree_says_what_is_left_of_it() {
        let key = parse_key("logs/CloudTrail/us-gov-west-1/2026/01/15/x.json");
        assert_eq!((key.account, key.region, key.day), (None, Some("us-gov-west-1"), Some(DAY)));
        let key = parse_key("2026/01/15/x.json");
        assert_eq!((key.region, key.day), (None, Some(DAY)));
        let key = parse_key("444455556666/CloudTrail-Insight/us-isob-east-1/2026/01/15/x");
        assert_eq!((key.kind, key.account), (ObjectKind::Insight, Some("444455556666")));
    }

    #[test]
    fn what_holds_no_events_is_told_by_its_key() {
        for (key, kind) in [
            ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/15/x.json.gz", ObjectKind::Digest),
            (
                "111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260115T100000Z.json.gz",
                ObjectKind::Digest,
            ),
            ("AWSLogs/111122223333/Config/eu-west-1/2026/1/15/ConfigHistory/x.json.gz", ObjectKind::Foreign),
            ("111122223333_Config_eu-west-1_ConfigSnapshot_20260115T100000Z_x.json.gz", ObjectKind::Foreign),
            ("AWSLogs/111122223333/elasticloadbalancing/eu-west-1/2026/01/15/x.log.gz", ObjectKind::Foreign),
            ("AWSLogs/111122223333/CloudTrail-Lake/Query/2026/01/15/q/result_1.csv.gz", ObjectKind::Foreign),
            (
                "AWSLogs/111122223333/CloudTrail-NetworkActivity/eu-west-1/2026/01/15/x",
                ObjectKind::NetworkActivity,
            ),
            ("AWSLogs/111122223333/CloudTrail-Aggregated/eu-west-1/2026/01/15/x", ObjectKind::Aggregated),
        ] {
            assert_eq!(parse_key(key).kind, kind, "{key}");
        }
    }

    #[test]
    fn a_digest_says_when_to_the_second() {
        let key = parse_key(
            "111122223333_CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20260115T100501Z_backfill.json.gz",
        );
        assert_eq!((key.region, key.delivered), (Some("eu-west-1"), Some(DELIVERED + 1_000_000)));
    }

    #[test]
    fn a_log_file_in_another_services_folder_is_a_log_file() {
        let folder = |kind: &str| format!("AWSLogs/111122223333/{kind}/eu-west-1/2026/01/15/{FILE}");
        assert_eq!(parse_key(&folder("Config")).kind, ObjectKind::Log);
        assert_eq!(parse_key(&folder("CloudTrail-Insight")).kind, ObjectKind::Insight);
    }

    #[test]
    fn folders_that_only_look_alike_say_nothing() {
        for key in [
            "Config/notes.json",
            "redshift/x.json",
            "CloudTrail-Digest/x",
            "2026/13/01/x",
            "a/2026/1/1/x",
            "",
        ] {
            assert_eq!(parse_key(key), ObjectKey::default(), "{key}");
        }
    }

    #[test]
    fn the_last_root_counts() {
        let key = parse_key("backup/AWSLogs/old/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/15/x");
        assert_eq!(key.trail_prefix, Some("backup/AWSLogs/old"));
        assert_eq!(parse_key("MyAWSLogs/x").trail_prefix, None);
    }

    proptest! {
        #[test]
        fn no_key_makes_it_fail(key in "\\PC*") {
            parse_key(&key);
        }

        #[test]
        fn no_key_of_the_right_characters_makes_it_fail(key in "[AWSLogsCloudTrail0-9o/_.TZé-]{0,120}") {
            parse_key(&key);
        }

        #[test]
        fn what_a_key_was_made_of_is_read_back(
            prefix in "([a-z]{1,8}/){0,2}",
            org in proptest::option::of("o-[a-z0-9]{10,32}"),
            account in "[0-9]{12}",
            region in "(us|eu|ap|cn)-(gov-)?(west|east|north)-[1-9]",
            (year, month, day) in (2013..2100_i32, 1..=12_u32, 1..=28_u32),
            (hour, minute) in (0..24_i64, 0..60_i64),
            unique in "[A-Za-z0-9]{16}",
        ) {
            let middle = org.as_ref().map(|org| format!("{org}/")).unwrap_or_default();
            let key = format!(
                "{prefix}AWSLogs/{middle}{account}/CloudTrail/{region}/{year}/{month:02}/{day:02}/\
                 {account}_CloudTrail_{region}_{year}{month:02}{day:02}T{hour:02}{minute:02}Z_{unique}.json.gz"
            );
            let days = days_from_civil(year, month, day);
            let parsed = parse_key(&key);
            prop_assert_eq!(parsed.trail_prefix, Some(prefix.trim_end_matches('/')));
            prop_assert_eq!(parsed.org, org.as_deref());
            prop_assert_eq!(parsed.account, Some(account.as_str()));
            prop_assert_eq!(parsed.region, Some(region.as_str()));
            prop_assert_eq!(parsed.day, Some(days));
            prop_assert_eq!(parsed.delivered, Some((i64::from(days) * 1_440 + hour * 60 + minute) * 60_000_000));
        }
    }
}
