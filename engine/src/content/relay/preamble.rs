//! What a connection to a server begins with, where its group wants that: a PROXY header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use config::Preamble;
use proto_http::proxy::{Ends, Form, Proof, Shown, Tls, write as write_header};
use tls::{Kind, Session, Verdict};

use crate::secure::Secure;
use crate::stream::Stream;

/// The client that a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// As the rules about trusted proxies have it; none for a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// 0 where a proxy speaks for it, whose own port says nothing.
    pub(super) port: u16,
}

/// Appends the header, if there is one.
pub(super) fn write(preamble: Preamble, caller: Caller, stream: &Stream, out: &mut Vec<u8>) {
    let form = match preamble {
        Preamble::None => return,
        Preamble::ProxyV1 => Form::Line,
        Preamble::ProxyV2 => Form::Binary,
    };
    let Some(address) = caller.address else { return write_header(form, Ends::Unknown, out) };
    let port = &stream.port;
    let destination = sys::net::local_of(port.fd.get()).unwrap_or_else(|| nowhere(address));
    let mut connections = stream.shard.connections.borrow_mut();
    let secure = connections.get(port.key.get()).and_then(|connection| connection.secure.as_deref());
    let tls = match secure {
        Some(Secure::Session(session, _)) => Some(of_session(session)),
        _ => None,
    };
    let ends = Ends::Client { source: SocketAddr::new(address, caller.port), destination, tls };
    write_header(form, ends, out);
}

/// Where a client has connected to that a proxy names at a Unix socket.
fn nowhere(client: IpAddr) -> SocketAddr {
    match client.to_canonical() {
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    }
}

fn of_session(session: &Session) -> Tls<'_> {
    let shown = if session.kind() == Kind::Resumed { Shown::Earlier } else { Shown::Here };
    let proof = session.client().and_then(|client| match client.verdict {
        Verdict::None => None,
        Verdict::Valid => Some(Proof::Valid(shown)),
        Verdict::Invalid(_) => Some(Proof::Invalid(shown)),
    });
    Tls { version: session.version().text(), cipher: session.cipher_suite(), name: session.name(), proof }
}
