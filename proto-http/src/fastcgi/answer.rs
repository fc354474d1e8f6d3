//! What a script writes before its content (RFC 3875 section 6).

use crate::Progress;
use crate::upstream::lines::{LineEnd, Lines};
use crate::upstream::{BadResponse, FIELDS_MAX, ResponseHead, ResponseLimits};

/// Parses the head of a script's response out of a buffer that fills up with its output. What is found is read through
/// [`ResponseHead::view`], as the response of any upstream.
///
/// `Status` becomes the status and is no field any more; without it a response is 302 if it has a `Location`, and 200
/// if not.
#[derive(Debug, Default)]
pub struct CgiParser {
    lines: Lines,
}

impl CgiParser {
    /// A parser at the beginning of the output.
    #[must_use]
    pub fn new() -> CgiParser {
        CgiParser::default()
    }

    /// Parses what is there of a head. While more is needed the call is repeated with the same bytes followed by more.
    ///
    /// # Errors
    /// What is wrong with the head.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &ResponseLimits,
        head: &mut ResponseHead,
    ) -> Result<Progress, BadResponse> {
        // Offsets are of 32 bits.
        let most = limits.head_bytes.min(u32::MAX as usize);
        let window = &buf[..buf.len().min(most)];
        if let Some(len) = self.lines.end(window, limits.fields.min(FIELDS_MAX), LineEnd::Either)? {
            *self = CgiParser::default();
            head.read_script(&buf[..len])?;
            return Ok(Progress::Done { len });
        }
        if window.len() < most { Ok(Progress::NeedMore) } else { Err(BadResponse::HeadTooLarge) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;
    use crate::upstream::{Asked, Framing};

    fn check(input: &str, expected: &str) {
        let input = input.replace('|', "\r\n");
        crate::fuzzing::script_answer(input.as_bytes());
        let mut head = ResponseHead::new();
        let outcome = CgiParser::new().parse(input.as_bytes(), &ResponseLimits::default(), &mut head);
        let found = match outcome {
            Ok(Progress::Done { len }) => {
                let view = head.view(input.as_bytes());
                let framing = view.framing(&Asked { method: Method::Get, upgrade: None }).expect("no switch");
                let length = match framing {
                    Framing::Length(length) => format!(" of {length}"),
                    _ => String::new(),
                };
                let fields = view.fields().count();
                let reason = view.reason().escape_ascii();
                format!(
                    "{} {reason}, {fields} fields{length}, rest of {}",
                    view.status().code(),
                    input.len() - len
                )
            }
            other => format!("{other:?}"),
        };
        assert_eq!(found, expected, "{input:?}");
    }

    #[test]
    fn what_scripts_write_is_read() {
        check("Content-Type: text/html||<p>", "200 , 1 fields, rest of 3");
        check("Content-Type: text/html\n\n<p>", "200 , 1 fields, rest of 3");
        check("Status: 404 Not Found|X-A: b||", "404 Not Found, 1 fields, rest of 0");
        check("status: 599|", "Ok(NeedMore)");
        check("status: 599||", "599 , 0 fields, rest of 0");
        check("Location: /x||", "302 , 1 fields, rest of 0");
        check("Location: /x|Status: 201 Created||", "201 Created, 1 fields, rest of 0");
        check("Content-Length: 3||abc", "200 , 1 fields of 3, rest of 3");
        check("|<p>", "200 , 0 fields, rest of 3");
        check("", "Ok(NeedMore)");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (input, cause) in [
            ("Status: 20||", "Status"),
            ("Status: 2000||", "Status"),
            ("Status: 200OK||", "Status"),
            ("Status: 099 Odd||", "Status"),
            ("Status: 600 Odd||", "Status"),
            ("Status: 100 Continue||", "Status"),
            ("Status: 101 Switching Protocols||", "Status"),
            ("Status: 200 OK|Status: 404 Not Found||", "Status"),
            ("Status: ||", "Status"),
            ("HTTP/1.1 200 OK|X: y||", "FieldName"),
            ("X : y||", "FieldName"),
            ("nonsense||", "FieldName"),
            ("X: a| b||", "FieldFolded"),
            ("X: a\u{0}b||", "FieldValue"),
            ("Content-Length: 3|Content-Length: 4||", "ContentLengthRepeated"),
            ("Content-Length: x||", "ContentLength"),
            ("Transfer-Encoding: gzip||", "Coding"),
            ("Transfer-Encoding: chunked|Content-Length: 3||", "LengthAndCoding"),
        ] {
            check(input, &format!("Err({cause})"));
        }
    }
}
