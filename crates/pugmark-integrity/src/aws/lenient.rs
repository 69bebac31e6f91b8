//! A digest as the AWS CLI reads it: the last of two members counts, and what
//! it does not look at may be missing.

use std::borrow::Cow;
use std::sync::Arc;

use pugmark_event::{format_time, parse_time};
use serde_json::Value;

use crate::digest::{Digest, S3Place};
use crate::gather::DigestFile;
use crate::hex;

/// What the AWS CLI looks at.
pub(crate) struct LenientDigest<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) key: Cow<'a, str>,
    pub(crate) fingerprint: Cow<'a, str>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) previous: Option<S3Place>,
    end_text: String,
    previous_signature: Option<String>,
    files: Files<'a>,
}

enum Files<'a> {
    Strict(&'a Digest),
    Lenient(Vec<Value>),
}

/// One log file.
pub(crate) struct LenientFile<'f> {
    pub(crate) bucket: &'f str,
    pub(crate) key: &'f str,
    /// Nothing that any hash equals, if it is not written in lower case.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// Why it is no digest even so.
pub(crate) enum Fault {
    NotJson,
    Member,
}

impl<'a> LenientDigest<'a> {
    pub(crate) fn read(file: &'a DigestFile) -> Result<LenientDigest<'a>, Fault> {
        if let Ok(digest) = &file.digest {
            return Ok(LenientDigest::of(digest));
        }
        // Only the first member is inflated.
        let end = file.content.wrapping.first_member.map_or(usize::MAX, |end| end as usize);
        let bytes = &file.malformed[..file.malformed.len().min(end)];
        let value: Value = serde_json::from_slice(bytes).map_err(|_| Fault::NotJson)?;
        LenientDigest::of_value(&value).ok_or(Fault::Member)
    }

    fn of(digest: &'a Arc<Digest>) -> LenientDigest<'a> {
        LenientDigest {
            bucket: Cow::Borrowed(&digest.place.bucket),
            key: Cow::Borrowed(&digest.place.key),
            fingerprint: Cow::Borrowed(&digest.fingerprint),
            start: digest.start,
            end: digest.end,
            previous: digest.previous.as_ref().map(|previous| previous.place.clone()),
            end_text: format_time(digest.end),
            previous_signature: digest.previous.as_ref().map(|previous| hex::encode(&previous.signature)),
            files: Files::Strict(digest),
        }
    }

    fn of_value(value: &Value) -> Option<LenientDigest<'a>> {
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let end_text = text("digestEndTime")?;
        let previous = text("previousDigestS3Bucket").zip(text("previousDigestS3Object"));
        Some(LenientDigest {
            bucket: text("digestS3Bucket")?.into(),
            key: text("digestS3Object")?.into(),
            fingerprint: text("digestPublicKeyFingerprint")?.into(),
            start: parse_time(text("digestStartTime")?.as_bytes())?,
            end: parse_time(end_text.as_bytes())?,
            previous: previous.map(|(bucket, key)| S3Place { bucket: bucket.into(), key: key.into() }),
            end_text,
            previous_signature: match value.get("previousDigestSignature")? {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            },
            files: Files::Lenient(
                value.get("logFiles").and_then(Value::as_array).cloned().unwrap_or_default(),
            ),
        })
    }

    /// What is signed.
    pub(crate) fn signed_text(&self, sha256: &[u8; 32]) -> String {
        let LenientDigest { bucket, key, end_text, .. } = self;
        let previous = self.previous_signature.as_deref().unwrap_or("null");
        format!("{end_text}\n{bucket}/{key}\n{}\n{previous}", hex::encode(sha256))
    }

    pub(crate) fn for_each_file(&self, mut each: impl FnMut(LenientFile<'_>)) {
        match &self.files {
            Files::Strict(digest) => {
                for file in &digest.files {
                    let S3Place { bucket, key } = &file.place;
                    each(LenientFile { bucket, key, sha256: Some(file.sha256) });
                }
            }
            Files::Lenient(files) => {
                for file in files {
                    let text = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
                    let sha256 = hex::decode_hash(text("hashValue"));
                    each(LenientFile { bucket: text("s3Bucket"), key: text("s3Object"), sha256 });
                }
            }
        }
    }
}
