//! What a command leads to, once it is certain who gives it.

use auth::Verdict;

use super::change::Asker;
use super::control::Id;
use super::permit::needed;
use super::reply::Reply;
use super::run::Supervisor;
use crate::message::{Command, LINK_VERSION, Proof, Rank, Request, StatusReport, ToAuth};

/// Levels of the error log.
const LEVELS: std::ops::RangeInclusive<u32> = 1..=5;

impl Supervisor<'_> {
    /// Something came over a control connection.
    pub(super) fn on_request(&mut self, id: Id) {
        let Some((request, peer)) = self.control.read(id) else { return };
        let Request { version, command, proof } = request;
        if version != LINK_VERSION {
            let why = format!(
                "the server speaks version {LINK_VERSION} of the commands, not {version}; use its program"
            );
            return self.answer(id, Reply::Refused(why));
        }
        if matches!(proof, Proof::Peer) {
            // The user of the children may be that of who started us, and one may have been taken over.
            let rank = self.control.permits.of_peer(peer).filter(|_| !self.is_child(peer.pid));
            return self.decide(id, &command, "peer", rank);
        }
        if PROOF_MAX < size(&proof) {
            let stamp = self.house.stamp();
            return self.control.slow_down(id, &command, "unknown", &stamp);
        }
        if !self.auth_is_ready() {
            return self.answer(id, Reply::Refused(AUTH_AWAY.to_owned()));
        }
        self.control.judged(id, command);
        // If it is gone, the next turn tells whoever waits.
        self.auth.send(&ToAuth::Ask { id, proof }, &[]);
    }

    /// Auth has judged a proof.
    pub(super) fn on_verdict(&mut self, id: Id, name: Option<&str>) {
        // Auth may only answer what it was asked; anything else has no effect.
        let Some(command) = self.control.waiting_for_verdict(id) else { return };
        let rank = name.and_then(|name| self.control.permits.of_name(name));
        self.decide(id, &command, name.unwrap_or("unknown"), rank);
    }

    /// Auth has ended: nobody whom it was to judge is let in.
    pub(super) fn auth_lost(&mut self) {
        for id in self.control.judged_ids() {
            self.answer(id, Reply::Refused(AUTH_AWAY.to_owned()));
        }
    }

    fn is_child(&self, pid: u32) -> bool {
        let helpers = [self.auth.pid(), self.logger.pid()];
        helpers
            .into_iter()
            .flatten()
            .chain(self.workers.iter().map(|worker| worker.life.pid()))
            .any(|own| own == pid)
    }

    fn decide(&mut self, id: Id, command: &Command, who: &str, rank: Option<Rank>) {
        if rank.is_some_and(|rank| rank >= needed(command)) {
            self.control.working(id, command.clone(), who.to_owned());
            return self.execute(id, command);
        }
        // Whoever comes by a Unix socket has no address that could be banned.
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

    fn status(&self) -> StatusReport {
        let ledger = self.ledger();
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.begun.elapsed().as_secs(),
            origin: self.house.origin(),
            addresses: self.estate.addresses(&self.deployment.needs),
            reloads: self.reloads,
            upgrades: self.upgrades,
            workers: self.workers.iter().map(super::worker::Worker::report).collect(),
            crashes: self.crashes,
            ledger: ledger.entries(),
            even: ledger.even(),
            wrong_proofs: self.control.wrong_proofs,
            logins: self.logins.entries(),
        }
    }
}

/// Most bytes of a proof. No right one is longer, and auth is not to be bothered with others.
const PROOF_MAX: usize = 8192;

fn size(proof: &Proof) -> usize {
    match proof {
        Proof::Peer => 0,
        Proof::Password { user, secret } => user.len().saturating_add(secret.bytes().len()),
        Proof::Token { secret } => secret.bytes().len(),
    }
}

/// Without auth nobody gets in by a password or a token.
const AUTH_AWAY: &str = "passwords and tokens cannot be judged now; try again in a moment";
