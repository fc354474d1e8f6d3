//! What is logged, shown as it comes: a ring of lines in shared memory, which the logger process writes and any number
//! of viewers read, none of which costs it anything.
//!
//! A record of the ring is the number of the log as u16, little-endian, the [facts](Facts) about the line, and the line
//! itself without its newline.

pub(crate) mod facts;
mod filter;
mod object;

use std::io;
use std::os::fd::OwnedFd;

use sys::broadcast::{Reader, Writer};

use crate::forward::MESSAGES;
use facts::Told;
pub use facts::{Facts, HOST_MAX, Kind};
pub use filter::{BadFilter, Filter, TEXT_MAX, VALUES_MAX};

/// Bytes of lines, with what belongs to them, that a server keeps for its viewers.
pub const ROOM: usize = 4 * 1024 * 1024;

/// Most bytes of a line with what belongs to it: so many a viewer has room for, whatever somebody has written who was taken
/// over.
pub const RECORD_MAX: usize = 32 * 1024;

/// Bytes of the number of a log.
const NUMBER: usize = size_of::<u16>();

/// One line as viewers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'r> {
    /// The number of its log; without meaning for a message of the error log.
    pub log: u16,
    /// What it can be chosen by.
    pub facts: Facts<'r>,
    /// The line without its newline, as its format has made it.
    pub line: &'r [u8],
}

impl<'r> Entry<'r> {
    /// What a record of the ring says; `None` for what the logger does not write.
    #[must_use]
    pub fn parse(record: &'r [u8]) -> Option<Self> {
        let (log, rest) = record.split_first_chunk::<NUMBER>()?;
        let (facts, line) = Facts::parse(rest)?;
        Some(Self { log: u16::from_le_bytes(*log), facts, line })
    }

    /// Appends a JSON object on one line, whatever is in the entry: `id`, `kind` (`request` or `message`), `line`, and of
    /// a request `host`, `status` and `client`. `place` becomes the `id`.
    pub fn object(&self, out: &mut Vec<u8>, place: &str) {
        object::append(out, place, self);
    }
}

/// What viewers read.
///
/// # Errors
/// As [`Reader::open`].
pub fn open(ring: &OwnedFd) -> io::Result<Reader> {
    Reader::open(ring).map(|reader| reader.limited_to(RECORD_MAX))
}

/// The logger's end of the ring. Shows nothing as long as it has none.
#[derive(Default)]
pub(crate) struct Tail {
    writer: Option<Writer>,
}

impl Tail {
    pub(crate) fn attach(&mut self, fd: OwnedFd) -> io::Result<()> {
        self.writer = Some(Writer::attach(fd)?.limited_to(RECORD_MAX));
        Ok(())
    }

    /// Shows the lines of a packet.
    ///
    /// # Errors
    /// `InvalidData` when the facts are not about these lines.
    pub(crate) fn show(&mut self, number: u16, facts: &[u8], lines: &[u8]) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if facts.is_empty() {
            let kind = if number == MESSAGES { Kind::Message } else { Kind::Request };
            let mut facts = Vec::with_capacity(facts::LEN_MAX);
            Facts { kind, ..Facts::default() }.append(&mut facts);
            for line in lines.split_inclusive(|&byte| byte == b'\n') {
                append(writer, (number, &facts), line);
            }
        } else {
            for told in facts::lines(facts, lines) {
                let Told { kind, facts, line } = told?;
                // Whoever is not to see it does not.
                if kind != Kind::Hidden {
                    append(writer, (number, facts), line);
                }
            }
        }
        writer.publish();
        Ok(())
    }
}

fn append(writer: &mut Writer, (number, facts): (u16, &[u8]), line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    writer.append(&[&number.to_le_bytes(), facts, line]);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use sys::broadcast::{Memory, Next};

    use super::*;
    use crate::{Client, Format, Logger, Record, Showing, Target, desk::Desk};

    /// Writes these records by a shard, a thread and a desk, and gives back what viewers see.
    fn seen(records: &[Record<'_>]) -> Vec<(Kind, u16, String, String)> {
        let memory = Memory::create(ROOM).unwrap();
        let reader = open(&memory.read_only_fd().unwrap()).unwrap();
        let (own, other) = sys::packet::pair().unwrap();
        let target = Target::Stdout;
        let logger = Logger::start(vec![target.clone()], own).unwrap();
        let sink = logger.sink(&target).unwrap();
        let mut shard = logger.shard();
        records.iter().for_each(|record| shard.write(sink, &Format::Common, record));
        drop(shard);
        logger.stop(std::time::Duration::from_secs(10)).unwrap();
        let mut desk = Desk::new();
        desk.tail(memory.fd().try_clone_to_owned().unwrap()).unwrap();
        while desk.read(1, std::os::fd::AsFd::as_fd(&other)).unwrap() == crate::Fed::More {}
        let (mut cursor, mut record, mut seen) = (reader.oldest(), Vec::new(), Vec::new());
        while let Next::Record(_) = reader.next(&mut cursor, &mut record) {
            let Entry { facts, line, .. } = Entry::parse(&record).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let client = match facts.client {
                Client::Ip(address) => address.to_string(),
                Client::Local => "unix:".to_owned(),
            };
            assert!(text(line).starts_with(&client) && !line.ends_with(b"\n"), "{line:?}");
            seen.push((facts.kind, facts.status, text(facts.host), client));
        }
        seen
    }

    #[test]
    fn viewers_see_each_line_with_its_facts() {
        let of = |status, host: &'static str, client: &str| Record {
            status,
            host: host.as_bytes(),
            client: client.parse().map_or(Client::Local, |address: IpAddr| Client::Ip(address)),
            ..Record::default()
        };
        let records = [
            of(200, "a.example", "192.0.2.1"),
            Record { showing: Showing::Again, ..of(404, "b.example", "2001:db8::1") },
            Record { showing: Showing::Never, ..of(200, "a.example", "192.0.2.1") },
            of(0, "", ""),
        ];
        let wanted = [
            (Kind::Request, 200, "a.example", "192.0.2.1"),
            (Kind::Copy, 404, "b.example", "2001:db8::1"),
            (Kind::Request, 0, "", "unix:"),
        ];
        let wanted =
            wanted.map(|(kind, status, host, client)| (kind, status, host.to_owned(), client.to_owned()));
        assert_eq!(seen(&records), wanted);
    }

    #[test]
    fn lines_without_facts_and_messages_are_shown_too() {
        let memory = Memory::create(ROOM).unwrap();
        let reader = open(&memory.read_only_fd().unwrap()).unwrap();
        let mut tail = Tail::default();
        tail.show(1, b"", b"before there was a ring\n").unwrap();
        tail.attach(memory.fd().try_clone_to_owned().unwrap()).unwrap();
        tail.show(1, b"", b"one\ntwo\n").unwrap();
        tail.show(MESSAGES, b"", b"three\n").unwrap();
        assert_eq!(
            tail.show(1, b"\x05\0\xc8\0\x01\0\0", b"two\n").unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let (mut cursor, mut record, mut seen) = (reader.oldest(), Vec::new(), Vec::new());
        while let Next::Record(_) = reader.next(&mut cursor, &mut record) {
            let Entry { facts, line, .. } = Entry::parse(&record).unwrap();
            seen.push((facts.kind, line.to_vec()));
        }
        let wanted = [
            (Kind::Request, b"one".to_vec()),
            (Kind::Request, b"two".to_vec()),
            (Kind::Message, b"three".to_vec()),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn garbage_is_no_entry() {
        for record in [
            &b""[..],
            b"\0",
            b"\0\0\x01",
            b"\0\0\xc8\0\x09\0\0",
            b"\0\0\xc8\0\x01\x05\0",
            b"\0\0\xc8\0\x01\0\x05ab",
        ] {
            assert_eq!(Entry::parse(record), None, "{record:?}");
        }
    }
}
