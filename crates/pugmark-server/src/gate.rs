//! Who may come in: authentication, limits per key, and repeats.
//!
//! A request is either of a key that signed it, or anonymous where that is
//! allowed, or refused. An unknown key costs as much time as a wrong
//! signature. A signed change that is sent a second time, later, is refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::fault::ApiFault;
use crate::keys::{AccessKey, AccessKeys, Role};
use crate::sigv4::{Claim, Parts, SKEW_US, mismatch};
use pugmark_event::is_region;

/// Signatures kept to tell repeats; beyond it changes are refused.
const SIGNATURES_MAX: usize = 1_000_000;
/// How long after the first the same signature may come again.
const SAME_CALL_US: i64 = 1_000_000;

/// Who made a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Id of the key that signed; absent for an anonymous caller.
    pub(crate) key_id: Option<String>,
    pub(crate) name: String,
    roles: Vec<Role>,
    /// Account of the server.
    pub(crate) account: String,
    /// The Region that was asked.
    pub(crate) region: String,
    /// Tells a request from all others.
    pub(crate) signature: Option<String>,
}

impl Caller {
    pub(crate) fn may(&self, role: Role) -> bool {
        self.roles.contains(&role) || self.roles.contains(&Role::Admin)
    }

    /// ARN of the caller, as records name it.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account, self.name)
    }
}

/// Checks who asks.
pub(crate) struct Gate {
    pub(crate) keys: AccessKeys,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) is_anonymous_allowed: bool,
    pub(crate) rates: Rates,
    pub(crate) repeats: Repeats,
}

impl Gate {
    /// The caller of a request to one of `services`.
    ///
    /// # Errors
    /// If it is not signed, or not as it must be, or comes too often.
    pub(crate) fn admit(&self, parts: &Parts<'_>, services: &[&str], now: i64) -> Result<Caller, ApiFault> {
        if self.is_anonymous_allowed && !parts.headers.contains_key("authorization") {
            return self.limited(self.anonymous(&self.region), now);
        }
        let claim = Claim::read(parts)?;
        if !services.contains(&claim.service.as_str()) {
            let wanted = services.join("` or `");
            return Err(mismatch(&format!("Credential should be scoped to correct service: `{wanted}`")));
        }
        if !is_region(&claim.region) {
            return Err(mismatch("Credential should be scoped to a valid Region"));
        }
        let Some(key) = self.keys.get(&claim.key_id) else {
            // As long as for a key that is known.
            let _is_signed = claim.is_signed_with("00000000000000000000000000000000", parts);
            if self.is_anonymous_allowed {
                return self.limited(self.anonymous(&claim.region), now);
            }
            let message = "The security token included in the request is invalid.";
            return Err(ApiFault::new("UnrecognizedClientException", message));
        };
        if !claim.is_signed_with(key.secret(), parts) {
            return Err(mismatch(
                "The request signature we calculated does not match the signature you provided. Check your \
                 secret access key and signing method.",
            ));
        }
        claim.check_time(now)?;
        self.limited(self.caller(key, claim), now)
    }

    fn limited(&self, caller: Caller, now: i64) -> Result<Caller, ApiFault> {
        let who = caller.key_id.as_deref().unwrap_or("anonymous");
        if self.rates.take(who, now) { Ok(caller) } else { Err(ApiFault::throttled()) }
    }

    fn anonymous(&self, region: &str) -> Caller {
        Caller {
            key_id: None,
            name: "anonymous".to_owned(),
            roles: vec![Role::Admin],
            account: self.account.clone(),
            region: region.to_owned(),
            signature: None,
        }
    }

    fn caller(&self, key: &AccessKey, claim: Claim) -> Caller {
        Caller {
            key_id: Some(key.id.clone()),
            name: key.name.clone(),
            roles: key.roles.clone(),
            account: self.account.clone(),
            region: claim.region,
            signature: Some(claim.signature),
        }
    }
}

/// So many requests a second, and as many at once, for each name.
pub(crate) struct Rates {
    per_second: f64,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

struct Bucket {
    left: f64,
    at: i64,
}

impl Rates {
    pub(crate) fn new(per_second: u32) -> Rates {
        Rates { per_second: f64::from(per_second.max(1)), buckets: Mutex::default() }
    }

    /// Takes one request off what `name` may do now. Names are those of keys
    /// and Regions: few.
    pub(crate) fn take(&self, name: &str, now: i64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = self.per_second;
        let bucket = buckets.entry(name.to_owned()).or_insert(Bucket { left: full, at: now });
        let passed = (now - bucket.at).max(0) as f64 / 1e6;
        bucket.left = (bucket.left + passed * self.per_second).min(full);
        bucket.at = bucket.at.max(now);
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

/// Signatures of changes, for as long as they are worth something.
///
/// A signature knows the second it was made in, and nothing finer: the same
/// call twice in that second is two calls. What comes again later was caught
/// on the way and sent by somebody else; clients sign each retry anew.
#[derive(Default)]
pub(crate) struct Repeats {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    first: BTreeMap<String, i64>,
    order: VecDeque<(i64, String)>,
}

/// What is known of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It comes for the first time, or again within its second.
    Fresh,
    /// It was used before.
    Used,
    /// There is no room to remember it.
    Full,
}

impl Repeats {
    /// Notes `signature`, or tells that it was used.
    pub(crate) fn note(&self, signature: &str, now: i64) -> Known {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        match seen.first.get(signature) {
            Some(first) if now - first <= SAME_CALL_US => return Known::Fresh,
            Some(_) => return Known::Used,
            None if seen.first.len() >= SIGNATURES_MAX => return Known::Full,
            None => {}
        }
        seen.first.insert(signature.to_owned(), now);
        // A clock may run ahead by the skew, and is good for as long after.
        seen.order.push_back((now + 2 * SKEW_US, signature.to_owned()));
        Known::Fresh
    }
}

impl Seen {
    fn forget(&mut self, now: i64) {
        while let Some((until, _)) = self.order.front()
            && *until < now
            && let Some((_, signature)) = self.order.pop_front()
        {
            self.first.remove(&signature);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_held_for_each_name_and_comes_back() {
        let rates = Rates::new(2);
        assert!(rates.take("a", 0) && rates.take("a", 0) && !rates.take("a", 0));
        assert!(rates.take("b", 0));
        assert!(!rates.take("a", 400_000));
        assert!(rates.take("a", 500_000));
    }

    #[test]
    fn a_signature_is_good_for_one_second_and_then_used() {
        let repeats = Repeats::default();
        assert_eq!(repeats.note("s", 0), Known::Fresh);
        assert_eq!(repeats.note("s", SAME_CALL_US), Known::Fresh);
        assert_eq!(repeats.note("s", SAME_CALL_US + 1), Known::Used);
        assert_eq!(repeats.note("t", SAME_CALL_US + 1), Known::Fresh);
    }

    #[test]
    fn a_signature_is_forgotten_once_it_is_worth_nothing() {
        let repeats = Repeats::default();
        assert_eq!(repeats.note("s", 0), Known::Fresh);
        assert_eq!(repeats.note("s", 2 * SKEW_US), Known::Used);
        assert_eq!(repeats.note("s", 2 * SKEW_US + 1), Known::Fresh);
    }
}
