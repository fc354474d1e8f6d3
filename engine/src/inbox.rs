//! How other threads reach a shard: a bounded queue and an eventfd that the shard's ring watches.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth::bans::BanTable;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use perf::Counter;
use site::shaping::Shaping;
use site::upstream::{Changes, SeatReport};
use sys::eventfd::EventFd;

use crate::change::Offer;
use crate::connection::Key;
use crate::error::Error;
use crate::logins::Verdict;
use crate::server::Farewell;
use crate::shaping::{Report, Used};

/// What a shard can be told.
pub(crate) enum Letter {
    /// Accept from now on.
    Open,
    /// The future that serves this connection can go on.
    Resume(Key),
    /// Accept no more, let what is under way end, then stop; at the deadline stop all the same.
    /// Answered when nothing is accepted any more.
    Drain(Duration, Farewell, Reply),
    /// Look whether connections wait at the listeners, which nobody has told us of.
    Look,
    /// These are banned from now on.
    Ban(Arc<BanTable>),
    /// This has become of the servers that requests are passed on to.
    Upstreams(Arc<Changes>),
    /// Say what is known of these servers.
    ReportUpstreams(Sender<Vec<SeatReport>>),
    /// Something has happened outside of all shards that counts.
    Count(Counter),
    /// Stop now.
    Stop,
    /// Hold this ready, in place of what was held before.
    Prepare(Box<Offer>, Reply),
    /// Serve what is held.
    Commit(Reply),
    /// Drop what is held.
    Abort,
    /// The login under this ticket is judged.
    Judged(u64, Verdict),
    /// These are the limits from now on.
    Limits(Option<Arc<Shaping>>),
    /// Who has used how much of them is to be told.
    TellLimits(Sender<Vec<Used>>),
    /// What shards have used of limits.
    Used(Arc<[Report]>),
    /// Nothing that is remembered of logins holds any more.
    ForgetLogins,
}

/// Where the answer to a letter goes. Dropped without a word when the shard is gone.
pub(crate) struct Reply {
    shard: usize,
    /// Has room for the answers of all shards.
    answers: Sender<(usize, Result<(), Error>)>,
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

/// The receiving side: a shard's own.
pub(crate) struct Letters(Receiver<Letter>);

impl Letters {
    /// The next letter, if one has come.
    pub(crate) fn next(&self) -> Option<Letter> {
        self.0.try_recv().ok()
    }
}

impl Drop for Letters {
    fn drop(&mut self) {
        // The channel would keep them as long as there are senders, and who asked would wait for an answer.
        while self.next().is_some() {}
    }
}

impl Inbox {
    /// A new inbox and the side from which its shard reads.
    pub(crate) fn new() -> std::io::Result<(Arc<Inbox>, Letters)> {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        let inbox = Inbox { sender, bell: EventFd::new()?, rung: AtomicBool::new(false) };
        Ok((Arc::new(inbox), Letters(receiver)))
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

    /// Called by the shard when the bell has woken it. Who was held up between its letter and the bell rings it when that
    /// letter has been read already, and nobody would silence it then.
    pub(crate) fn hush(&self) {
        if !self.rung.load(Ordering::Acquire) {
            self.bell.drain();
        }
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

/// Leaves a letter for each shard and waits until all have agreed.
///
/// # Errors
///
/// What the first shard says that does not agree; or that one is gone, or has not answered after `patience`.
pub(crate) fn ask<T>(
    inboxes: &[Arc<Inbox>],
    contents: impl Iterator<Item = T>,
    letter: impl Fn(T, Reply) -> Letter,
    patience: Duration,
) -> Result<(), Error> {
    let begun = Instant::now();
    let (replies, answers) = crossbeam_channel::bounded(inboxes.len());
    for (shard, (inbox, content)) in inboxes.iter().zip(contents).enumerate() {
        inbox.post(letter(content, Reply { shard, answers: replies.clone() }));
    }
    // When the shards have dropped theirs, there is no more to wait for.
    drop(replies);
    let mut silent: BTreeSet<usize> = (0..inboxes.len()).collect();
    while let Some(&shard) = silent.first() {
        match answers.recv_timeout(patience.saturating_sub(begun.elapsed())) {
            Ok((shard, answer)) => {
                answer?;
                silent.remove(&shard);
            }
            Err(RecvTimeoutError::Timeout) => return Err(Error::Late { shard }),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::ShardLost { shard }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(20);

    /// Asks one shard, which then does this with its letters.
    fn check(patience: Duration, shard: fn(Letters) -> Option<Letters>) -> Result<(), Error> {
        let (inbox, letters) = Inbox::new().expect("an inbox");
        let shard = std::thread::spawn(move || {
            while letters.0.is_empty() {
                std::thread::yield_now();
            }
            shard(letters)
        });
        let answer = ask(&[inbox], [()].into_iter(), |(), reply| Letter::Commit(reply), patience);
        assert!(shard.join().is_ok());
        answer
    }

    #[test]
    fn a_bell_that_rings_late_is_hushed_and_one_in_time_is_not() {
        let rings =
            |inbox: &Inbox| sys::poll::readable(inbox.bell.as_fd(), Some(Duration::ZERO)).expect("a poll");
        let (inbox, letters) = Inbox::new().expect("an inbox");
        inbox.post(Letter::Look);
        inbox.hush();
        assert!(rings(&inbox) && inbox.silence() && letters.next().is_some());
        // Whoever has left it comes to the bell only now.
        inbox.bell.notify();
        assert!(!inbox.silence() && rings(&inbox));
        inbox.hush();
        assert!(!rings(&inbox));
        inbox.post(Letter::Look);
        assert!(rings(&inbox) && inbox.silence() && letters.next().is_some());
    }

    #[test]
    fn every_shard_agrees_or_one_is_named() {
        let agrees = |letters: Letters| {
            if let Some(Letter::Commit(reply)) = letters.next() {
                reply.send(Ok(()));
            }
            None
        };
        assert!(check(LONG, agrees).is_ok());
        assert!(matches!(check(SHORT, Some), Err(Error::Late { shard: 0 })));
        assert!(matches!(check(LONG, |_| None), Err(Error::ShardLost { shard: 0 })));
    }
}
