//! Names of the places where lines go.

use crate::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Who may read and write a new file, less the umask.
const MODE: u32 = 0o666;

/// Names a sink of the logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(u16);

impl SinkId {
    pub(crate) fn number(self) -> u16 {
        self.0
    }

    pub(crate) fn position(targets: &[Target], target: &Target) -> Option<Self> {
        let index = targets.iter().position(|known| known == target)?;
        u16::try_from(index).ok().map(Self)
    }
}

/// What the operator can name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A file, made if missing, appended to.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A receiver that the logger process reaches by a socket, by its identity.
    Receiver(String),
}

impl Target {
    /// Opens the target for appending.
    pub(crate) fn open(&self) -> Result<File, Error> {
        match self {
            Self::File(path) => sys::fs::open_log(path, MODE).map_err(Error::Open),
            // A descriptor of its own: the standard handles buffer and lock.
            Self::Stdout => own(&io::stdout()).map_err(Error::Stream),
            Self::Stderr => own(&io::stderr()).map_err(Error::Stream),
            Self::Receiver(_) => Err(Error::Elsewhere),
        }
    }

    /// The name used in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdout => "standard output".to_owned(),
            Self::Stderr => "standard error".to_owned(),
            Self::Receiver(identity) => identity.clone(),
        }
    }
}

fn own(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}
