//! As much of DER and PEM as an RSA public key takes; bytes within bytes, no
//! numbers.
//!
//! Sources: RFC 8017 appendix A.1.1 (`RSAPublicKey`), RFC 5280 section 4.1
//! (`SubjectPublicKeyInfo`), RFC 7468 (PEM).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption` with its null parameters, as `AlgorithmIdentifier` holds them.
const RSA_ENCRYPTION: [u8; 13] =
    [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The PKCS#1 part of `bytes`, which are that or a `SubjectPublicKeyInfo`.
pub(crate) fn rsa_public_key(bytes: &[u8]) -> Option<&[u8]> {
    if is_rsa_public_key(bytes) {
        return Some(bytes);
    }
    let (SEQUENCE, body, []) = element(bytes)? else { return None };
    let (SEQUENCE, algorithm, rest) = element(body)? else { return None };
    let (BIT_STRING, bits, []) = element(rest)? else { return None };
    let key = bits.strip_prefix(&[0])?;
    (algorithm == RSA_ENCRYPTION && is_rsa_public_key(key)).then_some(key)
}

fn is_rsa_public_key(bytes: &[u8]) -> bool {
    modulus_bytes(bytes).is_some()
}

/// Length of the modulus of a PKCS#1 key: a sequence of two integers and
/// nothing else.
pub(crate) fn modulus_bytes(bytes: &[u8]) -> Option<usize> {
    let (SEQUENCE, body, []) = element(bytes)? else { return None };
    let (INTEGER, modulus, rest) = element(body)? else { return None };
    let (INTEGER, _, []) = element(rest)? else { return None };
    // A leading zero says that the number is positive.
    Some(modulus.len() - usize::from(modulus.starts_with(&[0])))
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (*first as usize, rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked((first & 0x7f) as usize)?;
            (digits.iter().fold(0, |length, digit| length << 8 | *digit as usize), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Label and bytes of each block of a PEM file; nothing if one is damaged.
pub(crate) fn pem_blocks(text: &str) -> Option<Vec<(&str, Vec<u8>)>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, body) = after.split_once("-----")?;
        let (body, after) = body.split_once("-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        let base64: String = body.split_whitespace().collect();
        blocks.push((label, STANDARD.decode(base64).ok()?));
    }
    Some(blocks)
}
