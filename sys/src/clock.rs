//! Clocks: one that only ever moves forward, for timers, and the time of day, for dates and logs.

/// `CLOCK_MONOTONIC` in nanoseconds since an arbitrary point (on Linux: boot). Never goes back.
pub fn now_monotonic_ns() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds since the Unix epoch from `CLOCK_REALTIME_COARSE`: at most one timer tick (1 to 10 ms) late,
/// and cheaper than the exact clock. A clock set before 1970 reads as 0.
pub fn now_realtime_secs() -> u64 {
    u64::try_from(read(libc::CLOCK_REALTIME_COARSE).tv_sec).unwrap_or(0)
}

/// Nanoseconds since the Unix epoch from the exact `CLOCK_REALTIME`. A clock set before 1970 reads as 0.
pub fn now_realtime_ns() -> u64 {
    let time = read(libc::CLOCK_REALTIME);
    u64::try_from(time.tv_sec)
        .map_or(0, |secs| secs.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
}

/// The same in milliseconds.
pub fn now_realtime_ms() -> u64 {
    now_realtime_ns() / 1_000_000
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to, and it outlives the call.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    // It can only fail for an unknown clock or a bad pointer, and the clocks above exist in every Linux.
    debug_assert_eq!(result, 0, "clock_gettime({clock}) failed");
    time
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn monotonic_never_goes_back() {
        let mut last = now_monotonic_ns();
        for _ in 0..10_000 {
            let now = now_monotonic_ns();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn time_of_day_agrees_with_the_standard_library() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let exact = now_realtime_ms();
        let coarse = now_realtime_secs();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        assert!((before..=after).contains(&exact));
        assert!((before / 1_000 - 1..=after / 1_000).contains(&coarse));
    }
}
