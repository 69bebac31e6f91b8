//! Tokens that lead to the next page, and to no other.
//!
//! A token is the position in clear and a code over it, the operation and the
//! other parameters: it cannot be made up, nor used for another question.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::fault::ApiFault;
use crate::input::Input;
use crate::random::{self, NoRandom};

const CODE_BYTES: usize = 32;

/// Longest token, as the service's model says.
const CHARS_MAX: usize = 1_000;

/// Makes and checks tokens. Its key lives as long as the process.
pub(crate) struct PageTokens {
    key: Key,
}

impl PageTokens {
    pub(crate) fn new() -> Result<PageTokens, NoRandom> {
        Ok(PageTokens { key: Key::new(HMAC_SHA256, &random::bytes::<32>()?) })
    }

    /// A token for `position` in the answer to `question`.
    pub(crate) fn seal(&self, question: &Question, position: &str) -> String {
        let code = sign(&self.key, &question.bound(position));
        URL_SAFE_NO_PAD.encode([code.as_ref(), position.as_bytes()].concat())
    }

    /// The position that `token` leads to, if it belongs to `question`.
    fn open(&self, question: &Question, token: &str) -> Option<String> {
        if token.len() > CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (code, position) = bytes.split_at_checked(CODE_BYTES)?;
        let position = String::from_utf8(position.to_vec()).ok()?;
        verify(&self.key, &question.bound(&position), code).ok()?;
        Some(position)
    }

    /// The position that the request's `NextToken` leads to.
    ///
    /// # Errors
    /// If the token is none of ours, or of another question.
    pub(crate) fn position(&self, question: &Question, input: &Input) -> Result<Option<String>, ApiFault> {
        let Some(token) = input.text("NextToken")? else { return Ok(None) };
        let fault =
            || ApiFault::new("InvalidNextTokenException", "The token is invalid or of another request.");
        self.open(question, token).map(Some).ok_or_else(fault)
    }
}

/// What is asked: the operation, who asks, and every parameter but the token.
pub(crate) struct Question(Vec<u8>);

impl Question {
    pub(crate) fn new(operation: &str, account: &str, region: &str, input: &Input) -> Question {
        let mut members: Vec<(&String, String)> = input
            .members()
            .iter()
            .filter(|(name, value)| *name != "NextToken" && !value.is_null())
            .map(|(name, value)| (name, value.to_string()))
            .collect();
        members.sort();
        let mut bytes = Vec::new();
        let parts = [operation, account, region].into_iter();
        for part in parts.chain(members.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()])) {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        Question(bytes)
    }

    fn bound(&self, position: &str) -> Vec<u8> {
        let length = (self.0.len() as u64).to_le_bytes();
        [&length[..], &self.0, position.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(body: &str) -> Question {
        Question::new("LookupEvents", "111122223333", "us-east-1", &Input::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_token_opens_for_its_question_only() {
        let tokens = PageTokens::new().unwrap();
        let token = tokens.seal(&question(r#"{"MaxResults":5}"#), "50");
        assert_eq!(
            tokens.open(&question(r#"{"MaxResults":5,"NextToken":"x"}"#), &token).as_deref(),
            Some("50")
        );
        assert_eq!(tokens.open(&question(r#"{"MaxResults":6}"#), &token), None);
    }

    #[test]
    fn a_token_that_was_made_up_is_refused() {
        let tokens = PageTokens::new().unwrap();
        let question = question("{}");
        assert_eq!(tokens.open(&question, ""), None);
        assert_eq!(tokens.open(&question, "AAAA"), None);
        assert_eq!(tokens.open(&question, &"A".repeat(2_000)), None);
        let mut token = tokens.seal(&question, "50");
        token.pop();
        assert_eq!(tokens.open(&question, &token), None);
    }

    #[test]
    fn another_servers_token_is_refused() {
        let token = PageTokens::new().unwrap().seal(&question("{}"), "50");
        assert_eq!(PageTokens::new().unwrap().open(&question("{}"), &token), None);
    }
}
