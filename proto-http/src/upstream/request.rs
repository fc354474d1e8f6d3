//! The head of a request to an upstream: the client's, without what belongs to its connection, with what belongs to
//! ours.

use arrayvec::ArrayVec;

use super::forwarding::Forwarding;
use super::hop_by_hop::Named;
use super::max_forwards::MaxForwards;
use super::passage::Passage;
use super::rules::Rules;
use super::run::Run;
use super::trailers::takes_trailers;
use crate::response::{push_field, push_number};
use crate::{Body, Known, Request, Version, token};

/// By what name we stand in `Via`.
pub(super) const PSEUDONYM: &[u8] = b"kimura";

/// What `Host` the upstream sees.
#[derive(Clone, Copy, Debug)]
pub enum HostField<'a> {
    /// The one that the client has asked for; this one if it has asked for none, as HTTP/1.0 allows.
    Kept(&'a [u8]),
    /// This one: a host with an optional port.
    Given(&'a [u8]),
}

/// How the content goes to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is none.
    None,
    /// So many bytes; an empty one is told as such, for some upstreams want to be told.
    Length(u64),
    /// In chunks, which are made here.
    Chunked,
}

impl Content {
    /// As the client sends it. None where that is in a transfer coding that nobody here undoes: the answer to it is 501
    /// (RFC 9112 section 6.1).
    #[must_use]
    pub fn of(request: &Request<'_>) -> Option<Content> {
        match request.body() {
            Body::None if request.field(Known::ContentLength).is_some() => Some(Content::Length(0)),
            Body::None => Some(Content::None),
            Body::Length(length) => Some(Content::Length(length)),
            Body::Chunked => Some(Content::Chunked),
            Body::Coded => None,
        }
    }
}

/// Who answers a client that waits for `100 Continue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The upstream, which gets the expectation.
    Passed,
    /// We, so that the upstream does not see it.
    Answered,
}

/// What becomes of the connection to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It is to be used again.
    Kept,
    /// This is its last request.
    Last,
}

/// A request head on its way to an upstream.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// What the client has sent.
    pub request: Request<'a>,
    /// What its `Connection` fields name.
    pub named: &'a Named<'a>,
    /// The method.
    pub method: &'a [u8],
    /// The path, not decoded: what the client has sent, or what it was rewritten to. Empty for `OPTIONS *`.
    pub path: &'a [u8],
    /// The query, without its `?`.
    pub query: Option<&'a [u8]>,
    /// `Host`.
    pub host: HostField<'a>,
    /// How its content is framed.
    pub content: Content,
    /// Who answers an expectation.
    pub expectation: Expectation,
    /// The protocol that the connection is to go on in: [`upstream::wanted`](super::wanted).
    pub upgrade: Option<&'a [u8]>,
    /// What the upstream learns about the client.
    pub forwarding: Forwarding,
    /// Changes that the operator wants.
    pub rules: Rules<'a>,
    /// What becomes of the connection.
    pub lifetime: Lifetime,
}

impl RequestHead<'_> {
    /// Appends the head with the empty line after it. Allocates nothing but room in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.request_line(out);
        self.host(out);
        self.passed(out);
        self.forwarding.write(&self.request, &self.rules, out);
        self.via(out);
        self.own(out);
        out.extend_from_slice(self.rules.lines);
        out.extend_from_slice(b"\r\n");
    }

    fn request_line(&self, out: &mut Vec<u8>) {
        debug_assert!(self.method.iter().all(|&byte| token::is_token_byte(byte)), "a method is a token");
        out.extend_from_slice(self.method);
        out.push(b' ');
        if self.path.is_empty() && self.request.is_options_star() {
            out.push(b'*');
        } else {
            if self.path.first() != Some(&b'/') {
                out.push(b'/');
            }
            push_target(out, self.path, |byte| token::is_target(byte) && byte != b'?');
            if let Some(query) = self.query {
                out.push(b'?');
                push_target(out, query, token::is_target);
            }
        }
        // RFC 9112 section 2.3: the version is the sender's own, whatever the client's was.
        out.extend_from_slice(b" HTTP/1.1\r\n");
    }

    /// `Host` goes first (RFC 9110 section 7.2). It is what the target of the client says, where that has a host
    /// (RFC 9112 section 3.2.2).
    fn host(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Host: ");
        match (self.host, self.request.authority()) {
            (HostField::Kept(_), Some(authority)) => authority.push(out),
            (HostField::Kept(host) | HostField::Given(host), _) => out.extend_from_slice(host),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// What goes on as it came, in the order in which it came (RFC 9110 section 5.3).
    fn passed(&self, out: &mut Vec<u8>) {
        let passage = Passage::of(&self.request, self.named, &self.forwarding, &self.rules);
        let buf = self.request.bytes();
        let mut run = Run::new(buf);
        for (name, value, known) in self.request.spans() {
            let announced = known != Known::Trailer || self.content == Content::Chunked;
            if announced && passage.allows(name.of(buf), known) {
                run.add(name, value, out);
            }
        }
        run.end(out);
    }

    /// Our part of `Via` (RFC 9110 section 7.6.3), after those of others.
    fn via(&self, out: &mut Vec<u8>) {
        if self.rules.dropped.contains(b"Via") {
            return;
        }
        out.extend_from_slice(match self.request.version() {
            Version::Http10 => b"Via: 1.0 ",
            Version::Http11 => b"Via: 1.1 ",
        });
        out.extend_from_slice(PSEUDONYM);
        out.extend_from_slice(b"\r\n");
    }

    /// What is said about this connection and about the framing on it.
    fn own(&self, out: &mut Vec<u8>) {
        if let MaxForwards::Left(hops) = MaxForwards::of(&self.request) {
            out.extend_from_slice(b"Max-Forwards: ");
            push_number(out, hops);
            out.extend_from_slice(b"\r\n");
        }
        if self.expectation == Expectation::Passed && self.request.expects_continue() {
            out.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        match self.content {
            Content::None => {}
            Content::Length(length) => {
                out.extend_from_slice(b"Content-Length: ");
                push_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
            Content::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        self.connection(out);
    }

    fn connection(&self, out: &mut Vec<u8>) {
        let mut options: ArrayVec<&str, 3> = ArrayVec::new();
        if self.lifetime == Lifetime::Last {
            options.push("close");
        }
        if let Some(protocol) = self.upgrade {
            push_field(out, b"Upgrade", protocol);
            options.push("upgrade");
        }
        // A client that takes trailers gets those of the upstream (RFC 9110 section 6.5.1).
        if takes_trailers(&self.request) {
            out.extend_from_slice(b"TE: trailers\r\n");
            options.push("TE");
        }
        for (place, option) in options.iter().enumerate() {
            out.extend_from_slice(if place == 0 { b"Connection: " } else { b", " });
            out.extend_from_slice(option.as_bytes());
        }
        if !options.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends a part of a target. What was rewritten may have bytes in it that end a target or a line: they are escaped.
fn push_target(out: &mut Vec<u8>, part: &[u8], belongs: impl Fn(u8) -> bool) {
    if part.iter().all(|&byte| belongs(byte)) {
        return out.extend_from_slice(part);
    }
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in part {
        if belongs(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}
