//! A service that keeps a trail: each request is one event.
//!
//! ```text
//! pugmark serve --anonymous
//! cargo run -p pugmark-client --example orders -- http://127.0.0.1:8840
//! curl -X POST -H 'x-user: alice' http://127.0.0.1:3000/orders/17
//! aws cloudtrail lookup-events --endpoint-url http://127.0.0.1:8840 --no-sign-request --region us-east-1
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pugmark_client::{Client, Event, Origin, Recorder, RecorderOptions, TrailLayer, UserIdentity};
use serde_json::{Map, json};
use signal_hook::consts::SIGINT;
use tokio::net::TcpListener;
use tower_layer::Layer as _;
use tower_service::Service;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";

/// The service: order 17 is there.
#[derive(Clone)]
struct Orders;

impl Service<Request<Incoming>> for Orders {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let order = request.uri().path().strip_prefix("/orders/");
        let (status, text) = match (request.method(), order) {
            (&Method::POST, Some(order)) => (StatusCode::CREATED, format!("order {order}\n")),
            (_, Some("17")) => (StatusCode::OK, "order 17\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        ready(Ok(response))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).ok_or("usage: orders ENDPOINT [ADDRESS]")?;
    let address = std::env::args().nth(2).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let key = std::env::var("AWS_ACCESS_KEY_ID").ok().zip(std::env::var("AWS_SECRET_ACCESS_KEY").ok());
    let key = key.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
    let (recorder, handle) =
        Recorder::start(Client::new(&endpoint, REGION, key)?, RecorderOptions::default());
    serve(TcpListener::bind(address).await?, recorder).await?;
    // The last events are sent before the end.
    let counts = handle.close(Duration::from_secs(10)).await;
    if counts.refused + counts.turned_away > 0 {
        return Err(format!("events were lost: {counts:?}").into());
    }
    Ok(())
}

/// Answers connections until Ctrl-C.
async fn serve(listener: TcpListener, recorder: Recorder) -> Result<(), Box<dyn Error>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
    while !interrupted.load(Ordering::Relaxed) {
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        let Ok(accepted) = accepted else { continue };
        let (stream, peer) = accepted?;
        let layer =
            TrailLayer::new(recorder.clone(), move |request: &Request<Incoming>| describe(request, peer));
        let orders = layer.layer(Orders);
        let answering = service_fn(move |request| orders.clone().call(request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answering));
    }
    Ok(())
}

/// What an operation of this service looks like in the trail.
fn describe(request: &Request<Incoming>, peer: SocketAddr) -> Option<Event> {
    let order = request.uri().path().strip_prefix("/orders/")?;
    let name = if request.method() == Method::POST { "CreateOrder" } else { "GetOrder" };
    let user = request.headers().get("x-user").and_then(|value| value.to_str().ok());
    let identity = user.map_or_else(UserIdentity::unknown, |name| UserIdentity::user(ACCOUNT, name));
    let origin = Origin {
        event_source: "orders.example.com".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    };
    Some(Event {
        source_ip_address: Some(peer.ip().to_string()),
        request_parameters: Some(Map::from_iter([("orderId".to_owned(), json!(order))])),
        read_only: name == "GetOrder",
        ..Event::new(&origin, name, identity)
    })
}
