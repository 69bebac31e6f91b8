//! Points and ranges of time as people type them.
//!
//! A small closed grammar: what is not in it is refused with a hint, never
//! guessed at. Days, weeks, months and years are calendar units of the zone;
//! seconds, minutes and hours are absolute. Ranges are half-open. The clock is
//! an argument, so that the same text always means the same thing in a test.
//!
//! ```text
//! point  = "now" | "today" | "yesterday" | ["-"] span ["ago"] | weekday [time]
//!        | (date | month | date time | time | RFC 3339) [zone]
//! range  = point ".." [point | "+" span] | ".." point | point "+" span
//!        | "last" span | "around" point "±" span | period
//! period = "today" | "yesterday" | date | month
//! span   = number ("s" | "min" | "h" | "d" | "w" | "mo" | "y")
//! zone   = "Z" | "+02:00" | "[Europe/Berlin]" | "+02:00[Europe/Berlin]"
//! ```

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan, Zoned};
use pugmark_event::{TimeRange, format_time};

/// A time that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeError {
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) hint: String,
}

impl std::fmt::Display for TimeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TimeError {}

/// A point of time, microseconds since 1970 (UTC).
pub(crate) fn instant(text: &str, now: &Zoned) -> Result<i64, TimeError> {
    let text = text.trim();
    if text.contains("..") || starts_with_word(text, "last") || starts_with_word(text, "around") {
        return Err(TimeError {
            message: format!("`{text}` is a range of time, and one point is wanted"),
            hint: "give the range to `--when`".to_owned(),
        });
    }
    Ok(point(text, now)?.start.timestamp().as_microsecond())
}

/// A range of time.
pub(crate) fn range(text: &str, now: &Zoned) -> Result<TimeRange, TimeError> {
    let text = text.trim();
    let (since, until) = if let Some(span) = after_word(text, "last") {
        (Some(minus(now, span_of(span)?, text)?), Some(now.clone()))
    } else if let Some(rest) = after_word(text, "around") {
        around(rest, now)?
    } else if let Some((left, right)) = text.split_once("..") {
        ends(left.trim(), right.trim(), now)?
    } else if let Some((left, span)) = split_plus(text) {
        let start = point(left, now)?.start;
        let end = plus(&start, span_of(span)?, text)?;
        (Some(start), Some(end))
    } else {
        let point = point(text, now)?;
        let Some(end) = point.end else {
            return Err(TimeError {
                message: format!("`{text}` is a point of time, and a range is wanted"),
                hint: format!("`{text}..` for everything since, `{text} + 2h`, or `around {text} ±5min`"),
            });
        };
        (Some(point.start), Some(end))
    };
    let micros = |zoned: Option<Zoned>| zoned.map(|zoned| zoned.timestamp().as_microsecond());
    checked(TimeRange { since: micros(since), until: micros(until) })
}

/// `range` unless it ends before it begins.
pub(crate) fn checked(range: TimeRange) -> Result<TimeRange, TimeError> {
    match (range.since, range.until) {
        (Some(since), Some(until)) if since >= until => Err(TimeError {
            message: format!(
                "the range is empty: it begins at {} and ends at {}",
                format_time(since),
                format_time(until)
            ),
            hint: "the end is not part of a range; swap the ends or move one".to_owned(),
        }),
        _ => Ok(range),
    }
}

/// A range as it is echoed: `2026-08-03T09:00:00Z → 2026-08-03T11:00:00Z, 2 h`.
pub(crate) fn echo(range: TimeRange) -> String {
    match (range.since, range.until) {
        (None, None) => "all time".to_owned(),
        (Some(since), None) => format!("{} → open", format_time(since)),
        (None, Some(until)) => format!("open → {}", format_time(until)),
        (Some(since), Some(until)) => {
            format!("{} → {}, {}", format_time(since), format_time(until), length(until - since))
        }
    }
}

/// A length of time in its two largest units.
pub(crate) fn length(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// The zone of `--tz`.
pub(crate) fn zone(text: &str) -> Result<TimeZone, TimeError> {
    match text {
        "local" => return Ok(TimeZone::system()),
        "UTC" | "utc" | "Z" | "z" => return Ok(TimeZone::UTC),
        _ => {}
    }
    if let Some(offset) = offset(text) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(text).map_err(|_| TimeError {
        message: format!("`{text}` is not a known time zone"),
        hint: "use `UTC`, `local`, an offset such as `+02:00`, or a name such as `Europe/Berlin`".to_owned(),
    })
}

/// A point, and where the period it names ends (a day, a month).
struct Point {
    start: Zoned,
    end: Option<Zoned>,
}

fn point(text: &str, now: &Zoned) -> Result<Point, TimeError> {
    let single = |start: Zoned| Point { start, end: None };
    match text.to_ascii_lowercase().as_str() {
        "" => return Err(unknown(text)),
        "now" => return Ok(single(now.clone())),
        "today" => return day(now.date(), now.time_zone(), text),
        "yesterday" => return day(now.date().yesterday().map_err(|_| far(text))?, now.time_zone(), text),
        _ => {}
    }
    if let Some(span) = span_ago(text) {
        return minus(now, span_of(span)?, text).map(single);
    }
    if let Some(start) = weekday(text, now)? {
        return Ok(single(start));
    }
    let (text_civil, zone) = split_zone(text)?;
    let zone = zone.unwrap_or_else(|| now.time_zone().clone());
    if let Some(date) = date(text_civil) {
        return day(date, &zone, text);
    }
    if let Some(first) = month(text_civil) {
        let next = first.checked_add(1.month()).map_err(|_| far(text))?;
        return Ok(Point { start: in_zone(first, &zone, text)?, end: Some(in_zone(next, &zone, text)?) });
    }
    if let Some(time) = time(text_civil) {
        let today = now.with_time_zone(zone.clone()).date();
        return at(today.to_datetime(time), &zone, text).map(single);
    }
    let (date_text, time_text) = text_civil.split_once(['T', 't', ' ']).ok_or_else(|| unknown(text))?;
    let date = date(date_text).ok_or_else(|| unknown(text))?;
    let time = time(time_text.trim()).ok_or_else(|| unknown(text))?;
    at(date.to_datetime(time), &zone, text).map(single)
}

fn around(rest: &str, now: &Zoned) -> Result<(Option<Zoned>, Option<Zoned>), TimeError> {
    let marks = ["±", "+/-", "+-"];
    let Some((middle, span)) = marks.iter().find_map(|mark| rest.split_once(mark)) else {
        return Err(TimeError {
            message: format!("`around {rest}` does not say how far around"),
            hint: format!("`around {rest} ±5min`"),
        });
    };
    let middle = point(middle.trim(), now)?.start;
    let span = span_of(span.trim())?;
    Ok((Some(minus(&middle, span, rest)?), Some(plus(&middle, span, rest)?)))
}

/// The ends of `left..right`; one of them may be open. A period on the right
/// ends where it begins, as `--until` does.
fn ends(left: &str, right: &str, now: &Zoned) -> Result<(Option<Zoned>, Option<Zoned>), TimeError> {
    if left.is_empty() && right.is_empty() {
        return Err(unknown(".."));
    }
    let start = if left.is_empty() { None } else { Some(point(left, now)?.start) };
    let end = match (right.strip_prefix('+'), &start) {
        _ if right.is_empty() => None,
        (Some(span), Some(start)) => Some(plus(start, span_of(span.trim())?, right)?),
        _ => Some(point(right, now)?.start),
    };
    Ok((start, end))
}

/// `A + 2h`, but not the `+02:00` of a zone.
fn split_plus(text: &str) -> Option<(&str, &str)> {
    let (left, right) = text.rsplit_once('+')?;
    let is_offset = offset(&text[left.len()..]).is_some() || right.ends_with(']');
    (!is_offset && !left.trim().is_empty()).then(|| (left.trim(), right.trim()))
}

/// The span in `2h`, `-2h`, `2h ago`.
fn span_ago(text: &str) -> Option<&str> {
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let text = text.strip_prefix('-').unwrap_or(text).trim_start();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let is_span = text.starts_with(|c: char| c.is_ascii_digit())
        && !unit.is_empty()
        && unit.chars().all(|c| c.is_ascii_alphabetic());
    // `5T10` and the like are no spans, and neither is `14Z`.
    (is_span && !unit.eq_ignore_ascii_case("z")).then_some(text)
}

fn span_of(text: &str) -> Result<Span, TimeError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let bad = |hint: String| TimeError { message: format!("`{text}` is not a length of time"), hint };
    let example = "write a number and `s`, `min`, `h`, `d`, `w`, `mo` or `y`, such as `90min`";
    let Ok(count) = number.parse::<i64>() else {
        return Err(bad(example.to_owned()));
    };
    let span = match unit {
        "s" | "sec" => Span::new().try_seconds(count),
        "min" => Span::new().try_minutes(count),
        "h" => Span::new().try_hours(count),
        "d" => Span::new().try_days(count),
        "w" => Span::new().try_weeks(count),
        "mo" => Span::new().try_months(count),
        "y" => Span::new().try_years(count),
        "m" | "M" => {
            return Err(TimeError {
                message: format!("`{text}` could be minutes or months"),
                hint: format!("write `{count}min` or `{count}mo`"),
            });
        }
        _ => return Err(bad(example.to_owned())),
    };
    span.map_err(|_| far(text))
}

/// `mon`, `mon 09:00`: the latest one that is not in the future.
fn weekday(text: &str, now: &Zoned) -> Result<Option<Zoned>, TimeError> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let weekday = match name.to_ascii_lowercase().as_str() {
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return Ok(None),
    };
    let (rest, zone) = split_zone(rest.trim())?;
    let zone = zone.unwrap_or_else(|| now.time_zone().clone());
    let time = if rest.is_empty() { Time::midnight() } else { time(rest).ok_or_else(|| unknown(text))? };
    let today = now.with_time_zone(zone.clone()).date();
    let back = i64::from(today.weekday().since(weekday));
    let latest = today.checked_sub(back.days()).map_err(|_| far(text))?;
    let start = at(latest.to_datetime(time), &zone, text)?;
    if start <= *now {
        return Ok(Some(start));
    }
    let before = latest.checked_sub(7.days()).map_err(|_| far(text))?;
    at(before.to_datetime(time), &zone, text).map(Some)
}

/// Cuts a zone off the end of a date or time.
fn split_zone(text: &str) -> Result<(&str, Option<TimeZone>), TimeError> {
    if let Some((left, name)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        // An offset before the name is what RFC 9557 writes; the name decides.
        let left = left.trim_end();
        let left = split_offset(left).map_or(left, |(left, _)| left);
        return Ok((left.trim_end(), Some(zone(name)?)));
    }
    if let Some(left) = text.strip_suffix(['Z', 'z']) {
        return Ok((left.trim_end(), Some(TimeZone::UTC)));
    }
    Ok(match split_offset(text) {
        Some((left, offset)) => (left.trim_end(), Some(TimeZone::fixed(offset))),
        None => (text, None),
    })
}

/// Cuts `+02:00` off; a `-` counts only after a time, where it is no part of a date.
fn split_offset(text: &str) -> Option<(&str, Offset)> {
    let at = text.rfind(['+', '-'])?;
    let (left, right) = text.split_at(at);
    let after_time = left.contains(':');
    if !after_time {
        return None;
    }
    Some((left, offset(right)?))
}

fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits = match digits.as_bytes() {
        [_, _, b':', _, _] => format!("{}{}", &digits[..2], &digits[3..]),
        [_, _, _, _] => digits.to_owned(),
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits[2..].parse().ok()?;
    (hours <= 23 && minutes <= 59)
        .then(|| Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok())?
}

/// `2026-08-01`
fn date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, '-')?;
    (text.len() == 10).then(|| Date::new(year, month as i8, day as i8).ok())?
}

/// The first day of `2026-08`.
fn month(text: &str) -> Option<Date> {
    let [year, month] = numbers(text, '-')?;
    (text.len() == 7).then(|| Date::new(year, month as i8, 1).ok())?
}

/// `14:05`, `14:05:30`, `14:05:30.25`
fn time(text: &str) -> Option<Time> {
    let (text, fraction) = text.split_once('.').map_or((text, None), |(text, rest)| (text, Some(rest)));
    let [hour, minute, second] = match numbers::<2>(text, ':') {
        Some([hour, minute]) => [hour, minute, 0],
        None => numbers::<3>(text, ':')?,
    };
    if fraction.is_some() && text.len() != 8 || !matches!(text.len(), 5 | 8) {
        return None;
    }
    let nanos = match fraction {
        None => 0,
        Some(digits)
            if !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{digits:0<9}").parse().ok()?
        }
        Some(_) => return None,
    };
    Time::new(hour as i8, minute as i8, second as i8, nanos).ok()
}

/// `N` numbers of two digits (a first one of four) between `mark`s.
fn numbers<const N: usize>(text: &str, mark: char) -> Option<[i16; N]> {
    let mut found = [0; N];
    let mut parts = text.split(mark);
    for slot in &mut found {
        let part = parts.next().filter(|part| matches!(part.len(), 2 | 4))?;
        *slot = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    let small = found.iter().skip(1).all(|number| *number < 100);
    (parts.next().is_none() && small && (mark == '-' || found[0] < 100)).then_some(found)
}

fn day(date: Date, zone: &TimeZone, text: &str) -> Result<Point, TimeError> {
    let next = date.tomorrow().map_err(|_| far(text))?;
    Ok(Point { start: in_zone(date, zone, text)?, end: Some(in_zone(next, zone, text)?) })
}

fn in_zone(date: Date, zone: &TimeZone, text: &str) -> Result<Zoned, TimeError> {
    at(date.to_datetime(Time::midnight()), zone, text)
}

fn at(civil: DateTime, zone: &TimeZone, text: &str) -> Result<Zoned, TimeError> {
    civil.to_zoned(zone.clone()).map_err(|_| far(text))
}

fn minus(from: &Zoned, span: Span, text: &str) -> Result<Zoned, TimeError> {
    from.checked_sub(span).map_err(|_| far(text))
}

fn plus(from: &Zoned, span: Span, text: &str) -> Result<Zoned, TimeError> {
    from.checked_add(span).map_err(|_| far(text))
}

fn starts_with_word(text: &str, word: &str) -> bool {
    after_word(text, word).is_some()
}

fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_once(' ')?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim())
}

fn far(text: &str) -> TimeError {
    TimeError {
        message: format!("`{text}` is outside the calendar"),
        hint: "years run from 0000 to 9999".to_owned(),
    }
}

fn unknown(text: &str) -> TimeError {
    TimeError {
        message: format!("`{text}` is not a time"),
        hint: "write `2h`, `3d`, `yesterday`, `mon 09:00`, `2026-08-01`, `2026-08-01 14:05` or RFC 3339"
            .to_owned(),
    }
}

/// The clock's answer in `zone`; the one place that reads the clock.
pub(crate) fn now_in(zone: &TimeZone) -> Zoned {
    Timestamp::now().to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::AmbiguousOffset;
    use proptest::prelude::*;

    const ZONES: [&str; 5] =
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata"];

    /// Wednesday noon in Berlin, summer.
    fn now() -> Zoned {
        "2026-08-05T12:00:00+02:00[Europe/Berlin]".parse().expect("a time")
    }

    fn shown(text: &str) -> String {
        match instant(text, &now()) {
            Ok(time) => format_time(time),
            Err(error) => format!("{error}; hint: {}", error.hint),
        }
    }

    fn shown_range(text: &str) -> String {
        match range(text, &now()) {
            Ok(range) => echo(range),
            Err(error) => format!("{error}; hint: {}", error.hint),
        }
    }

    #[test]
    fn points_of_the_grammar() {
        for (text, expected) in [
            ("now", "2026-08-05T10:00:00Z"),
            ("today", "2026-08-04T22:00:00Z"),
            ("Yesterday", "2026-08-03T22:00:00Z"),
            ("2h", "2026-08-05T08:00:00Z"),
            ("2h ago", "2026-08-05T08:00:00Z"),
            ("-2h", "2026-08-05T08:00:00Z"),
            ("90min", "2026-08-05T08:30:00Z"),
            ("30s", "2026-08-05T09:59:30Z"),
            ("3d", "2026-08-02T10:00:00Z"),
            ("2w", "2026-07-22T10:00:00Z"),
            ("1mo", "2026-07-05T10:00:00Z"),
            ("1y", "2025-08-05T10:00:00Z"),
            ("14:05", "2026-08-05T12:05:00Z"),
            ("14:05:30", "2026-08-05T12:05:30Z"),
            ("14:05Z", "2026-08-05T14:05:00Z"),
            ("14:05 +05:30", "2026-08-05T08:35:00Z"),
            ("2026-08-01", "2026-07-31T22:00:00Z"),
            ("2026-08-01Z", "2026-08-01T00:00:00Z"),
            ("2026-08", "2026-07-31T22:00:00Z"),
            ("2026-08-01 14:05", "2026-08-01T12:05:00Z"),
            ("2026-08-01T14:05", "2026-08-01T12:05:00Z"),
            ("2026-08-01T14:05:00Z", "2026-08-01T14:05:00Z"),
            ("2026-08-01T14:05:00.25Z", "2026-08-01T14:05:00.25Z"),
            ("2026-08-01T14:05:00-03:00", "2026-08-01T17:05:00Z"),
            ("2026-08-01T14:05:00-0300", "2026-08-01T17:05:00Z"),
            ("2026-08-01 14:05[America/New_York]", "2026-08-01T18:05:00Z"),
            ("2026-08-01T14:05:00-04:00[America/New_York]", "2026-08-01T18:05:00Z"),
            ("mon 09:00", "2026-08-03T07:00:00Z"),
            ("wed 09:00", "2026-08-05T07:00:00Z"),
            ("wed 13:00", "2026-07-29T11:00:00Z"),
            ("Sunday", "2026-08-01T22:00:00Z"),
            ("mon 09:00Z", "2026-08-03T09:00:00Z"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn ranges_of_the_grammar() {
        for (text, expected) in [
            ("last 7d", "2026-07-29T10:00:00Z → 2026-08-05T10:00:00Z, 7 d"),
            ("last 90min", "2026-08-05T08:30:00Z → 2026-08-05T10:00:00Z, 1 h 30 min"),
            ("today", "2026-08-04T22:00:00Z → 2026-08-05T22:00:00Z, 1 d"),
            ("2026-08-01", "2026-07-31T22:00:00Z → 2026-08-01T22:00:00Z, 1 d"),
            ("2026-08", "2026-07-31T22:00:00Z → 2026-08-31T22:00:00Z, 31 d"),
            ("2026-08-01..2026-08-03", "2026-07-31T22:00:00Z → 2026-08-02T22:00:00Z, 2 d"),
            ("2026-08-01 ..", "2026-07-31T22:00:00Z → open"),
            ("..2026-08-01", "open → 2026-07-31T22:00:00Z"),
            ("2026-08-01 14:05 + 2h", "2026-08-01T12:05:00Z → 2026-08-01T14:05:00Z, 2 h"),
            ("2026-08-01T14:05:00+02:00+2h", "2026-08-01T12:05:00Z → 2026-08-01T14:05:00Z, 2 h"),
            ("2026-08-01..+1w", "2026-07-31T22:00:00Z → 2026-08-07T22:00:00Z, 7 d"),
            ("2h..1h", "2026-08-05T08:00:00Z → 2026-08-05T09:00:00Z, 1 h"),
            ("around 14:05 ±5min", "2026-08-05T12:00:00Z → 2026-08-05T12:10:00Z, 10 min"),
            ("around 14:05 +-5min", "2026-08-05T12:00:00Z → 2026-08-05T12:10:00Z, 10 min"),
            ("around 2026-08-01T14:05:00Z+/-1h", "2026-08-01T13:05:00Z → 2026-08-01T15:05:00Z, 2 h"),
        ] {
            assert_eq!(shown_range(text), expected, "{text}");
        }
    }

    #[test]
    fn minutes_and_months_are_not_guessed() {
        assert_eq!(shown("30m"), "`30m` could be minutes or months; hint: write `30min` or `30mo`");
        assert_eq!(shown("3M ago"), "`3M` could be minutes or months; hint: write `3min` or `3mo`");
        assert_eq!(shown_range("last 5m"), "`5m` could be minutes or months; hint: write `5min` or `5mo`");
    }

    #[test]
    fn what_is_not_in_the_grammar_is_refused() {
        for text in [
            "",
            "soon",
            "2026",
            "2026-8-1",
            "2026-02-29",
            "2026-13",
            "24:00",
            "14:5",
            "14",
            "1768471200",
            "2026-08-01T",
            "2026-08-01T14:05:00+25:00",
            "2026-08-01 14:05 PM",
            "01/08/2026",
            "next mon",
            "2h 5min",
            "2 fortnights",
            "99999999999999999999d",
            "900000y",
            "2026-08-01 14:05[Mars/Olympus]",
            "2026-08-01..2026-08-02",
        ] {
            assert!(instant(text, &now()).is_err(), "{text}");
        }
        for text in [
            "",
            "..",
            "14:05",
            "2h",
            "last",
            "last week",
            "around 14:05",
            "2026-08-02..2026-08-01",
            "now..now",
        ] {
            assert!(range(text, &now()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_of_the_clock_change_is_a_calendar_day() {
        let berlin = "2026-03-30T12:00:00+02:00[Europe/Berlin]".parse().expect("a time");
        let hours = |text: &str| {
            let range = range(text, &berlin).expect("a range");
            (range.until.expect("an end") - range.since.expect("a start")) / 3_600_000_000
        };
        assert_eq!(hours("2026-03-29"), 23);
        assert_eq!(hours("2026-10-25"), 25);
        assert_eq!(hours("last 1d"), 24);
        assert_eq!(hours("2026-03-29 01:00 + 24h"), 24);
        assert_eq!(hours("2026-03-29 01:00 + 1d"), 23);
    }

    #[test]
    fn a_zone_is_a_name_an_offset_or_local() {
        for text in ["UTC", "Z", "local", "+02:00", "-0330", "Asia/Kolkata"] {
            assert!(zone(text).is_ok(), "{text}");
        }
        for text in ["", "Mars", "+2", "+24:00x"] {
            assert!(zone(text).is_err(), "{text}");
        }
    }

    fn zoned() -> impl Strategy<Value = Zoned> {
        // 2000 to 2040, where the rules of all five zones are known.
        (946_684_800_i64..2_208_988_800, 0..ZONES.len()).prop_map(|(second, index)| {
            let zone = TimeZone::get(ZONES[index]).expect("a known zone");
            Timestamp::from_second(second).expect("in range").to_zoned(zone)
        })
    }

    proptest! {
        #[test]
        fn a_formatted_instant_reads_back(then in zoned()) {
            let micros = then.timestamp().as_microsecond();
            prop_assert_eq!(instant(&format_time(micros), &now()), Ok(micros));
            let offset = then.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            prop_assert_eq!(instant(&offset, &now()), Ok(micros));
        }

        #[test]
        fn hours_are_absolute_and_days_keep_the_clock(then in zoned(), count in 0_i64..400) {
            let micros = then.timestamp().as_microsecond();
            prop_assert_eq!(instant(&format!("{count}h"), &then), Ok(micros - count * 3_600_000_000));
            let back = instant(&format!("{count}d"), &then).expect("days");
            let back = Timestamp::from_microsecond(back).expect("in range").to_zoned(then.time_zone().clone());
            let date = then.date().checked_sub(count.days()).expect("in range");
            let wanted = then.time_zone().to_ambiguous_timestamp(date.to_datetime(then.time()));
            let in_a_gap = matches!(wanted.offset(), AmbiguousOffset::Gap { .. });
            prop_assert!(back.time() == then.time() || in_a_gap);
        }

        #[test]
        fn days_abut(then in zoned()) {
            let date = then.date();
            let first = range(&date.to_string(), &then).expect("a day");
            let second = range(&date.tomorrow().expect("in range").to_string(), &then).expect("a day");
            prop_assert_eq!(first.until, second.since);
            prop_assert!(first.contains(Some(then.timestamp().as_microsecond())));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _answer = instant(&text, &now());
            let _answer = range(&text, &now());
        }

        #[test]
        fn no_text_near_the_grammar_panics(text in "[0-9mhdwyT:Z+\\-. \\[\\]±]{0,16}") {
            let _answer = instant(&text, &now());
            let _answer = range(&text, &now());
        }
    }
}
