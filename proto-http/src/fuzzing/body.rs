//! Properties of everything that is not a head.

use crate::body::{BodyLimits, Decoder};
use crate::range::Ranges;
use crate::{Body, path, proxy as announced};

/// Feeds a chunked body whole and byte by byte: the outcome must be the same, and within bounds.
pub fn chunked(input: &[u8]) {
    let whole = decode(input, input.len());
    let bytewise = decode(input, 1);
    assert_eq!(whole, bytewise, "splits do not matter");
}

fn decode(input: &[u8], step: usize) -> Option<(Vec<u8>, usize, bool)> {
    let mut decoder = Decoder::new(Body::Chunked, BodyLimits::default());
    let (mut data, mut at) = (Vec::new(), 0);
    while at < input.len() && !decoder.is_done() {
        let end = input.len().min(at + step.max(1));
        let found = decoder.decode(&input[at..end]).ok()?;
        assert!(found.data.start <= found.data.end && found.data.end <= found.consumed, "within the input");
        assert!(found.consumed > 0, "every call gets on");
        data.extend_from_slice(&input[at..end][found.data]);
        at += found.consumed;
    }
    Some((data, at, decoder.is_done()))
}

/// A normalised path has no dot segment, no empty segment, no control byte, and is its own normal form. One with encoded
/// slashes that are kept has no dot segment for those either who decode them, and is read again as it is written.
pub fn path(raw: &[u8]) {
    kept(raw);
    let mut scratch = Vec::new();
    let Ok(normal) = path::normalize(raw, &mut scratch) else { return };
    assert_eq!(normal.first(), Some(&b'/'));
    assert!(normal.iter().all(|&b| b >= b' ' && b != 0x7f));
    let segments: Vec<&[u8]> = normal[1..].split(|&b| b == b'/').collect();
    let (last, inner) = segments.split_last().expect("a split has a part");
    assert!(inner.iter().all(|s| !s.is_empty() && *s != b"." && *s != b".."));
    assert!(*last != b"." && *last != b"..");
}

fn kept(raw: &[u8]) {
    let (mut scratch, mut again) = (Vec::new(), Vec::new());
    let Ok(normal) = path::normalize_keeping(raw, &mut scratch) else { return };
    if path::has_encoded_slash(raw) {
        let segments = path::with_slashes(normal);
        assert!(segments.split(|&b| b == b'/').all(|segment| segment != b"." && segment != b".."));
        let mut written = Vec::new();
        path::encode_keeping(normal, &mut written);
        assert_eq!(path::normalize_keeping(&written, &mut again), Ok(normal));
    }
}

/// Ranges lie within the content, do not overlap, and are never more than it.
pub fn range(input: &[u8]) {
    let Some((length, value)) = input.split_first_chunk::<8>() else { return };
    let len = u64::from_le_bytes(*length);
    let Ranges::Set(set) = crate::range::parse(value, len) else { return };
    assert!(!set.is_empty());
    let mut sorted = set.clone();
    sorted.sort_by_key(|range| range.start);
    assert!(sorted.iter().all(|range| range.start <= range.end && range.end < len));
    assert!(sorted.windows(2).all(|pair| pair[0].end < pair[1].start));
}

/// What a proxy says before the first byte is the same however it is cut: once read it stays as it is, and so does a
/// refusal.
pub fn proxy(input: &[u8]) {
    let whole = announced::read(input);
    if let Ok(Some(header)) = whole {
        assert!(header.len <= input.len() && header.len <= announced::V2_LEN_MAX, "within the input");
    }
    for cut in 0..input.len().min(announced::V2_LEN_MAX + 1) {
        match announced::read(&input[..cut]) {
            Ok(None) => {}
            earlier => return assert_eq!(earlier, whole, "what follows does not matter"),
        }
    }
    assert!(whole != Ok(None) || input.len() < announced::V2_LEN_MAX, "nobody waits for more than that");
}

/// Whatever the fields say, they name so many proxies at most.
pub fn forwarded(input: &[u8]) {
    let (mut head, limits) = (crate::Head::default(), crate::Limits::default());
    for name in ["Forwarded", "X-Forwarded-For"] {
        let text = [b"GET / HTTP/1.1\r\nHost: a\r\n", name.as_bytes(), b": ", input, b"\r\n\r\n"].concat();
        if crate::HeadParser::default().parse(&text, &limits, &mut head).is_ok() {
            let request = head.view(&text);
            for hops in [crate::forwarded::x_forwarded_for(&request), crate::forwarded::forwarded(&request)] {
                assert!(
                    hops.iter().flatten().all(|hop| hop.to_canonical() == *hop),
                    "one form of each address"
                );
            }
        }
    }
}
