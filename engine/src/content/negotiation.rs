//! Which form of a file a client gets (RFC 9110 section 12.1).

use std::rc::Rc;

use proto_http::coding::Accepted;
use proto_http::condition;
use site::Files;

use super::Responder;
use crate::file_cache::OpenFile;
use crate::file_lookup;

/// The form in which a file is sent: the compressed sibling that the client likes best, else the file itself.
pub(super) async fn choose(responder: &Responder<'_>, files: &Files, plain: Rc<OpenFile>) -> Rc<OpenFile> {
    let (Some(compression), Some(request), true) = (&files.compression, responder.request, plain.varies)
    else {
        return plain;
    };
    let accepted = Accepted::of(&request);
    let codings = accepted.among(compression.codings.iter().copied());
    // What the client has already is worth more than what it would like.
    let is_known = plain.etag.as_ref().is_some_and(|etag| condition::names(&request, etag.as_bytes()));
    if codings.is_empty() || is_known && accepted.takes_identity() {
        return plain;
    }
    if compression.precompressed {
        for coding in codings {
            let (stream, path) = (responder.stream, responder.path);
            if let Some(sibling) =
                file_lookup::sibling(stream, files, responder.served, (path, &plain), coding).await
            {
                return sibling;
            }
        }
    }
    plain
}
