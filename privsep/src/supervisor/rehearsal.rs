//! A rehearsal of the program that is to take over, as the one sees it that runs: a child that has to show that it
//! could.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sys::spawn::Program;

use super::boot::own_uid;
use crate::link::{Link, LinkError};
use crate::message::{FromRehearsal, State, ToRehearsal};
use crate::role::Role;
use crate::sealed::seal;
use crate::stage::{Life, Stage};

/// How long a rehearsal may take: an examination, the start of a worker, and one request.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bits of a mode by which others than the owner may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A rehearsal under way.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    life: Life,
    link: Link<ToRehearsal, FromRehearsal>,
    /// What is rehearsed.
    pub(crate) stage: Stage,
    pub(crate) path: PathBuf,
    pub(crate) deadline: Instant,
}

impl Rehearsal {
    /// Starts the program at `path` to rehearse the takeover of `state`.
    ///
    /// # Errors
    /// Why it cannot, for people.
    pub(crate) fn start(path: &Path, state: &State, errors: Option<BorrowedFd<'_>>) -> Result<Self, String> {
        let program = open_trusted(path)?;
        let failed = |error: io::Error| format!("{} cannot be started: {error}", path.display());
        let stage = Stage::Processes(program);
        let (life, link) = stage.start(Role::Rehearsal, errors).map_err(failed)?;
        let mut rehearsal =
            Self { life, link, stage, path: path.to_owned(), deadline: Instant::now() + PATIENCE };
        let state = seal(state).map_err(failed)?;
        let told = rehearsal.link.send(&ToRehearsal::Rehearse, &[state.as_fd()]);
        match told {
            Ok(()) => Ok(rehearsal),
            Err(error) => Err(rehearsal.unfit(&error)),
        }
    }

    /// To be polled.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.link.fd()
    }

    /// The version of the program if it is fit; none as long as that is not known.
    ///
    /// # Errors
    /// Why it is not, for people.
    pub(crate) fn verdict(&mut self) -> Result<Option<String>, String> {
        match self.link.receive() {
            Ok(None) => Ok(None),
            Ok(Some((FromRehearsal::Fit { version }, _))) => Ok(Some(version)),
            Ok(Some((FromRehearsal::Unfit { why }, _))) => Err(why),
            Err(error) => Err(self.unfit(&error)),
        }
    }

    fn unfit(&mut self, error: &LinkError) -> String {
        let path = self.path.display().to_string();
        let how = match error {
            LinkError::Closed => format!("it ended ({})", self.end().unwrap_or_else(|| "not yet".to_owned())),
            other => other.to_string(),
        };
        format!("{path} is no kimura that could take over: {how}")
    }

    /// Ends the child, and says how it has ended.
    pub(crate) fn end(&mut self) -> Option<String> {
        if let Some(fd) = self.life.fd() {
            // Whoever has closed its link is about to end by itself, which says more.
            let _ = sys::poll::readable(fd, Some(Duration::from_millis(200)));
        }
        self.life.put_down()
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.life.put_down();
    }
}

/// Opens a program that nobody could have put there who may not command us anyway.
fn open_trusted(path: &Path) -> Result<Program, String> {
    let failed = |error: io::Error| format!("{} cannot be opened: {error}", path.display());
    if !path.is_absolute() {
        return Err(format!("{} is a relative path; name it from the root", path.display()));
    }
    let program = Program::open(path).map_err(failed)?;
    let found =
        program.fd().try_clone_to_owned().and_then(|fd| fs::File::from(fd).metadata()).map_err(failed)?;
    if !found.is_file() {
        return Err(format!("{} is no file; name the program", path.display()));
    }
    if found.mode() & WRITABLE_BY_OTHERS != 0 || !(found.uid() == 0 || found.uid() == own_uid()) {
        let path = path.display();
        return Err(format!("{path} could be written by others; chown it to root and chmod it to 0755"));
    }
    Ok(program)
}
