//! Tokens that lead to the next page, and to no other.
//!
//! A token is the position in clear and a code over it, the operation and the
//! other parameters: it cannot be made up, nor used for another question.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::document::StateError;
use crate::fault::ApiFault;
use crate::input::Input;
use crate::keys::write_private;
use crate::random;

const CODE_BYTES: usize = 32;

/// Longest token, as the service's model says.
const CHARS_MAX: usize = 1_000;

/// Bytes of the key that tokens are made with.
const KEY_BYTES: usize = 32;

/// Makes and checks tokens. Its key is kept, so that they outlive a restart.
pub(crate) struct PageTokens {
    key: Key,
}

impl PageTokens {
    /// With the key in the file at `path`, or a new one that is put there.
    ///
    /// # Errors
    /// If the file cannot be read or written, or the system gives no random numbers.
    pub(crate) fn open(path: &Path) -> Result<PageTokens, StateError> {
        let io = |error| StateError::Io { path: path.to_owned(), error };
        let kept = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(error)),
        };
        if kept.len() == KEY_BYTES {
            return Ok(PageTokens { key: Key::new(HMAC_SHA256, &kept) });
        }
        if path.try_exists().map_err(io)? {
            // What a crash left of a key that was never used.
            fs::remove_file(path).map_err(io)?;
        }
        let new: [u8; KEY_BYTES] = random::bytes().map_err(|error| io(std::io::Error::other(error)))?;
        write_private(path, &new).map_err(io)?;
        Ok(PageTokens { key: Key::new(HMAC_SHA256, &new) })
    }

    /// A token for `position` in the answer to `question`.
    pub(crate) fn seal(&self, question: &Question, position: &str) -> String {
        let code = sign(&self.key, &question.bound(position));
        URL_SAFE_NO_PAD.encode([code.as_ref(), position.as_bytes()].concat())
    }

    /// The position that `token` leads to, if it belongs to `question`.
    fn opened(&self, question: &Question, token: &str) -> Option<String> {
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
        self.opened(question, token).map(Some).ok_or_else(fault)
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

    fn tokens() -> (PageTokens, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (PageTokens::open(&folder.path().join("key")).unwrap(), folder)
    }

    #[test]
    fn a_token_opens_for_its_question_only_also_after_a_restart() {
        let (tokens, folder) = tokens();
        let token = tokens.seal(&question(r#"{"MaxResults":5}"#), "50");
        let later = PageTokens::open(&folder.path().join("key")).unwrap();
        assert_eq!(
            later.opened(&question(r#"{"MaxResults":5,"NextToken":"x"}"#), &token).as_deref(),
            Some("50")
        );
        assert_eq!(later.opened(&question(r#"{"MaxResults":6}"#), &token), None);
    }

    #[test]
    fn a_token_that_was_made_up_is_refused() {
        let (tokens, _folder) = tokens();
        let question = question("{}");
        assert_eq!(tokens.opened(&question, ""), None);
        assert_eq!(tokens.opened(&question, "AAAA"), None);
        assert_eq!(tokens.opened(&question, &"A".repeat(2_000)), None);
        let mut token = tokens.seal(&question, "50");
        token.pop();
        assert_eq!(tokens.opened(&question, &token), None);
    }

    #[test]
    fn another_servers_token_is_refused() {
        let (ours, theirs) = (tokens(), tokens());
        let token = theirs.0.seal(&question("{}"), "50");
        assert_eq!(ours.0.opened(&question("{}"), &token), None);
    }

    #[test]
    fn a_key_that_is_cut_is_made_anew() {
        let (_, folder) = tokens();
        let path = folder.path().join("key");
        fs::write(&path, b"short").unwrap();
        let token = PageTokens::open(&path).unwrap().seal(&question("{}"), "1");
        assert!(PageTokens::open(&path).unwrap().opened(&question("{}"), &token).is_some());
    }
}
