//! A list that is too long for memory, read a window of time after the other.
//!
//! ```text
//! first reading:   object ─▶ span: its earliest wanted row, rows, bytes
//! second reading:  objects by earliest row ─▶ window of objects ─▶ sorted run ─▶ merge
//!                                             rows before the next window's earliest are handed out
//! ```
//!
//! Log files are nearly in order of time, so little is left over from window
//! to window; what is much, goes to disk.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use pugmark_event::{EventBatch, Leaf};
use pugmark_source::{Entry, Listing, Progress, SourceError};

use crate::runs::{Collected, Collector, time_keys};
use crate::worker::{Copying, scan_with};
use crate::{Order, Request, ScanError, Sink};

/// The first window has one part in this many of the bytes of a later one, so that the first row comes soon.
const FIRST_WINDOW: usize = 16;

/// Windows in a row, read ahead while rows are handed out.
pub(crate) struct Windows {
    receiver: Receiver<Result<Window, ScanError>>,
    reader: Option<JoinHandle<()>>,
    /// Ends the reading if nobody wants the rest.
    progress: Arc<Progress>,
}

/// The rows of some objects.
pub(crate) struct Window {
    pub(crate) collected: Collected,
    /// Rows of later windows have this time key or a later one.
    pub(crate) horizon: i64,
}

impl Windows {
    /// Begins to read the objects of `plan`, which are some of `listing`'s; `is_cut` if the first reading was
    /// ended early.
    pub(crate) fn open(
        listing: Listing,
        plan: Vec<(Entry, Span)>,
        request: Request,
        is_cut: bool,
    ) -> Result<Windows, ScanError> {
        // One window waits while another is being handed out.
        let (sender, receiver) = sync_channel(0);
        let progress = Arc::new(Progress::default());
        let reader = Reader { listing, request, progress: Arc::clone(&progress), is_cut };
        let read = move || reader.read(plan, &sender);
        let reader = thread::Builder::new().name("pugmark-windows".to_owned()).spawn(read);
        let reader = Some(reader.map_err(SourceError::Start)?);
        Ok(Windows { receiver, reader, progress })
    }

    /// The next window, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Window>, ScanError> {
        if let Ok(window) = self.receiver.recv() {
            return window.map(Some);
        }
        if let Some(Err(panic)) = self.reader.take().map(JoinHandle::join) {
            resume_unwind(panic);
        }
        Ok(None)
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        self.progress.cancel();
    }
}

/// Reads windows.
struct Reader {
    listing: Listing,
    request: Request,
    progress: Arc<Progress>,
    is_cut: bool,
}

impl Reader {
    fn read(&self, plan: Vec<(Entry, Span)>, out: &SyncSender<Result<Window, ScanError>>) {
        let bytes_max = self.request.limits.sort_bytes / 8;
        let mut size = bytes_max / FIRST_WINDOW;
        let mut rest = plan.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut parts = Vec::new();
            while let Some(part) = rest.next_if(|(_, span)| bytes == 0 || bytes + span.bytes <= size) {
                bytes += part.1.bytes;
                parts.push(part);
            }
            size = (size * 2).min(bytes_max);
            let horizon = rest.peek().map_or(i64::MAX, |(_, span)| span.first);
            let window = self.window(parts, bytes_max).map(|collected| Window { collected, horizon });
            let is_last = window.is_err();
            if out.send(window).is_err() || is_last {
                return;
            }
        }
    }

    fn window(&self, parts: Vec<(Entry, Span)>, bytes_max: usize) -> Result<Collected, ScanError> {
        let (entries, known): (Vec<Entry>, Vec<Span>) = parts.into_iter().unzip();
        let names: Vec<Arc<_>> = entries.iter().map(|entry| Arc::clone(&entry.object)).collect();
        let make = || Part {
            // Twice what is expected: objects differ in what their rows hold beside their text.
            collector: Collector::new(&self.request),
            bytes_max: 2 * bytes_max / self.request.threads.max(1),
            spans: Spans::default(),
            order: self.request.order,
            failed: None,
        };
        let (listing, sinks) = (self.listing.part(entries), (Copying::Count, &make));
        let (parts, _) = scan_with(listing, &self.request, &self.progress, sinks)?;
        let mut spans = Spans::default();
        let mut collector = Collector::new(&self.request);
        for part in parts {
            if let Some(error) = part.failed {
                return Err(error);
            }
            spans.add(part.spans);
            collector.absorb(part.collector);
        }
        // What was cut by Ctrl-C is longer now.
        let changed = names.iter().zip(known).find(|(object, span)| spans.get(&object.name) != Some(*span));
        match changed {
            Some((object, _)) if !self.is_cut && !self.progress.is_cancelled() => {
                Err(ScanError::Changed { object: object.name.clone() })
            }
            _ => Ok(collector.finish()),
        }
    }
}

/// Collects one worker's rows of a window.
struct Part {
    collector: Collector,
    bytes_max: usize,
    spans: Spans,
    order: Order,
    failed: Option<ScanError>,
}

impl Sink for Part {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.spans.note(&batch, self.order);
        let mut collected = self.collector.collect(batch);
        if collected.is_ok() && self.collector.bytes() > self.bytes_max {
            collected = self.collector.spill();
        }
        match collected {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// What is known of the wanted rows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The least time key.
    first: i64,
    rows: usize,
    /// Bytes of the records.
    bytes: usize,
}

impl Span {
    const EMPTY: Span = Span { first: i64::MAX, rows: 0, bytes: 0 };

    fn add(&mut self, other: Span) {
        self.first = self.first.min(other.first);
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// The spans of objects, by name; the members of an archive are one object.
#[derive(Default)]
pub(crate) struct Spans {
    of: HashMap<String, Span>,
    has_members: bool,
}

impl Spans {
    /// Notes the rows of a batch.
    pub(crate) fn note(&mut self, batch: &EventBatch, order: Order) {
        let (Some(objects), Some(records)) = (batch.text(Leaf::SourceObject), batch.text(Leaf::Raw)) else {
            return;
        };
        let times = time_keys(batch, order);
        let mut start = 0;
        // Rows of one object follow each other, and their names are one view.
        for views in objects.views().chunk_by(|a, b| a == b) {
            let rows = start..start + views.len();
            let mut span = Span { rows: rows.len(), ..Span::EMPTY };
            for row in rows.clone() {
                span.first = span.first.min(times[row]);
                // The low half of the first word of a view is the length of its text.
                span.bytes += records.views()[row] as u32 as usize;
            }
            let name = objects.value(start);
            let file = name.split('!').next().unwrap_or(name);
            self.has_members |= file.len() < name.len();
            self.enter(file, span);
            start = rows.end;
        }
    }

    fn enter(&mut self, name: &str, span: Span) {
        match self.of.get_mut(name) {
            Some(known) => known.add(span),
            None => {
                self.of.insert(name.to_owned(), span);
            }
        }
    }

    /// Adds the spans of another worker.
    pub(crate) fn add(&mut self, other: Spans) {
        self.has_members |= other.has_members;
        other.of.into_iter().for_each(|(name, span)| self.enter(&name, span));
    }

    /// True if no row so far came from an archive, which is one object however long it is.
    pub(crate) fn are_of_files(&self) -> bool {
        !self.has_members
    }

    fn get(&self, name: &str) -> Option<Span> {
        self.of.get(name).copied()
    }

    /// The entries that have wanted rows, in order of their first.
    pub(crate) fn plan(&self, entries: Vec<Entry>) -> Vec<(Entry, Span)> {
        let spanned = |entry: Entry| self.get(&entry.object.name).map(|span| (entry, span));
        let mut plan: Vec<(Entry, Span)> = entries.into_iter().filter_map(spanned).collect();
        plan.sort_by(|(a, of_a), (b, of_b)| (of_a.first, &a.object.name).cmp(&(of_b.first, &b.object.name)));
        plan
    }
}
