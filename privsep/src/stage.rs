//! How a role is started: as a process of its own, or as a thread of this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sys::spawn::{Birth, Child, Program};

use crate::link::Link;
use crate::message::Message;
use crate::role::{Role, Row};

/// How long a process that was killed may take to be gone.
const KILLED_PATIENCE: Duration = Duration::from_secs(1);

/// What a role does with its end of the link, until its end.
pub type Run = fn(Role, OwnedFd);

/// Where roles run.
#[derive(Debug)]
pub enum Stage {
    /// Each as a process: this program again, under the title of the role.
    Processes(Program),
    /// Each as a thread of this process. The program is for those that cannot be one.
    Threads(Run, Program),
}

/// A role that was started.
#[derive(Debug)]
pub enum Life {
    /// A process.
    Process(Child),
    /// A thread; none once it was waited for.
    Thread(Option<JoinHandle<()>>),
}

impl Stage {
    /// Starts a role. `errors` becomes its standard error, if it is a process.
    ///
    /// # Errors
    /// When processes, threads or descriptors have run out, or the program cannot be executed any more.
    pub fn start<Tx: Message, Rx: Message>(
        &self,
        role: Role,
        errors: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Life, Link<Tx, Rx>)> {
        match self {
            Self::Processes(program) => start_process(program, role, errors),
            &Self::Threads(run, _) => {
                let (link, other) = Link::pair()?;
                let name = format!("kimura-{role}");
                let thread = thread::Builder::new().name(name).spawn(move || run(role, other))?;
                Ok((Life::Thread(Some(thread)), link))
            }
        }
    }

    /// This program.
    #[must_use]
    pub fn program(&self) -> &Program {
        match self {
            Self::Processes(program) | Self::Threads(_, program) => program,
        }
    }
}

/// Starts a role as a process. `errors` becomes its standard error; without, it has ours.
///
/// # Errors
/// As [`Stage::start`].
pub fn start_process<Tx: Message, Rx: Message>(
    program: &Program,
    role: Role,
    errors: Option<BorrowedFd<'_>>,
) -> io::Result<(Life, Link<Tx, Rx>)> {
    let (link, other) = Link::pair()?;
    let Row { title, output, .. } = *role.row();
    let child = program.spawn(&Birth { title, link: other.as_fd(), output, errors })?;
    Ok((Life::Process(child), link))
}

impl Life {
    /// Process id; 0 for a thread.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match self {
            Self::Process(child) => child.pid(),
            Self::Thread(_) => 0,
        }
    }

    /// To be polled: readable when the process has ended. A thread tells by closing its link.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Process(child) => Some(child.fd()),
            Self::Thread(_) => None,
        }
    }

    /// Ends a process at once. A thread cannot be ended; it does so when its link is closed.
    pub fn kill(&self) {
        if let Self::Process(child) = self
            && let Err(error) = child.kill()
        {
            log::error!("process {} cannot be ended: {error}", child.pid());
        }
    }

    /// Ends a process at once and waits for its end: without that a zombie would stay, for good where nobody else
    /// takes children over. Gives back how it has ended; none for one that has not yet, which the kernel holds back.
    pub fn put_down(&mut self) -> Option<String> {
        self.kill();
        if let Some(fd) = self.fd() {
            // It was killed, so that this takes no time.
            let _ = sys::poll::readable(fd, Some(KILLED_PATIENCE));
        }
        self.ended()
    }

    /// How it has ended, in words; none while it runs.
    pub fn ended(&mut self) -> Option<String> {
        match self {
            Self::Process(child) => match child.reap() {
                Ok(ended) => ended.map(|ended| ended.to_string()),
                Err(error) => Some(format!("unknown end ({error})")),
            },
            Self::Thread(thread) => {
                if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
                    return None;
                }
                let ended = thread.take().map(JoinHandle::join);
                Some(if matches!(ended, Some(Err(_))) { "panic".to_owned() } else { "end".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::message::{FromAuth, ToAuth};

    #[test]
    fn nothing_is_left_of_who_was_put_down() {
        // It writes until somebody ends it.
        let program = Program::open(Path::new("/usr/bin/yes")).unwrap();
        let stage = Stage::Processes(program);
        let (mut life, _link): (Life, Link<ToAuth, FromAuth>) = stage.start(Role::Auth, None).unwrap();
        let place = PathBuf::from(format!("/proc/{}", life.pid()));
        assert!(place.exists() && life.ended().is_none());
        assert!(life.put_down().is_some());
        assert!(!place.exists(), "not even a zombie");
    }
}
