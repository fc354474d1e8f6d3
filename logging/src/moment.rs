//! Times as an operator writes them down: `$time{%Y-%m-%d %H:%M:%S}`, in UTC as all times of logs.

use crate::civil::{MONTH_NAMES, Stamp};
use crate::number::{decimal, zero_padded};
use crate::record::Record;

/// Which time of an exchange is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Begin,
    End,
}

/// The names under which templates have them.
const MOMENTS: &[(&str, Moment)] = &[("time", Moment::End), ("begin_time", Moment::Begin)];

/// What a `%` and the letter behind it stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    Year,
    YearOfCentury,
    Month,
    MonthName,
    MonthShort,
    Day,
    /// With a space in place of a leading zero.
    DayPadded,
    DayOfYear,
    WeekdayName,
    WeekdayShort,
    Hour,
    HourOfTwelve,
    HalfOfDay,
    Minute,
    Second,
    /// Three digits of the second's fraction.
    Milliseconds,
    /// Six of them.
    Microseconds,
    SinceEpoch,
    /// `2000-10-10`.
    Date,
    /// `10/10/00`, month first.
    DateAmerican,
    /// `13:55:36`.
    Clock,
    /// `13:55`.
    ClockShort,
    Offset,
    OffsetWithColon,
    Zone,
}

/// The letters of strftime(3), and how date(1) of GNU writes fractions and an offset with a colon.
pub(crate) const DIRECTIVES: &[(&str, Directive)] = &[
    ("Y", Directive::Year),
    ("y", Directive::YearOfCentury),
    ("m", Directive::Month),
    ("B", Directive::MonthName),
    ("b", Directive::MonthShort),
    ("h", Directive::MonthShort),
    ("d", Directive::Day),
    ("e", Directive::DayPadded),
    ("j", Directive::DayOfYear),
    ("A", Directive::WeekdayName),
    ("a", Directive::WeekdayShort),
    ("H", Directive::Hour),
    ("I", Directive::HourOfTwelve),
    ("p", Directive::HalfOfDay),
    ("M", Directive::Minute),
    ("S", Directive::Second),
    ("3N", Directive::Milliseconds),
    ("6N", Directive::Microseconds),
    ("s", Directive::SinceEpoch),
    ("F", Directive::Date),
    ("D", Directive::DateAmerican),
    ("T", Directive::Clock),
    ("R", Directive::ClockShort),
    ("z", Directive::Offset),
    (":z", Directive::OffsetWithColon),
    ("Z", Directive::Zone),
];

/// Letters of a short name of a month or a day.
const SHORT: usize = 3;
const MICROSECONDS_PER_SECOND: u64 = 1_000_000;

impl Moment {
    /// The one with this name, without its `$`.
    pub(crate) fn named(name: &str) -> Option<Moment> {
        MOMENTS.iter().find(|(known, _)| *known == name).map(|(_, moment)| *moment)
    }
}

impl Directive {
    /// Most bytes that any of them writes: seconds since 1970.
    pub(crate) const WIDTH_MAX: usize = 20;

    /// The one that a text begins with, which follows a `%`, and what is behind it.
    pub(crate) fn split(text: &str) -> Option<(Directive, &str)> {
        DIRECTIVES
            .iter()
            .find_map(|(letters, directive)| text.strip_prefix(letters).map(|behind| (*directive, behind)))
    }

    pub(crate) fn write(self, out: &mut Vec<u8>, reading: &Reading<'_>) {
        let civil = reading.stamp.civil();
        let (date, month) = (reading.stamp.rfc3339(), civil.month as usize - 1);
        match self {
            Self::Year => out.extend_from_slice(&date[..4]),
            Self::YearOfCentury => out.extend_from_slice(&date[2..4]),
            Self::Month => out.extend_from_slice(&date[5..7]),
            Self::MonthName => out.extend_from_slice(MONTH_NAMES[month].as_bytes()),
            Self::MonthShort => out.extend_from_slice(&MONTH_NAMES[month].as_bytes()[..SHORT]),
            Self::Day => out.extend_from_slice(&date[8..10]),
            Self::DayPadded if date[8] == b'0' => out.extend_from_slice(&[b' ', date[9]]),
            Self::DayPadded => out.extend_from_slice(&date[8..10]),
            Self::DayOfYear => padded::<3>(out, civil.day_of_year()),
            Self::WeekdayName => out.extend_from_slice(civil.weekday_name().as_bytes()),
            Self::WeekdayShort => out.extend_from_slice(&civil.weekday_name().as_bytes()[..SHORT]),
            Self::Hour => out.extend_from_slice(&date[11..13]),
            // Midnight and noon are 12.
            Self::HourOfTwelve => padded::<2>(out, (civil.hour + 11) % 12 + 1),
            Self::HalfOfDay => out.extend_from_slice(if civil.hour < 12 { b"AM" } else { b"PM" }),
            Self::Minute => out.extend_from_slice(&date[14..16]),
            Self::Second => out.extend_from_slice(&date[17..]),
            Self::Milliseconds => padded::<3>(out, reading.fraction_us() / 1000),
            Self::Microseconds => padded::<6>(out, reading.fraction_us()),
            Self::SinceEpoch => decimal(out, reading.unix_us / MICROSECONDS_PER_SECOND),
            Self::Date => out.extend_from_slice(&date[..10]),
            Self::DateAmerican => {
                let at = [5, 6, 8, 9, 2, 3].map(|at: usize| date[at]);
                out.extend_from_slice(&[at[0], at[1], b'/', at[2], at[3], b'/', at[4], at[5]]);
            }
            Self::Clock => out.extend_from_slice(&date[11..]),
            Self::ClockShort => out.extend_from_slice(&date[11..16]),
            Self::Offset => out.extend_from_slice(b"+0000"),
            Self::OffsetWithColon => out.extend_from_slice(b"+00:00"),
            Self::Zone => out.extend_from_slice(b"UTC"),
        }
    }
}

fn padded<const WIDTH: usize>(out: &mut Vec<u8>, value: u32) {
    let mut digits = [0; WIDTH];
    zero_padded(&mut digits, value);
    out.extend_from_slice(&digits);
}

/// A time, and its second made readable.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'s> {
    pub(crate) unix_us: u64,
    pub(crate) stamp: &'s Stamp,
}

impl Reading<'_> {
    fn fraction_us(&self) -> u32 {
        (self.unix_us % MICROSECONDS_PER_SECOND) as u32
    }
}

/// Both times of an exchange.
#[derive(Clone, Copy)]
pub(crate) struct Times<'s> {
    begin: Reading<'s>,
    end: Reading<'s>,
}

impl<'s> Times<'s> {
    /// `end` is the stamp of the end. `begin` is room for that of the beginning, which is needed only where that is in
    /// another second.
    pub(crate) fn of(record: &Record<'_>, end: &'s Stamp, begin: &'s mut Stamp) -> Self {
        let begin_us = record.begin_us();
        let begin = if begin_us / MICROSECONDS_PER_SECOND == record.unix_us / MICROSECONDS_PER_SECOND {
            end
        } else {
            begin.set(begin_us / MICROSECONDS_PER_SECOND);
            begin
        };
        Self {
            begin: Reading { unix_us: begin_us, stamp: begin },
            end: Reading { unix_us: record.unix_us, stamp: end },
        }
    }

    pub(crate) fn at(&self, moment: Moment) -> &Reading<'s> {
        match moment {
            Moment::Begin => &self.begin,
            Moment::End => &self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every directive once or more, as `date -u` of GNU is asked for it.
    const FORM: &str = "%Y %y %m %B %b %h %d|%e|%j %A %a %H %I %p %M %S %3N %6N %s %F %D %T %R %z %:z %Z";

    fn written(unix_us: u64) -> String {
        let mut stamp = Stamp::new();
        stamp.set(unix_us / MICROSECONDS_PER_SECOND);
        let (mut out, mut rest) = (Vec::new(), FORM);
        while let Some((text, after)) = rest.split_once('%') {
            out.extend_from_slice(text.as_bytes());
            let (directive, behind) = Directive::split(after).expect("a directive");
            let before = out.len();
            directive.write(&mut out, &Reading { unix_us, stamp: &stamp });
            assert!(out.len() - before <= Directive::WIDTH_MAX, "{directive:?}");
            rest = behind;
        }
        out.extend_from_slice(rest.as_bytes());
        String::from_utf8(out).expect("a time is ASCII")
    }

    #[test]
    fn the_form_has_every_directive() {
        for (letters, _) in DIRECTIVES {
            assert!(FORM.contains(&format!("%{letters}")), "{letters}");
        }
    }

    /// What `date -u -d @SECONDS +FORM` says in the locale C.
    #[test]
    fn every_directive_at_borders() {
        for (unix_us, wanted) in [
            (
                0,
                "1970 70 01 January Jan Jan 01| 1|001 Thursday Thu 00 12 AM 00 00 000 000000 0 1970-01-01 01/01/70 00:00:00 00:00 +0000 +00:00 UTC",
            ),
            (
                971_186_136_042_007,
                "2000 00 10 October Oct Oct 10|10|284 Tuesday Tue 13 01 PM 55 36 042 042007 971186136 2000-10-10 10/10/00 13:55:36 13:55 +0000 +00:00 UTC",
            ),
            (
                946_684_799_999_999,
                "1999 99 12 December Dec Dec 31|31|365 Friday Fri 23 11 PM 59 59 999 999999 946684799 1999-12-31 12/31/99 23:59:59 23:59 +0000 +00:00 UTC",
            ),
            (
                946_684_800_000_000,
                "2000 00 01 January Jan Jan 01| 1|001 Saturday Sat 00 12 AM 00 00 000 000000 946684800 2000-01-01 01/01/00 00:00:00 00:00 +0000 +00:00 UTC",
            ),
            (
                951_782_400_500_000,
                "2000 00 02 February Feb Feb 29|29|060 Tuesday Tue 00 12 AM 00 00 500 500000 951782400 2000-02-29 02/29/00 00:00:00 00:00 +0000 +00:00 UTC",
            ),
            (
                951_825_600_000_001,
                "2000 00 02 February Feb Feb 29|29|060 Tuesday Tue 12 12 PM 00 00 000 000001 951825600 2000-02-29 02/29/00 12:00:00 12:00 +0000 +00:00 UTC",
            ),
            (
                1_735_689_599_001_000,
                "2024 24 12 December Dec Dec 31|31|366 Tuesday Tue 23 11 PM 59 59 001 001000 1735689599 2024-12-31 12/31/24 23:59:59 23:59 +0000 +00:00 UTC",
            ),
            (
                1_735_689_600_000_000,
                "2025 25 01 January Jan Jan 01| 1|001 Wednesday Wed 00 12 AM 00 00 000 000000 1735689600 2025-01-01 01/01/25 00:00:00 00:00 +0000 +00:00 UTC",
            ),
            (
                1_767_225_599_999_000,
                "2025 25 12 December Dec Dec 31|31|365 Wednesday Wed 23 11 PM 59 59 999 999000 1767225599 2025-12-31 12/31/25 23:59:59 23:59 +0000 +00:00 UTC",
            ),
            (
                4_107_542_400_000_000,
                "2100 00 03 March Mar Mar 01| 1|060 Monday Mon 00 12 AM 00 00 000 000000 4107542400 2100-03-01 03/01/00 00:00:00 00:00 +0000 +00:00 UTC",
            ),
            (
                253_402_300_799_123_456,
                "9999 99 12 December Dec Dec 31|31|365 Friday Fri 23 11 PM 59 59 123 123456 253402300799 9999-12-31 12/31/99 23:59:59 23:59 +0000 +00:00 UTC",
            ),
        ] {
            assert_eq!(written(unix_us), wanted);
        }
    }
}
