//! Runs the world, tick by tick, in bounded memory.

use std::fs;
use std::io;
use std::path::Path;

use crate::clock::{self, DAY, TICK};
use crate::delivery::{Lanes, Manners, mark_of};
use crate::scenes::{Scene, Troupe};
use crate::stage::{Place, Stage};
use crate::truth::Truth;
use crate::world::World;
use crate::writer::{Kept, Outlet, write_below};
use crate::{Options, Planted, attacks, eks, plots};

/// Records a lane gathers before it is worth a delivery.
const BURST: f64 = 190.0;
/// Stories may take this share of the events.
const STORY_SHARE: u64 = 2;

/// Writes a trail below `directory`: `AWSLogs/…` and `truth.json`.
///
/// `progress` is told the number of records made so far. Options out of range
/// are an error of kind `InvalidInput`.
pub fn generate(directory: &Path, options: &Options, progress: &dyn Fn(u64)) -> io::Result<Truth> {
    let world = World::new(options)?;
    fs::create_dir_all(directory)?;
    let (truth, logs) =
        write_below(directory, options.threads, |outlet| run(world, options, (outlet, progress)))?;
    fs::write(directory.join("truth.json"), truth.to_json()?)?;
    for (file, text) in logs {
        let file = directory.join(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
    }
    Ok(truth)
}

/// One realistic file in memory, not compressed: `{"Records":[…]}` with exactly
/// `records` records of one account and Region.
///
/// # Panics
///
/// Never: its options are in range, and memory has no errors.
pub fn sample_file(seed: u64, records: usize) -> Vec<u8> {
    let options = Options {
        seed,
        events: records as u64,
        days: 1,
        accounts: 1,
        regions: 1,
        attacks: false,
        planted: Planted::Nothing,
        duplicates_percent: 0.0,
        ..Options::default()
    };
    let mut kept = Kept::default();
    let world = World::new(&options).expect("these options are in range");
    run(world, &options, (&mut kept, &|_| {})).expect("memory has no errors of its own");
    let head = r#"{"Records":["#;
    let mut body = head.to_owned();
    for finished in &kept.0 {
        if body.len() > head.len() {
            body.push(',');
        }
        body.push_str(&finished.body[head.len()..finished.body.len() - 2]);
    }
    body.push_str("]}");
    body.into_bytes()
}

/// Files beside the trail, below its folder, and their texts.
type Logs = Vec<(String, String)>;

fn run(world: World, options: &Options, ends: (&mut dyn Outlet, &dyn Fn(u64))) -> io::Result<(Truth, Logs)> {
    let (outlet, progress) = ends;
    let lanes = Lanes::new(Manners {
        accounts: world.accounts.clone(),
        regions: world.regions.clone(),
        org: if options.org { "o-exampleorg11/" } else { "" },
        duplicates: options.duplicates_percent / 100.0,
    });
    let mut stage = Stage::new(world, lanes);
    let mut truth = Truth {
        form: 1,
        seed: options.seed,
        from: clock::iso(stage.world.start),
        until: clock::iso(stage.world.end),
        accounts: stage.world.accounts.clone(),
        regions: stage.world.regions.iter().map(|region| (*region).to_owned()).collect(),
        ..Truth::default()
    };
    tell_stories(&mut stage, options, &mut truth);
    let planted = plots::plant(&mut stage, options);
    live(&mut stage, (options, planted), (&mut *outlet, progress))?;
    let Stage { lanes, chance, register, .. } = &mut stage;
    lanes.deliver_rest(chance, outlet)?;
    let counts = lanes.counts;
    truth.events = counts.events;
    truth.records = counts.records;
    truth.duplicates = counts.duplicates;
    truth.files = counts.files;
    truth.bytes_inflated = counts.bytes;
    let register = std::mem::take(register);
    truth.sessions = register.sessions;
    truth.copies = register.copies;
    truth.thefts = register.thefts;
    truth.causes = register.causes;
    truth.lives = register.lives;
    truth.joins = register.joins;
    Ok((truth, register.logs))
}

/// Stories are short: they are recorded first and wait for their marks.
fn tell_stories(stage: &mut Stage, options: &Options, truth: &mut Truth) {
    let room =
        |stage: &Stage, events: u64| (stage.lanes.counts.events + events) * STORY_SHARE <= options.events;
    if options.attacks {
        for story in attacks::STORIES {
            if room(stage, story.events_max) {
                truth.attacks.push((story.play)(stage));
            }
        }
    }
    for index in 0..eks::lives(&stage.world) {
        if room(stage, eks::EVENTS_MAX) {
            truth.clusters.push(eks::play(stage, index));
        }
    }
}

/// Everyday life from the first tick to the last.
fn live(
    stage: &mut Stage,
    (options, planted): (&Options, u64),
    ends: (&mut dyn Outlet, &dyn Fn(u64)),
) -> io::Result<()> {
    let (outlet, progress) = ends;
    let mut troupe = Troupe::new(stage, planted);
    let stories = stage.lanes.counts.events;
    let mut ahead: f64 = ticks(&stage.world).map(bustle).sum();
    let places = places(&stage.world);
    for tick in ticks(&stage.world) {
        stage.lanes.next_mark = mark_of(tick + TICK - 3);
        let last = tick + TICK >= stage.world.end;
        let left = options.events.saturating_sub(stage.lanes.counts.events);
        let share = bustle(tick) / ahead;
        ahead -= bustle(tick);
        for (place, weight) in &places {
            let expected = left as f64 * share * weight;
            let scene = Scene { place: *place, from: tick, bustle: bustle(tick) };
            let count = if last { expected } else { burst(stage, expected) };
            let room = options.events.saturating_sub(stage.lanes.counts.events);
            // Signing in may take a few records more than asked for.
            troupe.play(stage, scene, (count as u64).min(room.saturating_sub(16)));
        }
        if last {
            let scene = Scene { place: places[0].0, from: tick, bustle: 1.0 };
            while stage.lanes.counts.events < options.events.max(stories) {
                troupe.deliver(stage, scene, options.events - stage.lanes.counts.events);
            }
        }
        let Stage { lanes, chance, .. } = &mut *stage;
        lanes.deliver(lanes.next_mark, chance, outlet)?;
        progress(lanes.counts.events);
    }
    Ok(())
}

/// A quiet lane is silent most of the time and then says a lot.
fn burst(stage: &mut Stage, expected: f64) -> f64 {
    let active = (expected / BURST).min(1.0);
    if stage.chance.odds(active) { stage.chance.lognormal(expected / active, 0.7) } else { 0.0 }
}

fn ticks(world: &World) -> impl Iterator<Item = i64> + use<> {
    (world.start..world.end).step_by(TICK as usize)
}

/// How busy the world is: services never sleep, people work by day.
fn bustle(tick: i64) -> f64 {
    let hour = tick.rem_euclid(DAY) as f64 / 3_600.0;
    // 1970-01-01 was a Thursday.
    let weekend = matches!((tick.div_euclid(DAY) + 3).rem_euclid(7), 5 | 6);
    let day = (1.0 - ((hour - 13.0) / 7.0).powi(2)).max(0.0);
    0.35 + if weekend { 0.15 * day } else { 0.65 * day }
}

/// Every account and Region with its share of events, the first ones far ahead.
fn places(world: &World) -> Vec<(Place, f64)> {
    let mut places = Vec::new();
    for account in 0..world.accounts.len() {
        for region in 0..world.regions.len() {
            let weight = 1.0 / ((account + 1) as f64).powf(0.7) / (region + 1) as f64;
            places.push((Place { account, region }, weight));
        }
    }
    let total: f64 = places.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in &mut places {
        *weight /= total;
    }
    places
}
