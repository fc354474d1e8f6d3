//! How a change of what is served comes about: the steps of [`Change`], and what each of them may meet.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::boot::own_uid;
use super::change::{Asker, Change, Next, Step, Swap};
use super::estate::Opened;
use super::examination::{Examination, Found, Verdict, problems_text};
use super::reply::Reply;
use super::run::Supervisor;
use super::worker::Phase;
use super::{bans, files, identity, logins, pam, plan, shards, watch};
use crate::message::{Depth, Hello, Needs, PlanReport, ToAuth, ToWorker, Trouble};

impl Supervisor<'_> {
    /// The examination under way.
    pub(super) fn examination(&self) -> Option<&Examination> {
        match &self.change.as_ref()?.step {
            Step::Examining(examination) | Step::Judging(examination, _) => Some(examination),
            _ => None,
        }
    }

    /// Begins to read the configuration again.
    pub(super) fn begin_reload(&mut self, asker: Asker, plan_only: bool) {
        self.put_files_off();
        if !plan_only {
            self.report_change("reloading");
        }
        if let Some(why) = self.busy() {
            return self.tell(asker, refused(why));
        }
        match self.begin_examination() {
            Ok(examination) => self.change = Some(Change::new(asker, plan_only, examination)),
            Err(why) => self.tell(asker, refused(&why)),
        }
    }

    /// Nobody is refused because files or names are being looked at: the next look finds what this one has.
    pub(super) fn put_files_off(&mut self) {
        let own = |change: &Change| matches!(change.asker, Asker::Files | Asker::Names);
        self.change.take_if(|change| own(change) && change.generation().is_none());
    }

    fn begin_examination(&mut self) -> Result<Examination, String> {
        let text = self.house.text()?;
        Examination::start(&self.stage, self.hello(), self.house.subject(), &text, Depth::Whole)
            .map_err(|error| format!("the configuration cannot be examined: {error}"))
    }

    /// Something came from the examination.
    pub(super) fn on_examination(&mut self) {
        let Some(Change { step: Step::Examining(examination) | Step::Judging(examination, _), .. }) =
            &mut self.change
        else {
            return;
        };
        match examination.verdict() {
            Ok(None) => {}
            Ok(Some(Verdict::Fit)) => self.on_fit(),
            Ok(Some(Verdict::Wrong(count, text))) => {
                let Some(change) = self.change.take() else { return };
                self.tell(change.asker, Reply::Problems(count, text));
            }
            Ok(Some(Verdict::Right(found))) => self.on_right(*found),
            Err(error) => self.abandon(&format!("its examination failed: {error}")),
        }
    }

    /// The configuration is right: opens what it needs and starts who is to serve it.
    fn on_right(&mut self, mut found: Found) {
        if self.change.take_if(|change| change.asker == Asker::Names).is_some() {
            return self.adopt_addresses(&found.needs.access_logs);
        }
        let report = plan::plan(&self.deployment.needs, &found.needs);
        let Some(change) = &self.change else { return };
        if change.asker == Asker::Files {
            return match self.open_files() {
                Ok(next) => self.judge(next),
                Err(troubles) => self.explain(troubles),
            };
        }
        if change.plan_only {
            let asker = change.asker;
            self.change = None;
            return self.tell(asker, Reply::Plan(Box::new(report)));
        }
        found.needs = plan::without_restart(&self.deployment.needs, found.needs);
        match self.open(found, report) {
            Ok(next) => self.judge(next),
            Err(troubles) => self.explain(troubles),
        }
    }

    /// Has what the files hold looked at.
    fn judge(&mut self, next: Next) {
        let Some(Change { asker, step: Step::Examining(mut examination), .. }) = self.change.take() else {
            return;
        };
        match examination.judge(&next.deployment.files) {
            Ok(()) => self.change = Some(Change::judging(asker, examination, next)),
            Err(error) => self.tell(asker, refused(&format!("its examination failed: {error}"))),
        }
    }

    /// The files are right, too.
    fn on_fit(&mut self) {
        match self.change.take() {
            Some(Change { asker, step: Step::Judging(_, next), .. }) => self.go_over(asker, *next),
            other => {
                self.change = other;
                self.abandon("its examination said what it may not say now");
            }
        }
    }

    fn open(&mut self, found: Found, plan: PlanReport) -> Result<Next, Vec<Trouble>> {
        let needs = &found.needs;
        let files = files::read(needs)?;
        bans::check(needs)?;
        self.probe_pam(needs)?;
        let identity = identity::resolve(needs).map_err(|trouble| vec![trouble])?;
        let count = shards::cores(needs.shards).map_or(1, |cores| cores.len());
        let opened = self.estate.open(needs, shards::group(count))?;
        let control = self.control.prepare(&needs.control, own_uid())?;
        self.tell_sinks();
        Ok(Next { deployment: found.with(files), opened, control, plan, identity, generation: 0 })
    }

    /// What is in force, with its files as they are now.
    fn open_files(&mut self) -> Result<Next, Vec<Trouble>> {
        let files = files::read(&self.deployment.needs)?;
        let next = self.next_like_this().map_err(|error| {
            let cause = format!("what is served cannot be prepared once more: {error}");
            vec![Trouble { pointer: String::new(), cause, cure: "raise the limit of open files".to_owned() }]
        });
        let mut next = next?;
        next.deployment.files = files;
        Ok(next)
    }

    /// What is in force, as what is to be.
    fn next_like_this(&mut self) -> io::Result<Next> {
        let deployment = self.deployment.duplicate()?;
        let needs = &deployment.needs;
        let control = self.control.prepare(&needs.control, own_uid());
        let control = control.map_err(|_| io::Error::other("the control socket cannot be kept"))?;
        let (plan, identity) = (plan::plan(needs, needs), self.identity.clone());
        Ok(Next { deployment, opened: Opened::default(), control, plan, identity, generation: 0 })
    }

    /// Takes a look at the files, and reads them again when they have changed.
    fn look_at_files(&mut self, now: Instant) {
        let seen = watch::marks(&self.deployment.needs.files);
        if !self.watch.look(now, seen, &self.deployment.files.marks) || self.busy().is_some() {
            return;
        }
        let (subject, text) = (self.deployment.subject.clone(), self.deployment.text.as_fd());
        match Examination::again(&self.stage, self.hello(), subject, text, Depth::Text) {
            Ok(examination) => self.change = Some(Change::new(Asker::Files, false, examination)),
            Err(error) => {
                let why = format!("the configuration cannot be examined: {error}");
                self.tell(Asker::Files, refused(&why));
            }
        }
    }

    /// Whether PAM can be asked, where it was not before: a process looks, which takes a moment.
    fn probe_pam(&self, needs: &Needs) -> Result<(), Vec<Trouble>> {
        let known = |service: &str| self.deployment.needs.pam.iter().any(|place| place.service == service);
        if needs.pam.iter().all(|place| known(&place.service)) {
            return Ok(());
        }
        let hello = Hello { identity: None, ..self.hello() };
        pam::probe(self.stage.program(), &hello, needs)
    }

    /// Has the examination tell in terms of the text what could not be done.
    fn explain(&mut self, troubles: Vec<Trouble>) {
        let Some(Change { step: Step::Examining(examination), deadline, .. }) = &mut self.change else {
            return;
        };
        match examination.explain(troubles) {
            Ok(()) => *deadline = examination.deadline,
            Err(error) => self.abandon(&format!("its examination failed: {error}")),
        }
    }

    /// Has the worker that serves go over to what is next, or starts another one where that does not suffice.
    fn go_over(&mut self, asker: Asker, mut next: Next) {
        let swaps = next.plan.new_worker.is_empty();
        let serving = self.workers.iter().position(|worker| worker.phase == Phase::Serving);
        let Some(at) = serving.filter(|_| swaps) else { return self.start_next(asker, next) };
        let worker = &mut self.workers[at];
        next.generation = worker.generation;
        let told = worker.deploy(&next.deployment, &self.estate, &next.opened);
        let told = told.and_then(|()| worker.link.send(&ToWorker::Prepare, &[]));
        self.change = Some(Change::swapping(asker, next));
        if let Err(error) = told {
            self.distrust(at, &error);
        }
    }

    /// When to look after files, names and keys of tickets; never where there are none.
    pub(super) fn files_due(&self) -> Option<Instant> {
        let files = (!self.deployment.needs.files.is_empty()).then_some(self.watch.due);
        self.tickets_due().into_iter().chain(files).chain(self.names_due()).min()
    }

    /// Never where workers end no TLS.
    fn tickets_due(&self) -> Option<Instant> {
        self.estate.tickets.due.filter(|_| self.deployment.needs.is_secure())
    }

    /// Looks after files, names and keys of tickets.
    pub(super) fn look_after_files(&mut self, now: Instant) {
        if self.tickets_due().is_some_and(|due| due <= now) {
            self.rotate_tickets();
        }
        if self.watch.due <= now && !self.deployment.needs.files.is_empty() {
            self.look_at_files(now);
        }
        self.look_after_names(now);
    }

    /// Has the worker go over to new keys of TLS tickets.
    fn rotate_tickets(&mut self) {
        if self.busy().is_some() {
            return self.estate.tickets.later();
        }
        self.estate.tickets.rotate();
        match self.next_like_this() {
            Ok(next) => self.go_over(Asker::Tickets, next),
            Err(error) => log::error!("the keys of TLS tickets stay as they are: {error}"),
        }
    }

    /// Every shard holds the next configuration ready.
    pub(super) fn on_prepared(&mut self, at: usize) {
        let generation = self.workers[at].generation;
        if let Some(Change { step: Step::Swapping(next, swap @ Swap::Preparing), .. }) = &mut self.change
            && next.generation == generation
        {
            *swap = Swap::Committing;
            let shows_metrics = next.deployment.needs.metrics;
            // First, since shards that serve it ask at once.
            logins::learn(&mut self.auth, &mut self.logins, &next.deployment, &self.workers);
            if shows_metrics {
                self.show_metrics();
            }
            if let Err(error) = self.workers[at].link.send(&ToWorker::Commit, &[]) {
                self.distrust(at, &error);
            }
        }
    }

    /// Every shard serves the next configuration.
    pub(super) fn on_committed(&mut self, generation: u32) {
        if let Some(Change { step: Step::Swapping(next, Swap::Committing), .. }) = &self.change
            && next.generation == generation
        {
            self.carry_out();
        }
    }

    /// The worker that serves cannot go over: perhaps another one can serve it.
    pub(super) fn on_refused(&mut self, generation: u32, why: &str) {
        let waits = self.change.take_if(
            |change| matches!(&change.step, Step::Swapping(next, _) if next.generation == generation),
        );
        if let Some(Change { asker, step: Step::Swapping(next, _), .. }) = waits {
            log::info!("worker {generation} cannot go over, another is started: {why}");
            self.start_next(asker, *next);
        }
    }

    fn start_next(&mut self, asker: Asker, mut next: Next) {
        let begun = self.begin_worker(&next.deployment.needs, next.identity.as_ref());
        let mut worker = match begun {
            Ok(worker) => worker,
            Err(error) => {
                let why = format!("nothing has changed: no worker can be started: {error}");
                return self.tell(asker, refused(&why));
            }
        };
        next.generation = worker.generation;
        logins::learn(&mut self.auth, &mut self.logins, &next.deployment, &self.workers);
        let told = worker.deploy(&next.deployment, &self.estate, &next.opened);
        let told = told.and_then(|()| worker.begin());
        self.workers.push(worker);
        self.change = Some(Change::starting(asker, next));
        if let Err(error) = told {
            self.abandon(&format!("the new worker does not listen: {error}"));
        }
    }

    /// The new generation serves: what it serves is in force from now on, and the others end.
    pub(super) fn carry_out(&mut self) {
        let Some(Change { asker, step: Step::Starting(next) | Step::Swapping(next, _), .. }) =
            self.change.take()
        else {
            return;
        };
        let Next { deployment, opened, control, mut plan, identity, generation } = *next;
        self.estate.adopt(opened);
        self.estate.keep_only(&deployment.needs);
        if self.estate.retune(&deployment.needs) {
            self.tell_sinks();
        }
        self.control.adopt(control);
        let old = std::mem::replace(&mut self.deployment, deployment);
        self.identity = identity;
        let needs = self.deployment.needs.clone();
        if old.needs.control.secrets != needs.control.secrets {
            match sys::mem::sealed("kimura-secrets", &needs.control.secrets.0) {
                Ok(sealed) => {
                    self.auth.send(&ToAuth::Learn, &[sealed.as_fd()]);
                }
                Err(error) => {
                    log::error!("auth cannot be told the new secrets: {error}; it is started again");
                    self.auth.dismiss();
                }
            }
        }
        if old.needs.bans != needs.bans {
            self.estate.bans.adopt(needs.bans.as_ref());
            self.publish_bans();
        }
        if self.estate.upstreams.adopt(&needs.upstreams) {
            self.publish_upstreams();
        }
        let forgets = self.estate.limits.adopt(&needs.limits);
        if self.logins.refilled {
            logins::learn(&mut self.auth, &mut self.logins, &self.deployment, &self.workers);
        }
        self.renew_agent(&old);
        self.dismiss_idle_pam();
        if old.needs.error_log.output != needs.error_log.output {
            self.redirect_errors(&needs.error_log);
        }
        if old.needs.error_level != needs.error_level {
            self.set_level(needs.error_level);
        }
        let patience = self.drain_patience();
        for worker in self.workers.iter_mut().filter(|worker| worker.generation != generation) {
            worker.retire(patience);
        }
        if forgets {
            // Others still serve the places that are gone.
            self.publish_limits(|worker| !worker.is_leaving());
        }
        self.worker_due = None;
        match asker {
            Asker::Tickets | Asker::Names => return,
            Asker::Files => return log::info!("files have changed and were read again"),
            Asker::Signal | Asker::Control(_) => {}
        }
        self.reloads += 1;
        plan.done = true;
        log::info!("reloaded: {}", summary(&plan));
        if !plan.restart.is_empty() {
            log::warn!("in force as before: {}: restart the server to change that", plan.restart.join(", "));
        }
        self.tell(asker, Reply::Plan(Box::new(plan)));
    }

    /// Gives the change under way up, if there is one: what is in force stays.
    pub(super) fn abandon(&mut self, why: &str) {
        let Some(change) = self.change.take() else { return };
        let generation = change.generation();
        if matches!(change.step, Step::Swapping(_, Swap::Committing) | Step::Starting(_)) {
            logins::learn(&mut self.auth, &mut self.logins, &self.deployment, &self.workers);
        }
        for worker in self.workers.iter_mut().filter(|worker| Some(worker.generation) == generation) {
            match change.step {
                Step::Swapping(_, Swap::Preparing) => {
                    // Whoever cannot be told is about to end.
                    let _ = worker.link.send(&ToWorker::Abort, &[]);
                }
                // Nobody knows what it serves now; the one that takes its place serves what is in force.
                Step::Swapping(_, Swap::Committing) => worker.end(),
                _ => {
                    // Its end is no loss: nobody waits for it.
                    worker.phase = Phase::Draining;
                    worker.deadline = Some(Instant::now());
                    worker.end();
                }
            }
        }
        self.tell(change.asker, refused(&format!("nothing has changed: {why}")));
    }

    /// Gives the change under way up because the server ends: every worker, also one that is about to go over, ends as it
    /// is told next.
    pub(super) fn end_change(&mut self) {
        let Some(change) = self.change.take() else { return };
        if let Step::Swapping(next, Swap::Preparing) = &change.step {
            for worker in self.workers.iter().filter(|worker| worker.generation == next.generation) {
                // Whoever cannot be told is about to end.
                let _ = worker.link.send(&ToWorker::Abort, &[]);
            }
        }
        self.tell(change.asker, refused("nothing has changed: the server is ending"));
    }

    /// Tells whoever has asked.
    pub(super) fn tell(&mut self, asker: Asker, reply: Reply) {
        match (asker, reply) {
            (Asker::Control(id), reply) => self.answer(id, reply),
            (Asker::Tickets, Reply::Refused(why)) => {
                log::error!("the keys of TLS tickets stay as they are: {why}");
            }
            (Asker::Files, Reply::Refused(why)) => {
                log::error!("files have changed, and what they held before stays in force: {why}");
                self.watch.later(Instant::now());
            }
            (Asker::Files, Reply::Problems(_, text)) => {
                log::error!(
                    "files have changed, and what they held before stays in force:\n{}",
                    problems_text(&text)
                );
                self.watch.refuse();
            }
            (Asker::Names, Reply::Refused(why)) => {
                log::error!("names of receivers of logs cannot be looked up: {why}");
            }
            (Asker::Signal, Reply::Refused(why)) => log::error!("refused: {why}"),
            (Asker::Signal, Reply::Problems(_, text)) => {
                log::error!("reload refused, nothing has changed:\n{}", problems_text(&text));
            }
            // The log has been told.
            (Asker::Signal | Asker::Tickets | Asker::Files | Asker::Names, _) => {}
        }
    }
}

fn refused(why: &str) -> Reply {
    Reply::Refused(why.to_owned())
}

fn summary(plan: &PlanReport) -> String {
    format!(
        "hosts: {} kept, {} replaced, {} added, {} removed; addresses: {} opened, {} closed",
        plan.kept.len(),
        plan.replaced.len(),
        plan.added.len(),
        plan.removed.len(),
        plan.opened.len(),
        plan.closed.len(),
    )
}
