//! Contents that the shard compresses by itself, as they pass: answers of other servers.

use std::rc::Rc;

use proto_http::coding::Accepted;
use proto_http::upstream::{Framing, Name, Recoding, Response, forbids_transformation};
use proto_http::{Coding, Known, Request, Status, Version};
use site::Compression;

use crate::encoders::Lent;
use crate::limits::{BROTLI_LEVEL_PASSING_MAX, GZIP_LEVEL_PASSING_MAX, ZSTD_LEVEL_PASSING_MAX};
use crate::shard::Shard;
use crate::stream::Gone;

/// What is to become of the content of an answer.
pub(super) fn recoding(
    compression: Option<&Compression>,
    request: &Request<'_>,
    response: &Response<'_>,
    framing: Framing,
) -> Recoding {
    let Some(compression) = compression.filter(|_| is_changeable(request, response)) else {
        return Recoding::None;
    };
    let status = response.status();
    let media_type = response.field(Name::ContentType).map(std::str::from_utf8);
    match media_type {
        Some(Ok(media_type)) if compression.covers(media_type) => {}
        // It is about a content that has a type, of which it need not tell.
        None if status == Status::NOT_MODIFIED => {}
        _ => return Recoding::None,
    }
    // A part of a content cannot be compressed by itself: its places are those of the whole. But a cache has to know of
    // both on what the whole depends (RFC 9110 sections 15.3.7 and 15.4.5).
    if matches!(status, Status::PARTIAL_CONTENT | Status::NOT_MODIFIED) {
        return Recoding::Possible;
    }
    let accepted = Accepted::of(request);
    let dearest = accepted.among(compression.codings.iter().copied()).first().copied();
    let len = match framing {
        Framing::Length(len) => Some(len),
        _ => response.content_length(),
    };
    // Of nothing there is nothing to compress, whatever else is refused.
    let least = if accepted.takes_identity() { compression.min_size } else { 1 };
    let is_worth_it = len.is_none_or(|len| least <= len);
    match dearest {
        // Chunks are no part of HTTP/1.0, and there is no telling how long the content gets.
        Some(coding) if is_worth_it && request.version() != Version::Http10 => Recoding::Done(coding),
        _ => Recoding::Possible,
    }
}

/// Whether an answer is about a content that may be another one.
fn is_changeable(request: &Request<'_>, response: &Response<'_>) -> bool {
    let status = response.status();
    let has_content = status == Status::NOT_MODIFIED || status.allows_content() && status.class() != 1;
    let is_coded = response.all(Name::ContentEncoding).any(|value| !value.eq_ignore_ascii_case(b"identity"));
    // RFC 9111 sections 5.2.1.6 and 5.2.2.6: either side can forbid it.
    let is_forbidden = forbids_transformation(response.all(Name::CacheControl))
        || forbids_transformation(request.all(Known::CacheControl));
    has_content && !is_coded && !is_forbidden
}

/// How hard is tried with what is sent but once: what takes long for a piece would keep all others waiting.
pub(super) fn passing_level(compression: &Compression, coding: Coding) -> u32 {
    compression.level(coding).min(match coding {
        Coding::Gzip => GZIP_LEVEL_PASSING_MAX,
        Coding::Zstd => ZSTD_LEVEL_PASSING_MAX,
        Coding::Brotli => BROTLI_LEVEL_PASSING_MAX,
    })
}

/// A content on its way through an encoder.
pub(super) struct Transform {
    lent: Lent,
    /// What has come out and is not handed over yet.
    coded: Vec<u8>,
    /// Bytes that were taken.
    pub(super) taken: u64,
    /// Whether something may be held back within.
    is_holding: bool,
}

impl Transform {
    /// `None` when as many contents are being compressed as may be.
    pub(super) fn begin(shard: &Rc<Shard>, compression: &Compression, coding: Coding) -> Option<Transform> {
        let lent = Lent::take(shard, coding, passing_level(compression, coding))?;
        Some(Transform { lent, coded: shard.buffer(), taken: 0, is_holding: false })
    }

    /// Takes a piece; answers what has come out.
    pub(super) fn push(&mut self, content: &[u8]) -> Result<&[u8], Gone> {
        self.coded.clear();
        self.taken += content.len() as u64;
        self.is_holding = true;
        self.lent.push(content, &mut self.coded)?;
        Ok(&self.coded)
    }

    /// Answers what is missing to decode all that was taken: to be called when nothing more is at hand, so that nobody
    /// waits for what has come already.
    pub(super) fn flush(&mut self) -> Result<&[u8], Gone> {
        self.coded.clear();
        if std::mem::replace(&mut self.is_holding, false) {
            self.lent.flush(&mut self.coded)?;
        }
        Ok(&self.coded)
    }

    /// Answers what is left.
    pub(super) fn finish(&mut self) -> Result<&[u8], Gone> {
        self.coded.clear();
        self.lent.finish(&mut self.coded)?;
        Ok(&self.coded)
    }
}

impl Transform {
    /// All that comes of a content that is at hand as a whole.
    pub(super) fn whole(mut self, content: &[u8]) -> Result<Vec<u8>, Gone> {
        let mut coded = self.push(content)?.to_vec();
        coded.extend_from_slice(self.finish()?);
        Ok(coded)
    }
}

impl Drop for Transform {
    fn drop(&mut self) {
        self.lent.shard().recycle(std::mem::take(&mut self.coded));
    }
}
