//! `ListPublicKeys`: the keys that digests are signed with, asked of AWS.

use super::service::{Protocol, Service};
use super::{Stores, config};
use crate::{Access, SourceError};

/// Pages of one answer; a year of one Region has a few keys.
const PAGES_MAX: usize = 1_000;
const PROTOCOL: Protocol = Protocol {
    name: "cloudtrail",
    media_type: "application/x-amz-json-1.1",
    prefix: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.",
    denied: |place, reason| SourceError::KeysDenied { place, reason },
};

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
    Stores::none()?.wait(async {
        let region = query.region.to_owned();
        let service = Service::new(PROTOCOL, &config(access).await, region, query.endpoint())?;
        let mut pages = Vec::new();
        let mut token: Option<String> = None;
        while pages.len() < PAGES_MAX {
            let page = service.ask("ListPublicKeys", &query.body(token.as_deref())).await?;
            token = next_token(&page);
            pages.push(page);
            if token.is_none() {
                return Ok(pages);
            }
        }
        Err(service.unreachable(format!("the list of keys has more than {PAGES_MAX} pages")))
    })
}

fn next_token(page: &[u8]) -> Option<String> {
    let page: serde_json::Value = serde_json::from_slice(page).ok()?;
    page.get("NextToken")?.as_str().map(str::to_owned)
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
