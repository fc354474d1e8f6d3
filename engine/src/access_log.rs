//! A shard's end of the access logs.

use logging::{Counts, Format, Record, ShardLog, SinkId};
use perf::{Block, Counter};

/// The shard's end of the logger.
pub(crate) struct AccessLog {
    shard: ShardLog,
    published: Counts,
    /// Lines have gathered since the last tick.
    waiting: bool,
}

impl AccessLog {
    pub(crate) fn new(shard: ShardLog) -> AccessLog {
        AccessLog { shard, published: Counts::default(), waiting: false }
    }

    pub(crate) fn write(&mut self, sink: SinkId, format: &Format, record: &Record<'_>) {
        self.shard.write(sink, format, record);
        self.waiting = true;
    }

    /// Whether lines wait to be handed over.
    pub(crate) fn waits(&self) -> bool {
        self.waiting
    }

    /// Hands over what has gathered.
    pub(crate) fn tick(&mut self) {
        self.shard.tick();
        self.waiting = false;
    }

    /// Copies the counts to the shard's counters.
    pub(crate) fn publish(&mut self, counters: &Block) {
        let now = self.shard.counts();
        counters.add(Counter::LogLines, now.lines - self.published.lines);
        counters.add(Counter::LogLinesDropped, now.dropped - self.published.dropped);
        self.published = now;
    }
}
