//! Viewers of live logs: each is a request that waits for lines. All of a shard are looked after together, by its beat,
//! and cost nothing between two of them; none costs the logger anything.

use std::collections::HashSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use perf::Counter;
use sys::broadcast::Reader;

use crate::connection::{Key, Wait};
use crate::port::Awaits;
use crate::shard::Shard;
use crate::stream::{Gone, Stream};

/// Beats after which viewers go on though nothing has come: they look then whether they still may.
const BEATS_IDLE: u32 = 5;

/// The viewers of a shard.
pub(crate) struct Viewers {
    /// What they see; none where the server has no memory for it.
    ring: Option<Arc<Reader>>,
    count: usize,
    /// Those that wait for lines.
    waiting: HashSet<Key>,
    /// What the ring had come to when they were woken last.
    head: u64,
    idle: u32,
}

impl Viewers {
    pub(crate) fn new(ring: Option<Arc<Reader>>) -> Viewers {
        Viewers { ring, count: 0, waiting: HashSet::new(), head: 0, idle: 0 }
    }

    /// Whether anybody waits for lines.
    pub(crate) fn wait(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Those who go on, as it is time to look.
    pub(crate) fn beat(&mut self) -> impl Iterator<Item = Key> {
        let head = self.ring.as_ref().map_or(0, |ring| ring.head());
        self.idle += 1;
        let wakes = head != self.head || BEATS_IDLE <= self.idle;
        if wakes {
            self.idle = 0;
            self.head = head;
        }
        wakes.then(|| self.waiting.drain()).into_iter().flatten()
    }
}

/// The place of one viewer.
pub(crate) struct Seat {
    shard: Rc<Shard>,
    key: Key,
    pub(crate) ring: Arc<Reader>,
}

impl Seat {
    /// `None` when too many are there already, or there is nothing to be seen.
    pub(crate) fn take(stream: &Stream) -> Option<Seat> {
        let shard = &stream.shard;
        let mut viewers = shard.viewers.borrow_mut();
        let ring = viewers.ring.clone();
        let ring = ring.filter(|_| viewers.count < shard.served.borrow().limits.viewers);
        let Some(ring) = ring else {
            shard.count(Counter::CometRefused);
            return None;
        };
        viewers.count += 1;
        shard.counters.set(Counter::CometViewers, viewers.count as u64);
        Some(Seat { shard: Rc::clone(shard), key: stream.port.key.get(), ring })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut viewers = self.shard.viewers.borrow_mut();
        viewers.waiting.remove(&self.key);
        viewers.count -= 1;
        self.shard.counters.set(Counter::CometViewers, viewers.count as u64);
    }
}

impl Stream {
    /// Waits until there may be more to see, or it is time to look around.
    pub(crate) async fn news(&self) -> Result<(), Gone> {
        let key = self.port.key.get();
        // Nothing is owed by either side meanwhile.
        self.shard.watch_until(key, Wait::Idle, u32::MAX);
        self.shard.viewers.borrow_mut().waiting.insert(key);
        let mut waited = false;
        poll_fn(|_| {
            if let Some(gone) = self.gone() {
                return Poll::Ready(Err(gone));
            }
            if std::mem::replace(&mut waited, true) { Poll::Ready(Ok(())) } else { self.wait(Awaits::Turn) }
        })
        .await
    }
}
