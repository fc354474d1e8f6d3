//! Opening by openat2(2): the kernel itself keeps the walk inside of the root, without races.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Which symbolic links below the root are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Symlinks {
    /// Those whose target is inside of the root, too, by a relative path.
    Inside,
    /// All, wherever they lead. The path itself may still not lead out, so it must not have a `..` at all:
    /// behind a link that names a parent outside.
    Follow,
    /// None: a path with a symbolic link in any place is refused.
    Never,
}

/// Whether opening may wait for storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cached {
    /// Never waits: what is not in the kernel's cache of names is refused with `EAGAIN`.
    Only,
    /// May wait.
    Any,
}

/// How often a walk is taken up again that a rename elsewhere has disturbed.
const DISTURBED_WALKS: u32 = 16;

/// Opens a directory as the root for [`open_beneath`]. Symbolic links in `path` are followed: it comes from
/// the configuration, not from a client.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`, `EACCES` and whatever else open(2) reports.
pub fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let how = how(libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC, 0);
    openat2(libc::AT_FDCWD, &path, &how)
}

/// Opens a file that the configuration names, and nothing that is no file: a pipe would have us wait.
///
/// # Errors
/// `InvalidInput` for whatever is no file, and what open(2) reports.
pub fn open_file(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
}

/// Opens a file or directory for reading, beneath `root`. `path` has no leading slash; the empty path is the
/// root itself. The descriptor never blocks on a FIFO and never becomes the controlling terminal.
///
/// # Errors
/// - `InvalidInput` for a NUL byte in the path.
/// - `EXDEV` when the path, or with [`Symlinks::Inside`] a link on it, leads out of the root, or for a `..`
///   with [`Symlinks::Follow`].
/// - `ELOOP` for a link that [`Symlinks`] forbids, for cycles, and in every mode for the links of procfs to
///   whatever a process has open.
/// - `EAGAIN` with [`Cached::Only`] when the answer is not in memory: ask again with [`Cached::Any`] where
///   waiting does no harm.
/// - `ENOENT`, `ENOTDIR`, `EACCES`, `ENXIO` (a socket) as usual.
pub fn open_beneath(
    root: BorrowedFd<'_>,
    path: &[u8],
    symlinks: Symlinks,
    cached: Cached,
) -> io::Result<OwnedFd> {
    // With Follow the kernel is not told to stay beneath, so a way out in the path itself is refused here.
    if symlinks == Symlinks::Follow && may_leave_root(path) {
        return Err(io::Error::from_raw_os_error(libc::EXDEV));
    }
    let path = CString::new(if path.is_empty() { b"." } else { path })?;
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    let how = how(flags, resolve(symlinks, cached));
    let mut attempts = 0;
    loop {
        let result = openat2(root.as_raw_fd(), &path, &how);
        attempts += 1;
        // Beneath a root, EAGAIN also says that a rename during the walk kept the kernel from proving that
        // ".." stayed inside. With Cached::Only the caller asks again anyway.
        match &result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && cached == Cached::Any => {
                if attempts == DISTURBED_WALKS {
                    return result;
                }
            }
            _ => return result,
        }
    }
}

/// `true` for an absolute path and for any `..`: where that leads is unknown once links are followed.
fn may_leave_root(path: &[u8]) -> bool {
    path.first() == Some(&b'/') || path.split(|&byte| byte == b'/').any(|segment| segment == b"..")
}

fn resolve(symlinks: Symlinks, cached: Cached) -> u64 {
    let symlinks = match symlinks {
        Symlinks::Inside => libc::RESOLVE_BENEATH,
        Symlinks::Follow => 0,
        Symlinks::Never => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS,
    };
    let cached = match cached {
        Cached::Only => libc::RESOLVE_CACHED,
        Cached::Any => 0,
    };
    symlinks | cached | libc::RESOLVE_NO_MAGICLINKS
}

fn how(flags: libc::c_int, resolve: u64) -> libc::open_how {
    // SAFETY: open_how consists of integers, for which zero is a value; openat2(2) asks for unknown ones to be 0.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = flags as u64;
    how.resolve = resolve;
    how
}

fn openat2(directory: RawFd, path: &CString, how: &libc::open_how) -> io::Result<OwnedFd> {
    loop {
        // SAFETY: `path` is NUL-terminated, `how` is as long as said, and both outlive the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                directory,
                path.as_ptr(),
                std::ptr::from_ref(how),
                size_of::<libc::open_how>(),
            )
        };
        if fd >= 0 {
            // SAFETY: openat2 has just returned this descriptor (a c_int), and nobody else has it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests;
