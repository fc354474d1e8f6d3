//! What a server is asked: the request as it goes on, and what that says about trying it again.

use config::ProxyHost;
use proto_http::upstream::{
    Announce, Content, Expectation, Forwarding, HostField, Lifetime, MaxForwards, Named, RequestHead, Scheme,
    Trust, Upgrades, wanted,
};
use proto_http::{Method, Request, Status};
use site::upstream::{Relay, Server};
use site::{Answer, Security};
use sys::net::Address;

use super::super::Responder;

/// A request on its way to a server, whichever it will be.
pub(super) struct Order<'r> {
    pub(super) request: Request<'r>,
    raw_path: &'r [u8],
    query: Option<&'r [u8]>,
    named: Named<'r>,
    pub(super) content: Content,
    /// The protocol that the client wants to go on in.
    pub(super) upgrade: Option<&'r [u8]>,
    forwarding: Forwarding,
}

/// Value of `Allow` in our own answer to OPTIONS: no server has been asked what it allows.
const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

impl<'r> Order<'r> {
    /// What is to be asked, or the answer that needs no server.
    pub(super) fn of(responder: &Responder<'r>) -> Result<Order<'r>, Answer<'static>> {
        let refused = |status| Answer { close: true, ..Answer::with(status) };
        let Some(request) = responder.request else { return Err(refused(Status::BAD_REQUEST)) };
        if MaxForwards::of(&request) == MaxForwards::Here {
            return Err(Answer { allow: Some(ALLOW), ..Answer::with(Status::NO_CONTENT) });
        }
        let content = Content::of(&request).ok_or_else(|| refused(Status::NOT_IMPLEMENTED))?;
        let named = Named::of(&request).map_err(|bad| refused(bad.status()))?;
        let port = &responder.stream.port;
        let peer = port.peer.get().address;
        let trusted = responder.served.clients.trusts(peer);
        let forwarding = Forwarding {
            peer,
            trust: if trusted { Trust::Proxy } else { Trust::Nobody },
            scheme: match port.security.get() {
                Security::Plain => Scheme::Http,
                Security::Tls { .. } => Scheme::Https,
            },
            announce: Announce::default(),
        };
        // What has been sent ahead is either another request or nobody's business.
        let upgrade = wanted(&request, Upgrades::default()).filter(|_| responder.ahead.is_empty());
        let (raw_path, query) = (responder.raw_path, responder.query);
        Ok(Order { request, raw_path, query, named, content, upgrade, forwarding })
    }

    /// Whether doing it twice is as good as doing it once (RFC 9110 section 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        is_idempotent(self.request.method())
    }

    /// Appends the head for a server.
    pub(super) fn write(&self, relay: &Relay, server: &Server, out: &mut Vec<u8>) {
        let host = match &relay.host {
            ProxyHost::Keep => HostField::Kept(name_of(server)),
            ProxyHost::Upstream => HostField::Given(name_of(server)),
            ProxyHost::Name(name) => HostField::Given(name.as_bytes()),
        };
        let head = RequestHead {
            request: self.request,
            named: &self.named,
            method: self.request.method_bytes(),
            path: self.raw_path,
            query: self.query,
            host,
            content: self.content,
            expectation: Expectation::Answered,
            upgrade: self.upgrade,
            forwarding: self.forwarding,
            rules: relay.changes.rules(),
            lifetime: Lifetime::Kept,
        };
        head.write(out);
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
