//! The unit that travels between a shard and the logger thread: lines back to back, and whose they are.

use crate::civil::Stamp;
use crate::format::{Format, LINE_MAX};
use crate::record::Record;
use crate::sink::SinkId;

/// Bytes of lines in one batch.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// Changes of the sink in one batch.
const BATCH_RUNS: usize = 1024;

/// Consecutive lines for one sink: they end at `end` and begin where the run before ends.
struct Run {
    sink: SinkId,
    end: usize,
}

/// Bounded memory for lines, allocated once and reused for the life of a shard.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    lines: u64,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(BATCH_BYTES), runs: Vec::with_capacity(BATCH_RUNS), lines: 0 }
    }

    /// Whether one more line fits whatever it is, without growing.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.capacity() - self.bytes.len() >= LINE_MAX && self.runs.len() < self.runs.capacity()
    }

    /// Appends one line. The caller has made sure that there [is room](Self::has_room).
    pub(crate) fn push(&mut self, sink: SinkId, format: &Format, record: &Record<'_>, stamp: &mut Stamp) {
        format.append(&mut self.bytes, record, stamp);
        self.lines += 1;
        let end = self.bytes.len();
        match self.runs.last_mut() {
            Some(run) if run.sink == sink => run.end = end,
            _ => self.runs.push(Run { sink, end }),
        }
    }

    /// Number of lines.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The runs in the order they were written: whose, and their whole lines.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (SinkId, &[u8])> {
        let mut start = 0;
        self.runs.iter().map(move |run| {
            let lines = &self.bytes[start..run.end];
            start = run.end;
            (run.sink, lines)
        })
    }

    /// Forgets the lines and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
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
