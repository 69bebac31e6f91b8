//! Streams of compressed members, one after another.
//!
//! gzip, zstd and bzip2 files may all consist of several; all are read. The
//! decompressors are driven directly rather than through readers, because
//! only so can a cut, damage and trailing bytes be told from each other.

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Crc;
use pugmark_event::{DefectKind, Filled, Limits, Wrapping};
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

use super::{CHUNK, Fault, Input, Layer, Notes};

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Gzip,
    Zstd,
    Bzip2,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Bzip2 => "bzip2",
        }
    }
}

/// All members of a compressed stream, one after another.
pub(crate) struct Members<'a> {
    input: Input<'a>,
    codec: Codec,
    state: State,
    /// Members begun so far.
    count: u32,
    count_max: u32,
    /// Bytes appended so far.
    delivered: u64,
    /// How many of them are the first member's, if there is a second.
    first_member: Option<u64>,
    notes: Notes,
}

enum State {
    /// Between members.
    Between,
    Body(Body),
    Ended,
}

enum Body {
    Gzip { inflate: Box<Decompress>, crc: Crc, length: u32 },
    Zstd(Box<Decoder<'static>>),
    Bzip2(Box<bzip2::Decompress>),
}

impl<'a> Members<'a> {
    pub(crate) fn new(input: Input<'a>, codec: Codec, limits: &Limits, notes: &Notes) -> Members<'a> {
        Members {
            input,
            codec,
            state: State::Between,
            count: 0,
            count_max: limits.gzip_members_max,
            delivered: 0,
            first_member: None,
            notes: notes.clone(),
        }
    }

    /// Looks for the next member.
    fn begin(&mut self) -> Result<State, Fault> {
        let head = self.input.peek(18)?;
        if head.is_empty() && self.count > 0 {
            return Ok(State::Ended);
        }
        let is_member = match self.codec {
            Codec::Gzip => head.starts_with(&[0x1f, 0x8b]),
            Codec::Zstd => matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
            Codec::Bzip2 => head.starts_with(b"BZh"),
        };
        if !is_member {
            let what = if head.iter().all(|byte| *byte == 0) { "zeros" } else { "other bytes" };
            let detail = format!("{what} after the end of the {} data", self.codec.name());
            self.notes.borrow_mut().push(Fault::new(DefectKind::TrailingData, detail));
            return Ok(State::Ended);
        }
        if self.count == self.count_max {
            let detail = format!("more than {} members", self.count_max);
            return Err(Fault::new(DefectKind::TooLarge, detail));
        }
        self.count += 1;
        if self.count == 2 {
            self.first_member = Some(self.delivered);
        }
        // Several frames are ordinary in zstd and bzip2: parallel compressors write them.
        if self.count == 2 && self.codec == Codec::Gzip {
            self.notes.borrow_mut().push(Fault::new(DefectKind::MultiMember, "all members were read"));
        }
        self.body().map(State::Body)
    }

    fn body(&mut self) -> Result<Body, Fault> {
        Ok(match self.codec {
            Codec::Gzip => {
                self.gzip_header()?;
                let inflate = Box::new(Decompress::new(false));
                Body::Gzip { inflate, crc: Crc::new(), length: 0 }
            }
            Codec::Zstd => Body::Zstd(Box::new(Decoder::new()?)),
            Codec::Bzip2 => Body::Bzip2(Box::new(bzip2::Decompress::new(false))),
        })
    }

    /// RFC 1952 §2.3.
    fn gzip_header(&mut self) -> Result<(), Fault> {
        let fixed: [u8; 10] = self.take()?;
        let flags = fixed[3];
        if fixed[2] != 8 || flags & 0xe0 != 0 {
            return Err(Fault::new(DefectKind::Corrupt, "a gzip header of an unknown kind"));
        }
        if flags & 4 != 0 {
            let length: [u8; 2] = self.take()?;
            for _ in 0..u16::from_le_bytes(length) {
                self.take::<1>()?;
            }
        }
        for flag in [8, 16] {
            // File name and comment end with a zero.
            while flags & flag != 0 && self.take::<1>()? != [0] {}
        }
        if flags & 2 != 0 {
            self.take::<2>()?;
        }
        Ok(())
    }

    /// RFC 1952 §2.3.1: checksum and length of the member.
    fn gzip_trailer(&mut self, checksum: u32, length: u32) -> Result<(), Fault> {
        let (stated_checksum, stated_length) = (self.take()?, self.take()?);
        if u32::from_le_bytes(stated_checksum) != checksum {
            return Err(Fault::new(DefectKind::Corrupt, "the checksum does not fit the bytes"));
        }
        if u32::from_le_bytes(stated_length) != length {
            return Err(Fault::new(DefectKind::Corrupt, "the stated length does not fit the bytes"));
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.input.peek(N)?.first_chunk().copied();
        self.input.consume(N);
        taken.ok_or_else(|| self.input.failure().unwrap_or_else(|| truncated(self.codec)))
    }
}

impl Layer for Members<'_> {
    fn more(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<Filled, Fault> {
        let target = buffer.len() + want;
        while buffer.len() < target {
            match &mut self.state {
                State::Ended => return Ok(Filled::End),
                State::Between => {
                    self.state = self.begin()?;
                }
                State::Body(body) => {
                    let ready = self.input.peek(1)?;
                    let cut = ready.is_empty();
                    let before = buffer.len();
                    buffer.reserve((target - before).min(CHUNK));
                    let (consumed, step) = body.step(ready, buffer);
                    self.input.consume(consumed);
                    self.delivered += (buffer.len() - before) as u64;
                    match step? {
                        Step::Ended => {
                            if let State::Body(Body::Gzip { crc, length, .. }) = &self.state {
                                let (checksum, length) = (crc.sum(), *length);
                                self.gzip_trailer(checksum, length)?;
                            }
                            self.state = State::Between;
                        }
                        Step::More if buffer.len() == before && consumed == 0 => {
                            return Err(if cut { truncated(self.codec) } else { damaged(self.codec) });
                        }
                        Step::More => {}
                    }
                }
            }
        }
        Ok(Filled::More)
    }

    fn wrapping(&self) -> Wrapping {
        let is_gzip = self.codec == Codec::Gzip;
        Wrapping { layers: 1, is_gzip, first_member: self.first_member }
    }
}

enum Step {
    More,
    Ended,
}

impl Body {
    /// Inflates into the spare capacity of `buffer`; answers how much of
    /// `input` was used and whether the member has ended.
    fn step(&mut self, input: &[u8], buffer: &mut Vec<u8>) -> (usize, Result<Step, Fault>) {
        match self {
            Body::Gzip { inflate, crc, length } => {
                let (used, start) = (inflate.total_in(), buffer.len());
                let status = inflate.decompress_vec(input, buffer, FlushDecompress::None);
                crc.update(&buffer[start..]);
                // Modulo 2^32, as the trailer has it.
                *length = length.wrapping_add((buffer.len() - start) as u32);
                let step = match status {
                    Ok(Status::StreamEnd) => Ok(Step::Ended),
                    Ok(Status::Ok | Status::BufError) => Ok(Step::More),
                    Err(_) => Err(damaged(Codec::Gzip)),
                };
                ((inflate.total_in() - used) as usize, step)
            }
            Body::Zstd(decoder) => {
                let start = buffer.len();
                let mut source = InBuffer::around(input);
                let mut target = OutBuffer::around_pos(buffer, start);
                let step = match decoder.run(&mut source, &mut target) {
                    Ok(0) => Ok(Step::Ended),
                    Ok(_) => Ok(Step::More),
                    Err(_) => Err(damaged(Codec::Zstd)),
                };
                (source.pos(), step)
            }
            Body::Bzip2(decompress) => {
                let used = decompress.total_in();
                let step = match decompress.decompress_vec(input, buffer) {
                    Ok(bzip2::Status::StreamEnd) => Ok(Step::Ended),
                    Ok(_) => Ok(Step::More),
                    Err(_) => Err(damaged(Codec::Bzip2)),
                };
                ((decompress.total_in() - used) as usize, step)
            }
        }
    }
}

fn truncated(codec: Codec) -> Fault {
    Fault::new(DefectKind::Truncated, format!("the {} data ends too early", codec.name()))
}

fn damaged(codec: Codec) -> Fault {
    Fault::new(DefectKind::Corrupt, format!("the {} data is damaged", codec.name()))
}
