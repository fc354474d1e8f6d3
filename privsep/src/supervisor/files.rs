//! Files that only we can open: read whole, for check and for those who serve. What they say is none of our business.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use zeroize::{Zeroize, Zeroizing};

use super::watch::{Mark, marks as marks_of};
use crate::message::{Audience, Contents, FileNeeds, Needs, Trouble};
use crate::wire::{Bytes, encode};

/// Largest file for workers, or for the agent: a chain of certificates has a few kilobytes.
const FILE_MAX: u64 = 4 << 20;
/// Largest file for auth: a hundred thousand users, each with a long hash.
const USERS_FILE_MAX: u64 = 32 << 20;
/// Largest sum of them.
const ALL_MAX: usize = 32 << 20;
/// By which somebody beside the owner and the group can read.
const READABLE_BY_ALL: u32 = 0o004;

/// What files hold, for whom it is meant: encoded [`Contents`], sealed.
#[derive(Debug)]
pub struct Files {
    /// For those who serve.
    pub workers: OwnedFd,
    /// For auth.
    pub auth: OwnedFd,
    /// For the agent.
    pub agent: OwnedFd,
    /// By what it shows that one has changed since, in the order of [`Needs::files`]; none when nobody knows.
    pub(crate) marks: Vec<Mark>,
}

impl Files {
    /// The same once more.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            workers: self.workers.try_clone()?,
            auth: self.auth.try_clone()?,
            agent: self.agent.try_clone()?,
            marks: self.marks.clone(),
        })
    }
}

/// What all files of `needs` hold.
///
/// # Errors
/// Every file that cannot be read.
pub(crate) fn read(needs: &Needs) -> Result<Files, Vec<Trouble>> {
    let (mut workers, mut auth, mut agent) = (Pile::default(), Pile::default(), Pile::default());
    let mut troubles = Vec::new();
    let mut marks = Vec::with_capacity(needs.files.len());
    for file in &needs.files {
        let pile = match file.audience {
            Audience::Workers => &mut workers,
            Audience::Auth => &mut auth,
            Audience::Agent => &mut agent,
            Audience::Nobody => {
                marks.extend(marks_of(std::slice::from_ref(file)));
                continue;
            }
        };
        match read_one(file).and_then(|(bytes, mark)| pile.put(bytes).map(|()| mark)) {
            Ok(mark) => marks.push(mark),
            Err(error) => troubles.push(unreadable(file, &error)),
        }
    }
    if !troubles.is_empty() {
        return Err(troubles);
    }
    let sealed = || {
        Ok(Files {
            workers: workers.seal(Audience::Workers)?,
            auth: auth.seal(Audience::Auth)?,
            agent: agent.seal(Audience::Agent)?,
            marks,
        })
    };
    sealed().map_err(|error: io::Error| {
        needs.files.first().map(|file| unreadable(file, &error)).into_iter().collect()
    })
}

/// What files of one audience hold; wiped when it is sealed or given up.
#[derive(Default)]
struct Pile(Vec<Bytes>);

impl Pile {
    fn put(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let total: usize = self.0.iter().map(|file| file.0.len()).sum();
        let fits = total + bytes.len() <= ALL_MAX;
        self.0.push(Bytes(bytes));
        if fits { Ok(()) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }

    fn seal(mut self, audience: Audience) -> io::Result<OwnedFd> {
        let contents = Contents { files: std::mem::take(&mut self.0) };
        let sealed = seal(audience, &contents);
        self.0 = contents.files;
        sealed
    }
}

impl Drop for Pile {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|file| file.0.zeroize());
    }
}

/// Named by whom it is for, so that it can be seen who has it.
fn seal(audience: Audience, contents: &Contents) -> io::Result<OwnedFd> {
    let name = match audience {
        Audience::Workers => "kimura-files-workers",
        Audience::Auth => "kimura-files-auth",
        Audience::Agent => "kimura-files-agent",
        Audience::Nobody => "kimura-files-nobody",
    };
    sys::mem::sealed(name, &Zeroizing::new(encode(contents)))
}

fn read_one(needs: &FileNeeds) -> io::Result<(Vec<u8>, Mark)> {
    let mut file = sys::fs::open_file(&needs.path)?;
    let found = file.metadata()?;
    let max = match needs.audience {
        Audience::Workers | Audience::Agent | Audience::Nobody => FILE_MAX,
        Audience::Auth => USERS_FILE_MAX,
    };
    if found.len() > max {
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
