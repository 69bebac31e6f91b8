//! Sends events as fast as the server takes them, or at a rate, for a while, and
//! says how long it took: the load of `benches/serve.py`.
//!
//! ```text
//! load ENDPOINT --seconds 10 --connections 4 --batch 500 [--rate EVENTS_PER_SECOND] [--slow MS]
//! ```
//!
//! One line of JSON: events, seconds, and the latency of a batch in milliseconds. With `--slow` also
//! a line on stderr for each batch that took longer, with the second at which it was due.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use pugmark_client::{Client, Event, Origin, UserIdentity};
use serde_json::{Map, json};
use tokio::time::sleep_until;

/// Bytes of an event, about as many as in a busy account.
const EVENT_BYTES: usize = 1_500;

#[derive(Clone, Copy)]
struct Load {
    seconds: u64,
    connections: u64,
    batch: u64,
    /// Events in a second; as many as there is room for if zero.
    rate: u64,
    /// Milliseconds above which a batch is told of; none if zero.
    slow: u64,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what it found is its output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().ok_or("usage: load ENDPOINT [--NAME N]…")?;
    let mut given = BTreeMap::new();
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        given.insert(name, value.parse::<u64>()?);
    }
    let option = |name: &str, default| given.get(name).copied().unwrap_or(default);
    let load = Load {
        seconds: option("--seconds", 10),
        connections: option("--connections", 4),
        batch: option("--batch", 500),
        rate: option("--rate", 0),
        slow: option("--slow", 0),
    };
    let key = std::env::var("AWS_ACCESS_KEY_ID").ok().zip(std::env::var("AWS_SECRET_ACCESS_KEY").ok());
    let begun = Instant::now();
    let mut senders = Vec::new();
    for number in 0..load.connections {
        let key = key.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        let client = Client::new(&endpoint, "us-east-1", key)?;
        senders.push(tokio::spawn(send(client, load, number)));
    }
    let (mut latencies, mut events) = (Vec::new(), 0);
    for sender in senders {
        let sent = sender.await?.map_err(|error| error.to_string())?;
        events += sent.len() as u64 * load.batch;
        latencies.extend(sent);
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(0.0, |micros| *micros as f64 / 1_000.0)
    };
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "events": events, "seconds": seconds, "events_per_second": events as f64 / seconds,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
        })
    );
    Ok(())
}

/// Sends batches until the time is over; answers how long each took, in microseconds.
#[expect(clippy::print_stderr, reason = "which batches were slow is asked for")]
async fn send(client: Client, load: Load, number: u64) -> Result<Vec<u64>, pugmark_client::ClientError> {
    let begun = Instant::now();
    let pause = (load.rate > 0)
        .then(|| Duration::from_secs_f64((load.batch * load.connections) as f64 / load.rate as f64));
    let mut lines = Lines::new(load.batch, number);
    let mut latencies = Vec::new();
    let mut due = begun + pause.unwrap_or_default() * number as u32 / load.connections as u32;
    while begun.elapsed().as_secs() < load.seconds {
        let body = lines.next();
        // A server that falls behind is not spared: time runs from when the batch was due.
        let from = if let Some(pause) = pause {
            let from = due;
            due += pause;
            sleep_until(from.into()).await;
            from
        } else {
            Instant::now()
        };
        let results = client.send(body).await?;
        let taken = from.elapsed();
        if load.slow > 0 && taken.as_millis() as u64 > load.slow {
            eprintln!("{:.3} s: {} ms", (from - begun).as_secs_f64(), taken.as_millis());
        }
        latencies.push(taken.as_micros() as u64);
        assert!(results.iter().all(|result| result.event_id.is_some()), "an event was refused");
    }
    Ok(latencies)
}

/// Batches of events that differ in their ids alone: making them costs little.
struct Lines {
    batch: Vec<u8>,
    /// Where the ids stand.
    ids: Vec<usize>,
    next: u64,
}

impl Lines {
    fn new(events: u64, number: u64) -> Lines {
        let origin = Origin {
            event_source: "orders.example.com".to_owned(),
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let mut event = Event::new(&origin, "CreateOrder", UserIdentity::user("111122223333", "alice"));
        let bare = event.to_json().len();
        let filling = "x".repeat(EVENT_BYTES.saturating_sub(bare + 20));
        event.request_parameters = Some(Map::from_iter([("filling".to_owned(), json!(filling))]));
        let line = event.to_json();
        let place = line.find(&event.event_id).unwrap_or_default();
        let (mut batch, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..events {
            ids.push(batch.len() + place);
            batch.extend_from_slice(line.as_bytes());
            batch.push(b'\n');
        }
        // The ids of a sender begin with its number.
        Lines { batch, ids, next: number << 40 }
    }

    fn next(&mut self) -> Vec<u8> {
        for at in &self.ids {
            self.next += 1;
            let hex = format!("{:032x}", u128::from(self.next));
            let id =
                format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
            self.batch[*at..at + 36].copy_from_slice(id.as_bytes());
        }
        self.batch.clone()
    }
}
