//! Why the command fails, by whose fault it is.

use crate::passwd::Unfit;
use crate::usage::Usage;
use privsep::link::LinkError;
use privsep::supervisor::Refusal;
use std::fmt;
use std::io;
use std::path::PathBuf;
use sys::activation::ActivationError;
use sys::uring::UringDenied;

/// Why nothing is served, or no longer.
#[derive(Debug)]
pub(crate) enum Error {
    /// Whoever typed the command line.
    Usage(Usage),
    /// A configuration file that is there and cannot be read; why, for people.
    Unreadable(String),
    /// The configuration has problems: all of them, for people.
    Wrong(String),
    /// The system denies io_uring.
    Ring(UringDenied),
    /// A descriptor that the service manager has passed is of no use.
    Passed(ActivationError),
    /// The error log cannot be set up.
    Log(logging::Error),
    /// The system denies the process something else: what it tried.
    Process { what: &'static str, cause: io::Error },
    /// The server does not come to serve.
    Refused(Refusal),
    /// The configuration names no socket for commands.
    NoSocket,
    /// Nobody listens on the socket.
    NoServer { place: String, cause: io::Error },
    /// The server does not prove who it is, or breaks TLS.
    Insecure { place: String, failure: tls::Failure },
    /// A file that was named is not what it should be: why, with the cure.
    BadFile { path: PathBuf, why: String },
    /// The server does not answer as it should.
    Unanswered { cause: LinkError },
    /// A password or token cannot be read.
    Secret { path: PathBuf, cause: io::Error },
    /// No hash can be made of a password.
    Unfit(Unfit),
    /// The server does not take the command from us: why.
    Denied(String),
    /// The server cannot carry the command out now: why.
    NotDone(String),
}

impl Error {
    /// For `map_err`: an error of the system, and what was tried.
    pub(crate) fn process(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::Process { what, cause }
    }

    /// The exit status, as docs and scripts know it.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Unreadable(_)
            | Self::Wrong(_)
            | Self::Ring(_)
            | Self::Passed(_)
            | Self::Log(_)
            | Self::Process { .. }
            | Self::Refused(_)
            | Self::NoSocket
            | Self::Unanswered { .. }
            | Self::Insecure { .. }
            | Self::BadFile { .. }
            | Self::Secret { .. }
            | Self::Unfit(_)
            | Self::NotDone(_) => 1,
            Self::NoServer { .. } => 3,
            Self::Denied(_) => 4,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(usage) => usage.fmt(f),
            Self::Unreadable(why) | Self::Wrong(why) => f.write_str(why),
            Self::Ring(denied) => denied.fmt(f),
            Self::Passed(error) => error.fmt(f),
            Self::Log(error) => error.fmt(f),
            Self::Process { what, cause } => write!(f, "cannot {what}: {cause}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NoSocket => f.write_str(
                "the configuration names no socket for commands; set /server/control/socket and restart, or name \
                 the server's socket with --socket",
            ),
            Self::NoServer { place, cause } => {
                write!(f, "no server answers at {place} ({cause}); is it running?")
            }
            Self::Insecure { place, failure: tls::Failure::Certificate { fault } } => write!(
                f,
                "the server at {place} does not prove who it is ({}); name the certificate of its authority, or its \
                 own, with --authority, and with --control a name that its certificate has",
                fault.text()
            ),
            Self::Insecure { place, failure } => write!(f, "no secure connection to {place}: {failure}"),
            Self::BadFile { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Unanswered { cause } => write!(f, "the server does not answer as it should: {cause}"),
            Self::Secret { path, cause } => write!(f, "cannot read {}: {cause}", path.display()),
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::Denied(why) => write!(f, "denied: {why}"),
            Self::NotDone(why) => f.write_str(why),
        }
    }
}

impl From<Usage> for Error {
    fn from(error: Usage) -> Self {
        Self::Usage(error)
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl From<UringDenied> for Error {
    fn from(error: UringDenied) -> Self {
        Self::Ring(error)
    }
}

impl From<ActivationError> for Error {
    fn from(error: ActivationError) -> Self {
        Self::Passed(error)
    }
}

impl From<logging::Error> for Error {
    fn from(error: logging::Error) -> Self {
        Self::Log(error)
    }
}

impl From<LinkError> for Error {
    fn from(cause: LinkError) -> Self {
        Self::Unanswered { cause }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
