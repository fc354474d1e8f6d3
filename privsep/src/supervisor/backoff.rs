//! When to start a process again that ended by itself.

use std::time::Duration;

/// First pause after the second failure in a row; each further one doubles it.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const LAST: Duration = Duration::from_secs(10);
/// Who has run for so long has recovered.
const STEADY: Duration = Duration::from_secs(30);

/// The pauses of one process.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait, after it ran for `ran`. The first failure after a steady time costs no pause: whoever waits
    /// for an answer is served as soon as can be.
    pub(crate) fn pause(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY {
            self.failures = 0;
        }
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => FIRST.saturating_mul(1 << (failures - 1).min(16)).min(LAST),
        };
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_forgotten() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<u128> = (0..10).map(|_| backoff.pause(short).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.pause(STEADY), Duration::ZERO);
        assert_eq!(backoff.pause(short), FIRST);
    }
}
