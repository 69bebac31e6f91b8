//! One worker's view of the events: sixteen bytes of each, and whole those
//! that say what trails were told to log.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use arrow::array::Array;
use pugmark_event::{EventBatch, Leaf, Projection};
use pugmark_scan::Sink;
use pugmark_source::parse_key;

use super::super::changes::{Change, is_change};
use super::map::{HOUR_US, Place};
use crate::who::{Texts, Who};

/// Bits of an hour since 1970, and of a delay in minutes.
const BITS: u32 = 20;
/// The greatest number of so many bits; as a delay it means that none is known.
const MOST: u64 = (1 << BITS) - 1;
/// Bits of a folder's number.
const FOLDER_BITS: u32 = 23;

/// One delivery of one event, packed: there may be many millions.
///
/// Ordered by event, then folder, so that equal events lie together and the
/// first of them does not depend on the order of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery {
    event: u64,
    /// Folder, hour, data event or not, delay.
    rest: u64,
}

impl Delivery {
    fn new(event: u64, folder: u32, hour: i64, (is_data, delay_minutes): (bool, Option<i64>)) -> Delivery {
        let folder = u64::from(folder).min((1 << FOLDER_BITS) - 1);
        let hour = hour.clamp(0, MOST as i64) as u64;
        let delay = delay_minutes.map_or(MOST, |delay| delay.clamp(0, MOST as i64 - 1) as u64);
        Delivery {
            event,
            rest: folder << (2 * BITS + 1) | hour << (BITS + 1) | u64::from(is_data) << BITS | delay,
        }
    }

    /// Which event; copies have the same number.
    pub(super) fn event(self) -> u64 {
        self.event
    }

    /// Where it was delivered.
    pub(super) fn folder(self) -> usize {
        (self.rest >> (2 * BITS + 1)) as usize
    }

    /// Hours from 1970 to the event.
    pub(super) fn hour(self) -> i64 {
        (self.rest >> (BITS + 1) & MOST) as i64
    }

    /// True for data events.
    pub(super) fn is_data(self) -> bool {
        self.rest >> BITS & 1 == 1
    }

    /// Minutes from event to delivery.
    pub(super) fn delay_minutes(self) -> Option<u64> {
        Some(self.rest & MOST).filter(|delay| *delay != MOST)
    }

    /// The same delivery where folders are numbered anew.
    pub(super) fn renumbered(self, numbers: &[u32]) -> Delivery {
        let folder = u64::from(numbers.get(self.folder()).copied().unwrap_or_default());
        let rest = self.rest & ((1 << (2 * BITS + 1)) - 1) | folder << (2 * BITS + 1);
        Delivery { event: self.event, rest }
    }
}

/// Where a trail delivers: the place, and what stands before it in the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Folder {
    /// The prefix of the trail, with the organization.
    pub(super) trail: String,
    /// Account and Region.
    pub(super) place: Place,
}

/// Folders by number, shared by the workers.
#[derive(Debug, Default)]
pub(super) struct Folders(Mutex<HashMap<Folder, u32>>);

impl Folders {
    fn number(&self, folder: Folder) -> u32 {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len() as u32;
        *numbers.entry(folder).or_insert(next)
    }

    /// All folders, each at its number.
    pub(super) fn list(&self) -> Vec<Folder> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<(u32, Folder)> =
            numbers.iter().map(|(folder, number)| (*number, folder.clone())).collect();
        list.sort_unstable();
        list.into_iter().map(|(_, folder)| folder).collect()
    }
}

/// One worker's events.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    folders: &'a Folders,
    /// Object, account and Region of the row before, and what they came to.
    last: (String, String, String),
    place: (u32, Option<i64>),
    pub(super) deliveries: Vec<Delivery>,
    /// Events without a readable time.
    pub(super) timeless: u64,
    /// By time and id; copies fall together.
    pub(super) changes: BTreeMap<(i64, String), Change>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(folders: &'a Folders) -> Collector<'a> {
        let place = (folders.number(Folder::default()), None);
        Collector {
            folders,
            last: Default::default(),
            place,
            deliveries: Vec::new(),
            timeless: 0,
            changes: BTreeMap::new(),
        }
    }

    /// The leaves that coverage is made of.
    pub(super) fn projection() -> Projection {
        let own = [
            Leaf::EventTime,
            Leaf::EventId,
            Leaf::EventSource,
            Leaf::EventName,
            Leaf::EventCategory,
            Leaf::ManagementEvent,
            Leaf::ErrorCode,
            Leaf::RequestParameters,
            Leaf::RecipientAccountId,
            Leaf::AwsRegion,
            Leaf::SourceObject,
            Leaf::SourceOffset,
        ];
        own.into_iter().chain(Who::LEAVES).collect()
    }

    /// Number of the folder, and time of delivery.
    fn place(&mut self, object: &str, account: &str, region: &str) -> (u32, Option<i64>) {
        if self.last.0 != object || self.last.1 != account || self.last.2 != region {
            let key = parse_key(object);
            let org = key.org.map(|org| format!("/{org}")).unwrap_or_default();
            let folder = Folder {
                trail: key.trail_prefix.map(|prefix| format!("{prefix}{org}")).unwrap_or_default(),
                place: Place {
                    account: key.account.unwrap_or(account).to_owned(),
                    region: key.region.unwrap_or(region).to_owned(),
                },
            };
            self.place = (self.folders.number(folder), key.delivered);
            self.last = (object.to_owned(), account.to_owned(), region.to_owned());
        }
        self.place
    }
}

impl Sink for Collector<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let texts = |leaf| Texts::of(&batch, leaf);
        let (object, account, region) =
            (texts(Leaf::SourceObject), texts(Leaf::RecipientAccountId), texts(Leaf::AwsRegion));
        let (id, source, name) = (texts(Leaf::EventId), texts(Leaf::EventSource), texts(Leaf::EventName));
        let category = texts(Leaf::EventCategory);
        let offsets = batch.counts(Leaf::SourceOffset);
        let managed = batch.flags(Leaf::ManagementEvent);
        let (times, who) = (batch.times(Leaf::EventTime), Who::of(&batch));
        for row in 0..batch.rows() {
            let time = times.as_ref().filter(|times| !times.is_null(row)).map(|times| times.value(row));
            let Some(time) = time else {
                self.timeless += 1;
                continue;
            };
            let (folder, delivered) = self.place(
                object.get(row).unwrap_or_default(),
                account.get(row).unwrap_or_default(),
                region.get(row).unwrap_or_default(),
            );
            let is_data = category.get(row).map_or_else(
                || managed.as_ref().is_some_and(|flags| !flags.is_null(row) && !flags.value(row)),
                |category| category == "Data",
            );
            let delay = delivered.map(|delivered| (delivered - time).div_euclid(60_000_000));
            let offset = offsets.as_ref().map_or(0, |offsets| offsets.value(row));
            let event = match id.get(row) {
                Some(id) => number((id, time, name.get(row))),
                // Events without an id are all different.
                None => number((object.get(row), offset)),
            };
            self.deliveries.push(Delivery::new(event, folder, time.div_euclid(HOUR_US), (is_data, delay)));
            if is_change(source.get(row), name.get(row)) {
                let change = Change::of(&batch, row, (time, who.name(row)));
                self.changes.insert((time, id.get(row).unwrap_or_default().to_owned()), change);
            }
        }
        ControlFlow::Continue(())
    }
}

/// A number for what makes an event itself.
fn number(identity: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    identity.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_keeps_what_was_packed() {
        let delivery = Delivery::new(7, 12_345, 496_000, (true, Some(90)));
        assert_eq!(
            (delivery.folder(), delivery.hour(), delivery.is_data(), delivery.delay_minutes()),
            (12_345, 496_000, true, Some(90))
        );
        let strange = Delivery::new(7, u32::MAX, i64::MAX, (false, None));
        assert_eq!((strange.hour(), strange.delay_minutes()), (MOST as i64, None));
        assert_eq!(Delivery::new(7, 1, -5, (false, Some(-3))).delay_minutes(), Some(0));
        assert_eq!(delivery.renumbered(&[]).folder(), 0);
    }
}
