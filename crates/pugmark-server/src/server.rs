//! The server as its owner sees it: options in, a bound address out, then
//! running until it is told to stop.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pugmark_source::Location;
use pugmark_trail::{BucketPlace, Cadence, Chaos, LocalDisk, ServiceError, Settings, Signers, World};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::app::{App, Arrived, Clock, Log, Reading};
use crate::desk::{Desk, Places};
use crate::document::StateError;
use crate::fault::ApiFault;
use crate::gate::{Gate, Rates, Repeats};
use crate::http;
use crate::keys::AccessKeys;
use crate::lake::{Lake, QueryEngine};
use crate::lookup::HISTORY_DAYS;
use crate::page_token::PageTokens;
use crate::shelf::Shelf;
use crate::tail::Tail;
use crate::topics::{Courier, Topics};
use crate::unusual::Unusual;
use pugmark_event::{is_account, is_region};

/// Time between turns of the trails.
const TURN: Duration = Duration::from_millis(500);
const TURNS_PER_HOUR: u64 = 7_200;
/// Time for the last turn when the server is told to stop.
const TURN_TIME: Duration = Duration::from_secs(10);

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The folder that holds all its state.
    pub data: PathBuf,
    /// The account that it is, 12 digits.
    pub account: String,
    /// The Region of callers who name none.
    pub region: String,
    /// Buckets that lie somewhere of their own.
    pub named_buckets: BTreeMap<String, BucketPlace>,
    /// Where any other bucket lies.
    pub other_buckets: BucketPlace,
    /// How often trails deliver.
    pub cadence: Cadence,
    /// Faults on purpose, for testers.
    pub chaos: Option<Chaos>,
    /// Folders and buckets whose new events are taken in.
    pub tail: Vec<Location>,
    /// Time between two looks at them.
    pub tail_every: Duration,
    /// Further names that the `Host` header may have.
    pub hosts: Vec<String>,
    /// Whether callers need no key; only on a loopback address.
    pub is_anonymous: bool,
    /// Requests of one key in a second.
    pub requests_per_second: u32,
    /// `LookupEvents` of one Region in a second.
    pub lookups_per_second: u32,
    /// How events are read.
    pub reading: Reading,
}

/// What the server needs of its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// The time, in microseconds since 1970.
    pub clock: Clock,
    /// Takes lines of the log: JSON objects, without secrets.
    pub log: Log,
    /// Answers statements.
    pub engine: Arc<dyn QueryEngine>,
    /// Tells topics.
    pub courier: Arc<dyn Courier>,
    /// Where keys come from that sign digests.
    pub signers: Arc<dyn Signers>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// Why a server does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The trails' state cannot be used.
    #[error(transparent)]
    Trails(#[from] ServiceError),
    /// It cannot listen there.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Anonymous callers may come from this machine only.
    #[error("anonymous callers are allowed on a loopback address only, and {0} is none")]
    Anonymous(SocketAddr),
    /// Nobody could come in.
    #[error("{0} needs access keys: anybody could reach it")]
    NoKeys(SocketAddr),
    /// An account is 12 digits.
    #[error("`{0}` is no account: it must be 12 digits")]
    Account(String),
    /// A Region is as `us-east-1`.
    #[error("`{0}` is no Region")]
    Region(String),
    /// The socket failed while the server ran.
    #[error("the server cannot go on: {0}")]
    Socket(io::Error),
}

/// A request as its sender wrote it.
#[derive(Clone, Copy, Debug)]
pub struct RawRequest<'a> {
    /// `GET`, `POST` ….
    pub method: &'a str,
    /// Path, and query after a `?`.
    pub target: &'a str,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// What follows the head.
    pub body: &'a [u8],
}

/// A server that is bound, and not running yet.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    tail: Option<(Tail, Duration)>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the state and binds the address.
    ///
    /// # Errors
    /// If the options do not go together, the state cannot be used, or the address is taken.
    pub async fn bind(
        options: ServerOptions,
        keys: AccessKeys,
        surroundings: Surroundings,
    ) -> Result<Server, ServerError> {
        check(&options, &keys)?;
        let address = options.listen;
        let listen = |error| ServerError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let places = Places { named: options.named_buckets, others: options.other_buckets };
        let settings = Settings { cadence: options.cadence, chaos: options.chaos, ..Settings::default() };
        // The trails' folder is locked first: a second server touches nothing.
        let state = LocalDisk::open(&options.data.join("trails")).map_err(ServiceError::from)?;
        let clock = Arc::clone(&surroundings.clock);
        let topics = Arc::new(Topics::open(&options.data.join("topics"), surroundings.courier, clock)?);
        let desk = Desk::open(state, places, settings, &surroundings.clock, |world| World {
            notify: Arc::<Topics>::clone(&topics),
            signers: surroundings.signers,
            ..world
        })?;
        let learned = desk.service.set_insights(Box::new(Unusual::default()));
        let history = options.data.join("history");
        std::fs::create_dir_all(&history).map_err(StateError::io(&history))?;
        let now = (surroundings.clock)();
        let lake = Lake::open(&options.data.join("lake"), surroundings.engine, now)?;
        let app = App {
            hosts: hosts(bound, &options.hosts),
            gate: Gate {
                keys,
                account: options.account,
                region: options.region,
                is_anonymous_allowed: options.is_anonymous,
                rates: Rates::new(options.requests_per_second),
                repeats: Repeats::default(),
            },
            tokens: PageTokens::open(&options.data.join("page-tokens.key"))?,
            lookup_rates: Rates::new(options.lookups_per_second),
            metrics: crate::metrics::Metrics::default(),
            clock: Arc::clone(&surroundings.clock),
            log: surroundings.log,
            desk,
            topics,
            is_well: AtomicBool::new(true),
            lake,
            history: Shelf::new(history),
            reading: options.reading,
        };
        if let Err(lost) = learned {
            app.note("insights", &lost);
        }
        let tail = Tail::open(options.tail, &options.data.join("tail.marks"))?;
        let tail = (!tail.is_empty()).then_some((tail, options.tail_every));
        Ok(Server { listener, app: Arc::new(app), tail })
    }

    #[cfg(test)]
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Where it listens, with the port that the system chose if none was given.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers one request as if it had come through the socket: the status and the body.
    /// Blocks on the disk, and must not be called where async code runs.
    pub fn answer(&self, request: RawRequest<'_>) -> (u16, Vec<u8>) {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in request.headers {
            headers.entry(name.to_ascii_lowercase()).or_default().push((*value).to_owned());
        }
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let answer = self.app.answer(&Arrived {
            id: String::new(),
            method: request.method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: request.body.to_vec().into(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        });
        (answer.status, answer.body)
    }

    /// Answers requests until `stop` turns true; requests at work then have
    /// ten seconds to end.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), ServerError> {
        let app = Arc::clone(&self.app);
        let keeping = tokio::spawn(keep(Arc::clone(&app), stop.clone()));
        let telling = tokio::spawn(tell(Arc::clone(&app), stop.clone()));
        let tailing =
            self.tail.map(|(tail, every)| tokio::spawn(follow(Arc::clone(&app), tail, every, stop.clone())));
        let served = http::serve(self.listener, self.app, stop).await;
        app.lake.queries.cancel_all();
        if let Some(tailing) = tailing {
            // A look that takes long goes on where it was, at the next start.
            drop(tokio::time::timeout(TURN_TIME, tailing).await);
        }
        // What a turn began it ends; the next start would do it again.
        drop(tokio::time::timeout(TURN_TIME, keeping).await);
        // What is not told yet waits on the disk.
        telling.abort();
        served.map_err(ServerError::Socket)
    }
}

/// Delivers what is due, and forgets what is old, until told to stop.
async fn keep(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut turns: u64 = 0;
    loop {
        let turned = on_a_thread(&app, async |app| app.desk.service.turn().await).await;
        match &turned {
            Ok(turn) => {
                for fault in &turn.faults {
                    app.note("insights", fault);
                }
                if turn.given_up > 0 {
                    app.note("delivery", "a bucket refused log files for 30 days: they were given up");
                }
            }
            Err(error) => app.note("turn", error),
        }
        let worker = Arc::clone(&app);
        let is_hourly = turns.is_multiple_of(TURNS_PER_HOUR);
        let copied = tokio::task::spawn_blocking(move || tidy(&worker, is_hourly)).await;
        let is_well = turned.is_ok() && matches!(copied, Ok(Ok(())));
        app.is_well.store(is_well, Ordering::Relaxed);
        turns += 1;
        tokio::select! {
            () = tokio::time::sleep(TURN) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    // What was accepted goes out before the end, if its bucket takes it.
    if let Err(error) = on_a_thread(&app, async |app| app.desk.service.flush().await).await {
        app.note("turn", &error);
    }
}

/// Runs a turn where it makes no request wait: it packs files and waits for the disk.
async fn on_a_thread<T: Send + 'static>(
    app: &Arc<App>,
    work: impl AsyncFnOnce(&App) -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, String> {
    let (app, runtime) = (Arc::clone(app), Handle::current());
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work(&app))).await;
    done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Tells topics what waits for them, until told to stop.
async fn tell(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    loop {
        let worker = Arc::clone(&app);
        let carried = tokio::task::spawn_blocking(move || worker.topics.carry()).await;
        for fault in carried.unwrap_or_default() {
            app.note("topics", &fault);
        }
        tokio::select! {
            () = tokio::time::sleep(TURN) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Takes in what appears in folders and buckets, until told to stop.
async fn follow(app: Arc<App>, mut tail: Tail, every: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        let (worker, stopped) = (Arc::clone(&app), stop.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let faults = tail.look(&worker, &|| *stopped.borrow());
            (tail, faults)
        });
        let Ok((kept, faults)) = looked.await else {
            return app.note("tail", "it ended by an error of the server: restart it");
        };
        tail = kept;
        for fault in faults {
            app.note("tail", &fault);
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn tidy(app: &App, is_hourly: bool) -> Result<(), ApiFault> {
    app.catch_up()?;
    if !is_hourly {
        return Ok(());
    }
    let now = app.now();
    app.lake.expire(now)?;
    let stores = app.lake.read(|state| state.stores.values().cloned().collect::<Vec<_>>());
    let kept = stores.iter().map(|store| (app.lake.shelf(&store.id), store.kept_since(now)));
    for (shelf, since) in kept.chain([(app.history.clone(), now - HISTORY_DAYS * 86_400_000_000)]) {
        if let Err(error) = shelf.forget_before(since) {
            app.note("expiry", &error.to_string());
        }
    }
    Ok(())
}

fn check(options: &ServerOptions, keys: &AccessKeys) -> Result<(), ServerError> {
    let is_loopback = options.listen.ip().is_loopback();
    if options.is_anonymous && !is_loopback {
        return Err(ServerError::Anonymous(options.listen));
    }
    if keys.is_empty() && !options.is_anonymous {
        return Err(ServerError::NoKeys(options.listen));
    }
    if !is_account(&options.account) {
        return Err(ServerError::Account(options.account.clone()));
    }
    if !is_region(&options.region) {
        return Err(ServerError::Region(options.region.clone()));
    }
    Ok(())
}

/// On a loopback address only its own names are answered to; elsewhere only
/// the given ones, or any if none are given, since callers have keys there.
fn hosts(bound: SocketAddr, given: &[String]) -> Vec<String> {
    let mut hosts = given.to_vec();
    if bound.ip().is_loopback() {
        let port = bound.port();
        for name in ["localhost", "127.0.0.1", "[::1]", &bound.ip().to_string()] {
            hosts.push(format!("{name}:{port}"));
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_server_answers_to_its_own_names_only() {
        let hosts = hosts("127.0.0.1:8840".parse().unwrap(), &["trail.example.com".to_owned()]);
        assert!(hosts.contains(&"localhost:8840".to_owned()));
        assert!(hosts.contains(&"trail.example.com".to_owned()));
        assert!(!hosts.contains(&"evil.example.com:8840".to_owned()));
    }
}
