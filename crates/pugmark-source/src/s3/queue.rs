//! An Amazon SQS queue: one that is told of objects as they are written, or
//! one that is to be told.
//!
//! Source: Amazon SQS API Reference, JSON protocol (`ReceiveMessage`,
//! `DeleteMessageBatch`, `SendMessage`).

use std::time::Duration;

use futures::future::{Either, select};
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

use super::service::{Protocol, Service};
use super::{Stores, config};
use crate::{Access, Progress, SourceError};

/// Messages of one answer, and of one deletion: the service's own limit.
const MESSAGES_MAX: usize = 10;
/// Seconds for which others do not see a message that was received.
const HIDDEN_S: u32 = 300;
/// How often is looked whether to stop, while the queue is waited for.
const GLANCE: Duration = Duration::from_millis(100);

const PROTOCOL: Protocol = Protocol {
    name: "sqs",
    media_type: "application/x-amz-json-1.0",
    prefix: "AmazonSQS.",
    denied: |place, reason| SourceError::QueueDenied { place, reason },
};

/// A message of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same whenever it is received.
    pub id: String,
    /// What it says.
    pub body: String,
    /// What it is deleted with.
    receipt: String,
}

/// A queue, and who reads it or writes to it.
pub struct Queue {
    url: String,
    service: Service,
    stores: Stores,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

impl Queue {
    /// Opens the queue at `url`, such as
    /// `https://sqs.eu-west-1.amazonaws.com/111122223333/trail`. Nothing is asked of it.
    ///
    /// # Errors
    /// If the address is none, or there are no credentials to look for.
    pub fn open(url: &str, access: &Access) -> Result<Queue, SourceError> {
        let bad = |reason| SourceError::BadQueue { text: url.to_owned(), reason };
        let address = Url::parse(url).map_err(|_| bad("it is no address"))?;
        if !matches!(address.scheme(), "http" | "https") || address.path() == "/" {
            return Err(bad("it has the form `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`"));
        }
        let endpoint = address.origin().ascii_serialization();
        let stores = Stores::none()?;
        let service = stores.wait(async {
            let config = config(access).await;
            let own = region_of(&address).or_else(|| config.region().map(ToString::to_string));
            Service::new(PROTOCOL, &config, own.unwrap_or_else(|| "us-east-1".to_owned()), endpoint)
        })?;
        Ok(Queue { url: url.to_owned(), service, stores })
    }

    /// True if `url` is that of a queue of Amazon SQS itself.
    pub fn is_named_by(url: &str) -> bool {
        Url::parse(url).is_ok_and(|address| region_of(&address).is_some())
    }

    /// At most ten messages; others do not see them for five minutes. Waits for the first up to
    /// `wait_s` seconds (at most 10), or until `progress` is cancelled.
    ///
    /// # Errors
    /// If the service cannot be reached, or refuses.
    pub fn receive(&self, wait_s: u64, progress: &Progress) -> Result<Vec<Message>, SourceError> {
        let body = json!({"QueueUrl": self.url, "MaxNumberOfMessages": MESSAGES_MAX,
            "VisibilityTimeout": HIDDEN_S, "WaitTimeSeconds": wait_s.min(10)})
        .to_string();
        self.stores.wait(async {
            let stop = async {
                while !progress.is_cancelled() {
                    sleep(GLANCE).await;
                }
            };
            let ask = self.service.ask("ReceiveMessage", &body);
            match select(Box::pin(ask), Box::pin(stop)).await {
                Either::Left((answer, _)) => self.messages(&answer?),
                Either::Right(_) => Ok(Vec::new()),
            }
        })
    }

    /// Sends a message, of at most 1 MiB.
    ///
    /// # Errors
    /// If the service cannot be reached, or refuses.
    pub fn send(&self, message: &str) -> Result<(), SourceError> {
        let body = json!({"QueueUrl": self.url, "MessageBody": message}).to_string();
        self.stores.wait(self.service.ask("SendMessage", &body)).map(drop)
    }

    /// Deletes messages; how many the service did not delete. Those come again.
    ///
    /// # Errors
    /// If the service cannot be reached, or refuses.
    pub fn delete(&self, messages: &[Message]) -> Result<usize, SourceError> {
        let mut left = 0;
        for some in messages.chunks(MESSAGES_MAX) {
            let entry = |(number, message): (usize, &Message)| json!({"Id": number.to_string(), "ReceiptHandle": message.receipt});
            let entries: Vec<Value> = some.iter().enumerate().map(entry).collect();
            let body = json!({"QueueUrl": self.url, "Entries": entries}).to_string();
            let answer = self.stores.wait(self.service.ask("DeleteMessageBatch", &body))?;
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            left += answer.get("Failed").and_then(Value::as_array).map_or(0, Vec::len);
        }
        Ok(left)
    }

    fn messages(&self, answer: &[u8]) -> Result<Vec<Message>, SourceError> {
        let fail = || self.service.unreachable("its answer is not that of a queue".to_owned());
        let answer: Value = serde_json::from_slice(answer).map_err(|_| fail())?;
        let Some(messages) = answer.get("Messages").filter(|messages| !messages.is_null()) else {
            return Ok(Vec::new());
        };
        let text = |message: &Value, name: &str| message.get(name)?.as_str().map(str::to_owned);
        let message = |message: &Value| {
            Some(Message {
                id: text(message, "MessageId")?,
                body: text(message, "Body")?,
                receipt: text(message, "ReceiptHandle")?,
            })
        };
        let messages = messages.as_array().ok_or_else(fail)?;
        messages.iter().map(|one| message(one).ok_or_else(fail)).collect()
    }
}

/// The Region in the name of a host such as `sqs.eu-west-1.amazonaws.com`.
fn region_of(address: &Url) -> Option<String> {
    let (first, rest) = address.host_str()?.split_once('.')?;
    let (region, domain) = rest.split_once('.')?;
    (matches!(first, "sqs" | "sqs-fips") && domain.starts_with("amazonaws.")).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_the_address() {
        let region = |text: &str| region_of(&Url::parse(text).expect("an address"));
        assert_eq!(region("https://sqs.cn-north-1.amazonaws.com.cn/1/q").as_deref(), Some("cn-north-1"));
        assert_eq!(region("https://sqs.eu-west-1.amazonaws.com/1/q").as_deref(), Some("eu-west-1"));
        assert_eq!(region("http://127.0.0.1:5000/1/q"), None);
    }

    #[test]
    fn the_service_is_known_by_its_host() {
        assert!(Queue::is_named_by("https://sqs.eu-west-1.amazonaws.com/111122223333/q"));
        for text in ["https://hooks.example/sqs", "https://sqs.example/q", "q"] {
            assert!(!Queue::is_named_by(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_queue_is_refused() {
        for text in ["", "q", "s3://bucket/q", "https://sqs.eu-west-1.amazonaws.com"] {
            let error = Queue::open(text, &Access::default()).expect_err(text);
            assert_eq!((error.kind(), error.hint().is_some()), ("bad-queue", true));
        }
    }
}
