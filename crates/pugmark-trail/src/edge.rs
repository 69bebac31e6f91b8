//! What the trail asks of the world around it, and what it is told of.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

use crate::bucket::Buckets;
use crate::chaos::Chaos;
use crate::deliver::Cadence;
use crate::disk::Disk;
use crate::keys::{NewSigners, Signers};
use crate::record::Identifiers;
use crate::steps::{EveryStep, Steps};
use crate::terms::Terms;

/// What time it is.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970 (UTC).
    fn now(&self) -> i64;
}

/// Tells a topic of new log files.
#[async_trait]
pub trait Notify: Send + Sync {
    /// Sends `message`, the text of a notification, to a topic by ARN.
    ///
    /// # Errors
    /// With the error code for the trail's status, such as `EndpointDisabled`.
    async fn notify(&self, topic: &str, message: &str) -> Result<(), String>;
}

/// Finds unusual activity in accepted events.
pub trait Insights: Send {
    /// Looks at events that were accepted since the last call, in order, and
    /// answers the Insights records to deliver, each for one trail. `trails`
    /// are those that look for unusual activity. Events may come again after
    /// a restart; equal activity must then give records with equal `eventID`s.
    fn observe(&mut self, trails: &[&Terms], events: &[String], now: i64) -> Vec<InsightRecord>;

    /// What it knows now, to be recalled after a restart.
    ///
    /// # Errors
    /// If it cannot be written down.
    fn memory(&mut self) -> io::Result<Vec<u8>>;

    /// Knows again what it knew. Called before the first look.
    ///
    /// # Errors
    /// If `memory` is damaged; it knows nothing then.
    fn recall(&mut self, memory: &[u8]) -> io::Result<()>;

    /// About how many events are as much work as keeping its memory.
    fn weight(&self) -> u64;
}

/// An Insights record for one trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightRecord {
    /// ARN of the trail.
    pub trail: String,
    /// The record.
    pub event: String,
}

/// Where everything is, and how often it happens.
#[derive(Clone)]
pub struct Settings {
    /// Partition of ARNs, such as `aws`.
    pub partition: String,
    /// The organization that the accounts belong to, if any.
    pub organization: Option<String>,
    /// How often log files and digests are delivered.
    pub cadence: Cadence,
    /// Bytes of a segment of the journal, and so of one delivery.
    pub segment_bytes_max: u64,
    /// How long a bucket may refuse a delivery, counted while the service runs,
    /// before it is given up, microseconds.
    pub give_up_after: i64,
    /// Faults for testers; none by default.
    pub chaos: Option<Chaos>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            partition: "aws".to_owned(),
            organization: None,
            cadence: Cadence::default(),
            segment_bytes_max: 32 << 20,
            give_up_after: 30 * 86_400 * 1_000_000,
            chaos: None,
        }
    }
}

/// The world around the trail.
#[derive(Clone)]
pub struct World {
    /// The directory of its state.
    pub disk: Arc<dyn Disk>,
    /// The buckets.
    pub buckets: Arc<dyn Buckets>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New event identifiers.
    pub identifiers: Arc<dyn Identifiers>,
    /// New private keys.
    pub signers: Arc<dyn Signers>,
    /// Topics.
    pub notify: Arc<dyn Notify>,
    /// Where a test stops.
    pub steps: Arc<dyn Steps>,
}

impl World {
    /// Random identifiers and keys, no topics, no stops.
    pub fn new(disk: Arc<dyn Disk>, buckets: Arc<dyn Buckets>, clock: Arc<dyn Clock>) -> World {
        World {
            disk,
            buckets,
            clock,
            identifiers: Arc::new(RandomIdentifiers),
            signers: Arc::new(NewSigners),
            notify: Arc::new(NoTopics),
            steps: Arc::new(EveryStep),
        }
    }
}

/// Random GUIDs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIdentifiers;

impl Identifiers for RandomIdentifiers {
    fn event_id(&self) -> String {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).expect("the system gives random numbers once it has started");
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = pugmark_integrity::hex(&bytes);
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }
}

/// Knows no topic, so that nobody is told and nothing fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTopics;

#[async_trait]
impl Notify for NoTopics {
    async fn notify(&self, _topic: &str, _message: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Why the trail cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The disk failed, or what lies on it is damaged.
    #[error("cannot keep the trails' state: {0}")]
    Disk(#[from] io::Error),
}
