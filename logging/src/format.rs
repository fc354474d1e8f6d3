//! The formats of access log lines.

use crate::civil::Stamp;
use crate::details::Answer;
use crate::number::decimal;
use crate::record::{Addresses, Client, Record};
use crate::template::Template;
use crate::{json, text};
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// How a [`Record`] is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The common log format: `client - user [time] "request" status bytes`, times in UTC.
    Common,
    /// The common format followed by `"referer" "user agent"`.
    Combined,
    /// One JSON object a line.
    Json,
    /// As an operator lays it out.
    Template(Arc<Template>),
}

/// The longest line in bytes, its newline included. Longer values are clipped.
pub const LINE_MAX: usize = 16 * 1024;

/// Room in bytes for the escaped form of each value that a client chooses.
pub(crate) mod room {
    pub(crate) const USER: usize = 256;
    pub(crate) const METHOD: usize = 128;
    pub(crate) const TARGET: usize = 8192;
    pub(crate) const PROTOCOL: usize = 16;
    pub(crate) const HOST: usize = 512;
    pub(crate) const REFERER: usize = 2048;
    pub(crate) const USER_AGENT: usize = 1024;
    /// A request id that was passed on.
    pub(crate) const REQUEST_ID: usize = 128;
    /// Any other value of a template.
    pub(crate) const FIELD: usize = 1024;

    /// Everything else in a line: names, punctuation, numbers, addresses, clip marks. The JSON object is the longest
    /// with about 500 bytes.
    const REST: usize = 1024;
    const _: () = assert!(
        USER + METHOD + TARGET + PROTOCOL + HOST + REFERER + USER_AGENT + REQUEST_ID + REST
            <= super::LINE_MAX,
        "a line fits into LINE_MAX"
    );
}

impl Format {
    /// The fields of answers that lines have, some perhaps more than once, by their names in lower case: whoever tells
    /// the [`Details`](crate::Details) has to keep them, since answers are gone when lines are written.
    pub fn answer_fields(&self) -> impl Iterator<Item = (Answer, &[u8])> {
        let template = match self {
            Self::Template(template) => Some(template),
            Self::Common | Self::Combined | Self::Json => None,
        };
        template.into_iter().flat_map(|template| template.answer_fields())
    }

    /// Appends one line of at most [`LINE_MAX`] bytes, which ends in the only newline in it.
    pub(crate) fn append(&self, out: &mut Vec<u8>, record: &Record<'_>, stamp: &mut Stamp) {
        let start = out.len();
        stamp.set(record.unix_us / 1_000_000);
        match self {
            Self::Common => text::common(out, record, stamp),
            Self::Combined => text::combined(out, record, stamp),
            Self::Json => json::object(out, record, stamp),
            Self::Template(template) => template.append(out, record, stamp),
        }
        out.push(b'\n');
        debug_assert!(out.len() - start <= LINE_MAX, "a line exceeds its bound");
    }
}

/// Appends the address of a client: dotted IPv4, IPv6 of RFC 5952, or `unix:`.
pub(crate) fn address(out: &mut Vec<u8>, client: Client, addresses: Addresses) {
    match addresses.shown(client) {
        Client::Ip(IpAddr::V4(address)) => {
            for (position, octet) in address.octets().into_iter().enumerate() {
                if position > 0 {
                    out.push(b'.');
                }
                decimal(out, u64::from(octet));
            }
        }
        Client::Ip(IpAddr::V6(address)) => {
            let written = write!(out, "{address}");
            debug_assert!(written.is_ok(), "writing to memory cannot fail");
        }
        Client::Local => out.extend_from_slice(b"unix:"),
    }
}

/// Appends a status in a text log; none is `-`.
pub(crate) fn status(out: &mut Vec<u8>, status: u16) {
    match status {
        0 => out.push(b'-'),
        _ => decimal(out, u64::from(status)),
    }
}
