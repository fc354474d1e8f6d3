//! Syslog: RFC 5424 and the older shape of RFC 3164, over datagrams (RFC 5426, Unix sockets), TCP (RFC 6587) and TLS
//! (RFC 5425).
//!
//! Over TCP and TLS a line arrives at least once, over datagrams at most as well as the network and the receiver allow.
//! In the shape of RFC 5424 `meta sequenceId` tells a line that comes again.

mod datagrams;
mod message;
mod recent;
mod stream;

use std::net::SocketAddr;

use sys::net::Address;
use tls::ServerTrust;

use super::{Offer, Outlet, Patience, Undelivered};
use datagrams::Datagrams;
use message::Letterhead;
use stream::Stream;

/// Where messages go, and what stands in them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way to the receiver.
    pub transport: Transport,
    /// The head of each message.
    pub shape: Shape,
    /// How messages are told apart in a stream.
    pub framing: Framing,
    /// What kind of program they are from.
    pub facility: Facility,
    /// How urgent they are.
    pub severity: Severity,
    /// Name of the program: 1 to [`APP_NAME_MAX`] visible ASCII characters; others are replaced.
    pub app_name: String,
    /// Name of this machine: at most [`HOST_NAME_MAX`] visible ASCII characters; others are replaced.
    pub host_name: String,
    /// Most bytes of a message with its head, [`MESSAGE_MIN`] to [`MESSAGE_LIMIT`]: longer lines are clipped.
    pub message_max: usize,
    /// How long the receiver is waited for.
    pub patience: Patience,
}

/// RFC 5424 6.2.5.
pub const APP_NAME_MAX: usize = 48;
/// RFC 5424 6.2.4.
pub const HOST_NAME_MAX: usize = 255;
/// What every receiver takes, RFC 5424 6.1. The head has room in it with names of the greatest length.
pub const MESSAGE_MIN: usize = 480;
/// What fits a UDP datagram.
pub const MESSAGE_LIMIT: usize = 65_000;

/// The way to a receiver.
#[derive(Clone, Debug)]
pub enum Transport {
    /// UDP, or a Unix socket for datagrams.
    Datagrams(Address),
    /// TCP. The first address that answers is taken.
    Tcp(Vec<SocketAddr>),
    /// TLS over TCP.
    Tls {
        /// As for TCP.
        addresses: Vec<SocketAddr>,
        /// The name that the receiver's certificate must have.
        name: String,
        /// Who may vouch for it.
        trust: ServerTrust,
    },
}

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// RFC 5424, with `meta sequenceId`.
    Rfc5424,
    /// RFC 3164: the time in UTC, for no file of time zones is read here.
    Rfc3164,
    /// RFC 3164 without the name of the machine, as receivers on the same machine expect it.
    Local,
}

/// How messages are told apart in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The length goes before each: RFC 6587 3.4.1 and RFC 5425 4.3.
    Octets,
    /// A newline ends each: RFC 6587 3.4.2.
    Newline,
}

/// A kind of program by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// All of them by name, in the order of their numbers (RFC 5424 6.2.1).
    pub const NAMES: [&'static str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
        "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5",
        "local6", "local7",
    ];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        position(&Self::NAMES, name).map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// An urgency by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity(u8);

impl Severity {
    /// All of them by name, the most urgent one first (RFC 5424 6.2.1).
    pub const NAMES: [&'static str; 8] =
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        position(&Self::NAMES, name).map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

fn position(names: &[&str], name: &str) -> Option<u8> {
    let position = names.iter().position(|known| *known == name)?;
    u8::try_from(position).ok()
}

/// The outlet.
pub(super) struct Syslog {
    letterhead: Letterhead,
    way: Way,
}

enum Way {
    Datagrams(Datagrams),
    Stream(Box<Stream>),
}

impl Syslog {
    pub(super) fn new(settings: Settings) -> Self {
        let letterhead = Letterhead::new(&settings);
        let Settings { transport, framing, patience, .. } = settings;
        let way = match transport {
            Transport::Datagrams(address) => Way::Datagrams(Datagrams::new(address, patience)),
            Transport::Tcp(addresses) => {
                Way::Stream(Box::new(Stream::new(addresses, None, framing, patience)))
            }
            Transport::Tls { addresses, name, trust } => {
                Way::Stream(Box::new(Stream::new(addresses, Some((name, trust)), framing, patience)))
            }
        };
        Self { letterhead, way }
    }
}

impl Outlet for Syslog {
    fn deliver(&mut self, Offer { first, lines, .. }: Offer<'_>) -> Result<(), Undelivered> {
        self.letterhead.date(sys::clock::now_realtime_ms());
        match &mut self.way {
            Way::Datagrams(datagrams) => datagrams.deliver(&mut self.letterhead, first, lines),
            Way::Stream(stream) => {
                stream.deliver(&self.letterhead, first, lines).map_err(|cause| Undelivered { done: 0, cause })
            }
        }
    }
}
