//! The numbers of the server for a scraper: the newest text that the supervisor has written.

use std::borrow::Cow;

use perf::render::MEDIA_TYPE;
use proto_http::Status;
use site::Answer;

use super::whole::Whole;
use super::{Responder, Sent, answer};

/// Seconds after which one for whom there are no numbers may come again.
const RETRY_SECONDS: u32 = 1;

/// Fields of every answer: numbers that somebody keeps are old.
const FIELDS: [(&str, &str); 2] = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")];

/// Sends them.
pub(super) fn send(responder: &mut Responder<'_>) -> Sent {
    let mut text = Vec::new();
    let metrics = responder.stream.shard.metrics.as_ref();
    if !metrics.is_some_and(|metrics| metrics.take_newest(&mut text)) {
        let status = Status::SERVICE_UNAVAILABLE;
        let answer = Answer { retry_after: Some(RETRY_SECONDS), ..Answer::with(status) };
        return answer::send(responder, &answer);
    }
    let content = Whole::of(responder, MEDIA_TYPE, Cow::Owned(text));
    content.fields(responder.head(Status::OK).field("Content-Type", MEDIA_TYPE.as_bytes()));
    responder.end_head_with(&FIELDS);
    answer::put(responder, Status::OK, &content.bytes)
}
