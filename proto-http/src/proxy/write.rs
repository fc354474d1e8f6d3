//! What we say before the first byte that goes to an upstream.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{V2_BEGIN, V2_IPV4_LEN, V2_IPV6_LEN};

/// Which form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The line of version 1.
    Line,
    /// The binary form of version 2.
    Binary,
}

/// For whom a connection to an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// For ourselves, as when we look whether the upstream is well.
    Own,
    /// For a client of which there is no address to be told, such as one of a Unix socket.
    Unknown,
    /// For this client.
    Client {
        /// Where it is.
        source: SocketAddr,
        /// Where it has connected to.
        destination: SocketAddr,
    },
}

/// Appends the header.
pub fn write(form: Form, ends: Ends, out: &mut Vec<u8>) {
    match form {
        Form::Line => line(ends, out),
        Form::Binary => binary(ends, out),
    }
}

/// Section 2.1.
fn line(ends: Ends, out: &mut Vec<u8>) {
    let Ends::Client { source, destination } = ends else {
        return out.extend_from_slice(b"PROXY UNKNOWN\r\n");
    };
    let (from, to) = (source.port(), destination.port());
    let text = match addresses(source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            write!(out, "PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        (source, destination) => write!(out, "PROXY TCP6 {source} {destination} {from} {to}\r\n"),
    };
    text.expect("a vector takes everything");
}

/// Section 2.2.
fn binary(ends: Ends, out: &mut Vec<u8>) {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    out.extend_from_slice(V2_BEGIN);
    let Ends::Client { source, destination } = ends else {
        // No family, and no bytes of addresses.
        let command = if ends == Ends::Own { LOCAL } else { PROXY };
        return out.extend_from_slice(&[command, 0, 0, 0]);
    };
    match addresses(source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend_from_slice(&[PROXY, 0x11, 0, V2_IPV4_LEN as u8]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        (source, destination) => {
            out.extend_from_slice(&[PROXY, 0x21, 0, V2_IPV6_LEN as u8]);
            out.extend_from_slice(&six(source).octets());
            out.extend_from_slice(&six(destination).octets());
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

/// Both addresses in one family: IPv4 where both are, IPv6 otherwise.
fn addresses(source: SocketAddr, destination: SocketAddr) -> (IpAddr, IpAddr) {
    match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => (source.into(), destination.into()),
        (source, destination) => (six(source).into(), six(destination).into()),
    }
}

fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Header, Source, V1_LEN_MAX, read};

    fn client(source: &str, destination: &str) -> Ends {
        Ends::Client { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn lines_are_those_of_version_1() {
        for (ends, expected) in [
            (Ends::Own, "PROXY UNKNOWN\r\n"),
            (Ends::Unknown, "PROXY UNKNOWN\r\n"),
            (client("192.0.2.7:4711", "192.0.2.1:80"), "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"),
            (client("[2001:db8::7]:1", "[::1]:443"), "PROXY TCP6 2001:db8::7 ::1 1 443\r\n"),
            (client("[::ffff:192.0.2.7]:1", "192.0.2.1:80"), "PROXY TCP4 192.0.2.7 192.0.2.1 1 80\r\n"),
            (client("192.0.2.7:1", "[2001:db8::1]:80"), "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 80\r\n"),
        ] {
            let mut out = Vec::new();
            write(Form::Line, ends, &mut out);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
            assert!(expected.len() <= V1_LEN_MAX);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (ends, read_as) in [
            (Ends::Own, None),
            (Ends::Unknown, None),
            (client("192.0.2.7:4711", "192.0.2.1:80"), Some(("192.0.2.7", 4711))),
            (client("[2001:db8::7]:65535", "[::1]:443"), Some(("2001:db8::7", 65535))),
            (client("192.0.2.7:1", "[2001:db8::1]:80"), Some(("192.0.2.7", 1))),
            (client("[2001:db8::7]:1", "192.0.2.1:80"), Some(("2001:db8::7", 1))),
        ] {
            for form in [Form::Line, Form::Binary] {
                let mut out = Vec::new();
                write(form, ends, &mut out);
                let source = read_as.map_or(Source::Proxy, |(address, port)| Source::Client {
                    address: address.parse().unwrap(),
                    port,
                });
                assert_eq!(read(&out), Ok(Some(Header { len: out.len(), source })), "{form:?} {ends:?}");
            }
        }
    }

    #[test]
    fn the_binary_form_is_golden() {
        let mut out = Vec::new();
        write(Form::Binary, client("192.0.2.7:4711", "192.0.2.1:80"), &mut out);
        assert_eq!(out, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\x12\x67\0\x50");
        for (ends, command) in [(Ends::Own, 0x20), (Ends::Unknown, 0x21)] {
            out.clear();
            write(Form::Binary, ends, &mut out);
            assert_eq!(out, [V2_BEGIN, &[command, 0, 0, 0]].concat());
        }
    }
}
