//! What waits between the desk, where lines come in, and the outlet of one log.
//!
//! The lines lie in memory that the supervisor has made, and which outlives this process. Nothing is lost when it is
//! killed, and nothing comes twice: packets have numbers, and of each sender the last one that was taken is known; where an
//! outlet can tell how far it was, so is what of a delivery under way has arrived.

#[cfg(test)]
pub(crate) mod fuse;
mod layout;
mod memory;
mod mend;
#[cfg(test)]
mod tests;

pub use layout::{cells_for, cells_of_lines};

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use perf::tally;
use sys::mem::Cells;

use crate::error::Error;
use crate::outlet::{Outlet, Position};
use crate::pressure::Hold;
use crate::rotation::Plan;
use layout::{BLOCK_BYTES, FREE, LEAVING, SENDER_CELLS, SENDERS, SENDERS_AT, WAITING, field, head};
use memory::Memory;

/// Where the lines of a log wait, and what happens when there is no more room.
pub struct Storage {
    /// The memory: new, or as somebody has left it.
    pub cells: Cells,
    /// Names the life of the server: what another one has left is delivered, but its workers are not known any more.
    pub epoch: u64,
    /// Has requests wait while there is much in it; without it the oldest lines are given up when it is full.
    pub hold: Option<Hold>,
}

impl From<Cells> for Storage {
    fn from(cells: Cells) -> Self {
        Self { cells, epoch: 0, hold: None }
    }
}

/// Names a packet for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The generation of the worker that sent it.
    pub(crate) generation: u32,
    /// Its number, counted by that worker from 1.
    pub(crate) number: u64,
}

/// Lines that are being delivered, and stay in the queue until they are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    block: usize,
    /// Names the queue for good.
    pub(crate) queue: u64,
    /// The number of the first line in the queue.
    pub(crate) first: u64,
    /// How many lines end in it.
    pub(crate) lines: u64,
    /// Where the outlet was when their delivery began, if it had begun when a process was killed.
    pub(crate) begun_at: Option<Position>,
}

/// What there is to do for whoever delivers.
pub(crate) enum Next {
    /// These lines, which are in the buffer now.
    Deliver(Portion),
    /// Another outlet takes over.
    Replace(Replacement),
    /// Nothing has come for as long as one wanted to wait.
    Nothing,
    /// Nothing comes any more.
    End,
}

/// What comes after an outlet.
pub(crate) struct Replacement {
    pub(crate) outlet: Box<dyn Outlet>,
    pub(crate) plan: Plan,
}

/// The queue of one log. One thread fills it, one empties it.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Told when there is something to do for whoever delivers.
    changed: Condvar,
}

struct State {
    memory: Memory,
    hold: Option<Hold>,
    replacement: Option<Replacement>,
    /// Until when what waits may still be delivered; set at the end.
    end: Option<Instant>,
}

impl Queue {
    /// In memory that is new, or that somebody has left.
    pub(crate) fn open(storage: impl Into<Storage>) -> Result<Self, Error> {
        let Storage { cells, epoch, hold } = storage.into();
        let memory = Memory::open(cells, epoch)?;
        let state = State { memory, hold, replacement: None, end: None };
        state.weigh();
        Ok(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// A panic leaves nothing half done: changes are made by the journal.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes whole lines in; once, however often they are offered. When there is no room, the oldest are given up.
    pub(crate) fn take(&self, packet: Packet, lines: &[u8]) {
        let mut state = self.lock();
        state.take(packet, lines);
        state.weigh();
        drop(state);
        self.changed.notify_one();
    }

    /// Takes messages in, which no worker counts and which have no numbers.
    pub(crate) fn add(&self, lines: &[u8]) {
        let mut state = self.lock();
        state.add(lines);
        state.weigh();
        drop(state);
        self.changed.notify_one();
    }

    /// Lines go elsewhere from now on.
    pub(crate) fn replace(&self, replacement: Replacement) {
        self.lock().replacement = Some(replacement);
        self.changed.notify_one();
    }

    /// Nothing comes any more; what waits may be delivered until `end`.
    pub(crate) fn finish(&self, end: Instant) {
        self.lock().end = Some(end);
        self.changed.notify_one();
    }

    /// Waits for something to do, for `patience` if there is one. Lines are put into `buffer`.
    pub(crate) fn next(&self, buffer: &mut Vec<u8>, patience: Option<Duration>) -> Next {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut state = self.lock();
        loop {
            if let Some(replacement) = state.replacement.take() {
                return Next::Replace(replacement);
            }
            if state.end.is_some_and(|end| end <= Instant::now()) {
                return Next::End;
            }
            if let Some(portion) = state.portion(buffer) {
                return Next::Deliver(portion);
            }
            if state.end.is_some() {
                return Next::End;
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Next::Nothing,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Lines whose delivery had begun.
    pub(crate) fn leaving(&self, buffer: &mut Vec<u8>) -> Option<Portion> {
        let mut state = self.lock();
        state.memory.blocks(LEAVING).next()?;
        state.portion(buffer)
    }

    /// The outlet that got the last part of lines whose delivery had begun.
    pub(crate) fn begun_in(&self, portion: &Portion) -> u64 {
        self.lock().memory.field(portion.block, field::BEGUN_IN)
    }

    /// What comes next, without waiting for it.
    pub(crate) fn waiting(&self, buffer: &mut Vec<u8>) -> Option<Portion> {
        self.lock().portion(buffer)
    }

    /// Waits before the next attempt; not for long when something else is to be done.
    pub(crate) fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        while state.replacement.is_none() {
            let until = state.end.map_or(until, |end| until.min(end));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The rest of a line whose beginning has been delivered, in `buffer`, and its length; `None` between two lines.
    pub(crate) fn begun_line(&self, buffer: &mut Vec<u8>) -> Option<(Portion, usize)> {
        let mut state = self.lock();
        let memory = &state.memory;
        let leaving = memory.blocks(LEAVING).next()?;
        let done = memory.field(leaving, field::DONE) as usize;
        let before = done.checked_sub(1)?;
        buffer.clear();
        memory.read(leaving, before, done, buffer);
        if buffer[..] == *b"\n" {
            return None;
        }
        let portion = state.portion(buffer)?;
        let rest = buffer.iter().position(|&byte| byte == b'\n')? + 1;
        Some((portion, rest))
    }

    /// A delivery begins while the outlet is at `position`.
    pub(crate) fn begin(&self, portion: &Portion, position: Position) {
        let at = head(portion.block, field::BEGUN_AT);
        let outlet = (head(portion.block, field::BEGUN_IN), position.outlet);
        self.lock().memory.change(&[(at, position.bytes.saturating_add(1)), outlet]);
    }

    /// So many bytes of a portion, with so many ends of lines, have arrived.
    pub(crate) fn delivered(&self, portion: &Portion, bytes: usize, lines: u64) {
        self.leave(portion, bytes, lines, tally::DELIVERED);
    }

    /// So many bytes of a portion, with so many ends of lines, are given up.
    pub(crate) fn give_up(&self, portion: &Portion, bytes: usize, lines: u64) {
        self.leave(portion, bytes, lines, tally::DROPPED);
    }

    fn leave(&self, portion: &Portion, bytes: usize, lines: u64, fate: usize) {
        let mut state = self.lock();
        state.leave(portion.block, bytes, lines, fate);
        state.weigh();
    }

    /// Whether requests wait when no more lines can.
    pub(crate) fn holds(&self) -> bool {
        self.lock().hold.is_some()
    }

    /// Whether deliveries fail.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.lock().memory.change(&[(tally::FAILING, u64::from(failing))]);
    }

    /// Lines that a worker has sent, as far as one remembers it.
    pub(crate) fn lines_of(&self, generation: u32) -> u64 {
        let state = self.lock();
        let sender = state.sender(generation);
        let known = state.memory.get(sender) == u64::from(generation);
        if known { state.memory.get(sender + 2) } else { 0 }
    }

    /// What has become of all lines.
    pub(crate) fn tally(&self) -> perf::Tally {
        perf::Tally::read(self.lock().memory.cells())
    }
}

impl State {
    /// Has requests wait, or not any more.
    fn weigh(&self) {
        if let Some(hold) = &self.hold {
            hold.weigh(self.memory.used() * BLOCK_BYTES);
        }
    }

    fn take(&mut self, packet: Packet, lines: &[u8]) {
        let sender = self.sender(packet.generation);
        let (generation_at, number_at, lines_at) = (sender, sender + 1, sender + 2);
        let known = self.memory.get(generation_at) == u64::from(packet.generation);
        if known && packet.number <= self.memory.get(number_at) {
            return;
        }
        let count = newlines(lines);
        let memory = &self.memory;
        let before = if known { memory.get(lines_at) } else { 0 };
        let sent = [
            (generation_at, u64::from(packet.generation)),
            (number_at, packet.number),
            (lines_at, before + count),
        ];
        self.append(&sent, count, lines);
    }

    fn add(&mut self, lines: &[u8]) {
        let count = newlines(lines);
        self.append(&[(tally::MESSAGES, self.memory.get(tally::MESSAGES) + count)], count, lines);
    }

    /// Takes `count` lines in, together with this change.
    fn append(&mut self, change: &[(usize, u64)], count: u64, lines: &[u8]) {
        let memory = &self.memory;
        let taken = (tally::TAKEN, memory.get(tally::TAKEN) + count);
        // No worker sends more than a block at once; whoever does is not a worker.
        if lines.len() > BLOCK_BYTES {
            let dropped = (tally::DROPPED, memory.get(tally::DROPPED) + count);
            return memory.change(&[change, &[taken, dropped]].concat());
        }
        let (block, order) = self.room(lines.len());
        let memory = &self.memory;
        let len = memory.field(block, field::LEN) as usize;
        let next = memory.get(layout::NUMBERS_AT) + memory.get(tally::TAKEN);
        let first = if len == 0 { next } else { memory.field(block, field::FIRST) };
        memory.write(block, len, lines);
        let added = [
            taken,
            (tally::QUEUED, memory.get(tally::QUEUED) + count),
            (head(block, field::STATE), WAITING),
            (head(block, field::ORDER), order),
            (head(block, field::FIRST), first),
            (head(block, field::LEN), (len + lines.len()) as u64),
            (head(block, field::LINES), memory.field(block, field::LINES) + count),
        ];
        // On the stack: this happens for each batch.
        let mut changes = [(0, 0); layout::CHANGES];
        let len = change.len() + added.len();
        changes[..change.len()].copy_from_slice(change);
        changes[change.len()..len].copy_from_slice(&added);
        memory.change(&changes[..len]);
    }

    /// The cells of a worker, or of the oldest one, whose place it takes.
    fn sender(&self, generation: u32) -> usize {
        let places = || (0..SENDERS).map(|sender| SENDERS_AT + sender * SENDER_CELLS);
        let known = places().find(|&at| self.memory.get(at) == u64::from(generation));
        let oldest = || places().min_by_key(|&at| self.memory.get(at));
        known.or_else(oldest).unwrap_or(SENDERS_AT)
    }

    /// A block with room for `len` bytes and its place in the order: the newest one, a free one, or the oldest one, whose
    /// lines are given up.
    fn room(&mut self, len: usize) -> (usize, u64) {
        let memory = &self.memory;
        let order = |block: &usize| memory.field(*block, field::ORDER);
        let fits = |block: &usize| memory.field(*block, field::LEN) as usize + len <= BLOCK_BYTES;
        if let Some(block) = memory.blocks(WAITING).max_by_key(order).filter(fits) {
            return (block, order(&block));
        }
        let last = memory
            .blocks(WAITING)
            .chain(memory.blocks(LEAVING))
            .map(|block| order(&block))
            .max()
            .unwrap_or(0);
        // The lowest free one: memory that was never needed is never touched.
        if let Some(block) = memory.blocks(FREE).next() {
            return (block, last + 1);
        }
        let oldest = memory.blocks(WAITING).min_by_key(order);
        let oldest = oldest.expect("one block leaves at a time, and there are more");
        let lines = self.memory.field(oldest, field::LINES) - self.memory.field(oldest, field::LINES_DONE);
        let bytes = self.memory.field(oldest, field::LEN) - self.memory.field(oldest, field::DONE);
        self.leave(oldest, bytes as usize, lines, tally::DROPPED);
        (oldest, last + 1)
    }

    /// The lines that come next, which begin to leave.
    fn portion(&mut self, buffer: &mut Vec<u8>) -> Option<Portion> {
        let memory = &self.memory;
        let order = |block: &usize| memory.field(*block, field::ORDER);
        let leaving = memory.blocks(LEAVING).next();
        let block = leaving.or_else(|| memory.blocks(WAITING).min_by_key(order))?;
        if memory.field(block, field::STATE) == WAITING {
            memory.change(&[(head(block, field::STATE), LEAVING)]);
        }
        let cell = |field| memory.field(block, field) as usize;
        let len = cell(field::LEN).min(BLOCK_BYTES);
        buffer.clear();
        memory.read(block, cell(field::DONE).min(len), len, buffer);
        let begun_at = memory.field(block, field::BEGUN_AT).checked_sub(1);
        let outlet = memory.field(block, field::BEGUN_IN);
        let lines_done = memory.field(block, field::LINES_DONE);
        Some(Portion {
            block,
            queue: memory.get(layout::NAME_AT),
            first: memory.field(block, field::FIRST).saturating_add(lines_done),
            lines: memory.field(block, field::LINES).saturating_sub(lines_done),
            begun_at: begun_at.map(|bytes| Position { outlet, bytes }),
        })
    }

    /// Bytes and lines leave a block for `fate`; with its last byte it is free.
    fn leave(&mut self, block: usize, bytes: usize, lines: u64, fate: usize) {
        let memory = &self.memory;
        let done = memory.field(block, field::DONE) + bytes as u64;
        let lines_done = memory.field(block, field::LINES_DONE) + lines;
        let counted = [
            (fate, memory.get(fate) + lines),
            (tally::QUEUED, memory.get(tally::QUEUED).saturating_sub(lines)),
            (head(block, field::BEGUN_AT), 0),
        ];
        if done >= memory.field(block, field::LEN) {
            let emptied = [field::STATE, field::LEN, field::LINES, field::DONE, field::LINES_DONE];
            let emptied = emptied.map(|field| (head(block, field), 0));
            memory.change(&[&counted[..], &emptied[..]].concat());
        } else {
            let rest = [(head(block, field::DONE), done), (head(block, field::LINES_DONE), lines_done)];
            memory.change(&[&counted[..], &rest[..]].concat());
        }
    }
}

/// Ends of lines in `bytes`.
pub(crate) fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
