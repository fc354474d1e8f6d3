//! One examination of a configuration by a child that has no rights: text in, needs or problems out.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::files::Files;
use super::pam::SERVICES_MAX;
use crate::link::{Link, LinkError};
use crate::message::{Depth, FromCheck, Hello, Needs, Subject, ToCheck, Trouble};
use crate::role::Role;
use crate::sealed::unseal;
use crate::stage::{Life, Stage};
use crate::wire::BadFrame;

/// How long an examination may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Most troubles that are explained at a time: whoever has more begins with these.
const TROUBLES_MAX: usize = 50;
/// Most shards: as many as a configuration may ask for.
const SHARDS_MAX: u32 = 1024;
/// Most addresses. The time that it takes to open them is not there for anybody else.
const LISTENERS_MAX: usize = 4096;
/// Most bytes of a list of problems.
pub(crate) const PROBLEMS_MAX: usize = 4 << 20;

/// A configuration whose text was found right, and what it needs.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) subject: Subject,
    pub(crate) text: OwnedFd,
    pub(crate) needs: Needs,
}

/// A configuration with everything that it needs to be served.
#[derive(Debug)]
pub struct Deployment {
    /// Where it comes from, for workers: without the secrets of the command line.
    pub subject: Subject,
    /// Its text without secrets, sealed.
    pub text: OwnedFd,
    /// What it needs.
    pub needs: Needs,
    /// What its files hold.
    pub files: Files,
}

impl Deployment {
    /// The same once more.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub(crate) fn duplicate(&self) -> io::Result<Self> {
        Ok(Self {
            subject: self.subject.clone(),
            text: self.text.try_clone()?,
            needs: self.needs.clone(),
            files: self.files.try_clone()?,
        })
    }
}

impl Found {
    pub(crate) fn with(self, files: Files) -> Deployment {
        let Self { subject, text, needs } = self;
        Deployment { subject, text, needs, files }
    }
}

/// How an examination has ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The text is right.
    Right(Box<Found>),
    /// The files are right, too.
    Fit,
    /// It is not: how many problems, and the sealed text of them.
    Wrong(u32, OwnedFd),
}

/// A check under way.
#[derive(Debug)]
pub(crate) struct Examination {
    life: Life,
    link: Link<ToCheck, FromCheck>,
    pub(crate) deadline: Instant,
    /// Whether it knows what could not be done: then it has nothing to say but that.
    explains: bool,
}

impl Examination {
    /// Starts one of `text`.
    pub(crate) fn start(
        stage: &Stage,
        hello: Hello,
        subject: Subject,
        text: &[u8],
        depth: Depth,
    ) -> io::Result<Self> {
        let sealed = sys::mem::sealed("kimura-configuration", text)?;
        Self::again(stage, hello, subject, sealed.as_fd(), depth)
    }

    /// Starts one of a sealed text.
    pub(crate) fn again(
        stage: &Stage,
        hello: Hello,
        subject: Subject,
        sealed: BorrowedFd<'_>,
        depth: Depth,
    ) -> io::Result<Self> {
        let (life, link) = stage.start(Role::Check, None)?;
        let examination = Self { life, link, deadline: Instant::now() + PATIENCE, explains: false };
        let message = ToCheck::Examine { hello, subject, depth };
        examination.link.send(&message, &[sealed]).map_err(io::Error::other)?;
        Ok(examination)
    }

    /// To be polled.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.link.fd()
    }

    /// Has the child tell in terms of the text what could not be done; the next verdict has it.
    pub(crate) fn explain(&mut self, troubles: Vec<Trouble>) -> Result<(), LinkError> {
        self.deadline = Instant::now() + PATIENCE;
        self.explains = true;
        let troubles = troubles.into_iter().take(TROUBLES_MAX).collect();
        self.link.send(&ToCheck::Explain { troubles }, &[])
    }

    /// Has the child look at what the files hold; the next verdict tells.
    pub(crate) fn judge(&mut self, files: &Files) -> Result<(), LinkError> {
        self.deadline = Instant::now() + PATIENCE;
        let files = [files.workers.as_fd(), files.auth.as_fd(), files.agent.as_fd()];
        self.link.send(&ToCheck::Judge, &files)
    }

    /// The verdict, if it is there.
    pub(crate) fn verdict(&mut self) -> Result<Option<Verdict>, LinkError> {
        let Some((message, descriptors)) = self.link.receive()? else { return Ok(None) };
        // The link has seen to it that every message comes with what belongs to it.
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or(LinkError::Closed);
        Ok(Some(match message {
            FromCheck::Needs { .. } if self.explains => return Err(BadFrame::Turn.into()),
            FromCheck::Needs { subject } => {
                let (text, needs) = (next()?, unseal(&next()?)?);
                within_bounds(&needs)?;
                Verdict::Right(Box::new(Found { subject, text, needs }))
            }
            FromCheck::Fit => Verdict::Fit,
            FromCheck::Problems { count } => Verdict::Wrong(count, next()?),
        }))
    }

    /// Waits for the verdict: for the start, when there is nothing else to do.
    pub(crate) fn wait(&mut self) -> Result<Verdict, LinkError> {
        loop {
            if let Some(verdict) = self.verdict()? {
                return Ok(verdict);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LinkError::Full);
            }
            sys::poll::readable(self.fd(), Some(left))?;
        }
    }
}

/// Whether the supervisor can carry it out, without harm to itself.
fn within_bounds(needs: &Needs) -> io::Result<()> {
    if needs.shards.is_some_and(|shards| SHARDS_MAX < shards) {
        return Err(io::Error::other(format!("more than {SHARDS_MAX} shards: take fewer")));
    }
    if LISTENERS_MAX < needs.listeners.len() + needs.control.remote.len() {
        let what = format!("more than {LISTENERS_MAX} addresses to listen on: take fewer");
        return Err(io::Error::other(what));
    }
    let services: std::collections::BTreeSet<&str> =
        needs.pam.iter().map(|place| place.service.as_str()).collect();
    if SERVICES_MAX < services.len() {
        let what = format!("more than {SERVICES_MAX} services of PAM: take fewer");
        return Err(io::Error::other(what));
    }
    Ok(())
}

impl Drop for Examination {
    fn drop(&mut self) {
        self.life.kill();
        if let Life::Process(child) = &self.life {
            // It was killed, so that this takes no time; without it a zombie would stay.
            let _ = sys::poll::readable(child.fd(), Some(Duration::from_secs(1)));
            let _ = child.reap();
        }
    }
}

/// The text of a list of problems, for the log.
pub(crate) fn problems_text(sealed: &OwnedFd) -> String {
    match sys::mem::read_sealed(sealed.as_fd(), PROBLEMS_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(the problems cannot be shown: {error})"),
    }
}
