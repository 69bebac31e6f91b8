//! The objects and lists that are open while a record is read.
//!
//! A stack of fixed height stands in for recursion: only known objects are
//! opened, and they nest no deeper than the field table does.

use crate::keys::{Context, MEMBERS, NONE, RECORD};

/// The deepest known objects: record, userIdentity, sessionContext, sessionIssuer, and room for a list.
const FRAMES: usize = 8;

/// An object or list being read. Sixteen bytes without a gap: the copy of a gap has to wait for what was written
/// around it.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// Members seen, one bit each.
    pub(crate) seen: u64,
    pub(crate) context: Context,
    /// The member read last.
    pub(crate) last: u16,
    pub(crate) kind: FrameKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum FrameKind {
    Object,
    List,
    Item,
}

impl Frame {
    pub(crate) fn new(context: Context, kind: FrameKind) -> Frame {
        Frame { seen: 0, context, last: u16::from(NONE), kind }
    }

    /// True if the member `number` has been seen.
    #[inline(always)]
    pub(crate) fn has(&self, number: u8) -> bool {
        self.seen & (1 << (number as usize % MEMBERS)) != 0
    }

    /// The member `number` is being read; [`NONE`] stands for one that is not known.
    #[inline(always)]
    pub(crate) fn enter(&mut self, number: u8) {
        self.seen |= 1 << (number as usize % MEMBERS);
        self.last = u16::from(number);
    }
}

/// The objects and lists that are open.
pub(crate) struct Walk {
    stack: [Frame; FRAMES],
    pub(crate) level: usize,
    pub(crate) frame: Frame,
    /// Where the object in the record that is open starts.
    pub(crate) opened: usize,
    /// Remarks when it was opened.
    pub(crate) notes: usize,
    /// Members of unknown names.
    pub(crate) unknown: u32,
    /// How many there were when it was opened.
    pub(crate) unknown_before: u32,
}

impl Walk {
    #[inline(always)]
    pub(crate) fn new() -> Walk {
        let empty = Frame { seen: 0, context: 0, last: 0, kind: FrameKind::Object };
        let frame = Frame::new(RECORD, FrameKind::Object);
        Walk { stack: [empty; FRAMES], level: 0, frame, opened: 0, notes: 0, unknown: 0, unknown_before: 0 }
    }

    #[inline(always)]
    pub(crate) fn open(&mut self, context: Context, kind: FrameKind) {
        self.stack[self.level] = self.frame;
        self.level += 1;
        self.frame = Frame::new(context, kind);
    }

    #[inline(always)]
    pub(crate) fn close(&mut self) {
        self.level -= 1;
        self.frame = self.stack[self.level];
    }
}
