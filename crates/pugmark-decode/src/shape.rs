//! Which values of a text are records?
//!
//! A text is a sequence of JSON documents: one object with a list of records,
//! a bare list, one record, lines of records, documents back to back. The
//! walker goes through it window by window and remembers only its [`Place`],
//! so a list of any length needs no more memory than one record.
//!
//! What is an object but no record may be wrapped around one (EventBridge,
//! `CloudWatch` Logs, `LookupEvents`, SNS): see [`envelope`](crate::envelope).

use pugmark_event::DefectKind;

use crate::decoder::{Sheet, Window};
use crate::envelope::{self, is_list_of_records};
use crate::needles::Needles;
use crate::record::{Outcome, Text};
#[cfg(target_arch = "x86_64")]
use crate::scan::simd::Avx2;
use crate::scan::{Lanes, NoEnd, Portable, container_end, skip_space, string_end};

/// Where the walker is between two windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between documents.
    #[default]
    Top,
    /// Before the first item of a list, which may be empty.
    FirstItem,
    /// Before an item of a list.
    Item,
    /// After an item of a list.
    AfterItem,
    /// After a member of the object around a list.
    AfterMember,
    /// In broken text, looking for the next record.
    Lost,
    /// The same, in a list.
    LostInList,
    /// Nothing more is wanted of this object.
    Stopped,
}

impl Place {
    #[inline(always)]
    fn is_lost(self) -> bool {
        matches!(self, Place::Lost | Place::LostInList)
    }
}

/// The walker's memory between two windows of one object.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    place: Place,
    /// The list is a member of an object.
    enclosed: bool,
    /// The items of the list are rows of a `CloudTrail` Lake result.
    lake: bool,
    /// How deep in envelopes this text lies.
    pub(crate) wrapped: u32,
}

impl Shape {
    /// True if the rest of the object is not wanted.
    pub(crate) fn is_stopped(self) -> bool {
        self.place == Place::Stopped
    }

    /// A walker of text that was unwrapped from `wrapped` envelopes.
    pub(crate) fn wrapped(wrapped: u32) -> Shape {
        Shape { wrapped, ..Shape::default() }
    }
}

/// A stretch of an object's text.
pub(crate) struct View<'a> {
    pub(crate) text: Text<'a>,
    /// Where to go on.
    pub(crate) start: usize,
    /// No text follows.
    pub(crate) ended: bool,
    pub(crate) offsets: Offsets<'a>,
    pub(crate) needles: &'a Needles,
}

/// Maps a position in a text to an offset in the uncompressed object.
#[derive(Clone, Copy)]
pub(crate) enum Offsets<'a> {
    /// The text is a window of the object.
    Window(&'a Window),
    /// The text was unwrapped from a value that starts here.
    Fixed(u64),
}

impl Offsets<'_> {
    #[inline(always)]
    pub(crate) fn of(self, at: usize) -> u64 {
        match self {
            Offsets::Window(window) => window.offset_of(at),
            Offsets::Fixed(offset) => offset,
        }
    }
}

/// Reads the records of `view` and answers how far the text has been read.
pub(crate) fn walk(sheet: &mut Sheet, shape: &mut Shape, view: &View<'_>) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(lanes) = Avx2::detect() {
        #[expect(unsafe_code, reason = "the processor has the features that the function is compiled for")]
        // SAFETY: an `Avx2` exists only where its features were found.
        return unsafe { walk_avx2(lanes, sheet, shape, view) };
    }
    walk_with(Portable, sheet, shape, view)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
fn walk_avx2(lanes: Avx2, sheet: &mut Sheet, shape: &mut Shape, view: &View<'_>) -> usize {
    walk_with(lanes, sheet, shape, view)
}

/// What one step of the walk did.
enum Step {
    /// Go on at this position, in this place.
    To(usize, Place),
    /// The text ends inside something that starts here.
    Cut(usize),
    /// Something that starts here is broken.
    Broken(DefectKind, usize),
}

#[inline(always)]
fn walk_with<L: Lanes>(lanes: L, sheet: &mut Sheet, shape: &mut Shape, view: &View<'_>) -> usize {
    let Text { bytes, end, .. } = view.text;
    let mut at = view.start;
    loop {
        if !shape.place.is_lost() {
            at = skip_space(bytes, at);
        }
        if at >= end || shape.is_stopped() {
            if view.ended {
                finish(sheet, shape, view, end);
            }
            return end.min(at);
        }
        let step = match (shape.place, bytes[at]) {
            (Place::FirstItem | Place::AfterItem, b']') => {
                Step::To(at + 1, if shape.enclosed { Place::AfterMember } else { Place::Top })
            }
            (Place::FirstItem | Place::Item, _) => item(lanes, sheet, shape, view, at),
            (Place::AfterItem, b',') => Step::To(at + 1, Place::Item),
            (Place::Top, _) => document(lanes, sheet, shape, view, at),
            (Place::AfterMember, b'}') => Step::To(at + 1, Place::Top),
            (Place::AfterMember, b',') => match sniff(view, at + 1, Wanted::List) {
                Sniff::List { open, lake } => {
                    shape.lake = lake;
                    Step::To(open, Place::FirstItem)
                }
                Sniff::End { close } => Step::To(close, Place::AfterMember),
                Sniff::Cut => Step::Cut(at),
                Sniff::Record | Sniff::Foreign | Sniff::Bad => Step::Broken(DefectKind::Malformed, at),
            },
            (lost @ (Place::Lost | Place::LostInList), _) => match next_start(&bytes[at..end]) {
                Some(start) if lost == Place::LostInList => Step::To(at + start, Place::Item),
                Some(start) => Step::To(at + start, Place::Top),
                None if view.ended => Step::To(end, shape.place),
                // The mark of a record may be cut by the end of the window.
                None => return at.max(end.saturating_sub(RECORD_MARK.len())),
            },
            (Place::AfterItem | Place::AfterMember | Place::Stopped, _) => {
                Step::Broken(DefectKind::Malformed, at)
            }
        };
        match step {
            Step::To(next, place) => {
                at = next;
                shape.place = place;
                if sheet.records > sheet.limits.records_max {
                    sheet.defect(DefectKind::TooManyRecords, view.offsets.of(at), "");
                    shape.place = Place::Stopped;
                }
            }
            Step::Cut(start) if !view.ended && end - start <= sheet.limits.record_bytes_max => return start,
            Step::Cut(start) => {
                let kind = if view.ended { DefectKind::Malformed } else { DefectKind::RecordTooLarge };
                at = lose(sheet, shape, view, (kind, start));
            }
            Step::Broken(_, start) if is_open(sheet, view, start) => return start,
            Step::Broken(kind, start) => at = lose(sheet, shape, view, (kind, start)),
        }
    }
}

/// The text has ended: is anything open?
#[cold]
fn finish(sheet: &mut Sheet, shape: &mut Shape, view: &View<'_>, end: usize) {
    let open = !matches!(shape.place, Place::Top | Place::Stopped | Place::Lost);
    if open && !sheet.is_cut {
        sheet.defect(DefectKind::Truncated, view.offsets.of(end), "the list of records is not closed");
    }
    shape.place = Place::Stopped;
}

/// True if the object or list at `start` goes on after the window: broken or
/// not, where it ends is where reading goes on.
#[cold]
fn is_open(sheet: &Sheet, view: &View<'_>, start: usize) -> bool {
    let Text { bytes, end, .. } = view.text;
    !view.ended
        && end - start <= sheet.limits.record_bytes_max
        && matches!(bytes[start], b'{' | b'[')
        && container_end(Portable, bytes, start, end, u32::MAX)
            .map_or(true, |after| skip_space(bytes, after) >= end)
}

/// Counts one lost record and answers where the next may start.
#[cold]
fn lose(sheet: &mut Sheet, shape: &mut Shape, view: &View<'_>, (kind, start): (DefectKind, usize)) -> usize {
    let Text { bytes, end, .. } = view.text;
    let in_list = !matches!(shape.place, Place::Top | Place::Lost);
    let detail =
        if view.ended && kind == DefectKind::Malformed { excerpt(&bytes[start..end]) } else { String::new() };
    sheet.lost(kind, view.offsets.of(start), &detail);
    // A record that is whole but wrong inside is stepped over; else look for the next one.
    if matches!(bytes[start], b'{' | b'[')
        && (in_list || kind != DefectKind::Malformed)
        && let Ok(after) = container_end(Portable, bytes, start, end, u32::MAX)
        && (!in_list || matches!(bytes[skip_space(bytes, after)], b',' | b']'))
    {
        shape.place = if in_list { Place::AfterItem } else { Place::Top };
        return after;
    }
    shape.place = if in_list { Place::LostInList } else { Place::Lost };
    (start + 1).min(end)
}

/// The start of a text, for people.
fn excerpt(text: &[u8]) -> String {
    let shown = &text[..crate::text::cut(text, 60)];
    let shown = std::str::from_utf8(shown).unwrap_or_default();
    format!("not a record: `{shown}`")
}

/// How a record most often begins.
const RECORD_MARK: &[u8] = b"{\"eventVersion\"";

/// Where the next record may start in broken text: at an object that starts a
/// line, or at one that starts as `CloudTrail` writes records.
fn next_start(text: &[u8]) -> Option<usize> {
    let line = memchr::memmem::find(text, b"\n{").map(|at| at + 1);
    let mark = memchr::memmem::find(text, RECORD_MARK);
    line.into_iter().chain(mark).min()
}

/// One item of a list.
#[inline(always)]
fn item<L: Lanes>(lanes: L, sheet: &mut Sheet, shape: &Shape, view: &View<'_>, at: usize) -> Step {
    match object(lanes, sheet, shape, view, at) {
        Ok(end) => Step::To(end, Place::AfterItem),
        Err(step) => step,
    }
}

/// One value at `at`: a record, something wrapped around records, or neither. Answers where it ends.
#[inline(always)]
fn object<L: Lanes>(
    lanes: L,
    sheet: &mut Sheet,
    shape: &Shape,
    view: &View<'_>,
    at: usize,
) -> Result<usize, Step> {
    let Text { bytes, end, .. } = view.text;
    if bytes[at] != b'{' {
        return other_value(sheet, *shape, view, at);
    }
    if !view.needles.is_empty()
        && let Ok(after) = container_end(lanes, bytes, at, end, sheet.limits.depth_max)
        && !view.needles.may_match(&bytes[at..after])
    {
        sheet.tally.bytes_passed += (after - at) as u64;
        return Ok(after);
    }
    match sheet.columns.record(lanes, &view.text, at, view.offsets.of(at)) {
        Outcome::Row { end } => {
            sheet.row(view.offsets);
            Ok(end)
        }
        Outcome::Foreign { end } => {
            sheet.foreign += 1;
            Ok(end)
        }
        Outcome::NotRecord { end } => {
            envelope::open(sheet, view, at..end, shape.wrapped);
            Ok(end)
        }
        Outcome::Cut => Err(Step::Cut(at)),
        Outcome::Bad { kind, .. } => Err(Step::Broken(kind, at)),
    }
}

/// A value that is no object.
#[cold]
fn other_value(sheet: &mut Sheet, shape: Shape, view: &View<'_>, at: usize) -> Result<usize, Step> {
    let Text { bytes, end, .. } = view.text;
    match bytes[at] {
        b'[' => {
            let after = container_end(Portable, bytes, at, end, sheet.limits.depth_max).map_err(
                |no_end| match no_end {
                    NoEnd::Text => Step::Cut(at),
                    NoEnd::Depth => Step::Broken(DefectKind::TooDeep, at),
                },
            )?;
            if shape.lake {
                envelope::lake_row(sheet, view, at..after, shape.wrapped);
            } else {
                envelope::list(sheet, view, at..after, shape.wrapped);
            }
            Ok(after)
        }
        b'"' => {
            let string = string_end(Portable, bytes, at + 1, end).ok_or(Step::Cut(at))?;
            envelope::string(sheet, view, at + 1..string.close, shape.wrapped);
            Ok(string.close + 1)
        }
        _ => {
            let after = crate::scan::scalar_end(bytes, at);
            if after >= end && !view.ended {
                return Err(Step::Cut(at));
            }
            if !crate::scan::is_scalar(&bytes[at..after.min(end)]) {
                return Err(Step::Broken(DefectKind::Malformed, at));
            }
            sheet.lost(DefectKind::NotAnEvent, view.offsets.of(at), "");
            Ok(after)
        }
    }
}

/// A document between documents.
#[inline(always)]
fn document<L: Lanes>(lanes: L, sheet: &mut Sheet, shape: &mut Shape, view: &View<'_>, at: usize) -> Step {
    let bytes = view.text.bytes;
    match bytes[at] {
        b'{' => {
            let name = skip_space(bytes, at + 1);
            let record = bytes[name..].starts_with(b"\"eventVersion\"");
            match if record { Sniff::Record } else { sniff(view, at + 1, Wanted::Any) } {
                Sniff::List { open, lake } => {
                    shape.enclosed = true;
                    shape.lake = lake;
                    return Step::To(open, Place::FirstItem);
                }
                Sniff::Foreign => return foreign_document(sheet, view, at),
                Sniff::Cut => return Step::Cut(at),
                Sniff::Bad => return Step::Broken(DefectKind::Malformed, at),
                Sniff::Record | Sniff::End { .. } => {}
            }
        }
        b'[' => {
            shape.enclosed = false;
            shape.lake = false;
            return Step::To(at + 1, Place::FirstItem);
        }
        // Records may be set apart by commas or by the record separator of RFC 7464.
        b',' | 0x1E => return Step::To(at + 1, Place::Top),
        b'"' => {}
        _ => return log_line(view, at),
    }
    match object(lanes, sheet, shape, view, at) {
        Ok(end) => Step::To(end, Place::Top),
        Err(step) => step,
    }
}

/// A document that is none of records: as long as it may be, it is passed over.
#[cold]
fn foreign_document(sheet: &mut Sheet, view: &View<'_>, at: usize) -> Step {
    let Text { bytes, end, .. } = view.text;
    match container_end(Portable, bytes, at, end, u32::MAX) {
        Err(_) if !view.ended && end - at <= sheet.limits.record_bytes_max => Step::Cut(at),
        Err(_) => {
            sheet.foreign += 1;
            Step::To(at + 1, Place::Lost)
        }
        Ok(after) => {
            sheet.foreign += 1;
            Step::To(after, Place::Top)
        }
    }
}

/// A line of an exported log group: a time, a blank, a record.
#[cold]
fn log_line(view: &View<'_>, at: usize) -> Step {
    let line = &view.text.bytes[at..view.text.end];
    match memchr::memchr2(b'{', b'\n', &line[..line.len().min(64)]) {
        Some(open)
            if line[open] == b'{' && pugmark_event::parse_time(line[..open].trim_ascii()).is_some() =>
        {
            Step::To(at + open, Place::Top)
        }
        None if line.len() < 64 && !view.ended => Step::Cut(at),
        _ => Step::Broken(DefectKind::Malformed, at),
    }
}

/// What the members of an object say it is.
enum Sniff {
    /// A member is a list of records, whose first item may start at `open`.
    List {
        open: usize,
        lake: bool,
    },
    /// A record, or an object wrapped around one.
    Record,
    /// A document of another kind.
    Foreign,
    /// The object ends at `close` without a word.
    End {
        close: usize,
    },
    Cut,
    Bad,
}

/// What the caller of [`sniff`] looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Any,
    List,
}

/// Looks at the members from `at` on until one tells what the object is.
#[cold]
fn sniff(view: &View<'_>, mut at: usize, wanted: Wanted) -> Sniff {
    let Text { bytes, end, .. } = view.text;
    loop {
        at = skip_space(bytes, at);
        if at >= end {
            return Sniff::Cut;
        }
        match bytes[at] {
            b'}' => return Sniff::End { close: at },
            b'"' => {}
            _ => return Sniff::Bad,
        }
        let Some(name) = string_end(Portable, bytes, at + 1, end) else { return Sniff::Cut };
        let colon = skip_space(bytes, name.close + 1);
        let value = skip_space(bytes, (colon + 1).min(end));
        if value >= end {
            return Sniff::Cut;
        }
        if bytes[colon] != b':' {
            return Sniff::Bad;
        }
        let name = &bytes[at + 1..name.close];
        if bytes[value] == b'[' && is_list_of_records(name) {
            return Sniff::List { open: value + 1, lake: name.eq_ignore_ascii_case(b"QueryResultRows") };
        }
        if wanted == Wanted::Any {
            if envelope::is_foreign(name) {
                return Sniff::Foreign;
            }
            if envelope::is_wrapper(name) {
                return Sniff::Record;
            }
        }
        at = match envelope::value_end(bytes, value, end) {
            Ok(after) => skip_space(bytes, after),
            Err(NoEnd::Text) => return Sniff::Cut,
            Err(NoEnd::Depth) => return Sniff::Bad,
        };
        match bytes[at] {
            b',' => at += 1,
            b'}' => return Sniff::End { close: at },
            _ if at >= end => return Sniff::Cut,
            _ => return Sniff::Bad,
        }
    }
}
