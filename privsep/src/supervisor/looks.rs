//! While another process may still be told of connections, those who serve look for themselves whether any wait.
//!
//! Workers share their listening sockets with those before them, and the kernel wakes one of all who accept for each
//! connection: where that one does not take it any more, nobody does before the next connection comes. This is so
//! while a worker that is to let go has not done so, and after a sudden end: the kernel takes a ring down some time
//! after the process that it was of.

use std::time::{Duration, Instant};

use super::run::Supervisor;
use super::worker::Phase;
use crate::message::ToWorker;

/// Between two looks: the longest that a connection waits for nothing.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the ring of a worker may outlive it, by far.
const AFTERLIFE: Duration = Duration::from_secs(5);

/// When to look next, and how long that is needed.
#[derive(Debug, Default)]
pub(super) struct Looks {
    next: Option<Instant>,
    until: Option<Instant>,
}

impl Looks {
    /// A worker has ended that had not let go of its listeners.
    pub(super) fn lost(&mut self, now: Instant) {
        self.until = Some(now + AFTERLIFE);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is time, while `shared`, somebody else accepts as well.
    fn fall_due(&mut self, shared: bool, now: Instant) -> bool {
        if !shared && self.until.is_none_or(|until| until <= now) {
            *self = Self::default();
            return false;
        }
        let is_due = self.next.is_none_or(|next| next <= now);
        if is_due {
            self.next = Some(now + PAUSE);
        }
        is_due
    }
}

impl Supervisor<'_> {
    pub(super) fn look_after_listeners(&mut self, now: Instant) {
        let shared = self.workers.iter().any(|worker| worker.is_leaving() && !worker.let_go);
        if self.looks.fall_due(shared, now) {
            self.have_them_look();
        }
    }

    /// Tells those who serve that connections may wait of which nobody has told them.
    pub(super) fn have_them_look(&self) {
        for worker in self.workers.iter().filter(|worker| worker.phase == Phase::Serving) {
            // Whoever cannot be told is about to end.
            let _ = worker.link.send(&ToWorker::Look, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_go_on_while_somebody_else_accepts_and_a_while_after_a_sudden_end() {
        let begin = Instant::now();
        let mut looks = Looks::default();
        let mut seen = Vec::new();
        // In steps of 50 ms: shared for half a second, and somebody is lost after one.
        for step in 0..200 {
            let now = begin + Duration::from_millis(50) * step;
            if step == 20 {
                looks.lost(now);
            }
            if looks.fall_due(step < 10, now) {
                seen.push(step);
            }
            assert_eq!(looks.due().is_some(), step < 10 || (20..120).contains(&step), "{step}");
        }
        assert_eq!(seen[..4], [0, 5, 20, 25]);
        assert_eq!((seen.len(), seen.last()), (22, Some(&115)));
    }
}
