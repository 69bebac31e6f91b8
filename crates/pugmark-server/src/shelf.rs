//! A folder of events that can be asked at once: the event history, or one
//! event data store.
//!
//! Events stand as JSON Lines in files named as a trail names them, below the
//! day of the event, so that a question about some days opens these only.
//! What is put twice is one event when it is read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use pugmark_event::{days_from_civil, format_time};
use pugmark_source::Location;

const DAY_US: i64 = 86_400_000_000;
/// Bytes that are synced at once: whoever waits for the journal's disk does not wait behind more.
const PIECE_BYTES: usize = 1 << 20;

/// An event, and what decides where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    /// One line of JSON.
    pub(crate) record: &'a str,
}

/// One such folder.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(crate) fn new(folder: PathBuf) -> Shelf {
        Shelf { folder }
    }

    /// Where a scan finds the events.
    pub(crate) fn location(&self) -> Location {
        Location::Path(self.folder.clone())
    }

    /// Appends events; they are on disk when this returns.
    pub(crate) fn put(&self, events: &[Placed<'_>]) -> io::Result<()> {
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        for event in events {
            let text = files.entry(self.path(event)).or_default();
            // A line break inside a record is white space, and would end the line.
            text.extend(
                event.record.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }),
            );
            text.push(b'\n');
        }
        for (path, text) in files {
            append(&path, &text)?;
        }
        Ok(())
    }

    /// Removes the files of days before the one that `time` lies in.
    pub(crate) fn forget_before(&self, time: i64) -> io::Result<()> {
        let first = time.div_euclid(DAY_US) as i32;
        let mut days = Vec::new();
        day_folders(&self.folder.join("AWSLogs"), &mut days)?;
        for (day, folder) in days {
            if day < first {
                fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }

    fn path(&self, event: &Placed<'_>) -> PathBuf {
        let day = format_time(event.time.div_euclid(DAY_US) * DAY_US);
        let (year, month, date) = (&day[..4], &day[5..7], &day[8..10]);
        let Placed { account, region, .. } = event;
        let name = format!("{account}_CloudTrail_{region}_{year}{month}{date}T0000Z_0000000000000000.json");
        let mut path = self.folder.join("AWSLogs");
        path.extend([account, "CloudTrail", region, year, month, date, &name]);
        path
    }
}

/// Appends to a file, after what a crash may have left of a line.
fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    if let Some(folder) = path.parent()
        && is_new
    {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    if end > 0 && !ends_line(&mut file, end)? {
        file.write_all(b"\n")?;
    }
    for piece in text.chunks(PIECE_BYTES) {
        file.write_all(piece)?;
        file.sync_data()?;
    }
    match path.parent() {
        Some(folder) if is_new => crate::document::sync_folder(folder),
        _ => Ok(()),
    }
}

fn ends_line(file: &mut File, end: u64) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::Start(end - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Every `…/YYYY/MM/DD` below `AWSLogs/<account>/CloudTrail/<region>`.
fn day_folders(root: &Path, days: &mut Vec<(i32, PathBuf)>) -> io::Result<()> {
    let mut level = vec![(root.to_owned(), Vec::new())];
    for depth in 0..6 {
        let mut next = Vec::new();
        for (folder, numbers) in level {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let mut numbers: Vec<u32> = numbers.clone();
                if depth >= 3 {
                    let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                        continue;
                    };
                    numbers.push(number);
                }
                next.push((entry.path(), numbers));
            }
        }
        level = next;
    }
    days.extend(level.into_iter().filter_map(|(folder, numbers)| match numbers[..] {
        [year, month @ 1..=12, day @ 1..=31] => Some((days_from_civil(year as i32, month, day), folder)),
        _ => None,
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_768_471_200_000_000;

    fn placed(record: &str) -> Placed<'_> {
        Placed { account: "111122223333", region: "eu-west-1", time: TIME, record }
    }

    fn text(shelf: &Shelf) -> String {
        fs::read_to_string(shelf.path(&placed(""))).unwrap()
    }

    #[test]
    fn events_stand_below_their_day() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        shelf.put(&[placed("{\"a\":\n1}"), placed("{}")]).unwrap();
        assert!(shelf.path(&placed("")).to_str().unwrap().contains("/eu-west-1/2026/01/15/"));
        assert_eq!(text(&shelf), "{\"a\": 1}\n{}\n");
    }

    #[test]
    fn a_line_that_a_crash_cut_does_not_swallow_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        shelf.put(&[placed("{}")]).unwrap();
        let mut file = OpenOptions::new().append(true).open(shelf.path(&placed(""))).unwrap();
        file.write_all(b"{\"cut").unwrap();
        shelf.put(&[placed("{}")]).unwrap();
        assert_eq!(text(&shelf), "{}\n{\"cut\n{}\n");
    }

    #[test]
    fn old_days_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        shelf.put(&[placed("{}")]).unwrap();
        shelf.forget_before(TIME).unwrap();
        assert_eq!(text(&shelf), "{}\n");
        shelf.forget_before(TIME + DAY_US).unwrap();
        assert!(!shelf.path(&placed("")).exists());
    }
}
