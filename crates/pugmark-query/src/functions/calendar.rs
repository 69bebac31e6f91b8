//! An instant as a calendar shows it (UTC).

use pugmark_event::days_from_civil;

pub(super) const SECOND_US: i64 = 1_000_000;
pub(super) const DAY_US: i64 = 86_400 * SECOND_US;

/// The fields of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) micros: u32,
    /// Days since 1970-01-01.
    pub(super) days: i32,
}

impl Civil {
    /// The fields of `time_us` microseconds since 1970.
    pub(super) fn of(time_us: i64) -> Civil {
        let days = time_us.div_euclid(DAY_US) as i32;
        let rest = time_us.rem_euclid(DAY_US);
        let seconds = (rest / SECOND_US) as u32;
        let (year, month, day) = date(days);
        Civil {
            year,
            month,
            day,
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: (rest % SECOND_US) as u32,
            days,
        }
    }

    /// 1 is Monday, 7 is Sunday.
    pub(super) fn day_of_week(self) -> u32 {
        ((self.days + 3).rem_euclid(7) + 1) as u32
    }

    pub(super) fn day_of_year(self) -> u32 {
        (self.days - days_from_civil(self.year, 1, 1) + 1) as u32
    }

    /// ISO 8601: the week that holds the year's first Thursday is week 1.
    pub(super) fn week(self) -> u32 {
        let thursday = self.days - (self.day_of_week() as i32 - 4);
        let (year, ..) = date(thursday);
        ((thursday - days_from_civil(year, 1, 1)) / 7 + 1) as u32
    }
}

/// Year, month and day of a day number.
fn date(days: i32) -> (i32, u32, u32) {
    // A first guess from the mean length of a year, mended by at most one step.
    let mut year = 1970 + (i64::from(days) * 400).div_euclid(146_097) as i32;
    while days_from_civil(year, 1, 1) > days {
        year -= 1;
    }
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_from_civil(year, *month, 1) <= days).unwrap_or(1);
    (year, month, (days - days_from_civil(year, month, 1) + 1) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_known_instants() {
        let time = pugmark_event::parse_time(b"2024-02-29T23:59:58.000123Z").expect("a time");
        let civil = Civil::of(time);
        assert_eq!((civil.year, civil.month, civil.day), (2024, 2, 29));
        assert_eq!((civil.hour, civil.minute, civil.second, civil.micros), (23, 59, 58, 123));
        assert_eq!((civil.day_of_week(), civil.day_of_year(), civil.week()), (4, 60, 9));
        let before = Civil::of(-1);
        assert_eq!((before.year, before.month, before.day, before.day_of_week()), (1969, 12, 31, 3));
        assert_eq!(Civil::of(pugmark_event::parse_time(b"2027-01-01").expect("a day")).week(), 53);
    }
}
