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
    let ticks = milliseconds(duration).div_ceil(milliseconds(TICK)) + 1;
    u32::try_from(ticks).unwrap_or(u32::MAX / 2)
}

/// Whole milliseconds, in a number that is quick to divide.
pub(crate) const fn milliseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis() as u64)
}

/// The end of a list of appointments.
const NONE: u32 = u32::MAX;

/// Appointments with connections, by tick. All of them lie in one table, chained by slot, so that a server
/// that has seen its peak allocates nothing, whichever slots its deadlines fall into.
pub(crate) struct Wheel {
    /// The first appointment of each slot.
    slots: Box<[u32]>,
    appointments: Vec<Appointment>,
    /// The first unused place in `appointments`.
    unused: u32,
    /// The next tick to look at.
    next: u32,
    /// What is left of the tick before it.
    due: u32,
    count: usize,
}

struct Appointment {
    key: Key,
    /// The next one of the slot, or the next unused place.
    next: u32,
}

impl Wheel {
    pub(crate) fn new(now: u32) -> Wheel {
        let slots = vec![NONE; SLOTS as usize].into_boxed_slice();
        Wheel { slots, appointments: Vec::new(), unused: NONE, next: now, due: NONE, count: 0 }
    }

    /// Makes an appointment; answers the tick at which it will be, which is `tick` or earlier.
    pub(crate) fn appoint(&mut self, key: Key, tick: u32) -> u32 {
        let tick = tick.clamp(self.next, self.next + SLOTS - 1);
        let first = &mut self.slots[(tick % SLOTS) as usize];
        let appointment = Appointment { key, next: *first };
        if self.unused == NONE {
            *first = self.appointments.len() as u32;
            self.appointments.push(appointment);
        } else {
            *first = self.unused;
            let place = &mut self.appointments[*first as usize];
            self.unused = place.next;
            *place = appointment;
        }
        self.count += 1;
        tick
    }

    /// Takes the next appointment of the ticks up to `now`, with its tick; `None` when all are taken.
    pub(crate) fn due(&mut self, now: u32) -> Option<(u32, Key)> {
        while self.due == NONE {
            if self.next > now {
                return None;
            }
            self.due = std::mem::replace(&mut self.slots[(self.next % SLOTS) as usize], NONE);
            self.next += 1;
        }
        let taken = self.due;
        let Appointment { key, next } = &mut self.appointments[taken as usize];
        self.due = std::mem::replace(next, self.unused);
        self.unused = taken;
        self.count -= 1;
        Some((self.next - 1, *key))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
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
        let mut taken = |now| {
            let mut seen = Vec::new();
            while let Some((tick, key)) = wheel.due(now) {
                seen.push((tick, key.bits()));
            }
            seen
        };
        assert_eq!(taken(12), [(10, 3), (11, 2), (12, 1)]);
        assert_eq!(taken(10 + SLOTS - 2), []);
        assert_eq!(taken(10 + SLOTS - 1), [(10 + SLOTS - 1, 4)]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn places_are_used_again() {
        let mut wheel = Wheel::new(0);
        for tick in 0..3 * SLOTS {
            for bits in 0..3 {
                wheel.appoint(Key::from_bits(bits), tick + 7);
            }
            while wheel.due(tick).is_some() {}
        }
        assert_eq!(wheel.appointments.len(), 3 * 8);
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(ticks(Duration::from_millis(250)), 2);
        assert_eq!(ticks(Duration::from_millis(251)), 3);
    }
}
