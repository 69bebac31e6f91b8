//! Evidence: which bytes are those that `CloudTrail` delivered.
//!
//! ```text
//! Listing ──gather──▶ Evidence ──judge(keys, question)──▶ Report
//!                        └──▶ Witness: what is known of bytes being decoded
//! ```
//!
//! Every hour a trail writes, for each account and Region, a digest: the
//! hashes of the log files delivered in that hour, the hash and signature of
//! the digest before, signed with a key of the Region. [`gather`] reads the
//! digests and hashes the log files of any source, in one visit to each
//! object; [`judge`] is a pure function of what was gathered. Digests are
//! found by their names wherever they lie, so that copies can be verified
//! offline; that something stands elsewhere than where it was delivered is
//! told apart from what it holds.
//!
//! [`aws`] walks the same evidence as `aws cloudtrail validate-logs` does and
//! says what that would say. [`Signer`] is the other half: it writes digests.
//!
//! It does not read events, and it does not fetch keys.

pub mod aws;
mod chain;
mod coverage;
mod der;
mod digest;
mod gather;
mod hex;
mod judge;
mod keys;
mod name;
mod report;
mod sign;
mod witness;

use aws_lc_rs::digest::{SHA256, digest as hash};

pub use digest::{
    DIGEST_BYTES_MAX, DIGEST_FILES_MAX, Digest, DigestFault, HASH_ALGORITHM, ListedFile, Previous, S3Place,
    SIGNATURE_ALGORITHM,
};
pub use gather::{Content, DigestFile, Evidence, LogFile, Reading, gather};
pub use hex::{decode as unhex, decode_hash, encode as hex};
pub use judge::{Question, judge, verify};
pub use keys::{KeyFault, KeyReason, PublicKey, PublicKeys, fingerprint};
pub use name::{ChainId, DigestName};
pub use report::{
    ChainReport, DigestReport, Fork, Gap, GapReason, Head, LogReport, MissingDigest, Proof, Report, Standing,
    Tail, Verdict,
};
pub use sign::{SignedDigest, Signer, render};
pub use witness::{Verified, Witness};

/// Name, value, unit and meaning of each bound on digests and what is beside
/// them, as [`Limits::table`](pugmark_event::Limits::table) has those of
/// everything else.
pub fn limits() -> Vec<(&'static str, u64, &'static str, &'static str)> {
    vec![
        ("digest_bytes_max", DIGEST_BYTES_MAX as u64, "bytes", "one digest uncompressed"),
        ("digest_files_max", DIGEST_FILES_MAX as u64, "log files", "log files of one digest"),
        (
            "digest_metadata_bytes_max",
            gather::SIDECAR_BYTES_MAX as u64,
            "bytes",
            "metadata beside a digest's copy",
        ),
        (
            "malformed_bytes_max",
            gather::MALFORMED_BYTES_MAX as u64,
            "bytes",
            "a malformed digest kept for `--output aws`",
        ),
        ("key_bits_max", keys::KEY_BITS_MAX as u64, "bits", "modulus of a public key; at least 2,048"),
    ]
}

/// SHA-256 of `bytes`, with the processor's own instructions where it has them.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    hash(&SHA256, bytes).as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

/// SHA-256 of all that `reader` gives, and how many bytes that is.
///
/// # Errors
/// If reading fails.
pub fn sha256_of(reader: &mut dyn std::io::Read) -> std::io::Result<([u8; 32], u64)> {
    let mut context = aws_lc_rs::digest::Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            let hash = context.finish();
            return Ok((hash.as_ref().try_into().expect("a SHA-256 has 32 bytes"), bytes));
        }
        context.update(&buffer[..read]);
        bytes += read as u64;
    }
}
