//! Memory that two processes can share: an array of 64-bit cells in a memfd.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, Range};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
#[cfg(not(target_arch = "x86_64"))]
use std::sync::atomic::{
    AtomicU8,
    Ordering::{Relaxed, Release},
    fence,
};

/// A fixed number of cells, all zero at first, mapped from a memfd. Whoever is handed the file descriptor
/// (a child, or another process over a Unix socket) can map the same cells with [`Cells::from_fd`].
#[derive(Debug)]
pub struct Cells {
    fd: OwnedFd,
    start: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread; what it hands out are atomics.
unsafe impl Send for Cells {}
// SAFETY: shared access yields only `&[AtomicU64]`, and atomics may be used by many threads at once.
unsafe impl Sync for Cells {}

impl Cells {
    /// Makes `len` zeroed cells. `name` is for people: it shows in `/proc/PID/maps`.
    ///
    /// # Errors
    /// `InvalidInput` for no cells, too many, or a name with a NUL byte or longer than 249 bytes; else what
    /// memfd_create(2), ftruncate(2) or mmap(2) report: no file descriptors or no memory left.
    pub fn create(name: &str, len: usize) -> io::Result<Self> {
        let bytes = byte_len(len)?;
        let fd = memfd(name)?;
        set_len(&fd, bytes)?;
        Self::map(fd, len)
    }

    /// Maps the cells of another [`Cells`], whose descriptor `fd` is a duplicate of.
    ///
    /// # Errors
    /// `InvalidData` when `fd` is not a memfd sealed against shrinking (a file that shrinks under its mapping
    /// kills whoever reads it) or holds fewer than `len` cells; else as for [`Cells::create`].
    pub fn from_fd(fd: OwnedFd, len: usize) -> io::Result<Self> {
        check(&fd, len)?;
        Self::map(fd, len)
    }

    /// Maps `len` cells of an ordinary file, which stay when all processes have gone. Whoever shortens the file kills
    /// whoever has it mapped, at its next look: so only a process that can be replaced does this, with a file that nobody
    /// else can open.
    ///
    /// # Errors
    /// `InvalidData` when `fd` is no file or holds fewer than `len` cells; else as for [`Cells::create`].
    pub fn from_file(fd: OwnedFd, len: usize) -> io::Result<Self> {
        let found = crate::fs::stat(fd.as_fd())?;
        if found.kind != crate::fs::Kind::File || found.len < byte_len(len)? as u64 {
            return Err(invalid_data("the file is shorter than it was"));
        }
        Self::map(fd, len)
    }

    /// The memfd, to be handed to another process.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// `fd` must hold `len` cells at least, and be sealed against shrinking unless it is an ordinary file.
    fn map(fd: OwnedFd, len: usize) -> io::Result<Self> {
        let start = map(&fd, len, libc::PROT_READ | libc::PROT_WRITE)?;
        Ok(Self { fd, start, len })
    }

    /// Puts bytes there, the first one at byte `at`. Whoever looks meanwhile may see any of them before any other; whoever
    /// sees what is stored afterwards sees all of them.
    ///
    /// # Panics
    /// When there is not so much room.
    pub fn put_bytes(&self, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= size_of_val(&**self)), "{} bytes at {at}", bytes.len());
        // SAFETY: in bounds by the line above, of memory that is mapped for as long as `self` lives and that `bytes`, a
        // borrow of other memory, cannot overlap.
        unsafe { copy_in(self.start.as_ptr().cast::<u8>().add(at), bytes) };
    }

    /// Appends the bytes that are there to `out`. Where others put some meanwhile, these may be mixed with the ones before.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn append_bytes(&self, range: Range<usize>, out: &mut Vec<u8>) {
        assert!(range.start <= range.end && range.end <= size_of_val(&**self), "bytes {range:?}");
        out.reserve(range.len());
        let room = &mut out.spare_capacity_mut()[..range.len()];
        // SAFETY: in bounds by the first line, of memory that is mapped for as long as `self` lives and that `room`, which is
        // borrowed for writing, cannot overlap.
        unsafe { copy_out(self.start.as_ptr().cast::<u8>().add(range.start), room) };
        // SAFETY: `reserve` has made the room, and all of it was filled by the line above.
        unsafe { out.set_len(out.len() + range.len()) };
    }

    /// A descriptor of the same memory with which nobody can write to it: for those who are only to look. Who has
    /// the rights of the maker could still open it anew.
    ///
    /// # Errors
    /// No descriptors left, or no `/proc`.
    pub fn read_only_fd(&self) -> io::Result<OwnedFd> {
        // SAFETY: fchmod takes integers.
        if unsafe { libc::fchmod(self.fd.as_raw_fd(), READ_ONLY_MODE) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        Ok(std::fs::File::open(path)?.into())
    }
}

/// Copies to memory at which others may look. Instructions that the compiler does not look into are no race of this
/// language; the processor keeps their stores behind those before them, and what is stored later behind theirs.
///
/// # Safety
/// `to` is valid for as many writes, and nothing of it is in `from`.
#[cfg(target_arch = "x86_64")]
unsafe fn copy_in(to: *mut u8, from: &[u8]) {
    // SAFETY: as above. The direction flag is clear, as it is between any two statements.
    unsafe { repeat_move(to, from.as_ptr(), from.len()) };
}

/// Copies from memory that others may be changing.
///
/// # Safety
/// `from` is valid for as many reads, and nothing of it is in `to`, all of which is filled.
#[cfg(target_arch = "x86_64")]
unsafe fn copy_out(from: *const u8, to: &mut [MaybeUninit<u8>]) {
    // SAFETY: as above. The direction flag is clear, as it is between any two statements.
    unsafe { repeat_move(to.as_mut_ptr().cast(), from, to.len()) };
}

/// # Safety
/// `from` is valid for `len` reads, `to` for as many writes, and they do not overlap.
#[cfg(target_arch = "x86_64")]
unsafe fn repeat_move(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as above; it changes no other memory and no flag.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies to memory at which others may look.
///
/// # Safety
/// `to` is valid for as many writes, and nothing of it is in `from`.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn copy_in(to: *mut u8, from: &[u8]) {
    for (index, byte) in from.iter().enumerate() {
        // SAFETY: as above; a byte has no alignment.
        unsafe { AtomicU8::from_ptr(to.add(index)) }.store(*byte, Relaxed);
    }
    fence(Release);
}

/// Copies from memory that others may be changing.
///
/// # Safety
/// `from` is valid for as many reads, and nothing of it is in `to`, all of which is filled.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn copy_out(from: *const u8, to: &mut [MaybeUninit<u8>]) {
    for (index, byte) in to.iter_mut().enumerate() {
        // SAFETY: as above; a byte has no alignment, and it is only read.
        byte.write(unsafe { AtomicU8::from_ptr(from.cast_mut().add(index)) }.load(Relaxed));
    }
}

/// Mode of a memfd that others have for reading: it cannot be opened anew for writing by the user alone.
const READ_ONLY_MODE: libc::mode_t = 0o400;

/// `fd` must hold `len` cells at least, and be sealed against shrinking unless it is an ordinary file; all callers have
/// seen to it.
fn map(fd: &OwnedFd, len: usize, protection: libc::c_int) -> io::Result<NonNull<AtomicU64>> {
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let start = unsafe {
        libc::mmap(std::ptr::null_mut(), byte_len(len)?, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| invalid_data("mapped at address zero"))
}

impl Deref for Cells {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, holds `len` cells that are valid for any bit pattern, and lives as long as
        // `self`; it cannot shrink (it is sealed), or is that of a file, where a look beyond its end gives no value but
        // ends the process (SIGBUS). Others change it only through atomics.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        // SAFETY: `start` and the length are those of the mapping made in `map`, and no borrow outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len * size_of::<u64>()) };
    }
}

/// Cells that another process writes, mapped for reading only.
#[derive(Debug)]
pub struct CellsView {
    start: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread; it is only read.
unsafe impl Send for CellsView {}
// SAFETY: it is read by atomic loads alone.
unsafe impl Sync for CellsView {}

impl CellsView {
    /// Maps the first `len` cells of a [`Cells`], whose descriptor `fd` is a duplicate of, or its
    /// [`Cells::read_only_fd`].
    ///
    /// # Errors
    /// As [`Cells::from_fd`].
    pub fn from_fd(fd: &OwnedFd, len: usize) -> io::Result<Self> {
        check(fd, len)?;
        Ok(Self { start: map(fd, len, libc::PROT_READ)?, len })
    }

    /// The value of a cell, which its writer may be changing.
    ///
    /// # Panics
    /// When there are not so many cells.
    #[must_use]
    pub fn load(&self, at: usize) -> u64 {
        assert!(at < self.len, "cell {at} of {}", self.len);
        // SAFETY: in bounds by the line above; the mapping is page-aligned, cannot shrink (it is sealed) and lives as
        // long as `self`. A relaxed load of eight bytes only reads, which the mapping allows.
        unsafe { self.start.add(at).as_ref() }.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for CellsView {
    fn drop(&mut self) {
        // SAFETY: `start` and the length are those of the mapping made in `from_fd`, and no borrow outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len * size_of::<u64>()) };
    }
}

/// Whether `fd` is a memfd with so many cells, of which none can go away.
fn check(fd: &OwnedFd, len: usize) -> io::Result<()> {
    let bytes = byte_len(len)?;
    // SAFETY: F_GET_SEALS takes no argument.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 || seals & libc::F_SEAL_SHRINK == 0 {
        return Err(invalid_data("shared cells must be in a memfd that is sealed against shrinking"));
    }
    if crate::fs::stat(fd.as_fd())?.len < bytes as u64 {
        return Err(invalid_data(
            "shared memory holds fewer cells than expected: are both programs the same version?",
        ));
    }
    Ok(())
}

/// Sets the size for good: a mapping of it can then never be cut short.
fn set_len(fd: &OwnedFd, bytes: usize) -> io::Result<()> {
    // SAFETY: ftruncate takes no pointers; `byte_len` has checked that the length fits.
    if unsafe { libc::ftruncate(fd.as_raw_fd(), bytes as libc::off_t) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: F_ADD_SEALS takes an integer argument.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn byte_len(cells: usize) -> io::Result<usize> {
    cells
        .checked_mul(size_of::<u64>())
        .filter(|&bytes| bytes > 0 && isize::try_from(bytes).is_ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "number of cells out of range"))
}

fn invalid_data(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// A memfd with `bytes` that nobody can change any more, not even its maker: what was handed over is what is read.
///
/// # Errors
/// No descriptors or no memory left; `InvalidInput` for a name with a NUL byte.
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd(name)?);
    io::Write::write_all(&mut file, bytes)?;
    // SAFETY: F_ADD_SEALS takes an integer argument.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, ALL_SEALS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file.into())
}

const ALL_SEALS: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;

/// What [`sealed`] has stored.
///
/// # Errors
/// `InvalidData` when it could still be changed, or is longer than `max` bytes.
pub fn read_sealed(fd: BorrowedFd<'_>, max: usize) -> io::Result<Vec<u8>> {
    // SAFETY: F_GET_SEALS takes no argument.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 || seals & ALL_SEALS != ALL_SEALS {
        return Err(invalid_data("what is handed over must be in a memfd that nobody can change"));
    }
    let len = usize::try_from(crate::fs::stat(fd)?.len).ok().filter(|&len| len <= max);
    let mut bytes = vec![0; len.ok_or_else(|| invalid_data("what is handed over is too long"))?];
    // From its beginning, wherever the shared position of the descriptor is.
    std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::from(fd.try_clone_to_owned()?), &mut bytes, 0)?;
    Ok(bytes)
}

fn memfd(name: &str) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: `name` is NUL-terminated and outlives the call.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: memfd_create has just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn both_mappings_see_the_same_cells() {
        let cells = Cells::create("test", 1_000).unwrap();
        assert_eq!(cells.len(), 1_000);
        assert!(cells.iter().all(|cell| cell.load(Relaxed) == 0));
        let other = Cells::from_fd(cells.fd().try_clone_to_owned().unwrap(), 1_000).unwrap();
        cells[999].store(7, Relaxed);
        assert_eq!(other[999].load(Relaxed), 7);
        drop(cells);
        assert_eq!(other[999].load(Relaxed), 7, "the memory lives as long as its last mapping");
    }

    #[test]
    fn bytes_lie_where_they_are_put() {
        let cells = Cells::create("test", 4).unwrap();
        let mut expected = [0; 32];
        for (at, len) in [(0, 0), (0, 1), (1, 7), (7, 2), (3, 20), (8, 24), (31, 1), (32, 0), (0, 32)] {
            let bytes: Vec<u8> = (0..len).map(|index| (0x40 + at + index) as u8).collect();
            cells.put_bytes(at, &bytes);
            expected[at..at + len].copy_from_slice(&bytes);
            let mut seen = b"before".to_vec();
            cells.append_bytes(at..at + len, &mut seen);
            assert_eq!(seen, [b"before", &bytes[..]].concat());
            let mut all = Vec::new();
            cells.append_bytes(0..32, &mut all);
            assert_eq!(all, expected, "{len} at {at}");
            let whole: Vec<u8> = cells.iter().flat_map(|cell| cell.load(Relaxed).to_ne_bytes()).collect();
            assert_eq!(whole, expected, "{len} at {at}");
        }
        for (at, len) in [(0, 33), (32, 1), (usize::MAX, 2)] {
            let bytes = vec![0; len];
            let put = std::panic::AssertUnwindSafe(|| cells.put_bytes(at, &bytes));
            std::panic::catch_unwind(put).unwrap_err();
        }
        for range in [31..33, 33..33, Range { start: 5, end: 4 }] {
            let append = std::panic::AssertUnwindSafe(|| cells.append_bytes(range, &mut Vec::new()));
            std::panic::catch_unwind(append).unwrap_err();
        }
    }

    #[test]
    fn who_is_to_look_cannot_write() {
        let cells = Cells::create("test", 1_000).unwrap();
        let fd = cells.read_only_fd().unwrap();
        let view = CellsView::from_fd(&fd, 1_000).unwrap();
        cells[999].store(7, Relaxed);
        assert_eq!(view.load(999), 7);
        assert_eq!(Cells::from_fd(fd, 1_000).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn unfit_descriptors_are_refused() {
        let cells = Cells::create("test", 8).unwrap();
        let too_many = Cells::from_fd(cells.fd().try_clone_to_owned().unwrap(), 9);
        assert_eq!(too_many.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(Cells::from_fd(file.into(), 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn cells_of_a_file_stay_in_it() {
        let scratch = crate::testing::Scratch::new();
        let path = scratch.path().join("cells");
        let open =
            || std::fs::File::options().read(true).write(true).create(true).truncate(false).open(&path);
        open().unwrap().set_len(800).unwrap();
        Cells::from_file(open().unwrap().into(), 100).unwrap()[99].store(7, Relaxed);
        assert_eq!(Cells::from_file(open().unwrap().into(), 100).unwrap()[99].load(Relaxed), 7);
        assert_eq!(std::fs::read(&path).unwrap()[792..], 7_u64.to_ne_bytes());
        for (fd, len) in
            [(OwnedFd::from(open().unwrap()), 101), (std::fs::File::open("/dev/null").unwrap().into(), 1)]
        {
            assert_eq!(Cells::from_file(fd, len).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn impossible_sizes_and_names_are_refused() {
        for (name, len) in [("none", 0), ("huge", usize::MAX), ("nul\0", 1)] {
            assert_eq!(Cells::create(name, len).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn what_is_sealed_stays_as_it_is() {
        let fd = sealed("test", b"text").unwrap();
        assert_eq!(read_sealed(fd.as_fd(), 4).unwrap(), b"text");
        assert_eq!(read_sealed(fd.as_fd(), 4).unwrap(), b"text", "as often as you like");
        assert_eq!(read_sealed(fd.as_fd(), 3).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let file = std::fs::File::from(fd);
        assert_eq!(io::Write::write(&mut &file, b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
        let changing = Cells::create("test", 1).unwrap();
        assert_eq!(read_sealed(changing.fd(), 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn cannot_be_cut_short() {
        let cells = Cells::create("test", 512).unwrap();
        let file = std::fs::File::from(cells.fd().try_clone_to_owned().unwrap());
        assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
    }
}
