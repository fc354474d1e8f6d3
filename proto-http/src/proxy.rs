//! The PROXY protocol, versions 1 and 2: what a proxy says about its client before the first byte that comes from it.
//! Sections are those of "The PROXY protocol" of HAProxy Technologies, in the version of 2020.
//!
//! What servers are told is written by [`write()`]. The reader is strict: who is trusted to say this says it in one of
//! few forms, and anything else is somebody who speaks another protocol.

mod write;

pub use write::{Ends, Form, Proof, Shown, Tls, write};

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest header of version 1, with its CRLF (section 2.1).
pub const V1_LEN_MAX: usize = 107;
/// Longest header of version 2. It could have 64 KiB; those that are sent have two addresses and a few short
/// extensions.
pub const V2_LEN_MAX: usize = 4096;

/// By which version 1 begins.
const V1_BEGIN: &[u8] = b"PROXY ";
/// By which version 2 begins: no request and no handshake does.
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses of version 2: the beginning, version and command, family, length.
const V2_HEAD_LEN: usize = 16;
/// Bytes of the addresses and ports of a connection, by its family.
const V2_IPV4_LEN: usize = 12;
const V2_IPV6_LEN: usize = 36;
const V2_UNIX_LEN: usize = 216;

/// What a proxy has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// So many bytes it takes.
    pub len: usize,
    /// For whom the proxy speaks.
    pub source: Source,
}

/// For whom a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// For itself, as when it looks whether the server is well; or for somebody of whom it says no address.
    Proxy,
    /// For this client.
    Client {
        /// Its address; one that is mapped into IPv6 as the IPv4 address that it is.
        address: IpAddr,
        /// Its port.
        port: u16,
    },
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// They begin like none.
    Begin,
    /// The line of version 1 is not as it has to be, or too long.
    Line,
    /// Version 2 with another version, command or family than there are for TCP.
    Kind,
    /// Version 2 with too few bytes for its addresses, or with too many on the whole.
    Length,
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "the connection does not begin with a PROXY header",
            Self::Line => "the line of the PROXY header is malformed",
            Self::Kind => "the PROXY header has a version, command or family that is not known for TCP",
            Self::Length => "the PROXY header is too short for its addresses, or too long",
        })
    }
}

impl std::error::Error for BadHeader {}

/// The header at the beginning of `bytes`, which are the first of a connection; none as long as it is not whole.
///
/// # Errors
/// As soon as no further bytes could make it one.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    if begins(bytes, V2_BEGIN) {
        version_2(bytes)
    } else if begins(bytes, V1_BEGIN) {
        version_1(bytes)
    } else {
        Err(BadHeader::Begin)
    }
}

/// Whether `bytes` begin so, as far as they go.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let len = bytes.len().min(with.len());
    bytes[..len] == with[..len]
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 1234 443` and CRLF (section 2.1).
fn version_1(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let window = &bytes[..bytes.len().min(V1_LEN_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < V1_LEN_MAX { Ok(None) } else { Err(BadHeader::Line) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(BadHeader::Line)?;
    let words = line.strip_prefix(V1_BEGIN).and_then(|rest| std::str::from_utf8(rest).ok());
    let source = source_of_words(words.ok_or(BadHeader::Line)?).ok_or(BadHeader::Line)?;
    Ok(Some(Header { len: end + 1, source }))
}

fn source_of_words(words: &str) -> Option<Source> {
    let mut words = words.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows has to be ignored.
        return Some(Source::Proxy);
    }
    let mut next = || words.next();
    let (source, destination, port, other_port) = (next()?, next()?, next()?, next()?);
    if next().is_some() {
        return None;
    }
    decimal(other_port)?;
    let address = match family {
        "TCP4" => ends::<Ipv4Addr>(source, destination)?.into(),
        "TCP6" => ends::<Ipv6Addr>(source, destination)?.to_canonical(),
        _ => return None,
    };
    Some(Source::Client { address, port: decimal(port)? })
}

/// The address of the client, if both are of that family.
fn ends<A: FromStr>(source: &str, destination: &str) -> Option<A> {
    destination.parse::<A>().ok()?;
    source.parse().ok()
}

/// A port without a leading nought or sign.
fn decimal(digits: &str) -> Option<u16> {
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    digits.parse().ok().filter(|_| plain)
}

/// The binary form (section 2.2).
fn version_2(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let Some(head) = bytes.first_chunk::<V2_HEAD_LEN>() else { return partial(bytes) };
    let [.., command, family, high, low] = *head;
    let len = V2_HEAD_LEN + usize::from(u16::from_be_bytes([high, low]));
    let needed = match (command, family) {
        // The addresses of a proxy that speaks for itself have to be ignored, whatever they are.
        (LOCAL, _) | (PROXY, 0x00) => 0,
        (PROXY, 0x11) => V2_IPV4_LEN,
        (PROXY, 0x21) => V2_IPV6_LEN,
        (PROXY, 0x31) => V2_UNIX_LEN,
        _ => return Err(BadHeader::Kind),
    };
    if len < V2_HEAD_LEN + needed || V2_LEN_MAX < len {
        return Err(BadHeader::Length);
    }
    let Some(rest) = bytes.get(V2_HEAD_LEN..len) else { return Ok(None) };
    // What follows the addresses are extensions, of which none is needed.
    let source = match (needed, rest) {
        (V2_IPV4_LEN, [a, b, c, d, _, _, _, _, high, low, ..]) => Source::Client {
            address: Ipv4Addr::new(*a, *b, *c, *d).into(),
            port: u16::from_be_bytes([*high, *low]),
        },
        (V2_IPV6_LEN, ends) => of_ipv6(ends).ok_or(BadHeader::Length)?,
        _ => Source::Proxy,
    };
    Ok(Some(Header { len, source }))
}

/// Whether what has come of version 2 can become one.
fn partial(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    match bytes.get(V2_BEGIN.len()) {
        Some(0x20 | 0x21) | None => Ok(None),
        Some(_) => Err(BadHeader::Kind),
    }
}

/// Two addresses, then two ports.
fn of_ipv6(ends: &[u8]) -> Option<Source> {
    let (source, rest) = ends.split_first_chunk::<16>()?;
    let (_, ports) = rest.split_first_chunk::<16>()?;
    let port = u16::from_be_bytes(*ports.first_chunk()?);
    Some(Source::Client { address: Ipv6Addr::from(*source).to_canonical(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, port: u16) -> Result<Source, BadHeader> {
        Ok(Source::Client { address: address.parse().unwrap(), port })
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_BEGIN, &[command, family], &len, rest].concat()
    }

    /// However it is cut, a header is read as soon as its last byte has come, and what follows is not part of it.
    fn check(bytes: &[u8], wanted: Result<Source, BadHeader>) {
        let read = read(&[bytes, b"GET /"].concat());
        match wanted {
            Ok(source) => {
                assert_eq!(read, Ok(Some(Header { len: bytes.len(), source })), "{}", bytes.escape_ascii());
                for cut in 0..bytes.len() {
                    assert_eq!(super::read(&bytes[..cut]), Ok(None), "{} of {}", cut, bytes.escape_ascii());
                }
            }
            Err(bad) => assert_eq!(read, Err(bad), "{}", bytes.escape_ascii()),
        }
        for cut in 0..=bytes.len() {
            crate::fuzzing::proxy(&bytes[..cut]);
        }
    }

    #[test]
    fn version_1() {
        check(b"PROXY TCP4 192.0.2.7 192.0.2.1 65535 80\r\n", client("192.0.2.7", 65535));
        check(b"PROXY TCP6 2001:db8::7 ::1 1 443\r\n", client("2001:db8::7", 1));
        check(b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 0 443\r\n", client("192.0.2.7", 0));
        check(b"PROXY UNKNOWN\r\n", Ok(Source::Proxy));
        check(b"PROXY UNKNOWN ff ff 1 x\r\n", Ok(Source::Proxy));
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        check(format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n").as_bytes(), Ok(Source::Proxy));
        for line in [
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 80\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 80 \r\n",
            "PROXY TCP4  192.0.2.7 192.0.2.1 1 80\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 65536 80\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 01 80\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 +1 80\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 080\r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.1 1 80\r\n",
            "PROXY TCP4 192.0.2.7 ::1 1 80\r\n",
            "PROXY TCP4 ::1 ::1 1 80\r\n",
            "PROXY TCP6 192.0.2.7 ::1 1 80\r\n",
            "PROXY tcp4 192.0.2.7 192.0.2.1 1 80\r\n",
            "PROXY UDP4 192.0.2.7 192.0.2.1 1 80\r\n",
            "PROXY \r\n",
            &format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_LEN_MAX)),
        ] {
            check(line.as_bytes(), Err(BadHeader::Line));
        }
        for other in ["GET / HTTP/1.1\r\n", "PROXYTCP4", "\u{16}\u{3}\u{1}", "\r\n\r\n\r\n"] {
            check(other.as_bytes(), Err(BadHeader::Begin));
        }
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x34, 0, 80];
        check(&v2(0x21, 0x11, &v4), client("192.0.2.7", 0x1234));
        check(&v2(0x21, 0x11, &[&v4[..], &[0x04, 0, 1, 0]].concat()), client("192.0.2.7", 0x1234));
        let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let mapped: Ipv6Addr = "::ffff:192.0.2.7".parse().unwrap();
        for (source, wanted) in [(source, "2001:db8::7"), (mapped, "192.0.2.7")] {
            let v6 = [&source.octets()[..], &[0; 16], &[0x12, 0x34, 0, 80]].concat();
            check(&v2(0x21, 0x21, &v6), client(wanted, 0x1234));
        }
        check(&v2(0x21, 0x31, &[0; 216]), Ok(Source::Proxy));
        check(&v2(0x21, 0x00, &[]), Ok(Source::Proxy));
        check(&v2(0x20, 0x00, &[]), Ok(Source::Proxy));
        check(&v2(0x20, 0x11, &v4), Ok(Source::Proxy));
        check(&v2(0x20, 0x00, &[7; V2_LEN_MAX - V2_HEAD_LEN]), Ok(Source::Proxy));
        for (bytes, bad) in [
            (v2(0x11, 0x11, &v4), BadHeader::Kind),
            (v2(0x22, 0x11, &v4), BadHeader::Kind),
            (v2(0x21, 0x12, &v4), BadHeader::Kind),
            (v2(0x21, 0x11, &v4[..11]), BadHeader::Length),
            (v2(0x21, 0x21, &[0; 35]), BadHeader::Length),
            (v2(0x21, 0x31, &[0; 215]), BadHeader::Length),
            (v2(0x20, 0x00, &[7; V2_LEN_MAX - V2_HEAD_LEN + 1]), BadHeader::Length),
        ] {
            check(&bytes, Err(bad));
        }
    }
}
