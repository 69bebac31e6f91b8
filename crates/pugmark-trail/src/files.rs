//! What is delivered, as names and bytes: a pure function of a cut and its
//! events, so that to deliver again is to deliver the same.
//!
//! ```text
//! [prefix/]AWSLogs/[o-id/]account/folder/region/YYYY/MM/DD/name
//! account_folder_region_YYYYMMDDThhmmZ_<16 letters and digits>.json.gz
//! ```
//!
//! Source: AWS `CloudTrail` User Guide, "`CloudTrail` log file name format",
//! "`CloudTrail` digest file structure".

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use flate2::{Compression, GzBuilder};
use pugmark_event::format_time;
use pugmark_integrity::{Digest, ListedFile, Previous, S3Place, decode_hash, hex, sha256, unhex};

use crate::chaos::{Chaos, Fault};
use crate::deliver::{Cut, Plan, PutFile};
use crate::journal::Entry;
use crate::record::Facts;
use crate::terms::Terms;

/// A log file that is to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// What will be written down of it.
    pub(crate) put: PutFile,
    /// Its uncompressed bytes.
    pub(crate) body: Vec<u8>,
}

struct Draft<'e> {
    events: Vec<&'e str>,
    oldest: Option<i64>,
    newest: Option<i64>,
}

/// The log files of a cut, by key.
///
/// # Errors
/// If what the journal holds is no record.
pub(crate) fn log_files(
    cut: &Cut,
    entries: &[(u64, Entry)],
    chaos: Option<Chaos>,
) -> io::Result<Vec<LogFile>> {
    let terms = &cut.terms;
    let mut drafts: BTreeMap<(String, String, &'static str), Draft<'_>> = BTreeMap::new();
    for (number, entry) in entries {
        if entry.only_for.as_ref().is_some_and(|arn| *arn != terms.arn) {
            continue;
        }
        let fault = |_| io::Error::new(io::ErrorKind::InvalidData, format!("event {number} is no record"));
        let facts = Facts::read(&entry.event).map_err(fault)?;
        let Some(account) = terms.takes(&facts) else { continue };
        let region = facts.aws_region.as_deref().unwrap_or_default().to_owned();
        let place = (account, region, facts.category().folder());
        let new = || Draft { events: Vec::new(), oldest: None, newest: None };
        let draft = drafts.entry(place).or_insert_with(new);
        draft.events.push(&entry.event);
        if let Some(time) = facts.time() {
            draft.oldest = Some(draft.oldest.map_or(time, |oldest| oldest.min(time)));
            draft.newest = Some(draft.newest.map_or(time, |newest| newest.max(time)));
        }
    }
    let file = |((account, region, folder), mut draft): ((String, String, &str), Draft<'_>)| {
        let key = log_key(terms, cut, &account, &region, folder);
        if chaos.and_then(|chaos| chaos.fault(&key)) == Some(Fault::Shuffled) {
            draft.events.reverse();
        }
        let body = format!("{{\"Records\":[{}]}}", draft.events.join(",")).into_bytes();
        let put = PutFile {
            bucket: terms.bucket.clone(),
            key,
            sha256: hex(&sha256(&body)),
            oldest: draft.oldest,
            newest: draft.newest,
            account,
            region,
            time: cut.time,
        };
        LogFile { put, body }
    };
    Ok(drafts.into_iter().map(file).collect())
}

fn log_key(terms: &Terms, cut: &Cut, account: &str, region: &str, folder: &str) -> String {
    let (day, stamp) = day_and_stamp(cut.time);
    let seed = format!("{}\n{}\n{account}\n{region}\n{folder}", terms.arn, cut.id);
    let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = |byte: &u8| char::from(letters[usize::from(*byte) % letters.len()]);
    let unique: String = sha256(seed.as_bytes()).iter().take(16).map(letter).collect();
    let folders = folders(terms, account, folder, region);
    format!("{folders}/{day}/{account}_{folder}_{region}_{}Z_{unique}.json.gz", &stamp[..13])
}

/// `YYYY/MM/DD` and `YYYYMMDDThhmmss`.
fn day_and_stamp(time: i64) -> (String, String) {
    let text = format_time(time);
    let stamp: String = text.chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(15).collect();
    (text[..10].replace('-', "/"), stamp)
}

fn folders(terms: &Terms, account: &str, folder: &str, region: &str) -> String {
    let mut key = String::new();
    for part in
        [terms.prefix.as_deref(), Some("AWSLogs"), terms.organization.as_deref()].into_iter().flatten()
    {
        key.push_str(part);
        key.push('/');
    }
    key + account + "/" + folder + "/" + region
}

/// Where a digest that ends at `end` is put.
pub(crate) fn digest_key(terms: &Terms, account: &str, region: &str, end: i64, is_backfill: bool) -> String {
    let (day, stamp) = day_and_stamp(end);
    let suffix = if is_backfill { "_backfill" } else { "" };
    let Terms { name, home_region, .. } = terms;
    let folders = folders(terms, account, "CloudTrail-Digest", region);
    format!(
        "{folders}/{day}/{account}_CloudTrail-Digest_{region}_{name}_{home_region}_{stamp}Z{suffix}.json.gz"
    )
}

/// The digest that a plan asks for.
pub(crate) fn digest(plan: &Plan) -> Digest {
    let place = |bucket: &str, key: &str| S3Place { bucket: Arc::from(bucket), key: key.into() };
    let bytes = |text: &str| unhex(text).expect("hexadecimal digits that we wrote");
    let listed = |file: &PutFile| ListedFile {
        place: place(&file.bucket, &file.key),
        sha256: decode_hash(&file.sha256).expect("a SHA-256 that we wrote"),
        newest_event: file.newest,
        oldest_event: file.oldest,
    };
    Digest {
        account: plan.account.clone(),
        start: plan.start,
        end: plan.end,
        place: place(&plan.bucket, &plan.key),
        fingerprint: plan.fingerprint.clone(),
        newest_event: plan.files.iter().filter_map(|file| file.newest).max(),
        oldest_event: plan.files.iter().filter_map(|file| file.oldest).min(),
        previous: plan.previous.as_ref().map(|previous| Previous {
            place: place(&previous.bucket, &previous.key),
            sha256: decode_hash(&previous.sha256).expect("a SHA-256 that we wrote"),
            signature: bytes(&previous.signature),
        }),
        files: plan.files.iter().map(listed).collect(),
    }
}

/// One gzip member without name and time: the same bytes each time.
///
/// # Errors
/// Never, as long as memory lasts; the type is that of a writer.
pub fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer =
        GzBuilder::new().mtime(0).write(Vec::with_capacity(body.len() / 8), Compression::default());
    writer.write_all(body)?;
    writer.finish()
}
