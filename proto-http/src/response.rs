//! Response heads, and whether the connection lives on.

use crate::{Status, Version, date, token};

/// Value of a `Connection` field in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The last response on this connection.
    Close,
    /// HTTP/1.0 clients are told that they may go on.
    KeepAlive,
}

impl Connection {
    fn as_str(self) -> &'static str {
        match self {
            Connection::Close => "close",
            Connection::KeepAlive => "keep-alive",
        }
    }
}

/// Writes one response head to the end of a buffer. The only place where response syntax is made.
#[derive(Debug)]
pub struct HeadWriter<'o> {
    out: &'o mut Vec<u8>,
    /// Where the head begins.
    begin: usize,
}

impl<'o> HeadWriter<'o> {
    /// Begins with the status line.
    pub fn new(out: &'o mut Vec<u8>, status: Status) -> HeadWriter<'o> {
        HeadWriter::with_reason(out, status, status.reason().as_bytes())
    }

    /// Begins with a status line that gives this reason; it holds no control byte.
    pub(crate) fn with_reason(out: &'o mut Vec<u8>, status: Status, reason: &[u8]) -> HeadWriter<'o> {
        let begin = out.len();
        // RFC 9112 section 2.3: the version is the sender's own, whatever the client's was.
        out.extend_from_slice(b"HTTP/1.1 ");
        push_number(out, u64::from(status.code()));
        out.push(b' ');
        out.extend_from_slice(reason);
        out.extend_from_slice(b"\r\n");
        HeadWriter { out, begin }
    }

    /// One field. The value must hold no control byte but HTAB: what comes from a client is checked before.
    pub fn field(self, name: &str, value: &[u8]) -> Self {
        push_field(self.out, name.as_bytes(), value);
        self
    }

    /// One field with the spelling of its name that a peer has chosen.
    pub(crate) fn copy(self, name: &[u8], value: &[u8]) -> Self {
        push_field(self.out, name, value);
        self
    }

    /// Where lines go that are copied as they are.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// One field with a number.
    pub fn number(self, name: &str, value: u64) -> Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        push_number(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// `Date`.
    pub fn date(self, date: &[u8; date::LEN]) -> Self {
        self.field("Date", date)
    }

    /// `Connection`, if there is something to say.
    pub fn connection(self, connection: Option<Connection>) -> Self {
        match connection {
            Some(connection) => self.field("Connection", connection.as_str().as_bytes()),
            None => self,
        }
    }

    /// `Vary`, unless the head has said already that it depends on this field: the only place where it is written.
    pub fn vary(self, on: &str) -> Self {
        let says = self.out[self.begin..].split(|&byte| byte == b'\n').any(|line| varies(line, on));
        if says { self } else { self.field("Vary", on.as_bytes()) }
    }

    /// Whole field lines that were prepared and checked earlier, each with its CRLF.
    pub fn lines(self, lines: &[u8]) -> Self {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"), "whole lines");
        self.out.extend_from_slice(lines);
        self
    }

    /// Where in the buffer the next field will stand.
    #[must_use]
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// The empty line.
    pub fn finish(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Whether a line of a head says that it depends on a field of requests; `*` stands for all (RFC 9110 section 12.5.5).
fn varies(line: &[u8], on: &str) -> bool {
    let Some((name, list)) = line.split_at_checked("Vary:".len()) else { return false };
    if !name.eq_ignore_ascii_case(b"Vary:") {
        return false;
    }
    let mut names = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    names.any(|name| name == b"*" || name.eq_ignore_ascii_case(on.as_bytes()))
}

/// Appends a field line; the name is a token, and the value has no control byte but HTAB.
#[inline]
pub(crate) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(value.iter().all(|&byte| token::is_value(byte)), "no control byte in a value");
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal: three digits at a time, since most numbers of a head have no more.
pub fn push_number(out: &mut Vec<u8>, number: u64) {
    let digit = |power: u64| b'0' + (number / power % 10) as u8;
    match number {
        0..10 => out.push(digit(1)),
        10..100 => out.extend_from_slice(&[digit(10), digit(1)]),
        100..1000 => out.extend_from_slice(&[digit(100), digit(10), digit(1)]),
        _ => {
            push_number(out, number / 1000);
            out.extend_from_slice(&[digit(100), digit(10), digit(1)]);
        }
    }
}

/// What decides whether a connection lives on after a response.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What the client asked for: [`crate::Request::keep_alive`].
    pub wished: bool,
    /// Whether the request's body has been read to its end, so that the next request can be found.
    pub request_read: bool,
    /// Whether the server wants to close: a limit is reached, it drains, or the request was refused unread.
    pub close_wanted: bool,
}

/// Decides whether the connection lives on (RFC 9112 section 9.3). Nothing else decides it.
#[must_use]
pub fn persists(facts: Facts) -> bool {
    facts.wished && facts.request_read && !facts.close_wanted
}

/// The `Connection` field that tells the decision to a client of this version: silence is close in HTTP/1.0 and
/// keep-alive in HTTP/1.1.
#[must_use]
pub fn connection(version: Version, persists: bool) -> Option<Connection> {
    match (version, persists) {
        (Version::Http11, true) | (Version::Http10, false) => None,
        (Version::Http11, false) => Some(Connection::Close),
        (Version::Http10, true) => Some(Connection::KeepAlive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written() {
        let mut out = Vec::new();
        HeadWriter::new(&mut out, Status::OK)
            .date(&date::format(0))
            .number("Content-Length", 18_446_744_073_709_551_615)
            .connection(Some(Connection::Close))
            .lines(b"X-A: b\r\n")
            .finish();
        let expected = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
                        Content-Length: 18446744073709551615\r\nConnection: close\r\nX-A: b\r\n\r\n";
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
    }

    #[test]
    fn numbers_are_written_as_they_are_spoken() {
        let mut powers = vec![0, u64::MAX];
        powers.extend((0..20).map(|digits| 10u64.pow(digits)));
        for number in
            powers.iter().flat_map(|power| [power.wrapping_sub(1), *power, power.saturating_add(45)])
        {
            let mut out = b"1".to_vec();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out), Ok(format!("1{number}")));
        }
    }

    #[test]
    fn what_an_answer_depends_on_is_said_once() {
        let cases = [
            ("", "Accept", "Vary: Accept\r\n"),
            ("Vary: Accept\r\n", "Accept", "Vary: Accept\r\n"),
            ("vary: origin,accept \r\n", "Accept", "vary: origin,accept \r\n"),
            ("Vary: *\r\n", "Accept", "Vary: *\r\n"),
            ("Vary: Accept-Encoding\r\n", "Accept", "Vary: Accept-Encoding\r\nVary: Accept\r\n"),
            ("X-Vary: Accept\r\n", "Accept", "X-Vary: Accept\r\nVary: Accept\r\n"),
            ("Vary:\r\n", "Accept", "Vary:\r\nVary: Accept\r\n"),
        ];
        for (lines, on, expected) in cases {
            // What another head has said before does not count.
            let mut out = b"HTTP/1.1 200 OK\r\nVary: Accept\r\n\r\n".to_vec();
            let begin = out.len();
            let writer = HeadWriter::new(&mut out, Status::OK).lines(lines.as_bytes());
            writer.vary(on).finish();
            let head = String::from_utf8_lossy(&out[begin..]).into_owned();
            assert_eq!(head, format!("HTTP/1.1 200 OK\r\n{expected}\r\n"), "{lines}");
        }
    }

    #[test]
    fn silence_is_the_default_of_each_version() {
        assert_eq!(connection(Version::Http11, true), None);
        assert_eq!(connection(Version::Http11, false), Some(Connection::Close));
        assert_eq!(connection(Version::Http10, true), Some(Connection::KeepAlive));
        assert_eq!(connection(Version::Http10, false), None);
    }

    #[test]
    fn every_doubt_closes() {
        let keep = Facts { wished: true, request_read: true, close_wanted: false };
        assert!(persists(keep));
        assert!(!persists(Facts { wished: false, ..keep }));
        assert!(!persists(Facts { request_read: false, ..keep }));
        assert!(!persists(Facts { close_wanted: true, ..keep }));
    }
}
