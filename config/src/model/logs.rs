//! Where requests are logged, and how: `/logs` and the `access_log` of hosts and locations.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::receiver::Receiver;

/// One log: a section of `/logs`, or a path or stream that an `access_log` names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its name in `/logs`; `None` for one that an `access_log` made.
    pub name: Option<String>,
    /// Where to.
    pub output: Output,
    /// How a line looks.
    pub format: LogFormat,
    /// Which requests are logged.
    pub conditions: LogConditions,
    /// Whether addresses are cut to the networks that they are in.
    pub anonymize: bool,
    /// What becomes of lines that cannot be delivered yet.
    pub queue: LogQueue,
    /// When its file is put aside, and what becomes of it then; `None` when others see to that.
    pub rotate: Option<Rotate>,
    /// JSON Pointer of what says where to, for a problem that only opening can find.
    pub pointer: String,
}

/// How lines wait. All logs of one output have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQueue {
    /// Bytes of lines that may wait.
    pub size: u64,
    /// What happens when so many do.
    pub when_full: WhenFull,
    /// The file in which lines wait; `None` for memory.
    pub spill: Option<PathBuf>,
}

/// What happens when a log cannot keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest lines are given up, and counted.
    #[default]
    DropOldest,
    /// Requests that it is to have wait.
    Block,
}

impl LogQueue {
    /// Bytes of lines that may wait where nothing is said: at 250 bytes a line, some 16,000.
    pub const SIZE: u64 = 4 << 20;
}

impl Default for LogQueue {
    fn default() -> LogQueue {
        LogQueue { size: LogQueue::SIZE, when_full: WhenFull::default(), spill: None }
    }
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, opened for appending.
    File(PathBuf),
    /// A receiver that is reached by a socket.
    Receiver(Arc<Receiver>),
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Stdout => f.write_str("stdout"),
            Output::Stderr => f.write_str("stderr"),
            Output::File(path) => path.display().fmt(f),
            Output::Receiver(receiver) => receiver.fmt(f),
        }
    }
}

/// How a line of the access log looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// The Common Log Format.
    Common,
    /// Common, with referrer and user agent.
    Combined,
    /// One JSON object for each line.
    Json,
    /// Text with variables, as it is written; a later stage reads it.
    Template(String),
}

/// Which requests a log has: those that fit everything here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConditions {
    /// Statuses, of which an answer has to have one; without any, all fit.
    pub statuses: Vec<LogStatus>,
    /// The request has to have taken longer.
    pub slower_than: Option<Duration>,
    /// One request in so many is taken, by chance; at least 1.
    pub sample: u32,
}

impl Default for LogConditions {
    /// All of them.
    fn default() -> LogConditions {
        LogConditions { statuses: Vec::new(), slower_than: None, sample: 1 }
    }
}

/// Statuses of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStatus {
    /// `404`: this one, 100..=599.
    Code(u16),
    /// `5xx`: all of a class, 1..=5.
    Class(u8),
}

/// When the file of a log is put aside and a new one begun, and what becomes of those that were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// When it has so many bytes.
    pub size: Option<u64>,
    /// When such a time has passed; there is one of the two.
    pub every: Option<Every>,
    /// By whose clocks.
    pub zone: TimeZone,
    /// How many files are kept; at least 1.
    pub keep: u32,
    /// How long they are kept.
    pub keep_for: Option<Duration>,
    /// How many bytes all of them may have together.
    pub budget: Option<u64>,
    /// How they are compressed.
    pub compress: Compress,
    /// How they are called.
    pub names: RotatedNames,
}

/// A span of time that begins with a full hour, midnight, or the midnight before a Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// `hour`
    Hour,
    /// `day`
    Day,
    /// `week`
    Week,
}

/// Whose clocks are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZone {
    /// `local`: those of the machine.
    Local,
    /// `utc`
    Utc,
}

/// How a file that was put aside is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// `off`
    Off,
    /// `gzip`: RFC 1952.
    Gzip,
    /// `zstd`: RFC 8878.
    Zstd,
}

/// How files that were put aside are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotatedNames {
    /// `date`: `access.log-20261126-130000`
    Date,
    /// `number`: `access.log.1` is the newest.
    Number,
}
