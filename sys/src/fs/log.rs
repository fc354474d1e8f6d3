//! Log files, opened by whoever may write everywhere in places where others may write.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Symbolic links that are followed on the way to a folder, as many as the kernel does.
const LINKS_MAX: usize = 40;
/// The bit of a mode by which everybody may write.
const WRITABLE_BY_ALL: u32 = 0o002;
/// The bit of a mode by which only its owner may replace what lies in a folder.
const STICKY: u32 = 0o1000;

/// Why a log file is not opened. Shown as one sentence with the cure.
#[derive(Debug)]
pub enum LogError {
    /// The path is a symbolic link: whoever can write to its folder could have us write to any file.
    Link(PathBuf),
    /// There is something else than a file: what.
    NoFile(PathBuf, &'static str),
    /// The file has other names, or another file was put in its place meanwhile.
    Names(PathBuf),
    /// Others could put a folder of their choice on the way to the file.
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

impl LogError {
    /// What is wrong.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Link(path) => format!("the log file {} is a symbolic link", path.display()),
            Self::NoFile(path, what) => format!("the log file {} is {what}", path.display()),
            Self::Names(path) => format!("the log file {} has other names", path.display()),
            Self::Folder { path, folder } => format!(
                "the log file {} is not safe to open as root, for others could replace what lies in {}",
                path.display(),
                folder.display()
            ),
            Self::System { path, source } => {
                format!("the log file {} cannot be opened: {source}", path.display())
            }
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Link(_) => "name the file itself, or \"stdout\" or \"stderr\"",
            Self::NoFile(..) => "name a file, or \"stdout\" or \"stderr\", which may be a pipe",
            Self::Names(_) => "remove the other hard links, or name another file",
            Self::Folder { .. } => {
                "let root own that folder and nobody else write there, or name another place"
            }
            Self::System { .. } => "create the folder, or let the user of the server write there",
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause(), self.cure())
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Opens the file at `path` for appending, and makes it with `mode`, less the umask, where there is none. Never waits:
/// neither for the reader of a pipe nor for a line. Character devices, such as `/dev/null`, will do as well.
///
/// The path itself is no symbolic link. As root the file has no other name, and nobody else could have put another
/// folder in the place of those that lead to it. So its own folder may belong to anybody: all they can do is to lose
/// their log. A group that may write to a folder of root's counts as trusted: some distributions have `/var/log` so.
///
/// # Errors
/// [`LogError`].
pub fn open_log(path: &Path, mode: u32) -> Result<File, LogError> {
    let failed = |source| LogError::System { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| LogError::NoFile(path.to_owned(), "a folder"))?;
    let place = safe_folder(path)?.join(name);
    let file = open(&place, mode).map_err(|source| match source.raw_os_error() {
        Some(libc::ELOOP) => LogError::Link(path.to_owned()),
        Some(libc::EISDIR) => LogError::NoFile(path.to_owned(), "a folder"),
        // What a pipe without a reader and a socket answer.
        Some(libc::ENXIO) => LogError::NoFile(path.to_owned(), "a pipe or a socket"),
        _ => failed(source),
    })?;
    let found = file.metadata().map_err(failed)?;
    if found.file_type().is_char_device() {
        wait_for_device(&file).map_err(failed)?;
        return Ok(file);
    }
    if !found.is_file() {
        return Err(LogError::NoFile(path.to_owned(), "a pipe or a device"));
    }
    if nix::unistd::Uid::effective().is_root() && !is_only_name(&place, &found) {
        return Err(LogError::Names(path.to_owned()));
    }
    Ok(file)
}

/// The folder in which the log file `path` lies; as root one that nobody else can have put there.
pub(super) fn safe_folder(path: &Path) -> Result<PathBuf, LogError> {
    let failed = |source| LogError::System { path: path.to_owned(), source };
    let folder = std::path::absolute(path.parent().unwrap_or(path)).map_err(failed)?;
    if nix::unistd::Uid::effective().is_root() { trusted(path, &folder) } else { Ok(folder) }
}

fn open(place: &Path, mode: u32) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().append(true).create(true).mode(mode).custom_flags(flags).open(place)
}

/// A terminal takes a line as soon as it can; a file does so anyway.
fn wait_for_device(file: &File) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags & !OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Whether the open file has `place` for its name, and no other, at one moment. Looking at the open file alone would
/// not tell: somebody could have removed a hard link again once it was open.
pub(super) fn is_only_name(place: &Path, open: &Metadata) -> bool {
    place
        .symlink_metadata()
        .is_ok_and(|found| (found.dev(), found.ino()) == (open.dev(), open.ino()) && found.nlink() == 1)
}

/// Where `folder` is without symbolic links, if nobody but root can put anything else in the place of a step on the way.
/// Each step is looked at from a folder that was found to stay where it is, so that there is no race.
fn trusted(path: &Path, folder: &Path) -> Result<PathBuf, LogError> {
    let failed = |source| LogError::System { path: path.to_owned(), source };
    let mut place = PathBuf::from("/");
    let mut ahead = steps(folder);
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        if step == ".." {
            place.pop();
            continue;
        }
        let next = place.join(&step);
        let (around, found) = place
            .symlink_metadata()
            .and_then(|around| Ok((around, next.symlink_metadata()?)))
            .map_err(failed)?;
        if is_replaceable(&found, &around) {
            return Err(LogError::Folder { path: path.to_owned(), folder: place });
        }
        if !found.is_symlink() {
            place = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(failed(io::Error::from_raw_os_error(libc::ELOOP)));
        }
        let target = std::fs::read_link(&next).map_err(failed)?;
        if target.is_absolute() {
            place = PathBuf::from("/");
        }
        ahead.extend(steps(&target));
    }
    Ok(place)
}

/// The steps of a path, the first one last.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter_map(|step| match step {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    steps.rev().collect()
}

/// Whether others than root can put something else in the place of `found`, which lies in `around`.
fn is_replaceable(found: &Metadata, around: &Metadata) -> bool {
    let open_to_all = around.mode() & WRITABLE_BY_ALL != 0;
    let kept = around.mode() & STICKY != 0 && found.uid() == 0;
    around.uid() != 0 || (open_to_all && !kept)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;

    use super::*;
    use crate::testing::Scratch;

    const SOMEBODY: u32 = 65_534;

    fn opened(path: &Path) -> String {
        open_log(path, 0o640).map_or_else(|error| error.to_string(), |_| "opened".to_owned())
    }

    #[test]
    fn only_files_and_devices_are_logs() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("old"), "line\n").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        symlink(at("old"), at("link")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        nix::unistd::mkfifo(&at("read"), Mode::S_IRWXU).unwrap();
        let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(at("read"));
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (name, wanted) in [
            ("new", "opened"),
            ("old", "opened"),
            ("/dev/null", "opened"),
            ("folder", " is a folder: "),
            ("folder/..", " is a folder: "),
            ("link", " is a symbolic link: "),
            ("pipe", " is a pipe or a socket: "),
            ("read", " is a pipe or a device: "),
            ("socket", " is a pipe or a socket: "),
            ("nowhere/log", " cannot be opened: No such file"),
        ] {
            let got = opened(&at(name));
            assert!(got.contains(wanted), "{name}: {got}");
        }
        drop(reader);
        open_log(&at("old"), 0o640).unwrap().write_all(b"more\n").unwrap();
        assert_eq!(std::fs::read_to_string(at("old")).unwrap(), "line\nmore\n");
        let flags = fcntl(open_log(Path::new("/dev/null"), 0).unwrap(), FcntlArg::F_GETFL).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0, "a device may take its time");
    }

    #[test]
    fn root_writes_to_no_place_that_others_have_chosen() {
        if !nix::unistd::Uid::effective().is_root() {
            return;
        }
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        let folder = |name: &str, owner: u32, mode: u32| {
            std::fs::create_dir(at(name)).unwrap();
            chown(at(name), Some(owner), Some(owner)).unwrap();
            std::fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        };
        folder("theirs", SOMEBODY, 0o755);
        folder("theirs/own", SOMEBODY, 0o755);
        folder("theirs/roots", 0, 0o755);
        folder("open", 0, 0o777);
        folder("open/roots", 0, 0o755);
        folder("sticky", 0, 0o1777);
        folder("sticky/roots", 0, 0o755);
        folder("sticky/theirs", SOMEBODY, 0o755);
        symlink(at("sticky/roots"), at("way")).unwrap();
        symlink(at("sticky/roots"), at("theirs/way")).unwrap();
        symlink("loop", at("loop")).unwrap();
        std::fs::write(at("secret"), "").unwrap();
        std::fs::hard_link(at("secret"), at("theirs/linked")).unwrap();
        for (name, wanted) in [
            ("theirs/log", "opened"),
            ("open/log", "opened"),
            ("sticky/log", "opened"),
            ("sticky/roots/log", "opened"),
            ("sticky/roots/../roots/log", "opened"),
            ("way/log", "opened"),
            ("theirs/linked", "has other names"),
            ("theirs/own/log", "could replace what lies in"),
            ("theirs/roots/log", "could replace what lies in"),
            ("theirs/way/log", "could replace what lies in"),
            ("open/roots/log", "could replace what lies in"),
            ("sticky/theirs/log", "could replace what lies in"),
            ("loop/log", "cannot be opened: Too many levels"),
        ] {
            let got = opened(&at(name));
            assert!(got.contains(wanted), "{name}: {got}");
        }
    }

    #[test]
    fn a_name_that_comes_and_goes_is_noticed() {
        let scratch = Scratch::new();
        let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
        std::fs::write(&there, "").unwrap();
        std::fs::hard_link(&there, &here).unwrap();
        let open = File::open(&here).unwrap().metadata().unwrap();
        std::fs::remove_file(&here).unwrap();
        assert!(!is_only_name(&here, &open), "the file has the other name alone now");
        assert!(is_only_name(&there, &open));
    }
}
