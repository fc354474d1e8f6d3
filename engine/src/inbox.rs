//! How other threads reach a shard: a bounded queue and an eventfd that the shard's ring watches.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use sys::eventfd::EventFd;

use crate::change::Offer;
use crate::connection::Key;
use crate::error::Error;

/// What a shard can be told.
pub(crate) enum Letter {
    /// The future that serves this connection can go on.
    Resume(Key),
    /// Accept no more, let what is under way end, then stop; at the deadline stop all the same.
    Drain(Duration),
    /// Stop now.
    Stop,
    /// Hold this ready, in place of what was held before.
    Prepare(Box<Offer>, Reply),
    /// Serve what is held.
    Commit(Reply),
    /// Drop what is held.
    Abort,
}

/// Where the answer to a letter goes. Dropped without a word when the shard is gone.
pub(crate) struct Reply {
    pub(crate) shard: usize,
    /// Has room for the answers of all shards.
    pub(crate) answers: Sender<(usize, Result<(), Error>)>,
}

impl Reply {
    pub(crate) fn send(self, answer: Result<(), Error>) {
        // Who asked may have lost patience.
        let _ = self.answers.try_send((self.shard, answer));
    }
}

/// Letters that may wait. Only job results and commands come this way, and the job pool takes fewer at a time.
const CAPACITY: usize = 16 * 1024;

/// The sending side of a shard's mail; shared by all threads.
pub(crate) struct Inbox {
    sender: Sender<Letter>,
    bell: EventFd,
    rung: AtomicBool,
}

impl Inbox {
    /// A new inbox and the side from which its shard reads.
    pub(crate) fn new() -> std::io::Result<(Arc<Inbox>, Receiver<Letter>)> {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        let inbox = Inbox { sender, bell: EventFd::new()?, rung: AtomicBool::new(false) };
        Ok((Arc::new(inbox), receiver))
    }

    /// Leaves a letter; waits for room if the shard is that far behind. Never called on a shard's own thread.
    pub(crate) fn post(&self, letter: Letter) {
        match self.sender.try_send(letter) {
            Ok(()) => {}
            Err(TrySendError::Full(letter)) => {
                self.ring();
                // A shard that is gone reads no mail: nothing is lost then.
                let _ = self.sender.send(letter);
            }
            Err(TrySendError::Disconnected(_)) => return,
        }
        self.ring();
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.bell.notify();
        }
    }

    /// The eventfd that the shard watches.
    pub(crate) fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// Called by the shard before it reads its letters, so that a later one rings again; `false` if none came.
    pub(crate) fn silence(&self) -> bool {
        if !self.rung.load(Ordering::Acquire) {
            return false;
        }
        self.bell.drain();
        self.rung.store(false, Ordering::Release);
        true
    }
}
