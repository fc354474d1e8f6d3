//! `Upgrade`: the wish to go on in another protocol on the same connection (RFC 9110 section 7.8).

use super::hop_by_hop::{is, members};
use crate::{Body, Known, Method, Request, Version, token};

/// Which protocols may be passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrades {
    /// None.
    None,
    /// WebSocket (RFC 6455).
    #[default]
    WebSocket,
    /// Any but HTTP and TLS: through a tunnel in these, requests would pass that nobody here has looked at.
    Any,
}

/// Protocols that are never passed on.
const NEVER: [&str; 4] = ["h2c", "h2", "http", "tls"];

/// The protocol that a request wants to go on in, as it was sent, if it may.
///
/// A wish that may not be granted is left out, as RFC 9110 allows; the request is served without it.
#[must_use]
pub fn wanted<'a>(request: &Request<'a>, allowed: Upgrades) -> Option<&'a [u8]> {
    let mut values = request.all(Known::Upgrade);
    let (value, None) = (values.next()?, values.next()) else { return None };
    let asks = request.version() == Version::Http11
        && request.method() == Method::Get
        && request.body() == Body::None
        && members(request.all(Known::Connection)).any(|option| is(option, "upgrade"));
    let name = value.split(|&byte| byte == b'/').next().unwrap_or_default();
    let allowed = match allowed {
        Upgrades::None => false,
        Upgrades::WebSocket => is(value, "websocket"),
        Upgrades::Any => is_protocol(value) && !NEVER.iter().any(|never| is(name, never)),
    };
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

    fn check(allowed: Upgrades, line: &str, fields: &str, expected: Option<&str>) {
        let text = format!("{line}\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let found = wanted(&head.view(text.as_bytes()), allowed);
        assert_eq!(found, expected.map(str::as_bytes), "{allowed:?} {text}");
    }

    #[test]
    fn wishes_are_granted_where_they_may_be() {
        use Upgrades::{Any, None as Off, WebSocket};
        let get = "GET / HTTP/1.1";
        let socket = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
        check(WebSocket, get, socket, Some("WebSocket"));
        check(Any, get, socket, Some("WebSocket"));
        check(Off, get, socket, None);
        check(WebSocket, "GET / HTTP/1.0", socket, None);
        check(WebSocket, "POST / HTTP/1.1", socket, None);
        check(WebSocket, get, "Upgrade: websocket\r\n", None);
        check(WebSocket, get, "Connection: upgrade\r\n", None);
        check(WebSocket, get, "Connection: upgrade\r\nContent-Length: 5\r\nUpgrade: websocket\r\n", None);
        for (protocol, any) in [
            ("websocket", true),
            ("SPDY/3.1", true),
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
            check(Any, get, &fields, any.then_some(protocol));
            check(WebSocket, get, &fields, (protocol == "websocket").then_some(protocol));
        }
        check(Any, get, "Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", None);
    }
}
