//! The facts of one exchange that a line can be made of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::details::{Details, Nothing};
use crate::number::hexadecimal;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A peer on the network.
    Ip(IpAddr),
    /// A peer on a Unix socket; it has no address of its own and is written `unix:`.
    Local,
}

/// Whether a line is shown to those who look at what is logged as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// Yes: the first line of its exchange.
    First,
    /// The same exchange is shown already, by its line for another log.
    Again,
    /// No.
    Never,
}

impl Client {
    /// The network that the peer is in: the first 24 bits of IPv4, the first 48 of IPv6.
    #[must_use]
    pub fn network(self) -> Client {
        match self {
            Client::Ip(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                Client::Ip(Ipv4Addr::new(a, b, c, 0).into())
            }
            // What it maps is an address of IPv4, whose network is in its last bits.
            Client::Ip(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(mapped) => Client::Ip(mapped.into()).network(),
                None => {
                    let [a, b, c, ..] = address.segments();
                    Client::Ip(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into())
                }
            },
            Client::Local => Client::Local,
        }
    }
}

/// How much of an address a log shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// All of it.
    #[default]
    Whole,
    /// The network that it is in: see [`Client::network`].
    Networks,
}

impl Addresses {
    pub(crate) fn shown(self, client: Client) -> Client {
        match self {
            Addresses::Whole => client,
            Addresses::Networks => client.network(),
        }
    }
}

/// Names an exchange among all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// Made here; written as 32 hexadecimal digits.
    Own(u128),
    /// Passed on by somebody who is trusted, as it was sent.
    Given(&'a [u8]),
}

impl RequestId<'_> {
    /// Bytes of an own id as text.
    pub const DIGITS: usize = 32;

    /// The id as text; `digits` is room for it.
    #[must_use]
    pub fn text<'t>(&'t self, digits: &'t mut [u8; RequestId::DIGITS]) -> &'t [u8] {
        match self {
            RequestId::Own(id) => {
                *digits = hexadecimal(*id);
                digits
            }
            RequestId::Given(id) => id,
        }
    }
}

/// Plain facts of one finished exchange, borrowed for the time it takes to write them down.
///
/// Byte strings are as the client sent them: whatever is in them, the formats write exactly one line. An empty one
/// means "not known" or "not sent". New facts get a default, so build it with `..Record::default()`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the exchange ended: microseconds since the Unix epoch.
    pub unix_us: u64,
    /// Who asked.
    pub client: Client,
    /// The authenticated user.
    pub user: &'a [u8],
    /// The method, empty if the request line could not be read.
    pub method: &'a [u8],
    /// The request target as sent, not decoded.
    pub target: &'a [u8],
    /// The protocol as it stands in a request line: `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// The status of the answer, 0 if none was begun.
    pub status: u16,
    /// Bytes of the answer's body that were sent, its framing not counted.
    pub body_bytes_sent: u64,
    /// Bytes of that body before it was compressed; `None` if it was not.
    pub bytes_uncoded: Option<u64>,
    /// Bytes received for this request: head, body and framing.
    pub bytes_received: u64,
    /// From the first byte of the request to the last byte of the answer.
    pub duration_ns: u64,
    /// The virtual host that answered.
    pub host: &'a [u8],
    /// The Referer field.
    pub referer: &'a [u8],
    /// The User-Agent field.
    pub user_agent: &'a [u8],
    /// Whether the whole answer was sent.
    pub complete: bool,
    /// Whether viewers see the line.
    pub showing: Showing,
    /// The name of the exchange.
    pub request_id: RequestId<'a>,
    /// How much of addresses is written.
    pub addresses: Addresses,
    /// Knows what else templates ask for.
    pub details: &'a dyn Details,
}

impl Record<'_> {
    /// When the exchange began: microseconds since the Unix epoch.
    pub(crate) fn begin_us(&self) -> u64 {
        self.unix_us.saturating_sub(self.duration_ns / 1000)
    }

    /// How many times as large the body was before it was compressed, in hundredths.
    pub(crate) fn compression_hundredths(&self) -> Option<u64> {
        let ratio = |uncoded: u64| uncoded.saturating_mul(100).checked_div(self.body_bytes_sent);
        self.bytes_uncoded.and_then(ratio)
    }
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            unix_us: 0,
            client: Client::Local,
            user: b"",
            method: b"",
            target: b"",
            protocol: b"",
            status: 0,
            body_bytes_sent: 0,
            bytes_uncoded: None,
            bytes_received: 0,
            duration_ns: 0,
            host: b"",
            referer: b"",
            user_agent: b"",
            complete: true,
            showing: Showing::First,
            request_id: RequestId::Own(0),
            addresses: Addresses::Whole,
            details: &Nothing,
        }
    }
}
