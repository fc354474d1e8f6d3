//! The head of an upstream's response.

use std::mem::MaybeUninit;

use super::error::BadResponse;
use super::framing::{self, Asked, Framing, Said};
use super::hop_by_hop::{self, Named, is};
use super::lines::{LineEnd, Lines};
use super::name::Name;
use crate::head::Span;
use crate::{Progress, Status, Version, token};

/// Most fields that a response can have, whatever the limit.
pub const FIELDS_MAX: usize = 256;

/// Bounds on the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimits {
    /// Bytes of the whole head with its line ends.
    pub head_bytes: usize,
    /// Number of field lines; [`FIELDS_MAX`] at most.
    pub fields: usize,
}

impl Default for ResponseLimits {
    fn default() -> ResponseLimits {
        ResponseLimits { head_bytes: 64 * 1024, fields: 128 }
    }
}

/// By which every response begins that is not one of HTTP/0.9.
const BEGIN: &[u8] = b"HTTP/1.";

/// Parses response heads out of a buffer that fills up.
///
/// As a rule a head comes whole, and is read once. Otherwise lines are looked for as bytes come, so that no byte is looked
/// at again because more have come.
#[derive(Debug, Default)]
pub struct ResponseParser {
    lines: Lines,
}

impl ResponseParser {
    /// A parser at the beginning of a message.
    #[must_use]
    pub fn new() -> ResponseParser {
        ResponseParser::default()
    }

    /// Forgets a head that was begun. Not needed after [`Progress::Done`].
    pub fn reset(&mut self) {
        *self = ResponseParser::default();
    }

    /// Parses what is there of a head.
    ///
    /// `buf` begins at the first byte of the message. While more is needed the call is repeated with the same bytes
    /// followed by more. Bytes after the head are not looked at.
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
        let known = window.len().min(BEGIN.len());
        if window[..known] != BEGIN[..known] {
            return Err(BadResponse::Begin);
        }
        if self.lines.is_new()
            && let Some(len) = head.read_at_once(window, limits.fields)
        {
            return Ok(Progress::Done { len });
        }
        // The status line is one, too.
        let lines = limits.fields.min(FIELDS_MAX) + 1;
        if let Some(len) = self.lines.end(window, lines, LineEnd::CrLf)? {
            self.reset();
            head.read(&buf[..len])?;
            return Ok(Progress::Done { len });
        }
        if window.len() < most { Ok(Progress::NeedMore) } else { Err(BadResponse::HeadTooLarge) }
    }
}

/// A field line as offsets.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    /// Without white space around it.
    value: Span,
    known: Name,
}

/// A parsed head, as offsets into the buffer that it was parsed from. To be used again for the next response: its
/// memory is kept.
#[derive(Debug)]
pub struct ResponseHead {
    version: Version,
    status: Status,
    reason: Span,
    said: Said,
    connection: hop_by_hop::Options,
    fields: Vec<Field>,
    /// Bits of the known names among the fields.
    seen: u64,
}

impl Default for ResponseHead {
    fn default() -> ResponseHead {
        ResponseHead {
            version: Version::Http11,
            status: Status::BAD_GATEWAY,
            reason: Span::default(),
            said: Said::Nothing,
            connection: hop_by_hop::Options::default(),
            fields: Vec::new(),
            seen: 0,
        }
    }
}

impl ResponseHead {
    /// An empty head.
    #[must_use]
    pub fn new() -> ResponseHead {
        ResponseHead::default()
    }

    /// The response that was parsed from this buffer, which has to be the one given to the call of
    /// [`ResponseParser::parse`] that was [`Progress::Done`].
    #[must_use]
    pub fn view<'a>(&'a self, buf: &'a [u8]) -> Response<'a> {
        Response { head: self, buf }
    }

    /// Reads a head of at most so many fields that may be whole. Where it is not, or something is wrong with it, whoever looks
    /// for lines finds out.
    fn read_at_once(&mut self, buf: &[u8], fields: usize) -> Option<usize> {
        let len = self.parse(buf).ok()??;
        (self.fields.len() <= fields && self.has_usual_lines(&buf[..len])).then_some(len)
    }

    /// Reads a head that is whole.
    fn read(&mut self, buf: &[u8]) -> Result<(), BadResponse> {
        match self.parse(buf)? {
            Some(len) if len == buf.len() => Ok(()),
            _ => Err(BadResponse::LineEnd),
        }
    }

    /// Parses a head at the beginning of `buf`; answers its length, if it is whole.
    fn parse(&mut self, buf: &[u8]) -> Result<Option<usize>, BadResponse> {
        let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            buf,
            &mut slots,
        );
        let httparse::Status::Complete(len) = outcome.map_err(cause)? else { return Ok(None) };
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.status = parsed.code.and_then(Status::new).ok_or(BadResponse::Status)?;
        self.reason = span(buf, parsed.reason.unwrap_or_default().as_bytes());
        self.take_fields(buf, parsed.headers)?;
        Ok(Some(len))
    }

    /// Whether all lines of a head, which has been parsed, end in CR LF: the parser takes LF alone for an end, too.
    fn has_usual_lines(&self, buf: &[u8]) -> bool {
        let follows_one = |field: &Field| buf[..field.name.start()].ends_with(b"\r\n");
        self.fields.iter().all(follows_one) && buf.ends_with(b"\r\n\r\n")
    }

    /// Reads what a script has written (RFC 3875 section 6): fields alone, of which `Status` is the status.
    pub(crate) fn read_script(&mut self, buf: &[u8]) -> Result<(), BadResponse> {
        let mut slots = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let httparse::Status::Complete((len, fields)) =
            httparse::parse_headers(buf, &mut slots).map_err(cause)?
        else {
            return Err(BadResponse::LineEnd);
        };
        if len != buf.len() {
            return Err(BadResponse::LineEnd);
        }
        let mut statuses = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("Status"));
        let (status, other) = (statuses.next(), statuses.next());
        if other.is_some() {
            return Err(BadResponse::Status);
        }
        let redirects = fields.iter().any(|field| Name::of(field.name.as_bytes()) == Name::Location);
        (self.status, self.reason) = match status {
            Some(field) => script_status(buf, field.value)?,
            // RFC 3875 sections 6.2.3 and 6.3.3.
            None => (if redirects { Status::FOUND } else { Status::OK }, Span::default()),
        };
        self.version = Version::Http11;
        self.take_fields(buf, fields)?;
        self.fields.retain(|field| !is(field.name.of(buf), "Status"));
        Ok(())
    }

    fn take_fields(&mut self, buf: &[u8], fields: &[httparse::Header<'_>]) -> Result<(), BadResponse> {
        self.fields.clear();
        self.seen = 0;
        for field in fields {
            let known = Name::of(field.name.as_bytes());
            self.seen |= known.bit();
            let name = span(buf, field.name.as_bytes());
            self.fields.push(Field { name, value: span(buf, field.value), known });
        }
        self.said = self.framing_said(buf)?;
        // Whoever passes the response on can rely upon it that there are few.
        self.connection = hop_by_hop::Options::of(self.view(buf).all(Name::Connection));
        if self.connection.is_too_much() { Err(BadResponse::ConnectionOptions) } else { Ok(()) }
    }

    fn framing_said(&self, buf: &[u8]) -> Result<Said, BadResponse> {
        let response = self.view(buf);
        framing::said(self.version, response.all(Name::ContentLength), response.all(Name::TransferEncoding))
    }
}

/// Where in the buffer a part of it stands.
fn span(buf: &[u8], part: &[u8]) -> Span {
    if part.is_empty() {
        return Span::default();
    }
    let start = part.as_ptr().addr() - buf.as_ptr().addr();
    Span::new(start, start + part.len())
}

/// Three digits, and a reason phrase after a space. Interim responses and switches are not for scripts to give.
fn script_status(buf: &[u8], value: &[u8]) -> Result<(Status, Span), BadResponse> {
    let (digits, reason) = value.split_first_chunk::<3>().ok_or(BadResponse::Status)?;
    if !digits.iter().all(u8::is_ascii_digit) || reason.first().is_some_and(|&byte| byte != b' ') {
        return Err(BadResponse::Status);
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let status = Status::new(code).filter(|status| 2 <= status.class()).ok_or(BadResponse::Status)?;
    Ok((status, span(buf, token::trim(reason))))
}

fn cause(error: httparse::Error) -> BadResponse {
    match error {
        httparse::Error::HeaderName => BadResponse::FieldName,
        httparse::Error::HeaderValue => BadResponse::FieldValue,
        httparse::Error::NewLine => BadResponse::LineEnd,
        httparse::Error::Status | httparse::Error::Token => BadResponse::StatusLine,
        httparse::Error::TooManyHeaders => BadResponse::TooManyFields,
        httparse::Error::Version => BadResponse::Version,
    }
}

/// A response head: the offsets of a [`ResponseHead`] together with the bytes that they point into.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    head: &'a ResponseHead,
    buf: &'a [u8],
}

impl<'a> Response<'a> {
    /// The version that the upstream speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.head.status
    }

    /// The reason phrase as sent; empty if there was none, or one outside ASCII.
    #[must_use]
    pub fn reason(&self) -> &'a [u8] {
        self.head.reason.of(self.buf)
    }

    /// Whether the response is followed by another one to the same request (RFC 9110 section 15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status().class() == 1 && self.status() != Status::SWITCHING_PROTOCOLS
    }

    /// All fields in the order sent: name, value, and what the name is known as.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8], Name)> + use<'a> {
        let buf = self.buf;
        self.head.fields.iter().map(move |field| (field.name.of(buf), field.value.of(buf), field.known))
    }

    /// As [`Response::fields`], by where in [`Response::bytes`] they stand.
    pub(super) fn spans(&self) -> impl Iterator<Item = (Span, Span, Name)> + use<'a> {
        self.head.fields.iter().map(|field| (field.name, field.value, field.known))
    }

    /// What the head was parsed from.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.buf
    }

    /// The values of all fields of this name in the order sent. [`Name::Other`] is no name, and has none.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let present = name != Name::Other && self.head.seen & name.bit() != 0;
        let fields = if present { &self.head.fields[..] } else { &[] };
        let buf = self.buf;
        fields.iter().filter(move |field| field.known == name).map(move |field| field.value.of(buf))
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn field(&self, name: Name) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The value of the first field with a name that is not among the known ones.
    #[must_use]
    pub fn field_named(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|(other, _, _)| is(other, name)).map(|(_, value, _)| value)
    }

    /// The `Content-Length`, which also answers to HEAD and 304 may have.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        match self.head.said {
            Said::Length(length) => Some(length),
            Said::Nothing | Said::Chunked => None,
        }
    }

    /// How the content ends, in the answer to such a request.
    ///
    /// # Errors
    /// If it switches protocols and was not asked to.
    pub fn framing(&self, asked: &Asked<'_>) -> Result<Framing, BadResponse> {
        framing::decide((self.status(), self.head.said), asked, self.all(Name::Upgrade))
    }

    /// Whether the upstream's connection can be used again once the content, framed so, is read to its end
    /// (RFC 9112 section 9.3).
    #[must_use]
    pub fn keeps_alive(&self, framing: Framing) -> bool {
        !matches!(framing, Framing::UntilClose | Framing::Tunnel)
            && self.head.connection.keeps(self.version())
    }

    /// What its `Connection` fields name.
    #[must_use]
    pub(crate) fn named(&self) -> Named<'a> {
        Named::by(*self, &self.head.connection)
    }
}

impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("version", &self.version())
            .field("status", &self.status())
            .field("fields", &self.head.fields.len())
            .finish_non_exhaustive()
    }
}
