//! Blocks added up at one moment.

use crate::Block;
use crate::latency::Distribution;
use crate::table::{Counter, Kind};

/// All counters of some blocks together, as they were when it was taken.
///
/// Shards go on counting while they are read, so that two counters may differ by what happened in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    values: [u64; Counter::COUNT],
    latency: Distribution,
}

impl Snapshot {
    /// Adds `blocks` up, gauges too.
    pub fn read<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> Self {
        let mut total = Self { values: [0; Counter::COUNT], latency: Distribution::default() };
        for block in blocks {
            for (value, counter) in total.values.iter_mut().zip(Counter::ALL) {
                *value = value.wrapping_add(block.get(*counter));
            }
            block.latency().add_to(&mut total.latency);
        }
        total
    }

    /// What has happened between `older` and this one. Gauges keep their value; a counter that has gone back,
    /// because a shard began anew, gives zero.
    pub fn since(&self, older: &Self) -> Self {
        let mut change = self.clone();
        for ((value, before), counter) in change.values.iter_mut().zip(older.values).zip(Counter::ALL) {
            if counter.descriptor().kind == Kind::Counter {
                *value = value.saturating_sub(before);
            }
        }
        change.latency = self.latency.since(&older.latency);
        change
    }

    /// The value of one counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize]
    }

    /// How long requests took.
    pub fn latency(&self) -> &Distribution {
        &self.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards() -> [Block; 2] {
        [Block::create(0).unwrap(), Block::create(1).unwrap()]
    }

    #[test]
    fn counters_and_gauges_add_up() {
        let [a, b] = shards();
        a.add(Counter::RequestsAnswered, 2);
        b.add(Counter::RequestsAnswered, 3);
        a.set(Counter::ConnectionsOpen, 10);
        b.set(Counter::ConnectionsOpen, 1);
        a.record_latency(1_000_000);
        b.record_latency(2_000_000);
        let now = Snapshot::read([&a, &b]);
        assert_eq!(now.get(Counter::RequestsAnswered), 5);
        assert_eq!(now.get(Counter::ConnectionsOpen), 11);
        assert_eq!(now.latency().count(), 2);
    }

    #[test]
    fn change_is_of_counters_only() {
        let [a, b] = shards();
        a.add(Counter::Sends, 100);
        a.set(Counter::JobsQueued, 8);
        a.record_latency(5_000);
        let older = Snapshot::read([&a, &b]);
        a.add(Counter::Sends, 20);
        b.inc(Counter::Sends);
        a.set(Counter::JobsQueued, 3);
        b.record_latency(5_000);
        let change = Snapshot::read([&a, &b]).since(&older);
        assert_eq!(change.get(Counter::Sends), 21);
        assert_eq!(change.get(Counter::JobsQueued), 3);
        assert_eq!(change.latency().count(), 1);
    }

    #[test]
    fn a_shard_that_began_anew_gives_zero() {
        let [a, b] = shards();
        a.add(Counter::Sends, 100);
        let older = Snapshot::read([&a]);
        assert_eq!(Snapshot::read([&b]).since(&older).get(Counter::Sends), 0);
    }
}
