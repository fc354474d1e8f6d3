//! What is said before the first byte that goes to an upstream.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::V2_BEGIN;

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
pub enum Ends<'a> {
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
        /// TLS on its connection, which version 2 alone can tell of.
        tls: Option<Tls<'a>>,
    },
}

/// TLS on the connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls<'a> {
    /// The version, for instance `TLSv1.3`.
    pub version: &'a str,
    /// The name of the cipher suite.
    pub cipher: &'a str,
    /// The name that the client has asked for, if it has named one.
    pub name: Option<&'a str>,
    /// The client's certificate, if it has one.
    pub proof: Option<Proof>,
}

/// The certificate of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It holds.
    Valid(Shown),
    /// It does not.
    Invalid(Shown),
}

/// When a certificate was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// On this connection.
    Here,
    /// On an earlier one, whose session was taken up.
    Earlier,
}

/// Appends the header.
pub fn write(form: Form, ends: Ends<'_>, out: &mut Vec<u8>) {
    match form {
        Form::Line => line(ends, out),
        Form::Binary => binary(ends, out),
    }
}

/// Section 2.1.
fn line(ends: Ends<'_>, out: &mut Vec<u8>) {
    let Ends::Client { source, destination, .. } = ends else {
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
fn binary(ends: Ends<'_>, out: &mut Vec<u8>) {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    out.extend_from_slice(V2_BEGIN);
    let Ends::Client { source, destination, tls } = ends else {
        // No family, and no bytes of addresses.
        let command = if ends == Ends::Own { LOCAL } else { PROXY };
        return out.extend_from_slice(&[command, 0, 0, 0]);
    };
    let mut ports = [0; 4];
    ports[..2].copy_from_slice(&source.port().to_be_bytes());
    ports[2..].copy_from_slice(&destination.port().to_be_bytes());
    out.push(PROXY);
    match addresses(source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => counted(0x11, out, |out| {
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
            out.extend_from_slice(&ports);
            extensions(tls, out);
        }),
        (source, destination) => counted(0x21, out, |out| {
            out.extend_from_slice(&six(source).octets());
            out.extend_from_slice(&six(destination).octets());
            out.extend_from_slice(&ports);
            extensions(tls, out);
        }),
    }
}

/// Appends a kind, the length of what follows it, and that.
fn counted(kind: u8, out: &mut Vec<u8>, follows: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[kind, 0, 0]);
    let begin = out.len();
    follows(out);
    let len = u16::try_from(out.len() - begin).expect("texts are short: extension() sees to that");
    out[begin - 2..begin].copy_from_slice(&len.to_be_bytes());
}

/// Section 2.2.6, and 2.2.3 for the name.
fn extensions(tls: Option<Tls<'_>>, out: &mut Vec<u8>) {
    const AUTHORITY: u8 = 0x02;
    const SSL: u8 = 0x20;
    const SSL_VERSION: u8 = 0x21;
    const SSL_CIPHER: u8 = 0x23;
    let Some(Tls { version, cipher, name, proof }) = tls else { return };
    if let Some(name) = name {
        extension(AUTHORITY, name, out);
    }
    counted(SSL, out, |out| {
        let (client, verified) = standing(proof);
        out.push(client);
        out.extend_from_slice(&verified.to_be_bytes());
        extension(SSL_VERSION, version, out);
        extension(SSL_CIPHER, cipher, out);
    });
}

/// What the client has shown, as bits, and 0 where that holds.
fn standing(proof: Option<Proof>) -> (u8, u32) {
    const SSL: u8 = 0x01;
    const CERTIFICATE_HERE: u8 = 0x02;
    const CERTIFICATE_EVER: u8 = 0x04;
    let shown = |shown| match shown {
        Shown::Here => SSL | CERTIFICATE_HERE | CERTIFICATE_EVER,
        Shown::Earlier => SSL | CERTIFICATE_EVER,
    };
    match proof {
        None => (SSL, 1),
        Some(Proof::Valid(when)) => (shown(when), 0),
        Some(Proof::Invalid(when)) => (shown(when), 1),
    }
}

/// No text here is longer: the longest name has 253 bytes.
const TEXT_MAX: usize = 255;

/// A text that cannot be told in full is not told.
fn extension(kind: u8, text: &str, out: &mut Vec<u8>) {
    if text.len() <= TEXT_MAX {
        counted(kind, out, |out| out.extend_from_slice(text.as_bytes()));
    }
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

    fn client(source: &str, destination: &str) -> Ends<'static> {
        Ends::Client { source: source.parse().unwrap(), destination: destination.parse().unwrap(), tls: None }
    }

    fn with_tls<'a>(ends: Ends<'a>, said: Tls<'a>) -> Ends<'a> {
        match ends {
            Ends::Client { source, destination, .. } => Ends::Client { source, destination, tls: Some(said) },
            other => other,
        }
    }

    const TLS: Tls<'_> = Tls { version: "TLSv1.3", cipher: "ABC", name: Some("a.b"), proof: None };

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
            (with_tls(client("192.0.2.7:1", "192.0.2.1:80"), TLS), Some(("192.0.2.7", 1))),
            (with_tls(client("[2001:db8::7]:1", "[::1]:80"), TLS), Some(("2001:db8::7", 1))),
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
        let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0";
        let addresses = b"\xc0\0\x02\x07\xc0\0\x02\x01\x12\x67\0\x50";
        for (proof, said) in [
            (None, &b"\x01\0\0\0\x01"[..]),
            (Some(Proof::Valid(Shown::Here)), b"\x07\0\0\0\0"),
            (Some(Proof::Valid(Shown::Earlier)), b"\x05\0\0\0\0"),
            (Some(Proof::Invalid(Shown::Here)), b"\x07\0\0\0\x01"),
        ] {
            out.clear();
            let tls = Tls { proof, ..TLS };
            write(Form::Binary, with_tls(client("192.0.2.7:4711", "192.0.2.1:80"), tls), &mut out);
            let (name, texts) = (b"\x02\0\x03a.b", b"\x21\0\x07TLSv1.3\x23\0\x03ABC");
            assert_eq!(out, [head, &[42][..], addresses, name, b"\x20\0\x15", said, texts].concat());
        }
        for (ends, command) in [(Ends::Own, 0x20), (Ends::Unknown, 0x21)] {
            out.clear();
            write(Form::Binary, ends, &mut out);
            assert_eq!(out, [V2_BEGIN, &[command, 0, 0, 0]].concat());
        }
    }
}
