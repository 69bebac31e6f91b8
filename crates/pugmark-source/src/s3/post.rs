//! Messages to web addresses, for whoever wants to be told.
//!
//! It knows neither what is told nor whether to try again.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::service::innermost;
use super::{CONNECT_MAX, Stores};
use crate::SourceError;

/// One message with its answer.
const MESSAGE_MAX: Duration = Duration::from_secs(15);

/// Where messages go: `http` or `https`. Not shown, since it may be a secret.
pub struct Address(Url);

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host())
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Address, SourceError> {
        let address = Url::parse(text).map_err(|error| unreachable("webhook", error.to_string()))?;
        if !matches!(address.scheme(), "http" | "https") {
            return Err(unreachable("webhook", "an address starts with `https://` or `http://`"));
        }
        Ok(Address(address))
    }

    /// What may be told of it.
    fn host(&self) -> String {
        format!("{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

fn unreachable(place: &str, reason: impl Into<String>) -> SourceError {
    SourceError::Unreachable { place: place.to_owned(), reason: reason.into() }
}

/// Posts messages, over connections that stay open between them.
pub struct Poster {
    client: Client,
    /// Its runtime.
    stores: Stores,
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Poster")
    }
}

impl Poster {
    /// # Errors
    /// If the system has no threads or no certificates for it.
    pub fn new() -> Result<Poster, SourceError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(MESSAGE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| unreachable("webhook", innermost(&error)))?;
        Ok(Poster { client, stores: Stores::none()? })
    }

    /// Posts `body` and answers with the HTTP status. Redirects are not
    /// followed, and what the answer says is not read.
    ///
    /// # Errors
    /// If a header is none, or if nobody answers in time. No error names more
    /// of the address than its host.
    pub fn post(
        &self,
        address: &Address,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<u16, SourceError> {
        let place = address.host();
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let fail = |error: &dyn std::error::Error| unreachable(&place, error.to_string());
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| fail(&error))?;
            let mut value = HeaderValue::from_str(value).map_err(|error| fail(&error))?;
            value.set_sensitive(true);
            sent.insert(name, value);
        }
        self.stores.wait(async {
            let request = self.client.post(address.0.clone()).headers(sent).body(body);
            let answer = request.send().await.map_err(|error| unreachable(&place, innermost(&error)))?;
            Ok(answer.status().as_u16())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_without_what_stands_in_it() {
        let error = Address::parse("ftp://host/secret").expect_err("no address").to_string();
        assert!(error.contains("starts with `https://`") && !error.contains("secret"), "{error}");
        let address = Address::parse("http://127.0.0.1:1/secret").expect("an address");
        assert!(!format!("{address:?}").contains("secret"));
        let poster = Poster::new().expect("a client");
        let error = poster.post(&address, &[], Vec::new()).expect_err("nobody").to_string();
        assert!(error.contains("http://127.0.0.1") && !error.contains("secret"), "{error}");
    }
}
