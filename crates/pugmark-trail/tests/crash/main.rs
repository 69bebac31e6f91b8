//! Power fails at any point, and nothing is lost, doubled or unproven.
//!
//! `PUGMARK_SEEDS=10000` asks for more simulated days, `PUGMARK_SEED=7` for one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::panic, reason = "a test that cannot go on fails there")]

mod census;
mod check;
mod disk;
mod sim;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use pugmark_trail::{Caller, CreateTrail, Service, Settings, Step, UpdateTrail};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::census::Census;
use crate::check::{check_chain, delivered};
use crate::disk::{DAMAGES, Damage};
use crate::world::{MINUTE, Parts};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// A run that survives crashes: what was offered and what was answered.
pub(crate) struct Run {
    pub(crate) parts: Parts,
    service: Option<Service>,
    runtime: tokio::runtime::Runtime,
    pub(crate) random: ChaCha8Rng,
    damage: Damage,
    /// Operations after the first crash until power fails again.
    again: Option<u64>,
    pub(crate) offered: BTreeSet<String>,
    pub(crate) acked: BTreeSet<String>,
    next: u64,
    /// True if the trail looks for Insights all the time.
    is_counted: bool,
}

impl Run {
    pub(crate) fn new(operations: u64, seed: u64, damage: Damage) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Run {
            parts: Parts::new(operations),
            service: None,
            runtime,
            random: ChaCha8Rng::seed_from_u64(seed),
            damage,
            again: None,
            offered: BTreeSet::new(),
            acked: BTreeSet::new(),
            next: seed << 20,
            is_counted: false,
        }
    }

    pub(crate) fn caller() -> Caller {
        Caller { account: ACCOUNT.to_owned(), region: REGIONS[0].to_owned() }
    }

    /// The service, opened if it is not.
    pub(crate) fn service(&mut self) -> &Service {
        while self.service.is_none() {
            let settings = Settings { segment_bytes_max: 2_000, ..Settings::default() };
            match Service::open(self.parts.world(), settings) {
                Ok(service) => match service.set_insights(Box::new(Census::default())) {
                    Ok(()) => self.service = Some(service),
                    Err(error) => {
                        assert!(self.parts.fuse.is_out(), "{error}");
                        self.crash();
                    }
                },
                Err(error) => {
                    assert!(self.parts.fuse.is_out(), "cannot open: {error}");
                    self.crash();
                }
            }
        }
        self.service.as_ref().unwrap()
    }

    /// Power fails and comes back.
    pub(crate) fn crash(&mut self) {
        self.service = None;
        let (damage, mut random) = (self.damage, self.random.clone());
        self.parts.disk.crash(damage, &mut random);
        self.random = random;
        let again = self.again.take();
        self.parts.fuse.set(again.unwrap_or(u64::MAX));
        *self.parts.stop.at.lock().unwrap() = None;
    }

    /// Does something until it succeeds, through crashes.
    pub(crate) fn surely<T, E: std::fmt::Display>(
        &mut self,
        mut act: impl FnMut(&Service) -> Result<T, E>,
    ) -> T {
        for _ in 0..3 {
            match act(self.service()) {
                Ok(done) => return done,
                Err(error) => {
                    assert!(self.is_stopped(), "{error}");
                    self.crash();
                }
            }
        }
        panic!("failed after crashes that were to happen once")
    }

    fn is_stopped(&self) -> bool {
        self.parts.fuse.is_out() || self.parts.stop.at.lock().unwrap().is_some()
    }

    pub(crate) fn create(&mut self) {
        let request = CreateTrail {
            name: "main".to_owned(),
            s3_bucket_name: "trail-logs-example".to_owned(),
            is_multi_region_trail: Some(true),
            enable_log_file_validation: Some(true),
            ..CreateTrail::default()
        };
        self.service();
        for _ in 0..3 {
            let made =
                self.runtime.block_on(self.service.as_ref().unwrap().create_trail(&Run::caller(), &request));
            match made {
                Ok(_) => return,
                Err(error) if error.code() == "TrailAlreadyExistsException" => return,
                Err(_) => {
                    self.crash();
                    self.service();
                }
            }
        }
    }

    pub(crate) fn update(&mut self, request: &UpdateTrail) {
        for _ in 0..3 {
            self.service();
            let service = self.service.as_ref().unwrap();
            match self.runtime.block_on(service.update_trail(&Run::caller(), request)) {
                Ok(_) => return,
                Err(error) => {
                    assert!(self.is_stopped(), "{error}");
                    self.crash();
                }
            }
        }
    }

    /// Offers events; what is not answered is offered again, or not.
    pub(crate) fn accept(&mut self, count: usize) {
        let mut ids = Vec::new();
        let mut events = Vec::new();
        for _ in 0..count {
            self.next += 1;
            let id = format!("00000000-0000-4000-8000-{:012x}", self.next);
            let region = REGIONS[(self.next % 3 / 2) as usize];
            let time = pugmark_event::format_time(pugmark_trail::Clock::now(&*self.parts.clock));
            events.push(format!(
                r#"{{"eventVersion":"1.11","eventTime":"{}Z","eventID":"{id}","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"{region}"}}"#,
                &time[..19]
            ));
            ids.push(id);
        }
        self.offered.extend(ids.iter().cloned());
        loop {
            match self.service().accept(&events) {
                Ok(answers) => {
                    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                    self.acked.extend(ids);
                    return;
                }
                Err(error) => {
                    assert!(self.is_stopped(), "{error}");
                    self.crash();
                }
            }
            // Some clients give up, others send the same again.
            if self.random.random_bool(0.5) {
                return;
            }
        }
    }

    pub(crate) fn turn(&mut self) {
        self.service();
        let turned = self.runtime.block_on(self.service.as_ref().unwrap().turn());
        // A store that loses power refuses; the disk says so at its next turn.
        if let Err(error) = turned {
            assert!(self.is_stopped(), "{error}");
            self.crash();
        } else if self.parts.fuse.is_out() {
            self.crash();
        }
    }

    pub(crate) fn pass(&mut self, minutes: i64) {
        self.parts.clock.pass(minutes * MINUTE);
    }

    /// Stops logging, delivers the rest and checks all that must hold.
    pub(crate) fn finish(mut self) -> u64 {
        let caller = Run::caller();
        self.surely(|service| service.stop_logging(&caller, "main"));
        for _ in 0..6 {
            self.pass(61);
            self.turn();
        }
        let objects = self.parts.store.objects.lock().unwrap().clone();
        let (reports, delivered): (BTreeMap<_, _>, BTreeMap<_, _>) =
            delivered(&objects).into_iter().partition(|(id, _)| id.starts_with(census::MARK));
        if self.is_counted {
            census::check(&reports.into_iter().collect::<Vec<_>>(), self.acked.len());
        }
        for (id, times) in &delivered {
            assert_eq!(*times, 1, "{id} was delivered more than once");
            assert!(self.offered.contains(id), "{id} was never offered");
        }
        let lost: Vec<&String> = self.acked.iter().filter(|id| !delivered.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let service = self.service();
        assert_eq!(service.undelivered(), service.head());
        check_chain(service, &objects, &REGIONS);
        let names = self.parts.disk.names_of_all();
        assert!(names.iter().filter(|name| name.starts_with("journal/")).count() == 1, "{names:?}");
        self.parts.fuse.burnt()
    }
}

/// Three hours of a trail.
fn three_hours(mut run: Run) -> u64 {
    run.create();
    run.surely(|service| service.put_insights(&Run::caller(), "main", census::asked()));
    run.surely(|service| service.start_logging(&Run::caller(), "main"));
    run.is_counted = true;
    // The first look says from where on is counted.
    run.turn();
    for step in 0..36 {
        if step % 5 != 4 {
            run.accept(step % 4 + 1);
        }
        run.pass(2);
        run.accept(1);
        run.pass(3);
        run.turn();
    }
    run.finish()
}

#[test]
fn a_run_without_a_crash_delivers_and_proves_everything() {
    let run = Run::new(u64::MAX, 1, Damage::Lost);
    assert!(three_hours(run) > 200);
}

#[test]
fn power_fails_after_any_operation_and_nothing_is_lost_or_doubled() {
    let operations = three_hours(Run::new(u64::MAX, 1, Damage::Lost));
    // All of them with `PUGMARK_SEEDS`; each fifth otherwise.
    let stride = if std::env::var_os("PUGMARK_SEEDS").is_some() { 1 } else { 5 };
    for at in (1..operations).step_by(stride) {
        let damage = DAMAGES[at as usize / stride % 3];
        println!("PUGMARK_SEED=1, power fails after operation {at}, unsynced writes {damage:?}");
        three_hours(Run::new(at, 1, damage));
    }
}

#[test]
fn power_fails_again_while_it_recovers() {
    for at in [20, 45, 80, 125, 180] {
        for again in 1..8 {
            let damage = DAMAGES[again as usize % 3];
            println!("PUGMARK_SEED=1, power fails after operation {at}, and {again} later, {damage:?}");
            let mut run = Run::new(at, 1, damage);
            run.again = Some(again);
            three_hours(run);
        }
    }
}

#[test]
fn a_crash_before_any_step_loses_and_doubles_nothing() {
    for step in Step::ALL {
        for time in [0, 1, 5] {
            for damage in DAMAGES {
                println!("stopped before {step:?}, time {time}, unsynced writes {damage:?}");
                let run = Run::new(u64::MAX, 1, damage);
                *run.parts.stop.at.lock().unwrap() = Some((step, time));
                three_hours(run);
            }
        }
    }
}
