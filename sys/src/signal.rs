//! Signals taken as data: blocked for all threads and read from a signalfd(2), never in a handler.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::poll;

/// The signals that the server can be told something by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// `SIGTERM`
    Terminate,
    /// `SIGQUIT`
    Quit,
    /// `SIGINT`: Ctrl-C
    Interrupt,
    /// `SIGHUP`
    Hangup,
    /// `SIGUSR1`
    User1,
    /// `SIGUSR2`
    User2,
    /// `SIGCHLD`
    Child,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Terminate, Self::Quit, Self::Interrupt, Self::Hangup, Self::User1, Self::User2, Self::Child];

    fn native(self) -> nix::sys::signal::Signal {
        use nix::sys::signal::Signal as Native;
        match self {
            Self::Terminate => Native::SIGTERM,
            Self::Quit => Native::SIGQUIT,
            Self::Interrupt => Native::SIGINT,
            Self::Hangup => Native::SIGHUP,
            Self::User1 => Native::SIGUSR1,
            Self::User2 => Native::SIGUSR2,
            Self::Child => Native::SIGCHLD,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.native().as_str())
    }
}

/// The receiving end of blocked signals.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks `signals` for the calling thread and all threads it starts from now on, and collects them here.
    /// Call it before the first thread is started: a thread that has not blocked a signal dies of it.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when file descriptors have run out, `ENOMEM`.
    pub fn block(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().map(|signal| signal.native()).collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        let set: &libc::sigset_t = set.as_ref();
        // SAFETY: `set` is a valid signal set and outlives the call; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd has just returned this descriptor, and nobody else has it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// What poll(2) or read(2) report: `ENOMEM`.
    pub fn wait(&self) -> io::Result<Signal> {
        loop {
            poll::readable(self.fd.as_fd(), None)?;
            if let Some(signal) = self.pending()? {
                return Ok(signal);
            }
        }
    }

    /// Waits for the next signal, `None` when `timeout` has passed first.
    ///
    /// # Errors
    /// As for [`Signals::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<Signal>> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !poll::readable(self.fd.as_fd(), Some(left))? {
                return Ok(None);
            }
            if let Some(signal) = self.pending()? {
                return Ok(Some(signal));
            }
        }
    }

    /// The signalfd, to be polled: readable when a signal is pending.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A signal that is there already.
    ///
    /// # Errors
    /// As for [`Signals::wait`].
    pub fn pending(&self) -> io::Result<Option<Signal>> {
        // SAFETY: signalfd_siginfo consists of integers, for which zero is a value.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has room for `size` bytes of any pattern, and it outlives the call.
        let count = unsafe { libc::read(self.fd.as_raw_fd(), std::ptr::from_mut(&mut info).cast(), size) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                // Another thread may have taken it between poll and read.
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        }
        Ok(Signal::ALL.into_iter().find(|signal| signal.native() as u32 == info.ssi_signo))
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sent to this very thread, so that other tests do not see it.
    fn raise(signal: Signal) {
        nix::sys::signal::raise(signal.native()).unwrap();
    }

    #[test]
    fn blocked_signals_arrive_as_data() {
        let signals = Signals::block(&Signal::ALL).unwrap();
        assert_eq!(signals.wait_timeout(Duration::ZERO).unwrap(), None);
        for signal in Signal::ALL {
            raise(signal);
            assert_eq!(signals.wait().unwrap(), signal);
        }
        raise(Signal::Hangup);
        raise(Signal::Hangup);
        assert_eq!(signals.wait_timeout(Duration::from_secs(5)).unwrap(), Some(Signal::Hangup));
        assert_eq!(signals.wait_timeout(Duration::ZERO).unwrap(), None, "the same signal twice is one");
    }

    #[test]
    fn threads_started_later_inherit_the_block() {
        let signals = Signals::block(&[Signal::User2]).unwrap();
        let arrived = std::thread::spawn(move || {
            raise(Signal::User2);
            signals.wait_timeout(Duration::from_secs(5)).unwrap()
        });
        assert_eq!(arrived.join().unwrap(), Some(Signal::User2));
    }

    #[test]
    fn shown_by_their_usual_names() {
        assert_eq!(Signal::Terminate.to_string(), "SIGTERM");
        assert_eq!(Signal::User1.to_string(), "SIGUSR1");
    }
}
