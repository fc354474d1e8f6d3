//! A message, from its head to its last byte. RFC 5424 6, RFC 3164 4.1.

use super::{
    APP_NAME_MAX, Facility, Framing, HOST_NAME_MAX, MESSAGE_LIMIT, MESSAGE_MIN, Settings, Severity, Shape,
};
use crate::civil::Stamp;
use crate::escape::{CLIP_MARK, hex_byte};
use crate::number::{decimal, zero_padded};

/// The kind of message, RFC 5424 6.2.7.
const MESSAGE_ID: &[u8] = b"access";
/// The highest sequence id; the next one is 1 again. RFC 5424 7.3.1.
const SEQUENCE_MAX: u64 = 2_147_483_647;
/// A byte that is escaped has this many in the message.
const ESCAPED: usize = 4;

/// What stands at the head of every message, but for its time and number.
pub(super) struct Letterhead {
    shape: Shape,
    /// Facility and severity, RFC 5424 6.2.1.
    priority: Vec<u8>,
    /// Between the time and the number or the line.
    sender: Vec<u8>,
    stamp: Stamp,
    milliseconds: [u8; 3],
    max: usize,
}

impl Letterhead {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { shape, facility, severity, app_name, host_name, message_max, .. } = settings;
        Self {
            shape: *shape,
            priority: priority(*facility, *severity),
            sender: sender(*shape, &visible(host_name, HOST_NAME_MAX), &visible(app_name, APP_NAME_MAX)),
            stamp: Stamp::new(),
            milliseconds: *b"000",
            max: (*message_max).clamp(MESSAGE_MIN, MESSAGE_LIMIT),
        }
    }

    /// What follows is sent now, in milliseconds since 1970.
    pub(super) fn date(&mut self, unix_ms: u64) {
        self.stamp.set(unix_ms / 1000);
        zero_padded(&mut self.milliseconds, (unix_ms % 1000) as u32);
    }

    /// From now on messages have at most so many bytes, but what every receiver takes.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max.clamp(MESSAGE_MIN, self.max);
    }

    /// Appends the message with this line, whose newline is left out.
    pub(super) fn append(&self, out: &mut Vec<u8>, number: u64, line: &[u8]) {
        let start = out.len();
        out.extend_from_slice(&self.priority);
        match self.shape {
            Shape::Rfc5424 => {
                out.extend_from_slice(b"1 ");
                out.extend_from_slice(self.stamp.rfc3339());
                out.push(b'.');
                out.extend_from_slice(&self.milliseconds);
                out.extend_from_slice(b"Z ");
                out.extend_from_slice(&self.sender);
                decimal(out, number % SEQUENCE_MAX + 1);
                out.extend_from_slice(b"\"] ");
            }
            Shape::Rfc3164 | Shape::Local => {
                old_time(out, self.stamp.clf());
                out.extend_from_slice(&self.sender);
            }
        }
        text(out, line.strip_suffix(b"\n").unwrap_or(line), start + self.max);
    }
}

/// Appends a message as it goes into a stream.
pub(super) fn frame(out: &mut Vec<u8>, message: &[u8], framing: Framing) {
    match framing {
        Framing::Octets => {
            decimal(out, message.len() as u64);
            out.push(b' ');
            out.extend_from_slice(message);
        }
        Framing::Newline => {
            out.extend_from_slice(message);
            out.push(b'\n');
        }
    }
}

fn priority(facility: Facility, severity: Severity) -> Vec<u8> {
    let mut out = vec![b'<'];
    decimal(&mut out, u64::from(facility.number()) * 8 + u64::from(severity.number()));
    out.push(b'>');
    out
}

fn sender(shape: Shape, host_name: &str, app_name: &str) -> Vec<u8> {
    let process = std::process::id();
    let message_id = String::from_utf8_lossy(MESSAGE_ID);
    match shape {
        Shape::Rfc5424 => {
            format!("{host_name} {app_name} {process} {message_id} [meta sequenceId=\"").into_bytes()
        }
        Shape::Rfc3164 => format!("{host_name} {app_name}[{process}]: ").into_bytes(),
        Shape::Local => format!("{app_name}[{process}]: ").into_bytes(),
    }
}

/// RFC 5424 6: PRINTUSASCII, and a dash for nothing.
fn visible(text: &str, max: usize) -> String {
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let text: String = text.chars().take(max).map(visible).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// `Oct  3 13:55:36 `, RFC 3164 4.1.2: of a day below ten the zero is a space.
fn old_time(out: &mut Vec<u8>, clf: &[u8]) {
    out.extend_from_slice(&clf[4..7]);
    out.push(b' ');
    out.push(if clf[1] == b'0' { b' ' } else { clf[1] });
    out.push(clf[2]);
    out.push(b' ');
    out.extend_from_slice(&clf[13..21]);
    out.push(b' ');
}

/// Appends what a line says, up to the end of the message. Formats let no control byte through; what ends a message here
/// must not depend on that.
fn text(out: &mut Vec<u8>, line: &[u8], end: usize) {
    let room = end.saturating_sub(out.len());
    let start = out.len();
    for &byte in line.iter().take(room + 1) {
        if byte < b' ' || byte == 0x7f {
            hex_byte(out, byte);
        } else {
            out.push(byte);
        }
    }
    if out.len() > end {
        out.truncate(whole(out, start, end - CLIP_MARK.len()));
        out.extend_from_slice(CLIP_MARK);
    }
}

/// Where the text that begins at `start` can be cut: at `end`, or before the character or the escape that it would cut.
fn whole(text: &[u8], start: usize, end: usize) -> usize {
    let mut cut = end;
    while start < cut && text[cut] & 0xc0 == 0x80 {
        cut -= 1;
    }
    let escape = (start.max((cut + 1).saturating_sub(ESCAPED))..cut).rev().find(|&at| text[at] == b'\\');
    escape.unwrap_or(cut)
}

#[cfg(test)]
mod tests {
    use super::super::{Patience, Transport};
    use super::*;
    use sys::net::Address;

    const MOMENT: u64 = 971_186_136_042;

    fn letterhead(shape: Shape, message_max: usize) -> Letterhead {
        let mut letterhead = Letterhead::new(&Settings {
            transport: Transport::Datagrams(Address::Unix("/dev/log".into())),
            shape,
            framing: Framing::Octets,
            facility: Facility::named("local7").unwrap(),
            severity: Severity::named("info").unwrap(),
            app_name: "kimura".to_owned(),
            host_name: "www 1".to_owned(),
            message_max,
            patience: Patience::default(),
        });
        letterhead.date(MOMENT);
        letterhead
    }

    /// The message, with a `P` for the number of the process.
    fn message(shape: Shape, number: u64, line: &[u8]) -> String {
        let mut out = Vec::new();
        letterhead(shape, MESSAGE_LIMIT).append(&mut out, number, line);
        let text = String::from_utf8(out).unwrap();
        text.replacen(&std::process::id().to_string(), "P", 1)
    }

    #[test]
    fn messages_of_each_shape() {
        for (shape, number, line, wanted) in [
            (
                Shape::Rfc5424,
                0,
                "GET /\n",
                "<190>1 2000-10-10T13:55:36.042Z www_1 kimura P access [meta sequenceId=\"1\"] GET /",
            ),
            (Shape::Rfc3164, 0, "GET /\n", "<190>Oct 10 13:55:36 www_1 kimura[P]: GET /"),
            (Shape::Local, 7, "GET /\n", "<190>Oct 10 13:55:36 kimura[P]: GET /"),
            // Nothing in a line ends a message or works on a screen.
            (
                Shape::Local,
                0,
                "a\r\u{1b}[31m\0\t\u{7f}\n",
                "<190>Oct 10 13:55:36 kimura[P]: a\\x0D\\x1B[31m\\x00\\x09\\x7F",
            ),
            (Shape::Local, 0, "\n", "<190>Oct 10 13:55:36 kimura[P]: "),
            (Shape::Local, 0, "\u{e4}\u{20ac}\n", "<190>Oct 10 13:55:36 kimura[P]: \u{e4}\u{20ac}"),
        ] {
            assert_eq!(message(shape, number, line.as_bytes()), wanted);
        }
    }

    #[test]
    fn days_below_ten_have_a_space() {
        let mut letterhead = letterhead(Shape::Local, MESSAGE_LIMIT);
        letterhead.date(0);
        let mut out = Vec::new();
        letterhead.append(&mut out, 0, b"x\n");
        assert!(out.starts_with(b"<190>Jan  1 00:00:00 kimura["), "{}", out.escape_ascii());
    }

    #[test]
    fn sequence_ids_begin_again_after_the_highest() {
        for (number, wanted) in [(SEQUENCE_MAX - 1, "2147483647"), (SEQUENCE_MAX, "1"), (u64::MAX, "4")] {
            let text = message(Shape::Rfc5424, number, b"x\n");
            assert!(text.contains(&format!("sequenceId=\"{wanted}\"")), "{text}");
        }
    }

    #[test]
    fn long_lines_are_clipped_between_characters_and_escapes() {
        for filler in ["x", "\u{20ac}", "\u{1}", "x\u{1f600}", "\u{1}\u{e4}"] {
            for max in MESSAGE_MIN..MESSAGE_MIN + 16 {
                let mut out = Vec::new();
                letterhead(Shape::Rfc5424, max).append(&mut out, 0, filler.repeat(600).as_bytes());
                let text = String::from_utf8(out).expect("no character is cut");
                assert!(text.len() <= max && max - ESCAPED * 2 < text.len(), "{max}: {text}");
                let said = text.strip_suffix("\\...").expect("it is marked");
                let said = said.split("\"] ").nth(1).unwrap();
                assert_eq!(said.replace("\\x01", "\u{1}").matches('\\').count(), 0, "{said}");
            }
        }
        let mut out = Vec::new();
        letterhead(Shape::Local, MESSAGE_MIN).append(&mut out, 0, &[b'x'; 400]);
        assert!(out.ends_with(b"xxx"), "just within");
    }

    #[test]
    fn frames() {
        for (framing, wanted) in [(Framing::Octets, "5 <1>ab"), (Framing::Newline, "<1>ab\n")] {
            let mut out = Vec::new();
            frame(&mut out, b"<1>ab", framing);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn names_stay_within_what_the_protocol_allows() {
        assert_eq!(visible("", 3), "-");
        assert_eq!(visible("a b\u{e4}\u{1b}", 48), "a_b__");
        assert_eq!(visible("abcd", 3), "abc");
        assert_eq!(Facility::named("local0").map(Facility::number), Some(16));
        assert_eq!(Severity::named("info").map(Severity::number), Some(6));
        assert_eq!(Facility::named("LOCAL0"), None);
    }
}
