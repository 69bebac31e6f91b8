//! Uncompressed bytes out of stored ones: gzip, zstd, bzip2 or plain.
//!
//! What an object is, its first bytes say, not its name. A stream may be
//! compressed twice (Firehose does that). Nothing here trusts a length that
//! the input states, and every object stops at `inflated_bytes_max`.
//!
//! Two ways lead through gzip. A small file of one member is inflated by
//! libdeflate in one call ([`Whole`]); everything else is streamed by
//! [`Members`], which knows members, trailing bytes, cuts and damage. Whatever
//! the first way finds odd it leaves to the second to name.

mod body;
mod members;
mod whole;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use pugmark_event::{DefectKind, Filled, Limits, Wrapping};

pub use body::{GzipFault, inflate_gzip};
pub(crate) use members::{Codec, Members};
pub(crate) use whole::Whole;

/// Bytes read from a source at a time.
pub(crate) const CHUNK: usize = 64 << 10;

/// Enough to tell every format; a tar archive says so last, at byte 257.
const HEAD: usize = 512;

/// What is wrong with an object, before it has a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: DefectKind,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(kind: DefectKind, detail: impl Into<String>) -> Fault {
        Fault { kind, detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl std::error::Error for Fault {}

/// A fault travels through readers as an error's inside.
impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        io::Error::other(fault)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        if let Some(fault) = inside(&error) {
            return fault.clone();
        }
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof => DefectKind::Truncated,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => DefectKind::Corrupt,
            _ => DefectKind::Unreadable,
        };
        Fault::new(kind, error.to_string())
    }
}

/// The fault that a reader above wrapped up, perhaps more than once.
fn inside(error: &io::Error) -> Option<&Fault> {
    let mut next = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(error) = next {
        if let Some(fault) = error.downcast_ref() {
            return Some(fault);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Remarks of all layers of one object.
pub(crate) type Notes = Rc<RefCell<Vec<Fault>>>;

/// One layer of bytes, as [`Fill`](pugmark_event::Fill) but with a named fault.
pub(crate) trait Layer {
    /// Appends about `want` bytes to `buffer`; all appended before a fault are good.
    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault>;

    /// Uncompressed size, if it can be guessed.
    fn size_hint(&self) -> Option<u64> {
        None
    }

    /// How the bytes so far were wrapped up.
    fn wrapping(&self) -> Wrapping {
        Wrapping::default()
    }
}

/// What an object turned out to be.
pub(crate) enum Opened<'a> {
    /// Bytes for the decoder.
    Bytes(Box<dyn Layer + 'a>),
    /// A tar archive, at its start.
    Tar(Input<'a>),
    /// A zip archive, at its start.
    Zip(Input<'a>),
    /// The same, inside a compressed stream.
    CompressedZip(Input<'a>),
}

/// Finds out what `reader` holds and removes up to two compressions.
pub(crate) fn open<'a>(
    reader: Box<dyn Read + 'a>,
    limits: &Limits,
    notes: &Notes,
) -> Result<Opened<'a>, Fault> {
    let mut input = Input::new(reader);
    let first = sniff(input.peek(HEAD)?);
    let Magic::Compressed(codec) = first else { return layer(input, first) };
    let outer = Prefetched::new(Members::new(input, codec, limits, notes));
    let Magic::Compressed(codec) = sniff(&outer.head) else {
        return match sniff(&outer.head) {
            Magic::Tar => Ok(Opened::Tar(Input::new(Box::new(LayerReader::new(outer))))),
            Magic::Zip => Ok(Opened::CompressedZip(Input::new(Box::new(LayerReader::new(outer))))),
            Magic::Utf16 => Err(Fault::new(DefectKind::Encoding, "UTF-16 text")),
            _ => Ok(Opened::Bytes(Box::new(outer))),
        };
    };
    let is_gzip = outer.members.wrapping().is_gzip;
    let input = Input::new(Box::new(LayerReader::new(outer)));
    Ok(Opened::Bytes(Box::new(Twice { inner: Members::new(input, codec, limits, notes), is_gzip })))
}

/// A layer inside another.
struct Twice<'a> {
    inner: Members<'a>,
    is_gzip: bool,
}

impl Layer for Twice<'_> {
    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault> {
        self.inner.more(buffer, want)
    }

    fn wrapping(&self) -> Wrapping {
        Wrapping { layers: 2, is_gzip: self.is_gzip, first_member: None }
    }
}

fn layer(input: Input<'_>, magic: Magic) -> Result<Opened<'_>, Fault> {
    match magic {
        Magic::Empty => Err(Fault::new(DefectKind::Empty, "no bytes")),
        Magic::Utf16 => Err(Fault::new(DefectKind::Encoding, "UTF-16 text")),
        Magic::Tar => Ok(Opened::Tar(input)),
        Magic::Zip => Ok(Opened::Zip(input)),
        Magic::Plain | Magic::Compressed(_) => Ok(Opened::Bytes(Box::new(Plain(input)))),
    }
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Empty,
    Compressed(Codec),
    Zip,
    Tar,
    Utf16,
    Plain,
}

/// Judges an object by its first bytes.
pub(crate) fn sniff(head: &[u8]) -> Magic {
    match head {
        [] => Magic::Empty,
        [0x1f, 0x8b, ..] => Magic::Compressed(Codec::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Magic::Compressed(Codec::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, ..] => Magic::Compressed(Codec::Bzip2),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Magic::Zip,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Magic::Utf16,
        _ if head.get(257..262) == Some(b"ustar") => Magic::Tar,
        _ => Magic::Plain,
    }
}

/// Stored bytes through one buffer, with a look ahead.
pub(crate) struct Input<'a> {
    reader: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Set once the reader has no more: that it ended, or why it failed.
    over: Option<Result<(), Fault>>,
}

impl<'a> Input<'a> {
    pub(crate) fn new(reader: Box<dyn Read + 'a>) -> Input<'a> {
        Input { reader, buffer: vec![0; CHUNK], start: 0, end: 0, over: None }
    }

    /// The next bytes, at least `count` of them unless the source ends before.
    /// A failure of the source shows only when all bytes before it are used.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], Fault> {
        while self.end - self.start < count && self.over.is_none() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.over = Some(Ok(())),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.over = Some(Err(error.into())),
            }
        }
        match &self.over {
            Some(Err(fault)) if self.start == self.end => Err(fault.clone()),
            _ => Ok(&self.buffer[self.start..self.end]),
        }
    }

    /// Why there are no more bytes than [`Input::peek`] gave, unless it is the end.
    fn failure(&self) -> Option<Fault> {
        self.over.clone()?.err()
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

impl Read for Input<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let ready = self.peek(1)?;
        let count = ready.len().min(target.len());
        target[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Bytes that are stored as they are.
pub(crate) struct Plain<'a>(pub(crate) Input<'a>);

impl Layer for Plain<'_> {
    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault> {
        let mut missing = want;
        while missing > 0 {
            let ready = self.0.peek(1)?;
            if ready.is_empty() {
                return Ok(Filled::End);
            }
            let count = ready.len().min(missing);
            buffer.extend_from_slice(&ready[..count]);
            self.0.consume(count);
            missing -= count;
        }
        Ok(Filled::More)
    }
}

/// A compressed layer whose first bytes were inflated to look at them.
struct Prefetched<'a> {
    head: Vec<u8>,
    outcome: Option<Result<Filled, Fault>>,
    members: Members<'a>,
}

impl<'a> Prefetched<'a> {
    fn new(mut members: Members<'a>) -> Prefetched<'a> {
        let mut head = Vec::with_capacity(CHUNK);
        let outcome = loop {
            match members.more(&mut head, HEAD) {
                Ok(Filled::More) if head.len() < HEAD => {}
                Ok(Filled::More) => break None,
                ended => break Some(ended),
            }
        };
        Prefetched { head, outcome, members }
    }
}

impl Layer for Prefetched<'_> {
    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault> {
        if !self.head.is_empty() {
            buffer.append(&mut self.head);
            return self.outcome.take().unwrap_or(Ok(Filled::More));
        }
        match self.outcome.take() {
            Some(outcome) => outcome,
            None => self.members.more(buffer, want),
        }
    }

    fn wrapping(&self) -> Wrapping {
        self.members.wrapping()
    }
}

/// A layer as a reader, for the layer above.
struct LayerReader<L> {
    layer: L,
    buffer: Vec<u8>,
    start: usize,
    outcome: Option<Result<(), Fault>>,
}

impl<L: Layer> LayerReader<L> {
    fn new(layer: L) -> LayerReader<L> {
        LayerReader { layer, buffer: Vec::with_capacity(CHUNK), start: 0, outcome: None }
    }
}

impl<L: Layer> Read for LayerReader<L> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.start == self.buffer.len() {
            match &self.outcome {
                Some(Ok(())) => return Ok(0),
                Some(Err(fault)) => return Err(fault.clone().into()),
                None => {}
            }
            self.buffer.clear();
            self.start = 0;
            match self.layer.more(&mut self.buffer, CHUNK) {
                Ok(Filled::More) => {}
                Ok(Filled::End) => self.outcome = Some(Ok(())),
                Err(fault) => self.outcome = Some(Err(fault)),
            }
        }
        let ready = &self.buffer[self.start..];
        let count = ready.len().min(target.len());
        target[..count].copy_from_slice(&ready[..count]);
        self.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
