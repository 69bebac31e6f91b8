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
    heads: Vec<(Run, Cursor)>,
    /// The heads that have rows, the least row last.
    queue: Vec<usize>,
    order: Order,
    duplicates: Duplicates,
    /// The row taken last, to tell copies.
    last: Option<(Arc<Keys>, usize)>,
    pub(crate) copies: Copies,
}

impl Merge {
    pub(crate) fn new(
        collected: Vec<Collected>,
        order: Order,
        duplicates: Duplicates,
    ) -> Result<Merge, ScanError> {
        let mut heads = Vec::new();
        let mut copies = Copies::new();
        for Collected { runs, copies: of_worker } in collected {
            for mut run in runs {
                if let Some(cursor) = run.start()? {
                    heads.push((run, cursor));
                }
            }
            for (id, origins) in of_worker {
                copies.entry(id).or_default().extend(origins);
            }
        }
        let mut merge = Merge { queue: Vec::new(), heads, order, duplicates, last: None, copies };
        (0..merge.heads.len()).for_each(|head| merge.enqueue(head));
        Ok(merge)
    }

    /// Puts a head where its row belongs in the queue.
    fn enqueue(&mut self, head: usize) {
        let cursor = &self.heads[head].1;
        let at = self.queue.partition_point(|other| {
            let other = &self.heads[*other].1;
            other.keys.compare(other.row, &cursor.keys, cursor.row, self.order).is_gt()
        });
        self.queue.insert(at, head);
    }

    /// The next rows, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<EventBatch>, ScanError> {
        let mut batches: Vec<(EventBatch, Arc<Keys>)> = Vec::new();
        let mut slots: HashMap<*const Keys, usize> = HashMap::new();
        let mut rows: Vec<(usize, usize)> = Vec::new();
        while rows.len() < RUN_ROWS {
            let Some(least) = self.queue.pop() else { break };
            let (run, cursor) = &mut self.heads[least];
            let is_copy = self.duplicates == Duplicates::Collapse
                && self
                    .last
                    .as_ref()
                    .is_some_and(|(keys, row)| keys.same_event(*row, &cursor.keys, cursor.row));
            if is_copy {
                cursor.keys.note_copy(cursor.row, &mut self.copies);
            } else {
                // Keys kept in `batches` cannot give their address to others, so it names the batch.
                let slot = *slots.entry(Arc::as_ptr(&cursor.keys)).or_insert_with(|| {
                    batches.push((cursor.batch.clone(), Arc::clone(&cursor.keys)));
                    batches.len() - 1
                });
                rows.push((slot, cursor.row));
                self.last = Some((Arc::clone(&cursor.keys), cursor.row));
            }
            if run.advance(cursor)? {
                self.enqueue(least);
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&EventBatch> = batches.iter().map(|(batch, _)| batch).collect();
        Ok(Some(EventBatch::interleave(&batches, &rows)?))
    }
}
