//! The agent, which ends TLS of control connections from elsewhere: started where the configuration asks for it, replaced
//! when what it was told changes, and let go without cutting off whom it still answers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use sys::spawn::{Child, Legacy};
use zeroize::Zeroizing;

use super::post::Post;
use super::run::{Supervisor, TURN};
use crate::link::Link;
use crate::message::{FromAgent, KeptProcess, State, ToAgent};
use crate::role::Role;
use crate::stage::Life;

/// How long an agent may take to answer whoever is there, once it has been replaced. A reload may wait for a new worker.
const LEAVE_PATIENCE: Duration = Duration::from_secs(120);
/// The same at the end of the server, when all commands are answered.
const END_PATIENCE: Duration = Duration::from_secs(3);
/// Most agents that have been replaced and are there still.
const LEAVING_MAX: usize = 4;
/// Most bytes of an address, as the agent writes it.
const FROM_MAX: usize = 64;
/// Most bytes of its files.
const FILES_MAX: usize = 64 << 20;

/// The agent, and those before it.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) post: Post<ToAgent, FromAgent>,
    leaving: Vec<Leaving>,
}

/// One that was replaced.
#[derive(Debug)]
struct Leaving {
    life: Life,
    /// None for one that the program before this one has started: its end of the link is closed.
    link: Option<Link<ToAgent, FromAgent>>,
    until: Instant,
}

impl Agent {
    pub(crate) fn new() -> Self {
        Self { post: Post::new(Role::Agent), leaving: Vec::new() }
    }

    /// To be polled: the link and the life of the one that is there, and the ends of the others.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let leaving = self.leaving.iter();
        self.post.fds().chain(leaving.filter_map(Leaving::end))
    }

    /// When one that was replaced is ended.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.leaving.iter().map(|leaving| leaving.until).min()
    }

    /// Has the one that is there answer whom it has, and end; another can be started at once.
    pub(crate) fn retire(&mut self) {
        let Some((life, link)) = self.post.release() else { return };
        if LEAVING_MAX <= self.leaving.len() {
            self.leaving.remove(0).kill();
        }
        // Whoever cannot be told is about to end.
        let _ = link.send(&ToAgent::Leave, &[]);
        self.leaving.push(Leaving { life, link: Some(link), until: Instant::now() + LEAVE_PATIENCE });
    }

    /// Lets go of those whose end or time has come.
    fn look_after_leaving(&mut self, now: Instant) {
        for leaving in self.leaving.extract_if(.., |leaving| leaving.until <= now || leaving.has_ended()) {
            leaving.kill();
        }
    }

    /// Waits for the last answers, and ends all.
    pub(crate) fn close(&mut self) {
        self.retire();
        let until = Instant::now() + END_PATIENCE;
        for leaving in self.leaving.drain(..) {
            let left = until.saturating_duration_since(Instant::now());
            if let Some(end) = leaving.end() {
                // What it says meanwhile does not matter, but that it is said is not its end.
                while let Some(Ok(Some(_))) = leaving.link.as_ref().map(Link::receive) {}
                let _ = sys::poll::readable(end, Some(left));
            }
            leaving.kill();
        }
    }

    /// What a successor has to know of the processes.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.leaving.iter().filter_map(|leaving| Some((leaving.life.pid(), leaving.life.fd()?)))
    }

    /// Those that the program before this one has started. They have lost their link, and end by themselves.
    pub(crate) fn inherit(&mut self, state: &State, legacy: &mut Legacy) -> io::Result<()> {
        for KeptProcess { pid, process } in &state.leaving {
            let life = Life::Process(Child::from_fd(*pid, legacy.take(*process)?));
            self.leaving.push(Leaving { life, link: None, until: Instant::now() + LEAVE_PATIENCE });
        }
        Ok(())
    }
}

impl Leaving {
    /// Readable when it has ended: the process, or the link of a thread.
    fn end(&self) -> Option<BorrowedFd<'_>> {
        self.life.fd().or_else(|| self.link.as_ref().map(Link::fd))
    }

    fn has_ended(&self) -> bool {
        self.end().is_none_or(|end| sys::poll::readable(end, Some(Duration::ZERO)).unwrap_or(true))
    }

    fn kill(mut self) {
        self.life.kill();
        drop(self.link);
        if let Some(fd) = self.life.fd() {
            // It was killed, so that this takes no time; without it a zombie would stay.
            let _ = sys::poll::readable(fd, Some(Duration::from_secs(1)));
        }
        let _ = self.life.ended();
    }
}

impl Supervisor<'_> {
    /// Starts the agent where it is missing, and lets go of those before it.
    pub(super) fn look_after_agent(&mut self, now: Instant) {
        self.agent.look_after_leaving(now);
        let wanted = self.has_remote() && !self.is_ending();
        if !wanted || self.agent.post.due().is_none_or(|due| now < due) {
            return;
        }
        let (hello, way) = (self.hello(), self.way_for_messages(Role::Agent));
        let errors = self.errors.as_ref().map(AsFd::as_fd);
        let (files, doors) = (&self.deployment.files.agent, &self.estate.doors);
        self.agent.post.fill(&self.stage, errors, |link| {
            link.send(&ToAgent::Hello { hello }, &[])?;
            way.iter().try_for_each(|way| link.send(&ToAgent::Messages, &[way.as_fd()]))?;
            link.send(&ToAgent::Files, &[files.as_fd()])?;
            doors.sockets().try_for_each(|socket| link.send(&ToAgent::Listen, &[socket]))
        });
    }

    /// When the agent is to be started, or one before it to be ended.
    pub(super) fn agent_due(&self) -> Option<Instant> {
        let start = self.agent.post.due().filter(|_| self.has_remote() && !self.is_ending());
        start.into_iter().chain(self.agent.due()).min()
    }

    fn has_remote(&self) -> bool {
        !self.deployment.needs.control.remote.is_empty()
    }

    /// Something came from the agent, or one before it has ended.
    pub(super) fn on_agent(&mut self) {
        for _ in 0..TURN {
            let Some((FromAgent::Connection { from }, descriptors)) = self.agent.post.receive_whole() else {
                return;
            };
            let Some(socket) = descriptors.into_iter().next() else { return };
            if FROM_MAX < from.len() || !sys::packet::is_end(socket.as_fd()) {
                log::error!("the agent hands over what is no connection; it is started again");
                return self.agent.post.dismiss();
            }
            self.control.take_remote(socket, from);
        }
    }

    /// Has another agent begin if this one was told something else than what is in force now.
    pub(super) fn renew_agent(&mut self, old: &super::Deployment) {
        let same = old.needs.control.remote == self.deployment.needs.control.remote
            && same_bytes(&old.files.agent, &self.deployment.files.agent)
            && old.needs.user == self.deployment.needs.user
            && old.needs.group == self.deployment.needs.group
            && old.needs.sandbox == self.deployment.needs.sandbox;
        if !same {
            self.agent.retire();
        }
    }
}

fn same_bytes(one: &OwnedFd, other: &OwnedFd) -> bool {
    let read = |fd: &OwnedFd| sys::mem::read_sealed(fd.as_fd(), FILES_MAX).map(Zeroizing::new);
    matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}
