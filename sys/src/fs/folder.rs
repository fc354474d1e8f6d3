//! The folder of a log file: what lies beside the file, by a descriptor of the folder.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, futimens, lstat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use super::log::{LogError, safe_folder};

/// Bits of a mode that a file next to a log gets from it: who may read and write.
const RIGHTS: u32 = 0o666;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of an open file.
    ///
    /// # Errors
    /// What fstat(2) reports.
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::from_stat(&fstat(fd)?))
    }

    /// Of what has this path itself, be it a link; none when nothing is there.
    ///
    /// # Errors
    /// What lstat(2) reports.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match lstat(path) {
            Ok(stat) => Ok(Some(Self::from_stat(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn from_stat(stat: &FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }

    /// Both as one number, which other files have by a rare chance only; never 0.
    #[must_use]
    pub fn mark(self) -> u64 {
        (self.inode ^ self.device.rotate_left(u64::BITS / 2)).max(1)
    }
}

/// A regular file, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which it is.
    pub id: FileId,
    /// Its bytes.
    pub len: u64,
    /// When it was written to, in nanoseconds since 1970.
    pub modified_ns: i128,
}

impl Found {
    fn from_stat(stat: &FileStat) -> Option<Self> {
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        (kind == SFlag::S_IFREG).then(|| Self {
            id: FileId::from_stat(stat),
            len: u64::try_from(stat.st_size).unwrap_or_default(),
            modified_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
        })
    }

    /// An open file; `None` for something else.
    ///
    /// # Errors
    /// What fstat(2) reports.
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        Ok(Self::from_stat(&fstat(fd)?))
    }

    /// When it was written to, in seconds since 1970.
    #[must_use]
    pub fn modified(&self) -> u64 {
        u64::try_from(self.modified_ns / 1_000_000_000).unwrap_or_default()
    }
}

/// The folder of a log file. All names are those of files in it.
#[derive(Debug)]
pub struct LogFolder {
    fd: OwnedFd,
    place: PathBuf,
}

impl LogFolder {
    /// The folder in which the log file `path` lies. As root nobody else could have put it there.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn of(path: &Path) -> Result<Self, LogError> {
        let failed = |source| LogError::System { path: path.to_owned(), source };
        let place = safe_folder(path)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(&place, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        Ok(Self { fd, place })
    }

    /// For syncing.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Names in it that begin with `prefix`, of the first `most` names.
    ///
    /// # Errors
    /// What reading a folder reports.
    pub fn names(&self, prefix: &OsStr, most: usize) -> io::Result<Vec<OsString>> {
        let mut folder = Dir::openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut names = Vec::new();
        for entry in folder.iter().take(most) {
            let name = entry?.file_name().to_bytes().to_vec();
            if name.starts_with(prefix.as_bytes()) {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// What has this name; `None` when there is no regular file.
    ///
    /// # Errors
    /// What fstatat(2) reports.
    pub fn find(&self, name: &OsStr) -> io::Result<Option<Found>> {
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Found::from_stat(&stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether anything has this name.
    ///
    /// # Errors
    /// What fstatat(2) reports.
    pub fn has(&self, name: &OsStr) -> io::Result<bool> {
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a file another name, which nothing has yet.
    ///
    /// # Errors
    /// `AlreadyExists`, and what renameat2(2) reports.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match renameat2(&self.fd, from, &self.fd, to, RenameFlags::RENAME_NOREPLACE) {
            // A file system that cannot do both at once.
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                if self.has(to)? {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                Ok(renameat(&self.fd, from, &self.fd, to)?)
            }
            result => Ok(result?),
        }
    }

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    /// What unlinkat(2) reports.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a regular file for reading; as root one without another name, since that could be any file of the machine.
    ///
    /// # Errors
    /// `InvalidInput` for something else; what openat(2) reports.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, Mode::empty())?);
        let stat = fstat(&file)?;
        let is_known_elsewhere = Uid::effective().is_root() && stat.st_nlink > 1;
        if Found::from_stat(&stat).is_none() || is_known_elsewhere {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(file)
    }

    /// Makes a file for writing, with the owner and rights of `like`.
    ///
    /// # Errors
    /// `AlreadyExists`; what openat(2) reports.
    pub fn create(&self, name: &OsStr, like: BorrowedFd<'_>) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        make_alike(file.as_fd(), like)?;
        Ok(file)
    }
}

/// Gives a file the owner and rights of another. Who is not root keeps its own files, which is what they are then.
///
/// # Errors
/// What fstat(2) and fchmod(2) report.
pub fn make_alike(fd: BorrowedFd<'_>, like: BorrowedFd<'_>) -> io::Result<()> {
    let (own, wanted) = (fstat(fd)?, fstat(like)?);
    if (own.st_uid, own.st_gid) != (wanted.st_uid, wanted.st_gid) {
        let _ = fchown(fd, Some(Uid::from_raw(wanted.st_uid)), Some(Gid::from_raw(wanted.st_gid)));
    }
    Ok(fchmod(fd, Mode::from_bits_truncate(wanted.st_mode & RIGHTS))?)
}

/// Says that a file was written to when `like` was.
///
/// # Errors
/// What fstat(2) and futimens(2) report.
pub fn take_time_of(fd: BorrowedFd<'_>, like: BorrowedFd<'_>) -> io::Result<()> {
    let stat = fstat(like)?;
    let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    Ok(futimens(fd, &modified, &modified)?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn what_lies_beside_a_log() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        let name = OsStr::new;
        for file in ["a.log", "a.log.1", "b.log"] {
            std::fs::write(at(file), "line\n").unwrap();
        }
        symlink(at("b.log"), at("a.log.link")).unwrap();
        std::fs::create_dir(at("a.log.folder")).unwrap();
        let folder = LogFolder::of(&at("a.log")).unwrap();
        let mut names = folder.names(name("a.log."), 100).unwrap();
        names.sort();
        assert_eq!(names, ["a.log.1", "a.log.folder", "a.log.link"]);
        assert!(folder.names(name("a.log"), 0).unwrap().is_empty(), "no more than were asked for");
        for other in ["a.log.link", "a.log.folder", "a.log.none"] {
            assert_eq!(folder.find(name(other)).unwrap(), None, "{other}");
        }
        assert!(folder.has(name("a.log.link")).unwrap() && !folder.has(name("a.log.none")).unwrap());
        assert!(folder.read(name("a.log.link")).is_err(), "a link is not followed");
        assert_eq!(folder.read(name("a.log.folder")).unwrap_err().kind(), ErrorKind::InvalidInput);
        if Uid::effective().is_root() {
            std::fs::hard_link(at("b.log"), at("a.log.hard")).unwrap();
            assert_eq!(folder.read(name("a.log.hard")).unwrap_err().kind(), ErrorKind::InvalidInput);
            std::fs::remove_file(at("a.log.hard")).unwrap();
        }

        let known = folder.find(name("a.log")).unwrap().unwrap();
        assert_eq!(known.len, 5);
        let taken = folder.rename(name("a.log"), name("a.log.1")).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        folder.rename(name("a.log"), name("a.log.2")).unwrap();
        assert_eq!(folder.find(name("a.log.2")).unwrap(), Some(known), "it is the same file");
        folder.remove(name("a.log.1")).unwrap();
        folder.remove(name("a.log.1")).unwrap();
        assert!(folder.remove(name("a.log.folder")).is_err());
    }

    #[test]
    fn a_file_like_another() {
        let scratch = Scratch::new();
        let path = scratch.path().join("a.log");
        std::fs::write(&path, "line\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let folder = LogFolder::of(&path).unwrap();
        let log = folder.read(OsStr::new("a.log")).unwrap();
        let new = folder.create(OsStr::new("new"), log.as_fd()).unwrap();
        assert_eq!(new.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        let again = folder.create(OsStr::new("new"), log.as_fd()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        take_time_of(new.as_fd(), log.as_fd()).unwrap();
        let found = |file: &File| Found::of(file.as_fd()).unwrap().unwrap();
        assert_eq!(found(&new).modified_ns, found(&log).modified_ns);
        assert_ne!(found(&new).id.mark(), found(&log).id.mark());
    }
}
