//! Compares passwords and tokens, and verifies signatures, for whoever asks through the supervisor.

use super::realms::{Book, Gate, Job, Pool};
use super::{Fault, Place, begin_confined, replace_error_log, show_messages};
use auth::{Certificates, Shown, Tokens, Users, Verdict};
use privsep::link::Link;
use privsep::message::{FromAuth, LoginOutcome, Proof, Secrets, ToAuth};
use privsep::role::Role;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Answers questions until the supervisor is gone.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link: Arc<Link<FromAuth, ToAuth>> = Arc::new(Link::new(link));
    let (ToAuth::Hello { hello }, _) = link.receive_waiting()? else { return Err(Fault::Order) };
    begin_confined(Role::Auth, &hello, place)?;
    // Threads of their own, so that whoever commands the server does not wait for those who only visit it.
    let pool = Pool::start(&link).map_err(|error| Fault::Link(error.into()))?;
    let (mut judge, mut book) = (Judge::default(), Book::default());
    loop {
        match link.receive_waiting()? {
            (ToAuth::Hello { .. }, _) => return Err(Fault::Order),
            (ToAuth::Learn, descriptors) => {
                let sealed = descriptors.first().ok_or(Fault::Order)?;
                judge = Judge::new(sealed);
                link.send_waiting(&FromAuth::Ready, &[])?;
            }
            (ToAuth::Realms, descriptors) => book.learn(&descriptors),
            (ToAuth::Login { id, realm, user, secret, pam }, _) => {
                let job = |gate: &Arc<Gate>| {
                    let (gate, since) = (Arc::clone(gate), Instant::now());
                    Job { id, gate, user, secret, pam, since }
                };
                if !book.gate(realm).map(job).is_some_and(|job| pool.take(job)) {
                    let outcome = LoginOutcome::Unavailable;
                    link.send_waiting(&FromAuth::Judged { id, outcome }, &[])?;
                }
            }
            (ToAuth::ErrorLog, descriptors) => replace_error_log(&descriptors, place),
            (ToAuth::Messages, descriptors) => show_messages(descriptors, place),
            (ToAuth::Ask { id, proof }, _) => {
                let name = judge.name(&proof);
                link.send_waiting(&FromAuth::Verdict { id, name }, &[])?;
            }
            (ToAuth::Verify { id, message, certificate, scheme, signature }, _) => {
                let shown = Shown { certificate: &certificate.0, scheme, signature: &signature.0 };
                let name = judge.certificates.ask(&shown, &message.0, now()).map(str::to_owned);
                link.send_waiting(&FromAuth::Verdict { id, name }, &[])?;
            }
        }
    }
}

/// What proofs are compared with; by default with nothing, so that none is right.
#[derive(Default)]
struct Judge {
    users: Option<Users>,
    tokens: Tokens,
    certificates: Certificates,
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

impl Judge {
    fn new(sealed: &OwnedFd) -> Self {
        let secrets = privsep::sealed::unseal(sealed).unwrap_or_else(|why| {
            log::error!("the secrets cannot be read: {why}; nobody is let in by what they are compared with");
            Secrets { users: Vec::new(), tokens: Vec::new(), certificates: Vec::new() }
        });
        let users = Users::new(secrets.users.into_iter().map(|entry| (entry.name, entry.hash)));
        let tokens = secrets.tokens.into_iter().filter_map(|entry| {
            let digest = entry.sha256.0.try_into().ok()?;
            Some((entry.name, digest))
        });
        let certificates = secrets.certificates.into_iter().filter_map(|entry| {
            let digest = entry.sha256.0.try_into().ok()?;
            Some((entry.name, digest))
        });
        Self { users: users.ok(), tokens: Tokens::new(tokens), certificates: Certificates::new(certificates) }
    }

    /// The name under which the proof is known.
    fn name(&self, proof: &Proof) -> Option<String> {
        match proof {
            // Only the supervisor sees who is at the other end of a connection, and knows what was to be signed.
            Proof::Peer | Proof::Challenge | Proof::Certificate { .. } => None,
            Proof::Password { user, secret } => {
                let verdict = self.users.as_ref()?.ask(user, secret.bytes());
                (verdict == Verdict::Granted).then(|| user.clone())
            }
            Proof::Token { secret } => self.tokens.ask(secret.bytes()).map(str::to_owned),
        }
    }
}
