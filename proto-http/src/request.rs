//! A parsed request as its reader sees it.

use crate::field::{Field, Known};
use crate::head::{Body, Head, Span};
use crate::host::Authority;
use crate::method::{Method, Version};
use crate::target::Form;

/// A request head: the offsets of a [`Head`] together with the bytes that they point into.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    head: &'a Head,
    buf: &'a [u8],
    reading: Reading,
}

/// What a head is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    AsSent,
    /// Of a request for something that is there, whatever was to be done first.
    AsGet,
}

impl<'a> Request<'a> {
    pub(crate) fn new(head: &'a Head, buf: &'a [u8]) -> Request<'a> {
        Request { head, buf, reading: Reading::AsSent }
    }

    /// The same head, read as that of a GET, or of a HEAD if it is one, which has no body.
    #[must_use]
    pub fn to_get(&self) -> Request<'a> {
        Request { reading: Reading::AsGet, ..*self }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        match (self.reading, self.head.method) {
            (Reading::AsSent, method) | (Reading::AsGet, method @ Method::Head) => method,
            (Reading::AsGet, _) => Method::Get,
        }
    }

    /// The method as sent; of interest if it is [`Method::Other`].
    #[must_use]
    pub fn method_bytes(&self) -> &'a [u8] {
        match (self.reading, self.head.method) {
            (Reading::AsSent, _) | (Reading::AsGet, Method::Head) => self.head.method_name.of(self.buf),
            (Reading::AsGet, _) => b"GET",
        }
    }

    /// The version that the message is to be read as.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The target as sent.
    #[must_use]
    pub fn raw_target(&self) -> &'a [u8] {
        self.head.target.raw.of(self.buf)
    }

    /// The path of the target as sent, without the query and not decoded. `/` if an absolute target
    /// has none (RFC 9110 section 4.2.3); empty for CONNECT and `OPTIONS *`, which have no path.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        let path = self.head.target.path.of(self.buf);
        if path.is_empty() && self.head.target.form == Form::Absolute { b"/" } else { path }
    }

    /// The query of the target as sent, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        self.head.target.query().map(|query| query.of(self.buf))
    }

    /// The host and port that the request is for: those of an absolute target or of CONNECT, else
    /// those of `Host` (RFC 9112 section 3.3). Only HTTP/1.0 can do without.
    #[must_use]
    pub fn authority(&self) -> Option<Authority<'a>> {
        self.head.authority.map(|authority| authority.view(self.buf))
    }

    /// The value of the first field of this name, without white space around it.
    /// [`Known::Other`] is no name, and has no fields here or in [`Request::all`].
    #[must_use]
    #[inline]
    pub fn field(&self, name: Known) -> Option<&'a [u8]> {
        self.head.first(name).map(|field| field.value.of(self.buf))
    }

    /// All fields in the order sent: name, value, and what the name is known as.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8], Known)> + Clone + use<'a> {
        let buf = self.buf;
        self.head.fields.iter().map(move |&Field { name, value, known }| (name.of(buf), value.of(buf), known))
    }

    /// As [`Request::fields`], by where in [`Request::bytes`] they stand.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Span, Span, Known)> + use<'a> {
        self.head.fields.iter().map(|field| (field.name, field.value, field.known))
    }

    /// What the head was parsed from.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.buf
    }

    /// The values of all fields of this name in the order sent.
    pub fn all(&self, name: Known) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, buf) = (self.head.all(name), self.buf);
        fields.iter().filter(move |field| field.known == name).map(move |field| field.value.of(buf))
    }

    /// How the end of the body is found.
    #[must_use]
    pub fn body(&self) -> Body {
        match self.reading {
            Reading::AsSent => self.head.body,
            Reading::AsGet => Body::None,
        }
    }

    /// Whether the client wants the connection kept, by its version and its `Connection` fields
    /// (RFC 9112 section 9.3).
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.head.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body. Never so for HTTP/1.0
    /// and for requests without a body (RFC 9110 section 10.1.1).
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.reading == Reading::AsSent && self.head.expects_continue
    }

    /// Whether this is `OPTIONS *`: about the server as a whole (RFC 9112 section 3.2.4).
    #[must_use]
    pub fn is_options_star(&self) -> bool {
        self.head.target.form == Form::Asterisk
    }
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method_bytes().escape_ascii().to_string())
            .field("target", &self.raw_target().escape_ascii().to_string())
            .field("version", &self.version())
            .field("body", &self.body())
            .field("keep_alive", &self.keep_alive())
            .finish_non_exhaustive()
    }
}
