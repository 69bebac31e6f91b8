//! Signature Version 4, from the side of the one who checks it.
//!
//! Pure: a request's parts, a secret and the time give a verdict. What is
//! signed, and what it was signed for, is worked out of the bytes received;
//! nothing that the client says of itself is believed.
//!
//! Source: AWS IAM User Guide, "AWS Signature Version 4 for API requests".

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use pugmark_event::parse_time;
use pugmark_integrity::{hex, sha256};

use crate::fault::ApiFault;

/// How far the client's clock may be off, in microseconds.
pub(crate) const SKEW_US: i64 = 5 * 60 * 1_000_000;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) method: &'a str,
    /// As received, still percent-encoded.
    pub(crate) path: &'a str,
    /// As received, without the question mark.
    pub(crate) query: &'a str,
    /// Names in lower case; values in the order received.
    pub(crate) headers: &'a BTreeMap<String, Vec<String>>,
    pub(crate) body: &'a [u8],
}

/// What an `Authorization` header states; nothing of it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key_id: String,
    pub(crate) region: String,
    pub(crate) service: String,
    date: String,
    signed: Vec<String>,
    pub(crate) signature: String,
    time: String,
}

impl Claim {
    /// Reads what the request claims, and refuses what no signature could save.
    ///
    /// # Errors
    /// If there is no signature, or it leaves out what it has to cover.
    pub(crate) fn read(parts: &Parts<'_>) -> Result<Claim, ApiFault> {
        let Some(authorization) = one(parts, "authorization")? else {
            return Err(ApiFault::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
        };
        let time = one(parts, "x-amz-date")?
            .ok_or_else(|| incomplete("Authorization header requires existence of an `X-Amz-Date` header"))?;
        let claim = Claim::parse(authorization, time)?;
        claim.check_coverage(parts)?;
        Ok(claim)
    }

    fn parse(authorization: &str, time: &str) -> Result<Claim, ApiFault> {
        let (algorithm, rest) =
            authorization.split_once(' ').ok_or_else(|| incomplete("the Authorization header is cut"))?;
        if algorithm != ALGORITHM {
            return Err(incomplete("the algorithm must be `AWS4-HMAC-SHA256`"));
        }
        let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
        for field in rest.split(',') {
            let Some((name, value)) = field.trim().split_once('=') else {
                return Err(incomplete("the Authorization header holds what is no `name=value`"));
            };
            if fields.insert(name, value).is_some() {
                return Err(incomplete("the Authorization header repeats itself"));
            }
        }
        let mut field = |name| fields.remove(name).ok_or_else(|| incomplete(&format!("`{name}` is missing")));
        let (credential, signed, signature) =
            (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
        if !fields.is_empty() {
            return Err(incomplete("the Authorization header holds more than it may"));
        }
        let scope: Vec<&str> = credential.split('/').collect();
        let [key_id, date, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete("`Credential` must be `<key>/<date>/<region>/<service>/aws4_request`"));
        };
        Ok(Claim {
            key_id: key_id.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            date: date.to_owned(),
            signed: signed.split(';').map(ToOwned::to_owned).collect(),
            signature: signature.to_owned(),
            time: time.to_owned(),
        })
    }

    /// `host`, the date and everything of AWS must be signed.
    fn check_coverage(&self, parts: &Parts<'_>) -> Result<(), ApiFault> {
        if !self.signed.is_sorted() || self.signed.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(incomplete("`SignedHeaders` must be sorted, each name once"));
        }
        if let Some(absent) = self.signed.iter().find(|name| !parts.headers.contains_key(*name)) {
            return Err(mismatch(&format!("`{absent}` is signed but absent")));
        }
        let must = |name: &str| name.starts_with("x-amz-");
        let needed = parts.headers.keys().map(String::as_str).filter(|name| must(name));
        for name in needed.chain(["host", "x-amz-date"]) {
            if self.signed.binary_search_by(|signed| signed.as_str().cmp(name)).is_err() {
                return Err(incomplete(&format!("`{name}` must be a signed header")));
            }
        }
        Ok(())
    }

    /// Refuses a claim made at another time than now.
    ///
    /// # Errors
    /// If the date is none, differs from the scope's, or is too far off.
    pub(crate) fn check_time(&self, now: i64) -> Result<(), ApiFault> {
        let is_basic = self.time.len() == 16 && self.time.as_bytes()[8] == b'T' && self.time.ends_with('Z');
        let time = is_basic.then(|| extended(&self.time)).and_then(|time| parse_time(time.as_bytes()));
        let Some(time) = time else {
            return Err(incomplete("`X-Amz-Date` must be as `20260115T120000Z`"));
        };
        if self.time[..8] != self.date {
            return Err(mismatch("the date of the credential's scope is not that of `X-Amz-Date`"));
        }
        let off = time - now;
        if off.abs() > SKEW_US {
            let word = if off < 0 { "Signature expired" } else { "Signature not yet current" };
            return Err(ApiFault::new(
                "InvalidSignatureException",
                format!("{word}: {} is more than 5 minutes off", self.time),
            ));
        }
        Ok(())
    }

    /// Whether `secret` made this signature over `parts`; takes as long for a
    /// wrong one as for a right one.
    pub(crate) fn is_signed_with(&self, secret: &str, parts: &Parts<'_>) -> bool {
        let expected = hex(&self.sign(secret, parts));
        verify_slices_are_equal(expected.as_bytes(), self.signature.as_bytes()).is_ok()
    }

    fn sign(&self, secret: &str, parts: &Parts<'_>) -> Vec<u8> {
        let mut key = format!("AWS4{secret}").into_bytes();
        for step in [&self.date, &self.region, &self.service, "aws4_request"] {
            key = mac(&key, step.as_bytes());
        }
        mac(&key, self.string_to_sign(parts).as_bytes())
    }

    fn string_to_sign(&self, parts: &Parts<'_>) -> String {
        let canonical = self.canonical_request(parts);
        format!(
            "{ALGORITHM}\n{}\n{}/{}/{}/aws4_request\n{}",
            self.time,
            self.date,
            self.region,
            self.service,
            hex(&sha256(canonical.as_bytes()))
        )
    }

    fn canonical_request(&self, parts: &Parts<'_>) -> String {
        let mut text = format!("{}\n{}\n{}\n", parts.method, encode(parts.path, true), query(parts.query));
        for name in &self.signed {
            let values = parts.headers.get(name).map_or(&[][..], Vec::as_slice);
            let values: Vec<String> = values.iter().map(|value| collapse(value)).collect();
            text.extend([name, ":", &values.join(","), "\n"]);
        }
        text.extend(["\n", &self.signed.join(";"), "\n", &hex(&sha256(parts.body))]);
        text
    }
}

/// The one value of a header that may not be repeated.
fn one<'a>(parts: &Parts<'a>, name: &str) -> Result<Option<&'a str>, ApiFault> {
    match parts.headers.get(name).map(Vec::as_slice) {
        None => Ok(None),
        Some([value]) => Ok(Some(value)),
        Some(_) => Err(incomplete(&format!("`{name}` stands twice"))),
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

/// `20260115T120000Z` as `2026-01-15T12:00:00Z`.
fn extended(basic: &str) -> String {
    let part = |from: usize, to: usize| basic.get(from..to).unwrap_or_default();
    format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15))
}

/// Spaces at the ends go, and rows of them become one.
fn collapse(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The query's pairs, sorted by name and value, encoded anew.
fn query(text: &str) -> String {
    let mut pairs: Vec<(String, String)> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode_bytes(&decode(name), false), encode_bytes(&decode(value), false))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Removes percent-encoding; what is no valid triplet stays as it is.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let triplet = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let triplet = triplet.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let value = triplet.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

fn encode(text: &str, keep_slash: bool) -> String {
    encode_bytes(text.as_bytes(), keep_slash)
}

fn encode_bytes(bytes: &[u8], keep_slash: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) || keep_slash && *byte == b'/';
        if is_plain {
            text.push(*byte as char);
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    text
}

fn incomplete(message: &str) -> ApiFault {
    ApiFault::new("IncompleteSignatureException", message)
}

/// The fault of a signature that is not the right one.
pub(crate) fn mismatch(message: &str) -> ApiFault {
    ApiFault::new("InvalidSignatureException", message)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const NOW: i64 = 1_768_478_400_000_000;
    const SIGNATURE: &str = "7077a208bff2997573f3dc6f245eb013de6c8ca454dfc4f6398eb98208e421ed";

    #[derive(Clone)]
    struct Request {
        path: String,
        query: String,
        headers: BTreeMap<String, Vec<String>>,
        body: Vec<u8>,
    }

    impl Request {
        fn parts(&self) -> Parts<'_> {
            Parts {
                method: "POST",
                path: &self.path,
                query: &self.query,
                headers: &self.headers,
                body: &self.body,
            }
        }

        fn is_accepted(&self) -> bool {
            let check = || {
                let claim = Claim::read(&self.parts())?;
                claim.check_time(NOW)?;
                let is_known = claim.key_id == "AKIDEXAMPLE" && claim.service == "cloudtrail";
                Ok::<bool, ApiFault>(is_known && claim.is_signed_with(SECRET, &self.parts()))
            };
            check() == Ok(true)
        }

        fn with(mut self, name: &str, value: &str) -> Request {
            self.headers.insert(name.to_owned(), vec![value.to_owned()]);
            self
        }
    }

    /// The request with the signature of `key`, made at `now`, over all its headers.
    pub(crate) fn signed(
        key: &crate::keys::AccessKey,
        now: i64,
        mut request: crate::app::Arrived,
    ) -> crate::app::Arrived {
        let time: String = pugmark_event::format_time(now).replace(['-', ':'], "");
        request.headers.insert("x-amz-date".to_owned(), vec![time.clone()]);
        let claim = Claim {
            key_id: key.id.clone(),
            region: "us-east-1".to_owned(),
            service: "cloudtrail".to_owned(),
            date: time[..8].to_owned(),
            signed: request.headers.keys().cloned().collect(),
            signature: String::new(),
            time,
        };
        let signature = hex(&claim.sign(key.secret(), &request.parts()));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}/us-east-1/cloudtrail/aws4_request, SignedHeaders={}, Signature={signature}",
            key.id,
            claim.date,
            claim.signed.join(";")
        );
        request.headers.insert("authorization".to_owned(), vec![authorization]);
        request
    }

    /// The example that botocore signed.
    fn example() -> Request {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260115/us-east-1/cloudtrail/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={SIGNATURE}"
        );
        let request = Request {
            path: "/".to_owned(),
            query: String::new(),
            headers: BTreeMap::new(),
            body: b"{}".to_vec(),
        };
        request
            .with("host", "cloudtrail.us-east-1.amazonaws.com")
            .with("content-type", "application/x-amz-json-1.1")
            .with("x-amz-date", "20260115T120000Z")
            .with("x-amz-target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.ListTrails")
            .with("authorization", &authorization)
    }

    #[test]
    fn the_known_vector_is_accepted() {
        assert!(example().is_accepted());
    }

    #[test]
    fn the_canonical_request_of_the_vector_has_its_known_hash() {
        let request = example();
        let canonical = Claim::read(&request.parts()).unwrap().canonical_request(&request.parts());
        assert_eq!(
            hex(&sha256(canonical.as_bytes())),
            "e56c5f3c2974a87f0e531885f0abbbbd68e48499300009cb0c3f5426a1159612"
        );
    }

    /// A generator whose numbers are the same everywhere (Numerical Recipes).
    fn next(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize
    }

    /// `text` with one letter or digit more, less or another; never one that reads the same.
    fn mutated(text: &str, state: &mut u64) -> String {
        let mut letters: Vec<u8> = text.bytes().collect();
        let letter = b"abcdefghijklmnopqrstuvwxyz0123456789"[next(state) % 36];
        let at = next(state) % letters.len().max(1);
        match next(state) % 3 {
            0 => letters.insert(at, letter),
            1 if !letters.is_empty() && letters[at] != b' ' => drop(letters.remove(at)),
            _ if !letters.is_empty() && letters[at] != letter => letters[at] = letter,
            _ => letters.push(letter),
        }
        String::from_utf8(letters).unwrap()
    }

    #[test]
    fn of_a_thousand_mutations_of_one_byte_none_is_accepted() {
        let mut state = 42;
        for round in 0..1_000 {
            let mut request = example();
            let names: Vec<String> = request.headers.keys().cloned().collect();
            match round % (names.len() + 3) {
                0 => request.path = mutated(&request.path, &mut state),
                1 => request.query = mutated("", &mut state),
                2 => request.body = mutated("{}", &mut state).into_bytes(),
                header => {
                    let name = &names[header - 3];
                    let value = mutated(&request.headers[name][0], &mut state);
                    request = request.with(name, &value);
                }
            }
            assert!(!request.is_accepted(), "round {round}: {:?} {:?}", request.path, request.headers);
        }
    }

    #[test]
    fn a_clock_may_be_five_minutes_off_and_not_more() {
        let claim = Claim::read(&example().parts()).unwrap();
        assert!(claim.check_time(NOW + SKEW_US).is_ok());
        assert!(claim.check_time(NOW - SKEW_US).is_ok());
        assert!(claim.check_time(NOW + SKEW_US + 1).is_err());
        assert!(claim.check_time(NOW - SKEW_US - 1).is_err());
    }

    #[test]
    fn what_must_be_signed_is() {
        let request = example().with("x-amz-security-token", "a");
        assert_eq!(Claim::read(&request.parts()).unwrap_err().code, "IncompleteSignatureException");
    }

    #[test]
    fn a_request_without_a_signature_is_told_so() {
        let mut request = example();
        request.headers.remove("authorization");
        assert_eq!(Claim::read(&request.parts()).unwrap_err().code, "MissingAuthenticationTokenException");
    }

    #[test]
    fn a_repeated_header_is_no_second_chance() {
        let mut request = example();
        request.headers.get_mut("x-amz-date").unwrap().push("20260115T120000Z".to_owned());
        assert!(!request.is_accepted());
    }

    #[test]
    fn a_query_is_sorted_and_encoded_anew() {
        assert_eq!(query("b=2&a=x%2fy&a=%+1&c"), "a=%25%2B1&a=x%2Fy&b=2&c=");
    }

    #[test]
    fn rows_of_spaces_are_one() {
        assert_eq!(collapse("  a   b "), "a b");
    }
}
