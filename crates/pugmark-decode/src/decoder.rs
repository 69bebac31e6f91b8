//! Objects in, batches out: the arena and its windows.

use std::sync::Arc;

use arrow::buffer::Buffer;
use pugmark_event::{
    BatchBuilder, Buffers, Defect, DefectKind, EventBatch, Fill, Filled, Limits, Object, Origin, Projection,
    Tally,
};

use crate::needles::Needles;
use crate::record::{Columns, Text};
use crate::scan::PADDING;
use crate::shape::{Offsets, Shape, View, walk};
use crate::tables;

/// What a decoder is asked for.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The leaves to build.
    pub projection: Projection,
    /// Literals that must all occur in a record that is wanted. Text without
    /// them is passed over unparsed and counted as `bytes_passed`, not as records.
    pub needles: Vec<Vec<u8>>,
    /// Bounds.
    pub limits: Limits,
}

/// What an object turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Events, or nothing.
    Events,
    /// Documents of another kind only: notifications, digests, AWS Config.
    Foreign,
}

/// Decodes objects into batches; one per worker.
///
/// Small objects share an arena of about `limits.arena_bytes`, large ones are
/// read through it window by window, so memory does not grow with an object.
pub struct Decoder {
    needles: Needles,
    limits: Limits,
    arena: Vec<u8>,
    /// Arenas of batches handed out, to be used again once the batch is dropped.
    lent: Vec<Buffer>,
    pub(crate) sheet: Sheet,
}

/// Where records and defects of the current object go.
pub(crate) struct Sheet {
    pub(crate) columns: Columns,
    pub(crate) derived: Vec<u8>,
    pub(crate) object: Arc<Object>,
    pub(crate) tally: Tally,
    pub(crate) limits: Limits,
    /// Records of this object so far.
    pub(crate) records: u64,
    /// Documents of another kind in this object so far.
    pub(crate) foreign: u64,
    /// The source has reported that the object is cut.
    pub(crate) is_cut: bool,
}

impl Sheet {
    /// Counts a defect at `offset` of the current object.
    pub(crate) fn defect(&mut self, kind: DefectKind, offset: u64, detail: &str) {
        let origin = Origin { object: Arc::clone(&self.object), offset };
        self.tally.defect(Defect::new(kind, origin, detail), self.limits.defects_kept);
    }

    /// Counts a record that became a defect.
    pub(crate) fn lost(&mut self, kind: DefectKind, offset: u64, detail: &str) {
        self.records += 1;
        self.defect(kind, offset, detail);
    }

    /// Counts a row, and the remarks that reading it left.
    #[inline(always)]
    pub(crate) fn row(&mut self, offsets: Offsets<'_>) {
        self.records += 1;
        self.tally.records += 1;
        self.tally.rows += 1;
        if !self.columns.notes.is_empty() {
            for (kind, at) in std::mem::take(&mut self.columns.notes) {
                self.defect(kind, offsets.of(at), "");
            }
        }
    }
}

/// The part of the arena that holds the current object's text.
pub(crate) struct Window {
    /// Where it starts in the arena.
    start: usize,
    /// Offset of that byte in the uncompressed object.
    offset: u64,
    /// How much of the arena is known to be UTF-8.
    checked: usize,
    /// Positions after which replacing bad bytes has moved the text, and by how much.
    drift: Vec<(usize, i64)>,
}

impl Window {
    pub(crate) fn offset_of(&self, at: usize) -> u64 {
        let moved: i64 = self.drift.iter().filter(|(place, _)| *place <= at).map(|(_, by)| by).sum();
        (self.offset as i64 + (at - self.start) as i64 - moved).max(0) as u64
    }
}

impl Decoder {
    /// A decoder for `plan`.
    #[expect(clippy::needless_pass_by_value, reason = "a plan is given away; what is kept of it may change")]
    pub fn new(plan: Plan) -> Decoder {
        let limits = plan.limits;
        Decoder {
            needles: Needles::new(&plan.needles),
            limits,
            arena: Vec::with_capacity(limits.arena_bytes * 5 / 4),
            lent: Vec::new(),
            sheet: Sheet {
                columns: Columns::new(BatchBuilder::new(plan.projection), limits),
                derived: Vec::new(),
                object: Arc::new(Object::default()),
                tally: Tally::default(),
                limits,
                records: 0,
                foreign: 0,
                is_cut: false,
            },
        }
    }

    /// Decodes one object; full batches go to `out`, the rest stays until the
    /// next object or [`Decoder::finish`].
    ///
    /// An error of `fill` is the source's to report; here it ends the object.
    pub fn object(
        &mut self,
        object: &Arc<Object>,
        fill: &mut dyn Fill,
        out: &mut dyn FnMut(EventBatch),
    ) -> Verdict {
        let expected = fill.size_hint().unwrap_or(0) as usize;
        let is_full = self.sheet.columns.builder.rows() >= self.limits.batch_rows;
        if is_full || self.arena.len() + expected.min(self.limits.arena_bytes) > self.limits.arena_bytes {
            self.finish(out);
        }
        self.sheet.object = Arc::clone(object);
        self.sheet.columns.builder.begin_object(object);
        self.sheet.records = 0;
        self.sheet.foreign = 0;
        self.sheet.is_cut = false;
        let start = self.arena.len();
        let ended = self.fill(fill, self.limits.arena_bytes);
        match tables::sniff(&self.arena[start..]) {
            Some(format) => {
                let head = self.arena.split_off(start);
                tables::read(self, format, (head, ended), fill, out);
            }
            None => self.text(start, fill, ended, out),
        }
        if self.sheet.foreign > 0 && self.sheet.records == 0 { Verdict::Foreign } else { Verdict::Events }
    }

    /// Ends the batch that is under way.
    pub fn finish(&mut self, out: &mut dyn FnMut(EventBatch)) {
        if self.sheet.columns.builder.rows() == 0 {
            self.arena.clear();
            self.sheet.columns.side.clear();
            self.sheet.derived.clear();
            self.sheet.columns.builder.clear_segments();
            return;
        }
        let next = self.spare_arena();
        let arena = Buffer::from_vec(std::mem::replace(&mut self.arena, next));
        self.lent.push(arena.clone());
        let side = std::mem::take(&mut self.sheet.columns.side);
        let derived = std::mem::take(&mut self.sheet.derived);
        #[expect(unsafe_code, reason = "views are made here, from text that was checked as a whole")]
        // SAFETY: every view was made by `Text::view` from text inside its own
        // buffer: the arena up to what `check` found to be UTF-8, `derived` and
        // `side`, to which only UTF-8 is appended; views start and end at ASCII
        // quotes, brackets or delimiters, or where `text::cut` found a boundary.
        let batch = unsafe { self.sheet.columns.builder.finish(Buffers { arena, side, derived }) };
        out(batch);
    }

    /// Records, rows, losses, remarks and passed bytes since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.sheet.tally)
    }

    /// An arena whose batch has been dropped, or a new one.
    fn spare_arena(&mut self) -> Vec<u8> {
        let mut spare = None;
        let mut in_use = Vec::new();
        for arena in self.lent.drain(..) {
            match if spare.is_none() { arena.into_vec::<u8>() } else { Err(arena) } {
                Ok(arena) => spare = Some(arena),
                Err(arena) => in_use.push(arena),
            }
        }
        // A consumer that keeps its batches keeps their arenas too.
        if in_use.len() < 8 {
            self.lent = in_use;
        }
        if let Some(mut arena) = spare {
            arena.clear();
            return arena;
        }
        Vec::with_capacity(self.limits.arena_bytes * 5 / 4)
    }

    /// Asks for `want` more bytes, as often as it takes; true if the object has ended.
    fn fill(&mut self, fill: &mut dyn Fill, want: usize) -> bool {
        let before = self.arena.len();
        let mut ended = false;
        while !ended && self.arena.len() - before < want {
            let missing = want - (self.arena.len() - before);
            let filled = fill.fill(&mut self.arena, missing);
            self.sheet.is_cut |= filled.is_err();
            ended = !matches!(filled, Ok(Filled::More));
        }
        self.sheet.tally.bytes_inflated += (self.arena.len() - before) as u64;
        ended
    }

    /// Ends the batch if unwrapped and rendered text has filled it.
    pub(crate) fn hand_over(&mut self, out: &mut dyn FnMut(EventBatch)) {
        let is_full = self.sheet.derived.len() >= self.limits.arena_bytes
            || self.sheet.columns.builder.rows() >= self.limits.batch_rows;
        if is_full {
            self.finish(out);
            self.sheet.columns.builder.begin_object(&self.sheet.object);
        }
    }

    /// Reads an object of JSON text.
    fn text(&mut self, start: usize, fill: &mut dyn Fill, mut ended: bool, out: &mut dyn FnMut(EventBatch)) {
        let mut window = Window { start, offset: 0, checked: start, drift: Vec::new() };
        let mut shape = Shape::default();
        let mut want = self.limits.arena_bytes;
        if !self.begins_as_text(&mut window) {
            return;
        }
        if ended && !self.needles.is_empty() && self.is_passed_over(&self.arena[window.start..]) {
            self.sheet.tally.bytes_passed += (self.arena.len() - window.start) as u64;
            self.arena.truncate(start);
            return;
        }
        loop {
            self.check(&mut window, ended);
            let end = window.checked;
            let held = self.arena.split_off(end);
            self.arena.resize(end + PADDING, 0);
            let text = Text { bytes: &self.arena, end, buffer: 0, shift: 0 };
            let offsets = Offsets::Window(&window);
            let view = View { text, start: window.start, ended, offsets, needles: &self.needles };
            let at = walk(&mut self.sheet, &mut shape, &view);
            self.arena.truncate(end);
            self.arena.extend_from_slice(&held);
            let progressed = at > window.start;
            window.advance(at);
            if ended || shape.is_stopped() {
                return;
            }
            want = if progressed { self.limits.arena_bytes } else { want.saturating_mul(2) };
            self.make_room(&mut window, out);
            ended = self.fill(fill, want);
        }
    }

    /// True if no record of a whole object's text can be wanted. A text that is cut is read all the same: the
    /// cut must be found.
    fn is_passed_over(&self, text: &[u8]) -> bool {
        let is_closed = matches!(text.trim_ascii_end().last(), None | Some(b'}' | b']'));
        is_closed && !self.needles.may_match(text)
    }

    /// Strips a byte order mark; false (and a defect) if the text is UTF-16.
    fn begins_as_text(&mut self, window: &mut Window) -> bool {
        let text = &self.arena[window.start..];
        let wide =
            matches!(text, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, b'{' | b'[', ..] | [b'{' | b'[', 0, ..]);
        if wide {
            self.sheet.defect(DefectKind::Encoding, 0, "UTF-16; convert it to UTF-8 first");
            self.arena.truncate(window.start);
            return false;
        }
        if text.starts_with(b"\xEF\xBB\xBF") {
            window.advance(window.start + 3);
            window.checked = window.start;
        }
        true
    }

    /// Hands over the rows so far if the arena is full, and moves the text not
    /// yet read to the start of the next one.
    fn make_room(&mut self, window: &mut Window, out: &mut dyn FnMut(EventBatch)) {
        let rows = self.sheet.columns.builder.rows();
        if self.arena.len() < self.limits.arena_bytes && rows < self.limits.batch_rows {
            return;
        }
        let rest = self.arena.split_off(window.start);
        self.finish(out);
        self.sheet.columns.builder.begin_object(&self.sheet.object);
        let moved = window.start - self.arena.len();
        self.arena.extend_from_slice(&rest);
        window.start -= moved;
        window.checked -= moved;
        for (place, _) in &mut window.drift {
            *place = place.saturating_sub(moved);
        }
    }

    /// Makes sure that the arena holds UTF-8 up to `window.checked`; bad bytes are replaced.
    fn check(&mut self, window: &mut Window, ended: bool) {
        if simdutf8::basic::from_utf8(&self.arena[window.checked..]).is_ok() {
            window.checked = self.arena.len();
            return;
        }
        self.mend(window, ended);
    }

    #[cold]
    fn mend(&mut self, window: &mut Window, ended: bool) {
        let mut bad = self.arena.split_off(window.checked);
        let tail = match std::str::from_utf8(&bad[bad.len().saturating_sub(4)..]) {
            // A character may be cut by the end of the window: it waits for the rest.
            Err(_) if !ended => unfinished_character(&bad),
            _ => 0,
        };
        let held = bad.split_off(bad.len() - tail);
        let mut read = 0;
        for chunk in bad.utf8_chunks() {
            self.arena.extend_from_slice(chunk.valid().as_bytes());
            read += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                let at = self.arena.len();
                self.sheet.defect(DefectKind::InvalidUtf8, window.offset_of(at), "");
                self.arena.extend_from_slice("\u{fffd}".as_bytes());
                read += chunk.invalid().len();
                window.drift.push((at + 1, 3 - chunk.invalid().len() as i64));
            }
        }
        debug_assert_eq!(read, bad.len());
        window.checked = self.arena.len();
        self.arena.extend_from_slice(&held);
    }
}

impl Window {
    /// The text before `at` has been read.
    fn advance(&mut self, at: usize) {
        self.offset = self.offset_of(at);
        self.start = at;
        self.drift.retain(|(place, _)| *place > at);
    }
}

/// Length of the incomplete character that `text` ends with, 0 if it ends between characters.
fn unfinished_character(text: &[u8]) -> usize {
    for length in 1..=text.len().min(3) {
        let tail = &text[text.len() - length..];
        if tail[0] & 0xC0 == 0x80 {
            continue;
        }
        return match std::str::from_utf8(tail) {
            Err(error) if error.error_len().is_none() => length,
            _ => 0,
        };
    }
    0
}

/// Decodes one object that is in memory.
pub fn decode(bytes: &[u8], plan: Plan) -> (Vec<EventBatch>, Tally) {
    let mut decoder = Decoder::new(plan);
    let mut batches = Vec::new();
    let mut out = |batch| batches.push(batch);
    let object = Arc::new(Object::named("memory"));
    let verdict = decoder.object(&object, &mut &*bytes, &mut out);
    decoder.finish(&mut out);
    let mut tally = decoder.take_tally();
    tally.listed = 1;
    match verdict {
        Verdict::Events => tally.decoded = 1,
        Verdict::Foreign => tally.routed = 1,
    }
    (batches, tally)
}
