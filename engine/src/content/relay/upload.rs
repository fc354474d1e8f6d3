//! The content of a request on its way to a server.

use proto_http::chunk;
use proto_http::upstream::Content;

use super::way::{Failure, Way};
use crate::limits::OUTPUT_MAX;
use crate::request_body::{BodyError, RequestBody};

/// What a look at the content has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// All of it.
    All,
    /// Enough for now.
    Enough,
    /// What has come; more is due.
    Part,
}

/// Sends the rest of the content, after what `out` has already. Nothing more is taken from the client while the server
/// does not take what has come.
pub(super) async fn send(
    way: &Way<'_>,
    (content, body): (Content, &mut RequestBody<'_>),
    mut gathered: Gathered,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    loop {
        way.send(out).await?;
        match gathered {
            Gathered::All => return Ok(()),
            Gathered::Enough => {}
            Gathered::Part => body.more().await.map_err(Failure::Body)?,
        }
        gathered = gather(content, body, out).map_err(Failure::Body)?;
    }
}

/// Appends what has come of the content, framed.
pub(super) fn gather(
    content: Content,
    body: &mut RequestBody<'_>,
    out: &mut Vec<u8>,
) -> Result<Gathered, BodyError> {
    while !body.is_read() {
        if OUTPUT_MAX <= out.len() {
            return Ok(Gathered::Enough);
        }
        let data = body.at_hand()?;
        if data.is_empty() {
            if body.is_read() {
                break;
            }
            return Ok(Gathered::Part);
        }
        match content {
            Content::Chunked => {
                chunk::write_size(out, data.len());
                out.extend_from_slice(data);
                out.extend_from_slice(chunk::END);
            }
            Content::Length(_) | Content::None => out.extend_from_slice(data),
        }
    }
    if content == Content::Chunked {
        out.extend_from_slice(chunk::LAST);
    }
    Ok(Gathered::All)
}
