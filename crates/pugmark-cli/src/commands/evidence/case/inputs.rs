//! The inputs of a case: every object with its hashes, and what has changed.

use std::collections::BTreeMap;

use pugmark_event::Tally;
use pugmark_integrity::{Content, gather, hex, sha256_of};
use pugmark_source::Contents;
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::plan::Reading;
use crate::run::Run;

/// One object. A file that is stored differs from its content where it is
/// compressed, and an archive has its members as further inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    /// How a person finds it.
    pub(super) name: String,
    /// Bytes as stored; 0 for members of archives.
    pub(super) bytes_stored: u64,
    /// Of the bytes as stored; none in S3 and for members of archives.
    pub(super) sha256_stored: Option<String>,
    /// Uncompressed bytes.
    pub(super) bytes: u64,
    /// Of the uncompressed bytes; none for archives and what cannot be read.
    pub(super) sha256: Option<String>,
}

impl Input {
    /// The input as JSON.
    pub(super) fn json(&self) -> String {
        json!({
            "name": self.name,
            "bytes_stored": self.bytes_stored,
            "sha256_stored": self.sha256_stored,
            "bytes": self.bytes,
            "sha256": self.sha256,
        })
        .to_string()
    }

    /// The input that `value` is.
    pub(super) fn of(value: &Value) -> Option<Input> {
        Some(Input {
            name: value["name"].as_str()?.to_owned(),
            bytes_stored: value["bytes_stored"].as_u64()?,
            sha256_stored: value["sha256_stored"].as_str().map(str::to_owned),
            bytes: value["bytes"].as_u64()?,
            sha256: value["sha256"].as_str().map(str::to_owned),
        })
    }
}

/// Reads every input, by name: log files and digests, stored and uncompressed.
pub(super) fn read(reading: &Reading, run: &mut Run<'_>) -> Result<(Vec<Input>, Tally), Failure> {
    let mut reading = reading.clone();
    reading.selection.contents = Contents::Evidence;
    let (listing, _) = run.list(&reading)?;
    let mut inputs: BTreeMap<String, Input> = BTreeMap::new();
    for entry in &listing.entries {
        let name = entry.object.name.clone();
        let stored = entry.stored().map(|file| file.and_then(|mut file| sha256_of(&mut file)));
        // What cannot be read is told when it is opened for its content.
        let sha256_stored = stored.and_then(Result::ok).map(|(hash, _)| hex(&hash));
        let input =
            Input { name: name.clone(), bytes_stored: entry.bytes_stored, sha256_stored, ..Input::default() };
        inputs.insert(name, input);
    }
    let (evidence, tally) = gather(listing, &reading.gathering(&run.progress))?;
    let mut add = |name: &str, content: &Content| {
        let input = inputs
            .entry(name.to_owned())
            .or_insert_with(|| Input { name: name.to_owned(), ..Input::default() });
        input.bytes = content.bytes;
        input.sha256 = (content.bytes > 0 || content.trouble.is_none()).then(|| hex(&content.sha256));
    };
    evidence.logs.iter().for_each(|log| add(&log.object.name, &log.content));
    evidence.digests.iter().for_each(|digest| add(&digest.object.name, &digest.content));
    Ok((inputs.into_values().collect(), tally))
}

/// How an input differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Its content is another.
    Content,
    /// The same content is stored in other bytes.
    Storage,
    /// It is not there any more.
    Missing,
    /// It was not there.
    New,
}

impl Change {
    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Change::Content => "other content",
            Change::Storage => "same content in other bytes",
            Change::Missing => "missing",
            Change::New => "new",
        }
    }

    /// True if answers may differ because of it.
    pub(super) fn matters(self) -> bool {
        self != Change::Storage
    }
}

/// What has changed between two lists of inputs, by name.
pub(super) fn changes(before: &[Input], now: &[Input]) -> Vec<(Change, String)> {
    let by_name = |inputs: &[Input]| -> BTreeMap<String, Input> {
        inputs.iter().map(|input| (input.name.clone(), input.clone())).collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    let mut changes = Vec::new();
    for (name, old) in &before {
        match now.get(name) {
            None => changes.push((Change::Missing, name.clone())),
            Some(new) if (&new.sha256, new.bytes) != (&old.sha256, old.bytes) => {
                changes.push((Change::Content, name.clone()));
            }
            Some(new) if (&new.sha256_stored, new.bytes_stored) != (&old.sha256_stored, old.bytes_stored) => {
                // An archive has no content of its own; its members tell.
                changes.push((Change::Storage, name.clone()));
            }
            Some(_) => {}
        }
    }
    changes.extend(
        now.keys().filter(|name| !before.contains_key(*name)).map(|name| (Change::New, name.clone())),
    );
    changes.sort();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, stored: &str, content: &str) -> Input {
        Input {
            name: name.to_owned(),
            sha256_stored: Some(stored.to_owned()),
            sha256: Some(content.to_owned()),
            ..Input::default()
        }
    }

    #[test]
    fn each_kind_of_change_is_told_by_hash() {
        let before = [input("a", "1", "1"), input("b", "2", "2"), input("c", "3", "3"), input("d", "4", "4")];
        let now = [input("a", "1", "1"), input("b", "9", "2"), input("c", "9", "9"), input("e", "5", "5")];
        let named = |change, name: &str| (change, name.to_owned());
        assert_eq!(
            changes(&before, &now),
            [
                named(Change::Content, "c"),
                named(Change::Storage, "b"),
                named(Change::Missing, "d"),
                named(Change::New, "e")
            ]
        );
    }
}
