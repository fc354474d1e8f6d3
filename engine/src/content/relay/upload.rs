//! The content of a request on its way to a server.

use proto_http::chunk;
use proto_http::fastcgi::{self, CONTENT_MAX};
use proto_http::upstream::{FieldNames, Named, write_last_chunk};

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

/// How a server gets the content, and which trailer fields behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel<'o> {
    pub(super) packing: Packing,
    /// What belongs to the client's connection.
    pub(super) named: &'o Named<'o>,
    /// What the operator does not want to pass.
    pub(super) dropped: &'o FieldNames,
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
    (parcel, body): (Parcel<'_>, &mut RequestBody<'_>),
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
        gathered = gather(parcel, body, out).map_err(Failure::Body)?;
    }
}

/// Appends what has come of the content, framed.
pub(super) fn gather(
    parcel: Parcel<'_>,
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
        pack(parcel.packing, data, out);
    }
    match parcel.packing {
        Packing::Plain => {}
        Packing::Chunks => write_last_chunk(body.trailers(), parcel.named, parcel.dropped, out),
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
