//! Waiting for one file descriptor.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Waits until `fd` can be read (or has failed, or has been hung up), `false` when `timeout` has passed first.
/// Without a timeout it waits for as long as it takes.
///
/// # Errors
/// `ENOMEM` or `EINVAL` from poll(2); a signal that interrupts is not an error, the wait goes on.
pub fn readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: `entry` is one pollfd, and it outlives the call.
        let ready = unsafe { libc::poll(&mut entry, 1, milliseconds_until(deadline)) };
        match ready {
            0 => {
                // The longest wait that poll can express may be shorter than the one asked for.
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(false);
                }
            }
            1 => return Ok(true),
            _ => {
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
