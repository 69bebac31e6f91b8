//! What was done with one credential: bounded counts, the same whatever the order of events.
//!
//! Of each kind only so many distinct texts are kept: those that sort first. A text that
//! belongs to the final list is among the first of every part of the input, so it is never
//! put out on the way, and its count is exact; all others are one sum, the rest.

use crate::names::{Map, Name, Names, Renamed};

/// Distinct texts of one kind that are kept for a credential.
pub const KEPT_PER_KIND: usize = 256;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// `service:EventName`.
    Call,
    /// `awsRegion`.
    Region,
    /// `recipientAccountId`.
    Account,
    /// `sourceIPAddress`, outside a VPC endpoint.
    Address,
    /// `sourceIPAddress` behind a VPC endpoint of the caller's own account or of none that is named.
    EndpointAddress,
    /// Owner of the VPC endpoint that the call came through.
    EndpointAccount,
    /// `userAgent`.
    Agent,
    /// `errorCode`.
    Error,
    /// `invokedBy`.
    Invoker,
}

impl Counted {
    const COUNT: usize = Counted::Invoker as usize + 1;

    /// Every kind.
    pub const ALL: [Counted; Counted::COUNT] = [
        Counted::Call,
        Counted::Region,
        Counted::Account,
        Counted::Address,
        Counted::EndpointAddress,
        Counted::EndpointAccount,
        Counted::Agent,
        Counted::Error,
        Counted::Invoker,
    ];
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    what: Counted,
    name: Name,
    count: u32,
}

/// Counts of one credential.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    entries: Vec<Entry>,
    rest: Option<Box<[u64; Counted::COUNT]>>,
}

impl Activity {
    /// Counts `name` once.
    #[inline]
    pub(crate) fn count(&mut self, what: Counted, name: Name, names: &Names) {
        self.add(what, name, 1, names);
    }

    fn add(&mut self, what: Counted, name: Name, count: u32, names: &Names) {
        match self.entries.iter().position(|entry| entry.name == name && entry.what == what) {
            Some(place) => {
                self.entries[place].count = self.entries[place].count.saturating_add(count);
                // What comes often moves to the front, where it is found soon.
                self.entries.swap(place, place / 2);
            }
            None => self.enter(Entry { what, name, count }, names),
        }
    }

    #[cold]
    fn enter(&mut self, entry: Entry, names: &Names) {
        self.entries.push(entry);
        let of_kind = || self.entries.iter().enumerate().filter(|(_, other)| other.what == entry.what);
        if of_kind().count() <= KEPT_PER_KIND {
            return;
        }
        let last = of_kind().max_by_key(|(_, other)| names.text(other.name)).map(|(place, _)| place);
        if let Some(place) = last {
            let put_out = self.entries.swap_remove(place);
            let rest = self.rest.get_or_insert_default();
            rest[put_out.what as usize] += u64::from(put_out.count);
        }
    }

    /// Adds the counts of `other`, whose names are `renamed` in `names`.
    pub(crate) fn merge(&mut self, other: Activity, renamed: &Renamed, names: &Names) {
        for entry in other.entries {
            self.add(entry.what, renamed.of(entry.name), entry.count, names);
        }
        if let Some(theirs) = other.rest {
            let ours = self.rest.get_or_insert_default();
            ours.iter_mut().zip(theirs.iter()).for_each(|(ours, theirs)| *ours += theirs);
        }
    }

    /// Names and counts of one kind, in no order.
    pub(crate) fn of(&self, what: Counted) -> impl Iterator<Item = (Name, u64)> {
        self.entries
            .iter()
            .filter(move |entry| entry.what == what)
            .map(|entry| (entry.name, u64::from(entry.count)))
    }

    /// Sum of what was counted but not kept.
    pub(crate) fn rest(&self, what: Counted) -> u64 {
        self.rest.as_ref().map_or(0, |rest| rest[what as usize])
    }

    /// Sum of all that was counted of one kind.
    pub(crate) fn sum(&self, what: Counted) -> u64 {
        self.of(what).map(|(_, count)| count).sum::<u64>() + self.rest(what)
    }

    /// Gives back memory that growing took in advance.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }
}

/// Counts by text, most frequent first, then by text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts<'a> {
    /// Texts and how often each came.
    pub kept: Vec<(&'a str, u64)>,
    /// Sum of the texts beyond [`KEPT_PER_KIND`].
    pub rest: u64,
}

impl<'a> Counts<'a> {
    /// The counts of one kind over several credentials.
    pub(crate) fn of(
        activities: impl Iterator<Item = &'a Activity>,
        what: Counted,
        names: &'a Names,
    ) -> Counts<'a> {
        let mut sums: Map<&str, u64> = Map::default();
        let mut rest = 0;
        for activity in activities {
            rest += activity.rest(what);
            for (name, count) in activity.of(what) {
                *sums.entry(names.text(name)).or_default() += count;
            }
        }
        let mut kept: Vec<(&str, u64)> = sums.into_iter().collect();
        kept.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        Counts { kept, rest }
    }

    /// The texts, in order of the alphabet.
    pub fn texts(&self) -> Vec<&'a str> {
        let mut texts: Vec<&str> = self.kept.iter().map(|(text, _)| *text).collect();
        texts.sort_unstable();
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_does_not_depend_on_the_order_and_the_rest_is_counted() {
        let total = KEPT_PER_KIND + 50;
        let texts: Vec<String> = (0..total).map(|number| format!("10.0.{number:04}")).collect();
        let read = |order: &mut dyn Iterator<Item = &String>| {
            let (mut names, mut activity) = (Names::default(), Activity::default());
            for text in order {
                let name = names.intern(text);
                activity.count(Counted::Address, name, &names);
                activity.count(Counted::Address, name, &names);
            }
            let counts = Counts::of([&activity].into_iter(), Counted::Address, &names);
            (
                counts.kept.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect::<Vec<_>>(),
                counts.rest,
            )
        };
        let forward = read(&mut texts.iter());
        assert_eq!(forward, read(&mut texts.iter().rev()));
        assert_eq!(forward.0.len(), KEPT_PER_KIND);
        assert_eq!(forward.1, 100);
    }

    #[test]
    fn kinds_are_counted_apart() {
        let (mut names, mut activity) = (Names::default(), Activity::default());
        let name = names.intern("eu-west-1");
        activity.count(Counted::Region, name, &names);
        assert_eq!(activity.sum(Counted::Region), 1);
        assert_eq!(activity.sum(Counted::Address), 0);
    }
}
