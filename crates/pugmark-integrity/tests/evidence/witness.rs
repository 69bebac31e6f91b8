//! What is said of bytes while they are decoded.

use std::fs;

use pugmark_integrity::{PublicKeys, Question, Verified, Witness, gather, sha256};
use pugmark_source::{Access, Contents, Location, Progress, Selection, list, parse_key};

use crate::bucket::*;

/// A witness that has seen digests alone.
fn witness(store: &Store, keys: &PublicKeys) -> Witness {
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    fs::create_dir(root.path().join("other")).unwrap();
    let (access, limits, progress) =
        (Access::default(), pugmark_event::Limits::default(), Progress::default());
    let selection = Selection { contents: Contents::Digests, ..Selection::default() };
    let listing =
        list(&[Location::Path(root.path().to_owned())], &selection, &access, &limits, &progress).unwrap();
    assert_eq!(listing.entries.len(), 10);
    let reading =
        pugmark_integrity::Reading { access: &access, limits: &limits, threads: 1, progress: &progress };
    let (evidence, _) = gather(listing, &reading).unwrap();
    assert!(evidence.logs.is_empty());
    Witness::new(&evidence, keys, &Question::default())
}

#[test]
fn bytes_are_valid_modified_unlisted_or_of_no_digest() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    let witness = witness(&store, &keys());
    assert_eq!(witness.files(), 10);
    let place = &trail.logs[3];
    let object = |key: &str| parse_key(key).object(format!("copy/{key}"));
    let bytes = gunzip(&store.objects[place].bytes);
    assert_eq!(witness.verdict(&object(&place.key), &sha256(&bytes)), Verified::Valid);
    assert_eq!(witness.verdict(&object(place.key.trim_end_matches(".gz")), &sha256(&bytes)), Verified::Valid);
    assert_eq!(witness.verdict(&object(&place.key), &sha256(b"forged")), Verified::Modified);
    let unlisted = trail.log_key(beginning() + 20 * MINUTE, "forgedforgedforg");
    assert_eq!(witness.verdict(&object(&unlisted), &sha256(b"x")), Verified::Unlisted);
    let later = trail.log_key(trail.now + 5 * MINUTE, "forgedforgedforg");
    assert_eq!(witness.verdict(&object(&later), &sha256(b"x")), Verified::NoDigest);
    assert_eq!(witness.verdict(&object("stdin"), &sha256(b"x")), Verified::NoDigest);
}

#[test]
fn without_keys_nothing_is_proven() {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, 5);
    let witness = witness(&store, &PublicKeys::default());
    let place = &trail.logs[3];
    let bytes = gunzip(&store.objects[place].bytes);
    let object = parse_key(&place.key).object(&*place.key);
    assert_eq!(witness.verdict(&object, &sha256(&bytes)), Verified::Unproven);
    assert_eq!(witness.verdict(&object, &sha256(b"forged")), Verified::Modified);
}
