//! One message to a web address, for whoever wants to be told.
//!
//! It knows neither what is told nor whether to try again.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::public_keys::innermost;
use super::{CONNECT_MAX, Stores};
use crate::SourceError;

/// One message with its answer.
const MESSAGE_MAX: Duration = Duration::from_secs(15);

/// Posts `body` to `url` and answers with the HTTP status. Redirects are not
/// followed, and what the answer says is not read.
///
/// # Errors
/// If the address or a header is none, or if nobody answers in time. No error
/// names more of the address than its host: the rest may be a secret.
pub fn post(url: &str, headers: &[(&str, String)], body: Vec<u8>) -> Result<u16, SourceError> {
    let bad =
        |reason: &str| SourceError::Unreachable { place: "webhook".to_owned(), reason: reason.to_owned() };
    let address = url::Url::parse(url).map_err(|error| bad(&error.to_string()))?;
    if !matches!(address.scheme(), "http" | "https") {
        return Err(bad("an address starts with `https://` or `http://`"));
    }
    let place = format!("{}://{}", address.scheme(), address.host_str().unwrap_or_default());
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(&error.to_string()))?;
        let mut value = HeaderValue::from_str(value).map_err(|error| bad(&error.to_string()))?;
        value.set_sensitive(true);
        sent.insert(name, value);
    }
    let unreachable =
        |error: &reqwest::Error| SourceError::Unreachable { place: place.clone(), reason: innermost(error) };
    Stores::none()?.wait(async {
        let client = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(MESSAGE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| unreachable(&error))?;
        let request = client.post(address).headers(sent).body(body);
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        Ok(answer.status().as_u16())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_without_what_stands_in_it() {
        let error = post("ftp://host/secret", &[], Vec::new()).expect_err("no address").to_string();
        assert!(error.contains("starts with `https://`") && !error.contains("secret"), "{error}");
        let error = post("http://127.0.0.1:1/secret", &[], Vec::new()).expect_err("nobody").to_string();
        assert!(error.contains("http://127.0.0.1") && !error.contains("secret"), "{error}");
    }
}
