//! Values that a client chose, written so that they cannot leave the place they were put in.
//!
//! - Text logs: a byte outside printable ASCII, `"` and `\` become `\xNN`. Nothing else begins with a backslash, so
//!   the original bytes can be had back, and a line holds no control byte a terminal would obey.
//! - JSON: valid UTF-8 stays as it is, except that control characters (C0, DEL, C1), the line separators U+2028 and
//!   U+2029 and the marks that reorder text on a screen become `\uNNNN`. A byte that is not part of valid UTF-8
//!   becomes `\u00NN`: it reads as the Latin-1 character of that byte. The log is always valid UTF-8 and valid JSON.
//!
//! A value is clipped when its escaped form exceeds its room: a line has a bounded length.

/// Written at the end of a clipped value in a text log; an escaped value never contains it.
pub(crate) const CLIP_MARK: &[u8] = b"\\...";

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// For each byte, whether it may stand for itself.
pub(crate) type Plain = [bool; 256];

/// Inside quotes.
const PLAIN: Plain = plain(b' ');
/// The same where a space would end the value.
pub(crate) const PLAIN_WORD: Plain = plain(b'!');

const fn plain(first: u8) -> Plain {
    let mut table = [false; 256];
    let mut byte = first as usize;
    while byte <= b'~' as usize {
        table[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    table
}

/// What may stand for itself inside quotes, but for some bytes.
pub(crate) fn plain_without(bytes: impl IntoIterator<Item = u8>) -> Plain {
    let mut table = PLAIN;
    bytes.into_iter().for_each(|byte| table[usize::from(byte)] = false);
    table
}

/// Appends a value that stands between quotes; an absent one is `-`.
pub(crate) fn quoted(out: &mut Vec<u8>, value: &[u8], room: usize) {
    with_plain(out, value, room, &PLAIN);
}

/// Appends a value that stands between spaces; an absent one is `-`.
pub(crate) fn word(out: &mut Vec<u8>, value: &[u8], room: usize) {
    with_plain(out, value, room, &PLAIN_WORD);
}

/// Appends a value in which only what is `plain` stands for itself; an absent one is `-`.
pub(crate) fn with_plain(out: &mut Vec<u8>, value: &[u8], room: usize, plain: &Plain) {
    match value {
        b"" => out.push(b'-'),
        // Whoever sends a dash does not get to look like somebody who sent nothing.
        b"-" => hex_byte(out, b'-'),
        _ => text(out, value, room, plain),
    }
}

fn text(out: &mut Vec<u8>, value: &[u8], room: usize, plain: &Plain) {
    let end = out.len() + room;
    let mut rest = value;
    while !rest.is_empty() {
        let run = rest.iter().position(|&byte| !plain[usize::from(byte)]).unwrap_or(rest.len());
        let fits = run.min(end - out.len());
        out.extend_from_slice(&rest[..fits]);
        if fits < run {
            return out.extend_from_slice(CLIP_MARK);
        }
        rest = &rest[run..];
        if let Some((&byte, tail)) = rest.split_first() {
            if out.len() + 4 > end {
                return out.extend_from_slice(CLIP_MARK);
            }
            hex_byte(out, byte);
            rest = tail;
        }
    }
}

pub(crate) fn hex_byte(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// Whether a value had to be clipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fit {
    Whole,
    Clipped,
}

/// Appends the inside of a JSON string.
pub(crate) fn json(out: &mut Vec<u8>, value: &[u8], room: usize) -> Fit {
    // Nearly every value.
    if value.len() <= room && is_plain(value) {
        out.extend_from_slice(value);
        return Fit::Whole;
    }
    let end = out.len() + room;
    for chunk in value.utf8_chunks() {
        if json_text(out, chunk.valid(), end) == Fit::Clipped {
            return Fit::Clipped;
        }
        for &byte in chunk.invalid() {
            if out.len() + 6 > end {
                return Fit::Clipped;
            }
            hex_unit(out, u16::from(byte));
        }
    }
    Fit::Whole
}

/// Whether all bytes may stand for themselves inside quotes.
fn is_plain(value: &[u8]) -> bool {
    // Without a branch for each byte, so that many are looked at at once.
    let all = |bytes: &[u8; 16]| bytes.iter().fold(true, |all, &byte| all & is_plain_byte(byte));
    let (groups, rest) = value.as_chunks();
    groups.iter().all(all) && rest.iter().all(|&byte| is_plain_byte(byte))
}

/// What [`PLAIN`] says, computed.
fn is_plain_byte(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
}

fn json_text(out: &mut Vec<u8>, value: &str, end: usize) -> Fit {
    let mut rest = value;
    while !rest.is_empty() {
        let run = rest.bytes().position(|byte| !PLAIN[usize::from(byte)]).unwrap_or(rest.len());
        let fits = run.min(end - out.len());
        out.extend_from_slice(&rest.as_bytes()[..fits]);
        if fits < run {
            return Fit::Clipped;
        }
        // The run is ASCII, so it ends at a character boundary.
        rest = &rest[run..];
        if let Some(character) = rest.chars().next() {
            // The longest escape has 6 bytes, the longest character 4.
            if out.len() + 6 > end {
                return Fit::Clipped;
            }
            json_char(out, character);
            rest = &rest[character.len_utf8()..];
        }
    }
    Fit::Whole
}

fn json_char(out: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ if is_hazard(character) => hex_unit(out, character as u16),
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Characters that act on a screen or on a reader of lines instead of being shown. All are below U+10000.
pub(crate) fn is_hazard(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Line separators, which some readers of lines take as line ends.
        | '\u{2028}' | '\u{2029}'
        // Bidirectional formatting (Unicode Standard Annex 9, section 2).
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Byte order mark: at the start of a value it vanishes in many readers.
        | '\u{feff}')
}

fn hex_unit(out: &mut Vec<u8>, unit: u16) {
    let digit = |shift: u16| HEX[usize::from(unit >> shift & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// Appends a message of the error log: one line, whatever is in it.
///
/// Messages are our own words with names of files and hosts in them, so readable text stays readable.
pub(crate) fn message(out: &mut Vec<u8>, character: char) {
    if is_hazard(character) {
        hex_unit(out, character as u16);
    } else {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_computed_is_what_the_table_says() {
        for byte in 0..=u8::MAX {
            for len in [1, 15, 16, 17, 40] {
                for at in 0..len {
                    let mut value = vec![b'x'; len];
                    value[at] = byte;
                    assert_eq!(is_plain(&value), PLAIN[usize::from(byte)], "{byte:#x} at {at} of {len}");
                }
            }
        }
    }
}
