//! The common and the combined log format.

use crate::civil::Stamp;
use crate::escape::{PLAIN_WORD, Plain, quoted, with_plain, word};
use crate::format::{address, room, status};
use crate::number::decimal;
use crate::record::Record;

pub(crate) fn common(out: &mut Vec<u8>, record: &Record<'_>, stamp: &Stamp) {
    address(out, record.client, record.addresses);
    out.extend_from_slice(b" - ");
    word(out, record.user, room::USER);
    out.push(b' ');
    out.extend_from_slice(stamp.clf());
    out.extend_from_slice(b" \"");
    request(out, record, room::TARGET, &PLAIN_WORD);
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
///
/// `plain` is what may stand for itself in a word, and no space.
pub(crate) fn request(out: &mut Vec<u8>, record: &Record<'_>, target_room: usize, plain: &Plain) {
    if record.method.is_empty() && record.target.is_empty() {
        return out.push(b'-');
    }
    with_plain(out, record.method, room::METHOD, plain);
    out.push(b' ');
    with_plain(out, record.target, target_room, plain);
    out.push(b' ');
    with_plain(out, record.protocol, room::PROTOCOL, plain);
}
