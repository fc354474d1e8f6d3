//! Why the command fails, by whose fault it is.

use crate::usage::Usage;
use privsep::supervisor::Refusal;
use std::fmt;
use std::io;
use sys::uring::UringDenied;

/// Why nothing is served, or no longer.
#[derive(Debug)]
pub(crate) enum Error {
    /// Whoever typed the command line.
    Usage(Usage),
    /// A configuration file that is there and cannot be read; why, for people.
    Unreadable(String),
    /// The system denies io_uring.
    Ring(UringDenied),
    /// The error log cannot be set up.
    Log(logging::Error),
    /// The system denies the process something else: what it tried.
    Process { what: &'static str, cause: io::Error },
    /// The server does not come to serve.
    Refused(Refusal),
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
            Self::Unreadable(why) => f.write_str(why),
            Self::Ring(denied) => denied.fmt(f),
            Self::Log(error) => error.fmt(f),
            Self::Process { what, cause } => write!(f, "cannot {what}: {cause}"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl From<Usage> for Error {
    fn from(error: Usage) -> Self {
        Self::Usage(error)
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

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
