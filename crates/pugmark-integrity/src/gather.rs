//! Reads digests and hashes log files: everything that verification needs of
//! the sources, in one visit to each object.
//!
//! ```text
//! Listing ──visit──▶ digests, parsed     ┐
//!                    log files, hashed   ├─▶ Evidence ──judge──▶ Report
//!                    metadata, sidecars  ┘
//! ```
//!
//! What a log file takes up in memory is its name and its hash; its bytes are
//! hashed as they come and forgotten. Nothing is judged here.
//!
//! The signature of a digest is in the user metadata of its object. A copy on
//! disk has none. It may have a file beside it, `NAME.metadata.json`, with
//! what `aws s3api head-object` prints: `{"Metadata": {"signature": …,
//! "signature-algorithm": …}}`, or the inner object alone. Without either,
//! the digest after it still repeats the signature.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::ops::ControlFlow;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use pugmark_event::{Defect, DefectKind, Fill, Filled, Limits, Object, ObjectKind, Tally, Wrapping};
use pugmark_source::{Access, Listing, Metadata, Progress, SourceError, Visitor, visit};

use crate::digest::{DIGEST_BYTES_MAX, Digest, DigestFault};
use crate::name::DigestName;

/// Uncompressed bytes hashed at a time.
const CHUNK: usize = 256 << 10;

/// A file beside a digest that holds its metadata ends so.
const SIDECAR: &str = ".metadata.json";

/// Bytes of such a file.
pub(crate) const SIDECAR_BYTES_MAX: usize = 64 << 10;

/// Bytes kept of a digest that is not written as digests are, for whoever
/// reads it less strictly.
pub(crate) const MALFORMED_BYTES_MAX: usize = 16 << 20;

/// How objects are reached and bounded.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Access to S3.
    pub access: &'a Access,
    /// Bounds.
    pub limits: &'a Limits,
    /// Workers.
    pub threads: usize,
    /// Counters, and the flag that ends the run.
    pub progress: &'a Progress,
}

/// What the sources hold, ordered by name.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Digests.
    pub digests: Vec<DigestFile>,
    /// All other objects.
    pub logs: Vec<LogFile>,
    /// Buckets that objects came from; empty for files.
    pub buckets: BTreeSet<String>,
}

impl Evidence {
    /// Regions that there are digests of, with the first instant that one of
    /// them is about and the last, microseconds since 1970 (UTC).
    pub fn spans(&self) -> BTreeMap<String, (i64, i64)> {
        let mut spans: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for digest in self.digests.iter().filter_map(|file| file.digest.as_ref().ok()) {
            let Some(name) = DigestName::parse(&digest.place.key) else { continue };
            let span = spans.entry(name.chain.region).or_insert((digest.start, digest.end));
            *span = (span.0.min(digest.start), span.1.max(digest.end));
        }
        spans
    }
}

/// The bytes of one object, without the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// SHA-256 of all uncompressed bytes.
    pub sha256: [u8; 32],
    /// How many those are.
    pub bytes: u64,
    /// How they were wrapped up.
    pub wrapping: Wrapping,
    /// SHA-256 of the first compressed member, if there are several.
    pub first_member: Option<[u8; 32]>,
    /// What was wrong in reading them, and in words.
    pub trouble: Option<(DefectKind, String)>,
}

impl Content {
    /// True if nothing follows the delivered bytes, as far as the
    /// compression can tell.
    pub fn has_trailing_data(&self) -> bool {
        let kind = self.trouble.as_ref().map(|(kind, _)| *kind);
        self.wrapping.first_member.is_some() || kind == Some(DefectKind::TrailingData)
    }
}

/// One log file, or whatever else is no digest.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// The object.
    pub object: Arc<Object>,
    /// Its bytes.
    pub content: Content,
}

/// One digest.
#[derive(Clone, Debug)]
pub struct DigestFile {
    /// The object.
    pub object: Arc<Object>,
    /// Its bytes.
    pub content: Content,
    /// What it says.
    pub digest: Result<Arc<Digest>, DigestFault>,
    /// The bytes, if they are not written as digests are.
    pub malformed: Vec<u8>,
    /// What its object's metadata say; empty if it has none.
    pub metadata: Metadata,
}

/// Reads every object of `listing`, which should have been listed with
/// [`Contents::Evidence`](pugmark_source::Contents) (or with `Digests`, for a
/// [`Witness`](crate::Witness)).
///
/// # Errors
/// If the surroundings fail: no network, no credentials.
pub fn gather(listing: Listing, reading: &Reading<'_>) -> Result<(Evidence, Tally), SourceError> {
    let Reading { access, limits, threads, progress } = *reading;
    let (gatherers, mut tally) = visit(listing, access, limits, threads, progress, |_| Gatherer::default())?;
    let mut evidence = Evidence::default();
    let mut sidecars = BTreeMap::new();
    for gatherer in gatherers {
        evidence.digests.extend(gatherer.digests);
        evidence.logs.extend(gatherer.logs);
        sidecars.extend(gatherer.sidecars);
        for defect in gatherer.defects {
            tally.defect(defect, limits.defects_kept);
        }
    }
    evidence.digests.sort_by(|first, later| first.object.name.cmp(&later.object.name));
    evidence.logs.sort_by(|first, later| first.object.name.cmp(&later.object.name));
    for digest in &mut evidence.digests {
        if digest.metadata.is_empty()
            && let Some(metadata) = sidecars.remove(&digest.object.name)
        {
            digest.metadata = metadata;
        }
    }
    let names = evidence.digests.iter().map(|digest| &digest.object.name);
    let names = names.chain(evidence.logs.iter().map(|log| &log.object.name));
    evidence.buckets = names.filter_map(|name| bucket(name)).map(str::to_owned).collect();
    Ok((evidence, tally))
}

/// The bucket of `s3://bucket/key`.
fn bucket(name: &str) -> Option<&str> {
    name.strip_prefix("s3://")?.split('/').next()
}

/// One worker's share.
#[derive(Default)]
struct Gatherer {
    digests: Vec<DigestFile>,
    logs: Vec<LogFile>,
    sidecars: BTreeMap<String, Metadata>,
    defects: Vec<Defect>,
    buffer: Vec<u8>,
    /// Metadata of the object that comes next.
    metadata: Metadata,
}

impl Visitor for Gatherer {
    fn object(&mut self, object: &Arc<Object>, fill: &mut dyn Fill) -> ControlFlow<()> {
        let metadata = take(&mut self.metadata);
        let mut buffer = take(&mut self.buffer);
        buffer.clear();
        if object.kind != ObjectKind::Digest {
            if let Some(content) = hash(fill, &mut buffer) {
                self.logs.push(LogFile { object: object.clone(), content });
            }
        } else if let Some(target) = object.name.strip_suffix(SIDECAR) {
            let read = read(fill, &mut buffer, SIDECAR_BYTES_MAX);
            if let (Some(_), Some(metadata)) = (read, sidecar(&buffer)) {
                self.sidecars.insert(target.to_owned(), metadata);
            }
        } else if let Some(content) = read(fill, &mut buffer, DIGEST_BYTES_MAX) {
            self.digests.push(digest_file(object, content, &buffer, metadata));
        }
        // One digest of a busy hour must not hold its memory to the end.
        if buffer.capacity() <= 32 << 20 {
            self.buffer = buffer;
        }
        ControlFlow::Continue(())
    }

    fn metadata(&mut self, _object: &Arc<Object>, metadata: &Metadata) {
        self.metadata.clone_from(metadata);
    }

    fn defect(&mut self, defect: Defect) {
        let object = &defect.origin.object;
        let trouble = Some((defect.kind, defect.detail.clone()));
        let is_digest = object.kind == ObjectKind::Digest;
        let known = if is_digest {
            self.digests.last_mut().map(|digest| (&digest.object, &mut digest.content))
        } else {
            self.logs.last_mut().map(|log| (&log.object, &mut log.content))
        };
        match known {
            // The first remark is the earliest in the file.
            Some((last, content)) if Arc::ptr_eq(last, object) => {
                content.trouble = content.trouble.take().or(trouble);
            }
            _ if is_digest => {
                let content = Content { trouble, ..Content::default() };
                let file = digest_file(object, content, &[], take(&mut self.metadata));
                if !object.name.ends_with(SIDECAR) {
                    self.digests.push(file);
                }
            }
            _ => {
                let content = Content { trouble, ..Content::default() };
                self.logs.push(LogFile { object: object.clone(), content });
            }
        }
        self.defects.push(defect);
    }
}

fn digest_file(object: &Arc<Object>, content: Content, bytes: &[u8], metadata: Metadata) -> DigestFile {
    let digest = if content.bytes > bytes.len() as u64 {
        Err(DigestFault::TooLarge)
    } else {
        Digest::parse(bytes).map(Arc::new)
    };
    let is_kept = digest.is_err() && bytes.len() <= MALFORMED_BYTES_MAX;
    let malformed = if is_kept { bytes.to_owned() } else { Vec::new() };
    DigestFile { object: object.clone(), content, digest, malformed, metadata }
}

/// Hashes an object's bytes without keeping them. Nothing if there are none
/// because they could not be had: the reason then comes as a defect.
fn hash(fill: &mut dyn Fill, buffer: &mut Vec<u8>) -> Option<Content> {
    hashed(fill, buffer, 0)
}

/// Hashes an object's bytes and leaves them in `buffer`, up to `max`.
fn read(fill: &mut dyn Fill, buffer: &mut Vec<u8>, max: usize) -> Option<Content> {
    hashed(fill, buffer, max)
}

fn hashed(fill: &mut dyn Fill, buffer: &mut Vec<u8>, kept_max: usize) -> Option<Content> {
    let mut context = Context::new(&SHA256);
    let mut first_member = None;
    let mut bytes: u64 = 0;
    loop {
        // What is not kept makes room for the next.
        if kept_max == 0 {
            buffer.clear();
        } else if buffer.len() > kept_max {
            buffer.truncate(kept_max);
        }
        let start = buffer.len();
        let filled = fill.fill(buffer, CHUNK);
        let new = &buffer[start..];
        let wrapping = fill.wrapping();
        if let (None, Some(end)) = (first_member, wrapping.first_member) {
            let (of_first, _) = new.split_at(end.saturating_sub(bytes).min(new.len() as u64) as usize);
            let mut first = context.clone();
            first.update(of_first);
            first_member = Some(finish(first));
        }
        context.update(new);
        bytes += new.len() as u64;
        match filled {
            Ok(Filled::More) => {}
            Err(_) if bytes == 0 => return None,
            Ok(Filled::End) | Err(_) => {
                let sha256 = finish(context);
                return Some(Content { sha256, bytes, wrapping, first_member, trouble: None });
            }
        }
    }
}

fn finish(context: Context) -> [u8; 32] {
    let digest = context.finish();
    digest.as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

/// Metadata as a file beside the digest holds them.
fn sidecar(bytes: &[u8]) -> Option<Metadata> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let members = value.get("Metadata").unwrap_or(&value).as_object()?;
    let texts = members.iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("x-amz-meta-").unwrap_or(&name);
        Some((name.to_owned(), value.as_str()?.to_owned()))
    });
    Some(texts.collect())
}
