//! The worker's way to the logger process: one packet for the lines of one write.
//!
//! A packet is the number of the sink as u16, little-endian, and whole lines. The supervisor holds the other end too:
//! what a logger process that dies has not read waits there for the next one.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use sys::packet::{self, Wait};

use crate::batch::BATCH_BYTES;

/// Bytes of the number before the lines.
pub(crate) const HEADER: usize = size_of::<u16>();
/// Most bytes of a packet: a batch is one at most.
pub(crate) const PACKET_MAX: usize = HEADER + BATCH_BYTES;

/// Sends the lines of one sink.
pub(crate) struct Forward {
    /// All sinks of a worker share it.
    socket: Arc<OwnedFd>,
    packet: Vec<u8>,
}

impl Forward {
    /// For the sink with this number.
    pub(crate) fn new(socket: Arc<OwnedFd>, number: u16) -> Self {
        Self { socket, packet: number.to_le_bytes().to_vec() }
    }
}

impl Write for Forward {
    /// Whole lines go whole or not at all. Waits while the logger process has not read what came before: shards do
    /// not wait for that, they drop and count.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.packet.truncate(HEADER);
        self.packet.extend_from_slice(lines);
        packet::send(self.socket.as_fd(), &self.packet, &[], Wait::Block)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
