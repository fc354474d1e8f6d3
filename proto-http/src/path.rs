//! The path of a target: decoded once, without dot segments (RFC 3986 sections 2.4 and 6.2.2.3).

use std::borrow::Cow;
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

/// As [`normalize`], but an encoded slash stays what it is: `%2F` within its segment, for somebody else to understand.
///
/// # Errors
///
/// See [`BadPath`]. It is [`BadPath::EncodedSlash`] where it could be mistaken: beside a dot segment, also one that is there
/// only once it is decoded, and beside an encoded `%` that makes the same three bytes.
pub fn normalize_keeping<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], BadPath> {
    if !has_encoded_slash(raw) {
        return normalize(raw, scratch);
    }
    if raw.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    scratch.clear();
    decode_with(raw, scratch, |out| {
        out.extend_from_slice(ENCODED_SLASH);
        Ok(())
    })?;
    if encoded_slashes(scratch).count() != encoded_slashes(raw).count() {
        return Err(BadPath::EncodedSlash);
    }
    check_kept(scratch)?;
    let len = resolve(scratch)?;
    scratch.truncate(len);
    Ok(scratch)
}

/// A slash that is a part of a segment.
const ENCODED_SLASH: &[u8] = b"%2F";

/// Whether a path has an encoded slash: one as it was sent, or one of [`normalize_keeping`].
#[must_use]
pub fn has_encoded_slash(path: &[u8]) -> bool {
    path.contains(&b'%') && encoded_slashes(path).next().is_some()
}

/// Where they are.
fn encoded_slashes(path: &[u8]) -> impl Iterator<Item = usize> {
    let windows = path.windows(ENCODED_SLASH.len()).enumerate();
    windows.filter(|(_, three)| three.eq_ignore_ascii_case(ENCODED_SLASH)).map(|(at, _)| at)
}

/// A path with the encoded slashes that [`normalize_keeping`] has left, as somebody sees it who takes them for slashes.
#[must_use]
pub fn with_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut from = 0;
    for at in encoded_slashes(path) {
        out.extend_from_slice(&path[from..at]);
        out.push(b'/');
        from = at + ENCODED_SLASH.len();
    }
    out.extend_from_slice(&path[from..]);
    out.dedup_by(|next, before| *next == b'/' && *before == b'/');
    out
}

/// Sees that a decoded path with encoded slashes leads to the same place whoever decodes them.
///
/// # Errors
///
/// [`BadPath::EncodedSlash`] for a dot segment between slashes of either kind.
pub fn check_kept(path: &[u8]) -> Result<(), BadPath> {
    let is_dots = |segment: &[u8]| segment == b"." || segment == b"..";
    let slashes = with_slashes(path);
    if slashes.split(|&byte| byte == b'/').any(is_dots) { Err(BadPath::EncodedSlash) } else { Ok(()) }
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
    decode_with(raw, out, |_| Err(BadPath::EncodedSlash))
}

/// `slash` appends what stands for an encoded slash.
fn decode_with(
    raw: &[u8],
    out: &mut Vec<u8>,
    slash: impl Fn(&mut Vec<u8>) -> Result<(), BadPath>,
) -> Result<(), BadPath> {
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        let byte = if *first == b'%' {
            let [high, low, after @ ..] = tail else { return Err(BadPath::Percent) };
            rest = after;
            let byte = hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l).ok_or(BadPath::Percent)?;
            if byte == b'/' {
                slash(out)?;
                continue;
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

/// A path as it was sent, without the dot segments that [`normalize`] resolves, so that whoever gets it sees the path that we
/// have seen; otherwise encoded as it was. Borrows `raw` when it has none, which is nearly always.
///
/// # Errors
///
/// [`BadPath::AboveRoot`].
pub fn without_dot_segments(raw: &[u8]) -> Result<Cow<'_, [u8]>, BadPath> {
    // In nearly every path no segment begins so.
    let suspect = |pair: &[u8]| pair == b"/." || pair == b"/%";
    if !raw.windows(2).any(suspect) || !raw.split(|&byte| byte == b'/').any(|part| dots(part).is_some()) {
        return Ok(Cow::Borrowed(raw));
    }
    let segments: Vec<&[u8]> =
        raw.split(|&byte| byte == b'/').map(|segment| dots(segment).unwrap_or(segment)).collect();
    let mut path = segments.join(&b'/');
    let len = resolve(&mut path)?;
    path.truncate(len);
    Ok(Cow::Owned(path))
}

/// The dot segment that a segment is as it was sent, where each dot may be encoded (RFC 3986 section 6.2.2.2).
fn dots(segment: &[u8]) -> Option<&'static [u8]> {
    const ENCODED: &[u8] = b"%2E";
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        rest = match rest.get(..ENCODED.len()) {
            Some(three) if three.eq_ignore_ascii_case(ENCODED) => &rest[ENCODED.len()..],
            _ => rest.strip_prefix(b".")?,
        };
        count += 1;
    }
    match count {
        1 => Some(b"."),
        2 => Some(b".."),
        _ => None,
    }
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

/// As [`encode`], for a path of [`normalize_keeping`]: its encoded slashes stay.
pub fn encode_keeping(path: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for at in encoded_slashes(path) {
        encode(&path[from..at], out);
        out.extend_from_slice(ENCODED_SLASH);
        from = at + ENCODED_SLASH.len();
    }
    encode(&path[from..], out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dot_segments_are_taken_out_of_what_was_sent() {
        // What is empty stays as it is.
        let cases: &[(&str, &str)] = &[
            ("/", ""),
            ("/a%20b//c/", ""),
            ("/.hidden/...", ""),
            ("/a.b/%2ehidden", ""),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b%20c", "/b%20c"),
            ("/a/.%2e", "/"),
            ("/a/b/..", "/a/"),
            ("/a/./b;x=%3B?", "/a/b;x=%3B?"),
            ("/a/.", "/a/"),
            ("/a//../b", "/b"),
            ("/a/b/%2e/../c//d/", "/a/c/d/"),
        ];
        for (raw, wanted) in cases {
            let path = without_dot_segments(raw.as_bytes()).unwrap();
            assert_eq!(matches!(path, Cow::Borrowed(_)), wanted.is_empty(), "{raw}");
            assert_eq!(&*path, if wanted.is_empty() { raw.as_bytes() } else { wanted.as_bytes() }, "{raw}");
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let seen = normalize(raw.as_bytes(), &mut one);
            assert_eq!(normalize(&path, &mut other), seen, "{raw}: it leads to the same place");
        }
        for raw in ["/..", "/a/%2e%2e/../b"] {
            assert_eq!(without_dot_segments(raw.as_bytes()), Err(BadPath::AboveRoot), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn a_path_without_dot_segments_leads_where_it_has_led(raw in "(/(\\.|%2e|%2E|a|%41|/)*){1,8}") {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let path = without_dot_segments(raw.as_bytes());
            if let Ok(seen) = normalize(raw.as_bytes(), &mut one) {
                let path = path.unwrap();
                prop_assert_eq!(normalize(&path, &mut other), Ok(seen));
                prop_assert!(matches!(without_dot_segments(&path), Ok(Cow::Borrowed(_))));
            }
        }
    }

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
    fn encoded_slashes_are_kept_or_refused() {
        for (raw, expected) in [
            ("/a%2fb", Ok("/a%2Fb")),
            ("/@scope%2fname", Ok("/@scope%2Fname")),
            ("/group%2Fa%20b//c/", Ok("/group%2Fa b/c/")),
            ("/%2F", Ok("/%2F")),
            ("/a%2F%2fb", Ok("/a%2F%2Fb")),
            ("/a%252Fb", Ok("/a%2Fb")),
            ("/a%2Fb/...", Ok("/a%2Fb/...")),
            ("/..%2fsecret.txt", Err(BadPath::EncodedSlash)),
            ("/sub/..%2f..", Err(BadPath::EncodedSlash)),
            ("/a%2F..", Err(BadPath::EncodedSlash)),
            ("/a%2F%2e%2E%2Fb", Err(BadPath::EncodedSlash)),
            ("/a%2Fb/../c", Err(BadPath::EncodedSlash)),
            ("/./a%2Fb", Err(BadPath::EncodedSlash)),
            // Both would be "/a%2Fb%2Fc".
            ("/a%2Fb%252Fc", Err(BadPath::EncodedSlash)),
            ("/a%2Fb%25%32%46c", Err(BadPath::EncodedSlash)),
            ("/a%2F%00", Err(BadPath::Control)),
            ("/a%2F%", Err(BadPath::Percent)),
            ("/%%2F", Err(BadPath::Percent)),
            ("%2F", Err(BadPath::Relative)),
            ("/a/../b", Ok("/b")),
        ] {
            let mut scratch = Vec::new();
            let found = normalize_keeping(raw.as_bytes(), &mut scratch);
            assert_eq!(found, expected.map(str::as_bytes), "{raw}");
        }
    }

    #[test]
    fn kept_slashes_are_decoded_and_encoded() {
        for (path, decoded, encoded) in [
            ("/a%2Fb c", "/a/b c", "/a%2Fb%20c"),
            ("/a/%2Fb%2F", "/a/b/", "/a/%2Fb%2F"),
            ("/a%2b", "/a%2b", "/a%252b"),
        ] {
            let mut out = Vec::new();
            encode_keeping(path.as_bytes(), &mut out);
            assert_eq!(out, encoded.as_bytes(), "{path}");
            assert_eq!(with_slashes(path.as_bytes()), decoded.as_bytes(), "{path}");
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
