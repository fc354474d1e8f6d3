//! A helper process that is started again when it ends: auth or logger.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::backoff::Backoff;
use crate::link::{Link, LinkError, Received};
use crate::message::Message;
use crate::role::Role;
use crate::stage::{Life, Stage};

/// A place that is always filled, or about to be.
#[derive(Debug)]
pub(crate) struct Post<Tx, Rx> {
    role: Role,
    holder: Option<Holder<Tx, Rx>>,
    backoff: Backoff,
    due: Instant,
}

/// Who fills it.
#[derive(Debug)]
struct Holder<Tx, Rx> {
    life: Life,
    link: Link<Tx, Rx>,
    begun: Instant,
}

impl<Tx: Message, Rx: Message> Post<Tx, Rx> {
    /// Not filled yet.
    pub(crate) fn new(role: Role) -> Self {
        Self { role, holder: None, backoff: Backoff::default(), due: Instant::now() }
    }

    /// When to fill it; none while it is.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.holder.is_none().then_some(self.due)
    }

    /// Whether somebody fills it.
    pub(crate) fn is_filled(&self) -> bool {
        self.holder.is_some()
    }

    /// Process id of who fills it; 0 for a thread.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.holder.as_ref().map(|holder| holder.life.pid())
    }

    /// Fills it, with `greeting` as the first words.
    pub(crate) fn fill(
        &mut self,
        stage: &Stage,
        errors: Option<BorrowedFd<'_>>,
        greeting: impl FnOnce(&Link<Tx, Rx>) -> Result<(), LinkError>,
    ) {
        let begun = Instant::now();
        match stage.start(self.role, errors) {
            Ok((life, link)) => {
                let greeted = greeting(&link);
                self.holder = Some(Holder { life, link, begun });
                if let Err(error) = greeted {
                    log::error!("{} cannot be started: {error}", self.role);
                    self.dismiss();
                }
            }
            Err(error) => {
                self.due = begun + self.backoff.pause(std::time::Duration::ZERO).max(MIN);
                log::error!("{} cannot be started: {error}", self.role);
            }
        }
    }

    /// To be polled: the link, and the life of a process.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.holder.iter().flat_map(|holder| std::iter::once(holder.link.fd()).chain(holder.life.fd()))
    }

    /// Sends, if somebody is there. Whoever does not read is replaced.
    pub(crate) fn send(&mut self, message: &Tx, descriptors: &[BorrowedFd<'_>]) -> bool {
        let Some(holder) = &self.holder else { return false };
        match holder.link.send(message, descriptors) {
            Ok(()) => true,
            Err(error) => {
                log::error!("{}: {error}; it is started again", self.role);
                self.dismiss();
                false
            }
        }
    }

    /// The next message. Whoever sends something else is replaced.
    pub(crate) fn receive(&mut self) -> Option<Rx> {
        self.receive_whole().map(|(message, _)| message)
    }

    /// The same, with what the message comes with.
    pub(crate) fn receive_whole(&mut self) -> Option<Received<Rx>> {
        match self.holder.as_ref()?.link.receive() {
            Ok(received) => received,
            Err(LinkError::Closed) => {
                self.dismiss();
                None
            }
            Err(error) => {
                log::error!("{} sent what it may not: {error}; it is started again", self.role);
                self.dismiss();
                None
            }
        }
    }

    /// Ends whoever is there; the post falls due.
    pub(crate) fn dismiss(&mut self) {
        let Some(mut holder) = self.holder.take() else { return };
        holder.life.kill();
        drop(holder.link);
        let how = match &mut holder.life {
            Life::Process(child) => {
                // It was killed, so that this takes no time; without it a zombie would stay.
                let _ = sys::poll::readable(child.fd(), Some(std::time::Duration::from_secs(1)));
                holder.life.ended().unwrap_or_else(|| "no end yet".to_owned())
            }
            Life::Thread(_) => "closed link".to_owned(),
        };
        let pause = self.backoff.pause(holder.begun.elapsed());
        log::error!("{} has ended ({how}); it is started again in {} s", self.role, pause.as_secs_f32());
        self.due = Instant::now() + pause;
    }

    /// Gives whoever is there into other hands; the post falls due at once.
    pub(crate) fn release(&mut self) -> Option<(Life, Link<Tx, Rx>)> {
        let Holder { life, link, .. } = self.holder.take()?;
        self.due = Instant::now();
        Some((life, link))
    }

    /// Ends whoever is there, to be replaced at once, which nobody needs to be told.
    pub(crate) fn dismiss_quietly(&mut self) {
        self.close();
        self.due = Instant::now();
    }

    /// Ends whoever is there, for good, when its link is closed.
    pub(crate) fn close(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            drop(holder.link);
            if let Some(fd) = holder.life.fd() {
                let _ = sys::poll::readable(fd, Some(CLOSE_PATIENCE));
            }
            holder.life.kill();
            if let Some(fd) = holder.life.fd() {
                let _ = sys::poll::readable(fd, Some(CLOSE_PATIENCE));
            }
            let _ = holder.life.ended();
        }
    }
}

/// Shortest pause when the system has no room for another process.
const MIN: std::time::Duration = std::time::Duration::from_millis(200);
/// How long one may take to end after its link was closed.
const CLOSE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
