//! The parser of heads: one pass that can be interrupted at any byte.
//!
//! What is wrong is found at the first byte that makes it so. The outcome therefore depends on the bytes
//! alone, never on how they were split on their way.

use crate::field::Known;
use crate::head::{Head, Limits, Progress, Span};
use crate::{BadRequest, Method, Version, framing, scan, target, token};

/// Empty lines that are skipped before a request line (RFC 9112 section 2.2).
const EMPTY_LINES: usize = 2;

/// The element of a head that the parser is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Before the request line.
    #[default]
    Before,
    Method,
    Path,
    Query,
    Version,
    /// A field name, or the empty line at the end.
    Name,
    Value,
}

/// Parses heads out of a buffer that fills up. No byte is looked at again because more have come, but
/// for those of a version and of a line end.
#[derive(Debug, Default)]
pub struct HeadParser {
    stage: Stage,
    /// Where the element begins that the parser is in.
    start: usize,
    /// How far it has been found right.
    at: usize,
    /// Where the path of the target ends, while its query is read.
    path_end: usize,
    /// The name that the value belongs to, while that is read.
    name: Span,
}

/// Where the next element begins. None: this one is not complete, and the parser has noted how far it is.
type Next = Result<Option<usize>, BadRequest>;

impl HeadParser {
    /// A parser at the beginning of a message.
    #[must_use]
    pub fn new() -> HeadParser {
        HeadParser::default()
    }

    /// Forgets a head that was begun. Not needed after [`Progress::Done`].
    pub fn reset(&mut self) {
        *self = HeadParser::default();
    }

    /// Parses what is there of a head.
    ///
    /// `buf` begins at the first byte of the message. While more is needed the call is repeated with the
    /// same head and the same bytes followed by more. Bytes after the head are not looked at.
    ///
    /// # Errors
    ///
    /// What is wrong with the head, as soon as the bytes that are there make it certain.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits, head: &mut Head) -> Result<Progress, BadRequest> {
        // Offsets are of 32 bits.
        let most = limits.head_bytes.min(u32::MAX as usize);
        let window = &buf[..buf.len().min(most)];
        if let Some(len) = self.advance(window, limits, head)? {
            self.reset();
            return Ok(Progress::Done { len });
        }
        if window.len() < most {
            return Ok(Progress::NeedMore);
        }
        Err(if self.stage < Stage::Name { BadRequest::TargetTooLong } else { BadRequest::HeadTooLarge })
    }

    #[inline]
    fn advance(&mut self, buf: &[u8], limits: &Limits, head: &mut Head) -> Next {
        let fields = if self.stage < Stage::Name {
            let Some(next) = self.request_line(buf, limits, head)? else { return Ok(None) };
            next
        } else if self.stage == Stage::Value {
            let Some(next) = self.resume_value(buf, head)? else { return Ok(None) };
            next
        } else {
            self.start
        };
        let Some(len) = self.fields(buf, fields, limits, head)? else { return Ok(None) };
        framing::host(head, buf)?;
        framing::decide(head, buf)?;
        Ok(Some(len))
    }

    /// Notes that the element is not complete.
    fn wait(&mut self, stage: Stage, start: usize, at: usize) -> Next {
        self.stage = stage;
        self.start = start;
        self.at = at;
        Ok(None)
    }

    /// How far the element that begins at `start` has been found right before.
    #[inline]
    fn resume(&self, start: usize) -> usize {
        self.at.max(start)
    }

    #[inline]
    fn request_line(&mut self, buf: &[u8], limits: &Limits, head: &mut Head) -> Next {
        let stage = self.stage;
        let mut next = self.start;
        if stage == Stage::Before {
            head.clear();
            let Some(method) = self.empty_lines(buf)? else { return Ok(None) };
            next = method;
        }
        if stage <= Stage::Method {
            let Some(target) = self.method(buf, next, head)? else { return Ok(None) };
            next = target;
        }
        if stage <= Stage::Query {
            let Some(version) = self.target(buf, next, limits, head)? else { return Ok(None) };
            next = version;
        }
        self.version(buf, next, head)
    }

    #[inline]
    fn empty_lines(&mut self, buf: &[u8]) -> Next {
        let mut at = self.at;
        loop {
            match buf[at..] {
                [] | [b'\r'] => return self.wait(Stage::Before, at, at),
                [b'\r', b'\n', ..] if at < 2 * EMPTY_LINES => at += 2,
                [b'\r', b'\n', ..] => return Err(BadRequest::EmptyLines),
                [b'\r' | b'\n', ..] => return Err(BadRequest::RequestLineEnd),
                _ => return Ok(Some(at)),
            }
        }
    }

    #[inline]
    fn method(&mut self, buf: &[u8], start: usize, head: &mut Head) -> Next {
        // Nearly every request begins like this.
        if buf[start..].starts_with(b"GET ") {
            head.method = Method::Get;
            head.method_name = Span::new(start, start + 3);
            return Ok(Some(start + 4));
        }
        self.other_method(buf, start, head)
    }

    fn other_method(&mut self, buf: &[u8], start: usize, head: &mut Head) -> Next {
        let end = scan::name_end(buf, self.resume(start));
        if Method::MAX < end - start {
            return Err(BadRequest::MethodTooLong);
        }
        match buf.get(end) {
            Some(b' ') if start < end => {
                head.method = Method::of(&buf[start..end]);
                head.method_name = Span::new(start, end);
                Ok(Some(end + 1))
            }
            Some(b' ' | b'\t') => Err(BadRequest::RequestLineSpace),
            Some(b'\r' | b'\n') => Err(BadRequest::VersionMissing),
            Some(_) => Err(BadRequest::Method),
            None => self.wait(Stage::Method, start, end),
        }
    }

    #[inline]
    fn target(&mut self, buf: &[u8], start: usize, limits: &Limits, head: &mut Head) -> Next {
        let mut stage = Stage::Query;
        let (mut path_end, mut end) = (self.path_end, self.at);
        if self.stage != Stage::Query {
            path_end = scan::path_end(buf, self.resume(start));
            end = path_end;
            stage = Stage::Path;
        }
        if buf.get(end) == Some(&b'?') {
            end = scan::target_end(buf, end + 1);
            stage = Stage::Query;
        } else if stage == Stage::Query {
            end = scan::target_end(buf, end);
        }
        if limits.target_bytes < end - start {
            return Err(BadRequest::TargetTooLong);
        }
        if buf.get(end) == Some(&b' ') && start < end {
            target::locate(head, buf, Span::new(start, end), path_end)?;
            return Ok(Some(end + 1));
        }
        self.path_end = path_end;
        self.no_target_end(buf, stage, start, end)
    }

    /// Decides about a target that is not followed by a space.
    #[cold]
    fn no_target_end(&mut self, buf: &[u8], stage: Stage, start: usize, end: usize) -> Next {
        match buf.get(end) {
            Some(b' ' | b'\t') => Err(BadRequest::RequestLineSpace),
            Some(b'\r' | b'\n') => Err(BadRequest::VersionMissing),
            Some(_) => Err(BadRequest::TargetByte),
            None => self.wait(stage, start, end),
        }
    }

    /// Reads the version and the end of the request line (RFC 9112 section 2.3).
    #[inline]
    fn version(&mut self, buf: &[u8], start: usize, head: &mut Head) -> Next {
        // Nearly every client sends these bytes.
        if buf[start..].starts_with(b"HTTP/1.1\r\n") {
            head.version = Version::Http11;
            return Ok(Some(start + 10));
        }
        self.other_version(buf, start, head)
    }

    fn other_version(&mut self, buf: &[u8], start: usize, head: &mut Head) -> Next {
        for (at, &shape) in b"HTTP/0.0\r\n".iter().enumerate() {
            let Some(&byte) = buf.get(start + at) else { return self.wait(Stage::Version, start, start) };
            if byte != shape && !(shape == b'0' && byte.is_ascii_digit()) {
                return Err(match (at, byte) {
                    (0, b'\r' | b'\n') => BadRequest::VersionMissing,
                    (0, b' ' | b'\t') => BadRequest::RequestLineSpace,
                    (8, b'\n') | (9, _) => BadRequest::RequestLineEnd,
                    _ => BadRequest::Version,
                });
            }
        }
        head.version = match (buf[start + 5], buf[start + 7]) {
            (b'1', b'0') => Version::Http10,
            // A later minor version is read as the highest one known (RFC 9110 section 2.5).
            (b'1', _) => Version::Http11,
            _ => return Err(BadRequest::VersionUnsupported),
        };
        Ok(Some(start + 10))
    }

    /// Reads field lines from `start` on, up to the empty line after them.
    #[inline]
    fn fields(&mut self, buf: &[u8], mut start: usize, limits: &Limits, head: &mut Head) -> Next {
        let most = limits.fields.min(usize::from(u16::MAX));
        let mut at = self.resume(start);
        loop {
            let mut colon = scan::usual_name_end(buf, at);
            if buf.get(colon) != Some(&b':') || colon == start {
                if colon == start && ends_line(buf, start) {
                    return Ok(Some(start + 2));
                }
                colon = scan::name_end(buf, colon);
                if buf.get(colon) != Some(&b':') || colon == start {
                    return self.no_name(buf, start, colon);
                }
            }
            if most <= head.fields.len() {
                return Err(BadRequest::TooManyFields);
            }
            let name = Span::new(start, colon);
            let end = scan::value_end(buf, colon + 1);
            if !ends_line(buf, end) {
                self.name = name;
                return self.no_value_end(buf, colon + 1, end);
            }
            head.push(name, value(buf, colon + 1, end), Known::of(&buf[start..colon]));
            start = end + 2;
            at = start;
        }
    }

    #[cold]
    fn resume_value(&mut self, buf: &[u8], head: &mut Head) -> Next {
        let end = scan::value_end(buf, self.at);
        if !ends_line(buf, end) {
            return self.no_value_end(buf, self.start, end);
        }
        head.push(self.name, value(buf, self.start, end), Known::of(self.name.of(buf)));
        Ok(Some(end + 2))
    }

    /// Decides about a line that does not begin with a name and a colon.
    #[cold]
    fn no_name(&mut self, buf: &[u8], start: usize, end: usize) -> Next {
        match (buf.get(end), start == end) {
            (None, _) => self.wait(Stage::Name, start, end),
            (Some(b'\r'), true) if end + 1 == buf.len() => self.wait(Stage::Name, start, end),
            (Some(b'\r' | b'\n'), true) => Err(BadRequest::FieldLineEnd),
            // A folded line is refused, and so is one that seems to go on from the request line
            // (RFC 9112 sections 2.2 and 5.2).
            (Some(b' ' | b'\t'), true) => Err(BadRequest::FieldFolded),
            (Some(b' ' | b'\t'), false) => Err(BadRequest::FieldSpaceBeforeColon),
            _ => Err(BadRequest::FieldName),
        }
    }

    /// Decides about a value that is not followed by CR LF.
    #[cold]
    fn no_value_end(&mut self, buf: &[u8], start: usize, end: usize) -> Next {
        match buf[end..] {
            [] | [b'\r'] => self.wait(Stage::Value, start, end),
            [b'\r' | b'\n', ..] => Err(BadRequest::FieldLineEnd),
            _ => Err(BadRequest::FieldValue),
        }
    }
}

/// Whether CR LF is at this place. Neither is taken alone for the end of a line (RFC 9112 section 2.2).
#[inline]
fn ends_line(buf: &[u8], at: usize) -> bool {
    buf[at..].starts_with(b"\r\n")
}

/// What is between these places but for white space around it (RFC 9112 section 5.1).
#[inline(always)]
fn value(buf: &[u8], start: usize, end: usize) -> Span {
    // Most lines have one space after the colon and no other. Only SP and HTAB are not above SP here.
    if let [b' ', first, .., last] = buf[start..end]
        && b' ' < first
        && b' ' < last
    {
        return Span::new(start + 1, end);
    }
    trim(buf, start, end)
}

#[cold]
fn trim(buf: &[u8], mut start: usize, mut end: usize) -> Span {
    while start < end && token::is_ows(buf[start]) {
        start += 1;
    }
    while start < end && token::is_ows(buf[end - 1]) {
        end -= 1;
    }
    Span::new(start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_head_is_used_again() {
        let input = b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n";
        let (mut parser, mut head) = (HeadParser::new(), Head::new());
        let mut memory = None;
        for _ in 0..3 {
            let outcome = parser.parse(input, &Limits::default(), &mut head);
            assert_eq!(outcome, Ok(Progress::Done { len: input.len() }));
            let now = (head.fields.as_ptr(), head.fields.capacity());
            assert_eq!(*memory.get_or_insert(now), now);
        }
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let mut head = Head::new();
        let mut parser = HeadParser::new();
        let input = format!("GET /{} HTTP/1.1\r\nHost: a\r\nLong: {}", "p".repeat(100), "v".repeat(100));
        for len in 0..=input.len() {
            let outcome = parser.parse(&input.as_bytes()[..len], &Limits::default(), &mut head);
            assert_eq!(outcome, Ok(Progress::NeedMore));
            // Only a version and a CR are kept for later.
            assert!(len - parser.at < 10, "{len} bytes, of which {} are done", parser.at);
        }
    }
}
