//! A wake-up call between threads: a counter behind a file descriptor, see eventfd(2).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Wakes whoever polls it. Any number of `notify` before a `drain` count as one.
#[derive(Debug)]
pub struct EventFd {
    counter: File,
}

impl EventFd {
    /// A silent one, closed on exec and never blocking.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when file descriptors have run out, `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: eventfd has just returned this descriptor, and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { counter: File::from(fd) })
    }

    /// Makes the descriptor readable.
    pub fn notify(&self) {
        // EAGAIN means that the counter is full, so it is readable already: nothing is lost. No other
        // failure exists for 8 bytes written to an eventfd.
        let _ = (&self.counter).write(&1_u64.to_ne_bytes());
    }

    /// Makes the descriptor silent again. Returns at once also when nobody has notified.
    pub fn drain(&self) {
        // EAGAIN means that it was silent.
        let _ = (&self.counter).read(&mut [0; 8]);
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.counter.as_raw_fd()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::poll::readable;

    #[test]
    fn many_notifications_are_one() {
        let event = EventFd::new().unwrap();
        assert!(!readable(event.as_fd(), Some(Duration::ZERO)).unwrap());
        event.notify();
        event.notify();
        assert!(readable(event.as_fd(), Some(Duration::ZERO)).unwrap());
        event.drain();
        assert!(!readable(event.as_fd(), Some(Duration::ZERO)).unwrap());
        event.drain();
    }

    #[test]
    fn wakes_another_thread() {
        let event = Arc::new(EventFd::new().unwrap());
        let there = Arc::clone(&event);
        let thread = std::thread::spawn(move || readable(there.as_fd(), None).unwrap());
        event.notify();
        assert!(thread.join().unwrap());
    }
}
