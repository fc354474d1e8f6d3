//! What an upstream is told about the client: `X-Forwarded-For`, `-Proto` and `-Host`, and `Forwarded` (RFC 7239).
//!
//! Anybody can write these fields. Of a client that is not trusted none of them passes, and what is written is what
//! is known here; to what a trusted proxy has written, our part is appended.

use std::io::Write;
use std::net::IpAddr;

use super::rules::Rules;
use crate::host::Authority;
use crate::response::push_number;
use crate::{Known, Request, forwarded, token};

/// Whether the other end of the client's connection is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is a proxy that speaks for clients.
    Proxy,
    /// It is anybody.
    Nobody,
}

/// What the client's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A plain one.
    Http,
    /// One with TLS.
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Which fields tell the upstream about the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announce {
    /// None: those of a trusted proxy pass as they are.
    Nothing,
    /// The three whose names begin with `X-Forwarded-`, which nearly every application knows.
    #[default]
    XForwarded,
    /// `Forwarded` alone.
    Forwarded,
    /// All of them.
    Both,
}

impl Announce {
    fn has_x_forwarded(self) -> bool {
        matches!(self, Announce::XForwarded | Announce::Both)
    }

    fn has_forwarded(self) -> bool {
        matches!(self, Announce::Forwarded | Announce::Both)
    }
}

/// Who asks, and what the upstream may know of it.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding {
    /// The other end of the client's connection; none is the end of a Unix socket.
    pub peer: Option<IpAddr>,
    /// Whether it is believed for whom it speaks.
    pub trust: Trust,
    /// How it is connected.
    pub scheme: Scheme,
    /// What is told.
    pub announce: Announce,
}

const X_FOR: &[u8] = b"X-Forwarded-For";
const X_PROTO: &[u8] = b"X-Forwarded-Proto";
const X_HOST: &[u8] = b"X-Forwarded-Host";
const FORWARDED: &[u8] = b"Forwarded";

/// Other fields by which proxies say who asks, or for what: applications that stood behind one believe them. They are not
/// written here.
const OF_PROXIES: [&[u8]; 7] = [
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"x-original-url",
    b"x-rewrite-url",
];

/// Whether a field says for whom a proxy speaks; names are compared as applications do that cannot tell `_` from `-`.
pub(super) fn is_forwarding(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    reads_as(name, b"forwarded")
        || name.get(..PREFIX.len()).is_some_and(|start| reads_as(start, PREFIX))
        || OF_PROXIES.iter().any(|other| reads_as(name, other))
}

/// Whether a name is this one, which is in lower case, for somebody who takes `_` for `-`.
pub(super) fn reads_as(name: &[u8], text: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == text.len() && name.iter().map(fold).eq(text.iter().copied())
}

impl Forwarding {
    /// Whether such a field of the client passes by itself; others are written again by [`Forwarding::write`].
    pub(super) fn passes(&self, name: &[u8], known: Known) -> bool {
        let appended = match known {
            Known::XForwardedFor => self.announce.has_x_forwarded(),
            Known::Forwarded => self.announce.has_forwarded(),
            _ => false,
        };
        self.trust == Trust::Proxy && !appended && !name.contains(&b'_')
    }

    /// Appends the fields that say who asks.
    pub(super) fn write(&self, request: &Request<'_>, rules: &Rules<'_>, out: &mut Vec<u8>) {
        if self.announce.has_x_forwarded() {
            self.write_x_forwarded(request, rules, out);
        }
        if self.announce.has_forwarded() && !rules.dropped.contains(FORWARDED) {
            self.write_forwarded(request, out);
        }
    }

    fn write_x_forwarded(&self, request: &Request<'_>, rules: &Rules<'_>, out: &mut Vec<u8>) {
        if !rules.dropped.contains(X_FOR) {
            let mut list = List::begin(out, X_FOR);
            for earlier in self.believed(request, Known::XForwardedFor) {
                list.next().extend_from_slice(earlier);
            }
            if let Some(peer) = self.peer {
                push_address(list.next(), peer.to_canonical());
            }
            list.end();
        }
        if !rules.dropped.contains(X_PROTO) && !self.is_told(request, X_PROTO) {
            push_line(out, X_PROTO, |out| out.extend_from_slice(self.scheme.as_str().as_bytes()));
        }
        if let Some(authority) = request.authority()
            && !rules.dropped.contains(X_HOST)
            && !self.is_told(request, X_HOST)
        {
            push_line(out, X_HOST, |out| authority.push(out));
        }
    }

    fn write_forwarded(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let mut list = List::begin(out, FORWARDED);
        // Behind a quote that is left open, ours would not be read.
        for earlier in self.believed(request, Known::Forwarded).filter(|value| forwarded::is_closed(value)) {
            list.next().extend_from_slice(earlier);
        }
        let out = list.next();
        match self.peer.map(|peer| peer.to_canonical()) {
            Some(IpAddr::V4(address)) => push(out, format_args!("for={address}")),
            // RFC 7239 section 6: in brackets, which have to be quoted.
            Some(IpAddr::V6(address)) => push(out, format_args!("for=\"[{address}]\"")),
            None => out.extend_from_slice(b"for=unknown"),
        }
        push(out, format_args!(";proto={}", self.scheme.as_str()));
        if let Some(authority) = request.authority() {
            push_host(out, &authority);
        }
        list.end();
    }

    /// What a trusted proxy has said in fields of that name.
    fn believed<'a>(&self, request: &Request<'a>, name: Known) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let believed = self.trust == Trust::Proxy;
        request.all(name).filter(move |value| believed && !value.is_empty())
    }

    /// Whether a trusted proxy has said this already, so that it passes.
    fn is_told(&self, request: &Request<'_>, name: &[u8]) -> bool {
        self.trust == Trust::Proxy && request.fields().any(|(other, _, _)| other.eq_ignore_ascii_case(name))
    }
}

/// Appends an address. The common kind does without the detour of formatting.
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if 0 < place {
                    out.push(b'.');
                }
                push_number(out, octet.into());
            }
        }
        IpAddr::V6(address) => push(out, format_args!("{address}")),
    }
}

/// A field whose value is a list; nothing is left of one without members.
struct List<'o> {
    out: &'o mut Vec<u8>,
    begin: usize,
    /// Where the first member begins.
    value: usize,
}

impl<'o> List<'o> {
    fn begin(out: &'o mut Vec<u8>, name: &[u8]) -> List<'o> {
        let begin = out.len();
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        let value = out.len();
        List { out, begin, value }
    }

    /// Where the next member goes.
    fn next(&mut self) -> &mut Vec<u8> {
        if self.value < self.out.len() {
            self.out.extend_from_slice(b", ");
        }
        self.out
    }

    fn end(self) {
        if self.value == self.out.len() {
            self.out.truncate(self.begin);
        } else {
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

/// `;host=`, quoted unless it is a token (RFC 7239 section 4). No host has a byte that would have to be escaped.
fn push_host(out: &mut Vec<u8>, authority: &Authority<'_>) {
    let plain = authority.port.is_none() && authority.host.iter().all(|&byte| token::is_token_byte(byte));
    out.extend_from_slice(if plain { b";host=" } else { b";host=\"" });
    authority.push(out);
    if !plain {
        out.push(b'"');
    }
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    value(out);
    out.extend_from_slice(b"\r\n");
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, HeadParser, Limits};

    fn check(forwarding: &Forwarding, fields: &str, expected: &str) {
        let text = format!("GET / HTTP/1.1\r\nHost: a:80\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let mut out = Vec::new();
        forwarding.write(&head.view(text.as_bytes()), &Rules::NONE, &mut out);
        let lines = String::from_utf8(out).expect("text").replace("\r\n", "|");
        assert_eq!(lines, expected, "{forwarding:?} {fields}");
    }

    #[test]
    fn what_is_known_replaces_or_follows_what_is_said() {
        let anybody = Forwarding {
            peer: "192.0.2.7".parse().ok(),
            trust: Trust::Nobody,
            scheme: Scheme::Http,
            announce: Announce::XForwarded,
        };
        let proxy = Forwarding { trust: Trust::Proxy, ..anybody };
        let said = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Forwarded-Proto: https\r\n\
                    Forwarded: for=10.0.0.1\r\n";
        let own = "X-Forwarded-For: 192.0.2.7|X-Forwarded-Proto: http|X-Forwarded-Host: a:80|";
        check(&anybody, "", own);
        check(&anybody, said, own);
        check(&proxy, "", own);
        check(&proxy, said, "X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.7|X-Forwarded-Host: a:80|");
        check(&proxy, "x-forwarded-host: b\r\n", "X-Forwarded-For: 192.0.2.7|X-Forwarded-Proto: http|");
        check(&Forwarding { announce: Announce::Nothing, ..proxy }, said, "");

        let rfc = Announce::Forwarded;
        let own = "for=192.0.2.7;proto=http;host=\"a:80\"|";
        check(&Forwarding { announce: rfc, ..anybody }, said, &format!("Forwarded: {own}"));
        check(&Forwarding { announce: rfc, ..proxy }, said, &format!("Forwarded: for=10.0.0.1, {own}"));
        check(&Forwarding { announce: rfc, ..proxy }, "Forwarded: for=\"x\r\n", &format!("Forwarded: {own}"));
        let six = Forwarding { peer: "2001:db8::7".parse().ok(), scheme: Scheme::Https, ..anybody };
        check(
            &Forwarding { announce: Announce::Both, ..six },
            "",
            "X-Forwarded-For: 2001:db8::7|X-Forwarded-Proto: https|X-Forwarded-Host: a:80|\
             Forwarded: for=\"[2001:db8::7]\";proto=https;host=\"a:80\"|",
        );
        let mapped = Forwarding { peer: "::ffff:192.0.2.7".parse().ok(), announce: rfc, ..anybody };
        check(&mapped, "", &format!("Forwarded: {own}"));

        let unix = Forwarding { peer: None, ..proxy };
        check(&unix, "", "X-Forwarded-Proto: http|X-Forwarded-Host: a:80|");
        check(
            &unix,
            "X-Forwarded-For: 10.0.0.1\r\n",
            "X-Forwarded-For: 10.0.0.1|X-Forwarded-Proto: http|X-Forwarded-Host: a:80|",
        );
        check(&Forwarding { announce: rfc, ..unix }, "", "Forwarded: for=unknown;proto=http;host=\"a:80\"|");
    }

    #[test]
    fn names_that_an_application_takes_for_these_are_these() {
        for (name, is) in [
            ("Forwarded", true),
            ("X-Forwarded-For", true),
            ("x_forwarded_for", true),
            ("X-Forwarded_Port", true),
            ("X-Forwarded-", true),
            ("X-Forwarded", false),
            ("X-Forward", false),
            ("Forwarded-For", false),
        ] {
            assert_eq!(is_forwarding(name.as_bytes()), is, "{name}");
        }
    }
}
