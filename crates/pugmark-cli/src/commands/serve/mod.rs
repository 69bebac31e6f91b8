//! `pugmark serve`: the server, with this process around it.

mod engine;
mod topics;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pugmark_event::Limits;
use pugmark_server::{
    AccessKeys, BucketPlace, Cadence, Chaos, GivenSigner, NewSigners, Reading, S3Place, Server, ServerError,
    ServerOptions, Signers, Surroundings,
};
use pugmark_source::Location;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::sync::watch;

use super::Start;
use crate::args::serve::ServeArgs;
use crate::config::own_folder;
use crate::exit::{Exit, Failure};
use crate::plan;
use crate::printer::print_talk;
use engine::Engine;
use topics::Topics;

/// The variable with the private key of digests, PEM.
const SIGNING_KEY_VARIABLE: &str = "PUGMARK_SIGNING_KEY";

/// How soon a signal is noticed.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// Runs the server until Ctrl-C or SIGTERM.
pub(super) fn serve(args: &ServeArgs, start: &Start) -> Result<Exit, Failure> {
    let data = data(args)?;
    let access = plan::access(&start.settings)?;
    let threads = plan::threads(&start.settings)?;
    let locations =
        |texts: &[String]| texts.iter().map(|text| Location::parse(text)).collect::<Result<Vec<_>, _>>();
    let (lookup, tail) = (locations(&args.lookup)?, locations(&args.tail)?);
    if tail.iter().chain(&lookup).any(|location| matches!(location, Location::Stdin)) {
        return Err(Failure::new(
            "a server does not read standard input",
            "name a folder or an s3:// address",
        ));
    }
    let reading = Reading { lookup, access, limits: Limits::default(), threads };
    let keys = keys(args, &data, start)?;
    let surroundings = Surroundings {
        clock: Arc::new(now),
        log: {
            let is_quiet = args.print.quiet.quiet > 0;
            Arc::new(move |line: &str| {
                if !is_quiet {
                    print_talk(&format!("{line}\n"));
                }
            })
        },
        engine: Arc::new(Engine::new(reading.clone())),
        courier: Arc::new(Topics::new(&args.topic, &reading.access)?),
        signers: signers(),
    };
    let options = ServerOptions {
        listen: args.listen,
        named_buckets: named_buckets(args)?,
        other_buckets: other_buckets(args, &reading, &data)?,
        data,
        account: args.account.clone(),
        region: args.region.clone(),
        cadence: cadence(args, start)?,
        chaos: args.chaos.as_deref().map(chaos).transpose()?,
        tail,
        tail_every: plan::span(&args.tail_every, &start.now)?.max(Duration::from_secs(1)),
        hosts: args.host.clone(),
        is_anonymous: args.anonymous,
        requests_per_second: args.requests_per_second,
        lookups_per_second: args.lookups_per_second,
        reading,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(2))
        .enable_all()
        .build()
        .map_err(|error| Failure::bare(format!("cannot start the server: {error}")))?;
    let stopped = runtime.block_on(run(options, keys, surroundings, start));
    // Threads that still work on a query are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    stopped
}

async fn run(
    options: ServerOptions,
    keys: AccessKeys,
    surroundings: Surroundings,
    start: &Start,
) -> Result<Exit, Failure> {
    let region = options.region.clone();
    let server = Server::bind(options, keys, surroundings).await.map_err(|error| told(&error))?;
    let address = server.address().map_err(|error| Failure::bare(format!("cannot listen: {error}")))?;
    start.printer.note(&format!("listening on http://{address}; Ctrl-C stops"));
    start
        .printer
        .note(&format!("try: aws cloudtrail list-trails --endpoint-url http://{address} --region {region}"));
    let (stop, stopped) = watch::channel(false);
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let armed = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&signalled))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&signalled)));
        armed.map_err(|error| Failure::bare(format!("cannot listen for signals: {error}")))?;
    }
    let watching = async {
        while !signalled.load(Ordering::Relaxed) {
            tokio::time::sleep(HEARTBEAT).await;
        }
        stop.send_replace(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = server.run(stopped) => outcome.map_err(|error| told(&error))?,
        () = watching => {}
    }
    start.printer.note("stopped");
    Ok(Exit::Done)
}

/// Microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn data(args: &ServeArgs) -> Result<PathBuf, Failure> {
    let own = || own_folder(&|name| std::env::var(name).ok()).map(|folder| folder.join("serve"));
    args.data.clone().or_else(own).ok_or_else(|| {
        Failure::new("there is no home to keep the server's state in", "name a folder with --data")
    })
}

/// The access keys; the first start makes the file and says where it is.
fn keys(args: &ServeArgs, data: &Path, start: &Start) -> Result<AccessKeys, Failure> {
    if args.anonymous && args.keys.is_none() {
        start.printer.warning("anybody on this machine may do everything (--anonymous)");
        return Ok(AccessKeys::default());
    }
    let path = args.keys.clone().unwrap_or_else(|| data.join("access-keys.toml"));
    let (keys, is_new) = AccessKeys::open(&path).map_err(|error| Failure::bare(error.to_string()))?;
    if is_new {
        let path = path.display();
        start
            .printer
            .note(&format!("made an access key of an administrator: its id and secret are in `{path}`"));
    }
    Ok(keys)
}

/// Where keys come from that sign digests: the environment, or new ones.
fn signers() -> Arc<dyn Signers> {
    match std::env::var(SIGNING_KEY_VARIABLE) {
        Ok(pem) if !pem.trim().is_empty() => Arc::new(GivenSigner(pem)),
        _ => Arc::new(NewSigners),
    }
}

fn named_buckets(args: &ServeArgs) -> Result<BTreeMap<String, BucketPlace>, Failure> {
    let mut named = BTreeMap::new();
    for text in &args.bucket {
        let wrong = || Failure::new(format!("`{text}` names no bucket"), "write --bucket NAME=DIR");
        let (name, folder) = text.split_once('=').ok_or_else(wrong)?;
        if !Path::new(folder).is_dir() {
            return Err(Failure::bare(format!("the folder `{folder}` of bucket `{name}` does not exist")));
        }
        named.insert(name.to_owned(), BucketPlace::Folder(PathBuf::from(folder)));
    }
    Ok(named)
}

/// Where buckets are that have no folder of their own.
fn other_buckets(args: &ServeArgs, reading: &Reading, data: &Path) -> Result<BucketPlace, Failure> {
    let access = &reading.access;
    if args.s3 || access.endpoint_url.is_some() {
        let region = access.region.clone().unwrap_or_else(|| args.region.clone());
        return Ok(BucketPlace::S3(S3Place { endpoint: access.endpoint_url.clone(), region, keys: None }));
    }
    let folder = data.join("buckets");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::bare(format!("cannot make `{}`: {error}", folder.display())))?;
    Ok(BucketPlace::Folders(folder))
}

fn cadence(args: &ServeArgs, start: &Start) -> Result<Cadence, Failure> {
    let micros = |text: &str| {
        let span = plan::span(text, &start.now)?;
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        if micros < 1_000_000 {
            return Err(Failure::new(format!("`{text}` is too short"), "write 1s or longer"));
        }
        Ok(micros)
    };
    let (logs, digests) = (micros(&args.cadence)?, micros(&args.digest_cadence)?);
    Ok(Cadence { logs, digests, patience: digests })
}

/// Reads `seed=7,late=5`.
fn chaos(text: &str) -> Result<Chaos, Failure> {
    let wrong = |part: &str| {
        Failure::new(
            format!("`{part}` is no fault"),
            "write seed, late, duplicated, shuffled, missing or tampered, `=` and a number up to 1000",
        )
    };
    let mut chaos = Chaos::default();
    for part in text.split(',') {
        let (name, number) = part.split_once('=').ok_or_else(|| wrong(part))?;
        let number: u64 = number.parse().map_err(|_| wrong(part))?;
        if name == "seed" {
            chaos.seed = number;
            continue;
        }
        let place = match name {
            "late" => &mut chaos.late,
            "duplicated" => &mut chaos.duplicated,
            "shuffled" => &mut chaos.shuffled,
            "missing" => &mut chaos.missing,
            "tampered" => &mut chaos.tampered,
            _ => return Err(wrong(part)),
        };
        *place = u16::try_from(number).ok().filter(|share| *share <= 1_000).ok_or_else(|| wrong(part))?;
    }
    Ok(chaos)
}

fn told(error: &ServerError) -> Failure {
    match error {
        ServerError::Listen { .. } => {
            Failure::new(error.to_string(), "another server may be there: choose another with --listen")
        }
        ServerError::NoKeys(_) => Failure::new(error.to_string(), "name a file of access keys with --keys"),
        _ => Failure::bare(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_by_name() {
        let read = chaos("seed=7,late=5,tampered=1000").expect("faults");
        assert_eq!((read.seed, read.late, read.tampered, read.missing), (7, 5, 1_000, 0));
        for wrong in ["", "late", "late=x", "late=1001", "nonesuch=1"] {
            assert!(chaos(wrong).is_err(), "{wrong}");
        }
    }
}
