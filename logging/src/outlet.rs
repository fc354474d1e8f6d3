//! Where the lines of a log go in the end.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use sys::fs::Found;

/// Where a sink's lines go, used by the sink's own thread: it may block, but only within its own deadlines.
pub(crate) trait Outlet: Send {
    /// Delivers what is offered. What was delivered before an error is told and not offered again; the rest is offered
    /// again later, with the same numbers.
    fn deliver(&mut self, offer: Offer<'_>) -> Result<(), Undelivered>;

    /// How far this is, where that can be seen even after a crash; `None` where it cannot.
    fn position(&self) -> Option<Position> {
        None
    }

    /// The file that this is, if it is one.
    fn found(&self) -> Option<Found> {
        None
    }
}

/// How far an outlet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which outlet it is; two that are used one after the other have different ones.
    pub(crate) outlet: u64,
    /// How many bytes it has ever taken.
    pub(crate) bytes: u64,
}

/// Lines to be delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'l> {
    /// Names the queue that the lines come from, also for the next process that has it.
    pub(crate) queue: u64,
    /// The number of the first line in that queue. A line that comes twice has the same number twice.
    pub(crate) first: u64,
    /// Whole lines, each ended by a newline; only the first one may lack its beginning, which went before.
    pub(crate) lines: &'l [u8],
}

/// Why not all was delivered.
#[derive(Debug)]
pub(crate) struct Undelivered {
    /// Bytes that have been delivered. Only a file takes parts of lines.
    pub(crate) done: usize,
    pub(crate) cause: io::Error,
}

/// A file that nobody else writes.
pub(crate) struct FileOutlet(pub(crate) File);

impl Outlet for FileOutlet {
    fn deliver(&mut self, offer: Offer<'_>) -> Result<(), Undelivered> {
        write_all(&mut self.0, offer.lines)
    }

    fn position(&self) -> Option<Position> {
        let found = self.found()?;
        Some(Position { outlet: found.id.mark(), bytes: found.len })
    }

    fn found(&self) -> Option<Found> {
        Found::of(self.0.as_fd()).ok().flatten()
    }
}

/// A stream of this process, which others may write, too.
pub(crate) struct StreamOutlet(pub(crate) File);

impl Outlet for StreamOutlet {
    fn deliver(&mut self, offer: Offer<'_>) -> Result<(), Undelivered> {
        write_all(&mut self.0, offer.lines)
    }
}

/// Writes all of `bytes`, or says how many were written before what error.
fn write_all(out: &mut impl Write, bytes: &[u8]) -> Result<(), Undelivered> {
    let mut done = 0;
    while done < bytes.len() {
        match out.write(&bytes[done..]) {
            Ok(0) => return Err(Undelivered { done, cause: ErrorKind::WriteZero.into() }),
            Ok(count) => done += count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(Undelivered { done, cause }),
        }
    }
    Ok(())
}
