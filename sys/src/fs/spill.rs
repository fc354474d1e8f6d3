//! Files that keep what cannot be delivered yet: of a fixed size, ours alone, and locked.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::log::{LogError, is_only_name, safe_folder};

/// Nobody else reads what waits.
const MODE: u32 = 0o600;

/// Why such a file is not opened. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum SpillError {
    /// Another process, or another log of this one, has it.
    Taken(PathBuf),
    /// It is no file of ours: what it is.
    NoFile(PathBuf, &'static str),
    /// Others could put a folder of their choice on the way to it.
    Folder {
        /// The file.
        path: PathBuf,
        /// The folder in which they could.
        folder: PathBuf,
    },
    /// Anything else that the system refuses.
    System {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl SpillError {
    /// What is wrong.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Taken(path) => {
                format!("lines of another log, or of another server, wait in {}", path.display())
            }
            Self::NoFile(path, what) => format!("lines cannot wait in {}, which is {what}", path.display()),
            Self::Folder { path, folder } => format!(
                "lines cannot wait in {}, for others could replace what lies in {}",
                path.display(),
                folder.display()
            ),
            Self::System { path, source } => format!("lines cannot wait in {}: {source}", path.display()),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Taken(_) => "give each log a file of its own, or stop the other server",
            Self::NoFile(..) => "name a file that is not there yet, or one of this log",
            Self::Folder { .. } => {
                "let root own that folder and nobody else write there, or name another place"
            }
            Self::System { .. } => "create the folder, or let the user of the server write there",
        }
    }
}

impl fmt::Display for SpillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause(), self.cure())
    }
}

impl std::error::Error for SpillError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Opens the file at `path` for reading and writing, makes it where there is none, and locks it for as long as it is
/// open here or by whoever has it from here. Only its owner can open it. The path is no symbolic link and the only name
/// of the file; as root nobody else could have put another folder on the way to it.
///
/// # Errors
/// [`SpillError`].
pub fn open_spill(path: &Path) -> Result<File, SpillError> {
    let failed = |source| SpillError::System { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| SpillError::NoFile(path.to_owned(), "a folder"))?;
    let folder = safe_folder(path).map_err(|error| match error {
        LogError::Folder { path, folder } => SpillError::Folder { path, folder },
        LogError::System { path, source } => SpillError::System { path, source },
        _ => SpillError::NoFile(path.to_owned(), "a folder"),
    })?;
    let place = folder.join(name);
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(MODE).custom_flags(flags);
    let file = options.open(&place).map_err(|source| match source.raw_os_error() {
        Some(libc::ELOOP) => SpillError::NoFile(path.to_owned(), "a symbolic link"),
        Some(libc::EISDIR) => SpillError::NoFile(path.to_owned(), "a folder"),
        Some(libc::ENXIO) => SpillError::NoFile(path.to_owned(), "a socket"),
        _ => failed(source),
    })?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(SpillError::NoFile(path.to_owned(), "a pipe or a device"));
    }
    if !is_only_name(&place, &found) {
        return Err(SpillError::NoFile(path.to_owned(), "a file with other names"));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(SpillError::Taken(path.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_permissions(Permissions::from_mode(MODE)).map_err(failed)?;
    Ok(file)
}

/// Gives the first `len` bytes of a file their place on the disk, so that writing there cannot fail for want of it. What
/// they hold stays; the file is at least so long afterwards.
///
/// # Errors
/// `ENOSPC`, and what else posix_fallocate(3) reports.
pub fn allocate(file: BorrowedFd<'_>, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    loop {
        // SAFETY: posix_fallocate takes integers.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
            0 => return Ok(()),
            libc::EINTR => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn only_a_file_of_ours_alone_is_taken_and_only_once() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("old"), "lines").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        symlink(at("old"), at("link")).unwrap();
        std::fs::write(at("first"), "").unwrap();
        std::fs::hard_link(at("first"), at("second")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let taken = open_spill(&at("taken")).unwrap();
        for (name, wanted) in [
            ("new", "opened"),
            ("old", "opened"),
            ("taken", "lines of another log, or of another server, wait in "),
            ("folder", ", which is a folder: "),
            ("link", ", which is a symbolic link: "),
            ("first", ", which is a file with other names: "),
            ("pipe", ", which is a pipe or a device: "),
            ("nowhere/file", ": No such file"),
        ] {
            let got = open_spill(&at(name)).map_or_else(|error| error.to_string(), |_| "opened".to_owned());
            assert!(got.contains(wanted), "{name}: {got}");
        }
        assert_eq!(std::fs::read(at("old")).unwrap(), b"lines", "what is there stays");
        assert_eq!(std::fs::metadata(at("old")).unwrap().mode() & 0o777, MODE);
        let again = taken.try_clone().unwrap();
        drop(taken);
        assert!(open_spill(&at("taken")).is_err(), "a duplicate holds it, too");
        drop(again);
        open_spill(&at("taken")).unwrap();
    }

    #[test]
    fn what_is_allocated_has_its_place_and_keeps_what_it_holds() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        std::fs::write(&path, "lines").unwrap();
        let file = open_spill(&path).unwrap();
        allocate(file.as_fd(), 1 << 20).unwrap();
        let found = file.metadata().unwrap();
        assert_eq!(found.len(), 1 << 20);
        assert!(1 << 20 <= found.blocks() * 512, "{} blocks", found.blocks());
        assert!(std::fs::read(&path).unwrap().starts_with(b"lines\0"));
        assert!(allocate(file.as_fd(), u64::MAX).is_err());
    }
}
