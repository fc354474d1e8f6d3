//! Why the engine cannot start or go on.

use std::fmt;
use std::io;

/// Errors of the engine, by what failed.
#[derive(Debug)]
pub enum Error {
    /// Another number of addresses than the site has was given what TLS is spoken with.
    SecuredCount {
        /// Addresses of the site.
        addresses: usize,
        /// What was given.
        given: usize,
    },
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
    /// A shard did not answer in time.
    Late {
        /// The shard.
        shard: usize,
    },
    /// A change came when the server was on its way out.
    Draining {
        /// The first shard that said so.
        shard: usize,
    },
    /// The caller's: there are listeners for another number of shards than there are.
    ShardCount {
        /// How many shards there are.
        shards: usize,
        /// For how many there are listeners.
        given: usize,
    },
    /// The caller's: a template of a log is none.
    LogFormat {
        /// What is wrong with it.
        reason: logging::BadTemplate,
    },
    /// The caller's: a listener has an address that the site does not have.
    UnknownAddress {
        /// The listener.
        id: u32,
        /// The index of its address.
        address: usize,
        /// How many addresses the site has.
        addresses: usize,
    },
    /// The caller's: a shard has two listeners of the same name.
    ListenerTwice {
        /// The listener.
        id: u32,
    },
    /// The caller's: a listener came without its socket, and the shard does not have it.
    NoSocket {
        /// The shard.
        shard: usize,
        /// The listener.
        id: u32,
    },
    /// The caller's: there is nothing to commit.
    NothingPrepared,
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
            Error::Late { shard } => {
                write!(f, "shard {shard} did not answer in time; try again when the machine is less busy")
            }
            Error::Draining { shard } => {
                write!(
                    f,
                    "shard {shard} is ending its connections; start the server anew to change what it serves"
                )
            }
            Error::SecuredCount { addresses, given } => {
                write!(
                    f,
                    "TLS came for {given} addresses; hand over that of all {addresses}, or none for each"
                )
            }
            Error::ShardCount { shards, given } => {
                write!(f, "listeners came for {given} shards; hand over those of all {shards}")
            }
            Error::LogFormat { reason } => write!(f, "the format of a log cannot be used: {reason}"),
            Error::UnknownAddress { id, address, addresses } => {
                write!(
                    f,
                    "listener {id} is for address {address} of a site that has {addresses}; count from 0, in the \
                     order of its configuration"
                )
            }
            Error::ListenerTwice { id } => {
                write!(f, "listener {id} came twice for one shard; give each address a number of its own")
            }
            Error::NoSocket { shard, id } => {
                write!(f, "shard {shard} has no socket for listener {id}; hand it over")
            }
            Error::NothingPrepared => f.write_str("nothing is prepared; prepare a change first"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Thread(source) | Error::Ring { source, .. } => Some(source),
            _ => None,
        }
    }
}
