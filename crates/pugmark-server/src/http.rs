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
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::app::{App, Arrived, body_bytes_max};
use crate::fault::ApiFault;

/// Connections at once; the next waits to be accepted.
const CONNECTIONS_MAX: usize = 1_024;
/// Requests at work at once; the next waits, and in the end is refused.
const AT_WORK_MAX: usize = 256;
const WAIT: Duration = Duration::from_secs(10);
/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Time for its body.
const BODY_TIME: Duration = Duration::from_mins(1);
/// Time for what is at work when the server is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

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
    let at_work = Arc::new(Semaphore::new(AT_WORK_MAX));
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
        let (app, at_work, stop) = (Arc::clone(&app), Arc::clone(&at_work), stop.clone());
        open.spawn(async move {
            app.metrics.connections.fetch_add(1, Ordering::Relaxed);
            connection(stream, peer, &app, &at_work, stop).await;
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
    at_work: &Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let is_fast = stream.set_nodelay(true);
    if is_fast.is_err() {
        return;
    }
    let service = service_fn(|request| {
        let (app, at_work) = (Arc::clone(app), Arc::clone(at_work));
        async move { Ok::<_, Infallible>(respond(request, peer, &app, &at_work).await) }
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
    at_work: &Semaphore,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let mut closes = false;
    let (arrived, refusal) = match arrived(request, peer).await {
        Ok(arrived) => (Some(arrived), None),
        Err(fault) => (None, Some(fault)),
    };
    let id = crate::random::uuid().unwrap_or_else(|_| "00000000-0000-4000-8000-000000000000".to_owned());
    let answer = match (arrived, refusal) {
        (Some(arrived), _) => match tokio::time::timeout(WAIT, at_work.acquire()).await {
            Ok(Ok(_permit)) => work(app, Arrived { id: id.clone(), ..arrived }).await,
            _ => app.refuse(
                &path,
                &ApiFault::with_status(503, "ServiceUnavailable", "too many requests at work"),
            ),
        },
        (None, refusal) => {
            // What is left of the body is not worth reading.
            closes = true;
            app.refuse(&path, &refusal.unwrap_or_else(ApiFault::internal))
        }
    };
    response(answer, &id, closes)
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
async fn arrived(request: Request<Incoming>, peer: SocketAddr) -> Result<Arrived, ApiFault> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let bytes_max = body_bytes_max(&path);
    let too_large = || {
        let message = format!("the body is longer than {bytes_max} bytes");
        ApiFault::with_status(413, "RequestEntityTooLarge", message)
    };
    let stated =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|stated| stated > bytes_max) {
        return Err(too_large());
    }
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &head.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str().to_owned()).or_default().push(text);
    }
    let reading = Limited::new(body, bytes_max).collect();
    let body = match tokio::time::timeout(BODY_TIME, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(ApiFault::new("ValidationException", "the body is cut")),
        Err(_) => {
            let message = "the body did not come within 60 seconds";
            return Err(ApiFault::with_status(408, "RequestExpired", message));
        }
    };
    Ok(Arrived {
        id: String::new(),
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
