//! Literals that must occur in a record for anyone to want it.
//!
//! A stretch of text without one of them is passed over before it is parsed.
//! JSON can spell any character as `\u00XX`, so a stretch that holds such an
//! escape is never passed over: a hidden name must not hide its record.

use memchr::memmem::Finder;

/// The literals, all of which must occur.
#[derive(Clone, Debug)]
pub(crate) struct Needles {
    finders: Vec<Finder<'static>>,
    escape: Finder<'static>,
}

impl Needles {
    /// Literals that JSON would escape are left out: they cannot be looked for.
    pub(crate) fn new(literals: &[Vec<u8>]) -> Needles {
        let plain = |literal: &&Vec<u8>| {
            !literal.is_empty()
                && literal.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'/'))
        };
        let finders =
            literals.iter().filter(plain).map(|literal| Finder::new(literal).into_owned()).collect();
        Needles { finders, escape: Finder::new(b"\\u00").into_owned() }
    }

    /// True if there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.finders.is_empty()
    }

    /// True if a record in `text` may hold all literals.
    pub(crate) fn may_match(&self, text: &[u8]) -> bool {
        self.finders.iter().all(|finder| finder.find(text).is_some()) || self.escape.find(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_may_hide_behind_escapes() {
        let needles = Needles::new(&[b"DeleteTrail".to_vec()]);
        assert!(needles.may_match(br#"{"eventName":"DeleteTrail"}"#));
        assert!(needles.may_match(br#"{"eventName":"Delete\u0054rail"}"#));
        assert!(!needles.may_match(br#"{"eventName":"GetTrail"}"#));
    }

    #[test]
    fn a_literal_that_json_escapes_is_not_looked_for() {
        assert!(Needles::new(&[b"a/b".to_vec(), b"\"".to_vec(), "é".as_bytes().to_vec()]).is_empty());
    }
}
