//! The worker's way to the logger process: one packet for the lines of one write.
//!
//! A packet is the number of the sink as u16, little-endian, and whole lines. With [`FACTS`] in its number, the facts
//! about the lines come before them, and their length as u32 before that. A packet for [`MESSAGES`] is lines of the error log,
//! which are only to be shown. The supervisor holds the other end too: what a logger process that dies has not read
//! waits there for the next one.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use sys::packet::{self, Wait};

use crate::batch::{BATCH_BYTES, FACTS_BYTES};

/// Bytes of the number before the lines.
pub(crate) const HEADER: usize = size_of::<u16>();
/// Bytes of the length of the facts.
pub(crate) const FACTS_HEADER: usize = size_of::<u32>();
/// Says that facts come with the lines. No sink has so high a number.
pub(crate) const FACTS: u16 = 1 << 15;
/// In place of the number of a sink: messages of the error log, to be shown to viewers. No sink has this number.
pub(crate) const MESSAGES: u16 = FACTS - 1;
/// Most bytes of a packet: a batch is one at most.
pub(crate) const PACKET_MAX: usize = HEADER + FACTS_HEADER + FACTS_BYTES + BATCH_BYTES;

/// Sends the lines of one sink.
pub(crate) struct Forward {
    /// All sinks of a worker share it.
    socket: Arc<OwnedFd>,
    number: u16,
    packet: Vec<u8>,
    /// About the lines of the next write.
    facts: Vec<u8>,
}

impl Forward {
    /// For the sink with this number.
    pub(crate) fn new(socket: Arc<OwnedFd>, number: u16) -> Self {
        Self { socket, number, packet: Vec::new(), facts: Vec::new() }
    }

    /// Takes the facts about the lines of the next write.
    pub(crate) fn tell(&mut self, facts: &[u8]) {
        self.facts.clear();
        self.facts.extend_from_slice(facts);
    }
}

impl Write for Forward {
    /// Whole lines go whole or not at all. Waits while the logger process has not read what came before: shards do
    /// not wait for that, they drop and count.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.packet.clear();
        if self.facts.is_empty() {
            self.packet.extend_from_slice(&self.number.to_le_bytes());
        } else {
            self.packet.extend_from_slice(&(self.number | FACTS).to_le_bytes());
            self.packet.extend_from_slice(&(self.facts.len() as u32).to_le_bytes());
            self.packet.append(&mut self.facts);
        }
        self.packet.extend_from_slice(lines);
        packet::send(self.socket.as_fd(), &self.packet, &[], Wait::Block)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
