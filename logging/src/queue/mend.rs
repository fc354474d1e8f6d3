//! What others have left is looked at before it is used. A process that was killed leaves numbers that belong together;
//! a server that has ended leaves, in a file, numbers of another life; and a machine that has lost its power leaves, in
//! a file, anything at all.

use perf::tally::{self, EPOCH_AT};

use super::layout::{
    BLOCK_BYTES, FREE, LEAVING, NUMBERS_AT, SENDER_CELLS, SENDERS, SENDERS_AT, WAITING, field, head,
};
use super::memory::Memory;
use super::newlines;

/// No count comes to more in the life of a server, and sums of a few of these are numbers still.
const COUNT_MAX: u64 = 1 << 60;
/// Nor does a number of a line.
const NUMBER_MAX: u64 = 1 << 62;
/// More lines than come in one life of a server.
const LIFE_LINES: u64 = 1 << 40;

/// What all blocks are found to hold.
#[derive(Default)]
struct Found {
    /// Lines that wait.
    waiting: u64,
    /// Lines that cannot be delivered.
    broken: u64,
    /// Whether a block leaves.
    leaves: bool,
    /// Beyond the numbers of all of them.
    next: u64,
}

/// Whose the numbers are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Of this life of the server.
    Own,
    /// Of another one, after which the machine may have lost its power.
    Other,
}

impl Memory {
    /// Makes everything hold that the queue relies on.
    pub(super) fn mend(&self, epoch: u64) {
        let life = if self.get(EPOCH_AT) == epoch { Life::Own } else { Life::Other };
        let mut found = Found::default();
        for block in 0..self.count() {
            self.mend_block(block, life, &mut found);
        }
        if life == Life::Own && found.broken == 0 && self.counts_well(found.waiting) {
            return;
        }
        // Workers and their packets are counted anew.
        (SENDERS_AT..SENDERS_AT + SENDERS * SENDER_CELLS).for_each(|at| self.put(at, 0));
        self.number_on(found.next);
        let lines = found.waiting + found.broken;
        self.change(&[
            (tally::TAKEN, lines),
            (tally::DELIVERED, 0),
            (tally::DROPPED, found.broken),
            (tally::QUEUED, found.waiting),
            (tally::FAILING, 0),
            (tally::LEFT, lines),
            (tally::MESSAGES, 0),
        ]);
        // Last: whoever is killed before begins again.
        self.put(EPOCH_AT, epoch);
    }

    /// Lines that come have numbers that none has had: of what was written last, the disk may not know.
    fn number_on(&self, next: u64) {
        let known = self.get(NUMBERS_AT).saturating_add(self.get(tally::TAKEN)).max(next);
        if known < COUNT_MAX {
            return self.put(NUMBERS_AT, (known / LIFE_LINES + 1) * LIFE_LINES);
        }
        self.name();
        self.put(NUMBERS_AT, COUNT_MAX);
    }

    /// Whether the counts are possible, with so many lines that wait.
    fn counts_well(&self, waiting: u64) -> bool {
        let counts = [tally::TAKEN, tally::DELIVERED, tally::DROPPED, tally::LEFT, tally::MESSAGES]
            .map(|at| self.get(at));
        let [taken, delivered, dropped, left, messages] = counts;
        let sender = |sender| self.get(SENDERS_AT + sender * SENDER_CELLS + 2);
        let small = |count: u64| count < COUNT_MAX;
        let numbers = self.get(NUMBERS_AT);
        numbers <= COUNT_MAX
            && counts.into_iter().all(small)
            && (0..SENDERS).map(sender).all(small)
            && self.get(tally::QUEUED) == waiting
            && left.saturating_add(messages) <= taken
            && taken == delivered + dropped + waiting
    }

    fn mend_block(&self, block: usize, life: Life, found: &mut Found) {
        let cell = |field| self.field(block, field);
        if cell(field::STATE) == FREE {
            let rest = [field::LEN, field::DONE, field::LINES, field::LINES_DONE, field::BEGUN_AT];
            if rest.into_iter().any(|field| cell(field) != 0) {
                self.empty(block);
            }
            return;
        }
        let lines = cell(field::LINES).saturating_sub(cell(field::LINES_DONE));
        if !self.is_sound(block) || (life == Life::Other && !self.is_whole(block, lines)) {
            // As many as can have been in it.
            found.broken += lines.min(BLOCK_BYTES as u64);
            return self.empty(block);
        }
        found.waiting += lines;
        found.next = found.next.max(cell(field::FIRST) + cell(field::LINES));
        // One at a time leaves.
        if cell(field::STATE) == LEAVING && std::mem::replace(&mut found.leaves, true) {
            self.put(head(block, field::STATE), WAITING);
        }
    }

    /// Whether the numbers of a block are possible.
    fn is_sound(&self, block: usize) -> bool {
        let cell = |field| self.field(block, field);
        matches!(cell(field::STATE), WAITING | LEAVING)
            && cell(field::ORDER) < COUNT_MAX
            && cell(field::FIRST) < NUMBER_MAX
            && cell(field::LEN) <= BLOCK_BYTES as u64
            && cell(field::DONE) < cell(field::LEN)
            && cell(field::LINES) <= cell(field::LEN)
            && cell(field::LINES_DONE) <= cell(field::LINES)
    }

    /// Whether as many whole lines wait in a block as it says.
    fn is_whole(&self, block: usize, lines: u64) -> bool {
        let cell = |field| self.field(block, field) as usize;
        let mut bytes = Vec::new();
        self.read(block, cell(field::DONE), cell(field::LEN), &mut bytes);
        newlines(&bytes) == lines && bytes.ends_with(b"\n")
    }

    fn empty(&self, block: usize) {
        let fields =
            [field::LINES, field::LINES_DONE, field::DONE, field::LEN, field::BEGUN_AT, field::STATE];
        fields.into_iter().for_each(|field| self.put(head(block, field), 0));
    }
}
