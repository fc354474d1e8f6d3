//! Why the engine cannot start or go on.

use std::fmt;
use std::io;

/// Errors of the engine, by what failed.
#[derive(Debug)]
pub enum Error {
    /// A thread could not be started.
    Thread(io::Error),
    /// The executor of a shard could not be made.
    Executor {
        /// The shard.
        shard: usize,
        /// What the runtime says.
        reason: String,
    },
    /// A shard's io_uring could not be set up.
    Ring {
        /// The shard.
        shard: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A shard ended before it was told to.
    ShardLost {
        /// The shard.
        shard: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Thread(source) => {
                write!(f, "a thread could not be started: {source}; raise the limit of processes (ulimit -u)")
            }
            Error::Executor { shard, reason } => {
                write!(f, "shard {shard}: the executor could not be made: {reason}")
            }
            Error::Ring { shard, source } if source.raw_os_error() == Some(libc::ENOMEM) => {
                write!(
                    f,
                    "shard {shard}: no memory may be locked for io_uring; raise RLIMIT_MEMLOCK (ulimit -l) to \
                     8192 kB or more"
                )
            }
            Error::Ring { shard, source } if source.raw_os_error() == Some(libc::EINVAL) => {
                write!(
                    f,
                    "shard {shard}: this kernel's io_uring lacks what Kimura needs; Linux 6.1 or newer has it"
                )
            }
            Error::Ring { shard, source } => {
                write!(f, "shard {shard}: io_uring could not be set up: {source}")
            }
            Error::ShardLost { shard } => {
                write!(f, "shard {shard} ended unexpectedly; its log line says why")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Thread(source) | Error::Ring { source, .. } => Some(source),
            Error::Executor { .. } | Error::ShardLost { .. } => None,
        }
    }
}
