//! Where a row came from.

use std::sync::Arc;

/// What an object under a trail's prefix holds, judged by its key.
///
/// Source: AWS `CloudTrail` User Guide, "Finding your `CloudTrail` log files".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// Management and data events (`CloudTrail/`).
    #[default]
    Log,
    /// Insights events (`CloudTrail-Insight/`).
    Insight,
    /// Network activity events (`CloudTrail-NetworkActivity/`).
    NetworkActivity,
    /// Aggregated data events (`CloudTrail-Aggregated/`).
    Aggregated,
    /// Signed digest files (`CloudTrail-Digest/`); evidence, not events.
    Digest,
    /// Another service's files under the same prefix, such as AWS Config.
    Foreign,
}

impl ObjectKind {
    /// True if objects of this kind hold events that become rows.
    pub fn has_events(self) -> bool {
        !matches!(self, ObjectKind::Digest | ObjectKind::Foreign)
    }

    /// The name people see.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Log => "log",
            ObjectKind::Insight => "insight",
            ObjectKind::NetworkActivity => "network activity",
            ObjectKind::Aggregated => "aggregated",
            ObjectKind::Digest => "digest",
            ObjectKind::Foreign => "foreign",
        }
    }
}

/// One object (file, S3 object, archive member) and what its key says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// How a person finds it: a path, `s3://bucket/key`, or `archive.zip!member`.
    pub name: String,
    /// What the key says it holds.
    pub kind: ObjectKind,
    /// Organization id in the key, `o-…`.
    pub org: Option<String>,
    /// Account in the key, 12 digits.
    pub account: Option<String>,
    /// Region in the key.
    pub region: Option<String>,
    /// Day of delivery in the key, days since 1970-01-01.
    pub day: Option<i32>,
    /// Time of delivery in the file name, microseconds since 1970 (UTC).
    pub delivered: Option<i64>,
}

impl Object {
    /// An object whose key says nothing.
    pub fn named(name: impl Into<String>) -> Object {
        Object { name: name.into(), ..Object::default() }
    }
}

/// A place in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The object.
    pub object: Arc<Object>,
    /// Byte offset in the uncompressed object.
    pub offset: u64,
}
