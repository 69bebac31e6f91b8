//! Texts that recur, each kept once and named by a number.
//!
//! Numbers are given in the order of arrival: nothing that comes out may be ordered by them.

use std::collections::HashMap;
use std::sync::Arc;

/// A text of a [`Names`]; [`Name::NONE`] is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(u32);

impl Name {
    /// No text.
    pub(crate) const NONE: Name = Name(u32::MAX);

    /// Its number, the place of its text.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Its number, if it is a text.
    pub(crate) fn some(self) -> Option<u32> {
        (self != Name::NONE).then_some(self.0)
    }
}

/// The texts seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
    bytes: usize,
}

impl Names {
    /// The name of `text`.
    pub(crate) fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.ids.get(text) {
            return *name;
        }
        let (shared, name) = (Arc::<str>::from(text), Name(self.texts.len() as u32));
        self.texts.push(Arc::clone(&shared));
        self.ids.insert(shared, name);
        self.bytes += text.len() + 64;
        name
    }

    /// The name of `text`, if there is one.
    pub(crate) fn intern_some(&mut self, text: Option<&str>) -> Name {
        text.map_or(Name::NONE, |text| self.intern(text))
    }

    /// The text of `name`.
    pub(crate) fn text(&self, name: Name) -> Option<&str> {
        self.texts.get(name.0 as usize).map(AsRef::as_ref)
    }

    /// All texts, by number.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }

    /// About how much memory the texts take, with their table.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
