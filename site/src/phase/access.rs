//! Who is let in.

use auth::access::{Asker, Certificate, Decision, Rules};
use proto_http::Status;

use super::Flow;
use crate::{Action, Answer, Client, Exchange, Identity, Security};

/// The rules of a place.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) rules: Rules,
    /// The host whose rules for certificates count, if it has any.
    pub(crate) judge: Option<Identity>,
}

impl Access {
    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'static> {
        let certificate = match (exchange.security, exchange.holder) {
            // One that was judged by the rules of another host proves nothing here (RFC 9110 section 7.4).
            (Security::Tls { host, client: Client::Proven }, Some(holder)) if Some(host) == self.judge => {
                Certificate::Proven(holder)
            }
            _ => Certificate::None,
        };
        let asker = Asker {
            address: exchange.client,
            user: None,
            method: exchange.request.method_bytes(),
            certificate,
        };
        match self.rules.decide(&asker) {
            Decision::Allow => Flow::Next,
            // Rules about users are refused when a site is compiled: nobody has logged in yet.
            Decision::Deny | Decision::Login => Flow::Done(Action::Respond(Answer::with(Status::FORBIDDEN))),
        }
    }
}
