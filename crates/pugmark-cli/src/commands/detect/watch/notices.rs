//! What messages of a queue tell of: objects by name, or events themselves.
//!
//! ```text
//! receive ─▶ events, and objects under the sources ─▶ read, state saved ─▶ delete
//! ```
//!
//! A message is deleted once the state on disk holds what all its objects
//! brought. One that cannot be understood, or whose objects cannot be read,
//! stays in the queue, whose redrive policy says how often it comes again.

use std::collections::BTreeSet;
use std::sync::Arc;

use pugmark_event::{Defect, DefectKind, Limits, Object, Origin, Tally};
use pugmark_source::{Access, Location, Message, Notice, Progress, Queue, SourceError, Told, read_notice};

/// Messages of one look.
const MESSAGES_MAX: usize = 500;
/// Messages that could not be understood, whose ids are remembered.
const BAD_MAX: usize = 1_000;

/// A queue, and which of its messages were told to be bad.
pub(super) struct Notices {
    queue: Queue,
    bad: BTreeSet<String>,
}

/// What some messages say.
#[derive(Default)]
pub(super) struct Received {
    /// Events, and objects under the sources.
    pub(super) told: Told,
    /// Messages that were understood, with the names of what they told of.
    messages: Vec<(Message, Vec<String>)>,
    /// Objects that are not under the sources.
    pub(super) outside: u64,
    /// What was wrong with the others.
    pub(super) tally: Tally,
    /// Why no more were received.
    pub(super) outage: Option<SourceError>,
}

impl Notices {
    pub(super) fn open(url: &str, access: &Access) -> Result<Notices, SourceError> {
        Ok(Notices { queue: Queue::open(url, access)?, bad: BTreeSet::new() })
    }

    /// What the queue has, after waiting for it up to `wait_s` seconds.
    pub(super) fn receive(
        &mut self,
        sources: &[Location],
        wait_s: u64,
        progress: &Progress,
    ) -> Result<Received, SourceError> {
        let mut received = Received::default();
        let mut count = 0;
        let mut messages = self.queue.receive(wait_s, progress)?;
        while !messages.is_empty() {
            count += messages.len();
            for message in messages {
                self.take(message, sources, &mut received);
            }
            if count >= MESSAGES_MAX {
                break;
            }
            // What was received already is not left to come again.
            messages = self.queue.receive(0, progress).unwrap_or_else(|error| {
                received.outage = Some(error);
                Vec::new()
            });
        }
        Ok(received)
    }

    fn take(&mut self, message: Message, sources: &[Location], received: &mut Received) {
        let mut names = Vec::new();
        let objects = match read_notice(&message.body) {
            Ok(Notice::Written(objects)) => objects,
            Ok(Notice::Events(text)) => {
                names.push(name_of(&message.id));
                received.told.texts.push((name_of(&message.id), text.into()));
                Vec::new()
            }
            Err(reason) => return self.refuse(&message.id, reason, &mut received.tally),
        };
        for (bucket, key) in objects {
            if sources.iter().any(|source| holds(source, &bucket, &key)) {
                names.push(format!("s3://{bucket}/{key}"));
                received.told.objects.insert((bucket, key));
            } else {
                received.outside += 1;
            }
        }
        received.messages.push((message, names));
    }

    /// Counts a message that cannot be understood, once however often it comes.
    fn refuse(&mut self, id: &str, reason: &str, tally: &mut Tally) {
        if self.bad.len() >= BAD_MAX {
            self.bad.clear();
        }
        if self.bad.insert(id.to_owned()) {
            let object = Arc::new(Object::named(name_of(id)));
            let defect =
                Defect::new(DefectKind::Unsupported, Origin { object, offset: 0 }, reason.to_owned());
            (tally.listed, tally.skipped) = (tally.listed + 1, tally.skipped + 1);
            tally.defect(defect, Limits::default().defects_kept);
        }
    }

    /// Deletes the messages that told of nothing among `unread`; how many could not be deleted.
    pub(super) fn conclude(
        &self,
        received: Received,
        unread: &BTreeSet<String>,
    ) -> Result<usize, SourceError> {
        let is_done = |names: &[String]| !names.iter().any(|name| unread.contains(name));
        let done = received.messages.into_iter().filter(|(_, names)| is_done(names));
        self.queue.delete(&done.map(|(message, _)| message).collect::<Vec<_>>())
    }
}

impl Received {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.tally.listed == 0
    }
}

fn name_of(id: &str) -> String {
    format!("sqs message {id}")
}

fn holds(source: &Location, bucket: &str, key: &str) -> bool {
    matches!(source, Location::S3 { bucket: own, prefix } if own == bucket && key.starts_with(prefix.as_str()))
}

/// True if a queue can tell of what is under these sources.
pub(super) fn are_buckets(sources: &[Location]) -> bool {
    sources.iter().all(|source| matches!(source, Location::S3 { .. }))
}
