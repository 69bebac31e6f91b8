//! What a watch remembers between rounds and over restarts: one JSON file in
//! a folder, replaced as a whole, and beside it the letters that were given up.
//!
//! It holds no address and no key of a sink: those may be secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use pugmark_detect::{Finding, KeptMatch, Source};
use pugmark_integrity::hex;
use pugmark_source::Entry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::Channel;
use crate::exit::Failure;

/// How long the ids of findings are kept that were sent, and of objects that were named. An event
/// that is delivered twice comes within hours, a message within 14 days.
const SENT_KEPT_S: i64 = 35 * 86_400;
/// The form of the file.
const VERSION: u32 = 1;

/// All that is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    v: u32,
    /// Objects that were read, as they were then.
    seen: BTreeSet<String>,
    /// Objects that were read because a message named them, and when, in seconds since 1970.
    #[serde(default)]
    named: BTreeMap<String, i64>,
    /// Findings that were told, and when, in seconds since 1970.
    sent: BTreeMap<String, i64>,
    /// Correlations that were told.
    bursts: Vec<Burst>,
    /// Matches that events to come are correlated with.
    pub(super) kept: Vec<KeptMatch>,
    /// Findings that are still to be told.
    pub(super) outbox: Vec<Letter>,
}

/// One firing of a correlation. It grows as events arrive, and stays the same.
#[derive(Debug, Serialize, Deserialize)]
struct Burst {
    rule: String,
    group: Vec<(String, String)>,
    first: i64,
    last: i64,
}

/// One finding on its way to one sink.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) channel: Channel,
    /// The finding's id.
    pub(super) id: String,
    /// When it was found, in seconds since 1970.
    pub(super) since: i64,
    /// The finding with every member.
    pub(super) finding: Value,
}

impl State {
    /// The mark of an object as it is stored now.
    pub(super) fn mark(entry: &Entry) -> String {
        hex(&digest(&SHA256, &entry.identity()).as_ref()[..16])
    }

    pub(super) fn has_seen(&self, mark: &str) -> bool {
        self.seen.contains(mark) || self.named.contains_key(mark)
    }

    /// An object was listed, and read.
    pub(super) fn see(&mut self, mark: String) {
        self.seen.insert(mark);
    }

    /// An object was named by a message, and read.
    pub(super) fn see_named(&mut self, mark: String, now_s: i64) {
        self.named.insert(mark, now_s);
    }

    /// Forgets objects that are no longer `there`.
    pub(super) fn forget(&mut self, there: &BTreeSet<String>) -> bool {
        let before = self.seen.len();
        self.seen.retain(|mark| there.contains(mark));
        before != self.seen.len()
    }

    /// Forgets findings that were told long ago, and objects named then.
    pub(super) fn age(&mut self, now_s: i64) -> bool {
        let before = (self.named.len(), self.sent.len());
        for ages in [&mut self.named, &mut self.sent] {
            ages.retain(|_, since| *since >= now_s - SENT_KEPT_S);
        }
        before != (self.named.len(), self.sent.len())
    }

    /// Keeps `kept`, all of `since` or later; correlations that ended before can no longer grow.
    pub(super) fn keep(&mut self, kept: Vec<KeptMatch>, since: i64) {
        self.kept = kept;
        self.bursts.retain(|burst| burst.last >= since);
    }

    /// True the first time that a finding comes. A correlation that was told
    /// and has grown since is the same finding.
    pub(super) fn is_news(&mut self, finding: &Finding, now_s: i64) -> bool {
        let is_new = self.sent.insert(finding.id.clone(), now_s).is_none();
        if finding.source != Source::Correlation {
            return is_new;
        }
        let is_same = |burst: &&mut Burst| {
            burst.rule == finding.rule.id
                && burst.group == finding.details
                && burst.first <= finding.last
                && finding.first <= burst.last
        };
        if let Some(burst) = self.bursts.iter_mut().find(is_same) {
            burst.first = burst.first.min(finding.first);
            burst.last = burst.last.max(finding.last);
            return false;
        }
        self.bursts.push(Burst {
            rule: finding.rule.id.clone(),
            group: finding.details.clone(),
            first: finding.first,
            last: finding.last,
        });
        is_new
    }
}

/// The folder of one watch, locked as long as it runs.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Closing it gives the folder free.
    _lock: File,
}

impl Store {
    /// Takes the folder, and reads what is in it.
    pub(super) fn open(folder: &Path) -> Result<(Store, State), Failure> {
        let fail = |error: io::Error| {
            Failure::new(
                format!("cannot use `{}`: {error}", folder.display()),
                "name a folder of your own with `--state`",
            )
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    format!("another watch works in `{}`", folder.display()),
                    "end it, or give this one a `--state` of its own",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let store = Store { folder: folder.to_owned(), _lock: lock };
        let state = store.load()?;
        Ok((store, state))
    }

    fn load(&self) -> Result<State, Failure> {
        let path = self.folder.join("state.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(State { v: VERSION, ..State::default() });
            }
            Err(error) => return Err(Failure::bare(format!("cannot read `{}`: {error}", path.display()))),
        };
        let hint = "move it away to begin anew; everything under the sources is then told again";
        let fail = |why: String| Failure::new(format!("cannot use `{}`: {why}", path.display()), hint);
        let state: State = serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))?;
        if state.v != VERSION {
            return Err(fail(format!("it is of version {}, and this program reads {VERSION}", state.v)));
        }
        Ok(state)
    }

    /// Replaces the file; a run that ends in the middle leaves the old one.
    pub(super) fn save(&self, state: &State) -> Result<(), Failure> {
        let (made, kept) = (self.folder.join("state.json.new"), self.folder.join("state.json"));
        let write = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&made)?;
            let mut out = BufWriter::new(file);
            serde_json::to_writer(&mut out, state)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&made, &kept)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| Failure::bare(format!("cannot write `{}`: {error}", kept.display())))
    }

    /// Puts letters down that nobody takes.
    pub(super) fn bury(&self, letters: &[Letter]) -> Result<PathBuf, Failure> {
        let path = self.folder.join("dead-letters.jsonl");
        let lines: Vec<String> = letters
            .iter()
            .map(|letter| {
                let since = pugmark_event::format_time(letter.since.saturating_mul(1_000_000));
                json!({"v": 1, "sink": letter.channel.name(), "id": letter.id, "since": since,
                    "finding": letter.finding})
                .to_string()
            })
            .collect();
        append(&path, &lines)?;
        Ok(path)
    }
}

/// Appends lines to a file, and waits until they are on the disk.
pub(super) fn append(path: &Path, lines: &[String]) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        let mut text = String::new();
        // A line that was cut by a crash must not swallow the next.
        if !tail(&mut file, 1)?.is_empty_or_newline() {
            text.push('\n');
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::bare(format!("cannot write `{}`: {error}", path.display())))
}

/// The last bytes of a file, at most `max`.
fn tail(file: &mut File, max: u64) -> io::Result<Tail> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(max)))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(Tail(bytes))
}

struct Tail(Vec<u8>);

impl Tail {
    fn is_empty_or_newline(&self) -> bool {
        self.0.last().is_none_or(|last| *last == b'\n')
    }
}

/// Bytes of a file in which a line is looked for that a crash may have left behind.
const LOOKED_FOR_IN: u64 = 16 << 20;

/// Ids among `ids` that stand near the end of a file already.
pub(super) fn already<'a>(path: &Path, ids: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let Ok(mut file) = File::open(path) else { return BTreeSet::new() };
    let Ok(Tail(bytes)) = tail(&mut file, LOOKED_FOR_IN) else { return BTreeSet::new() };
    let text = String::from_utf8_lossy(&bytes);
    let written: BTreeSet<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned))
        .collect();
    ids.filter(|id| written.contains(*id)).map(str::to_owned).collect()
}
