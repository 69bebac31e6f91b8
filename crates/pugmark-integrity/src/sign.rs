//! The other half: digests as a trail writes them.
//!
//! The trail server signs with it, and tests make their chains with it.
//! Source: the same pages that verification follows.

use std::fmt::Write as _;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pugmark_event::format_time;

use crate::der;
use crate::digest::{Digest, HASH_ALGORITHM, Previous, SIGNATURE_ALGORITHM};
use crate::hex;
use crate::keys::{KeyFault, KeyReason, PublicKey, fingerprint};
use crate::sha256;

/// Signs digests with one key of one Region.
pub struct Signer {
    pair: KeyPair,
    fingerprint: String,
}

/// A digest that is ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDigest {
    /// The uncompressed bytes; to be stored as one gzip member.
    pub bytes: Vec<u8>,
    /// SHA-256 of these.
    pub sha256: [u8; 32],
    /// The signature; in the metadata it stands in lower-case hexadecimal.
    pub signature: Vec<u8>,
}

impl SignedDigest {
    /// The user metadata that the object must have.
    pub fn metadata(&self) -> [(&'static str, String); 2] {
        [("signature", hex::encode(&self.signature)), ("signature-algorithm", SIGNATURE_ALGORITHM.to_owned())]
    }

    /// What the next digest says of this one, which was put at `digest.place`.
    pub fn as_previous(&self, digest: &Digest) -> Previous {
        Previous { place: digest.place.clone(), sha256: self.sha256, signature: self.signature.clone() }
    }
}

impl Signer {
    /// A new key of 2,048 bits.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn generate() -> Result<Signer, KeyFault> {
        let fault = || KeyFault { origin: "a new key".to_owned(), reason: KeyReason::NotUsable };
        KeyPair::generate(KeySize::Rsa2048).map(Signer::new).map_err(|_| fault())
    }

    /// A private key from PEM, PKCS#8 or PKCS#1.
    ///
    /// # Errors
    /// If it is none, or too short.
    pub fn from_pem(text: &str, origin: &str) -> Result<Signer, KeyFault> {
        let fault = |reason| KeyFault { origin: origin.to_owned(), reason };
        let blocks = der::pem_blocks(text).ok_or_else(|| fault(KeyReason::Base64))?;
        let pair = blocks.iter().find_map(|(label, bytes)| match *label {
            "PRIVATE KEY" => Some(KeyPair::from_pkcs8(bytes)),
            "RSA PRIVATE KEY" => Some(KeyPair::from_der(bytes)),
            _ => None,
        });
        let pair = pair.ok_or_else(|| fault(KeyReason::NotAKey))?;
        pair.map(Signer::new).map_err(|_| fault(KeyReason::NotUsable))
    }

    fn new(pair: KeyPair) -> Signer {
        let fingerprint = fingerprint(pair.public_key().as_ref());
        Signer { pair, fingerprint }
    }

    /// The private key as PEM, PKCS#8.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn to_pem(&self) -> Result<String, KeyFault> {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
        let der: Result<Pkcs8V1Der<'_>, _> = self.pair.as_der();
        let fault = |_| KeyFault { origin: self.fingerprint.clone(), reason: KeyReason::NotUsable };
        let text = STANDARD.encode(der.map_err(fault)?.as_ref());
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| *byte as char));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// What digests call the key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The public half.
    ///
    /// # Errors
    /// If it is no key that verifies; a pair that signs has one that does.
    pub fn public_key(&self, origin: &str) -> Result<PublicKey, KeyFault> {
        PublicKey::from_der(self.pair.public_key().as_ref(), origin)
    }

    /// Writes a digest down and signs it. The digest's fingerprint is this
    /// key's, whatever it says.
    pub fn sign(&self, digest: &Digest) -> SignedDigest {
        let mut digest = digest.clone();
        digest.fingerprint.clone_from(&self.fingerprint);
        let bytes = render(&digest).into_bytes();
        let sha256 = sha256(&bytes);
        let signature = self.sign_text(&digest.signed_text(&sha256));
        SignedDigest { bytes, sha256, signature }
    }

    /// Signs any text as the text of a digest is signed.
    pub fn sign_text(&self, text: &str) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("a checked key signs any text into a buffer of its own length");
        signature
    }
}

/// The JSON of a digest, members in the order of the documentation.
///
/// Source: AWS `CloudTrail` User Guide, "`CloudTrail` digest file structure".
pub fn render(digest: &Digest) -> String {
    let mut text = String::with_capacity(1_024 + digest.files.len() * 400);
    text.push('{');
    member(&mut text, "awsAccountId", Some(&digest.account));
    member(&mut text, "digestStartTime", Some(&format_time(digest.start)));
    member(&mut text, "digestEndTime", Some(&format_time(digest.end)));
    member(&mut text, "digestS3Bucket", Some(&digest.place.bucket));
    member(&mut text, "digestS3Object", Some(&digest.place.key));
    member(&mut text, "digestPublicKeyFingerprint", Some(&digest.fingerprint));
    member(&mut text, "digestSignatureAlgorithm", Some(SIGNATURE_ALGORITHM));
    member(&mut text, "newestEventTime", digest.newest_event.map(format_time).as_deref());
    member(&mut text, "oldestEventTime", digest.oldest_event.map(format_time).as_deref());
    let previous = digest.previous.as_ref();
    member(&mut text, "previousDigestS3Bucket", previous.map(|p| &*p.place.bucket));
    member(&mut text, "previousDigestS3Object", previous.map(|p| &*p.place.key));
    member(&mut text, "previousDigestHashValue", previous.map(|p| hex::encode(&p.sha256)).as_deref());
    member(&mut text, "previousDigestHashAlgorithm", previous.map(|_| HASH_ALGORITHM));
    member(&mut text, "previousDigestSignature", previous.map(|p| hex::encode(&p.signature)).as_deref());
    text.push_str(",\"logFiles\":[");
    for (at, file) in digest.files.iter().enumerate() {
        text.push_str(if at == 0 { "{" } else { ",{" });
        member(&mut text, "s3Bucket", Some(&file.place.bucket));
        member(&mut text, "s3Object", Some(&file.place.key));
        member(&mut text, "hashValue", Some(&hex::encode(&file.sha256)));
        member(&mut text, "hashAlgorithm", Some(HASH_ALGORITHM));
        member(&mut text, "newestEventTime", file.newest_event.map(format_time).as_deref());
        member(&mut text, "oldestEventTime", file.oldest_event.map(format_time).as_deref());
        text.push('}');
    }
    text.push_str("]}");
    text
}

fn member(text: &mut String, name: &str, value: Option<&str>) {
    if !text.ends_with('{') {
        text.push(',');
    }
    let value = value.map_or("null".to_owned(), |value| serde_json::Value::from(value).to_string());
    write!(text, "\"{name}\":{value}").expect("a string takes all that is written");
}
