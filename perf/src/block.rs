//! The counters of one shard in shared memory.
//!
//! The memory outlives the shard: whoever holds the descriptor can read it after a crash. It is an array of
//! 64-bit cells in native byte order: a header, one cell for each [`Counter`], then those of the latencies.
//!
//! | Cell | What |
//! |---|---|
//! | 0 | the mark `KIMURA\0\0` |
//! | 1 | version of the layout |
//! | 2 | number of counters |
//! | 3 | number of cells of the latencies |
//! | 4 | hash of the counters' names and kinds |
//! | 5 | number of the shard |
//! | 6, 7 | zero |

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sys::mem::Cells;

use crate::error::OpenError;
use crate::latency::{self, Latency};
use crate::table::{Counter, FINGERPRINT};

/// Cells before the first counter: one cache line, which only readers touch once it is written.
const HEADER: usize = 8;
const LATENCY: usize = HEADER + Counter::COUNT;
const LEN: usize = LATENCY + latency::CELLS;

const SHARD: usize = 5;
const MARK: u64 = u64::from_ne_bytes(*b"KIMURA\0\0");
const LAYOUT: u64 = 1;
/// The cells of the header that must be the same in writer and reader.
const FIXED: [u64; SHARD] = [MARK, LAYOUT, Counter::COUNT as u64, latency::CELLS as u64, FINGERPRINT];

/// The counters of one shard.
///
/// Exactly one thread writes: it loads, adds and stores without a locked instruction, and a second writer
/// would lose counts. Any number of threads and processes may read meanwhile.
#[derive(Debug)]
pub struct Block {
    cells: Cells,
}

impl Block {
    /// Makes the block of shard number `shard`, all zero.
    ///
    /// # Errors
    /// The process has no file descriptors or no memory left.
    pub fn create(shard: usize) -> io::Result<Self> {
        let cells = Cells::create(&format!("kimura-counters-{shard}"), LEN)?;
        for (cell, value) in cells.iter().zip(FIXED) {
            cell.store(value, Relaxed);
        }
        cells[SHARD].store(shard as u64, Relaxed);
        Ok(Self { cells })
    }

    /// Opens a block that another process, or an earlier one, has made.
    ///
    /// # Errors
    /// [`OpenError`] when `fd` cannot be mapped, or when its header does not say that every cell means there
    /// what it means here.
    pub fn open(fd: OwnedFd) -> Result<Self, OpenError> {
        let file = File::from(fd);
        // The block of another version may be shorter than ours; its header must be read nevertheless.
        let available = file.metadata()?.len() / size_of::<AtomicU64>() as u64;
        if available < HEADER as u64 {
            return Err(OpenError::NotABlock);
        }
        let len = LEN.min(available as usize);
        let cells = Cells::from_fd(file.into(), len)?;
        let header: [u64; SHARD] = std::array::from_fn(|at| cells[at].load(Relaxed));
        if header[0] != MARK {
            return Err(OpenError::NotABlock);
        }
        if header != FIXED || len < LEN {
            return Err(OpenError::OtherLayout);
        }
        Ok(Self { cells })
    }

    /// The descriptor of the memory, to be handed to a reader.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.cells.fd()
    }

    /// The number of the shard.
    pub fn shard(&self) -> usize {
        self.cells[SHARD].load(Relaxed) as usize
    }

    /// Counts one.
    #[inline]
    pub fn inc(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `by`.
    #[inline]
    pub fn add(&self, counter: Counter, by: u64) {
        add(self.cell(counter), by);
    }

    /// Sets a gauge, or a counter that is kept elsewhere.
    #[inline]
    pub fn set(&self, counter: Counter, value: u64) {
        self.cell(counter).store(value, Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self, counter: Counter) -> u64 {
        self.cell(counter).load(Relaxed)
    }

    /// The latencies of the shard's requests.
    #[inline]
    pub fn latency(&self) -> Latency<'_> {
        Latency::new(&self.cells[LATENCY..])
    }

    /// Counts one request that took `ns` nanoseconds.
    #[inline]
    pub fn record_latency(&self, ns: u64) {
        self.latency().record(ns);
    }

    #[inline]
    fn cell(&self, counter: Counter) -> &AtomicU64 {
        &self.cells[HEADER + counter as usize]
    }
}

/// Adds to a cell that only the caller writes. A load and a store do; `fetch_add` would lock the bus.
#[inline]
pub(crate) fn add(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duplicate(cells: &Cells) -> OwnedFd {
        cells.fd().try_clone_to_owned().unwrap()
    }

    #[test]
    fn counts() {
        let block = Block::create(3).unwrap();
        block.inc(Counter::Parks);
        block.add(Counter::Parks, 41);
        block.set(Counter::ConnectionsOpen, 7);
        assert_eq!(block.get(Counter::Parks), 42);
        assert_eq!(block.get(Counter::ConnectionsOpen), 7);
        assert_eq!(block.get(Counter::Passes), 0);
        assert_eq!(block.shard(), 3);
    }

    #[test]
    fn a_reader_sees_what_the_writer_counts() {
        let writer = Block::create(1).unwrap();
        let reader = Block::open(duplicate(&writer.cells)).unwrap();
        for counter in Counter::ALL {
            writer.set(*counter, 1000 + *counter as u64);
        }
        assert_eq!(reader.shard(), 1);
        for counter in Counter::ALL {
            assert_eq!(reader.get(*counter), 1000 + *counter as u64);
        }
    }

    #[test]
    fn foreign_memory_is_refused() {
        let refusal = |len: usize, header: &[u64]| {
            let cells = Cells::create("kimura-test", len).unwrap();
            cells.iter().zip(header).for_each(|(cell, value)| cell.store(*value, Relaxed));
            Block::open(duplicate(&cells)).unwrap_err()
        };
        let other = |at: usize| {
            let mut header = FIXED;
            header[at] += 1;
            header
        };
        assert!(matches!(refusal(1, &[MARK]), OpenError::NotABlock));
        assert!(matches!(refusal(LEN, &[]), OpenError::NotABlock));
        assert!(matches!(refusal(LEN, &other(0)), OpenError::NotABlock));
        for at in 1..FIXED.len() {
            assert!(matches!(refusal(LEN, &other(at)), OpenError::OtherLayout), "cell {at}");
        }
        assert!(matches!(refusal(LEN - 1, &FIXED), OpenError::OtherLayout));
    }
}
