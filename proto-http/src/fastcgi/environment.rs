//! What a script learns about its request: variables (RFC 3875 section 4.1), with those beside them that applications
//! have come to expect.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayString;

use super::record::{CONTENT_MAX, HEAD_LEN, head, kind};
use super::script::Script;
use crate::upstream::{Forwarding, HostField, Named, Passage, Rules, Scheme};
use crate::{Known, Request, Version};

/// Variables that the operator sets, in place of any of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    pairs: Vec<(Box<str>, Box<str>)>,
}

impl Variables {
    /// None.
    pub const NONE: &Variables = &Variables { pairs: Vec::new() };

    /// Sets one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.pairs.retain(|(other, _)| **other != *name);
        self.pairs.push((name.into(), value.into()));
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(other, _)| **other == *name)
    }
}

/// A request as a script sees it.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// What the client has sent.
    pub request: Request<'a>,
    /// What its `Connection` fields name.
    pub named: &'a Named<'a>,
    /// The method.
    pub method: &'a [u8],
    /// The path, decoded, and what it may have been rewritten to.
    pub path: &'a [u8],
    /// The query that goes with it, without its `?`.
    pub query: Option<&'a [u8]>,
    /// The script that the path names.
    pub script: Script<'a>,
    /// The folder of the script's path, as the application knows it; without a `/` at its end.
    pub root: &'a [u8],
    /// `Host`.
    pub host: HostField<'a>,
    /// Bytes of content, where there is one. Its length has to be known before it is sent.
    pub content: Option<u64>,
    /// Who asks; none is somebody at a Unix socket.
    pub client: Option<IpAddr>,
    /// The port of the connection's other end, if that is the client.
    pub client_port: Option<u16>,
    /// Where the client has connected to; none is a Unix socket.
    pub server: Option<SocketAddr>,
    /// Who has logged in.
    pub user: Option<&'a str>,
    /// Who the connection's other end is. What is told is in variables: nothing is announced in fields.
    pub forwarding: Forwarding,
    /// Changes that the operator wants to the fields.
    pub rules: Rules<'a>,
    /// Variables that the operator sets.
    pub variables: &'a Variables,
}

impl Environment<'_> {
    /// Appends the records that hold the variables, with the one that ends them. Allocates nothing but room in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut params = Params::begin(out);
        self.own(&mut params);
        self.ends(&mut params);
        self.fields(&mut params);
        for (name, value) in &self.variables.pairs {
            params.pair([name.as_bytes()], [value.as_bytes()]);
        }
        params.end();
    }

    fn own(&self, params: &mut Params<'_>) {
        let Script { path, index, rest } = self.script;
        let (mark, query) = match self.request.query() {
            Some(query) => (&b"?"[..], query),
            None => (&b""[..], &b""[..]),
        };
        let version: &[u8] = match self.request.version() {
            Version::Http10 => b"HTTP/1.0",
            Version::Http11 => b"HTTP/1.1",
        };
        self.set(params, "GATEWAY_INTERFACE", [b"CGI/1.1"]);
        self.set(params, "SERVER_SOFTWARE", [b"kimura"]);
        self.set(params, "SERVER_PROTOCOL", [version]);
        self.set(params, "REQUEST_METHOD", [self.method]);
        self.set(params, "REQUEST_URI", [self.request.path(), mark, query]);
        self.set(params, "QUERY_STRING", [self.query.unwrap_or_default()]);
        self.set(params, "DOCUMENT_ROOT", [self.root]);
        self.set(params, "DOCUMENT_URI", [self.path]);
        self.set(params, "SCRIPT_NAME", [path, index]);
        self.set(params, "SCRIPT_FILENAME", [self.root, path, index]);
        self.set(params, "PATH_INFO", [rest]);
        if !rest.is_empty() {
            self.set(params, "PATH_TRANSLATED", [self.root, rest]);
        }
        self.set(params, "CONTENT_TYPE", [self.request.field(Known::ContentType).unwrap_or_default()]);
        let length = self.content.map(|length| text(format_args!("{length}"))).unwrap_or_default();
        self.set(params, "CONTENT_LENGTH", [length.as_bytes()]);
        // PHP, where it is built to be safe from being called directly, wants to see that it was not.
        self.set(params, "REDIRECT_STATUS", [b"200"]);
    }

    /// Who speaks with whom.
    fn ends(&self, params: &mut Params<'_>) {
        self.set(params, "REQUEST_SCHEME", [self.forwarding.scheme.as_str().as_bytes()]);
        if self.forwarding.scheme == Scheme::Https {
            self.set(params, "HTTPS", [b"on"]);
        }
        let client = self.client.map(|address| text(format_args!("{}", address.to_canonical())));
        self.set(params, "REMOTE_ADDR", [client.unwrap_or_default().as_bytes()]);
        if let Some(port) = self.client_port {
            self.set(params, "REMOTE_PORT", [text(format_args!("{port}")).as_bytes()]);
        }
        if let Some(user) = self.user {
            self.set(params, "REMOTE_USER", [user.as_bytes()]);
            self.set(params, "AUTH_TYPE", [b"Basic"]);
        }
        let name = match (self.request.authority(), self.host) {
            (Some(authority), _) => authority.host,
            (None, HostField::Kept(host) | HostField::Given(host)) => host,
        };
        self.set(params, "SERVER_NAME", [name]);
        if let Some(server) = self.server {
            self.set(
                params,
                "SERVER_ADDR",
                [text(format_args!("{}", server.ip().to_canonical())).as_bytes()],
            );
            self.set(params, "SERVER_PORT", [text(format_args!("{}", server.port())).as_bytes()]);
        }
    }

    /// Fields that pass, by the names that RFC 3875 section 4.1.18 gives them.
    fn fields(&self, params: &mut Params<'_>) {
        self.host(params);
        let passage = Passage::of(&self.request, self.named, &self.forwarding, &self.rules);
        for (place, (name, value, known)) in self.request.fields().enumerate() {
            let told = known == Known::ContentType || !is_plain(name) || !passage.allows(name, known);
            let earlier = || self.request.fields().take(place).any(|(other, _, _)| is_same(other, name));
            if told || earlier() {
                continue;
            }
            let later =
                || self.request.fields().skip(place + 1).filter(move |(other, _, _)| is_same(other, name));
            // One variable for all fields of a name, joined as lists are; cookies are none (RFC 6265 section 5.4).
            let between: &[u8] = if known == Known::Cookie { b"; " } else { b", " };
            let values = later().flat_map(|(_, value, _)| [between, value]);
            params.field(name, std::iter::once(value).chain(values));
        }
        for line in self.rules.lines.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(colon) = line.iter().position(|&byte| byte == b':') {
                params.field(&line[..colon], std::iter::once(line[colon + 1..].trim_ascii()));
            }
        }
    }

    fn host(&self, params: &mut Params<'_>) {
        match (self.host, self.request.authority()) {
            (HostField::Kept(_), Some(authority)) => {
                let port = authority.port.map(|port| text(format_args!(":{port}"))).unwrap_or_default();
                self.set(params, "HTTP_HOST", [authority.host, port.as_bytes()]);
            }
            (HostField::Kept(host) | HostField::Given(host), _) => self.set(params, "HTTP_HOST", [host]),
        }
    }

    /// One variable, unless the operator sets another of that name.
    fn set<const N: usize>(&self, params: &mut Params<'_>, name: &str, value: [&[u8]; N]) {
        if !self.variables.has(name) {
            params.pair([name.as_bytes()], value);
        }
    }
}

/// Longest text of an address or a number.
const TEXT_MAX: usize = 64;

fn text(of: std::fmt::Arguments<'_>) -> ArrayString<TEXT_MAX> {
    let mut text = ArrayString::new();
    text.write_fmt(of).expect("an address is shorter");
    text
}

/// Whether no other name becomes the same variable: `-` becomes `_`, so a name with `_` could stand for one that we
/// have refused, or set.
fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Writes pairs into as many records as they take (section 3.4).
struct Params<'o> {
    out: &'o mut Vec<u8>,
    /// Where the record begins that is being filled.
    record: usize,
}

impl<'o> Params<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Params<'o> {
        let record = out.len();
        out.extend_from_slice(&[0; HEAD_LEN]);
        Params { out, record }
    }

    fn pair<const N: usize, const V: usize>(&mut self, name: [&[u8]; N], value: [&[u8]; V]) {
        self.len(name.iter().map(|part| part.len()).sum());
        self.len(value.iter().map(|part| part.len()).sum());
        for part in name.into_iter().chain(value) {
            self.push(part);
        }
    }

    /// A field as a variable: `Accept-Language` as `HTTP_ACCEPT_LANGUAGE`.
    fn field<'v>(&mut self, name: &[u8], value: impl Iterator<Item = &'v [u8]> + Clone) {
        const PREFIX: &[u8] = b"HTTP_";
        self.len(PREFIX.len() + name.len());
        self.len(value.clone().map(<[u8]>::len).sum());
        self.push(PREFIX);
        for &byte in name {
            self.push(&[if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }]);
        }
        for part in value {
            self.push(part);
        }
    }

    /// One byte, or four with the highest bit set.
    fn len(&mut self, len: usize) {
        const SHORT_MAX: usize = 127;
        if len <= SHORT_MAX {
            self.push(&[len as u8]);
        } else {
            let len = u32::try_from(len).expect("a head is shorter") | 1 << 31;
            self.push(&len.to_be_bytes());
        }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = CONTENT_MAX - (self.out.len() - self.record - HEAD_LEN);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.out.extend_from_slice(now);
            bytes = later;
            if !bytes.is_empty() {
                self.close();
                self.record = self.out.len();
                self.out.extend_from_slice(&[0; HEAD_LEN]);
            }
        }
    }

    /// Writes the head of a record that is full.
    fn close(&mut self) {
        let len = self.out.len() - self.record - HEAD_LEN;
        self.out[self.record..self.record + HEAD_LEN].copy_from_slice(&head(kind::PARAMS, len));
    }

    fn end(mut self) {
        self.close();
        self.out.extend_from_slice(&head(kind::PARAMS, 0));
    }
}
