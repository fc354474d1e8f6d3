//! How an idle shard sleeps: in its executor, until its ring or another thread has something.
//!
//! Both are waited for side by side. It would not do to let the ring watch the inbox for us and tell by its own
//! eventfd: the kernel does not signal an eventfd from within the signal of another one, but some time later, and
//! not every time.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use glommio::io::{PollState, PollableFd};
use sys::eventfd::EventFd;

use crate::inbox::Inbox;

/// The two descriptors that wake a parked shard. Each wait that has not come to its end is kept for the next time.
pub(super) struct Parking {
    /// Written by the kernel when the ring has something.
    ring: PollableFd<EventFd>,
    ring_state: PollState,
    /// Written by other threads.
    inbox: PollableFd<Bell>,
    inbox_state: PollState,
}

struct Bell(Arc<Inbox>);

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.bell()
    }
}

impl Parking {
    pub(super) fn new(ring: EventFd, inbox: &Arc<Inbox>) -> io::Result<Parking> {
        Ok(Parking {
            ring: PollableFd::new(ring).map_err(io::Error::other)?,
            ring_state: PollState::new(),
            inbox: PollableFd::new(Bell(Arc::clone(inbox))).map_err(io::Error::other)?,
            inbox_state: PollState::new(),
        })
    }

    /// Waits for either.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ring = self.ring.poll_readable(context, &mut self.ring_state);
        if ring.is_ready() {
            self.ring.get_ref().drain();
            return ring.map_err(io::Error::other);
        }
        let inbox = self.inbox.poll_readable(context, &mut self.inbox_state);
        if inbox.is_ready() {
            self.inbox.get_ref().0.hush();
        }
        inbox.map_err(io::Error::other)
    }
}
