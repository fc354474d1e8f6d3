//! Those who wait for their limits: by the time at which they can go on, looked at every few milliseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::connection::{Connections, Key, Wait};
use crate::limits::{PACE_MAX, PACE_MIN};
use crate::port::Awaits;
use crate::stream::{Gone, Stream};

use super::passing::Toll;

/// When somebody who waits can go on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// Monotonic nanoseconds.
    due: u64,
    key: u64,
}

/// Who waits.
#[derive(Default)]
pub(crate) struct Pacing {
    turns: BinaryHeap<Reverse<Turn>>,
    /// How often all were let go.
    released: u64,
}

/// Places in the heap beyond those that connections can need.
const SPARE: usize = 1024;

impl Pacing {
    /// Notes when a connection can go on.
    fn wait(&mut self, key: Key, due: u64, connections: &mut Connections) {
        // Those of connections that have ended meanwhile are in the way until their time.
        if 2 * connections.len() + SPARE < self.turns.len() {
            self.turns.retain(|Reverse(turn)| connections.get(Key::from_bits(turn.key)).is_some());
        }
        self.turns.push(Reverse(Turn { due, key: key.bits() }));
    }

    /// How long until somebody can go on; none when nobody waits.
    pub(crate) fn next(&self, now: u64) -> Option<Duration> {
        let Reverse(first) = self.turns.peek()?;
        // Somebody may come whose time is up earlier.
        Some(Duration::from_nanos(first.due.saturating_sub(now)).clamp(PACE_MIN, PACE_MAX))
    }

    /// Takes somebody who can go on.
    pub(crate) fn due(&mut self, now: u64) -> Option<Key> {
        self.turns.peek().filter(|Reverse(turn)| turn.due <= now)?;
        self.turns.pop().map(|Reverse(turn)| Key::from_bits(turn.key))
    }

    /// Takes all: what they wait for has changed.
    pub(crate) fn release(&mut self) -> Vec<Key> {
        self.released += 1;
        self.turns.drain().map(|Reverse(turn)| Key::from_bits(turn.key)).collect()
    }
}

/// What ends a wait before its time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Nothing but the end of the connection, and other limits.
    Alone,
    /// Also that the client sends no more, and that the server drains: nothing has been done for the request.
    Request,
    /// Also what the wait for bytes of a client ends with: that it has ended with bytes still due, or that the server drains.
    Toll(Toll),
}

impl Ends {
    /// Whether nothing has been done yet for who waits, so that a server that drains has it go on.
    fn with_drain(self) -> bool {
        matches!(self, Ends::Request | Ends::Toll(Toll::Begun))
    }
}

impl Stream {
    /// Holds a request back.
    pub(super) async fn delay(&self, wait: u64) -> Result<(), Gone> {
        self.hold(wait, Ends::Request).await
    }

    /// Waits until bytes may pass.
    pub(super) async fn pace(&self, wait: u64) -> Result<(), Gone> {
        self.hold(wait, Ends::Alone).await
    }

    /// Waits until bytes that have come may pass.
    pub(super) async fn wait_for_toll(&self, wait: u64, toll: Toll) -> Result<(), Gone> {
        self.hold(wait, Ends::Toll(toll)).await
    }

    async fn hold(&self, wait: u64, ends: Ends) -> Result<(), Gone> {
        let shard = &self.shard;
        let key = self.port.key.get();
        let due = shard.clock.now().saturating_add(wait);
        let released = shard.pacing.borrow().released;
        shard.pacing.borrow_mut().wait(key, due, &mut shard.connections.borrow_mut());
        self.watch(Wait::Pace);
        let ended = poll_fn(|_| {
            let over = due <= shard.clock.now() || shard.pacing.borrow().released != released;
            match self.gone() {
                Some(gone) => Poll::Ready(Err(gone)),
                None if ends == Ends::Request && self.port.ended.get() => Poll::Ready(Err(Gone::Ended)),
                None if over || ends.with_drain() && self.leaving() => Poll::Ready(Ok(())),
                None if matches!(ends, Ends::Toll(Toll::Due(due)) if self.has_stopped(due)) => {
                    Poll::Ready(Err(Gone::Ended))
                }
                None => self.wait(Awaits::Turn),
            }
        })
        .await;
        self.watch(Wait::Write);
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_the_order_of_their_times() {
        let (mut pacing, mut connections) = (Pacing::default(), Connections::new());
        assert_eq!(pacing.next(0), None);
        for (bits, due) in [(1, 30_000_000), (2, 10_000_000), (3, 20_000_000)] {
            pacing.wait(Key::from_bits(bits), due, &mut connections);
        }
        assert_eq!(pacing.next(0), Some(PACE_MAX));
        assert_eq!(pacing.next(9_999_999), Some(PACE_MIN));
        let mut taken = |now| std::iter::from_fn(|| pacing.due(now)).map(Key::bits).collect::<Vec<_>>();
        assert_eq!((taken(9_999_999), taken(20_000_000)), (vec![], vec![2, 3]));
        assert_eq!(pacing.release().len(), 1);
    }

    #[test]
    fn who_has_left_does_not_pile_up() {
        let (mut pacing, mut connections) = (Pacing::default(), Connections::new());
        for bits in 0..10 * SPARE as u64 {
            pacing.wait(Key::from_bits(bits), bits, &mut connections);
        }
        assert!(pacing.turns.len() <= SPARE + 2);
    }
}
