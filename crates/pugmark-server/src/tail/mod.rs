//! Folders and buckets that are tailed: what appears in them is taken in.
//!
//! ```text
//! list ─▶ not marked? ─▶ records ─▶ journal ─▶ mark
//! ```
//!
//! Log files and exports are read once they are whole; plain text of one record a line
//! (`.jsonl`, `.ndjson`, `.log`) is read as it grows, line by line. A mark is made after
//! the events are in the journal, so that a crash loses nothing; what is read again is
//! known by its bytes if it has an `eventID` and an `eventTime`.

mod marks;

use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use pugmark_event::{DefectKind, EventBatch, Leaf, Projection};
use pugmark_scan::{Request, Sink, scan};
use pugmark_source::{Entry, Listing, Location, Progress, Selection};
use pugmark_trail::EVENT_BYTES_MAX;

use crate::app::App;
use crate::document::StateError;
use crate::ingest;
use marks::{Mark, Marks};

/// A file is whole when it has not been written to for so long.
const SETTLED_US: i64 = 2_000_000;
/// Bytes of events that are taken at once.
const PART_BYTES: usize = 4 << 20;
/// Faults that one look tells.
const FAULTS_MAX: usize = 20;
const GROWING: [&str; 3] = ["jsonl", "ndjson", "log"];

/// Folders and buckets that are tailed.
pub(crate) struct Tail {
    locations: Vec<Location>,
    marks: Marks,
}

/// What went wrong at a look, in words for the log.
#[derive(Debug, Default)]
struct Faults {
    told: Vec<String>,
    untold: usize,
}

impl Faults {
    fn add(&mut self, fault: String) {
        if self.told.len() < FAULTS_MAX {
            self.told.push(fault);
        } else {
            self.untold += 1;
        }
    }

    fn words(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("{} more faults", self.untold));
        }
        self.told
    }
}

impl Tail {
    /// Tails `locations`; what was taken of them stands in the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub(crate) fn open(locations: Vec<Location>, path: &Path) -> Result<Tail, StateError> {
        let marks = Marks::open(path).map_err(StateError::io(path))?;
        Ok(Tail { locations, marks })
    }

    /// Whether nothing is tailed.
    pub(crate) fn is_empty(&self) -> bool {
        self.locations.is_empty()
    }

    /// Takes in what is new, until `is_stopped`; answers what went wrong, in words.
    pub(crate) fn look(&mut self, app: &App, is_stopped: &dyn Fn() -> bool) -> Vec<String> {
        let mut faults = Faults::default();
        if let Err(error) = self.look_at_all(app, is_stopped, &mut faults) {
            faults.add(error);
        }
        faults.words()
    }

    fn look_at_all(
        &mut self,
        app: &App,
        is_stopped: &dyn Fn() -> bool,
        faults: &mut Faults,
    ) -> Result<(), String> {
        let (progress, reading) = (Progress::default(), &app.reading);
        let selection = Selection::default();
        let listing =
            pugmark_source::list(&self.locations, &selection, &reading.access, &reading.limits, &progress)
                .map_err(|error| error.to_string())?;
        for defect in &listing.tally.defects {
            faults.add(format!("{}: {}", defect.origin.object.name, defect.detail));
        }
        let own = own_places(app);
        for entry in &listing.entries {
            let name = &entry.object.name;
            if is_stopped() {
                return Ok(());
            }
            if own.iter().any(|place| name.starts_with(place)) {
                continue;
            }
            let taken = if grows(entry) {
                self.take_lines(app, entry, faults)
            } else {
                self.take_whole(app, &listing, entry, faults)
            };
            taken.map_err(|error| format!("{name}: {error}"))?;
        }
        if listing.tally.defects.is_empty() {
            let names: Vec<Vec<u8>> = listing.entries.iter().map(name_of).collect();
            self.marks.keep(names.iter().map(Vec::as_slice)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Takes the lines that a growing file has won.
    fn take_lines(&mut self, app: &App, entry: &Entry, faults: &mut Faults) -> Result<(), String> {
        let name = name_of(entry);
        let mut from = match self.marks.get(&name) {
            Some(Mark::UpTo(bytes)) if bytes == entry.bytes_stored => return Ok(()),
            // It is shorter than it was: another file has its name now.
            Some(Mark::UpTo(bytes)) if bytes < entry.bytes_stored => bytes,
            _ => 0,
        };
        let Some(file) = entry.stored() else { return Ok(()) };
        let Ok(mut file) =
            file.and_then(|mut file| file.seek(SeekFrom::Start(from)).map(|_| BufReader::new(file)))
        else {
            faults.add(format!("{}: it cannot be read", entry.object.name));
            return Ok(());
        };
        loop {
            let part = Part::read(&mut file, from).map_err(|error| error.to_string())?;
            if part.bytes == 0 {
                return Ok(());
            }
            accept(app, entry, &part.lines, faults)?;
            from += part.bytes;
            self.marks.set(&name, Mark::UpTo(from)).map_err(|error| error.to_string())?;
        }
    }

    /// Takes an object that does not grow any more.
    fn take_whole(
        &mut self,
        app: &App,
        listing: &Listing,
        entry: &Entry,
        faults: &mut Faults,
    ) -> Result<(), String> {
        let name = name_of(entry);
        let is_settled = entry.written.is_none_or(|written| written + SETTLED_US <= app.now());
        if self.marks.get(&name).is_some() || !is_settled {
            return Ok(());
        }
        let request = Request {
            limits: app.reading.limits,
            access: app.reading.access.clone(),
            threads: 1,
            ..Request::new([Leaf::Raw].into_iter().collect::<Projection>())
        };
        let part = listing.part(vec![entry.clone()]);
        let make = || Taker { app, entry, faults: Faults::default(), failure: None };
        let (takers, tally) =
            scan(part, &request, &Progress::default(), make).map_err(|error| error.to_string())?;
        for taker in takers {
            taker.faults.told.into_iter().for_each(|fault| faults.add(fault));
            faults.untold += taker.faults.untold;
            if let Some(failure) = taker.failure {
                return Err(failure);
            }
        }
        for defect in &tally.defects {
            let place = &defect.origin.object.name;
            faults.add(format!("{place}: {}: {}", defect.kind.name(), defect.detail));
        }
        // What could not be had now may be had at the next look.
        if tally.defects.iter().any(|defect| defect.kind == DefectKind::Unreadable) {
            return Ok(());
        }
        self.marks.set(&name, Mark::Whole).map_err(|error| error.to_string())
    }
}

/// Where our own trails deliver: their log files would come round for ever.
fn own_places(app: &App) -> Vec<String> {
    let place = |trail: &pugmark_trail::Trail| {
        let prefix = trail.config.s3_key_prefix.as_deref().unwrap_or_default();
        let slash = if prefix.is_empty() { "" } else { "/" };
        match app.desk.location(&trail.config.s3_bucket_name, &format!("{prefix}{slash}AWSLogs")) {
            Location::Path(path) => format!("{}/", path.display()),
            Location::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}/"),
            Location::Stdin => "-".to_owned(),
        }
    };
    app.desk.read(|trails| trails.iter().map(place).collect())
}

/// What an entry is marked by: a growing file by its name, all others as they are stored.
fn name_of(entry: &Entry) -> Vec<u8> {
    if grows(entry) { entry.object.name.as_bytes().to_vec() } else { entry.identity() }
}

fn grows(entry: &Entry) -> bool {
    let end = entry.object.name.rsplit('.').next().unwrap_or_default();
    GROWING.contains(&end) && entry.is_file()
}

/// Lines of a growing file.
struct Part {
    lines: Vec<Vec<u8>>,
    /// What they and their ends are long.
    bytes: u64,
}

impl Part {
    /// Reads whole lines, up to a part; one that has no end yet is left for later, unless it is
    /// too long to be a record.
    fn read(file: &mut impl io::BufRead, from: u64) -> io::Result<Part> {
        let mut part = Part { lines: Vec::new(), bytes: 0 };
        while part.bytes < PART_BYTES as u64 {
            let mut line = Vec::new();
            let read = io::Read::take(&mut *file, EVENT_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line)?;
            let is_whole = line.ends_with(b"\n");
            if !is_whole && read <= EVENT_BYTES_MAX + 1 {
                break;
            }
            part.bytes += read as u64;
            if !is_whole {
                part.bytes += file.skip_until(b'\n')? as u64;
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                part.lines.push(with_id(text, from + part.bytes));
            }
        }
        Ok(part)
    }
}

/// The record with an `eventID` of its place, if it has none: read again, it has the same.
fn with_id(record: &[u8], end: u64) -> Vec<u8> {
    let has_id = str::from_utf8(record).is_ok_and(|text| text.contains("\"eventID\""));
    let Some(rest) =
        record.strip_prefix(b"{").filter(|rest| !has_id && rest.trim_ascii_start().starts_with(b"\""))
    else {
        return record.to_vec();
    };
    let mut bytes: [u8; 16] =
        pugmark_integrity::sha256(&[record, &end.to_le_bytes()].concat())[..16].try_into().expect("16 bytes");
    // A name-based UUID of an own kind (RFC 9562, version 8).
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = pugmark_integrity::hex(&bytes);
    let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    [format!("{{\"eventID\":\"{id}\",").as_bytes(), rest].concat()
}

/// Puts records into the journal; those that are refused are faults.
fn accept<B: AsRef<[u8]>>(
    app: &App,
    entry: &Entry,
    records: &[B],
    faults: &mut Faults,
) -> Result<(), String> {
    let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
    let results = ingest::accept(app, &records).map_err(|fault| fault.message)?;
    for refused in results.into_iter().filter_map(Result::err) {
        faults.add(format!("{}: a record was refused: {refused}", entry.object.name));
    }
    Ok(())
}

/// Takes the records of one object.
struct Taker<'a> {
    app: &'a App,
    entry: &'a Entry,
    faults: Faults,
    failure: Option<String>,
}

impl Sink for Taker<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let Some(records) = batch.text(Leaf::Raw) else { return ControlFlow::Continue(()) };
        let records: Vec<&str> = (0..batch.rows()).map(|row| records.value(row)).collect();
        match accept(self.app, self.entry, &records, &mut self.faults) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failure = Some(failure);
                ControlFlow::Break(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &[u8]) -> (Vec<String>, u64) {
        let part = Part::read(&mut &text[..], 0).unwrap();
        (part.lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect(), part.bytes)
    }

    #[test]
    fn a_line_without_its_end_is_left_for_later() {
        assert_eq!(part(b"[1]\n\n[2]\r\n[3"), (vec!["[1]".to_owned(), "[2]".to_owned()], 10));
        assert_eq!(part(b""), (Vec::new(), 0));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_once() {
        let text = [&vec![b'x'; 3 * EVENT_BYTES_MAX][..], b"\n[1]\n"].concat();
        let (lines, bytes) = part(&text);
        assert_eq!((lines.len(), bytes), (2, text.len() as u64));
        assert!(lines[0].len() > EVENT_BYTES_MAX, "long enough to be refused");
    }

    #[test]
    fn a_record_without_an_id_has_the_one_of_its_place() {
        let (one, other) = (with_id(b"{\"a\":1}", 5), with_id(b"{\"a\":1}", 9));
        assert_eq!(with_id(b"{\"a\":1}", 5), one);
        assert_ne!(one, other);
        let record: serde_json::Value = serde_json::from_slice(&one).unwrap();
        assert!(pugmark_event::is_uuid(record["eventID"].as_str().unwrap()));
        for kept in [&b"{\"eventID\":\"x\"}"[..], b"{}", b"not json"] {
            assert_eq!(with_id(kept, 5), kept);
        }
    }
}
