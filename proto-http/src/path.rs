//! The path of a target: decoded once, without dot segments (RFC 3986 sections 2.4 and 6.2.2.3).

use std::fmt;

use crate::Status;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// A percent sign without two hexadecimal digits.
    Percent,
    /// NUL or another control byte, encoded.
    Control,
    /// An encoded slash: what it means differs between programs.
    EncodedSlash,
    /// `..` above the root.
    AboveRoot,
    /// `.` or `..` in a path that was put together of parts.
    DotSegment,
    /// Not beginning with `/`.
    Relative,
}

impl BadPath {
    /// The status for the client.
    #[must_use]
    pub fn status(self) -> Status {
        Status::BAD_REQUEST
    }
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::Percent => "a percent sign in the path is not followed by two hexadecimal digits",
            BadPath::Control => "the path holds a control byte",
            BadPath::EncodedSlash => "the path holds an encoded slash",
            BadPath::AboveRoot => "the path leads above the root",
            BadPath::DotSegment => "a part of the path makes a dot segment",
            BadPath::Relative => "the path does not begin with a slash",
        })
    }
}

impl std::error::Error for BadPath {}

/// The path as a file system sees it: decoded once, `.` and `..` resolved, slashes merged; begins with `/` and
/// keeps a final one. Borrows `raw` when nothing changes, which is nearly always.
///
/// # Errors
///
/// See [`BadPath`].
pub fn normalize<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], BadPath> {
    if raw.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    if is_normal(raw) {
        return Ok(raw);
    }
    scratch.clear();
    decode_to(raw, scratch)?;
    let len = resolve(scratch)?;
    scratch.truncate(len);
    Ok(scratch)
}

/// Whether nothing in `raw` needs to change: no percent sign, no control byte, no empty or dot segment.
fn is_normal(raw: &[u8]) -> bool {
    let mut previous = 0;
    for &byte in raw {
        let suspect = byte == b'%' || byte < b' ' || byte == 0x7f;
        // A dot at the start of a segment may only be a hidden name; looking closer is for the slow way.
        if suspect || (previous == b'/' && (byte == b'/' || byte == b'.')) {
            return false;
        }
        previous = byte;
    }
    true
}

/// Brings a decoded path that was put together of parts into the form that [`normalize`] gives: slashes are merged.
///
/// # Errors
///
/// [`BadPath::Relative`] and [`BadPath::Control`]; [`BadPath::DotSegment`] instead of resolving one: who asked for `..`
/// must not leave the folder that whoever put the parts together had in mind.
pub fn settle(path: &mut Vec<u8>) -> Result<(), BadPath> {
    if path.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    if path.iter().any(u8::is_ascii_control) {
        return Err(BadPath::Control);
    }
    if path.split(|&byte| byte == b'/').any(|segment| segment == b"." || segment == b"..") {
        return Err(BadPath::DotSegment);
    }
    // A second slash adds nothing.
    path.dedup_by(|next, before| *next == b'/' && *before == b'/');
    Ok(())
}

/// A path that somebody has written by hand, decoded and otherwise as it is.
///
/// # Errors
///
/// [`BadPath::Percent`], [`BadPath::Control`] and [`BadPath::EncodedSlash`].
pub fn decode(raw: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::with_capacity(raw.len());
    decode_to(raw, &mut out)?;
    Ok(out)
}

fn decode_to(raw: &[u8], out: &mut Vec<u8>) -> Result<(), BadPath> {
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        let byte = if *first == b'%' {
            let [high, low, after @ ..] = tail else { return Err(BadPath::Percent) };
            rest = after;
            let byte = hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l).ok_or(BadPath::Percent)?;
            if byte == b'/' {
                return Err(BadPath::EncodedSlash);
            }
            byte
        } else {
            rest = tail;
            *first
        };
        if byte < b' ' || byte == 0x7f {
            return Err(BadPath::Control);
        }
        out.push(byte);
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Resolves dot segments and merges slashes in place; answers the new length.
fn resolve(path: &mut [u8]) -> Result<usize, BadPath> {
    let mut read = 0;
    let mut write = 0;
    // Invariant: path[..write] is resolved and ends before a slash; path[read] is a slash.
    while read < path.len() {
        let start = read + 1;
        let end = path[start..].iter().position(|&b| b == b'/').map_or(path.len(), |at| start + at);
        let last = end == path.len();
        match &path[start..end] {
            b"" | b"." if !last => {}
            b"" | b"." => {
                path[write] = b'/';
                write += 1;
            }
            b".." => {
                let parent = path[..write].iter().rposition(|&b| b == b'/').ok_or(BadPath::AboveRoot)?;
                write = parent;
                if last {
                    path[write] = b'/';
                    write += 1;
                }
            }
            segment => {
                let len = segment.len() + 1;
                path.copy_within(read..end, write);
                write += len;
            }
        }
        read = end;
    }
    Ok(write)
}

/// Whether a segment begins with a dot.
#[must_use]
pub fn has_hidden_segment(path: &[u8]) -> bool {
    path.windows(2).any(|pair| pair == b"/.")
}

/// Appends a decoded path in a form fit for a `Location` field: everything but unreserved characters, slashes
/// and a few harmless delimiters is percent-encoded.
pub fn encode(path: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in path {
        let plain = byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
        if plain {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_normalised_or_refused() {
        let cases: &[(&str, Result<&str, BadPath>)] = &[
            ("/", Ok("/")),
            ("/a/b.html", Ok("/a/b.html")),
            ("/a/", Ok("/a/")),
            ("//a//b", Ok("/a/b")),
            ("/a//", Ok("/a/")),
            ("/./a/.", Ok("/a/")),
            ("/a/./b", Ok("/a/b")),
            ("/a/b/..", Ok("/a/")),
            ("/a/b/../", Ok("/a/")),
            ("/a/../b", Ok("/b")),
            ("/a/..", Ok("/")),
            ("/a/b/../../c", Ok("/c")),
            ("/%61%2e%2E/b", Ok("/a../b")),
            ("/%2e%2e/b", Err(BadPath::AboveRoot)),
            ("/a/%2e%2e/%2e%2e/b", Err(BadPath::AboveRoot)),
            ("/..", Err(BadPath::AboveRoot)),
            ("/../", Err(BadPath::AboveRoot)),
            ("/...", Ok("/...")),
            ("/.hidden", Ok("/.hidden")),
            ("/a%2fb", Err(BadPath::EncodedSlash)),
            ("/a%2Fb", Err(BadPath::EncodedSlash)),
            ("/a%252fb", Ok("/a%2fb")),
            ("/a%00", Err(BadPath::Control)),
            ("/a%0d%0ab", Err(BadPath::Control)),
            ("/a%7f", Err(BadPath::Control)),
            ("/a%", Err(BadPath::Percent)),
            ("/a%4", Err(BadPath::Percent)),
            ("/a%4g", Err(BadPath::Percent)),
            ("/a%u0041", Err(BadPath::Percent)),
            ("/a\\..\\b", Ok("/a\\..\\b")),
            ("/sp%20ace", Ok("/sp ace")),
            ("a", Err(BadPath::Relative)),
            ("", Err(BadPath::Relative)),
            ("*", Err(BadPath::Relative)),
        ];
        for (raw, expected) in cases {
            let mut scratch = Vec::new();
            let found = normalize(raw.as_bytes(), &mut scratch);
            assert_eq!(found, expected.map(str::as_bytes), "{raw}");
        }
    }

    #[test]
    fn parts_are_settled_or_refused() {
        for (path, expected) in [
            ("/", Ok("/")),
            ("//a///b//", Ok("/a/b/")),
            ("/a%2e/..b/c..", Ok("/a%2e/..b/c..")),
            ("/a/../b", Err(BadPath::DotSegment)),
            ("/a/.", Err(BadPath::DotSegment)),
            ("/..", Err(BadPath::DotSegment)),
            ("/a\nb", Err(BadPath::Control)),
            ("a", Err(BadPath::Relative)),
            ("", Err(BadPath::Relative)),
        ] {
            let mut settled = path.as_bytes().to_vec();
            let found = settle(&mut settled).map(|()| settled);
            assert_eq!(found, expected.map(|path: &str| path.as_bytes().to_vec()), "{path}");
        }
    }

    #[test]
    fn hidden_segments_are_seen() {
        for (path, expected) in [("/.git/x", true), ("/a/.b", true), ("/a.b/c.", false), ("/", false)] {
            assert_eq!(has_hidden_segment(path.as_bytes()), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn result_is_normal(raw in "/[a-c./%25ef0]{0,24}") {
            crate::fuzzing::path(raw.as_bytes());
        }

        #[test]
        fn encoding_is_undone_by_decoding(path in "/[ -~\u{e9}]{0,20}") {
            let mut text = Vec::new();
            encode(path.as_bytes(), &mut text);
            prop_assert_eq!(decode(&text), Ok(path.into_bytes()));
        }
    }
}
