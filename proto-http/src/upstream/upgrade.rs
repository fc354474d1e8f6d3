//! `Upgrade`: the wish to go on in another protocol on the same connection (RFC 9110 section 7.8).

use super::hop_by_hop::{is, members};
use crate::{Body, Known, Method, Request, Version, token};

/// Protocols that are never passed on: through a tunnel in these, requests would pass that nobody here has looked at.
const NEVER: [&str; 4] = ["h2c", "h2", "http", "tls"];

/// Whether a text is the name of a protocol that may be passed on, with a version or without.
#[must_use]
pub fn may_pass(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    is_protocol(protocol.as_bytes()) && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}

/// The protocol that a request wants to go on in, as it was sent, if it may.
///
/// `allowed` are names of protocols, each for all of its versions or with one. A wish that may not be granted is left out,
/// as RFC 9110 allows; the request is served without it.
#[must_use]
pub fn wanted<'a>(request: &Request<'a>, allowed: &[impl AsRef<str>]) -> Option<&'a [u8]> {
    let mut values = request.all(Known::Upgrade);
    let (value, None) = (values.next()?, values.next()) else { return None };
    let asks = request.version() == Version::Http11
        && request.method() == Method::Get
        && request.body() == Body::None
        && members(request.all(Known::Connection)).any(|option| is(option, "upgrade"));
    let name = value.split(|&byte| byte == b'/').next().unwrap_or_default();
    let allowed = allowed.iter().map(AsRef::as_ref).any(|allowed| is(value, allowed) || is(name, allowed));
    let allowed = allowed && std::str::from_utf8(value).is_ok_and(may_pass);
    (asks && allowed).then_some(value)
}

/// One protocol, with or without a version; a list is not offered to upstreams.
fn is_protocol(value: &[u8]) -> bool {
    let mut parts = value.split(|&byte| byte == b'/');
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|&byte| token::is_token_byte(byte));
    parts.next().is_some_and(is_token) && parts.next().is_none_or(is_token) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, HeadParser, Limits};

    const WEB_SOCKET: &[&str] = &["websocket"];
    /// What could be told from a list too well meant.
    const MANY: &[&str] = &["websocket", "spdy/3.1", "tcp", "h2c", "http", "tls", "a/b/c", "a b", ""];

    fn check(allowed: &[&str], line: &str, fields: &str, expected: Option<&str>) {
        let text = format!("{line}\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let found = wanted(&head.view(text.as_bytes()), allowed);
        assert_eq!(found, expected.map(str::as_bytes), "{allowed:?} {text}");
    }

    #[test]
    fn wishes_are_granted_where_they_may_be() {
        let get = "GET / HTTP/1.1";
        let socket = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
        check(WEB_SOCKET, get, socket, Some("WebSocket"));
        check(MANY, get, socket, Some("WebSocket"));
        check(&[], get, socket, None);
        check(WEB_SOCKET, "GET / HTTP/1.0", socket, None);
        check(WEB_SOCKET, "POST / HTTP/1.1", socket, None);
        check(WEB_SOCKET, get, "Upgrade: websocket\r\n", None);
        check(WEB_SOCKET, get, "Connection: upgrade\r\n", None);
        check(WEB_SOCKET, get, "Connection: upgrade\r\nContent-Length: 5\r\nUpgrade: websocket\r\n", None);
        for (protocol, any) in [
            ("websocket", true),
            ("SPDY/3.1", true),
            ("SPDY/3", false),
            ("websocket/13", true),
            ("tcp", true),
            ("h2c", false),
            ("H2C", false),
            ("HTTP/2.0", false),
            ("TLS/1.0", false),
            ("websocket, h2c", false),
            ("a/b/c", false),
            ("a b", false),
            ("", false),
        ] {
            let fields = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
            check(MANY, get, &fields, any.then_some(protocol));
            let is_it = protocol.starts_with("websocket") && !protocol.contains(',');
            check(WEB_SOCKET, get, &fields, is_it.then_some(protocol));
        }
        check(MANY, get, "Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", None);
    }
}
