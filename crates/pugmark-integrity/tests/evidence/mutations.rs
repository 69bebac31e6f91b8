//! Every way to tamper with a bucket, at the start, in the middle and at the
//! end of a chain: the exact verdict, the exact place, and nothing else.

use std::sync::LazyLock;

use pugmark_event::format_time;
use pugmark_integrity::{
    Digest, ListedFile, PublicKeys, Question, Report, S3Place, Signer, Standing, hex, judge, render, sha256,
};

use crate::bucket::*;

const HOURS: usize = 200;
const PLACES: [usize; 3] = [0, 100, HOURS - 1];

static CLEAN: LazyLock<(Store, Trail)> = LazyLock::new(|| {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, HOURS as u32);
    (store, trail)
});

/// A copy of the clean bucket, about to be changed around one digest.
struct Case {
    store: Store,
    trail: Trail,
    /// Number of the digest.
    at: usize,
    /// What should be found.
    expected: Vec<String>,
}

impl Case {
    fn new(at: usize) -> Case {
        let (store, trail) = CLEAN.clone();
        Case { store, trail, at, expected: Vec::new() }
    }

    fn digest(&self) -> &Digest {
        &self.trail.digests[self.at]
    }

    /// The first log file of the digest.
    fn log(&self) -> S3Place {
        self.digest().files[0].place.clone()
    }

    fn is_first(&self) -> bool {
        self.at == 0
    }

    fn is_last(&self) -> bool {
        self.at == HOURS - 1
    }

    fn expect(&mut self, what: &str, place: &S3Place) {
        self.expected.push(format!("{what} {}", short(place)));
    }

    /// The digest itself is refuted: by the next one, or else by its signature.
    fn expect_refuted(&mut self) {
        let place = self.digest().place.clone();
        self.expect(if self.is_last() { "bad signature" } else { "modified" }, &place);
        self.expect_files("unproven");
    }

    fn expect_files(&mut self, what: &str) {
        for file in self.digest().files.clone() {
            self.expect(what, &file.place);
        }
    }

    /// The digest is not there any more.
    fn expect_deleted(&mut self) {
        let digest = self.digest().clone();
        let (since, until) = (format_time(digest.start), format_time(digest.end));
        if self.is_last() {
            self.expected.push("tail pending, 2 files".into());
        } else if self.is_first() {
            self.expected.push(format!("head cut after {}, 2 files", short(&digest.place)));
        } else {
            self.expect("missing digest", &digest.place);
            self.expected.push(format!("gap {since} {until}: missing digests, 2 files"));
        }
        self.expect_files("not covered");
    }

    fn check(self) -> Report {
        self.check_with(&keys())
    }

    fn check_with(mut self, keys: &PublicKeys) -> Report {
        let report = verify(&self.store, keys);
        self.expected.sort();
        assert_eq!(findings(&report), self.expected, "at {}", self.at);
        report
    }
}

fn short(place: &S3Place) -> String {
    place.key.rsplit('/').next().unwrap().replace(".json.gz", "")
}

fn everywhere(mutate: impl Fn(&mut Case)) {
    for at in PLACES {
        let mut case = Case::new(at);
        mutate(&mut case);
        case.check();
    }
}

/// Changes the digest's text; nothing but the digest is to be found wrong.
fn digest_text(change: impl Fn(&Digest, String) -> String) {
    everywhere(|case| {
        let digest = case.digest().clone();
        case.store.rewrite(&digest.place, |text| change(&digest, text));
        case.expect_refuted();
    });
}

/// Like it, where the text is no proper digest any more.
fn malformed_text(change: impl Fn(&Digest, String) -> String) {
    everywhere(|case| {
        let digest = case.digest().clone();
        case.store.rewrite(&digest.place, |text| change(&digest, text));
        case.expect(if case.is_last() { "malformed" } else { "modified" }, &digest.place);
        // What it listed is not known any more.
        let is_tail = case.is_last();
        case.expect_files("not covered");
        if is_tail {
            case.expected.push("tail pending, 2 files".into());
        }
    });
}

#[test]
fn a_byte_of_a_log_file_is_changed() {
    everywhere(|case| {
        let log = case.log();
        case.store.rewrite(&log, |text| text.replace("eventID", "eventId"));
        case.expect("modified", &log);
    });
}

#[test]
fn a_stored_byte_of_a_log_file_is_flipped() {
    everywhere(|case| {
        let log = case.log();
        let bytes = &mut case.store.get(&log).bytes;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        case.expect("modified", &log);
    });
}

#[test]
fn a_byte_of_the_gzip_header_alone_is_tolerated() {
    everywhere(|case| {
        let log = case.log();
        // The modification time.
        case.store.get(&log).bytes[5] ^= 0xff;
    });
}

#[test]
fn the_same_content_compressed_anew_is_tolerated() {
    everywhere(|case| {
        let log = case.log();
        let place = case.digest().place.clone();
        for place in [log, place] {
            let object = case.store.get(&place);
            let plain = gunzip(&object.bytes);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            std::io::Write::write_all(&mut encoder, &plain).unwrap();
            let anew = encoder.finish().unwrap();
            assert_ne!(object.bytes, anew);
            object.bytes = anew;
        }
    });
}

#[test]
fn a_second_member_is_appended_to_a_log_file() {
    everywhere(|case| {
        let log = case.log();
        case.store.get(&log).bytes.extend(gzip(b"{\"Records\":[{\"eventName\":\"Forged\"}]}"));
        case.expect("trailing data", &log);
    });
}

#[test]
fn a_second_member_after_a_changed_first_is_a_change() {
    everywhere(|case| {
        let log = case.log();
        case.store.rewrite(&log, |text| text.replace("eventID", "eventId"));
        case.store.get(&log).bytes.extend(gzip(b"{}"));
        case.expect("modified", &log);
    });
}

#[test]
fn garbage_is_appended_to_a_log_file() {
    everywhere(|case| {
        let log = case.log();
        case.store.get(&log).bytes.extend(b"garbage");
        case.expect("trailing data", &log);
    });
}

#[test]
fn garbage_is_appended_to_a_digest() {
    everywhere(|case| {
        let place = case.digest().place.clone();
        case.store.get(&place).bytes.extend(b"garbage");
        case.expect("trailing data", &place);
    });
}

#[test]
fn a_log_file_is_cut() {
    everywhere(|case| {
        let log = case.log();
        let bytes = &mut case.store.get(&log).bytes;
        bytes.truncate(bytes.len() - 12);
        case.expect("modified", &log);
    });
}

#[test]
fn a_log_file_is_emptied() {
    everywhere(|case| {
        let log = case.log();
        case.store.get(&log).bytes.clear();
        case.expect("modified", &log);
    });
}

#[test]
fn a_log_file_is_deleted() {
    everywhere(|case| {
        let log = case.log();
        case.store.remove(&log);
        case.expect("missing", &log);
    });
}

#[test]
fn a_digest_is_deleted() {
    everywhere(|case| {
        let place = case.digest().place.clone();
        case.store.remove(&place);
        case.expect_deleted();
    });
}

#[test]
fn a_digest_and_its_log_files_are_deleted() {
    for at in PLACES[..2].iter().copied() {
        let mut case = Case::new(at);
        let digest = case.digest().clone();
        case.store.remove(&digest.place);
        for file in &digest.files {
            case.store.remove(&file.place);
        }
        let (since, until) = (format_time(digest.start), format_time(digest.end));
        if at == 0 {
            case.expected.push(format!("head cut after {}, 0 files", short(&digest.place)));
        } else {
            case.expect("missing digest", &digest.place);
            case.expected.push(format!("gap {since} {until}: missing digests, 0 files"));
        }
        case.check();
    }
}

#[test]
fn the_newest_three_digests_are_deleted() {
    let mut case = Case::new(HOURS - 1);
    for digest in &CLEAN.1.digests[HOURS - 3..] {
        case.store.remove(&digest.place);
        for file in &digest.files {
            case.expect("not covered", &file.place);
        }
    }
    let since = format_time(case.trail.digests[HOURS - 4].end);
    case.expected.push(format!("tail truncated at {since}, 6 files"));
    assert_eq!(case.check().standing(), Standing::Negative);
}

#[test]
fn the_oldest_three_digests_are_deleted() {
    let mut case = Case::new(0);
    for digest in &CLEAN.1.digests[..3] {
        case.store.remove(&digest.place);
        for file in &digest.files {
            case.expect("not covered", &file.place);
        }
    }
    let last = short(&case.trail.digests[2].place);
    case.expected.push(format!("head cut after {last}, 6 files"));
    assert_eq!(case.check().standing(), Standing::Negative);
}

#[test]
fn three_digests_in_the_middle_are_deleted() {
    let mut case = Case::new(100);
    for digest in &CLEAN.1.digests[99..102] {
        case.store.remove(&digest.place);
        for file in &digest.files {
            case.expect("not covered", &file.place);
        }
    }
    let (first, last) = (&case.trail.digests[99], &case.trail.digests[101]);
    let (since, until) = (format_time(first.start), format_time(last.end));
    let place = last.place.clone();
    case.expect("missing digest", &place);
    case.expected.push(format!("gap {since} {until}: missing digests, 6 files"));
    case.check();
}

#[test]
fn a_log_file_that_was_never_delivered_is_added() {
    everywhere(|case| {
        let time = case.digest().start + 20 * MINUTE;
        let place = case.trail.place(case.trail.log_key(time, "forgedforgedforg"));
        case.store.put(&place, gzip(b"{\"Records\":[{\"eventName\":\"Forged\"}]}"));
        case.expect("unlisted", &place);
    });
}

#[test]
fn a_digest_forged_with_another_key_is_added() {
    let forger = Signer::generate().unwrap();
    everywhere(|case| {
        let end = case.digest().end - 13 * MINUTE;
        let place = case.trail.place(case.trail.digest_key(end, ""));
        let mut digest = case.digest().clone();
        digest.place = place.clone();
        digest.end = end;
        digest.fingerprint = forger.fingerprint().to_owned();
        case.store.put_digest(&place, &forger.sign(&digest));
        case.expect("unknown key", &place);
    });
}

#[test]
fn a_digest_is_replaced_by_a_forgery_that_claims_the_regions_key() {
    let forger = Signer::generate().unwrap();
    everywhere(|case| {
        let mut digest = case.digest().clone();
        digest.files[0].sha256 = sha256(b"forged");
        digest.fingerprint = SIGNER.fingerprint().to_owned();
        let bytes = render(&digest).into_bytes();
        let signature = forger.sign_text(&digest.signed_text(&sha256(&bytes)));
        let object = case.store.get(&digest.place);
        object.bytes = gzip(&bytes);
        object.metadata.insert("signature".into(), hex(&signature));
        case.expect_refuted();
    });
}

#[test]
fn an_older_digest_is_replayed_under_another_name() {
    everywhere(|case| {
        let older = if case.is_first() {
            case.trail.digests[1].clone()
        } else {
            case.trail.digests[case.at - 1].clone()
        };
        let place = case.digest().place.clone();
        let replayed = case.store.get(&older.place).clone();
        *case.store.get(&place) = replayed;
        case.expect("renamed", &place);
        case.expect("moved", &place);
        // What the digest of that name listed is not covered any more.
        case.expect_files("not covered");
        if case.is_last() {
            case.expected.push("tail pending, 2 files".into());
        }
    });
}

#[test]
fn an_older_digest_is_replayed_under_its_own_name_in_another_folder() {
    everywhere(|case| {
        let digest = case.digest().clone();
        let folder = case.trail.digests[HOURS / 2 + 30].place.key.rsplit_once('/').unwrap().0.to_owned();
        let place = case.trail.place(format!("{folder}/{}.json.gz", short(&digest.place)));
        let replayed = case.store.get(&digest.place).clone();
        case.store.objects.insert(place.clone(), replayed);
        case.expect("moved", &place);
        case.expect("copy", &place);
    });
}

#[test]
fn two_log_files_are_swapped() {
    everywhere(|case| {
        let (one, other) = (case.log(), case.digest().files[1].place.clone());
        let bytes = case.store.get(&one).bytes.clone();
        let swapped = std::mem::replace(&mut case.store.get(&other).bytes, bytes);
        case.store.get(&one).bytes = swapped;
        case.expect("modified", &one);
        case.expect("modified", &other);
    });
}

#[test]
fn a_log_file_is_renamed() {
    everywhere(|case| {
        let log = case.log();
        let object = case.store.remove(&log);
        let place = case.trail.place(log.key.replace("0000Z_", "x").replace(".json.gz", "0.json.gz"));
        case.store.objects.insert(place.clone(), object);
        case.expect("renamed", &place);
    });
}

#[test]
fn objects_are_moved_to_another_account_or_region() {
    let moves: [fn(&str) -> String; 2] = [
        |key| key.replacen("AWSLogs/111122223333", "AWSLogs/444455556666", 1),
        |key| key.replacen("/eu-west-1/", "/us-east-1/", 1),
    ];
    for moved in moves {
        everywhere(|case| {
            for place in [case.log(), case.digest().place.clone()] {
                let object = case.store.remove(&place);
                case.store.objects.insert(case.trail.place(moved(&place.key)), object);
                case.expect("moved", &place);
            }
        });
    }
}

#[test]
fn on_disk_a_bucket_is_a_folder_and_what_is_above_it_does_not_matter() {
    everywhere(|case| {
        for place in [case.log(), case.digest().place.clone()] {
            let object = case.store.remove(&place);
            case.store
                .objects
                .insert(S3Place { bucket: "copies/of/another-bucket".into(), key: place.key }, object);
        }
    });
}

#[test]
fn a_hash_value_in_a_digest_is_changed() {
    digest_text(|digest, text| text.replace(&hex(&digest.files[0].sha256), &hex(&sha256(b"forged"))));
}

#[test]
fn a_log_file_and_its_hash_in_the_digest_are_changed() {
    everywhere(|case| {
        let (log, digest) = (case.log(), case.digest().clone());
        let forged = "{\"Records\":[]}";
        case.store.rewrite(&log, |_| forged.to_owned());
        case.store.rewrite(&digest.place, |text| {
            text.replace(&hex(&digest.files[0].sha256), &hex(&sha256(forged.as_bytes())))
        });
        case.expect_refuted();
    });
}

#[test]
fn a_hash_algorithm_in_a_digest_is_changed() {
    malformed_text(|_, text| {
        text.replacen("\"hashAlgorithm\":\"SHA-256\"", "\"hashAlgorithm\":\"SHA-1\"", 1)
    });
}

#[test]
fn the_signature_algorithm_in_a_digest_is_changed() {
    malformed_text(|_, text| text.replace("SHA256withRSA", "SHA1withRSA"));
}

#[test]
fn the_previous_signature_or_hash_in_a_digest_is_changed() {
    for name in ["previousDigestSignature", "previousDigestHashValue"] {
        for at in [1, 100, HOURS - 1] {
            let mut case = Case::new(at);
            let place = case.digest().place.clone();
            case.store.rewrite(&place, |text| {
                let start = text.find(name).unwrap() + name.len() + 3;
                let digit = if text.as_bytes()[start] == b'0' { "1" } else { "0" };
                format!("{}{digit}{}", &text[..start], &text[start + 1..])
            });
            case.expect_refuted();
            case.check();
        }
    }
}

#[test]
fn a_window_in_a_digest_is_changed() {
    digest_text(|digest, text| text.replace(&format_time(digest.start), &format_time(digest.start - HOUR)));
    digest_text(|digest, text| {
        text.replace(
            &format!("\"digestEndTime\":\"{}\"", format_time(digest.end)),
            &format!("\"digestEndTime\":\"{}\"", format_time(digest.end - MINUTE)),
        )
    });
}

#[test]
fn the_order_of_log_files_in_a_digest_is_changed() {
    digest_text(|digest, _| {
        let mut changed = digest.clone();
        changed.files.reverse();
        changed.fingerprint = SIGNER.fingerprint().to_owned();
        render(&changed)
    });
}

#[test]
fn one_space_in_a_digest_is_added() {
    digest_text(|_, text| text.replacen('{', "{ ", 1));
}

#[test]
fn a_log_file_is_taken_out_of_a_digest_and_deleted() {
    everywhere(|case| {
        let mut digest = case.digest().clone();
        let removed = digest.files.remove(0);
        case.store.remove(&removed.place);
        case.store.rewrite(&digest.place, |_| render(&digest));
        case.expect(if case.is_last() { "bad signature" } else { "modified" }, &digest.place);
        case.expect("unproven", &digest.files[0].place);
    });
}

#[test]
fn the_signature_is_taken_out_of_the_metadata() {
    everywhere(|case| {
        let place = case.digest().place.clone();
        case.store.get(&place).metadata.clear();
        if case.is_last() {
            case.expect("unsigned", &place);
            case.expect_files("unproven");
        } else {
            let name = short(&place);
            case.expected
                .push(format!("remark {name}: its metadata have no signature; the digest after it has it"));
        }
    });
}

#[test]
fn the_signature_in_the_metadata_is_another() {
    everywhere(|case| {
        let place = case.digest().place.clone();
        case.store.get(&place).metadata.insert("signature".into(), "00".repeat(256));
        if case.is_last() {
            case.expect("bad signature", &place);
            case.expect_files("unproven");
        } else {
            let name = short(&place);
            case.expected.push(format!(
                "remark {name}: the signature in its metadata does not fit; the digest after it has one that does"
            ));
        }
    });
}

#[test]
fn a_signature_in_upper_case_is_tolerated() {
    everywhere(|case| {
        let place = case.digest().place.clone();
        let signature = case.store.get(&place).metadata.get_mut("signature").unwrap();
        *signature = signature.to_uppercase();
    });
}

#[test]
fn the_signature_algorithm_in_the_metadata_is_changed() {
    everywhere(|case| {
        let place = case.digest().place.clone();
        case.store.get(&place).metadata.insert("signature-algorithm".into(), "SHA1withRSA".into());
        let name = short(&place);
        case.expected.push(format!("remark {name}: its metadata name the signature algorithm `SHA1withRSA`"));
    });
}

/// Everything is right but for the key.
fn with_keys(keys: &PublicKeys, what: &str) {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 6);
    let report = verify(&store, keys);
    let digests = trail.digests.iter().map(|digest| format!("{what} {}", short(&digest.place)));
    let logs = trail.logs.iter().map(|log| format!("unproven {}", short(log)));
    let mut expected: Vec<String> = digests.chain(logs).collect();
    expected.sort();
    assert_eq!(findings(&report), expected);
}

#[test]
fn the_key_is_not_known() {
    let mut others = PublicKeys::default();
    others.insert(Signer::generate().unwrap().public_key("another").unwrap());
    with_keys(&others, "unknown key");
    with_keys(&PublicKeys::default(), "unproven");
}

#[test]
fn the_key_has_expired_or_is_of_another_region() {
    let mut expired = PublicKeys::default();
    let mut key = public_key();
    key.until = Some(beginning());
    expired.insert(key);
    with_keys(&expired, "wrong key");
    let mut foreign = PublicKeys::default();
    let mut key = public_key();
    key.region = Some("us-east-1".into());
    foreign.insert(key.clone());
    with_keys(&foreign, "wrong key");
    // The same key may be known twice; once right is right.
    key.region = Some(REGION.into());
    foreign.insert(key);
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 3);
    assert_eq!(findings(&verify(&store, &foreign)), [""; 0]);
}

#[test]
fn a_member_of_a_digest_stands_twice() {
    malformed_text(|_, text| text.replacen('{', "{\"digestS3Object\":\"AWSLogs/other\",", 1));
    malformed_text(|digest, text| {
        let hash = format!("\"hashValue\":\"{}\"", hex(&digest.files[0].sha256));
        text.replacen(&hash, &format!("{hash},{hash}"), 1)
    });
}

#[test]
fn hashes_in_upper_case_are_no_digests() {
    malformed_text(|digest, text| {
        let hash = hex(&digest.files[0].sha256);
        text.replace(&hash, &hash.to_uppercase())
    });
}

#[test]
fn a_stop_of_logging_is_a_gap_and_no_alarm() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    let since = trail.now;
    trail.pause(7);
    // Logging goes on for an hour before validation does.
    let early = trail.deliver(&mut store, trail.now - 40 * MINUTE);
    trail.forget();
    let until = trail.now;
    trail.hours(&mut store, 5);
    let report = verify(&store, &keys());
    let mut expected = vec![
        format!("gap {} {}: restarted, 1 files", format_time(since), format_time(until)),
        format!("not covered {}", short(&early)),
    ];
    expected.sort();
    assert_eq!(findings(&report), expected);
    assert_eq!(report.chains[0].standing(), Standing::Unproven);
}

#[test]
fn a_window_that_is_skipped_without_a_new_beginning_is_unexplained() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    let since = trail.now;
    trail.now += HOUR;
    let until = trail.now;
    trail.hours(&mut store, 5);
    let report = verify(&store, &keys());
    let expected = format!("gap {} {}: unexplained, 0 files", format_time(since), format_time(until));
    assert_eq!(findings(&report), [expected]);
    assert_eq!(report.standing(), Standing::Negative);
}

#[test]
fn backfill_digests_are_a_chain_of_their_own() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 4);
    // Two files missed their hour and are listed later, by two backfill digests.
    let mut backfill = trail.clone();
    backfill.previous = None;
    for number in 0..2 {
        let late = backfill.deliver(&mut store, trail.digests[number].start + 10 * MINUTE);
        let file: Vec<ListedFile> = std::mem::take(&mut backfill.waiting);
        assert_eq!(file[0].place, late);
        let (start, end) = (trail.digests[number].start, trail.digests[number].end);
        let place = backfill.place(backfill.digest_key(end, "_backfill"));
        let digest = backfill.digest(start, end, place, file);
        backfill.put(&mut store, digest);
    }
    trail.hours(&mut store, 4);
    let report = verify_with(&store, &keys(), true);
    assert_eq!(findings(&report), [""; 0]);
    assert_eq!(report.chains.len(), 2);
    // And without them the two files are unlisted.
    for digest in &backfill.digests[backfill.digests.len() - 2..] {
        store.remove(&digest.place);
    }
    let unlisted = findings(&verify_with(&store, &keys(), true));
    assert_eq!(unlisted.len(), 2);
    assert!(unlisted.iter().all(|line| line.starts_with("unlisted ")));
}

#[test]
fn a_change_of_bucket_and_of_prefix_does_not_break_the_chain() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    trail.bucket = "another-bucket-example";
    trail.hours(&mut store, 5);
    trail.prefix = "audit/";
    trail.hours(&mut store, 5);
    assert_eq!(findings(&verify(&store, &keys())), [""; 0]);
}

#[test]
fn the_chain_of_an_organizations_member_is_verified() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    (trail.prefix, trail.is_organization) = ("audit/", true);
    trail.hours(&mut store, 5);
    assert!(trail.logs[0].key.starts_with("audit/AWSLogs/o-exampleorg11/111122223333/CloudTrail/"));
    assert_eq!(findings(&verify(&store, &keys())), [""; 0]);
}

#[test]
fn two_digests_that_follow_one_are_a_fork() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    let mut other = trail.clone();
    other.now += 7 * MINUTE;
    other.count += 1_000;
    trail.hours(&mut store, 3);
    other.hours(&mut store, 1);
    let report = verify(&store, &keys());
    let forked = short(&trail.digests[4].place);
    assert!(findings(&report).contains(&format!("fork of {forked}")));
    assert_eq!(report.standing(), Standing::Negative);
}

#[test]
fn digests_and_log_files_in_a_bucket_that_was_not_read_are_no_accusation() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    trail.bucket = "another-bucket-example";
    trail.hours(&mut store, 5);
    trail.bucket = BUCKET;
    trail.hours(&mut store, 5);
    store.objects.retain(|place, _| &*place.bucket == BUCKET);
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    let mut evidence = evidence(root.path(), 1);
    // As if it had been read from S3.
    evidence.buckets.insert(BUCKET.to_owned());
    let report = judge(&evidence, &keys(), &Question::default());
    let (since, until) = (beginning() + 5 * HOUR, beginning() + 10 * HOUR);
    let expected = format!("gap {} {}: digests not read, 0 files", format_time(since), format_time(until));
    assert_eq!(findings(&report), [expected]);
    assert_eq!(report.other_buckets, ["another-bucket-example"]);
    assert_eq!(report.standing(), Standing::Unproven);
}

#[test]
fn four_changes_to_a_copied_folder_are_all_named() {
    let (mut store, trail) = CLEAN.clone();
    let (changed, deleted) = (&trail.logs[40], &trail.logs[90]);
    store.rewrite(changed, |text| text.replace("eventID", "eventId"));
    store.remove(deleted);
    let added = trail.place(trail.log_key(trail.digests[70].start + 20 * MINUTE, "forgedforgedforg"));
    store.put(&added, gzip(b"{\"Records\":[]}"));
    for digest in &trail.digests[HOURS - 3..] {
        store.remove(&digest.place);
    }
    let newest = &trail.digests[HOURS - 4];
    // A copy has no metadata: the newest digest that is left is proven by none.
    let report = verify_with(&store, &keys(), false);
    let mut expected = vec![
        format!("modified {}", short(changed)),
        format!("missing {}", short(deleted)),
        format!("unlisted {}", short(&added)),
        format!("tail truncated at {}, 6 files", format_time(newest.end)),
        format!("unsigned {}", short(&newest.place)),
    ];
    expected.extend(newest.files.iter().map(|file| format!("unproven {}", short(&file.place))));
    expected
        .extend(trail.logs[trail.logs.len() - 6..].iter().map(|log| format!("not covered {}", short(log))));
    expected.sort();
    assert_eq!(findings(&report), expected);
    assert_eq!(report.standing(), Standing::Negative);
}
