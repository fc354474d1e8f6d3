//! Limits of the system on the process.

use config::{Origin, Registry, Server};
use std::io;
use sys::limits::{Raised, raise_memlock, raise_nofile};

/// Descriptors that are no connections: rings, listeners, logs, files being sent.
const RESERVE: u64 = 1024;

/// Raises what can be raised, before anything is opened.
///
/// # Errors
/// When the system does not tell its limits; that they cannot be raised is none.
pub(crate) fn raise() -> io::Result<Raised> {
    raise_memlock()?;
    raise_nofile(u64::MAX)
}

/// Fewer open files than this are a surprise to whoever serves a site, even if no number was promised.
const FEW: u64 = 4096;

/// Warns when fewer files can be open than the configuration promises connections.
pub(crate) fn compare(nofile: Raised, server: &Server, registry: &Registry, shards: usize) {
    let place = "/server/limits/connections_per_shard";
    let promised = server.limits.connections_per_shard as u64 * shards as u64 + RESERVE;
    let by_default = registry.get(place).is_some_and(|entry| entry.origin == Origin::Default);
    let enough = if by_default { FEW.min(promised) } else { promised };
    if nofile.soft < enough {
        log::warn!(
            "at most {} files can be open, but {shards} shards may take {} connections each; raise the limit \
             (ulimit -n, LimitNOFILE= in a systemd unit) to {promised}, or lower {place}",
            nofile.soft,
            server.limits.connections_per_shard,
        );
    }
}
