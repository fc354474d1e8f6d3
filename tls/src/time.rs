//! Times of certificates (RFC 5280 4.1.2.5) as seconds since 1970.

use crate::der::{Element, GENERALIZED_TIME, UTC_TIME};

/// Seconds of a day.
pub(crate) const DAY: i64 = 24 * 60 * 60;

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the only two forms that RFC 5280 allows.
pub(crate) fn seconds(element: &Element<'_>) -> Option<i64> {
    let digits = element.value.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, len: usize| {
        digits
            .get(from..from + len)
            .map(|digits| digits.iter().fold(0, |sum, &digit| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, rest) = match (element.tag, digits.len()) {
        // RFC 5280 4.1.2.5.1: 50 and above are of the last century.
        (UTC_TIME, 12) => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        (GENERALIZED_TIME, 14) => (number(0, 4)?, 4),
        _ => return None,
    };
    let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|from| number(rest + from, 2));
    let (month, day, hour, minute, second) = (month?, day?, hour?, minute?, second?);
    let possible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    possible.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Days from 1970 to a date of the Gregorian calendar, counted in years that begin with March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31 days, again and again.
    let month_days = (153 * month + 2) / 5;
    year * 365 + leap_days + month_days + day - 719_469
}

/// `YYYY-MM-DD` for people.
pub(crate) fn date(seconds: i64) -> String {
    let day = seconds.div_euclid(DAY);
    // A year that is not too late; the right one, the month and the day follow by looking.
    let mut year = 1970 + day.div_euclid(if day < 0 { 365 } else { 366 });
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| days(year, month, 1) <= day).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", day - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases: &[(u8, &str, Option<i64>)] = &[
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229120000Z", Some(951_825_600)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "19700101000000Z", Some(0)),
            (UTC_TIME, "20500101000000Z", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100000xZ", None),
            (UTC_TIME, "700101000000", None),
            (GENERALIZED_TIME, "", None),
        ];
        for (tag, text, expected) in cases {
            let element = Element { tag: *tag, value: text.as_bytes(), whole: &[] };
            assert_eq!(seconds(&element), *expected, "{text}");
        }
    }

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01"),
            (951_825_600, "2000-02-29"),
            (2_524_607_999, "2049-12-31"),
            (253_402_300_799, "9999-12-31"),
            (-1, "1969-12-31"),
            (-719_162 * DAY, "0001-01-01"),
        ];
        for (seconds, text) in cases {
            assert_eq!(date(seconds), text);
        }
    }
}
