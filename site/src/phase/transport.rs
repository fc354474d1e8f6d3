//! What has to carry a request: TLS, and a client that has proven who it is.

use config::ClientCertificates;
use proto_http::Status;

use super::Flow;
use crate::{Action, Answer, Client, Exchange, Identity, Security};

/// Sends requests that came in without TLS to the same place with it.
#[derive(Debug)]
pub(crate) struct ToTls {
    /// Port of the first address with TLS; the usual one is not written.
    pub(crate) port: Option<u16>,
}

impl ToTls {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'_> {
        match exchange.security {
            Security::Plain => Flow::Done(Action::ToTls(self.port)),
            Security::Tls { .. } => Flow::Next,
        }
    }
}

/// Lets only those in whose certificate the host has judged.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    /// The host that judges.
    pub(crate) host: Identity,
    pub(crate) mode: ClientCertificates,
}

impl ClientCertificate {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'_> {
        let status = match exchange.security {
            // Nobody can prove anything there, which is all the same where nobody has to.
            Security::Plain if self.mode == ClientCertificates::Optional => return Flow::Next,
            Security::Plain => Status::FORBIDDEN,
            // The certificate was judged by the rules of another host (RFC 9110 section 7.4).
            Security::Tls { host, .. } if host != self.host => Status::MISDIRECTED_REQUEST,
            Security::Tls { client: Client::Proven, .. } => return Flow::Next,
            Security::Tls { client: Client::Unknown, .. } if self.mode == ClientCertificates::Optional => {
                return Flow::Next;
            }
            Security::Tls { .. } => Status::FORBIDDEN,
        };
        Flow::Done(Action::Respond(Answer::with(status)))
    }
}
