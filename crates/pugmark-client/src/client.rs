//! Requests: signed, sent, answered record by record.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

/// Bytes of one request, as the server takes them.
pub(crate) const REQUEST_BYTES_MAX: usize = 16 << 20;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Where events go, and as whom.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    region: String,
    credentials: Option<Credentials>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why events were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The endpoint is no address, or the system has no certificates.
    #[error("cannot make requests: {0}")]
    Setup(String),
    /// Nobody answered, or not whole. The same events may be sent again.
    #[error("the server does not answer: {0}")]
    Unreachable(String),
    /// The server has no room or no disk now. The same events may be sent again.
    #[error("the server is busy: {0}")]
    Busy(String),
    /// The request was refused; sent again it will be again.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// More than one request may hold.
    #[error("a request holds up to {REQUEST_BYTES_MAX} bytes")]
    TooLong,
}

impl ClientError {
    /// Whether the same request may do better later.
    pub fn is_passing(&self) -> bool {
        matches!(self, ClientError::Unreachable(_) | ClientError::Busy(_))
    }
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventResult {
    /// Its `eventID`, if it was taken.
    #[serde(rename = "eventID")]
    pub event_id: Option<String>,
    /// Why it was not.
    pub error_code: Option<String>,
    /// The same in words.
    pub error_message: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<EventResult>,
}

#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default, rename = "__type")]
    code: String,
    #[serde(default)]
    message: String,
}

impl Client {
    /// A client of the server at `endpoint`, such as `http://127.0.0.1:8840`.
    /// Without a key it is anonymous.
    ///
    /// # Errors
    /// If the endpoint is no address, or the system has no certificates for it.
    pub fn new(endpoint: &str, region: &str, key: Option<(&str, &str)>) -> Result<Client, ClientError> {
        let setup = |error: reqwest::Error| ClientError::Setup(error.without_url().to_string());
        let url = format!("{}/ingest", endpoint.trim_end_matches('/'));
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(REQUEST_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(setup)?;
        http.post(&url).build().map_err(setup)?;
        let credentials = key.map(|(id, secret)| Credentials::new(id, secret, None, None, "given"));
        Ok(Client { http, url, region: region.to_owned(), credentials })
    }

    /// Sends events, one record a line; each has a result, in their order. When
    /// this returns, those that were taken are on the server's disk.
    ///
    /// # Errors
    /// If none of them may have been taken: then all may be sent again.
    pub async fn send(&self, lines: impl Into<Bytes>) -> Result<Vec<EventResult>, ClientError> {
        let body: Bytes = lines.into();
        if body.len() > REQUEST_BYTES_MAX {
            return Err(ClientError::TooLong);
        }
        let headers = self.headers(&body).map_err(ClientError::Setup)?;
        let passing = |error: reqwest::Error| ClientError::Unreachable(error.without_url().to_string());
        let answer = self.http.post(&self.url).headers(headers).body(body).send().await.map_err(passing)?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(passing)?;
        if status.is_success() {
            let answer: Answer =
                serde_json::from_slice(&text).map_err(|error| ClientError::Unreachable(error.to_string()))?;
            return Ok(answer.results);
        }
        let fault: Fault = serde_json::from_slice(&text).unwrap_or_default();
        let words = format!("{status} {} {}", fault.code, fault.message);
        let is_busy = status.is_server_error() || fault.code.contains("Throttling");
        Err(if is_busy { ClientError::Busy(words) } else { ClientError::Refused(words) })
    }

    /// The headers of a request, its signature among them.
    fn headers(&self, body: &[u8]) -> Result<HeaderMap, String> {
        const LINES: &str = "application/x-ndjson";
        let words = |error: &dyn std::error::Error| error.to_string();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(LINES));
        let Some(credentials) = &self.credentials else { return Ok(headers) };
        let identity = credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("cloudtrail")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| words(&error))?
            .into();
        let signed = [("content-type", LINES)].into_iter();
        let request = SignableRequest::new("POST", &self.url, signed, SignableBody::Bytes(body))
            .map_err(|error| words(&error))?;
        let (signature, _) = sign(request, &parameters).map_err(|error| words(&error))?.into_parts();
        for (name, value) in signature.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| words(&error))?;
            let mut value = HeaderValue::from_str(value).map_err(|error| words(&error))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_at_once() {
        assert!(matches!(Client::new("not an address", "eu-west-1", None), Err(ClientError::Setup(_))));
    }

    #[test]
    fn a_request_is_signed_by_whoever_has_a_key_and_shows_no_secret() {
        let key = Some(("PMAKEXAMPLE", "canary-canary-canary"));
        let client = Client::new("http://127.0.0.1:1", "eu-west-1", key).unwrap();
        let headers = client.headers(b"{}").unwrap();
        let signature = headers["authorization"].to_str().unwrap();
        assert!(
            signature.contains("PMAKEXAMPLE/") && signature.contains("/eu-west-1/cloudtrail/aws4_request")
        );
        assert!(!format!("{client:?} {headers:?}").contains("canary"));
        let anonymous = Client::new("http://127.0.0.1:1", "eu-west-1", None).unwrap();
        assert!(!anonymous.headers(b"{}").unwrap().contains_key("authorization"));
    }
}
