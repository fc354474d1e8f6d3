//! The worker's way to the logger process: one packet for the lines of one write.
//!
//! A packet is the number of the sink as u16, little-endian, and whole lines.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use sys::packet::{self, Wait};

use crate::batch::BATCH_BYTES;

/// Bytes of the number before the lines.
pub(crate) const HEADER: usize = size_of::<u16>();
/// Most bytes of a packet: a batch is one at most.
pub(crate) const PACKET_MAX: usize = HEADER + BATCH_BYTES;

/// The socket that all sinks of a worker share. Only the logger thread uses it.
#[derive(Clone)]
pub(crate) struct Way(Arc<Mutex<OwnedFd>>);

impl Way {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    /// Another socket, to another logger process.
    pub(crate) fn replace(&self, socket: OwnedFd) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }
}

/// Sends the lines of one sink.
pub(crate) struct Forward {
    way: Way,
    packet: Vec<u8>,
}

impl Forward {
    /// For the sink with this number.
    pub(crate) fn new(way: Way, number: u16) -> Self {
        Self { way, packet: number.to_le_bytes().to_vec() }
    }
}

impl Write for Forward {
    /// Whole lines go whole or not at all. Waits while the logger process has not read what came before: shards do
    /// not wait for that, they drop and count.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.packet.truncate(HEADER);
        self.packet.extend_from_slice(lines);
        let socket = self.way.0.lock().unwrap_or_else(PoisonError::into_inner);
        packet::send(socket.as_fd(), &self.packet, &[], Wait::Block)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
