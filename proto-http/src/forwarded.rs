//! For whom proxies say that they speak, in `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Anybody can write these fields. Who believes them has to begin with the nearest proxy and to stop at the first one
//! that is not trusted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use arrayvec::ArrayVec;

use crate::{Known, Request};

/// Most proxies between a client and us that are looked at: the nearest ones.
pub const HOPS_MAX: usize = 32;

/// For whom each proxy speaks, the nearest one last; `None` where that is no address.
pub type Hops = ArrayVec<Option<IpAddr>, HOPS_MAX>;

/// What `X-Forwarded-For` says, which no standard describes: addresses, separated by commas, of which some proxies write
/// a port behind.
#[must_use]
pub fn x_forwarded_for(request: &Request<'_>) -> Hops {
    let mut hops = Hops::new();
    for value in request.all(Known::XForwardedFor) {
        for element in value.split(|byte| *byte == b',') {
            let text = std::str::from_utf8(element.trim_ascii()).unwrap_or_default();
            push(&mut hops, address(text));
        }
    }
    hops
}

/// What `Forwarded` says.
#[must_use]
pub fn forwarded(request: &Request<'_>) -> Hops {
    let mut hops = Hops::new();
    for value in request.all(Known::Forwarded) {
        elements(value, &mut hops);
    }
    hops
}

fn push(hops: &mut Hops, hop: Option<IpAddr>) {
    if hops.is_full() {
        hops.remove(0);
    }
    hops.push(hop);
}

/// RFC 7239 section 4: elements separated by commas, each of pairs separated by semicolons.
fn elements(value: &[u8], hops: &mut Hops) {
    for part in parts(value, b',') {
        push(hops, element(part));
    }
    // Proxies append to what a client has sent: a quote that it has left open hides what they say.
    if !is_closed(value) {
        push(hops, None);
    }
}

/// The address behind `for=`; none where there is not exactly one.
fn element(pairs: &[u8]) -> Option<IpAddr> {
    let mut named = parts(pairs, b';').filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.trim_ascii().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    // RFC 7239 section 4: no parameter more than once.
    let (value, None) = (named.next()?, named.next()) else { return None };
    // RFC 7239 section 6: an address with a colon is quoted. No address has a character that would be escaped.
    match value.strip_prefix('"') {
        Some(rest) => address(rest.strip_suffix('"')?),
        None => address(value),
    }
}

/// Where a byte stands (RFC 9110 section 5.6.4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Outside,
    Quoted,
    /// Behind a backslash in a quoted text: the next byte stands for itself.
    Escaped,
}

impl Quoting {
    fn after(self, byte: u8) -> Quoting {
        match (self, byte) {
            (Quoting::Outside, b'"') | (Quoting::Escaped, _) => Quoting::Quoted,
            (Quoting::Quoted, b'"') => Quoting::Outside,
            (Quoting::Quoted, b'\\') => Quoting::Escaped,
            (same, _) => same,
        }
    }
}

/// Whether all that is quoted in a value comes to its end there: then more can be appended.
pub(crate) fn is_closed(value: &[u8]) -> bool {
    quoting(value) == Quoting::Outside
}

/// Where what follows `value` stands.
fn quoting(value: &[u8]) -> Quoting {
    value.iter().fold(Quoting::Outside, |quoting, byte| quoting.after(*byte))
}

/// What stands between separators that are not quoted.
fn parts(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoting = Quoting::Outside;
    value.split(move |byte| {
        quoting = quoting.after(*byte);
        *byte == separator && quoting == Quoting::Outside
    })
}

/// An address, with or without a port. IPv6 stands in brackets where a port could follow.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse().ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, HeadParser, Limits};

    /// What the fields say; a dash where they name nobody.
    fn said(fields: &str, hops: fn(&Request<'_>) -> Hops) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let hops = hops(&head.view(text.as_bytes()));
        hops.iter().map(|hop| hop.map_or("-".to_owned(), |hop| hop.to_string())).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn x_forwarded_for_names_clients_from_the_farthest_to_the_nearest() {
        for (fields, wanted) in [
            ("", ""),
            ("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
            (
                "X-Forwarded-For: 192.0.2.7, 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n",
                "192.0.2.7 10.0.0.1 10.0.0.2",
            ),
            (
                "x-forwarded-for: ::ffff:192.0.2.7,[2001:db8::1]:80,[2001:db8::2]\r\n",
                "192.0.2.7 2001:db8::1 2001:db8::2",
            ),
            ("X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"),
            ("X-Forwarded-For: unknown, _hidden, , 192.0.2.7\r\n", "- - - 192.0.2.7"),
            ("X-Forwarded-For: 192.0.2.07\r\n", "-"),
            ("X-Forwarded-For: \r\n", "-"),
        ] {
            assert_eq!(said(fields, x_forwarded_for), wanted, "{fields}");
        }
        let many = format!("X-Forwarded-For: {}192.0.2.7\r\n", "10.0.0.1,".repeat(2 * HOPS_MAX));
        assert!(said(&many, x_forwarded_for).ends_with("10.0.0.1 192.0.2.7"), "the nearest ones count");
    }

    #[test]
    fn forwarded_names_clients_as_the_rfc_has_it() {
        for (fields, wanted) in [
            ("Forwarded: for=192.0.2.7\r\n", "192.0.2.7"),
            ("Forwarded: For=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1"),
            ("Forwarded: for=192.0.2.7;proto=http;by=203.0.113.43\r\n", "192.0.2.7"),
            ("Forwarded: by=203.0.113.43; for=192.0.2.7, for=\"10.0.0.1:80\"\r\n", "192.0.2.7 10.0.0.1"),
            ("Forwarded: for=192.0.2.7\r\nForwarded: for=10.0.0.1\r\n", "192.0.2.7 10.0.0.1"),
            ("Forwarded: for=_hidden, for=unknown, proto=http\r\n", "- - -"),
            ("Forwarded: host=\"a,for=10.0.0.1\";for=192.0.2.7\r\n", "192.0.2.7"),
            ("Forwarded: for=192.0.2.7, for=\"10.0.0.1\r\n", "192.0.2.7 - -"),
            // What a client has sent, with what a proxy has appended to it.
            ("Forwarded: for=10.0.0.1;x=\", for=192.0.2.7\r\n", "10.0.0.1 -"),
            ("Forwarded: for=10.0.0.1;x=\"\\, for=\"[2001:db8::1]\"\r\n", "10.0.0.1 -"),
            ("Forwarded: for=192.0.2.7;host=\"\\\",for=10.0.0.1;x=\\\"\"\r\n", "192.0.2.7"),
            ("Forwarded: host=\"x;for=10.0.0.1;\"\r\n", "-"),
            ("Forwarded: for=192.0.2.7;for=10.0.0.1\r\n", "-"),
            ("Forwarded: host=\"\\\";for=10.0.0.1;x=\\\"\";for=192.0.2.7\r\n", "192.0.2.7"),
        ] {
            assert_eq!(said(fields, forwarded), wanted, "{fields}");
        }
    }
}
