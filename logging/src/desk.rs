//! The logger process: takes what workers send into the queues of the logs, from where their threads deliver it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use sys::packet;

use crate::courier::{self, Start};
use crate::error::Error;
use crate::forward::{MESSAGES, PACKET_MAX, Parsed, parse};
use crate::notice::Notices;
use crate::outlet::{FileOutlet, Outlet, StreamOutlet};
use crate::queue::{Packet, Queue, Replacement, Storage, newlines};
use crate::remote::Remote;
use crate::rotation::Plan;
use crate::sink::Target;
use crate::tail::Tail;

/// Packets that are taken from one worker before the others have their turn.
const TURN: usize = 64;

/// Generation of those who have only messages to show: workers count from 1.
pub const MESSAGES_GENERATION: u32 = 0;

/// What a look at a worker's socket has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// There may be more.
    More,
    /// Nothing is left for now.
    Empty,
    /// The worker has ended.
    Closed,
}

/// What goes to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// The lines of requests that name it.
    Requests,
    /// Messages of the error log beside these.
    Messages,
}

/// All sinks by their numbers.
pub struct Desk {
    queues: BTreeMap<u16, Arc<Queue>>,
    /// Those of them that get messages of the error log, too.
    hearers: BTreeSet<u16>,
    /// Every courier holds a sender.
    couriers: (Sender<()>, Receiver<()>),
    packet: Vec<u8>,
    /// Where couriers say what others have to do.
    notices: Option<Notices>,
    /// Files that lines went to before, of logs that are still to be placed.
    before: BTreeMap<u16, Vec<Box<dyn Outlet>>>,
    /// What is to be known of the next file of a log.
    plans: BTreeMap<u16, Plan>,
    /// Where viewers see what comes.
    tail: Tail,
    /// Lines for sinks that nobody has named.
    unknown: u64,
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

impl Desk {
    /// Without sinks.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queues: BTreeMap::new(),
            hearers: BTreeSet::new(),
            couriers: bounded(0),
            packet: vec![0; PACKET_MAX],
            notices: None,
            before: BTreeMap::new(),
            plans: BTreeMap::new(),
            tail: Tail::default(),
            unknown: 0,
        }
    }

    /// Its couriers say to `notices` what others have to do.
    #[must_use]
    pub fn with(notices: Notices) -> Self {
        Self { notices: Some(notices), ..Self::new() }
    }

    /// What is to be known of the file that comes next for this number.
    pub fn plan(&mut self, number: u16, plan: Plan) {
        self.plans.insert(number, plan);
    }

    /// A file that lines went to before the one that comes for this number: what a process that was killed had begun
    /// there is ended there.
    pub fn before(&mut self, number: u16, fd: OwnedFd) {
        self.before.entry(number).or_default().push(Box::new(FileOutlet(fd.into())));
    }

    /// A file that somebody else has opened for appending, new or in place of the one with this number. What waits is in
    /// `storage`.
    ///
    /// # Errors
    /// [`Error::Queue`] for memory that cannot be used, [`Error::Thread`].
    pub fn file(
        &mut self,
        number: u16,
        name: &str,
        fd: OwnedFd,
        storage: impl Into<Storage>,
    ) -> Result<(), Error> {
        self.place(number, name, Box::new(FileOutlet(fd.into())), storage)
    }

    /// One of the process's own standard streams.
    ///
    /// # Errors
    /// [`Error::Stream`] when the process has none, and those of [`Desk::file`].
    pub fn stream(&mut self, number: u16, target: &Target, storage: impl Into<Storage>) -> Result<(), Error> {
        self.place(number, &target.name(), Box::new(StreamOutlet(target.open()?)), storage)
    }

    /// A receiver that is reached by a socket, new or in place of the one with this number.
    ///
    /// # Errors
    /// As for [`Desk::file`].
    pub fn remote(
        &mut self,
        number: u16,
        name: &str,
        remote: &Remote,
        storage: impl Into<Storage>,
    ) -> Result<(), Error> {
        self.place(number, name, remote.outlet(), storage)
    }

    /// What goes to the sink with this number from now on.
    pub fn hear(&mut self, number: u16, hears: Hears) {
        match hears {
            Hears::Requests => self.hearers.remove(&number),
            Hears::Messages => self.hearers.insert(number),
        };
    }

    /// The ring that viewers read: whatever comes is shown there from now on.
    ///
    /// # Errors
    /// `InvalidData` when `fd` is no such ring.
    pub fn tail(&mut self, fd: OwnedFd) -> io::Result<()> {
        self.tail.attach(fd)
    }

    fn queues_of_messages(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.hearers.iter().filter_map(|number| self.queues.get(number))
    }

    fn place(
        &mut self,
        number: u16,
        name: &str,
        outlet: Box<dyn Outlet>,
        storage: impl Into<Storage>,
    ) -> Result<(), Error> {
        let replacement = Replacement { outlet, plan: self.plans.remove(&number).unwrap_or_default() };
        let before = self.before.remove(&number).unwrap_or_default();
        if let Some(queue) = self.queues.get(&number) {
            queue.replace(replacement);
            return Ok(());
        }
        let queue = Arc::new(Queue::open(storage)?);
        let start = Start {
            name: name.to_owned(),
            number,
            queue: Arc::clone(&queue),
            first: replacement,
            before,
            notices: self.notices.clone(),
        };
        courier::start(start, self.couriers.0.clone())?;
        self.queues.insert(number, queue);
        Ok(())
    }

    /// Takes what has come from the worker of this generation. A packet stays in the socket until it is in a queue.
    ///
    /// # Errors
    /// `InvalidData` for a packet that no worker sends: whoever sent it is not to be listened to any more. What
    /// reading a socket reports.
    pub fn read(&mut self, generation: u32, worker: BorrowedFd<'_>) -> io::Result<Fed> {
        for _ in 0..TURN {
            let len = match packet::peek(worker, &mut self.packet) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Fed::Empty),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Fed::Closed),
                Err(error) => return Err(error),
            };
            if len == 0 {
                return Ok(Fed::Closed);
            }
            let Parsed { sink, number, facts, lines } = parse(&self.packet[..len])?;
            if generation == MESSAGES_GENERATION && sink != MESSAGES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "lines of one who serves nobody"));
            }
            match self.queues.get(&sink) {
                Some(queue) => queue.take(Packet { generation, number }, lines),
                None if sink == MESSAGES => self.queues_of_messages().for_each(|queue| queue.add(lines)),
                None => self.unknown += newlines(lines),
            }
            // Whoever dies here leaves the packet where it is: its successor shows it, maybe again, and messages may come to a
            // log a second time.
            self.tail.show(sink, facts, lines)?;
            packet::discard(worker)?;
        }
        Ok(Fed::More)
    }

    /// Lines for sinks that nobody has named: a worker with a mistake.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Lines that a worker has sent.
    #[must_use]
    pub fn lines_of(&self, generation: u32) -> u64 {
        self.queues.values().map(|queue| queue.lines_of(generation)).sum()
    }

    /// What has become of all lines.
    #[must_use]
    pub fn tally(&self) -> perf::Tally {
        self.queues.values().fold(perf::Tally::default(), |sum, queue| sum.and(queue.tally()))
    }

    /// Ends when all is delivered, or after `patience`: what waits then stays in its memory.
    pub fn finish(self, patience: Duration) {
        let end = Instant::now() + patience;
        self.queues.values().for_each(|queue| queue.finish(end));
        let (own, others) = self.couriers;
        drop(own);
        // Nobody sends: it is over when all are gone. One that a device keeps does not keep the process.
        let _ = others.recv_deadline(end + GRACE);
    }
}

/// Time that a thread may take beyond the end to see that it has come.
const GRACE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use sys::packet::Wait;

    #[test]
    fn what_no_worker_sends_is_not_taken() {
        let (own, other) = packet::pair().unwrap();
        packet::send(own.as_fd(), &[b'\n'; PACKET_MAX + 1], &[], Wait::Block).unwrap();
        let error = Desk::new().read(1, other.as_fd()).unwrap_err();
        assert_eq!(error.to_string(), "the packet is larger than allowed");
        let (own, other) = packet::pair().unwrap();
        packet::send(own.as_fd(), &[b'\n'; 11], &[], Wait::Block).unwrap();
        let error = Desk::new().read(MESSAGES_GENERATION, other.as_fd()).unwrap_err();
        assert_eq!(error.to_string(), "lines of one who serves nobody");
        let (own, other) = packet::pair().unwrap();
        packet::send(own.as_fd(), &crate::forward::message(b"said\n"), &[], Wait::Block).unwrap();
        assert_eq!(Desk::new().read(MESSAGES_GENERATION, other.as_fd()).unwrap(), Fed::Empty);
        let (own, other) = packet::pair().unwrap();
        packet::send(own.as_fd(), &[b'\n'; 20], &[own.as_fd()], Wait::Block).unwrap();
        let error = Desk::new().read(1, other.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "a descriptor");
    }

    #[test]
    fn messages_go_to_the_logs_that_want_them() {
        let (own, other) = packet::pair().unwrap();
        let mut desk = Desk::new();
        let folder = tempfile::tempdir().unwrap();
        let paths = ["requests", "both"].map(|name| folder.path().join(name));
        for (number, path) in paths.iter().enumerate() {
            let file = std::fs::File::options().append(true).create(true).open(path).unwrap();
            let cells = sys::mem::Cells::create("test", crate::cells_for(1 << 18)).unwrap();
            desk.file(number as u16, "a log", file.into(), cells).unwrap();
        }
        let send = |desk: &mut Desk, text: &str| {
            let message = crate::forward::message(text.as_bytes());
            packet::send(own.as_fd(), &message, &[], Wait::Block).unwrap();
            assert_eq!(desk.read(MESSAGES_GENERATION, other.as_fd()).unwrap(), Fed::Empty);
        };
        send(&mut desk, "before\n");
        desk.hear(1, Hears::Messages);
        // Alike and without numbers: each is one of its own.
        send(&mut desk, "said\n");
        send(&mut desk, "said\n");
        // Workers say something, too, between their lines.
        let lines = |number: u64| [&1_u16.to_le_bytes()[..], &number.to_le_bytes(), b"a line\n"].concat();
        let said = crate::forward::message(b"by a worker\n");
        for packet in [lines(1), said, lines(1), lines(2)] {
            packet::send(own.as_fd(), &packet, &[], Wait::Block).unwrap();
        }
        assert_eq!(desk.read(1, other.as_fd()).unwrap(), Fed::Empty);
        assert_eq!(desk.lines_of(1), 2);
        desk.hear(1, Hears::Requests);
        send(&mut desk, "after\n");
        let tally = desk.tally();
        assert_eq!((tally.taken, tally.messages, tally.even()), (5, 3, true));
        desk.finish(Duration::from_secs(20));
        let texts = paths.map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(texts, ["", "said\nsaid\na line\nby a worker\na line\n"]);
    }

    #[test]
    fn every_worker_has_its_turn() {
        let (own, other) = packet::pair().unwrap();
        let mut desk = Desk::new();
        for _ in 0..=TURN {
            packet::send(own.as_fd(), &[b'\n'; 11], &[], Wait::Block).unwrap();
        }
        assert_eq!(desk.read(1, other.as_fd()).unwrap(), Fed::More);
        assert_eq!(desk.read(1, other.as_fd()).unwrap(), Fed::Empty);
        assert_eq!(desk.unknown(), TURN as u64 + 1, "of a sink that nobody has named");
        drop(own);
        assert_eq!(desk.read(1, other.as_fd()).unwrap(), Fed::Closed);
    }
}
