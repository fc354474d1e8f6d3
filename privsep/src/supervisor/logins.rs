//! Logins of clients: workers ask, auth judges, we pass questions and answers on and hear of every verdict. No worker can
//! learn a hash that way, or have auth do anything but judge.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Deployment;
use super::pam::Services;
use super::post::Post;
use super::run::Supervisor;
use super::worker::Worker;
use crate::link::{Link, LinkError};
use crate::message::{FromAuth, LedTo, LedgerEntry, LoginOutcome, Needs, PamVerdict, ToAuth, ToWorker};
use crate::wire::{Bytes, Secret};

/// Most logins that wait for auth. As many answers as one worker can be owed fit its socket, and as many questions that of
/// auth, so that nobody waits for room.
const WAITING_MAX: usize = 128;
/// Most of one worker: another generation gets its turn beside one that asks without end.
const WAITING_OF_WORKER_MAX: usize = 64;
/// How long a verdict is waited for. Whoever asked has lost patience before.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest name, in bytes: as long as a line of an htpasswd file can have it.
const USER_MAX: usize = 255;
/// Longest password, in bytes: none that is longer can be right.
const SECRET_MAX: usize = 512;

/// What a worker asks.
pub(super) struct Question {
    pub(super) ticket: u64,
    pub(super) realm: u64,
    pub(super) user: String,
    pub(super) secret: Secret,
    pub(super) client: Bytes,
}

/// Where somebody wants to log in, and by what.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) realm: u64,
    pub(super) secret: Secret,
}

/// All logins that wait for auth, and what became of the others.
#[derive(Debug, Default)]
pub(super) struct Logins {
    last: u64,
    /// By the number under which auth was asked: the oldest first.
    waiting: BTreeMap<u64, Waiting>,
    /// How often auth was told who is let in.
    lessons: u64,
    /// Where PAM has a say.
    pub(super) services: Services,
    /// Another auth has come since, which was told what was in force then.
    pub(super) refilled: bool,
    /// The password was right; whether the user may enter is another question.
    granted: u64,
    denied: u64,
    unavailable: u64,
}

/// A login that waits for auth.
#[derive(Debug)]
pub(super) struct Waiting {
    generation: u32,
    ticket: u64,
    pub(super) client: Option<IpAddr>,
    pub(super) user: String,
    since: Instant,
    lesson: u64,
}

/// Tells auth who is let in where.
pub(super) fn teach(link: &Link<ToAuth, FromAuth>, deployment: &Deployment) -> Result<(), LinkError> {
    let realms = sys::mem::sealed("kimura-realms", &deployment.needs.realms.0)?;
    link.send(&ToAuth::Realms, &[realms.as_fd(), deployment.files.auth.as_fd()])
}

/// Tells auth that is there who is let in where from now on, and workers that what they remember is over.
pub(super) fn learn(
    auth: &mut Post<ToAuth, FromAuth>,
    logins: &mut Logins,
    deployment: &Deployment,
    workers: &[Worker],
) {
    // What auth was asked before may be judged by what was in force then.
    logins.lessons += 1;
    logins.refilled = false;
    logins.services.learn(&deployment.needs.pam);
    match sys::mem::sealed("kimura-realms", &deployment.needs.realms.0) {
        Ok(realms) => {
            auth.send(&ToAuth::Realms, &[realms.as_fd(), deployment.files.auth.as_fd()]);
        }
        Err(error) => {
            log::error!("auth cannot be told who is let in: {error}; it is started again");
            auth.dismiss();
        }
    }
    for worker in workers {
        // Whoever cannot be told is about to end.
        let _ = worker.link.send(&ToWorker::ForgetLogins, &[]);
    }
}

impl Supervisor<'_> {
    /// A worker asks whether a client may enter.
    pub(super) fn on_login(&mut self, at: usize, question: Question) {
        let Question { ticket, realm, user, secret, client } = question;
        let Some(client) = address(&client.0) else {
            return self.distrust(at, &"it asked for a client without an address");
        };
        if user.len() > USER_MAX || secret.0.len() > SECRET_MAX {
            return self.distrust(at, &"it asked for a name or password that cannot be");
        }
        let (generation, lesson) = (self.workers[at].generation, self.logins.lessons);
        let waiting = Waiting { generation, ticket, client, user, since: Instant::now(), lesson };
        // The worker did not know yet when it asked. Nobody judges that, so that it is no failure either.
        if self.estate.bans.refuse(client, &waiting.user) {
            return self.answer_login(&waiting, LoginOutcome::Unavailable);
        }
        let place = Place { realm, secret };
        match self.logins.services.of_realm(realm).cloned() {
            Some(service) => self.ask_pam(waiting, place, service),
            None => self.ask_auth(waiting, place, None),
        }
    }

    /// Has auth decide on a login, with what PAM says where it has a say.
    pub(super) fn ask_auth(&mut self, waiting: Waiting, place: Place, pam: Option<PamVerdict>) {
        let now = Instant::now();
        self.give_up_late(now);
        if !self.auth.is_filled() || !self.logins.has_room(waiting.generation) {
            return self.answer_login(&waiting, LoginOutcome::Unavailable);
        }
        self.logins.last += 1;
        let (id, user) = (self.logins.last, waiting.user.clone());
        self.logins.waiting.insert(id, Waiting { since: now, ..waiting });
        let Place { realm, secret } = place;
        // If it is gone, the next turn tells whoever waits.
        self.auth.send(&ToAuth::Login { id, realm, user, secret, pam }, &[]);
    }

    /// Auth has judged a login.
    pub(super) fn on_judged(&mut self, id: u64, outcome: LoginOutcome) {
        // Auth may only answer what it was asked; anything else has no effect.
        if let Some(waiting) = self.logins.waiting.remove(&id) {
            self.answer_login(&waiting, outcome);
        }
    }

    /// Auth has ended: nobody whom it was to judge is let in.
    pub(super) fn logins_lost(&mut self) {
        for waiting in std::mem::take(&mut self.logins.waiting).into_values() {
            self.answer_login(&waiting, LoginOutcome::Unavailable);
        }
    }

    /// Verdicts that should have come make no room for others.
    fn give_up_late(&mut self, now: Instant) {
        while let Some(oldest) = self.logins.waiting.first_entry()
            && PATIENCE <= now.saturating_duration_since(oldest.get().since)
        {
            let waiting = oldest.remove();
            self.answer_login(&waiting, LoginOutcome::Unavailable);
        }
    }

    fn answer_login(&mut self, waiting: &Waiting, outcome: LoginOutcome) {
        let (outcome, led_to) = self.conclude(waiting.client, &waiting.user, outcome);
        let Waiting { generation, ticket, lesson, .. } = *waiting;
        let Some(at) = self.workers.iter().position(|worker| worker.generation == generation) else { return };
        let lasting = lesson == self.logins.lessons;
        if let Err(error) =
            self.workers[at].link.send(&ToWorker::Judged { ticket, outcome, lasting, led_to }, &[])
        {
            self.distrust(at, &error);
        }
    }

    /// Hears of every verdict on a login: from where (none for a client without an IP address), whose name, and what auth
    /// says. Returns what the client is told, and the ban that has come of it.
    fn conclude(
        &mut self,
        client: Option<IpAddr>,
        user: &str,
        verdict: LoginOutcome,
    ) -> (LoginOutcome, LedTo) {
        let outcome = self.estate.bans.told(client, user, verdict);
        let logins = &mut self.logins;
        match outcome {
            LoginOutcome::Admitted | LoginOutcome::Forbidden => logins.granted += 1,
            LoginOutcome::Denied => logins.denied += 1,
            LoginOutcome::Unavailable => logins.unavailable += 1,
        }
        let led_to = match verdict {
            LoginOutcome::Denied => self.heard(client, user, auth::Verdict::Denied),
            _ => LedTo::Nothing,
        };
        // Not the name: people type passwords there.
        log::trace!("login from {client:?}, a name of {} bytes: {outcome:?}", user.len());
        (outcome, led_to)
    }
}

impl Logins {
    /// Nobody has asked yet.
    pub(super) fn new(needs: &Needs) -> Self {
        Self { services: Services::of(&needs.pam), ..Self::default() }
    }

    /// What became of all that were asked about, name by name.
    pub(super) fn entries(&self) -> Vec<LedgerEntry> {
        let counts = [("granted", self.granted), ("denied", self.denied), ("unavailable", self.unavailable)];
        counts.map(|(name, count)| LedgerEntry { name: name.to_owned(), count }).into()
    }

    fn has_room(&self, generation: u32) -> bool {
        let of_worker = self.waiting.values().filter(|waiting| waiting.generation == generation).count();
        self.waiting.len() < WAITING_MAX && of_worker < WAITING_OF_WORKER_MAX
    }
}

/// An address of 4 or 16 bytes, or that there is none; otherwise nothing.
#[expect(clippy::option_option, reason = "whether it is one, and whether there is one")]
fn address(bytes: &[u8]) -> Option<Option<IpAddr>> {
    match bytes.len() {
        0 => Some(None),
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Some(bytes.into())),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Some(bytes.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Waiting {
        pub(in super::super) fn of_nobody() -> Self {
            let (user, since) = (String::new(), Instant::now());
            Self { generation: 1, ticket: 1, client: None, user, since, lesson: 0 }
        }
    }

    #[test]
    fn addresses_of_clients() {
        for (bytes, wanted) in [
            (&[][..], Some(None)),
            (&[127, 0, 0, 1], Some(Some("127.0.0.1"))),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Some(Some("::1"))),
            (&[1], None),
            (&[0; 17], None),
        ] {
            let wanted: Option<Option<IpAddr>> =
                wanted.map(|text| text.map(|text: &str| text.parse().unwrap()));
            assert_eq!(address(bytes), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn one_worker_does_not_take_all_room() {
        let mut logins = Logins::default();
        let waiting = |generation| Waiting { generation, ..Waiting::of_nobody() };
        for id in 0..WAITING_OF_WORKER_MAX as u64 {
            assert!(logins.has_room(1));
            logins.waiting.insert(id, waiting(1));
        }
        assert!(!logins.has_room(1) && logins.has_room(2));
        for id in WAITING_OF_WORKER_MAX..WAITING_MAX {
            assert!(logins.has_room(3));
            logins.waiting.insert(id as u64, waiting(2));
        }
        assert!(!logins.has_room(3));
    }
}
