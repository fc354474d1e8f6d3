//! The diagnostic handler: sends the body of the request back, chunk by chunk, as it comes.

use proto_http::{Status, Version, chunk};

use super::{Responder, Sent, answer};
use crate::limits::OUTPUT_MAX;
use crate::request_body::BodyError;
use crate::stream::Gone;

/// Reads the body and sends it back.
pub(super) async fn send(responder: &mut Responder<'_>) -> Result<Sent, Gone> {
    if responder.body.take_continue() {
        responder.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        responder.stream.shard.count(perf::Counter::Responses1xx);
        responder.stream.send(responder.out).await?;
    }
    // A body that fits is read first: so a broken one gets its error, and nothing half done is seen.
    let mut content = Vec::new();
    let whole = loop {
        match responder.body.next().await {
            Ok([]) => break true,
            Ok(data) => content.extend_from_slice(data),
            Err(error) => return refuse(responder, error),
        }
        if responder.body.is_read() {
            break true;
        }
        if OUTPUT_MAX < content.len() {
            break false;
        }
    };
    if whole || responder.is_head() {
        Ok(at_once(responder, &content))
    } else {
        in_chunks(responder, content).await
    }
}

fn refuse(responder: &mut Responder<'_>, error: BodyError) -> Result<Sent, Gone> {
    let status = error.status().ok_or(Gone::Broken)?;
    responder.close_wanted = true;
    Ok(answer::respond(responder, status, |_| {}))
}

fn at_once(responder: &mut Responder<'_>, content: &[u8]) -> Sent {
    let with_content = !responder.is_head();
    let fields = responder.fields;
    let writer = responder.head(Status::OK).field("Content-Type", b"application/octet-stream");
    writer.number("Content-Length", content.len() as u64).lines(fields).finish();
    if with_content {
        responder.out.extend_from_slice(content);
    }
    Sent { status: Status::OK, content: if with_content { content.len() as u64 } else { 0 } }
}

/// Sends what has come while the rest is still coming. Whether the rest will be whole is not known when the head
/// is written, so this response is the last of its connection. An HTTP/1.0 client cannot take chunks: there the
/// end of the connection ends the response (RFC 9112 section 6.3).
async fn in_chunks(responder: &mut Responder<'_>, first: Vec<u8>) -> Result<Sent, Gone> {
    let chunked = responder.version() == Version::Http11;
    responder.close_wanted = true;
    let fields = responder.fields;
    let mut writer = responder.head(Status::OK).field("Content-Type", b"application/octet-stream");
    if chunked {
        writer = writer.field("Transfer-Encoding", b"chunked");
    }
    writer.lines(fields).finish();
    put(responder.out, &first, chunked);
    let mut content = first.len() as u64;
    while !responder.body.is_read() {
        responder.stream.send(responder.out).await?;
        // Too late for an error status: the missing last chunk tells the client.
        let data = responder.body.next().await.map_err(|_| Gone::Broken)?;
        content += data.len() as u64;
        put(responder.out, data, chunked);
    }
    if chunked {
        responder.out.extend_from_slice(chunk::LAST);
    }
    Ok(Sent { status: Status::OK, content })
}

fn put(out: &mut Vec<u8>, data: &[u8], chunked: bool) {
    if data.is_empty() {
        return;
    }
    if chunked {
        chunk::write_size(out, data.len());
    }
    out.extend_from_slice(data);
    if chunked {
        out.extend_from_slice(chunk::END);
    }
}
