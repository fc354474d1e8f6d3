//! Passive ejection: a server that fails gets no requests for a while.

use std::collections::VecDeque;

use config::Eject;

use super::nanos;

/// How a server has failed lately. Times are monotonic, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Times of the last failures; as many as eject, at most.
    failures: VecDeque<u64>,
    /// Until when it is out; 0 when it never was.
    until: u64,
    /// How often it was put out in a row.
    times: u32,
}

impl Record {
    /// Whether it is out.
    pub(super) fn is_out(&self, now: u64) -> bool {
        now < self.until
    }

    /// When it came back, if it has been out.
    pub(super) fn back_since(&self, now: u64) -> Option<u64> {
        (self.until != 0 && self.until <= now).then_some(self.until)
    }

    /// A failure. Gives for how long the server is out, if that is why.
    pub(super) fn fail(&mut self, rule: &Eject, now: u64) -> Option<u64> {
        let needed = rule.failures?.get() as usize;
        // What was under way when it was put out says nothing new.
        if self.is_out(now) {
            return None;
        }
        if self.is_forgiven(rule, now) {
            self.times = 0;
        }
        let oldest = now.saturating_sub(nanos(rule.window));
        while self.failures.front().is_some_and(|time| *time < oldest) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        // One that is just back is not given as many chances again.
        let on_trial = self.times != 0 && now < self.until.saturating_add(nanos(rule.window));
        if self.failures.len() < needed && !on_trial {
            return None;
        }
        let longest = nanos(rule.duration_max).max(nanos(rule.duration));
        let grown = nanos(rule.duration).saturating_mul(1_u64.checked_shl(self.times).unwrap_or(u64::MAX));
        let duration = grown.min(longest);
        self.times = self.times.saturating_add(1);
        self.until = now.saturating_add(duration);
        self.failures.clear();
        Some(duration)
    }

    /// Whether it has been back for long enough that the next time is like the first one.
    fn is_forgiven(&self, rule: &Eject, now: u64) -> bool {
        self.until.saturating_add(nanos(rule.duration_max)) <= now
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    /// Plays failures at these seconds; gives for how many seconds each of them puts the server out.
    fn check(failures: u32, seconds: &[(u64, u64)]) {
        let second = Duration::from_secs(1);
        let rule = Eject {
            failures: NonZeroU32::new(failures),
            window: second * 10,
            duration: second * 5,
            duration_max: second * 30,
            panic: 0,
        };
        let mut record = Record::default();
        for (at, wanted) in seconds {
            let now = nanos(second) * at;
            let found = record.fail(&rule, now).unwrap_or_default();
            assert_eq!(found, nanos(second) * wanted, "{failures} failures, at {at} s of {seconds:?}");
            assert_eq!(record.is_out(now), *wanted != 0);
            if *wanted != 0 {
                assert_eq!(record.back_since(now + found), Some(now + found));
            }
        }
    }

    #[test]
    fn failures_within_the_window_put_a_server_out_for_a_growing_time() {
        check(0, &[(1, 0), (1, 0), (1, 0)]);
        check(1, &[(1, 5)]);
        // The third one within ten seconds.
        check(3, &[(1, 0), (2, 0), (3, 5)]);
        check(3, &[(1, 0), (10, 0), (12, 0), (19, 5)]);
        // Just back at 8, the first failure is enough, and it is out for twice as long each time, up to 30 seconds.
        check(3, &[(1, 0), (2, 0), (3, 5), (9, 10), (20, 20), (41, 30), (72, 30)]);
        // Back at 8 and well for the window, it has three chances again, but is out for longer.
        check(3, &[(1, 0), (2, 0), (3, 5), (20, 0), (21, 0), (22, 10)]);
        // Well for half a minute, all is forgotten.
        check(3, &[(1, 0), (2, 0), (3, 5), (40, 0), (41, 0), (42, 5)]);
    }

    #[test]
    fn what_fails_while_it_is_out_changes_nothing() {
        let rule = Eject {
            failures: NonZeroU32::new(1),
            window: Duration::from_secs(10),
            duration: Duration::from_secs(5),
            duration_max: Duration::from_secs(30),
            panic: 0,
        };
        let mut record = Record::default();
        assert_eq!(record.fail(&rule, 1), Some(5_000_000_000));
        assert_eq!(record.fail(&rule, 2), None);
        assert_eq!(record.back_since(2), None);
        assert!(!record.is_out(5_000_000_001));
    }
}
