//! Times as CloudTrail writes them, from seconds since 1970 (UTC).

pub(crate) const DAY: i64 = 86_400;
/// Log files are delivered on marks of five minutes.
pub(crate) const TICK: i64 = 300;

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

/// Days-to-civil after Howard Hinnant's published algorithm.
pub(crate) fn civil(time: i64) -> Civil {
    let second_of_day = time.rem_euclid(DAY);
    let shifted = time.div_euclid(DAY) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * month_index + 2) / 5 + 1,
        hour: second_of_day / 3_600,
        minute: second_of_day / 60 % 60,
        second: second_of_day % 60,
    }
}

/// `2026-01-15T10:00:00Z`
pub(crate) fn push_iso(out: &mut String, time: i64) {
    let at = civil(time);
    push_digits(out, at.year, 4);
    for (mark, part) in [('-', at.month), ('-', at.day), ('T', at.hour), (':', at.minute), (':', at.second)] {
        out.push(mark);
        push_digits(out, part, 2);
    }
    out.push('Z');
}

pub(crate) fn iso(time: i64) -> String {
    let mut text = String::with_capacity(20);
    push_iso(&mut text, time);
    text
}

/// `2026/01/15`
pub(crate) fn push_day(out: &mut String, time: i64) {
    let at = civil(time);
    push_digits(out, at.year, 4);
    out.push('/');
    push_digits(out, at.month, 2);
    out.push('/');
    push_digits(out, at.day, 2);
}

/// `20260115T1000Z`, as in file names.
pub(crate) fn push_compact(out: &mut String, time: i64) {
    let at = civil(time);
    push_digits(out, at.year, 4);
    push_digits(out, at.month, 2);
    push_digits(out, at.day, 2);
    out.push('T');
    push_digits(out, at.hour, 2);
    push_digits(out, at.minute, 2);
    out.push('Z');
}

/// `Jan 15, 2026, 11:00:00 AM`, as STS writes when credentials end.
pub(crate) fn expiration(time: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = civil(time);
    let half = if at.hour < 12 { "AM" } else { "PM" };
    let hour = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
    let month = MONTHS[(at.month - 1) as usize];
    format!("{month} {}, {}, {hour}:{:02}:{:02} {half}", at.day, at.year, at.minute, at.second)
}

/// Appends a number with leading zeros.
pub(crate) fn push_digits(out: &mut String, number: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_cloudtrail_writes_them() {
        let time = 20_468 * DAY + 10 * 3_600 + 5 * 60 + 9;
        assert_eq!(iso(time), "2026-01-15T10:05:09Z");
        assert_eq!(expiration(time + 3 * 3_600), "Jan 15, 2026, 1:05:09 PM");
        assert_eq!(expiration(20_468 * DAY), "Jan 15, 2026, 12:00:00 AM");
        let mut text = String::new();
        push_compact(&mut text, time);
        push_day(&mut text, 19_782 * DAY);
        assert_eq!(text, "20260115T1005Z2024/02/29");
    }
}
