//! Why nothing is served, or no longer.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use sys::creds::CredsError;
use sys::net::Address;
use sys::pid_file::PidFileError;

use super::examination::problems_text;

/// Why the supervisor did not come to serve.
#[derive(Debug)]
pub enum Refusal {
    /// The configuration is wrong, or the machine does not have what it needs.
    Problems {
        /// How many.
        count: u32,
        /// The sealed text of them.
        text: OwnedFd,
    },
    /// The configuration cannot be read; why, for people.
    Unreadable(String),
    /// The examination did not end as it should.
    Unexamined(String),
    /// The service manager has passed a socket for an address that the configuration does not name.
    Unnamed(Address),
    /// The system denies something.
    System {
        /// What was to be done.
        what: &'static str,
        /// Why it was not.
        cause: io::Error,
    },
    /// Another server runs already, or the pid file cannot be written.
    PidFile(PidFileError),
    /// The process cannot become another user.
    Identity(CredsError),
    /// The shards cannot start; why, for people.
    Worker(String),
}

impl Refusal {
    /// For `map_err`.
    pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::System { what, cause }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems { count, text } => {
                let noun = if *count == 1 { "problem" } else { "problems" };
                write!(
                    f,
                    "{count} {noun} in the configuration, nothing was started\n\n{}",
                    problems_text(text)
                )
            }
            Self::Unreadable(why) | Self::Worker(why) => f.write_str(why),
            Self::Unexamined(why) => write!(f, "the configuration cannot be examined: {why}"),
            Self::Unnamed(address) => write!(
                f,
                "the service manager has passed a socket for {address}, and the configuration does not listen there: \
                 add it to /server/listen, or remove it from the .socket unit"
            ),
            Self::System { what, cause } => write!(f, "cannot {what}: {cause}"),
            Self::PidFile(error) => error.fmt(f),
            Self::Identity(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
