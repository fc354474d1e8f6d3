//! Numbers for lines, so that a receiver can tell a line that came twice from two equal ones.

use super::each_line;

/// Numbers each line that is offered, and a line that is offered again as before.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// That of the first line that has not been delivered.
    next: u64,
    /// The first that no line has had yet.
    free: u64,
    /// The lines that have had the numbers between, as they were offered.
    pending: Vec<u8>,
}

impl Numbers {
    /// Takes an offer, and gives the number of its first line; the others follow. An offer that does not begin with what
    /// is pending, for lines were dropped meanwhile, gets numbers that nobody has had.
    pub(super) fn begin(&mut self, lines: &[u8]) -> u64 {
        let common = self.pending.len().min(lines.len());
        if self.pending[..common] != lines[..common] {
            self.next = self.free;
        }
        if common == self.pending.len() || self.next == self.free {
            self.pending.clear();
            self.pending.extend_from_slice(lines);
        }
        self.free = self.free.max(self.next + count(lines));
        self.next
    }

    /// Whether the line with this number has been offered before the offer that `begin` took last.
    #[cfg(test)]
    fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// The first `done` bytes of what was offered have been delivered.
    pub(super) fn end(&mut self, done: usize) {
        let delivered = self.pending.drain(..done.min(self.pending.len()));
        self.next += count(delivered.as_slice());
    }
}

fn count(lines: &[u8]) -> u64 {
    each_line(lines).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offers, how much of each is delivered, and the number that its first line gets.
    fn check(offers: &[(&str, usize, u64)]) {
        let mut numbers = Numbers::default();
        for (position, &(lines, done, wanted)) in offers.iter().enumerate() {
            assert_eq!(numbers.begin(lines.as_bytes()), wanted, "offer {position} of {offers:?}");
            numbers.end(done);
        }
    }

    #[test]
    fn a_line_keeps_its_number_until_it_is_delivered() {
        check(&[("a\nb\n", 4, 0), ("c\n", 2, 2), ("c\n", 2, 3)]);
        check(&[("a\nb\n", 0, 0), ("a\nb\n", 4, 0), ("c\n", 2, 2)]);
        check(&[("a\nb\nc\n", 2, 0), ("b\nc\n", 2, 1), ("c\nd\n", 4, 2), ("e\n", 2, 4)]);
        // More behind it, or less.
        check(&[("a\nb\n", 0, 0), ("a\nb\nc\n", 0, 0), ("a\n", 2, 0), ("b\nc\nd\n", 6, 1), ("e\n", 2, 4)]);
        // Dropped meanwhile: no number means two lines.
        check(&[("a\nb\n", 0, 0), ("c\nd\n", 0, 2), ("c\nd\n", 4, 2), ("e\n", 2, 4)]);
        check(&[("a\nb\nc\n", 2, 0), ("c\n", 2, 3)]);
        check(&[("a\nb\n", 0, 0), ("a\nx\n", 4, 2), ("y\n", 2, 4)]);
    }

    #[test]
    fn what_was_delivered_is_not_kept() {
        let mut numbers = Numbers::default();
        numbers.begin(b"a\nb\n");
        numbers.end(2);
        assert_eq!(numbers.pending(), b"b\n");
        numbers.end(usize::MAX);
        assert_eq!(numbers.pending(), b"");
    }
}
