//! One turn: all that is due is decided, written down and done.
//!
//! Each effect is repeated until the ledger says that it is done: a log file
//! or a digest may be put twice, under the same key with the same bytes.

use std::collections::BTreeMap;
use std::io;

use pugmark_event::format_time;
use pugmark_integrity::hex;

use crate::bucket::{BucketFault, Object};
use crate::chaos::{Fault, second_key, tamper};
use crate::deliver::{Cut, Due, Plan, Progress, PutFile};
use crate::edge::ServiceError;
use crate::files::{LogFile, digest, digest_key, gzip, log_files};
use crate::ledger::Record;
use crate::service::{Service, lock};
use crate::status::Errors;
use crate::steps::Step;
use crate::terms::Terms;

/// Digests that one turn catches up with.
const DIGESTS_MAX: usize = 1_000;

/// What a turn did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Log files that were put.
    pub log_files: u64,
    /// Digests that were put.
    pub digests: u64,
    /// Objects that a bucket refused; the next turn tries again.
    pub refused: u64,
    /// Deliveries that a bucket refused for so long that they were given up.
    pub given_up: u64,
    /// Segments of the journal that were removed.
    pub collected: u64,
    /// Insights records that were found and are not valid, so that they were left out.
    pub faults: Vec<String>,
}

impl Service {
    /// Does all that is due now. Works on the disk in between, so that it
    /// belongs on a thread of its own.
    ///
    /// # Errors
    /// If the disk fails. What a bucket refuses is in the trail's status.
    pub async fn turn(&self) -> Result<Turn, ServiceError> {
        let _one = self.turning.lock().await;
        let now = self.world.clock.now();
        let mut turn = Turn { faults: self.observe(now)?, ..Turn::default() };
        self.cut(now)?;
        let pending: Vec<(u64, Cut)> = {
            let ledger = lock(&self.ledger);
            let rest = lock(&self.rest);
            let routes = ledger.state().deliveries.routes.iter();
            let is_awake = |cut: &&Cut| !rest.has_trail(&cut.terms.arn, now) && !rest.has_cut(cut.id, now);
            routes
                .flat_map(|(number, route)| {
                    route.cuts.values().filter(is_awake).map(|cut| (*number, cut.clone()))
                })
                .collect()
        };
        for (route, cut) in pending {
            if lock(&self.rest).has_trail(&cut.terms.arn, now) {
                continue;
            }
            self.deliver(route, &cut, now, &mut turn).await?;
        }
        self.digests(now, &mut turn).await?;
        self.finish(&mut turn)?;
        Ok(turn)
    }

    /// Makes a last cut for every trail and delivers it: before a planned end.
    ///
    /// # Errors
    /// As [`Service::turn`].
    pub async fn flush(&self) -> Result<Turn, ServiceError> {
        {
            let mut ledger = lock(&self.ledger);
            let (now, head) = (self.world.clock.now(), self.journal.head());
            let deliveries = &ledger.state().deliveries;
            let open = deliveries.routes.iter().filter(|(_, route)| route.closed.is_none());
            let cuts = open
                .flat_map(|(route, _)| deliveries.cuts_to(*route, now, head, |from| self.journal.run(from)));
            let records = cuts.map(Record::Progressed).collect();
            ledger.commit(records)?;
            lock(&self.rest).wake();
        }
        let turn = self.turn().await?;
        self.keep_insights(self.world.clock.now())?;
        Ok(turn)
    }

    pub(crate) fn commit(&self, steps: Vec<Progress>) -> io::Result<()> {
        lock(&self.ledger).commit(steps.into_iter().map(Record::Progressed).collect())
    }

    fn cut(&self, now: i64) -> io::Result<()> {
        loop {
            let mut ledger = lock(&self.ledger);
            let run = |from| self.journal.run(from);
            let due = ledger.state().deliveries.due_cuts(now, &self.settings.cadence, run);
            if due.is_empty() {
                return Ok(());
            }
            ledger.commit(due.into_iter().map(Record::Progressed).collect())?;
        }
    }

    async fn deliver(&self, route: u64, cut: &Cut, now: i64, turn: &mut Turn) -> io::Result<()> {
        let entries = self.journal.read(cut.from, cut.until)?;
        if entries.len() as u64 != cut.until - cut.from {
            let text = format!("the journal lacks events before {}", cut.until);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let files = log_files(cut, &entries, self.settings.chaos)?;
        let (mut steps, mut refusal, mut late_until) = (Vec::new(), None, None);
        for file in files.iter().filter(|file| !cut.put.contains(&file.put.key)) {
            self.world.steps.before(Step::PutLog)?;
            match self.put_log(cut, file, now).await? {
                Ok(None) => {
                    turn.log_files += 1;
                    lock(&self.rest).took(&cut.terms.arn);
                    steps.push(Progress::Put { route, cut: cut.id, file: Box::new(file.put.clone()) });
                }
                Ok(Some(until)) => late_until = Some(late_until.map_or(until, |other: i64| other.min(until))),
                Err(fault) => {
                    lock(&self.rest).refused(&cut.terms.arn, now);
                    refusal = Some(fault);
                    break;
                }
            }
        }
        self.world.steps.before(Step::RecordPut)?;
        let is_hopeless = refusal.is_some() && {
            let since = lock(&self.rest).refused_since(cut.id, now);
            now.saturating_sub(since) > self.settings.give_up_after
        };
        turn.given_up += u64::from(is_hopeless);
        let mut errors = self.errors_of(&cut.terms);
        if !files.is_empty() {
            errors.delivery = refusal.as_ref().map(|fault| fault.code.to_owned());
        }
        if is_hopeless || (refusal.is_none() && late_until.is_none()) {
            let is_put = |file: &&LogFile| {
                let now = |step: &Progress| matches!(step, Progress::Put { file: put, .. } if put.key == file.put.key);
                cut.put.contains(&file.put.key) || steps.iter().any(now)
            };
            let told = self.tell(&cut.terms, &files.iter().filter(is_put).collect::<Vec<_>>()).await;
            errors.notification = told.clone().err();
            self.world.steps.before(Step::Advance)?;
            lock(&self.rest).done(cut.id);
            let time = lock(&self.ledger).state().deliveries.second(now);
            let is_told = told == Ok(true);
            steps.push(Progress::Delivered { route, cut: cut.id, time, is_told });
        }
        if let Some(until) = late_until {
            lock(&self.rest).later(cut.id, until);
        }
        turn.refused += u64::from(refusal.is_some());
        lock(&self.errors).insert(cut.terms.arn.clone(), errors);
        self.commit(steps)
    }

    fn errors_of(&self, terms: &Terms) -> Errors {
        lock(&self.errors).get(&terms.arn).cloned().unwrap_or_default()
    }

    /// Puts a log file; answers until when it is held back, if it is to be
    /// late on purpose.
    async fn put_log(
        &self,
        cut: &Cut,
        file: &LogFile,
        now: i64,
    ) -> io::Result<Result<Option<i64>, BucketFault>> {
        let fault = self.settings.chaos.and_then(|chaos| chaos.fault(&file.put.key));
        let PutFile { bucket, key, .. } = &file.put;
        let metadata = fault.map(|fault| ("pugmark-chaos".to_owned(), fault.name().to_owned()));
        let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        let mut body = std::borrow::Cow::Borrowed(&file.body);
        match fault {
            Some(Fault::Late(cadences)) => {
                let until = cut.time.saturating_add(self.settings.cadence.logs * i64::from(cadences));
                if now < until {
                    return Ok(Ok(Some(until)));
                }
            }
            Some(Fault::Missing) => return Ok(Ok(None)),
            Some(Fault::Tampered) => tamper(body.to_mut()),
            _ => {}
        }
        let object = Object::log(gzip(&body)?, metadata);
        if fault == Some(Fault::Duplicated)
            && let Err(fault) = self.world.buckets.put(bucket, &second_key(key), object.clone()).await
        {
            return Ok(Err(fault));
        }
        Ok(self.world.buckets.put(bucket, key, object).await.map(|()| None))
    }

    /// Tells the trail's topic of its log files; false if there is none to tell.
    async fn tell(&self, terms: &Terms, files: &[&LogFile]) -> Result<bool, String> {
        let Some(topic) = terms.topic.as_ref().filter(|_| !files.is_empty()) else { return Ok(false) };
        let keys: Vec<&str> = files.iter().map(|file| file.put.key.as_str()).collect();
        let message = serde_json::json!({ "s3Bucket": terms.bucket, "s3ObjectKey": keys }).to_string();
        self.world.notify.notify(topic, &message).await.map(|()| true)
    }

    async fn digests(&self, now: i64, turn: &mut Turn) -> io::Result<()> {
        // Those planned before a crash come first, then round after round.
        for _ in 0..DIGESTS_MAX {
            self.plan(now)?;
            let plans: Vec<(u64, String, Terms, Plan)> = {
                let ledger = lock(&self.ledger);
                let mut plans = Vec::new();
                for (number, route) in &ledger.state().deliveries.routes {
                    for (name, chain) in &route.chains {
                        let plan = chain.plan.iter();
                        plans.extend(
                            plan.map(|plan| (*number, name.clone(), route.terms.clone(), plan.clone())),
                        );
                    }
                }
                plans
            };
            let signed = turn.digests;
            if plans.is_empty() {
                return Ok(());
            }
            for (route, chain, terms, plan) in plans {
                if lock(&self.rest).has_trail(&terms.arn, now) {
                    continue;
                }
                self.sign(route, &chain, &terms, &plan, (now, turn)).await?;
            }
            if turn.digests == signed {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Decides on the digests that are due, and makes keys where they lack.
    fn plan(&self, now: i64) -> io::Result<()> {
        let mut ledger = lock(&self.ledger);
        let mut records = Vec::new();
        let due = ledger.state().deliveries.due_digests(now, &self.settings.cadence);
        let mut made: BTreeMap<String, Vec<crate::keys::KeyRecord>> = BTreeMap::new();
        for (number, name, due) in due {
            let route = &ledger.state().deliveries.routes[&number];
            let chain = &route.chains[&name];
            let Due { end, is_backfill, .. } = due;
            let key = digest_key(&route.terms, &chain.account, &chain.region, end, is_backfill);
            let region = &chain.region;
            let known = ledger.state().keys.for_digest(region, end);
            let new = || made.get(region)?.iter().find(|key| key.fits(end));
            let fingerprint = if let Some(key) = known.or_else(new) {
                key.fingerprint.clone()
            } else {
                let key = lock(&self.keys).make(&*self.world.signers, region, end)?;
                let fingerprint = key.fingerprint.clone();
                records.push(Record::Keyed(key.clone()));
                made.entry(region.clone()).or_default().push(key);
                fingerprint
            };
            let planned = Progress::Planned { route: number, chain: name, due, key, fingerprint };
            records.push(Record::Progressed(planned));
        }
        ledger.commit(records)
    }

    async fn sign(
        &self,
        route: u64,
        chain: &str,
        terms: &Terms,
        plan: &Plan,
        (now, turn): (i64, &mut Turn),
    ) -> io::Result<()> {
        self.world.steps.before(Step::DigestBuild)?;
        let digest = digest(plan);
        self.world.steps.before(Step::DigestSign)?;
        let signed = self.signer(&plan.fingerprint)?.sign(&digest);
        let own = signed.metadata().map(|(name, value)| (name.to_owned(), value));
        let mut metadata = BTreeMap::from(own);
        if plan.is_backfill {
            let text = format_time(plan.end).replace('Z', ".000Z");
            metadata.insert("backfill-generation-timestamp".to_owned(), text);
        }
        self.world.steps.before(Step::PutDigest)?;
        let object = Object::log(gzip(&signed.bytes)?, metadata);
        let put = self.world.buckets.put(&plan.bucket, &plan.key, object).await;
        let mut errors = self.errors_of(terms);
        errors.digest = put.as_ref().err().map(|fault| fault.code.to_owned());
        lock(&self.errors).insert(terms.arn.clone(), errors);
        if put.is_err() {
            lock(&self.rest).refused(&terms.arn, now);
            turn.refused += 1;
            return Ok(());
        }
        lock(&self.rest).took(&terms.arn);
        turn.digests += 1;
        self.world.steps.before(Step::Advance)?;
        let time = lock(&self.ledger).state().deliveries.second(now);
        let (sha256, signature) = (hex(&signed.sha256), hex(&signed.signature));
        self.commit(vec![Progress::Signed { route, chain: chain.to_owned(), sha256, signature, time }])
    }

    /// Forgets routes that are done, and removes what nobody needs.
    fn finish(&self, turn: &mut Turn) -> io::Result<()> {
        let done = lock(&self.ledger).state().deliveries.done();
        self.commit(done)?;
        // What was accepted after this line is not looked at: it stays.
        let head = self.journal.head();
        let needed = lock(&self.ledger).state().deliveries.needed(head);
        turn.collected += self.journal.collect(needed)? as u64;
        Ok(())
    }
}
