//! What requests are told apart by, where those that are alike go to the same server.

use std::net::IpAddr;

use config::HashBy;

use super::Visit;
use crate::cookie;

/// FNV-1a with 64 bits: it is the same on every machine and in every version, so that several servers in front of a group
/// agree.
pub(super) fn digest(parts: &[&[u8]]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The key of a request; none when it has not what is looked at.
pub(super) fn of(visit: &Visit<'_>, by: &HashBy) -> Option<u64> {
    match by {
        HashBy::Address => visit.client.map(|client| match client {
            IpAddr::V4(address) => digest(&[&address.octets()]),
            IpAddr::V6(address) => digest(&[&address.octets()]),
        }),
        HashBy::Header(name) => {
            let mut fields = visit.request.fields();
            let field = fields.find(|(known, ..)| known.eq_ignore_ascii_case(name.as_bytes()))?;
            of_value(field.1)
        }
        HashBy::Cookie(name) => cookie::find(&visit.request, name.as_bytes()).and_then(of_value),
    }
}

/// An empty value is none, as in rules: all without a session would share one server.
fn of_value(value: &[u8]) -> Option<u64> {
    (!value.is_empty()).then(|| digest(&[value]))
}

#[cfg(test)]
mod tests {
    use proto_http::{Head, HeadParser, Limits};

    use super::*;

    #[test]
    fn an_empty_value_is_none() {
        let (header, cookie) = (HashBy::Header("X-User".to_owned()), HashBy::Cookie("id".to_owned()));
        for (by, fields, wanted) in [
            (&header, "X-User: anna\r\n", Some("anna")),
            (&header, "X-User:\r\n", None),
            (&header, "X-User: \t\r\n", None),
            (&header, "", None),
            (&cookie, "Cookie: a=1; id=7\r\n", Some("7")),
            (&cookie, "Cookie: id=; a=1\r\n", None),
            (&cookie, "Cookie: id=\r\n", None),
            (&cookie, "Cookie: a=1\r\n", None),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let mut head = Head::default();
            HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
            let visit = Visit { request: head.view(text.as_bytes()), client: None, tried: &[] };
            assert_eq!(of(&visit, by), wanted.map(|value| digest(&[value.as_bytes()])), "{by:?} {fields:?}");
        }
    }
}
