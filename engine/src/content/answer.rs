//! Answers that are complete in themselves: errors with a page, redirects, and empty ones.

use std::borrow::Cow;

use proto_http::Status;
use site::{Answer, Page};

use super::{Responder, Sent};

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
    let with_content = !responder.is_head();
    let writer = responder.head(status).field("Content-Type", media_type.as_bytes());
    writer.number("Content-Length", body.len() as u64);
    responder.end_head();
    let content = if with_content { body } else { &[] };
    responder.out.extend_from_slice(content);
    Sent { status, content: content.len() as u64 }
}

/// Writes an answer with this status, its page, and the fields that `more` adds.
pub(super) fn respond(
    responder: &mut Responder<'_>,
    status: Status,
    more: impl FnOnce(&mut Vec<u8>),
) -> Sent {
    let page = page(responder, status);
    let with_content = !responder.is_head();
    let mut lines = Vec::new();
    more(&mut lines);
    let mut writer = responder.head(status);
    if let Some(page) = &page {
        writer = writer.field("Content-Type", page.media_type.as_bytes());
    }
    // A 204 has no Content-Length (RFC 9110 section 8.6); a 304 would need that of the 200.
    if status.allows_content() {
        writer = writer.number("Content-Length", page.as_ref().map_or(0, |page| page.body.len() as u64));
    }
    writer.lines(&lines);
    responder.end_head();
    let content = page.filter(|_| with_content);
    let content = content.as_ref().map_or(&[][..], |page| &page.body);
    responder.out.extend_from_slice(content);
    Sent { status, content: content.len() as u64 }
}

/// The body for a status: none unless it is an error or a redirect.
fn page<'x>(responder: &Responder<'x>, status: Status) -> Option<Cow<'x, Page>> {
    if status.class() < 3 || !status.allows_content() {
        return None;
    }
    let configured = responder.pages.and_then(|pages| pages.get(status));
    Some(configured.map_or_else(|| Cow::Owned(Page::builtin(status)), Cow::Borrowed))
}

/// Appends one field line.
pub(super) fn line(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value);
    lines.extend_from_slice(b"\r\n");
}
