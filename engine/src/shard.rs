//! Everything that one core owns. Nothing in here is shared with another shard but the immutable site, the
//! job pool and the logger, and none of these is written to on the way of a request.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use auth::bans::BanTable;
use perf::{Block, Counter};
use site::shaping::Shaper;
use site::upstream::{Balancers, Changes};
use sys::broadcast::Reader;

use crate::access_log::AccessLog;
use crate::activity::Activities;
use crate::change::{Listening, Offer};
use crate::clock::Clock;
use crate::connection::{Connection, Connections, Deadline, Key, State, Wait};
use crate::encoders::Encoders;
use crate::file_cache::FileCache;
use crate::inbox::{Inbox, Reply};
use crate::jobs::Jobs;
use crate::lane::Knock;
use crate::lane::ring::{Density, Ring};
use crate::limits::{CODING_TIME, FIRST_REQUEST_PATIENCE, LARGE_CAPACITY, OUTPUT_CAPACITY};
use crate::listeners::Listeners;
use crate::logins::Logins;
use crate::offenders::Offenders;
use crate::request_ids::RequestIds;
use crate::served::Served;
use crate::server::Farewell;
use crate::shaping::{Pacing, Telling};
use crate::upstream::Spares;
use crate::viewers::Viewers;
use crate::wheel::{Wheel, ticks};

/// How far the shard is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Serving.
    Serving,
    /// Accepting no more; what is under way may end until this tick.
    Draining(u32, Farewell),
    /// Over.
    Stopped,
}

/// What a shard has been handed to serve next, and holds until it is told to.
pub(crate) struct Held {
    pub(crate) served: Rc<Served>,
    pub(crate) file_cache: config::FileCache,
    pub(crate) listeners: Vec<Listening>,
}

/// One shard.
pub(crate) struct Shard {
    pub(crate) number: usize,
    pub(crate) listeners: RefCell<Listeners>,
    pub(crate) ring: RefCell<Ring>,
    pub(crate) connections: RefCell<Connections>,
    pub(crate) activities: RefCell<Activities>,
    /// How closely events come.
    pub(crate) density: Cell<Density>,
    /// Connections whose futures go on in the next pass.
    pub(crate) ready: RefCell<VecDeque<Key>>,
    /// Connections for whose handshakes something has come.
    pub(crate) handshakes: RefCell<VecDeque<Key>>,
    /// Connections that wait for their turn to compress, and the one that has it.
    pub(crate) coders: RefCell<VecDeque<Key>>,
    pub(crate) coder: Cell<Option<Key>>,
    /// Time that this pass has spent on that.
    pub(crate) coding: Cell<Duration>,
    /// Connections whose receive ended because no buffer was free.
    pub(crate) starved: RefCell<Vec<Key>>,
    pub(crate) wheel: RefCell<Wheel>,
    pub(crate) clock: Clock,
    pub(crate) clients: RefCell<HashMap<IpAddr, u32>>,
    /// Who is banned; none when nobody is, which then costs nothing.
    pub(crate) banned: RefCell<Option<Arc<BanTable>>>,
    /// What new requests get, unless they come in by a listener that is on its way out.
    pub(crate) served: RefCell<Rc<Served>>,
    pub(crate) held: RefCell<Option<Held>>,
    /// Which server gets a request that is passed on.
    pub(crate) balancers: RefCell<Balancers>,
    pub(crate) files: FileCache,
    /// The limits on what clients use; none where there are none, which then costs nothing.
    pub(crate) shaper: RefCell<Option<Box<Shaper>>>,
    /// Who waits for them.
    pub(crate) pacing: RefCell<Pacing>,
    /// Who waits to be let in.
    pub(crate) knocking: RefCell<VecDeque<Knock>>,
    /// Where others hear what was used; none where there are no others.
    pub(crate) telling: Option<Telling>,
    pub(crate) encoders: Encoders,
    /// Who makes bad requests.
    pub(crate) offenders: Offenders,
    pub(crate) counters: Arc<Block>,
    pub(crate) log: RefCell<AccessLog>,
    pub(crate) ids: RequestIds,
    pub(crate) jobs: Jobs,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) logins: RefCell<Logins>,
    /// Connections whose requests wait for room in a log.
    pub(crate) held_back: RefCell<HashSet<Key>>,
    /// Those who look at the logs.
    pub(crate) viewers: RefCell<Viewers>,
    /// What scrapers see; nothing where the server has no memory for it.
    pub(crate) metrics: Option<Arc<Reader>>,
    /// Listings of folders that are being made and sent.
    pub(crate) listings: Cell<usize>,
    /// Bytes of contents that gather before servers are chosen for them.
    pub(crate) gathered: Cell<usize>,
    /// Links to other servers that carry no request.
    pub(crate) spares: RefCell<Spares>,
    pub(crate) life: Cell<Life>,
    /// Whether clients are let in.
    pub(crate) open: Cell<bool>,
    /// Beats that are left in which those are accepted who came before the drain.
    pub(crate) straggler_beats: Cell<u32>,
    /// Waits for the end of all accepts.
    pub(crate) let_go: RefCell<Option<Reply>>,
    /// Emptied send buffers.
    pub(crate) spare: RefCell<Vec<Vec<u8>>>,
    /// Emptied buffers of at least [`LARGE_CAPACITY`].
    pub(crate) large: RefCell<Vec<Vec<u8>>>,
    /// For parts of files that are to be encrypted; empty as long as there was none.
    pub(crate) scratch: RefCell<Vec<u8>>,
}

/// Emptied send buffers that are kept.
const SPARE_MAX: usize = 64;
/// Emptied large buffers that are kept. The one that was used last comes first: the caches still have it.
const LARGE_MAX: usize = 16;
/// A buffer that has grown beyond this is not kept.
const SPARE_BYTES_MAX: usize = 128 * 1024;
const _: () = assert!(LARGE_CAPACITY <= SPARE_BYTES_MAX, "large buffers are kept");

/// What a shard is made from.
pub(crate) struct Parts {
    pub(crate) number: usize,
    pub(crate) ring: Ring,
    pub(crate) offer: Offer,
    pub(crate) banned: Option<Arc<BanTable>>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) cookie_secret: u64,
    pub(crate) offenders: Offenders,
    pub(crate) counters: Arc<Block>,
    pub(crate) log: AccessLog,
    pub(crate) jobs: Jobs,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) logins: Logins,
    pub(crate) tail: Option<Arc<Reader>>,
    pub(crate) metrics: Option<Arc<Reader>>,
    pub(crate) telling: Option<Telling>,
}

impl Shard {
    pub(crate) fn new(parts: Parts) -> Shard {
        let served = Rc::new(Served::new(&parts.offer, None));
        let mut listeners = Listeners::default();
        listeners.change(parts.offer.listeners, &served);
        let clock = Clock::new();
        let shaper = served.shaping.as_ref().map(|shaping| Box::new(Shaper::new(shaping)));
        let mut balancers = Balancers::new(clock.now() ^ parts.number as u64, parts.cookie_secret);
        balancers.change(parts.changes, clock.now());
        balancers.renew(served.groups(), clock.now());
        Shard {
            number: parts.number,
            listeners: RefCell::new(listeners),
            ring: RefCell::new(parts.ring),
            connections: RefCell::new(Connections::new()),
            activities: RefCell::new(Activities::new()),
            density: Cell::new(Density::Sparse),
            ready: RefCell::default(),
            handshakes: RefCell::default(),
            coders: RefCell::default(),
            coder: Cell::default(),
            coding: Cell::default(),
            starved: RefCell::default(),
            wheel: RefCell::new(Wheel::new(clock.tick())),
            clock,
            clients: RefCell::default(),
            banned: RefCell::new(parts.banned),
            offenders: parts.offenders,
            served: RefCell::new(served),
            held: RefCell::default(),
            balancers: RefCell::new(balancers),
            shaper: RefCell::new(shaper),
            pacing: RefCell::default(),
            knocking: RefCell::default(),
            telling: parts.telling,
            files: FileCache::new(&parts.offer.file_cache),
            encoders: Encoders::default(),
            counters: parts.counters,
            log: RefCell::new(parts.log),
            ids: RequestIds::new(),
            jobs: parts.jobs,
            inbox: parts.inbox,
            logins: RefCell::new(parts.logins),
            held_back: RefCell::default(),
            viewers: RefCell::new(Viewers::new(parts.tail)),
            metrics: parts.metrics,
            listings: Cell::new(0),
            gathered: Cell::new(0),
            spares: RefCell::default(),
            life: Cell::new(Life::Serving),
            open: Cell::new(false),
            straggler_beats: Cell::new(0),
            let_go: RefCell::default(),
            spare: RefCell::default(),
            large: RefCell::default(),
            scratch: RefCell::default(),
        }
    }

    /// What a request gets that comes in by a listener, and the index of the address therein; an exchange keeps it.
    pub(crate) fn serving(&self, listener: u32) -> (Rc<Served>, usize) {
        self.listeners.borrow().serving(listener)
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.counters.inc(counter);
    }

    pub(crate) fn count_by(&self, counter: Counter, by: u64) {
        self.counters.add(counter, by);
    }

    /// Sets the one deadline of a connection.
    pub(crate) fn watch(&self, key: Key, wait: Wait) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            let (wait, duration) = match &connection.link {
                Some(link) => link.patience(wait),
                None => (wait, self.patience(wait)),
            };
            self.set_deadline(key, connection, (wait, self.clock.tick().saturating_add(ticks(duration))));
        }
    }

    fn patience(&self, wait: Wait) -> Duration {
        let patience = self.served.borrow().limits.patience(wait);
        // Only who has not asked yet is waited for then.
        if wait == Wait::Idle && self.closed() { patience.min(FIRST_REQUEST_PATIENCE) } else { patience }
    }

    /// Sets the one deadline of a connection to a given tick.
    pub(crate) fn watch_until(&self, key: Key, wait: Wait, tick: u32) {
        if let Some(connection) = self.connections.borrow_mut().get(key) {
            self.set_deadline(key, connection, (wait, tick));
        }
    }

    fn set_deadline(&self, key: Key, connection: &mut Connection, (wait, tick): (Wait, u32)) {
        connection.deadline = Deadline { tick, wait };
        if tick < connection.watched {
            connection.watched = self.wheel.borrow_mut().appoint(key, tick);
        }
    }

    /// Arms the receive of a connection unless it is armed already or will never give anything again.
    pub(crate) fn receive(&self, key: Key) {
        let mut connections = self.connections.borrow_mut();
        let Some(connection) = connections.get(key) else { return };
        let state = &mut connection.state;
        if state.has(State::RECEIVING) || state.has(State::ENDED) || state.has(State::CLOSING) {
            return;
        }
        state.set(State::RECEIVING);
        let pulls = connection.link.as_ref().is_some_and(|link| link.port.pulls.get());
        let mut ring = self.ring.borrow_mut();
        if pulls { ring.receive_once(key, connection.fd) } else { ring.receive(key, connection.fd) }
    }

    /// Whether this pass may compress another piece.
    pub(crate) fn has_time_to_code(&self) -> bool {
        self.coding.get() < CODING_TIME
    }

    /// Notes that a piece has been compressed.
    pub(crate) fn has_coded_for(&self, time: Duration) {
        self.coding.set(self.coding.get() + time);
    }

    /// An empty send buffer.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(OUTPUT_CAPACITY))
    }

    /// An empty buffer for a large part of a content.
    pub(crate) fn large_buffer(&self) -> Vec<u8> {
        self.large.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(LARGE_CAPACITY))
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        let large = LARGE_CAPACITY <= buffer.capacity();
        let (spare, most) = if large { (&self.large, LARGE_MAX) } else { (&self.spare, SPARE_MAX) };
        let mut spare = spare.borrow_mut();
        if buffer.capacity() > 0 && buffer.capacity() <= SPARE_BYTES_MAX && spare.len() < most {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// Arms the accept of every listener that should have one and has none, once clients are let in.
    pub(crate) fn accept(&self) {
        if !self.open.get() {
            return;
        }
        let mut ring = self.ring.borrow_mut();
        self.listeners.borrow_mut().arm(|slot, socket| ring.accept(slot, socket));
    }

    pub(crate) fn draining(&self) -> bool {
        self.life.get() != Life::Serving
    }

    /// Whether nobody will serve who asks next.
    pub(crate) fn closed(&self) -> bool {
        !matches!(self.life.get(), Life::Serving | Life::Draining(_, Farewell::OnceMore))
    }

    /// Whether connections that came in by a listener and have no request are closed, after so many requests.
    pub(crate) fn dismisses(&self, listener: u32, requests: u32) -> bool {
        self.closed() && 0 < requests || self.listeners.borrow().retired(listener)
    }

    /// Whether connections that came in by a listener end with the next response.
    pub(crate) fn leaving(&self, listener: u32) -> bool {
        self.draining() || self.listeners.borrow().retired(listener)
    }
}
