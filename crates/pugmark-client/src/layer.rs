//! Middleware: one event for each request of a service.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::USER_AGENT;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::event::Event;
use crate::recorder::Recorder;

/// Records one event for each request that `describe` has an event for.
///
/// `describe` sees the request before the service does. Afterwards a status from
/// 400 on becomes the event's `errorCode`, by its reason, such as `NotFound`; a
/// request whose caller hung up is recorded as `RequestCancelled`. The service is
/// never held up: an event for which the recorder has no room is counted there.
#[derive(Clone, Debug)]
pub struct TrailLayer<D> {
    recorder: Recorder,
    describe: Arc<D>,
}

impl<D> TrailLayer<D> {
    /// A layer that records what `describe` makes of requests.
    pub fn new(recorder: Recorder, describe: D) -> TrailLayer<D> {
        TrailLayer { recorder, describe: Arc::new(describe) }
    }
}

impl<S, D> Layer<S> for TrailLayer<D> {
    type Service = Trailed<S, D>;

    fn layer(&self, inner: S) -> Trailed<S, D> {
        Trailed { inner, recorder: self.recorder.clone(), describe: Arc::clone(&self.describe) }
    }
}

/// A service whose requests are recorded.
#[derive(Debug)]
pub struct Trailed<S, D> {
    inner: S,
    recorder: Recorder,
    describe: Arc<D>,
}

// Derived, it would ask the same of `D`.
impl<S: Clone, D> Clone for Trailed<S, D> {
    fn clone(&self) -> Trailed<S, D> {
        Trailed {
            inner: self.inner.clone(),
            recorder: self.recorder.clone(),
            describe: Arc::clone(&self.describe),
        }
    }
}

impl<S, D, B, R> Service<Request<B>> for Trailed<S, D>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    D: Fn(&Request<B>) -> Option<Event>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let event = (self.describe)(&request).map(|mut event| {
            let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
            event.user_agent = event.user_agent.or(agent.map(str::to_owned));
            Box::new(event)
        });
        let pending = Pending { event, recorder: self.recorder.clone() };
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answered = answering.await;
            let code = match &answered {
                Ok(response) => code_of(response.status()),
                Err(_) => Some("InternalFailure".to_owned()),
            };
            pending.done(code);
            answered
        })
    }
}

/// An event of a request that is at work.
struct Pending {
    event: Option<Box<Event>>,
    recorder: Recorder,
}

impl Pending {
    fn done(mut self, code: Option<String>) {
        self.record(code);
    }

    fn record(&mut self, code: Option<String>) {
        let Some(mut event) = self.event.take() else { return };
        event.error_code = event.error_code.or(code);
        // The recorder counts what it has no room for.
        drop(self.recorder.try_record(*event));
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.record(Some("RequestCancelled".to_owned()));
    }
}

/// The `errorCode` of a status: its reason in one word.
fn code_of(status: StatusCode) -> Option<String> {
    if status.as_u16() < 400 {
        return None;
    }
    let reason = status.canonical_reason().unwrap_or("Unknown");
    Some(reason.chars().filter(char::is_ascii_alphanumeric).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_is_no_failure_has_no_code() {
        assert_eq!(code_of(StatusCode::FOUND), None);
        assert_eq!(code_of(StatusCode::NOT_FOUND).as_deref(), Some("NotFound"));
        assert_eq!(code_of(StatusCode::IM_A_TEAPOT).as_deref(), Some("Imateapot"));
    }
}
