//! Contents that are at hand as a whole: pages and replies that are short enough to be compressed at once.

use std::borrow::Cow;

use proto_http::Coding;
use proto_http::coding::Accepted;
use proto_http::response::HeadWriter;
use site::Compression;

use super::Responder;
use super::transform::Transform;
use crate::file_lookup::VARY;
use crate::limits::CODED_AT_ONCE_MAX;

/// How the client of a responder likes a content best.
#[derive(Clone, Copy)]
pub(super) struct Wish<'x> {
    pub(super) compression: &'x Compression,
    /// None when it takes no coding, or likes the content better as it is.
    pub(super) coding: Option<Coding>,
    /// Bytes from which on it is compressed.
    pub(super) least: u64,
}

impl<'x> Wish<'x> {
    /// `None` where contents of this type are not compressed.
    pub(super) fn of(responder: &Responder<'x>, media_type: &str) -> Option<Wish<'x>> {
        let compression = responder.compression.filter(|compression| compression.covers(media_type))?;
        let accepted = Accepted::of(responder.request.as_ref()?);
        let coding = accepted.among(compression.codings.iter().copied()).first().copied();
        let least = if accepted.takes_identity() { compression.min_size } else { 1 };
        Some(Wish { compression, coding, least })
    }

    /// Whether it is one for a content of this length.
    pub(super) fn covers(&self, len: usize) -> bool {
        self.least <= len as u64
    }
}

/// A content in the form that the client gets.
pub(super) struct Whole<'c> {
    pub(super) bytes: Cow<'c, [u8]>,
    pub(super) coding: Option<Coding>,
    /// Whether others may get another form.
    pub(super) varies: bool,
}

impl<'c> Whole<'c> {
    /// The form of a content for the client of a responder.
    pub(super) fn of(responder: &mut Responder<'_>, media_type: &str, content: Cow<'c, [u8]>) -> Whole<'c> {
        let plain = |content, varies| Whole { bytes: content, coding: None, varies };
        let wish = Wish::of(responder, media_type).filter(|wish| wish.covers(content.len()));
        let Some(wish) = wish.filter(|_| content.len() <= CODED_AT_ONCE_MAX) else {
            return plain(content, false);
        };
        let Some(coding) = wish.coding else { return plain(content, true) };
        let transform = Transform::begin(&responder.stream.shard, wish.compression, coding);
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
