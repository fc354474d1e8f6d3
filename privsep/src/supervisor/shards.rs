//! How many shards there are, and on which cores.

use std::io;

use sys::limits::Raised;

use crate::message::Needs;

/// Descriptors that are no connections: rings, listeners, logs, files being sent.
const RESERVE: u64 = 1024;
/// Fewer open files than this are a surprise to whoever serves a site, even if no number was promised.
const FEW: u64 = 4096;

/// The core of each shard. With more shards than cores, several share one.
///
/// # Errors
/// When the system does not tell which cores the process may use.
pub(crate) fn cores(wanted: Option<u32>) -> io::Result<Vec<usize>> {
    let available = sys::cpu::available()?;
    let count = wanted.map_or_else(sys::cpu::shards_auto, |count| count as usize);
    if count > available.len() {
        log::warn!(
            "{count} shards share {} cores, which costs speed; leave /server/shards out for one on each core",
            available.len()
        );
    }
    Ok(available.into_iter().cycle().take(count).collect())
}

/// Sockets of each address: enough for every core, so that the number of shards can grow up to that.
pub(crate) fn group(shards: usize) -> usize {
    sys::cpu::available().map_or(1, |cores| cores.len()).max(shards)
}

/// Warns when fewer files can be open than the configuration promises connections.
pub(crate) fn compare(files: Raised, needs: &Needs, shards: usize) {
    // While one site takes the place of another, the folders of both are open.
    let folders = 2 * needs.readable.len() as u64;
    let promised = u64::from(needs.connections_per_shard) * shards as u64 + RESERVE + folders;
    let enough = if needs.connections_by_default { (FEW + folders).min(promised) } else { promised };
    if files.soft < enough {
        log::warn!(
            "at most {} files can be open, but {shards} shards may take {} connections each; raise the limit \
             (ulimit -n, LimitNOFILE= in a systemd unit) to {promised}, or lower \
             /server/limits/connections_per_shard",
            files.soft,
            needs.connections_per_shard,
        );
    }
}
