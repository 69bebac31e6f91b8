//! Events are taken at once and sent in batches, by a task of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::{Client, EventResult, REQUEST_BYTES_MAX};
use crate::event::Event;

/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How events are gathered.
#[derive(Clone, Copy, Debug)]
pub struct RecorderOptions {
    /// Events that wait at most; then [`Recorder::try_record`] gives events back.
    pub queue: usize,
    /// Events of a request.
    pub batch: usize,
    /// How long an event waits for company.
    pub delay: Duration,
}

impl Default for RecorderOptions {
    fn default() -> RecorderOptions {
        RecorderOptions { queue: 10_000, batch: 500, delay: Duration::from_millis(500) }
    }
}

/// What became of the events so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// On the server's disk.
    pub taken: u64,
    /// Refused by the server: sent again they would be again.
    pub refused: u64,
    /// Given back because too many waited.
    pub turned_away: u64,
    /// Why the last attempt failed, or the last event was refused.
    pub fault: Option<String>,
}

/// Takes events, at once, from any number of tasks.
///
/// A server that does not answer is asked again until it does; events that it
/// took without saying so are known to it and not taken twice. What still waits
/// when the process is killed is lost: whoever cannot lose it calls
/// [`Client::send`] before the work is done.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: Sender<Event>,
    board: Arc<Board>,
}

/// Ends a recorder.
#[derive(Debug)]
pub struct RecorderHandle {
    task: JoinHandle<()>,
    board: Arc<Board>,
}

#[derive(Debug, Default)]
struct Board {
    taken: AtomicU64,
    refused: AtomicU64,
    turned_away: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl Board {
    fn counts(&self) -> Counts {
        Counts {
            taken: self.taken.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            turned_away: self.turned_away.load(Ordering::Relaxed),
            fault: self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn note(&self, fault: String) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    fn results(&self, results: &[EventResult]) {
        for result in results {
            if result.event_id.is_some() {
                self.taken.fetch_add(1, Ordering::Relaxed);
            } else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.note(result.error_message.clone().unwrap_or_default());
            }
        }
    }
}

impl Recorder {
    /// Starts a recorder on the runtime of the caller.
    pub fn start(client: Client, options: RecorderOptions) -> (Recorder, RecorderHandle) {
        let (queue, events) = mpsc::channel(options.queue.max(1));
        let board = Arc::new(Board::default());
        let task = tokio::spawn(work(client, options, events, Arc::clone(&board)));
        (Recorder { queue, board: Arc::clone(&board) }, RecorderHandle { task, board })
    }

    /// Takes an event, once there is room for it.
    ///
    /// # Errors
    /// Gives the event back if the recorder has ended.
    pub async fn record(&self, event: Event) -> Result<(), Box<Event>> {
        self.queue.send(event).await.map_err(|unsent| Box::new(unsent.0))
    }

    /// Takes an event without waiting.
    ///
    /// # Errors
    /// Gives the event back if too many wait, or the recorder has ended; it is counted.
    pub fn try_record(&self, event: Event) -> Result<(), Box<Event>> {
        self.queue.try_send(event).map_err(|unsent| {
            self.board.turned_away.fetch_add(1, Ordering::Relaxed);
            Box::new(unsent.into_inner())
        })
    }

    /// What became of the events so far.
    pub fn counts(&self) -> Counts {
        self.board.counts()
    }
}

impl RecorderHandle {
    /// Waits until every [`Recorder`] is dropped and all their events are sent, up to
    /// `patience`.
    pub async fn close(self, patience: Duration) -> Counts {
        let RecorderHandle { mut task, board } = self;
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
        board.counts()
    }
}

async fn work(client: Client, options: RecorderOptions, mut events: Receiver<Event>, board: Arc<Board>) {
    // One event that the last request had no room for.
    let mut left: Option<String> = None;
    while let Some(lines) = gather(&mut events, options, &mut left).await {
        deliver(&client, lines, &board).await;
    }
}

/// The lines of the next request; none if there will be no more events.
async fn gather(
    events: &mut Receiver<Event>,
    options: RecorderOptions,
    left: &mut Option<String>,
) -> Option<String> {
    let mut lines = match left.take() {
        Some(line) => line,
        None => events.recv().await?.to_json(),
    };
    lines.push('\n');
    let until = Instant::now() + options.delay;
    let mut count = 1;
    while count < options.batch {
        let Ok(Some(event)) = timeout_at(until, events.recv()).await else { break };
        let line = event.to_json();
        if lines.len() + line.len() + 1 > REQUEST_BYTES_MAX {
            *left = Some(line);
            break;
        }
        lines.push_str(&line);
        lines.push('\n');
        count += 1;
    }
    Some(lines)
}

/// Sends until the server says what became of the events.
async fn deliver(client: &Client, lines: String, board: &Board) {
    let count = lines.lines().count() as u64;
    let lines = bytes::Bytes::from(lines);
    let mut wait = Duration::from_millis(200);
    loop {
        match client.send(lines.clone()).await {
            Ok(results) => return board.results(&results),
            Err(error) => {
                board.note(error.to_string());
                if !error.is_passing() {
                    board.refused.fetch_add(count, Ordering::Relaxed);
                    return;
                }
                sleep(wait).await;
                wait = (wait * 2).min(WAIT_MAX);
            }
        }
    }
}
