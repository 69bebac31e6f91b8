//! What is rare in a record: unusual values, unknown names, white space, escapes, errors.
//!
//! The strides of [`record`](crate::record) stop before it; here one member is
//! read with care, whatever it is. Nothing here is inlined into the strides.

use pugmark_event::{DefectKind, Kind, Leaf, parse_time, view};

use crate::frames::{Frame, FrameKind, Walk};
use crate::keys::{Action, MEMBERS, NONE};
use crate::record::{Columns, Pause, Stop, Text, literal_end};
use crate::scan::{
    Lanes, Portable, StringEnd, block, container_end, is_scalar, scalar_end, skip_space, string_end,
};
use crate::text::{Flaw, cut, unescape};

/// The end of a value.
type Value = Result<usize, Stop>;

/// The next object of a list, or the list's closing bracket.
pub(crate) enum Item {
    Open(usize),
    Close(usize),
}

/// What a name in front of a value is.
enum Name {
    Known {
        number: u8,
        value: usize,
    },
    Unknown {
        value: usize,
    },
    /// `}` where the first name could stand.
    Close {
        at: usize,
    },
}

/// A member whose value is to be read.
#[derive(Clone, Copy)]
struct Place {
    /// Where the value stands.
    at: usize,
    /// How much deeper its containers may go.
    depth_left: u32,
    action: Action,
}

impl Text<'_> {
    /// Where the next thing stands that is no white space, `at` itself being nothing expected.
    #[cold]
    pub(crate) fn next_mark(&self, at: usize) -> Result<usize, (Stop, usize)> {
        match skip_space(self.bytes, at) {
            _ if at >= self.end => Err((Stop::Cut, at)),
            next if next == at => Err((Stop::Bad(DefectKind::Malformed), at)),
            next => Ok(next),
        }
    }
}

impl Columns {
    /// Reads the member whose name stands at `at`, or passes over the end of an empty object.
    #[inline(never)]
    pub(crate) fn member<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        at: usize,
        walk: &mut Walk,
    ) -> Result<Pause, (Stop, usize)> {
        let depth_left = self.limits.depth_max.saturating_sub(walk.level as u32 + 1);
        match self.name(lanes, text, at, &mut walk.frame).map_err(|stop| (stop, at))? {
            Name::Close { at } => Ok(Pause::Value(at)),
            Name::Unknown { value } => {
                walk.unknown += 1;
                if walk.unknown > self.limits.members_max {
                    return Err((Stop::Bad(DefectKind::TooManyMembers), value));
                }
                let place = Place { at: value, depth_left, action: Action::Skip };
                pass(lanes, text, place).map(Pause::Value).map_err(|stop| (stop, value))
            }
            Name::Known { number, value } => {
                let action = self.keys.contexts[walk.frame.context as usize].keys[number as usize].action;
                if walk.frame.has(number) {
                    self.forget(action, value);
                }
                walk.frame.enter(number);
                let place = Place { at: value, depth_left, action };
                self.value(lanes, text, place).map_err(|stop| (stop, value))
            }
        }
    }

    /// The name at `at`: one that followed before, or whatever stands there.
    fn name<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        at: usize,
        frame: &mut Frame,
    ) -> Result<Name, Stop> {
        let at = skip_space(text.bytes, at);
        let keys = &self.keys.contexts[frame.context as usize].keys;
        let here = block(text.bytes, at.min(text.end));
        for number in keys[frame.last as usize].next {
            let key = &keys[number as usize % MEMBERS];
            if lanes.matches(here, &key.pattern, key.mask) {
                return Ok(Name::Known { number, value: skip_space(text.bytes, at + key.length as usize) });
            }
        }
        self.look_up(text, at, frame)
    }

    fn look_up(&mut self, text: &Text<'_>, open: usize, frame: &mut Frame) -> Result<Name, Stop> {
        let bytes = text.bytes;
        if open >= text.end {
            return Err(Stop::Cut);
        }
        if bytes[open] == b'}' && frame.seen == 0 {
            return Ok(Name::Close { at: open });
        }
        if bytes[open] != b'"' {
            return Err(Stop::Bad(DefectKind::Malformed));
        }
        let Some(name) = string_end(Portable, bytes, open + 1, text.end) else {
            return Err(Stop::Cut);
        };
        let colon = skip_space(bytes, name.close + 1);
        let value = if bytes[colon] == b':' { skip_space(bytes, colon + 1) } else { colon };
        if value >= text.end {
            return Err(Stop::Cut);
        }
        if bytes[colon] != b':' {
            return Err(Stop::Bad(DefectKind::Malformed));
        }
        let members = &self.keys.contexts[frame.context as usize];
        let content = &bytes[open + 1..name.close];
        let found = if name.escaped {
            let mut plain = Vec::new();
            match unescape(content, &mut plain) {
                Err(Flaw::BadEscape) => return Err(Stop::Bad(DefectKind::Malformed)),
                Ok(()) | Err(Flaw::LoneSurrogate) => members.find(&plain),
            }
        } else {
            members.find(content)
        };
        let Some(number) = found else {
            // An unknown member still means that this is not the start of the object.
            frame.seen |= 1 << NONE;
            return Ok(Name::Unknown { value });
        };
        let keys = &mut self.keys.contexts[frame.context as usize].keys;
        let next = &mut keys[frame.last as usize].next;
        if next[0] != number {
            *next = [number, next[0]];
        }
        Ok(Name::Known { number, value })
    }

    /// Reads or passes over a value.
    fn value<L: Lanes>(&mut self, lanes: L, text: &Text<'_>, place: Place) -> Result<Pause, Stop> {
        let Place { at, action, .. } = place;
        match (action, text.bytes[at]) {
            (Action::Object(context), b'{') => {
                if let Some(end) = self.memo.recall(text, at, context, &mut self.builder) {
                    return Ok(Pause::Value(end));
                }
                return Ok(Pause::Object(context, at));
            }
            (Action::List(context), b'[') => return Ok(Pause::List(context, at)),
            _ => {}
        }
        let end = match action {
            Action::Skip | Action::Pass(_) => pass(lanes, text, place)?,
            Action::Leaf(leaf, kind) => self.leaf(lanes, text, place, (leaf, kind))?,
            Action::Item(leaf) => self.leaf(lanes, text, place, (leaf, Kind::Text))?,
            Action::Weak(leaf, kind) => {
                let is_set = self.builder.view_of(leaf).is_some() || self.builder.number_of(leaf).is_some();
                if is_set { pass(lanes, text, place)? } else { self.leaf(lanes, text, place, (leaf, kind))? }
            }
            Action::Object(_) | Action::List(_) => self.unfit(lanes, text, place)?,
        };
        Ok(Pause::Value(end))
    }

    /// A value that fills a leaf.
    fn leaf<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        place: Place,
        (leaf, kind): (Leaf, Kind),
    ) -> Value {
        match kind {
            Kind::Text => self.text(lanes, text, place, leaf),
            Kind::Json => {
                let end = pass(lanes, text, place)?;
                if text.bytes[place.at] != b'n' {
                    self.builder.set_view(leaf, text.view(place.at, end - place.at));
                }
                Ok(end)
            }
            Kind::Time | Kind::Flag | Kind::Count | Kind::Day => {
                self.number(lanes, text, place, (leaf, kind))
            }
        }
    }

    /// A text leaf: the content of a string, or the text of any other value as delivered.
    fn text<L: Lanes>(&mut self, lanes: L, text: &Text<'_>, place: Place, leaf: Leaf) -> Value {
        let at = place.at;
        if text.bytes[at] == b'"' {
            let string = string_end(lanes, text.bytes, at + 1, text.end).ok_or(Stop::Cut)?;
            let length = string.close - at - 1;
            let view = if string.escaped || length > self.limits.text_bytes_max {
                self.written_anew(&text.bytes[at + 1..string.close], at)?
            } else {
                text.view(at + 1, length)
            };
            self.set_text(place, leaf, view);
            return Ok(string.close + 1);
        }
        let end = pass(lanes, text, place)?;
        if text.bytes[at] != b'n' {
            let length = cut(&text.bytes[at..end], self.limits.text_bytes_max);
            if length < end - at {
                self.notes.push((DefectKind::ValueTruncated, at));
            }
            self.set_text(place, leaf, text.view(at, length));
        }
        Ok(end)
    }

    fn set_text(&mut self, place: Place, leaf: Leaf, view: u128) {
        if matches!(place.action, Action::Item(_)) {
            self.builder.set_item_view(leaf, view);
        } else {
            self.builder.set_view(leaf, view);
        }
    }

    /// A string that cannot be viewed where it stands: with escapes, or too long.
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
    fn number<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        place: Place,
        (leaf, kind): (Leaf, Kind),
    ) -> Value {
        let (bytes, at) = (text.bytes, place.at);
        let (end, value) = if bytes[at] == b'"' {
            let string = string_end(lanes, bytes, at + 1, text.end).ok_or(Stop::Cut)?;
            (string.close + 1, read_number(&bytes[at + 1..string.close], string, kind)?)
        } else {
            let end = pass(lanes, text, place)?;
            match (&bytes[at..end], kind) {
                (b"null", _) => return Ok(end),
                (b"true", Kind::Flag) => (end, Some(1)),
                (b"false", Kind::Flag) => (end, Some(0)),
                _ => (end, None),
            }
        };
        match value {
            Some(value) => self.builder.set_number(leaf, value),
            None if kind == Kind::Time => self.notes.push((DefectKind::BadTime, at)),
            None => self.notes.push((DefectKind::BadValue, at)),
        }
        Ok(end)
    }

    /// Passes over a value that is not of the kind its member should have.
    fn unfit<L: Lanes>(&mut self, lanes: L, text: &Text<'_>, place: Place) -> Value {
        let end = pass(lanes, text, place)?;
        if &text.bytes[place.at..end] != b"null" {
            self.notes.push((DefectKind::BadValue, place.at));
        }
        Ok(end)
    }

    /// The next object of a list at or after `at`, or the list's end, which may not follow a comma.
    #[inline(always)]
    pub(crate) fn item<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        at: usize,
        (walk, may_close): (&mut Walk, bool),
    ) -> Result<Item, (Stop, usize)> {
        let item = match text.bytes[at] {
            b'{' => Item::Open(at),
            _ => self.odd_item(lanes, text, at, (walk, may_close)).map_err(|stop| (stop, at))?,
        };
        if matches!(item, Item::Open(_)) {
            walk.open(walk.frame.context, FrameKind::Item);
        }
        Ok(item)
    }

    /// The next object of a list, or its end; what is no object is noted and passed over.
    #[inline(never)]
    fn odd_item<L: Lanes>(
        &mut self,
        lanes: L,
        text: &Text<'_>,
        mut at: usize,
        (walk, mut may_close): (&Walk, bool),
    ) -> Result<Item, Stop> {
        let depth_left = self.limits.depth_max.saturating_sub(walk.level as u32 + 1);
        loop {
            at = skip_space(text.bytes, at);
            match text.bytes[at] {
                b'{' => return Ok(Item::Open(at)),
                b']' if may_close => return Ok(Item::Close(at)),
                b']' => return Err(Stop::Bad(DefectKind::Malformed)),
                _ if at >= text.end => return Err(Stop::Cut),
                _ => {}
            }
            let place = Place { at, depth_left, action: Action::Skip };
            let end = skip_space(text.bytes, self.unfit(lanes, text, place)?);
            match text.bytes[end] {
                b',' => at = end + 1,
                b']' => return Ok(Item::Close(end)),
                _ if end >= text.end => return Err(Stop::Cut),
                _ => return Err(Stop::Bad(DefectKind::Malformed)),
            }
            may_close = false;
        }
    }

    /// Takes back what an earlier member of the same name filled: the last one counts.
    #[cold]
    fn forget(&mut self, action: Action, at: usize) {
        self.notes.push((DefectKind::DuplicateKey, at));
        match action {
            Action::Item(leaf) => self.builder.clear_item(leaf),
            Action::Leaf(leaf, _) => self.builder.clear(leaf),
            Action::List(_) => self.builder.clear_items(),
            Action::Object(context) => {
                for leaf in &self.keys.contexts[context as usize].leaves {
                    self.builder.clear(*leaf);
                }
            }
            Action::Skip | Action::Pass(_) | Action::Weak(..) => {}
        }
    }
}

/// Passes over a value of any kind.
fn pass<L: Lanes>(lanes: L, text: &Text<'_>, Place { at, depth_left, .. }: Place) -> Value {
    let bytes = text.bytes;
    match bytes[at] {
        b'"' => string_end(lanes, bytes, at + 1, text.end).map(|string| string.close + 1).ok_or(Stop::Cut),
        b'{' | b'[' => Ok(container_end(lanes, bytes, at, text.end, depth_left)?),
        _ => match literal_end(bytes, at) {
            Some(end) if end < text.end => Ok(end),
            _ => pass_scalar(text, at),
        },
    }
}

/// Passes over a number, or a literal that something unusual follows.
#[cold]
fn pass_scalar(text: &Text<'_>, at: usize) -> Value {
    let end = scalar_end(text.bytes, at);
    if end >= text.end {
        Err(Stop::Cut)
    } else if is_scalar(&text.bytes[at..end]) {
        Ok(end)
    } else {
        Err(Stop::Bad(DefectKind::Malformed))
    }
}

/// A time or flag that stands in a string.
fn read_number(content: &[u8], string: StringEnd, kind: Kind) -> Result<Option<i64>, Stop> {
    let mut plain = Vec::new();
    let content = match string.escaped.then(|| unescape(content, &mut plain)) {
        Some(Err(Flaw::BadEscape)) => return Err(Stop::Bad(DefectKind::Malformed)),
        Some(_) => &plain,
        None => content,
    };
    Ok(match kind {
        Kind::Time => parse_time(content),
        _ if content.eq_ignore_ascii_case(b"true") => Some(1),
        _ if content.eq_ignore_ascii_case(b"false") => Some(0),
        _ => None,
    })
}
