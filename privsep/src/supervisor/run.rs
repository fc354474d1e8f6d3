//! The loop of the supervisor, and what each event leads to.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use perf::Block;
use sys::creds::Identity;
use sys::pid_file::PidFile;
use sys::signal::{Signal, Signals};

use super::agent::Agent;
use super::backoff::Backoff;
use super::boot::Ground;
use super::change::{Asker, Change, Step};
use super::control::{self, Control};
use super::estate::{Estate, Opened, Sink};
use super::house::House;
use super::ledger::Ledger;
use super::lines::Lines;
use super::logins::{Logins, Question};
use super::looks::Looks;
use super::metrics::Metrics;
use super::names::Names;
use super::pam::Pam;
use super::post::Post;
use super::press::Press;
use super::pressure::Pressure;
use super::readiness::Readiness;
use super::refusal::Refusal;
use super::rotation::ErrorsWatch;
use super::tail::Tail;
use super::watch::Watch;
use super::worker::{Birth, Phase, Seen, Worker};
use super::{Deployment, shards};
use crate::link::LinkError;
use crate::message::{
    FromAuth, FromLogger, FromWorker, Hello, IdentityEntry, LINK_VERSION, Needs, ToAgent, ToAuth, ToLogger,
    ToPam, ToWorker,
};
use crate::role::Role;
use crate::stage::Stage;

/// How often counters are shown.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// Messages that are taken from one child before the others have their turn.
pub(super) const TURN: usize = 64;
/// Longest sleep of the loop: it wakes for what falls due.
const NAP: Duration = Duration::from_secs(3600);

/// The supervisor and everything that it holds.
pub(super) struct Supervisor<'h> {
    pub(super) house: &'h mut dyn House,
    pub(super) stage: Stage,
    signals: Signals,
    pub(super) deployment: Deployment,
    pub(super) estate: Estate,
    pub(super) identity: Option<Identity>,
    pub(super) errors: Option<File>,
    pub(super) errors_watch: ErrorsWatch,
    pub(super) level: u32,
    pub(super) auth: Post<ToAuth, FromAuth>,
    pub(super) auth_ready: bool,
    pub(super) logins: Logins,
    pub(super) pam: Pam,
    pub(super) logger: Post<ToLogger, FromLogger>,
    /// What viewers of the logs read; none where there is no memory for it.
    pub(super) tail: Option<Tail>,
    /// What scrapers read; none where there is no memory for it.
    pub(super) metrics: Option<Metrics>,
    /// What became of the lines of the logs.
    pub(super) lines: Lines,
    /// What the logger compresses.
    pub(super) press: Press,
    pub(super) agent: Agent,
    pub(super) workers: Vec<Worker>,
    pub(super) generations: u32,
    pub(super) looks: Looks,
    backoff: Backoff,
    /// When to start a worker in place of one that ended by itself.
    pub(super) worker_due: Option<Instant>,
    pub(super) change: Option<Change>,
    /// Over the files of what is in force.
    pub(super) watch: Watch,
    pub(super) names: Names,
    pub(super) control: Control,
    /// Of workers that have ended.
    pub(super) past: Ledger,
    /// Their counters.
    pub(super) grave: Block,
    /// The program that runs.
    pub(super) program: PathBuf,
    pub(super) pid_file: Option<PidFile>,
    pub(super) reloads: u32,
    pub(super) upgrades: u32,
    pub(super) crashes: u32,
    pub(super) begun: Instant,
    /// None without a service manager.
    pub(super) readiness: Option<Readiness>,
    next_tick: Instant,
    pub(super) ending: Ending,
    /// The worker that a start, or the program before this one, waits for.
    awaited: Option<u32>,
    /// Why it cannot serve.
    failed: Option<String>,
    /// Whether it does.
    pub(super) served: bool,
    /// A signal asked for a reload before it did.
    reload_wanted: bool,
}

/// How far the server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Not,
    Draining,
    Stopping,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Signals,
    Auth,
    Pam,
    Logger,
    Agent,
    /// The link of a worker, by generation.
    Worker(u32),
    /// The process of a worker has ended.
    WorkerEnd(u32),
    Examination,
    Rehearsal,
    Listener,
    Connection(control::Id),
}

impl<'h> Supervisor<'h> {
    pub(super) fn new(house: &'h mut dyn House, stage: Stage, signals: Signals, ground: Ground) -> Self {
        let Ground { deployment, estate, control, identity, errors, grave } = ground;
        let (now, program) = (Instant::now(), house.program());
        Self {
            house,
            stage,
            signals,
            level: deployment.needs.error_level,
            logins: Logins::new(&deployment.needs),
            pam: Pam::new(),
            deployment,
            estate,
            identity,
            errors,
            errors_watch: ErrorsWatch::new(now),
            auth: Post::new(Role::Auth),
            auth_ready: false,
            logger: Post::new(Role::Logger),
            tail: None,
            metrics: None,
            lines: Lines::default(),
            press: Press::default(),
            agent: Agent::new(),
            workers: Vec::new(),
            generations: 0,
            looks: Looks::default(),
            backoff: Backoff::default(),
            worker_due: Some(now),
            change: None,
            watch: Watch::new(now),
            names: Names::new(now),
            control,
            past: Ledger::default(),
            grave,
            program,
            pid_file: None,
            reloads: 0,
            upgrades: 0,
            crashes: 0,
            begun: now,
            readiness: Readiness::from_environment(),
            next_tick: now + SECOND,
            ending: Ending::Not,
            awaited: None,
            failed: None,
            reload_wanted: false,
            served: false,
        }
    }

    /// Starts everybody; returns when all shards accept.
    pub(super) fn start(&mut self) -> Result<(), Refusal> {
        while !self.served {
            self.turn();
            if let Some(why) = self.failed.take() {
                self.end();
                return Err(Refusal::Worker(why));
            }
            if self.ending != Ending::Not && self.workers.is_empty() {
                self.end();
                return Err(Refusal::Worker("ended by a signal before it served".to_owned()));
            }
        }
        let addresses = self.estate.addresses(&self.deployment.needs);
        self.house.serving(&addresses, self.workers.first().map_or(0, |worker| worker.blocks.len()));
        Ok(())
    }

    /// Starts a worker beside those that are there; returns when it accepts, or when the end was asked for.
    ///
    /// # Errors
    /// Why it does not, for people.
    pub(super) fn start_successor(&mut self) -> Result<(), String> {
        while !self.served && self.ending == Ending::Not {
            self.turn();
            if let Some(why) = self.failed.take() {
                return Err(why);
            }
        }
        // The end may have come first.
        self.served = true;
        Ok(())
    }

    /// The workers that are there serve on.
    pub(super) fn went_on(&mut self) {
        self.served = true;
        let serves = self.workers.iter().any(|worker| worker.phase == Phase::Serving);
        self.worker_due = (!serves).then(Instant::now);
    }

    /// Runs until the end was asked for and everybody has ended.
    pub(super) fn run(&mut self) {
        if std::mem::take(&mut self.reload_wanted) && self.ending == Ending::Not {
            self.begin_reload(Asker::Signal, false);
        }
        while self.ending == Ending::Not || !self.workers.is_empty() {
            self.turn();
        }
        self.end();
    }

    /// Standard output and error have moved: whoever has the old ones is told.
    pub(super) fn streams_moved(&mut self) {
        // Access logs may go to standard output.
        self.logger.dismiss_quietly();
        self.fill_posts(Instant::now());
        let log = self.deployment.needs.error_log.clone();
        self.redirect_errors(&log);
    }

    /// One turn of the loop: waits for events and lets each have its effect.
    fn turn(&mut self) {
        let now = Instant::now();
        self.on_time(now);
        self.report(now);
        let (sources, fds): (Vec<Source>, Vec<BorrowedFd<'_>>) = self.sources().into_iter().unzip();
        let nap = self.due().map_or(NAP, |due| due.saturating_duration_since(Instant::now()));
        match sys::poll::any_readable(&fds, Some(nap)) {
            Ok(ready) => {
                drop(fds);
                let ready = sources.into_iter().zip(ready).filter(|(_, ready)| *ready);
                for (source, _) in ready {
                    self.on(source);
                }
            }
            Err(error) => log::error!("the supervisor cannot wait: {error}"),
        }
    }

    fn sources(&self) -> Vec<(Source, BorrowedFd<'_>)> {
        let mut sources = vec![(Source::Signals, self.signals.fd())];
        sources.extend(self.auth.fds().map(|fd| (Source::Auth, fd)));
        sources.extend(self.pam.post.fds().map(|fd| (Source::Pam, fd)));
        sources.extend(self.logger.fds().map(|fd| (Source::Logger, fd)));
        sources.extend(self.agent.fds().map(|fd| (Source::Agent, fd)));
        for worker in &self.workers {
            sources.push((Source::Worker(worker.generation), worker.link.fd()));
            sources.extend(worker.life.fd().map(|fd| (Source::WorkerEnd(worker.generation), fd)));
        }
        sources.extend(self.examination().map(|examination| (Source::Examination, examination.fd())));
        sources.extend(self.rehearsal().map(|rehearsal| (Source::Rehearsal, rehearsal.fd())));
        sources.extend(self.control.listener().map(|fd| (Source::Listener, fd)));
        sources.extend(self.control.fds().map(|(id, fd)| (Source::Connection(id), fd)));
        sources
    }

    /// When something falls due.
    fn due(&self) -> Option<Instant> {
        let workers = self.workers.iter().filter_map(|worker| worker.deadline);
        let others = [
            self.auth.due(),
            self.pam_due(),
            self.logger.due(),
            self.agent_due(),
            self.worker_due,
            self.looks.due(),
            self.change.as_ref().map(|change| change.deadline),
            self.control.due(),
            self.estate.bans.due(),
            self.estate.upstreams.due(),
            self.estate.limits.due(),
            self.files_due(),
            self.rotation_due(),
            self.report_due(),
            self.metrics_due(),
            (self.house.ticks() && self.served).then_some(self.next_tick),
        ];
        workers.chain(others.into_iter().flatten()).min()
    }

    fn on_time(&mut self, now: Instant) {
        self.look_after_pam();
        self.look_after_auth(now);
        self.fill_posts(now);
        self.look_after_agent(now);
        if self.worker_due.is_some_and(|due| due <= now) {
            self.worker_due = None;
            if self.ending == Ending::Not {
                self.replace_worker();
            }
        }
        for worker in &mut self.workers {
            if worker.deadline.is_some_and(|deadline| deadline <= now) {
                log::error!("worker {} took too long and is ended", worker.generation);
                worker.deadline = None;
                worker.end();
            }
        }
        if self.change.as_ref().is_some_and(|change| change.deadline <= now) {
            self.abandon("it took too long");
        }
        self.control.on_time(now);
        self.look_after_listeners(now);
        self.look_after_bans(now);
        self.look_after_upstreams(now);
        self.look_after_limits(now);
        self.look_after_rotation(now);
        self.look_after_metrics(now);
        if self.files_due().is_some_and(|due| due <= now) {
            self.look_after_files(now);
        }
        if self.house.ticks() && self.served && self.next_tick <= now {
            self.next_tick += SECOND;
            self.tick();
        }
    }

    pub(super) fn tick(&mut self) {
        let counters = self.counters();
        self.house.tick(&counters);
    }

    fn on(&mut self, source: Source) {
        match source {
            Source::Signals => self.on_signals(),
            Source::Auth => self.on_auth(),
            Source::Pam => self.on_pam(),
            // Nothing that it says before its end matters.
            Source::Logger => self.on_logger(),
            Source::Agent => self.on_agent(),
            Source::Worker(generation) => self.on_worker(generation),
            Source::WorkerEnd(generation) => self.on_worker_end(generation),
            Source::Examination => self.on_examination(),
            Source::Rehearsal => self.on_rehearsal(),
            Source::Listener => self.control.accept(),
            Source::Connection(id) => self.on_request(id),
        }
    }

    fn on_signals(&mut self) {
        loop {
            match self.signals.pending() {
                Ok(Some(signal)) => self.on_signal(signal),
                Ok(None) => return,
                Err(error) => return log::error!("a signal cannot be read: {error}"),
            }
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Terminate | Signal::Interrupt | Signal::Quit if self.ending == Ending::Not => {
                let patience = self.drain_patience();
                log::info!("{signal}: accepting no more; running requests have {} s", patience.as_secs_f32());
                self.begin_drain();
            }
            Signal::Terminate | Signal::Interrupt | Signal::Quit => {
                log::warn!("{signal} again: stopping at once");
                self.begin_stop();
            }
            // Nothing can be changed before there is something; afterwards it is done.
            Signal::Hangup if !self.served => self.reload_wanted = true,
            Signal::Hangup => self.begin_reload(Asker::Signal, false),
            Signal::User1 => self.reopen_logs(|_| true),
            Signal::User2 => self.begin_upgrade(Asker::Signal, None),
            Signal::Child => {}
        }
    }

    pub(super) fn drain_patience(&self) -> Duration {
        Duration::from_millis(self.deployment.needs.drain_millis)
    }

    // Children.

    pub(super) fn hello(&self) -> Hello {
        let own = matches!(self.stage, Stage::Processes(_));
        let identity = self.identity.as_ref().filter(|_| own).map(IdentityEntry::from);
        let sandbox = self.deployment.needs.sandbox;
        Hello { version: LINK_VERSION, identity, level: self.level, folder: self.house.folder(), sandbox }
    }

    /// Tells the logger all destinations.
    pub(super) fn tell_sinks(&mut self) {
        if let Some(pressure) = &self.estate.pressure {
            self.logger.send(&ToLogger::Pressure { sinks: Pressure::SINKS }, &[pressure.fd()]);
        }
        for at in 0..self.estate.sinks().len() {
            if !self.tell_sink(at) {
                return;
            }
        }
    }

    /// Tells the logger a destination; `false` when it cannot be told.
    pub(super) fn tell_sink(&mut self, at: usize) -> bool {
        let sink = &self.estate.sinks()[at];
        let Some(room) = &sink.room else { return true };
        let message = ToLogger::Sink {
            number: at as u16,
            name: super::estate::name(&sink.output),
            output: sink.output.clone(),
            cells: room.cells(),
            hold_at: sink.hold_at,
            epoch: self.estate.epoch,
            spilled: room.spill().is_some(),
            turn: sink.turning.turn,
            rotation: sink.turning.needs,
            messages: sink.turning.messages,
        };
        // The standard streams are there already; something has to come with the message.
        let null = File::options().write(true).open("/dev/null");
        let fd = sink.file.as_ref().or(null.as_ref().ok()).map(AsFd::as_fd);
        fd.is_none_or(|fd| self.logger.send(&message, &[fd, room.fd()]))
    }

    /// Starts a worker for what is in force.
    fn replace_worker(&mut self) {
        let opened = Opened::default();
        let (needs, identity) = (self.deployment.needs.clone(), self.identity.clone());
        match self.begin_worker(&needs, identity.as_ref()) {
            Ok(mut worker) => {
                if !self.served {
                    self.awaited = Some(worker.generation);
                }
                let told = worker.deploy(&self.deployment, &self.estate, &opened);
                let told = told.and_then(|()| worker.begin());
                self.workers.push(worker);
                if let Err(error) = told {
                    self.distrust(self.workers.len() - 1, &error);
                }
            }
            Err(error) => {
                self.worker_lost(None, &format!("worker cannot be started: {error}"), Duration::ZERO);
            }
        }
    }

    /// Starts a worker up to the point where it needs a site.
    pub(super) fn begin_worker(
        &mut self,
        needs: &Needs,
        identity: Option<&Identity>,
    ) -> std::io::Result<Worker> {
        self.generations += 1;
        let generation = self.generations;
        let cores = shards::cores(needs.shards)?;
        let own = matches!(self.stage, Stage::Processes(_));
        let identity = identity.filter(|_| own).map(IdentityEntry::from);
        let hello = Hello { identity, sandbox: needs.sandbox, ..self.hello() };
        let (log, lines) = sys::packet::pair()?;
        let errors = self.errors.as_ref().map(AsFd::as_fd);
        let (life, link) = self.stage.start(Role::Worker, errors)?;
        if needs.metrics {
            // Whoever asks first is answered, too.
            self.show_metrics();
        }
        let tail = self.tail.as_ref().map(Tail::reading);
        let metrics = self.metrics.as_ref().map(Metrics::reading);
        let seen = Seen { pressure: self.estate.pressure.as_ref(), tail, metrics };
        let birth = Birth { generation, hello, cores: &cores, log, lines, seen };
        let worker = Worker::greet(life, link, birth)?;
        self.logger.send(&ToLogger::Producer { generation }, &[worker.lines.as_fd()]);
        Ok(worker)
    }

    pub(super) fn worker_at(&self, generation: u32) -> Option<usize> {
        self.workers.iter().position(|worker| worker.generation == generation)
    }

    fn on_worker(&mut self, generation: u32) {
        for _ in 0..TURN {
            let Some(at) = self.worker_at(generation) else { return };
            match self.workers[at].link.receive() {
                Ok(None) => return,
                Ok(Some((FromWorker::Upstreams, mut sealed))) => self.hear_upstreams(at, sealed.pop()),
                Ok(Some((message, _))) => self.on_worker_message(at, message),
                Err(LinkError::Closed) => return self.on_worker_closed(at),
                Err(error) => return self.distrust(at, &error),
            }
        }
    }

    fn on_worker_message(&mut self, at: usize, message: FromWorker) {
        let worker = &mut self.workers[at];
        let generation = worker.generation;
        match (message, worker.phase) {
            (FromWorker::Serving, Phase::Starting) => {
                worker.phase = Phase::Serving;
                worker.deadline = None;
                if self.change.as_ref().and_then(Change::generation) == Some(generation) {
                    self.carry_out();
                }
                self.served |= self.awaited == Some(generation);
                if self.deployment.needs.metrics {
                    // Nobody is to read for a second that nobody serves.
                    self.show_metrics();
                }
            }
            (FromWorker::LetGo, Phase::Retiring | Phase::Draining) if !worker.let_go => {
                worker.let_go = true;
                self.have_them_look();
            }
            (FromWorker::Login { ticket, realm, user, secret, client }, _) => {
                self.on_login(at, Question { ticket, realm, user, secret, client });
            }
            (FromWorker::Prepared, Phase::Serving) => self.on_prepared(at),
            (FromWorker::Committed, Phase::Serving) => self.on_committed(generation),
            (FromWorker::Refused { why }, Phase::Serving) => self.on_refused(generation, &why),
            (FromWorker::Refused { why }, Phase::Starting) => {
                if self.change.as_ref().and_then(Change::generation) == Some(generation) {
                    self.abandon(&why);
                } else if !self.served && self.awaited == Some(generation) {
                    self.failed = Some(why);
                } else {
                    log::error!("worker {generation} cannot serve: {why}");
                }
            }
            // It has answered what it was told before it was told to end.
            (
                FromWorker::Serving
                | FromWorker::Prepared
                | FromWorker::Committed
                | FromWorker::Refused { .. },
                Phase::Retiring | Phase::Draining,
            ) => {}
            (FromWorker::Offenders { clients }, phase) if phase != Phase::Starting => {
                self.hear_offenders(at, &clients);
            }
            (FromWorker::LimitsTold { uses }, phase) if phase != Phase::Starting => self.hear_limits(&uses),
            // What the last lines say is in its counters, too.
            (FromWorker::Ended { .. }, _) => {}
            _ => self.distrust(at, &"it said what it may not say now"),
        }
    }

    /// Ends a worker that sends or takes what it should not; its end is handled when it comes.
    pub(super) fn distrust(&mut self, at: usize, why: &dyn std::fmt::Display) {
        let worker = &self.workers[at];
        log::error!("worker {} is ended: {why}", worker.generation);
        worker.life.kill();
        if worker.life.fd().is_none() {
            self.on_worker_closed(at);
        }
    }

    /// Its link is closed: a process is about to end, a thread has.
    fn on_worker_closed(&mut self, at: usize) {
        let generation = self.workers[at].generation;
        self.workers[at].life.kill();
        if let Some(fd) = self.workers[at].life.fd() {
            // It was killed, so that this takes no time.
            let _ = sys::poll::readable(fd, Some(SECOND));
        }
        self.on_worker_end(generation);
    }

    fn on_worker_end(&mut self, generation: u32) {
        let Some(at) = self.worker_at(generation) else { return };
        // The last words of a process are read before its end is.
        for _ in 0..TURN {
            let Ok(Some((message, _))) = self.workers[at].link.receive() else { break };
            if matches!(message, FromWorker::Refused { .. }) && !self.workers[at].is_leaving() {
                self.on_worker_message(at, message);
                break;
            }
        }
        let Some(at) = self.worker_at(generation) else { return };
        let mut worker = self.workers.swap_remove(at);
        let how = worker.life.ended().unwrap_or_else(|| "closed link".to_owned());
        let (leaving, ran) = (worker.is_leaving(), worker.begun.elapsed());
        self.bury(worker);
        // A change that waits for it fails. Whether it is missed is another question.
        let mine = self.change.as_ref().filter(|change| change.generation() == Some(generation));
        let new = mine.is_some_and(|change| matches!(change.step, Step::Starting(_)));
        if mine.is_some() {
            self.abandon(&format!("the worker has ended ({how})"));
        }
        if !new && !leaving && self.ending == Ending::Not {
            let what = format!("worker {generation} has ended ({how})");
            self.worker_lost(Some(generation), &what, ran);
        }
    }

    /// Adds the numbers of a worker that has ended to those of the others.
    pub(super) fn bury(&mut self, worker: Worker) {
        if !worker.let_go {
            self.looks.lost(Instant::now());
        }
        self.past = self.past.and(Ledger::ended(&worker.blocks));
        self.grave.add_ended(&worker.blocks);
        self.bury_lines(worker);
    }

    /// A worker that ought to serve does not.
    fn worker_lost(&mut self, generation: Option<u32>, what: &str, ran: Duration) {
        if !self.served && generation == self.awaited {
            self.failed.get_or_insert(what.to_owned());
            return;
        }
        self.crashes += 1;
        if !self.served {
            // One of the program before: the worker that is awaited takes its place.
            return log::error!("{what}");
        }
        let pause = self.backoff.pause(ran);
        log::error!("{what}; another is started in {} s", pause.as_secs_f32());
        self.worker_due = Some(Instant::now() + pause);
    }

    // Logs and numbers.

    /// Puts the files of logs aside that have rules for that, and opens all others again.
    pub(super) fn rotate_logs(&mut self) {
        self.rotate_inside();
        self.reopen_logs(|sink| sink.turning.needs.is_none());
    }

    /// Opens the log files again of which `wanted` is true, and the error log.
    fn reopen_logs(&mut self, wanted: fn(&Sink) -> bool) {
        for trouble in self.estate.reopen_sinks(wanted) {
            log::error!("{}; what was open before stays in use", trouble.cause);
        }
        self.tell_sinks();
        let log = self.deployment.needs.error_log.clone();
        self.redirect_errors(&log);
    }

    /// Sends the messages of all processes there.
    pub(super) fn redirect_errors(&mut self, log: &crate::message::LogNeeds) {
        match super::estate::open_log(log) {
            Ok(file) => self.errors = file,
            Err(trouble) => return log::error!("{}; what was open before stays in use", trouble.cause),
        }
        if let Err(why) = self.house.errors_to(&log.output) {
            log::error!("{why}");
        }
        let own = std::io::stderr();
        let errors = self.errors.as_ref().map_or(own.as_fd(), AsFd::as_fd);
        self.logger.send(&ToLogger::ErrorLog, &[errors]);
        self.auth.send(&ToAuth::ErrorLog, &[errors]);
        self.agent.post.send(&ToAgent::ErrorLog, &[errors]);
        self.pam.post.send(&ToPam::ErrorLog, &[errors]);
        for worker in &self.workers {
            // Whoever cannot be told is about to end.
            let _ = worker.link.send(&ToWorker::ErrorLog, &[errors]);
        }
    }

    /// Sets the least important level of all messages.
    pub(super) fn set_level(&mut self, level: u32) {
        self.level = level;
        self.house.verbosity(level);
        for worker in &self.workers {
            // As above.
            let _ = worker.link.send(&ToWorker::Verbosity { level }, &[]);
        }
    }

    /// What became of everything so far.
    pub(super) fn ledger(&self) -> Ledger {
        let running = self.workers.iter().map(|worker| Ledger::running(&worker.blocks));
        running.fold(self.past, Ledger::and)
    }
}
