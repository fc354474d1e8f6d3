//! How many shards there are, and on which cores.

use config::Shards;
use std::io;

/// The core of each shard. With more shards than cores, several share one.
///
/// # Errors
/// When the system does not tell which cores the process may use.
pub(crate) fn cores(wanted: Shards) -> io::Result<Vec<usize>> {
    let available = sys::cpu::available()?;
    let count = match wanted {
        Shards::Auto => sys::cpu::shards_auto(),
        Shards::Count(count) => count.get() as usize,
    };
    if count > available.len() {
        log::warn!(
            "{count} shards share {} cores, which costs speed; leave /server/shards out for one on each core",
            available.len()
        );
    }
    Ok(available.into_iter().cycle().take(count).collect())
}
