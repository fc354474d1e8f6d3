//! A shard's end of the access logs.

use logging::{Format, Record, ShardLog, SinkId};
use perf::{Block, Counter};

/// The shard's end of the logger.
pub(crate) struct AccessLog {
    shard: ShardLog,
    /// Lines dropped, as the counters say.
    published: u64,
}

impl AccessLog {
    pub(crate) fn new(shard: ShardLog) -> AccessLog {
        AccessLog { shard, published: 0 }
    }

    pub(crate) fn write(&mut self, sink: SinkId, format: &Format, record: &Record<'_>) {
        self.shard.write(sink, format, record);
    }

    /// Whether a line for any of these sinks had better not be made now.
    pub(crate) fn holds(&self, sinks: &[SinkId]) -> bool {
        self.shard.holds(sinks)
    }

    /// Whether lines wait to be handed over.
    pub(crate) fn waits(&self) -> bool {
        self.shard.waits()
    }

    /// Hands over what has gathered.
    pub(crate) fn tick(&mut self) {
        self.shard.tick();
    }

    /// Copies what was dropped to the shard's counters.
    pub(crate) fn publish(&mut self, counters: &Block) {
        let dropped = self.shard.dropped();
        counters.add(Counter::LogLinesDropped, dropped - self.published);
        self.published = dropped;
    }
}
