//! Lines of the authenticator: whom it let into a cluster, and by which token.

use std::collections::BTreeMap;

use pugmark_event::parse_time;

/// One line of the authenticator's log about a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenCheck {
    /// Microseconds since 1970.
    pub time: Option<i64>,
    /// Cluster, where the log's surroundings name it.
    pub cluster: Option<String>,
    /// What was found.
    pub verdict: TokenVerdict,
    /// ARN of the identity.
    pub arn: Option<String>,
    /// Access key that signed the token.
    pub access_key: Option<String>,
    /// Kubernetes user that the identity became.
    pub user: Option<String>,
    /// Kubernetes groups.
    pub groups: Option<String>,
    /// Address of the client.
    pub client: Option<String>,
    /// Why it was refused.
    pub error: Option<String>,
}

/// What the authenticator found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenVerdict {
    /// STS knows the token.
    Known,
    /// The identity may enter.
    Granted,
    /// It may not.
    Denied,
}

impl TokenVerdict {
    /// The verdict as words.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenVerdict::Known => "token known to sts",
            TokenVerdict::Granted => "access granted",
            TokenVerdict::Denied => "access denied",
        }
    }
}

impl TokenCheck {
    /// Reads a line of `key=value` pairs; `None` if it is about no token.
    pub(crate) fn read(line: &str, time: Option<i64>) -> Option<TokenCheck> {
        let pairs = pairs(line);
        let text = |key: &str| pairs.get(key).filter(|text| !text.is_empty()).cloned();
        let verdict = match pairs.get("msg")?.as_str() {
            "STS response" => TokenVerdict::Known,
            "access granted" => TokenVerdict::Granted,
            "access denied" => TokenVerdict::Denied,
            _ => return None,
        };
        Some(TokenCheck {
            time: text("time").and_then(|text| parse_time(text.as_bytes())).or(time),
            cluster: None,
            verdict,
            arn: text("arn"),
            access_key: text("accesskeyid"),
            user: text("username"),
            groups: text("groups"),
            client: text("client"),
            error: text("error"),
        })
    }
}

/// The pairs of a line; a value in quotes may hold blanks and escaped quotes.
fn pairs(line: &str) -> BTreeMap<&str, String> {
    let mut pairs = BTreeMap::new();
    let mut rest = line.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.rsplit(char::is_whitespace).next().unwrap_or(key);
        let (value, tail) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        pairs.insert(key, value);
        rest = tail.trim_start();
    }
    pairs
}

/// A value up to its closing quote, and what follows.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return (value, &text[place + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_became_whom() {
        let line = r#"time="2026-01-15T10:00:00Z" level=info msg="access granted" arn="arn:aws:iam::111122223333:role/dev" client="127.0.0.1:5000" groups="[ops \"a\"]" username=dev:alice"#;
        let check = TokenCheck::read(line, None).expect("a check");
        assert_eq!(check.verdict, TokenVerdict::Granted);
        assert_eq!(check.user.as_deref(), Some("dev:alice"));
        assert_eq!(check.groups.as_deref(), Some("[ops \"a\"]"));
        assert_eq!(check.time, parse_time(b"2026-01-15T10:00:00Z"));
    }

    #[test]
    fn other_lines_are_about_no_token() {
        assert_eq!(TokenCheck::read("level=info msg=\"starting\"", None), None);
        assert_eq!(TokenCheck::read("msg=\"unclosed", None), None);
    }
}
