//! A small gzip file of one member, inflated in one call.
//!
//! This is what nearly every log file is, and libdeflate is about twice as
//! fast as a streaming inflater. It wants the size of the output beforehand.
//! The last four bytes of the file state it (`ISIZE`); they are believed only
//! where they are plausible, and checked afterwards.

use libdeflater::{Decompressor, crc32};
use memchr::memmem::Finder;

/// Largest stated size that is inflated in one call.
const SIZE_MAX: usize = 16 << 20;

/// Deflate cannot do better than 1032:1.
const RATIO_MAX: usize = 1032;

/// Inflates whole files; one per worker.
pub(crate) struct Whole {
    decompressor: Decompressor,
    member: Finder<'static>,
}

impl Whole {
    pub(crate) fn new() -> Whole {
        Whole { decompressor: Decompressor::new(), member: Finder::new(&[0x1f, 0x8b, 8]) }
    }

    /// The size that `stored` states for itself, if this way is worth a try.
    pub(crate) fn stated_size(stored: &[u8], size_max: u64) -> Option<usize> {
        let (_, tail) = stored.split_last_chunk::<4>()?;
        let size = u32::from_le_bytes(*tail) as usize;
        let is_gzip = stored.starts_with(&[0x1f, 0x8b, 8]) && stored.len() >= 18;
        let plausible =
            size > 0 && size <= SIZE_MAX && size as u64 <= size_max && size / RATIO_MAX <= stored.len();
        (is_gzip && plausible).then_some(size)
    }

    /// Appends what `stored` holds if it is sound and exactly one member of
    /// `size` bytes. Otherwise leaves `buffer` as it was and answers false.
    pub(crate) fn inflate(&mut self, stored: &[u8], size: usize, buffer: &mut Vec<u8>) -> bool {
        let start = buffer.len();
        let sound = self.try_inflate(stored, size, buffer).is_some();
        if !sound {
            buffer.truncate(start);
        }
        sound
    }

    fn try_inflate(&mut self, stored: &[u8], size: usize, buffer: &mut Vec<u8>) -> Option<()> {
        let body = &stored[header_length(stored)?..];
        let (body, trailer) = body.split_last_chunk::<8>()?;
        // A second member would begin with these bytes. By chance they occur
        // in one file of a thousand, which then takes the other way.
        if self.member.find(body).is_some() {
            return None;
        }
        let start = buffer.len();
        buffer.resize(start + size, 0);
        let inflated = self.decompressor.deflate_decompress(body, &mut buffer[start..]).ok()?;
        let checksum = crc32(&buffer[start..]);
        (inflated == size && trailer.starts_with(&checksum.to_le_bytes())).then_some(())
    }
}

/// Length of a gzip header that has a file name at most.
fn header_length(stored: &[u8]) -> Option<usize> {
    match stored.get(3)? {
        0 => Some(10),
        8 => Some(11 + memchr::memchr(0, stored.get(10..)?)?),
        _ => None,
    }
}
