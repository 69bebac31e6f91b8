//! Evidence as a bucket: listed by prefix and marker, read by key.

use std::collections::HashMap;

use pugmark_event::parse_time;

use super::{Names, key_time};
use crate::digest::file_name;
use crate::gather::{DigestFile, Evidence, LogFile};

/// All objects, by the last part of their keys.
pub(crate) struct Buckets<'a> {
    digests: HashMap<&'a str, Vec<&'a DigestFile>>,
    logs: HashMap<&'a str, Vec<&'a LogFile>>,
    /// Names of digests of the chain that is asked for.
    listed: Vec<(&'a DigestFile, String)>,
}

impl<'a> Buckets<'a> {
    pub(crate) fn new(evidence: &'a Evidence, names: &Names) -> Buckets<'a> {
        let mut digests: HashMap<&str, Vec<&DigestFile>> = HashMap::new();
        for file in &evidence.digests {
            digests.entry(file_name(&file.object.name)).or_default().push(file);
        }
        let mut logs: HashMap<&str, Vec<&LogFile>> = HashMap::with_capacity(evidence.logs.len());
        for file in &evidence.logs {
            logs.entry(file_name(&file.object.name)).or_default().push(file);
        }
        let listed = |file: &'a DigestFile| Some((file, names.key_in(&file.object.name)?));
        let mut listed: Vec<_> = evidence.digests.iter().filter_map(listed).collect();
        listed.sort_by(|first, later| first.1.cmp(&later.1));
        Buckets { digests, logs, listed }
    }

    /// The bucket that the newest of the digests names.
    pub(crate) fn newest_bucket(&self, names: &Names) -> Option<String> {
        let ours = self.listed.iter().filter(|(_, key)| names.is_digest(key));
        let digests = ours.filter_map(|(file, _)| file.digest.as_ref().ok());
        digests.max_by_key(|digest| digest.end).map(|digest| digest.place.bucket.to_string())
    }

    /// Keys of digests in a range, and those of backfill digests, in order.
    pub(crate) fn list(
        &self,
        names: &Names,
        bucket: &str,
        start: i64,
        end: i64,
    ) -> (Vec<String>, Vec<String>) {
        let marker = names.digest_key(start - 60_000_000);
        let (first, last) = (key_time(start), key_time(end + 3_600_000_000));
        let (mut plain, mut backfill) = (Vec::new(), Vec::new());
        for (file, key) in &self.listed {
            if *key <= marker || !is_in(&file.object.name, bucket, key) || !names.is_digest(key) {
                continue;
            }
            let Some(date) = date_text(key) else { continue };
            if *date > *last {
                break;
            }
            let keys = if is_backfill(key) { &mut backfill } else { &mut plain };
            // Copies of one object are one.
            if *date >= *first && keys.last() != Some(key) {
                keys.push(key.clone());
            }
        }
        (plain, backfill)
    }

    pub(crate) fn digest(&self, bucket: &str, key: &str) -> Option<&'a DigestFile> {
        let named = self.digests.get(file_name(key))?;
        best(named, bucket, key, |file| &file.object.name)
    }

    pub(crate) fn log(&self, bucket: &str, key: &str) -> Option<&'a LogFile> {
        let named = self.logs.get(file_name(key))?;
        best(named, bucket, key, |file| &file.object.name)
    }
}

/// The object of a key; on disk, where buckets may be folders, rather one
/// below the bucket's folder.
fn best<'a, T>(files: &[&'a T], bucket: &str, key: &str, name: impl Fn(&T) -> &str) -> Option<&'a T> {
    let mut found = files.iter().filter(|file| is_in(name(file), bucket, key));
    let whole = format!("{bucket}/{key}");
    found.clone().find(|file| name(file).ends_with(&whole)).or_else(|| found.next()).copied()
}

/// True if an object of this name may stand for the key of the bucket.
fn is_in(name: &str, bucket: &str, key: &str) -> bool {
    if let Some(rest) = name.strip_prefix("s3://") {
        return rest.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/')) == Some(key);
    }
    name.strip_suffix(key).is_some_and(|folder| folder.is_empty() || folder.ends_with(['/', '!']))
}

impl Names {
    /// `[prefix/]AWSLogs/[organization/]account/CloudTrail-Digest/region/`.
    fn folder(&self) -> String {
        let Names { account, region, .. } = self;
        let organization = self.organization.as_ref().map(|id| format!("{id}/")).unwrap_or_default();
        let prefix = self.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        format!("{prefix}AWSLogs/{organization}{account}/CloudTrail-Digest/{region}/")
    }

    /// The start of the last part of the keys.
    fn file_start(&self) -> String {
        let Names { account, region, trail, home_region, .. } = self;
        format!("{account}_CloudTrail-Digest_{region}_{trail}_{home_region}_")
    }

    /// The key that a digest of this end has.
    fn digest_key(&self, end: i64) -> String {
        let time = key_time(end);
        let (year, month, day) = (&time[..4], &time[4..6], &time[6..8]);
        format!("{}{year}/{month}/{day}/{}{time}.json.gz", self.folder(), self.file_start())
    }

    /// The key in an object's name: all of it in S3, on disk what follows the
    /// folder that the prefix begins in.
    fn key_in(&self, name: &str) -> Option<String> {
        if let Some(rest) = name.strip_prefix("s3://") {
            return Some(rest.split_once('/')?.1.to_owned());
        }
        let folder = self.folder();
        let at = name.rfind(&folder)?;
        let is_start = at == 0 || name[..at].ends_with(['/', '!']);
        is_start.then(|| name[at..].to_owned())
    }

    /// True if the key is that of a digest of the chain.
    fn is_digest(&self, key: &str) -> bool {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let matches = || {
            let rest = key.strip_prefix(&*self.folder())?;
            let mut parts = rest.splitn(4, '/');
            let dated = parts.by_ref().take(3).all(is_number);
            let time = parts.next()?.strip_prefix(&*self.file_start())?.strip_suffix(".json.gz")?;
            Some(dated && !time.is_empty())
        };
        matches().unwrap_or(false)
    }
}

pub(crate) fn is_backfill(key: &str) -> bool {
    key.ends_with("_backfill.json.gz")
}

/// The end in a key, by position.
fn date_text(key: &str) -> Option<&str> {
    let rest = if is_backfill(key) { "_backfill.json.gz" } else { ".json.gz" };
    let end = key.len().checked_sub(rest.len())?;
    key.get(end.checked_sub(16)?..end)
}

/// The same, microseconds since 1970 (UTC).
pub(crate) fn date_of(key: &str) -> Option<i64> {
    parse_time(date_text(key)?.as_bytes())
}

/// `20260115T100000Z` of `2026-01-15T10:00:00Z`.
pub(crate) fn compact_time(text: &str) -> String {
    text.replace(['-', ':'], "")
}
