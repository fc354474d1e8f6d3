//! What has become of the lines of one log: numbers in shared memory, in front of the lines that wait there.
//!
//! Whoever writes brackets each change by two steps of the version: an odd one says that it is under way. So a reader
//! in another process sees numbers that belong together, whenever it looks.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Cells in front of everything else in that memory.
pub const TALLY_CELLS: usize = 8;
/// Cell of the version.
pub const VERSION: usize = 0;
/// Cell of [`Tally::taken`].
pub const TAKEN: usize = 1;
/// Cell of [`Tally::delivered`].
pub const DELIVERED: usize = 2;
/// Cell of [`Tally::dropped`].
pub const DROPPED: usize = 3;
/// Cell of [`Tally::queued`].
pub const QUEUED: usize = 4;
/// Cell that says whether delivery fails at present: 0 or 1.
pub const FAILING: usize = 5;
/// Cell of [`Tally::left`].
pub const LEFT: usize = 6;

/// Cell of [`Tally::messages`].
pub const MESSAGES: usize = 7;

/// Cell of the mark, behind the tally: [`MARK`] once the memory is made.
pub const MARK_AT: usize = TALLY_CELLS;
/// Tells such memory from anything else.
pub const MARK: u64 = u64::from_ne_bytes(*b"KIMURALQ");
/// Cell of the version of what comes behind: [`LAYOUT`].
pub const LAYOUT_AT: usize = TALLY_CELLS + 1;
/// The version that this program makes and reads.
pub const LAYOUT: u64 = 3;
/// Cell of the epoch: which life of a server the numbers are of.
pub const EPOCH_AT: usize = TALLY_CELLS + 4;
/// All cells that tell of the memory itself, the tally included.
pub const HEAD_CELLS: usize = 2 * TALLY_CELLS;

/// Looks until one says that nobody writes for good: the writer has died in the middle of a change.
const LOOKS: usize = 1000;

/// Lines of one log. Taken = delivered + dropped + queued, whenever one looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines that have come in.
    pub taken: u64,
    /// Lines that have arrived where they should.
    pub delivered: u64,
    /// Lines that were given up, because no more could wait.
    pub dropped: u64,
    /// Lines that wait.
    pub queued: u64,
    /// Whether delivery fails at present.
    pub failing: bool,
    /// Of those that have come in, lines that a server before this one has left.
    pub left: u64,
    /// Of those that have come in, messages of the error log, which no worker counts.
    pub messages: u64,
}

impl Tally {
    /// Reads the numbers at the beginning of `cells`, of which there are [`TALLY_CELLS`] at least. Numbers of a writer
    /// that died in the middle of a change may be one change apart.
    #[must_use]
    pub fn read(cells: &[AtomicU64]) -> Self {
        let mut tally = Self::default();
        for _ in 0..LOOKS {
            let before = cells[VERSION].load(Ordering::Acquire);
            tally = Self::snapshot(cells);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && cells[VERSION].load(Ordering::Relaxed) == before {
                break;
            }
            std::hint::spin_loop();
        }
        tally
    }

    fn snapshot(cells: &[AtomicU64]) -> Self {
        let cell = |at: usize| cells[at].load(Ordering::Relaxed);
        Self {
            taken: cell(TAKEN),
            delivered: cell(DELIVERED),
            dropped: cell(DROPPED),
            queued: cell(QUEUED),
            failing: cell(FAILING) != 0,
            left: cell(LEFT),
            messages: cell(MESSAGES),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            taken: self.taken.saturating_add(other.taken),
            delivered: self.delivered.saturating_add(other.delivered),
            dropped: self.dropped.saturating_add(other.dropped),
            queued: self.queued.saturating_add(other.queued),
            failing: self.failing || other.failing,
            left: self.left.saturating_add(other.left),
            messages: self.messages.saturating_add(other.messages),
        }
    }

    /// Whether every line is accounted for.
    #[must_use]
    pub fn even(&self) -> bool {
        // The logger writes the numbers: none may be more than a reader can bear.
        self.taken == self.delivered.saturating_add(self.dropped).saturating_add(self.queued)
    }
}
