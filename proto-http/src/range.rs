//! Byte ranges (RFC 9110 section 14).

use arrayvec::ArrayVec;

/// Ranges that one response serves at most. A request for more is answered with the whole content.
pub const MAX: usize = 16;

/// A range of bytes; both ends belong to it, and it lies within the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub end: u64,
}

impl ByteRange {
    /// Number of bytes, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    #[must_use]
    pub fn len(self) -> u64 {
        self.end - self.start + 1
    }
}

/// What a `Range` field asks for.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing that can be understood or should be served: the whole content.
    Ignore,
    /// Nothing that the content has: 416.
    Unsatisfiable,
    /// These, in the order asked for, without overlaps; at least one.
    Set(ArrayVec<ByteRange, MAX>),
}

/// Reads the value of a `Range` field for a content of `len` bytes.
#[must_use]
pub fn parse(value: &[u8], len: u64) -> Ranges {
    let Some(specs) = strip_unit(value) else { return Ranges::Ignore };
    let mut set: ArrayVec<ByteRange, MAX> = ArrayVec::new();
    let mut asked = 0;
    for spec in specs.split(|&b| b == b',') {
        let spec = spec.trim_ascii();
        // An empty list element counts for nothing (RFC 9110 section 5.6.1.2).
        if spec.is_empty() {
            continue;
        }
        asked += 1;
        // A long list can only be meant to make one request cost many (CVE-2011-3192).
        if MAX < asked {
            return Ranges::Ignore;
        }
        let Some(range) = one(spec, len) else { return Ranges::Ignore };
        if let Some(range) = range {
            set.push(range);
        }
    }
    if asked == 0 {
        return Ranges::Ignore;
    }
    if set.is_empty() {
        return Ranges::Unsatisfiable;
    }
    coalesce(&mut set);
    Ranges::Set(set)
}

fn strip_unit(value: &[u8]) -> Option<&[u8]> {
    // Range units compare without case (RFC 9110 section 14.1).
    let (unit, rest) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(rest)
}

/// One range spec: `None` = malformed, `Some(None)` = outside of the content.
fn one(spec: &[u8], len: u64) -> Option<Option<ByteRange>> {
    let dash = spec.iter().position(|&b| b == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let suffix = number(last)?.min(len);
        let range = (suffix > 0).then(|| ByteRange { start: len - suffix, end: len - 1 });
        return Some(range);
    }
    let start = number(first)?;
    let end = if last.is_empty() { u64::MAX } else { number(last)? };
    if end < start {
        return None;
    }
    let range = (start < len).then(|| ByteRange { start, end: end.min(len - 1) });
    Some(range)
}

/// Digits to a number; one that is too large is simply beyond every content.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}

/// Joins ranges that overlap or touch (RFC 9110 section 15.3.7.2), so that no byte is sent twice.
fn coalesce(set: &mut ArrayVec<ByteRange, MAX>) {
    let mut at = 0;
    while at < set.len() {
        let mut joined = set[at];
        let mut grown = false;
        let mut other = at + 1;
        while other < set.len() {
            let range = set[other];
            let apart =
                joined.end.saturating_add(1) < range.start || range.end.saturating_add(1) < joined.start;
            if apart {
                other += 1;
                continue;
            }
            joined = ByteRange { start: joined.start.min(range.start), end: joined.end.max(range.end) };
            set.remove(other);
            grown = true;
        }
        set[at] = joined;
        // A grown range may touch one that was apart before.
        if !grown {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let cases: &[(&str, &[(u64, u64)])] = &[
            ("bytes=0-0", &[(0, 0)]),
            ("bytes=2-5", &[(2, 5)]),
            ("bytes=20-", &[(20, 25)]),
            ("bytes=-5", &[(21, 25)]),
            ("bytes=-99", &[(0, 25)]),
            ("bytes=10-999", &[(10, 25)]),
            ("BYTES=1-2", &[(1, 2)]),
            ("bytes= 1-2 , 5-6", &[(1, 2), (5, 6)]),
            ("bytes=,1-2,,", &[(1, 2)]),
            ("bytes=5-6,1-2", &[(5, 6), (1, 2)]),
            ("bytes=0-5,3-9", &[(0, 9)]),
            ("bytes=0-1,2-3", &[(0, 3)]),
            ("bytes=0-1,5-6,2-4", &[(0, 6)]),
            ("bytes=0-1,99-100", &[(0, 1)]),
            ("bytes=0-18446744073709551616", &[(0, 25)]),
            ("bytes=-18446744073709551616", &[(0, 25)]),
        ];
        for (value, expected) in cases {
            let expected = expected.iter().map(|&(start, end)| ByteRange { start, end }).collect();
            assert_eq!(parse(value.as_bytes(), 26), Ranges::Set(expected), "{value}");
        }
    }

    #[test]
    fn others_are_refused_or_ignored() {
        let many = format!("bytes={}", vec!["0-"; 200].join(","));
        let cases = [
            ("bytes=26-", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=99999999999999999999-", Ranges::Unsatisfiable),
            ("bytes=", Ranges::Ignore),
            ("bytes=5-2", Ranges::Ignore),
            ("bytes=a-b", Ranges::Ignore),
            ("bytes=1-2,x", Ranges::Ignore),
            ("bytes=1", Ranges::Ignore),
            ("bytes=+1-2", Ranges::Ignore),
            ("bytes=-", Ranges::Ignore),
            ("lines=1-2", Ranges::Ignore),
            ("", Ranges::Ignore),
            (many.as_str(), Ranges::Ignore),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value.as_bytes(), 26), expected, "{value}");
        }
        assert_eq!(parse(b"bytes=0-", 0), Ranges::Unsatisfiable);
        assert_eq!(parse(b"bytes=-1", 0), Ranges::Unsatisfiable);
    }
}
