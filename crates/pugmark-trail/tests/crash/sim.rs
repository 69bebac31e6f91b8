//! Days of a trail with a bucket that fails, crashes and changes of mind.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pugmark_trail::UpdateTrail;
use rand::Rng as _;

use crate::Run;
use crate::census;
use crate::disk::DAMAGES;

/// Simulated days in a plain run of the tests, and how long they may take.
const SEEDS: u64 = 8;
const TIME_MAX: Duration = Duration::from_secs(12);

/// One day; the bucket may be away for hours.
fn day(seed: u64) {
    let mut run = Run::new(u64::MAX, seed, DAMAGES[seed as usize % 3]);
    run.create();
    run.surely(|service| service.put_insights(&Run::caller(), "main", census::asked()));
    run.surely(|service| service.start_logging(&Run::caller(), "main"));
    let mut away_until = 0;
    for minute in 0..1_440 {
        if run.random.random_bool(0.4) {
            let count = run.random.random_range(1..12);
            run.accept(count);
        }
        if run.random.random_bool(0.003) {
            let operations = run.random.random_range(1..40);
            run.parts.fuse.set(operations);
        }
        if minute >= away_until && run.random.random_bool(0.002) {
            away_until = minute + run.random.random_range(5..200);
        }
        let refusals = if minute < away_until { 100 } else { 2 };
        run.parts.store.refusals.store(refusals, Ordering::SeqCst);
        if run.random.random_bool(0.003) {
            changed(&mut run);
        }
        run.pass(1);
        run.turn();
    }
    run.parts.fuse.set(u64::MAX);
    run.parts.store.refusals.store(0, Ordering::SeqCst);
    run.finish();
}

/// Somebody changes the trail, or stops it for a moment in which nothing comes.
fn changed(run: &mut Run) {
    let caller = Run::caller();
    if run.random.random_bool(0.5) {
        run.surely(|service| service.stop_logging(&caller, "main"));
        if run.random.random_bool(0.5) {
            run.pass(7);
            run.turn();
        }
        run.surely(|service| service.start_logging(&caller, "main"));
        return;
    }
    let prefix = if run.random.random_bool(0.5) { "audit" } else { "" };
    let request = UpdateTrail {
        name: "main".to_owned(),
        s3_key_prefix: Some(prefix.to_owned()),
        ..UpdateTrail::default()
    };
    run.update(&request);
}

#[test]
fn simulated_days_lose_and_double_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PUGMARK_SEED") {
        return day(seed);
    }
    let begun = Instant::now();
    let asked = number("PUGMARK_SEEDS");
    for seed in 0..asked.unwrap_or(SEEDS) {
        println!("PUGMARK_SEED={seed}");
        day(seed);
        if asked.is_none() && begun.elapsed() > TIME_MAX {
            return;
        }
    }
}
