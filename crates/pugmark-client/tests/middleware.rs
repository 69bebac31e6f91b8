//! The middleware and the recorder against a server that answers as ours does.

use std::convert::Infallible;
use std::future::{Pending, Ready, pending, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pugmark_client::{
    Client, Event, Origin, Recorder, RecorderHandle, RecorderOptions, TrailLayer, UserIdentity,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_layer::Layer as _;
use tower_service::Service;

/// Takes events; the first `refusals` requests are answered with 503.
struct Trail {
    url: String,
    records: Arc<Mutex<Vec<Value>>>,
}

async fn trail(refusals: usize) -> Trail {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let records = Arc::new(Mutex::new(Vec::new()));
    let left = Arc::new(Mutex::new(refusals));
    let kept = Arc::clone(&records);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
            let service = service_fn(move |request: Request<Incoming>| {
                let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
                async move {
                    let body = request.into_body().collect().await.expect("the body comes").to_bytes();
                    let mut left = left.lock().expect("no panic");
                    if *left > 0 {
                        *left -= 1;
                        let mut response = Response::new(Full::<Bytes>::default());
                        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                        return Ok::<_, Infallible>(response);
                    }
                    let records = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                    let records: Vec<Value> =
                        records.map(|line| serde_json::from_slice(line).expect("a record")).collect();
                    let result = |record: &Value| match record["eventName"].as_str() {
                        Some("Bad") => json!({ "errorCode": "InvalidData", "errorMessage": "no" }),
                        _ => json!({ "eventID": record["eventID"] }),
                    };
                    let answer = json!({ "results": records.iter().map(result).collect::<Vec<_>>() });
                    kept.lock().expect("no panic").extend(records);
                    Ok(Response::new(Full::from(answer.to_string())))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Trail { url, records }
}

fn recorder(trail: &Trail) -> (Recorder, RecorderHandle) {
    let client = Client::new(&trail.url, "eu-west-1", None).expect("a client");
    let options = RecorderOptions { queue: 4, batch: 3, delay: Duration::from_millis(20) };
    Recorder::start(client, options)
}

fn event(name: &str) -> Event {
    let origin = Origin {
        event_source: "orders.example.com".to_owned(),
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
    };
    Event::new(&origin, name, UserIdentity::unknown())
}

#[derive(Clone)]
struct Answers(StatusCode);

impl Service<Request<()>> for Answers {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        let mut response = Response::new(());
        *response.status_mut() = self.0;
        ready(Ok(response))
    }
}

struct NeverAnswers;

impl Service<Request<()>> for NeverAnswers {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pending<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        pending()
    }
}

fn request(path: &str) -> Request<()> {
    Request::builder().uri(path).header("user-agent", "curl/8").body(()).expect("a request")
}

#[tokio::test]
async fn each_request_is_one_event_with_how_it_ended() {
    let trail = trail(0).await;
    let (recorder, handle) = recorder(&trail);
    let describe = |request: &Request<()>| (request.uri().path() != "/health").then(|| event("GetOrder"));
    let layer = TrailLayer::new(recorder, describe);
    layer.layer(Answers(StatusCode::OK)).call(request("/orders/17")).await.unwrap();
    layer.layer(Answers(StatusCode::NOT_FOUND)).call(request("/orders/18")).await.unwrap();
    layer.layer(Answers(StatusCode::OK)).call(request("/health")).await.unwrap();
    drop(layer.layer(NeverAnswers).call(request("/orders/19")));
    drop(layer);
    assert_eq!(handle.close(Duration::from_secs(10)).await.taken, 3);
    let records = trail.records.lock().unwrap();
    let codes: Vec<&Value> = records.iter().map(|record| &record["errorCode"]).collect();
    assert_eq!(codes, [&Value::Null, &json!("NotFound"), &json!("RequestCancelled")]);
    assert!(records.iter().all(|record| record["userAgent"] == "curl/8"));
}

#[tokio::test]
async fn events_wait_for_a_server_that_is_busy_and_what_it_refuses_is_counted() {
    let trail = trail(2).await;
    let (recorder, handle) = recorder(&trail);
    for name in ["A", "Bad", "B", "C", "D"] {
        recorder.record(event(name)).await.unwrap();
    }
    drop(recorder);
    let counts = handle.close(Duration::from_secs(10)).await;
    assert_eq!((counts.taken, counts.refused, counts.fault.as_deref()), (4, 1, Some("no")));
    let names: Vec<String> =
        trail.records.lock().unwrap().iter().map(|record| record["eventName"].to_string()).collect();
    assert_eq!(names, [r#""A""#, r#""Bad""#, r#""B""#, r#""C""#, r#""D""#]);
}

#[tokio::test]
async fn an_event_without_room_is_given_back_and_counted() {
    // Nobody listens there: all that is taken waits.
    let client = Client::new("http://127.0.0.1:9", "eu-west-1", None).unwrap();
    let options = RecorderOptions { queue: 2, batch: 1, delay: Duration::ZERO };
    let (recorder, handle) = Recorder::start(client, options);
    let given_back = (0..10).filter(|_| recorder.try_record(event("A")).is_err()).count() as u64;
    assert!(given_back >= 7, "{given_back}");
    assert_eq!(recorder.counts().turned_away, given_back);
    drop(recorder);
    assert_eq!(handle.close(Duration::from_millis(50)).await.taken, 0);
}
