//! An upgrade, as the program sees it that is to be replaced: rehearse the new one beside us, then become it. Pid,
//! children, sockets and pending signals stay; if the new program does not come to serve, it becomes us again.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use perf::Counter;
use sys::spawn::Program;

use super::change::{Asker, Change, Step};
use super::doors::Door;
use super::rehearsal::Rehearsal;
use super::reply::Reply;
use super::room::Room;
use super::run::Supervisor;
use super::worker::Worker;
use crate::message::{
    Kept, KeptAsker, KeptDoor, KeptFile, KeptListener, KeptPassed, KeptProcess, KeptSilent, KeptSink,
    KeptSocket, KeptWorker, LINK_VERSION, STATE_VERSION, State,
};
use crate::role::Role;
use crate::sealed::seal;
use crate::stage::Stage;
use crate::wire::Bytes;

impl Supervisor<'_> {
    /// The rehearsal under way.
    pub(super) fn rehearsal(&self) -> Option<&Rehearsal> {
        match &self.change.as_ref()?.step {
            Step::Rehearsing(rehearsal) => Some(rehearsal),
            _ => None,
        }
    }

    /// Begins an upgrade to the program at `path`, or to what is at the path that we were started from.
    pub(super) fn begin_upgrade(&mut self, asker: Asker, path: Option<PathBuf>) {
        self.report_change("upgrading");
        self.put_files_off();
        if let Some(why) = self.busy() {
            return self.tell(asker, Reply::Refused(why.to_owned()));
        }
        match self.rehearse(path) {
            Ok(rehearsal) => self.change = Some(Change::rehearsing(asker, rehearsal)),
            Err(why) => self.tell(asker, Reply::Refused(why)),
        }
    }

    fn rehearse(&self, path: Option<PathBuf>) -> Result<Rehearsal, String> {
        let Stage::Processes(_) = self.stage else {
            return Err("with \"privsep\": false there is one process, which has to be restarted".to_owned());
        };
        let path = path.unwrap_or_else(|| self.program.clone());
        let papers = self.papers().map_err(|error| error.to_string())?;
        let (state, _) = self.pack(&path, &papers, None);
        Rehearsal::start(&path, &state, self.errors.as_ref().map(AsFd::as_fd))
    }

    /// Something came from the rehearsal.
    pub(super) fn on_rehearsal(&mut self) {
        let Some(Change { step: Step::Rehearsing(rehearsal), .. }) = &mut self.change else { return };
        match rehearsal.verdict() {
            Ok(None) => {}
            Ok(Some(version)) => self.make_way(&version),
            Err(why) => self.abandon(&why),
        }
    }

    /// The successor is fit: becomes it.
    fn make_way(&mut self, version: &str) {
        let Some(Change { asker, step: Step::Rehearsing(mut rehearsal), .. }) = self.change.take() else {
            return;
        };
        // The successor would not know that it has this child.
        rehearsal.end();
        log::info!("{} is kimura {version} and fit; taking over", rehearsal.path.display());
        self.finish_logger();
        self.pam.post.close();
        self.pam_lost();
        self.auth.close();
        self.auth_lost();
        self.logins_lost();
        self.control.settle();
        self.agent.retire();
        let why = self.become_successor(&rehearsal, asker);
        // The posts are filled again with the next turn.
        self.tell(asker, Reply::Refused(format!("nothing has changed: {why}")));
    }

    /// Returns only why it could not.
    fn become_successor(&self, rehearsal: &Rehearsal, asker: Asker) -> String {
        let (Stage::Processes(own), Stage::Processes(successor)) = (&self.stage, &rehearsal.stage) else {
            return "there is only one process".to_owned();
        };
        let papers = match self.papers() {
            Ok(papers) => papers,
            Err(error) => return error.to_string(),
        };
        let (state, mut kept) = self.pack(&rehearsal.path, &papers, Some(asker));
        let state = match seal(&state) {
            Ok(state) => state,
            Err(error) => return error.to_string(),
        };
        kept.extend([state.as_fd(), own.fd()]);
        let error = hand_over(successor, &[state.as_fd(), own.fd()], &kept);
        format!("{} cannot be executed: {error}", rehearsal.path.display())
    }

    fn papers(&self) -> std::io::Result<Papers> {
        let bans = Bytes(self.estate.bans.text().into_bytes());
        let failures = self.estate.bans.failures();
        Ok(Papers {
            needs: seal(&self.deployment.needs)?,
            bans: seal(&bans)?,
            failures: seal(&failures)?,
            upstreams: seal(self.estate.upstreams.orders())?,
        })
    }

    /// Everything that a successor needs, and the descriptors among it.
    fn pack<'s>(
        &'s self,
        successor: &Path,
        papers: &'s Papers,
        asker: Option<Asker>,
    ) -> (State, Vec<BorrowedFd<'s>>) {
        let mut case = Case::default();
        let asker = match asker {
            Some(Asker::Control(id)) => self.control.connection(id),
            Some(Asker::Signal | Asker::Tickets | Asker::Files | Asker::Names) | None => None,
        };
        let state = State {
            version: STATE_VERSION,
            links: LINK_VERSION,
            from: env!("CARGO_PKG_VERSION").to_owned(),
            old_program: self.program.clone(),
            new_program: successor.to_owned(),
            arguments: self.house.arguments().into_iter().map(Bytes).collect(),
            folder: self.house.folder(),
            level: self.level,
            uptime_millis: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            reloads: self.reloads,
            upgrades: self.upgrades,
            crashes: self.crashes,
            wrong_proofs: self.control.wrong_proofs,
            generations: self.generations,
            subject: self.deployment.subject.clone(),
            text: case.put(self.deployment.text.as_fd()),
            needs: case.put(papers.needs.as_fd()),
            files: case.put(self.deployment.files.workers.as_fd()),
            auth_files: case.put(self.deployment.files.auth.as_fd()),
            agent_files: case.put(self.deployment.files.agent.as_fd()),
            listeners: self
                .estate
                .listeners()
                .iter()
                .map(|listener| KeptListener {
                    written: listener.written.clone(),
                    sockets: listener
                        .sockets
                        .iter()
                        .map(|socket| KeptSocket { id: socket.id, fd: case.put(socket.fd.as_fd()) })
                        .collect(),
                })
                .collect(),
            passed: self
                .estate
                .passed()
                .groups()
                .map(|(address, sockets)| KeptPassed {
                    address: address.to_string(),
                    sockets: sockets.map(|socket| case.put(socket)).collect(),
                })
                .collect(),
            sockets: self.estate.last_id(),
            tickets: self.estate.tickets.told(),
            bans: case.put(papers.bans.as_fd()),
            upstreams: case.put(papers.upstreams.as_fd()),
            failures: case.put(papers.failures.as_fd()),
            limits: self.estate.limits.settings().to_vec(),
            sinks: self
                .estate
                .sinks()
                .iter()
                .map(|sink| KeptSink {
                    output: sink.output.clone(),
                    fd: sink.file.as_ref().map(|file| case.put(file.as_fd())),
                    queue: sink.room.as_ref().map(|room| case.put(room.fd())),
                    cells: sink.room.as_ref().map_or(0, Room::cells),
                    hold_at: sink.hold_at,
                    spill: sink.room.as_ref().and_then(Room::spill).map(Path::to_owned),
                })
                .collect(),
            pressure: self.estate.pressure.as_ref().map(|cells| case.put(cells.fd())),
            epoch: self.estate.epoch,
            control: self
                .control
                .socket()
                .map(|(path, fd)| KeptFile { path: path.to_owned(), fd: case.put(fd) }),
            pid_file: self
                .pid_file
                .as_ref()
                .map(|file| KeptFile { path: file.path().to_owned(), fd: case.put(file.fd()) }),
            counters: Counter::ALL.iter().map(|counter| counter.name().to_owned()).collect(),
            grave: case.put(self.grave.fd()),
            ended: self.past.entries(),
            workers: self.workers.iter().filter_map(|worker| keep_worker(worker, &mut case)).collect(),
            silent: self
                .control
                .silent()
                .map(|(fd, origin)| KeptSilent { fd: case.put(fd), from: origin.address() })
                .collect(),
            doors: self.estate.doors.all().iter().map(|door| keep_door(door, &mut case)).collect(),
            leaving: self
                .agent
                .leaving()
                .map(|(pid, process)| KeptProcess { pid, process: case.put(process) })
                .collect(),
            tail: self.tail.as_ref().map(|tail| case.put(tail.memory())),
            asker: asker.map(|(fd, who, origin)| KeptAsker {
                fd: case.put(fd),
                who: who.to_owned(),
                from: origin.address(),
            }),
        };
        (state, case.fds)
    }

    /// Why nothing can be changed now.
    pub(super) fn busy(&self) -> Option<&'static str> {
        if self.is_ending() {
            Some("the server is ending")
        } else if !self.served {
            Some("the server is about to begin; try again when it serves")
        } else if self.change.is_some() {
            Some("another reload or upgrade is under way; try again when it has ended")
        } else {
            None
        }
    }
}

/// What is too long for [`State`] itself, sealed.
struct Papers {
    needs: OwnedFd,
    bans: OwnedFd,
    failures: OwnedFd,
    upstreams: OwnedFd,
}

fn keep_door<'d>(door: &'d Door, case: &mut Case<'d>) -> KeptDoor {
    let sockets = door.sockets.iter().map(|socket| case.put(socket.as_fd())).collect();
    KeptDoor { written: door.written.clone(), sockets }
}

fn keep_worker<'w>(worker: &'w Worker, case: &mut Case<'w>) -> Option<KeptWorker> {
    Some(KeptWorker {
        generation: worker.generation,
        pid: worker.life.pid(),
        process: case.put(worker.life.fd()?),
        link: case.put(worker.link.fd()),
        lines: case.put(worker.lines.as_fd()),
        phase: worker.kept_phase(),
        blocks: worker.blocks.iter().map(|block| case.put(block.fd())).collect(),
    })
}

/// Collects descriptors.
#[derive(Default)]
struct Case<'f> {
    fds: Vec<BorrowedFd<'f>>,
}

impl<'f> Case<'f> {
    fn put(&mut self, fd: BorrowedFd<'f>) -> Kept {
        self.fds.push(fd);
        number(fd)
    }
}

fn number(fd: BorrowedFd<'_>) -> Kept {
    // A descriptor that is open is not negative.
    fd.as_raw_fd().unsigned_abs()
}

/// Becomes `program`, in the role of the supervisor, which finds `numbers` among its arguments. Returns only why not.
fn hand_over(program: &Program, numbers: &[BorrowedFd<'_>], kept: &[BorrowedFd<'_>]) -> std::io::Error {
    let title = Role::Supervisor.row().title.to_owned();
    let words = std::iter::once(title).chain(numbers.iter().map(|fd| number(*fd).to_string()));
    match words.map(CString::new).collect::<Result<Vec<_>, _>>() {
        Ok(arguments) => program.become_it(&arguments, kept),
        Err(error) => error.into(),
    }
}

/// Goes back to the program that this process was before: `state` and `previous` are the descriptors that it has left.
/// Returns only why it could not.
pub fn give_back(state: &OwnedFd, previous: OwnedFd, why: &str) -> std::io::Error {
    let verdict = match seal(&why.to_owned()) {
        Ok(verdict) => verdict,
        Err(error) => return error,
    };
    let previous = Program::from_fd(previous);
    let numbers = [state.as_fd(), previous.fd(), verdict.as_fd()];
    hand_over(&previous, &numbers, &numbers)
}
