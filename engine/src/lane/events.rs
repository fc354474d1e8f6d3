//! What the completions of a connection's operations do to it.

use std::rc::Rc;

use perf::Counter;

use crate::connection::{Connection, Key, State, Wait};
use crate::limits::{BACKLOG_MAX, LINGER_BYTES_MAX};
use crate::port::{Port, Side, Transport};
use crate::serve::End;
use crate::shard::Shard;

use super::ring::{Event, Filled, HangUp};

impl Shard {
    /// Applies one event of the ring.
    pub(super) fn apply(self: &Rc<Self>, event: Event) {
        match event {
            Event::Accepted { listener, result, more } => {
                self.accepted(listener, result, more);
                self.end_drain();
            }
            Event::Received { key, result, more } => self.received(key, result, more),
            Event::Sent { key, result, buffer } => self.sent(key, result, buffer),
            Event::Writable { key } => self.writable(key),
            Event::HungUp { key, how } => self.hung_up(key, how),
            Event::Woken { .. } | Event::Tick | Event::Beat | Event::Pace => {
                unreachable!("the lane keeps these to itself")
            }
        }
    }

    fn received(self: &Rc<Self>, key: Key, result: Result<Option<Filled>, i32>, more: bool) {
        if !more && let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.state.clear(State::RECEIVING);
            connection.state.clear(State::PAUSING);
        }
        match result {
            Ok(Some(filled)) => {
                self.take_in(key, filled);
                if !more {
                    self.receive_again(key);
                }
            }
            Ok(None) => self.client_ended(key),
            // Taken up again once buffers are back; see `feed_starved`.
            Err(libc::ENOBUFS) => {
                self.count(Counter::ReceiveBuffersExhausted);
                self.starved.borrow_mut().push(key);
            }
            // Paused for backlog, or the socket was non-blocking for a moment: whoever reads takes it up again.
            Err(libc::ECANCELED | libc::EAGAIN | libc::EINTR) => {
                self.receive_again(key);
                // All that the ring has taken is there now: who is held back may see that no more can come.
                if self.port(key).is_some_and(|port| port.hung_up.get()) {
                    self.run(key);
                }
            }
            Err(_) => self.broken(key),
        }
        self.release(key);
    }

    /// Bytes have come.
    fn take_in(self: &Rc<Self>, key: Key, filled: Filled) {
        let kept = self.keep(key, filled);
        self.ring.borrow_mut().give_back(filled);
        if kept {
            self.run(key);
        }
    }

    /// Puts bytes where the serving future finds them; `false` if nobody wants them.
    fn keep(self: &Rc<Self>, key: Key, filled: Filled) -> bool {
        let Some(port) = self.port_for(key, filled) else {
            self.count_by(Counter::BytesReceived, filled.len() as u64);
            return false;
        };
        self.count_by(port.received_counter(), filled.len() as u64);
        match port.transport.get() {
            Transport::Plain => {
                port.received.borrow_mut().extend_from_slice(self.ring.borrow().bytes(filled));
            }
            Transport::Unnamed => {
                port.received.borrow_mut().extend_from_slice(self.ring.borrow().bytes(filled));
                self.hear_proxy(key, &port);
            }
            Transport::Handshake | Transport::Sealed if port.side == Side::Server => {
                self.take_outward(key, &port, filled);
            }
            Transport::Handshake => {
                port.received.borrow_mut().extend_from_slice(self.ring.borrow().bytes(filled));
                self.shake_hands_later(key, &port);
            }
            Transport::Sealed => self.take_sealed(key, &port, filled),
        }
        if BACKLOG_MAX < port.backlog() {
            self.pause(key);
        }
        true
    }

    /// The port of a connection, with a future behind it; `None` when the connection is on its way out.
    fn port_for(self: &Rc<Self>, key: Key, filled: Filled) -> Option<Rc<Port>> {
        let mut connections = self.connections.borrow_mut();
        let connection = connections.get(key)?;
        if connection.state.has(State::CLOSING) {
            return None;
        }
        if connection.state.has(State::LINGERING) {
            connection.discarded = connection.discarded.saturating_add(filled.len() as u32);
            if LINGER_BYTES_MAX < connection.discarded {
                // Who has a full window before it would try again and again to send the rest, to nobody. Fails only
                // on a connection that the client has reset.
                let _ = sys::net::reset_on_close(connection.fd);
                drop(connections);
                self.close(key);
            }
            return None;
        }
        if let Some(link) = &connection.link {
            return Some(Rc::clone(&link.port));
        }
        let mut activities = self.activities.borrow_mut();
        match connection.activity {
            Some(id) => activities.port(id).cloned(),
            None => {
                let (id, port) = activities.begin();
                connection.activity = Some(id);
                port.assign(key, connection);
                Some(port)
            }
        }
    }

    /// Receives no more until somebody asks for it.
    pub(crate) fn pause(&self, key: Key) {
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get(key) else { return };
        let state = &mut connection.state;
        if state.has(State::RECEIVING) && !state.has(State::PAUSING) {
            state.set(State::PAUSING);
            self.ring.borrow_mut().cancel_receive(key);
        }
    }

    /// Sees whether the other side goes while nothing is received from it.
    pub(crate) fn watch_for_end(&self, key: Key) {
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get(key) else { return };
        let state = &mut connection.state;
        if !state.has(State::WATCHING) && !state.has(State::CLOSING) {
            state.set(State::WATCHING);
            self.ring.borrow_mut().hang_up(key, connection.fd);
        }
    }

    /// The other side has gone. Who receives hears of it that way.
    fn hung_up(self: &Rc<Self>, key: Key, how: Option<HangUp>) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.state.clear(State::WATCHING);
        }
        if let (Some(port), Some(how)) = (self.port(key), how)
            && port.held.get()
        {
            port.hung_up.set(true);
            match how {
                HangUp::Ended => self.run(key),
                HangUp::Broken => self.broken(key),
            }
        }
        self.release(key);
    }

    /// Whether the ring may still bring something.
    pub(crate) fn is_receiving(&self, key: Key) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.get(key).is_some_and(|connection| connection.state.has(State::RECEIVING))
    }

    /// Receives on, unless what has come is enough for now.
    fn receive_on(&self, key: Key) {
        let wants = |port: Rc<Port>| port.backlog() <= BACKLOG_MAX && !port.held.get();
        if self.port(key).is_none_or(wants) {
            self.receive(key);
        }
    }

    /// A receive has ended without news: it goes on, or whoever pulls sees to that by itself.
    fn receive_again(&self, key: Key) {
        let link = self.connections.borrow_mut().get(key).and_then(|connection| connection.link.clone());
        match link {
            Some(link) if link.port.pulls.get() => self.tell(&link),
            _ => self.receive_on(key),
        }
    }

    /// Arms the receives that ended for want of buffers; all buffers are back by now.
    pub(super) fn feed_starved(&self) {
        let starved = std::mem::take(&mut *self.starved.borrow_mut());
        for &key in &starved {
            self.receive_again(key);
        }
        let mut emptied = starved;
        emptied.clear();
        *self.starved.borrow_mut() = emptied;
    }

    fn client_ended(self: &Rc<Self>, key: Key) {
        let port = {
            let mut connections = self.connections.borrow_mut();
            let Some(connection) = connections.get(key) else { return };
            let closing = connection.state.has(State::CLOSING) || connection.state.has(State::LINGERING);
            if !closing {
                connection.ended_by_client = true;
            }
            connection.state.set(State::ENDED);
            self.port_of(connection)
        };
        match port {
            Some(port) => {
                // Without a word of TLS the end may be the work of somebody between (RFC 8446 section 6.1).
                let cut = port.side == Side::Server && port.transport.get() != Transport::Plain;
                if cut && !port.ended.get() {
                    port.broken.set(true);
                }
                port.ended.set(true);
                self.run(key);
            }
            None => self.close(key),
        }
    }

    /// The connection has failed under us.
    fn broken(self: &Rc<Self>, key: Key) {
        let mut link = None;
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.state.set(State::ENDED);
            connection.ended_by_client = true;
            link.clone_from(&connection.link);
        }
        if let Some(port) = self.port(key) {
            port.broken.set(true);
        }
        self.close(key);
        match link {
            // Its connection may be gone by now.
            Some(link) => self.tell(&link),
            None => self.run(key),
        }
    }

    fn sent(self: &Rc<Self>, key: Key, result: Result<usize, i32>, buffer: Vec<u8>) {
        self.recycle(buffer);
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.state.clear(State::SENDING);
        }
        let Some(port) = self.port(key) else { return self.release(key) };
        port.sending.set(false);
        match result {
            Ok(sent) => {
                self.count_by(port.sent_counter(), sent as u64);
                let queued = std::mem::take(&mut *port.queued.borrow_mut());
                if !queued.is_empty() && !port.broken.get() {
                    self.transmit(&port, queued);
                } else if port.side == Side::Client && port.transport.get() == Transport::Handshake {
                    // The deadline was that of the send. There are few of them in a handshake.
                    self.watch(key, Wait::Handshake);
                }
                if port.unawaited.get() {
                    self.await_answer(key);
                } else {
                    self.run(key);
                }
            }
            Err(_) if port.side == Side::Server => {
                port.fail_to_send();
                self.run(key);
            }
            Err(_) => self.broken(key),
        }
        self.release(key);
    }

    /// A server has taken the last of a request, if nothing more is under way: now it is about its answer.
    fn await_answer(&self, key: Key) {
        let taken = |connection: &mut Connection| {
            !connection.state.has(State::SENDING) && connection.deadline.wait == Wait::Request
        };
        if self.connections.borrow_mut().get(key).is_some_and(taken) {
            self.watch(key, Wait::Response);
        }
    }

    fn writable(self: &Rc<Self>, key: Key) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.state.clear(State::POLLING);
        }
        if let Some(port) = self.port(key) {
            port.room.set(true);
        }
        self.run(key);
        self.release(key);
    }

    pub(super) fn port(&self, key: Key) -> Option<Rc<Port>> {
        self.port_of(self.connections.borrow_mut().get(key)?)
    }

    fn port_of(&self, connection: &Connection) -> Option<Rc<Port>> {
        match connection.activity {
            Some(id) => self.activities.borrow().port(id).cloned(),
            None => connection.link.as_ref().map(|link| Rc::clone(&link.port)),
        }
    }

    /// Lets the future of a connection run, if what it waits for may have come; starts one if bytes wait for it. What
    /// happens to a link concerns its client.
    pub(super) fn run(self: &Rc<Self>, key: Key) {
        let (activity, link) = match self.connections.borrow_mut().get(key) {
            Some(connection) => (connection.activity, connection.link.clone()),
            None => return,
        };
        if let Some(link) = link {
            return self.tell(&link);
        }
        let Some(id) = activity else { return };
        let Some(mut activity) = self.activities.borrow_mut().take(id) else { return };
        let port = Rc::clone(&activity.port);
        let end = loop {
            if !activity.running() {
                let closing =
                    self.connections.borrow_mut().get(key).is_none_or(|c| c.state.has(State::CLOSING));
                let early = matches!(port.transport.get(), Transport::Unnamed | Transport::Handshake);
                if port.backlog() == 0 || early || port.broken.get() || port.last.get() || closing {
                    break None;
                }
                activity.start(Rc::clone(self));
            }
            match activity.poll() {
                None => break None,
                // More may have come while the last response was on its way.
                Some(End::Idle) if port.backlog() > 0 && !port.broken.get() => {}
                Some(end) => break Some(end),
            }
        };
        let running = activity.running();
        self.activities.borrow_mut().put_back(id, activity);
        if !running {
            self.settle(key, id, &port, end);
        }
    }

    /// The future has ended, now or earlier: sees what is left to do for the connection.
    fn settle(self: &Rc<Self>, key: Key, id: u32, port: &Port, end: Option<End>) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.requests = port.served.get();
        }
        match end {
            Some(End::Close) => port.last.set(true),
            Some(End::Abort) => port.broken.set(true),
            Some(End::Idle) | None => {}
        }
        if port.broken.get() {
            self.let_go(key, id);
            return self.close(key);
        }
        // Its turn comes, and what it says then goes on from here.
        if port.queued_for_handshake.get() {
            return;
        }
        if port.sending.get() {
            return self.watch(key, Wait::Write);
        }
        // What has come of a PROXY header waits for the rest.
        if port.transport.get() == Transport::Unnamed && !port.ended.get() {
            return;
        }
        let (last, handshake) = (port.last.get(), port.transport.get() == Transport::Handshake);
        self.let_go(key, id);
        if last {
            self.linger(key);
        } else if port.ended.get() {
            self.close(key);
        } else if self.dismisses(port.listener.get(), port.served.get()) {
            self.linger(key);
        } else {
            // Too much may have come at once to receive on; all of it has been read.
            self.receive(key);
            // The deadline of a handshake stays as it was.
            if !handshake {
                self.slim(key);
                self.rest(key, end);
            }
        }
    }

    /// Gives a connection its time between requests: once, unless something was served. Part of a record of TLS is
    /// nothing yet.
    fn rest(&self, key: Key, end: Option<End>) {
        let rests = |connection: &mut Connection| connection.deadline.wait == Wait::Idle;
        if end.is_some() || !self.connections.borrow_mut().get(key).is_some_and(rests) {
            self.watch(key, Wait::Idle);
        }
    }

    fn let_go(&self, key: Key, id: u32) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.activity = None;
        }
        self.activities.borrow_mut().end(id);
    }
}
