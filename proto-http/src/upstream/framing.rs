//! How the content of a response ends (RFC 9112 section 6.3).

use super::error::BadResponse;
use super::hop_by_hop::{is, members};
use crate::framing::content_length;
use crate::{BadRequest, Body, Method, Status, Version, token};

/// What was asked of the upstream, as far as it decides how to read the answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method as it was sent to the upstream.
    pub method: Method,
    /// The protocol in which it was asked to go on: [`upstream::wanted`](super::wanted).
    pub upgrade: Option<&'a [u8]>,
}

/// How the end of a response's content is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none, whatever the fields say: interim responses, 204, 304, and the answer to HEAD.
    None,
    /// After so many bytes.
    Length(u64),
    /// It is chunked.
    Chunked,
    /// When the upstream closes the connection. Whether it is complete cannot be known.
    UntilClose,
    /// It has none: what follows is another protocol, both ways.
    Tunnel,
}

impl Framing {
    /// Whether content follows the head, if only of no bytes.
    #[must_use]
    pub fn has_content(self) -> bool {
        !matches!(self, Framing::None | Framing::Tunnel)
    }

    /// What a [`body::Decoder`](crate::body::Decoder) needs; none where the connection ends the content.
    #[must_use]
    pub fn body(self) -> Option<Body> {
        match self {
            Framing::None | Framing::Length(0) => Some(Body::None),
            Framing::Length(length) => Some(Body::Length(length)),
            Framing::Chunked => Some(Body::Chunked),
            Framing::UntilClose | Framing::Tunnel => None,
        }
    }
}

/// What the framing fields of a response say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    #[default]
    Nothing,
    Length(u64),
    Chunked,
}

/// Reads the framing fields. Anything that could be read in two ways is refused.
pub(super) fn said<'a>(
    version: Version,
    mut lengths: impl Iterator<Item = &'a [u8]>,
    codings: impl Iterator<Item = &'a [u8]>,
) -> Result<Said, BadResponse> {
    let (length, other) = (lengths.next(), lengths.next());
    let mut codings = members(codings);
    if let Some(coding) = codings.next() {
        // One that is sent in an older version is either a mistake or an attempt to smuggle (RFC 9112 section 6.1).
        return match (version, length, codings.next()) {
            (Version::Http10, _, _) => Err(BadResponse::CodingInHttp10),
            (_, Some(_), _) => Err(BadResponse::LengthAndCoding),
            (_, None, None) if is(coding, "chunked") => Ok(Said::Chunked),
            _ => Err(BadResponse::Coding),
        };
    }
    let Some(length) = length else { return Ok(Said::Nothing) };
    if other.is_some() {
        return Err(BadResponse::ContentLengthRepeated);
    }
    content_length(length).map(Said::Length).map_err(|bad| match bad {
        BadRequest::ContentLengthRepeated => BadResponse::ContentLengthRepeated,
        _ => BadResponse::ContentLength,
    })
}

/// Decides what the fields mean in the answer to such a request, in the order of RFC 9112 section 6.3.
pub(super) fn decide<'a>(
    (status, said): (Status, Said),
    asked: &Asked<'_>,
    upgrades: impl Iterator<Item = &'a [u8]>,
) -> Result<Framing, BadResponse> {
    if status == Status::SWITCHING_PROTOCOLS {
        return if switches(asked, upgrades) { Ok(Framing::Tunnel) } else { Err(BadResponse::Unasked) };
    }
    if asked.method == Method::Head || !status.allows_content() {
        return Ok(Framing::None);
    }
    Ok(match said {
        Said::Length(length) => Framing::Length(length),
        Said::Chunked => Framing::Chunked,
        Said::Nothing => Framing::UntilClose,
    })
}

/// Whether it switches to what was asked for (RFC 9110 section 7.8).
fn switches<'a>(asked: &Asked<'_>, mut upgrades: impl Iterator<Item = &'a [u8]>) -> bool {
    let (Some(asked), Some(value), None) = (asked.upgrade, upgrades.next(), upgrades.next()) else {
        return false;
    };
    token::trim(value).eq_ignore_ascii_case(asked)
}
