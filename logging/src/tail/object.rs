//! A line and what is known of it, as a JSON object.

use super::{Entry, Kind};
use crate::record::Client;

/// Appends the object of an entry, which has this place.
pub(super) fn append(out: &mut Vec<u8>, place: &str, Entry { facts, line, .. }: &Entry<'_>) {
    text(out, "{\"id\":", place.as_bytes());
    if facts.kind == Kind::Message {
        out.extend_from_slice(b",\"kind\":\"message\"");
    } else {
        out.extend_from_slice(b",\"kind\":\"request\"");
        text(out, ",\"host\":", facts.host);
        out.extend_from_slice(format!(",\"status\":{}", facts.status).as_bytes());
        let client = match facts.client {
            Client::Ip(address) => address.to_string(),
            Client::Local => "unix:".to_owned(),
        };
        text(out, ",\"client\":", client.as_bytes());
    }
    text(out, ",\"line\":", line);
    out.push(b'}');
}

/// Appends a name and a string (RFC 8259 section 7), on one line whatever is in it.
fn text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
