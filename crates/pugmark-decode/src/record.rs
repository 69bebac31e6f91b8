//! One record, in one pass, into columns.
//!
//! The reader walks the members of a record and of the few objects below it
//! that are columns themselves (`userIdentity` and its like); a stack of frames
//! stands in for recursion. After member *k* of an object it expects the
//! member that followed *k* the last time and compares 32 bytes; only when that
//! fails is a name looked up. Everything else is passed over.

use pugmark_event::{BatchBuilder, DefectKind, Kind, Leaf, Limits, parse_time, view};

use crate::frames::{Frame, FrameKind, Walk};
use crate::keys::{Action, Context, Key, Keys, Members, NONE, identity};
use crate::memo::Memo;
use crate::scan::{
    Lanes, NoEnd, StringEnd, block, container_end, guessed_string_end, is_scalar, scalar_end, skip_space,
    string_end,
};
use crate::text::{Flaw, cut, unescape};

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
    fn view(self, start: usize, length: usize) -> u128 {
        let view = view(self.bytes, start, length, self.buffer);
        if length > 12 { view + ((self.shift as u128) << 96) } else { view }
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
    keys: Keys,
    limits: Limits,
    wants_raw: bool,
    wants_offset: bool,
}

/// What a name in front of a value is.
enum Name {
    Known {
        key: usize,
        value: usize,
    },
    Unknown {
        value: usize,
    },
    /// `}` where the first name could stand.
    Close {
        at: usize,
    },
    Cut,
    Bad,
}

/// The end of a value.
type Value = Result<usize, Stop>;

/// Why a value has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cut,
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
        text: Text<'_>,
        start: usize,
        offset: u64,
    ) -> Outcome {
        let notes = self.notes.len();
        let outcome = match self.members(lanes, text, start) {
            Ok(Walked { end, .. }) if end - start > self.limits.record_bytes_max => {
                Outcome::Bad { kind: DefectKind::RecordTooLarge, at: start }
            }
            Ok(Walked { end, foreign: true, .. }) => Outcome::Foreign { end },
            Ok(Walked { end, identity, .. }) if !identity::is_record(identity) => Outcome::NotRecord { end },
            Ok(Walked { end, .. }) => {
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

    /// Walks the members of the record and of the known objects below it.
    #[inline(always)]
    fn members<L: Lanes>(&mut self, lanes: L, text: Text<'_>, start: usize) -> Result<Walked, (Stop, usize)> {
        let mut walk = Walk::new();
        let mut walked = Walked { end: start, identity: 0, foreign: false };
        let mut unknown = 0;
        let mut at = start + 1;
        loop {
            if walk.frame.kind == FrameKind::Object {
                at = self.run(lanes, &text, at, (&mut walk.frame, &mut walked.identity));
            }
            match self.name(lanes, text, at, &mut walk.frame) {
                Name::Known { key, value } => {
                    let Key { action, identity, .. } =
                        self.keys.contexts[walk.frame.context as usize].keys[key];
                    walked.identity |= identity;
                    let bit = 1 << key;
                    if walk.frame.seen & bit != 0 {
                        self.forget(action, value);
                    }
                    walk.frame.seen |= bit;
                    match self
                        .value(lanes, text, value, (action, key), &walk)
                        .map_err(|stop| (stop, value))?
                    {
                        Done::Value(end) => at = end,
                        Done::Foreign(end) => {
                            walked.foreign = true;
                            at = end;
                        }
                        Done::Open(context) => {
                            walk.open(context, FrameKind::Object);
                            if walk.level == 1 {
                                walk.opened = value;
                                walk.notes = self.notes.len();
                            }
                            at = value + 1;
                            continue;
                        }
                        Done::OpenList(context) => {
                            walk.open(context, FrameKind::List);
                            match self.item(lanes, text, value + 1, &walk).map_err(|stop| (stop, value))? {
                                Item::Open(open) => {
                                    walk.open(context, FrameKind::Item);
                                    at = open + 1;
                                    continue;
                                }
                                Item::Close(close) => at = close,
                            }
                        }
                    }
                }
                Name::Unknown { value } => {
                    unknown += 1;
                    if unknown > self.limits.members_max {
                        return Err((Stop::Bad(DefectKind::TooManyMembers), value));
                    }
                    at = self.pass(lanes, text, value, &walk).map_err(|stop| (stop, value))?;
                }
                Name::Close { at: close } => at = close,
                Name::Cut => return Err((Stop::Cut, at)),
                Name::Bad => return Err((Stop::Bad(DefectKind::Malformed), at)),
            }
            match self.after_value(lanes, text, at, &mut walk)? {
                After::Member(next) => at = next,
                After::End(end) => return Ok(Walked { end, ..walked }),
            }
        }
    }

    /// Reads the members from `at` on as long as they are what is nearly always
    /// there: an expected name, a plain value, a comma. Answers where the next
    /// name stands. Everything else is left to the careful path; this one only
    /// saves it work.
    #[inline(always)]
    fn run<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        mut at: usize,
        (frame, identity): (&mut Frame, &mut u8),
    ) -> usize {
        let Columns { builder, keys, limits, .. } = self;
        let Members { keys, guesses, .. } = &mut keys.contexts[frame.context as usize];
        let Text { bytes, end, .. } = *text;
        loop {
            let here = block(bytes, at);
            let is_next = |number: u8| {
                keys.get(number as usize).is_some_and(|key| lanes.matches(here, &key.pattern, key.mask))
            };
            let Some(number) = guesses[frame.last as usize].into_iter().find(|number| is_next(*number))
            else {
                return at;
            };
            let bit = 1 << number;
            if frame.seen & bit != 0 {
                return at;
            }
            let key = &mut keys[number as usize];
            let value = at + key.length as usize;
            let after = match (bytes[value], key.action) {
                (b'"', Action::Skip) => match string_end(lanes, bytes, value + 1, end) {
                    Some(string) => string.close + 1,
                    None => return at,
                },
                (b'"', Action::Leaf(leaf, Kind::Text)) => {
                    match guessed_string_end(lanes, bytes, value + 1, end, &mut key.guess) {
                        Some(StringEnd { close, escaped: false })
                            if close - value <= limits.text_bytes_max =>
                        {
                            // Set before the comma is seen: the careful path sets it again.
                            builder.set_view(leaf, text.view(value + 1, close - value - 1));
                            close + 1
                        }
                        _ => return at,
                    }
                }
                (b'{', action @ (Action::Skip | Action::Leaf(_, Kind::Json))) => {
                    let Ok(after) = container_end(lanes, bytes, value, end, limits.depth_max / 2) else {
                        return at;
                    };
                    if let Action::Leaf(leaf, _) = action {
                        builder.set_view(leaf, text.view(value, after - value));
                    }
                    after
                }
                (mark @ b'n', action @ (Action::Skip | Action::Leaf(..)))
                | (mark @ (b't' | b'f'), action @ (Action::Skip | Action::Leaf(_, Kind::Flag))) => {
                    let Some(after) = literal_end(bytes, value) else { return at };
                    if let (Action::Leaf(leaf, _), b't' | b'f') = (action, mark) {
                        builder.set_number(leaf, i64::from(mark == b't'));
                    }
                    after
                }
                _ => return at,
            };
            if bytes[after] != b',' {
                return at;
            }
            frame.last = number;
            frame.seen |= bit;
            *identity |= key.identity;
            at = after + 1;
        }
    }

    /// What follows a value: the next member, or the end of one or more frames.
    #[inline(always)]
    fn after_value<L: Lanes>(
        &mut self,
        lanes: L,
        text: Text<'_>,
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
                    } else if walk.level == 1 && self.notes.len() == walk.notes {
                        let context = walk.frame.context;
                        let leaves = &self.keys.contexts[context as usize].leaves;
                        self.memo.remember(text, walk.opened..at, context, leaves, &self.builder);
                    }
                    walk.close();
                }
                (b',', FrameKind::List) => {
                    let next = skip_space(text.bytes, at + 1);
                    if text.bytes[next] == b']' {
                        return Err((Stop::Bad(DefectKind::Malformed), next));
                    }
                    match self.item(lanes, text, next, walk).map_err(|stop| (stop, at))? {
                        Item::Open(open) => {
                            walk.open(walk.frame.context, FrameKind::Item);
                            return Ok(After::Member(open + 1));
                        }
                        Item::Close(close) => at = close,
                    }
                }
                (b']', FrameKind::List) => {
                    at += 1;
                    walk.close();
                }
                (b' ' | b'\t' | b'\n' | b'\r', _) => at = skip_space(text.bytes, at),
                _ if at >= text.end => return Err((Stop::Cut, at)),
                _ => return Err((Stop::Bad(DefectKind::Malformed), at)),
            }
        }
    }

    /// The name at `at`: the one that followed last time, or whatever stands there.
    #[inline(always)]
    fn name<L: Lanes>(&mut self, lanes: L, text: Text<'_>, at: usize, frame: &mut Frame) -> Name {
        let members = &self.keys.contexts[frame.context as usize];
        let here = block(text.bytes, at);
        for guess in members.guesses[frame.last as usize] {
            if let Some(key) = members.keys.get(guess as usize)
                && lanes.matches(here, &key.pattern, key.mask)
            {
                frame.last = guess;
                let value = at + key.length as usize;
                let value = if text.bytes[value] > b' ' { value } else { skip_space(text.bytes, value) };
                return Name::Known { key: guess as usize, value };
            }
        }
        self.look_up(text, at, frame)
    }

    #[cold]
    fn look_up(&mut self, text: Text<'_>, at: usize, frame: &mut Frame) -> Name {
        let bytes = text.bytes;
        let open = skip_space(bytes, at);
        if open >= text.end {
            return Name::Cut;
        }
        if bytes[open] == b'}' && frame.last == NONE && frame.seen == 0 {
            return Name::Close { at: open };
        }
        if bytes[open] != b'"' {
            return Name::Bad;
        }
        let Some(name) = string_end(crate::scan::Portable, bytes, open + 1, text.end) else {
            return Name::Cut;
        };
        let colon = skip_space(bytes, name.close + 1);
        let value = if bytes[colon] == b':' { skip_space(bytes, colon + 1) } else { colon };
        if value >= text.end {
            return Name::Cut;
        }
        if bytes[colon] != b':' {
            return Name::Bad;
        }
        let members = &self.keys.contexts[frame.context as usize];
        let content = &bytes[open + 1..name.close];
        let found = if name.escaped {
            let mut plain = Vec::new();
            match unescape(content, &mut plain) {
                Err(Flaw::BadEscape) => return Name::Bad,
                Ok(()) | Err(Flaw::LoneSurrogate) => members.find(&plain),
            }
        } else {
            members.find(content)
        };
        let Some(key) = found else {
            // An unknown member still means that this is not the start of the object.
            frame.seen |= 1 << 63;
            return Name::Unknown { value };
        };
        let guess = &mut self.keys.contexts[frame.context as usize].guesses[frame.last as usize];
        if guess[0] != key as u8 {
            *guess = [key as u8, guess[0]];
        }
        frame.last = key as u8;
        Name::Known { key, value }
    }

    /// Reads or passes over the value at `at`.
    #[inline(always)]
    fn value<L: Lanes>(
        &mut self,
        lanes: L,
        text: Text<'_>,
        at: usize,
        (action, key): (Action, usize),
        walk: &Walk,
    ) -> Result<Done, Stop> {
        if text.bytes[at] == b'"' && action != Action::Foreign {
            return self.string(lanes, text, at, (action, key), walk).map(Done::Value);
        }
        match action {
            Action::Leaf(leaf, Kind::Text) => self.text(lanes, text, at, leaf, walk).map(Done::Value),
            Action::Leaf(leaf, Kind::Json) => {
                let end = self.pass(lanes, text, at, walk)?;
                if text.bytes[at] != b'n' {
                    self.builder.set_view(leaf, text.view(at, end - at));
                }
                Ok(Done::Value(end))
            }
            Action::Pass(context) if text.bytes[at] == b'{' => {
                if let Some(end) = self.memo.recall(text, at, context, &mut self.builder) {
                    return Ok(Done::Value(end));
                }
                let end = self.pass(lanes, text, at, walk)?;
                self.memo.remember(text, at..end, context, &[], &self.builder);
                Ok(Done::Value(end))
            }
            Action::Skip | Action::Pass(_) => self.pass(lanes, text, at, walk).map(Done::Value),
            Action::Leaf(leaf, kind) => self.number(lanes, text, at, (leaf, kind), walk).map(Done::Value),
            Action::Object(context) if text.bytes[at] == b'{' => {
                match self.memo.recall(text, at, context, &mut self.builder) {
                    Some(end) => Ok(Done::Value(end)),
                    None => Ok(Done::Open(context)),
                }
            }
            Action::List(context) if text.bytes[at] == b'[' => Ok(Done::OpenList(context)),
            Action::Weak(leaf, kind) => self.weak(lanes, text, at, (leaf, kind), walk).map(Done::Value),
            Action::Foreign => self.pass(lanes, text, at, walk).map(Done::Foreign),
            Action::Object(_) | Action::List(_) => self.unfit(lanes, text, at, walk).map(Done::Value),
        }
    }

    /// A value that is a string.
    #[inline(always)]
    fn string<L: Lanes>(
        &mut self,
        lanes: L,
        text: Text<'_>,
        at: usize,
        (action, key): (Action, usize),
        walk: &Walk,
    ) -> Value {
        let guess = &mut self.keys.contexts[walk.frame.context as usize].keys[key].guess;
        let string = guessed_string_end(lanes, text.bytes, at + 1, text.end, guess).ok_or(Stop::Cut)?;
        match action {
            Action::Leaf(leaf, Kind::Text) => self.set_string(text, at, string, leaf, walk)?,
            Action::Leaf(leaf, Kind::Json) => {
                self.builder.set_view(leaf, text.view(at, string.close + 1 - at));
            }
            Action::Leaf(leaf, kind) => {
                let content = &text.bytes[at + 1..string.close];
                let value =
                    if string.escaped { read_escaped(content, kind)? } else { read_number(content, kind) };
                self.set_number(leaf, kind, value, at);
            }
            Action::Weak(leaf, kind) => return self.weak(lanes, text, at, (leaf, kind), walk),
            Action::Object(_) | Action::List(_) => self.notes.push((DefectKind::BadValue, at)),
            Action::Skip | Action::Pass(_) | Action::Foreign => {}
        }
        Ok(string.close + 1)
    }

    #[inline(always)]
    fn set_string(
        &mut self,
        text: Text<'_>,
        at: usize,
        string: StringEnd,
        leaf: Leaf,
        walk: &Walk,
    ) -> Result<(), Stop> {
        let length = string.close - at - 1;
        let view = if string.escaped || length > self.limits.text_bytes_max {
            self.written_anew(&text.bytes[at + 1..string.close], at)?
        } else {
            text.view(at + 1, length)
        };
        self.set_text(leaf, view, walk);
        Ok(())
    }

    /// A text leaf: the content of a string, or the text of any other value as delivered.
    #[inline(always)]
    fn text<L: Lanes>(&mut self, lanes: L, text: Text<'_>, at: usize, leaf: Leaf, walk: &Walk) -> Value {
        if text.bytes[at] == b'"' {
            let string = string_end(lanes, text.bytes, at + 1, text.end).ok_or(Stop::Cut)?;
            self.set_string(text, at, string, leaf, walk)?;
            return Ok(string.close + 1);
        }
        let end = self.pass(lanes, text, at, walk)?;
        if text.bytes[at] != b'n' {
            let length = cut(&text.bytes[at..end], self.limits.text_bytes_max);
            if length < end - at {
                self.notes.push((DefectKind::ValueTruncated, at));
            }
            self.set_text(leaf, text.view(at, length), walk);
        }
        Ok(end)
    }

    #[inline(always)]
    fn set_text(&mut self, leaf: Leaf, view: u128, walk: &Walk) {
        if walk.frame.kind == FrameKind::Item {
            self.builder.set_item_view(leaf, view);
        } else {
            self.builder.set_view(leaf, view);
        }
    }

    /// A string that cannot be viewed where it stands: with escapes, or too long.
    #[cold]
    fn written_anew(&mut self, content: &[u8], at: usize) -> Result<u128, Stop> {
        let start = self.side.len();
        match unescape(content, &mut self.side) {
            Ok(()) => {}
            Err(Flaw::LoneSurrogate) => self.notes.push((DefectKind::LoneSurrogate, at)),
            Err(Flaw::BadEscape) => return Err(Stop::Bad(DefectKind::Malformed)),
        }
        let length = cut(&self.side[start..], self.limits.text_bytes_max);
        if start + length < self.side.len() {
            self.notes.push((DefectKind::ValueTruncated, at));
            self.side.truncate(start + length);
        }
        Ok(view(&self.side, start, length, 1))
    }

    /// A time or flag leaf.
    #[inline(always)]
    fn number<L: Lanes>(
        &mut self,
        lanes: L,
        text: Text<'_>,
        at: usize,
        (leaf, kind): (Leaf, Kind),
        walk: &Walk,
    ) -> Value {
        let bytes = text.bytes;
        if bytes[at] == b'"' {
            let string = string_end(lanes, bytes, at + 1, text.end).ok_or(Stop::Cut)?;
            let content = &bytes[at + 1..string.close];
            let value =
                if string.escaped { read_escaped(content, kind)? } else { read_number(content, kind) };
            self.set_number(leaf, kind, value, at);
            return Ok(string.close + 1);
        }
        let end = self.pass(lanes, text, at, walk)?;
        match (&bytes[at..end], kind) {
            (b"null", _) => {}
            (b"true" | b"false", Kind::Flag) => self.builder.set_number(leaf, i64::from(bytes[at] == b't')),
            _ => self.set_number(leaf, kind, None, at),
        }
        Ok(end)
    }

    #[inline(always)]
    fn set_number(&mut self, leaf: Leaf, kind: Kind, value: Option<i64>, at: usize) {
        match value {
            Some(value) => self.builder.set_number(leaf, value),
            None if kind == Kind::Time => self.notes.push((DefectKind::BadTime, at)),
            None => self.notes.push((DefectKind::BadValue, at)),
        }
    }

    /// A member that stands in for another where that one is absent.
    #[cold]
    fn weak<L: Lanes>(
        &mut self,
        lanes: L,
        text: Text<'_>,
        at: usize,
        (leaf, kind): (Leaf, Kind),
        walk: &Walk,
    ) -> Value {
        if self.builder.view_of(leaf).is_some() || self.builder.number_of(leaf).is_some() {
            self.pass(lanes, text, at, walk)
        } else if kind == Kind::Text {
            self.text(lanes, text, at, leaf, walk)
        } else {
            self.number(lanes, text, at, (leaf, kind), walk)
        }
    }

    /// Passes over a value of any kind.
    #[inline(always)]
    fn pass<L: Lanes>(&mut self, lanes: L, text: Text<'_>, at: usize, walk: &Walk) -> Value {
        let bytes = text.bytes;
        match bytes[at] {
            b'"' => {
                string_end(lanes, bytes, at + 1, text.end).map(|string| string.close + 1).ok_or(Stop::Cut)
            }
            b'{' | b'[' => {
                let depth_left = self.limits.depth_max.saturating_sub(walk.level as u32 + 1);
                Ok(container_end(lanes, bytes, at, text.end, depth_left)?)
            }
            _ => match literal_end(bytes, at) {
                Some(end) if end < text.end => Ok(end),
                _ => pass_scalar(text, at),
            },
        }
    }

    /// Passes over a value that is not of the kind its member should have.
    #[cold]
    fn unfit<L: Lanes>(&mut self, lanes: L, text: Text<'_>, at: usize, walk: &Walk) -> Value {
        let end = self.pass(lanes, text, at, walk)?;
        if &text.bytes[at..end] != b"null" {
            self.notes.push((DefectKind::BadValue, at));
        }
        Ok(end)
    }

    /// The next object of a list, or its end; what is no object is noted and passed over.
    #[inline(always)]
    fn item<L: Lanes>(&mut self, lanes: L, text: Text<'_>, mut at: usize, walk: &Walk) -> Result<Item, Stop> {
        let mut first = true;
        loop {
            at = skip_space(text.bytes, at);
            match text.bytes[at] {
                b'{' => return Ok(Item::Open(at)),
                b']' if first => return Ok(Item::Close(at)),
                _ if at >= text.end => return Err(Stop::Cut),
                _ => {}
            }
            let end = skip_space(text.bytes, self.unfit(lanes, text, at, walk)?);
            match text.bytes[end] {
                b',' => at = end + 1,
                b']' => return Ok(Item::Close(end)),
                _ if end >= text.end => return Err(Stop::Cut),
                _ => return Err(Stop::Bad(DefectKind::Malformed)),
            }
            first = false;
        }
    }

    /// Takes back what an earlier member of the same name filled: the last one counts.
    #[cold]
    fn forget(&mut self, action: Action, at: usize) {
        self.notes.push((DefectKind::DuplicateKey, at));
        match action {
            Action::Leaf(leaf, _) if leaf.is_in_list() => self.builder.clear_item(leaf),
            Action::Leaf(leaf, _) => self.builder.clear(leaf),
            Action::List(_) => self.builder.clear_items(),
            Action::Object(context) => {
                for leaf in &self.keys.contexts[context as usize].leaves {
                    self.builder.clear(*leaf);
                }
            }
            Action::Skip | Action::Pass(_) | Action::Weak(..) | Action::Foreign => {}
        }
    }
}

/// End of a `true`, `false` or `null` that a delimiter follows.
#[inline(always)]
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = match block(bytes, at) {
        b"true" | b"null" => at + 4,
        b"fals" if bytes[at + 4] == b'e' => at + 5,
        _ => return None,
    };
    matches!(bytes[end], b',' | b'}').then_some(end)
}

/// Passes over a number, or a literal that something unusual follows.
#[cold]
fn pass_scalar(text: Text<'_>, at: usize) -> Value {
    let end = scalar_end(text.bytes, at);
    if end >= text.end {
        Err(Stop::Cut)
    } else if is_scalar(&text.bytes[at..end]) {
        Ok(end)
    } else {
        Err(Stop::Bad(DefectKind::Malformed))
    }
}

/// What walking a record found.
struct Walked {
    end: usize,
    identity: u8,
    foreign: bool,
}

/// What a member's value turned out to be.
enum Done {
    Value(usize),
    Foreign(usize),
    Open(Context),
    OpenList(Context),
}

/// The next object of a list, or the list's closing bracket.
enum Item {
    Open(usize),
    Close(usize),
}

/// What follows a value.
enum After {
    Member(usize),
    End(usize),
}

fn read_number(content: &[u8], kind: Kind) -> Option<i64> {
    match kind {
        Kind::Time => parse_time(content),
        _ if content.eq_ignore_ascii_case(b"true") => Some(1),
        _ if content.eq_ignore_ascii_case(b"false") => Some(0),
        _ => None,
    }
}

#[cold]
fn read_escaped(content: &[u8], kind: Kind) -> Result<Option<i64>, Stop> {
    let mut plain = Vec::new();
    match unescape(content, &mut plain) {
        Err(Flaw::BadEscape) => Err(Stop::Bad(DefectKind::Malformed)),
        Ok(()) | Err(Flaw::LoneSurrogate) => Ok(read_number(&plain, kind)),
    }
}
