//! Topics of trails, as addresses and queues that are told.

use std::collections::BTreeMap;

use pugmark_server::Courier;
use pugmark_source::{Access, Address, Poster, Queue};

use crate::exit::Failure;
use crate::webhook;

/// What stands before the URL of a queue that is not Amazon's.
const QUEUE: &str = "sqs:";

/// Who a topic stands for.
enum Subscriber {
    Address(Address),
    Queue(Box<Queue>),
}

/// Carries notifications to those whom topics stand for.
pub(super) struct Topics {
    /// By name or ARN.
    subscribers: BTreeMap<String, Subscriber>,
    poster: Poster,
    /// The key of signatures.
    key: Option<String>,
}

impl Topics {
    /// Reads `TOPIC=URL` pairs.
    pub(super) fn new(pairs: &[String], access: &Access) -> Result<Topics, Failure> {
        let mut subscribers = BTreeMap::new();
        for pair in pairs {
            let wrong = || Failure::new("`--topic` names no topic", "write --topic NAME=https://ADDRESS");
            let (topic, url) = pair.split_once('=').ok_or_else(wrong)?;
            let queue = url.strip_prefix(QUEUE).or_else(|| Queue::is_named_by(url).then_some(url));
            let subscriber = match queue {
                Some(url) => Subscriber::Queue(Box::new(Queue::open(url, access)?)),
                None => Subscriber::Address(Address::parse(url)?),
            };
            subscribers.insert(topic.to_owned(), subscriber);
        }
        Ok(Topics { subscribers, poster: Poster::new()?, key: webhook::key() })
    }

    fn subscriber(&self, topic: &str) -> Option<&Subscriber> {
        let name = topic.rsplit(':').next().unwrap_or_default();
        self.subscribers.get(topic).or_else(|| self.subscribers.get(name))
    }

    /// Posts as SNS does: readers tell its messages apart by these headers.
    fn post(&self, address: &Address, topic: &str, notification: &str) -> Result<(), String> {
        let mut headers = vec![
            ("content-type", "text/plain; charset=UTF-8".to_owned()),
            ("x-amz-sns-message-type", "Notification".to_owned()),
            ("x-amz-sns-topic-arn", topic.to_owned()),
        ];
        if let Some(key) = &self.key {
            headers.extend(webhook::headers(key, super::now() / 1_000_000, notification));
        }
        match self.poster.post(address, &headers, notification.as_bytes().to_vec()) {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(format!("status {status}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Courier for Topics {
    fn knows(&self, topic: &str) -> bool {
        self.subscriber(topic).is_some()
    }

    fn carry(&self, topic: &str, notification: &str) -> Result<(), String> {
        match self.subscriber(topic).ok_or("the topic stands for nobody")? {
            Subscriber::Address(address) => self.post(address, topic, notification),
            Subscriber::Queue(queue) => queue.send(notification).map_err(|error| error.to_string()),
        }
    }
}
