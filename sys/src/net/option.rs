//! Options of sockets for which there is no safe call.

use std::io;
use std::os::fd::RawFd;

/// An option: its level and its name.
pub(super) type Name = (libc::c_int, libc::c_int);

/// Sets an option of a socket.
///
/// # Errors
/// What setsockopt(2) reports.
///
/// # Safety
/// `value` is of the type that the option takes, and what it points to is there as long as the call takes.
pub(super) unsafe fn set<T>(fd: RawFd, (level, name): Name, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: pointer and length are those of `value`, which outlives the call; the rest is the caller's promise.
    match unsafe { libc::setsockopt(fd, level, name, std::ptr::from_ref(value).cast(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
