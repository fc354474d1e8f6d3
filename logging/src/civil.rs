//! Dates of the Gregorian calendar, in UTC, in the two shapes that the logs use.

use crate::number::zero_padded;
use std::time::SystemTime;

pub(crate) const MONTH_NAMES: [&str; 12] = [
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
/// From the day of the week of 1970-01-01 on.
const WEEKDAY_NAMES: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const SECONDS_PER_DAY: u64 = 86_400;

/// 9999-12-31T23:59:59Z: both shapes have four digits for the year.
const LAST_SECOND: u64 = 253_402_300_799;

/// A second, taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Civil {
    /// Since 1970-01-01.
    days: u32,
    year: u32,
    /// From 1.
    pub(crate) month: u32,
    day: u32,
    pub(crate) hour: u32,
    minute: u32,
    second: u32,
}

impl Civil {
    fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(LAST_SECOND);
        let of_day = (seconds % SECONDS_PER_DAY) as u32;
        let days = (seconds / SECONDS_PER_DAY) as u32;
        let (year, month, day) = date_of(days);
        Self { days, year, month, day, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60 }
    }

    /// From 1, for the first of January.
    pub(crate) fn day_of_year(&self) -> u32 {
        const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap_day = u32::from(self.month > 2 && is_leap(self.year));
        BEFORE[self.month as usize - 1] + leap_day + self.day
    }

    pub(crate) fn weekday_name(&self) -> &'static str {
        WEEKDAY_NAMES[(self.days % 7) as usize]
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The date `days` after 1970-01-01. Counts in years that begin in March, so that the leap day is the last one of a
/// year and the lengths of the months before it follow one linear rule.
fn date_of(days: u32) -> (u32, u32, u32) {
    const DAYS_PER_ERA: u32 = 146_097; // 400 years
    const FROM_MARCH_OF_YEAR_0: u32 = 719_468;
    let days = days + FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

/// The two renderings of one second, kept while the second lasts: under load thousands of lines share it.
pub(crate) struct Stamp {
    unix: Option<u64>,
    civil: Civil,
    clf: [u8; 28],
    rfc3339: [u8; 19],
}

impl Stamp {
    pub(crate) fn new() -> Self {
        Self {
            unix: None,
            civil: Civil::from_unix(0),
            clf: *b"[00/Jan/0000:00:00:00 +0000]",
            rfc3339: *b"0000-00-00T00:00:00",
        }
    }

    /// Makes the stamp that of `unix` seconds.
    pub(crate) fn set(&mut self, unix: u64) {
        if self.unix == Some(unix) {
            return;
        }
        self.unix = Some(unix);
        self.civil = Civil::from_unix(unix);
        let Civil { year, month, day, hour, minute, second, .. } = self.civil;
        zero_padded(&mut self.clf[1..3], day);
        self.clf[4..7].copy_from_slice(&MONTH_NAMES[month as usize - 1].as_bytes()[..3]);
        zero_padded(&mut self.clf[8..12], year);
        zero_padded(&mut self.clf[13..15], hour);
        zero_padded(&mut self.clf[16..18], minute);
        zero_padded(&mut self.clf[19..21], second);
        zero_padded(&mut self.rfc3339[0..4], year);
        zero_padded(&mut self.rfc3339[5..7], month);
        zero_padded(&mut self.rfc3339[8..10], day);
        zero_padded(&mut self.rfc3339[11..13], hour);
        zero_padded(&mut self.rfc3339[14..16], minute);
        zero_padded(&mut self.rfc3339[17..19], second);
    }

    /// The second in numbers.
    pub(crate) fn civil(&self) -> &Civil {
        &self.civil
    }

    /// `[10/Oct/2000:13:55:36 +0000]`, the bracketed time of the common log format.
    pub(crate) fn clf(&self) -> &[u8] {
        &self.clf
    }

    /// The same without its brackets.
    pub(crate) fn local(&self) -> &[u8] {
        &self.clf[1..self.clf.len() - 1]
    }

    /// `2000-10-10T13:55:36`, to be followed by a fraction and `Z` (RFC 3339 section 5.6).
    pub(crate) fn rfc3339(&self) -> &[u8; 19] {
        &self.rfc3339
    }
}

/// The time now, as the error log writes it: `2000-10-10T13:55:36Z`.
#[must_use]
pub fn now() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut stamp = Stamp::new();
    stamp.set(now.as_secs());
    format!("{}Z", String::from_utf8_lossy(stamp.rfc3339()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_known_moments() {
        for (unix, clf, rfc3339) in [
            (0, "[01/Jan/1970:00:00:00 +0000]", "1970-01-01T00:00:00"),
            (951_782_400, "[29/Feb/2000:00:00:00 +0000]", "2000-02-29T00:00:00"),
            (971_186_136, "[10/Oct/2000:13:55:36 +0000]", "2000-10-10T13:55:36"),
            (1_709_251_199, "[29/Feb/2024:23:59:59 +0000]", "2024-02-29T23:59:59"),
            (1_709_251_200, "[01/Mar/2024:00:00:00 +0000]", "2024-03-01T00:00:00"),
            (4_107_542_400, "[01/Mar/2100:00:00:00 +0000]", "2100-03-01T00:00:00"),
            (LAST_SECOND, "[31/Dec/9999:23:59:59 +0000]", "9999-12-31T23:59:59"),
            (u64::MAX, "[31/Dec/9999:23:59:59 +0000]", "9999-12-31T23:59:59"),
        ] {
            let mut stamp = Stamp::new();
            stamp.set(unix);
            assert_eq!(String::from_utf8_lossy(stamp.clf()), clf);
            assert_eq!(String::from_utf8_lossy(stamp.rfc3339()), rfc3339);
        }
    }

    #[test]
    fn each_day_of_eight_centuries_follows_the_one_before() {
        let mut before = date_of(0);
        let mut day_of_year = 1;
        for days in 1..292_194 {
            let (year, month, day) = date_of(days);
            let civil = Civil::from_unix(u64::from(days) * SECONDS_PER_DAY);
            day_of_year = if (month, day) == (1, 1) { 1 } else { day_of_year + 1 };
            assert_eq!(civil.day_of_year(), day_of_year, "{:?}", (year, month, day));
            let next_day = (year, month) == (before.0, before.1) && day == before.2 + 1;
            let next_month = year == before.0 && month == before.1 + 1 && day == 1 && before.2 >= 28;
            let next_year =
                year == before.0 + 1 && (month, day) == (1, 1) && (before.1, before.2) == (12, 31);
            assert!(next_day || next_month || next_year, "{before:?} then {:?}", (year, month, day));
            before = (year, month, day);
        }
    }
}
