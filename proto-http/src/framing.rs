//! What the fields of a complete head say about its host, its body and its connection.

use crate::field::{self, Known};
use crate::head::{Body, Head, Span};
use crate::host::Located;
use crate::{BadRequest, Version, token};

/// Checks `Host` and finds the authority of the request.
#[inline]
pub(crate) fn host(head: &mut Head, buf: &[u8]) -> Result<(), BadRequest> {
    // Neither field may be sent twice, be they equal or not (RFC 9112 section 3.2).
    if head.is_repeated(Known::Host) {
        return Err(BadRequest::HostRepeated);
    }
    let Some(value) = head.first(Known::Host).map(|field| field.value) else {
        return if head.version == Version::Http10 { Ok(()) } else { Err(BadRequest::HostMissing) };
    };
    // An invalid Host is refused even where the target overrules it (RFC 9112 section 3.2). An empty
    // one is for URIs without authority; those of HTTP have one, and it has to be in the target then.
    if !(value.is_empty() && head.authority.is_some()) {
        let sent = Located::parse(buf, value).ok_or(BadRequest::HostInvalid)?;
        // The authority of the target takes precedence (RFC 9112 section 3.2.2).
        head.authority.get_or_insert(sent);
    }
    Ok(())
}

/// Decides how the body ends and whether the connection may go on.
#[inline]
pub(crate) fn decide(head: &mut Head, buf: &[u8]) -> Result<(), BadRequest> {
    head.body = if head.has(Known::ContentLength) || head.has(Known::TransferEncoding) {
        body(head, buf)?
    } else {
        // A request without either has no body (RFC 9112 section 6.3, item 7).
        Body::None
    };
    head.keep_alive =
        if head.has(Known::Connection) { keep_alive(head, buf) } else { head.version == Version::Http11 };
    head.expects_continue = head.has(Known::Expect) && expects_continue(head, buf);
    Ok(())
}

fn body(head: &Head, buf: &[u8]) -> Result<Body, BadRequest> {
    if head.has(Known::TransferEncoding) {
        // One that is sent in an older version, or together with a length, is either a mistake or an
        // attempt to smuggle a request past somebody (RFC 9112 section 6.1).
        if head.version == Version::Http10 {
            return Err(BadRequest::CodingInHttp10);
        }
        if head.has(Known::ContentLength) {
            return Err(BadRequest::LengthAndCoding);
        }
        return codings(members(head, buf, Known::TransferEncoding));
    }
    if head.is_repeated(Known::ContentLength) {
        return Err(BadRequest::ContentLengthRepeated);
    }
    let value = head.first(Known::ContentLength).map_or(Span::default(), |field| field.value);
    match content_length(value.of(buf))? {
        0 => Ok(Body::None),
        length => Ok(Body::Length(length)),
    }
}

/// `1*DIGIT` (RFC 9110 section 8.6). A list is refused even if all its members are equal.
pub(crate) fn content_length(value: &[u8]) -> Result<u64, BadRequest> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        let list = value.contains(&b',') && value.iter().all(|byte| b"0123456789, \t".contains(byte));
        return Err(if list { BadRequest::ContentLengthRepeated } else { BadRequest::ContentLength });
    }
    value
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(BadRequest::ContentLengthTooLarge)
}

/// The transfer codings that HTTP registers, besides chunked (RFC 9112 section 7). `identity` was one of them once.
const REGISTERED: [&[u8]; 6] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity"];

/// Checks that the body is chunked last and only once (RFC 9112 sections 6.1 and 6.3, item 4).
fn codings<'a>(members: impl Iterator<Item = &'a [u8]>) -> Result<Body, BadRequest> {
    let mut chunked = false;
    let (mut coded, mut unknown) = (false, false);
    for coding in members {
        // Parameters and empty members are refused with the rest: no client has a use for them, and
        // what another server makes of them is anybody's guess.
        if coding.is_empty() || !coding.iter().all(|&byte| token::is_token_byte(byte)) {
            return Err(BadRequest::CodingMalformed);
        }
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        if chunked {
            return Err(if is_chunked { BadRequest::ChunkedRepeated } else { BadRequest::CodingNotFinal });
        }
        chunked = is_chunked;
        coded |= !is_chunked;
        unknown |= !is_chunked && !REGISTERED.iter().any(|known| coding.eq_ignore_ascii_case(known));
    }
    match (chunked, unknown, coded) {
        (false, _, _) => Err(BadRequest::CodingNotFinal),
        // What nobody has registered is more likely an attempt to hide `chunked` from somebody than a coding.
        (true, true, _) => Err(BadRequest::CodingUnknown),
        (true, false, true) => Ok(Body::Coded),
        (true, false, false) => Ok(Body::Chunked),
    }
}

fn keep_alive(head: &Head, buf: &[u8]) -> bool {
    // What nearly every client sends that sends any.
    if !head.is_repeated(Known::Connection)
        && head.first(Known::Connection).is_some_and(|field| is_keep_alive(field.value.of(buf)))
    {
        return true;
    }
    let mut keep = head.version == Version::Http11;
    for option in members(head, buf, Known::Connection) {
        // `close` beats `keep-alive` wherever it stands (RFC 9112 section 9.3).
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep |= is_keep_alive(option);
    }
    keep
}

fn is_keep_alive(option: &[u8]) -> bool {
    option.try_into().is_ok_and(|option| field::is_folded(option, b"keep-alive"))
}

/// An expectation in HTTP/1.0 is ignored, and so is one without a body to wait for (RFC 9110 section 10.1.1).
fn expects_continue(head: &Head, buf: &[u8]) -> bool {
    head.version == Version::Http11
        && head.body != Body::None
        && members(head, buf, Known::Expect).any(|member| member.eq_ignore_ascii_case(b"100-continue"))
}

/// The members of the lists that all fields of this name hold.
fn members<'a>(head: &'a Head, buf: &'a [u8], name: Known) -> impl Iterator<Item = &'a [u8]> {
    let values = head.all(name).iter().filter(move |field| field.known == name);
    values.flat_map(|field| field.value.of(buf).split(|&byte| byte == b',')).map(token::trim)
}
