//! The head of an upstream's response on its way to the client.

use super::framing::Framing;
use super::name::Name;
use super::recoding::Recoding;
use super::response::Response;
use super::rules::Rules;
use super::run::Run;
use crate::response::{Connection, HeadWriter};
use crate::{Method, Version, date};

/// How the content goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// There is none, and nothing is said of it.
    None,
    /// There is none, since it is the answer to HEAD: GET would get so many bytes.
    Announced(u64),
    /// So many bytes.
    Length(u64),
    /// In chunks, which are made here.
    Chunked,
    /// Until we close the connection.
    UntilClose,
    /// Another protocol, both ways.
    Tunnel,
}

impl Delivery {
    /// For a client that speaks this version and has used this method.
    #[must_use]
    pub fn of(response: &Response<'_>, framing: Framing, method: Method, version: Version) -> Delivery {
        match (framing, version) {
            (Framing::None, _) => match response.content_length() {
                Some(length) if method == Method::Head && response.status().allows_content() => {
                    Delivery::Announced(length)
                }
                _ => Delivery::None,
            },
            (Framing::Length(length), _) => Delivery::Length(length),
            // HTTP/1.0 knows no chunks (RFC 9112 section 6.1).
            (Framing::Chunked | Framing::UntilClose, Version::Http10) => Delivery::UntilClose,
            (Framing::Chunked | Framing::UntilClose, Version::Http11) => Delivery::Chunked,
            (Framing::Tunnel, _) => Delivery::Tunnel,
        }
    }

    /// For the same content, compressed on its way for a client of HTTP/1.1: nobody knows how long it will be.
    #[must_use]
    pub fn recoded(self) -> Delivery {
        match self {
            Delivery::Length(_) | Delivery::UntilClose | Delivery::Chunked => Delivery::Chunked,
            Delivery::Announced(_) | Delivery::None => Delivery::None,
            Delivery::Tunnel => Delivery::Tunnel,
        }
    }

    /// Whether the client's connection cannot be used again.
    #[must_use]
    pub fn closes(self) -> bool {
        matches!(self, Delivery::UntilClose | Delivery::Tunnel)
    }
}

/// What the client is told about the server.
#[derive(Clone, Copy, Debug)]
pub enum ServerField<'a> {
    /// What the upstream says.
    Passed,
    /// This.
    Own(&'a [u8]),
    /// Nothing.
    Dropped,
}

/// A response head on its way to the client.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// What the upstream has sent; not an interim response.
    pub response: Response<'a>,
    /// How its content goes on.
    pub delivery: Delivery,
    /// What is said about the client's connection: [`response::connection`](crate::response::connection). A tunnel
    /// says that it is one.
    pub connection: Option<Connection>,
    /// The date, for a response without one.
    pub date: &'a [u8; date::LEN],
    /// What is said about the server.
    pub server: ServerField<'a>,
    /// Whether the content is compressed on its way; [`Delivery::recoded`] goes with that.
    pub recoding: Recoding,
    /// Changes that the operator wants.
    pub rules: Rules<'a>,
}

impl AnswerHead<'_> {
    /// Appends the head with the empty line after it. Allocates nothing but room in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = begin(out, &self.response);
        if let ServerField::Own(name) = self.server
            && !self.rules.dropped.contains(b"Server")
        {
            writer = writer.field("Server", name);
        }
        // Who has a clock adds what is missing (RFC 9110 section 6.6.1).
        if self.response.field(Name::Date).is_none() && !self.rules.dropped.contains(b"Date") {
            writer = writer.date(self.date);
        }
        writer = pass(writer, &self.response, |name, known| match known {
            Name::Server if !matches!(self.server, ServerField::Passed) => false,
            _ if self.recoding.drops(name, known) => false,
            _ => !self.rules.dropped.contains(name),
        });
        writer = self.recoding.write(writer, &self.response);
        writer = match self.delivery {
            Delivery::Tunnel => self.switch(writer),
            _ => writer.connection(self.connection),
        };
        writer = match self.delivery {
            Delivery::Announced(length) | Delivery::Length(length) => writer.number("Content-Length", length),
            Delivery::Chunked => writer.field("Transfer-Encoding", b"chunked"),
            Delivery::None | Delivery::UntilClose | Delivery::Tunnel => writer,
        };
        writer.lines(self.rules.lines).finish();
    }

    fn switch<'o>(&self, writer: HeadWriter<'o>) -> HeadWriter<'o> {
        let protocol = self.response.field(Name::Upgrade).unwrap_or_default();
        writer.field("Connection", b"upgrade").field("Upgrade", protocol)
    }
}

/// Appends an interim response with the empty line after it: 103 and its like. Only for clients of HTTP/1.1
/// (RFC 9110 section 15.2).
pub fn write_interim(response: &Response<'_>, out: &mut Vec<u8>) {
    debug_assert!(response.is_interim(), "a final response has a head of its own");
    pass(begin(out, response), response, |_, _| true).finish();
}

/// The status line; with our reason phrase where the status is known, since that of an upstream can be anything.
fn begin<'o>(out: &'o mut Vec<u8>, response: &Response<'_>) -> HeadWriter<'o> {
    match response.status().reason() {
        "" => HeadWriter::with_reason(out, response.status(), response.reason()),
        _ => HeadWriter::new(out, response.status()),
    }
}

/// The fields that go on as they came, in the order in which they came.
fn pass<'o>(
    mut writer: HeadWriter<'o>,
    response: &Response<'_>,
    wanted: impl Fn(&[u8], Name) -> bool,
) -> HeadWriter<'o> {
    let named = response.named();
    let mut run = Run::new(response.bytes());
    for (name, value, known) in response.spans() {
        let text = name.of(response.bytes());
        if !is_own(known) && !named.contains(text) && wanted(text, known) {
            run.add(name, value, writer.out());
        }
    }
    run.end(writer.out());
    writer
}

/// Fields that belong to a connection, or are written again.
fn is_own(known: Name) -> bool {
    matches!(
        known,
        Name::Connection
            | Name::ContentLength
            | Name::KeepAlive
            | Name::ProxyAuthenticate
            | Name::ProxyConnection
            | Name::Te
            | Name::Trailer
            | Name::TransferEncoding
            | Name::Upgrade
    )
}
