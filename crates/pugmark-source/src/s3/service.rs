//! Signed requests to AWS services that speak JSON.
//!
//! With `post` the only requests of this program that are not about an object of a bucket.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials as Signer;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use object_store::CredentialProvider as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use tokio::time::sleep;

use super::{CONNECT_MAX, Credentials};
use crate::SourceError;

/// Bytes of one answer; ten messages of a queue have at most 1 MiB each.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// A service is asked so often before it counts as out of reach.
const ATTEMPTS: u32 = 4;
/// One request with its answer.
const REQUEST_MAX: Duration = Duration::from_secs(20);

/// How a service is spoken to.
#[derive(Clone, Copy)]
pub(super) struct Protocol {
    /// Its name in signatures.
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    /// What stands before an operation in `x-amz-target`, with the dot.
    pub(super) prefix: &'static str,
    /// What a refusal for want of rights is, with the endpoint and the service's words.
    pub(super) denied: fn(String, String) -> SourceError,
}

/// One service of one Region, and who asks it.
pub(super) struct Service {
    protocol: Protocol,
    client: Client,
    credentials: Arc<Credentials>,
    region: String,
    endpoint: String,
}

/// Why an attempt failed.
enum Refusal {
    /// Perhaps another attempt does better.
    Passing(String),
    Final(SourceError),
}

impl Service {
    pub(super) fn new(
        protocol: Protocol,
        config: &SdkConfig,
        region: String,
        endpoint: String,
    ) -> Result<Service, SourceError> {
        let credentials = Credentials::of(config)?;
        // An answer that sends the question, and its signature, elsewhere is not followed.
        let client = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(REQUEST_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| SourceError::Unreachable {
                place: endpoint.clone(),
                reason: innermost(&error),
            })?;
        Ok(Service { protocol, client, credentials, region, endpoint })
    }

    pub(super) fn unreachable(&self, reason: String) -> SourceError {
        SourceError::Unreachable { place: self.endpoint.clone(), reason }
    }

    /// The answer of `operation` to a body of JSON.
    pub(super) async fn ask(&self, operation: &str, body: &str) -> Result<Vec<u8>, SourceError> {
        let mut wait = Duration::from_millis(200);
        let mut attempt = 1;
        loop {
            match self.attempt(operation, body).await {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Passing(reason)) if attempt == ATTEMPTS => return Err(self.unreachable(reason)),
                Err(Refusal::Passing(_)) => sleep(wait).await,
            }
            attempt += 1;
            wait *= 3;
        }
    }

    async fn attempt(&self, operation: &str, body: &str) -> Result<Vec<u8>, Refusal> {
        let identity = self.identity().await.map_err(Refusal::Final)?;
        let headers = self.signed(&identity, operation, body);
        let headers = headers.map_err(|error| Refusal::Final(self.unreachable(error)))?;
        let request = self.client.post(format!("{}/", self.endpoint)).headers(headers).body(body.to_owned());
        let mut answer = request.send().await.map_err(|error| Refusal::Passing(innermost(&error)))?;
        let mut bytes = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| Refusal::Passing(innermost(&error)))? {
            if bytes.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Refusal::Final(self.unreachable("its answer is too long".to_owned())));
            }
            bytes.extend_from_slice(&part);
        }
        if answer.status() == StatusCode::OK { Ok(bytes) } else { Err(self.refusal(answer.status(), &bytes)) }
    }

    async fn identity(&self) -> Result<Signer, SourceError> {
        let found = self
            .credentials
            .get_credential()
            .await
            .map_err(|error| SourceError::Credentials { reason: super::reason(&error) })?;
        Ok(Signer::new(&found.key_id, &found.secret_key, found.token.clone(), None, "pugmark"))
    }

    /// What the service says when it does not answer.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> Refusal {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let code = text("__type").rsplit('#').next().unwrap_or_default();
        let message = [text("message"), text("Message")].concat();
        let reason = match (code, message.as_str()) {
            ("", _) => format!("it answers with status {status}"),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        let is = |words: &[&str]| words.iter().any(|word| code.contains(word));
        if status.is_server_error() || is(&["Throttl", "RequestLimitExceeded"]) {
            Refusal::Passing(reason)
        } else if is(&["AccessDenied", "NotAuthorized"]) {
            Refusal::Final((self.protocol.denied)(self.endpoint.clone(), reason))
        } else if is(&["ExpiredToken", "UnrecognizedClient", "InvalidSignature", "InvalidClientTokenId"]) {
            Refusal::Final(SourceError::Credentials { reason })
        } else {
            Refusal::Final(self.unreachable(reason))
        }
    }

    /// The headers of a request, its signature among them.
    fn signed(&self, signer: &Signer, operation: &str, body: &str) -> Result<HeaderMap, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let identity = signer.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.protocol.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| words(&error))?
            .into();
        let target = format!("{}{operation}", self.protocol.prefix);
        let fixed = [("content-type", self.protocol.media_type), ("x-amz-target", target.as_str())];
        let url = format!("{}/", self.endpoint);
        let request =
            SignableRequest::new("POST", &url, fixed.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| words(&error))?;
        let (signature, _) = sign(request, &parameters).map_err(|error| words(&error))?.into_parts();
        let mut headers = HeaderMap::new();
        for (name, value) in fixed.into_iter().chain(signature.headers()) {
            let mut value = HeaderValue::from_str(value).map_err(|error| words(&error))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|error| words(&error))?, value);
        }
        Ok(headers)
    }
}

/// The cause below the layers of a client's error; their words name the address only.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
