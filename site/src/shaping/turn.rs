//! How clients take turns at a limit that is for all of them: with one piece in the line each, however many connections it has.

/// By so much at most the connections of a client are spread behind its turn, in nanoseconds: so soon each looks again.
const SPREAD_NS_MAX: u64 = 1_000_000_000;

/// A client's place in the line; the default one is not in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// When its piece has passed.
    until: u64,
    /// When the last of those who wait for that comes again.
    last: u64,
}

impl Turn {
    /// A piece of the client is in the line for so long.
    pub(super) fn take(&mut self, now: u64, wait: u64) {
        self.until = now.saturating_add(wait);
    }

    /// How long another piece of the client waits until it may ask again; 0 where the client is not in the line. They come
    /// again one after another, as fast as the limit would let them if nobody else were there: so not all of them look
    /// each time, and none waits for a line that has gone.
    pub(super) fn wait(&mut self, now: u64, spacing: u64) -> u64 {
        if self.until <= now {
            return 0;
        }
        let latest = self.until.saturating_add(SPREAD_NS_MAX);
        self.last = self.last.saturating_add(spacing).clamp(self.until, latest);
        self.last - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_client_come_again_one_after_another() {
        let mut turn = Turn::default();
        assert_eq!(turn.wait(5, 10), 0);
        turn.take(5, 100);
        assert_eq!([turn.wait(5, 10), turn.wait(5, 10), turn.wait(15, 10)], [100, 110, 110]);
        assert_eq!(turn.wait(105, 10), 0, "it has passed");
        turn.take(105, 100);
        for _ in 0..1_000 {
            turn.wait(105, SPREAD_NS_MAX / 100);
        }
        assert_eq!(turn.wait(105, 10), 100 + SPREAD_NS_MAX);
        turn.take(105, 0);
        assert_eq!(turn.wait(105, 10), 0, "who had not to wait is not in the line");
    }
}
