//! Who connects while only what other shards have told leaves no room: it waits at the door for what they tell next.

use std::rc::Rc;

use perf::Counter;
use site::shaping::Doubt;

use crate::connection::{Key, Peer, State};
use crate::limits::KNOCKING_MAX;
use crate::port::{Port, Transport};
use crate::shard::Shard;

/// A connection that counts for nobody yet. Nothing that it sends is looked at.
pub(crate) struct Knock {
    pub(super) key: Key,
    pub(super) client: Peer,
    pub(super) doubt: Doubt,
}

/// Whether a client is let in.
pub(super) enum Welcome {
    /// It has one connection more.
    In,
    /// It waits.
    Doubtful(Doubt),
    /// It has too many.
    Out,
}

impl Shard {
    /// Whether somebody is to be looked after soon.
    pub(super) fn has_knocking(&self) -> bool {
        !self.knocking.borrow().is_empty()
    }

    /// Whether there is room for somebody who waits.
    pub(super) fn may_knock(&self, doubt: Doubt) -> Welcome {
        if self.knocking.borrow().len() < KNOCKING_MAX {
            return Welcome::Doubtful(doubt);
        }
        self.settle_doubt(doubt);
        Welcome::Out
    }

    pub(super) fn knock(&self, knock: Knock) {
        self.count(Counter::ConnectionsDelayedLimit);
        if let Some(connection) = self.connections.borrow_mut().get(knock.key) {
            connection.state.set(State::UNNAMED);
        }
        self.knocking.borrow_mut().push_back(knock);
    }

    /// Whether a connection waits to be let in.
    pub(super) fn is_knocking(&self, key: Key) -> bool {
        self.knocking.borrow().iter().any(|knock| knock.key == key)
    }

    /// Sees who can be let in by now, in the order in which they have come.
    pub(super) fn open_the_door(self: &Rc<Self>) {
        for knock in self.knocking.take() {
            self.look_who_is_there(knock);
        }
    }

    fn look_who_is_there(self: &Rc<Self>, Knock { key, client, doubt }: Knock) {
        let listener = self.connections.borrow_mut().get(key).and_then(|connection| {
            let gone = connection.state.has(State::CLOSING) || connection.state.has(State::LINGERING);
            (!gone).then_some(connection.listener)
        });
        let Some(listener) = listener else { return self.settle_doubt(doubt) };
        if self.has_banned(client.address) {
            self.settle_doubt(doubt);
            self.count(Counter::ConnectionsRefusedBan);
            return self.expel(key);
        }
        // Nobody can wait for a server that ends.
        let doubt = if self.leaving(listener) { doubt.benefit() } else { doubt };
        match self.enter_client(client.address, Some(doubt)) {
            Welcome::In => self.let_in(key, client),
            Welcome::Doubtful(doubt) => self.knocking.borrow_mut().push_back(Knock { key, client, doubt }),
            Welcome::Out => {
                self.count(Counter::ConnectionsRefusedClientLimit);
                self.expel(key);
            }
        }
    }

    fn let_in(self: &Rc<Self>, key: Key, client: Peer) {
        match self.port(key) {
            Some(port) => self.welcome(key, &port, client),
            None => self.welcome_early(key),
        }
        if self.closed() {
            self.hurry(key);
        }
        self.receive(key);
        self.run(key);
    }

    /// It is known who the client is, and that it has one connection more: goes on as with one that has just connected.
    pub(super) fn welcome(&self, key: Key, port: &Port, client: Peer) {
        port.peer.set(client);
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.peer = client;
            connection.state.clear(State::UNNAMED);
        }
        port.transport.set(self.begin(key, port.listener.get()));
        if port.transport.get() == Transport::Handshake && port.backlog() > 0 {
            self.shake_hands_later(key, port);
        }
    }

    /// The same before anything has been received.
    fn welcome_early(&self, key: Key) {
        let listener = self.connections.borrow_mut().get(key).map(|connection| {
            connection.state.clear(State::UNNAMED);
            connection.listener
        });
        if let Some(listener) = listener {
            self.begin(key, listener);
        }
    }
}
