//! The time as a shard sees it: read once a pass, so that a request costs no clock call.

use proto_http::date;
use std::cell::Cell;

use crate::limits::BEAT;
use crate::wheel::{TICK, milliseconds};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_US: u64 = 1000;
const TICK_NS: u64 = milliseconds(TICK) * NS_PER_MS;
/// How often the two clocks are compared.
const COMPARISON_NS: u64 = milliseconds(BEAT) * NS_PER_MS;

/// Clock of one shard.
pub(crate) struct Clock {
    start: u64,
    now: Cell<u64>,
    tick: Cell<u32>,
    /// What the monotonic time lacks to the time since 1970, in nanoseconds, and when that was looked at.
    since_1970: Cell<u64>,
    compared: Cell<u64>,
    seconds: Cell<u64>,
    date: Cell<[u8; date::LEN]>,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let now = sys::clock::now_monotonic_ns();
        let seconds = sys::clock::now_realtime_secs();
        Clock {
            start: now,
            now: Cell::new(now),
            tick: Cell::new(0),
            since_1970: Cell::new(since_1970(now)),
            compared: Cell::new(now),
            seconds: Cell::new(seconds),
            date: Cell::new(date::format(seconds)),
        }
    }

    /// Reads the clocks; called once a pass.
    pub(crate) fn refresh(&self) {
        let now = sys::clock::now_monotonic_ns();
        self.now.set(now);
        self.tick.set(((now - self.start) / TICK_NS) as u32);
        if COMPARISON_NS <= now - self.compared.get() {
            self.since_1970.set(since_1970(now));
            self.compared.set(now);
        }
        let seconds = sys::clock::now_realtime_secs();
        if seconds != self.seconds.get() {
            self.seconds.set(seconds);
            self.date.set(date::format(seconds));
        }
    }

    /// Monotonic nanoseconds at the start of this pass.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Ticks since the shard began.
    pub(crate) fn tick(&self) -> u32 {
        self.tick.get()
    }

    /// The microseconds since 1970 at a time of the monotonic clock, in nanoseconds. Somebody who sets the clock of the
    /// system is followed within a beat.
    pub(crate) fn unix_us(&self, now: u64) -> u64 {
        now.saturating_add(self.since_1970.get()) / NS_PER_US
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        self.seconds.get()
    }

    /// The value of `Date`.
    pub(crate) fn date(&self) -> [u8; date::LEN] {
        self.date.get()
    }
}

/// What `now` lacks to the time since 1970.
fn since_1970(now: u64) -> u64 {
    sys::clock::now_realtime_ns().saturating_sub(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_1970_is_that_of_the_system() {
        let clock = Clock::new();
        let before = sys::clock::now_realtime_ns() / NS_PER_MS;
        let told = clock.unix_us(sys::clock::now_monotonic_ns()) / (NS_PER_MS / NS_PER_US);
        let after = sys::clock::now_realtime_ns() / NS_PER_MS;
        // Both clocks are not read at the same instant.
        assert!(before.abs_diff(told) <= 1 + (after - before), "{before} {told} {after}");
        assert!(clock.unix_us(u64::MAX) >= told);
    }
}
