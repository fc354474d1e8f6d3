//! Where everything is in the memory of a queue. Its cells have 64 bits, in native byte order.
//!
//! | Cells | What |
//! |---|---|
//! | 8 | the [`perf::Tally`] |
//! | 8 | mark, version of the layout, number of blocks, name, epoch, where numbers of lines begin |
//! | 32 | the change under way: how many cells it has, then place and value of each |
//! | 32 x 3 | who has sent: the generation of a worker, the number of its last packet, its lines |
//! | 9 for each block | what it is, see [`field`] |
//! | the rest | the lines of the blocks |

use perf::TALLY_CELLS;
use perf::tally::HEAD_CELLS;

/// Bytes of lines in a block: as many as a worker sends at once, at most.
pub(super) const BLOCK_BYTES: usize = crate::batch::BATCH_BYTES;
/// The same in cells.
pub(super) const BLOCK_CELLS: usize = BLOCK_BYTES / size_of::<u64>();

pub(super) const BLOCKS_AT: usize = TALLY_CELLS + 2;
/// Names the queue for good.
pub(super) const NAME_AT: usize = TALLY_CELLS + 3;
/// A line has the number that stands here, and how many have come before it in this life of the server.
pub(super) const NUMBERS_AT: usize = TALLY_CELLS + 5;

/// Cells that one change can have.
pub(super) const CHANGES: usize = 15;
pub(super) const JOURNAL_AT: usize = HEAD_CELLS;
const JOURNAL_CELLS: usize = 32;
const _: () = assert!(2 * CHANGES < JOURNAL_CELLS);

/// Workers that are known at once; more than ever run side by side.
pub(super) const SENDERS: usize = 32;
pub(super) const SENDERS_AT: usize = JOURNAL_AT + JOURNAL_CELLS;
/// Cells of a sender.
pub(super) const SENDER_CELLS: usize = 3;

const HEADS_AT: usize = SENDERS_AT + SENDERS * SENDER_CELLS;
/// Cells that tell of a block.
const FIELDS: usize = 9;

/// Cells of what a block is, from its head on.
pub(super) mod field {
    /// [`super::FREE`], [`super::WAITING`] or [`super::LEAVING`].
    pub(in crate::queue) const STATE: usize = 0;
    /// Blocks leave in this order.
    pub(in crate::queue) const ORDER: usize = 1;
    /// Bytes of lines in it.
    pub(in crate::queue) const LEN: usize = 2;
    /// Lines in it.
    pub(in crate::queue) const LINES: usize = 3;
    /// Bytes that were delivered.
    pub(in crate::queue) const DONE: usize = 4;
    /// Lines that were delivered.
    pub(in crate::queue) const LINES_DONE: usize = 5;
    /// Where the outlet was when the delivery that is under way began, and 1; 0 when none is.
    pub(in crate::queue) const BEGUN_AT: usize = 6;
    /// The number of its first line.
    pub(in crate::queue) const FIRST: usize = 7;
    /// Which outlet that was, or the one to which the last part went: see [`crate::outlet::Position`].
    pub(in crate::queue) const BEGUN_IN: usize = 8;
}

/// Nothing is in the block.
pub(super) const FREE: u64 = 0;
/// Its lines wait.
pub(super) const WAITING: u64 = 1;
/// Its lines are being delivered; no more are added.
pub(super) const LEAVING: u64 = 2;

/// Fewest blocks with which a queue works: one leaves, one waits, and one can be filled.
pub(super) const BLOCKS_MIN: usize = 4;

/// The cells of a queue that has room for `bytes` of lines.
#[must_use]
pub fn cells_for(bytes: usize) -> usize {
    let blocks = bytes.div_ceil(BLOCK_BYTES).max(BLOCKS_MIN);
    lines_at(blocks, blocks)
}

/// The cells that a queue has in addition for `bytes` more.
#[must_use]
pub fn cells_of_lines(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK_BYTES) * (FIELDS + BLOCK_CELLS)
}

/// How many blocks `cells` have room for.
pub(super) fn blocks_in(cells: usize) -> usize {
    cells.saturating_sub(HEADS_AT) / (FIELDS + BLOCK_CELLS)
}

/// The cell of a field of a block.
pub(super) fn head(block: usize, field: usize) -> usize {
    HEADS_AT + block * FIELDS + field
}

/// The first cell of the lines of a block, in a queue of `blocks`.
pub(super) fn lines_at(blocks: usize, block: usize) -> usize {
    HEADS_AT + blocks * FIELDS + block * BLOCK_CELLS
}

/// Whether a change may have this cell, in a queue of `blocks`: numbers, but no lines.
pub(super) fn is_changed(blocks: usize, at: usize) -> bool {
    at < TALLY_CELLS || (SENDERS_AT..lines_at(blocks, 0)).contains(&at)
}
