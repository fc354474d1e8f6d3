//! The meeting point of a connection's driver (the lane) and the future that serves it.
//!
//! The lane puts received bytes in and takes bytes to send out; the future does the reverse. Both run on the
//! shard's thread and never at the same time, so cells are enough.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;

use perf::Counter;
use site::Security;
use site::shaping::Chain;

use crate::banned::BanMark;
use crate::connection::{Connection, Key, Peer, State, Wait};
use crate::kept::Kept;
use crate::limits::INPUT_CAPACITY;
use crate::secure::Secure;
use crate::shaping::Marks;

/// What the future waits for. The lane polls it again when that has come, or when the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// More bytes from the client.
    Input,
    /// The bytes under way to be with the kernel.
    Output,
    /// Room in the socket's send buffer.
    Room,
    /// Its next turn, or a job: whoever does it names the connection when it can go on.
    Turn,
}

/// Whose the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Somebody who has come to us.
    Client,
    /// A server that we have gone to.
    Server,
}

/// How bytes pass between the ring and the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As they are.
    Plain,
    /// Not at all: what is received is what a proxy says of its client.
    Unnamed,
    /// Not at all: what is received belongs to a TLS handshake.
    Handshake,
    /// By TLS.
    Sealed,
}

/// State of a connection while it is being served.
pub(crate) struct Port {
    pub(crate) side: Side,
    pub(crate) key: Cell<Key>,
    pub(crate) fd: Cell<RawFd>,
    pub(crate) peer: Cell<Peer>,
    /// Slot of the listener that the connection came in by.
    pub(crate) listener: Cell<u32>,
    /// Requests answered on this connection before this activity.
    pub(crate) served: Cell<u32>,
    pub(crate) transport: Cell<Transport>,
    /// What carries the requests, as rules see it.
    pub(crate) security: Cell<Security>,
    /// Waits for the turn of its handshake.
    pub(crate) queued_for_handshake: Cell<bool>,
    /// TLS cannot go on: the connection ends when the alert is sent.
    pub(crate) failed: Cell<bool>,
    /// Received and not yet taken.
    pub(crate) received: RefCell<Vec<u8>>,
    /// To be sent when the send under way is done.
    pub(crate) queued: RefCell<Vec<u8>>,
    pub(crate) sending: Cell<bool>,
    /// Nobody waits for what is under way to be sent: that it is wakes nobody.
    pub(crate) unawaited: Cell<bool>,
    /// The client will send no more.
    pub(crate) ended: Cell<bool>,
    /// The connection is broken: nothing can be sent or received any more.
    pub(crate) broken: Cell<bool>,
    /// The server at the other end takes no more; what it has said before may still come.
    pub(crate) deaf: Cell<bool>,
    /// Whoever waits takes what has come from the socket by itself, and the ring only tells when something has.
    pub(crate) pulls: Cell<bool>,
    /// A deadline has passed.
    pub(crate) expired: Cell<Option<Wait>>,
    pub(crate) room: Cell<bool>,
    /// No further request is served: the connection ends when all is sent.
    pub(crate) last: Cell<bool>,
    pub(crate) awaits: Cell<Awaits>,
    /// The request that is served is held to limits: those of `chain`.
    pub(crate) shaped: Cell<bool>,
    pub(crate) chain: Cell<Chain>,
    /// What these have done to it.
    pub(crate) marks: Cell<Marks>,
    /// Bytes of the client that have been taken and that no limit has been asked about: the last ones of those that have come.
    pub(crate) owed: Cell<u64>,
    /// Nothing is received until limits allow it.
    pub(crate) held: Cell<bool>,
    /// The client has ended while nothing was received.
    pub(crate) hung_up: Cell<bool>,
    /// What bans have to do with it.
    pub(crate) ban: Cell<Option<BanMark>>,
    /// Of the answers to the request that is served, for its lines in the log.
    pub(crate) kept: RefCell<Kept>,
}

impl Port {
    pub(crate) fn new(side: Side) -> Port {
        let nowhere = Peer { address: None, port: 0 };
        Port {
            side,
            key: Cell::new(Key::from_bits(0)),
            fd: Cell::new(-1),
            peer: Cell::new(nowhere),
            listener: Cell::new(0),
            served: Cell::new(0),
            transport: Cell::new(Transport::Plain),
            security: Cell::default(),
            queued_for_handshake: Cell::new(false),
            failed: Cell::new(false),
            received: RefCell::new(Vec::with_capacity(INPUT_CAPACITY)),
            queued: RefCell::new(Vec::new()),
            sending: Cell::new(false),
            unawaited: Cell::new(false),
            ended: Cell::new(false),
            broken: Cell::new(false),
            deaf: Cell::new(false),
            pulls: Cell::new(false),
            expired: Cell::new(None),
            room: Cell::new(false),
            last: Cell::new(false),
            awaits: Cell::new(Awaits::Turn),
            shaped: Cell::new(false),
            chain: Cell::default(),
            marks: Cell::default(),
            owed: Cell::new(0),
            held: Cell::new(false),
            hung_up: Cell::new(false),
            ban: Cell::default(),
            kept: RefCell::default(),
        }
    }

    /// Makes the port ready for another connection. Its buffers stay, empty.
    pub(crate) fn assign(&self, key: Key, connection: &Connection) {
        self.key.set(key);
        self.fd.set(connection.fd);
        self.peer.set(connection.peer);
        self.listener.set(connection.listener);
        self.served.set(connection.requests);
        let secure = connection.secure.as_deref();
        self.transport.set(match secure {
            None if connection.state.has(State::UNNAMED) => Transport::Unnamed,
            None => Transport::Plain,
            Some(Secure::Handshake(..)) => Transport::Handshake,
            Some(Secure::Session(..) | Secure::Outward(_) | Secure::Over) => Transport::Sealed,
        });
        self.security.set(secure.map(Secure::security).unwrap_or_default());
        self.queued_for_handshake.set(false);
        self.failed.set(false);
        self.received.borrow_mut().clear();
        self.queued.borrow_mut().clear();
        self.sending.set(false);
        self.unawaited.set(false);
        self.ended.set(false);
        self.broken.set(false);
        self.deaf.set(false);
        self.pulls.set(false);
        self.expired.set(None);
        self.room.set(false);
        self.last.set(false);
        self.awaits.set(Awaits::Turn);
        self.owed.set(0);
        if self.shaped.replace(false) {
            self.chain.take();
            self.marks.take();
            self.held.set(false);
            self.hung_up.set(false);
        }
    }

    /// A send has failed: a client has no more to say that matters, a server may have answered already.
    pub(crate) fn fail_to_send(&self) {
        match self.side {
            Side::Client => self.broken.set(true),
            Side::Server => self.deaf.set(true),
        }
    }

    /// What counts bytes that have come from the other end.
    pub(crate) fn received_counter(&self) -> Counter {
        match self.side {
            Side::Client => Counter::BytesReceived,
            Side::Server => Counter::UpstreamBytesReceived,
        }
    }

    /// What counts bytes that the kernel took for the other end.
    pub(crate) fn sent_counter(&self) -> Counter {
        match self.side {
            Side::Client => Counter::BytesSent,
            Side::Server => Counter::UpstreamBytesSent,
        }
    }

    /// Bytes that the client has sent ahead of what is being served.
    pub(crate) fn backlog(&self) -> usize {
        self.received.borrow().len()
    }
}
