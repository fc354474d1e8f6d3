//! Messages as datagrams: over UDP, where nobody tells what arrives, and to a Unix socket, where the kernel does.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use sys::net::{self, Address};
use sys::poll;

use super::MESSAGE_MIN;
use super::message::Letterhead;
use crate::remote::wire::{late, left};
use crate::remote::{Patience, Undelivered, each_line};

/// How long the kernel is left alone when its buffers are full: it does not tell when they are not any more.
const PAUSE: Duration = Duration::from_millis(2);

pub(super) struct Datagrams {
    address: Address,
    patience: Patience,
    socket: Option<OwnedFd>,
}

impl Datagrams {
    pub(super) fn new(address: Address, patience: Patience) -> Self {
        Self { address, patience, socket: None }
    }

    pub(super) fn deliver(
        &mut self,
        letterhead: &mut Letterhead,
        first: u64,
        lines: &[u8],
    ) -> Result<(), Undelivered> {
        let deadline = Instant::now() + self.patience.answer;
        let (mut done, mut before, mut message) = (0, 0, Vec::new());
        for (number, line) in (first..).zip(each_line(lines)) {
            message.clear();
            letterhead.append(&mut message, number, line);
            while let Err(cause) = self.send(&message, deadline) {
                if net::is_too_large(&cause) && MESSAGE_MIN < message.len() {
                    // The network, or the receiver's socket, takes less than we were told.
                    letterhead.limit(message.len() / 2);
                    message.clear();
                    letterhead.append(&mut message, number, line);
                    continue;
                }
                // Over UDP a refusal is about the datagram before.
                let late = !self.is_local() && cause.kind() == ErrorKind::ConnectionRefused;
                let done = if late { before } else { done };
                return Err(Undelivered { done, cause });
            }
            before = done;
            done += line.len();
        }
        match self.refused() {
            Some(cause) => Err(Undelivered { done: before, cause }),
            None => Ok(()),
        }
    }

    fn send(&mut self, message: &[u8], deadline: Instant) -> io::Result<()> {
        let had = self.socket.is_some();
        match self.send_once(message, deadline) {
            // A Unix socket is a new one when its receiver has been started again.
            Err(cause)
                if had
                    && self.is_local()
                    && !net::is_too_large(&cause)
                    && cause.kind() != ErrorKind::TimedOut =>
            {
                self.send_once(message, deadline)
            }
            sent => sent,
        }
    }

    fn send_once(&mut self, message: &[u8], deadline: Instant) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => net::datagrams_to(&self.address)?,
        };
        let sent = send_within(&socket, message, deadline);
        let keep = sent.as_ref().err().is_none_or(net::is_too_large);
        self.socket = Some(socket).filter(|_| keep);
        sent
    }

    fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// What the network has said about the last datagram, if it has done so already.
    fn refused(&mut self) -> Option<io::Error> {
        let socket = self.socket.as_ref().filter(|_| !self.is_local())?;
        let cause = net::receive(socket.as_fd(), &mut [0]).err()?;
        (cause.kind() != ErrorKind::WouldBlock).then_some(cause)
    }
}

fn send_within(socket: &OwnedFd, message: &[u8], deadline: Instant) -> io::Result<()> {
    loop {
        let Err(cause) = net::send(socket.as_raw_fd(), message) else { return Ok(()) };
        let left = left(deadline).map_err(|_| late("it does not take datagrams"));
        if cause.kind() == ErrorKind::WouldBlock {
            poll::writable(socket.as_fd(), Some(left?))?;
        } else if net::is_out_of_buffers(&cause) {
            poll::readable(socket.as_fd(), Some(left?.min(PAUSE)))?;
        } else {
            return Err(cause);
        }
    }
}
