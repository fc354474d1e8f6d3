//! Where the logger says which logs cannot keep up, for the workers to see.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::mem::Cells;

use super::estate::SINKS_MAX;

/// A cell for each log. It outlives loggers and workers, and goes over upgrades.
#[derive(Debug)]
pub(crate) struct Pressure {
    cells: Cells,
    /// For those who are only to look. Made while the rights are those of the start.
    view: OwnedFd,
}

impl Pressure {
    /// As many cells.
    pub(crate) const SINKS: u32 = SINKS_MAX as u32;

    /// Nobody has to wait.
    pub(crate) fn new() -> io::Result<Self> {
        Self::of(Cells::create("kimura-pressure", SINKS_MAX)?)
    }

    /// What the program before this one has left.
    pub(crate) fn inherit(fd: OwnedFd) -> io::Result<Self> {
        Self::of(Cells::from_fd(fd, SINKS_MAX)?)
    }

    fn of(cells: Cells) -> io::Result<Self> {
        let view = cells.read_only_fd()?;
        Ok(Self { cells, view })
    }

    /// For the logger.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.cells.fd()
    }

    /// For the workers.
    pub(crate) fn view(&self) -> BorrowedFd<'_> {
        self.view.as_fd()
    }
}
