//! Contents that are at hand as a whole: pages and replies that are short enough to be compressed at once.

use std::borrow::Cow;

use proto_http::Coding;
use proto_http::coding::Accepted;
use proto_http::response::HeadWriter;

use super::Responder;
use super::transform::Transform;
use crate::file_lookup::VARY;
use crate::limits::CODED_AT_ONCE_MAX;

/// A content in the form that the client gets.
pub(super) struct Whole<'c> {
    pub(super) bytes: Cow<'c, [u8]>,
    coding: Option<Coding>,
    /// Whether others may get another form.
    varies: bool,
}

impl<'c> Whole<'c> {
    /// The form of a content for the client of a responder.
    pub(super) fn of(responder: &mut Responder<'_>, media_type: &str, content: Cow<'c, [u8]>) -> Whole<'c> {
        let plain = |content, varies| Whole { bytes: content, coding: None, varies };
        let (Some(compression), Some(request)) = (responder.compression, responder.request) else {
            return plain(content, false);
        };
        let accepted = Accepted::of(&request);
        let least = if accepted.takes_identity() { compression.min_size } else { 1 };
        if (content.len() as u64) < least
            || CODED_AT_ONCE_MAX < content.len()
            || !compression.covers(media_type)
        {
            return plain(content, false);
        }
        let Some(&coding) = accepted.among(compression.codings.iter().copied()).first() else {
            return plain(content, true);
        };
        let transform = Transform::begin(&responder.stream.shard, compression, coding);
        let Some(coded) = transform.and_then(|transform| transform.whole(&content).ok()) else {
            return plain(content, true);
        };
        responder.uncoded = Some(content.len() as u64);
        Whole { bytes: Cow::Owned(coded), coding: Some(coding), varies: true }
    }

    /// The fields that tell how to read it.
    pub(super) fn fields<'o>(&self, writer: HeadWriter<'o>) -> HeadWriter<'o> {
        let writer = match self.coding {
            Some(coding) => writer.field("Content-Encoding", coding.token().as_bytes()),
            None => writer,
        };
        let writer = if self.varies { writer.vary(VARY) } else { writer };
        writer.number("Content-Length", self.bytes.len() as u64)
    }
}
