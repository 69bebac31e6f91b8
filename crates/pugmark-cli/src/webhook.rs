//! Signatures of what is posted to an address, so that its owner knows the sender.

use aws_lc_rs::hmac;

/// The variable with the key of signatures.
const KEY_VARIABLE: &str = "PUGMARK_WEBHOOK_KEY";

/// The key of signatures, if there is one.
pub(crate) fn key() -> Option<String> {
    std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty())
}

/// The headers that sign `body` at `now_s`, seconds since 1970.
pub(crate) fn headers(key: &str, now_s: i64, body: &str) -> [(&'static str, String); 2] {
    let time = now_s.to_string();
    [("x-pugmark-signature", signature(key, &time, body)), ("x-pugmark-timestamp", time)]
}

/// `sha256=` and the HMAC-SHA256 of time, dot and body, in hexadecimal digits.
///
/// Source: RFC 2104.
fn signature(key: &str, time: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut signing = hmac::Context::with_key(&key);
    for part in [time, ".", body] {
        signing.update(part.as_bytes());
    }
    format!("sha256={}", pugmark_integrity::hex(signing.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_time_dot_and_body() {
        // From another program: HMAC-SHA256 of `1.2`.
        let expected = "sha256=56f99b71fc50056fd3581848ebd5a65fc8e016bb973e23b5a9b3e9469b190c32";
        assert_eq!(signature("Jefe", "1", "2"), expected);
    }
}
