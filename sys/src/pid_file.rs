//! A file that tells our process id, locked as long as we live.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Our pid file. Dropping it removes the file; a crash leaves it unlocked, and the next server takes it over.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: Flock<File>,
    owner: u32,
}

/// Why there is no pid file. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum PidFileError {
    /// Another process holds it.
    Running {
        /// The file.
        path: PathBuf,
        /// What it says the process id is.
        pid: Option<u32>,
    },
    /// It cannot be written.
    System {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl PidFile {
    /// Locks the file, creating it if need be, and writes the id of this process into it. After
    /// [`daemonize`](crate::daemon::daemonize), not before: the process that calls is the one named.
    ///
    /// # Errors
    /// [`PidFileError`], which tells cause and cure.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let system = |source| PidFileError::System { path: path.to_owned(), source };
        loop {
            let file = open(path).map_err(system)?;
            let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((file, Errno::EWOULDBLOCK)) => {
                    return Err(PidFileError::Running { path: path.to_owned(), pid: read_pid(file) });
                }
                Err((_, errno)) => return Err(system(errno.into())),
            };
            // The one who held it may have removed it between our opening and our locking.
            if !is_at(&file, path).map_err(system)? {
                continue;
            }
            let owner = std::process::id();
            file.set_len(0).and_then(|()| writeln!(file, "{owner}")).map_err(system)?;
            return Ok(Self { path: path.to_owned(), file, owner });
        }
    }
}

impl PidFile {
    /// The pid file that the program before this one has left in the process, which is the same as then.
    ///
    /// # Errors
    /// [`PidFileError`], when `file` is another process's.
    pub fn adopt(path: &Path, file: OwnedFd) -> Result<Self, PidFileError> {
        let system = |source| PidFileError::System { path: path.to_owned(), source };
        // The lock belongs to the open file, so that this only confirms it.
        let lock = Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock);
        let file = lock.map_err(|(_, errno)| system(errno.into()))?;
        Ok(Self { path: path.to_owned(), file, owner: std::process::id() })
    }

    /// Lets go of it without removing it: the program that this process becomes has it.
    pub fn leave(mut self) {
        self.owner = 0;
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its descriptor, to be left to a program that this process becomes.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Not by a child that has inherited us, and not if somebody has put another file there.
        if self.owner != std::process::id() || !is_at(&self.file, &self.path).unwrap_or(false) {
            return;
        }
        // Having given up root's rights we may not be allowed to remove it: then it is left empty.
        if std::fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Whoever can plant a link in the folder must not make us overwrite its target.
    let flags = libc::O_NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(flags)
        .open(path)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match path.symlink_metadata() {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_pid(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { path, pid: Some(pid) } => write!(
                f,
                "process {pid} is running already and holds {}: stop it, or choose another pid file",
                path.display()
            ),
            Self::Running { path, pid: None } => write!(
                f,
                "another process is running already and holds {}: stop it, or choose another pid file",
                path.display()
            ),
            Self::System { path, source } => {
                write!(
                    f,
                    "cannot write the pid file {}: {source}: choose a place that this user may write to",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for PidFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            Self::Running { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn only_one_at_a_time() {
        let scratch = Scratch::new();
        let path = scratch.path().join("pid");
        let first = PidFile::create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        let error = PidFile::create(&path).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("process {} is running", std::process::id())),
            "{error}"
        );
        drop(first);
        assert!(!path.exists());
        PidFile::create(&path).unwrap();
    }

    #[test]
    fn what_a_crash_has_left_is_taken_over() {
        let scratch = Scratch::new();
        let path = scratch.path().join("pid");
        std::fs::write(&path, "12345678901234567890 and more\n").unwrap();
        let _file = PidFile::create(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_file_of_others_is_not_removed() {
        let scratch = Scratch::new();
        let path = scratch.path().join("pid");
        let file = PidFile::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[test]
    fn links_are_not_followed() {
        let scratch = Scratch::new();
        let (target, path) = (scratch.path().join("precious"), scratch.path().join("pid"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let error = PidFile::create(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot write the pid file"), "{error}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }
}
