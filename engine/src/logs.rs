//! Where each location logs to, found once for each site.

use std::sync::Arc;

use logging::{Format, Logger, SinkId, Target};
use site::Site;

/// One log of a location.
pub(crate) struct LogTo {
    pub(crate) sink: SinkId,
    pub(crate) format: Format,
}

/// The logs of all locations, by their ids. Shards share them.
#[derive(Clone)]
pub(crate) struct Logs(Arc<[Box<[LogTo]>]>);

impl Logs {
    pub(crate) fn new(site: &Site, logger: &Logger) -> Logs {
        let mut logs = Vec::new();
        for location in site.locations() {
            let index = location.id as usize;
            if logs.len() <= index {
                logs.resize_with(index + 1, Box::default);
            }
            logs[index] = location.logs.iter().filter_map(|log| log_to(log, logger)).collect();
        }
        Logs(logs.into())
    }

    /// Those of one location.
    pub(crate) fn of(&self, location: u32) -> &[LogTo] {
        self.0.get(location as usize).map_or(&[], |logs| logs)
    }
}

fn log_to(log: &config::Log, logger: &Logger) -> Option<LogTo> {
    let target = match &log.output {
        config::Output::Stdout => Target::Stdout,
        config::Output::Stderr => Target::Stderr,
        config::Output::File(path) => Target::File(path.clone()),
        config::Output::Receiver(receiver) => Target::Receiver(receiver.identity()),
    };
    let format = match log.format {
        config::LogFormat::Common => Format::Common,
        config::LogFormat::Combined => Format::Combined,
        config::LogFormat::Json => Format::Json,
    };
    Some(LogTo { sink: logger.sink(&target)?, format })
}
