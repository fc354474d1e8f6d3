//! The worker's way to the logger process: one packet for the lines of one write.
//!
//! A packet is the number of the sink as u16, the number of the packet as u64, both little-endian, and whole lines. With
//! [`FACTS`] in the number of the sink, the facts about the lines come before them, and their length as u32 before that. A
//! packet for [`MESSAGES`] is lines of the error log, to be shown and for the logs that want them; it has no number of its
//! own. The supervisor holds the other end too: what a logger process that dies has not read waits there for the next one,
//! which knows by the numbers what has been taken before.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use sys::packet::{self, Wait};

use crate::batch::{BATCH_BYTES, FACTS_BYTES, Lines};

/// Bytes before the lines.
pub(crate) const HEADER: usize = size_of::<u16>() + size_of::<u64>();
/// Bytes of the length of the facts.
pub(crate) const FACTS_HEADER: usize = size_of::<u32>();
/// Says that facts come with the lines. No sink has so high a number.
pub(crate) const FACTS: u16 = 1 << 15;
/// In place of the number of a sink: messages of the error log, to be shown to viewers. No sink has this number.
pub(crate) const MESSAGES: u16 = FACTS - 1;
/// Most bytes of a packet: a batch is one at most.
pub(crate) const PACKET_MAX: usize = HEADER + FACTS_HEADER + FACTS_BYTES + BATCH_BYTES;

/// What became of the lines that a worker has sent over its life: written + lost = handed over by the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines handed to the logger process.
    pub written: u64,
    /// Lines given up, because nobody is there to take them.
    pub lost: u64,
}

/// Sends the lines of all sinks of a worker.
pub(crate) struct Forward {
    socket: OwnedFd,
    /// Packets so far.
    count: u64,
    pub(crate) totals: Totals,
}

impl Forward {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, count: 0, totals: Totals::default() }
    }

    /// Sends whole lines, whole or not at all. Waits while the logger process has not read what came before: shards do
    /// not wait for that, they drop and count.
    pub(crate) fn send(&mut self, lines: &Lines<'_>) {
        let number = self.count + 1;
        let sink = (lines.sink.number() | FACTS).to_le_bytes();
        let facts_len = (lines.facts.len() as u32).to_le_bytes();
        let parts = [&sink[..], &number.to_le_bytes(), &facts_len, lines.facts, lines.bytes];
        match packet::send_parts(self.socket.as_fd(), &parts.map(IoSlice::new), Wait::Block) {
            Ok(()) => {
                self.count = number;
                self.totals.written += lines.count;
            }
            Err(error) => self.failed(lines.count, &error),
        }
    }

    /// The supervisor holds the other end, so that its end is near.
    fn failed(&mut self, lines: u64, error: &io::Error) {
        if self.totals.lost == 0 {
            log::error!("lines of the access logs are lost: {error}");
        }
        self.totals.lost += lines;
    }
}

/// The packet of a message of the error log.
pub(crate) fn message(line: &[u8]) -> Vec<u8> {
    [&MESSAGES.to_le_bytes()[..], &0_u64.to_le_bytes(), line].concat()
}

/// What a packet says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'p> {
    /// Number of the sink.
    pub(crate) sink: u16,
    /// Number of the packet.
    pub(crate) number: u64,
    /// About the lines, see [`crate::tail::facts`]; empty when nothing is known of them.
    pub(crate) facts: &'p [u8],
    pub(crate) lines: &'p [u8],
}

/// Reads a packet.
pub(crate) fn parse(packet: &[u8]) -> io::Result<Parsed<'_>> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let header = || {
        let (sink, rest) = packet.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        Some((u16::from_le_bytes(*sink), u64::from_le_bytes(*number), rest))
    };
    let (sink, number, rest) = header().ok_or_else(|| bad("a packet without a sink"))?;
    let (facts, lines) = match sink & FACTS {
        0 => (&rest[..0], rest),
        _ => split_facts(rest).ok_or_else(|| bad("a packet with fewer facts than it says"))?,
    };
    let parsed = Parsed { sink: sink & !FACTS, number, facts, lines };
    if parsed.lines.last() != Some(&b'\n') {
        return Err(bad("a packet that does not end with a line"));
    }
    Ok(parsed)
}

/// Facts and lines of a packet that has both.
fn split_facts(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = rest.split_first_chunk::<FACTS_HEADER>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_no_worker_sends() {
        for (bytes, wanted) in [
            (&b"\0"[..], "a packet without a sink"),
            (b"\0\0\0\0\0\0\0\0\0", "a packet without a sink"),
            (b"\0\0\0\0\0\0\0\0\0\0", "a packet that does not end with a line"),
            (b"\0\0\0\0\0\0\0\0\0\0line", "a packet that does not end with a line"),
            (b"\0\x80\0\0\0\0\0\0\0\0line\n", "a packet with fewer facts than it says"),
            (b"\0\x80\0\0\0\0\0\0\0\0\x01\0", "a packet with fewer facts than it says"),
        ] {
            assert_eq!(parse(bytes).unwrap_err().to_string(), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn a_packet_is_read_as_it_was_sent() {
        let (own, other) = packet::pair().unwrap();
        let mut forward = Forward::new(own);
        let sink = crate::SinkId::position(&[crate::Target::Stdout], &crate::Target::Stdout).unwrap();
        let mut buffer = vec![0; PACKET_MAX];
        for number in 1..3 {
            forward.send(&Lines { sink, bytes: b"a\nb\n", facts: b"what is known", count: 2 });
            let len = packet::peek(other.as_fd(), &mut buffer).unwrap();
            let wanted = Parsed { sink: 0, number, facts: b"what is known", lines: b"a\nb\n" };
            assert_eq!(parse(&buffer[..len]).unwrap(), wanted);
            assert_eq!(packet::peek(other.as_fd(), &mut buffer).unwrap(), len, "it is still there");
            packet::discard(other.as_fd()).unwrap();
        }
        drop(other);
        forward.send(&Lines { sink, bytes: b"a\n", facts: b"", count: 1 });
        assert_eq!(forward.totals, Totals { written: 4, lost: 1 });
    }
}
