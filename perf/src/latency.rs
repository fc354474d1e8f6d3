//! How long requests take, as a log-linear histogram in the cells of a block.
//!
//! Each power of two of nanoseconds from about 1 µs (2^10 ns) to about 64 s (2^36 ns) is cut into
//! 16 buckets of equal width, so that a bucket is at most 1/16 as wide as its lowest value. One bucket before
//! them takes what is quicker, one after them what is slower. A last cell holds the sum.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::block::add;

/// Power of two at which the fine buckets begin.
const FIRST_OCTAVE: u32 = 10;
/// Power of two at which they end.
const END_OCTAVE: u32 = 36;
/// Powers of two that are cut into buckets.
pub(crate) const OCTAVES: usize = (END_OCTAVE - FIRST_OCTAVE) as usize;
/// Binary logarithm of the buckets in one of them.
const SUB_BITS: u32 = 4;
/// Buckets in one power of two.
pub(crate) const SUB: usize = 1 << SUB_BITS;
/// All buckets, with the one below and the one above.
pub(crate) const BUCKETS: usize = OCTAVES * SUB + 2;
/// All cells: the buckets and the sum.
pub(crate) const CELLS: usize = BUCKETS + 1;
const SUM: usize = BUCKETS;

/// Most requests that a bucket is read as having: all of them together stay far from what a number can hold, whatever
/// the process that writes the cells has made of them.
const COUNT_MAX: u64 = 1 << 48;

/// Decimal digits that the quantiles keep: more than the buckets have.
const DIGITS: u8 = 2;

/// Writes latencies of one shard.
#[derive(Clone, Copy, Debug)]
pub struct Latency<'b> {
    cells: &'b [AtomicU64],
}

impl<'b> Latency<'b> {
    /// `cells` has [`CELLS`] cells, or none, which is only read.
    pub(crate) fn new(cells: &'b [AtomicU64]) -> Self {
        debug_assert!(cells.is_empty() || cells.len() == CELLS);
        Self { cells }
    }

    /// Counts one request that took `ns` nanoseconds. Only the owner of the block may call it.
    #[inline]
    pub fn record(self, ns: u64) {
        add(&self.cells[bucket(ns)], 1);
        add(&self.cells[SUM], ns);
    }

    /// Counts and sum as they are now. The sum may be ahead of or behind the counts by what is being written.
    pub(crate) fn add_to(self, total: &mut Distribution) {
        for (into, cell) in total.counts.iter_mut().zip(self.cells) {
            *into = into.saturating_add(cell.load(Relaxed)).min(COUNT_MAX);
        }
        let sum = self.cells.get(SUM).map_or(0, |cell| cell.load(Relaxed));
        total.sum = total.sum.wrapping_add(sum);
    }
}

/// Latencies of any number of shards over any span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    counts: Box<[u64; BUCKETS]>,
    sum: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), sum: 0 }
    }
}

impl Distribution {
    /// Requests.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What all requests took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Values at `quantiles`, each from 0 to 1, within the width of a bucket; `None` without requests.
    pub fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> Option<[Duration; N]> {
        let histogram = self.histogram();
        (!histogram.is_empty())
            .then(|| quantiles.map(|q| Duration::from_nanos(histogram.value_at_quantile(q))))
    }

    /// What has come since `older`, bucket by bucket.
    pub(crate) fn since(&self, older: &Self) -> Self {
        let mut change = self.clone();
        for (count, before) in change.counts.iter_mut().zip(older.counts.iter()) {
            *count = count.saturating_sub(*before);
        }
        change.sum = change.sum.saturating_sub(older.sum);
        change
    }

    /// For each power of two: its end in nanoseconds, and the requests that were quicker.
    pub(crate) fn octaves(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        (0..=OCTAVES).map(move |octave| {
            let end = octave * SUB + 1;
            let begin = end.saturating_sub(SUB);
            below += self.counts[begin..end].iter().sum::<u64>();
            (bound(end), below)
        })
    }

    /// Each bucket's requests at the middle of its values.
    fn histogram(&self) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(bound(1), bound(BUCKETS - 1), DIGITS)
            .expect("the bounds and digits are constants that hdrhistogram accepts");
        for (index, &count) in self.counts.iter().enumerate().filter(|&(_, &count)| 0 < count) {
            histogram.saturating_record_n(middle(index), count);
        }
        histogram
    }
}

/// The bucket of a value in nanoseconds.
#[inline]
fn bucket(ns: u64) -> usize {
    if ns < 1 << FIRST_OCTAVE {
        return 0;
    }
    if 1 << END_OCTAVE <= ns {
        return BUCKETS - 1;
    }
    let octave = ns.ilog2();
    let sub = (ns >> (octave - SUB_BITS)) as usize & (SUB - 1);
    1 + (octave - FIRST_OCTAVE) as usize * SUB + sub
}

/// The lowest value in nanoseconds of bucket `index`.
fn bound(index: usize) -> u64 {
    let Some(fine) = index.checked_sub(1) else { return 0 };
    let octave = FIRST_OCTAVE + (fine / SUB) as u32;
    ((SUB + fine % SUB) as u64) << (octave - SUB_BITS)
}

/// The value that stands for all of bucket `index`; the last one is open, its bound stands for it.
fn middle(index: usize) -> u64 {
    let low = bound(index);
    if index == BUCKETS - 1 { low } else { low.midpoint(bound(index + 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Vec<AtomicU64> {
        std::iter::repeat_with(AtomicU64::default).take(CELLS).collect()
    }

    fn recorded(values: impl IntoIterator<Item = u64>) -> Distribution {
        let cells = cells();
        values.into_iter().for_each(|ns| Latency::new(&cells).record(ns));
        let mut total = Distribution::default();
        Latency::new(&cells).add_to(&mut total);
        total
    }

    #[test]
    fn each_bucket_begins_at_its_bound_and_ends_before_the_next() {
        for index in 0..BUCKETS {
            assert_eq!(bucket(bound(index)), index);
            if 0 < index {
                assert_eq!(bucket(bound(index) - 1), index - 1);
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_a_bucket() {
        // 1 µs to 10 ms in even steps: the quantile is the value itself.
        let values = recorded((1..=10_000).map(|i| i * 1_000));
        assert_eq!(values.count(), 10_000);
        let quantiles = [0.01, 0.5, 0.9, 0.99, 1.0];
        for (q, found) in quantiles.into_iter().zip(values.quantiles(quantiles).unwrap()) {
            let expected = q * 1e7;
            let found = found.as_nanos() as f64;
            assert!((found - expected).abs() < expected / 16.0, "{q}: {found} instead of {expected}");
        }
    }

    #[test]
    fn extremes_are_counted() {
        let values = recorded([0, 1, 1 << 40]);
        assert_eq!(values.count(), 3);
        let [low, high] = values.quantiles([0.0, 1.0]).unwrap();
        assert!(low < Duration::from_micros(2));
        assert!(Duration::from_secs(60) < high);
        assert_eq!(values.sum(), Duration::from_nanos(1 + (1 << 40)));
    }

    #[test]
    fn cells_of_nonsense_can_be_read() {
        let cells: Vec<AtomicU64> = std::iter::repeat_with(|| AtomicU64::new(u64::MAX)).take(CELLS).collect();
        let mut total = Distribution::default();
        for _ in 0..2 {
            Latency::new(&cells).add_to(&mut total);
        }
        assert!(0 < total.count() && total.quantiles([0.0, 0.5, 1.0]).is_some());
        assert_eq!(total.octaves().count(), OCTAVES + 1);
        assert_eq!(total.since(&total).count(), 0);
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(Distribution::default().quantiles([0.5]), None);
    }

    #[test]
    fn octaves_cumulate() {
        let values = recorded([500, 1023, 1024, 2047, 2048, 1 << 36]);
        let octaves: Vec<_> = values.octaves().collect();
        assert_eq!(octaves[..3], [(1024, 2), (2048, 4), (4096, 5)]);
        assert_eq!(octaves.last(), Some(&(1 << 36, 5)));
        assert_eq!(octaves.len(), OCTAVES + 1);
    }

    #[test]
    fn since_keeps_what_came_later() {
        let older = recorded([5_000]);
        let newer = recorded([5_000, 9_000_000]);
        assert_eq!(newer.since(&older), recorded([9_000_000]));
    }
}
