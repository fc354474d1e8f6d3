//! Changes to the files that a server serves.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::failure::{Failure, Outcome};
use crate::text::{Variables, expand};

/// One change. Paths are relative to the document root; `../` leads to the folder beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write a file whole; the content is not yet expanded.
    Write {
        /// Where.
        path: String,
        /// Content, escaped.
        content: String,
    },
    /// Write a file aside and rename it into place, as careful publishers do.
    Replace {
        /// Where.
        path: String,
        /// Content, escaped.
        content: String,
    },
    /// Make a file of this size, all holes if new; cuts or lengthens an existing one.
    Resize {
        /// Where.
        path: String,
        /// Bytes.
        size: u64,
    },
    /// Make a symbolic link.
    Link {
        /// Where.
        path: String,
        /// What it says, variables not yet expanded.
        target: String,
    },
    /// Make a folder.
    Folder {
        /// Where.
        path: String,
    },
    /// Make a named pipe.
    Pipe {
        /// Where.
        path: String,
    },
    /// Remove a file.
    Remove {
        /// Where.
        path: String,
    },
    /// Set the time of last modification.
    Touch {
        /// Where.
        path: String,
        /// Seconds since 1970.
        seconds: u64,
    },
    /// Set permission bits.
    Mode {
        /// Where.
        path: String,
        /// The bits.
        bits: u32,
    },
}

impl Change {
    /// Carries it out below `root`.
    pub fn apply(&self, root: &Path, variables: &Variables) -> Outcome<()> {
        let path = root.join(self.path());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Failure::machine("create folder", parent))?;
        }
        self.apply_at(&path, variables).map_err(Failure::machine("change", &path))
    }

    fn path(&self) -> &str {
        match self {
            Change::Write { path, .. }
            | Change::Replace { path, .. }
            | Change::Resize { path, .. }
            | Change::Link { path, .. }
            | Change::Folder { path }
            | Change::Pipe { path }
            | Change::Remove { path }
            | Change::Touch { path, .. }
            | Change::Mode { path, .. } => path,
        }
    }

    fn apply_at(&self, path: &Path, variables: &Variables) -> io::Result<()> {
        let expand = |text: &str| expand(text, variables).map_err(io::Error::other);
        match self {
            Change::Write { content, .. } => fs::write(path, expand(content)?),
            Change::Replace { content, .. } => {
                let aside = path.with_extension("aside");
                fs::write(&aside, expand(content)?)?;
                fs::rename(aside, path)
            }
            Change::Resize { size, .. } => {
                OpenOptions::new().write(true).create(true).truncate(false).open(path)?.set_len(*size)
            }
            Change::Link { target, .. } => {
                let target = String::from_utf8(expand(target)?).map_err(io::Error::other)?;
                symlink(target, path)
            }
            Change::Folder { .. } => fs::create_dir_all(path),
            Change::Pipe { .. } => Ok(nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)?),
            Change::Remove { .. } => fs::remove_file(path),
            Change::Touch { seconds, .. } => {
                File::open(path)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds))
            }
            Change::Mode { bits, .. } => {
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(*bits))
            }
        }
    }
}
