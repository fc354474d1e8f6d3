//! Files that only we can open: read whole, for check and for those who serve. What they say is none of our business.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use zeroize::{Zeroize, Zeroizing};

use crate::message::{Audience, Contents, FileNeeds, Needs, Trouble};
use crate::wire::{Bytes, encode};

/// Largest file: a chain of certificates has a few kilobytes.
const FILE_MAX: u64 = 4 << 20;
/// Largest sum of them.
const ALL_MAX: usize = 32 << 20;
/// By which somebody beside the owner and the group can read.
const READABLE_BY_ALL: u32 = 0o004;

/// What files hold, for whom it is meant: encoded [`Contents`], sealed.
#[derive(Debug)]
pub struct Files {
    /// For those who serve.
    pub workers: OwnedFd,
    /// For the agent.
    pub agent: OwnedFd,
}

impl Files {
    /// The same once more.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { workers: self.workers.try_clone()?, agent: self.agent.try_clone()? })
    }
}

/// What all files of `needs` hold.
///
/// # Errors
/// Every file that cannot be read.
pub(crate) fn read(needs: &Needs) -> Result<Files, Vec<Trouble>> {
    match (read_for(needs, Audience::Workers), read_for(needs, Audience::Agent)) {
        (Ok(workers), Ok(agent)) => Ok(Files { workers, agent }),
        (workers, agent) => Err(workers.err().into_iter().chain(agent.err()).flatten().collect()),
    }
}

fn read_for(needs: &Needs, audience: Audience) -> Result<OwnedFd, Vec<Trouble>> {
    let files: Vec<&FileNeeds> = needs.files.iter().filter(|file| file.audience == audience).collect();
    let mut contents = Contents { files: Vec::with_capacity(files.len()) };
    let mut troubles = Vec::new();
    let mut total = 0;
    for file in &files {
        match read_one(file) {
            Ok(bytes) => {
                total += bytes.len();
                contents.files.push(Bytes(bytes));
            }
            Err(error) => troubles.push(unreadable(file, &error)),
        }
    }
    let sealed =
        if total <= ALL_MAX { seal(audience, &contents) } else { Err(io::ErrorKind::FileTooLarge.into()) };
    contents.files.iter_mut().for_each(|file| file.0.zeroize());
    match sealed {
        Ok(sealed) if troubles.is_empty() => Ok(sealed),
        Ok(_) => Err(troubles),
        Err(error) => {
            troubles.extend(files.first().map(|file| unreadable(file, &error)));
            Err(troubles)
        }
    }
}

/// Named by whom it is for, so that it can be seen who has it.
fn seal(audience: Audience, contents: &Contents) -> io::Result<OwnedFd> {
    let name = match audience {
        Audience::Workers => "kimura-files-workers",
        Audience::Agent => "kimura-files-agent",
    };
    sys::mem::sealed(name, &Zeroizing::new(encode(contents)))
}

fn read_one(needs: &FileNeeds) -> io::Result<Vec<u8>> {
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
    Read::by_ref(&mut file).take(found.len() + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(file: &FileNeeds, error: &io::Error) -> Trouble {
    Trouble {
        pointer: file.pointer.clone(),
        cause: format!("the file {} cannot be read: {error}", file.path.display()),
        cure: "correct the path, or let the user that starts the server read it".to_owned(),
    }
}
