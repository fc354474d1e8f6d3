//! Connections to other servers: how they begin, whom their events concern, and how they end.

use std::io;
use std::os::fd::IntoRawFd;
use std::rc::Rc;

use perf::Counter;
use site::upstream::Seat;
use sys::net::Address;

use crate::connection::{Deadline, Key, Peer, State, Wait};
use crate::limits::{LONG_MIN, PULLED_AT_ONCE};
use crate::port::Port;
use crate::shard::Shard;
use crate::upstream::{Link, Patience};

/// The slot of no listener.
const NO_LISTENER: u32 = u32::MAX;

impl Shard {
    /// Begins a connection to a server, for the request of a client. The socket can be written to when something has
    /// come of it.
    ///
    /// Not by an operation of the ring: so the filter on system calls and Landlock both see where it goes, the ring takes
    /// no more operations than before, and what waits is the poll that there is anyway. Links are kept, so that it does
    /// not show in what a request costs.
    pub(crate) fn link_to(
        &self,
        address: &Address,
        (server, patience): (Seat, Patience),
        served: u64,
        client: Key,
    ) -> io::Result<Rc<Link>> {
        let fd = sys::net::connect_to(address)?.into_raw_fd();
        self.count(Counter::UpstreamConnectionsOpened);
        let never = Deadline { tick: u32::MAX, wait: Wait::Connect };
        let link = Rc::new(Link::new(server, patience, served, client));
        let key = {
            let mut connections = self.connections.borrow_mut();
            let key = connections.open(fd, Peer { address: None, port: 0 }, NO_LISTENER, never);
            if let Some(connection) = connections.get(key) {
                link.port.assign(key, connection);
                connection.state.set(State::POLLING);
            }
            connections.attach(key, Rc::clone(&link));
            key
        };
        self.publish_links();
        self.ring.borrow_mut().writable(key, fd);
        self.watch(key, Wait::Connect);
        Ok(link)
    }

    /// A spare link to a server, for the request of a client.
    pub(crate) fn spare_link(&self, server: Seat, client: Key) -> Option<Rc<Link>> {
        let link = self.spares.borrow_mut().take(server)?;
        link.lend(Some(client));
        self.count(Counter::UpstreamConnectionsReused);
        Some(link)
    }

    /// Closes those spare links to a server that it has ended already, though the ring has not told yet, so that the next one
    /// has not been left. That is asked only for requests that cannot be sent twice: it costs a system call.
    pub(crate) fn drop_left_links(&self, server: Seat) {
        loop {
            let Some(link) = self.spares.borrow_mut().take(server) else { return };
            if sys::net::is_quiet(link.port.fd.get()) {
                return self.spares.borrow_mut().put_back(link);
            }
            self.drop_link(&link);
        }
    }

    /// Takes a link back whose request has been answered, with so much content: the next answer is expected to be alike.
    /// `most` may be spare at a time.
    pub(crate) fn keep_link(&self, link: &Rc<Link>, content: u64, most: usize) {
        link.lend(None);
        link.requests.set(link.requests.get().saturating_add(1));
        let is_old = link.served != self.served.borrow().number();
        if is_old || self.draining() || !self.spares.borrow_mut().keep(link, most) {
            return self.drop_link(link);
        }
        let key = link.port.key.get();
        if content < LONG_MIN {
            link.port.pulls.set(false);
        }
        self.watch(key, Wait::Spare);
        // What comes now is the server's end, or something that nobody has asked for.
        self.receive(key);
    }

    /// From now on whoever reads from a link takes it from the socket: a long content passes through fewer memories so, in
    /// larger pieces. The ring lets go of it first.
    pub(crate) fn begin_pulling(&self, link: &Link) {
        if !link.port.pulls.replace(true) {
            self.pause(link.port.key.get());
        }
    }

    /// Takes from the socket of a link that pulls what has come, and appends it to `input`; `true` if there was something.
    /// While the ring may still bring something, which came before, nothing is taken.
    pub(crate) fn pull(&self, port: &Port, input: &mut Vec<u8>) -> bool {
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get(port.key.get()) else { return false };
        let state = &mut connection.state;
        if state.has(State::RECEIVING) || state.has(State::ENDED) || state.has(State::CLOSING) {
            return false;
        }
        let mut part = self.large_buffer();
        part.extend_from_slice(input);
        let pulled = match sys::net::receive_onto(connection.fd, &mut part, PULLED_AT_ONCE) {
            Ok(0) => {
                state.set(State::ENDED);
                port.ended.set(true);
                false
            }
            Ok(got) => {
                self.count_by(port.received_counter(), got as u64);
                std::mem::swap(input, &mut part);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(_) => {
                state.set(State::ENDED);
                port.broken.set(true);
                false
            }
        };
        self.recycle(part);
        pulled
    }

    /// Closes a link, whatever is under way on it.
    pub(crate) fn drop_link(&self, link: &Rc<Link>) {
        link.lend(None);
        link.port.broken.set(true);
        self.close(link.port.key.get());
    }

    /// Something has happened to a link: its client goes on in this pass, once, with all that has come until then.
    /// A spare one has nothing to say but that it ends.
    pub(super) fn tell(&self, link: &Rc<Link>) {
        match link.client() {
            Some(client) => {
                if link.note() {
                    self.ready.borrow_mut().push_back(client);
                }
            }
            // Such as what TLS says about itself.
            None if link.is_fresh() => {}
            None => {
                self.spares.borrow_mut().forget(link);
                self.drop_link(link);
            }
        }
    }

    /// Closes the spare links that are of no use any more.
    pub(super) fn leave_servers(&self, stays: impl Fn(&Link) -> bool) {
        let left = self.spares.borrow_mut().leave(stays);
        left.iter().for_each(|link| self.drop_link(link));
    }

    /// Ends all links where they stand; the process's end closes the sockets.
    pub(super) fn abandon_links(&self) {
        self.leave_servers(|_| false);
        let keys = self.connections.borrow().keys_of_links();
        for key in keys {
            if let Some(connection) = self.connections.borrow_mut().remove(key) {
                let _ = sys::net::shutdown_both(connection.fd);
            }
        }
        self.publish_links();
    }

    pub(super) fn publish_links(&self) {
        self.counters.set(Counter::UpstreamConnectionsOpen, self.connections.borrow().links() as u64);
    }
}
