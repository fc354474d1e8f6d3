//! What the supervisor needs of the program around it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use log::{Level, LevelFilter, Log, Metadata, Record};
use perf::Snapshot;
use perf::render::{Style, Table};
use privsep::message::{Output, Subject};
use privsep::supervisor::House;

/// A program without a configuration of its own: the check that belongs to it knows one.
pub(crate) struct Home {
    folder: PathBuf,
    table: Table,
    last: Snapshot,
}

impl Home {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), table: Table::new(Style::Plain), last: Snapshot::read([]) }
    }
}

impl House for Home {
    fn subject(&self) -> Subject {
        Subject::File { name: "test".to_owned(), settings: Vec::new() }
    }

    fn text(&self) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn program(&self) -> PathBuf {
        std::env::current_exe().unwrap_or_default()
    }

    fn arguments(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn origin(&self) -> String {
        "test".to_owned()
    }

    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn errors_to(&self, _output: &Output) -> Result<(), String> {
        Ok(())
    }

    fn messages_by(&self, _socket: OwnedFd) {}

    fn verbosity(&self, _level: u32) {}

    fn stamp(&self) -> String {
        "now".to_owned()
    }

    fn serving(&self, _addresses: &[String], _shards: usize) {}

    fn ticks(&self) -> bool {
        true
    }

    /// As the program does it: whatever a worker has counted is to be shown.
    fn tick(&mut self, counters: &Snapshot) {
        let row = self.table.row(&counters.since(&self.last), std::time::Duration::from_secs(1));
        self.last = counters.clone();
        eprint!("{row}");
    }
}

/// Sends all messages to standard error.
pub(crate) fn log_to_standard_error() {
    struct Standard;

    impl Log for Standard {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.level() <= Level::Info
        }

        fn log(&self, record: &Record<'_>) {
            // What a child says may be long.
            eprintln!("{}: {:.300}", record.level(), record.args().to_string());
        }

        fn flush(&self) {}
    }

    log::set_logger(&Standard).expect("nobody has set another");
    log::set_max_level(LevelFilter::Info);
}
