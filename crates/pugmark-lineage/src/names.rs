//! Texts that recur, each kept once and named by a number.
//!
//! Numbers are given in the order of arrival, so nothing that comes out may be
//! ordered by them: what is sorted is sorted by text.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A text of a [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(u32);

impl Name {
    /// No text.
    pub(crate) const NONE: Name = Name(u32::MAX);

    /// True for [`Name::NONE`].
    pub(crate) fn is_none(self) -> bool {
        self == Name::NONE
    }

    /// The text's number, for tables that are indexed by it.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// `self`, or `other` where there is none.
    pub(crate) fn or(self, other: Name) -> Name {
        if self.is_none() { other } else { self }
    }
}

impl Default for Name {
    fn default() -> Name {
        Name::NONE
    }
}

/// A map with the hasher of this crate, fast on short texts. Nothing may depend on its order.
pub(crate) type Map<K, V> = HashMap<K, V, Seed>;

/// Where hashing begins: at random for each map, so that nobody can write logs whose texts collide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u64);

impl Default for Seed {
    fn default() -> Seed {
        Seed(RandomState::new().hash_one(0_u8))
    }
}

impl BuildHasher for Seed {
    type Hasher = Xxh3;

    fn build_hasher(&self) -> Xxh3 {
        Xxh3(self.0)
    }
}

/// `xxh3` as a hasher of map keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xxh3(u64);

impl Hasher for Xxh3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, _end_of_text: u8) {}

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // One round of a multiplicative mix: keys are numbers that we gave out ourselves.
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The texts seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ids: Map<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
}

impl Names {
    /// The name of `text`.
    pub(crate) fn intern(&mut self, text: &str) -> Name {
        match self.ids.get(text) {
            Some(name) => *name,
            None => self.enter(Arc::from(text)),
        }
    }

    /// The name of `text`, which is often the same as before: `last` is looked at first.
    #[inline]
    pub(crate) fn intern_after(&mut self, last: &mut Name, text: &str) -> Name {
        if self.get(*last) != Some(text) {
            *last = self.intern(text);
        }
        *last
    }

    /// The name of a text that may be absent.
    pub(crate) fn intern_option(&mut self, text: Option<&str>) -> Name {
        text.map_or(Name::NONE, |text| self.intern(text))
    }

    fn enter(&mut self, text: Arc<str>) -> Name {
        let name = Name(self.texts.len() as u32);
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, name);
        name
    }

    /// The name of `text`, if it was seen.
    pub(crate) fn find(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    /// The text of `name`.
    pub(crate) fn get(&self, name: Name) -> Option<&str> {
        self.texts.get(name.index()).map(|text| &**text)
    }

    /// The text of `name`, empty for none.
    pub(crate) fn text(&self, name: Name) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Takes over the texts of `other`; answers what each of its names is here.
    pub(crate) fn absorb(&mut self, other: Names) -> Renamed {
        let enter = |text: Arc<str>| match self.ids.get(&*text) {
            Some(name) => *name,
            None => self.enter(text),
        };
        Renamed(other.texts.into_iter().map(enter).collect())
    }
}

/// What the names of one [`Names`] are in another.
#[derive(Debug)]
pub(crate) struct Renamed(Vec<Name>);

impl Renamed {
    /// The new name.
    pub(crate) fn of(&self, name: Name) -> Name {
        self.0.get(name.index()).copied().unwrap_or(Name::NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_name_however_often_it_comes() {
        let mut names = Names::default();
        assert_eq!(names.intern("alice"), names.intern("alice"));
        assert_ne!(names.intern("alice"), names.intern("bob"));
        assert_eq!(names.text(names.find("bob").expect("seen")), "bob");
    }

    #[test]
    fn names_of_another_worker_are_renamed() {
        let (mut ours, mut theirs) = (Names::default(), Names::default());
        ours.intern("alice");
        let bob = theirs.intern("bob");
        let alice = theirs.intern("alice");
        let renamed = ours.absorb(theirs);
        assert_eq!(ours.text(renamed.of(bob)), "bob");
        assert_eq!(ours.text(renamed.of(alice)), "alice");
        assert_eq!(ours.texts.len(), 2);
        assert!(renamed.of(Name::NONE).is_none());
    }
}
