//! How long a credential works: as its issuing event says, or at most.
//!
//! Source: AWS STS API Reference, `DurationSeconds` of each operation; IAM User Guide, "Compare AWS STS
//! credentials"; spec/record.md §8 for the text of `expiration`.

use pugmark_event::{days_from_civil, parse_time};
use serde_json::Value;

use crate::issuance::IssuanceKind;
use crate::{ActorClass, Session};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Levels of an answer that are searched.
const DEPTH: u8 = 6;

/// When a credential ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Microseconds since 1970 (UTC).
    pub time: i64,
    /// True as its issuing event says; false if it may have ended before.
    pub is_recorded: bool,
}

impl Session<'_> {
    /// When its credential ends; `None` for those that do not end by themselves, and those of whose beginning
    /// nothing is known.
    pub fn ends(self) -> Option<End> {
        let is_long_term = self.access_key().is_some_and(|key| key.starts_with("AKIA"));
        if is_long_term || !self.is_session() || self.class() == ActorClass::Root && self.issuance().is_none()
        {
            return None;
        }
        if let Some(time) = self.issuance().and_then(super::grants::Issuance::expires) {
            return Some(End { time, is_recorded: true });
        }
        let begun = self.created().or_else(|| self.first_seen())?;
        let kind = self.issuance().map(super::grants::Issuance::kind);
        Some(End { time: begun.saturating_add(longest(kind, self)), is_recorded: false })
    }
}

/// The longest that such a credential can work, microseconds.
fn longest(kind: Option<IssuanceKind>, session: Session<'_>) -> i64 {
    match kind {
        Some(IssuanceKind::AssumeRoot) => 15 * MINUTE,
        // A role taken up by a role: role chaining.
        Some(IssuanceKind::AssumeRole) if session.above().is_some_and(|above| above.role().is_some()) => HOUR,
        Some(IssuanceKind::GetSessionToken | IssuanceKind::GetFederationToken) => 36 * HOUR,
        Some(_) => 12 * HOUR,
        None if session.role().is_some() => 12 * HOUR,
        None => 36 * HOUR,
    }
}

/// When the credential of an issuing event's answer ends, microseconds since 1970.
pub(crate) fn expiration(answer: &Value, depth: u8) -> Option<i64> {
    match answer {
        Value::Object(members) => {
            let own = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("expiration"));
            let own = own.and_then(|(_, value)| instant(value));
            own.or_else(|| members.values().find_map(|member| deeper(member, depth)))
        }
        Value::Array(items) => items.iter().find_map(|item| deeper(item, depth)),
        _ => None,
    }
}

fn deeper(value: &Value, depth: u8) -> Option<i64> {
    if depth < DEPTH { expiration(value, depth + 1) } else { None }
}

/// An instant as services write it: a number of seconds or milliseconds, ISO 8601, or words.
fn instant(value: &Value) -> Option<i64> {
    /// Seconds up to the year 5138; more are milliseconds.
    const SECONDS_MAX: f64 = 1e11;
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| (0.0..1e14).contains(number))?;
            Some((if number < SECONDS_MAX { number * 1e6 } else { number * 1e3 }) as i64)
        }
        Value::String(text) => parse_time(text.as_bytes()).or_else(|| words(text)),
        _ => None,
    }
}

/// `Jan 15, 2026, 11:00:00 AM`, in UTC; the comma after the year may lack.
fn words(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Java writes a narrow space before AM and PM since 2022.
    let parts: Vec<&str> =
        text.split([',', ' ', '\u{202f}', '\u{a0}']).filter(|part| !part.is_empty()).collect();
    let [month, day, year, clock, half] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))? as u32 + 1;
    let (day, year) = (day.parse::<u32>().ok()?, year.parse::<i32>().ok()?);
    let numbers: Vec<i64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = numbers[..] else { return None };
    let noon = match half.to_ascii_uppercase().as_str() {
        "AM" => 0,
        "PM" => 12,
        _ => return None,
    };
    let is_date = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    let is_time = (1..=12).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    let days = i64::from(days_from_civil(year, month, day));
    let seconds = ((days * 24 + hour % 12 + noon) * 60 + minute) * 60 + second;
    (is_date && is_time).then_some(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expiration_is_read_however_it_is_written() {
        let expected = parse_time(b"2026-01-15T23:05:09Z");
        for written in [
            json!("Jan 15, 2026, 11:05:09 PM"),
            json!("Jan 15, 2026 11:05:09 PM"),
            json!("Jan 15, 2026, 11:05:09\u{202f}PM"),
            json!("2026-01-15T23:05:09Z"),
            json!(1_768_518_309),
            json!(1_768_518_309_000_i64),
        ] {
            let answer =
                json!({"credentials": {"accessKeyId": "ASIAEXAMPLE000000001", "expiration": written}});
            assert_eq!(expiration(&answer, 0), expected, "{written}");
        }
        assert_eq!(words("Jan 15, 2026, 12:00:00 AM"), parse_time(b"2026-01-15T00:00:00Z"));
        assert_eq!(words("Jan 15, 2026, 12:30:00 PM"), parse_time(b"2026-01-15T12:30:00Z"));
    }

    #[test]
    fn what_is_no_instant_ends_never() {
        for text in
            ["", "soon", "Jan 15, 2026, 13:00:00 PM", "Foo 15, 2026, 1:00:00 PM", "Jan 99, 2026, 1:00:00 PM"]
        {
            assert_eq!(expiration(&json!({ "expiration": text }), 0), None, "{text}");
        }
        assert_eq!(expiration(&json!({ "expiration": 1e300 }), 0), None);
        assert_eq!(expiration(&json!({ "expiration": { "a": 1 } }), 0), None);
    }
}
