//! The logger process: takes what workers forward, and writes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use sys::packet::{self, Wait};

use crate::error::Error;
use crate::forward::{FACTS, FACTS_HEADER, HEADER, MESSAGES, PACKET_MAX};
use crate::logger::Totals;
use crate::sink::{Out, Sink, Target};
use crate::tail::Tail;

/// Packets that are taken from one worker before the others have their turn.
const TURN: usize = 64;

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

/// All sinks by their numbers.
pub struct Desk {
    sinks: BTreeMap<u16, Sink>,
    packet: Vec<u8>,
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
        Self { sinks: BTreeMap::new(), packet: vec![0; PACKET_MAX], tail: Tail::default(), unknown: 0 }
    }

    /// A file that somebody else has opened for appending, new or in place of the one with this number.
    pub fn file(&mut self, number: u16, name: &str, fd: OwnedFd) {
        self.place(number, name, File::from(fd));
    }

    /// One of the process's own standard streams.
    ///
    /// # Errors
    /// [`Error::Stream`] when the process has none.
    pub fn stream(&mut self, number: u16, target: &Target) -> Result<(), Error> {
        let file = target.open()?;
        self.place(number, &target.name(), file);
        Ok(())
    }

    /// The ring that viewers read: whatever comes is shown there from now on.
    ///
    /// # Errors
    /// `InvalidData` when `fd` is no such ring.
    pub fn tail(&mut self, fd: OwnedFd) -> io::Result<()> {
        self.tail.attach(fd)
    }

    fn place(&mut self, number: u16, name: &str, file: File) {
        match self.sinks.get_mut(&number) {
            Some(sink) => sink.replace(file),
            None => drop(self.sinks.insert(number, Sink::new(name.to_owned(), None, Out::File(file)))),
        }
    }

    /// Writes what has come from a worker.
    ///
    /// # Errors
    /// `InvalidData` for a packet that no worker sends: whoever sent it is not to be listened to any more. What
    /// reading a socket reports.
    pub fn read(&mut self, worker: BorrowedFd<'_>) -> io::Result<Fed> {
        for _ in 0..TURN {
            let len = match packet::receive(worker, &mut self.packet, 0, Wait::Never) {
                Ok(received) => received.len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Fed::Empty),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Fed::Closed),
                Err(error) => return Err(error),
            };
            if len == 0 {
                return Ok(Fed::Closed);
            }
            let Packet { number, facts, lines } = parse(&self.packet[..len])?;
            self.tail.show(number, facts, lines)?;
            match self.sinks.get_mut(&number) {
                Some(sink) => sink.write(lines),
                None if number == MESSAGES => {}
                None => self.unknown += lines.iter().filter(|&&byte| byte == b'\n').count() as u64,
            }
        }
        Ok(Fed::More)
    }

    /// What the sinks did so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let none = Totals { written: 0, lost: self.unknown };
        self.sinks.values().fold(none, |sum, sink| Totals {
            written: sum.written + sink.written,
            lost: sum.lost + sink.lost,
        })
    }
}

/// What a packet says.
#[derive(Debug)]
pub(crate) struct Packet<'p> {
    /// Of the sink.
    pub(crate) number: u16,
    /// About the lines; empty when nothing is known of them.
    pub(crate) facts: &'p [u8],
    /// Whole lines.
    pub(crate) lines: &'p [u8],
}

/// Takes a packet apart.
pub(crate) fn parse(packet: &[u8]) -> io::Result<Packet<'_>> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let (number, rest) =
        packet.split_first_chunk::<HEADER>().ok_or_else(|| bad("a packet without a sink"))?;
    let number = u16::from_le_bytes(*number);
    let (facts, lines) = if number & FACTS == 0 {
        (&rest[..0], rest)
    } else {
        let (len, rest) =
            rest.split_first_chunk::<FACTS_HEADER>().ok_or_else(|| bad("a packet without its facts"))?;
        rest.split_at_checked(u32::from_le_bytes(*len) as usize)
            .ok_or_else(|| bad("a packet with fewer facts than it says"))?
    };
    if lines.last() != Some(&b'\n') {
        return Err(bad("a packet that does not end with a line"));
    }
    Ok(Packet { number: number & !FACTS, facts, lines })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::{Format, Logger, Record, Sinks};

    const LINES: u64 = 20_000;

    fn file(folder: &tempfile::TempDir, name: &str) -> OwnedFd {
        File::options().append(true).create(true).open(folder.path().join(name)).unwrap().into()
    }

    /// Takes packets until `enough`, waiting for them.
    fn read_until(desk: &mut Desk, socket: &OwnedFd, enough: impl Fn(&Desk, Fed) -> bool) {
        loop {
            let fed = desk.read(socket.as_fd()).unwrap();
            if enough(desk, fed) {
                return;
            }
            if fed == Fed::Empty {
                sys::poll::readable(socket.as_fd(), None).unwrap();
            }
        }
    }

    #[test]
    fn lines_arrive_whole_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = packet::pair().unwrap();
        let target = Target::File("a".into());
        let logger = Logger::start(Sinks::forward(vec![Target::Stdout, target.clone()], own)).unwrap();
        let sink = logger.sink(&target).unwrap();
        let mut shard = logger.shard();
        let writer = std::thread::spawn(move || {
            for number in 0..LINES {
                let target = format!("/{number}");
                let record = Record { method: b"GET", target: target.as_bytes(), ..Record::default() };
                shard.write(sink, &Format::Common, &record);
                if number % 64 == 0 {
                    shard.tick();
                    std::thread::yield_now();
                }
            }
            drop(shard);
            logger.stop(std::time::Duration::from_secs(10)).unwrap()
        });
        let mut desk = Desk::new();
        desk.file(1, "a", file(&folder, "a"));
        read_until(&mut desk, &other, |_, fed| fed == Fed::Closed);
        // A shard does not wait, so that some may be missing; none that was handed over is.
        let totals = writer.join().unwrap();
        assert_eq!((desk.totals(), totals.lost), (totals, 0));
        let text = std::fs::read_to_string(folder.path().join("a")).unwrap();
        let number = |line: &str| line.split("GET /").nth(1)?.split(' ').next()?.parse::<u64>().ok();
        let numbers: Vec<u64> = text.lines().map(|line| number(line).unwrap()).collect();
        assert_eq!(numbers.len() as u64, totals.written);
        assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.first() == Some(&0));
    }

    #[test]
    fn a_desk_takes_over_from_another_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = packet::pair().unwrap();
        let target = Target::File("a".into());
        let logger = Logger::start(Sinks::forward(vec![target.clone()], own)).unwrap();
        let sink = logger.sink(&target).unwrap();
        let mut shard = logger.shard();
        let mut totals = 0;
        for _ in 0..3 {
            let mut desk = Desk::new();
            desk.file(0, "a", file(&folder, "a"));
            // One is read, the other waits for the next desk.
            for _ in 0..2 {
                shard.write(sink, &Format::Common, &Record::default());
                shard.tick();
            }
            read_until(&mut desk, &other, |desk, _| desk.totals().written >= 1);
            totals += desk.totals().written;
        }
        drop(shard);
        let at_worker = logger.stop(std::time::Duration::from_secs(10)).unwrap();
        let mut desk = Desk::new();
        desk.file(0, "a", file(&folder, "a"));
        read_until(&mut desk, &other, |_, fed| fed == Fed::Closed);
        assert_eq!((at_worker.written, at_worker.lost), (6, 0));
        assert_eq!(totals + desk.totals().written, 6);
    }

    #[test]
    fn packets_that_no_worker_sends() {
        for (bytes, wanted) in [
            (&b"\0"[..], "a packet without a sink"),
            (b"\0\0", "a packet that does not end with a line"),
            (b"\0\0line", "a packet that does not end with a line"),
            (&[b'\n'; PACKET_MAX + 1], "the packet is larger than allowed"),
        ] {
            let (own, other) = packet::pair().unwrap();
            packet::send(own.as_fd(), bytes, &[], Wait::Block).unwrap();
            assert_eq!(Desk::new().read(other.as_fd()).unwrap_err().to_string(), wanted);
        }
        let (own, other) = packet::pair().unwrap();
        packet::send(own.as_fd(), b"\0\0line\n", &[own.as_fd()], Wait::Block).unwrap();
        assert_eq!(
            Desk::new().read(other.as_fd()).unwrap_err().kind(),
            io::ErrorKind::InvalidData,
            "a descriptor"
        );
        let (own, other) = packet::pair().unwrap();
        for _ in 0..=TURN {
            packet::send(own.as_fd(), b"\0\0\n", &[], Wait::Block).unwrap();
        }
        assert_eq!(Desk::new().read(other.as_fd()).unwrap(), Fed::More, "others have their turn");
        let (own, other) = packet::pair().unwrap();
        packet::send(own.as_fd(), b"\x07\0a\nb\n", &[], Wait::Block).unwrap();
        let mut desk = Desk::new();
        assert_eq!(desk.read(other.as_fd()).unwrap(), Fed::Empty);
        assert_eq!(desk.totals(), Totals { written: 0, lost: 2 }, "a sink that nobody has named");
    }
}
