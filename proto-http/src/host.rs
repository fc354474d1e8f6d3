//! Hosts with ports (RFC 9110 section 7.2, RFC 3986 section 3.2).

use std::net::Ipv6Addr;

use crate::head::Span;
use crate::response::push_number;
use crate::{scan, token};

/// What a host is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostKind {
    /// A registered name.
    Name,
    /// An IPv4 address in dotted decimal.
    V4,
    /// An IPv6 address in brackets.
    V6,
}

/// The host and port that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host as sent, in any case, with the brackets of an IPv6 address; never empty.
    pub host: &'a [u8],
    /// The port, if one was sent.
    pub port: Option<u16>,
    /// What the host is.
    pub kind: HostKind,
}

impl Authority<'_> {
    /// Appends it as `Host` has it.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.host);
        if let Some(port) = self.port {
            out.push(b':');
            push_number(out, u64::from(port));
        }
    }
}

/// An authority as offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    host: Span,
    port: Option<u16>,
    kind: HostKind,
}

impl Located {
    /// Reads `host [":" port]` from all of `span`. None if it is anything else or has no host. The byte
    /// after the span is one that no host has.
    #[inline]
    pub(crate) fn parse(buf: &[u8], span: Span) -> Option<Located> {
        let mut end = scan::host_end(buf, span.start());
        if buf.get(end).is_some_and(|&byte| byte == b'[' || token::is_host(byte)) {
            end = end_of_other(buf, span, end)?;
        }
        if end == span.start() {
            return None;
        }
        let port = if end == span.end() { None } else { port(buf.get(end..span.end())?)? };
        let host = Span::new(span.start(), end);
        Some(Located { host, port, kind: kind(host.of(buf)) })
    }

    pub(crate) fn has_port(&self) -> bool {
        self.port.is_some()
    }

    #[inline]
    pub(crate) fn view<'a>(&self, buf: &'a [u8]) -> Authority<'a> {
        Authority { host: self.host.of(buf), port: self.port, kind: self.kind }
    }
}

/// Where a host ends that is an IPv6 address, or a name with characters that are rare.
#[cold]
fn end_of_other(buf: &[u8], span: Span, mut end: usize) -> Option<usize> {
    if let [b'[', address @ ..] = span.of(buf) {
        let len = address.iter().position(|&byte| byte == b']')?;
        return is_v6(&address[..len]).then_some(span.start() + len + 2);
    }
    while end < span.end() && token::is_host(buf[end]) {
        end += 1;
    }
    Some(end)
}

#[inline]
fn kind(host: &[u8]) -> HostKind {
    match host {
        [b'[', ..] => HostKind::V6,
        [b'0'..=b'9', .., b'0'..=b'9'] if is_v4(host) => HostKind::V4,
        _ => HostKind::Name,
    }
}

/// Whether these are four numbers of 0 to 255 without leading zeros. Other numbers are names
/// (RFC 3986 section 3.2.2), which no configured host has.
fn is_v4(bytes: &[u8]) -> bool {
    let mut parts = 0;
    let mut digits = 0;
    let mut value = 0u32;
    for &byte in bytes {
        match byte {
            b'0'..=b'9' if digits == 0 || value != 0 => {
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if 255 < value {
                    return false;
                }
            }
            b'.' if digits != 0 => {
                parts += 1;
                digits = 0;
                value = 0;
            }
            _ => return false,
        }
    }
    parts == 3 && digits != 0
}

fn is_v6(bytes: &[u8]) -> bool {
    // The longest address has 45 characters. Zone identifiers are not for the wire (RFC 6874 section 4).
    bytes.len() <= 45 && str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Reads a colon and a port. An empty port is the default one (RFC 3986 section 3.2.3).
fn port(bytes: &[u8]) -> Option<Option<u16>> {
    let [b':', digits @ ..] = bytes else { return None };
    // No port has more digits, and more leading zeros have no use.
    if 5 < digits.len() {
        return None;
    }
    let mut value = 0u32;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(digit - b'0');
    }
    if digits.is_empty() { Some(None) } else { Some(Some(u16::try_from(value).ok()?)) }
}
