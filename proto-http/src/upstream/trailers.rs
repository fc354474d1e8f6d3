//! Trailer fields on their way through a proxy (RFC 9110 section 6.5).
//!
//! What stands behind a content is read by others than what stands before it, if at all, and some put both together.
//! So nothing passes that says where a message goes, how it is framed, who sends it, or how its content is to be read.

use super::forwarding::{is_forwarding, reads_as};
use super::hop_by_hop::{Named, is, members};
use super::rules::FieldNames;
use crate::response::push_field;
use crate::{Known, Request, Version, token};

/// Fields that mean something only before the content (RFC 9110 section 6.5.1), beside those that belong to a connection
/// and those by which programs talk to their proxies.
const NOT_BEHIND: [&str; 46] = [
    "age",
    "alt-svc",
    "authorization",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "status",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
    "x-real-ip",
    "x-sendfile",
    "x-accel-redirect",
];

/// Whether the client reads trailers (RFC 9110 section 10.1.4).
#[must_use]
pub fn takes_trailers(request: &Request<'_>) -> bool {
    request.version() == Version::Http11
        && members(request.all(Known::Te)).any(|member| is(member, "trailers"))
}

/// Appends the last chunk with those of the trailer fields that pass, and the end of the message.
///
/// `section` is the whole trailer section as a [`body::Decoder`](crate::body::Decoder) has found and checked it, or
/// nothing. What the message's `Connection` names does not pass, nor do `dropped`.
pub fn write_last_chunk(section: &[u8], named: &Named<'_>, dropped: &FieldNames, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields(section) {
        if passes(name) && !named.contains(name) && !dropped.contains(name) {
            push_field(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The fields of a section whose lines are right.
fn fields(section: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    section.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r")?;
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((&line[..colon], token::trim(&line[colon + 1..])))
    })
}

fn passes(name: &[u8]) -> bool {
    !is_forwarding(name) && !NOT_BEHIND.iter().any(|other| reads_as(name, other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{BodyLimits, Decoder};
    use crate::{Body, Head, HeadParser, Limits};

    /// Takes a chunked content apart by so many bytes, and puts together what stands behind it.
    fn section(content: &[u8], step: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(Body::Chunked, BodyLimits::default());
        let (mut section, mut at) = (Vec::new(), 0);
        while !decoder.is_done() {
            let end = content.len().min(at + step);
            let found = decoder.decode(&content[at..end]).expect("right");
            section.extend_from_slice(&content[at..end][found.trailer]);
            at += found.consumed;
        }
        section
    }

    fn check(trailers: &str, passed: &str) {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\n\r\n";
        let mut head = Head::new();
        HeadParser::default().parse(request, &Limits::default(), &mut head).expect("a good head");
        let named = Named::of(&head.view(request)).expect("few");
        let mut dropped = FieldNames::default();
        dropped.insert("X-Dropped").expect("a name");
        let content = format!("3\r\nabc\r\n0\r\n{trailers}\r\nGET / HTTP/1.1\r\n");
        for step in [1, 2, 7, 100] {
            let mut out = Vec::new();
            write_last_chunk(&section(content.as_bytes(), step), &named, &dropped, &mut out);
            let text = String::from_utf8(out).expect("text");
            assert_eq!(text, format!("0\r\n{passed}\r\n"), "{trailers} by {step}");
        }
    }

    #[test]
    fn what_only_says_more_about_the_content_passes() {
        check("", "");
        check("X-T:1\r\nContent-Digest: \t sha-256=:x: \r\n", "X-T: 1\r\nContent-Digest: sha-256=:x:\r\n");
        check("Server-Timing: a\r\nServer-Timing: b\r\n", "Server-Timing: a\r\nServer-Timing: b\r\n");
        check("X-Hop: 1\r\nx-dropped: 2\r\nX-Empty:\r\n", "X-Empty: \r\n");
        check("X-Forwarded-For: 1\r\nforwarded: for=x\r\nX_Real_IP: 1\r\n", "");
        for name in NOT_BEHIND {
            check(&format!("{}: x\r\n", name.to_uppercase()), "");
        }
    }
}
