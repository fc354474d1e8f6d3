//! Counters for people and for harnesses: the lines of `-V`.

use perf::render::{Style, Table};
use perf::{Counter, Snapshot};
use std::fmt::Write as _;
use std::time::Instant;

/// Makes the lines of `-V`, one for each call.
pub(crate) struct Ticker {
    table: Table,
    style: Style,
    last: Snapshot,
    since: Instant,
}

impl Ticker {
    /// Lines for a terminal, or for whatever else reads them.
    pub(crate) fn new(terminal: bool) -> Self {
        let style = if terminal { Style::Terminal } else { Style::Plain };
        let last = Snapshot::read([]);
        Self { table: Table::new(style), style, last, since: Instant::now() }
    }

    /// What happened since the call before. A plain line goes on with every counter since the start, so that its
    /// reader need not add up.
    pub(crate) fn line(&mut self, now: &Snapshot) -> String {
        let moment = Instant::now();
        let mut line = self.table.row(&now.since(&self.last), moment - self.since);
        if self.style == Style::Plain {
            line.truncate(line.trim_end().len());
            for &counter in Counter::ALL {
                write!(line, " {counter}={}", now.get(counter)).expect("writing to a String cannot fail");
            }
            line.push('\n');
        }
        (self.last, self.since) = (now.clone(), moment);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf::Block;

    #[test]
    fn a_plain_line_has_every_counter_since_the_start() {
        let blocks = [Block::create(0).expect("a block"), Block::create(1).expect("a block")];
        let mut ticker = Ticker::new(false);
        blocks[0].add(Counter::RequestsBegun, 2);
        blocks[1].add(Counter::RequestsBegun, 3);
        for _ in 0..2 {
            let line = ticker.line(&Snapshot::read(&blocks));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(line.split_whitespace().all(|word| word.contains('=')), "{line}");
            for counter in Counter::ALL {
                assert!(line.contains(&format!(" {counter}=")), "{counter}");
            }
            assert!(line.contains(" requests_begun=5"), "{line}");
        }
    }

    #[test]
    fn a_terminal_gets_a_table() {
        let mut ticker = Ticker::new(true);
        assert!(ticker.line(&Snapshot::read([])).lines().all(|line| line.len() < 80));
    }
}
