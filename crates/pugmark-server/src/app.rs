//! The application behind the sockets: a request in, an answer out.
//!
//! ```text
//! arrived ─▶ host ─▶ route ─▶ gate (who, how often) ─▶ role ─▶ handler ─▶ record of the call
//! ```
//!
//! Everything here is synchronous and knows no socket: tests call it directly.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use pugmark_event::Limits;
use pugmark_source::{Access, Location};
use serde_json::json;

use crate::answer::{AWS_JSON, Answer, JSON};
use crate::call::{Call, Outcome};
use crate::desk::Desk;
use crate::fault::ApiFault;
use crate::gate::{Caller, Gate, Known, Rates};
use crate::ingest::{self, INGEST};
use crate::input::Input;
use crate::keys::Role;
use crate::lake::Lake;
use crate::metrics::Metrics;
use crate::operations::{self, Operation};
use crate::own_call::{self, Source};
use crate::page_token::PageTokens;
use crate::shelf::Shelf;
use crate::sigv4::Parts;
use crate::topics::Topics;

/// Bytes of an API request's body.
const API_BYTES_MAX: usize = 1 << 20;
/// Bytes of a batch of events, as sent.
const INGEST_BYTES_MAX: usize = 16 << 20;

/// The longest body of a request to `path`.
pub(crate) fn body_bytes_max(path: &str) -> usize {
    if path == INGEST { INGEST_BYTES_MAX } else { API_BYTES_MAX }
}

/// How events are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Folders and buckets whose events can be looked up beside the accepted ones.
    pub lookup: Vec<Location>,
    /// How S3 is reached.
    pub access: Access,
    /// Bounds.
    pub limits: Limits,
    /// Workers.
    pub threads: usize,
}

/// A request, read whole.
pub(crate) struct Arrived {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: Bytes,
    pub(crate) peer: IpAddr,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        }
    }
}

/// The time, in microseconds since 1970.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
/// Where lines of the log go.
pub(crate) type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// Everything that handlers share.
pub(crate) struct App {
    pub(crate) gate: Gate,
    /// Names that the `Host` header may have; none: any.
    pub(crate) hosts: Vec<String>,
    pub(crate) tokens: PageTokens,
    pub(crate) lookup_rates: Rates,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) desk: Desk,
    pub(crate) topics: Arc<Topics>,
    pub(crate) lake: Lake,
    pub(crate) history: Shelf,
    pub(crate) reading: Reading,
    /// Whether the last turn of the trails went well.
    pub(crate) is_well: AtomicBool,
}

impl App {
    /// Puts all that was accepted where it can be asked for.
    pub(crate) fn catch_up(&self) -> Result<(), ApiFault> {
        self.desk.copy(|events| ingest::shelve(self, events)).map_err(|error| {
            self.note("history", &error.to_string());
            ApiFault::internal()
        })
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// A line of the log that is about no request.
    pub(crate) fn note(&self, about: &str, message: &str) {
        let time = pugmark_event::format_time(self.now());
        (self.log)(&json!({ "time": time, "about": about, "message": message }).to_string());
    }

    /// Where the events of `s3://bucket/prefix` are read.
    pub(crate) fn location(&self, uri: &str) -> Result<Location, String> {
        match Location::parse(uri) {
            Ok(Location::S3 { bucket, prefix }) => Ok(self.desk.location(&bucket, &prefix)),
            Ok(_) => Err("the location must be as `s3://bucket/prefix/`".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The answer to a request that could not be read.
    pub(crate) fn refuse(&self, path: &str, fault: &ApiFault) -> Answer {
        self.metrics.request("Unread", fault.code, 0);
        Answer::fault(content_type(path), fault)
    }

    /// Answers a request, counts it and writes it into the log.
    pub(crate) fn answer(self: &Arc<App>, request: &Arrived) -> Answer {
        let begun = self.now();
        let mut done = Done { operation: "Unknown", caller: None };
        let answer = self
            .route(request, &mut done)
            .unwrap_or_else(|fault| Answer::fault(content_type(&request.path), &fault));
        let micros = (self.now() - begun).max(0);
        self.metrics.bytes_in.fetch_add(request.body.len() as u64, Ordering::Relaxed);
        let code = answer.code.unwrap_or("OK");
        self.metrics.request(done.operation, code, micros as u64);
        if !matches!(done.operation, "Health" | "Metrics") {
            let line = json!({
                "time": pugmark_event::format_time(begun),
                "request": request.id,
                "operation": done.operation,
                "caller": done.caller,
                "peer": request.peer.to_string(),
                "status": answer.status,
                "code": code,
                "micros": micros,
                "bytes": request.body.len(),
            });
            (self.log)(&line.to_string());
        }
        answer
    }

    fn route(self: &Arc<App>, request: &Arrived, done: &mut Done) -> Result<Answer, ApiFault> {
        self.check_host(request)?;
        App::check_origin(request)?;
        match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/health") => {
                done.operation = "Health";
                let is_well = self.is_well.load(Ordering::Relaxed);
                let body = json!({ "status": if is_well { "ok" } else { "failing" } });
                Ok(Answer { status: if is_well { 200 } else { 503 }, ..Answer::value(JSON, &body) })
            }
            ("GET" | "HEAD", "/metrics") => {
                done.operation = "Metrics";
                Ok(Answer::text(200, self.metrics.render(&self.desk.gauges())))
            }
            ("POST", "/") => self.aws_json(request, done),
            ("POST", "/PutAuditEvents") => {
                done.operation = "PutAuditEvents";
                let caller = self.admitted(request, &["cloudtrail-data"], Role::Write, done)?;
                ingest::put_audit_events(self, &caller, request)
            }
            ("POST", INGEST) => {
                done.operation = "Ingest";
                self.admitted(request, &["cloudtrail-data", "cloudtrail"], Role::Write, done)?;
                ingest::ingest(self, request)
            }
            (_, "/" | "/PutAuditEvents" | INGEST | "/health" | "/metrics") => {
                Err(ApiFault::with_status(405, "UnknownOperationException", "the method is not allowed here"))
            }
            _ => {
                Err(ApiFault::with_status(404, "UnknownOperationException", "there is nothing at this path"))
            }
        }
    }

    /// Refuses what a page in a browser sent: it may be anybody's page, and an anonymous
    /// server would do what it says. No client of the API sets `Origin`.
    fn check_origin(request: &Arrived) -> Result<(), ApiFault> {
        if request.header("origin").is_none() {
            return Ok(());
        }
        Err(ApiFault::with_status(403, "AccessDeniedException", "requests of web pages are not answered"))
    }

    /// Names that no browser was tricked into: DNS rebinding ends here.
    fn check_host(&self, request: &Arrived) -> Result<(), ApiFault> {
        let host = request.header("host").unwrap_or_default();
        if self.hosts.is_empty() || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        Err(ApiFault::with_status(421, "MisdirectedRequest", "this server does not answer to that host name"))
    }

    fn admitted(
        &self,
        request: &Arrived,
        services: &[&str],
        role: Role,
        done: &mut Done,
    ) -> Result<Caller, ApiFault> {
        let caller = self.gate.admit(&request.parts(), services, self.now())?;
        done.caller = Some(caller.name.clone());
        if !caller.may(role) {
            return Err(denied(&caller, done.operation));
        }
        self.check_fresh(&caller)?;
        Ok(caller)
    }

    /// Refuses a signed change that was sent before.
    fn check_fresh(&self, caller: &Caller) -> Result<(), ApiFault> {
        let Some(signature) = &caller.signature else { return Ok(()) };
        match self.gate.repeats.note(signature, self.now()) {
            Known::Fresh => Ok(()),
            Known::Used => {
                Err(crate::sigv4::mismatch("The signed request was received before: sign it anew."))
            }
            Known::Full => Err(ApiFault::throttled()),
        }
    }

    fn aws_json(self: &Arc<App>, request: &Arrived, done: &mut Done) -> Result<Answer, ApiFault> {
        let caller = self.gate.admit(&request.parts(), &["cloudtrail"], self.now())?;
        done.caller = Some(caller.name.clone());
        let target = request.header("x-amz-target").unwrap_or_default();
        let name = target.rsplit('.').next().unwrap_or_default();
        let Some(operation) = operations::find(name) else {
            let message = "the header `X-Amz-Target` names no operation of this service";
            return Err(ApiFault::with_status(404, "UnknownOperationException", message));
        };
        done.operation = operation.name;
        let kind = request.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/x-amz-json-1.") {
            let message = "the content type must be `application/x-amz-json-1.1`";
            return Err(ApiFault::new("SerializationException", message));
        }
        if !operation.is_read {
            self.check_fresh(&caller)?;
        }
        Ok(Answer::value(AWS_JSON, &self.call(operation, &caller, request)?))
    }

    /// Calls the handler, and records the call as an event of its own.
    fn call(self: &Arc<App>, operation: &Operation, caller: &Caller, request: &Arrived) -> Outcome {
        let input = Input::parse(&request.body)?;
        let call = Call { app: self, caller, operation: operation.name, input: &input, now: self.now() };
        let outcome = if caller.may(operation.role) {
            (operation.run)(&call)
        } else {
            Err(denied(caller, operation.name))
        };
        let address = request.peer.to_string();
        let source = Source {
            address: &address,
            agent: request.header("user-agent").unwrap_or_default(),
            request_id: &request.id,
        };
        let record = own_call::record(&call, source, operation.is_read, &outcome);
        if let Err(fault) = ingest::accept(self, &[record.as_bytes()]) {
            self.note("own call", &fault.to_string());
        }
        outcome
    }
}

/// What the log says of a request.
struct Done {
    operation: &'static str,
    caller: Option<String>,
}

fn content_type(path: &str) -> &'static str {
    if path == "/" { AWS_JSON } else { JSON }
}

fn denied(caller: &Caller, operation: &str) -> ApiFault {
    let action = if matches!(operation, "PutAuditEvents" | "Ingest") {
        "cloudtrail-data:PutAuditEvents".to_owned()
    } else {
        format!("cloudtrail:{operation}")
    };
    let message = format!("User: {} is not authorized to perform: {action}", caller.arn());
    ApiFault::new("AccessDeniedException", message)
}

#[cfg(test)]
mod tests;
