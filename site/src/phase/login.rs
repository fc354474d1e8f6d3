//! Who has to log in: everybody but those whose address needs no login.

use std::time::Duration;

use auth::Prefix;

use super::Flow;
use crate::{Action, Exchange};

/// A place where clients have to log in.
#[derive(Debug)]
pub struct Gate {
    /// What auth calls it.
    pub realm: u64,
    /// Value of `WWW-Authenticate`.
    pub challenge: String,
    /// How long it is remembered that a password was right.
    pub remember: Duration,
    pub(crate) exempt: Vec<Prefix>,
}

impl Gate {
    pub(crate) fn new(auth: &config::Auth, exempt: Vec<Prefix>) -> Gate {
        // RFC 7617 section 2.1: passwords are typed in any language. The realm needs no escapes.
        let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", auth.realm);
        Gate { realm: auth.id(), challenge, remember: auth.remember, exempt }
    }

    pub(crate) fn run(&self, exchange: &Exchange<'_>) -> Flow<'_> {
        let exempt = |address| self.exempt.iter().any(|prefix| prefix.contains(address));
        if exchange.client.is_some_and(exempt) { Flow::Next } else { Flow::Done(Action::NeedLogin(self)) }
    }
}
