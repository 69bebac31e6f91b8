//! Topics of trails, as addresses that are told.

use std::collections::BTreeMap;

use pugmark_server::Courier;
use pugmark_source::{Address, Poster};

use crate::exit::Failure;
use crate::webhook;

/// Posts notifications to the addresses that topics stand for.
pub(super) struct Topics {
    /// By name or ARN.
    addresses: BTreeMap<String, Address>,
    poster: Poster,
    /// The key of signatures.
    key: Option<String>,
}

impl Topics {
    /// Reads `TOPIC=URL` pairs.
    pub(super) fn new(pairs: &[String]) -> Result<Topics, Failure> {
        let mut addresses = BTreeMap::new();
        for pair in pairs {
            let wrong = || Failure::new("`--topic` names no topic", "write --topic NAME=https://ADDRESS");
            let (topic, url) = pair.split_once('=').ok_or_else(wrong)?;
            addresses.insert(topic.to_owned(), Address::parse(url)?);
        }
        Ok(Topics { addresses, poster: Poster::new()?, key: webhook::key() })
    }

    fn address(&self, topic: &str) -> Option<&Address> {
        let name = topic.rsplit(':').next().unwrap_or_default();
        self.addresses.get(topic).or_else(|| self.addresses.get(name))
    }
}

impl Courier for Topics {
    fn knows(&self, topic: &str) -> bool {
        self.address(topic).is_some()
    }

    fn carry(&self, topic: &str, notification: &str) -> Result<(), String> {
        let address = self.address(topic).ok_or("the topic stands for nobody")?;
        // As SNS posts: its readers tell messages apart by these.
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
