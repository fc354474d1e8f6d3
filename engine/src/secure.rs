//! TLS of a connection: what it is with, how far it has come, and what it says about the client.

use std::rc::Rc;
use std::sync::Arc;

use auth::access::Holder;
use site::{Client, Identity, Security};
use tls::{AlternativeName, Certificate, Handshake, Hosts, Outward, Session, Verdict};

/// What TLS is spoken with on an address.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Certificates and rules, shared by all shards.
    pub hosts: Arc<Hosts>,
    /// Which host of the site each of them is.
    pub sites: Arc<[Identity]>,
}

/// How TLS is spoken to the servers of a group.
#[derive(Clone, Debug)]
pub struct Toward {
    /// What is trusted and shown, shared by all shards.
    pub outward: Outward,
    /// The name that each server has to have; without it each has its own.
    pub name: Option<String>,
}

/// How far the TLS of a connection has come.
pub(crate) enum Secure {
    /// The client has not shown yet that it shares a key with us.
    Handshake(Handshake, Arc<[Identity]>),
    /// Bytes pass.
    Session(Box<Session>, Standing),
    /// A connection of ours to a server, from its first byte on.
    Outward(Box<tls::Client>),
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
            Secure::Session(_, standing) => standing.security,
            Secure::Handshake(..) | Secure::Outward(_) | Secure::Over => Security::Plain,
        }
    }
}

/// What is known of a client once its handshake is done, and how long that holds.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) security: Security,
    /// Whom its certificate is about, if it has shown one.
    pub(crate) holder: Option<Rc<Holder>>,
    /// The host that judges.
    host: Identity,
    /// The number of what was served when the client was judged last.
    judged: u64,
}

impl Standing {
    /// As the handshake leaves it. It may have been begun with what was served before.
    pub(crate) fn new(session: &Session, sites: &[Identity]) -> Standing {
        let host = sites[session.host()];
        let holder = session.client().map(|client| Rc::new(holder(&client.facts)));
        Standing { security: security(session, host), holder, host, judged: 0 }
    }

    /// As it is under what is served now, which has this number; `secured` is what TLS is spoken with on the address. A
    /// certificate that was called back, or whose authority is gone, proves nothing on a connection that is open, too.
    pub(crate) fn renew(&mut self, session: &mut Session, secured: Option<&Secured>, number: u64) {
        if self.judged == number {
            return;
        }
        self.judged = number;
        // An address without TLS gets no further connection of this kind.
        let Some(secured) = secured else { return };
        session.judge_again(&secured.hosts, secured.sites.iter().position(|site| *site == self.host));
        self.security = security(session, self.host);
    }
}

/// A certificate as rules speak of it.
fn holder(facts: &Certificate) -> Holder {
    let name = |name: &AlternativeName| match name {
        AlternativeName::Dns(name) => format!("DNS:{name}"),
        AlternativeName::Email(name) => format!("email:{name}"),
        AlternativeName::Uri(name) => format!("URI:{name}"),
        AlternativeName::Address(address) => format!("IP:{address}"),
    };
    Holder {
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        names: facts.names.iter().map(name).collect(),
        fingerprint: facts.fingerprint.clone(),
    }
}

fn security(session: &Session, host: Identity) -> Security {
    let client = match session.client().map(|client| client.verdict) {
        None | Some(Verdict::None) => Client::Unknown,
        Some(Verdict::Valid) => Client::Proven,
        Some(Verdict::Invalid(_)) => Client::Refused,
    };
    Security::Tls { host, client }
}
