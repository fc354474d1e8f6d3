//! What is in a folder.

use std::io;
use std::os::fd::OwnedFd;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name: any bytes but NUL and slash.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: ListedKind,
    /// Bytes of a file.
    pub len: u64,
    /// When its content was changed, seconds since 1970.
    pub mtime_secs: i64,
}

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, which may lead to anything.
    Link,
}

/// Names that are looked at in one folder, wanted or not.
const LOOKED_AT_MAX: usize = 1_000_000;

/// What is in an open folder, in no particular order: files, folders and links whose names are `wanted`, `most` of
/// them. Answers whether these are all. May wait for storage.
///
/// # Errors
/// What getdents(2) reports.
pub fn list(
    folder: OwnedFd,
    most: usize,
    mut wanted: impl FnMut(&[u8]) -> bool,
) -> io::Result<(Vec<Listed>, bool)> {
    let fd = folder.try_clone()?;
    let mut folder = Dir::from_fd(folder)?;
    let mut found = Vec::new();
    for (count, entry) in folder.iter().enumerate() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || !wanted(name.to_bytes()) {
            continue;
        }
        if found.len() == most || count == LOOKED_AT_MAX {
            return Ok((found, false));
        }
        let stat = match fstatat(&fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Gone meanwhile, or nothing that can be looked at.
            Err(Errno::ENOENT | Errno::EACCES | Errno::ESTALE) => continue,
            Err(error) => return Err(error.into()),
        };
        let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => ListedKind::File,
            SFlag::S_IFDIR => ListedKind::Directory,
            SFlag::S_IFLNK => ListedKind::Link,
            _ => continue,
        };
        let len = u64::try_from(stat.st_size).unwrap_or_default();
        found.push(Listed { name: name.to_bytes().to_vec(), kind, len, mtime_secs: stat.st_mtime });
    }
    Ok((found, true))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_folders_and_links_are_listed() {
        let place = std::env::temp_dir().join(format!("kimura-list-{}", std::process::id()));
        fs::create_dir_all(place.join("folder")).expect("a folder");
        fs::write(place.join("file"), "12345").expect("a file");
        fs::write(place.join(".hidden"), "").expect("a file");
        symlink("file", place.join("link")).expect("a link");
        nix::unistd::mkfifo(&place.join("pipe"), nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
        let open = || OwnedFd::from(fs::File::open(&place).expect("the folder"));
        let look = |most| list(open(), most, |name| !name.starts_with(b".")).expect("a listing");
        let (mut found, whole) = look(10);
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let found: Vec<_> = found.iter().map(|one| (&one.name[..], one.kind, one.len)).collect();
        assert_eq!(found[0], (&b"file"[..], ListedKind::File, 5));
        assert_eq!((found[1].0, found[1].1), (&b"folder"[..], ListedKind::Directory));
        assert_eq!((found[2].0, found[2].1), (&b"link"[..], ListedKind::Link));
        assert_eq!((found.len(), whole), (3, true), "a pipe is nothing to serve");
        let (some, whole) = look(2);
        assert_eq!((some.len(), whole), (2, false));
        fs::remove_dir_all(&place).expect("it goes");
    }
}
