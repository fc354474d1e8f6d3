//! How much goes into a record. A client can use a record when all of it has come: so they are small while the
//! network's window is, and large later, when what counts is the work for each.

use crate::limits::{RECORD_LARGE, RECORD_RAMP, RECORD_REST_MS, RECORD_SMALL};

/// Bytes that a record has beyond its plaintext, at most: header, content type and tag, or header, nonce and tag.
const OVERHEAD: usize = 5 + 8 + 16;

/// What one connection has sent.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Bytes since the beginning or the last pause, as far as they count.
    since_rest: usize,
    last_ms: u64,
}

impl Records {
    /// Bytes of plaintext that the next record may have.
    pub(crate) fn next(&mut self, now_ms: u64) -> usize {
        if RECORD_REST_MS < now_ms.saturating_sub(self.last_ms) {
            self.since_rest = 0;
        }
        self.last_ms = now_ms;
        if self.since_rest < RECORD_RAMP { RECORD_SMALL } else { RECORD_LARGE }
    }

    /// Counts bytes that were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.since_rest = self.since_rest.saturating_add(bytes).min(RECORD_RAMP);
    }

    /// Bytes that so much plaintext becomes, at most.
    pub(crate) fn ciphertext_len(&self, plaintext_len: usize, now_ms: u64) -> usize {
        let rested = RECORD_REST_MS < now_ms.saturating_sub(self.last_ms);
        let ramp = if rested { RECORD_RAMP } else { RECORD_RAMP - self.since_rest };
        let small = plaintext_len.min(ramp).div_ceil(RECORD_SMALL);
        let large = plaintext_len.saturating_sub(ramp).div_ceil(RECORD_LARGE);
        plaintext_len + (small + large) * OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the records of a body that is written in one go.
    fn cut(records: &mut Records, mut len: usize, now_ms: u64) -> Vec<usize> {
        let bound = records.ciphertext_len(len, now_ms);
        let mut sizes = Vec::new();
        while len != 0 {
            let size = records.next(now_ms).min(len);
            records.sent(size);
            sizes.push(size);
            len -= size;
        }
        assert!(sizes.iter().map(|size| size + OVERHEAD).sum::<usize>() <= bound, "{sizes:?} within {bound}");
        sizes
    }

    #[test]
    fn small_at_first_then_large_and_small_after_a_pause() {
        let mut records = Records::default();
        assert_eq!(cut(&mut records, 100, 0), [100]);
        let sizes = cut(&mut records, 200_000, 5);
        let small = sizes.iter().take_while(|&&size| size == RECORD_SMALL).count();
        assert_eq!(small, (RECORD_RAMP - 100).div_ceil(RECORD_SMALL));
        assert!(sizes[small..sizes.len() - 1].iter().all(|&size| size == RECORD_LARGE));
        assert_eq!(cut(&mut records, 20_000, 5 + RECORD_REST_MS), [RECORD_LARGE, 20_000 - RECORD_LARGE]);
        assert_eq!(cut(&mut records, 3000, 6 + 2 * RECORD_REST_MS), [RECORD_SMALL, RECORD_SMALL, 200]);
        assert_eq!(cut(&mut records, 0, 0), []);
    }
}
