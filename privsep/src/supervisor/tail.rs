//! The ring of lines that viewers read. The supervisor only holds it, so that it outlives loggers, workers and upgrades.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::broadcast::Memory;

use super::control::Id;
use super::reply::Reply;
use super::run::Supervisor;
use crate::message::ToLogger;
use crate::role::Role;

/// Bytes of lines that are kept for viewers.
const ROOM: usize = 4 * 1024 * 1024;

/// Generation of all who have only messages to say, among those that the logger hears. Workers count from 1.
const OWN_GENERATION: u32 = 0;

/// The ring, and the supervisor's own way to the logger, for its messages.
#[derive(Debug)]
pub(super) struct Tail {
    memory: Memory,
    /// For those who read.
    reading: OwnedFd,
    /// Where the logger hears the supervisor. What it has not read yet waits here.
    heard: OwnedFd,
    /// Where it hears those who have a way of their own, so that none of them can fill or close that of another.
    helpers: BTreeMap<Role, OwnedFd>,
}

impl Tail {
    fn new(memory: Memory) -> io::Result<(Self, OwnedFd)> {
        let (own, heard) = sys::packet::pair()?;
        let reading = memory.read_only_fd()?;
        Ok((Self { memory, reading, heard, helpers: BTreeMap::new() }, own))
    }

    /// For those who read.
    pub(super) fn reading(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
    }

    /// All of it, for the program that is to take over.
    pub(super) fn memory(&self) -> BorrowedFd<'_> {
        self.memory.fd()
    }
}

impl Supervisor<'_> {
    /// Makes an empty ring. Without one the server serves as well.
    pub(super) fn make_tail(&mut self) {
        if let Err(error) = Memory::create(ROOM).and_then(|memory| self.adopt_tail(memory)) {
            log::error!("there is no memory for live logs, and nobody can follow them: {error}");
        }
    }

    /// Takes over the ring of the program before this one.
    pub(super) fn inherit_tail(&mut self, memory: OwnedFd) -> io::Result<()> {
        self.adopt_tail(Memory::inherit(memory)?)
    }

    fn adopt_tail(&mut self, memory: Memory) -> io::Result<()> {
        let (tail, own) = Tail::new(memory)?;
        self.house.messages_by(own);
        self.tail = Some(tail);
        Ok(())
    }

    /// Tells a logger that was just started where to show what comes, and has it hear our messages.
    pub(super) fn tell_tail(&mut self) {
        if let Some(Tail { memory, heard, helpers, .. }) = &self.tail
            && self.logger.send(&ToLogger::Tail, &[memory.fd()])
        {
            for heard in std::iter::once(heard).chain(helpers.values()) {
                self.logger.send(&ToLogger::Producer { generation: OWN_GENERATION }, &[heard.as_fd()]);
            }
        }
    }

    /// A way to the logger for the messages of a process that is about to fill a role; none where nobody could see them.
    pub(super) fn way_for_messages(&mut self, role: Role) -> Option<OwnedFd> {
        let tail = self.tail.as_mut()?;
        let (own, heard) = sys::packet::pair()
            .inspect_err(|error| log::error!("messages of {role} are not among the live logs: {error}"))
            .ok()?;
        self.logger.send(&ToLogger::Producer { generation: OWN_GENERATION }, &[heard.as_fd()]);
        // What the one before has said has been heard, or goes with its end.
        tail.helpers.insert(role, heard);
        Some(own)
    }

    /// Somebody wants to follow the logs.
    pub(super) fn show_tail(&mut self, id: Id) {
        let remote = self.control.connection(id).is_some_and(|(.., origin)| origin.is_remote());
        let reading = self.tail.as_ref().map(|tail| tail.reading.try_clone());
        let reply = match reading {
            _ if remote => Reply::Refused(LOCAL_ONLY.to_owned()),
            Some(Ok(reading)) => Reply::Logs(reading),
            Some(Err(error)) => Reply::Refused(format!("the logs cannot be handed out: {error}")),
            None => Reply::Refused("there was no memory for live logs when the server began".to_owned()),
        };
        self.answer(id, reply);
    }

    /// Tells viewers that nothing will come any more.
    pub(super) fn end_tail(&self) {
        if let Some(tail) = &self.tail {
            tail.memory.end();
        }
    }
}

/// The ring is memory of this machine.
const LOCAL_ONLY: &str = "logs are followed on the machine of the server only: run `kimura logs` there, or use a \
                          location with \"comet\"";
