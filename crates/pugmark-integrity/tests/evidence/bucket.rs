//! A bucket as trails fill it, and what verification says of a copy of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use pugmark_event::{Limits, format_time, parse_time};
use pugmark_integrity::{
    Digest, Evidence, Head, ListedFile, Previous, PublicKey, PublicKeys, Question, Reading, Report, S3Place,
    SignedDigest, Signer, Tail, Verdict, gather, judge, sha256,
};
use pugmark_source::{Access, Contents, Location, Progress, Selection, list};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const BUCKET: &str = "trail-logs-example";
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// When every trail of the tests is switched on: not on the hour.
pub(crate) fn beginning() -> i64 {
    parse_time(b"2026-01-15T00:12:31Z").unwrap()
}

/// The key of the Region, made once for all tests of a file.
pub(crate) static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().unwrap());

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What [`gzip`] made, without its header of ten bytes and its trailer.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(1 << 20);
    let mut inflate = flate2::Decompress::new(false);
    let status = inflate.decompress_vec(&bytes[10..], &mut plain, flate2::FlushDecompress::Finish);
    assert_eq!(status.unwrap(), flate2::Status::StreamEnd);
    plain
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Buckets with their objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) objects: BTreeMap<S3Place, Stored>,
}

impl Store {
    pub(crate) fn put(&mut self, place: &S3Place, bytes: Vec<u8>) {
        self.objects.insert(place.clone(), Stored { bytes, metadata: BTreeMap::new() });
    }

    pub(crate) fn put_digest(&mut self, place: &S3Place, signed: &SignedDigest) {
        let metadata = signed.metadata().map(|(name, value)| (name.to_owned(), value)).into();
        self.objects.insert(place.clone(), Stored { bytes: gzip(&signed.bytes), metadata });
    }

    pub(crate) fn get(&mut self, place: &S3Place) -> &mut Stored {
        self.objects.get_mut(place).unwrap()
    }

    pub(crate) fn remove(&mut self, place: &S3Place) -> Stored {
        self.objects.remove(place).unwrap()
    }

    /// Replaces the uncompressed bytes of an object.
    pub(crate) fn rewrite(&mut self, place: &S3Place, change: impl FnOnce(String) -> String) {
        let object = self.get(place);
        let before = String::from_utf8(gunzip(&object.bytes)).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "the mutation changes something");
        object.bytes = gzip(after.as_bytes());
    }

    /// Copies every object below `root`, each bucket a folder, with a file of
    /// metadata beside each digest if `sidecars` are wanted.
    pub(crate) fn copy_to(&self, root: &Path, sidecars: bool) {
        for (place, object) in &self.objects {
            let path = root.join(&*place.bucket).join(&*place.key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &object.bytes).unwrap();
            if sidecars && !object.metadata.is_empty() {
                let text = serde_json::json!({ "Metadata": object.metadata }).to_string();
                fs::write(format!("{}.metadata.json", path.display()), text).unwrap();
            }
        }
    }
}

/// One trail in one account and Region, hour by hour.
#[derive(Clone)]
pub(crate) struct Trail {
    pub(crate) account: &'static str,
    pub(crate) region: &'static str,
    pub(crate) name: &'static str,
    /// With its slash, or empty.
    pub(crate) prefix: &'static str,
    pub(crate) is_organization: bool,
    pub(crate) bucket: &'static str,
    pub(crate) files_an_hour: u32,
    /// End of the last digest.
    pub(crate) now: i64,
    pub(crate) previous: Option<Previous>,
    /// Digests in order, with where they were put.
    pub(crate) digests: Vec<Digest>,
    /// Log files in order.
    pub(crate) logs: Vec<S3Place>,
    /// Delivered and not yet listed.
    pub(crate) waiting: Vec<ListedFile>,
    pub(crate) count: u32,
}

impl Default for Trail {
    fn default() -> Trail {
        Trail {
            account: ACCOUNT,
            region: REGION,
            name: "main",
            prefix: "",
            is_organization: false,
            bucket: BUCKET,
            files_an_hour: 2,
            now: beginning(),
            previous: None,
            digests: Vec::new(),
            logs: Vec::new(),
            waiting: Vec::new(),
            count: 0,
        }
    }
}

/// `20260115`, `2026/01/15`, `1012` and `101231` of an instant.
fn parts(time: i64) -> (String, String, String, String) {
    let text = format_time(time / 1_000_000 * 1_000_000);
    let (date, clock) = text.split_once('T').unwrap();
    let clock: String = clock.chars().filter(char::is_ascii_digit).collect();
    (date.replace('-', ""), date.replace('-', "/"), clock[..4].to_owned(), clock)
}

impl Trail {
    /// What stands before the account in keys.
    fn root(&self) -> String {
        format!("{}AWSLogs/{}", self.prefix, if self.is_organization { "o-exampleorg11/" } else { "" })
    }

    pub(crate) fn place(&self, key: String) -> S3Place {
        S3Place { bucket: Arc::from(self.bucket), key: key.into() }
    }

    /// The key of a log file that was delivered at `time`.
    pub(crate) fn log_key(&self, time: i64, unique: &str) -> String {
        let (Trail { account, region, .. }, root) = (self, self.root());
        let (date, folder, minute, _) = parts(time);
        format!(
            "{root}{account}/CloudTrail/{region}/{folder}/{account}_CloudTrail_{region}_{date}T{minute}Z_{unique}.json.gz"
        )
    }

    pub(crate) fn digest_key(&self, end: i64, suffix: &str) -> String {
        let (Trail { account, region, name, .. }, root) = (self, self.root());
        let (date, folder, _, second) = parts(end);
        format!(
            "{root}{account}/CloudTrail-Digest/{region}/{folder}/{account}_CloudTrail-Digest_{region}_{name}_{region}_{date}T{second}Z{suffix}.json.gz"
        )
    }

    /// Delivers one log file.
    pub(crate) fn deliver(&mut self, store: &mut Store, time: i64) -> S3Place {
        self.count += 1;
        let place = self.place(self.log_key(time, &format!("{:016}", self.count)));
        let text = format!(
            "{{\"Records\":[{{\"eventID\":\"{:08}\",\"eventTime\":\"{}\"}}]}}",
            self.count,
            format_time(time)
        );
        store.put(&place, gzip(text.as_bytes()));
        let event = Some(time / 1_000_000 * 1_000_000);
        let sha256 = sha256(text.as_bytes());
        self.waiting.push(ListedFile {
            place: place.clone(),
            sha256,
            newest_event: event,
            oldest_event: event,
        });
        self.logs.push(place.clone());
        place
    }

    /// One hour: its log files, then its digest.
    pub(crate) fn hour(&mut self, store: &mut Store) {
        let (start, end) = (self.now, self.now + HOUR);
        for number in 0..self.files_an_hour {
            self.deliver(
                store,
                start + 5 * MINUTE + i64::from(number) * 30 * MINUTE / i64::from(self.files_an_hour),
            );
        }
        let place = self.place(self.digest_key(end, ""));
        let files = std::mem::take(&mut self.waiting);
        let digest = self.digest(start, end, place, files);
        self.put(store, digest);
        self.now = end;
    }

    pub(crate) fn digest(&self, start: i64, end: i64, place: S3Place, files: Vec<ListedFile>) -> Digest {
        Digest {
            account: self.account.to_owned(),
            start,
            end,
            place,
            fingerprint: SIGNER.fingerprint().to_owned(),
            newest_event: files.iter().filter_map(|file| file.newest_event).max(),
            oldest_event: files.iter().filter_map(|file| file.oldest_event).min(),
            previous: self.previous.clone(),
            files,
        }
    }

    /// Signs a digest, stores it, and lets the next one follow it.
    pub(crate) fn put(&mut self, store: &mut Store, digest: Digest) {
        let signed = SIGNER.sign(&digest);
        store.put_digest(&digest.place, &signed);
        self.previous = Some(signed.as_previous(&digest));
        self.digests.push(digest);
    }

    pub(crate) fn hours(&mut self, store: &mut Store, hours: u32) {
        (0..hours).for_each(|_| self.hour(store));
    }

    /// Logging is off for a while; the next digest begins anew.
    pub(crate) fn pause(&mut self, hours: i64) {
        self.now += hours * HOUR;
        self.previous = None;
    }

    /// Log files that are delivered while validation is off.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }
}

pub(crate) fn keys() -> PublicKeys {
    let mut keys = PublicKeys::default();
    keys.insert(public_key());
    keys
}

pub(crate) fn public_key() -> PublicKey {
    SIGNER.public_key("the test's own key").unwrap()
}

/// What is found below a folder.
pub(crate) fn evidence(root: &Path, threads: usize) -> Evidence {
    let (access, limits, progress) = (Access::default(), Limits::default(), Progress::default());
    let selection = Selection { contents: Contents::Evidence, ..Selection::default() };
    let locations = [Location::Path(root.to_owned())];
    let listing = list(&locations, &selection, &access, &limits, &progress).unwrap();
    let reading = Reading { access: &access, limits: &limits, threads, progress: &progress };
    let (evidence, tally) = gather(listing, &reading).unwrap();
    assert!(tally.balances());
    evidence
}

/// Judges the store where it is fastest: in an archive of one file.
pub(crate) fn verify(store: &Store, keys: &PublicKeys) -> Report {
    let root = tempfile::tempdir().unwrap();
    let members = store.objects.iter().flat_map(|(place, object)| {
        let sidecar = serde_json::json!({ "Metadata": object.metadata }).to_string().into_bytes();
        let name = format!("{}/{}", place.bucket, place.key);
        let sidecar = (format!("{name}.metadata.json"), sidecar);
        [Some((name, object.bytes.clone())), (!object.metadata.is_empty()).then_some(sidecar)]
    });
    fs::write(root.path().join("copy.tar"), tar(members.flatten())).unwrap();
    judge(&evidence(root.path(), 1), keys, &Question::default())
}

/// A plain tar archive (POSIX ustar).
pub(crate) fn tar(members: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in members {
        let (prefix, name) = name.rsplit_once('/').unwrap_or(("", &name));
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[263..265].copy_from_slice(b"00");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(&bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1_024, 0);
    archive
}

/// Copies the store to a folder and judges it there.
pub(crate) fn verify_with(store: &Store, keys: &PublicKeys, sidecars: bool) -> Report {
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), sidecars);
    judge(&evidence(root.path(), 2), keys, &Question::default())
}

/// Everything that is not plainly valid, one line each, names without folders.
pub(crate) fn findings(report: &Report) -> Vec<String> {
    let short = |name: &str| name.rsplit('/').next().unwrap().replace(".json.gz", "");
    let mut lines = Vec::new();
    for digest in report.digests() {
        let name = short(&digest.object.name);
        if digest.verdict != Verdict::Valid {
            lines.push(format!("{} {name}", digest.verdict.name()));
        }
        lines.extend(digest.remarks.iter().map(|remark| format!("remark {name}: {remark}")));
        if digest.moved_from.is_some() {
            lines.push(format!("moved {name}"));
        }
        if digest.is_copy {
            lines.push(format!("copy {name}"));
        }
    }
    for log in &report.logs {
        if log.verdict != Verdict::Valid {
            lines.push(format!("{} {}", log.verdict.name(), short(&log.name())));
        }
        if log.is_moved {
            lines.push(format!("moved {}", short(&log.name())));
        }
    }
    for chain in &report.chains {
        lines.extend(
            chain.missing.iter().map(|missing| format!("missing digest {}", short(&missing.place.key))),
        );
        for gap in &chain.gaps {
            let (since, until) = (format_time(gap.since), format_time(gap.until));
            lines.push(format!("gap {since} {until}: {}, {} files", gap.reason.name(), gap.files));
        }
        for fork in &chain.forks {
            lines.push(format!("fork of {}", short(&fork.previous.key)));
        }
        match &chain.head {
            Head::Cut { previous, files } => {
                lines.push(format!("head cut after {}, {files} files", short(&previous.key)));
            }
            Head::Starting | Head::Unknown => {}
        }
        match chain.tail {
            Tail::Truncated { since, files, .. } => {
                lines.push(format!("tail truncated at {}, {files} files", format_time(since)));
            }
            Tail::Pending { files } => lines.push(format!("tail pending, {files} files")),
            Tail::Complete => {}
        }
    }
    if report.others > 0 {
        lines.push(format!("{} others", report.others));
    }
    lines.sort();
    lines
}
