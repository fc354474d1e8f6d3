//! When the file of a log is to be put aside. Others do it: here it is seen that it is time.

use std::time::{Duration, Instant};

use sys::calendar::{Current, Period, Zone};
use sys::clock::now_realtime_secs;
use sys::fs::Found;

/// Time until one says again that it is time, when nobody has acted upon it.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Longest sleep: clocks can be set.
const NAP: Duration = Duration::from_secs(60);

/// When the file of a log is to be put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// When it has so many bytes.
    pub size: Option<u64>,
    /// When such a time is over, by whose clocks.
    pub every: Option<(Period, Zone)>,
}

/// What is to be known of a file beside its descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Counts the files of the log.
    pub turn: u32,
    /// When it is to be put aside, if it is.
    pub rotation: Option<Rotation>,
}

/// Watches over one file.
#[derive(Debug)]
pub(crate) struct Watch {
    rotation: Option<Rotation>,
    current: Option<Current>,
    /// When it was said last that it is time.
    asked: Option<Instant>,
}

impl Watch {
    /// Over the file as it was found. One that has lines belongs to the period of the last of them.
    pub(crate) fn new(rotation: Option<Rotation>, found: Option<Found>) -> Self {
        // What is no file is never put aside.
        let rotation = rotation.filter(|_| found.is_some());
        let begun = found.filter(|found| found.len > 0).map(|found| found.modified());
        let every = rotation.and_then(|rotation| rotation.every);
        let current =
            every.map(|(period, zone)| Current::at(period, zone, begun.unwrap_or_else(now_realtime_secs)));
        Self { rotation, current, asked: None }
    }

    /// Whether it is time to say that the file, which has `len` bytes, is to be put aside.
    pub(crate) fn is_time(&mut self, len: u64, unix: u64, now: Instant) -> bool {
        let Some(rotation) = self.rotation else { return false };
        let old = self.current.as_mut().is_some_and(|current| current.is_over(unix));
        if old && len == 0 {
            // It belongs to the period that has begun.
            self.current = rotation.every.map(|(period, zone)| Current::at(period, zone, unix));
        }
        let over = len > 0 && (old || rotation.size.is_some_and(|size| len >= size));
        let quiet = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_AGAIN);
        if over && quiet {
            self.asked = Some(now);
        }
        over && quiet
    }

    /// How long one may sleep before it could be time, if nothing is written.
    pub(crate) fn patience(&self, unix: u64) -> Option<Duration> {
        self.rotation?;
        if self.asked.is_some() {
            return Some(ASK_AGAIN);
        }
        self.current.map(|current| Duration::from_secs(current.left(unix)).min(NAP))
    }

    /// Whether anything is to be watched.
    pub(crate) fn is_idle(&self) -> bool {
        self.rotation.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_800_014_400;

    fn watch(size: Option<u64>, every: Option<Period>) -> Watch {
        let every = every.map(|period| (period, Zone::Utc));
        let current = every.map(|(period, zone)| Current::at(period, zone, NOON));
        Watch { rotation: Some(Rotation { size, every }), current, asked: None }
    }

    #[test]
    fn it_is_time() {
        let now = Instant::now();
        for (size, every, len, unix, wanted) in [
            (Some(100), None, 99, NOON, false),
            (Some(100), None, 100, NOON, true),
            (Some(100), None, 99, u64::MAX, false),
            (None, Some(Period::Hour), 1, NOON + 3599, false),
            (None, Some(Period::Hour), 1, NOON + 3600, true),
            (None, Some(Period::Hour), 0, NOON + 3600, false),
            (Some(100), Some(Period::Day), 100, NOON, true),
            (Some(100), Some(Period::Day), 1, NOON + 43_200, true),
        ] {
            let got = watch(size, every).is_time(len, unix, now);
            assert_eq!(got, wanted, "{size:?} {every:?} {len} {unix}");
        }
    }

    #[test]
    fn what_was_said_is_said_again_later() {
        let now = Instant::now();
        let mut watch = watch(Some(1), None);
        assert_eq!(watch.patience(NOON), None, "only lines make it grow");
        assert!(watch.is_time(1, NOON, now) && !watch.is_time(1, NOON, now + ASK_AGAIN / 2));
        assert_eq!(watch.patience(NOON), Some(ASK_AGAIN));
        assert!(watch.is_time(1, NOON, now + ASK_AGAIN));
    }

    #[test]
    fn sleep_ends_with_the_period() {
        assert_eq!(watch(None, Some(Period::Hour)).patience(NOON + 3590), Some(Duration::from_secs(10)));
        assert_eq!(watch(None, Some(Period::Hour)).patience(NOON), Some(NAP));
        assert!(Watch::new(Some(Rotation { size: Some(1), every: None }), None).is_idle(), "no file");
    }
}
