//! Where objects are looked for, as a person writes it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::SourceError;

/// Where objects are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// A file or a directory with all that is below it.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// The objects of a bucket whose keys start with a prefix.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Start of the keys, without a leading slash; empty for all.
        prefix: String,
    },
}

impl Location {
    /// Reads `-`, `s3://bucket/prefix` or a path.
    pub fn parse(text: &str) -> Result<Location, SourceError> {
        let bad = |reason| SourceError::BadLocation { text: text.to_owned(), reason };
        if text == "-" {
            return Ok(Location::Stdin);
        }
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Location::Path(PathBuf::from(text)));
        };
        if scheme.eq_ignore_ascii_case("file") {
            return Ok(Location::Path(PathBuf::from(rest)));
        }
        if !scheme.eq_ignore_ascii_case("s3") {
            let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            return if is_scheme && !scheme.is_empty() {
                Err(bad("only `s3://` is known"))
            } else {
                Ok(Location::Path(PathBuf::from(text)))
            };
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket = (3..=255).contains(&bucket.len())
            && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_bucket {
            return Err(bad("the bucket name is not one"));
        }
        Ok(Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl FromStr for Location {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Location, SourceError> {
        Location::parse(text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Path(path) => path.display().fmt(f),
            Location::Stdin => f.write_str("-"),
            Location::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_displayed_as_it_was_written() {
        for text in ["-", "logs", "/var/logs/a b", "s3://trail-logs/", "s3://trail-logs/audit/AWSLogs/"] {
            assert_eq!(Location::parse(text).expect("a location").to_string(), text);
        }
        assert_eq!(Location::parse("s3://trail-logs").expect("a bucket").to_string(), "s3://trail-logs/");
    }

    #[test]
    fn a_wrong_bucket_or_scheme_is_refused_with_a_hint() {
        for text in ["", "s3://", "s3:///key", "s3://a b/c", "https://example.com/x", "gs://bucket/x"] {
            let error = Location::parse(text).expect_err(text);
            assert_eq!(error.kind(), "bad-location");
            assert!(error.hint().is_some());
        }
    }
}
