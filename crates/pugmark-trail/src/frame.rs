//! Frames of a log: a length, a checksum, bytes.
//!
//! ```text
//! u32 length (little endian) · u64 XXH3 of length and bytes · bytes
//! ```
//!
//! A log ends where a frame is not whole: what follows was never acknowledged.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes before those of a frame.
pub(crate) const HEADER_BYTES: usize = 12;
/// Longest frame.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 30;

/// Adds a frame to `log`.
pub(crate) fn push(log: &mut Vec<u8>, bytes: &[u8]) {
    assert!(bytes.len() <= FRAME_BYTES_MAX, "frames are bounded where they are made");
    let length = bytes.len() as u32;
    log.extend_from_slice(&length.to_le_bytes());
    log.extend_from_slice(&xxh3_64_with_seed(bytes, u64::from(length)).to_le_bytes());
    log.extend_from_slice(bytes);
}

/// The whole frames at the beginning of a log.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    log: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(log: &'a [u8]) -> Frames<'a> {
        Frames { log, at: 0 }
    }

    /// Where the frames seen so far end.
    pub(crate) fn end(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.log[self.at..];
        let (header, rest) = rest.split_at_checked(HEADER_BYTES)?;
        let length = u32::from_le_bytes(header[..4].try_into().expect("four bytes"));
        let checksum = u64::from_le_bytes(header[4..].try_into().expect("eight bytes"));
        let bytes = rest.get(..length as usize)?;
        if length as usize > FRAME_BYTES_MAX || xxh3_64_with_seed(bytes, u64::from(length)) != checksum {
            return None;
        }
        self.at += HEADER_BYTES + bytes.len();
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cut_at_any_byte_gives_the_frames_before_the_cut() {
        let mut log = Vec::new();
        let mut ends = vec![0];
        for text in ["one", "", "three"] {
            push(&mut log, text.as_bytes());
            ends.push(log.len());
        }
        for cut in 0..=log.len() {
            let mut frames = Frames::new(&log[..cut]);
            let whole = frames.by_ref().count();
            assert_eq!(whole, ends.iter().filter(|end| **end <= cut).count() - 1, "cut at {cut}");
            assert_eq!(frames.end(), ends[whole]);
        }
    }

    #[test]
    fn a_log_with_any_bit_flipped_loses_that_frame() {
        let mut log = Vec::new();
        push(&mut log, b"first");
        push(&mut log, b"second");
        for bit in 0..log.len() * 8 {
            let mut damaged = log.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Frames::new(&damaged).count() < 2, "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_frame_of_nothing() {
        // A file system may leave zeros where a write was lost.
        let empty = Frames::new(&[0; 64]).next();
        assert_eq!(empty, None);
    }
}
