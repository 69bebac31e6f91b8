//! What was wrong with what did not become a row, or became one with a flaw.

use std::fmt;

use crate::Origin;

/// Whether a defect cost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The row is there; something about it is worth knowing.
    Note,
    /// One record (or one unreadable stretch) is not among the rows.
    LostRecord,
    /// An object, or the rest of one, could not be read.
    LostObject,
}

macro_rules! kinds {
    ($( $kind:ident $severity:ident $name:literal $doc:literal; )*) => {
        /// The reason of a [`Defect`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DefectKind { $( #[doc = $doc] $kind, )* }

        impl DefectKind {
            /// Every kind, in order of declaration.
            pub const ALL: &'static [DefectKind] = &[ $( DefectKind::$kind, )* ];

            /// Whether it cost something.
            pub fn severity(self) -> Severity {
                match self { $( DefectKind::$kind => Severity::$severity, )* }
            }

            /// Stable name, as printed and as written in JSON.
            pub fn name(self) -> &'static str {
                match self { $( DefectKind::$kind => $name, )* }
            }
        }
    };
}

kinds! {
    DuplicateKey Note "duplicate-key" "a member stands twice in one object; the last one counts";
    InvalidUtf8 Note "invalid-utf8" "text that is not UTF-8; bad bytes were replaced by U+FFFD";
    LoneSurrogate Note "lone-surrogate" "a `\\u` escape that is half a character; replaced by U+FFFD";
    BadValue Note "bad-value" "a member whose value has another type than documented; the column is null";
    BadTime Note "bad-time" "a time that cannot be read; the column is null";
    ValueTruncated Note "value-truncated" "a text longer than the limit; the rest was cut";
    MultiMember Note "multi-member" "a gzip file of more than one member; all members were read";
    IdConflict Note "id-conflict" "two records with one event id and different content; both are kept";
    Malformed LostRecord "malformed" "not JSON";
    NotAnEvent LostRecord "not-an-event" "JSON that is no CloudTrail record";
    TooDeep LostRecord "too-deep" "nested deeper than the limit";
    TooManyMembers LostRecord "too-many-members" "more members than the limit";
    RecordTooLarge LostRecord "record-too-large" "a record larger than the limit";
    TooManyRecords LostObject "too-many-records" "more records than the limit; the rest was not read";
    Empty LostObject "empty" "an object without a byte";
    Unreadable LostObject "unreadable" "the object could not be read";
    Truncated LostObject "truncated" "the object ends too early; what came before the cut was read";
    Corrupt LostObject "corrupt" "compressed data that is damaged; what came before was read";
    TrailingData LostObject "trailing-data" "bytes after the end of the compressed data";
    TooLarge LostObject "too-large" "an object larger than the limit; the rest was not read";
    Encoding LostObject "encoding" "text in another encoding than UTF-8";
    Unsupported LostObject "unsupported" "a file of a kind that holds no events";
}

/// One thing that was wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The reason.
    pub kind: DefectKind,
    /// The place.
    pub origin: Origin,
    /// What exactly, for people; may quote input and is escaped when printed.
    pub detail: String,
}

impl Defect {
    /// A defect of `kind` at `origin`.
    pub fn new(kind: DefectKind, origin: Origin, detail: impl Into<String>) -> Defect {
        Defect { kind, origin, detail: detail.into() }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at `{}` byte {}", self.kind.name(), self.origin.object.name, self.origin.offset)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}
