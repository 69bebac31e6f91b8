//! The objects and lists that are open while a record is read.
//!
//! A stack of fixed height stands in for recursion: only known objects are
//! opened, and they nest no deeper than the field table does.

use crate::keys::{Context, NONE, RECORD};

/// The deepest known objects: record, userIdentity, sessionContext, sessionIssuer, and room for a list.
const FRAMES: usize = 8;

/// An object or list being read.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) context: Context,
    /// The member read last.
    pub(crate) last: u8,
    /// Members seen, one bit each.
    pub(crate) seen: u64,
    pub(crate) kind: FrameKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Object,
    List,
    Item,
}

impl Frame {
    pub(crate) fn new(context: Context, kind: FrameKind) -> Frame {
        Frame { context, last: NONE, seen: 0, kind }
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
}

impl Walk {
    #[inline(always)]
    pub(crate) fn new() -> Walk {
        let frame = Frame::new(RECORD, FrameKind::Object);
        Walk { stack: [frame; FRAMES], level: 0, frame, opened: 0, notes: 0 }
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
