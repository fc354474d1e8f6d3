//! The diagnostic handler: sends the body of a request back, framed as it came.

use proto_http::{Body, Status, Version, chunk};

use super::{Responder, Sent, answer};
use crate::limits::ECHO_MAX;
use crate::request_body::BodyError;
use crate::stream::Gone;

/// Length of the chunks that are sent.
const CHUNK: usize = 16 * 1024;

/// Reads the body to its end, so that a broken one gets its error and nothing half done is seen; then sends it.
pub(super) async fn send(responder: &mut Responder<'_>) -> Result<Sent, Gone> {
    if responder.request.is_some_and(|request| request.body() == Body::Coded) {
        // RFC 9112 section 6.1: the codings below chunked are not implemented.
        return Ok(answer::respond(responder, Status::NOT_IMPLEMENTED, |_| {}));
    }
    if responder.body.take_continue() {
        responder.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        responder.stream.shard.count(perf::Counter::Responses1xx);
        responder.stream.send(responder.out).await?;
    }
    let mut content = Vec::new();
    while !responder.body.is_read() {
        match responder.body.next().await {
            Ok(data) if ECHO_MAX < content.len() + data.len() => {
                return refuse(responder, BodyError::TooLarge);
            }
            Ok(data) => content.extend_from_slice(data),
            Err(error) => return refuse(responder, error),
        }
    }
    Ok(answer(responder, &content))
}

fn refuse(responder: &mut Responder<'_>, error: BodyError) -> Result<Sent, Gone> {
    let answer = error.answer().ok_or(Gone::Broken)?;
    Ok(answer::send(responder, &answer))
}

fn answer(responder: &mut Responder<'_>, content: &[u8]) -> Sent {
    let status = Status::OK;
    let with_content = !responder.is_head();
    // An HTTP/1.0 client never sends chunks, and cannot read them.
    let chunked = responder.request.is_some_and(|request| request.body() == Body::Chunked)
        && responder.version() == Version::Http11;
    let writer = responder.head(status).field("Content-Type", b"application/octet-stream");
    if chunked {
        writer.field("Transfer-Encoding", b"chunked");
    } else {
        writer.number("Content-Length", content.len() as u64);
    }
    responder.end_head();
    if !with_content {
        return Sent { status, content: 0 };
    }
    if chunked {
        for data in content.chunks(CHUNK) {
            chunk::write_size(responder.out, data.len());
            responder.out.extend_from_slice(data);
            responder.out.extend_from_slice(chunk::END);
        }
        responder.out.extend_from_slice(chunk::LAST);
    } else {
        responder.out.extend_from_slice(content);
    }
    Sent { status, content: content.len() as u64 }
}
