//! Who a connection is with: what a proxy says before the first byte, and who is banned.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use auth::bans::BanTable;
use perf::Counter;
use proto_http::proxy::{self, Source};

use crate::connection::{Connection, Key, Peer, State, Wait};
use crate::port::{Port, Transport};
use crate::secure::Secure;
use crate::shard::Shard;

use super::knocking::{Knock, Welcome};

impl Shard {
    /// Whether nothing is to be served to a client. An address that is not known is not banned.
    pub(crate) fn has_banned(&self, client: Option<IpAddr>) -> bool {
        self.ban_of(client).is_some()
    }

    /// From now on these are banned. Whoever is among them and connected is so no more, whatever is under way: nobody
    /// is banned for the sake of what is still to come alone.
    pub(super) fn ban(self: &Rc<Self>, table: Arc<BanTable>) {
        self.banned.replace((!table.is_empty()).then_some(table));
        if self.banned.borrow().is_none() {
            return;
        }
        let meant = |connection: &Connection| {
            let state = connection.state;
            // One whose proxy has not spoken yet is judged when it has.
            let spared = state.has(State::CLOSING) || state.has(State::UNNAMED);
            !spared && self.has_banned(connection.peer.address)
        };
        let keys = self.connections.borrow().keys_of(meant);
        for key in keys {
            self.count(Counter::ConnectionsClosedBan);
            self.expel(key);
        }
    }

    pub(super) fn expel(self: &Rc<Self>, key: Key) {
        if let Some(port) = self.port(key) {
            port.broken.set(true);
        }
        self.close(key);
        self.run(key);
    }

    /// Reads what a proxy says of its client, as far as that has come.
    pub(super) fn hear_proxy(&self, key: Key, port: &Port) {
        if self.is_knocking(key) {
            return;
        }
        let read = proxy::read(&port.received.borrow());
        match read {
            Ok(None) => {}
            Ok(Some(header)) => {
                port.received.borrow_mut().drain(..header.len);
                let client = match header.source {
                    Source::Proxy => port.peer.get(),
                    Source::Client { address, port } => Peer { address: Some(address), port },
                };
                self.introduce(key, port, client);
            }
            Err(bad) => {
                log::debug!("a proxy is not understood: {bad}");
                self.turn_away(port, Counter::ConnectionsRefusedProxy);
            }
        }
    }

    /// It is known now who the client is.
    fn introduce(&self, key: Key, port: &Port, client: Peer) {
        if self.has_banned(client.address) {
            return self.turn_away(port, Counter::ConnectionsRefusedBan);
        }
        match self.enter_client(client.address, None) {
            Welcome::In => self.welcome(key, port, client),
            Welcome::Doubtful(doubt) => self.knock(Knock { key, client, doubt }),
            Welcome::Out => self.turn_away(port, Counter::ConnectionsRefusedClientLimit),
        }
    }

    fn turn_away(&self, port: &Port, counter: Counter) {
        self.count(counter);
        port.broken.set(true);
    }

    /// Begins what is spoken on a connection whose client is known.
    pub(super) fn begin(&self, key: Key, listener: u32) -> Transport {
        let (served, address) = self.serving(listener);
        let Some(secured) = served.secured(address) else {
            self.watch(key, Wait::Idle);
            return Transport::Plain;
        };
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            connection.secure = Some(Secure::begin(secured));
        }
        self.watch(key, Wait::Handshake);
        Transport::Handshake
    }
}
