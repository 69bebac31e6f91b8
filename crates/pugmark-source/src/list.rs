//! Finds objects, and leaves out by key what need not be opened.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, FileType};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use pugmark_event::{Defect, DefectKind, Limits, Object, ObjectKind, Origin, Tally, TimeRange};

use crate::progress::count;
use crate::{Location, ObjectKey, Progress, SourceError, parse_key, s3};

/// Ends of the names of archives.
const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".zip"];

/// Which objects to open, judged by key alone. Empty lists and an open range mean all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Accounts, 12 digits each.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// Event time; a day folder has one day of slack on both sides.
    pub range: TimeRange,
    /// Which kinds of objects.
    pub contents: Contents,
}

/// Which kinds of objects a run opens; the others count as routed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// Those that hold events.
    #[default]
    Events,
    /// Those that hold events, and the digests that vouch for them.
    Evidence,
    /// Digests alone.
    Digests,
}

impl Contents {
    /// True if objects of `kind` are opened. An archive is opened whatever is
    /// wanted, because only its members have kinds.
    pub fn takes(self, kind: ObjectKind) -> bool {
        match self {
            Contents::Events => kind.has_events(),
            Contents::Evidence => kind.has_events() || kind == ObjectKind::Digest,
            Contents::Digests => kind == ObjectKind::Digest,
        }
    }
}

impl Selection {
    /// False only if the key says that no event inside can be wanted.
    pub fn may_hold(&self, key: &ObjectKey<'_>) -> bool {
        let wanted = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_none_or(|value| list.iter().any(|one| one == value))
        };
        wanted(&self.accounts, key.account)
            && wanted(&self.regions, key.region)
            && key.day.is_none_or(|day| self.range.may_hold_day(day))
    }

    /// True if an object of this key is of a wanted kind, or may hold one: a
    /// name that is no trail's may be that of an archive.
    pub(crate) fn may_open(&self, key: &ObjectKey<'_>, name: &str) -> bool {
        let archive = || key.delivered.is_none() && ARCHIVES.iter().any(|end| name.ends_with(end));
        self.contents.takes(key.kind) || (key.kind.has_events() && archive())
    }
}

/// How S3 is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Profile of the AWS configuration files.
    pub profile: Option<String>,
    /// Region of the buckets; found by itself if absent.
    pub region: Option<String>,
    /// Another service that speaks S3.
    pub endpoint_url: Option<String>,
    /// Whether the reader pays for requests.
    pub requester_pays: bool,
}

/// What was found under the sources.
#[derive(Debug, Default)]
pub struct Listing {
    /// Objects to open, by time of delivery and name.
    pub entries: Vec<Entry>,
    /// Objects listed, pruned, routed and skipped, and what could not be listed.
    pub tally: Tally,
    /// Days with log objects, by account and region; also of pruned objects.
    pub coverage: Vec<Coverage>,
    /// Kept for the members of archives, whose keys are seen only on opening.
    pub(crate) selection: Selection,
    /// The Region of each bucket that entries are in.
    pub(crate) regions: BTreeMap<String, String>,
}

impl Listing {
    /// A listing of `entries`, which are some of these, that balances by itself.
    #[must_use]
    pub fn part(&self, entries: Vec<Entry>) -> Listing {
        let tally = Tally { listed: entries.len() as u64, ..Tally::default() };
        let (selection, regions) = (self.selection.clone(), self.regions.clone());
        Listing { entries, tally, coverage: Vec::new(), selection, regions }
    }

    /// Leaves out the objects that are not of `contents`, also inside archives;
    /// they count as routed.
    pub fn narrow(&mut self, contents: Contents) {
        self.selection.contents = contents;
        let all = self.entries.len();
        let selection = &self.selection;
        self.entries.retain(|entry| selection.may_open(&parse_key(&entry.object.name), &entry.object.name));
        self.tally.routed += (all - self.entries.len()) as u64;
    }
}

/// The days on which log objects were delivered for one account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Account, 12 digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// Days since 1970-01-01.
    pub days: BTreeSet<i32>,
}

/// One object to open.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What its key says.
    pub object: Arc<Object>,
    /// Its size as listed.
    pub bytes_stored: u64,
    /// When it was last written, microseconds since 1970 (UTC), if that is known.
    pub written: Option<i64>,
    pub(crate) handle: Handle,
}

/// What a listing says of the bytes of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    /// When they were last written, microseconds since 1970 (UTC), if that is known.
    pub(crate) written: Option<i64>,
}

impl From<&fs::Metadata> for Stored {
    fn from(metadata: &fs::Metadata) -> Stored {
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let written = metadata.modified().ok().and_then(since).map(|since| since.as_micros() as i64);
        Stored { bytes: metadata.len(), written }
    }
}

/// How an entry is opened.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    /// A file whose path is the object's name.
    Named,
    /// A file whose path is not UTF-8.
    Path(Box<Path>),
    /// Standard input.
    Stdin,
    /// No object at all: its text came in a message.
    Text(Arc<str>),
    /// An object of this bucket; the key is what follows it in the name.
    S3(Arc<str>),
}

/// Finds the objects under `locations`; an object named twice is found once.
pub fn list(
    locations: &[Location],
    selection: &Selection,
    access: &Access,
    limits: &Limits,
    progress: &Progress,
) -> Result<Listing, SourceError> {
    let mut walk = Walk::new(selection, limits, progress);
    let mut has_stdin = false;
    for location in locations {
        match location {
            Location::Path(path) => walk.named(path)?,
            Location::Stdin if has_stdin => {}
            Location::Stdin => {
                has_stdin = true;
                walk.found.add(&parse_key(""), "stdin".to_owned(), Stored::default(), Handle::Stdin)?;
            }
            Location::S3 { .. } => {}
        }
    }
    let buckets = s3::buckets(locations);
    if !buckets.is_empty() {
        s3::list(&buckets, access, &mut walk.found)?;
    }
    walk.finish()
}

/// What messages told of.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Bucket and key of objects.
    pub objects: BTreeSet<(String, String)>,
    /// Log files that were the messages themselves, with a name for each.
    pub texts: Vec<(String, Arc<str>)>,
}

/// Looks at what messages told of, instead of listing what is there. What `selection` leaves are
/// the entries; an object that is not there counts as skipped, with a defect.
///
/// # Errors
/// If a bucket cannot be reached.
pub fn list_told(
    told: &Told,
    selection: &Selection,
    access: &Access,
    limits: &Limits,
    progress: &Progress,
) -> Result<Listing, SourceError> {
    let mut found = Found::new(selection, limits, progress);
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (bucket, key) in &told.objects {
        keys.entry(bucket).or_default().push(key);
    }
    if !keys.is_empty() {
        s3::look(&keys, access, &mut found)?;
    }
    for (name, text) in &told.texts {
        let stored = Stored { bytes: text.len() as u64, written: None };
        found.add(&parse_key(""), name.clone(), stored, Handle::Text(Arc::clone(text)))?;
    }
    Ok(found.finish())
}

/// Collects what is found, whatever the source.
pub(crate) struct Found<'a> {
    pub(crate) listing: Listing,
    coverage: BTreeMap<(String, String), BTreeSet<i32>>,
    limits: &'a Limits,
    pub(crate) progress: &'a Progress,
}

impl<'a> Found<'a> {
    pub(crate) fn new(selection: &Selection, limits: &'a Limits, progress: &'a Progress) -> Found<'a> {
        let listing = Listing { selection: selection.clone(), ..Listing::default() };
        Found { listing, coverage: BTreeMap::new(), limits, progress }
    }

    /// Takes an object in, or counts why not.
    pub(crate) fn add(
        &mut self,
        key: &ObjectKey<'_>,
        name: String,
        stored: Stored,
        handle: Handle,
    ) -> Result<(), SourceError> {
        self.count_one()?;
        if key.kind == ObjectKind::Log
            && let (Some(account), Some(region), Some(day)) = (key.account, key.region, key.day)
        {
            self.coverage.entry((account.to_owned(), region.to_owned())).or_default().insert(day);
        }
        if !self.listing.selection.may_open(key, &name) {
            self.listing.tally.routed += 1;
        } else if self.listing.selection.may_hold(key) {
            count(&self.progress.bytes_total, stored.bytes);
            let object = Arc::new(key.object(name));
            self.listing.entries.push(Entry {
                object,
                bytes_stored: stored.bytes,
                written: stored.written,
                handle,
            });
        } else {
            self.listing.tally.pruned += 1;
        }
        Ok(())
    }

    /// Counts an object that holds nothing to read.
    pub(crate) fn route(&mut self) -> Result<(), SourceError> {
        self.count_one()?;
        self.listing.tally.routed += 1;
        Ok(())
    }

    /// Counts an object that is no file to open.
    pub(crate) fn skip(&mut self, name: String, kind: DefectKind, detail: String) -> Result<(), SourceError> {
        self.count_one()?;
        self.listing.tally.skipped += 1;
        count(&self.progress.skipped, 1);
        self.defect(name, kind, detail);
        Ok(())
    }

    /// Notes what could not be listed.
    fn defect(&mut self, name: String, kind: DefectKind, detail: String) {
        let origin = Origin { object: Arc::new(Object::named(name)), offset: 0 };
        self.listing.tally.defect(Defect::new(kind, origin, detail), self.limits.defects_kept);
    }

    fn count_one(&mut self) -> Result<(), SourceError> {
        let max = self.limits.objects_max;
        if self.listing.tally.listed >= max {
            return Err(SourceError::TooManyObjects { max });
        }
        self.listing.tally.listed += 1;
        count(&self.progress.objects_listed, 1);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Listing {
        self.listing.entries.sort_by(|first, second| {
            let (first, second) = (&first.object, &second.object);
            (first.delivered, &first.name).cmp(&(second.delivered, &second.name))
        });
        self.listing.coverage = std::mem::take(&mut self.coverage)
            .into_iter()
            .map(|((account, region), days)| Coverage { account, region, days })
            .collect();
        self.listing
    }
}

/// A walk over local files.
///
/// A directory is entered once, by its canonical path, which ends loops of
/// symbolic links. So files inside directories are unique; only files reached
/// by name or by link must be compared, which is done at the end.
struct Walk<'a> {
    found: Found<'a>,
    entered: HashSet<PathBuf>,
    apart: Vec<(PathBuf, PathBuf, Stored)>,
}

impl<'a> Walk<'a> {
    fn new(selection: &Selection, limits: &'a Limits, progress: &'a Progress) -> Walk<'a> {
        let found = Found::new(selection, limits, progress);
        Walk { found, entered: HashSet::new(), apart: Vec::new() }
    }

    /// A path that the user named: it must exist.
    fn named(&mut self, path: &Path) -> Result<(), SourceError> {
        let fail = |source| SourceError::Path { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(fail)?;
        if metadata.is_dir() {
            fs::read_dir(path).map_err(fail)?;
            return self.directory(path.to_owned());
        }
        if metadata.is_file() || is_descriptor(path) {
            let canonical = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            self.apart.push((canonical, path.to_owned(), Stored::from(&metadata)));
            return Ok(());
        }
        self.found.skip(display(path), DefectKind::Unsupported, what_it_is(metadata.file_type()).to_owned())
    }

    /// Everything below a directory, without recursion on the stack.
    fn directory(&mut self, root: PathBuf) -> Result<(), SourceError> {
        let mut waiting = vec![root];
        while let Some(directory) = waiting.pop() {
            if self.found.progress.is_cancelled() {
                return Ok(());
            }
            match fs::canonicalize(&directory).and_then(|canonical| {
                Ok(if self.entered.insert(canonical) { Some(fs::read_dir(&directory)?) } else { None })
            }) {
                Ok(Some(children)) => self.children(&directory, children, &mut waiting)?,
                Ok(None) => {}
                Err(error) => {
                    self.found.defect(display(&directory), DefectKind::Unreadable, error.to_string());
                }
            }
        }
        Ok(())
    }

    fn children(
        &mut self,
        directory: &Path,
        children: fs::ReadDir,
        waiting: &mut Vec<PathBuf>,
    ) -> Result<(), SourceError> {
        for child in children {
            let child = match child {
                Ok(child) => child,
                Err(error) => {
                    self.found.defect(display(directory), DefectKind::Unreadable, error.to_string());
                    break;
                }
            };
            if child.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = child.path();
            match child.metadata() {
                Ok(metadata) if metadata.is_file() => self.file(path, Stored::from(&metadata))?,
                Ok(metadata) if metadata.is_dir() => waiting.push(path),
                Ok(metadata) if metadata.is_symlink() => self.link(path, waiting)?,
                Ok(metadata) => self.found.skip(
                    display(&path),
                    DefectKind::Unsupported,
                    what_it_is(metadata.file_type()).to_owned(),
                )?,
                Err(error) => self.found.skip(display(&path), DefectKind::Unreadable, error.to_string())?,
            }
        }
        Ok(())
    }

    /// A symbolic link inside a directory.
    fn link(&mut self, path: PathBuf, waiting: &mut Vec<PathBuf>) -> Result<(), SourceError> {
        let target = fs::metadata(&path).and_then(|metadata| Ok((metadata, fs::canonicalize(&path)?)));
        match target {
            Ok((metadata, _)) if metadata.is_dir() => waiting.push(path),
            Ok((metadata, canonical)) if metadata.is_file() => {
                self.apart.push((canonical, path, Stored::from(&metadata)));
            }
            Ok((metadata, _)) => self.found.skip(
                display(&path),
                DefectKind::Unsupported,
                what_it_is(metadata.file_type()).to_owned(),
            )?,
            Err(error) => self.found.skip(display(&path), DefectKind::Unreadable, error.to_string())?,
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, stored: Stored) -> Result<(), SourceError> {
        let (name, handle) = match path.into_os_string().into_string() {
            Ok(name) => (name, Handle::Named),
            Err(path) => {
                let path = PathBuf::from(path);
                (display(&path), Handle::Path(path.into_boxed_path()))
            }
        };
        // The key borrows from the name, which moves into the object.
        let key_text = name.clone();
        self.found.add(&parse_key(&key_text), name, stored, handle)
    }

    fn finish(mut self) -> Result<Listing, SourceError> {
        let mut seen = HashSet::new();
        for (canonical, path, stored) in std::mem::take(&mut self.apart) {
            let hidden = canonical.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let walked = !hidden && canonical.parent().is_some_and(|parent| self.entered.contains(parent));
            if !walked && seen.insert(canonical) {
                self.file(path, stored)?;
            }
        }
        Ok(self.found.finish())
    }
}

/// The name that people see; bad bytes are shown as U+FFFD.
fn display(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// True for `<(command)` of a shell: a pipe, but one with a writer.
fn is_descriptor(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path.starts_with("/proc") || path == Path::new("/dev/stdin")
}

#[cfg(unix)]
fn what_it_is(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        "a named pipe, not a file"
    } else if kind.is_socket() {
        "a socket, not a file"
    } else {
        "a device, not a file"
    }
}

#[cfg(not(unix))]
fn what_it_is(_: FileType) -> &'static str {
    "not a file"
}

impl Entry {
    /// What tells this object, as it is stored now, from every other: its true
    /// name, its size and when it was written. It is opened for none of them.
    pub fn identity(&self) -> Vec<u8> {
        let name = match &self.handle {
            Handle::Path(path) => path.as_os_str().as_encoded_bytes(),
            Handle::Named | Handle::Stdin | Handle::Text(_) | Handle::S3(_) => self.object.name.as_bytes(),
        };
        let written = self.written.unwrap_or(i64::MIN);
        [name, &[0], &self.bytes_stored.to_le_bytes(), &written.to_le_bytes()].concat()
    }

    /// The bytes of a local file as they are stored, for their hash; nothing
    /// for other entries.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn stored(&self) -> Option<std::io::Result<fs::File>> {
        self.path().map(fs::File::open)
    }

    /// True for a regular file, which can be read more than once and cheaply.
    pub fn is_file(&self) -> bool {
        self.path().is_some_and(|path| fs::metadata(path).is_ok_and(|found| found.is_file()))
    }

    /// Where a local file is; nothing for other entries.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.handle {
            Handle::Named => Some(Path::new(&self.object.name)),
            Handle::Path(path) => Some(path),
            Handle::Stdin | Handle::Text(_) | Handle::S3(_) => None,
        }
    }
}
