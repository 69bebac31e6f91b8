//! One record, in one pass, into columns.
//!
//! The reader walks the members of a record and of the few objects below it
//! that are columns themselves (`userIdentity` and its like); a stack of frames
//! stands in for recursion. It goes in strides: after member *k* of an object it
//! expects the member that followed *k* the last time, compares 32 bytes, and
//! reads the value if it is what nearly all records have there. What is not, is
//! left to [`care`](crate::care), one member at a time.

use std::ops::Range;

use pugmark_event::{BatchBuilder, DefectKind, Kind, Leaf, Limits, parse_time, view_of};

use crate::care::Item;
use crate::frames::{Frame, FrameKind, Walk};
use crate::keys::{Action, Context, Key, Keys, MEMBERS};
use crate::memo::Memo;
use crate::scan::{GUESS_MAX, Lanes, NoEnd, Work, block, container_end, is_string_of, plain_string_end};

/// JSON text that records stand in.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The text and [`PADDING`](crate::scan::PADDING) zeros.
    pub(crate) bytes: &'a [u8],
    /// Length of the text.
    pub(crate) end: usize,
    /// Number of the batch's buffer that the text lies in.
    pub(crate) buffer: u32,
    /// Where in that buffer the text begins.
    pub(crate) shift: usize,
}

impl Text<'_> {
    #[inline(always)]
    pub(crate) fn view(&self, start: usize, length: usize) -> u128 {
        view_of(block(self.bytes, start), start + self.shift, length, self.buffer)
    }
}

/// How reading a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A row was added; the record ends before `end`.
    Row { end: usize },
    /// An object, but no record.
    NotRecord { end: usize },
    /// A document of another kind (a notification, a digest).
    Foreign { end: usize },
    /// The text ends inside the record.
    Cut,
    /// The record is broken at `at`.
    Bad { kind: DefectKind, at: usize },
}

/// A remark on a row: what, and where in the text.
pub(crate) type Note = (DefectKind, usize);

/// Where records go.
pub(crate) struct Columns {
    pub(crate) builder: BatchBuilder,
    /// Text written anew: buffer 1 of the batch.
    pub(crate) side: Vec<u8>,
    pub(crate) notes: Vec<Note>,
    pub(crate) memo: Memo,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    wants_raw: bool,
    wants_offset: bool,
}

/// Why reading cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text ends.
    Cut,
    /// The record is broken.
    Bad(DefectKind),
}

impl From<NoEnd> for Stop {
    fn from(no_end: NoEnd) -> Stop {
        match no_end {
            NoEnd::Text => Stop::Cut,
            NoEnd::Depth => Stop::Bad(DefectKind::TooDeep),
        }
    }
}

/// Text that is looked at in one go: a name, a quote and the longest string that can be guessed.
const WINDOW: usize = 32 + GUESS_MAX;

/// Reading members in a stride is compiled as a function of its own: the processor's registers are all its own, too.
struct Stride<'a, 't> {
    columns: &'a mut Columns,
    text: &'a Text<'t>,
    at: usize,
    walk: &'a mut Walk,
}

impl Work for Stride<'_, '_> {
    type Done = Pause;

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) -> Pause {
        self.columns.stride(lanes, self.text, self.at, self.walk)
    }
}

/// What ends a stride.
pub(crate) enum Pause {
    /// What stands at this position, a name or not, needs care.
    Name(usize),
    /// A value ends before this position, and no further member follows at once.
    Value(usize),
    /// An object whose members are columns opens here.
    Object(Context, usize),
    /// A list of such objects opens here.
    List(Context, usize),
}

/// What follows a value.
enum After {
    Member(usize),
    End(usize),
}

impl Columns {
    pub(crate) fn new(builder: BatchBuilder, limits: Limits) -> Columns {
        let keys = Keys::new(builder.projection());
        Columns {
            wants_raw: builder.projection().has(Leaf::Raw),
            wants_offset: builder.projection().has(Leaf::SourceOffset),
            side: Vec::new(),
            notes: Vec::new(),
            memo: Memo::default(),
            builder,
            keys,
            limits,
        }
    }

    /// Reads the object that opens at `start`. `offset` is where the text
    /// begins in the uncompressed object.
    #[inline(always)]
    pub(crate) fn record<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        start: usize,
        offset: u64,
    ) -> Outcome {
        let notes = self.notes.len();
        let mut walk = Walk::new();
        let outcome = match self.members(lanes, text, start + 1, &mut walk) {
            Ok(end) if end - start > self.limits.record_bytes_max => {
                Outcome::Bad { kind: DefectKind::RecordTooLarge, at: start }
            }
            Ok(end) if self.keys.is_foreign(walk.frame.seen) => Outcome::Foreign { end },
            Ok(end) if !self.keys.is_record(walk.frame.seen) => Outcome::NotRecord { end },
            Ok(end) => {
                if self.wants_raw {
                    self.builder.set_view(Leaf::Raw, text.view(start, end - start));
                }
                if self.wants_offset {
                    self.builder.set_number(Leaf::SourceOffset, offset as i64);
                }
                self.builder.end_row();
                return Outcome::Row { end };
            }
            Err((Stop::Cut, _)) => Outcome::Cut,
            Err((Stop::Bad(kind), at)) => Outcome::Bad { kind, at },
        };
        self.builder.undo_row();
        self.notes.truncate(notes);
        outcome
    }

    /// Walks the members of the record and of the known objects below it, and answers where the record ends.
    #[inline(always)]
    fn members<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        mut at: usize,
        walk: &mut Walk,
    ) -> Result<usize, (Stop, usize)> {
        loop {
            let mut pause = lanes.compiled(Stride { columns: self, text, at, walk });
            if let Pause::Name(name) = pause {
                pause = self.member(lanes, text, name, walk)?;
            }
            let value = match pause {
                Pause::Name(next) => {
                    at = next;
                    continue;
                }
                Pause::Object(context, open) => {
                    walk.open(context, FrameKind::Object);
                    if walk.level == 1 {
                        walk.opened = open;
                        walk.notes = self.notes.len();
                        walk.unknown_before = walk.unknown;
                    }
                    at = open + 1;
                    continue;
                }
                Pause::List(context, open) => {
                    walk.open(context, FrameKind::List);
                    match self.item(lanes, text, open + 1, (walk, true))? {
                        Item::Open(open) => {
                            at = open + 1;
                            continue;
                        }
                        Item::Close(close) => close,
                    }
                }
                Pause::Value(value) => value,
            };
            match self.after_value(lanes, text, value, walk)? {
                After::Member(next) => at = next,
                After::End(end) => return Ok(end),
            }
        }
    }

    /// Reads the members from `at` on as long as they are what is nearly always
    /// there: an expected name, a plain value, a comma.
    #[inline(always)]
    fn stride<L: Lanes>(&mut self, lanes: L, text: &Text<'_>, mut at: usize, walk: &mut Walk) -> Pause {
        let Columns { builder, keys, limits, memo, .. } = self;
        let depth_left = limits.depth_max.saturating_sub(walk.level as u32 + 1);
        let mut values = Values { text, builder, memo, text_bytes_max: limits.text_bytes_max, depth_left };
        let mut frame = walk.frame;
        let keys = &mut *keys.contexts[frame.context as usize].keys;
        let pause = loop {
            // A name, a quote, and a string as long as a guess can be: one check of bounds for all of it.
            let here = block::<WINDOW>(text.bytes, at);
            let Some(number) = expected(lanes, here, keys, &frame) else { break Pause::Name(at) };
            let key = &mut keys[number as usize % MEMBERS];
            let name = key.length as usize % 32;
            let value = match here[name] {
                b'"' => values.string(lanes, key, block(here, name + 1), at + name + 1),
                b'{' | b'[' => values.container(lanes, key.action, at + name),
                _ => values.literal(key.action, at + name),
            };
            let Some(value) = value else { break Pause::Name(at) };
            frame.enter(number);
            match value {
                Pause::Value(after) if text.bytes[after] == b',' => at = after + 1,
                pause => break pause,
            }
        };
        walk.frame = frame;
        pause
    }

    /// Remembers the object in `range`, which was read, unless something about it was odd.
    #[inline(never)]
    fn remember(&mut self, text: &Text<'_>, range: Range<usize>, walk: &Walk) {
        let context = walk.frame.context;
        let leaves = &self.keys.contexts[context as usize].leaves;
        // Members that fill a leaf only if it is empty are not among an object's leaves.
        if !leaves.is_empty() && self.notes.len() == walk.notes && walk.unknown == walk.unknown_before {
            self.memo.remember(text, range, context, leaves, &self.builder);
        }
    }

    /// What follows a value: the next member, or the end of one or more frames.
    #[inline(always)]
    fn after_value<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        mut at: usize,
        walk: &mut Walk,
    ) -> Result<After, (Stop, usize)> {
        loop {
            match (text.bytes[at], walk.frame.kind) {
                (b',', FrameKind::Object | FrameKind::Item) => return Ok(After::Member(at + 1)),
                (b'}', FrameKind::Object | FrameKind::Item) => {
                    at += 1;
                    if walk.level == 0 {
                        return Ok(After::End(at));
                    }
                    if walk.frame.kind == FrameKind::Item {
                        self.builder.end_item();
                    } else if walk.level == 1 {
                        self.remember(text, walk.opened..at, walk);
                    }
                    walk.close();
                }
                (b',', FrameKind::List) => match self.item(lanes, text, at + 1, (walk, false))? {
                    Item::Open(open) => return Ok(After::Member(open + 1)),
                    Item::Close(close) => at = close,
                },
                (b']', FrameKind::List) => {
                    at += 1;
                    walk.close();
                }
                _ => at = text.next_mark(at)?,
            }
        }
    }
}

/// What the values of a stride need.
struct Values<'a, 't> {
    text: &'a Text<'t>,
    builder: &'a mut BatchBuilder,
    memo: &'a mut Memo,
    text_bytes_max: usize,
    /// How much deeper containers may go.
    depth_left: u32,
}

impl Values<'_, '_> {
    /// The string whose `content` starts at `start`; none if it needs care.
    #[inline(always)]
    fn string<L: Lanes>(
        &mut self,
        lanes: L,
        key: &mut Key,
        content: &[u8; GUESS_MAX],
        start: usize,
    ) -> Option<Pause> {
        let Text { bytes, end, buffer, shift } = *self.text;
        let guess = key.guess as usize % GUESS_MAX;
        let length = if is_string_of(lanes, content, guess) {
            guess
        } else {
            let length = plain_string_end(lanes, bytes, start, end)? - start;
            key.guess = length.min(GUESS_MAX - 1) as u8;
            length
        };
        let view = || view_of(block(content, 0), start + shift, length, buffer);
        match key.action {
            Action::Skip => {}
            Action::Leaf(leaf, Kind::Text) if length <= self.text_bytes_max => {
                self.builder.set_view(leaf, view());
            }
            Action::Item(leaf) if length <= self.text_bytes_max => self.builder.set_item_view(leaf, view()),
            Action::Leaf(leaf, Kind::Time) => {
                self.builder.set_number(leaf, parse_time(&bytes[start..start + length])?);
            }
            _ => return None,
        }
        Some(Pause::Value(start + length + 1))
    }

    /// The object or list that opens at `open`; none if it needs care.
    #[inline(always)]
    fn container<L: Lanes>(&mut self, lanes: L, action: Action, open: usize) -> Option<Pause> {
        let Text { bytes, end, .. } = *self.text;
        match (action, bytes[open]) {
            (Action::Object(context) | Action::Pass(context), b'{') => {
                if let Some(after) = self.memo.recall(self.text, open, context, self.builder) {
                    return Some(Pause::Value(after));
                }
                if matches!(action, Action::Object(_)) {
                    return Some(Pause::Object(context, open));
                }
            }
            (Action::List(context), b'[') => return Some(Pause::List(context, open)),
            (Action::Skip | Action::Leaf(_, Kind::Json), _) => {}
            _ => return None,
        }
        let after = container_end(lanes, bytes, open, end, self.depth_left).ok()?;
        match action {
            Action::Leaf(leaf, _) => self.builder.set_view(leaf, self.text.view(open, after - open)),
            Action::Pass(context) => self.memo.remember(self.text, open..after, context, &[], self.builder),
            _ => {}
        }
        Some(Pause::Value(after))
    }

    /// The `true`, `false` or `null` at `at`; none if it needs care.
    #[inline(always)]
    fn literal(&mut self, action: Action, at: usize) -> Option<Pause> {
        let after = literal_end(self.text.bytes, at)?;
        match (action, self.text.bytes[at]) {
            (Action::Skip, _) | (Action::Leaf(..), b'n') => {}
            (Action::Leaf(leaf, Kind::Flag), mark) => {
                self.builder.set_number(leaf, i64::from(mark == b't'));
            }
            _ => return None,
        }
        Some(Pause::Value(after))
    }
}

/// The number of the member that stands `here`, if it is one that followed the last one before, and is new.
#[inline(always)]
fn expected<L: Lanes>(lanes: L, here: &[u8; WINDOW], keys: &[Key; MEMBERS], frame: &Frame) -> Option<u8> {
    let is_next = |number: u8| {
        let key = &keys[number as usize % MEMBERS];
        lanes.matches(block(here, 0), &key.pattern, key.mask)
    };
    let [first, second] = keys[frame.last as usize % MEMBERS].next;
    let number = match is_next(first) {
        true => first,
        false if is_next(second) => second,
        false => return None,
    };
    (!frame.has(number)).then_some(number)
}

/// End of a `true`, `false` or `null` that a delimiter follows.
#[inline(always)]
pub(crate) fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = match block(bytes, at) {
        b"true" | b"null" => at + 4,
        b"fals" if bytes[at + 4] == b'e' => at + 5,
        _ => return None,
    };
    matches!(bytes[end], b',' | b'}').then_some(end)
}
