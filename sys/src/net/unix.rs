//! Listening on a path.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::sys::stat::{Mode, fchmod};

use super::ListenOptions;
use super::listen::{self, Failed};

/// One socket at `path`, as `n` descriptors of it. `ENOTSOCK` means that `path` is something else.
pub(super) fn listen(path: &Path, n: usize, options: &ListenOptions) -> Result<Vec<OwnedFd>, Failed> {
    let _lock = remove_dead_socket(path)?;
    let name = UnixAddr::new(path).map_err(Failed::at("path"))?;
    let fd = stream()?;
    // The mode of the socket becomes that of the file, less the umask: it is never wider than asked for, not
    // even for a moment. What the umask has taken is given back afterwards.
    let mode = Mode::from_bits_truncate(options.unix_mode);
    fchmod(&fd, mode).map_err(Failed::at("fchmod"))?;
    bind(fd.as_raw_fd(), &name).map_err(Failed::at("bind"))?;
    set_socket_mode(path, mode.bits()).map_err(Failed::at("chmod"))?;
    listen::listen(&fd, options.backlog)?;
    repeat(fd, n).map_err(Failed::at("dup"))
}

/// Changes who may connect to the Unix socket at `path`: those whom `mode` lets write.
///
/// # Errors
/// `ENOTSOCK` for anything but a socket, be it a link to one; whatever else chmod(2) reports.
pub fn set_socket_mode(path: &Path, mode: u32) -> io::Result<()> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    // Looked at and changed by one descriptor, for somebody could put a link there between the two.
    let place = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !place.metadata()?.file_type().is_socket() {
        return Err(io::Error::from_raw_os_error(libc::ENOTSOCK));
    }
    let same = format!("/proc/self/fd/{}", place.as_raw_fd());
    std::fs::set_permissions(same, Permissions::from_mode(mode))
}

/// Makes room for a new socket at `path`. Keep what it returns until that is bound: two servers that find the same
/// dead socket must not remove each other's new one. Where the folder cannot be locked (no right to read it, a file
/// system without locks) that chance is taken.
pub(crate) fn remove_dead_socket(path: &Path) -> Result<Option<Flock<File>>, Failed> {
    let lock = lock_folder(path);
    if exists(path).map_err(Failed::at("stat"))? {
        remove_dead(path)?;
    }
    Ok(lock)
}

/// Shared by all `n` descriptors: the open socket with its one queue of connections.
fn repeat(first: OwnedFd, n: usize) -> io::Result<Vec<OwnedFd>> {
    let mut group = Vec::with_capacity(n);
    for _ in 1..n {
        group.push(first.try_clone()?);
    }
    group.push(first);
    Ok(group)
}

fn lock_folder(path: &Path) -> Option<Flock<File>> {
    let folder = File::open(path.parent()?).ok()?;
    Flock::lock(folder, FlockArg::LockExclusive).ok()
}

fn exists(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_socket() => Ok(true),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::ENOTSOCK)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the socket's file if nobody listens; `EADDRINUSE` if somebody does.
fn remove_dead(path: &Path) -> Result<(), Failed> {
    let name = UnixAddr::new(path).map_err(Failed::at("path"))?;
    let caller = stream()?;
    super::set_nonblocking(caller.as_raw_fd(), true).map_err(Failed::at("O_NONBLOCK"))?;
    match connect(caller.as_raw_fd(), &name) {
        Err(Errno::ECONNREFUSED) => std::fs::remove_file(path).map_err(Failed::at("unlink")),
        // EAGAIN is a full queue, EPROTOTYPE a datagram socket: both are somebody's.
        Ok(()) | Err(Errno::EAGAIN | Errno::EPROTOTYPE) => {
            Err(Failed { step: "bind", source: io::Error::from_raw_os_error(libc::EADDRINUSE) })
        }
        Err(error) => Err(Failed { step: "connect", source: error.into() }),
    }
}

fn stream() -> Result<OwnedFd, Failed> {
    socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(Failed::at("socket"))
}
