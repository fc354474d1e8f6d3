//! What became of every connection and every request, summed over all workers that there ever were.

use std::fmt;

use perf::{Block, Counter, Snapshot};

use crate::message::LedgerEntry;

/// The numbers of workers that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    accepted: u64,
    closed_by_us: u64,
    closed_by_client: u64,
    open: u64,
    connections_lost: u64,
    begun: u64,
    answered: u64,
    aborted: u64,
    requests_lost: u64,
}

impl Ledger {
    /// As the counters of one worker say, while it runs.
    pub(crate) fn running<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> Self {
        let now = Snapshot::read(blocks);
        Self {
            accepted: now.get(Counter::ConnectionsAccepted),
            closed_by_us: now.get(Counter::ConnectionsClosedByUs),
            closed_by_client: now.get(Counter::ConnectionsClosedByClient),
            open: now.get(Counter::ConnectionsOpen),
            connections_lost: 0,
            begun: now.get(Counter::RequestsBegun),
            answered: now.get(Counter::RequestsAnswered),
            aborted: now.get(Counter::RequestsAborted),
            requests_lost: 0,
        }
    }

    /// As [`Ledger::running`], of one that has ended: what was open or under way then is lost.
    pub(crate) fn ended<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> Self {
        let last = Self::running(blocks);
        let closed = last.closed_by_us.saturating_add(last.closed_by_client);
        Self {
            open: 0,
            connections_lost: last.accepted.saturating_sub(closed),
            requests_lost: last.begun.saturating_sub(last.answered.saturating_add(last.aborted)),
            ..last
        }
    }

    /// The ledger of which [`Ledger::entries`] tells. What only another version knows is left out.
    pub(crate) fn from_entries(entries: &[LedgerEntry]) -> Self {
        let count =
            |name: &str| entries.iter().find(|entry| entry.name == name).map_or(0, |entry| entry.count);
        Self {
            accepted: count("connections_accepted"),
            closed_by_us: count("connections_closed_by_us"),
            closed_by_client: count("connections_closed_by_client"),
            connections_lost: count("connections_lost"),
            open: count("connections_open"),
            begun: count("requests_begun"),
            answered: count("requests_answered"),
            aborted: count("requests_aborted"),
            requests_lost: count("requests_lost"),
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            accepted: self.accepted.saturating_add(other.accepted),
            closed_by_us: self.closed_by_us.saturating_add(other.closed_by_us),
            closed_by_client: self.closed_by_client.saturating_add(other.closed_by_client),
            open: self.open.saturating_add(other.open),
            connections_lost: self.connections_lost.saturating_add(other.connections_lost),
            begun: self.begun.saturating_add(other.begun),
            answered: self.answered.saturating_add(other.answered),
            aborted: self.aborted.saturating_add(other.aborted),
            requests_lost: self.requests_lost.saturating_add(other.requests_lost),
        }
    }

    /// Requests that are begun and neither answered nor given up.
    fn under_way(&self) -> u64 {
        self.begun.saturating_sub(sum(&[self.answered, self.aborted, self.requests_lost]))
    }

    /// Whether every connection is accounted for.
    pub(crate) fn even(&self) -> bool {
        self.accepted == sum(&[self.closed_by_us, self.closed_by_client, self.connections_lost, self.open])
            && self.begun == sum(&[self.answered, self.aborted, self.requests_lost, self.under_way()])
    }

    /// Name by name.
    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        let entry = |name: &str, count| LedgerEntry { name: name.to_owned(), count };
        vec![
            entry("connections_accepted", self.accepted),
            entry("connections_closed_by_us", self.closed_by_us),
            entry("connections_closed_by_client", self.closed_by_client),
            entry("connections_lost", self.connections_lost),
            entry("connections_open", self.open),
            entry("requests_begun", self.begun),
            entry("requests_answered", self.answered),
            entry("requests_aborted", self.aborted),
            entry("requests_lost", self.requests_lost),
            entry("requests_running", self.under_way()),
        ]
    }
}

/// Workers write the numbers: none of them may be more than the supervisor can bear.
fn sum(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |sum, number| sum.saturating_add(*number))
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "connections: {} accepted = {} closed by us + {} closed by the client + {} lost + {} open; \
             requests: {} begun = {} answered + {} aborted + {} lost + {} running",
            self.accepted,
            self.closed_by_us,
            self.closed_by_client,
            self.connections_lost,
            self.open,
            self.begun,
            self.answered,
            self.aborted,
            self.requests_lost,
            self.under_way(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_turns_what_was_open_into_what_is_lost() {
        let block = Block::create(0).unwrap();
        for (counter, value) in [
            (Counter::ConnectionsAccepted, 10),
            (Counter::ConnectionsClosedByUs, 3),
            (Counter::ConnectionsClosedByClient, 2),
            (Counter::ConnectionsOpen, 5),
            (Counter::RequestsBegun, 20),
            (Counter::RequestsAnswered, 17),
            (Counter::RequestsAborted, 1),
        ] {
            block.set(counter, value);
        }
        let (running, ended) = (Ledger::running([&block]), Ledger::ended([&block]));
        assert!(running.even() && ended.even());
        assert_eq!((running.open, running.under_way(), running.connections_lost), (5, 2, 0));
        assert_eq!(
            (ended.open, ended.under_way(), ended.connections_lost, ended.requests_lost),
            (0, 0, 5, 2)
        );
        assert_eq!(ended.and(running).accepted, 20);
        assert_eq!(Ledger::from_entries(&ended.entries()), ended);
    }
}
