//! The common and the combined log format.

use crate::civil::Stamp;
use crate::escape::{quoted, word};
use crate::format::{client, room};
use crate::number::decimal;
use crate::record::Record;

pub(crate) fn common(out: &mut Vec<u8>, record: &Record<'_>, stamp: &Stamp) {
    client(out, record.client);
    out.extend_from_slice(b" - ");
    word(out, record.user, room::USER);
    out.push(b' ');
    out.extend_from_slice(stamp.clf());
    out.extend_from_slice(b" \"");
    request(out, record);
    out.extend_from_slice(b"\" ");
    status(out, record.status);
    out.push(b' ');
    decimal(out, record.body_bytes_sent);
}

pub(crate) fn combined(out: &mut Vec<u8>, record: &Record<'_>, stamp: &Stamp) {
    common(out, record, stamp);
    out.extend_from_slice(b" \"");
    quoted(out, record.referer, room::REFERER);
    out.extend_from_slice(b"\" \"");
    quoted(out, record.user_agent, room::USER_AGENT);
    out.push(b'"');
}

/// Method, target and protocol as words, so that there are always three of them; a request line that could not be
/// read is one dash.
fn request(out: &mut Vec<u8>, record: &Record<'_>) {
    if record.method.is_empty() && record.target.is_empty() {
        return out.push(b'-');
    }
    word(out, record.method, room::METHOD);
    out.push(b' ');
    word(out, record.target, room::TARGET);
    out.push(b' ');
    word(out, record.protocol, room::PROTOCOL);
}

fn status(out: &mut Vec<u8>, status: u16) {
    match status {
        0 => out.push(b'-'),
        _ => decimal(out, u64::from(status)),
    }
}
