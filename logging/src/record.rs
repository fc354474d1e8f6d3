//! The facts of one exchange that a line can be made of.

use std::net::IpAddr;

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

/// Plain facts of one finished exchange, borrowed for the time it takes to write them down.
///
/// Byte strings are as the client sent them: whatever is in them, the formats write exactly one line. An empty one
/// means "not known" or "not sent". New facts get a default, so build it with `..Record::default()`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the exchange ended: milliseconds since the Unix epoch.
    pub unix_ms: u64,
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
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            unix_ms: 0,
            client: Client::Local,
            user: b"",
            method: b"",
            target: b"",
            protocol: b"",
            status: 0,
            body_bytes_sent: 0,
            bytes_received: 0,
            duration_ns: 0,
            host: b"",
            referer: b"",
            user_agent: b"",
            complete: true,
            showing: Showing::First,
        }
    }
}
