//! Where the lines of a log go in the end.

use std::io;

/// Where a sink's lines go, used by the sink's own thread: it may block, but only within its own deadlines.
pub(crate) trait Outlet: Send {
    /// Delivers `lines`: whole lines, each ended by a newline. What was delivered before an error is told and
    /// not offered again; the rest is offered again later.
    fn deliver(&mut self, lines: &[u8]) -> Result<(), Undelivered>;
}

/// Why not all lines were delivered.
#[derive(Debug)]
pub(crate) struct Undelivered {
    /// Bytes up to the end of a line that have been delivered.
    pub(crate) done: usize,
    pub(crate) cause: io::Error,
}
