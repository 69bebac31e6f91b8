//! Instants as `CloudTrail` writes them, in microseconds since 1970 (UTC).

const DAY_US: i64 = 86_400_000_000;

/// A half-open range of event time, `[since, until)`, microseconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First instant inside.
    pub since: Option<i64>,
    /// First instant after.
    pub until: Option<i64>,
}

impl TimeRange {
    /// True if `time` lies inside. An event without a time is inside only an open range.
    pub fn contains(self, time: Option<i64>) -> bool {
        match time {
            Some(time) => {
                self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
            }
            None => self.is_open(),
        }
    }

    /// The instants in both ranges.
    #[must_use]
    pub fn intersection(self, other: TimeRange) -> TimeRange {
        TimeRange {
            since: self.since.max(other.since),
            until: match (self.until, other.until) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
        }
    }

    /// True if the range bounds nothing.
    pub fn is_open(self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// True if an object delivered on `day` (days since 1970) may hold an event
    /// inside. A record can lie in a neighbouring day's folder, so the day has
    /// one day of slack on both sides.
    pub fn may_hold_day(self, day: i32) -> bool {
        let start = i64::from(day) * DAY_US;
        self.since.is_none_or(|since| since < start + 2 * DAY_US)
            && self.until.is_none_or(|until| until > start - DAY_US)
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub const fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month as i32 + 9) % 12) + 2) / 5 + day as i32 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day number.
const fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// `2026-01-15T10:00:00Z`, with the fraction only where there is one.
pub fn format_time(time_us: i64) -> String {
    let (year, month, day) = civil_from_days(time_us.div_euclid(DAY_US) as i32);
    let of_day = time_us.rem_euclid(DAY_US);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Days since 1970 of `2026-01-15` or `20260115`.
pub fn parse_day(text: &[u8]) -> Option<i32> {
    let (rest, day) = date(text)?;
    rest.is_empty().then_some(day)
}

/// Reads an instant.
///
/// Accepts `2026-01-15T10:00:00Z`, a blank for the `T`, fractions of any
/// length (cut to microseconds), `+hh:mm`, `+hhmm` and `+hh` offsets, no zone
/// (taken as UTC), a date alone, and the basic notation `20260115T100000Z`.
/// A leap second counts as the second before it.
/// Answers `None` for anything else.
#[inline(always)]
pub fn parse_time(text: &[u8]) -> Option<i64> {
    match <&[u8; 20]>::try_from(text) {
        Ok(exact) => parse_exact(exact).or_else(|| parse_any(text)),
        Err(_) => parse_any(text),
    }
}

/// The form that nearly every record has: `YYYY-MM-DDThh:mm:ssZ`.
#[inline(always)]
fn parse_exact(t: &[u8; 20]) -> Option<i64> {
    let marks =
        t[4] == b'-' && t[7] == b'-' && t[10] == b'T' && t[13] == b':' && t[16] == b':' && t[19] == b'Z';
    if !marks {
        return None;
    }
    let mut bad = false;
    let mut two = |at: usize| {
        let (tens, ones) = (t[at].wrapping_sub(b'0'), t[at + 1].wrapping_sub(b'0'));
        bad |= tens > 9 || ones > 9;
        u32::from(tens) * 10 + u32::from(ones)
    };
    let year = two(0) * 100 + two(2);
    let (month, day, hour, minute, second) = (two(5), two(8), two(11), two(14), two(17));
    if bad || !is_date(year as i32, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = i64::from(days_from_civil(year as i32, month, day));
    Some(days * DAY_US + i64::from(hour * 3_600 + minute * 60 + second) * 1_000_000)
}

#[cold]
fn parse_any(text: &[u8]) -> Option<i64> {
    let (rest, day) = date(text.trim_ascii())?;
    let start = i64::from(day) * DAY_US;
    if rest.is_empty() {
        return Some(start);
    }
    let (_, rest) = rest.split_first().filter(|(mark, _)| matches!(mark, b'T' | b't' | b' '))?;
    let (rest, hour) = digits(rest, 2)?;
    let (rest, minute) = digits(rest.strip_prefix(b":").unwrap_or(rest), 2)?;
    let (mut rest, mut second) = match rest.first() {
        Some(b':') => digits(&rest[1..], 2)?,
        Some(b'0'..=b'9') => digits(rest, 2)?,
        _ => (rest, 0),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    second = second.min(59);
    let mut micros = 0;
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        for place in 0..6 {
            micros = micros * 10 + fraction[..length].get(place).map_or(0, |digit| i64::from(digit - b'0'));
        }
        rest = &fraction[length..];
    }
    let offset = zone(rest.trim_ascii_start())?;
    Some(start + (i64::from(hour * 3_600 + minute * 60 + second) - offset) * 1_000_000 + micros)
}

/// Offset from UTC in seconds.
fn zone(text: &[u8]) -> Option<i64> {
    match text.split_first() {
        None | Some((b'Z' | b'z', [])) => Some(0),
        Some((sign @ (b'+' | b'-'), rest)) => {
            let (rest, hour) = digits(rest, 2)?;
            let rest = rest.strip_prefix(b":").unwrap_or(rest);
            let (rest, minute) = if rest.is_empty() { (rest, 0) } else { digits(rest, 2)? };
            let seconds = i64::from(hour * 3_600 + minute * 60);
            (rest.is_empty() && hour <= 23 && minute <= 59).then_some(if *sign == b'-' {
                -seconds
            } else {
                seconds
            })
        }
        Some(_) if text == b"UTC" => Some(0),
        Some(_) => None,
    }
}

fn date(text: &[u8]) -> Option<(&[u8], i32)> {
    let (rest, year) = digits(text, 4)?;
    let dashed = rest.first() == Some(&b'-');
    let (rest, month) = digits(if dashed { &rest[1..] } else { rest }, 2)?;
    let rest = if dashed { rest.strip_prefix(b"-")? } else { rest };
    let (rest, day) = digits(rest, 2)?;
    is_date(year as i32, month, day).then(|| (rest, days_from_civil(year as i32, month, day)))
}

fn digits(text: &[u8], count: usize) -> Option<(&[u8], u32)> {
    let (number, rest) = text.split_at_checked(count)?;
    let mut value = 0;
    for digit in number {
        value = value * 10 + u32::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
    }
    Some((rest, value))
}

fn is_date(year: i32, month: u32, day: u32) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return false,
    };
    (1..=length).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_has_many_spellings() {
        let expected = Some(1_768_471_200_000_000);
        for text in [
            "2026-01-15T10:00:00Z",
            "2026-01-15 10:00:00",
            "2026-01-15T10:00:00.000Z",
            "2026-01-15T11:00:00+01:00",
            "2026-01-15T05:00:00-0500",
            "2026-01-15 10:00:00.000 UTC",
            "20260115T100000Z",
            "2026-01-15T10:00Z",
            " 2026-01-15T10:00:00z ",
        ] {
            assert_eq!(parse_time(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "now",
            "2026",
            "2026-13-01",
            "2026-02-29T00:00:00Z",
            "2026-01-15T24:00:00Z",
            "2026-01-15T10:60:00Z",
            "2026-01-15T10:00:00+",
            "2026-01-15T10:00:00Zx",
            "2026-01-1",
            "2026/01/15",
            "99999-01-01T00:00:00Z",
            "2026-01-15T1/:00:00Z",
        ] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn edges_of_the_calendar() {
        assert_eq!(parse_time(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            parse_time(b"0000-01-01T00:00:00Z").map(format_time).as_deref(),
            Some("0000-01-01T00:00:00Z")
        );
        assert_eq!(
            parse_time(b"9999-12-31T23:59:59Z").map(format_time).as_deref(),
            Some("9999-12-31T23:59:59Z")
        );
        assert_eq!(parse_time(b"2016-12-31T23:59:60Z"), parse_time(b"2016-12-31T23:59:59Z"));
        assert_eq!(
            parse_time(b"2024-02-29T00:00:00Z").map(format_time).as_deref(),
            Some("2024-02-29T00:00:00Z")
        );
    }

    #[test]
    fn a_day_folder_has_one_day_of_slack() {
        let noon = parse_time(b"2026-01-15T12:00:00Z");
        let range = TimeRange { since: noon, until: noon.map(|time| time + 1) };
        let day = |text: &str| range.may_hold_day(parse_day(text.as_bytes()).expect("a day"));
        assert!(day("2026-01-14") && day("2026-01-15") && day("2026-01-16"));
        assert!(!day("2026-01-13") && !day("2026-01-17"));
    }

    proptest::proptest! {
        #[test]
        fn format_and_parse_agree(time in -62_167_219_200_000_000_i64..=253_402_300_799_999_999) {
            proptest::prop_assert_eq!(parse_time(format_time(time).as_bytes()), Some(time));
        }
    }
}
