//! What a server is asked: the request as it goes on, and what that says about trying it again.

use std::borrow::Cow;
use std::os::fd::RawFd;

use config::{ForwardedBefore, ProxyHost};
use perf::Counter;
use proto_http::fastcgi::{self, Environment};
use proto_http::upstream::{
    Announce, Content, Expectation, Forwarding, HostField, Lifetime, MaxForwards, Named, RequestHead, Scheme,
    Trust, passages, wanted,
};
use proto_http::{Method, Request, Status, path};
use site::upstream::{Relay, Scripts, Server};
use site::{Answer, Security};
use sys::net::Address;

use super::super::Responder;
use super::preamble::{self, Caller};
use super::upload::{Packing, Parcel};
use crate::limits::PASSAGES_MAX;
use crate::stream::Stream;

/// A request on its way to a server, whichever it will be.
pub(super) struct Order<'r> {
    pub(super) request: Request<'r>,
    /// As it was sent, but without dot segments: rules have been asked about what they resolve to.
    raw_path: Cow<'r, [u8]>,
    query: Option<&'r [u8]>,
    named: Named<'r>,
    content: Content,
    /// How it goes to the server.
    packing: Packing,
    /// The path, decoded and without dot segments.
    path: &'r [u8],
    /// From whom the request came, and by which connection.
    caller: Caller,
    client_fd: RawFd,
    /// Who has logged in.
    user: Option<&'r str>,
    /// The protocol that the client wants to go on in.
    pub(super) upgrade: Option<&'r [u8]>,
    forwarding: Forwarding,
}

/// Value of `Allow` in our own answer to OPTIONS: no server has been asked what it allows.
const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

impl<'r> Order<'r> {
    /// What is to be asked, or the answer that needs no server.
    pub(super) fn of(responder: &Responder<'r>, relay: &Relay) -> Result<Order<'r>, Answer<'static>> {
        let refused = |status| Answer { close: true, ..Answer::with(status) };
        let Some(request) = responder.request else { return Err(refused(Status::BAD_REQUEST)) };
        if PASSAGES_MAX <= passages(&request) {
            responder.stream.shard.count(Counter::UpstreamLoops);
            log::error!(
                "a request has passed through {PASSAGES_MAX} servers like this one, the last time on its way to {}: see to \
                 it that none of them passes it back to one before",
                relay.group.name
            );
            return Err(refused(Status::LOOP_DETECTED));
        }
        if MaxForwards::of(&request) == MaxForwards::Here {
            return Err(Answer { allow: Some(ALLOW), ..Answer::with(Status::NO_CONTENT) });
        }
        let content = Content::of(&request).ok_or_else(|| refused(Status::NOT_IMPLEMENTED))?;
        let packing = packing(relay, content, responder.path)?;
        let named = Named::of(&request).map_err(|bad| refused(bad.status()))?;
        let raw_path = path::without_dot_segments(responder.raw_path).map_err(|bad| refused(bad.status()))?;
        let port = &responder.stream.port;
        let peer = port.peer.get().address;
        // The port of a proxy says nothing about its client.
        let own_port = peer.is_some() && peer == responder.client;
        let caller =
            Caller { address: responder.client, port: if own_port { port.peer.get().port } else { 0 } };
        let trusted = responder.served.clients.trusts(peer);
        let (peer, trust) = match relay.before {
            ForwardedBefore::Kept if trusted => (peer, Trust::Proxy),
            ForwardedBefore::Kept => (peer, Trust::Nobody),
            ForwardedBefore::Replaced => (responder.client, Trust::Nobody),
        };
        let forwarding = Forwarding {
            peer,
            trust,
            scheme: match port.security.get() {
                Security::Plain => Scheme::Http,
                Security::Tls { .. } => Scheme::Https,
            },
            announce: relay.announce,
        };
        // What has been sent ahead is either another request or nobody's business.
        let upgrade = wanted(&request, &relay.upgrades).filter(|_| responder.ahead.is_empty());
        Ok(Order {
            request,
            raw_path,
            query: responder.query,
            named,
            content,
            packing,
            path: responder.path,
            caller,
            client_fd: port.fd.get(),
            user: responder.user,
            upgrade: upgrade.filter(|_| packing != Packing::Records),
            forwarding,
        })
    }

    /// How the content goes to a server, with what behind it.
    pub(super) fn parcel(&self, relay: &'r Relay) -> Parcel<'_> {
        Parcel { packing: self.packing, named: &self.named, dropped: relay.changes.dropped() }
    }

    /// All of the content is there, so many bytes: who has to be told how long it is can be.
    pub(super) fn measure(&mut self, content: u64) {
        if (self.packing, self.content) == (Packing::Records, Content::Chunked) {
            self.content = Content::Length(content);
        }
    }

    /// Whether doing it twice is as good as doing it once (RFC 9110 section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        is_idempotent(self.request.method())
    }

    /// Whether it can be sent again whatever has become of it: all of it is there, and will be.
    pub(super) fn is_repeatable(&self) -> bool {
        self.is_idempotent() && self.content == Content::None
    }

    /// Appends what a new connection to a server begins with; `client` is the connection by which the request has come.
    pub(super) fn introduce(&self, relay: &Relay, client: &Stream, out: &mut Vec<u8>) {
        preamble::write(relay.group.preamble, self.caller, client, out);
    }

    /// Appends the head for a server; `lines` are those that rules have made for it.
    pub(super) fn write(&self, relay: &Relay, (server, lines): (&Server, &[u8]), out: &mut Vec<u8>) {
        let host = match &relay.host {
            ProxyHost::Keep => HostField::Kept(name_of(server)),
            ProxyHost::Upstream => HostField::Given(name_of(server)),
            ProxyHost::Name(name) => HostField::Given(name.as_bytes()),
        };
        if let Some(scripts) = &relay.scripts {
            return self.write_environment(relay, (scripts, host, lines), out);
        }
        let head = RequestHead {
            request: self.request,
            named: &self.named,
            method: self.request.method_bytes(),
            path: &self.raw_path,
            query: self.query,
            host,
            content: self.content,
            expectation: Expectation::Answered,
            upgrade: self.upgrade,
            forwarding: self.forwarding,
            rules: relay.changes.rules(lines),
            lifetime: match relay.group.keep_alive {
                // Who goes on in another protocol keeps the connection, whatever was kept of it.
                0 if self.upgrade.is_none() => Lifetime::Last,
                _ => Lifetime::Kept,
            },
        };
        head.write(out);
    }

    /// Appends what a script learns about the request.
    fn write_environment(
        &self,
        relay: &Relay,
        (scripts, host, lines): (&Scripts, HostField<'_>, &[u8]),
        out: &mut Vec<u8>,
    ) {
        let Some(script) = scripts.rule.find(self.path) else { return };
        let lifetime = match relay.group.keep_alive {
            0 => fastcgi::Lifetime::Last,
            _ => fastcgi::Lifetime::Kept,
        };
        fastcgi::write_begin(lifetime, out);
        let environment = Environment {
            request: self.request,
            named: &self.named,
            method: self.request.method_bytes(),
            path: self.path,
            query: self.query,
            script,
            root: &scripts.root,
            host,
            content: match self.content {
                Content::Length(length) => Some(length),
                Content::None | Content::Chunked => None,
            },
            client: self.caller.address,
            client_port: Some(self.caller.port).filter(|port| *port != 0),
            server: sys::net::local_of(self.client_fd),
            user: self.user,
            forwarding: Forwarding { announce: Announce::Nothing, ..self.forwarding },
            rules: relay.changes.rules(lines),
            variables: &scripts.variables,
        };
        environment.write(out);
    }
}

/// How the content goes to a server, or the answer that needs none.
fn packing(relay: &Relay, content: Content, path: &[u8]) -> Result<Packing, Answer<'static>> {
    match (&relay.scripts, content) {
        (None, Content::Chunked) => Ok(Packing::Chunks),
        (None, Content::None | Content::Length(_)) => Ok(Packing::Plain),
        (Some(scripts), _) if scripts.rule.find(path).is_none() => Err(Answer::with(Status::NOT_FOUND)),
        // A script is told the length before the content (RFC 3875 section 4.1.2).
        (Some(_), Content::Chunked) if relay.buffering == 0 => {
            Err(Answer { close: true, ..Answer::with(Status::LENGTH_REQUIRED) })
        }
        (Some(_), _) => Ok(Packing::Records),
    }
}

pub(super) fn is_idempotent(method: Method) -> bool {
    use Method::{Delete, Get, Head, Options, Put, Trace};
    matches!(method, Get | Head | Put | Delete | Options | Trace)
}

/// What a server is called in `Host`. The path of a Unix socket is no name of a host.
fn name_of(server: &Server) -> &[u8] {
    match server.address {
        Address::Unix(_) => b"localhost",
        Address::V4(_) | Address::V6(_) => server.name.as_bytes(),
    }
}
