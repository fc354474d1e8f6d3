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
use crate::table::{Counter, FINGERPRINT, Kind};

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
    /// Where the counters are in the block of another version; none in one of ours.
    places: Option<Places>,
}

/// Where another version of the program keeps what we know.
#[derive(Debug)]
struct Places {
    /// The cell of each of our counters; none when the other version does not count it.
    counters: Vec<Option<usize>>,
    /// The first cell of the latencies; none when they are kept otherwise.
    latency: Option<usize>,
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
        Ok(Self { cells, places: None })
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
        Ok(Self { cells, places: None })
    }

    /// Opens a block of another version of the program, which has the counters `names` in this order, to be read
    /// only.
    ///
    /// # Errors
    /// As [`Block::open`]; [`OpenError::OtherLayout`] only when the header is another one or does not fit `names`.
    pub fn open_foreign(fd: OwnedFd, names: &[String]) -> Result<Self, OpenError> {
        let duplicate = fd.try_clone()?;
        match Self::open(fd) {
            Err(OpenError::OtherLayout) => {}
            opened => return opened,
        }
        let available = File::from(duplicate.try_clone()?).metadata()?.len() / size_of::<AtomicU64>() as u64;
        let cells = Cells::from_fd(duplicate, available as usize)?;
        let [_, layout, counters, latencies] = std::array::from_fn(|at| cells[at].load(Relaxed));
        let fits = counters.checked_add(latencies).is_some_and(|both| both <= available - HEADER as u64);
        if layout != LAYOUT || counters != names.len() as u64 || !fits {
            return Err(OpenError::OtherLayout);
        }
        let place = |counter: &Counter| {
            names.iter().position(|name| name == counter.descriptor().name).map(|at| HEADER + at)
        };
        let places = Places {
            counters: Counter::ALL.iter().map(place).collect(),
            latency: (latencies == latency::CELLS as u64).then_some(HEADER + names.len()),
        };
        Ok(Self { cells, places: Some(places) })
    }

    /// Adds what shards that have ended have counted. Gauges are left out, for nothing is open any more.
    pub fn add_ended<'b>(&self, ended: impl IntoIterator<Item = &'b Block>) {
        for block in ended {
            let counters = Counter::ALL.iter().filter(|counter| counter.descriptor().kind == Kind::Counter);
            counters.for_each(|&counter| self.add(counter, block.get(counter)));
            for (into, from) in self.latencies().iter().zip(block.latencies()) {
                add(into, from.load(Relaxed));
            }
        }
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
        match &self.places {
            None => self.cell(counter).load(Relaxed),
            Some(places) => places.counters[counter as usize].map_or(0, |at| self.cells[at].load(Relaxed)),
        }
    }

    /// The latencies of the shard's requests.
    #[inline]
    pub fn latency(&self) -> Latency<'_> {
        Latency::new(self.latencies())
    }

    /// Nothing when another version keeps them otherwise.
    fn latencies(&self) -> &[AtomicU64] {
        let first = match &self.places {
            None => Some(LATENCY),
            Some(places) => places.latency,
        };
        first.map_or(&[], |first| &self.cells[first..][..latency::CELLS])
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
    fn another_version_is_read_by_name() {
        // It counts one thing less than we do, and one that we do not know.
        let mut names: Vec<String> = Counter::ALL.iter().map(|c| c.descriptor().name.to_owned()).collect();
        names.reverse();
        names[0] = "unknown".to_owned();
        let cells = Cells::create("kimura-test", LEN).unwrap();
        let header = [MARK, LAYOUT, names.len() as u64, latency::CELLS as u64, FINGERPRINT + 1];
        cells.iter().zip(header).for_each(|(cell, value)| cell.store(value, Relaxed));
        for at in 0..names.len() {
            cells[HEADER + at].store(at as u64, Relaxed);
        }
        cells[HEADER + names.len()].store(1, Relaxed);
        let block = Block::open_foreign(duplicate(&cells), &names).unwrap();
        for (index, &counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(block.get(counter), (names.len() - 1 - index) as u64 % names.len() as u64);
        }
        let grave = Block::create(0).unwrap();
        grave.add_ended([&block, &block]);
        assert_eq!(grave.get(Counter::ALL[1]), 2 * block.get(Counter::ALL[1]));
        assert_eq!(grave.latencies()[0].load(Relaxed), 2);
        assert!(Block::open_foreign(duplicate(&cells), &names[1..]).is_err());
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
