//! The listening sockets of a shard, each in a slot that keeps its number as long as anything refers to it: the
//! socket itself, its accept in the ring, and the connections that came in by it.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use slab::Slab;

use crate::change::Listening;
use crate::served::Served;

/// One listening socket.
struct Listener {
    /// Names the address for the life of the server.
    id: u32,
    /// Index of the address in the site that is served on it.
    address: usize,
    served: Rc<Served>,
    /// `None` once it is closed.
    socket: Option<OwnedFd>,
    /// An accept is armed in the ring.
    accepting: bool,
    /// The site that came next has no such address: what is under way ends with what it began with.
    retired: bool,
    /// Open connections that came in by it.
    connections: usize,
}

/// All listening sockets of a shard.
#[derive(Default)]
pub(crate) struct Listeners {
    slots: Slab<Listener>,
    /// Nothing more is accepted: what is open goes to others, or is refused by the kernel.
    over: bool,
}

impl Listeners {
    /// A listener without a socket that is not here already.
    pub(crate) fn unknown(&self, wanted: &[Listening]) -> Option<u32> {
        let missing =
            |listening: &&Listening| listening.socket.is_none() && self.find(listening.id).is_none();
        wanted.iter().find(missing).map(|listening| listening.id)
    }

    /// From now on serves this on these addresses; retires those that are not among them.
    pub(crate) fn change(&mut self, wanted: Vec<Listening>, served: &Rc<Served>) {
        for (_, listener) in &mut self.slots {
            listener.retired |= !wanted.iter().any(|listening| listening.id == listener.id);
        }
        for Listening { id, address, socket } in wanted {
            if let Some(slot) = self.find(id) {
                let listener = &mut self.slots[slot];
                listener.address = address;
                listener.served = Rc::clone(served);
            } else {
                let served = Rc::clone(served);
                self.slots.insert(Listener {
                    id,
                    address,
                    served,
                    socket,
                    accepting: false,
                    retired: false,
                    connections: 0,
                });
            }
        }
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.slots.iter().find(|(_, listener)| listener.id == id && !listener.retired).map(|(slot, _)| slot)
    }

    /// What is served on a listener, and the index of its address therein.
    pub(crate) fn serving(&self, slot: u32) -> (Rc<Served>, usize) {
        let listener = &self.slots[slot as usize];
        (Rc::clone(&listener.served), listener.address)
    }

    /// Whether the site that came last does without it.
    pub(crate) fn retired(&self, slot: u32) -> bool {
        self.slots.get(slot as usize).is_none_or(|listener| listener.retired)
    }

    /// Whether an accept is under way on any of them.
    pub(crate) fn accepting(&self) -> bool {
        self.slots.iter().any(|(_, listener)| listener.accepting)
    }

    /// Whether one that should accept does not.
    pub(crate) fn paused(&self) -> bool {
        self.slots.iter().any(|(_, listener)| !listener.accepting && !listener.retired)
    }

    /// Takes note that every listener which is not retired accepts; names those that did not, and their sockets.
    pub(crate) fn arm(&mut self, mut each: impl FnMut(u32, RawFd)) {
        for (slot, listener) in &mut self.slots {
            if let Some(socket) = &listener.socket
                && !(listener.retired || self.over)
                && !std::mem::replace(&mut listener.accepting, true)
            {
                each(slot as u32, socket.as_raw_fd());
            }
        }
    }

    /// Names the listeners that accept.
    pub(crate) fn armed(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter(|(_, listener)| listener.accepting).map(|(slot, _)| slot as u32)
    }

    /// Names the retired listeners that accept.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = u32> {
        self.armed().filter(|&slot| self.retired(slot))
    }

    /// The accept of a listener has ended.
    pub(crate) fn ended(&mut self, slot: u32) {
        self.slots[slot as usize].accepting = false;
        self.sweep_slot(slot as usize);
    }

    /// A connection has come in by a listener.
    pub(crate) fn enter(&mut self, slot: u32) {
        self.slots[slot as usize].connections += 1;
    }

    /// A connection that came in by a listener has gone.
    pub(crate) fn leave(&mut self, slot: u32) {
        self.slots[slot as usize].connections -= 1;
        self.sweep_slot(slot as usize);
    }

    /// Closes each socket as soon as no accept is under way on it: none is armed any more.
    pub(crate) fn end(&mut self) {
        self.over = true;
        self.sweep();
    }

    /// Closes the retired sockets on which no accept is under way, and frees their slots once nothing refers to them.
    pub(crate) fn sweep(&mut self) {
        let slots: Vec<usize> = self.slots.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.sweep_slot(slot);
        }
    }

    fn sweep_slot(&mut self, slot: usize) {
        let listener = &mut self.slots[slot];
        if !(listener.retired || self.over) || listener.accepting {
            return;
        }
        listener.socket = None;
        if listener.retired && listener.connections == 0 {
            self.slots.remove(slot);
        }
    }
}
