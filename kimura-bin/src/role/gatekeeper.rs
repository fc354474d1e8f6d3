//! Between the shards of a worker and the supervisor: logins out, verdicts in.

use engine::{Banned, Login, Server, Verdict};
use privsep::link::{Link, LinkError};
use privsep::message::{FromWorker, LedTo, LoginOutcome, ToWorker};
use privsep::wire::{Bytes, Secret};
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Passes on whoever wants to log in, until the shards or the link have ended.
///
/// # Errors
/// When threads have run out.
pub(super) fn start(
    server: &Arc<Server>,
    link: &Arc<Link<FromWorker, ToWorker>>,
) -> std::io::Result<JoinHandle<()>> {
    let (server, link) = (Arc::clone(server), Arc::clone(link));
    thread::Builder::new().name("kimura-logins".to_owned()).spawn(move || {
        while let Some(login) = server.next_login() {
            let ticket = login.ticket;
            match link.send_waiting(&question(login), &[]) {
                Ok(()) => {}
                Err(LinkError::Closed) => return,
                Err(error) => {
                    log::error!("a login cannot be asked about: {error}");
                    server.judged(ticket, Verdict::Unavailable);
                }
            }
        }
    })
}

fn question(login: Login) -> FromWorker {
    let Login { ticket, realm, client, credentials } = login;
    let client = match client.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets().to_vec(),
        None => Vec::new(),
    };
    let auth::Credentials { user, secret } = credentials;
    FromWorker::Login { ticket, realm, user, secret: Secret(secret), client: Bytes(client) }
}

/// What a request is told of its verdict.
pub(super) fn verdict(outcome: LoginOutcome, lasting: bool, led_to: LedTo) -> Verdict {
    match outcome {
        LoginOutcome::Admitted => Verdict::Admitted { lasting },
        LoginOutcome::Denied => Verdict::Denied {
            led_to: match led_to {
                LedTo::Nothing => None,
                LedTo::BanOfUser => Some(Banned::User),
                LedTo::BanOfClient => Some(Banned::Client),
            },
        },
        LoginOutcome::Forbidden => Verdict::Forbidden,
        LoginOutcome::Unavailable => Verdict::Unavailable,
    }
}
