//! One object's uncompressed bytes, as a visitor takes them.

use std::io;

use pugmark_event::{DefectKind, Fill, Filled, Limits, Wrapping};

use super::Shared;
use crate::Progress;
use crate::inflate::{self, Fault, Layer, Magic, Notes, Opened, Whole};

/// Where one object's bytes come from.
pub(super) enum Source<'a> {
    /// A small gzip file, to be inflated in one call.
    Whole { stored: &'a [u8], size: usize, whole: &'a mut Whole, notes: Notes },
    /// Anything else.
    Layer(Box<dyn Layer + 'a>),
    /// A small gzip file that turned out to hold an archive.
    Rerouted,
}

/// One object's uncompressed bytes, capped.
pub(super) struct Bytes<'a> {
    source: Source<'a>,
    limits: &'a Limits,
    progress: &'a Progress,
    delivered: u64,
    ended: bool,
    fault: Option<Fault>,
    cancelled: bool,
}

/// What became of an object's bytes.
pub(super) struct Seen {
    pub(super) delivered: u64,
    pub(super) fault: Option<Fault>,
    pub(super) cancelled: bool,
    /// The bytes were an archive's after all; the visitor has seen nothing.
    pub(super) rerouted: bool,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(source: Source<'a>, shared: &Shared<'a>) -> Bytes<'a> {
        let (limits, progress) = (shared.limits, shared.progress);
        Bytes { source, limits, progress, delivered: 0, ended: false, fault: None, cancelled: false }
    }

    pub(super) fn seen(self) -> Seen {
        let rerouted = matches!(self.source, Source::Rerouted);
        Seen { rerouted, delivered: self.delivered, fault: self.fault, cancelled: self.cancelled }
    }

    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault> {
        match &mut self.source {
            Source::Layer(layer) => return layer.more(buffer, want),
            Source::Rerouted => return Err(Fault::new(DefectKind::Unsupported, "an archive")),
            Source::Whole { stored, size, whole, notes } => {
                let start = buffer.len();
                let (stored, notes) = (*stored, notes.clone());
                if whole.inflate(stored, *size, buffer) {
                    match inflate::sniff(&buffer[start..]) {
                        Magic::Plain | Magic::Empty => return Ok(Filled::End),
                        Magic::Utf16 => {
                            buffer.truncate(start);
                            return Err(Fault::new(DefectKind::Encoding, "UTF-16 text"));
                        }
                        Magic::Compressed(_) | Magic::Tar | Magic::Zip => buffer.truncate(start),
                    }
                } else if let Opened::Bytes(layer) = inflate::open(Box::new(stored), self.limits, &notes)? {
                    self.source = Source::Layer(layer);
                    return self.more(buffer, want);
                }
            }
        }
        self.source = Source::Rerouted;
        Err(Fault::new(DefectKind::Unsupported, "an archive"))
    }
}

impl Fill for Bytes<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> io::Result<Filled> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if self.ended {
            return Ok(Filled::End);
        }
        if self.progress.is_cancelled() {
            self.cancelled = true;
            return Err(io::Error::other("the run was cancelled"));
        }
        let start = buffer.len();
        let left = self.limits.inflated_bytes_max - self.delivered;
        let mut outcome = self.more(buffer, want.max(1).min(left.saturating_add(1) as usize));
        if (buffer.len() - start) as u64 > left {
            buffer.truncate(start + left as usize);
            outcome = Err(too_large("uncompressed", self.limits.inflated_bytes_max));
        }
        self.delivered += (buffer.len() - start) as u64;
        match outcome {
            Ok(filled) => {
                self.ended = filled == Filled::End;
                Ok(filled)
            }
            Err(fault) => {
                self.fault = Some(fault.clone());
                Err(fault.into())
            }
        }
    }

    fn size_hint(&self) -> Option<u64> {
        match &self.source {
            Source::Whole { size, .. } => Some(*size as u64),
            Source::Layer(layer) => layer.size_hint(),
            Source::Rerouted => None,
        }
    }

    fn wrapping(&self) -> Wrapping {
        match &self.source {
            Source::Whole { .. } => Wrapping { layers: 1, is_gzip: true, first_member: None },
            Source::Layer(layer) => layer.wrapping(),
            Source::Rerouted => Wrapping::default(),
        }
    }
}

pub(super) fn too_large(what: &str, max: u64) -> Fault {
    Fault::new(DefectKind::TooLarge, format!("more than {max} bytes {what}"))
}
