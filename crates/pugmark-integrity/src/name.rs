//! What the name of a digest says: which chain it belongs to, and when it ends.
//!
//! ```text
//! account_CloudTrail-Digest_region_trail_home_YYYYMMDDThhmmssZ[_backfill].json.gz
//! ```

use std::fmt;

use pugmark_event::{is_account, is_region, parse_time};

use crate::digest::file_name;

/// One chain of digests: a trail has one for each account and Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId {
    /// Account whose log files are listed, 12 digits.
    pub account: String,
    /// Region whose log files are listed.
    pub region: String,
    /// Name of the trail.
    pub trail: String,
    /// Region of the trail itself.
    pub home_region: String,
    /// True for the chain of digests that list what missed its hour.
    pub is_backfill: bool,
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChainId { account, region, trail, home_region, is_backfill } = self;
        write!(f, "{account} {region} {trail} ({home_region})")?;
        if *is_backfill { f.write_str(" backfill") } else { Ok(()) }
    }
}

/// A digest's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestName {
    /// The chain it belongs to.
    pub chain: ChainId,
    /// End of its window, microseconds since 1970 (UTC).
    pub end: i64,
}

impl DigestName {
    /// Reads the name at the end of a key or path; what is compressed
    /// otherwise or not at all may end otherwise.
    ///
    /// Source: AWS `CloudTrail` User Guide, "`CloudTrail` digest file structure".
    pub fn parse(key: &str) -> Option<DigestName> {
        let name = file_name(key);
        let stem = &name[..name.find(".json")?];
        let (account, rest) = stem.split_once("_CloudTrail-Digest_")?;
        let (rest, is_backfill) = match rest.strip_suffix("_backfill") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        // A trail's name may itself hold underscores; Regions and times do not.
        let (region, rest) = rest.split_once('_')?;
        let (rest, end) = rest.rsplit_once('_')?;
        let (trail, home_region) = rest.rsplit_once('_')?;
        let is_time = end.len() == 16 && end.as_bytes()[8] == b'T' && end.ends_with('Z');
        let account = account.get(account.len().checked_sub(12)?..)?;
        if !is_time || trail.is_empty() || !is_account(account) {
            return None;
        }
        // A digest is somebody's text until it is proven, and a Region becomes part of an address.
        if !is_region(region) || !is_region(home_region) {
            return None;
        }
        Some(DigestName {
            chain: ChainId {
                account: account.to_owned(),
                region: region.to_owned(),
                trail: trail.to_owned(),
                home_region: home_region.to_owned(),
                is_backfill,
            },
            end: parse_time(end.as_bytes())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "111122223333_CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20260115T110000Z";

    #[test]
    fn a_name_says_chain_and_end() {
        let name = DigestName::parse(&format!("a/b/{NAME}.json.gz")).expect("a digest's name");
        let ChainId { account, region, trail, home_region, is_backfill } = name.chain;
        assert_eq!((account.as_str(), region.as_str()), ("111122223333", "eu-west-1"));
        assert_eq!((trail.as_str(), home_region.as_str(), is_backfill), ("my_trail", "us-east-1", false));
        assert_eq!(Some(name.end), parse_time(b"2026-01-15T11:00:00Z"));
    }

    #[test]
    fn a_backfill_digest_is_of_another_chain() {
        let name = DigestName::parse(&format!("logs.tar!{NAME}_backfill.json.gz")).expect("a digest's name");
        assert!(name.chain.is_backfill);
        assert_eq!(name.chain.trail, "my_trail");
    }

    #[test]
    fn what_is_no_digests_name_is_none() {
        for name in [
            "",
            "x.json.gz",
            "111122223333_CloudTrail_eu-west-1_20260115T1100Z_a1B2c3D4e5F6g7H8.json.gz",
            "111122223333_CloudTrail-Digest_eu-west-1_20260115T110000Z.json.gz",
            "1_CloudTrail-Digest_eu-west-1_t_us-east-1_20260115T110000Z.json.gz",
            "é11122223333_CloudTrail-Digest_eu-west-1_t_us-east-1_20260115T11000éZ.json.gz",
            "111122223333_CloudTrail-Digest_eu-west-1_t_us-east-1_20261315T110000Z.json.gz",
        ] {
            assert_eq!(DigestName::parse(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_makes_it_fail(name in "\\PC{0,80}") {
            DigestName::parse(&name);
            DigestName::parse(&format!("111122223333_CloudTrail-Digest_{name}.json.gz"));
        }
    }
}
