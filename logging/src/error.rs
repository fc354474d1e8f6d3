//! What can go wrong before lines flow; afterwards a failing sink is counted and reported in the error log.

use std::fmt;
use std::io;

/// Why logging could not begin.
#[derive(Debug)]
pub enum Error {
    /// The operator named a file that cannot be opened for appending.
    Open(sys::fs::LogError),
    /// More distinct sinks than a [`SinkId`](crate::SinkId) can name.
    TooManySinks,
    /// The process has no usable standard output or standard error.
    Stream(io::Error),
    /// The system refused the logger thread.
    Thread(io::Error),
    /// What only the logger process reaches was to be opened by another: a mistake in the program.
    Elsewhere,
    /// The memory in which lines wait is not as it should be.
    Queue(&'static str),
    /// It cannot be mapped.
    Memory(io::Error),
    /// Another logger of the `log` facade is already installed: a mistake in the program.
    FacadeTaken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(cause) => cause.fmt(f),
            Self::TooManySinks => {
                write!(f, "more than {} different access logs; let hosts share one", u16::MAX)
            }
            Self::Stream(cause) => write!(f, "cannot log to a standard stream: {cause}"),
            Self::Thread(cause) => write!(f, "cannot start the logger thread: {cause}"),
            Self::Elsewhere => f.write_str("only the logger process sends logs to others"),
            Self::Queue(what) => write!(f, "the memory for lines that wait cannot be used: {what}"),
            Self::Memory(cause) => write!(f, "the memory for lines that wait cannot be used: {cause}"),
            Self::FacadeTaken => write!(f, "the error log was installed twice"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(cause) => Some(cause),
            Self::Stream(cause) | Self::Thread(cause) | Self::Memory(cause) => Some(cause),
            Self::TooManySinks | Self::Elsewhere | Self::Queue(_) | Self::FacadeTaken => None,
        }
    }
}
