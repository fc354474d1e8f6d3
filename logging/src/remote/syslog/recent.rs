//! What was sent a short time ago. A receiver's TCP acknowledges bytes that the receiver has not read yet, and they go
//! with it when it ends: so they are sent again, and their sequence ids tell that.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most bytes that are kept.
const BYTES_MAX: usize = 4 << 20;
/// For how long. A receiver that reads has read them by then; one that ends idle connections is told nothing twice.
const AGE_MAX: Duration = Duration::from_secs(30);

/// Frames that were sent, the latest ones.
#[derive(Debug, Default)]
pub(super) struct Recent {
    sent: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

impl Recent {
    /// These have been acknowledged.
    pub(super) fn keep(&mut self, frames: Vec<u8>, now: Instant) {
        self.bytes += frames.len();
        self.sent.push_back((now, frames));
        self.forget(now);
    }

    /// All that is recent, in its order.
    pub(super) fn all(&mut self, now: Instant) -> Vec<u8> {
        self.forget(now);
        self.sent.iter().flat_map(|(_, frames)| frames.iter().copied()).collect()
    }

    fn forget(&mut self, now: Instant) {
        while let Some((when, frames)) = self.sent.front() {
            if self.bytes <= BYTES_MAX && now.duration_since(*when) <= AGE_MAX {
                return;
            }
            self.bytes -= frames.len();
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let mut recent = Recent::default();
        let start = Instant::now();
        recent.keep(b"a".to_vec(), start);
        recent.keep(b"b".to_vec(), start + AGE_MAX);
        assert_eq!(recent.all(start + AGE_MAX), b"ab");
        assert_eq!(recent.all(start + AGE_MAX + Duration::from_millis(1)), b"b");
        recent.keep(vec![b'c'; BYTES_MAX - 1], start + AGE_MAX);
        assert_eq!(recent.all(start + AGE_MAX).len(), BYTES_MAX, "just within");
        recent.keep(b"d".to_vec(), start + AGE_MAX);
        assert_eq!(recent.all(start + AGE_MAX).len(), BYTES_MAX, "the oldest goes");
        assert_eq!(recent.all(start + AGE_MAX * 3), b"");
        assert_eq!(recent.bytes, 0);
    }
}
