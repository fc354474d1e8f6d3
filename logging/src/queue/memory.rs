//! The memory of a queue: changes that happen whole or not at all, and bytes.

use std::sync::atomic::Ordering::{Relaxed, Release};

use perf::tally::{self, LAYOUT, LAYOUT_AT, MARK, MARK_AT};
use sys::mem::Cells;

use super::layout::{
    BLOCKS_AT, BLOCKS_MIN, CHANGES, FREE, JOURNAL_AT, NAME_AT, blocks_in, field, head, is_changed, lines_at,
};
use crate::error::Error;

/// Bytes of a cell.
const CELL: usize = size_of::<u64>();

/// One thread at a time changes it, and another process goes on with it when this one has been killed: between two
/// instructions at worst, since memory that is shared survives.
pub(super) struct Memory {
    cells: Cells,
    count: usize,
}

impl Memory {
    /// New memory, all zero, or what somebody else has left. What that is of another life of a server, or says what cannot
    /// be, is mended.
    pub(super) fn open(cells: Cells, epoch: u64) -> Result<Self, Error> {
        let blocks = blocks_in(cells.len());
        if blocks < BLOCKS_MIN {
            return Err(Error::Queue("it is too small"));
        }
        let memory = Self { cells, count: blocks };
        match (memory.get(MARK_AT), memory.get(LAYOUT_AT), memory.get(BLOCKS_AT)) {
            // New, or killed before the mark was made: nothing is in it.
            (0, 0 | LAYOUT, _) => {
                memory.put(LAYOUT_AT, LAYOUT);
                memory.begin();
            }
            (MARK, LAYOUT, known) if known == blocks as u64 => memory.recover(),
            (MARK, LAYOUT, _) => return Err(Error::Queue("it has another size")),
            _ => return Err(Error::Queue("another version of the program has made it")),
        }
        memory.mend(epoch);
        Ok(memory)
    }

    /// Makes it a queue.
    fn begin(&self) {
        self.name();
        self.put(BLOCKS_AT, self.count as u64);
        self.put(MARK_AT, MARK);
    }

    /// Gives it a name that no queue has had.
    pub(super) fn name(&self) {
        let mut name = [0; CELL];
        // The kernel has had enough randomness since its start; without any, the time tells queues apart.
        let random = sys::random::fill(&mut name).map(|()| u64::from_ne_bytes(name));
        self.put(NAME_AT, random.unwrap_or_else(|_| sys::clock::now_monotonic_ns()));
    }

    pub(super) fn cells(&self) -> &Cells {
        &self.cells
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        self.cells[at].load(Relaxed)
    }

    /// In the order of the program: a kill is no power failure.
    pub(super) fn put(&self, at: usize, value: u64) {
        #[cfg(test)]
        if !super::fuse::burns() {
            return;
        }
        self.cells[at].store(value, Release);
    }

    /// How many blocks there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The blocks in a state.
    pub(super) fn blocks(&self, state: u64) -> impl Iterator<Item = usize> {
        (0..self.count).filter(move |&block| self.field(block, field::STATE) == state)
    }

    /// Blocks in which something is.
    pub(super) fn used(&self) -> usize {
        self.count - self.blocks(FREE).count()
    }

    /// A field of a block.
    pub(super) fn field(&self, block: usize, field: usize) -> u64 {
        self.get(head(block, field))
    }

    /// Changes several cells at once: whoever comes after a kill finds all of it or nothing.
    ///
    /// # Panics
    /// For more cells than [`CHANGES`].
    pub(super) fn change(&self, cells: &[(usize, u64)]) {
        assert!(cells.len() <= CHANGES, "a change fits into the journal");
        for (index, &(at, value)) in cells.iter().enumerate() {
            self.put(JOURNAL_AT + 1 + 2 * index, at as u64);
            self.put(JOURNAL_AT + 2 + 2 * index, value);
        }
        // The journal is whole before it says so.
        self.put(JOURNAL_AT, cells.len() as u64);
        self.apply(cells.iter().copied());
    }

    fn apply(&self, cells: impl Iterator<Item = (usize, u64)>) {
        let version = self.get(tally::VERSION) | 1;
        self.put(tally::VERSION, version);
        cells.for_each(|(at, value)| self.put(at, value));
        self.put(tally::VERSION, version.wrapping_add(1));
        self.put(JOURNAL_AT, 0);
    }

    /// Carries out the change in whose middle somebody was killed.
    fn recover(&self) {
        let len = (self.get(JOURNAL_AT) as usize).min(CHANGES);
        let change =
            |index| (self.get(JOURNAL_AT + 1 + 2 * index) as usize, self.get(JOURNAL_AT + 2 + 2 * index));
        let known = |&(at, _): &(usize, u64)| is_changed(self.count, at);
        if len > 0 {
            let changes: Vec<_> = (0..len).map(change).filter(known).collect();
            self.apply(changes.into_iter());
        }
    }

    /// Puts `bytes` behind the `len` that a block has. They count once a change says so.
    pub(super) fn write(&self, block: usize, len: usize, bytes: &[u8]) {
        #[cfg(test)]
        let bytes = super::fuse::burns_along(bytes, CELL);
        self.cells.put_bytes(lines_at(self.count, block) * CELL + len, bytes);
    }

    /// Copies bytes `from..to` of a block to the end of `out`.
    pub(super) fn read(&self, block: usize, from: usize, to: usize, out: &mut Vec<u8>) {
        let lines = lines_at(self.count, block) * CELL;
        self.cells.append_bytes(lines + from..lines + to, out);
    }
}
