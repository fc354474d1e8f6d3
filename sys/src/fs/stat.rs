//! What a file is: its kind, length, times and identity.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What can be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file: has a length and can be read at any offset.
    File,
    /// A directory.
    Directory,
    /// A pipe, socket, device or symbolic link: nothing to serve.
    Other,
}

/// The facts about an open file that validators, headers and caches are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, directory or something else.
    pub kind: Kind,
    /// Length in bytes.
    pub len: u64,
    /// Last change of the content, seconds since the Unix epoch.
    pub mtime_secs: i64,
    /// Last change of the content, nanoseconds within the second.
    pub mtime_nanos: u32,
    /// Last change of content or metadata, seconds since the Unix epoch. Unlike `mtime` nobody can set it.
    pub ctime_secs: i64,
    /// Last change of content or metadata, nanoseconds within the second.
    pub ctime_nanos: u32,
    /// Inode number: identifies the file within its file system.
    pub ino: u64,
    /// Number of the file system.
    pub dev: u64,
}

/// Looks at an open file. Works for `O_PATH` descriptors, too.
///
/// # Errors
/// What fstat(2) reports; `ESTALE` or `EIO` from a failing file system.
pub fn stat(fd: BorrowedFd<'_>) -> io::Result<Stat> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `found` has room for a stat, and it outlives the call.
    if unsafe { libc::fstat(fd.as_raw_fd(), found.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fstat has succeeded, so it has filled in the whole structure.
    let found = unsafe { found.assume_init() };
    Ok(Stat {
        kind: kind(found.st_mode),
        len: u64::try_from(found.st_size).unwrap_or(0),
        mtime_secs: found.st_mtime,
        mtime_nanos: found.st_mtime_nsec as u32,
        ctime_secs: found.st_ctime,
        ctime_nanos: found.st_ctime_nsec as u32,
        ino: found.st_ino,
        dev: found.st_dev,
    })
}

fn kind(mode: libc::mode_t) -> Kind {
    match mode & libc::S_IFMT {
        libc::S_IFREG => Kind::File,
        libc::S_IFDIR => Kind::Directory,
        _ => Kind::Other,
    }
}
