//! Topics: who is told of new log files, and what waits to be told.
//!
//! ```text
//! turn ─▶ Notify ─▶ topics/<number>.json ─▶ courier ─▶ removed
//!                                             └─ refused for a day ─▶ topics/dead-letters.jsonl
//! ```
//!
//! A notification is on disk before its delivery counts as done, and leaves the disk when
//! its topic took it: it is told at least once, also over a restart, and oldest first.
//! It has the form in which SNS tells a queue or an address.
//!
//! Source: Amazon SNS Developer Guide, "Parsing message formats"; AWS `CloudTrail` User
//! Guide, "Configuring Amazon SNS notifications for `CloudTrail`".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pugmark_event::format_time;
use pugmark_trail::Notify;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::Clock;
use crate::document::{self, StateError};
use crate::random;

const SECOND: i64 = 1_000_000;
/// The first pause of a topic that does not take a notification; each further one is twice as long.
const PAUSE_MIN: i64 = SECOND;
/// The longest pause.
const PAUSE_MAX: i64 = 300 * SECOND;
/// A notification is given up after a day.
const GIVE_UP_AFTER: i64 = 86_400 * SECOND;
/// Notifications that wait at most.
const WAITING_MAX: usize = 100_000;
const DEAD_LETTERS: &str = "dead-letters.jsonl";

/// Carries a notification to whoever a topic stands for.
pub trait Courier: Send + Sync {
    /// Whether the topic, an ARN, stands for anybody.
    fn knows(&self, topic: &str) -> bool;

    /// Carries it; may block for seconds.
    ///
    /// # Errors
    /// In words for the log, without secrets; it is tried again then.
    fn carry(&self, topic: &str, notification: &str) -> Result<(), String>;
}

/// Knows no topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCourier;

impl Courier for NoCourier {
    fn knows(&self, _topic: &str) -> bool {
        false
    }

    fn carry(&self, _topic: &str, _notification: &str) -> Result<(), String> {
        Err("the topic stands for nobody".to_owned())
    }
}

/// A notification that waits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Letter {
    topic: String,
    notification: String,
    /// When it was written, microseconds since 1970.
    since: i64,
}

/// A topic that did not take a notification.
#[derive(Clone, Debug)]
struct Pause {
    failures: u32,
    until: i64,
}

/// All topics.
pub(crate) struct Topics {
    folder: PathBuf,
    clock: Clock,
    courier: Arc<dyn Courier>,
    next: AtomicU64,
    waiting: Mutex<BTreeSet<u64>>,
    pauses: Mutex<BTreeMap<String, Pause>>,
}

impl Topics {
    /// The topics whose notifications wait in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub(crate) fn open(folder: &Path, courier: Arc<dyn Courier>, clock: Clock) -> Result<Topics, StateError> {
        fs::create_dir_all(folder).map_err(StateError::io(folder))?;
        let mut waiting = BTreeSet::new();
        for entry in fs::read_dir(folder).map_err(StateError::io(folder))? {
            let name = entry.map_err(StateError::io(folder))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
            waiting.extend(number);
        }
        let next = AtomicU64::new(waiting.last().map_or(0, |last| last + 1));
        let (waiting, pauses) = (Mutex::new(waiting), Mutex::default());
        Ok(Topics { folder: folder.to_owned(), clock, courier, next, waiting, pauses })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.json"))
    }

    /// Carries what waits, oldest first; answers what went wrong, in words.
    pub(crate) fn carry(&self) -> Vec<String> {
        let waiting: Vec<u64> = lock(&self.waiting).iter().copied().collect();
        let mut faults = Vec::new();
        for number in waiting {
            if let Err(error) = self.carry_one(number, &mut faults) {
                faults.push(format!("a notification cannot be read or removed: {error}"));
            }
        }
        faults
    }

    fn carry_one(&self, number: u64, faults: &mut Vec<String>) -> Result<(), StateError> {
        let path = self.path(number);
        let letter: Letter = document::load(&path)?;
        let now = (self.clock)();
        let is_over = letter.since.saturating_add(GIVE_UP_AFTER) <= now;
        if !is_over && lock(&self.pauses).get(&letter.topic).is_some_and(|pause| now < pause.until) {
            return Ok(());
        }
        match self.courier.carry(&letter.topic, &letter.notification) {
            Ok(()) => drop(lock(&self.pauses).remove(&letter.topic)),
            Err(reason) => {
                self.pause(&letter.topic, now);
                faults.push(format!("{} did not take a notification: {reason}", letter.topic));
                if !is_over {
                    return Ok(());
                }
                self.bury(&letter).map_err(StateError::io(&self.folder))?;
                faults.push(format!("a notification was given up after a day: see `{DEAD_LETTERS}`"));
            }
        }
        fs::remove_file(&path).map_err(StateError::io(&path))?;
        lock(&self.waiting).remove(&number);
        Ok(())
    }

    fn pause(&self, topic: &str, now: i64) {
        let mut pauses = lock(&self.pauses);
        let failures = pauses.get(topic).map_or(0, |pause| pause.failures);
        let pause = PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
        pauses.insert(topic.to_owned(), Pause { failures: failures + 1, until: now.saturating_add(pause) });
    }

    fn bury(&self, letter: &Letter) -> io::Result<()> {
        let path = self.folder.join(DEAD_LETTERS);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        let line = json!({ "topic": letter.topic, "notification": letter.notification });
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()
    }

    fn write(&self, topic: &str, message: &str) -> Result<(), StateError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(number);
        let now = (self.clock)();
        let id = random::uuid().map_err(|error| StateError::io(&path)(io::Error::other(error)))?;
        let notification = json!({
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": topic,
            "Message": message,
            "Timestamp": format_time(now).replace('Z', ".000Z"),
        });
        let (topic, notification) = (topic.to_owned(), notification.to_string());
        document::save(&path, &Letter { topic, notification, since: now })?;
        lock(&self.waiting).insert(number);
        Ok(())
    }
}

#[async_trait]
impl Notify for Topics {
    async fn notify(&self, topic: &str, message: &str) -> Result<(), String> {
        if !self.courier.knows(topic) {
            return Err("NotFound".to_owned());
        }
        if lock(&self.waiting).len() >= WAITING_MAX {
            return Err("Throttled".to_owned());
        }
        self.write(topic, message).map_err(|_| "InternalError".to_owned())?;
        // It is kept and told again; the trail's status says that it did not come through yet.
        if lock(&self.pauses).contains_key(topic) { Err("EndpointDisabled".to_owned()) } else { Ok(()) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64};

    use serde_json::Value;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:ct";

    #[derive(Default)]
    struct Post {
        is_down: AtomicBool,
        carried: Mutex<Vec<String>>,
    }

    impl Courier for Post {
        fn knows(&self, topic: &str) -> bool {
            topic == TOPIC
        }

        fn carry(&self, _topic: &str, notification: &str) -> Result<(), String> {
            if self.is_down.load(Ordering::Relaxed) {
                return Err("down".to_owned());
            }
            let notification: Value = serde_json::from_str(notification).unwrap();
            lock(&self.carried).push(notification["Message"].as_str().unwrap().to_owned());
            Ok(())
        }
    }

    struct Desk {
        topics: Topics,
        post: Arc<Post>,
        now: Arc<AtomicI64>,
        folder: tempfile::TempDir,
    }

    fn open(folder: &Path, post: &Arc<Post>, now: &Arc<AtomicI64>) -> Topics {
        let time = Arc::clone(now);
        let courier: Arc<dyn Courier> = Arc::<Post>::clone(post);
        Topics::open(folder, courier, Arc::new(move || time.load(Ordering::Relaxed))).unwrap()
    }

    fn desk() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let (post, now) = (Arc::new(Post::default()), Arc::new(AtomicI64::new(SECOND)));
        Desk { topics: open(folder.path(), &post, &now), post, now, folder }
    }

    fn notify(topics: &Topics, topic: &str, message: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(topics.notify(topic, message))
    }

    #[test]
    fn a_notification_outlives_a_restart_and_is_carried_once_in_order() {
        let desk = desk();
        notify(&desk.topics, TOPIC, "first").unwrap();
        notify(&desk.topics, TOPIC, "second").unwrap();
        let later = open(desk.folder.path(), &desk.post, &desk.now);
        assert!(later.carry().is_empty());
        assert!(later.carry().is_empty());
        assert_eq!(*lock(&desk.post.carried), ["first", "second"]);
        let later = open(desk.folder.path(), &desk.post, &desk.now);
        assert!(later.carry().is_empty());
        assert_eq!(lock(&desk.post.carried).len(), 2);
    }

    #[test]
    fn a_topic_that_is_down_rests_and_hears_all_later() {
        let desk = desk();
        desk.post.is_down.store(true, Ordering::Relaxed);
        notify(&desk.topics, TOPIC, "first").unwrap();
        assert_eq!(desk.topics.carry().len(), 1);
        assert_eq!(notify(&desk.topics, TOPIC, "second"), Err("EndpointDisabled".to_owned()));
        assert!(desk.topics.carry().is_empty(), "it rests");
        desk.post.is_down.store(false, Ordering::Relaxed);
        desk.now.fetch_add(2 * SECOND, Ordering::Relaxed);
        assert!(desk.topics.carry().is_empty());
        assert_eq!(*lock(&desk.post.carried), ["first", "second"]);
    }

    #[test]
    fn what_a_topic_refuses_for_a_day_is_kept_among_the_dead_letters() {
        let desk = desk();
        desk.post.is_down.store(true, Ordering::Relaxed);
        notify(&desk.topics, TOPIC, "lost").unwrap();
        desk.now.fetch_add(GIVE_UP_AFTER, Ordering::Relaxed);
        assert_eq!(desk.topics.carry().len(), 2);
        assert!(desk.topics.carry().is_empty());
        let dead = fs::read_to_string(desk.folder.path().join(DEAD_LETTERS)).unwrap();
        assert!(dead.contains("lost") && dead.lines().count() == 1);
    }

    #[test]
    fn a_topic_that_stands_for_nobody_is_told_so() {
        let desk = desk();
        assert_eq!(
            notify(&desk.topics, "arn:aws:sns:eu-west-1:111122223333:x", "m"),
            Err("NotFound".to_owned())
        );
    }
}
