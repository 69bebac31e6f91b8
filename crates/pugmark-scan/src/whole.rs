//! An object's bytes held whole, for those who must see all of them before any row.

use std::io;

use pugmark_event::{Fill, Filled};

/// The first bytes of an object, up to a limit, and what comes after them.
pub(crate) struct Whole<'a> {
    bytes: Vec<u8>,
    given: usize,
    /// How reading ended; an error is handed on after the bytes before it.
    ended: Option<io::Result<()>>,
    rest: &'a mut dyn Fill,
}

impl<'a> Whole<'a> {
    /// Reads up to about `limit` bytes.
    pub(crate) fn read(rest: &'a mut dyn Fill, limit: usize) -> Whole<'a> {
        let hint = rest.size_hint().map_or(0, |hint| usize::try_from(hint).unwrap_or(limit));
        let mut bytes = Vec::with_capacity(hint.min(limit));
        let mut ended = None;
        while ended.is_none() && bytes.len() < limit {
            ended = match rest.fill(&mut bytes, limit) {
                Ok(Filled::More) => None,
                Ok(Filled::End) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
        }
        Whole { bytes, given: 0, ended, rest }
    }

    /// All bytes of the object, or `None` if it is longer or could not be read to its end.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        matches!(self.ended, Some(Ok(()))).then_some(&self.bytes)
    }
}

impl Fill for Whole<'_> {
    fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> io::Result<Filled> {
        let left = &self.bytes[self.given..];
        let now = left.len().min(want);
        buffer.extend_from_slice(&left[..now]);
        self.given += now;
        if self.given < self.bytes.len() {
            return Ok(Filled::More);
        }
        match self.ended.take() {
            Some(Ok(())) => Ok(Filled::End),
            Some(Err(error)) => Err(error),
            None if now > 0 => Ok(Filled::More),
            None => self.rest.fill(buffer, want),
        }
    }

    fn size_hint(&self) -> Option<u64> {
        if self.ended.is_some() { Some(self.bytes.len() as u64) } else { self.rest.size_hint() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(fill: &mut dyn Fill) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        loop {
            match fill.fill(&mut bytes, 3) {
                Ok(Filled::More) => {}
                Ok(Filled::End) => return (bytes, true),
                Err(_) => return (bytes, false),
            }
        }
    }

    #[test]
    fn an_object_within_the_limit_is_seen_whole_and_then_read_again() {
        let mut source: &[u8] = b"0123456789";
        let mut whole = Whole::read(&mut source, 64);
        assert_eq!(whole.bytes(), Some(b"0123456789".as_slice()));
        assert_eq!(drain(&mut whole), (b"0123456789".to_vec(), true));
    }

    #[test]
    fn an_object_beyond_the_limit_is_not_seen_whole_but_read_to_its_end() {
        let mut source: &[u8] = b"0123456789";
        let mut whole = Whole::read(&mut source, 4);
        assert_eq!(whole.bytes(), None);
        assert_eq!(drain(&mut whole), (b"0123456789".to_vec(), true));
    }

    #[test]
    fn an_object_that_breaks_off_gives_its_bytes_and_then_the_error() {
        struct Broken;
        impl Fill for Broken {
            fn fill(&mut self, buffer: &mut Vec<u8>, _want: usize) -> io::Result<Filled> {
                buffer.extend_from_slice(b"ab");
                Err(io::Error::other("cut"))
            }
        }
        let mut source = Broken;
        let mut whole = Whole::read(&mut source, 64);
        assert_eq!(whole.bytes(), None);
        assert_eq!(drain(&mut whole), (b"ab".to_vec(), false));
    }
}
