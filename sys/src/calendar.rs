//! Hours, days and weeks, in the time zone of the machine or in UTC.

use std::mem::MaybeUninit;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const WEEK_DAYS: i64 = 7;
/// 1970-01-01 was a Thursday; weeks begin on Monday (ISO 8601).
const MONDAY_TO_EPOCH: i64 = 3;

/// By whose clocks days begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The time zone of the machine: `TZ`, or `/etc/localtime`.
    Local,
    /// Coordinated Universal Time.
    Utc,
}

impl Zone {
    /// Seconds that its clocks are ahead of UTC at `unix` seconds; negative in the west.
    #[must_use]
    pub fn offset(self, unix: u64) -> i64 {
        match self {
            Self::Local => broken_down(self, unix).map_or(0, |time| time.tm_gmtoff),
            Self::Utc => 0,
        }
    }

    /// What its clocks show at `unix` seconds, as names of files have it: `20261126-130000`.
    #[must_use]
    pub fn stamp(self, unix: u64) -> String {
        let Some(time) = broken_down(self, unix) else { return format!("{unix}") };
        let (year, month) = (i64::from(time.tm_year) + 1900, time.tm_mon + 1);
        format!(
            "{year:04}{month:02}{:02}-{:02}{:02}{:02}",
            time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec
        )
    }
}

/// Has the C library read the time zone of the machine. It remembers it, so that a process that can open no file any
/// more knows it, too.
pub fn learn_zone() {
    let _ = Zone::Local.offset(0);
}

fn broken_down(zone: Zone, unix: u64) -> Option<libc::tm> {
    let seconds = libc::time_t::try_from(unix).ok()?;
    let mut time = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call, and the C library keeps none of them.
    let result = unsafe {
        match zone {
            Zone::Local => libc::localtime_r(&raw const seconds, time.as_mut_ptr()),
            Zone::Utc => libc::gmtime_r(&raw const seconds, time.as_mut_ptr()),
        }
    };
    // SAFETY: it was all zero, which is a valid `tm`, and the call has filled it.
    (!result.is_null()).then(|| unsafe { time.assume_init() })
}

/// A span of time that begins when clocks show a full hour, midnight, or the midnight before a Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Each hour that passes; one that clocks show twice is two.
    Hour,
    /// Each day; two a year have 23 or 25 hours where clocks are changed.
    Day,
    /// Each week, from Monday.
    Week,
}

impl Period {
    /// The number of the period that `unix` seconds lie in, where clocks are `offset` seconds ahead of UTC. It rises.
    #[must_use]
    pub fn number(self, unix: u64, offset: i64) -> i64 {
        let (shown, length) = self.shown(unix, offset);
        shown.div_euclid(length)
    }

    /// Seconds from `unix` to the end of the period, at least 1, if clocks are not changed until then.
    #[must_use]
    pub fn left(self, unix: u64, offset: i64) -> u64 {
        let (shown, length) = self.shown(unix, offset);
        (length - shown.rem_euclid(length)).unsigned_abs()
    }

    /// Seconds on a scale on which periods begin at multiples of their length, and that length.
    fn shown(self, unix: u64, offset: i64) -> (i64, i64) {
        let unix = i64::try_from(unix).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        match self {
            // Whole hours of the offset change no boundary; so clocks that go back do not join two hours.
            Self::Hour => (unix + offset.rem_euclid(HOUR), HOUR),
            Self::Day => (unix + offset, DAY),
            Self::Week => (unix + offset + MONDAY_TO_EPOCH * DAY, WEEK_DAYS * DAY),
        }
    }
}

/// The period in which something began, and whether it is over.
#[derive(Clone, Copy, Debug)]
pub struct Current {
    period: Period,
    zone: Zone,
    number: i64,
}

impl Current {
    /// The period that `unix` seconds lie in.
    #[must_use]
    pub fn at(period: Period, zone: Zone, unix: u64) -> Self {
        Self { period, zone, number: period.number(unix, zone.offset(unix)) }
    }

    /// Whether it is over at `unix` seconds. Clocks that are set back begin another one, so that one that was wrong for
    /// once does not make it last for ever.
    pub fn is_over(&mut self, unix: u64) -> bool {
        let number = self.period.number(unix, self.zone.offset(unix));
        let over = number > self.number;
        self.number = self.number.min(number);
        over
    }

    /// Seconds from `unix` to its end, at least 1, if clocks are not changed until then.
    #[must_use]
    pub fn left(&self, unix: u64) -> u64 {
        self.period.left(unix, self.zone.offset(unix))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Offsets of a zone around one change of its clocks.
    struct Clocks {
        before: i64,
        change: u64,
        after: i64,
    }

    impl Clocks {
        fn offset(&self, unix: u64) -> i64 {
            if unix < self.change { self.before } else { self.after }
        }
    }

    /// Berlin, 2026-03-29 02:00 to 03:00.
    const BERLIN_SPRING: Clocks = Clocks { before: HOUR, change: 1_774_746_000, after: 2 * HOUR };
    /// Berlin, 2026-10-25 03:00 back to 02:00.
    const BERLIN_AUTUMN: Clocks = Clocks { before: 2 * HOUR, change: 1_792_890_000, after: HOUR };
    /// Beirut, 2026-03-29 00:00 to 01:00: a day without midnight.
    const BEIRUT_SPRING: Clocks = Clocks { before: 2 * HOUR, change: 1_774_735_200, after: 3 * HOUR };
    /// Havana, 2026-11-01 01:00 back to 00:00: a day with two midnights.
    const HAVANA_AUTUMN: Clocks = Clocks { before: -4 * HOUR, change: 1_793_509_200, after: -5 * HOUR };
    /// Lord Howe, 2026-04-05 02:00 back to 01:30.
    const LORD_HOWE: Clocks = Clocks { before: 11 * HOUR, change: 1_775_314_800, after: 10 * HOUR + 1800 };
    const UTC: Clocks = Clocks { before: 0, change: 0, after: 0 };
    /// Kathmandu, 5:45 ahead.
    const KATHMANDU: Clocks = Clocks { before: 20_700, change: 0, after: 20_700 };

    /// Seconds from `from` to each boundary of the `hours` that follow.
    fn boundaries(clocks: &Clocks, period: Period, from: u64, hours: u64) -> Vec<u64> {
        let number = |unix| period.number(unix, clocks.offset(unix));
        let until = from + hours * HOUR as u64;
        (from + 1..=until).filter(|&unix| number(unix) > number(unix - 1)).map(|unix| unix - from).collect()
    }

    #[test]
    fn periods_begin_when_clocks_say_so() {
        let hour = HOUR as u64;
        // Midnight of that day in Berlin and so on, then hours to each boundary.
        for (name, clocks, period, midnight, hours, wanted) in [
            ("utc day", &UTC, Period::Day, 1_774_742_400, 49, vec![24 * hour, 48 * hour]),
            ("utc hour", &UTC, Period::Hour, 1_774_742_400, 3, vec![hour, 2 * hour, 3 * hour]),
            // 2026-03-23 was a Monday.
            ("utc week", &UTC, Period::Week, 1_774_224_000, 170, vec![168 * hour]),
            ("spring day", &BERLIN_SPRING, Period::Day, 1_774_738_800, 48, vec![23 * hour, 47 * hour]),
            ("spring hour", &BERLIN_SPRING, Period::Hour, 1_774_738_800, 3, vec![hour, 2 * hour, 3 * hour]),
            ("spring week", &BERLIN_SPRING, Period::Week, 1_774_738_800, 24, vec![23 * hour]),
            ("autumn day", &BERLIN_AUTUMN, Period::Day, 1_792_879_200, 49, vec![25 * hour, 49 * hour]),
            ("autumn hour", &BERLIN_AUTUMN, Period::Hour, 1_792_886_400, 3, vec![hour, 2 * hour, 3 * hour]),
            ("autumn week", &BERLIN_AUTUMN, Period::Week, 1_792_879_200, 26, vec![25 * hour]),
            ("no midnight", &BEIRUT_SPRING, Period::Day, 1_774_648_800, 47, vec![24 * hour, 47 * hour]),
            ("two midnights", &HAVANA_AUTUMN, Period::Day, 1_793_505_600, 25, vec![25 * hour]),
            ("half an hour", &LORD_HOWE, Period::Day, 1_775_307_600, 25, vec![24 * hour + 1800]),
            ("quarters", &KATHMANDU, Period::Hour, 1_774_742_400, 2, vec![900, 900 + hour]),
        ] {
            assert_eq!(boundaries(clocks, period, midnight, hours), wanted, "{name}");
        }
    }

    #[test]
    fn what_is_left_ends_at_the_boundary() {
        for period in [Period::Hour, Period::Day, Period::Week] {
            for (unix, offset) in [(0, 0), (1, -1), (1_774_742_399, 3600), (1_774_742_400, 20_700)] {
                let end = unix + period.left(unix, offset);
                assert_eq!(period.number(end, offset), period.number(unix, offset) + 1, "{period:?} {unix}");
                assert_eq!(period.number(end - 1, offset), period.number(unix, offset), "{period:?} {unix}");
            }
        }
        assert!(Period::Day.left(u64::MAX, i64::from(i32::MAX)) > 0, "a clock that is set to nonsense");
    }

    #[test]
    fn a_period_is_over_once_and_clocks_may_be_set() {
        let midnight = 1_774_742_400;
        let mut day = Current::at(Period::Day, Zone::Utc, midnight - 1);
        assert_eq!((day.is_over(midnight - 1), day.left(midnight - 1)), (false, 1));
        assert!(day.is_over(midnight) && day.is_over(midnight + 1), "until it is seen to");
        let mut wrong = Current::at(Period::Day, Zone::Utc, u64::MAX);
        assert!(!wrong.is_over(midnight - 1) && wrong.is_over(midnight));
    }

    #[test]
    fn the_machine_agrees() {
        for unix in [0, 1_774_742_400, 1_783_000_000, 1_792_886_400, 4_102_444_800] {
            let date = |zone: &[&str]| {
                let mut command = Command::new("date");
                command.args(zone).args(["-d", &format!("@{unix}"), "+%Y%m%d-%H%M%S"]);
                String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
            };
            assert_eq!(Zone::Local.stamp(unix), date(&[]));
            assert_eq!(Zone::Utc.stamp(unix), date(&["-u"]));
        }
        learn_zone();
    }
}
