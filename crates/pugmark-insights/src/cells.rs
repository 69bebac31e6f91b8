//! The counts of one series: how many events in which minute, by whom.

use std::ops::Range;

/// One minute and one kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Minutes since 1970.
    pub(crate) minute: u32,
    /// Number of the caller in the table of callers.
    pub(crate) who: u32,
    /// How many events.
    pub(crate) count: u32,
}

/// Cells, sorted by (minute, caller) but for those that came last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    all: Vec<Cell>,
    /// True if all are in order, each (minute, caller) once.
    in_order: bool,
    /// How many there were when they were last put in order.
    settled: usize,
}

/// Unsorted cells that are borne beyond as many as are sorted.
const SLACK: usize = 256;

impl Cells {
    /// Adds `cell`.
    pub(crate) fn add(&mut self, cell: Cell) {
        match self.all.last_mut() {
            Some(last) if (last.minute, last.who) == (cell.minute, cell.who) => {
                last.count = last.count.saturating_add(cell.count);
            }
            _ => self.all.push(cell),
        }
        self.in_order = false;
        if self.all.len() > 2 * self.settled + SLACK {
            self.settle();
        }
    }

    /// Puts the cells in order, each (minute, caller) once.
    pub(crate) fn settle(&mut self) {
        if self.in_order {
            return;
        }
        self.all.sort_unstable_by_key(|cell| (cell.minute, cell.who));
        self.all.dedup_by(|later, first| {
            let same = (later.minute, later.who) == (first.minute, first.who);
            if same {
                first.count = first.count.saturating_add(later.count);
            }
            same
        });
        (self.in_order, self.settled) = (true, self.all.len());
    }

    /// How many cells there are, sorted or not.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Every cell.
    pub(crate) fn all(&self) -> &[Cell] {
        &self.all
    }

    /// The cells of some minutes. The cells must be settled.
    pub(crate) fn within(&self, minutes: &Range<u32>) -> &[Cell] {
        let from = self.all.partition_point(|cell| cell.minute < minutes.start);
        let to = self.all.partition_point(|cell| cell.minute < minutes.end);
        &self.all[from..to.max(from)]
    }

    /// Counts by minute, in order. The cells must be settled.
    pub(crate) fn minutes(&self) -> Vec<(u32, u64)> {
        self.all
            .chunk_by(|a, b| a.minute == b.minute)
            .map(|cells| (cells[0].minute, cells.iter().map(|cell| u64::from(cell.count)).sum()))
            .collect()
    }

    /// Forgets the minutes before `minute`.
    pub(crate) fn forget_before(&mut self, minute: u32) {
        self.settle();
        let gone = self.all.partition_point(|cell| cell.minute < minute);
        self.all.drain(..gone);
        self.settled = self.all.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_out_in_order_whatever_the_order_they_came_in() {
        let cell = |number: u32| Cell { minute: number * 7 % 50, who: number % 3, count: 1 };
        let mut one = Cells::default();
        let mut other = Cells::default();
        (0..3_000).for_each(|number| one.add(cell(number)));
        (0..3_000).rev().for_each(|number| other.add(cell(number)));
        one.settle();
        other.settle();
        assert_eq!(one.all(), other.all());
        assert_eq!(one.minutes().iter().map(|(_, count)| count).sum::<u64>(), 3_000);
        assert_eq!(one.within(&(10..12)).iter().map(|cell| cell.count).sum::<u32>(), 120);
    }
}
