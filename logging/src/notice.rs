//! What the threads of the logger process have to say to its main one, which sleeps in poll(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use sys::eventfd::EventFd;

/// One of them.
#[derive(Debug)]
pub enum Notice {
    /// The file of a log is to be put aside.
    Due {
        /// The number of the log.
        number: u16,
    },
    /// Nothing is written any more to files of a log before this one.
    Switched {
        /// The number of the log.
        number: u16,
        /// As the plan for the file says.
        turn: u32,
    },
    /// A task of the press has come to its end.
    Pressed {
        /// The task.
        job: u32,
        /// What it was.
        task: Task,
        /// How it ended.
        result: io::Result<()>,
    },
}

/// What a press does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It compresses a file.
    Compress,
    /// It brings a folder to the disk.
    Sync,
}

/// Where they are said. Each log says one thing at a time and repeats it no more than once a second, and there is one
/// press: so what waits is bounded by the number of logs, unless nobody listens.
#[derive(Clone, Debug)]
pub struct Notices {
    notices: Sender<Notice>,
    bell: Arc<EventFd>,
}

/// Where they are heard.
#[derive(Debug)]
pub struct Inbox {
    notices: Receiver<Notice>,
    bell: Arc<EventFd>,
}

impl Notices {
    /// Both ends. To be made before the process gives up making descriptors.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn new() -> io::Result<(Self, Inbox)> {
        let bell = Arc::new(EventFd::new()?);
        let (notices, heard) = unbounded();
        Ok((Self { notices, bell: Arc::clone(&bell) }, Inbox { notices: heard, bell }))
    }

    pub(crate) fn send(&self, notice: Notice) {
        // Nobody listens at the end.
        if self.notices.send(notice).is_ok() {
            self.bell.notify();
        }
    }
}

impl Inbox {
    /// To be polled: readable when there is something.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Everything that was said.
    pub fn take(&self) -> Vec<Notice> {
        self.bell.drain();
        self.notices.try_iter().collect()
    }
}
