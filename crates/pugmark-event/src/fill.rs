//! How bytes reach the decoder.

use std::io;

/// What a [`Fill::fill`] call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Bytes were appended; there may be more.
    More,
    /// The object has ended; bytes may have been appended before the end.
    End,
}

/// How an object's bytes were wrapped up, as far as they have been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// Compressions removed, one inside the other.
    pub layers: u32,
    /// True if the outermost is gzip.
    pub is_gzip: bool,
    /// Uncompressed bytes of the first member, once it is over and another
    /// has begun.
    pub first_member: Option<u64>,
}

/// A source of one object's uncompressed bytes.
///
/// The decoder owns the buffer, so that bytes are inflated straight into the
/// arena that string views will point into.
pub trait Fill {
    /// Appends bytes to `buffer`, about `want` of them (more only where the
    /// source cannot split its unit), and says whether the object has ended.
    ///
    /// After an error the bytes appended so far are valid, and the object is
    /// treated as cut there.
    fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> io::Result<Filled>;

    /// Uncompressed size if it is known or can be guessed, to decide whether
    /// the object still fits beside others in one arena.
    fn size_hint(&self) -> Option<u64> {
        None
    }

    /// How the bytes read so far were wrapped up.
    fn wrapping(&self) -> Wrapping {
        Wrapping::default()
    }
}

/// Bytes already in memory.
impl Fill for &[u8] {
    fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> io::Result<Filled> {
        let (now, later) = self.split_at(self.len().min(want));
        buffer.extend_from_slice(now);
        *self = later;
        Ok(if later.is_empty() { Filled::End } else { Filled::More })
    }

    fn size_hint(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
}
