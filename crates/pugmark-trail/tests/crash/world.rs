//! A world that can be crashed: its clock, its bucket, its keys.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use pugmark_integrity::Signer;
use pugmark_trail::{
    BucketFault, Buckets, Clock, GivenSigner, NoTopics, Object, RandomIdentifiers, Step, Steps, World,
};

use crate::disk::{CrashDisk, Fuse};

/// 2026-01-15T10:00:07Z, microseconds.
pub(crate) const BEGIN: i64 = 1_768_471_207_000_000;
pub(crate) const MINUTE: i64 = 60_000_000;

#[derive(Debug)]
pub(crate) struct SimClock(AtomicI64);

impl SimClock {
    pub(crate) fn pass(&self, time: i64) {
        self.0.fetch_add(time, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A bucket that refuses, and that loses answers.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) objects: Mutex<BTreeMap<String, Object>>,
    /// Of a hundred puts, how many are refused; as many lose their answer.
    pub(crate) refusals: AtomicU32,
    puts: AtomicU32,
    fuse: Arc<Fuse>,
}

#[async_trait]
impl Buckets for FaultyStore {
    async fn put(&self, _bucket: &str, key: &str, object: Object) -> Result<(), BucketFault> {
        let fault = |code| BucketFault { code, message: String::new() };
        let is_alive = self.fuse.burn();
        let lot = self.puts.fetch_add(1, Ordering::SeqCst).wrapping_mul(2_654_435_761) >> 8;
        let (lot, refusals) = (lot % 100, self.refusals.load(Ordering::SeqCst));
        if lot < refusals {
            return Err(fault("SlowDown"));
        }
        let before = self.objects.lock().unwrap().insert(key.to_owned(), object.clone());
        assert!(before.is_none_or(|before| before == object), "`{key}` was put again with other bytes");
        if lot < refusals * 2 || is_alive.is_err() {
            return Err(fault("InternalError"));
        }
        Ok(())
    }

    async fn check(&self, _bucket: &str, _folder: &str) -> Result<(), BucketFault> {
        Ok(())
    }
}

/// Stops before the n-th time of one step.
#[derive(Debug, Default)]
pub(crate) struct StopAt {
    pub(crate) at: Mutex<Option<(Step, u32)>>,
}

impl Steps for StopAt {
    fn before(&self, step: Step) -> io::Result<()> {
        let mut at = self.at.lock().unwrap();
        match &mut *at {
            Some((last, 0)) if *last == step => Err(io::Error::other("stopped")),
            Some((last, left)) if *last == step => {
                *left -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

pub(crate) struct Parts {
    pub(crate) fuse: Arc<Fuse>,
    pub(crate) disk: CrashDisk,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) stop: Arc<StopAt>,
}

impl Parts {
    pub(crate) fn new(operations: u64) -> Parts {
        let fuse = Arc::new(Fuse::new(operations));
        Parts {
            disk: CrashDisk::new(fuse.clone()),
            clock: Arc::new(SimClock(AtomicI64::new(BEGIN))),
            store: Arc::new(FaultyStore {
                objects: Mutex::default(),
                refusals: AtomicU32::new(0),
                puts: AtomicU32::new(0),
                fuse: fuse.clone(),
            }),
            stop: Arc::default(),
            fuse,
        }
    }

    pub(crate) fn world(&self) -> World {
        World {
            disk: Arc::new(self.disk.clone()),
            buckets: self.store.clone(),
            clock: self.clock.clone(),
            identifiers: Arc::new(RandomIdentifiers),
            signers: Arc::new(GivenSigner(pem().to_owned())),
            notify: Arc::new(NoTopics),
            steps: self.stop.clone(),
        }
    }
}

/// One key for all runs: to make one takes longer than a run.
fn pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| Signer::generate().unwrap().to_pem().unwrap())
}
