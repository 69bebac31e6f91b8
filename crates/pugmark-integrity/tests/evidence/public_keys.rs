//! Public keys in every form that people keep them in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pugmark_integrity::{KeyReason, PublicKey, PublicKeys, Signer, fingerprint};

use crate::bucket::*;

/// `SubjectPublicKeyInfo` around a key of 2,048 bits.
fn spki(key: &PublicKey) -> Vec<u8> {
    let algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let bits = key.der.len() as u16 + 1;
    let whole = algorithm.len() as u16 + bits + 4;
    let mut der = vec![0x30, 0x82];
    der.extend(whole.to_be_bytes());
    der.extend(algorithm);
    der.extend([0x03, 0x82]);
    der.extend(bits.to_be_bytes());
    der.push(0);
    der.extend(&key.der);
    der
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn only(bytes: &[u8]) -> PublicKey {
    let mut keys = PublicKeys::default();
    assert_eq!(keys.add(bytes, "a file"), Ok(1));
    keys.iter().next().unwrap().clone()
}

#[test]
fn one_key_is_the_same_in_every_form() {
    let key = public_key();
    let forms = [
        key.der.clone(),
        spki(&key),
        pem("RSA PUBLIC KEY", &key.der).into_bytes(),
        pem("PUBLIC KEY", &spki(&key)).into_bytes(),
        format!("some words\n{}", pem("PUBLIC KEY", &spki(&key))).into_bytes(),
        format!("{{\"PublicKeyList\":[{{\"Value\":\"{}\"}}]}}", STANDARD.encode(&key.der)).into_bytes(),
    ];
    for form in forms {
        let read = only(&form);
        assert_eq!((&read.der, &read.fingerprint), (&key.der, &key.fingerprint));
        assert_eq!(read.fingerprint, fingerprint(&key.der));
        assert_eq!(read.origin, "a file");
    }
}

#[test]
fn a_key_file_comes_back_as_it_went() {
    let mut keys = PublicKeys::default();
    let mut key = public_key();
    key.since = Some(beginning());
    key.until = Some(beginning() + HOUR);
    key.region = Some(REGION.into());
    key.origin = "ListPublicKeys in eu-west-1".into();
    keys.insert(key.clone());
    keys.insert(Signer::generate().unwrap().public_key("a colleague's \"file\"").unwrap());
    let text = keys.to_key_file();
    let mut again = PublicKeys::default();
    assert_eq!(again.add(text.as_bytes(), "the key file"), Ok(2));
    assert_eq!(again.to_key_file(), text);
    assert_eq!(again.get(&key.fingerprint)[0].origin, "ListPublicKeys in eu-west-1");
    assert_eq!(again.get(&key.fingerprint)[0].since, key.since);
}

#[test]
fn what_is_no_key_is_told_with_its_reason() {
    let key = public_key();
    let value = STANDARD.encode(&key.der);
    let listed = |members: &str| format!("{{\"PublicKeyList\":[{{{members}}}]}}").into_bytes();
    let mut cut = key.der.clone();
    cut.truncate(100);
    for (bytes, expected) in [
        (b"hello".to_vec(), KeyReason::Unknown),
        (cut, KeyReason::Unknown),
        (pem("CERTIFICATE", &spki(&key)).into_bytes(), KeyReason::NotAKey),
        (b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----".to_vec(), KeyReason::Base64),
        (listed("\"Value\":\"!\""), KeyReason::Base64),
        (listed("\"Value\":\"aGVsbG8=\""), KeyReason::NotAKey),
        // A key of two bits.
        (listed("\"Value\":\"MAYCAQMCAQM=\""), KeyReason::NotUsable),
        (
            listed(&format!("\"Value\":\"{value}\",\"Fingerprint\":\"00\"")),
            KeyReason::Fingerprint(key.fingerprint.clone()),
        ),
        (
            listed(&format!("\"Value\":\"{value}\",\"ValidityEndTime\":\"soon\"")),
            KeyReason::Time("\"soon\"".into()),
        ),
    ] {
        let fault = PublicKeys::default().add(&bytes, "a file").unwrap_err();
        assert_eq!((fault.origin.as_str(), fault.reason), ("a file", expected));
    }
}

#[test]
fn a_private_key_survives_as_pem() {
    let pem = SIGNER.to_pem().unwrap();
    let again = Signer::from_pem(&pem, "a file").unwrap();
    assert_eq!(again.fingerprint(), SIGNER.fingerprint());
    assert_eq!(again.sign_text("text"), SIGNER.sign_text("text"));
    assert!(Signer::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "x").is_err());
    assert!(Signer::from_pem("", "x").is_err());
}
