//! What became of the lines of all access logs: those that workers have made, and those that the logger has taken.

use std::os::fd::{AsFd, OwnedFd};

use perf::{Counter, Snapshot, Tally};

use super::estate::Sink;
use super::run::{Supervisor, TURN};
use super::worker::Worker;
use crate::message::{FromLogger, LedgerEntry, LogReport, ToLogger};

/// Most workers whose end the logger can tell before the supervisor sees it.
const EARLY_MAX: usize = 64;

/// Workers that have ended, and what of their lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Lines that went with a worker.
    lost: u64,
    /// The logger is to read the rest of what these have sent.
    leaving: Vec<Leaving>,
    /// What the logger has read of workers whose end was not seen yet: generation and lines.
    early: Vec<(u32, u64)>,
}

/// A worker that has ended, while what it has sent waits.
#[derive(Debug)]
struct Leaving {
    generation: u32,
    /// Lines that it made and did not drop.
    sent: u64,
    /// The logger's end; kept, so that a logger that dies loses nothing.
    socket: OwnedFd,
}

impl Lines {
    /// A worker has ended.
    fn bury(&mut self, generation: u32, sent: u64, socket: OwnedFd) {
        if let Some(at) = self.early.iter().position(|(early, _)| *early == generation) {
            let (_, read) = self.early.swap_remove(at);
            self.lost = self.lost.saturating_add(sent.saturating_sub(read));
        } else {
            self.leaving.push(Leaving { generation, sent, socket });
        }
    }

    /// The logger has read all that a worker had sent.
    fn read(&mut self, generation: u32, lines: u64) {
        if let Some(at) = self.leaving.iter().position(|leaving| leaving.generation == generation) {
            let leaving = self.leaving.swap_remove(at);
            self.lost = self.lost.saturating_add(leaving.sent.saturating_sub(lines));
        } else if self.early.len() < EARLY_MAX {
            self.early.push((generation, lines));
        }
    }
}

impl Supervisor<'_> {
    /// A worker has ended: the logger reads what it has sent, and then it is known what went with it.
    pub(super) fn bury_lines(&mut self, worker: Worker) {
        let now = Snapshot::read(&worker.blocks);
        let sent = now.get(Counter::LogLines).saturating_sub(now.get(Counter::LogLinesDropped));
        self.lines.bury(worker.generation, sent, worker.lines);
    }

    /// Gives a new logger the ends of all workers, those that have ended included.
    pub(super) fn tell_producers(&mut self) {
        let running = self.workers.iter().map(|worker| (worker.generation, &worker.lines));
        let leaving = self.lines.leaving.iter().map(|leaving| (leaving.generation, &leaving.socket));
        for (generation, socket) in running.chain(leaving) {
            self.logger.send(&ToLogger::Producer { generation }, &[socket.as_fd()]);
        }
    }

    pub(super) fn on_logger(&mut self) {
        for _ in 0..TURN {
            match self.logger.receive() {
                Some(FromLogger::Read { generation, lines }) if generation <= self.generations => {
                    self.lines.read(generation, lines);
                }
                Some(message) => {
                    if !self.hear_of_files(&message) {
                        log::error!("the logger said what it may not say now; it is started again");
                        self.logger.dismiss();
                    }
                }
                None => return,
            }
        }
    }

    /// What the logger says of files; whether it may.
    fn hear_of_files(&mut self, message: &FromLogger) -> bool {
        match *message {
            FromLogger::Rotate { number } => self.hear_rotate(number),
            FromLogger::Switched { number, turn } => self.hear_switched(number, turn),
            FromLogger::Compressed { job } => self.hear_compressed(job),
            FromLogger::Synced { job } => self.hear_synced(job),
            FromLogger::Failed { job, error } => self.hear_failed(job, error),
            FromLogger::Finished | FromLogger::Read { .. } => false,
        }
    }

    /// What became of all lines.
    pub(super) fn line_ledger(&self) -> LineLedger {
        let made = self.counters();
        let epoch = self.estate.epoch;
        let sum = |kept: fn(&Sink) -> bool| {
            let sinks = self.estate.sinks().iter().filter(|sink| kept(sink));
            sinks.filter_map(|sink| sink.tally(epoch)).fold(Tally::default(), Tally::and)
        };
        let (in_files, in_memory) = (sum(Sink::outlives), sum(|sink| !sink.outlives()));
        let tally = in_files.and(in_memory);
        LineLedger {
            written: made.get(Counter::LogLines).saturating_add(tally.left).saturating_add(tally.messages),
            dropped_by_shards: made.get(Counter::LogLinesDropped),
            tally,
            waits_on: in_files.queued,
            lost: self.lines.lost,
        }
    }

    /// The logs one by one, those that were ever written to.
    pub(super) fn log_reports(&self) -> Vec<LogReport> {
        let report = |sink: &Sink| {
            let tally = sink.tally(self.estate.epoch)?;
            Some(LogReport {
                name: super::estate::name(&sink.output),
                taken: tally.taken,
                delivered: tally.delivered,
                dropped: tally.dropped,
                queued: tally.queued,
                failing: tally.failing,
                put_aside: sink.turning.turned,
                troubles: sink.turning.trouble.count,
            })
        };
        self.estate.sinks().iter().filter_map(report).collect()
    }
}

/// Written, also by a server before this one, = delivered + dropped + queued + under way + lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineLedger {
    written: u64,
    dropped_by_shards: u64,
    tally: Tally,
    /// Of the lines that are queued, those that a next server will find.
    waits_on: u64,
    lost: u64,
}

impl LineLedger {
    fn dropped(&self) -> u64 {
        self.dropped_by_shards.saturating_add(self.tally.dropped)
    }

    /// Lines between a shard and the logger.
    fn under_way(&self) -> u64 {
        let known = [self.dropped_by_shards, self.tally.taken, self.lost];
        known.iter().fold(self.written, |left, part| left.saturating_sub(*part))
    }

    /// Name by name.
    pub(super) fn entries(&self) -> Vec<LedgerEntry> {
        let entry = |name: &str, count| LedgerEntry { name: name.to_owned(), count };
        vec![
            entry("lines_written", self.written),
            entry("lines_delivered", self.tally.delivered),
            entry("lines_dropped", self.dropped()),
            entry("lines_queued", self.tally.queued),
            entry("lines_under_way", self.under_way()),
            entry("lines_lost", self.lost),
        ]
    }

    /// The last words: what waits will never be delivered, and what was under way will not either.
    pub(super) fn end(mut self) -> Self {
        self.lost = self.lost.saturating_add(self.under_way());
        self
    }

    /// Lines that did not arrive.
    pub(super) fn missing(&self) -> u64 {
        let gone = self.tally.queued.saturating_sub(self.waits_on);
        self.dropped().saturating_add(gone).saturating_add(self.lost)
    }
}

impl std::fmt::Display for LineLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "lines of the access logs: {} written = {} delivered + {} dropped + {} queued + {} under way + {} lost",
            self.written,
            self.tally.delivered,
            self.dropped(),
            self.tally.queued,
            self.under_way(),
            self.lost,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> OwnedFd {
        sys::packet::pair().unwrap().0
    }

    #[test]
    fn what_went_with_a_worker_is_known_in_whatever_order_its_end_is_told() {
        let mut lines = Lines::default();
        lines.bury(1, 10, socket());
        lines.read(1, 7);
        lines.read(2, 5);
        lines.bury(2, 6, socket());
        assert_eq!((lines.lost, lines.leaving.len(), lines.early.len()), (4, 0, 0));
        for generation in 0..1000 {
            lines.read(generation, 0);
        }
        assert_eq!(lines.early.len(), EARLY_MAX, "a logger that invents workers");
    }

    #[test]
    fn every_line_is_somewhere() {
        let tally =
            Tally { taken: 90, delivered: 70, dropped: 5, queued: 15, failing: false, left: 0, messages: 0 };
        let ledger = LineLedger { written: 100, dropped_by_shards: 3, tally, waits_on: 15, lost: 2 };
        assert_eq!(ledger.missing(), 10);
        assert_eq!(
            ledger.to_string(),
            "lines of the access logs: 100 written = 70 delivered + 8 dropped + 15 queued + 5 under way + 2 lost"
        );
        assert_eq!(ledger.end().to_string().rsplit_once("+ ").unwrap().1, "7 lost");
    }
}
