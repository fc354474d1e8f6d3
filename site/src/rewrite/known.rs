//! What can be told of a path without a request: all of it, or how it begins.

use std::fmt;

use proto_http::path;
use regex::bytes::Regex;

use super::target::Target;
use super::template::Part;
use super::variable::Variable;
use crate::Location;
use crate::location::Locations;

/// A path as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Whole(Vec<u8>),
    /// It begins so, and nobody knows how it goes on.
    Start(Vec<u8>),
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::Whole(path) => write!(f, "{}", String::from_utf8_lossy(path)),
            Known::Start(path) => write!(f, "{}...", String::from_utf8_lossy(path)),
        }
    }
}

/// Patterns behind a literal beginning that take whatever follows. A path has no line ends, which a dot would not take.
const TAKES_ALL: &[&str] = &["", "(.*)", ".*", "(.*)$", ".*$", "(.*?)$"];
/// Those that take it if there is anything.
const TAKES_SOME: &[&str] = &["(.+)", ".+", "(.+)$", ".+$", "."];

impl Known {
    /// Nothing but that it is a path.
    pub(super) fn nothing() -> Known {
        Known::Start(b"/".to_vec())
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Known::Whole(bytes) | Known::Start(bytes) => bytes,
        }
    }

    /// Whether whatever is true of all paths that are known like `other` is true of this one.
    pub(super) fn is_among(&self, other: &Known) -> bool {
        match other {
            Known::Whole(_) => self == other,
            Known::Start(start) => self.bytes().starts_with(start),
        }
    }

    /// Where a target leads from here within the host; none where even its beginning is not known.
    pub(super) fn led(&self, target: &Target) -> Option<Known> {
        let mut made = Vec::new();
        let mut is_whole = true;
        for part in target.path() {
            match part {
                Part::Text(text) => made.extend_from_slice(text),
                Part::Value(Variable::Path) => {
                    made.extend_from_slice(self.bytes());
                    is_whole = matches!(self, Known::Whole(_));
                }
                Part::Value(_) => is_whole = false,
            }
            if !is_whole {
                break;
            }
        }
        if made.first() != Some(&b'/') {
            made.insert(0, b'/');
        }
        path::settle(&mut made).ok()?;
        Some(if is_whole { Known::Whole(made) } else { Known::Start(made) })
    }

    /// The location that is found for it; none where that depends on what is not known.
    pub(super) fn locate<'s>(&self, locations: &'s Locations) -> Option<&'s Location> {
        let start = match self {
            Known::Whole(path) => return Some(locations.find(path)),
            Known::Start(start) => start,
        };
        if locations.exact.iter().any(|(exact, _)| exact.starts_with(start)) {
            return None;
        }
        for (pattern, location) in &locations.patterns {
            if self.matches(pattern)? {
                return Some(location);
            }
        }
        // Longest first.
        for (prefix, location) in &locations.prefixes {
            if start.starts_with(prefix) {
                return Some(location);
            }
            if prefix.starts_with(start) {
                return None;
            }
        }
        Some(locations.root())
    }

    /// Whether a pattern matches it; none where that depends on what is not known.
    pub(super) fn matches(&self, pattern: &Regex) -> Option<bool> {
        let start = match self {
            Known::Whole(path) => return Some(pattern.is_match(path)),
            Known::Start(start) => start,
        };
        let text = pattern.as_str();
        if text.is_empty() || text == "$" {
            return Some(true);
        }
        let (literal, rest) = literal_start(text.strip_prefix('^')?)?;
        if start.starts_with(&literal) {
            // The name of a group takes nothing.
            let rest = match rest.strip_prefix("(?<").and_then(|named| named.split_once('>')) {
                Some((_, rest)) => format!("({rest}"),
                None => rest.to_owned(),
            };
            let takes = |known: &[&str]| known.contains(&rest.as_str());
            let goes_on = literal.len() < start.len();
            return (takes(TAKES_ALL) || goes_on && takes(TAKES_SOME)).then_some(true);
        }
        let both = literal.len().min(start.len());
        (literal[..both] != start[..both]).then_some(false)
    }
}

/// The bytes that a pattern, behind its `^`, begins with in any case, and the rest of it; none where there are choices.
fn literal_start(text: &str) -> Option<(Vec<u8>, &str)> {
    if text.contains('|') {
        return None;
    }
    let mut literal = Vec::new();
    let mut rest = text;
    loop {
        let (byte, len) = match rest.as_bytes() {
            [b'\\', byte, ..] if byte.is_ascii_punctuation() => (*byte, 2),
            [byte, ..] if byte.is_ascii_alphanumeric() || b"/-_~%@=:,;!&'\"<> ".contains(byte) => (*byte, 1),
            _ => return Some((literal, rest)),
        };
        // What repeats may also be missing.
        if matches!(rest.as_bytes().get(len), Some(b'*' | b'?' | b'+' | b'{')) {
            return Some((literal, rest));
        }
        literal.push(byte);
        rest = &rest[len..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_for_every_path_is_known() {
        for (start, pattern, wanted) in [
            ("/a/x", "", Some(true)),
            ("/a/x", "$", Some(true)),
            ("/a/x", "^", Some(true)),
            ("/a/x", "^/a/(.*)$", Some(true)),
            ("/a/x", "^/a/(?<rest>.*)$", Some(true)),
            ("/a/x", "^/a/x(.+)$", None),
            ("/a/x", "^/a/(.+)$", Some(true)),
            ("/a/x", "^/a\\/x", Some(true)),
            ("/a/x", "^/a/x$", None),
            ("/a/x", "^/a/xy", None),
            ("/a/x", "^/b/(.*)$", Some(false)),
            ("/a/x", "^/a/y?(.*)$", None),
            ("/a/x", "^/a/y", Some(false)),
            ("/a/x", "^/a/[a-z]*$", None),
            ("/a/x", "^/(a|b)/", None),
            ("/a/x", "x", None),
            ("/a/x", "(?i)^/A/", None),
            ("/a/x", "^/a/x{3}", None),
            ("/a.x", "^/a.x", None),
            ("/a.x", "^/a\\.x", Some(true)),
        ] {
            let known = Known::Start(start.as_bytes().to_vec());
            let regex = super::super::compile_pattern(pattern).expect("a pattern");
            assert_eq!(known.matches(&regex), wanted, "{start} {pattern}");
        }
        let whole = Known::Whole(b"/a/x".to_vec());
        let regex = super::super::compile_pattern("^/a/[a-z]*$").expect("a pattern");
        assert_eq!(whole.matches(&regex), Some(true));
    }
}
