//! How connections end, one by one and all together.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;

use perf::Counter;

use crate::connection::{Connection, Deadline, Key, State, Wait};
use crate::inbox::Reply;
use crate::limits::{FIRST_REQUEST_PATIENCE, STRAGGLER_BEATS};
use crate::port::Transport;
use crate::server::Farewell;
use crate::shard::{Life, Shard};
use crate::wheel::ticks;

impl Shard {
    /// Ends a connection after its last response: we send no more, and read on until the client closes, so
    /// that no reset can overtake the response (RFC 9112 section 9.6).
    pub(super) fn linger(&self, key: Key) {
        let fd = {
            let mut connections = self.connections.borrow_mut();
            let Some(connection) = connections.get(key) else { return };
            if connection.state.has(State::ENDED) {
                drop(connections);
                return self.close(key);
            }
            connection.state.set(State::LINGERING);
            connection.fd
        };
        if self.end_sending(key, fd).is_err() {
            return self.close(key);
        }
        self.watch(key, Wait::Linger);
        self.receive(key);
    }

    /// Says that we send no more. Fails only on a connection that the other side has reset: then there is no more to wait
    /// for.
    pub(crate) fn end_sending(&self, key: Key, fd: RawFd) -> io::Result<()> {
        let farewell = self.farewell(key);
        // What the socket does not take now is not worth the wait: the other side has all that it asked for.
        if !farewell.is_empty() {
            sys::net::send(fd, &farewell)?;
        }
        sys::net::shutdown_write(fd)
    }

    /// Closes a connection as soon as the ring has let go of it.
    pub(super) fn close(&self, key: Key) {
        let (fd, busy) = {
            let mut connections = self.connections.borrow_mut();
            let Some(connection) = connections.get(key) else { return };
            let first = !connection.state.has(State::CLOSING);
            connection.state.set(State::CLOSING);
            if !first {
                drop(connections);
                return self.release(key);
            }
            (connection.fd, connection.state.busy())
        };
        if busy {
            // Ends a receive, a send and a poll alike; their last completions bring us to `release`. Not by
            // the ring: it would do it on a thread of its own, some time later, to whoever has the number then.
            let _ = sys::net::shutdown_both(fd);
        } else {
            self.release(key);
        }
    }

    /// Lets go of a connection on which nothing is under way, unless it is not closing or still served.
    pub(super) fn release(&self, key: Key) {
        let closed = {
            let mut connections = self.connections.borrow_mut();
            let Some(connection) = connections.get(key) else { return };
            let done = connection.state.has(State::CLOSING) && !connection.state.busy();
            if !done || connection.activity.is_some() {
                return;
            }
            connections.remove(key)
        };
        let Some(connection) = closed else { return };
        self.ring.borrow_mut().close(connection.fd);
        if let Some(link) = connection.link {
            link.port.fd.set(-1);
            return self.publish_links();
        }
        self.listeners.borrow_mut().leave(connection.listener);
        if !connection.state.has(State::UNNAMED) {
            self.leave_client(connection.peer.address);
            self.leave_shaped(connection.peer.address);
        }
        let by = if connection.ended_by_client {
            Counter::ConnectionsClosedByClient
        } else {
            Counter::ConnectionsClosedByUs
        };
        self.count(by);
        self.publish_open();
    }

    /// Looks at every connection whose appointment has come.
    pub(super) fn expire(self: &Rc<Self>) {
        let now = self.clock.tick();
        loop {
            let due = self.wheel.borrow_mut().due(now);
            let Some((tick, key)) = due else { break };
            self.look_at(key, tick, now);
        }
    }

    fn look_at(self: &Rc<Self>, key: Key, appointment: u32, now: u32) {
        let wait = {
            let mut connections = self.connections.borrow_mut();
            let Some(connection) = connections.get(key) else { return };
            if connection.watched != appointment {
                return;
            }
            connection.watched = u32::MAX;
            let deadline = connection.deadline;
            if now < deadline.tick {
                connection.watched = self.wheel.borrow_mut().appoint(key, deadline.tick);
                return;
            }
            deadline.wait
        };
        if let Some(counter) = counter_of(wait) {
            self.count(counter);
        }
        self.timed_out(key, wait);
    }

    fn timed_out(self: &Rc<Self>, key: Key, wait: Wait) {
        let Some(port) = self.port(key) else { return self.close(key) };
        port.expired.set(Some(wait));
        let unnamed = port.transport.get() == Transport::Unnamed;
        if unnamed || matches!(wait, Wait::Write | Wait::Handshake) {
            // Nothing more can be told to a client that does not read.
            port.broken.set(true);
            self.close(key);
        }
        self.run(key);
    }

    /// Whether anything waits for time.
    pub(super) fn needs_ticks(&self) -> bool {
        let paused = || !self.draining() && self.listeners.borrow().paused();
        !self.wheel.borrow().is_empty() || self.draining() || paused() || self.offenders.wait()
    }

    /// Accepts no more; connections close after their response, idle ones as the farewell says. Whoever drains
    /// already can be told to be quicker about it.
    pub(super) fn begin_drain(self: &Rc<Self>, deadline: u32, farewell: Farewell, reply: Reply) {
        match self.life.get() {
            Life::Serving => {
                // From here on `swap` answers that it comes too late.
                self.held.take();
                match farewell {
                    Farewell::AtOnce => self.straggler_beats.set(STRAGGLER_BEATS),
                    Farewell::OnceMore => self.end_accepts(),
                }
                self.leave_servers(|_| false);
            }
            Life::Draining(_, Farewell::OnceMore) => {}
            Life::Draining(_, Farewell::AtOnce) | Life::Stopped => return,
        }
        self.life.set(Life::Draining(deadline, farewell));
        self.let_go.replace(Some(reply));
        // Requests that limits hold back are served now: nobody is to wait for them.
        self.ready.borrow_mut().extend(self.pacing.borrow_mut().release());
        self.tell_let_go();
        if farewell == Farewell::AtOnce {
            // Who has just come is about to ask: nobody has told them yet that the server ends.
            let fresh = self
                .connections
                .borrow()
                .keys_of(|connection| connection.requests == 0 && connection.activity.is_none());
            fresh.into_iter().for_each(|key| self.hurry(key));
            self.dismiss_idle(|connection| 0 < connection.requests);
        }
        self.end_drain();
    }

    /// Whether those are still accepted who had come before the shard was told to drain.
    pub(super) fn awaits_stragglers(&self) -> bool {
        self.straggler_beats.get() > 0
    }

    /// A beat of the time is over in which they are.
    pub(super) fn end_straggler_beat(self: &Rc<Self>) {
        match self.straggler_beats.get() {
            0 => {}
            1 => {
                self.straggler_beats.set(0);
                self.end_accepts();
                self.tell_let_go();
                self.end_drain();
            }
            left => {
                self.straggler_beats.set(left - 1);
                // There may be descriptors again for one that had to pause.
                self.accept();
            }
        }
    }

    /// Has every accept end, and its socket be closed then: whoever comes is another one's, or refused.
    fn end_accepts(&self) {
        for slot in self.listeners.borrow().armed() {
            self.ring.borrow_mut().cancel_accept(slot);
        }
        self.listeners.borrow_mut().end();
    }

    /// Tells whoever waits for it that nothing is accepted any more, as soon as that is so.
    pub(super) fn tell_let_go(&self) {
        if self.draining() && !self.may_accept() {
            self.let_go.take().into_iter().for_each(|reply| reply.send(Ok(())));
        }
    }

    /// Gives a connection that has asked nothing yet a moment for it, while nothing is under way on it.
    pub(super) fn hurry(&self, key: Key) {
        let soon = self.clock.tick().saturating_add(ticks(FIRST_REQUEST_PATIENCE));
        let deadline = self.connections.borrow_mut().get(key).map(|connection| connection.deadline);
        if let Some(Deadline { tick, wait: wait @ (Wait::Idle | Wait::Handshake | Wait::Header) }) = deadline
            && soon < tick
        {
            self.watch_until(key, wait, soon);
        }
    }

    /// Whether somebody may still come.
    fn may_accept(&self) -> bool {
        self.awaits_stragglers() || self.listeners.borrow().accepting()
    }

    /// Ends those idle connections that are meant.
    pub(super) fn dismiss_idle(&self, meant: impl Fn(&Connection) -> bool) {
        let idle = |connection: &Connection| {
            let ending = connection.state.has(State::LINGERING) || connection.state.has(State::CLOSING);
            connection.activity.is_none() && !ending && meant(connection)
        };
        let keys = self.connections.borrow().keys_of(idle);
        for key in keys {
            self.linger(key);
        }
    }

    /// Stops when the last connection has gone or the deadline has passed.
    pub(super) fn end_drain(self: &Rc<Self>) {
        let Life::Draining(deadline, _) = self.life.get() else { return };
        let left = self.connections.borrow().len();
        if left == 0 && !self.may_accept() {
            self.life.set(Life::Stopped);
        } else if deadline <= self.clock.tick() {
            self.count_by(Counter::TimeoutsDrain, left as u64);
            self.stop();
        }
    }

    /// Ends everything where it stands.
    pub(super) fn stop(self: &Rc<Self>) {
        let keys = self.connections.borrow().keys();
        for key in keys {
            self.abandon(key);
        }
        self.abandon_links();
        self.life.set(Life::Stopped);
    }

    /// Counts a connection, and the request on it, as ended by us; the process's end closes the socket.
    fn abandon(self: &Rc<Self>, key: Key) {
        let activity = self.connections.borrow_mut().get(key).and_then(|c| c.activity);
        if activity.is_some_and(|id| self.activities.borrow().running(id)) {
            let port = activity.and_then(|id| self.activities.borrow().port(id).cloned());
            if let Some(port) = port {
                port.broken.set(true);
                self.run(key);
            }
        }
        if let Some(connection) = self.connections.borrow_mut().remove(key) {
            let _ = sys::net::shutdown_both(connection.fd);
            self.listeners.borrow_mut().leave(connection.listener);
            self.count(Counter::ConnectionsClosedByUs);
        }
        self.publish_open();
    }
}

/// What counts that the time for something has passed; nothing for what is an end in good order.
fn counter_of(wait: Wait) -> Option<Counter> {
    Some(match wait {
        Wait::Idle | Wait::Linger => Counter::TimeoutsIdle,
        Wait::Handshake => Counter::TimeoutsHandshake,
        Wait::Header => Counter::TimeoutsHeader,
        Wait::Body => Counter::TimeoutsBody,
        Wait::Login => Counter::LoginsUnavailable,
        Wait::Log => Counter::RequestsRefusedLog,
        Wait::Write | Wait::Pace => Counter::TimeoutsWrite,
        Wait::Connect => Counter::TimeoutsUpstreamConnect,
        Wait::Request => Counter::TimeoutsUpstreamSend,
        Wait::Response => Counter::TimeoutsUpstreamResponse,
        Wait::Spare => return None,
    })
}
