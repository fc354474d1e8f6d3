//! The numbers that workers show to scrapers: written once a second while the configuration has a place for them, into
//! memory that workers read. No request reaches the supervisor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use perf::Snapshot;
use sys::broadcast::{Memory, Writer};

use super::exposition;
use super::run::{SECOND, Supervisor};

/// Bytes of the memory.
pub(super) const ROOM: usize = 2 * 1024 * 1024;

/// Where the numbers are shown.
#[derive(Debug)]
pub(super) struct Metrics {
    writer: Writer,
    /// For those who read.
    reading: OwnedFd,
    /// When they are written again.
    due: Instant,
}

impl Metrics {
    fn new() -> io::Result<Self> {
        let memory = Memory::create(ROOM)?;
        let reading = memory.read_only_fd()?;
        let writer = Writer::attach(memory.fd().try_clone_to_owned()?)?;
        Ok(Self { writer, reading, due: Instant::now() })
    }

    /// For those who read.
    pub(super) fn reading(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
    }
}

impl Supervisor<'_> {
    /// Makes the memory. Without it the server serves as well.
    pub(super) fn make_metrics(&mut self) {
        match Metrics::new() {
            Ok(metrics) => self.metrics = Some(metrics),
            Err(error) => log::error!("there is no memory for metrics, and nobody can read them: {error}"),
        }
    }

    /// When numbers have to be written; never where nobody can read them.
    pub(super) fn metrics_due(&self) -> Option<Instant> {
        self.metrics.as_ref().filter(|_| self.deployment.needs.metrics).map(|metrics| metrics.due)
    }

    /// Writes the numbers when it is time.
    pub(super) fn look_after_metrics(&mut self, now: Instant) {
        if self.metrics_due().is_some_and(|due| due <= now) {
            self.show_metrics();
        }
    }

    /// Writes the numbers as they are now.
    pub(super) fn show_metrics(&mut self) {
        let made = Duration::from_millis(sys::clock::now_realtime_ms());
        let text = exposition::text(&self.counters(), &self.status(), made);
        if let Some(metrics) = &mut self.metrics {
            metrics.writer.append(&[text.as_bytes()]);
            metrics.writer.publish();
            metrics.due = Instant::now() + SECOND;
        }
    }

    /// The counters of all workers that there ever were.
    pub(super) fn counters(&self) -> Snapshot {
        let blocks = self.workers.iter().flat_map(|worker| &worker.blocks);
        Snapshot::read(blocks.chain([&self.grave]))
    }
}
