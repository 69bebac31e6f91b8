//! From evidence to report: a pure function.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use pugmark_event::{DefectKind, ObjectKind, Tally, TimeRange};
use pugmark_source::{Listing, SourceError};

use crate::chain::{Chain, Member, chains, span, stands_at, stem};
use crate::coverage::{Coverage, Covered};
use crate::digest::{Digest, ListedFile, S3Place};
use crate::gather::{Evidence, LogFile, Reading, gather};
use crate::keys::PublicKeys;
use crate::name::ChainId;
use crate::report::{ChainReport, Head, LogReport, Report, Tail, Verdict};

/// What is asked about.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Digests whose windows lie at least in part inside, and their log files.
    pub range: TimeRange,
    /// Trails by name or ARN; empty for all.
    pub trails: Vec<String>,
}

impl Question {
    /// True if a chain is of one of the trails.
    pub fn wants(&self, id: &ChainId) -> bool {
        let is_it = |trail: &String| match trail.rsplit_once(":trail/") {
            // `arn:aws:cloudtrail:eu-west-1:111122223333:trail/name`; the
            // account is the owner's, which an organization's chains are not of.
            Some((arn, name)) => name == id.trail && arn.split(':').nth(3) == Some(id.home_region.as_str()),
            None => *trail == id.trail,
        };
        self.trails.is_empty() || self.trails.iter().any(is_it)
    }
}

/// Gathers and judges. The listing should be one of
/// [`Contents::Evidence`](pugmark_source::Contents).
///
/// # Errors
/// If the surroundings fail: no network, no credentials.
pub fn verify(
    listing: Listing,
    reading: &Reading<'_>,
    keys: &PublicKeys,
    question: &Question,
) -> Result<(Report, Tally), SourceError> {
    let (evidence, tally) = gather(listing, reading)?;
    Ok((judge(&evidence, keys, question), tally))
}

/// Judges every object of the evidence.
pub fn judge(evidence: &Evidence, keys: &PublicKeys, question: &Question) -> Report {
    let (chains, strays) = chains(evidence, keys, question);
    let coverage = coverage(&chains, question);
    let mut reports: Vec<ChainReport> =
        chains.iter().map(|chain| chain.report(question, &evidence.buckets)).collect();
    let index = Index::new(&chains);
    let wanted = chains.iter().enumerate().filter(|(_, chain)| question.wants(&chain.id));
    let wanted = wanted.map(|(number, _)| number).collect();
    let mut logs =
        Logs { question, index: &index, coverage: &coverage, evidence, wanted, found: HashSet::new() };
    let mut others = 0;
    let mut judged: Vec<LogReport> = Vec::with_capacity(evidence.logs.len());
    for log in &evidence.logs {
        match logs.judge(log) {
            Judged::Report(report) => judged.push(report),
            Judged::Other => others += 1,
            Judged::OutOfQuestion => {}
        }
    }
    let mut other_buckets = logs.missing(&mut judged);
    other_buckets.extend(previous_buckets(&chains, &evidence.buckets));
    let other_buckets = other_buckets.into_iter().collect();
    judged.sort_by_cached_key(|log| (log.name(), log.object.is_none()));
    let newest: Vec<i64> = chains.iter().map(|chain| chain.newest().unwrap_or(i64::MIN)).collect();
    for log in &judged {
        if let Some((chain, report)) = log.chain.and_then(|chain| Some((chain, reports.get_mut(chain)?))) {
            *report.files.entry(log.verdict).or_default() += 1;
            uncovered(report, newest[chain], log);
        }
    }
    keep_wanted(&mut reports, &mut judged, question);
    Report { chains: reports, strays, logs: judged, others, other_buckets }
}

/// Leaves out the chains of other trails, which served only to judge.
fn keep_wanted(reports: &mut Vec<ChainReport>, logs: &mut [LogReport], question: &Question) {
    let mut next = 0..;
    let numbers: Vec<Option<usize>> =
        reports.iter().map(|report| question.wants(&report.id).then(|| next.next()).flatten()).collect();
    reports.retain(|report| question.wants(&report.id));
    for log in logs {
        log.chain = log.chain.and_then(|chain| numbers[chain]);
    }
}

/// The digests that nothing speaks against, whether each is proven, and what
/// they cover.
pub(crate) fn proven_digests(
    evidence: &Evidence,
    keys: &PublicKeys,
    question: &Question,
) -> (Vec<(Arc<Digest>, bool)>, Coverage) {
    let (chains, _) = chains(evidence, keys, question);
    let members = chains.iter().flat_map(|chain| &chain.members);
    let trusted = members.filter_map(|member| Some((member.trusted()?.clone(), member.is_proven())));
    (trusted.collect(), coverage(&chains, question))
}

/// Buckets of earlier digests that were not among the sources, named by
/// digests that are proven.
fn previous_buckets(chains: &[Chain<'_>], read: &BTreeSet<String>) -> BTreeSet<String> {
    let members = chains.iter().flat_map(|chain| &chain.members);
    let proven = members.filter(|member| member.is_asked && member.is_proven());
    let previous = proven.filter_map(|member| member.digest()?.previous.as_ref());
    let buckets = previous.map(|previous| &*previous.place.bucket);
    buckets.filter(|bucket| !read.is_empty() && !read.contains(*bucket)).map(str::to_owned).collect()
}

fn coverage(chains: &[Chain<'_>], question: &Question) -> Coverage {
    let mut coverage = Coverage::default();
    let mut hourly: Vec<_> = chains.iter().enumerate().filter(|(_, chain)| !chain.id.is_backfill).collect();
    // Of two that say the same of a file, one that is asked about says it.
    hourly.sort_by_key(|(_, chain)| !question.wants(&chain.id));
    for (number, chain) in hourly {
        coverage.add(&chain.id.account, &chain.id.region, number, chain.windows());
    }
    coverage
}

/// Counts a log file that no digest can list where its chain has the hole.
fn uncovered(report: &mut ChainReport, newest: i64, log: &LogReport) {
    let Some(time) = log.object.as_ref().and_then(|object| object.delivered) else { return };
    if log.verdict != Verdict::NotCovered {
        return;
    }
    if let Some(gap) =
        report.gaps.iter_mut().find(|gap| gap.since <= time + GAP_SLACK && time < gap.until + GAP_SLACK)
    {
        gap.files += 1;
    } else if log.detail == AFTER {
        let (since, files) = (newest, 1 + report.tail.files());
        let until = report.tail.until().max(time);
        report.tail = Tail::Truncated { since, until, files };
    } else if log.detail == PENDING {
        report.tail = match report.tail {
            Tail::Truncated { since, until, files } => {
                Tail::Truncated { since, until: until.max(time), files: files + 1 }
            }
            Tail::Complete | Tail::Pending { .. } => Tail::Pending { files: report.tail.files() + 1 },
        };
    } else if log.detail == BEFORE
        && let Head::Cut { files, .. } = &mut report.head
    {
        *files += 1;
    }
}

/// A file delivered at the edge of a gap counts as inside.
const GAP_SLACK: i64 = 600_000_000;

const PENDING: &str = "delivered after the newest digest, which the next one will list";
const AFTER: &str = "delivered after the newest digest, when the next ones should have listed it";
const BETWEEN: &str = "delivered when no proven digest covers the time";
const BEFORE: &str = "delivered before the first digest";

impl Tail {
    fn files(self) -> u64 {
        match self {
            Tail::Complete => 0,
            Tail::Pending { files } | Tail::Truncated { files, .. } => files,
        }
    }

    fn until(self) -> i64 {
        if let Tail::Truncated { until, .. } = self { until } else { i64::MIN }
    }
}

/// A log file as one digest lists it.
#[derive(Clone, Copy)]
struct Entry<'e> {
    chain: usize,
    member: &'e Member<'e>,
    file: &'e ListedFile,
}

/// Where each log file is listed.
struct Index<'e> {
    by_name: HashMap<&'e str, Vec<Entry<'e>>>,
    by_hash: OnceCell<HashMap<[u8; 32], Entry<'e>>>,
    /// In order of chains, digests and lists.
    all: Vec<Entry<'e>>,
}

impl<'e> Index<'e> {
    fn new(chains: &'e [Chain<'e>]) -> Index<'e> {
        let mut all = Vec::new();
        for (chain, members) in chains.iter().enumerate().map(|(number, chain)| (number, &chain.members)) {
            for member in members.iter().filter(|member| !member.report.is_copy) {
                let files = member.digest().map_or(&[][..], |digest| &digest.files);
                all.extend(files.iter().map(|file| Entry { chain, member, file }));
            }
        }
        let mut by_name: HashMap<&str, Vec<Entry<'_>>> = HashMap::with_capacity(all.len());
        for listing in &all {
            by_name.entry(stem(&listing.file.place.key)).or_default().push(*listing);
        }
        Index { by_name, by_hash: OnceCell::new(), all }
    }

    /// The file that is listed with this hash, under whatever name.
    fn of_hash(&self, sha256: &[u8; 32]) -> Option<Entry<'e>> {
        let by_hash = self.by_hash.get_or_init(|| {
            let trusted = self.all.iter().rev().filter(|listing| listing.member.is_trusted());
            trusted.map(|listing| (listing.file.sha256, *listing)).collect()
        });
        by_hash.get(sha256).copied()
    }
}

/// What became of one object.
enum Judged {
    Report(LogReport),
    /// It is no log file.
    Other,
    OutOfQuestion,
}

/// Judges log files, one after the other.
struct Logs<'e> {
    question: &'e Question,
    index: &'e Index<'e>,
    coverage: &'e Coverage,
    evidence: &'e Evidence,
    /// Chains that are asked about.
    wanted: HashSet<usize>,
    /// Names under which an object is there, or its bytes are under another.
    found: HashSet<&'e str>,
}

impl<'e> Logs<'e> {
    fn judge(&mut self, log: &'e LogFile) -> Judged {
        let name = stem(&log.object.name);
        let Some(listings) = self.index.by_name.get(name) else { return self.unlisted(log) };
        self.found.insert(name);
        // The best that any digest says of it: a trusted one before others,
        // and among these one that agrees.
        let agrees = |listing: &Entry<'_>| listing.file.sha256 == log.content.sha256;
        let rank = |listing: &&Entry<'_>| {
            (listing.member.is_trusted() && agrees(listing), listing.member.is_trusted(), agrees(listing))
        };
        let Some(best) = listings.iter().max_by_key(rank) else { return Judged::Other };
        if !listings.iter().any(|listing| listing.member.is_asked) {
            return Judged::OutOfQuestion;
        }
        let (verdict, detail) = self.compare(log, best);
        let place = best.file.place.clone();
        Judged::Report(LogReport {
            object: Some(log.object.clone()),
            is_moved: !stands_at(&log.object.name, &place),
            place: Some(place),
            verdict,
            detail,
            sha256: Some(log.content.sha256),
            stated: Some(best.file.sha256),
            chain: Some(best.chain),
            digest: Some(best.member.file.object.clone()),
        })
    }

    /// A log file with what a digest says of it.
    fn compare(&self, log: &LogFile, listing: &Entry<'_>) -> (Verdict, String) {
        let content = &log.content;
        let trouble = content.trouble.as_ref();
        if let Some((DefectKind::Unreadable | DefectKind::TooLarge, detail)) = trouble {
            return (Verdict::Unreadable, detail.clone());
        }
        let is_tail = trouble.is_some_and(|(kind, _)| *kind == DefectKind::TrailingData);
        let is_whole = content.sha256 == listing.file.sha256;
        let is_first = content.first_member == Some(listing.file.sha256);
        let verdict = listing.member.report.verdict;
        if (is_whole && is_tail) || is_first {
            return (Verdict::TrailingData, "bytes follow what was delivered".to_owned());
        }
        // An error in the middle leaves a hash of less than all bytes, which
        // nothing was ever delivered with.
        if is_whole && listing.member.is_proven() {
            return (Verdict::Valid, String::new());
        }
        if is_whole {
            return (Verdict::Unproven, format!("the digest that lists it is {}", verdict.name()));
        }
        if !listing.member.is_trusted() {
            let detail = format!("it differs from a digest that is {}", verdict.name());
            return (Verdict::Unproven, detail);
        }
        let detail = match (trouble, self.index.of_hash(&content.sha256)) {
            (_, Some(other)) => format!("it has the bytes of `{}`", other.file.place),
            (Some((_, detail)), None) => detail.clone(),
            (None, None) => "its bytes are not those that the digest states the hash of".to_owned(),
        };
        (Verdict::Modified, detail)
    }

    /// A log file whose name no digest lists.
    fn unlisted(&mut self, log: &'e LogFile) -> Judged {
        let object = &log.object;
        let report = |place: Option<&S3Place>, verdict, detail: String, chain| LogReport {
            object: Some(object.clone()),
            place: place.cloned(),
            verdict,
            detail,
            is_moved: false,
            sha256: Some(log.content.sha256),
            stated: None,
            chain,
            digest: None,
        };
        if log.content.bytes > 0
            && let Some(other) = self.index.of_hash(&log.content.sha256)
        {
            self.found.insert(stem(&other.file.place.key));
            let detail = format!("it was delivered as `{}`", other.file.place);
            let mut report = report(Some(&other.file.place), Verdict::Renamed, detail, Some(other.chain));
            report.stated = Some(other.file.sha256);
            report.digest = Some(other.member.file.object.clone());
            return if other.member.is_asked { Judged::Report(report) } else { Judged::OutOfQuestion };
        }
        let Some(time) = object.delivered else { return Judged::Other };
        if !self.question.range.contains(Some(time)) {
            return Judged::OutOfQuestion;
        }
        // Which other kinds of events digests list is not documented.
        let covered =
            if object.kind == ObjectKind::Log { self.coverage.of(object) } else { Covered::Nowhere };
        let (verdict, detail, chain) = match covered {
            Covered::Inside(chain) => {
                (Verdict::Unlisted, "digests cover its time and do not list it", Some(chain))
            }
            Covered::Pending(chain) => (Verdict::NotCovered, PENDING, Some(chain)),
            Covered::After(chain) => (Verdict::NotCovered, AFTER, Some(chain)),
            Covered::Between(chain) => (Verdict::NotCovered, BETWEEN, Some(chain)),
            Covered::Before(chain) => (Verdict::NotCovered, BEFORE, Some(chain)),
            Covered::Nowhere => (Verdict::NoDigest, "no digest of its account and Region", None),
        };
        if chain.is_some_and(|chain| !self.wanted.contains(&chain)) {
            return Judged::OutOfQuestion;
        }
        Judged::Report(report(None, verdict, detail.to_owned(), chain))
    }

    /// Adds the files that are listed and not there; answers the buckets that
    /// some of them are said to be in and that were not among the sources.
    fn missing(&self, judged: &mut Vec<LogReport>) -> BTreeSet<String> {
        let read = self.index.all.iter().filter(|listing| self.found.contains(stem(&listing.file.place.key)));
        // Where some of a bucket's files lie among the sources, a copy of it does.
        let copied: HashSet<&str> = read.map(|listing| &*listing.file.place.bucket).collect();
        let buckets = &self.evidence.buckets;
        let mut other_buckets = BTreeSet::new();
        let mut told = HashSet::new();
        for listing in &self.index.all {
            let place = &listing.file.place;
            let is_asked = listing.member.is_asked && listing.member.is_trusted();
            if !is_asked || self.found.contains(stem(&place.key)) || !told.insert(stem(&place.key)) {
                continue;
            }
            let is_read = buckets.is_empty() || buckets.contains(&*place.bucket);
            let is_elsewhere = !is_read && !copied.contains(&*place.bucket);
            let (verdict, detail) = if is_elsewhere {
                if listing.member.is_proven() {
                    other_buckets.insert(place.bucket.to_string());
                }
                (Verdict::NotRead, "its bucket is not among the sources".to_owned())
            } else {
                let digest = listing.member.digest().map(|digest| span(digest.start, digest.end));
                (Verdict::Missing, format!("the digest of {} lists it", digest.unwrap_or_default()))
            };
            judged.push(LogReport {
                object: None,
                place: Some(place.clone()),
                verdict,
                detail,
                is_moved: false,
                sha256: None,
                stated: Some(listing.file.sha256),
                chain: Some(listing.chain),
                digest: Some(listing.member.file.object.clone()),
            });
        }
        other_buckets
    }
}
