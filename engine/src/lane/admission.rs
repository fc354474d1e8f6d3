//! From an accepted socket to a connection, or to a refusal that is counted.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::RawFd;

use config::Arrival;
use perf::Counter;
use site::shaping::{Doubt, Entering};

use crate::connection::{Deadline, Peer, State, Wait};
use crate::shard::{Life, Shard};

use super::knocking::{Knock, Welcome};

impl Shard {
    /// A listener's accept has completed.
    pub(super) fn accepted(&self, listener: u32, result: Result<RawFd, i32>, more: bool) {
        match result {
            Ok(fd) => self.admit(listener, fd),
            Err(libc::ECANCELED) => {}
            Err(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                // Armed again by the next tick: by then a descriptor may have become free. Until then new
                // clients wait in the backlog.
                self.count(Counter::AcceptPausedNoFds);
                self.listeners.borrow_mut().ended(listener);
                self.tell_let_go();
                return;
            }
            Err(_) => self.count(Counter::AcceptErrors),
        }
        if !more {
            self.listeners.borrow_mut().ended(listener);
            if self.awaits_stragglers() || !self.draining() {
                self.accept();
            } else {
                self.tell_let_go();
            }
        }
    }

    /// Begins every accept anew, which looks first whether somebody waits: the kernel wakes one accept for each
    /// connection, and one that another process has given up since may have been the one.
    pub(super) fn look(&self) {
        for slot in self.listeners.borrow().armed() {
            self.ring.borrow_mut().cancel_accept(slot);
        }
    }

    fn admit(&self, listener: u32, fd: RawFd) {
        self.count(Counter::ConnectionsAccepted);
        let (address, port) = match sys::net::peer_of(fd) {
            Some(peer) => (Some(peer.ip().to_canonical()), peer.port()),
            None => (None, 0),
        };
        if self.life.get() == Life::Stopped {
            return self.refuse(fd, None);
        }
        if self.served.borrow().limits.connections <= self.connections.borrow().len() {
            return self.refuse(fd, Some(Counter::ConnectionsRefusedLimit));
        }
        if self.has_banned(address) {
            return self.refuse(fd, Some(Counter::ConnectionsRefusedBan));
        }
        let (served, index) = self.serving(listener);
        let arrival = served.clients.arrival(index);
        let welcome = match arrival {
            Arrival::Proxied if !served.clients.trusts(address) => {
                return self.refuse(fd, Some(Counter::ConnectionsRefusedProxy));
            }
            Arrival::Proxied => None,
            Arrival::Direct => Some(self.enter_client(address, None)),
        };
        if matches!(welcome, Some(Welcome::Out)) {
            return self.refuse(fd, Some(Counter::ConnectionsRefusedClientLimit));
        }
        let never = Deadline { tick: u32::MAX, wait: Wait::Idle };
        let peer = Peer { address, port };
        let key = self.connections.borrow_mut().open(fd, peer, listener, never);
        self.listeners.borrow_mut().enter(listener);
        self.publish_open();
        match welcome {
            // Nothing is received until it is let in.
            Some(Welcome::Doubtful(doubt)) => return self.knock(Knock { key, client: peer, doubt }),
            Some(Welcome::In | Welcome::Out) => drop(self.begin(key, listener)),
            None => {
                if let Some(connection) = self.connections.borrow_mut().get(key) {
                    connection.state.set(State::UNNAMED);
                }
                self.watch(key, Wait::Header);
            }
        }
        if self.closed() {
            self.hurry(key);
        }
        self.receive(key);
    }

    fn refuse(&self, fd: RawFd, counter: Option<Counter>) {
        if let Some(counter) = counter {
            self.count(counter);
        }
        self.count(Counter::ConnectionsClosedByUs);
        self.ring.borrow_mut().close(fd);
    }

    /// Counts one more connection of a client, unless it has too many. `doubt` is what it has waited with.
    pub(super) fn enter_client(&self, address: Option<IpAddr>, doubt: Option<Doubt>) -> Welcome {
        match self.enter_shaped(address, doubt) {
            Entering::Granted(_) if self.enter_counted(address) => Welcome::In,
            Entering::Granted(_) => {
                self.leave_shaped(address);
                Welcome::Out
            }
            Entering::Refused(_) => Welcome::Out,
            Entering::Doubtful(doubt) => self.may_knock(doubt),
        }
    }

    fn enter_counted(&self, address: Option<IpAddr>) -> bool {
        let (Some(limit), Some(address)) = (self.limit_of(address), address) else { return true };
        let mut clients = self.clients.borrow_mut();
        let count = clients.entry(address).or_insert(0);
        if limit.get() <= *count {
            return false;
        }
        *count += 1;
        true
    }

    /// How many connections a client may have. Those of a trusted proxy are those of many clients.
    fn limit_of(&self, address: Option<IpAddr>) -> Option<NonZeroU32> {
        let served = self.served.borrow();
        served.limits.connections_per_client.filter(|_| !served.clients.trusts(address))
    }

    /// Counts one connection of a client less.
    pub(super) fn leave_client(&self, address: Option<IpAddr>) {
        if self.limit_of(address).is_none() {
            return;
        }
        if let Some(address) = address {
            let mut clients = self.clients.borrow_mut();
            if let Some(count) = clients.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    clients.remove(&address);
                }
            }
        }
    }

    /// Counts the connections of all clients anew: they are counted only while there is a limit.
    pub(super) fn recount_clients(&self) {
        let mut clients = self.clients.borrow_mut();
        clients.clear();
        if self.served.borrow().limits.connections_per_client.is_none() {
            return;
        }
        for address in self.connections.borrow().peers().filter_map(|peer| peer.address) {
            if self.limit_of(Some(address)).is_some() {
                *clients.entry(address).or_insert(0) += 1;
            }
        }
    }

    pub(super) fn publish_open(&self) {
        self.counters.set(Counter::ConnectionsOpen, self.connections.borrow().len() as u64);
    }
}
