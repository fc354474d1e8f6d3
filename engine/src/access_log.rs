//! A shard's end of the access logs.

use logging::{Counts, Format, Record, ShardLog, SinkId};
use perf::{Block, Counter};

/// Which location logs where, and the shard's end of the logger.
pub(crate) struct AccessLog {
    shard: ShardLog,
    /// By the id of the location.
    sinks: Vec<Option<(SinkId, Format)>>,
    published: Counts,
    /// Lines have gathered since the last tick.
    waiting: bool,
}

impl AccessLog {
    pub(crate) fn new(shard: ShardLog, sinks: Vec<Option<(SinkId, Format)>>) -> AccessLog {
        AccessLog { shard, sinks, published: Counts::default(), waiting: false }
    }

    /// Where a location logs to.
    pub(crate) fn to(&self, location: u32) -> Option<(SinkId, Format)> {
        self.sinks.get(location as usize).copied().flatten()
    }

    pub(crate) fn write(&mut self, sink: SinkId, format: Format, record: &Record<'_>) {
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
