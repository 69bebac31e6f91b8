//! Sorted runs into one list, copies into one row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pugmark_event::EventBatch;

use crate::runs::{Collected, Cursor, Keys, RUN_ROWS, Run};
use crate::{Duplicates, Order, ScanError};

/// Where else the events of a list were delivered: the other origins (object
/// and offset) of rows that stand for several copies, by event id.
pub type Copies = BTreeMap<String, Vec<(String, u64)>>;

/// Merges runs by repeatedly taking the least row of all heads.
pub(crate) struct Merge {
    /// Runs that have rows, the one with the least row last.
    heads: Vec<Head>,
    order: Order,
    duplicates: Duplicates,
    /// The row taken last, to tell copies.
    last: Option<(Arc<Keys>, usize)>,
    pub(crate) copies: Copies,
}

struct Head {
    run: Run,
    cursor: Cursor,
}

impl Merge {
    pub(crate) fn new(order: Order, duplicates: Duplicates) -> Merge {
        Merge { heads: Vec::new(), order, duplicates, last: None, copies: Copies::new() }
    }

    /// Takes in more runs, whose rows all come after those handed out so far.
    pub(crate) fn add(&mut self, collected: Collected) -> Result<(), ScanError> {
        for mut run in collected.runs {
            if let Some(cursor) = run.start()? {
                self.enter(Head { run, cursor });
            }
        }
        for (id, origins) in collected.copies {
            self.copies.entry(id).or_default().extend(origins);
        }
        Ok(())
    }

    /// Puts a head where its row belongs.
    fn enter(&mut self, head: Head) {
        let at = self.heads.partition_point(|other| head.cursor.compare(&other.cursor, self.order).is_lt());
        self.heads.insert(at, head);
    }

    /// The next rows, or `None` at the end; only rows whose time key is less than `horizon`, if there is one.
    pub(crate) fn next(&mut self, horizon: Option<i64>) -> Result<Option<EventBatch>, ScanError> {
        let mut batches: Vec<EventBatch> = Vec::new();
        // Keys that are held cannot give their address to others, so it names the batch.
        let mut slots: HashMap<*const Keys, (usize, Arc<Keys>)> = HashMap::new();
        let mut rows: Vec<(usize, usize)> = Vec::with_capacity(RUN_ROWS);
        while rows.len() < RUN_ROWS {
            let Some(Head { run, cursor }) = self.heads.last_mut() else { break };
            if horizon.is_some_and(|horizon| cursor.keys.time(cursor.row) >= horizon) {
                break;
            }
            let is_copy = self.duplicates == Duplicates::Collapse
                && self
                    .last
                    .as_ref()
                    .is_some_and(|(keys, row)| keys.same_event(*row, &cursor.keys, cursor.row));
            if is_copy {
                cursor.keys.note_copy(cursor.row, &mut self.copies);
            } else {
                let (slot, _) = slots.entry(Arc::as_ptr(&cursor.keys)).or_insert_with(|| {
                    batches.push(cursor.batch.clone());
                    (batches.len() - 1, Arc::clone(&cursor.keys))
                });
                rows.push((*slot, cursor.row));
                self.last = Some((Arc::clone(&cursor.keys), cursor.row));
            }
            if run.advance(cursor)? {
                self.settle();
            } else {
                self.heads.pop();
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&EventBatch> = batches.iter().collect();
        Ok(Some(EventBatch::interleave(&batches, &rows)?))
    }

    /// Moves the last head to where its new row belongs.
    fn settle(&mut self) {
        let [.., second, last] = self.heads.as_slice() else { return };
        if last.cursor.compare(&second.cursor, self.order).is_gt()
            && let Some(head) = self.heads.pop()
        {
            self.enter(head);
        }
    }

    /// Lets go of what has been handed out, and moves what has not to disk if it is more than `bytes_max`.
    pub(crate) fn carry(&mut self, bytes_max: usize) -> Result<(), ScanError> {
        let mut bytes = 0;
        for head in &mut self.heads {
            bytes += head.run.compact(&mut head.cursor)?;
        }
        if bytes > bytes_max {
            self.heads.iter_mut().try_for_each(|head| head.run.unload(&mut head.cursor))?;
        }
        Ok(())
    }
}
