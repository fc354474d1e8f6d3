//! The second half of an upgrade, in the program that the process has become: take over what the one before has left,
//! start a worker beside its workers, and have these end when it serves.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use perf::Block;
use sys::pid_file::PidFile;
use sys::signal::Signals;
use sys::spawn::{Child, Legacy};

use super::bans::{self, Bans};
use super::boot::{Examined, Ground, HEARD, Reading, or_explain, own_uid};
use super::change::Asker;
use super::control::Control;
use super::estate::{Estate, open_log};
use super::files::Files;
use super::house::House;
use super::ledger::Ledger;
use super::limits::Limits;
use super::refusal::Refusal;
use super::reply::Reply;
use super::run::Supervisor;
use super::upstreams::Upstreams;
use super::worker::Worker;
use super::{Deployment, identity, shards};
use crate::link::Link;
use crate::message::{Command, KeptWorker, Needs, State};
use crate::sealed::unseal;
use crate::stage::{Life, Stage};
use crate::wire::Bytes;

/// What a program before this one has left in the process.
#[derive(Debug)]
pub struct Inheritance {
    /// What it knew.
    pub state: State,
    /// Its descriptors.
    pub legacy: Legacy,
    /// Why its successor has given up; none in the successor itself.
    pub verdict: Option<String>,
}

/// Serves on, until told to end.
///
/// # Errors
/// Why it cannot; what was inherited is as it was then, to be given back.
pub fn resume(house: &mut dyn House, stage: Stage, inheritance: Inheritance) -> Result<(), Refusal> {
    let Inheritance { state, mut legacy, verdict } = inheritance;
    let ground = match &verdict {
        None => examine(house, &state, &mut legacy)?,
        Some(_) => restore(&state, &mut legacy)?,
    };
    let signals = Signals::block(HEARD).map_err(Refusal::system("receive signals"))?;
    let mut supervisor = Supervisor::new(house, stage, signals, ground);
    let asker = match supervisor.inherit(&state, &mut legacy) {
        Ok(asker) => asker,
        Err(cause) => {
            supervisor.retreat(&state);
            return Err(Refusal::System { what: "take over", cause });
        }
    };
    match verdict {
        None => supervisor.succeed(&state, asker)?,
        Some(why) => supervisor.go_on(&state, asker, &why),
    }
    legacy.release();
    supervisor.run();
    Ok(())
}

/// Sockets, log files, socket for commands and counters, as they were left.
fn possessions(state: &State, legacy: &mut Legacy) -> io::Result<(Estate, Control, Block)> {
    let estate = Estate::inherit(state, legacy)?;
    let control = match &state.control {
        Some(kept) => Control::listening(kept.path.clone(), legacy.take(kept.fd)?),
        None => Control::default(),
    };
    let grave = legacy.take(state.grave)?;
    let ours = Block::create(0)?;
    ours.add_ended([&Block::open_foreign(grave, &state.counters).map_err(io::Error::other)?]);
    Ok((estate, control, ours))
}

/// Who was banned, and who has failed.
fn left_bans(state: &State, legacy: &mut Legacy, needs: &Needs) -> io::Result<Bans> {
    let text: Bytes = unseal(&legacy.take(state.bans)?).map_err(io::Error::other)?;
    let failures = unseal(&legacy.take(state.failures)?).map_err(io::Error::other)?;
    Ok(Bans::inherit(needs.bans.as_ref(), &text.0, failures))
}

/// What was ordered of servers that requests are passed on to.
fn left_orders(state: &State, legacy: &mut Legacy, needs: &Needs) -> io::Result<Upstreams> {
    let orders = unseal(&legacy.take(state.upstreams)?).map_err(io::Error::other)?;
    Ok(Upstreams::inherit(orders, &needs.upstreams))
}

/// The configuration as it is now, and what it needs beyond what was left.
fn examine(house: &mut dyn House, state: &State, legacy: &mut Legacy) -> Result<Ground, Refusal> {
    let (mut estate, mut control, grave) =
        possessions(state, legacy).map_err(Refusal::system("take over"))?;
    let Examined { mut examination, deployment, identity } = Reading::new(house)?.examine()?;
    let needs = &deployment.needs;
    or_explain(&mut examination, bans::check(needs))?;
    let shards = shards::cores(needs.shards).map_err(Refusal::system("learn which cores there are"))?.len();
    let opened = estate.open(needs, shards::group(shards));
    estate.adopt(or_explain(&mut examination, opened)?);
    let prepared = control.prepare(&needs.control, own_uid());
    control.adopt(or_explain(&mut examination, prepared)?);
    let errors = open_log(&needs.error_log).map_err(|trouble| vec![trouble]);
    let errors = or_explain(&mut examination, errors)?;
    house.errors_to(&needs.error_log.output).map_err(Refusal::Unreadable)?;
    estate.bans = left_bans(state, legacy, needs).map_err(Refusal::system("take over"))?;
    estate.upstreams = left_orders(state, legacy, needs).map_err(Refusal::system("take over"))?;
    estate.limits = Limits::inherit(&state.limits, &needs.limits);
    Ok(Ground { deployment, estate, control, identity, errors, grave })
}

/// The configuration as it was.
fn restore(state: &State, legacy: &mut Legacy) -> Result<Ground, Refusal> {
    let failed = Refusal::system("go back");
    let (mut estate, mut control, grave) = possessions(state, legacy).map_err(&failed)?;
    let text = legacy.take(state.text).map_err(&failed)?;
    let needs = legacy.take(state.needs).map_err(&failed)?;
    let needs = unseal(&needs).map_err(|error| failed(io::Error::other(error)))?;
    let workers = legacy.take(state.files).map_err(&failed)?;
    let auth = legacy.take(state.auth_files).map_err(&failed)?;
    let agent = legacy.take(state.agent_files).map_err(&failed)?;
    let files = Files { workers, auth, agent, marks: Vec::new() };
    let deployment = Deployment { subject: state.subject.clone(), text, needs, files };
    let trouble = |troubles: Vec<crate::message::Trouble>| {
        let causes: Vec<String> = troubles.into_iter().map(|trouble| trouble.cause).collect();
        Refusal::Unreadable(causes.join("; "))
    };
    estate.bans = left_bans(state, legacy, &deployment.needs).map_err(&failed)?;
    estate.upstreams = left_orders(state, legacy, &deployment.needs).map_err(&failed)?;
    estate.limits = Limits::inherit(&state.limits, &deployment.needs.limits);
    let identity = identity::resolve(&deployment.needs).map_err(|one| trouble(vec![one]))?;
    let prepared = control.prepare(&deployment.needs.control, own_uid()).map_err(trouble)?;
    control.adopt(prepared);
    let errors = open_log(&deployment.needs.error_log).map_err(|one| trouble(vec![one]))?;
    Ok(Ground { deployment, estate, control, identity, errors, grave })
}

impl Supervisor<'_> {
    /// Takes over the workers and the numbers; answers who waits for the end of it.
    fn inherit(&mut self, state: &State, legacy: &mut Legacy) -> io::Result<Asker> {
        for kept in &state.workers {
            self.workers.push(worker(kept, state, legacy)?);
        }
        self.generations = state.generations;
        self.reloads = state.reloads;
        self.upgrades = state.upgrades;
        self.crashes = state.crashes;
        self.inherit_readiness();
        self.control.wrong_proofs = state.wrong_proofs;
        self.past = Ledger::from_entries(&state.ended);
        let uptime = Duration::from_millis(state.uptime_millis);
        self.begun = Instant::now().checked_sub(uptime).unwrap_or(self.begun);
        self.set_level(state.level);
        if let Some(kept) = &state.pid_file {
            let file = legacy.take(kept.fd)?;
            self.pid_file = Some(PidFile::adopt(&kept.path, file).map_err(io::Error::other)?);
        }
        for kept in &state.silent {
            self.control.inherit_silent(legacy.take(kept.fd)?, kept.from.clone());
        }
        self.agent.inherit(state, legacy)?;
        match state.tail {
            Some(tail) => self.inherit_tail(legacy.take(tail)?)?,
            None => self.make_tail(),
        }
        self.make_metrics();
        Ok(match &state.asker {
            Some(kept) => {
                let socket = legacy.take(kept.fd)?;
                let command = Command::Upgrade { path: Some(state.new_program.clone()) };
                Asker::Control(self.control.inherit_asker(socket, kept.from.clone(), command, &kept.who))
            }
            None => Asker::Signal,
        })
    }

    /// Starts a worker of this program; when it serves, the others end.
    fn succeed(&mut self, state: &State, asker: Asker) -> Result<(), Refusal> {
        self.program.clone_from(&state.new_program);
        if let Err(why) = self.start_successor() {
            self.retreat(state);
            return Err(Refusal::Worker(why));
        }
        self.estate.keep_only(&self.deployment.needs);
        if self.estate.retune(&self.deployment.needs) {
            self.tell_sinks();
        }
        self.upgrades += 1;
        let patience = self.drain_patience();
        let old = self.workers.iter_mut().filter(|worker| worker.generation <= state.generations);
        old.for_each(|worker| worker.retire(patience));
        let what = format!("upgraded from {} to {}", state.from, env!("CARGO_PKG_VERSION"));
        log::info!("{what}");
        self.tell(asker, Reply::Done(what));
        Ok(())
    }

    /// Ends what this program has started, and leaves everything else as it was.
    fn retreat(&mut self, state: &State) {
        for worker in self.workers.iter_mut().filter(|worker| worker.generation > state.generations) {
            worker.life.kill();
            if let Some(fd) = worker.life.fd() {
                // It was killed, so that this takes no time; without it a zombie would stay.
                let _ = sys::poll::readable(fd, Some(Duration::from_secs(1)));
            }
            let _ = worker.life.ended();
        }
        self.finish_logger();
        self.pam.post.close();
        self.auth.close();
        self.agent.post.close();
        if let Some(file) = self.pid_file.take() {
            file.leave();
        }
    }

    /// The successor has given up: all is as before.
    fn go_on(&mut self, state: &State, asker: Asker, why: &str) {
        self.program.clone_from(&state.old_program);
        self.went_on();
        let path = state.new_program.display();
        let why = format!("{path} did not come to serve, and nothing has changed: {why}");
        self.tell(asker, Reply::Refused(why));
    }
}

/// A worker that the program before has started.
fn worker(kept: &KeptWorker, state: &State, legacy: &mut Legacy) -> io::Result<Worker> {
    let open = |fd: OwnedFd| Block::open_foreign(fd, &state.counters).map_err(io::Error::other);
    let blocks = kept.blocks.iter().map(|&block| legacy.take(block).and_then(open));
    let blocks = blocks.collect::<io::Result<_>>()?;
    let life = Life::Process(Child::from_fd(kept.pid, legacy.take(kept.process)?));
    let link = Link::new(legacy.take(kept.link)?);
    Ok(Worker::inherit(kept.generation, life, link, &kept.phase, blocks, legacy.take(kept.lines)?))
}
