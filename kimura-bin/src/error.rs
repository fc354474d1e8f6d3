//! Why the command fails, by whose fault it is.

use crate::usage::Usage;
use config::{Problem, Problems};
use std::fmt;
use std::io;
use std::path::PathBuf;
use sys::creds::CredsError;
use sys::pid_file::PidFileError;
use sys::uring::UringDenied;

/// Why nothing is served, or no longer.
#[derive(Debug)]
pub(crate) enum Error {
    /// Whoever typed the command line.
    Usage(Usage),
    /// Whoever wrote the configuration; with what was found, nothing is begun.
    Configuration(Problems),
    /// A configuration file that is there and cannot be read.
    Read { path: PathBuf, cause: io::Error },
    /// The system denies io_uring.
    Ring(UringDenied),
    /// The logs cannot be set up.
    Log(logging::Error),
    /// The system denies the process something else: what it tried.
    Process { what: &'static str, cause: io::Error },
    /// Another server runs already, or the pid file cannot be written.
    PidFile(PidFileError),
    /// The process cannot become another user.
    Identity(CredsError),
    /// The shards cannot start, or one of them ended by itself.
    Engine(engine::Error),
}

impl Error {
    /// For `map_err`: an error of the system, and what was tried.
    pub(crate) fn process(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::Process { what, cause }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(usage) => usage.fmt(f),
            Self::Configuration(problems) => {
                let count = problems.len();
                let noun = if count == 1 { "problem" } else { "problems" };
                write!(f, "{count} {noun} in the configuration, nothing was started\n\n{problems}")
            }
            Self::Read { path, cause } => {
                write!(
                    f,
                    "cannot read the configuration {}: {cause}; correct it, or name another with -c",
                    path.display()
                )
            }
            Self::Ring(denied) => denied.fmt(f),
            Self::Log(error) => error.fmt(f),
            Self::Process { what, cause } => write!(f, "cannot {what}: {cause}"),
            Self::PidFile(error) => error.fmt(f),
            Self::Identity(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl From<Usage> for Error {
    fn from(error: Usage) -> Self {
        Self::Usage(error)
    }
}

impl From<Problems> for Error {
    fn from(error: Problems) -> Self {
        Self::Configuration(error)
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Configuration(problem.into())
    }
}

impl From<UringDenied> for Error {
    fn from(error: UringDenied) -> Self {
        Self::Ring(error)
    }
}

impl From<logging::Error> for Error {
    fn from(error: logging::Error) -> Self {
        Self::Log(error)
    }
}

impl From<PidFileError> for Error {
    fn from(error: PidFileError) -> Self {
        Self::PidFile(error)
    }
}

impl From<CredsError> for Error {
    fn from(error: CredsError) -> Self {
        Self::Identity(error)
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}
