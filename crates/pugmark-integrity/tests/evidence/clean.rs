//! What is as it was delivered is valid, wherever it lies.

use std::fs;

use crate::bucket::*;
use pugmark_integrity::aws::{AwsRun, validate_logs};
use pugmark_integrity::{Proof, Question, Standing, Verdict, judge};

const NOTHING: [&str; 0] = [];

fn clean(hours: u32) -> (Store, Trail) {
    let (mut store, mut trail) = (Store::default(), Trail::default());
    trail.hours(&mut store, hours);
    (store, trail)
}

#[test]
fn a_clean_chain_raises_no_alarm() {
    let (store, trail) = clean(200);
    let report = verify(&store, &keys());
    assert_eq!(findings(&report), NOTHING);
    assert_eq!(report.standing(), Standing::Proven);
    assert_eq!(report.counts()[&Verdict::Valid], 600);
    assert_eq!(report.chains[0].proven, Some((beginning(), trail.now)));
}

#[test]
fn without_metadata_each_digest_is_proven_by_the_next_and_only_the_newest_is_not() {
    let (store, trail) = clean(20);
    let report = verify_with(&store, &keys(), false);
    let newest = trail.digest_key(trail.now, "");
    let newest = newest.rsplit('/').next().unwrap().replace(".json.gz", "");
    let mut expected = vec![format!("unsigned {newest}")];
    for log in &trail.logs[38..] {
        expected.push(format!("unproven {}", log.key.rsplit('/').next().unwrap().replace(".json.gz", "")));
    }
    expected.sort();
    assert_eq!(findings(&report), expected);
    assert_eq!(report.standing(), Standing::Unproven);
    let proofs = report.chains[0].digests.iter().filter(|digest| digest.proof == Proof::Successor);
    assert_eq!(proofs.count(), 19);
}

#[test]
fn files_that_the_next_digest_will_list_are_pending() {
    let (mut store, mut trail) = clean(3);
    trail.deliver(&mut store, trail.now + 5 * MINUTE);
    trail.deliver(&mut store, trail.now + 50 * MINUTE);
    let report = verify(&store, &keys());
    assert_eq!(report.standing(), Standing::Unproven);
    assert!(findings(&report).contains(&"tail pending, 2 files".to_owned()));
}

#[test]
fn prefix_and_organization_that_the_aws_cli_asks_for_are_read_from_digests() {
    let mut store = Store::default();
    let mut trail = Trail { prefix: "audit/x/", is_organization: true, ..Trail::default() };
    trail.hours(&mut store, 4);
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    let evidence = evidence(root.path(), 2);
    let run = AwsRun {
        trail_arn: format!("arn:aws:cloudtrail:{REGION}:444455556666:trail/main"),
        start: beginning(),
        end: trail.now,
        account: Some(ACCOUNT.to_owned()),
        ..AwsRun::default()
    };
    let is_valid = |run: &AwsRun| {
        let output = validate_logs(&evidence, &keys(), run);
        (output.exit, output.stdout.contains("4/4 digest files valid"))
    };
    assert_eq!(is_valid(&run), (0, false));
    let run = run.described(&evidence);
    assert_eq!(
        (run.prefix.as_deref(), run.organization.as_deref()),
        (Some("audit/x"), Some("o-exampleorg11"))
    );
    assert_eq!(is_valid(&run), (0, true));
    let other = AwsRun { trail_arn: run.trail_arn.replace("main", "other"), ..AwsRun::default() };
    assert_eq!(other.described(&evidence).organization, None);
}

#[test]
fn every_chain_of_an_organization_is_found() {
    let mut store = Store::default();
    for (account, region) in
        [("111122223333", "eu-west-1"), ("111122223333", "us-east-1"), ("444455556666", "eu-west-1")]
    {
        let mut trail = Trail { account, region, prefix: "audit/x/", ..Trail::default() };
        trail.hours(&mut store, 4);
    }
    let report = verify(&store, &keys());
    assert_eq!(findings(&report), NOTHING);
    let ids: Vec<_> = report.chains.iter().map(|chain| chain.id.to_string()).collect();
    assert_eq!(
        ids,
        [
            "111122223333 eu-west-1 main (eu-west-1)",
            "111122223333 us-east-1 main (us-east-1)",
            "444455556666 eu-west-1 main (eu-west-1)",
        ]
    );
}

#[test]
fn two_trails_of_one_region_do_not_accuse_each_other() {
    let (mut store, _) = clean(30);
    let mut other = Trail { name: "other_trail", now: beginning() + 23 * MINUTE, ..Trail::default() };
    other.hours(&mut store, 29);
    // The first trail's last log files are pending while the second is further on.
    other.deliver(&mut store, other.now + 3 * MINUTE);
    let report = verify_with(&store, &keys(), true);
    assert_eq!(findings(&report).iter().filter(|line| !line.starts_with("tail pending")).count(), 1);
    assert_eq!(report.standing(), Standing::Unproven);
}

#[test]
fn a_question_about_one_trail_accuses_no_file_of_another() {
    let (mut store, _) = clean(30);
    let mut other =
        Trail { name: "other_trail", now: beginning() + 23 * MINUTE, count: 500, ..Trail::default() };
    other.hours(&mut store, 26);
    store.remove(&other.logs[9]);
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    let evidence = evidence(root.path(), 1);
    let about = |name: &str| {
        let question = Question { trails: vec![name.into()], ..Question::default() };
        let report = judge(&evidence, &keys(), &question);
        assert!(report.logs.iter().all(|log| log.chain.is_none_or(|chain| chain < report.chains.len())));
        (report.chains.len(), report.digests().count(), report.logs.len(), findings(&report).len())
    };
    assert_eq!(about("main"), (1, 30, 60, 0));
    assert_eq!(about("other_trail"), (1, 26, 52, 1));
    assert_eq!(about("third"), (0, 0, 0, 0));
}

#[test]
fn a_flat_folder_is_valid_and_every_object_is_told_to_be_moved() {
    let (store, _) = clean(5);
    let root = tempfile::tempdir().unwrap();
    for (place, object) in &store.objects {
        fs::write(root.path().join(place.key.rsplit('/').next().unwrap()), &object.bytes).unwrap();
    }
    let report = judge(&evidence(root.path(), 1), &keys(), &Question::default());
    assert_eq!(report.moved(), 15);
    assert!(findings(&report).iter().all(|line| line.starts_with("moved ") || line.starts_with("un")));
}

#[test]
fn digests_and_log_files_are_read_from_folders() {
    let (store, _) = clean(5);
    let report = verify_with(&store, &keys(), true);
    assert_eq!(findings(&report), NOTHING);
    assert_eq!(report.counts()[&Verdict::Valid], 15);
    assert_eq!(report.moved(), 0);
}

#[test]
fn uncompressed_and_recompressed_copies_are_valid() {
    let (store, _) = clean(3);
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    for (place, object) in &store.objects {
        let path = root.path().join(&*place.bucket).join(&*place.key);
        fs::remove_file(&path).unwrap();
        fs::write(path.with_extension(""), gunzip(&object.bytes)).unwrap();
        let sidecar = format!("{}.metadata.json", path.display());
        if fs::exists(&sidecar).unwrap() {
            fs::rename(sidecar, format!("{}.metadata.json", path.with_extension("").display())).unwrap();
        }
    }
    let report = judge(&evidence(root.path(), 1), &keys(), &Question::default());
    assert_eq!(findings(&report), NOTHING);
}

#[test]
fn the_report_does_not_depend_on_threads() {
    let (mut store, trail) = clean(40);
    store.remove(&trail.logs[7]);
    store.remove(&trail.digests[20].place);
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    let report = |threads| {
        let report = judge(&evidence(root.path(), threads), &keys(), &Question::default());
        format!("{report:?}")
    };
    assert_eq!(report(1), report(7));
}

#[test]
fn a_question_of_some_hours_leaves_out_the_rest() {
    let (mut store, trail) = clean(48);
    store.remove(&trail.logs[2]);
    store.remove(&trail.logs[60]);
    let root = tempfile::tempdir().unwrap();
    store.copy_to(root.path(), true);
    let mut question = Question { trails: vec!["main".into()], ..Question::default() };
    question.range.since = Some(beginning() + 24 * HOUR);
    question.range.until = Some(beginning() + 36 * HOUR);
    let report = judge(&evidence(root.path(), 1), &keys(), &question);
    assert_eq!(report.chains[0].digests.len(), 12);
    let name = trail.logs[60].key.rsplit('/').next().unwrap().replace(".json.gz", "");
    assert_eq!(findings(&report), [format!("missing {name}")]);
    let arn = |region: &str| format!("arn:aws:cloudtrail:{region}:{ACCOUNT}:trail/main");
    question.trails = vec![arn("us-east-1")];
    assert!(judge(&evidence(root.path(), 1), &keys(), &question).chains.is_empty());
    question.trails = vec![arn(REGION)];
    assert_eq!(judge(&evidence(root.path(), 1), &keys(), &question).chains.len(), 1);
}
