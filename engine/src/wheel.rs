//! The coarse timer wheel: one for all connections of a shard.
//!
//! A deadline that moves later costs nothing: the wheel keeps the earlier appointment, looks, and makes a new
//! one. So a busy keep-alive connection touches the wheel about once per timeout, not once per request.

use std::time::Duration;

use crate::connection::Key;

/// Resolution of all deadlines. Deadlines are rounded up, so a client gets its whole time.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// How many ticks a second has.
pub(crate) const TICKS_PER_SECOND: u32 = (1000 / TICK.as_millis()) as u32;

/// Slots; longer deadlines are looked at once a turn of the wheel (128 s).
const SLOTS: u32 = 512;

/// `duration` in ticks, rounded up, and one more for the part of a tick that has already passed.
pub(crate) fn ticks(duration: Duration) -> u32 {
    let ticks = duration.as_millis().div_ceil(TICK.as_millis()) + 1;
    u32::try_from(ticks).unwrap_or(u32::MAX / 2)
}

/// Appointments with connections, by tick.
pub(crate) struct Wheel {
    slots: Vec<Vec<Key>>,
    /// The next tick to look at.
    next: u32,
    appointments: usize,
}

impl Wheel {
    pub(crate) fn new(now: u32) -> Wheel {
        Wheel { slots: vec![Vec::new(); SLOTS as usize], next: now, appointments: 0 }
    }

    /// Makes an appointment; answers the tick at which it will be, which is `tick` or earlier.
    pub(crate) fn appoint(&mut self, key: Key, tick: u32) -> u32 {
        let tick = tick.clamp(self.next, self.next + SLOTS - 1);
        self.slots[(tick % SLOTS) as usize].push(key);
        self.appointments += 1;
        tick
    }

    /// Takes the appointments of the next due tick up to `now`; `None` when all are taken.
    /// The emptied list should come back by [`Wheel::reuse`].
    pub(crate) fn due(&mut self, now: u32) -> Option<(u32, Vec<Key>)> {
        if self.next > now {
            return None;
        }
        let tick = self.next;
        self.next += 1;
        let keys = std::mem::take(&mut self.slots[(tick % SLOTS) as usize]);
        self.appointments -= keys.len();
        Some((tick, keys))
    }

    /// Gives an emptied list back, so that a steady load allocates nothing. Large ones are let go.
    pub(crate) fn reuse(&mut self, tick: u32, mut keys: Vec<Key>) {
        let slot = &mut self.slots[(tick % SLOTS) as usize];
        if slot.capacity() == 0 && keys.capacity() <= 64 {
            keys.clear();
            *slot = keys;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.appointments == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appointments_come_in_order_and_once() {
        let mut wheel = Wheel::new(10);
        let key = Key::from_bits;
        assert_eq!(wheel.appoint(key(1), 12), 12);
        assert_eq!(wheel.appoint(key(2), 11), 11);
        assert_eq!(wheel.appoint(key(3), 5), 10, "the past is now");
        assert_eq!(wheel.appoint(key(4), 100_000), 10 + SLOTS - 1, "the far future is looked at earlier");
        let mut seen = Vec::new();
        while let Some((tick, keys)) = wheel.due(12) {
            seen.extend(keys.iter().map(|k| (tick, k.bits())));
            wheel.reuse(tick, keys);
        }
        assert_eq!(seen, [(10, 3), (11, 2), (12, 1)]);
        assert!(!wheel.is_empty());
        assert_eq!(wheel.due(10 + SLOTS - 2).map(|(tick, _)| tick), Some(13));
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(ticks(Duration::from_millis(250)), 2);
        assert_eq!(ticks(Duration::from_millis(251)), 3);
    }
}
