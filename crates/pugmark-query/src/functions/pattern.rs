//! The two pattern languages for dates: `%Y-%m-%d` (`date_format`,
//! `date_parse`) and `yyyy-MM-dd` (`format_datetime`, `parse_datetime`).

use std::fmt::Write;

use datafusion::common::{Result, exec_err};
use pugmark_event::days_from_civil;

use super::calendar::{Civil, DAY_US, SECOND_US};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Whether a name is cut to three letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Short,
    Long,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    Year,
    YearOfCentury,
    /// The least number of digits stands in these.
    Month(usize),
    MonthName(Name),
    Day(usize),
    DayOfYear,
    DayOfWeek,
    DayName(Name),
    Week,
    Hour(usize),
    HourOfHalf(usize),
    Minute,
    Second,
    /// Digits of the second's fraction.
    Fraction(usize),
    Half,
    Zone,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// `%Y-%m-%d %H:%i:%s`.
    pub(super) fn percent(text: &str) -> Result<Pattern> {
        let mut parts = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                parts.push(Part::Literal(letter));
                continue;
            }
            let Some(letter) = letters.next() else { return exec_err!("`{text}` ends in a lone `%`") };
            match letter {
                'T' => parts.extend(Pattern::percent("%H:%i:%s")?.0),
                'r' => parts.extend(Pattern::percent("%h:%i:%s %p")?.0),
                'Y' => parts.push(Part::Year),
                'y' => parts.push(Part::YearOfCentury),
                'm' => parts.push(Part::Month(2)),
                'c' => parts.push(Part::Month(1)),
                'M' => parts.push(Part::MonthName(Name::Long)),
                'b' => parts.push(Part::MonthName(Name::Short)),
                'd' => parts.push(Part::Day(2)),
                'e' => parts.push(Part::Day(1)),
                'j' => parts.push(Part::DayOfYear),
                'W' => parts.push(Part::DayName(Name::Long)),
                'a' => parts.push(Part::DayName(Name::Short)),
                'v' => parts.push(Part::Week),
                'H' => parts.push(Part::Hour(2)),
                'k' => parts.push(Part::Hour(1)),
                'h' | 'I' => parts.push(Part::HourOfHalf(2)),
                'l' => parts.push(Part::HourOfHalf(1)),
                'i' => parts.push(Part::Minute),
                's' | 'S' => parts.push(Part::Second),
                'f' => parts.push(Part::Fraction(6)),
                'p' => parts.push(Part::Half),
                '%' => parts.push(Part::Literal('%')),
                other => return exec_err!("`%{other}` is no part of a date pattern"),
            }
        }
        Ok(Pattern(parts))
    }

    /// `yyyy-MM-dd'T'HH:mm:ss`.
    pub(super) fn letters(text: &str) -> Result<Pattern> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix('\'') {
                if let Some(after) = after.strip_prefix('\'') {
                    parts.push(Part::Literal('\''));
                    rest = after;
                    continue;
                }
                let Some((quoted, after)) = after.split_once('\'') else {
                    return exec_err!("`{text}` has an open quote");
                };
                parts.extend(quoted.chars().map(Part::Literal));
                rest = after;
                continue;
            }
            let count = rest.chars().take_while(|same| *same == letter).count();
            rest = &rest[count * letter.len_utf8()..];
            if letter.is_ascii_alphabetic() {
                parts.push(run(letter, count)?);
            } else {
                parts.extend(std::iter::repeat_n(Part::Literal(letter), count));
            }
        }
        Ok(Pattern(parts))
    }

    /// `time_us` as this pattern shows it.
    pub(super) fn format(&self, time_us: i64) -> String {
        let civil = Civil::of(time_us);
        let mut out = String::new();
        for part in &self.0 {
            let (number, width) = match part {
                Part::Year => (civil.year as u32, 4),
                Part::YearOfCentury => (civil.year.rem_euclid(100) as u32, 2),
                Part::Month(width) => (civil.month, *width),
                Part::Day(width) => (civil.day, *width),
                Part::DayOfYear => (civil.day_of_year(), 3),
                Part::DayOfWeek => (civil.day_of_week(), 1),
                Part::Week => (civil.week(), 2),
                Part::Hour(width) => (civil.hour, *width),
                Part::HourOfHalf(width) => ((civil.hour + 11) % 12 + 1, *width),
                Part::Minute => (civil.minute, 2),
                Part::Second => (civil.second, 2),
                Part::Fraction(width) => {
                    out.push_str(&format!("{:06}000", civil.micros)[..(*width).min(9)]);
                    continue;
                }
                _ => {
                    out.push_str(&words(part, civil));
                    continue;
                }
            };
            // Writing to a String does not fail.
            let _ = write!(out, "{number:0width$}");
        }
        out
    }

    /// The instant that `text` shows; `None` if it does not follow the pattern.
    pub(super) fn parse(&self, text: &str) -> Option<i64> {
        let mut rest = text;
        let mut fields = Fields { year: 1970, month: 1, day: 1, ..Fields::default() };
        for part in &self.0 {
            rest = fields.read(part, rest)?;
        }
        if !rest.is_empty() {
            return None;
        }
        fields.instant()
    }
}

fn run(letter: char, count: usize) -> Result<Part> {
    Ok(match letter {
        'y' | 'Y' | 'u' if count == 2 => Part::YearOfCentury,
        'y' | 'Y' | 'u' => Part::Year,
        'M' | 'L' if count > 3 => Part::MonthName(Name::Long),
        'M' | 'L' if count == 3 => Part::MonthName(Name::Short),
        'M' | 'L' => Part::Month(count),
        'd' => Part::Day(count),
        'D' => Part::DayOfYear,
        'e' => Part::DayOfWeek,
        'E' if count > 3 => Part::DayName(Name::Long),
        'E' => Part::DayName(Name::Short),
        'w' => Part::Week,
        'H' => Part::Hour(count),
        'h' => Part::HourOfHalf(count),
        'm' => Part::Minute,
        's' => Part::Second,
        'S' => Part::Fraction(count),
        'a' => Part::Half,
        'z' | 'Z' | 'X' => Part::Zone,
        other => return exec_err!("`{other}` is no part of a date pattern"),
    })
}

fn words(part: &Part, civil: Civil) -> String {
    let cut = |name: &str, how: Name| if how == Name::Short { &name[..3] } else { name }.to_owned();
    match part {
        Part::Literal(letter) => letter.to_string(),
        Part::MonthName(how) => cut(MONTHS[civil.month as usize - 1], *how),
        Part::DayName(how) => cut(DAYS[civil.day_of_week() as usize - 1], *how),
        Part::Half => if civil.hour < 12 { "AM" } else { "PM" }.to_owned(),
        _ => "UTC".to_owned(),
    }
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
}

impl Fields {
    /// Reads `part` at the beginning of `text`; gives back what follows.
    fn read<'a>(&mut self, part: &Part, text: &'a str) -> Option<&'a str> {
        let (field, most) = match part {
            Part::Literal(letter) => return text.strip_prefix(*letter),
            Part::Year => (&mut self.year, 4),
            Part::Month(_) => (&mut self.month, 2),
            Part::Day(_) => (&mut self.day, 2),
            Part::Hour(_) | Part::HourOfHalf(_) => (&mut self.hour, 2),
            Part::Minute => (&mut self.minute, 2),
            Part::Second => (&mut self.second, 2),
            Part::YearOfCentury => {
                let (rest, year) = digits(text, 2)?;
                self.year = if year < 70 { 2000 + year } else { 1900 + year };
                return Some(rest);
            }
            Part::Fraction(_) => {
                let (rest, value) = digits(text, 9)?;
                let length = (text.len() - rest.len()) as u32;
                self.micros = value * 10_i64.pow(9 - length) / 1_000;
                return Some(rest);
            }
            Part::MonthName(_) => {
                let (rest, place) = name(text, &MONTHS)?;
                self.month = place as i64 + 1;
                return Some(rest);
            }
            Part::DayName(_) => return name(text, &DAYS).map(|(rest, _)| rest),
            Part::Half => {
                let (half, rest) = text.split_at_checked(2)?;
                self.afternoon = Some(half.eq_ignore_ascii_case("pm"));
                return (half.eq_ignore_ascii_case("am") || self.afternoon == Some(true)).then_some(rest);
            }
            Part::Zone => return ["UTC", "Z", "+0000", "+00:00"].iter().find_map(|z| text.strip_prefix(z)),
            Part::DayOfYear | Part::DayOfWeek | Part::Week => return digits(text, 3).map(|(rest, _)| rest),
        };
        let (rest, value) = digits(text, most)?;
        *field = value;
        Some(rest)
    }

    fn instant(&self) -> Option<i64> {
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        if !(1..=12).contains(&self.month) || hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let days = days_from_civil(self.year as i32, self.month as u32, self.day as u32);
        let civil = Civil::of(i64::from(days) * DAY_US);
        // The 31st of a month of 30 days would be read as the 1st of the next.
        if (i64::from(civil.month), i64::from(civil.day)) != (self.month, self.day) {
            return None;
        }
        let seconds = hour * 3_600 + self.minute * 60 + self.second;
        Some(i64::from(days) * DAY_US + seconds * SECOND_US + self.micros)
    }
}

fn digits(text: &str, most: usize) -> Option<(&str, i64)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((&text[length..], text[..length].parse().ok()?))
}

fn name<'a>(text: &'a str, names: &[&str]) -> Option<(&'a str, usize)> {
    let starts = |name: &str| {
        text.get(..name.len()).filter(|head| head.eq_ignore_ascii_case(name)).map(|_| &text[name.len()..])
    };
    let long = names.iter().enumerate().find_map(|(place, name)| Some((starts(name)?, place)));
    long.or_else(|| names.iter().enumerate().find_map(|(place, name)| Some((starts(&name[..3])?, place))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &[u8] = b"2026-01-05T15:04:09.120Z";

    #[test]
    fn both_languages_show_the_same_instant() {
        let time = pugmark_event::parse_time(TIME).expect("a time");
        let percent = Pattern::percent("%W %e %b %Y %h:%i %p %j %f %%").expect("a pattern");
        assert_eq!(percent.format(time), "Monday 5 Jan 2026 03:04 PM 005 120000 %");
        let letters = Pattern::letters("EEE yyyy-MM-dd'T'HH:mm:ss.SSS 'o''clock' z").expect("a pattern");
        assert_eq!(letters.format(time), "Mon 2026-01-05T15:04:09.120 oclock UTC");
    }

    #[test]
    fn what_was_shown_is_read_again() {
        let time = pugmark_event::parse_time(TIME).expect("a time");
        for pattern in ["%Y-%m-%d %H:%i:%s.%f", "%d %M %y %r.%f", "%a %c/%e/%Y %T.%f"] {
            let pattern = Pattern::percent(pattern).expect("a pattern");
            assert_eq!(pattern.parse(&pattern.format(time)), Some(time), "{pattern:?}");
        }
    }

    #[test]
    fn what_does_not_follow_the_pattern_is_none() {
        let pattern = Pattern::percent("%Y-%m-%d").expect("a pattern");
        for text in ["2026-13-01", "2026-02-30", "2026-01", "2026-01-01x", ""] {
            assert_eq!(pattern.parse(text), None, "{text}");
        }
        assert!(Pattern::percent("%Q").is_err());
        assert!(Pattern::letters("qq").is_err());
    }
}
