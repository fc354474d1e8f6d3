//! Answers that are complete in themselves: errors with a page, redirects, and empty ones.

use std::borrow::Cow;

use proto_http::Status;
use site::{Answer, ErrorPages, Page, Told};

use super::whole::Whole;
use super::{Instead, Responder, Sent};

/// Writes an answer.
pub(super) fn send(responder: &mut Responder<'_>, answer: &Answer<'_>) -> Sent {
    responder.close_wanted |= answer.close;
    respond(responder, answer.status, |lines| {
        if let Some(allow) = answer.allow {
            line(lines, "Allow", allow.as_bytes());
        }
        if let Some(challenge) = answer.challenge {
            line(lines, "WWW-Authenticate", challenge.as_bytes());
        }
        if let Some(seconds) = answer.retry_after {
            line(lines, "Retry-After", seconds.to_string().as_bytes());
        }
    })
}

/// Sends the client to the same place with TLS. 308 has it repeat the request as it was (RFC 9110 section 15.4.9).
pub(super) fn to_tls(responder: &mut Responder<'_>, port: Option<u16>) -> Sent {
    let location = responder.request.and_then(|request| {
        let authority = request.authority()?;
        let mut location = b"https://".to_vec();
        location.extend_from_slice(authority.host);
        if let Some(port) = port {
            location.extend_from_slice(format!(":{port}").as_bytes());
        }
        location.extend_from_slice(request.path());
        if let Some(query) = request.query() {
            location.push(b'?');
            location.extend_from_slice(query);
        }
        Some(location)
    });
    match location {
        Some(location) => {
            respond(responder, Status::PERMANENT_REDIRECT, |lines| line(lines, "Location", &location))
        }
        // It does not say where it meant to be.
        None => respond(responder, Status::BAD_REQUEST, |_| {}),
    }
}

/// Sends the client elsewhere.
pub(super) fn redirect(responder: &mut Responder<'_>, status: Status, location: &[u8]) -> Sent {
    respond(responder, status, |lines| line(lines, "Location", location))
}

/// Sends a body that a rule has made.
pub(super) fn reply(responder: &mut Responder<'_>, status: Status, media_type: &str, body: &[u8]) -> Sent {
    let content = Whole::of(responder, media_type, Cow::Borrowed(body));
    content.fields(responder.head(status).field("Content-Type", media_type.as_bytes()));
    responder.end_head();
    put(responder, status, &content.bytes)
}

/// Writes an answer with this status, its page, and the fields that `more` adds.
pub(super) fn respond(
    responder: &mut Responder<'_>,
    status: Status,
    more: impl FnOnce(&mut Vec<u8>),
) -> Sent {
    let mut lines = Vec::new();
    more(&mut lines);
    if responder.stands_for.is_none() {
        // They belong to a file that is not sent.
        responder.lines.clear();
    }
    // What failed on the way to the page of an error is still that error.
    let status = responder.stands_for.unwrap_or(status);
    if 400 <= status.code() && responder.pages().is_some_and(ErrorPages::depends_on_accept) {
        line(&mut lines, "Vary", b"Accept");
    }
    let page = match page(responder, status) {
        Body::Page(page) => Some(whole(responder, page)),
        Body::None => None,
        Body::At(path) => {
            responder.instead = Some(Instead::for_error(status, path, lines));
            return Sent { status, content: 0 };
        }
    };
    let writer = responder.head(status).lines(&lines);
    // A 204 has no Content-Length (RFC 9110 section 8.6); a 304 would need that of the 200.
    let _ = match &page {
        Some((media_type, content)) => content.fields(writer.field("Content-Type", media_type.as_bytes())),
        None if status.allows_content() => writer.number("Content-Length", 0),
        None => writer,
    };
    responder.end_head();
    put(responder, status, page.as_ref().map_or(&[][..], |(_, content)| &content.bytes))
}

/// The media type of a page, and its body in the form that the client gets.
fn whole<'p>(responder: &mut Responder<'_>, page: Cow<'p, Page>) -> (Cow<'p, str>, Whole<'p>) {
    let (media_type, body) = match page {
        Cow::Borrowed(Page { media_type, body }) => {
            (Cow::Borrowed(media_type.as_str()), Cow::Borrowed(&**body))
        }
        Cow::Owned(Page { media_type, body }) => (Cow::Owned(media_type), Cow::Owned(body)),
    };
    let content = Whole::of(responder, &media_type, body);
    (media_type, content)
}

/// Ends an answer with its content, which the answer to HEAD does not have.
pub(super) fn put(responder: &mut Responder<'_>, status: Status, content: &[u8]) -> Sent {
    let content = if responder.is_head() { &[] } else { content };
    responder.out.extend_from_slice(content);
    Sent { status, content: content.len() as u64 }
}

/// The body of an answer.
enum Body<'x> {
    None,
    Page(Cow<'x, Page>),
    /// The file that the host has at this path.
    At(&'x [u8]),
}

/// The body for a status: none unless it is an error or a redirect.
fn page<'x>(responder: &Responder<'x>, status: Status) -> Body<'x> {
    if status.class() < 3 || !status.allows_content() {
        return Body::None;
    }
    let request = responder.request.as_ref();
    match responder.pages() {
        Some(pages) if 400 <= status.code() => match pages.told(status, request) {
            Told::Page(page) => Body::Page(page),
            // One file at most is looked for in place of an error, and only for whoever has asked for something.
            Told::To(path) if responder.stands_for.is_none() && request.is_some() => Body::At(path),
            Told::To(_) => Body::Page(pages.told_at_last(status, request)),
        },
        _ => Body::Page(Cow::Owned(Page::builtin(status))),
    }
}

/// Appends one field line.
pub(super) fn line(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value);
    lines.extend_from_slice(b"\r\n");
}
