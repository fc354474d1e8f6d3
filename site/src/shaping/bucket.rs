//! A token bucket as one number: the time at which it would be full again.

use config::Rate;

const SECOND_NS: u64 = 1_000_000_000;

/// Without a burst of its own, a rate of bytes may go ahead by what it brings in this time.
const BURST_NS: u64 = SECOND_NS / 4;
/// And by so many bytes at least.
const BURST_BYTES_MIN: u64 = 16 * 1024;

/// Bytes that are let through at a time are those of so long: short enough to look like a steady flow.
const QUANTUM_NS: u64 = SECOND_NS / 50;
/// But never fewer than these: each costs a wake-up and a system call.
const QUANTUM_MIN: u64 = 2 * 1024;
/// And never more.
const QUANTUM_MAX: u64 = 2 * 1024 * 1024;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    amount: u64,
    per_ns: u64,
    /// How long an empty bucket takes to be full.
    burst_ns: u64,
}

impl Meter {
    /// For bytes; without `burst`, those of a quarter of a second may go ahead, at least 16 KiB.
    #[must_use]
    pub fn bytes(rate: Rate, burst: Option<u64>) -> Meter {
        let meter = Meter::of(rate);
        let burst_ns = match burst {
            Some(burst) => meter.cost(burst),
            None => meter.cost(BURST_BYTES_MIN).max(BURST_NS),
        };
        Meter { burst_ns, ..meter }
    }

    /// For requests; without `burst`, those of a second may go ahead, at least one.
    #[must_use]
    pub fn requests(rate: Rate, burst: Option<u64>) -> Meter {
        let meter = Meter::of(rate);
        let burst = burst.unwrap_or_else(|| meter.worth(SECOND_NS).max(1));
        Meter { burst_ns: meter.cost(burst), ..meter }
    }

    fn of(rate: Rate) -> Meter {
        let per_ns = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX).max(1);
        Meter { amount: rate.amount.max(1), per_ns, burst_ns: 0 }
    }

    /// How long `count` take to come.
    pub(super) fn cost(self, count: u64) -> u64 {
        let total = u128::from(count) * u128::from(self.per_ns) + u128::from(self.amount / 2);
        u64::try_from(total / u128::from(self.amount)).unwrap_or(u64::MAX)
    }

    /// How many come in `time_ns`.
    fn worth(self, time_ns: u64) -> u64 {
        let total = u128::from(time_ns) * u128::from(self.amount) / u128::from(self.per_ns);
        u64::try_from(total).unwrap_or(u64::MAX)
    }

    /// How many bytes are let through at a time.
    #[must_use]
    pub fn quantum(self) -> u64 {
        self.worth(QUANTUM_NS).clamp(QUANTUM_MIN, QUANTUM_MAX)
    }
}

/// A bucket; the default one is full.
///
/// Charges are taken at once, also those that are not covered: who takes more than there is waits until the bucket has
/// earned it, and whoever comes next waits behind. So those who wait come to their turn in their order, each woken once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes `count` out.
    pub fn charge(&mut self, meter: Meter, now: u64, count: u64) {
        self.full_at = self.full_at.max(now).saturating_add(meter.cost(count));
    }

    /// Puts `count` back that were taken and not used.
    pub fn refund(&mut self, meter: Meter, count: u64) {
        self.full_at = self.full_at.saturating_sub(meter.cost(count));
    }

    /// How long it takes until all that was taken is covered, in nanoseconds.
    #[must_use]
    pub fn wait(&self, meter: Meter, now: u64) -> u64 {
        self.full_at.saturating_sub(now.saturating_add(meter.burst_ns))
    }

    /// The same, if `count` were taken now.
    #[must_use]
    pub fn wait_for(&self, meter: Meter, now: u64, count: u64) -> u64 {
        let mut then = *self;
        then.charge(meter, now, count);
        then.wait(meter, now)
    }

    /// How much can be taken now without a wait.
    #[must_use]
    pub fn room(&self, meter: Meter, now: u64) -> u64 {
        meter.worth(now.saturating_add(meter.burst_ns).saturating_sub(self.full_at.max(now)))
    }

    /// Goes over to another meter: as much is missing as before.
    pub(super) fn go_over(&mut self, now: u64, from: Option<Meter>, to: Option<Meter>) {
        let missing = from.map_or(0, |meter| meter.worth(self.deficit(now)));
        let deficit = to.map_or(0, |meter| meter.cost(missing));
        self.full_at = now.saturating_add(deficit);
    }

    /// How long it takes until it is full, in nanoseconds: what is lost when it is forgotten.
    #[must_use]
    pub fn deficit(&self, now: u64) -> u64 {
        self.full_at.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rate(amount: u64, seconds: u64) -> Rate {
        Rate { amount, per: Duration::from_secs(seconds) }
    }

    #[test]
    fn requests_are_counted_to_the_last() {
        for (amount, seconds, burst, at_once) in [
            (10, 1, None, 10),
            (10, 1, Some(3), 3),
            (30, 60, None, 1),
            (1, 3600, Some(5), 5),
            (7, 1, Some(1), 1),
        ] {
            let meter = Meter::requests(rate(amount, seconds), burst);
            let mut bucket = Bucket::default();
            let step = SECOND_NS * seconds / amount;
            // First all at once, then one whenever one is due, and none a moment earlier.
            let mut now = 1_000 * SECOND_NS;
            let mut take = |now| {
                let fits = bucket.wait_for(meter, now, 1) == 0;
                if fits {
                    bucket.charge(meter, now, 1);
                }
                fits
            };
            let passed = (0..2 * at_once).filter(|_| take(now)).count();
            assert_eq!(passed as u64, at_once, "{amount} in {seconds} s");
            for _ in 0..20 {
                assert!(!take(now + step - step / 100), "{amount} in {seconds} s");
                now += step + 1;
                assert!(take(now), "{amount} in {seconds} s");
            }
        }
    }

    #[test]
    fn whoever_waits_as_told_has_the_rate() {
        for per_second in [1_000, 1_000_000, 125_000_000, 10_000_000_000, 100_000_000_000] {
            let meter = Meter::bytes(rate(per_second, 1), None);
            let mut bucket = Bucket::default();
            let (mut now, mut sent) = (0, 0);
            while now < 10 * SECOND_NS {
                let count = meter.quantum().max(bucket.room(meter, now)).min(2 << 20);
                bucket.charge(meter, now, count);
                sent += count;
                now += bucket.wait(meter, now);
            }
            let allowed = 10 * per_second + meter.worth(meter.burst_ns);
            let error = sent.abs_diff(allowed) as f64 / allowed as f64;
            assert!(error < 0.03 || sent.abs_diff(allowed) <= QUANTUM_MAX, "{per_second}: {sent} {allowed}");
        }
    }

    #[test]
    fn those_who_wait_come_one_after_another() {
        let meter = Meter::requests(rate(10, 1), Some(1));
        let mut bucket = Bucket::default();
        let waits: Vec<u64> = (0..4)
            .map(|_| {
                bucket.charge(meter, 0, 1);
                bucket.wait(meter, 0) / 1_000_000
            })
            .collect();
        assert_eq!(waits, [0, 100, 200, 300]);
        bucket.refund(meter, 1);
        assert_eq!(bucket.wait(meter, 0), 200_000_000);
        assert_eq!(bucket.deficit(0), 300_000_000);
    }
}
