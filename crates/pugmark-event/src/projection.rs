//! Which leaves a reader wants.

use crate::fields::{Column, FIELDS, Leaf};

/// A set of leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Projection(u128);

impl Projection {
    /// No leaf: count records only.
    pub const NONE: Projection = Projection(0);

    /// Every leaf.
    pub fn all() -> Projection {
        FIELDS.iter().map(|field| field.leaf).collect()
    }

    /// Every leaf of `column`.
    pub fn column(column: Column) -> Projection {
        column.leaves().iter().map(|field| field.leaf).collect()
    }

    /// This set and `leaf`.
    #[must_use]
    pub fn with(self, leaf: Leaf) -> Projection {
        Projection(self.0 | 1 << leaf as u8)
    }

    /// This set and `other`.
    #[must_use]
    pub fn union(self, other: Projection) -> Projection {
        Projection(self.0 | other.0)
    }

    /// The leaves that are in this set and in `other`.
    #[must_use]
    pub fn intersection(self, other: Projection) -> Projection {
        Projection(self.0 & other.0)
    }

    /// True if no leaf is wanted.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// True if `leaf` is wanted.
    #[inline]
    pub fn has(self, leaf: Leaf) -> bool {
        self.0 >> leaf as u8 & 1 == 1
    }

    /// True if any leaf of `column` is wanted.
    pub fn has_column(self, column: Column) -> bool {
        self.0 & Projection::column(column).0 != 0
    }

    /// True if any leaf is wanted whose number lies in `first..=last`.
    pub fn has_any(self, first: Leaf, last: Leaf) -> bool {
        FIELDS[first as usize..=last as usize].iter().any(|field| self.has(field.leaf))
    }

    /// The columns of which a leaf is wanted, in schema order.
    pub fn columns(self) -> Vec<Column> {
        Column::all().iter().copied().filter(|column| self.has_column(*column)).collect()
    }
}

impl FromIterator<Leaf> for Projection {
    fn from_iter<I: IntoIterator<Item = Leaf>>(leaves: I) -> Projection {
        leaves.into_iter().fold(Projection::NONE, Projection::with)
    }
}
