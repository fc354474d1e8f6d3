//! What has to carry a request: TLS, and a client that has proven who it is.

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
    pub(crate) need: Need,
}

/// Whether there has to be a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// One that was shown has to hold.
    Optional,
    /// There has to be one that holds.
    Required,
}

impl ClientCertificate {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'_> {
        match self.refusal(exchange.security) {
            None => Flow::Next,
            Some(status) => Flow::Done(Action::Respond(Answer::with(status))),
        }
    }

    fn refusal(&self, security: Security) -> Option<Status> {
        match (security, self.need) {
            // Nobody can prove anything there, which is all the same where nobody has to.
            (Security::Plain, Need::Optional) => None,
            (Security::Plain, Need::Required) => Some(Status::FORBIDDEN),
            // The certificate was judged by the rules of another host (RFC 9110 section 7.4).
            (Security::Tls { host, .. }, _) if host != self.host => Some(Status::MISDIRECTED_REQUEST),
            (Security::Tls { client: Client::Proven, .. }, _)
            | (Security::Tls { client: Client::Unknown, .. }, Need::Optional) => None,
            (Security::Tls { .. }, _) => Some(Status::FORBIDDEN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_and_how() {
        let identity = |name: &str| Identity::of(&config::HostName::Exact(name.to_owned()));
        let (own, other) = (identity("a.example"), identity("b.example"));
        let tls = |host, client| Security::Tls { host, client };
        let (forbidden, misdirected) = (Some(Status::FORBIDDEN), Some(Status::MISDIRECTED_REQUEST));
        for (security, optional, required) in [
            (Security::Plain, None, forbidden),
            (tls(own, Client::Proven), None, None),
            (tls(own, Client::Unknown), None, forbidden),
            (tls(own, Client::Refused), forbidden, forbidden),
            (tls(other, Client::Proven), misdirected, misdirected),
            (tls(other, Client::Unknown), misdirected, misdirected),
        ] {
            for (need, wanted) in [(Need::Optional, optional), (Need::Required, required)] {
                let phase = ClientCertificate { host: own, need };
                assert_eq!(phase.refusal(security), wanted, "{security:?} {need:?}");
            }
        }
    }
}
