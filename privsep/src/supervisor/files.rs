//! Files that only we can open: read whole, for check and for those who serve. What they say is none of our business.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use zeroize::Zeroize;

use super::watch::Mark;
use crate::message::{Contents, FileNeeds, Needs, Trouble};
use crate::sealed::seal;
use crate::wire::Bytes;

/// Largest file: a chain of certificates has a few kilobytes.
const FILE_MAX: u64 = 4 << 20;
/// Largest sum of them.
const ALL_MAX: usize = 32 << 20;
/// By which somebody beside the owner and the group can read.
const READABLE_BY_ALL: u32 = 0o004;

/// Files that were read.
#[derive(Debug)]
pub(crate) struct Read {
    /// What they hold: encoded [`Contents`].
    pub(crate) sealed: OwnedFd,
    /// By what it shows that they have changed since.
    pub(crate) marks: Vec<Mark>,
}

/// What all files of `needs` hold, sealed.
///
/// # Errors
/// Every file that cannot be read.
pub(crate) fn read(needs: &Needs) -> Result<Read, Vec<Trouble>> {
    let mut contents = Contents { files: Vec::with_capacity(needs.files.len()) };
    let mut troubles = Vec::new();
    let mut marks = Vec::with_capacity(needs.files.len());
    let mut total = 0;
    for file in &needs.files {
        match read_one(file) {
            Ok((bytes, mark)) => {
                marks.push(mark);
                total += bytes.len();
                contents.files.push(Bytes(bytes));
            }
            Err(error) => troubles.push(unreadable(file, &error)),
        }
    }
    let sealed = if total <= ALL_MAX { seal(&contents) } else { Err(io::ErrorKind::FileTooLarge.into()) };
    contents.files.iter_mut().for_each(|file| file.0.zeroize());
    match sealed {
        Ok(sealed) if troubles.is_empty() => Ok(Read { sealed, marks }),
        Ok(_) => Err(troubles),
        Err(error) => {
            troubles.extend(needs.files.first().map(|file| unreadable(file, &error)));
            Err(troubles)
        }
    }
}

fn read_one(needs: &FileNeeds) -> io::Result<(Vec<u8>, Mark)> {
    let mut file = sys::fs::open_file(&needs.path)?;
    let found = file.metadata()?;
    if found.len() > FILE_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if needs.secret && found.mode() & READABLE_BY_ALL != 0 {
        log::warn!(
            "everybody on this machine can read {}; make it readable by its owner only: chmod 600",
            needs.path.display()
        );
    }
    // With room for all of it, so that no copy stays behind where a smaller one was.
    let mut bytes = Vec::with_capacity(found.len() as usize + 1);
    file.by_ref().take(found.len() + 1).read_to_end(&mut bytes)?;
    Ok((bytes, Mark::of(&found)))
}

fn unreadable(file: &FileNeeds, error: &io::Error) -> Trouble {
    Trouble {
        pointer: file.pointer.clone(),
        cause: format!("the file {} cannot be read: {error}", file.path.display()),
        cure: "correct the path, or let the user that starts the server read it".to_owned(),
    }
}
