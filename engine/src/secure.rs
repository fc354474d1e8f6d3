//! TLS of a connection: what it is with, how far it has come, and what it says about the client.

use std::sync::Arc;

use site::{Client, Identity, Security};
use tls::{Handshake, Hosts, Session, Verdict};

/// What TLS is spoken with on an address.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Certificates and rules, shared by all shards.
    pub hosts: Arc<Hosts>,
    /// Which host of the site each of them is.
    pub sites: Arc<[Identity]>,
}

/// How far the TLS of a connection has come.
pub(crate) enum Secure {
    /// The client has not shown yet that it shares a key with us.
    Handshake(Handshake, Arc<[Identity]>),
    /// Bytes pass.
    Session(Box<Session>, Security),
    /// We have said that we send no more, or cannot go on.
    Over,
}

impl Secure {
    /// For a connection that has just come in.
    pub(crate) fn begin(secured: &Secured) -> Box<Secure> {
        let handshake = Handshake::new(Arc::clone(&secured.hosts));
        Box::new(Secure::Handshake(handshake, Arc::clone(&secured.sites)))
    }

    /// What rules may know.
    pub(crate) fn security(&self) -> Security {
        match self {
            Secure::Session(_, security) => *security,
            Secure::Handshake(..) | Secure::Over => Security::Plain,
        }
    }
}

/// What is known of a client once its handshake is done.
pub(crate) fn security(session: &Session, sites: &[Identity]) -> Security {
    let client = match session.client().map(|client| client.verdict) {
        None | Some(Verdict::None) => Client::Unknown,
        Some(Verdict::Valid) => Client::Proven,
        Some(Verdict::Invalid(_)) => Client::Refused,
    };
    Security::Tls { host: sites[session.host()], client }
}
