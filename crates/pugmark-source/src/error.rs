//! What keeps a source from being read at all.

use std::io;
use std::path::PathBuf;

/// A bad environment: no such path, no access, no network, a wrong argument.
///
/// A single object that cannot be read is a defect, not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A source that is written wrongly.
    #[error("cannot understand source `{text}`: {reason}")]
    BadLocation {
        /// As given.
        text: String,
        /// Why not.
        reason: &'static str,
    },
    /// A path that does not exist or may not be looked at.
    #[error("cannot read `{}`: {source}", path.display())]
    Path {
        /// As given.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// More objects than one run may list.
    #[error("more than {max} objects under the sources")]
    TooManyObjects {
        /// The limit `objects_max`.
        max: u64,
    },
    /// A bucket that does not exist, or not for this caller.
    #[error("cannot find bucket `{bucket}`")]
    NoBucket {
        /// Its name.
        bucket: String,
    },
    /// A bucket or prefix that may not be listed.
    #[error("cannot list `{place}`: {reason}")]
    Denied {
        /// `s3://bucket/prefix`.
        place: String,
        /// What the service says.
        reason: String,
    },
    /// Public keys that this caller may not ask for.
    #[error("cannot ask `{place}` for public keys: {reason}")]
    KeysDenied {
        /// The endpoint.
        place: String,
        /// What the service says.
        reason: String,
    },
    /// An address of a queue that is written wrongly.
    #[error("cannot understand queue `{text}`: {reason}")]
    BadQueue {
        /// As given.
        text: String,
        /// Why not.
        reason: &'static str,
    },
    /// A queue that this caller may not use.
    #[error("cannot use the queue at `{place}`: {reason}")]
    QueueDenied {
        /// The endpoint.
        place: String,
        /// What the service says.
        reason: String,
    },
    /// No credentials, or none that work.
    #[error("no AWS credentials: {reason}")]
    Credentials {
        /// What the credential chain says.
        reason: String,
    },
    /// A service that does not answer, or only with errors.
    #[error("cannot reach `{place}`: {reason}")]
    Unreachable {
        /// `s3://bucket/prefix`.
        place: String,
        /// What the network or the service says.
        reason: String,
    },
    /// The program cannot start what it needs.
    #[error("cannot start the reader: {0}")]
    Start(io::Error),
}

impl SourceError {
    /// Stable name of the kind of error.
    pub fn kind(&self) -> &'static str {
        match self {
            SourceError::BadLocation { .. } => "bad-location",
            SourceError::Path { source, .. } if source.kind() == io::ErrorKind::NotFound => "not-found",
            SourceError::Path { .. } => "unreadable",
            SourceError::TooManyObjects { .. } => "too-many-objects",
            SourceError::NoBucket { .. } => "not-found",
            SourceError::Denied { .. } | SourceError::KeysDenied { .. } | SourceError::QueueDenied { .. } => {
                "access-denied"
            }
            SourceError::BadQueue { .. } => "bad-queue",
            SourceError::Credentials { .. } => "no-credentials",
            SourceError::Unreachable { .. } => "unreachable",
            SourceError::Start(_) => "start",
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            SourceError::BadLocation { .. } => {
                Some("a source is a path, `-` for standard input, or `s3://bucket/prefix`".into())
            }
            SourceError::Path { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Some("check the path; S3 sources start with `s3://`".into()),
                io::ErrorKind::PermissionDenied => Some("the user needs the right to read it".into()),
                _ => None,
            },
            SourceError::TooManyObjects { .. } => {
                Some("name a narrower prefix, or bound account, region and time".into())
            }
            SourceError::NoBucket { .. } => {
                Some("check the name, and that `--endpoint-url` is the right one if given".into())
            }
            SourceError::Denied { place, .. } => {
                let bucket = place.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
                let bucket = bucket.unwrap_or(place);
                Some(format!("the role needs s3:ListBucket on `{bucket}` and s3:GetObject on `{bucket}/*`"))
            }
            SourceError::KeysDenied { .. } => Some("the role needs cloudtrail:ListPublicKeys on `*`".into()),
            SourceError::BadQueue { .. } => {
                Some("the queue's URL is what `aws sqs get-queue-url` answers".into())
            }
            SourceError::QueueDenied { .. } => {
                Some("the role needs sqs:ReceiveMessage and sqs:DeleteMessage on the queue to read it, sqs:SendMessage to write to it".into())
            }
            SourceError::Credentials { .. } => Some(
                "sign in (`aws sso login`), name a profile, or set `AWS_ACCESS_KEY_ID` and its companions"
                    .into(),
            ),
            SourceError::Unreachable { .. } => Some("check the network, the Region and the endpoint".into()),
            SourceError::Start(_) => None,
        }
    }
}
