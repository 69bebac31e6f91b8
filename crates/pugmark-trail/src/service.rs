//! The trails at work: takes requests and events, and delivers.
//!
//! ```text
//! requests ─▶ Trails ─┐
//! events ─▶ take ─▶ Journal ─▶ turn: cuts, log files, digests ─▶ Buckets
//! ```
//!
//! One call of [`Service::turn`] does all that is due; whoever runs the
//! service calls it every second or so. Any number of threads may accept
//! events meanwhile. What happens to a crash at any point: the ledger says
//! what was decided, and the next turn does it again, with the same result.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bucket::{BucketFault, Object};
use crate::config::{Caller, CreateTrail, EventConfiguration, Tag, Trail, UpdateTrail};
use crate::deliver::Progress;
use crate::edge::{InsightRecord, ServiceError, Settings, World};
use crate::error::{TrailError, TrailErrorKind as Kind};
use crate::journal::{Entry, Journal};
use crate::keys::{KeyFolder, KeyRecord};
use crate::ledger::{Ledger, Record, State};
use crate::name::{check_bucket, check_prefix};
use crate::observe::{Observer, READER};
use crate::recent::{RECENT_MAX, Recent};
use crate::record::{RecordFault, Taken, take};
use crate::rest::Rest;
use crate::selector::{InsightSelector, Selectors};
use crate::status::{Errors, TrailStatus};
use crate::steps::Step;
use crate::terms::Terms;
use crate::trails::{Change, Trails};

/// An event that was accepted, and is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its number in the journal.
    pub number: u64,
    /// Its `eventID`.
    pub event_id: String,
}

/// A text that was signed as digests are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key, as `ListPublicKeys` names it.
    pub fingerprint: String,
    /// RSA PKCS#1 v1.5 over SHA-256.
    pub bytes: Vec<u8>,
}

type Answer = Result<Accepted, RecordFault>;

/// The trails, their events and their deliveries.
pub struct Service {
    pub(crate) world: World,
    pub(crate) settings: Settings,
    pub(crate) journal: Journal,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) keys: Mutex<KeyFolder>,
    /// What went wrong last, by trail; not kept.
    pub(crate) errors: Mutex<BTreeMap<String, Errors>>,
    recent: Mutex<Recent>,
    pub(crate) rest: Mutex<Rest>,
    pub(crate) observer: Mutex<Option<Observer>>,
    /// One turn at a time.
    pub(crate) turning: tokio::sync::Mutex<()>,
}

impl Service {
    /// Opens the state on the world's disk, or begins it.
    ///
    /// # Errors
    /// If the disk fails, or what lies on it is damaged.
    pub fn open(world: World, settings: Settings) -> Result<Service, ServiceError> {
        let trails = Trails::new(&settings.partition, settings.organization.clone());
        let ledger = Ledger::open(world.disk.clone(), State { trails, ..State::default() })?;
        let needed = ledger.state().deliveries.needed(u64::MAX);
        let first = if needed == u64::MAX { 0 } else { needed };
        let journal =
            Journal::open(world.disk.clone(), world.steps.clone(), settings.segment_bytes_max, first)?;
        if ledger.state().deliveries.reaches() > journal.head() {
            let text = "the journal ends before events that deliveries are about: a part of it is lost";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
        }
        let recent = Mutex::new(recent(&journal)?);
        let keys = Mutex::new(KeyFolder::new(world.disk.clone()));
        Ok(Service {
            world,
            settings,
            journal,
            ledger: Mutex::new(ledger),
            keys,
            errors: Mutex::default(),
            recent,
            rest: Mutex::default(),
            observer: Mutex::default(),
            turning: tokio::sync::Mutex::default(),
        })
    }

    /// Takes events in. Each has an answer of its own, in order; all that
    /// were accepted are durable on return. An event with the very bytes of a
    /// recent one is that one, so that a client may send again what was not
    /// answered. Blocks on the disk.
    ///
    /// # Errors
    /// If the disk fails; none was accepted then.
    pub fn accept<B: AsRef<[u8]>>(
        &self,
        events: &[B],
    ) -> Result<Vec<Result<Accepted, RecordFault>>, ServiceError> {
        let now = self.world.clock.now();
        let taken: Vec<Result<Taken, RecordFault>> =
            events.iter().map(|event| take(event.as_ref(), now, &*self.world.identifiers)).collect();
        self.world.steps.before(Step::Accept)?;
        let (answers, until) = self.queue(taken)?;
        self.journal.settle(until)?;
        Ok(answers)
    }

    /// Numbers events, in memory; one that came lately keeps its number.
    /// Answers also up to where the journal must be durable.
    fn queue(&self, taken: Vec<Result<Taken, RecordFault>>) -> io::Result<(Vec<Answer>, u64)> {
        let frame = |taken: Taken| {
            let entry = Entry { only_for: None, event: taken.event };
            (entry.to_frame(), entry.event, taken.event_id)
        };
        let checked: Vec<_> = taken.into_iter().map(|taken| taken.map(frame)).collect();
        let (mut answers, mut frames, mut until) = (Vec::with_capacity(checked.len()), Vec::new(), 0);
        // Held by all who number events, so that the next number stays the next.
        let mut recent = lock(&self.recent);
        let mut next = self.journal.queue(Vec::new())?;
        for one in checked {
            answers.push(one.map(|(frame, event, event_id)| {
                let number = recent.number(&event).unwrap_or_else(|| {
                    let number = next;
                    next += 1;
                    frames.push(frame);
                    recent.insert(&event, number);
                    number
                });
                until = until.max(number + 1);
                Accepted { number, event_id }
            }));
        }
        self.journal.queue(frames)?;
        Ok((answers, until))
    }

    /// Takes in what was found in events, each for one trail; answers what was
    /// wrong with those that were not taken.
    pub(crate) fn accept_found(&self, found: Vec<InsightRecord>) -> io::Result<Vec<String>> {
        let now = self.world.clock.now();
        let (mut until, mut faults) = (0, Vec::new());
        for record in found {
            let event = match take(record.event.as_bytes(), now, &*self.world.identifiers) {
                Ok(taken) => taken.event,
                Err(fault) => {
                    faults.push(format!("an Insights record for `{}` is not valid: {fault}", record.trail));
                    continue;
                }
            };
            let mut recent = lock(&self.recent);
            // The same finding again, after a restart.
            let name = format!("{}{event}", record.trail);
            if recent.number(&name).is_some() {
                continue;
            }
            let entry = Entry { only_for: Some(record.trail), event };
            let number = self.journal.queue(vec![entry.to_frame()])?;
            recent.insert(&name, number);
            until = number + 1;
        }
        self.journal.settle(until)?;
        Ok(faults)
    }

    /// Number after the last durable event.
    pub fn head(&self) -> u64 {
        self.journal.head()
    }

    /// Events from number `from` on, some of those there are, in order. What
    /// nobody needed any more is gone: see [`Service::hold`].
    ///
    /// # Errors
    /// If the disk fails, or they are gone.
    pub fn events(&self, from: u64) -> Result<Vec<(u64, Entry)>, ServiceError> {
        Ok(self.journal.read(from, u64::MAX)?)
    }

    /// A reader of that name needs events from `position` on. They are kept
    /// until it says otherwise, across restarts.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn hold(&self, name: &str, position: u64) -> Result<(), ServiceError> {
        let progress = Progress::Reader { name: name.to_owned(), position };
        Ok(lock(&self.ledger).commit(vec![Record::Progressed(progress)])?)
    }

    /// The first event that a reader of that name needs.
    pub fn held(&self, name: &str) -> Option<u64> {
        lock(&self.ledger).state().deliveries.readers.get(name).copied()
    }

    /// The first event that a trail or a reader still waits for. What Insights were shown already
    /// is kept for them, but waits for nothing.
    pub fn undelivered(&self) -> u64 {
        lock(&self.ledger).state().deliveries.awaited(READER, self.journal.head())
    }

    /// The trails as they are now.
    pub fn trails(&self) -> Trails {
        lock(&self.ledger).state().trails.clone()
    }

    /// `GetTrailStatus`.
    pub fn status(&self, caller: &Caller, name: &str) -> Result<TrailStatus, TrailError> {
        let ledger = lock(&self.ledger);
        let trail = ledger.state().trails.get(caller, name)?;
        let arn = &trail.config.trail_arn;
        let latest = ledger.state().deliveries.latest.get(arn).copied().unwrap_or_default();
        let errors = lock(&self.errors).get(arn).cloned().unwrap_or_default();
        Ok(TrailStatus::new(trail, latest, errors, self.settings.chaos))
    }

    /// `ListPublicKeys` of a Region; times in microseconds, now if not given.
    pub fn public_keys(
        &self,
        region: &str,
        since: Option<i64>,
        until: Option<i64>,
    ) -> Result<Vec<KeyRecord>, TrailError> {
        let now = self.world.clock.now();
        let (since, until) = (since.unwrap_or(now), until.unwrap_or(now));
        if since > until {
            let text = "The start time must not be after the end time.";
            return Err(TrailError::new(Kind::InvalidTimeRange, text));
        }
        let ledger = lock(&self.ledger);
        Ok(ledger.state().keys.meeting(region, since, until).into_iter().cloned().collect())
    }

    /// `CreateTrail`: the bucket is asked whether it takes objects.
    pub async fn create_trail(&self, caller: &Caller, request: &CreateTrail) -> Result<Trail, TrailError> {
        let trail = self.trails().create(caller, request)?;
        self.check_bucket(&trail).await?;
        self.change(|trails| trails.create(caller, request))
    }

    /// `UpdateTrail`: the bucket is asked again.
    pub async fn update_trail(&self, caller: &Caller, request: &UpdateTrail) -> Result<Trail, TrailError> {
        let trail = self.trails().update(caller, request)?;
        self.check_bucket(&trail).await?;
        self.change(|trails| trails.update(caller, request))
    }

    /// `DeleteTrail`: what was accepted is still delivered, and a last digest.
    pub fn delete_trail(&self, caller: &Caller, name: &str) -> Result<(), TrailError> {
        let mut ledger = lock(&self.ledger);
        let mut trail = ledger.state().trails.delete(caller, name)?;
        trail.is_logging = false;
        let mut records = self.route_records(ledger.state(), &trail);
        records.push(Record::Configured(Change::NoTrail(trail.config.trail_arn)));
        ledger.commit(records).map_err(|error| internal(&error))
    }

    /// `StartLogging`.
    pub fn start_logging(&self, caller: &Caller, name: &str) -> Result<(), TrailError> {
        let now = self.world.clock.now();
        self.change(|trails| trails.start(caller, name, now)).map(|_| ())
    }

    /// `StopLogging`: what was accepted is still delivered, and a last digest.
    pub fn stop_logging(&self, caller: &Caller, name: &str) -> Result<(), TrailError> {
        let now = self.world.clock.now();
        self.change(|trails| trails.stop(caller, name, now)).map(|_| ())
    }

    /// `PutEventSelectors`.
    pub fn put_selectors(&self, caller: &Caller, name: &str, asked: Selectors) -> Result<Trail, TrailError> {
        self.change(|trails| trails.put_selectors(caller, name, asked))
    }

    /// `PutInsightSelectors`.
    pub fn put_insights(
        &self,
        caller: &Caller,
        name: &str,
        asked: Vec<InsightSelector>,
    ) -> Result<Trail, TrailError> {
        self.change(|trails| trails.put_insights(caller, name, asked))
    }

    /// `PutEventConfiguration`.
    pub fn put_configuration(
        &self,
        caller: &Caller,
        name: &str,
        asked: EventConfiguration,
    ) -> Result<Trail, TrailError> {
        self.change(|trails| trails.put_configuration(caller, name, asked))
    }

    /// `AddTags` on a trail.
    pub fn add_tags(&self, caller: &Caller, arn: &str, tags: &[Tag]) -> Result<Trail, TrailError> {
        self.change(|trails| trails.add_tags(caller, arn, tags))
    }

    /// `RemoveTags` on a trail.
    pub fn remove_tags(&self, caller: &Caller, arn: &str, tags: &[Tag]) -> Result<Trail, TrailError> {
        self.change(|trails| trails.remove_tags(caller, arn, tags))
    }

    /// `PutResourcePolicy`; that the resource exists is the caller's to know.
    pub fn put_policy(&self, arn: &str, policy: &str) -> Result<(), TrailError> {
        let mut ledger = lock(&self.ledger);
        let change = ledger.state().trails.put_policy(arn, policy)?;
        ledger.commit(vec![Record::Configured(change)]).map_err(|error| internal(&error))
    }

    /// `DeleteResourcePolicy`.
    pub fn delete_policy(&self, arn: &str) -> Result<(), TrailError> {
        let mut ledger = lock(&self.ledger);
        let change = ledger.state().trails.delete_policy(arn)?;
        ledger.commit(vec![Record::Configured(change)]).map_err(|error| internal(&error))
    }

    /// Checks a change of a trail and makes it durable, with what follows for delivery.
    fn change(&self, check: impl FnOnce(&Trails) -> Result<Trail, TrailError>) -> Result<Trail, TrailError> {
        let mut ledger = lock(&self.ledger);
        let trail = check(&ledger.state().trails)?;
        let mut records = self.route_records(ledger.state(), &trail);
        records.push(Record::Configured(Change::Trail(Box::new(trail.clone()))));
        ledger.commit(records).map_err(|error| internal(&error))?;
        Ok(trail)
    }

    /// What a change of a trail means for its route: events before it are cut
    /// under the terms under which they came.
    fn route_records(&self, state: &State, trail: &Trail) -> Vec<Record> {
        let terms = Terms::of(trail, state.trails.organization.as_deref());
        let now = self.world.clock.now();
        let time = state.deliveries.second(now);
        let head = self.journal.head();
        let open = state.deliveries.open_route(&terms.arn);
        let mut steps = Vec::new();
        match open {
            Some((_, route)) if trail.is_logging && route.terms == terms => {}
            Some((number, _)) => {
                steps = state.deliveries.cuts_to(number, now, head, |from| self.journal.run(from));
                steps.push(if trail.is_logging {
                    Progress::Changed { route: number, terms: Box::new(terms), time }
                } else {
                    Progress::Closed { route: number, time }
                });
            }
            None if trail.is_logging => {
                steps.push(Progress::Opened { terms: Box::new(terms), position: head, time });
            }
            None => {}
        }
        steps.into_iter().map(Record::Progressed).collect()
    }

    async fn check_bucket(&self, trail: &Trail) -> Result<(), TrailError> {
        let bucket = &trail.config.s3_bucket_name;
        let prefix =
            trail.config.s3_key_prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let organization = self.settings.organization.as_ref().filter(|_| trail.config.is_organization_trail);
        let organization = organization.map(|id| format!("{id}/")).unwrap_or_default();
        self.check_folder(bucket, &format!("{prefix}AWSLogs/{organization}{}", trail.account)).await
    }

    /// Sees whether objects can be put below `AWSLogs` of a prefix, in a bucket, both of which
    /// a client named; the prefix may be empty.
    ///
    /// # Errors
    /// If one of them is no name, or the bucket is not there or refuses.
    pub async fn check_place(&self, bucket: &str, prefix: &str) -> Result<(), TrailError> {
        check_bucket(bucket)?;
        check_prefix(prefix)?;
        let prefix = prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        self.check_folder(bucket, &format!("{prefix}{slash}AWSLogs")).await
    }

    async fn check_folder(&self, bucket: &str, folder: &str) -> Result<(), TrailError> {
        let checked = self.world.buckets.check(bucket, folder).await;
        checked.map_err(|fault| {
            if fault.code == "NoSuchBucket" {
                return TrailError::new(
                    Kind::S3BucketDoesNotExist,
                    format!("S3 bucket {bucket} does not exist!"),
                );
            }
            let text = format!("Incorrect S3 bucket policy is detected for bucket: {bucket}");
            TrailError::new(Kind::InsufficientS3BucketPolicy, text)
        })
    }

    /// Puts an object that is no log file.
    ///
    /// # Errors
    /// If the bucket does not take it.
    pub async fn put(&self, bucket: &str, key: &str, object: Object) -> Result<(), BucketFault> {
        self.world.buckets.put(bucket, key, object).await
    }

    /// Signs a text with the key that signs the Region's digests now.
    ///
    /// # Errors
    /// If the disk fails, or no key can be made.
    pub fn sign_text(&self, region: &str, text: &str) -> Result<Signature, ServiceError> {
        let now = self.world.clock.now();
        let fingerprint = {
            let mut ledger = lock(&self.ledger);
            let known = ledger.state().keys.for_digest(region, now).map(|key| key.fingerprint.clone());
            if let Some(fingerprint) = known {
                fingerprint
            } else {
                let key = lock(&self.keys).make(&*self.world.signers, region, now)?;
                let fingerprint = key.fingerprint.clone();
                ledger.commit(vec![Record::Keyed(key)])?;
                fingerprint
            }
        };
        let bytes = self.signer(&fingerprint)?.sign_text(text);
        Ok(Signature { fingerprint, bytes })
    }

    pub(crate) fn signer(&self, fingerprint: &str) -> io::Result<Arc<pugmark_integrity::Signer>> {
        lock(&self.keys).signer(&*self.world.signers, fingerprint)
    }
}

/// The newest events of a journal.
fn recent(journal: &Journal) -> io::Result<Recent> {
    let mut recent = Recent::default();
    let head = journal.head();
    let mut from = journal.segment_of(head.saturating_sub(RECENT_MAX as u64));
    while from < head {
        let run = journal.read(from, head)?;
        from += run.len() as u64;
        for (number, entry) in run {
            let name = entry.only_for.unwrap_or_default() + &entry.event;
            recent.insert(&name, number);
        }
    }
    Ok(recent)
}

fn internal(error: &io::Error) -> TrailError {
    TrailError::new(Kind::InternalError, error.to_string())
}

/// A panic elsewhere leaves no half-made state behind these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
