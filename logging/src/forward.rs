//! The worker's way to the logger process: one packet for the lines of one write.
//!
//! A packet is the number of the sink as u16, the number of the packet as u64, both little-endian, and whole lines. The
//! supervisor holds the other end too: what a logger process that dies has not read waits there for the next one, which
//! knows by the numbers what has been taken before.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use sys::packet::{self, Wait};

use crate::batch::BATCH_BYTES;
use crate::queue::newlines;
use crate::sink::SinkId;

/// Bytes before the lines.
pub(crate) const HEADER: usize = size_of::<u16>() + size_of::<u64>();
/// Most bytes of a packet: a batch is one at most.
pub(crate) const PACKET_MAX: usize = HEADER + BATCH_BYTES;

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
    packet: Vec<u8>,
    /// Packets so far.
    count: u64,
    pub(crate) totals: Totals,
}

impl Forward {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, packet: Vec::with_capacity(PACKET_MAX), count: 0, totals: Totals::default() }
    }

    /// Sends whole lines, whole or not at all. Waits while the logger process has not read what came before: shards do
    /// not wait for that, they drop and count.
    pub(crate) fn send(&mut self, sink: SinkId, lines: &[u8]) {
        let number = self.count + 1;
        self.packet.clear();
        self.packet.extend_from_slice(&sink.number().to_le_bytes());
        self.packet.extend_from_slice(&number.to_le_bytes());
        self.packet.extend_from_slice(lines);
        let count = newlines(lines);
        match packet::send(self.socket.as_fd(), &self.packet, &[], Wait::Block) {
            Ok(()) => {
                self.count = number;
                self.totals.written += count;
            }
            Err(error) => self.failed(count, &error),
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

/// What a packet says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'p> {
    /// Number of the sink.
    pub(crate) sink: u16,
    /// Number of the packet.
    pub(crate) number: u64,
    pub(crate) lines: &'p [u8],
}

/// Reads a packet.
pub(crate) fn parse(packet: &[u8]) -> io::Result<Parsed<'_>> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let header = || {
        let (sink, rest) = packet.split_first_chunk()?;
        let (number, lines) = rest.split_first_chunk()?;
        Some(Parsed { sink: u16::from_le_bytes(*sink), number: u64::from_le_bytes(*number), lines })
    };
    let parsed = header().ok_or_else(|| bad("a packet without a sink"))?;
    if parsed.lines.last() != Some(&b'\n') {
        return Err(bad("a packet that does not end with a line"));
    }
    Ok(parsed)
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
        ] {
            assert_eq!(parse(bytes).unwrap_err().to_string(), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn a_packet_is_read_as_it_was_sent() {
        let (own, other) = packet::pair().unwrap();
        let mut forward = Forward::new(own);
        let sink = SinkId::position(&[crate::Target::Stdout], &crate::Target::Stdout).unwrap();
        let mut buffer = vec![0; PACKET_MAX];
        for number in 1..3 {
            forward.send(sink, b"a\nb\n");
            let len = packet::peek(other.as_fd(), &mut buffer).unwrap();
            let wanted = Parsed { sink: 0, number, lines: b"a\nb\n" };
            assert_eq!(parse(&buffer[..len]).unwrap(), wanted);
            assert_eq!(packet::peek(other.as_fd(), &mut buffer).unwrap(), len, "it is still there");
            packet::discard(other.as_fd()).unwrap();
        }
        drop(other);
        forward.send(sink, b"a\n");
        assert_eq!(forward.totals, Totals { written: 4, lost: 1 });
    }
}
