//! Receivers of lines that are reached by sockets: [`syslog`], [`journald`], [`gearman`].
//!
//! What is said to one and heard from it is made and read by pure functions (`message`, `entry`, `packet`); sockets are
//! beside them.

pub mod gearman;
pub mod journald;
pub mod syslog;
mod wire;

use std::io;
use std::time::Duration;

use crate::queue::newlines;

pub(crate) use crate::outlet::{Offer, Outlet, Undelivered};

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands, for each address of a server; with TLS its handshake has as long again.
    pub connect: Duration,
    /// Until what was offered at a time has been taken.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(10) }
    }
}

/// A receiver that is reached by a socket.
#[derive(Clone, Debug)]
pub enum Remote {
    /// One that speaks the syslog protocol.
    Syslog(syslog::Settings),
    /// The journal of systemd.
    Journald(journald::Settings),
    /// Servers of Gearman jobs.
    Gearman(gearman::Settings),
    /// None that can be used: why, in words.
    Unusable(String),
}

impl Remote {
    /// What delivers there. Nothing is connected yet.
    pub(crate) fn outlet(&self) -> Box<dyn Outlet> {
        match self.clone() {
            Self::Syslog(settings) => Box::new(syslog::Syslog::new(settings)),
            Self::Journald(settings) => Box::new(journald::Journald::new(settings)),
            Self::Gearman(settings) => Box::new(gearman::Gearman::new(settings)),
            Self::Unusable(why) => Box::new(Unusable(why)),
        }
    }

    /// Delivers there without a sink around it. Not part of the interface.
    #[doc(hidden)]
    #[must_use]
    pub fn courier(&self) -> Courier {
        Courier { outlet: self.outlet(), next: 0 }
    }
}

/// An outlet by itself, for tests against real receivers. Not part of the interface.
#[doc(hidden)]
pub struct Courier {
    outlet: Box<dyn Outlet>,
    /// The number of the next line.
    next: u64,
}

impl Courier {
    /// As a sink's thread does it.
    ///
    /// # Errors
    /// How many bytes were delivered, and why not more.
    pub fn deliver(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let delivered = self.outlet.deliver(Offer { queue: 0, first: self.next, lines });
        let done = delivered.as_ref().map_or_else(|undelivered| undelivered.done, |()| lines.len());
        self.next += newlines(&lines[..done]);
        delivered.map_err(|undelivered| (undelivered.done, undelivered.cause))
    }
}

/// Where nothing can be delivered.
struct Unusable(String);

impl Outlet for Unusable {
    fn deliver(&mut self, _: Offer<'_>) -> Result<(), Undelivered> {
        Err(Undelivered { done: 0, cause: error(io::ErrorKind::InvalidInput, self.0.clone()) })
    }
}

/// Each line of `lines`, its newline included.
fn each_line(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split_inclusive(|&byte| byte == b'\n')
}

/// What a peer has said, fit for a message of ours: one short line of what can be read.
fn quoted(words: &[u8]) -> String {
    /// More than that does not help anybody.
    const CHARACTERS_MAX: usize = 120;
    String::from_utf8_lossy(words).chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect()
}

fn error(kind: io::ErrorKind, why: impl Into<String>) -> io::Error {
    io::Error::new(kind, why.into())
}
