//! Sockets: connections in, answers out, and every bound on the way.
//!
//! Nothing here knows an operation. A request is read whole, within a size
//! and a time, and handed to a thread of its own; a panic there ends that
//! request and no other.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::app::{App, Arrived, body_bytes_max};
use crate::fault::ApiFault;

/// Connections at once; the next waits to be accepted.
const CONNECTIONS_MAX: usize = 1_024;
/// Requests at work at once; the next waits, and in the end is refused.
const AT_WORK_MAX: usize = 256;
/// KiB of bodies held at once, so that no crowd of callers, known or not, fills the memory.
const BODIES_KIB_MAX: u32 = 256 << 10;
/// Packed batches that are unpacked at once, each to 64 MiB at most.
const UNPACKED_MAX: usize = 8;
const WAIT: Duration = Duration::from_secs(10);
/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Time for its body.
const BODY_TIME: Duration = Duration::from_mins(1);
/// Time for what is at work when the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

/// What all connections share: the room that requests take up while they are read and answered.
struct Room {
    at_work: Semaphore,
    bodies_kib: Semaphore,
    unpacked: Semaphore,
}

impl Room {
    fn new() -> Room {
        Room {
            at_work: Semaphore::new(AT_WORK_MAX),
            bodies_kib: Semaphore::new(BODIES_KIB_MAX as usize),
            unpacked: Semaphore::new(UNPACKED_MAX),
        }
    }

    /// Room for one more of `permits`, or a refusal after a while.
    async fn take(permits: &Semaphore, count: u32) -> Result<SemaphorePermit<'_>, ApiFault> {
        let busy = || ApiFault::with_status(503, "ServiceUnavailable", "too many requests at work");
        match tokio::time::timeout(WAIT, permits.acquire_many(count)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy()),
        }
    }
}

/// Answers connections until `stop` turns true, then lets what is at work end.
///
/// # Errors
/// If the socket fails.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let room = Arc::new(Room::new());
    let mut open = JoinSet::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit.map_err(io::Error::other)?,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or gone before it was accepted: the next may do.
                    app.note("accept", &error.to_string());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let (app, room, stop) = (Arc::clone(&app), Arc::clone(&room), stop.clone());
        open.spawn(async move {
            app.metrics.connections.fetch_add(1, Ordering::Relaxed);
            connection(stream, peer, &app, &room, stop).await;
            app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    let drained = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIME, drained).await.is_err() {
        app.note("stop", "requests were still at work after 10 s and are cut off");
    }
    Ok(())
}

/// Ends when the server is told to stop, or nobody is left who could.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: &Arc<App>,
    room: &Arc<Room>,
    mut stop: watch::Receiver<bool>,
) {
    let is_fast = stream.set_nodelay(true);
    if is_fast.is_err() {
        return;
    }
    let service = service_fn(|request| {
        let (app, room) = (Arc::clone(app), Arc::clone(room));
        async move { Ok::<_, Infallible>(respond(request, peer, &app, &room).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    let mut serving = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    // A client that hangs up, or never spoke HTTP, is its own matter.
    drop(ended);
}

async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    app: &Arc<App>,
    room: &Room,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let id = crate::random::uuid().unwrap_or_else(|_| "00000000-0000-4000-8000-000000000000".to_owned());
    match answered(request, peer, &id, app, room).await {
        Ok(answer) => response(answer, &id, false),
        // What is left of the body is not worth reading.
        Err(fault) => response(app.refuse(&path, &fault), &id, true),
    }
}

/// Reads the request and has it answered; refuses what is too long, too slow or too much.
async fn answered(
    request: Request<Incoming>,
    peer: SocketAddr,
    id: &str,
    app: &Arc<App>,
    room: &Room,
) -> Result<Answer, ApiFault> {
    let bytes = body_bytes(&request)?;
    // Held until the answer stands.
    let _body_room =
        Room::take(&room.bodies_kib, u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)).await?;
    let arrived = arrived(request, peer, id).await?;
    // Who waits to be unpacked keeps nobody else from work.
    let _unpacked =
        if crate::ingest::is_packed(&arrived) { Some(Room::take(&room.unpacked, 1).await?) } else { None };
    let _place = Room::take(&room.at_work, 1).await?;
    Ok(work(app, arrived).await)
}

/// The bytes that the body may have: those it states, or the most that its path allows.
fn body_bytes(request: &Request<Incoming>) -> Result<usize, ApiFault> {
    let bytes_max = body_bytes_max(request.uri().path());
    let stated = request.headers().get(CONTENT_LENGTH);
    match stated.and_then(|value| value.to_str().ok()?.parse::<usize>().ok()) {
        Some(stated) if stated > bytes_max => Err(too_large(bytes_max)),
        Some(stated) => Ok(stated),
        None if request.body().is_end_stream() => Ok(0),
        None => Ok(bytes_max),
    }
}

fn too_large(bytes_max: usize) -> ApiFault {
    let message = format!("the body is longer than {bytes_max} bytes");
    ApiFault::with_status(413, "RequestEntityTooLarge", message)
}

/// Runs the request where it may block, and outlives its panic.
async fn work(app: &Arc<App>, arrived: Arrived) -> Answer {
    let path = arrived.path.clone();
    let worker = Arc::clone(app);
    let answered = tokio::task::spawn_blocking(move || worker.answer(&arrived)).await;
    answered.unwrap_or_else(|_| {
        app.metrics.panics.fetch_add(1, Ordering::Relaxed);
        app.refuse(&path, &ApiFault::internal())
    })
}

/// Reads a request whole.
async fn arrived(request: Request<Incoming>, peer: SocketAddr, id: &str) -> Result<Arrived, ApiFault> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let bytes_max = body_bytes_max(&path);
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &head.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str().to_owned()).or_default().push(text);
    }
    let reading = Limited::new(body, bytes_max).collect();
    let body = match tokio::time::timeout(BODY_TIME, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large(bytes_max)),
        Ok(Err(_)) => return Err(ApiFault::new("ValidationException", "the body is cut")),
        Err(_) => {
            let message = "the body did not come within 60 seconds";
            return Err(ApiFault::with_status(408, "RequestExpired", message));
        }
    };
    Ok(Arrived {
        id: id.to_owned(),
        method: head.method.as_str().to_owned(),
        path,
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
        peer: peer.ip(),
    })
}

fn response(answer: Answer, id: &str, closes: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(code) = answer.code {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
    }
    if closes {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
