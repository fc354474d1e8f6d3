//! The content of a request on its way to a server.

use proto_http::chunk;
use proto_http::fastcgi::{self, CONTENT_MAX};

use super::way::{Failure, Way};
use crate::limits::OUTPUT_MAX;
use crate::request_body::{BodyError, RequestBody};

/// How a server gets the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// As it is: how long it is has been said.
    Plain,
    /// In chunks.
    Chunks,
    /// In FastCGI's records.
    Records,
}

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
    (packing, body): (Packing, &mut RequestBody<'_>),
    mut gathered: Gathered,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    loop {
        let before = way.client.shard.clock.tick();
        way.send(out).await?;
        body.held_for(way.client.shard.clock.tick().saturating_sub(before));
        match gathered {
            Gathered::All => return Ok(()),
            Gathered::Enough => {}
            Gathered::Part => body.more().await.map_err(Failure::Body)?,
        }
        gathered = gather(packing, body, out).map_err(Failure::Body)?;
    }
}

/// Appends what has come of the content, framed.
pub(super) fn gather(
    packing: Packing,
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
        pack(packing, data, out);
    }
    match packing {
        Packing::Plain => {}
        Packing::Chunks => out.extend_from_slice(chunk::LAST),
        Packing::Records => fastcgi::write_end_of_input(out),
    }
    Ok(Gathered::All)
}

fn pack(packing: Packing, data: &[u8], out: &mut Vec<u8>) {
    match packing {
        Packing::Plain => out.extend_from_slice(data),
        Packing::Chunks => {
            chunk::write_size(out, data.len());
            out.extend_from_slice(data);
            out.extend_from_slice(chunk::END);
        }
        Packing::Records => {
            for part in data.chunks(CONTENT_MAX) {
                fastcgi::write_input_head(part.len(), out);
                out.extend_from_slice(part);
            }
        }
    }
}
