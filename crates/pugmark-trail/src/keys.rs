//! Keys that sign digests: when each is valid, where its private half lies.
//!
//! Public halves are kept for ever, as digests are to be validated for years.
//! A private half is a file of its own, readable by its owner alone.
//!
//! Source: AWS `CloudTrail` API Reference, `ListPublicKeys`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pugmark_integrity::{KeyFault, Signer};
use serde::{Deserialize, Serialize};

use crate::disk::Disk;

const HOUR: i64 = 3_600_000_000;
/// How long a new key signs: 30 days, as the keys in the documentation do.
const VALID: i64 = 30 * 24 * HOUR;
/// A digest ends at least this long before its key does, and after it began.
const MARGIN: i64 = 2 * HOUR;

/// A public key, as `ListPublicKeys` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Region whose digests it signs.
    pub region: String,
    /// MD5 of `value`, in hexadecimal.
    pub fingerprint: String,
    /// PKCS#1 `RSAPublicKey`, DER, in base64.
    pub value: String,
    /// Valid from, microseconds since 1970 (UTC).
    pub since: i64,
    /// Valid until.
    pub until: i64,
}

impl KeyRecord {
    /// True if it may sign a digest ending at `end`.
    pub(crate) fn fits(&self, end: i64) -> bool {
        self.since + MARGIN / 2 <= end && end + MARGIN <= self.until
    }
}

/// All keys there ever were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecords {
    keys: BTreeMap<String, Vec<KeyRecord>>,
}

impl KeyRecords {
    pub(crate) fn insert(&mut self, key: KeyRecord) {
        let keys = self.keys.entry(key.region.clone()).or_default();
        if !keys.iter().any(|other| other.fingerprint == key.fingerprint && other.since == key.since) {
            keys.push(key);
        }
    }

    /// The key that signs a digest ending at `end`: the newest that fits.
    pub fn for_digest(&self, region: &str, end: i64) -> Option<&KeyRecord> {
        self.keys.get(region)?.iter().rev().find(|key| key.fits(end))
    }

    /// The keys of a Region whose validity meets a range.
    pub fn meeting(&self, region: &str, since: i64, until: i64) -> Vec<&KeyRecord> {
        let keys = self.keys.get(region).into_iter().flatten();
        keys.filter(|key| key.since <= until && since <= key.until).collect()
    }
}

/// Where new private keys come from.
pub trait Signers: Send + Sync {
    /// A key for a Region.
    ///
    /// # Errors
    /// If there is none to be had.
    fn make(&self, region: &str) -> Result<Signer, KeyFault>;

    /// Whether `make` gives the same key again after a restart: then none of it is put on the disk.
    fn is_lasting(&self) -> bool {
        false
    }
}

/// Makes a key of its own for each Region and each month.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewSigners;

impl Signers for NewSigners {
    fn make(&self, _region: &str) -> Result<Signer, KeyFault> {
        Signer::generate()
    }
}

/// Always the same key, as somebody gave it: PEM, PKCS#8 or PKCS#1.
pub struct GivenSigner(pub String);

impl Signers for GivenSigner {
    fn make(&self, _region: &str) -> Result<Signer, KeyFault> {
        Signer::from_pem(&self.0, "the given key")
    }

    fn is_lasting(&self) -> bool {
        true
    }
}

/// Private keys on the disk, and those that were read.
pub(crate) struct KeyFolder {
    disk: Arc<dyn Disk>,
    read: BTreeMap<String, Arc<Signer>>,
}

impl KeyFolder {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> KeyFolder {
        KeyFolder { disk, read: BTreeMap::new() }
    }

    /// A new key, its private half durable: what is to be written down of it.
    pub(crate) fn make(&mut self, signers: &dyn Signers, region: &str, end: i64) -> io::Result<KeyRecord> {
        let signer = signers.make(region).map_err(io::Error::other)?;
        let public = signer.public_key("a new key").map_err(io::Error::other)?;
        let fingerprint = signer.fingerprint().to_owned();
        if !signers.is_lasting() {
            self.disk.replace(&path(&fingerprint), signer.to_pem().map_err(io::Error::other)?.as_bytes())?;
        }
        self.read.insert(fingerprint.clone(), Arc::new(signer));
        let since = end - MARGIN / 2;
        let value = STANDARD.encode(&*public.der);
        Ok(KeyRecord { region: region.to_owned(), fingerprint, value, since, until: since + VALID })
    }

    /// The private half of a key that was made or given here.
    pub(crate) fn signer(&mut self, signers: &dyn Signers, fingerprint: &str) -> io::Result<Arc<Signer>> {
        if let Some(signer) = self.read.get(fingerprint) {
            return Ok(signer.clone());
        }
        let given = if signers.is_lasting() { signers.make("").ok() } else { None };
        let signer = if let Some(given) = given.filter(|given| given.fingerprint() == fingerprint) {
            Arc::new(given)
        } else {
            let path = path(fingerprint);
            let lost = |error: io::Error| {
                let text = format!("the key `{fingerprint}`, with which a digest is to be signed: {error}");
                io::Error::new(error.kind(), text)
            };
            let text = String::from_utf8(self.disk.read(&path).map_err(lost)?).map_err(io::Error::other)?;
            Arc::new(Signer::from_pem(&text, &path).map_err(io::Error::other)?)
        };
        self.read.insert(fingerprint.to_owned(), signer.clone());
        Ok(signer)
    }
}

fn path(fingerprint: &str) -> String {
    format!("keys/{fingerprint}.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fingerprint: &str, since: i64) -> KeyRecord {
        let (region, value) = ("eu-west-1".to_owned(), String::new());
        KeyRecord { region, fingerprint: fingerprint.to_owned(), value, since, until: since + VALID }
    }

    #[test]
    fn the_newest_key_signs_that_is_valid_around_the_end_of_the_digest() {
        let mut keys = KeyRecords::default();
        keys.insert(key("a", 0));
        keys.insert(key("b", VALID - 3 * HOUR));
        let at = |end| keys.for_digest("eu-west-1", end).map(|key| key.fingerprint.as_str());
        assert_eq!(at(0), None);
        assert_eq!(at(HOUR), Some("a"));
        assert_eq!(at(VALID - 3 * HOUR), Some("a"));
        assert_eq!(at(VALID - 2 * HOUR), Some("b"));
        assert_eq!(at(3 * VALID), None);
        assert_eq!(keys.for_digest("us-east-1", HOUR), None);
    }

    #[test]
    fn a_question_meets_every_key_that_was_valid_at_some_time_of_it() {
        let mut keys = KeyRecords::default();
        keys.insert(key("a", 0));
        keys.insert(key("b", VALID - HOUR));
        assert_eq!(keys.meeting("eu-west-1", 0, HOUR).len(), 1);
        assert_eq!(keys.meeting("eu-west-1", HOUR, VALID).len(), 2);
        assert!(keys.meeting("eu-west-1", 3 * VALID, 4 * VALID).is_empty());
    }

    #[test]
    fn a_key_that_was_given_is_not_put_on_the_disk_and_signs_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let given = GivenSigner(Signer::generate().unwrap().to_pem().unwrap());
        let open = || KeyFolder::new(Arc::new(crate::disk::LocalDisk::open(folder.path()).unwrap()));
        let key = open().make(&given, "eu-west-1", HOUR).unwrap();
        assert!(!folder.path().join("keys").exists());
        assert_eq!(open().signer(&given, &key.fingerprint).unwrap().fingerprint(), key.fingerprint);
        let error = open().signer(&NewSigners, &key.fingerprint).err().unwrap().to_string();
        assert!(error.contains(&key.fingerprint), "{error}");
    }
}
