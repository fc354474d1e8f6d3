//! Phases: what happens between finding the location and acting.
//!
//! A location has a flat chain of them, built when the site is compiled. The loop does not know any phase by
//! name; a phase that has nothing to do in a location is not in its chain.

mod access;
mod body_limit;
mod dotfiles;
mod expectation;
mod login;
mod methods;
mod transport;

pub(crate) use access::Access;
pub(crate) use body_limit::BodyLimit;
pub(crate) use dotfiles::Dotfiles;
pub(crate) use expectation::Expectation;
pub use login::Gate;
pub(crate) use methods::Methods;
pub(crate) use transport::{ClientCertificate, Need, ToTls};

use std::sync::Arc;

use proto_http::Status;

use crate::comet::Comet;
use crate::fields;
use crate::location::Files;
use crate::rewrite::{Attempts, Captured, Reply, View};
use crate::{Action, Answer, Exchange, Relay};

/// Whether a phase has decided.
pub(crate) enum Flow<'s> {
    /// The next phase is to look.
    Next,
    /// Done: do this.
    Done(Action<'s>),
}

/// One step of a chain.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Nobody comes here but by what the server itself has decided.
    Internal,
    ToTls(ToTls),
    ClientCertificate(ClientCertificate),
    Access(Access),
    Preflight,
    Login(Gate),
    Expectation(Expectation),
    Methods(Methods),
    BodyLimit(BodyLimit),
    Dotfiles(Dotfiles),
    Files(Arc<Files>),
    Comet(Comet),
    Reply(Reply),
    Try(Attempts),
    Relay(Relay),
    Echo,
    Metrics,
}

impl Phase {
    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Phase::Internal => "internal",
            Phase::ToTls(_) => "redirect to TLS",
            Phase::ClientCertificate(_) => "client certificate",
            Phase::Access(_) => "access",
            Phase::Preflight => "preflight",
            Phase::Login(_) => "login",
            Phase::Expectation(_) => "expectation",
            Phase::Methods(_) => "methods",
            Phase::BodyLimit(_) => "body limit",
            Phase::Dotfiles(_) => "dotfiles",
            Phase::Files(_) => "files",
            Phase::Comet(_) => "live logs",
            Phase::Reply(_) => "return",
            Phase::Try(_) => "try",
            Phase::Relay(_) => "proxy",
            Phase::Echo => "echo",
            Phase::Metrics => "metrics",
        }
    }

    fn run<'s>(&'s self, exchange: &Exchange<'_>) -> Flow<'s> {
        match self {
            // Rules have made another path of it, or it is one that the client has asked for.
            Phase::Internal if exchange.path == exchange.asked => {
                Flow::Done(Action::Respond(Answer::with(Status::NOT_FOUND)))
            }
            Phase::Internal => Flow::Next,
            Phase::ToTls(phase) => phase.run(exchange),
            Phase::ClientCertificate(phase) => phase.run(exchange),
            Phase::Access(phase) => phase.run(exchange),
            // Before logins: browsers ask without any.
            Phase::Preflight if fields::is_preflight(&exchange.request) => {
                Flow::Done(Action::Respond(Answer::with(Status::NO_CONTENT)))
            }
            Phase::Preflight => Flow::Next,
            Phase::Login(gate) => gate.run(exchange),
            Phase::Expectation(phase) => phase.run(exchange),
            Phase::Methods(phase) => phase.run(exchange),
            Phase::BodyLimit(phase) => phase.run(exchange),
            Phase::Dotfiles(phase) => phase.run(exchange),
            // No file has a slash in its name, and whoever runs scripts decodes it as it likes.
            Phase::Files(_) | Phase::Relay(Relay { scripts: Some(_), .. }) if exchange.keeps_slash() => {
                Flow::Done(Action::Respond(Answer::with(Status::BAD_REQUEST)))
            }
            Phase::Files(files) => Flow::Done(Action::File(files)),
            Phase::Comet(comet) => match comet.part(exchange.path) {
                Some(part) => Flow::Done(Action::Comet(comet, part)),
                None => Flow::Next,
            },
            Phase::Try(attempts) => Flow::Done(Action::Try(attempts)),
            Phase::Reply(reply) => Flow::Done(reply.action(&View::of(exchange, &Captured::default()))),
            Phase::Relay(relay) => Flow::Done(Action::Relay(relay)),
            Phase::Echo => Flow::Done(Action::Echo),
            Phase::Metrics => Flow::Done(Action::Metrics),
        }
    }
}

/// Runs the chain of the exchange's location; the first phase that is done decides.
#[must_use]
pub fn decide<'s>(exchange: &Exchange<'s>) -> Action<'s> {
    run(&exchange.place.location.chain, exchange)
}

/// Runs what is left of that chain once the client has logged in.
#[must_use]
pub fn decide_admitted<'s>(exchange: &Exchange<'s>) -> Action<'s> {
    let chain = &exchange.place.location.chain;
    let gate = chain.iter().position(|phase| matches!(phase, Phase::Login(_)));
    run(&chain[gate.map_or(0, |gate| gate + 1)..], exchange)
}

/// Runs what is left of that chain once nothing of what is tried was there.
#[must_use]
pub fn decide_untried<'s>(exchange: &Exchange<'s>) -> Action<'s> {
    let chain = &exchange.place.location.chain;
    let attempts = chain.iter().position(|phase| matches!(phase, Phase::Try(_)));
    run(&chain[attempts.map_or(0, |attempts| attempts + 1)..], exchange)
}

fn run<'s>(chain: &'s [Phase], exchange: &Exchange<'s>) -> Action<'s> {
    for phase in chain {
        if let Flow::Done(action) = phase.run(exchange) {
            return action;
        }
    }
    Action::Respond(Answer::with(Status::NOT_FOUND))
}
