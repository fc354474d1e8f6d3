//! Reading at an offset, and asking whether a read would wait for storage.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Reads only what is in the page cache, as much of it as fits `buf`. Returns the bytes read; 0 is the end of
/// the file.
///
/// # Errors
/// `WouldBlock` when not even the first byte is in memory; `Unsupported` (`EOPNOTSUPP`) on file systems
/// without such reads; else as for [`read_at`].
pub fn read_at_nowait(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = file_offset(offset)?;
    let part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: `part` describes `buf`, which we may write to, and both outlive the call.
    retry(|| unsafe { libc::preadv2(fd.as_raw_fd(), &part, 1, offset, libc::RWF_NOWAIT) })
}

/// Reads into `buf` at `offset`, and waits for storage when it must. Returns the bytes read, which can be fewer
/// than asked for; 0 is the end of the file.
///
/// # Errors
/// `EIO` from failing storage, `EISDIR` for a directory, `InvalidInput` for an offset beyond `i64::MAX`.
pub fn read_at(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = file_offset(offset)?;
    // SAFETY: the pointer and length are those of `buf`, which we may write to and which outlives the call.
    retry(|| unsafe { libc::pread(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), offset) })
}

/// Whether all pages of `len` bytes at `offset` are in the page cache, so that reading or sending them will
/// not wait for storage. `len` 0 asks for all from `offset` to the end of the file; bytes beyond it are in no
/// memory.
///
/// # Errors
/// `Unsupported`: `ENOSYS` on kernels before 6.5, which lack cachestat(2), and `EOPNOTSUPP` on hugetlbfs.
/// `EPERM` on kernels that tell it only to those who own the file or may write to it, and in containers whose
/// filter does not know the call. For any of these ask with [`read_at_nowait`] instead.
pub fn resident(fd: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<bool> {
    let end = match len {
        0 => crate::fs::stat(fd)?.len,
        len => offset.saturating_add(len),
    };
    if offset >= end {
        return Ok(true);
    }
    let range = CachestatRange { offset, len: end - offset };
    let mut found = Cachestat::default();
    let no_flags: libc::c_uint = 0;
    // SAFETY: `range` and `found` have the layout of the kernel's structures, and both outlive the call.
    let result = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            fd.as_raw_fd(),
            std::ptr::from_ref(&range),
            std::ptr::from_mut(&mut found),
            no_flags,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(found.cached >= pages(offset, end))
}

/// cachestat(2), the same number on every architecture (Linux 6.5); the libc crate has no name for it on all.
const SYS_CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct CachestatRange {
    offset: u64,
    len: u64,
}

#[repr(C)]
#[derive(Default)]
struct Cachestat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// How many pages the bytes from `offset` up to `end` touch.
fn pages(offset: u64, end: u64) -> u64 {
    // SAFETY: sysconf takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    end.div_ceil(size) - offset / size
}

fn file_offset(offset: u64) -> io::Result<libc::off_t> {
    offset.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "offset beyond any file's end"))
}

fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        let result = call();
        if let Ok(count) = usize::try_from(result) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::testing::Scratch;

    fn file(scratch: &Scratch, len: usize) -> File {
        let path = scratch.path().join("file");
        std::fs::write(&path, vec![b'x'; len]).unwrap();
        File::open(path).unwrap()
    }

    #[test]
    fn reads_at_offsets_up_to_the_end() {
        let scratch = Scratch::new();
        let file = file(&scratch, 10_000);
        for (offset, expected) in [(0, 4_096), (9_000, 1_000), (10_000, 0), (20_000, 0)] {
            let mut buf = [0; 4_096];
            assert_eq!(read_at(file.as_fd(), &mut buf, offset).unwrap(), expected, "at {offset}");
            assert!(buf[..expected].iter().all(|&byte| byte == b'x'));
            assert_eq!(
                read_at_nowait(file.as_fd(), &mut buf, offset).unwrap(),
                expected,
                "nowait at {offset}"
            );
        }
        let beyond = read_at(file.as_fd(), &mut [0], u64::MAX).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_file_just_written_is_resident() {
        let scratch = Scratch::new();
        let file = file(&scratch, 10_000);
        // Kernels before 6.5, and containers that filter the call, cannot tell.
        match resident(file.as_fd(), 0, 0) {
            Ok(found) => assert!(found),
            Err(error) => return assert!(matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))),
        }
        for (offset, len, expected) in [
            (0, 1, true),
            (4_095, 2, true),
            (9_999, 1, true),
            (0, 10_000, true),
            (50_000, 0, true),
            (0, u64::MAX, false),
            (50_000, 5, false),
        ] {
            let found = resident(file.as_fd(), offset, len).unwrap();
            assert_eq!(found, expected, "{len} bytes at {offset}");
        }
    }

    #[test]
    fn a_hole_is_not_resident() {
        let scratch = Scratch::new();
        let path = scratch.path().join("sparse");
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        file.write_all_at(b"end", 1 << 20).unwrap();
        if let Ok(found) = resident(file.as_fd(), 0, 0) {
            assert!(!found);
        }
    }

    #[test]
    fn counts_pages_touched() {
        // SAFETY: sysconf takes no pointers.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
        for (offset, end, expected) in
            [(0, 1, 1), (0, size, 1), (0, size + 1, 2), (size - 1, size + 1, 2), (size, size + 1, 1)]
        {
            assert_eq!(pages(offset, end), expected, "{offset}..{end}");
        }
    }
}
