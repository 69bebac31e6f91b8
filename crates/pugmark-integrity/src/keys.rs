//! Public keys: what a signature is checked with, and where each came from.
//!
//! `CloudTrail` signs with keys of each Region and serves their public halves
//! through `ListPublicKeys`; there are no certificates. Whoever verifies
//! offline keeps them: as that answer, as PEM or DER, or in a key file, which
//! is what [`PublicKeys::to_key_file`] writes.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md_5::{Digest as _, Md5};
use pugmark_event::{format_time, parse_time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::der;
use crate::hex;

/// Bits of the modulus of a key, at most.
pub(crate) const KEY_BITS_MAX: usize = 8_192;

/// Bytes of the modulus of a key, at least.
const KEY_BYTES_MIN: usize = 256;

/// One public key.
#[derive(Clone)]
pub struct PublicKey {
    /// PKCS#1 `RSAPublicKey`, DER.
    pub der: Vec<u8>,
    /// MD5 of that, 32 hexadecimal digits: what digests call the key.
    pub fingerprint: String,
    /// First instant of its validity, microseconds since 1970 (UTC), if known.
    pub since: Option<i64>,
    /// Last instant of its validity, if known.
    pub until: Option<i64>,
    /// Region whose digests it signs, if known.
    pub region: Option<String>,
    /// Where it came from, for people.
    pub origin: String,
    parsed: ParsedPublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} from {})", self.fingerprint, self.origin)
    }
}

impl PublicKey {
    /// A key of 2,048 bits or more from PKCS#1 DER.
    ///
    /// # Errors
    /// If it is no such key.
    pub fn from_der(der: &[u8], origin: &str) -> Result<PublicKey, KeyFault> {
        let fault = |reason| KeyFault { origin: origin.to_owned(), reason };
        match der::modulus_bytes(der) {
            None => return Err(fault(KeyReason::NotAKey)),
            Some(bytes) if (KEY_BYTES_MIN..=KEY_BITS_MAX / 8).contains(&bytes) => {}
            Some(_) => return Err(fault(KeyReason::NotUsable)),
        }
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
        Ok(PublicKey {
            der: der.to_owned(),
            fingerprint: fingerprint(der),
            since: None,
            until: None,
            region: None,
            origin: origin.to_owned(),
            parsed: parsed.map_err(|_| fault(KeyReason::NotUsable))?,
        })
    }

    /// The same key, known to sign digests of `region` only.
    #[must_use]
    pub fn of_region(mut self, region: &str) -> PublicKey {
        self.region = Some(region.to_owned());
        self
    }

    /// True if `signature` (RSASSA-PKCS1-v1_5 with SHA-256) is of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    /// True unless the key is known to be of another time or Region.
    pub fn fits(&self, time: i64, region: &str) -> bool {
        self.since.is_none_or(|since| since <= time)
            && self.until.is_none_or(|until| time <= until)
            && self.region.as_deref().is_none_or(|own| own == region)
    }
}

/// What digests call a key: the MD5 of its PKCS#1 DER.
pub fn fingerprint(der: &[u8]) -> String {
    hex::encode(&Md5::digest(der))
}

/// Why something is no public key, and which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use public key of `{origin}`: {reason}")]
pub struct KeyFault {
    /// Where it came from.
    pub origin: String,
    /// Why.
    pub reason: KeyReason,
}

/// Why something is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyReason {
    /// Neither JSON, PEM nor DER.
    #[error("it is neither JSON as `ListPublicKeys` answers, nor PEM, nor DER")]
    Unknown,
    /// JSON of another shape.
    #[error("{0}")]
    Json(String),
    /// Not base64 where it must be.
    #[error("the value is not base64")]
    Base64,
    /// Not an RSA public key.
    #[error("it is no RSA public key in PKCS#1 or SubjectPublicKeyInfo form")]
    NotAKey,
    /// Too short, or with parts that make no key.
    #[error("it is no RSA key of 2,048 to 8,192 bits")]
    NotUsable,
    /// The stated fingerprint is another key's.
    #[error("its fingerprint is `{0}`, not the stated one")]
    Fingerprint(String),
    /// A time that cannot be read.
    #[error("{0} is not a time")]
    Time(String),
}

/// Keys by fingerprint.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys {
    keys: BTreeMap<String, Vec<PublicKey>>,
}

impl PublicKeys {
    /// Adds the keys in `bytes`: JSON as `aws cloudtrail list-public-keys`
    /// prints it, a key file, PEM (one or more) or DER, the latter two as
    /// PKCS#1 or `SubjectPublicKeyInfo`. Answers how many there were.
    ///
    /// # Errors
    /// If one of them is not a key; none is added then.
    pub fn add(&mut self, bytes: &[u8], origin: &str) -> Result<usize, KeyFault> {
        let fault = |reason| KeyFault { origin: origin.to_owned(), reason };
        let text = std::str::from_utf8(bytes).map(str::trim_start).unwrap_or_default();
        let found = if text.starts_with(['{', '[']) {
            let listed: Listed =
                serde_json::from_str(text).map_err(|error| fault(KeyReason::Json(error.to_string())))?;
            listed.keys(origin)?
        } else if text.contains("-----BEGIN ") {
            pem(text, origin)?
        } else if let Some(der) = der::rsa_public_key(bytes) {
            vec![PublicKey::from_der(der, origin)?]
        } else {
            return Err(fault(KeyReason::Unknown));
        };
        let count = found.len();
        for key in found {
            self.insert(key);
        }
        Ok(count)
    }

    /// Adds one key. The same key twice is one, if both say the same of it.
    pub fn insert(&mut self, key: PublicKey) {
        let same = self.keys.entry(key.fingerprint.clone()).or_default();
        let says = |key: &PublicKey| (key.since, key.until, key.region.clone());
        if !same.iter().any(|known| known.der == key.der && says(known) == says(&key)) {
            same.push(key);
        }
    }

    /// The keys that a digest of this fingerprint may be signed with.
    pub fn get(&self, fingerprint: &str) -> &[PublicKey] {
        self.keys.get(fingerprint).map_or(&[], Vec::as_slice)
    }

    /// All keys, by fingerprint.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values().flatten()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes over the keys of `other`.
    pub fn extend(&mut self, other: PublicKeys) {
        for key in other.keys.into_values().flatten() {
            self.insert(key);
        }
    }

    /// The text of a key file: JSON with every key, what is known of it and
    /// where it came from. [`PublicKeys::add`] reads it back.
    pub fn to_key_file(&self) -> String {
        let key = |key: &PublicKey| ListedKey {
            value: STANDARD.encode(&key.der),
            fingerprint: Some(key.fingerprint.clone()),
            since: key.since.map(|time| Value::from(format_time(time))),
            until: key.until.map(|time| Value::from(format_time(time))),
            region: key.region.clone(),
            origin: Some(key.origin.clone()),
        };
        let listed = Listed { v: Some(1), keys: self.iter().map(key).collect() };
        let mut text = serde_json::to_string_pretty(&listed).expect("strings and numbers are JSON");
        text.push('\n');
        text
    }
}

/// `ListPublicKeys`' answer, or a key file, whose keys say more.
#[derive(Serialize, Deserialize)]
struct Listed {
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    #[serde(rename = "PublicKeyList")]
    keys: Vec<ListedKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedKey {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(rename = "ValidityStartTime", skip_serializing_if = "Option::is_none")]
    since: Option<Value>,
    #[serde(rename = "ValidityEndTime", skip_serializing_if = "Option::is_none")]
    until: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

/// An instant: seconds since 1970, as the API sends them, or text, as the AWS
/// CLI prints it.
fn micros(moment: &Value) -> Result<i64, KeyReason> {
    let wrong = || KeyReason::Time(moment.to_string());
    match moment {
        Value::String(text) => parse_time(text.as_bytes()).ok_or_else(wrong),
        Value::Number(seconds) => match seconds.as_f64() {
            Some(seconds) if seconds.abs() < 1e12 => Ok((seconds * 1e6) as i64),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

impl Listed {
    fn keys(self, origin: &str) -> Result<Vec<PublicKey>, KeyFault> {
        self.keys.into_iter().map(|key| key.check(origin)).collect()
    }
}

impl ListedKey {
    fn check(self, origin: &str) -> Result<PublicKey, KeyFault> {
        let fault = |reason| KeyFault { origin: origin.to_owned(), reason };
        let der = STANDARD.decode(self.value.trim()).map_err(|_| fault(KeyReason::Base64))?;
        let mut key = PublicKey::from_der(&der, origin)?;
        if self.fingerprint.is_some_and(|stated| stated != key.fingerprint) {
            return Err(fault(KeyReason::Fingerprint(key.fingerprint)));
        }
        key.since = self.since.as_ref().map(micros).transpose().map_err(fault)?;
        key.until = self.until.as_ref().map(micros).transpose().map_err(fault)?;
        key.region = self.region;
        if let Some(origin) = self.origin {
            key.origin = origin;
        }
        Ok(key)
    }
}

/// Every `PUBLIC KEY` block of a PEM file.
fn pem(text: &str, origin: &str) -> Result<Vec<PublicKey>, KeyFault> {
    let fault = |reason| KeyFault { origin: origin.to_owned(), reason };
    let mut keys = Vec::new();
    for (label, bytes) in der::pem_blocks(text).ok_or_else(|| fault(KeyReason::Base64))? {
        let der = if label.ends_with("PUBLIC KEY") { der::rsa_public_key(&bytes) } else { None };
        keys.push(PublicKey::from_der(der.ok_or_else(|| fault(KeyReason::NotAKey))?, origin)?);
    }
    if keys.is_empty() { Err(fault(KeyReason::NotAKey)) } else { Ok(keys) }
}
