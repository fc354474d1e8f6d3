//! Several ranges in one response: `multipart/byteranges` (RFC 9110 section 15.3.7.2).

use proto_http::Status;
use proto_http::range::ByteRange;

use super::file::{content, content_range};
use super::{Responder, Sent};
use crate::file_cache::OpenFile;
use crate::file_lookup;
use crate::stream::Gone;

/// Sends the parts in the order in which they were asked for.
pub(super) async fn send(
    responder: &mut Responder<'_>,
    file: &OpenFile,
    set: &[ByteRange],
) -> Result<Sent, Gone> {
    let boundary = boundary(responder);
    let heads: Vec<Vec<u8>> = set.iter().map(|&range| part_head(&boundary, file, range)).collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let length = set.iter().map(|range| range.len()).sum::<u64>()
        + heads.iter().map(|head| head.len() as u64).sum::<u64>()
        + end.len() as u64;
    let media_type = format!("multipart/byteranges; boundary={boundary}");
    let writer = responder.head(Status::PARTIAL_CONTENT);
    let writer = writer.field("Content-Type", media_type.as_bytes()).number("Content-Length", length);
    file_lookup::validator_fields(writer, file).field("Accept-Ranges", b"bytes");
    responder.end_head_about(&file.media_type);
    for (head, range) in heads.iter().zip(set) {
        responder.out.extend_from_slice(head);
        content(responder, file, range.start, range.len()).await?;
    }
    responder.out.extend_from_slice(end.as_bytes());
    Ok(Sent { status: Status::PARTIAL_CONTENT, content: length })
}

fn part_head(boundary: &str, file: &OpenFile, range: ByteRange) -> Vec<u8> {
    let mut head =
        format!("\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: ", file.media_type).into_bytes();
    head.extend_from_slice(&content_range(range, file.stat.len));
    head.extend_from_slice(b"\r\n\r\n");
    head
}

/// A boundary that no content was made to contain: it changes with every response.
fn boundary(responder: &Responder<'_>) -> String {
    use std::hash::{BuildHasher, RandomState};
    let number = RandomState::new().hash_one(responder.stream.shard.clock.now());
    format!("kimura-{number:016x}")
}
