//! A gzip body that came over the wire, inflated under a ceiling.

use std::cell::RefCell;
use std::rc::Rc;

use pugmark_event::{Filled, Limits};

use super::{CHUNK, Opened, open};

/// Why a gzip body is not inflated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct GzipFault {
    /// True if it is sound as far as it was read, and longer than allowed.
    pub is_too_long: bool,
    /// What is wrong.
    pub detail: String,
}

/// The bytes that `body`, one sound gzip stream and nothing else, holds.
///
/// # Errors
/// If it is damaged, cut or followed by something, or longer than `bytes_max`.
pub fn inflate_gzip(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, GzipFault> {
    let damaged = |detail: String| GzipFault { is_too_long: false, detail };
    let notes = Rc::new(RefCell::new(Vec::new()));
    let opened = open(Box::new(body), &Limits::default(), &notes);
    let Opened::Bytes(mut layer) = opened.map_err(|fault| damaged(fault.to_string()))? else {
        return Err(damaged("an archive".to_owned()));
    };
    let mut bytes = Vec::new();
    loop {
        let filled = layer.more(&mut bytes, CHUNK).map_err(|fault| damaged(fault.to_string()))?;
        if bytes.len() > bytes_max {
            let detail = format!("more than {bytes_max} bytes uncompressed");
            return Err(GzipFault { is_too_long: true, detail });
        }
        if filled == Filled::End {
            break;
        }
    }
    match notes.borrow().first() {
        Some(note) => Err(damaged(note.to_string())),
        None => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_sound_body_is_inflated() {
        assert_eq!(inflate_gzip(&gzip(b"events"), 6).unwrap(), b"events");
    }

    #[test]
    fn a_bomb_stops_at_the_ceiling() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let fault = inflate_gzip(&bomb, 1 << 20).unwrap_err();
        assert!(fault.is_too_long);
    }

    #[test]
    fn a_cut_or_changed_body_is_refused() {
        let body = gzip(b"events and more events");
        assert!(inflate_gzip(&body[..body.len() - 1], 100).is_err());
        let mut changed = body.clone();
        let last = changed.len() - 5;
        changed[last] ^= 1;
        assert!(inflate_gzip(&changed, 100).is_err());
    }
}
