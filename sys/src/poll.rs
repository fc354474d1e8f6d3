//! Waiting for file descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Waits until `fd` can be read (or has failed, or has been hung up), `false` when `timeout` has passed first.
/// Without a timeout it waits for as long as it takes.
///
/// # Errors
/// `ENOMEM` or `EINVAL` from poll(2); a signal that interrupts is not an error, the wait goes on.
pub fn readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut entries = [entry(fd, libc::POLLIN)];
    poll(&mut entries, timeout).map(|ready| ready > 0)
}

/// As [`readable`], but until `fd` can be written to.
///
/// # Errors
/// As [`readable`].
pub fn writable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut entries = [entry(fd, libc::POLLOUT)];
    poll(&mut entries, timeout).map(|ready| ready > 0)
}

/// Waits until one of `fds` can be read, has failed or has been hung up, or `timeout` has passed. Says of each, in
/// their order, whether it is so.
///
/// # Errors
/// As [`readable`].
pub fn any_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut entries: Vec<libc::pollfd> = fds.iter().map(|&fd| entry(fd, libc::POLLIN)).collect();
    poll(&mut entries, timeout)?;
    Ok(entries.iter().map(|entry| entry.revents != 0).collect())
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That something can be read.
    Read,
    /// That something can be written.
    Write,
    /// Either.
    Both,
    /// Only the end: that it has failed or both sides have hung up.
    End,
}

/// As [`any_readable`], with what is waited for in each case.
///
/// # Errors
/// As [`readable`].
pub fn any_ready(fds: &[(BorrowedFd<'_>, Interest)], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let events = |interest| match interest {
        Interest::Read => libc::POLLIN,
        Interest::Write => libc::POLLOUT,
        Interest::Both => libc::POLLIN | libc::POLLOUT,
        Interest::End => 0,
    };
    let mut entries: Vec<libc::pollfd> =
        fds.iter().map(|&(fd, interest)| entry(fd, events(interest))).collect();
    poll(&mut entries, timeout)?;
    Ok(entries.iter().map(|entry| entry.revents != 0).collect())
}

fn entry(fd: BorrowedFd<'_>, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }
}

/// How many of `entries` are ready.
fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<usize> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let (start, count) = (entries.as_mut_ptr(), entries.len() as libc::nfds_t);
        // SAFETY: `start` points to `count` pollfds, which outlive the call.
        let ready = unsafe { libc::poll(start, count, milliseconds_until(deadline)) };
        match usize::try_from(ready) {
            Ok(0) => {
                // The longest wait that poll can express may be shorter than the one asked for.
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(0);
                }
            }
            Ok(ready) => return Ok(ready),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// Rounded up, so that the wait never ends early and then spins.
fn milliseconds_until(deadline: Option<Instant>) -> libc::c_int {
    let Some(deadline) = deadline else { return -1 };
    let left = deadline.saturating_duration_since(Instant::now());
    libc::c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
}
