//! One JSON object (RFC 8259) a line. What is not known is `null`, so every line has the same members.

use crate::civil::Stamp;
use crate::escape::{Fit, json};
use crate::format::{address, room};
use crate::number::{append_hexadecimal, decimal, hundredths};
use crate::record::{Record, RequestId};

/// Appends the object. A member `"clipped":true` at its end tells that a value was cut to its room.
pub(crate) fn object(out: &mut Vec<u8>, record: &Record<'_>, stamp: &Stamp) {
    out.extend_from_slice(b"{\"time\":\"");
    time(out, record.unix_us / 1000, stamp);
    out.extend_from_slice(b"\",\"client\":\"");
    address(out, record.client, record.addresses);
    let user = string(out, b"\",\"user\":", record.user, room::USER);
    let host = string(out, b",\"host\":", record.host, room::HOST);
    let method = string(out, b",\"method\":", record.method, room::METHOD);
    let target = string(out, b",\"target\":", record.target, room::TARGET);
    let protocol = string(out, b",\"protocol\":", record.protocol, room::PROTOCOL);
    let referer = string(out, b",\"referer\":", record.referer, room::REFERER);
    let user_agent = string(out, b",\"user_agent\":", record.user_agent, room::USER_AGENT);
    out.extend_from_slice(b",\"status\":");
    match record.status {
        0 => out.extend_from_slice(b"null"),
        status => decimal(out, u64::from(status)),
    }
    out.extend_from_slice(b",\"body_bytes_sent\":");
    decimal(out, record.body_bytes_sent);
    out.extend_from_slice(b",\"bytes_received\":");
    decimal(out, record.bytes_received);
    out.extend_from_slice(b",\"duration_us\":");
    decimal(out, record.duration_ns / 1000);
    out.extend_from_slice(if record.complete { b",\"complete\":true" } else { b",\"complete\":false" });
    let id = request_id(out, record.request_id);
    match record.compression_hundredths() {
        None => out.extend_from_slice(b",\"compression_ratio\":null"),
        Some(ratio) => {
            out.extend_from_slice(b",\"compression_ratio\":");
            hundredths(out, ratio);
        }
    }
    let fits = [user, host, method, target, protocol, referer, user_agent, id];
    out.extend_from_slice(if fits.contains(&Fit::Clipped) { b",\"clipped\":true}" } else { b"}" });
}

/// RFC 3339 with milliseconds: `2000-10-10T13:55:36.042Z`.
fn time(out: &mut Vec<u8>, unix_ms: u64, stamp: &Stamp) {
    let digit = |unit| b'0' + (unix_ms / unit % 10) as u8;
    out.extend_from_slice(stamp.rfc3339());
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
}

/// Appends a member. `name` is all that stands before its value, as a constant: so that it is copied by a few moves.
#[inline(always)]
fn string<const LEN: usize>(out: &mut Vec<u8>, name: &[u8; LEN], value: &[u8], room: usize) -> Fit {
    out.extend_from_slice(name);
    value_or_null(out, value, room)
}

fn value_or_null(out: &mut Vec<u8>, value: &[u8], room: usize) -> Fit {
    if value.is_empty() {
        out.extend_from_slice(b"null");
        return Fit::Whole;
    }
    out.push(b'"');
    let fit = json(out, value, room);
    out.push(b'"');
    fit
}

fn request_id(out: &mut Vec<u8>, id: RequestId<'_>) -> Fit {
    out.extend_from_slice(b",\"request_id\":");
    match id {
        RequestId::Own(id) => {
            out.push(b'"');
            append_hexadecimal(out, id);
            out.push(b'"');
            Fit::Whole
        }
        RequestId::Given(id) => value_or_null(out, id, room::REQUEST_ID),
    }
}
