//! What a process gives up for good, beside its user: files (Landlock), TCP ports, signals to others, and system calls
//! (seccomp).
//!
//! The two halves complete each other. A filter on system calls does not see what an `io_uring` does, nor which path a
//! call is about; Landlock sees both, but knows only files, ports and signals.

mod calls;
mod files;

use std::fmt;
use std::io;

pub use calls::{Group, give_up_rings, keep_calls};
pub use files::{Enforcement, Reach, keep_files};

/// Why a process is not confined as it should be.
#[derive(Debug)]
pub enum SandboxError {
    /// The rules for files cannot be put in force.
    Files(landlock::RulesetError),
    /// The filter on system calls cannot be built: it is wrong.
    Filter(seccompiler::BackendError),
    /// The kernel does not take the filter.
    Calls(io::Error),
    /// Other threads have a filter of their own.
    Threads,
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(cause) => write!(f, "Landlock does not take the rules for files ({cause})")?,
            Self::Filter(cause) => write!(f, "the filter on system calls cannot be built ({cause})")?,
            Self::Calls(cause) => write!(f, "the kernel does not take a filter on system calls ({cause})")?,
            Self::Threads => f.write_str("a thread has another filter on system calls")?,
        }
        f.write_str(": set /server/sandbox to false to do without")
    }
}

impl std::error::Error for SandboxError {}

impl From<landlock::RulesetError> for SandboxError {
    fn from(cause: landlock::RulesetError) -> Self {
        Self::Files(cause)
    }
}

impl From<seccompiler::BackendError> for SandboxError {
    fn from(cause: seccompiler::BackendError) -> Self {
        Self::Filter(cause)
    }
}

impl From<seccompiler::Error> for SandboxError {
    fn from(error: seccompiler::Error) -> Self {
        match error {
            seccompiler::Error::Backend(cause) => Self::Filter(cause),
            seccompiler::Error::Prctl(cause) | seccompiler::Error::Seccomp(cause) => Self::Calls(cause),
            seccompiler::Error::ThreadSync(_) => Self::Threads,
            // A filter that is empty.
            _ => Self::Calls(io::ErrorKind::InvalidInput.into()),
        }
    }
}
