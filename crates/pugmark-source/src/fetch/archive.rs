//! Archives: read as streams, never unpacked to disk.
//!
//! Every member is an object of its own, `archive.zip!member`, whose key is
//! the member's name. The archive itself is not counted: its members stand in
//! its place. An archive without members counts as routed.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pugmark_event::{DefectKind, Object};
use zip::ZipArchive;
use zip::result::ZipError;

use super::{Place, Visitor, Worker};
use crate::inflate::{Fault, Input};
use crate::parse_key;
use crate::progress::count;

/// A zip file's directory stands at its end. One that arrives as a stream is
/// held in memory up to this size.
const ZIP_HELD_MAX: u64 = 64 << 20;

/// An archive that is being read.
pub(super) struct Archive<'o> {
    object: &'o Arc<Object>,
    depth: u32,
    members: u64,
}

impl<V: Visitor> Worker<'_, V> {
    /// Reads the members of a tar archive.
    pub(super) fn tar(
        &mut self,
        object: &Arc<Object>,
        input: Input<'_>,
        place: Place<'_>,
    ) -> Result<(), Fault> {
        let mut archive = self.enter(object, place)?;
        let mut reader = tar::Archive::new(input);
        let outcome = self.tar_members(&mut archive, &mut reader);
        self.leave(&archive, outcome)
    }

    fn tar_members(
        &mut self,
        archive: &mut Archive<'_>,
        reader: &mut tar::Archive<Input<'_>>,
    ) -> Result<(), Fault> {
        for member in reader.entries().map_err(archive_fault)? {
            let member = member.map_err(archive_fault)?;
            if !member.header().entry_type().is_file() {
                continue;
            }
            let path = readable(&member.path_bytes());
            let whole = Exact { left: member.size(), reader: member };
            self.member(archive, &path, || Ok(Box::new(whole)))?;
        }
        Ok(())
    }

    /// Reads the members of a zip archive.
    pub(super) fn zip(
        &mut self,
        object: &Arc<Object>,
        mut input: Input<'_>,
        place: Place<'_>,
    ) -> Result<(), Fault> {
        let archive = self.enter(object, place)?;
        if let Some(path) = place.path {
            return self.zip_members(archive, BufReader::new(File::open(path)?));
        }
        let mut held = Vec::new();
        (&mut input).take(ZIP_HELD_MAX + 1).read_to_end(&mut held)?;
        if held.len() as u64 > ZIP_HELD_MAX {
            let detail =
                format!("a zip archive of more than {ZIP_HELD_MAX} bytes that is no file of its own");
            return Err(Fault::new(DefectKind::TooLarge, detail));
        }
        self.zip_members(archive, Cursor::new(held))
    }

    fn zip_members(&mut self, mut archive: Archive<'_>, reader: impl Read + Seek) -> Result<(), Fault> {
        let mut reader = ZipArchive::new(reader).map_err(zip_fault)?;
        let mut outcome = Ok(());
        for index in 0..reader.len() {
            let path = match reader.by_index_raw(index) {
                Ok(member) if member.is_dir() => continue,
                Ok(member) => readable(member.name_raw()),
                Err(error) => {
                    outcome = Err(zip_fault(error));
                    break;
                }
            };
            outcome = self.member(&mut archive, &path, || match reader.by_index(index) {
                Ok(member) => Ok(Box::new(member) as Box<dyn Read + '_>),
                Err(error) => Err(zip_fault(error)),
            });
            if outcome.is_err() {
                break;
            }
        }
        self.leave(&archive, outcome)
    }

    fn enter<'o>(&self, object: &'o Arc<Object>, place: Place<'_>) -> Result<Archive<'o>, Fault> {
        let max = self.shared.limits.archive_depth_max;
        if place.depth >= max {
            let detail = format!("an archive inside {max} archives");
            return Err(Fault::new(DefectKind::Unsupported, detail));
        }
        Ok(Archive { object, depth: place.depth + 1, members: 0 })
    }

    /// Counts the archive itself, unless members stand in its place.
    fn leave(&mut self, archive: &Archive<'_>, outcome: Result<(), Fault>) -> Result<(), Fault> {
        match outcome {
            Err(fault) if archive.members > 0 => self.defect(archive.object, 0, fault),
            Err(fault) => return Err(fault),
            Ok(()) if archive.members == 0 => self.tally.routed += 1,
            Ok(()) => {}
        }
        Ok(())
    }

    /// Lists one member and, unless its key speaks against it, reads it.
    fn member<'m>(
        &mut self,
        archive: &mut Archive<'_>,
        path: &str,
        open: impl FnOnce() -> Result<Box<dyn Read + 'm>, Fault>,
    ) -> Result<(), Fault> {
        if path.split('/').any(|name| name.starts_with('.') && !matches!(name, "." | "..")) {
            return Ok(());
        }
        if archive.members == self.shared.limits.objects_max {
            let detail = format!("more than {} members", archive.members);
            return Err(Fault::new(DefectKind::TooLarge, detail));
        }
        let shared = self.shared;
        if archive.members > 0 {
            self.tally.listed += 1;
            count(&shared.progress.objects_listed, 1);
        }
        archive.members += 1;
        let key = parse_key(path);
        if !shared.selection.may_open(&key, path) {
            self.tally.routed += 1;
        } else if shared.stopped.load(Ordering::Relaxed) || !shared.selection.may_hold(&key) {
            self.tally.pruned += 1;
        } else if shared.progress.is_cancelled() {
            self.tally.skipped += 1;
        } else {
            let object = Arc::new(key.object(format!("{}!{path}", archive.object.name)));
            let place = Place { path: None, depth: archive.depth };
            let outcome = open().and_then(|reader| self.stream(&object, reader, place));
            if let Err(fault) = outcome {
                self.skip(&object, fault);
            }
        }
        Ok(())
    }
}

/// A member's bytes; ending early is an error rather than an end.
struct Exact<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(target)?;
        if read == 0 && !target.is_empty() && self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends inside the member"));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// A member's name as people see it; bytes that are not UTF-8 are escaped.
fn readable(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => name.escape_ascii().to_string(),
    }
}

/// The archive's structure is at fault where the operating system is not.
fn archive_fault(error: io::Error) -> Fault {
    let from_system = error.raw_os_error().is_some();
    let mut fault = Fault::from(error);
    if fault.kind == DefectKind::Unreadable && !from_system {
        fault.kind = DefectKind::Corrupt;
    }
    fault
}

fn zip_fault(error: ZipError) -> Fault {
    match error {
        ZipError::Io(error) => archive_fault(error),
        ZipError::UnsupportedArchive(_)
        | ZipError::CompressionMethodNotSupported(_)
        | ZipError::InvalidPassword => Fault::new(DefectKind::Unsupported, error.to_string()),
        error => Fault::new(DefectKind::Corrupt, error.to_string()),
    }
}
