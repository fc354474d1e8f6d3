//! Logs whose lines have to wait for room: a flag for each, in memory that the supervisor has made and that outlives the
//! logger process. That sets the flags; shards look at them before they begin a request that such a log is to have.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sys::mem::{Cells, CellsView};

use crate::sink::SinkId;

const LOWERED: u64 = 0;
const RAISED: u64 = 1;

/// The flags of all logs, as the logger process has them.
#[derive(Clone, Debug)]
pub struct Pressure(Arc<Cells>);

impl Pressure {
    /// In these cells, one for each number of a sink.
    #[must_use]
    pub fn new(cells: Cells) -> Self {
        Self(Arc::new(cells))
    }

    /// Raises the flag of sink `number` once its queue is filled with `bytes`; none for a number without a flag.
    #[must_use]
    pub fn hold(&self, number: u16, bytes: u64) -> Option<Hold> {
        let sink = usize::from(number);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        (sink < self.0.len()).then(|| Hold { flags: self.clone(), sink, bytes })
    }
}

/// The flag of one log, and when it is raised.
#[derive(Debug)]
pub struct Hold {
    flags: Pressure,
    sink: usize,
    bytes: usize,
}

impl Hold {
    /// Raises the flag when the queue is as full as it may be, and lowers it when half of that is left. `used` are the
    /// bytes of the blocks that lines have begun.
    pub(crate) fn weigh(&self, used: usize) {
        if self.bytes <= used {
            self.flag(RAISED);
        } else if used <= self.bytes / 2 {
            self.flag(LOWERED);
        }
    }

    fn flag(&self, value: u64) {
        #[cfg(test)]
        if !crate::queue::fuse::burns() {
            return;
        }
        self.flags.0[self.sink].store(value, Relaxed);
    }
}

impl Drop for Hold {
    /// Nobody waits for a log that has no queue. Who opens one next, sees for itself.
    fn drop(&mut self) {
        self.flag(LOWERED);
    }
}

/// The flags of all logs, as shards have them: for a look.
#[derive(Clone, Debug)]
pub struct PressureView {
    flags: Arc<CellsView>,
    len: usize,
}

impl PressureView {
    /// What `fd`, which may be for reading only, has of `len` sinks.
    ///
    /// # Errors
    /// Those of [`CellsView::from_fd`].
    pub fn open(fd: &OwnedFd, len: usize) -> io::Result<Self> {
        Ok(Self { flags: Arc::new(CellsView::from_fd(fd, len)?), len })
    }

    /// Whether lines of this sink have to wait.
    pub(crate) fn is_raised(&self, sink: SinkId) -> bool {
        let number = usize::from(sink.number());
        number < self.len && self.flags.load(number) != LOWERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Target;

    #[test]
    fn a_flag_rises_when_all_is_used_and_falls_at_half() {
        let cells = Cells::create("test", 2).unwrap();
        let fd = cells.read_only_fd().unwrap();
        let view = PressureView::open(&fd, 2).unwrap();
        let pressure = Pressure::new(cells);
        let targets = [Target::Stdout, Target::Stderr];
        let [first, second] = targets.each_ref().map(|target| SinkId::position(&targets, target).unwrap());
        assert!(pressure.hold(2, 100).is_none(), "there is no such flag");
        let hold = pressure.hold(1, 100).unwrap();
        for (used, wanted) in [
            (0, false),
            (99, false),
            (100, true),
            (70, true),
            (51, true),
            (50, false),
            (99, false),
            (200, true),
        ] {
            hold.weigh(used);
            assert_eq!(view.is_raised(second), wanted, "{used}");
            assert!(!view.is_raised(first), "that of another");
        }
        drop(hold);
        assert!(!view.is_raised(second));
    }
}
