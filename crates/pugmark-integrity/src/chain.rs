//! Chains of digests: each judged by its signature, then by its neighbours.
//!
//! ```text
//! digests ─▶ by chain, newest first ─▶ signature, hash ─▶ links, holes, forks
//! ```
//!
//! A digest is trusted as far as its own signature goes, never because it
//! stands where a digest should be. What a digest says of the one before
//! counts against that one only if the digest itself is not refuted. The
//! signature of the one before, however, may come from anywhere: if it fits,
//! it proves itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pugmark_event::{DefectKind, TimeRange, format_time};

use crate::digest::{Digest, Previous, S3Place, SIGNATURE_ALGORITHM, file_name};
use crate::gather::{DigestFile, Evidence};
use crate::hex;
use crate::judge::Question;
use crate::keys::PublicKeys;
use crate::name::{ChainId, DigestName};
use crate::report::{
    ChainReport, DigestReport, Fork, Gap, GapReason, Head, MissingDigest, Proof, Standing, Tail, Verdict,
};

/// One digest in its chain.
pub(crate) struct Member<'e> {
    pub(crate) file: &'e DigestFile,
    pub(crate) report: DigestReport,
    /// End of its window, as it says or else as its name says.
    end: i64,
    /// False for those that only serve to judge others.
    pub(crate) is_asked: bool,
}

impl<'e> Member<'e> {
    pub(crate) fn digest(&self) -> Option<&'e Arc<Digest>> {
        self.file.digest.as_ref().ok()
    }

    /// The digest, unless something speaks against it.
    pub(crate) fn trusted(&self) -> Option<&'e Arc<Digest>> {
        self.digest().filter(|_| self.is_trusted())
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.is_proven() || matches!(self.report.verdict, Verdict::Unsigned | Verdict::Unproven)
    }

    /// True if its content is signed, whatever follows its compressed bytes.
    pub(crate) fn is_proven(&self) -> bool {
        match self.report.verdict {
            Verdict::Valid => true,
            Verdict::TrailingData => self.report.proof != Proof::None,
            _ => false,
        }
    }

    fn stem(&self) -> &'e str {
        stem(&self.file.object.name)
    }
}

/// One chain, by end and name.
pub(crate) struct Chain<'e> {
    pub(crate) id: ChainId,
    pub(crate) members: Vec<Member<'e>>,
}

/// All chains, by id, and the digests of which not even the chain is known.
pub(crate) fn chains<'e>(
    evidence: &'e Evidence,
    keys: &PublicKeys,
    question: &Question,
) -> (Vec<Chain<'e>>, Vec<DigestReport>) {
    let mut by_id: BTreeMap<ChainId, Vec<(i64, &DigestFile)>> = BTreeMap::new();
    let mut strays = Vec::new();
    for file in &evidence.digests {
        let content = file.digest.as_ref().ok();
        let name = DigestName::parse(&file.object.name)
            .or_else(|| content.and_then(|digest| DigestName::parse(&digest.place.key)));
        match name {
            // Also of trails that are not asked about: what these list is not theirs to accuse.
            Some(name) => {
                let end = content.map_or(name.end, |digest| digest.end);
                by_id.entry(name.chain).or_default().push((end, file));
            }
            None => strays.push(Judge { keys, has_metadata: false }.judge(file, &[], &[])),
        }
    }
    let chain = |(id, files)| Chain::judged(id, files, keys, question);
    (by_id.into_iter().map(chain).collect(), strays)
}

impl<'e> Chain<'e> {
    /// Judges each digest, the newest first: it may hold against the one before.
    fn judged(
        id: ChainId,
        mut files: Vec<(i64, &'e DigestFile)>,
        keys: &PublicKeys,
        question: &Question,
    ) -> Chain<'e> {
        files.sort_by_key(|(end, file)| (*end, stem(&file.object.name), &file.object.name));
        let has_metadata = files.iter().any(|(_, file)| file.metadata.contains_key("signature"));
        let judge = Judge { keys, has_metadata };
        let is_wanted = question.wants(&id);
        // The same digest twice shares its metadata.
        let mut copies: BTreeMap<(&str, [u8; 32]), Vec<&DigestFile>> = BTreeMap::new();
        for (_, file) in &files {
            copies.entry((stem(&file.object.name), file.content.sha256)).or_default().push(file);
        }
        let mut claims: BTreeMap<&str, Vec<Claim<'e>>> = BTreeMap::new();
        let mut members = Vec::with_capacity(files.len());
        for (end, file) in files.into_iter().rev() {
            let stem = stem(&file.object.name);
            let same = copies.get(&(stem, file.content.sha256)).map_or(&[][..], Vec::as_slice);
            let mut report = judge.judge(file, claims.get(stem).map_or(&[], Vec::as_slice), same);
            report.is_copy = same.first().is_some_and(|first| !Arc::ptr_eq(&first.object, &file.object));
            let start = file.digest.as_ref().map_or(end - HOUR, |digest| digest.start);
            let is_asked = is_wanted && overlaps(question.range, start, end);
            let member = Member { file, report, end, is_asked };
            if let Some(previous) = member.digest().and_then(|digest| digest.previous.as_ref()) {
                let claim = Claim { previous, is_trusted: member.is_trusted() };
                claims.entry(self::stem(&previous.place.key)).or_default().push(claim);
            }
            members.push(member);
        }
        members.reverse();
        Chain { id, members }
    }

    /// Start and end of what trusted digests cover.
    pub(crate) fn windows(&self) -> Vec<(i64, i64)> {
        let trusted = self.members.iter().filter_map(Member::trusted);
        trusted.map(|digest| (digest.start, digest.end)).collect()
    }

    /// End of the newest trusted digest.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.members.iter().rev().find_map(Member::trusted).map(|digest| digest.end)
    }

    /// What is to be said of the chain but for its log files.
    pub(crate) fn report<'b>(&'b self, question: &Question, buckets: &'b BTreeSet<String>) -> ChainReport {
        let digests = self.members.iter().filter_map(Member::trusted);
        let copied = digests.map(|digest| &*digest.place.bucket).collect();
        let mut links = Links::new(buckets, copied);
        for (at, member) in self.members.iter().enumerate() {
            links.by_name.entry(member.stem()).or_default().push(at);
        }
        for (at, member) in self.members.iter().enumerate() {
            if let Some(digest) = member.trusted().filter(|_| member.is_asked && !member.report.is_copy) {
                self.link(at, digest, question, &mut links);
            }
        }
        let proven = self.members.iter().filter(|member| member.is_asked);
        let proven = proven.filter(|member| member.is_proven());
        let windows = proven.filter_map(Member::digest).map(|digest| (digest.start, digest.end));
        let proven = windows.reduce(|first, later| (first.0.min(later.0), first.1.max(later.1)));
        let mut digests: Vec<DigestReport> = Vec::new();
        for (at, member) in self.members.iter().enumerate().filter(|(_, member)| member.is_asked) {
            let mut report = member.report.clone();
            report.remarks.extend(links.remarks.remove(&at).unwrap_or_default());
            digests.push(report);
        }
        ChainReport {
            id: self.id.clone(),
            digests,
            missing: links.missing,
            gaps: links.gaps,
            forks: self.forks(),
            head: links.head.unwrap_or(Head::Unknown),
            tail: Tail::Complete,
            proven,
            files: BTreeMap::new(),
        }
    }

    /// How one digest hangs together with the one before.
    fn link(&self, at: usize, digest: &Digest, question: &Question, links: &mut Links<'_>) {
        // Members are in order of their ends.
        let before = self.members.partition_point(|member| member.end <= digest.start);
        let before = self.members[..before].last().map(|member| member.end);
        let object = self.members[at].file.object.clone();
        let gap = |since, reason| Gap {
            since,
            until: digest.start,
            reason,
            files: 0,
            before: object.clone(),
            calls: Vec::new(),
        };
        let Some(previous) = &digest.previous else {
            match before {
                None => links.head(Head::Starting),
                // Backfill digests are written only when there is something to list.
                Some(end) if end < digest.start && !self.id.is_backfill => {
                    links.gaps.push(gap(end, GapReason::Restarted));
                }
                Some(_) => {}
            }
            return;
        };
        let name = stem(&previous.place.key);
        if let Some(named) = links.by_name.get(name) {
            let named = named.iter().map(|number| &self.members[*number]);
            let trusted = named.filter_map(|member| Some((member.trusted()?, member))).collect::<Vec<_>>();
            links.head(Head::Unknown);
            let Some((found, _)) = trusted.first() else { return };
            if trusted.iter().all(|(_, member)| member.file.content.sha256 != previous.sha256) {
                links.remark(at, "states another hash of the digest before".to_owned());
            }
            if found.end < digest.start && !self.id.is_backfill {
                links.gaps.push(gap(found.end, GapReason::Unexplained));
            } else if found.end > digest.start && !self.id.is_backfill {
                links.remark(at, "begins before the end of the digest before".to_owned());
            }
            return;
        }
        let was_asked = DigestName::parse(&previous.place.key)
            .is_none_or(|name| question.range.since.is_none_or(|since| name.end > since));
        match before {
            _ if !was_asked => links.head(Head::Unknown),
            None => links.head(Head::Cut { previous: previous.place.clone(), files: 0 }),
            Some(end) if links.is_elsewhere(&previous.place) => {
                if end < digest.start && !self.id.is_backfill {
                    links.gaps.push(gap(end, GapReason::NotRead));
                }
            }
            Some(end) => {
                links.missing.push(MissingDigest {
                    place: previous.place.clone(),
                    sha256: previous.sha256,
                    since: Some(end),
                    until: digest.start,
                    named_by: object.clone(),
                });
                if end < digest.start && !self.id.is_backfill {
                    links.gaps.push(gap(end, GapReason::Missing));
                }
            }
        }
    }

    /// Digests that follow the same one.
    fn forks(&self) -> Vec<Fork> {
        let mut followers: BTreeMap<&str, Vec<&Member<'_>>> = BTreeMap::new();
        for member in self.members.iter().filter(|member| !member.report.is_copy) {
            if let Some(previous) = member.trusted().and_then(|digest| digest.previous.as_ref()) {
                followers.entry(stem(&previous.place.key)).or_default().push(member);
            }
        }
        let fork = |members: Vec<&Member<'_>>| {
            let previous = members.first()?.digest()?.previous.as_ref()?.place.clone();
            let objects = members.iter().map(|member| member.file.object.clone()).collect();
            let is_asked = members.iter().any(|member| member.is_asked);
            (members.len() > 1 && is_asked).then_some(Fork { previous, objects })
        };
        followers.into_values().filter_map(fork).collect()
    }
}

/// What is found on the way along a chain.
struct Links<'b> {
    /// Buckets that were read; none if files were.
    buckets: &'b BTreeSet<String>,
    /// Buckets that digests which are there were delivered to: a copy of each is among the sources.
    copied: BTreeSet<&'b str>,
    /// Numbers of the members of each name.
    by_name: HashMap<&'b str, Vec<usize>>,
    head: Option<Head>,
    missing: Vec<MissingDigest>,
    gaps: Vec<Gap>,
    /// By the member's number.
    remarks: BTreeMap<usize, Vec<String>>,
}

impl<'b> Links<'b> {
    fn new(buckets: &'b BTreeSet<String>, copied: BTreeSet<&'b str>) -> Links<'b> {
        let (missing, gaps, remarks) = (Vec::new(), Vec::new(), BTreeMap::new());
        Links { buckets, copied, by_name: HashMap::new(), head: None, missing, gaps, remarks }
    }

    /// True if the place is in a bucket that was not among the sources.
    fn is_elsewhere(&self, place: &S3Place) -> bool {
        let is_read = self.buckets.is_empty() || self.buckets.contains(&*place.bucket);
        !is_read && !self.copied.contains(&*place.bucket)
    }

    /// Only the first digest says how the chain begins.
    fn head(&mut self, head: Head) {
        self.head.get_or_insert(head);
    }

    fn remark(&mut self, at: usize, remark: String) {
        self.remarks.entry(at).or_default().push(remark);
    }
}

/// What a later digest says of this one.
struct Claim<'e> {
    previous: &'e Previous,
    is_trusted: bool,
}

/// Judges digests by signature and hash.
struct Judge<'k> {
    keys: &'k PublicKeys,
    /// True if some digest of the chain has metadata: then all should.
    has_metadata: bool,
}

/// A verdict with its reason.
type Judged = (Verdict, Proof, String);

impl Judge<'_> {
    /// `copies` are all objects with the same name and bytes, this one too.
    fn judge(&self, file: &DigestFile, claims: &[Claim<'_>], copies: &[&DigestFile]) -> DigestReport {
        let mut remarks = Vec::new();
        let (mut verdict, proof, mut detail) = match &file.digest {
            Ok(digest) => self.by_signature(file, digest, claims, copies, &mut remarks),
            Err(fault) => unreadable(file, &fault.to_string(), claims),
        };
        let digest = file.digest.as_ref().ok();
        let moved_from =
            digest.filter(|digest| !stands_at(&file.object.name, &digest.place)).map(|digest| &digest.place);
        if let Some(place) = moved_from
            && stem(&place.key) != stem(&file.object.name)
            && verdict.standing() != Standing::Negative
        {
            (verdict, detail) = (Verdict::Renamed, format!("it was delivered as `{place}`"));
        }
        if verdict.standing() != Standing::Negative && file.content.has_trailing_data() {
            (verdict, detail) = (Verdict::TrailingData, "bytes follow the compressed digest".to_owned());
        }
        DigestReport {
            object: file.object.clone(),
            verdict,
            detail,
            remarks,
            proof,
            window: digest.map(|digest| (digest.start, digest.end)),
            fingerprint: digest.map(|digest| digest.fingerprint.clone()),
            sha256: file.content.sha256,
            files: digest.map_or(0, |digest| digest.files.len()),
            moved_from: moved_from.cloned(),
            is_copy: false,
        }
    }

    fn by_signature(
        &self,
        file: &DigestFile,
        digest: &Digest,
        claims: &[Claim<'_>],
        copies: &[&DigestFile],
        remarks: &mut Vec<String>,
    ) -> Judged {
        let sha256 = &file.content.sha256;
        if self.keys.is_empty() {
            return if is_denied(claims, sha256) {
                (Verdict::Modified, Proof::None, DENIED.to_owned())
            } else {
                (Verdict::Unproven, Proof::None, "there is no public key to verify it with".to_owned())
            };
        }
        let keys = self.keys.get(&digest.fingerprint);
        if keys.is_empty() {
            let unknown = format!("no public key has the fingerprint `{}`", digest.fingerprint);
            return if is_denied(claims, sha256) {
                (Verdict::Modified, Proof::None, format!("{DENIED}; {unknown}"))
            } else {
                (Verdict::UnknownKey, Proof::None, unknown)
            };
        }
        let text = digest.signed_text(sha256);
        let region = DigestName::parse(&digest.place.key).map(|name| name.chain.region).unwrap_or_default();
        let signs = |signature: &[u8]| {
            let fits = keys.iter().filter(|key| key.verifies(text.as_bytes(), signature));
            fits.map(|key| key.fits(digest.end, &region)).max()
        };
        let own: Vec<&String> =
            copies.iter().chain([&file]).filter_map(|file| file.metadata.get("signature")).collect();
        let by_own = own.iter().find_map(|text| signs(&hex::decode_any_case(text)?));
        let by_later = || claims.iter().find_map(|claim| signs(&claim.previous.signature));
        let proof = match by_own {
            Some(fits) => Some((fits, Proof::Metadata)),
            None => by_later().map(|fits| (fits, Proof::Successor)),
        };
        let Some((fits, proof)) = proof else {
            return refuted(!own.is_empty(), claims, sha256);
        };
        self.remark(file, proof, remarks);
        if !fits {
            let detail = format!("the key `{}` is of another time or Region", digest.fingerprint);
            return (Verdict::WrongKey, proof, detail);
        }
        (Verdict::Valid, proof, String::new())
    }

    /// What is odd about the metadata of a digest that is proven.
    fn remark(&self, file: &DigestFile, proof: Proof, remarks: &mut Vec<String>) {
        if proof == Proof::Successor && file.metadata.contains_key("signature") {
            remarks.push(
                "the signature in its metadata does not fit; the digest after it has one that does".into(),
            );
        } else if proof == Proof::Successor && self.has_metadata {
            remarks.push("its metadata have no signature; the digest after it has it".into());
        }
        match file.metadata.get("signature-algorithm") {
            Some(algorithm) if algorithm != SIGNATURE_ALGORITHM => {
                remarks.push(format!("its metadata name the signature algorithm `{algorithm}`"));
            }
            None if file.metadata.contains_key("signature") => {
                remarks.push("its metadata name no signature algorithm".into());
            }
            _ => {}
        }
    }
}

const DENIED: &str = "the digest after it states another hash";

/// True if a digest that can be trusted says that this one is another.
fn is_denied(claims: &[Claim<'_>], sha256: &[u8; 32]) -> bool {
    let mut trusted = claims.iter().filter(|claim| claim.is_trusted).peekable();
    trusted.peek().is_some() && trusted.all(|claim| claim.previous.sha256 != *sha256)
}

/// A digest whose signature is proven by nothing.
fn refuted(is_signed: bool, claims: &[Claim<'_>], sha256: &[u8; 32]) -> Judged {
    if is_denied(claims, sha256) {
        return (Verdict::Modified, Proof::None, DENIED.to_owned());
    }
    if is_signed || claims.iter().any(|claim| claim.is_trusted) {
        return (Verdict::BadSignature, Proof::None, "the signature does not fit its bytes".to_owned());
    }
    (Verdict::Unsigned, Proof::None, "neither metadata nor a later digest hold its signature".to_owned())
}

/// A digest that cannot be read, or not as one.
fn unreadable(file: &DigestFile, fault: &str, claims: &[Claim<'_>]) -> Judged {
    let (kind, detail) = match &file.content.trouble {
        Some((kind, detail)) => (Some(*kind), detail.as_str()),
        None => (None, fault),
    };
    let verdict = match kind {
        Some(DefectKind::Unreadable | DefectKind::TooLarge) => Verdict::Unreadable,
        _ if is_denied(claims, &file.content.sha256) => Verdict::Modified,
        _ => Verdict::Malformed,
    };
    (verdict, Proof::None, detail.to_owned())
}

const HOUR: i64 = 3_600_000_000;

fn overlaps(range: TimeRange, start: i64, end: i64) -> bool {
    range.since.is_none_or(|since| end > since) && range.until.is_none_or(|until| start < until)
}

/// A name without folders and without what it says of compression: copies
/// may be compressed otherwise or not at all.
pub(crate) fn stem(name: &str) -> &str {
    let name = file_name(name);
    name.find(".json").map_or(name, |at| &name[..at + 5])
}

/// True if an object of this name stands where it was delivered, as far as
/// its name can say: below any folder of a disk, or in the same bucket.
pub(crate) fn stands_at(name: &str, place: &S3Place) -> bool {
    let key = &*place.key;
    if let Some(rest) = name.strip_prefix("s3://") {
        return rest.strip_prefix(&*place.bucket).and_then(|rest| rest.strip_prefix('/')) == Some(key);
    }
    let cut = |text: &str| text.len() - file_name(text).len() + stem(text).len();
    let (name, key) = (&name[..cut(name)], &key[..cut(key)]);
    name.strip_suffix(key).is_some_and(|folder| folder.is_empty() || folder.ends_with(['/', '!', '\\']))
}

/// `2026-01-15T10:00:00Z to 2026-01-15T11:00:00Z`.
pub(crate) fn span(since: i64, until: i64) -> String {
    format!("{} to {}", format_time(since), format_time(until))
}
