//! The time as a shard sees it: read once a pass, so that a request costs no clock call.

use std::cell::Cell;
use std::time::Duration;

use proto_http::date;

use crate::wheel::TICK;

/// Clock of one shard.
pub(crate) struct Clock {
    start: u64,
    now: Cell<u64>,
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
            seconds: Cell::new(seconds),
            date: Cell::new(date::format(seconds)),
        }
    }

    /// Reads the clocks; called once a pass.
    pub(crate) fn refresh(&self) {
        self.now.set(sys::clock::now_monotonic_ns());
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
        let since = Duration::from_nanos(self.now.get() - self.start);
        (since.as_millis() / TICK.as_millis()) as u32
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
