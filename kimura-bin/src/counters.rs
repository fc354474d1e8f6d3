//! Counters for people and for harnesses: the lines of `-V`, and the sums that must come out even at the end.

use perf::render::{Style, Table};
use perf::{Block, Counter, Snapshot};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The counters of all shards, read by whoever reports them.
#[derive(Clone)]
pub(crate) struct Counters {
    blocks: Vec<Arc<Block>>,
}

impl Counters {
    /// One block of shared memory for each shard.
    pub(crate) fn create(shards: usize) -> std::io::Result<Self> {
        let blocks = (0..shards).map(|shard| Block::create(shard).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { blocks })
    }

    /// The block of each shard.
    pub(crate) fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    fn read(&self) -> Snapshot {
        Snapshot::read(self.blocks.iter().map(AsRef::as_ref))
    }

    /// What became of every connection and every request, as one sentence.
    pub(crate) fn ledger(&self) -> String {
        let now = self.read();
        let value = |counter| now.get(counter);
        format!(
            "connections: {} accepted = {} closed by us + {} closed by the client + {} open; \
             requests: {} begun = {} answered + {} aborted",
            value(Counter::ConnectionsAccepted),
            value(Counter::ConnectionsClosedByUs),
            value(Counter::ConnectionsClosedByClient),
            value(Counter::ConnectionsOpen),
            value(Counter::RequestsBegun),
            value(Counter::RequestsAnswered),
            value(Counter::RequestsAborted),
        )
    }
}

/// Makes the lines of `-V`, one for each call.
pub(crate) struct Ticker {
    counters: Counters,
    table: Table,
    style: Style,
    last: Snapshot,
    since: Instant,
}

impl Ticker {
    /// Lines for a terminal, or for whatever else reads them.
    pub(crate) fn new(counters: Counters, terminal: bool) -> Self {
        let style = if terminal { Style::Terminal } else { Style::Plain };
        let last = counters.read();
        Self { counters, table: Table::new(style), style, last, since: Instant::now() }
    }

    /// What happened since the call before. A plain line goes on with every counter since the start, so that its
    /// reader need not add up.
    pub(crate) fn line(&mut self) -> String {
        let (now, moment) = (self.counters.read(), Instant::now());
        let mut line = self.table.row(&now.since(&self.last), moment - self.since);
        if self.style == Style::Plain {
            line.truncate(line.trim_end().len());
            for &counter in Counter::ALL {
                write!(line, " {counter}={}", now.get(counter)).expect("writing to a String cannot fail");
            }
            line.push('\n');
        }
        (self.last, self.since) = (now, moment);
        line
    }
}

/// Time between two lines.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_every_counter_since_the_start() {
        let counters = Counters::create(2).expect("blocks");
        let mut ticker = Ticker::new(counters.clone(), false);
        counters.blocks()[0].add(Counter::RequestsBegun, 2);
        counters.blocks()[1].add(Counter::RequestsBegun, 3);
        for _ in 0..2 {
            let line = ticker.line();
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
        let mut ticker = Ticker::new(Counters::create(1).expect("blocks"), true);
        assert!(ticker.line().lines().all(|line| line.len() < 80));
    }

    #[test]
    fn the_ledger_names_both_sums() {
        let counters = Counters::create(1).expect("blocks");
        counters.blocks()[0].add(Counter::ConnectionsAccepted, 4);
        assert!(counters.ledger().starts_with("connections: 4 accepted = 0 closed by us"));
    }
}
