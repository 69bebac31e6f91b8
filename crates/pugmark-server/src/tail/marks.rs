//! What was taken already of folders and buckets that are tailed.
//!
//! Marks are appended, one line each, and synced before anything else is read: after a
//! crash the last part is read again at most. Names are hashed: a mark costs about forty
//! bytes on disk and in memory.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pugmark_integrity::{hex, sha256};

use crate::document::sync_folder;

/// What is marked: 16 bytes of the SHA-256 of its name or identity.
type Key = [u8; 16];

/// How far an object was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Whole, as it was stored then.
    Whole,
    /// A file that grows, up to this byte.
    UpTo(u64),
}

/// All marks.
#[derive(Debug)]
pub(super) struct Marks {
    path: PathBuf,
    file: File,
    known: HashMap<Key, Mark>,
    lines: usize,
}

fn key(name: &[u8]) -> Key {
    let hash = sha256(name);
    hash[..16].try_into().expect("16 of 32 bytes")
}

fn line(key: Key, mark: Mark) -> String {
    match mark {
        Mark::Whole => format!("{}\n", hex(&key)),
        Mark::UpTo(bytes) => format!("{} {bytes}\n", hex(&key)),
    }
}

/// Reads a line; one that a crash cut says nothing.
fn parse(line: &str) -> Option<(Key, Mark)> {
    let (name, bytes) = line.split_once(' ').map_or((line, None), |(name, bytes)| (name, Some(bytes)));
    let key: Key = pugmark_integrity::unhex(name)?.try_into().ok()?;
    let mark = match bytes {
        None => Mark::Whole,
        Some(bytes) => Mark::UpTo(bytes.parse().ok()?),
    };
    Some((key, mark))
}

impl Marks {
    pub(super) fn open(path: &Path) -> io::Result<Marks> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let known: HashMap<Key, Mark> = text[..whole].lines().filter_map(parse).collect();
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut marks = Marks { path: path.to_owned(), file, known, lines: text.lines().count() };
        if whole < text.len() || marks.lines > 2 * marks.known.len() {
            marks.rewrite()?;
        }
        Ok(marks)
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<Mark> {
        self.known.get(&key(name)).copied()
    }

    pub(super) fn set(&mut self, name: &[u8], mark: Mark) -> io::Result<()> {
        let key = key(name);
        self.file.write_all(line(key, mark).as_bytes())?;
        self.file.sync_data()?;
        self.known.insert(key, mark);
        self.lines += 1;
        Ok(())
    }

    /// Forgets what is no longer there, once it is most of what is known.
    pub(super) fn keep<'a>(&mut self, there: impl ExactSizeIterator<Item = &'a [u8]>) -> io::Result<()> {
        const SLACK: usize = 1_000;
        if self.lines <= 2 * there.len() + SLACK {
            return Ok(());
        }
        self.known = there.filter_map(|name| Some((key(name), *self.known.get(&key(name))?))).collect();
        self.rewrite()
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut text = String::new();
        for (key, mark) in &self.known {
            // Writing to a `String` cannot fail.
            let _written = text.write_str(&line(*key, *mark));
        }
        let draft = self.path.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.lines = self.known.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_there_after_a_restart_and_a_cut_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let mut marks = Marks::open(&path).unwrap();
        marks.set(b"a", Mark::Whole).unwrap();
        marks.set(b"b", Mark::UpTo(5)).unwrap();
        marks.set(b"b", Mark::UpTo(9)).unwrap();
        drop(marks);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(&line(key(b"c"), Mark::UpTo(123))[..35]);
        fs::write(&path, text).unwrap();
        let mut marks = Marks::open(&path).unwrap();
        assert_eq!([marks.get(b"a"), marks.get(b"b")], [Some(Mark::Whole), Some(Mark::UpTo(9))]);
        assert_eq!(marks.get(b"c"), None);
        marks.set(b"d", Mark::Whole).unwrap();
        assert_eq!(Marks::open(&path).unwrap().get(b"d"), Some(Mark::Whole));
    }

    #[test]
    fn what_is_gone_is_forgotten_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let mut marks = Marks::open(&path).unwrap();
        let text: String = (0..2_000u32).map(|n| line(key(&n.to_le_bytes()), Mark::Whole)).collect();
        drop(marks);
        fs::write(&path, text).unwrap();
        marks = Marks::open(&path).unwrap();
        let there = [7u32.to_le_bytes(), 8u32.to_le_bytes()];
        marks.keep(there.iter().map(|name| &name[..])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(Marks::open(&path).unwrap().get(&there[0]), Some(Mark::Whole));
    }
}
