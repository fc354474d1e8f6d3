//! Where requests are logged, and how: `/logs` and the `access_log` of hosts and locations.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// JSON Pointer of what says where to, for a problem that only opening can find.
    pub pointer: String,
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
}
