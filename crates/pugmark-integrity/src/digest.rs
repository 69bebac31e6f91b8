//! A digest file's content, read strictly.
//!
//! Source: AWS `CloudTrail` User Guide, "`CloudTrail` digest file structure".
//! Everything that the page says is required: members present, times to the
//! second in UTC, hashes in lower-case hexadecimal, the five `previous…`
//! members all given or all null. A digest that reads differently is
//! malformed, whatever its signature says: a lenient reader and `CloudTrail`
//! could otherwise understand two different things under one signature.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use pugmark_event::{format_time, is_account, parse_time};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::hex;

/// Uncompressed bytes of one digest. A digest of the busiest hours has some
/// ten thousand log files of about 400 bytes each.
pub const DIGEST_BYTES_MAX: usize = 64 << 20;

/// Log files of one digest.
pub const DIGEST_FILES_MAX: usize = 150_000;

/// The one algorithm that digests are signed with.
pub const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";

/// The one algorithm that files are hashed with.
pub const HASH_ALGORITHM: &str = "SHA-256";

/// Where an object stood in S3 when it was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct S3Place {
    /// Bucket.
    pub bucket: Arc<str>,
    /// Key.
    pub key: Box<str>,
}

impl S3Place {
    /// The last part of the key.
    pub fn file_name(&self) -> &str {
        file_name(&self.key)
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// What stands after the last slash, or after the mark of an archive's member.
pub(crate) fn file_name(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.rsplit('!').next().unwrap_or(name)
}

/// One digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Account whose log files it lists, 12 digits.
    pub account: String,
    /// Start of the window of delivery times, microseconds since 1970 (UTC).
    pub start: i64,
    /// End of that window, excluded.
    pub end: i64,
    /// Where it was delivered.
    pub place: S3Place,
    /// Names the key that it is signed with: 32 hexadecimal digits.
    pub fingerprint: String,
    /// Time of the newest event in all listed files.
    pub newest_event: Option<i64>,
    /// Time of the oldest event in all listed files.
    pub oldest_event: Option<i64>,
    /// The digest before; none in the first after validation or logging was
    /// switched on.
    pub previous: Option<Previous>,
    /// The log files delivered in the window.
    pub files: Vec<ListedFile>,
}

/// What a digest says of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Where that was delivered.
    pub place: S3Place,
    /// SHA-256 of its uncompressed bytes.
    pub sha256: [u8; 32],
    /// Its signature.
    pub signature: Vec<u8>,
}

/// What a digest says of one log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Where it was delivered.
    pub place: S3Place,
    /// SHA-256 of its uncompressed bytes.
    pub sha256: [u8; 32],
    /// Time of its newest event.
    pub newest_event: Option<i64>,
    /// Time of its oldest event.
    pub oldest_event: Option<i64>,
}

/// Why bytes are no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestFault {
    /// More bytes than [`DIGEST_BYTES_MAX`].
    #[error("more than {DIGEST_BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON, a member twice or of another type, or a required one missing.
    #[error("{0}")]
    Json(String),
    /// A member whose value is not what it must be.
    #[error("`{member}` {reason}")]
    Member {
        /// Name of the member.
        member: &'static str,
        /// What it is not.
        reason: &'static str,
    },
}

impl Digest {
    /// Reads the uncompressed bytes of a digest file.
    ///
    /// # Errors
    /// If they are not exactly what the format says.
    pub fn parse(bytes: &[u8]) -> Result<Digest, DigestFault> {
        if bytes.len() > DIGEST_BYTES_MAX {
            return Err(DigestFault::TooLarge);
        }
        let raw: RawDigest<'_> =
            serde_json::from_slice(bytes).map_err(|error| DigestFault::Json(error.to_string()))?;
        raw.check()
    }

    /// The text whose signature proves the digest, given the SHA-256 of its
    /// uncompressed bytes.
    ///
    /// Source: AWS `CloudTrail` User Guide, "Custom implementations of
    /// `CloudTrail` log file integrity validation".
    pub fn signed_text(&self, sha256: &[u8; 32]) -> String {
        let previous = self.previous.as_ref().map_or("null".to_owned(), |p| hex::encode(&p.signature));
        let S3Place { bucket, key } = &self.place;
        format!("{}\n{bucket}/{key}\n{}\n{previous}", format_time(self.end), hex::encode(sha256))
    }
}

/// The members as they are written. serde refuses a member that stands twice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDigest<'a> {
    #[serde(borrow)]
    aws_account_id: Cow<'a, str>,
    #[serde(borrow)]
    digest_start_time: Cow<'a, str>,
    #[serde(borrow)]
    digest_end_time: Cow<'a, str>,
    #[serde(borrow)]
    digest_s3_bucket: Cow<'a, str>,
    #[serde(borrow)]
    digest_s3_object: Cow<'a, str>,
    #[serde(borrow)]
    digest_public_key_fingerprint: Cow<'a, str>,
    #[serde(borrow)]
    digest_signature_algorithm: Cow<'a, str>,
    #[serde(borrow)]
    newest_event_time: Present<'a>,
    #[serde(borrow)]
    oldest_event_time: Present<'a>,
    #[serde(borrow)]
    previous_digest_s3_bucket: Present<'a>,
    #[serde(borrow)]
    previous_digest_s3_object: Present<'a>,
    #[serde(borrow)]
    previous_digest_hash_value: Present<'a>,
    #[serde(borrow)]
    previous_digest_hash_algorithm: Present<'a>,
    #[serde(borrow)]
    previous_digest_signature: Present<'a>,
    #[serde(borrow)]
    log_files: Files<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile<'a> {
    #[serde(borrow)]
    s3_bucket: Cow<'a, str>,
    #[serde(borrow)]
    s3_object: Cow<'a, str>,
    #[serde(borrow)]
    hash_value: Cow<'a, str>,
    #[serde(borrow)]
    hash_algorithm: Cow<'a, str>,
    #[serde(borrow)]
    newest_event_time: Present<'a>,
    #[serde(borrow)]
    oldest_event_time: Present<'a>,
}

/// A member that must be there but may be null; an `Option` may be missing.
struct Present<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Present<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Present<'a>, D::Error> {
        struct TextOrNull<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for TextOrNull<'a> {
            type Value = Present<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Present<'a>, E> {
                Ok(Present(None))
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Present<'a>, E> {
                Ok(Present(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Present<'a>, E> {
                Ok(Present(Some(Cow::Owned(text.to_owned()))))
            }
        }
        // Not `deserialize_option`: that takes a missing member for a null.
        deserializer.deserialize_any(TextOrNull(PhantomData))
    }
}

/// The log files, at most [`DIGEST_FILES_MAX`] of them.
struct Files<'a>(Vec<RawFile<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Files<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Files<'a>, D::Error> {
        struct Bounded<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Bounded<'a> {
            type Value = Files<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of log files")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut files: A) -> Result<Files<'a>, A::Error> {
                let mut all = Vec::new();
                while let Some(file) = files.next_element()? {
                    if all.len() == DIGEST_FILES_MAX {
                        return Err(<A::Error as de::Error>::custom(format!(
                            "more than {DIGEST_FILES_MAX} log files"
                        )));
                    }
                    all.push(file);
                }
                Ok(Files(all))
            }
        }
        deserializer.deserialize_seq(Bounded(PhantomData))
    }
}

impl RawDigest<'_> {
    fn check(self) -> Result<Digest, DigestFault> {
        let member = |member, reason| DigestFault::Member { member, reason };
        if !is_account(&self.aws_account_id) {
            return Err(member("awsAccountId", "is not 12 digits"));
        }
        let start = time("digestStartTime", &self.digest_start_time)?;
        let end = time("digestEndTime", &self.digest_end_time)?;
        if start >= end {
            return Err(member("digestEndTime", "is not after the start"));
        }
        let fingerprint = self.digest_public_key_fingerprint.into_owned();
        if fingerprint.len() != 32 || hex::decode(&fingerprint).is_none() {
            return Err(member("digestPublicKeyFingerprint", "is not 32 hexadecimal digits"));
        }
        if self.digest_signature_algorithm != SIGNATURE_ALGORITHM {
            return Err(member("digestSignatureAlgorithm", "is not `SHA256withRSA`"));
        }
        let place = place(self.digest_s3_bucket, self.digest_s3_object, None);
        let mut bucket = place.bucket.clone();
        let files = self.log_files.0.into_iter().map(|file| file.check(&mut bucket));
        Ok(Digest {
            account: self.aws_account_id.into_owned(),
            start,
            end,
            fingerprint,
            newest_event: optional_time("newestEventTime", &self.newest_event_time)?,
            oldest_event: optional_time("oldestEventTime", &self.oldest_event_time)?,
            previous: previous(
                [
                    self.previous_digest_s3_bucket,
                    self.previous_digest_s3_object,
                    self.previous_digest_hash_value,
                    self.previous_digest_hash_algorithm,
                    self.previous_digest_signature,
                ],
                &place.bucket,
            )?,
            files: files.collect::<Result<_, _>>()?,
            place,
        })
    }
}

impl RawFile<'_> {
    /// `bucket` is the last one seen, which is nearly always this one too.
    fn check(self, bucket: &mut Arc<str>) -> Result<ListedFile, DigestFault> {
        let member = |member, reason| DigestFault::Member { member, reason };
        if self.hash_algorithm != HASH_ALGORITHM {
            return Err(member("hashAlgorithm", "is not `SHA-256`"));
        }
        let sha256 = hex::decode_hash(&self.hash_value);
        let place = place(self.s3_bucket, self.s3_object, Some(bucket));
        *bucket = place.bucket.clone();
        Ok(ListedFile {
            place,
            sha256: sha256.ok_or(member("hashValue", "is not 64 hexadecimal digits in lower case"))?,
            newest_event: optional_time("newestEventTime", &self.newest_event_time)?,
            oldest_event: optional_time("oldestEventTime", &self.oldest_event_time)?,
        })
    }
}

fn place(bucket: Cow<'_, str>, key: Cow<'_, str>, known: Option<&Arc<str>>) -> S3Place {
    let bucket = match known {
        Some(known) if **known == *bucket => known.clone(),
        _ => Arc::from(bucket),
    };
    S3Place { bucket, key: key.into() }
}

fn previous(members: [Present<'_>; 5], known: &Arc<str>) -> Result<Option<Previous>, DigestFault> {
    let member = |member, reason| DigestFault::Member { member, reason };
    let (bucket, key, hash, algorithm, signature) = match members.map(|member| member.0) {
        [None, None, None, None, None] => return Ok(None),
        [Some(bucket), Some(key), Some(hash), Some(algorithm), Some(signature)] => {
            (bucket, key, hash, algorithm, signature)
        }
        _ => return Err(member("previousDigestS3Object", "and its companions are null in part")),
    };
    if algorithm != HASH_ALGORITHM {
        return Err(member("previousDigestHashAlgorithm", "is not `SHA-256`"));
    }
    let not_hex = "is not hexadecimal in lower case";
    Ok(Some(Previous {
        place: place(bucket, key, Some(known)),
        sha256: hex::decode_hash(&hash).ok_or(member("previousDigestHashValue", not_hex))?,
        signature: hex::decode(&signature).ok_or(member("previousDigestSignature", not_hex))?,
    }))
}

/// `YYYY-MM-DDThh:mm:ssZ` and nothing else: what is signed is this very text.
fn time(member: &'static str, text: &str) -> Result<i64, DigestFault> {
    parse_time(text.as_bytes())
        .filter(|time| format_time(*time) == text)
        .ok_or(DigestFault::Member { member, reason: "is not a time as `2026-01-15T10:00:00Z`" })
}

/// Event times are not checked to the letter: nothing rests on their form.
fn optional_time(member: &'static str, text: &Present<'_>) -> Result<Option<i64>, DigestFault> {
    let Some(text) = &text.0 else { return Ok(None) };
    let time = parse_time(text.as_bytes());
    time.map(Some).ok_or(DigestFault::Member { member, reason: "is not a time" })
}
