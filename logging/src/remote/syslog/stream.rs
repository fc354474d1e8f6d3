//! Messages over TCP or TLS, at least once: what was not acknowledged is offered again, and so is what a receiver may not
//! have read before it ended.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;

use tls::ServerTrust;

use super::Framing;
use super::message::{Letterhead, frame};
use super::recent::Recent;
use crate::remote::Patience;
use crate::remote::wire::{Proof, Wire};

pub(super) struct Stream {
    addresses: Vec<SocketAddr>,
    proof: Option<(String, ServerTrust)>,
    framing: Framing,
    patience: Patience,
    wire: Option<Wire>,
    recent: Recent,
    /// When the last connection was seen to have ended, until there is another.
    lost: Option<Instant>,
}

impl Stream {
    pub(super) fn new(
        addresses: Vec<SocketAddr>,
        proof: Option<(String, ServerTrust)>,
        framing: Framing,
        patience: Patience,
    ) -> Self {
        Self { addresses, proof, framing, patience, wire: None, recent: Recent::default(), lost: None }
    }

    /// Delivers all of `lines`, or fails.
    pub(super) fn deliver(&mut self, letterhead: &Letterhead, first: u64, lines: &[u8]) -> io::Result<()> {
        let frames = frames(letterhead, self.framing, first, lines);
        // One that was restarted since is met by the first attempt: no outage, unless the second one fails as well.
        let had = self.wire.is_some();
        let sent = match self.send(&frames) {
            Err(cause) if had && cause.kind() != ErrorKind::TimedOut => self.send(&frames),
            sent => sent,
        };
        if sent.is_ok() {
            self.recent.keep(frames, Instant::now());
        }
        sent
    }

    fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.connect()?,
        };
        let deadline = Instant::now() + self.patience.answer;
        let sent = wire.hear(deadline).and_then(|()| wire.send_and_settle(frames, deadline));
        match sent {
            Ok(()) => self.wire = Some(wire),
            Err(_) => self.lost = Some(Instant::now()),
        }
        sent
    }

    fn connect(&mut self) -> io::Result<Wire> {
        let proof = self.proof.as_ref().map(|(name, trust)| Proof { name, trust });
        let mut wire = Wire::open(&self.addresses, proof.as_ref(), self.patience)?;
        if let Some(lost) = self.lost {
            wire.send_and_settle(&self.recent.all(lost), Instant::now() + self.patience.answer)?;
            self.lost = None;
        }
        Ok(wire)
    }
}

fn frames(letterhead: &Letterhead, framing: Framing, first: u64, lines: &[u8]) -> Vec<u8> {
    let (mut frames, mut message) = (Vec::with_capacity(lines.len() * 2), Vec::new());
    for (number, line) in (first..).zip(crate::remote::each_line(lines)) {
        message.clear();
        letterhead.append(&mut message, number, line);
        frame(&mut frames, &message, framing);
    }
    frames
}
