//! What a shard remembers of a connection between requests: one small entry, no buffer, no future.

use std::net::IpAddr;
use std::os::fd::RawFd;
use std::rc::Rc;

use slab::Slab;

use crate::secure::Secure;
use crate::upstream::Link;

/// Names a connection for as long as it lives; a later one in the same place has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    index: u32,
    /// 24 bits, so that a key fits below the kind of an operation in its user-data word.
    generation: u32,
}

const GENERATION_MASK: u32 = 0x00ff_ffff;

impl Key {
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_bits(bits: u64) -> Key {
        Key { index: bits as u32, generation: (bits >> 32) as u32 & GENERATION_MASK }
    }
}

/// The client: the other end, or whom a proxy there speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// `None` for a Unix socket.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

/// Why a connection is watched for time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Between requests.
    Idle,
    /// TLS has to come to terms.
    Handshake,
    /// A request head has begun.
    Header,
    /// A request body is due.
    Body,
    /// Somebody has to judge a password.
    Login,
    /// A log has to have room for the line of a request.
    Log,
    /// Limits have to let a request or bytes pass.
    Pace,
    /// The client has to take what was sent.
    Write,
    /// The last response has left; the client has to close.
    Linger,
    /// A server has to take the connection, and to come to terms about TLS.
    Connect,
    /// A server has to take what it is sent.
    Request,
    /// A server has to answer, or to send more of its answer.
    Response,
    /// A connection to a server that has nothing to do.
    Spare,
}

/// Until when, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) tick: u32,
    pub(crate) wait: Wait,
}

/// What is under way on a connection, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State(u16);

impl State {
    /// A receive is armed in the ring.
    pub(crate) const RECEIVING: State = State(1);
    /// Its cancel is on the way.
    pub(crate) const PAUSING: State = State(1 << 1);
    /// A send is under way in the ring.
    pub(crate) const SENDING: State = State(1 << 2);
    /// A poll for writability is under way in the ring.
    pub(crate) const POLLING: State = State(1 << 3);
    /// The client will send no more.
    pub(crate) const ENDED: State = State(1 << 4);
    /// We send no more and wait for the client's end.
    pub(crate) const LINGERING: State = State(1 << 5);
    /// Closes as soon as nothing is under way.
    pub(crate) const CLOSING: State = State(1 << 6);

    /// A proxy has still to say for whom it speaks; the connection counts for nobody yet.
    pub(crate) const UNNAMED: State = State(1 << 7);
    /// A poll for the end of the other side is under way in the ring.
    pub(crate) const WATCHING: State = State(1 << 8);

    /// Operations that hold the descriptor.
    const UNDER_WAY: State =
        State(State::RECEIVING.0 | State::SENDING.0 | State::POLLING.0 | State::WATCHING.0);

    pub(crate) fn has(self, bit: State) -> bool {
        self.0 & bit.0 != 0
    }

    pub(crate) fn set(&mut self, bit: State) {
        self.0 |= bit.0;
    }

    pub(crate) fn clear(&mut self, bit: State) {
        self.0 &= !bit.0;
    }

    /// Whether the ring still works on the descriptor.
    pub(crate) fn busy(self) -> bool {
        self.has(State::UNDER_WAY)
    }
}

/// A connection between requests.
pub(crate) struct Connection {
    generation: u32,
    pub(crate) fd: RawFd,
    pub(crate) peer: Peer,
    /// Slot of the listener it came in by.
    pub(crate) listener: u32,
    pub(crate) state: State,
    /// Who ended it first, for the ledger.
    pub(crate) ended_by_client: bool,
    /// Index of the activity that serves it now.
    pub(crate) activity: Option<u32>,
    /// Requests answered so far.
    pub(crate) requests: u32,
    pub(crate) deadline: Deadline,
    /// The tick at which the wheel will look at this connection; `u32::MAX` = it will not.
    pub(crate) watched: u32,
    /// Bytes thrown away while lingering.
    pub(crate) discarded: u32,
    /// Its TLS; none when it has none.
    pub(crate) secure: Option<Box<Secure>>,
    /// For one that goes to a server; none for those of clients.
    pub(crate) link: Option<Rc<Link>>,
}

/// All connections of a shard, to its clients and to other servers.
pub(crate) struct Connections {
    entries: Slab<Connection>,
    generation: u32,
    links: usize,
}

impl Connections {
    pub(crate) fn new() -> Connections {
        Connections { entries: Slab::new(), generation: 0, links: 0 }
    }

    /// How many clients are connected.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.links
    }

    /// How many connections to servers there are.
    pub(crate) fn links(&self) -> usize {
        self.links
    }

    pub(crate) fn open(&mut self, fd: RawFd, peer: Peer, listener: u32, deadline: Deadline) -> Key {
        self.generation = self.generation.wrapping_add(1) & GENERATION_MASK;
        let generation = self.generation;
        let index = self.entries.insert(Connection {
            generation,
            fd,
            peer,
            listener,
            state: State::default(),
            ended_by_client: false,
            activity: None,
            requests: 0,
            deadline,
            watched: u32::MAX,
            discarded: 0,
            secure: None,
            link: None,
        });
        Key { index: index as u32, generation }
    }

    /// Makes a connection one to a server.
    pub(crate) fn attach(&mut self, key: Key, link: Rc<Link>) {
        if let Some(connection) = self.get(key) {
            connection.link = Some(link);
            self.links += 1;
        }
    }

    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Connection> {
        self.entries.get_mut(key.index as usize).filter(|c| c.generation == key.generation)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Connection> {
        self.get(key)?;
        let removed = self.entries.remove(key.index as usize);
        self.links -= usize::from(removed.link.is_some());
        Some(removed)
    }

    /// The keys of all connections of clients, for a drain.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.keys_of(|_| true)
    }

    /// The keys of all connections to servers.
    pub(crate) fn keys_of_links(&self) -> Vec<Key> {
        let entries = self.entries.iter().filter(|(_, connection)| connection.link.is_some());
        entries.map(|(index, c)| Key { index: index as u32, generation: c.generation }).collect()
    }

    /// The keys of those connections of clients that are meant.
    pub(crate) fn keys_of(&self, meant: impl Fn(&Connection) -> bool) -> Vec<Key> {
        let key = |(index, c): (usize, &Connection)| Key { index: index as u32, generation: c.generation };
        let meant = |(_, connection): &(usize, &Connection)| connection.link.is_none() && meant(connection);
        self.entries.iter().filter(meant).map(key).collect()
    }

    /// The clients, as far as they are known.
    pub(crate) fn peers(&self) -> impl Iterator<Item = Peer> {
        let counts = |(_, connection): &(usize, &Connection)| {
            connection.link.is_none() && !connection.state.has(State::UNNAMED)
        };
        let named = self.entries.iter().filter(counts);
        named.map(|(_, connection)| connection.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(all: &mut Connections) -> Key {
        let peer = Peer { address: None, port: 0 };
        all.open(-1, peer, 0, Deadline { tick: 0, wait: Wait::Idle })
    }

    #[test]
    fn a_key_does_not_name_the_successor() {
        let mut all = Connections::new();
        let first = open(&mut all);
        assert!(all.remove(first).is_some());
        let second = open(&mut all);
        assert!(all.get(first).is_none());
        assert!(all.get(second).is_some());
        assert_eq!(Key::from_bits(second.bits()), second);
    }

    #[test]
    fn an_idle_connection_is_small() {
        // The goal is below nginx's half kilobyte; the rest of it is the wheel's eight bytes.
        assert!(size_of::<Connection>() <= 96, "{}", size_of::<Connection>());
    }
}
