//! What `aws cloudtrail validate-logs` would say of the same evidence.
//!
//! The AWS CLI walks one chain from its newest digest backwards, reads each
//! log file that a valid digest lists, and asks less than [`judge`](crate::judge)
//! does: hashes of digests and windows are not compared, files that no digest
//! lists are not looked for, and a chain that is cut at its newest end looks
//! whole. This walk does the same, over evidence that is already there, and
//! prints the same words. It follows version 1.46 of the AWS CLI; in what the
//! CLI prints when it fails before or while it walks, only the reason is alike.
//!
//! Source: AWS `CloudTrail` User Guide, "Validating `CloudTrail` log file
//! integrity with the AWS CLI", and runs of the AWS CLI against a server of
//! our own, which the tests repeat.

mod bucket;
mod lenient;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pugmark_event::{DefectKind, format_time, is_account};
use pugmark_source::parse_key;

use crate::digest::{Digest, S3Place};
use crate::gather::{DigestFile, Evidence, LogFile};
use crate::hex;
use crate::keys::{PublicKey, PublicKeys};
use crate::name::DigestName;
use bucket::{Buckets, compact_time, date_of, is_backfill};
use lenient::{LenientDigest, LenientFile};

/// The arguments of one run of the AWS CLI.
#[derive(Clone, Debug, Default)]
pub struct AwsRun {
    /// `--trail-arn`.
    pub trail_arn: String,
    /// `--start-time`, microseconds since 1970 (UTC).
    pub start: i64,
    /// `--end-time`, or the time of the run.
    pub end: i64,
    /// `--region`: whose digests are walked; the trail's own if empty.
    pub region: String,
    /// `--account-id`; the ARN's account if none.
    pub account: Option<String>,
    /// `--s3-bucket`, or the trail's bucket; the one that the newest digest
    /// names if none.
    pub bucket: Option<String>,
    /// `--s3-prefix`, or the trail's prefix, without the last slash.
    pub prefix: Option<String>,
    /// Organization id of an organization's trail, `o-…`.
    pub organization: Option<String>,
    /// `--verbose`.
    pub verbose: bool,
}

impl AwsRun {
    /// The same run with what the AWS CLI asks `DescribeTrails` and
    /// `DescribeOrganization`: prefix and organization, where they are not
    /// given, as the newest digest of the trail has them in its key.
    #[must_use]
    pub fn described(mut self, evidence: &Evidence) -> AwsRun {
        let Some(names) = Names::new(&self) else { return self };
        let is_ours = |digest: &&Arc<Digest>| {
            let Some(DigestName { chain, .. }) = DigestName::parse(&digest.place.key) else { return false };
            let is_member = self.account.is_none() && parse_key(&digest.place.key).org.is_some();
            (chain.trail == names.trail && chain.home_region == names.home_region)
                && chain.region == names.region
                && (is_member || chain.account == names.account)
        };
        let digests = evidence.digests.iter().filter_map(|file| file.digest.as_ref().ok());
        let Some(newest) = digests.filter(is_ours).max_by_key(|digest| digest.end) else { return self };
        let key = parse_key(&newest.place.key);
        let (prefix, organization) = (key.trail_prefix.map(str::to_owned), key.org.map(str::to_owned));
        self.prefix = self.prefix.or(prefix);
        self.organization = self.organization.or(organization);
        self
    }
}

/// What the AWS CLI prints, and how it exits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code: 0 nothing invalid, 1 something invalid, 255 no run.
    pub exit: u8,
}

/// Walks the chain as the AWS CLI does.
///
/// The keys stand for what `ListPublicKeys` of the Region answers: those known
/// to be of another Region are not among them, nor those that are known to be
/// valid at another time than is asked for. A copy of which no digest has
/// metadata is taken as if each had the signature that the digest after it
/// repeats.
pub fn validate_logs(evidence: &Evidence, keys: &PublicKeys, run: &AwsRun) -> AwsOutput {
    let mut output = AwsOutput::default();
    let Some(names) = Names::new(run) else {
        output.stderr = format!("Invalid trail ARN provided: {}\n", run.trail_arn);
        output.exit = 255;
        return output;
    };
    let mut walk = Walk {
        run,
        buckets: Buckets::new(evidence, &names),
        names,
        keys,
        sealed: sealed(evidence),
        status: Status { verbose: run.verbose, is_double_spaced: true, output },
        counts: Counts::default(),
        found: None,
    };
    match walk.run() {
        Ok(()) => walk.summary(),
        Err(Aborted(reason)) => {
            let output = &mut walk.status.output;
            writeln!(output.stderr, "{reason}").expect(STRING);
            output.exit = 255;
        }
    }
    walk.status.output
}

/// Signatures that later digests hold, by name, where none has metadata.
fn sealed(evidence: &Evidence) -> BTreeMap<S3Place, String> {
    if evidence.digests.iter().any(|file| !file.metadata.is_empty()) {
        return BTreeMap::new();
    }
    let digests = evidence.digests.iter().filter_map(|file| file.digest.as_ref().ok());
    let previous = digests.filter_map(|digest| digest.previous.as_ref());
    previous.map(|previous| (previous.place.clone(), hex::encode(&previous.signature))).collect()
}

/// The parts of keys.
pub(crate) struct Names {
    account: String,
    region: String,
    trail: String,
    home_region: String,
    organization: Option<String>,
    prefix: Option<String>,
}

impl Names {
    fn new(run: &AwsRun) -> Option<Names> {
        // arn:partition:cloudtrail:region:account:trail/name
        let (arn, trail) = run.trail_arn.split_once(":trail/")?;
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "cloudtrail", home_region, account] = parts[..] else { return None };
        if partition.is_empty() || home_region.is_empty() || !is_account(account) || trail.is_empty() {
            return None;
        }
        let region = if run.region.is_empty() { home_region } else { &run.region };
        Some(Names {
            account: run.account.clone().unwrap_or_else(|| account.to_owned()),
            region: region.to_owned(),
            trail: trail.rsplit('/').next().unwrap_or(trail).to_owned(),
            home_region: home_region.to_owned(),
            organization: run.organization.clone(),
            prefix: run.prefix.clone().filter(|prefix| !prefix.is_empty()),
        })
    }
}

/// Why a run ends at once.
struct Aborted(String);

/// A message about a digest that is not valid; the walk goes on.
enum Trouble {
    Missing,
    Invalid(String),
}

#[derive(Default)]
struct Counts {
    digests: (u64, u64),
    backfill: (u64, u64),
    logs: (u64, u64),
}

/// The two streams, and the blank lines between them.
struct Status {
    verbose: bool,
    is_double_spaced: bool,
    output: AwsOutput,
}

impl Status {
    fn say(&mut self, message: &str) {
        if self.verbose {
            self.is_double_spaced = false;
            self.output.stdout.push_str(message);
            self.output.stdout.push('\n');
        }
    }

    fn complain(&mut self, message: &str) {
        if !self.is_double_spaced {
            self.output.stderr.push('\n');
        }
        self.output.stderr.push_str(message);
        self.output.stderr.push_str("\n\n");
        self.is_double_spaced = true;
    }
}

struct Walk<'a> {
    run: &'a AwsRun,
    names: Names,
    buckets: Buckets<'a>,
    keys: &'a PublicKeys,
    sealed: BTreeMap<S3Place, String>,
    status: Status,
    counts: Counts,
    /// First start and last end of valid digests, inside what is asked for.
    found: Option<(i64, i64)>,
}

/// Why writing to a string cannot fail.
const STRING: &str = "a string takes all that is written";

const HOUR: i64 = 3_600_000_000;

impl<'a> Walk<'a> {
    fn run(&mut self) -> Result<(), Aborted> {
        let AwsRun { trail_arn, start, end, .. } = self.run;
        let (start, end) = (*start, *end);
        writeln!(
            self.status.output.stdout,
            "Validating log files for trail {trail_arn} between {} and {}\n",
            display_time(start),
            display_time(end)
        )
        .expect(STRING);
        let bucket = match &self.run.bucket {
            Some(bucket) => bucket.clone(),
            None => self.buckets.newest_bucket(&self.names).unwrap_or_default(),
        };
        let digests = self.buckets.list(&self.names, &bucket, start, end);
        let keys = self.public_keys(start, end + 2 * HOUR).map_err(Aborted)?;
        self.chain(Chain { digests: digests.0, bucket: bucket.clone(), keys, is_backfill: false });
        self.chain(Chain { digests: digests.1, bucket, keys: BTreeMap::new(), is_backfill: true });
        Ok(())
    }

    /// The keys that `ListPublicKeys` would answer, by fingerprint.
    fn public_keys(&self, start: i64, end: i64) -> Result<BTreeMap<&'a str, Vec<&'a PublicKey>>, String> {
        let is_served = |key: &&PublicKey| {
            key.since.is_none_or(|since| since <= end)
                && key.until.is_none_or(|until| until >= start)
                && key.region.as_ref().is_none_or(|region| *region == self.names.region)
        };
        let mut served: BTreeMap<&str, Vec<&PublicKey>> = BTreeMap::new();
        for key in self.keys.iter().filter(is_served) {
            served.entry(&key.fingerprint).or_default().push(key);
        }
        if served.is_empty() {
            let (start, end) = (display_time(start), display_time(end));
            return Err(format!("No public keys found between {start} and {end}"));
        }
        Ok(served)
    }

    /// One chain, from its newest digest on.
    fn chain(&mut self, mut chain: Chain<'a>) {
        let Some(mut key) = chain.digests.pop() else { return };
        let mut last_start = date_of(&key).unwrap_or(i64::MAX);
        while self.run.start <= last_start {
            let next = match self.digest(&mut chain, &key) {
                Ok(digest) => {
                    last_start = digest.start;
                    self.valid(&chain, &digest);
                    self.before_valid(&mut chain, &key, &digest)
                }
                Err(trouble) => {
                    let place = format!("Digest file\ts3://{}/{key}\tINVALID: ", chain.bucket);
                    let reason = match trouble {
                        Trouble::Missing => "not found".to_owned(),
                        Trouble::Invalid(reason) => reason,
                    };
                    self.counted(chain.is_backfill).1 += 1;
                    self.status.complain(&format!("{}{place}{reason}", chain.mark()));
                    chain.before(&key)
                }
            };
            match next {
                Some(next) => key = next,
                None => return,
            }
        }
    }

    /// The digest before a valid one: the one it names, or else the next that
    /// is listed, with a word about the gap.
    fn before_valid(
        &mut self,
        chain: &mut Chain<'a>,
        key: &str,
        digest: &LenientDigest<'_>,
    ) -> Option<String> {
        if let Some(previous) = &digest.previous {
            if *previous.bucket != *chain.bucket {
                chain.bucket = previous.bucket.to_string();
                let (plain, backfill) =
                    self.buckets.list(&self.names, &chain.bucket, self.run.start, digest.end);
                chain.digests = if chain.is_backfill { backfill } else { plain };
            }
            return Some(previous.key.to_string());
        }
        let next = chain.before(key);
        if let Some(end) = next.as_deref().and_then(date_of) {
            let (mark, since, until) = (chain.mark(), display_time(end), display_time(digest.start));
            self.status.complain(&format!(
                "{mark}No log files were delivered by CloudTrail between {since} and {until}"
            ));
        }
        next
    }

    fn counted(&mut self, is_backfill: bool) -> &mut (u64, u64) {
        if is_backfill { &mut self.counts.backfill } else { &mut self.counts.digests }
    }

    /// A digest that is valid, and its log files.
    fn valid(&mut self, chain: &Chain<'_>, digest: &LenientDigest<'_>) {
        let (start, end) = (digest.start.max(self.run.start), digest.end.min(self.run.end));
        self.found = Some(self.found.map_or((start, end), |found| (found.0.min(start), found.1.max(end))));
        self.counted(chain.is_backfill).0 += 1;
        let (bucket, key) = (&digest.bucket, &digest.key);
        self.status.say(&format!("{}Digest file\ts3://{bucket}/{key}\tvalid", chain.mark()));
        digest.for_each_file(|file| self.log(&file));
    }

    fn log(&mut self, file: &LenientFile<'_>) {
        let place = format!("Log file\ts3://{}/{}\t", file.bucket, file.key);
        let log = self.buckets.log(file.bucket, file.key);
        match log.map_or(Some("not found"), |log| log_trouble(log, file)) {
            None => {
                self.counts.logs.0 += 1;
                self.status.say(&format!("{place}valid"));
            }
            Some(reason) => {
                self.counts.logs.1 += 1;
                self.status.complain(&format!("{place}INVALID: {reason}"));
            }
        }
    }

    /// Loads a digest and asks of it what the AWS CLI asks.
    fn digest(&self, chain: &mut Chain<'a>, key: &str) -> Result<LenientDigest<'a>, Trouble> {
        let invalid = |reason: &str| Trouble::Invalid(reason.to_owned());
        let file = self.buckets.digest(&chain.bucket, key).ok_or(Trouble::Missing)?;
        if !is_one_gzip_member(file) {
            return Err(invalid("invalid format"));
        }
        let sha256 = file.content.first_member.unwrap_or(file.content.sha256);
        let read = LenientDigest::read(file);
        if matches!(read, Err(lenient::Fault::NotJson)) {
            return Err(invalid("invalid format"));
        }
        let signature = self.signature(file).ok_or_else(|| invalid("signature verification failed"))?;
        let digest = read.map_err(|_| invalid("invalid format"))?;
        let generated = file.metadata.get("backfill-generation-timestamp");
        if is_backfill(key) && generated.is_none() {
            return Err(invalid("invalid format"));
        }
        if digest.bucket != chain.bucket || digest.key != key {
            return Err(invalid("has been moved from its original location"));
        }
        if chain.is_backfill
            && !chain.keys.contains_key(&*digest.fingerprint)
            && let Some(time) = generated.and_then(|text| pugmark_event::parse_time(text.as_bytes()))
        {
            chain.keys.extend(self.public_keys(time - HOUR, time + HOUR).map_err(Trouble::Invalid)?);
        }
        let Some(keys) = chain.keys.get(&*digest.fingerprint) else {
            let (region, fingerprint) = (&self.names.home_region, &digest.fingerprint);
            let reason = format!("public key not found in region {region} for fingerprint {fingerprint}");
            return Err(Trouble::Invalid(reason));
        };
        let Some(bytes) = hex::decode_any_case(&signature) else {
            let is_odd = signature.len() % 2 == 1;
            return Err(invalid(if is_odd { "Odd-length string" } else { "Non-hexadecimal digit found" }));
        };
        let text = digest.signed_text(&sha256);
        if keys.iter().any(|key| key.verifies(text.as_bytes(), &bytes)) {
            Ok(digest)
        } else {
            Err(invalid("signature verification failed"))
        }
    }

    /// The signature, if the metadata have both members that they need.
    fn signature(&self, file: &DigestFile) -> Option<String> {
        if file.metadata.is_empty() {
            return self.sealed.get(&file.digest.as_ref().ok()?.place).cloned();
        }
        file.metadata.get("signature-algorithm")?;
        file.metadata.get("signature").cloned()
    }

    fn summary(&mut self) {
        let mut text = String::new();
        if !self.status.is_double_spaced {
            text.push('\n');
        }
        let (start, end) = (display_time(self.run.start), display_time(self.run.end));
        writeln!(text, "Results requested for {start} to {end}").expect(STRING);
        let Counts { digests, backfill, logs } = &self.counts;
        let invalid = digests.1 + backfill.1;
        self.status.output.exit = u8::from(invalid + logs.1 > 0);
        if digests.0 + backfill.0 + invalid == 0 {
            text.push_str("No digests found\n");
            self.status.output.stdout.push_str(&text);
            return;
        }
        match self.found {
            None => text.push_str("No valid digests found in range\n"),
            Some((start, end)) => {
                let (start, end) = (display_time(start), display_time(end));
                writeln!(text, "Results found for {start} to {end}:").expect(STRING);
            }
        }
        for ((valid, invalid), name) in [(digests, "digest"), (backfill, "backfill digest"), (logs, "log")] {
            let total = valid + invalid;
            if total > 0 {
                write!(text, "\n{valid}/{total} {name} files valid").expect(STRING);
            }
            if *invalid > 0 {
                write!(text, ", {invalid}/{total} {name} files INVALID").expect(STRING);
            }
        }
        text.push('\n');
        self.status.output.stdout.push_str(&text);
    }
}

/// Where the walk is.
struct Chain<'a> {
    /// Keys that are not yet passed, in order.
    digests: Vec<String>,
    bucket: String,
    keys: BTreeMap<&'a str, Vec<&'a PublicKey>>,
    is_backfill: bool,
}

impl Chain<'_> {
    fn mark(&self) -> &'static str {
        if self.is_backfill { "(backfill) " } else { "" }
    }

    /// The next listed digest that ends before the one of this key.
    fn before(&mut self, key: &str) -> Option<String> {
        let end = date_of(key)?;
        while let Some(next) = self.digests.pop() {
            if date_of(&next).is_some_and(|date| date < end) {
                return Some(next);
            }
        }
        None
    }
}

/// True if the bytes begin with a gzip member that is sound; the CLI does not
/// look at what follows it.
fn is_one_gzip_member(file: &DigestFile) -> bool {
    let content = &file.content;
    let kind = content.trouble.as_ref().map(|(kind, _)| *kind);
    let is_sound = matches!(kind, None | Some(DefectKind::TrailingData | DefectKind::MultiMember));
    content.wrapping.is_gzip && content.wrapping.layers == 1 && (is_sound || content.first_member.is_some())
}

/// What the CLI says of a log file that is there; nothing if it is valid.
fn log_trouble(log: &LogFile, file: &LenientFile<'_>) -> Option<&'static str> {
    let content = &log.content;
    let kind = content.trouble.as_ref().map(|(kind, _)| *kind);
    if content.first_member.is_some() || kind == Some(DefectKind::TrailingData) {
        return Some("unexpected data after end of compressed stream");
    }
    let is_gzip = content.wrapping.is_gzip || kind == Some(DefectKind::Empty);
    if !is_gzip || kind == Some(DefectKind::Corrupt) {
        return Some("invalid format");
    }
    // A file that is cut is hashed up to there.
    let is_equal = content.wrapping.layers == 1 && file.sha256 == Some(content.sha256);
    if is_equal { None } else { Some("hash value doesn't match") }
}

/// To the second, as the CLI cuts it.
fn display_time(time: i64) -> String {
    format_time(time.div_euclid(1_000_000) * 1_000_000)
}

/// `20260115T100000Z`.
pub(crate) fn key_time(time: i64) -> String {
    compact_time(&display_time(time))
}
