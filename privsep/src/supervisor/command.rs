//! What a command leads to, once it is certain who gives it.

use auth::Verdict;

use super::change::Asker;
use super::control::{Asked, Id, Nonce};
use super::origin::Origin;
use super::permit::{Claim, needed};
use super::reply::Reply;
use super::run::Supervisor;
use super::tickets;
use crate::message::{
    Command, LINK_VERSION, NONCE_LEN, Proof, Rank, Request, StatusReport, ToAuth, signed_message,
};
use crate::wire::Bytes;

/// Levels of the error log.
const LEVELS: std::ops::RangeInclusive<u32> = 1..=5;

impl Supervisor<'_> {
    /// Something came over a control connection.
    pub(super) fn on_request(&mut self, id: Id) {
        let Some(Asked { request, origin, nonce }) = self.control.read(id) else { return };
        let Request { version, command, proof } = request;
        if version != LINK_VERSION {
            let why = format!(
                "the server speaks version {LINK_VERSION} of the commands, not {version}; use its program"
            );
            return self.answer(id, Reply::Refused(why));
        }
        let question = match question(id, &command, proof, nonce, &origin) {
            Question::Rank(peer) => {
                // The user of the children may be that of who started us, and one may have been taken over.
                let rank = self.control.permits.of_peer(peer).filter(|_| !self.is_child(peer.pid));
                return self.decide(id, &command, "peer", rank);
            }
            Question::Challenge => return self.challenge(id),
            Question::Auth(claim, question) => (claim, question),
            Question::Wrong => {
                let stamp = self.house.stamp();
                return self.control.slow_down(id, &command, "unknown", &stamp);
            }
        };
        if !self.auth_is_ready() {
            return self.answer(id, Reply::Refused(AUTH_AWAY.to_owned()));
        }
        if self.control.is_busy_for(&origin) {
            return self.answer(id, Reply::Refused(AUTH_BUSY.to_owned()));
        }
        let (claim, question) = question;
        self.control.judged(id, command, claim);
        // If it is gone, the next turn tells whoever waits.
        self.auth.send(&question, &[]);
    }

    /// Gives a nonce for the proof by a certificate.
    fn challenge(&mut self, id: Id) {
        let mut nonce: Nonce = [0; NONCE_LEN];
        match tickets::fill_random(&mut nonce) {
            Ok(()) => self.control.challenge(id, nonce),
            Err(error) => {
                self.answer(id, Reply::Refused(format!("the system gives no random bytes: {error}")));
            }
        }
    }

    /// Auth has judged a proof.
    pub(super) fn on_verdict(&mut self, id: Id, name: Option<&str>) {
        // Auth may only answer what it was asked; anything else has no effect.
        let Some((command, claim)) = self.control.waiting_for_verdict(id) else { return };
        let rank = name.and_then(|name| self.control.permits.of_name(claim, name));
        self.decide(id, &command, name.unwrap_or("unknown"), rank);
    }

    /// Auth has ended: nobody whom it was to judge is let in.
    pub(super) fn auth_lost(&mut self) {
        for id in self.control.judged_ids() {
            self.answer(id, Reply::Refused(AUTH_AWAY.to_owned()));
        }
    }

    fn is_child(&self, pid: u32) -> bool {
        let helpers = [self.auth.pid(), self.logger.pid(), self.agent.post.pid()];
        helpers
            .into_iter()
            .flatten()
            .chain(self.workers.iter().map(|worker| worker.life.pid()))
            .chain(self.agent.leaving().map(|(pid, _)| pid))
            .any(|own| own == pid)
    }

    fn decide(&mut self, id: Id, command: &Command, who: &str, rank: Option<Rank>) {
        if rank.is_some_and(|rank| rank >= needed(command)) {
            self.control.working(id, command.clone(), who.to_owned());
            return self.execute(id, command);
        }
        // Whoever comes by a Unix socket has no address that could be banned, and of those from elsewhere the address
        // is only what the agent says.
        self.heard(None, who, Verdict::Denied);
        let stamp = self.house.stamp();
        self.control.slow_down(id, command, who, &stamp);
    }

    fn execute(&mut self, id: Id, command: &Command) {
        match *command {
            Command::Status => {
                let status = self.status();
                self.answer(id, Reply::Status(Box::new(status)));
            }
            Command::Reload { plan } => self.begin_reload(Asker::Control(id), plan),
            Command::Upgrade { ref path } => self.begin_upgrade(Asker::Control(id), path.clone()),
            Command::Stop => {
                self.done(id, "stopping");
                self.begin_stop();
            }
            Command::Drain => {
                let seconds = self.drain_patience().as_secs_f32();
                self.done(id, &format!("accepting no more; running requests have {seconds} s"));
                self.begin_drain();
            }
            Command::Bans => self.report_bans(id),
            Command::Upstreams => self.report_upstreams(id),
            Command::Upstream { ref group, ref server, change } => {
                self.order_upstream(id, group, server, change);
            }
            Command::Limits => self.report_limits(id),
            Command::Limit { ref pointer, ref value } => self.limit(id, pointer, value.as_deref()),
            Command::Logs => self.show_tail(id),
            Command::Ban { ref network, seconds, ref reason } => {
                self.ban(id, network, seconds, reason.clone());
            }
            Command::Unban { ref network } => self.unban(id, network),
            Command::RotateLogs => {
                self.rotate_logs();
                self.done(id, "log files opened again");
            }
            Command::Verbosity { level } if LEVELS.contains(&level) => {
                self.set_level(level);
                self.done(id, "verbosity set");
            }
            Command::Verbosity { level } => {
                let why = format!("there is no level {level}; levels go from 1 to 5");
                self.answer(id, Reply::Refused(why));
            }
        }
    }

    fn done(&mut self, id: Id, what: &str) {
        self.answer(id, Reply::Done(what.to_owned()));
    }

    pub(super) fn answer(&mut self, id: Id, reply: Reply) {
        let stamp = self.house.stamp();
        self.control.answer(id, reply, &stamp);
    }

    /// What is listened on, as it is.
    fn addresses(&self) -> Vec<String> {
        let doors = self.estate.doors.addresses().map(|address| format!("{address} commands"));
        self.estate.addresses(&self.deployment.needs).into_iter().chain(doors).collect()
    }

    pub(super) fn status(&self) -> StatusReport {
        let ledger = self.ledger();
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.begun.elapsed().as_secs(),
            origin: self.house.origin(),
            addresses: self.addresses(),
            reloads: self.reloads,
            upgrades: self.upgrades,
            workers: self.workers.iter().map(super::worker::Worker::report).collect(),
            crashes: self.crashes,
            ledger: ledger.entries(),
            even: ledger.even(),
            wrong_proofs: self.control.wrong_proofs,
            logins: self.logins.entries(),
            lines: self.line_ledger().entries(),
            logs: self.log_reports(),
        }
    }
}

/// Most bytes of a proof. No right one is longer, and auth is not to be bothered with others.
const PROOF_MAX: usize = 8192;

/// What has to be known to judge a proof.
enum Question {
    /// The rank of a user of this machine.
    Rank(sys::packet::Peer),
    /// Nothing yet: a nonce is wanted.
    Challenge,
    /// What auth is to be asked.
    Auth(Claim, ToAuth),
    /// Nothing: it cannot be right.
    Wrong,
}

/// What `proof` leads to. A nonce is good for one certificate, and a certificate is good with a nonce only.
fn question(id: Id, command: &Command, proof: Proof, nonce: Option<Nonce>, origin: &Origin) -> Question {
    match (proof, nonce, origin) {
        (Proof::Peer, None, &Origin::Local(peer)) => Question::Rank(peer),
        (Proof::Challenge, None, _) => Question::Challenge,
        (Proof::Password { user, secret }, None, _)
            if user.len().saturating_add(secret.bytes().len()) <= PROOF_MAX =>
        {
            Question::Auth(Claim::Password, ToAuth::Ask { id, proof: Proof::Password { user, secret } })
        }
        (Proof::Token { secret }, None, _) if secret.bytes().len() <= PROOF_MAX => {
            Question::Auth(Claim::Token, ToAuth::Ask { id, proof: Proof::Token { secret } })
        }
        (Proof::Certificate { certificate, scheme, signature }, Some(nonce), _) => {
            let message = signed_message(&nonce, command);
            if PROOF_MAX < certificate.0.len().saturating_add(signature.0.len()) || PROOF_MAX < message.len()
            {
                return Question::Wrong;
            }
            let message = Bytes(message);
            Question::Auth(Claim::Certificate, ToAuth::Verify { id, message, certificate, scheme, signature })
        }
        _ => Question::Wrong,
    }
}

/// Without auth nobody gets in by what it has to judge.
const AUTH_AWAY: &str = "passwords, tokens and certificates cannot be judged now; try again in a moment";
/// Auth has enough to do.
const AUTH_BUSY: &str = "too many proofs from elsewhere are being judged; try again in a moment";
