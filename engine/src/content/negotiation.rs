//! Which form of a file a client gets (RFC 9110 section 12.1).

use std::rc::Rc;

use perf::Counter;
use proto_http::coding::Accepted;
use proto_http::{Coding, Known, Method, Request, Version, condition};
use site::Files;

use super::Responder;
use crate::file_cache::OpenFile;
use crate::file_lookup;

/// What is sent of a file.
pub(super) enum Choice {
    /// This.
    Ready(Rc<OpenFile>),
    /// The file, compressed so.
    ToBeMade(Rc<OpenFile>, Coding),
}

/// The form in which a file is sent: the compressed sibling that the client likes best; else the file compressed as the
/// client likes it best; else the file itself.
pub(super) async fn choose(responder: &Responder<'_>, files: &Files, plain: Rc<OpenFile>) -> Choice {
    let (Some(compression), Some(request), true) = (&files.compression, responder.request, plain.varies)
    else {
        return Choice::Ready(plain);
    };
    let accepted = Accepted::of(&request);
    let codings = accepted.among(compression.codings.iter().copied());
    // What the client has already is worth more than what it would like.
    let is_known = plain.etag.as_ref().is_some_and(|etag| condition::names(&request, etag.as_bytes()));
    let Some(&dearest) = codings.first() else { return Choice::Ready(plain) };
    if is_known && accepted.takes_identity() {
        return Choice::Ready(plain);
    }
    let shard = &responder.stream.shard;
    if compression.precompressed {
        for &coding in &codings {
            let place = (responder.path, &plain);
            let found = file_lookup::sibling(responder.stream, files, responder.served, place, coding).await;
            if let Some(sibling) = found {
                shard.count(Counter::PrecompressedHits);
                return Choice::Ready(sibling);
            }
        }
    }
    if let Some(made) = plain.coded.made(dearest) {
        if is_exact(&request) {
            return Choice::Ready(plain);
        }
        shard.count(Counter::CompressedHits);
        return Choice::Ready(made);
    }
    let len = plain.stat.len;
    // Chunks are no part of HTTP/1.0.
    let is_sendable = responder.version() != Version::Http10 || shard.files.keeps_coded(len);
    let is_worth_it = compression.min_size <= len || !accepted.takes_identity();
    if len == 0 || !is_worth_it || !is_sendable || is_exact(&request) || plain.coded.is_futile(dearest) {
        return Choice::Ready(plain);
    }
    Choice::ToBeMade(plain, dearest)
}

/// Whether a request is about bytes that have to stay as they are: what is compressed here has no strong validator, so
/// that neither a range of it can be combined with another one (RFC 9110 section 15.3.7.3) nor `If-Match` be true.
fn is_exact(request: &Request<'_>) -> bool {
    let wants_range = request.method() == Method::Get && request.field(Known::Range).is_some();
    wants_range || request.field(Known::IfMatch).is_some()
}
