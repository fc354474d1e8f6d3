//! The end of the log that a shard holds.

use crate::batch::{BATCH_BYTES, Batch};
use crate::civil::Stamp;
use crate::format::Format;
use crate::pressure::PressureView;
use crate::record::Record;
use crate::sink::SinkId;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Buffers of one shard: one being filled, the others on their way or waiting.
pub(crate) const BUFFERS: usize = 8;
/// Of these, as many are kept for requests under way.
const RESERVE: usize = 2;

/// Bytes that a line has as a rule; requests under way can have much longer ones, but not all of them.
const LINE_USUAL: usize = 512;
/// Workers whose lines can come at once: one, and another that takes its place.
const WORKERS: usize = 2;
/// Connections of a shard, at most, of which each has a request under way when its log begins to block.
const UNDER_WAY_MAX: usize = 1 << 14;

/// Bytes of lines that can still come of one shard with so many connections when new requests wait: in its buffers, in the
/// socket and of requests that have begun.
#[must_use]
pub fn under_way(connections: usize) -> usize {
    // Buffers are not always full, but each takes a block of a queue at worst.
    let buffers = 2 * BUFFERS * BATCH_BYTES;
    WORKERS * (buffers + connections.min(UNDER_WAY_MAX) * LINE_USUAL)
}

/// The producing end of one shard. It never waits: no lock, no allocation, and one wake-up of the logger per batch.
///
/// Dropping it hands over what is left.
pub struct ShardLog {
    filling: Option<Batch>,
    full: Sender<Batch>,
    spent: Receiver<Batch>,
    /// What has come back. The last one is filled next: of all, it is the one that caches still know best.
    empty: Vec<Batch>,
    stamp: Stamp,
    /// Which logs cannot keep up; none when no request waits for one.
    pressure: Option<PressureView>,
    /// Lines given up because every buffer was in flight or the logger thread had ended.
    dropped: u64,
}

/// The consuming end, held by the logger thread.
pub(crate) struct Lane {
    pub(crate) full: Receiver<Batch>,
    pub(crate) spent: Sender<Batch>,
}

impl ShardLog {
    /// Both ends of a new lane. Each channel holds every buffer there is, so handing one over always succeeds.
    pub(crate) fn new(pressure: Option<PressureView>) -> (Self, Lane) {
        let (full, filled) = bounded(BUFFERS);
        let (give_back, spent) = bounded(BUFFERS);
        let mut empty = Vec::with_capacity(BUFFERS);
        empty.resize_with(BUFFERS - 1, Batch::new);
        let filling = Some(Batch::new());
        let shard = Self { filling, full, spent, empty, stamp: Stamp::new(), pressure, dropped: 0 };
        (shard, Lane { full: filled, spent: give_back })
    }

    /// Appends one line for `sink`, or drops and counts it when no buffer is free.
    pub fn write(&mut self, sink: SinkId, format: &Format, record: &Record<'_>) {
        if self.filling.as_ref().is_some_and(|batch| !batch.has_room()) {
            self.hand_over();
        }
        if self.filling.is_none() {
            self.empty.extend(self.spent.try_iter());
            self.filling = self.empty.pop();
        }
        match &mut self.filling {
            Some(batch) => batch.push(sink, format, record, &mut self.stamp),
            None => self.dropped += 1,
        }
    }

    /// Whether a line for any of `sinks` had better not be made now: its log cannot keep up, or so many buffers are in
    /// flight that the lines of requests under way may need the others.
    #[must_use]
    pub fn holds(&self, sinks: &[SinkId]) -> bool {
        let raised = |pressure: &PressureView| sinks.iter().any(|&sink| pressure.is_raised(sink));
        self.pressure.as_ref().is_some_and(raised) || self.free() < RESERVE
    }

    /// Buffers that are neither being filled nor in flight.
    fn free(&self) -> usize {
        self.empty.len() + self.spent.len()
    }

    /// Hands over what has gathered. Call it about once a second while lines [wait](ShardLog::waits): that bounds the age
    /// of a line.
    pub fn tick(&mut self) {
        // A logger that is late gets full buffers rather than many with a few lines each: the last ones hold out longest so.
        if self.waits() && RESERVE < self.free() {
            self.hand_over();
        }
    }

    /// Whether lines have gathered that are not handed over.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.filling.as_ref().is_some_and(|batch| batch.lines() > 0)
    }

    /// Lines given up so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn hand_over(&mut self) {
        let Some(batch) = self.filling.take() else { return };
        let lines = batch.lines();
        if let Err(TrySendError::Full(mut batch) | TrySendError::Disconnected(mut batch)) =
            self.full.try_send(batch)
        {
            self.dropped += lines;
            batch.clear();
            self.filling = Some(batch);
        }
    }
}

impl Drop for ShardLog {
    fn drop(&mut self) {
        if self.waits() {
            self.hand_over();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Target;

    fn any_sink() -> SinkId {
        SinkId::position(&[Target::Stdout], &Target::Stdout).expect("a sink")
    }

    #[test]
    fn buffers_are_allocated_once_and_never_grow() {
        let (mut shard, lane) = ShardLog::new(None);
        let sink = any_sink();
        let long = vec![0xff_u8; 100_000];
        let record = Record { method: b"GET", target: &long, user_agent: &long, ..Record::default() };
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2000 {
            shard.write(sink, &Format::Json, &record);
            while let Ok(mut batch) = lane.full.try_recv() {
                assert_eq!(batch.capacity(), BATCH_BYTES);
                seen.insert(batch.address());
                batch.clear();
                lane.spent.try_send(batch).expect("room for every buffer");
            }
        }
        assert!(seen.len() <= BUFFERS, "{} buffers circulate", seen.len());
        assert_eq!(shard.dropped(), 0);
    }

    #[test]
    fn a_consumer_that_is_late_costs_no_line_while_there_is_room() {
        const LINES: u64 = 1_000;
        let (mut shard, lane) = ShardLog::new(None);
        for _ in 0..LINES {
            shard.write(any_sink(), &Format::Common, &Record::default());
            shard.tick();
            assert!(!shard.holds(&[any_sink()]));
        }
        assert!(shard.waits() && lane.full.len() == BUFFERS - 1 - RESERVE);
        let mut given = 0;
        for mut batch in lane.full.try_iter() {
            given += batch.lines();
            batch.clear();
            lane.spent.try_send(batch).expect("room for every buffer");
        }
        shard.tick();
        given += lane.full.try_recv().expect("what has gathered meanwhile").lines();
        assert_eq!((given, shard.waits(), shard.dropped()), (LINES, false, 0));
    }

    #[test]
    fn without_a_consumer_lines_are_dropped_and_counted() {
        let (mut shard, lane) = ShardLog::new(None);
        drop(lane);
        for _ in 0..3 {
            shard.write(any_sink(), &Format::Common, &Record::default());
            shard.tick();
        }
        assert_eq!(shard.dropped(), 3);
    }
}
