//! The unit that travels between a shard and the logger thread: lines back to back, whose they are, and the facts
//! about each that viewers choose by.

use crate::civil::Stamp;
use crate::format::{Format, LINE_MAX};
use crate::record::Record;
use crate::sink::SinkId;
use crate::tail::facts::{self, Facts};

/// Bytes of lines in one batch.
pub(crate) const BATCH_BYTES: usize = 128 * 1024;
/// Changes of the sink in one batch.
const BATCH_RUNS: usize = 1024;

/// Bytes of facts in one batch.
pub(crate) const FACTS_BYTES: usize = 32 * 1024;

/// Consecutive lines for one sink: they end at `end` and begin where the run before ends; so do their facts.
struct Run {
    sink: SinkId,
    end: usize,
    facts_end: usize,
    lines: u64,
}

/// What one sink is to write.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'b> {
    pub(crate) sink: SinkId,
    /// Whole lines.
    pub(crate) bytes: &'b [u8],
    /// The facts about each, as [`facts::append`] writes them.
    pub(crate) facts: &'b [u8],
    /// How many lines these are.
    pub(crate) count: u64,
}

/// Bounded memory for lines, allocated once and reused for the life of a shard.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    facts: Vec<u8>,
    runs: Vec<Run>,
    lines: u64,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(BATCH_BYTES),
            facts: Vec::with_capacity(FACTS_BYTES),
            runs: Vec::with_capacity(BATCH_RUNS),
            lines: 0,
        }
    }

    /// Whether one more line fits whatever it is, without growing.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.capacity() - self.bytes.len() >= LINE_MAX
            && self.facts.capacity() - self.facts.len() >= facts::LEN_MAX
            && self.runs.len() < self.runs.capacity()
    }

    /// Appends one line. The caller has made sure that there [is room](Self::has_room).
    pub(crate) fn push(&mut self, sink: SinkId, format: &Format, record: &Record<'_>, stamp: &mut Stamp) {
        let start = self.bytes.len();
        format.append(&mut self.bytes, record, stamp);
        self.lines += 1;
        let end = self.bytes.len();
        facts::append(&mut self.facts, end - start, &Facts::of(record));
        let facts_end = self.facts.len();
        match self.runs.last_mut() {
            Some(run) if run.sink == sink => {
                (run.end, run.facts_end) = (end, facts_end);
                run.lines += 1;
            }
            _ => self.runs.push(Run { sink, end, facts_end, lines: 1 }),
        }
    }

    /// Number of lines.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The runs in the order they were written.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Lines<'_>> {
        let (mut start, mut facts_start) = (0, 0);
        self.runs.iter().map(move |run| {
            let bytes = &self.bytes[start..run.end];
            let facts = &self.facts[facts_start..run.facts_end];
            (start, facts_start) = (run.end, run.facts_end);
            Lines { sink: run.sink, bytes, facts, count: run.lines }
        })
    }

    /// Forgets the lines and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.facts.clear();
        self.runs.clear();
        self.lines = 0;
    }
}

#[cfg(test)]
impl Batch {
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn address(&self) -> usize {
        self.bytes.as_ptr().addr()
    }
}
