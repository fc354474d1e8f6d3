//! Some calls are sound only while the process has a single thread.

use std::io;

/// Refuses to go on when the process has started threads.
///
/// # Errors
/// `InvalidInput` when there is more than one thread; what reading `/proc/self/task` reports.
pub(crate) fn require_single(action: &str) -> io::Result<()> {
    match std::fs::read_dir("/proc/self/task")?.take(2).count() {
        1 => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{action} must come before the first thread is started"),
        )),
    }
}
