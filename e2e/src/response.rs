//! A strict parser of HTTP/1.1 responses: what RFC 9112 does not allow is a failure, never repaired.

use crate::failure::Malformed;
use crate::text::{find, show};

/// Longest head that is accepted; no answer of ours comes near.
const HEAD_MAX: usize = 64 * 1024;

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Reason phrase, possibly empty.
    pub reason: String,
    /// Name and value of each field, in order, the value without its surrounding whitespace.
    pub fields: Vec<(String, String)>,
    /// Content, without the chunked coding.
    pub body: Vec<u8>,
    /// The bytes of the head as they came, final empty line included.
    pub head: Vec<u8>,
}

impl Response {
    /// First value of a field, its name compared without case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the server says that it closes after this response.
    #[must_use]
    pub fn says_close(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// How the content of a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none: 1xx, 204, 304, or the answer to HEAD.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// Whether a response answers HEAD, which gives it a length and no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// HEAD.
    Head,
    /// Any other method.
    Other,
}

/// A parsed head: the response without its content, where the content begins and how it ends.
#[derive(Debug, Clone)]
pub struct Head {
    /// The response, its body still empty.
    pub response: Response,
    /// Bytes of the head.
    pub length: usize,
    /// How the content ends.
    pub framing: Framing,
}

/// Parses a head from the front of `bytes`; `None` asks for more.
pub fn head(bytes: &[u8], asked: Asked) -> Result<Option<Head>, Malformed> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        if bytes.len() > HEAD_MAX {
            return Err(Malformed::HeadTooLong(HEAD_MAX));
        }
        return Ok(None);
    };
    let length = end + 4;
    let mut lines =
        bytes[..end].split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (status, reason) = status_line(lines.next().unwrap_or_default())?;
    let fields = lines.map(field_line).collect::<Result<Vec<_>, _>>()?;
    let response = Response { status, reason, fields, body: Vec::new(), head: bytes[..length].to_vec() };
    let framing = framing(&response, asked)?;
    // RFC 9110 6.6.1: an origin server with a clock MUST send Date with 2xx, 3xx and 4xx. 400 and 408 are
    // let off because they may answer something that never became a request.
    if (200..500).contains(&status) && status != 400 && status != 408 && response.field("date").is_none() {
        return Err(Malformed::NoDate(status));
    }
    Ok(Some(Head { response, length, framing }))
}

fn status_line(line: &[u8]) -> Result<(u16, String), Malformed> {
    let bad = || Malformed::StatusLine(show(line));
    let rest = line.strip_prefix(b"HTTP/1.1 ").ok_or_else(bad)?;
    let (digits, reason) = rest.split_at_checked(3).ok_or_else(bad)?;
    let reason = reason.strip_prefix(b" ").ok_or_else(bad)?;
    let code =
        std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok()).ok_or_else(bad)?;
    if !(100..600).contains(&code) || has_control(reason) {
        return Err(bad());
    }
    Ok((code, String::from_utf8_lossy(reason).into_owned()))
}

fn field_line(line: &[u8]) -> Result<(String, String), Malformed> {
    let bad = || Malformed::FieldLine(show(line));
    let colon = line.iter().position(|&byte| byte == b':').ok_or_else(bad)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) || has_control(value) {
        return Err(bad());
    }
    Ok((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn has_control(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f))
}

fn framing(response: &Response, asked: Asked) -> Result<Framing, Malformed> {
    let all = |name: &str| {
        let named = response.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    if !lengths.is_empty() && !codings.is_empty() {
        return Err(Malformed::Framing("both Content-Length and Transfer-Encoding".to_owned()));
    }
    // RFC 9110 8.6, RFC 9112 6.1: neither field in 1xx and 204.
    let framed = !lengths.is_empty() || !codings.is_empty();
    if (response.status < 200 || response.status == 204) && framed {
        return Err(Malformed::Framing(format!("{} with a framing field", response.status)));
    }
    let length = match lengths.as_slice() {
        [] => None,
        [one] if one.bytes().all(|byte| byte.is_ascii_digit()) => one.parse::<u64>().ok(),
        _ => return Err(Malformed::Framing(format!("Content-Length {lengths:?}"))),
    };
    if response.status < 200 || matches!(response.status, 204 | 304) || asked == Asked::Head {
        return Ok(Framing::Empty);
    }
    match (codings.as_slice(), length) {
        ([], Some(length)) => Ok(Framing::Length(length)),
        ([], None) => Ok(Framing::Close),
        ([one], _) if one.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        _ => Err(Malformed::Framing(format!("Transfer-Encoding {codings:?}"))),
    }
}

/// Decodes the chunked coding at the front of `bytes`: the content and the bytes used, `None` for more.
pub fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let digits = &bytes[at..at + line];
        let bad = || Malformed::Chunk(show(digits));
        let size =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or_else(bad)?;
        at += line + 2;
        if size == 0 {
            return Ok(bytes[at..].starts_with(b"\r\n").then_some((content, at + 2)));
        }
        let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !data.ends_with(b"\r\n") {
            return Err(Malformed::Chunk("no CRLF after the data".to_owned()));
        }
        content.extend_from_slice(&data[..size]);
        at += size + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads() {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        for (status, extra, asked, framing) in [
            ("200 OK", "Content-Length: 3\r\n", Asked::Other, Framing::Length(3)),
            ("200 OK", "Content-Length: 3\r\n", Asked::Head, Framing::Empty),
            ("200 ", "Transfer-Encoding: chunked\r\n", Asked::Other, Framing::Chunked),
            ("304 Not Modified", "", Asked::Other, Framing::Empty),
            ("500 Oops", "", Asked::Other, Framing::Close),
        ] {
            let text = format!("HTTP/1.1 {status}\r\n{date}{extra}\r\nabc");
            let head = head(text.as_bytes(), asked).expect(status).expect(status);
            assert_eq!(head.framing, framing, "{text}");
            assert_eq!(head.length, text.len() - 3, "{text}");
        }
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        for text in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
            "HTTP/1.1 500 A\r\nno colon\r\n\r\n",
            "HTTP/1.1 500 A\r\nName : x\r\n\r\n",
            "HTTP/1.1 500 A\r\nName: x\ry\r\n\r\n",
            "HTTP/1.1 500 A\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 500 A\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 204 None\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ] {
            head(text.as_bytes(), Asked::Other).expect_err(text);
        }
        assert!(head(b"HTTP/1.1 200 OK\r\nDate: x\r\n", Asked::Other).expect("no error").is_none());
    }

    #[test]
    fn decodes_chunks() {
        let whole = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nrest";
        let (content, used) = chunked(whole).expect("valid").expect("complete");
        assert_eq!((content.as_slice(), used), (&b"abc0123456789"[..], whole.len() - 4));
        assert!(chunked(b"3\r\nab").expect("no error").is_none());
        for bad in [&b"3\r\nabcd\r\n"[..], b"x\r\n", b"\r\n", b"3;a\r\nabc\r\n"] {
            chunked(bad).expect_err("malformed");
        }
    }
}
