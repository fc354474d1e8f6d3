//! One JSON object (RFC 8259) a line. What is not known is `null`, so every line has the same members.

use crate::civil::Stamp;
use crate::escape::{Fit, json};
use crate::format::{address, room};
use crate::number::{decimal, hexadecimal, zero_padded};
use crate::record::{Record, RequestId};

/// Appends the object. A member `"clipped":true` at its end tells that a value was cut to its room.
pub(crate) fn object(out: &mut Vec<u8>, record: &Record<'_>, stamp: &Stamp) {
    out.extend_from_slice(b"{\"time\":\"");
    time(out, record.unix_ms, stamp);
    out.extend_from_slice(b"\",\"client\":\"");
    address(out, record.client, record.addresses);
    out.push(b'"');
    let mut clipped = false;
    for (name, value, room) in [
        ("user", record.user, room::USER),
        ("host", record.host, room::HOST),
        ("method", record.method, room::METHOD),
        ("target", record.target, room::TARGET),
        ("protocol", record.protocol, room::PROTOCOL),
        ("referer", record.referer, room::REFERER),
        ("user_agent", record.user_agent, room::USER_AGENT),
    ] {
        clipped |= string(out, name, value, room) == Fit::Clipped;
    }
    number(out, "status", (record.status != 0).then_some(u64::from(record.status)));
    number(out, "body_bytes_sent", Some(record.body_bytes_sent));
    number(out, "bytes_received", Some(record.bytes_received));
    number(out, "duration_us", Some(record.duration_ns / 1000));
    flag(out, "complete", record.complete);
    clipped |= request_id(out, record.request_id) == Fit::Clipped;
    if clipped {
        flag(out, "clipped", true);
    }
    out.push(b'}');
}

/// RFC 3339 with milliseconds: `2000-10-10T13:55:36.042Z`.
fn time(out: &mut Vec<u8>, unix_ms: u64, stamp: &Stamp) {
    let mut fraction = *b".000Z";
    zero_padded(&mut fraction[1..4], (unix_ms % 1000) as u32);
    out.extend_from_slice(stamp.rfc3339());
    out.extend_from_slice(&fraction);
}

fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn string(out: &mut Vec<u8>, name: &str, value: &[u8], room: usize) -> Fit {
    member(out, name);
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
    match id {
        RequestId::Own(id) => {
            member(out, "request_id");
            out.push(b'"');
            out.extend_from_slice(&hexadecimal(id));
            out.push(b'"');
            Fit::Whole
        }
        RequestId::Given(id) => string(out, "request_id", id, room::REQUEST_ID),
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: Option<u64>) {
    member(out, name);
    match value {
        Some(value) => decimal(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn flag(out: &mut Vec<u8>, name: &str, value: bool) {
    member(out, name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}
