//! `ListPublicKeys`: the keys that digests are signed with, asked of AWS.
//!
//! With `post` the only requests of this program that are not about an object of a bucket.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode};
use tokio::time::sleep;

use super::{CONNECT_MAX, Stores, config};
use crate::{Access, SourceError};

/// Pages of one answer; a year of one Region has a few keys.
const PAGES_MAX: usize = 1_000;
/// Bytes of one page.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// A page is asked for so often before the service counts as out of reach.
const ATTEMPTS: u32 = 4;
/// One request with its answer.
const REQUEST_MAX: Duration = Duration::from_secs(20);

const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.ListPublicKeys";

/// Which keys are asked for.
#[derive(Clone, Copy, Debug)]
pub struct KeyQuery<'a> {
    /// Region whose digests they sign.
    pub region: &'a str,
    /// First and last instant at which they were valid, microseconds since 1970 (UTC).
    pub span: (i64, i64),
    /// Another service that speaks `CloudTrail`, instead of the Region's.
    pub endpoint_url: Option<&'a str>,
}

impl KeyQuery<'_> {
    /// Where the question goes.
    pub fn endpoint(&self) -> String {
        match self.endpoint_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.region.starts_with("cn-") => {
                format!("https://cloudtrail.{}.amazonaws.com.cn", self.region)
            }
            None => format!("https://cloudtrail.{}.amazonaws.com", self.region),
        }
    }

    fn body(&self, token: Option<&str>) -> String {
        let (since, until) = self.span;
        let next = token.map(|token| format!(",\"NextToken\":{}", serde_json::Value::from(token)));
        // Whole seconds, rounded outwards.
        let (start, end) = (since.div_euclid(1_000_000), until.div_euclid(1_000_000) + 1);
        format!("{{\"StartTime\":{start},\"EndTime\":{end}{}}}", next.unwrap_or_default())
    }
}

/// The answers of `ListPublicKeys`, page by page, as JSON.
///
/// Source: AWS CloudTrail API Reference, `ListPublicKeys`.
///
/// # Errors
/// Without credentials, without a network, or if the service refuses.
pub fn list_public_keys(access: &Access, query: &KeyQuery<'_>) -> Result<Vec<Vec<u8>>, SourceError> {
    let stores = Stores::none()?;
    stores.wait(async {
        let caller = Caller::new(&config(access).await, query).await?;
        let mut pages = Vec::new();
        let mut token: Option<String> = None;
        while pages.len() < PAGES_MAX {
            let page = caller.ask(&query.body(token.as_deref())).await?;
            token = next_token(&page);
            pages.push(page);
            if token.is_none() {
                return Ok(pages);
            }
        }
        Err(caller.unreachable(format!("the list of keys has more than {PAGES_MAX} pages")))
    })
}

fn next_token(page: &[u8]) -> Option<String> {
    let page: serde_json::Value = serde_json::from_slice(page).ok()?;
    page.get("NextToken")?.as_str().map(str::to_owned)
}

struct Caller<'a> {
    client: Client,
    credentials: Credentials,
    region: &'a str,
    endpoint: String,
}

/// Why an attempt failed.
enum Refusal {
    /// Perhaps another attempt does better.
    Passing(String),
    Final(SourceError),
}

impl<'a> Caller<'a> {
    async fn new(config: &SdkConfig, query: &KeyQuery<'a>) -> Result<Caller<'a>, SourceError> {
        let chain = config.credentials_provider().ok_or_else(|| SourceError::Credentials {
            reason: "the configuration names no source of them".to_owned(),
        })?;
        let credentials = chain
            .provide_credentials()
            .await
            .map_err(|error| SourceError::Credentials { reason: error.to_string() })?;
        let endpoint = query.endpoint();
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
        Ok(Caller { client, credentials, region: query.region, endpoint })
    }

    fn unreachable(&self, reason: String) -> SourceError {
        SourceError::Unreachable { place: self.endpoint.clone(), reason }
    }

    async fn ask(&self, body: &str) -> Result<Vec<u8>, SourceError> {
        let mut wait = Duration::from_millis(200);
        let mut attempt = 1;
        loop {
            match self.attempt(body).await {
                Ok(page) => return Ok(page),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Passing(reason)) if attempt == ATTEMPTS => return Err(self.unreachable(reason)),
                Err(Refusal::Passing(_)) => sleep(wait).await,
            }
            attempt += 1;
            wait *= 3;
        }
    }

    async fn attempt(&self, body: &str) -> Result<Vec<u8>, Refusal> {
        let headers = self.signed(body).map_err(|error| Refusal::Final(self.unreachable(error)))?;
        let request = self.client.post(format!("{}/", self.endpoint)).headers(headers).body(body.to_owned());
        let mut answer = request.send().await.map_err(|error| Refusal::Passing(innermost(&error)))?;
        let mut page = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| Refusal::Passing(innermost(&error)))? {
            if page.len() + part.len() > PAGE_BYTES_MAX {
                return Err(Refusal::Final(self.unreachable("its answer is too long".to_owned())));
            }
            page.extend_from_slice(&part);
        }
        if answer.status() == StatusCode::OK { Ok(page) } else { Err(self.refusal(answer.status(), &page)) }
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
        if status.is_server_error() || is(&["Throttling", "RequestLimitExceeded"]) {
            Refusal::Passing(reason)
        } else if is(&["AccessDenied", "NotAuthorized"]) {
            Refusal::Final(SourceError::KeysDenied { place: self.endpoint.clone(), reason })
        } else if is(&["ExpiredToken", "UnrecognizedClient", "InvalidSignature", "InvalidClientTokenId"]) {
            Refusal::Final(SourceError::Credentials { reason })
        } else {
            Refusal::Final(self.unreachable(reason))
        }
    }

    /// The headers of a request, its signature among them.
    fn signed(&self, body: &str) -> Result<HeaderMap, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("cloudtrail")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| words(&error))?
            .into();
        let fixed = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", TARGET)];
        let url = format!("{}/", self.endpoint);
        let request =
            SignableRequest::new("POST", &url, fixed.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| words(&error))?;
        let (signature, _) = sign(request, &parameters).map_err(|error| words(&error))?.into_parts();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(fixed[0].1));
        headers.insert("x-amz-target", HeaderValue::from_static(TARGET));
        for (name, value) in signature.headers() {
            let mut value = HeaderValue::from_str(value).map_err(|error| words(&error))?;
            value.set_sensitive(true);
            let name =
                reqwest::header::HeaderName::from_bytes(name.as_bytes()).map_err(|error| words(&error))?;
            headers.insert(name, value);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_covers_its_span_in_whole_seconds_and_carries_the_token() {
        let query = KeyQuery { region: "cn-north-1", span: (1_500_000, 2_500_000), endpoint_url: None };
        assert_eq!(query.body(None), "{\"StartTime\":1,\"EndTime\":3}");
        assert_eq!(query.body(Some("a\"b")), "{\"StartTime\":1,\"EndTime\":3,\"NextToken\":\"a\\\"b\"}");
        assert_eq!(query.endpoint(), "https://cloudtrail.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn only_a_text_is_a_token() {
        assert_eq!(next_token(br#"{"NextToken":"t"}"#).as_deref(), Some("t"));
        assert_eq!(next_token(br#"{"NextToken":null,"PublicKeyList":[]}"#), None);
    }
}
