//! Digests that are written to break whoever reads them.

use std::fmt::Write as _;

use proptest::prelude::*;
use pugmark_integrity::{
    DIGEST_FILES_MAX, Digest, DigestFault, ListedFile, Previous, PublicKeys, S3Place, Standing, Verdict, hex,
    render, sha256,
};

use crate::bucket::*;

/// The example of the documentation's structure: starting and empty.
const VECTOR: &str = r#"{"awsAccountId":"111122223333","digestStartTime":"2026-01-15T10:00:00Z","digestEndTime":"2026-01-15T11:00:00Z","digestS3Bucket":"trail-logs-example","digestS3Object":"AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/15/111122223333_CloudTrail-Digest_eu-west-1_main_eu-west-1_20260115T110000Z.json.gz","digestPublicKeyFingerprint":"9c2f8abafd3a560ca49819de11546e11","digestSignatureAlgorithm":"SHA256withRSA","newestEventTime":null,"oldestEventTime":null,"previousDigestS3Bucket":null,"previousDigestS3Object":null,"previousDigestHashValue":null,"previousDigestHashAlgorithm":null,"previousDigestSignature":null,"logFiles":[]}"#;

const VECTOR_KEY: &str = "MIIBCgKCAQEAtp1GsrXMF/l2cNcDaxV2mCGQ7y72k75kGbXO1i76T/gBVX7ajyONQ+74QcmpMkfhXjP0KrCGH8fxkpFFbMLZUt8LqQKj3dbhtim0C7eoVJaBiqt2FyBQz2LFXeViAPIv0To2cGcpfdkH/eYZojkMS7uPy5Gxlazie82acz0YHx2A+A1JIb0mJl46fn4JbO740tAK69UjHZfqazA6OrqW1J1PbZMGdvHHVhTIvS7Li+Te97dD3YrMtwReRbNVRwQ79YRYLO8MIxISvei8gfHxVDkle0lU5rq2sKIbxV/b1cHmIVLO0y5EvGEJqYmbrzQsfiIklC6YS0GiccmGVC3ywQIDAQAB";

const VECTOR_SIGNATURE: &str = "acb0bf6e89005ff02223eca145ffb6800c52da768b02e1e1b39bdc192f5fd366b2933b22e35867e7f2519c29c68bc2857cc8e0b71c977909f11eabcd470d7b80d0bde3a8238cb3240d237210aa809fde452fa18d1c710533fd58849f1c0b49fb6376ed80c5e41d90dba5b6496d34eadec1f4ade45e0343f5586c252619900e60e1525d78622c703ef1eced997f464d5f34c6394c1edeb119b9f2bff5a6abe2a88b31f7c4cf9eefef35db1c8a92c401546e7274e69c7f001f246acc853b8add545f6701a3fdf6801ab2ad923087e5720a82b55fd0032630a23a2b04c109b9571a634f04e592b5abc35ae3dff95b3b17c46fe005ac27221d73a3acab61cb9c6991";

fn vector_keys() -> PublicKeys {
    let mut keys = PublicKeys::default();
    let answer = format!(
        r#"{{"PublicKeyList":[{{"Value":"{VECTOR_KEY}","ValidityStartTime":"2026-01-01T00:00:00+00:00","ValidityEndTime":1769900000.5,"Fingerprint":"9c2f8abafd3a560ca49819de11546e11"}}]}}"#
    );
    assert_eq!(keys.add(answer.as_bytes(), "the answer"), Ok(1));
    keys
}

#[test]
fn a_known_digest_has_the_known_hash_text_and_signature() {
    assert_eq!(VECTOR.len(), 633);
    let hash = sha256(VECTOR.as_bytes());
    assert_eq!(hex(&hash), "0726e302c163b6ad476aea9dd378c7d6c3404f2d0f4c66a6f3eb63ad60294787");
    let digest = Digest::parse(VECTOR.as_bytes()).unwrap();
    let text = digest.signed_text(&hash);
    assert_eq!(
        hex(&sha256(text.as_bytes())),
        "1cb298c5375b36178b41e4bc8960073b9bafc5a4041db4cd9b869a5fa66ce563"
    );
    assert_eq!(render(&digest), VECTOR);
    let mut store = Store::default();
    store.put(&digest.place, gzip(VECTOR.as_bytes()));
    let metadata = [("signature", VECTOR_SIGNATURE), ("signature-algorithm", "SHA256withRSA")];
    store.get(&digest.place).metadata = metadata.map(|(name, text)| (name.into(), text.into())).into();
    let report = verify(&store, &vector_keys());
    assert_eq!(findings(&report), [""; 0]);
    assert_eq!(report.standing(), Standing::Proven);
}

#[test]
fn a_member_that_is_missing_or_of_another_form_is_a_fault() {
    for (from, to) in [
        ("\"awsAccountId\":\"111122223333\",", ""),
        ("\"newestEventTime\":null,", ""),
        ("\"previousDigestSignature\":null,", ""),
        (",\"logFiles\":[]", ""),
        ("\"logFiles\":[]", "\"logFiles\":null"),
        ("\"logFiles\":[]", "\"logFiles\":{}"),
        ("111122223333\",\"digestStart", "11112222333\",\"digestStart"),
        ("2026-01-15T10:00:00Z", "2026-01-15T10:00:00+00:00"),
        ("2026-01-15T10:00:00Z", "2026-01-15T10:00:00.000Z"),
        ("2026-01-15T10:00:00Z", "2026-01-15T11:00:00Z"),
        ("\"2026-01-15T10:00:00Z\"", "1768471200"),
        ("9c2f8abafd3a560ca49819de11546e11", "9C2F8ABAFD3A560CA49819DE11546E11"),
        ("SHA256withRSA", "none"),
        ("\"previousDigestHashValue\":null", "\"previousDigestHashValue\":\"\""),
        (
            "\"previousDigestSignature\":null",
            "\"previousDigestSignature\":null,\"previousDigestSignature\":null",
        ),
        ("[]}", "[]} "),
        ("[]}", "[]}{}"),
    ] {
        let text = VECTOR.replacen(from, to, 1);
        assert_ne!(text, VECTOR);
        // Blanks after the end are part of JSON, and of the hash.
        assert_eq!(Digest::parse(text.as_bytes()).is_ok(), to == "[]} ", "{to}");
    }
    // What is new and unknown is no fault: it is signed like the rest.
    let text = VECTOR.replacen('{', "{\"new\":[1,{}],", 1);
    assert!(Digest::parse(text.as_bytes()).is_ok());
}

#[test]
fn deep_nesting_and_too_many_files_are_faults() {
    let deep = VECTOR.replacen("[]}", &format!("{}{}}}", "[".repeat(100_000), "]".repeat(100_000)), 1);
    assert!(matches!(Digest::parse(deep.as_bytes()), Err(DigestFault::Json(_))));
    // Passed over without a stack.
    let deep = VECTOR.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(100_000), "]".repeat(100_000)), 1);
    assert!(Digest::parse(deep.as_bytes()).is_ok());
    let file = format!(
        r#"{{"s3Bucket":"b","s3Object":"k","hashValue":"{}","hashAlgorithm":"SHA-256","newestEventTime":null,"oldestEventTime":null}}"#,
        "0".repeat(64)
    );
    let of = |count: usize| {
        let mut text = VECTOR.trim_end_matches("]}").to_owned();
        for at in 0..count {
            let comma = if at == 0 { "" } else { "," };
            write!(text, "{comma}{file}").unwrap();
        }
        text + "]}"
    };
    assert_eq!(Digest::parse(of(DIGEST_FILES_MAX).as_bytes()).unwrap().files.len(), DIGEST_FILES_MAX);
    assert!(Digest::parse(of(DIGEST_FILES_MAX + 1).as_bytes()).is_err());
}

#[test]
fn a_bomb_under_a_digests_name_is_one_digest_that_is_not_valid() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 3);
    let place = trail.digests[1].place.clone();
    // 65 MB of blanks in 65 KB.
    store.get(&place).bytes = gzip(&vec![b' '; 65 << 20]);
    let report = verify(&store, &keys());
    assert_eq!(report.chains[0].digests[1].verdict, Verdict::Modified);
    assert_eq!(report.counts()[&Verdict::Modified], 1);
}

#[test]
fn a_name_out_of_a_digest_is_never_a_path() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 1);
    let place = S3Place { bucket: "b".into(), key: "../../../../../../etc/passwd".into() };
    let file = ListedFile { place: place.clone(), sha256: [0; 32], newest_event: None, oldest_event: None };
    let end = trail.now + HOUR;
    let digest = trail.digest(trail.now, end, trail.place(trail.digest_key(end, "")), vec![file]);
    trail.put(&mut store, digest);
    let report = verify(&store, &keys());
    let missing: Vec<_> = report.logs.iter().filter(|log| log.verdict == Verdict::Missing).collect();
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].place, Some(place));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(Digest::parse(&bytes));
        drop(PublicKeys::default().add(&bytes, "x"));
    }

    #[test]
    fn no_change_of_one_byte_makes_it_fail_or_pass_unseen(at in 0..633_usize, byte in any::<u8>()) {
        let mut bytes = VECTOR.as_bytes().to_vec();
        let is_same = std::mem::replace(&mut bytes[at], byte) == byte;
        if let Ok(digest) = Digest::parse(&bytes) {
            let hash = sha256(&bytes);
            let text = digest.signed_text(&hash);
            let signature: Vec<u8> = (0..256)
                .map(|pair| u8::from_str_radix(&VECTOR_SIGNATURE[pair * 2..pair * 2 + 2], 16).unwrap())
                .collect();
            let keys = vector_keys();
            prop_assert_eq!(keys.iter().next().unwrap().verifies(text.as_bytes(), &signature), is_same);
        }
    }

    #[test]
    fn what_is_rendered_is_read_back(
        (start, hours) in (0..4_000_000_000_i64, 1..48_i64),
        keys in proptest::collection::vec("\\PC{0,40}", 0..5),
        previous in any::<Option<[u8; 32]>>(),
        time in proptest::option::of(0..4_000_000_000_i64),
    ) {
        let start = start * 1_000_000;
        let place = |key: &str| S3Place { bucket: "trail-logs-example".into(), key: key.into() };
        let time = time.map(|time| time * 1_000_000);
        let digest = Digest {
            account: ACCOUNT.into(),
            start,
            end: start + hours * HOUR,
            place: place("a \"key\" \\ \u{0}\u{1f600}"),
            fingerprint: "0".repeat(32),
            newest_event: time,
            oldest_event: time,
            previous: previous.map(|sha256| Previous { place: place("é"), sha256, signature: sha256.to_vec() }),
            files: keys
                .iter()
                .map(|key| ListedFile { place: place(key), sha256: [7; 32], newest_event: time, oldest_event: None })
                .collect(),
        };
        prop_assert_eq!(Digest::parse(render(&digest).as_bytes()), Ok(digest));
    }
}
