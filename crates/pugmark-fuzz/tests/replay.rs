//! Each target over its committed corpus, and over mutations of it.
//!
//! A failing mutation is written below `target/`; put it into the corpus under
//! a name that says what it is. `PUGMARK_SEED` tries other mutations.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use pugmark_fuzz::mutate::Mutator;
use pugmark_fuzz::{TARGETS, Target};

const SEED: u64 = 1;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "an empty corpus tries nothing");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("a target")
}

/// Runs the body over `input`; a failure leaves the input behind.
#[expect(clippy::print_stderr, reason = "whoever reads a failure wants to know the input")]
fn run(target: Target, input: &[u8], from: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.body)(input))) {
        let path = root().join(format!("target/fuzz-{}.input", target.name));
        fs::write(&path, input).expect("a build folder");
        eprintln!("target `{}` failed on {from}; the input is in `{}`", target.name, path.display());
        resume_unwind(panic);
    }
}

fn replay_and_mutate(name: &str) {
    let target = target(name);
    let corpus = corpus(name);
    for (path, input) in &corpus {
        run(target, input, &path.display().to_string());
    }
    let seed = std::env::var("PUGMARK_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(seed);
    for attempt in 0..target.tries {
        run(target, &mutator.mutate(&inputs), &format!("mutation {attempt} of seed {seed}"));
    }
}

#[test]
fn any_text_is_printed_harmlessly() {
    replay_and_mutate("cell");
}

#[test]
fn the_kernel_agrees_with_its_twin_on_any_text() {
    replay_and_mutate("decode");
}

#[test]
fn any_file_is_opened_within_its_limits() {
    replay_and_mutate("inflate");
}

#[test]
fn any_key_is_read() {
    replay_and_mutate("key");
}

#[test]
fn any_request_has_an_answer() {
    replay_and_mutate("request");
}

#[test]
fn any_selectors_are_applied_or_refused() {
    replay_and_mutate("selectors");
}

#[test]
fn nobody_comes_in_without_a_key() {
    replay_and_mutate("signature");
}

#[test]
fn any_statement_is_planned_or_refused() {
    replay_and_mutate("sql");
}

#[test]
fn any_time_is_understood_or_refused() {
    replay_and_mutate("time");
}

#[test]
fn every_target_has_a_test_a_corpus_and_a_program() {
    for target in TARGETS {
        assert!(root().join("fuzz/corpus").join(target.name).is_dir(), "{}", target.name);
        let program = root().join(format!("fuzz/fuzz_targets/{}.rs", target.name));
        let text = fs::read_to_string(program).unwrap();
        assert!(text.contains(&format!("pugmark_fuzz::{}(", target.name)), "{}", target.name);
    }
}
