//! The face that a connection shows to the future that serves it: receive, send, wait, let others go first.

use std::future::poll_fn;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use perf::Counter;

use crate::connection::{State, Wait};
use crate::lane::ring::Density;
use crate::limits::{BACKLOG_MAX, BODY_RATE_MIN, OUTPUT_MAX, RING_SEND_MAX};
use crate::port::{Awaits, Port, Transport};
use crate::shard::Shard;
use crate::wheel::{TICKS_PER_SECOND, ticks};

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The client sends no more.
    Ended,
    /// The client took too long.
    Expired(Wait),
    /// The connection is broken.
    Broken,
}

/// Bytes to and from one client.
pub(crate) struct Stream {
    pub(crate) shard: Rc<Shard>,
    pub(crate) port: Rc<Port>,
}

impl Stream {
    /// Waits for bytes and appends them to `input`. No limit is asked about them yet.
    pub(crate) async fn receive(&self, input: &mut Vec<u8>) -> Result<(), Gone> {
        poll_fn(|_| self.poll_receive(input)).await
    }

    /// Takes what has come already; `true` if there was something.
    pub(crate) fn take_received(&self, input: &mut Vec<u8>) -> bool {
        let mut received = self.port.received.borrow_mut();
        if received.is_empty() {
            return false;
        }
        self.port.owed.set(self.port.owed.get() + received.len() as u64);
        if input.is_empty() {
            std::mem::swap(&mut *received, input);
        } else {
            input.extend_from_slice(&received);
            received.clear();
        }
        true
    }

    pub(crate) fn poll_receive(&self, input: &mut Vec<u8>) -> Poll<Result<(), Gone>> {
        let paused = BACKLOG_MAX < self.port.backlog();
        let pulls = self.port.pulls.get();
        let received = self.take_received(input);
        // Where one part was, there is more as a rule.
        let pulled = pulls && self.shard.pull(&self.port, input);
        if received || pulled {
            if paused && !pulls {
                self.shard.receive(self.port.key.get());
            }
            return Poll::Ready(Ok(()));
        }
        if let Some(gone) = self.gone() {
            return Poll::Ready(Err(gone));
        }
        if self.port.ended.get() {
            return Poll::Ready(Err(Gone::Ended));
        }
        self.shard.receive(self.port.key.get());
        self.wait(Awaits::Input)
    }

    /// Hands `out` over to be sent, all of it, and leaves it empty. Waits only while so much is under way that
    /// the client has to read first.
    pub(crate) async fn send(&self, out: &mut Vec<u8>) -> Result<(), Gone> {
        if out.is_empty() {
            return Ok(());
        }
        if self.is_sealed() {
            self.seal(out);
        }
        self.send_as_is(out).await
    }

    /// As [`Stream::send`], for what is encrypted already where that is due.
    pub(crate) async fn send_as_is(&self, out: &mut Vec<u8>) -> Result<(), Gone> {
        if self.port.shaped.get() { self.send_shaped(out).await } else { self.send_freely(out).await }
    }

    /// As [`Stream::send_as_is`], whatever the limits are.
    pub(crate) async fn send_freely(&self, out: &mut Vec<u8>) -> Result<(), Gone> {
        poll_fn(|_| self.poll_send(out)).await
    }

    /// Whether bytes pass by TLS.
    pub(crate) fn is_sealed(&self) -> bool {
        self.port.transport.get() == Transport::Sealed
    }

    /// Puts what `out` becomes by encryption in its place.
    pub(crate) fn seal(&self, out: &mut Vec<u8>) {
        let mut sealed = self.shard.buffer();
        self.shard.seal(&self.port, out, &mut sealed);
        std::mem::swap(out, &mut sealed);
        self.shard.recycle(sealed);
    }

    pub(crate) fn poll_send(&self, out: &mut Vec<u8>) -> Poll<Result<(), Gone>> {
        let deaf = self.port.deaf.get().then_some(Gone::Broken);
        if let Some(gone) = self.gone().or(deaf) {
            out.clear();
            return Poll::Ready(Err(gone));
        }
        if !self.port.sending.get() {
            let bytes = std::mem::replace(out, self.shard.buffer());
            self.shard.transmit(&self.port, bytes);
            return Poll::Ready(Ok(()));
        }
        let mut queued = self.port.queued.borrow_mut();
        if queued.is_empty() {
            std::mem::swap(&mut *queued, out);
            return Poll::Ready(Ok(()));
        }
        if queued.len() + out.len() <= OUTPUT_MAX {
            queued.append(out);
            return Poll::Ready(Ok(()));
        }
        drop(queued);
        self.shard.watch(self.port.key.get(), Wait::Write);
        self.wait(Awaits::Output)
    }

    /// As [`Stream::send`], for the head of a response whose content follows at once by another way: the kernel
    /// may wait for that, so that both leave in the same segment. Comes back when all is with the kernel.
    pub(crate) async fn send_ahead(&self, out: &mut Vec<u8>) -> Result<(), Gone> {
        if self.takes_at_once() {
            self.push_ahead(out);
        }
        self.send(out).await?;
        self.sent().await
    }

    /// Sends `out` and `data` behind it without waiting, as far as the kernel takes them and nothing is in the way, and
    /// answers how much of `data` that was: it does not have to be copied behind `out` then.
    pub(crate) fn push(&self, out: &mut Vec<u8>, data: &[u8]) -> usize {
        if !self.takes_at_once() || self.is_sealed() {
            return 0;
        }
        self.push_ahead(out);
        if !out.is_empty() || self.port.broken.get() {
            return 0;
        }
        self.shard.count(Counter::Sends);
        self.shard.send_now(&self.port, data, sys::net::send)
    }

    /// Whether nothing else is on its way, and no limit holds what is sent.
    fn takes_at_once(&self) -> bool {
        !self.port.shaped.get() && !self.port.sending.get() && self.gone().is_none()
    }

    /// Takes from `out` what the kernel takes at once ahead of what follows.
    fn push_ahead(&self, out: &mut Vec<u8>) {
        let sent = self.shard.send_now(&self.port, out, sys::net::send_more);
        out.drain(..sent);
    }

    /// Waits until everything handed over is with the kernel.
    pub(crate) async fn sent(&self) -> Result<(), Gone> {
        poll_fn(|_| {
            if let Some(gone) = self.gone() {
                return Poll::Ready(Err(gone));
            }
            if !self.port.sending.get() {
                return Poll::Ready(Ok(()));
            }
            self.shard.watch(self.port.key.get(), Wait::Write);
            self.wait(Awaits::Output)
        })
        .await
    }

    /// Waits until the socket takes bytes again, after a direct write has found it full.
    pub(crate) async fn room(&self) -> Result<(), Gone> {
        let key = self.port.key.get();
        self.port.room.set(false);
        self.shard.watch_room(key);
        self.shard.watch(key, Wait::Write);
        poll_fn(|_| {
            if let Some(gone) = self.gone() {
                return Poll::Ready(Err(gone));
            }
            if self.port.room.replace(false) { Poll::Ready(Ok(())) } else { self.wait(Awaits::Room) }
        })
        .await
    }

    /// Lets other connections go first.
    pub(crate) async fn turn(&self) {
        let mut waited = false;
        poll_fn(|_| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            self.shard.ready.borrow_mut().push_back(self.port.key.get());
            self.wait(Awaits::Turn)
        })
        .await;
    }

    /// Waits until it is this connection's turn to compress a piece: it is, as long as the pass has time left for it and
    /// nobody else waits, or this piece `continues` what was begun: one content after the other stays in the caches.
    pub(crate) async fn coding_turn(&self, continues: bool) {
        let key = self.port.key.get();
        {
            let mut coders = self.shard.coders.borrow_mut();
            if self.shard.has_time_to_code() && (continues || coders.is_empty()) {
                return;
            }
            if continues { coders.push_front(key) } else { coders.push_back(key) }
        }
        poll_fn(|_| {
            // Other news wakes it as well, and gives it no turn.
            if self.shard.coder.get() == Some(key) {
                self.shard.coder.set(None);
                return Poll::Ready(());
            }
            self.wait(Awaits::Turn)
        })
        .await;
    }

    /// Sets the deadline of what is waited for.
    pub(crate) fn watch(&self, wait: Wait) {
        self.shard.watch(self.port.key.get(), wait);
    }

    /// Sets the deadline of a body of which `received` bytes have come since the tick `begun`: `pause_max` from now,
    /// unless the body is so slow on the whole that its time is up earlier.
    pub(crate) fn watch_body(&self, pause_max: Duration, begun: u32, received: u64) {
        let shard = &self.shard;
        let patience = ticks(pause_max);
        let earned =
            u32::try_from(received / BODY_RATE_MIN).unwrap_or(u32::MAX / 8).saturating_mul(TICKS_PER_SECOND);
        let slowest = begun.saturating_add(patience).saturating_add(earned);
        let tick = slowest.min(shard.clock.tick().saturating_add(patience));
        shard.watch_until(self.port.key.get(), Wait::Body, tick);
    }

    /// Whether the connection has to end with the response that comes next.
    pub(crate) fn leaving(&self) -> bool {
        self.shard.leaving(self.port.listener.get())
    }

    pub(crate) fn gone(&self) -> Option<Gone> {
        if self.port.broken.get() {
            return Some(Gone::Broken);
        }
        self.port.expired.get().map(Gone::Expired)
    }

    pub(crate) fn wait<T>(&self, what: Awaits) -> Poll<T> {
        self.port.awaits.set(what);
        Poll::Pending
    }
}

impl Shard {
    /// Sends `bytes` on a connection that sends nothing now. Where events come densely the ring takes all small sends with its
    /// next entry; otherwise nobody is to wait for others, and where there is much to copy a system call at once is cheaper.
    /// What the socket does not take goes through the ring in any case.
    pub(crate) fn transmit(&self, port: &Port, bytes: Vec<u8>) {
        self.count(Counter::Sends);
        let together = self.density.get() != Density::Sparse && bytes.len() <= RING_SEND_MAX;
        let sent = if together { 0 } else { self.send_now(port, &bytes, sys::net::send) };
        if sent == bytes.len() || port.broken.get() || port.deaf.get() {
            return self.recycle(bytes);
        }
        let key = port.key.get();
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.state.set(State::SENDING);
        }
        port.sending.set(true);
        self.ring.borrow_mut().send(key, port.fd.get(), bytes, sent);
        self.watch(key, Wait::Write);
    }

    /// Sends what the socket takes at once; answers how much that was. A failure marks the connection.
    fn send_now(&self, port: &Port, bytes: &[u8], send: fn(RawFd, &[u8]) -> io::Result<usize>) -> usize {
        match send(port.fd.get(), bytes) {
            Ok(sent) => {
                self.count_by(port.sent_counter(), sent as u64);
                sent
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                // The receive, which is armed or fails as well, brings the news to the lane.
                port.fail_to_send();
                0
            }
        }
    }

    fn watch_room(&self, key: crate::connection::Key) {
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get(key) else { return };
        if !connection.state.has(State::POLLING) {
            connection.state.set(State::POLLING);
            self.ring.borrow_mut().writable(key, connection.fd);
        }
    }
}
