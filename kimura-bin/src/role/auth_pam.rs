//! Has PAM judge logins, each in a process of its own: modules are programs of others, which may hang, crash or know no
//! threads. So whatever one of them does, it does to one login.

use super::{Fault, Place, error_log_level, replace_error_log, show_messages};
use privsep::child::{enter_with_helpers, same_version};
use privsep::link::{Link, LinkError};
use privsep::message::{FromPam, Hello, PamLogin, PamVerdict, ToPam};
use privsep::role::Role;
use privsep::stage::{Life, start_process};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use sys::pam::{Judgement, Pam};
use sys::spawn::Program;

/// Most logins of a service at a time.
const LOGINS_MAX: usize = 8;
/// Most logins of a service that wait for one of these to end.
const WAITING_MAX: usize = 32;
/// Most services with threads: twice as many as a configuration can have.
const DESKS_MAX: usize = 32;
/// How long a login may take, from when it came. Nobody waits longer for the answer (`LOGIN_PATIENCE` of the engine), and
/// the place of a module that hangs is for others then.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the process of a login may take to end by itself when it has answered, or when it was killed.
const END_PATIENCE: Duration = Duration::from_secs(1);

type Up = Link<FromPam, ToPam>;

/// Answers questions until the supervisor is gone.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link: Arc<Up> = Arc::new(Link::new(link));
    let (ToPam::Hello { hello }, program) = link.receive_waiting()? else { return Err(Fault::Order) };
    let program = program.into_iter().next().ok_or(Fault::Order)?;
    match place {
        Place::Process => begin(&hello)?,
        Place::Thread => same_version(&hello)?,
    }
    let (program, way) = (Program::from_fd(program), OnceLock::new());
    let clerk = Arc::new(Clerk { link: Arc::clone(&link), program, hello, way });
    let mut desks: HashMap<String, Desk> = HashMap::new();
    loop {
        match link.receive_waiting()? {
            (ToPam::Login { login }, _) => {
                let id = login.id;
                if let Err(refusal) = take(&mut desks, &clerk, login) {
                    if let Refusal::NoDesk(error) = refusal {
                        log::error!("a login cannot be judged by PAM: {error}");
                    }
                    clerk.answer(id, PamVerdict::Unavailable)?;
                }
            }
            (ToPam::ErrorLog, descriptors) => replace_error_log(&descriptors, place),
            (ToPam::Messages, descriptors) => {
                if let Some(Ok(way)) = descriptors.first().map(OwnedFd::try_clone) {
                    // The supervisor says it once.
                    let _ = clerk.way.set(way);
                }
                show_messages(descriptors, place);
            }
            (ToPam::Hello { .. } | ToPam::Probe { .. }, _) => return Err(Fault::Order),
        }
    }
}

fn begin(hello: &Hello) -> Result<(), Fault> {
    error_log_level(hello);
    Ok(enter_with_helpers(hello)?)
}

/// Why nobody judges a login.
enum Refusal {
    /// Too many of its service wait already.
    Full,
    /// There are no threads for its service.
    NoDesk(io::Error),
}

/// Leaves a login at the desk of its service, which opens with the first one.
fn take(desks: &mut HashMap<String, Desk>, clerk: &Arc<Clerk>, login: PamLogin) -> Result<(), Refusal> {
    if desks.len() == DESKS_MAX && !desks.contains_key(&login.service) {
        // Most are of services that changes of the configuration have left behind. Who waits there is judged still.
        desks.clear();
    }
    let desk = match desks.entry(login.service.clone()) {
        Entry::Occupied(desk) => desk.into_mut(),
        Entry::Vacant(place) => place.insert(Desk::open(clerk).map_err(Refusal::NoDesk)?),
    };
    desk.jobs.try_send(Job { login, since: Instant::now() }).map_err(|_| Refusal::Full)
}

/// A login, and when it came.
struct Job {
    login: PamLogin,
    since: Instant,
}

/// Where the logins of one service wait. No service waits for another.
struct Desk {
    jobs: SyncSender<Job>,
}

impl Desk {
    fn open(clerk: &Arc<Clerk>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..LOGINS_MAX {
            let (queue, clerk) = (Arc::clone(&queue), Arc::clone(clerk));
            let name = format!("kimura-pam-{number}");
            thread::Builder::new().name(name).spawn(move || clerk.work(&queue))?;
        }
        Ok(Self { jobs })
    }
}

/// What it takes to have a login judged.
struct Clerk {
    link: Arc<Up>,
    program: Program,
    hello: Hello,
    /// Where messages are shown to viewers of the logs: also those of the processes of logins.
    way: OnceLock<OwnedFd>,
}

impl Clerk {
    fn work(&self, queue: &Mutex<Receiver<Job>>) {
        loop {
            // One waits for the next job, the others for the lock.
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { login, since }) = next else { return };
            let id = login.id;
            let verdict = self.judge(login, since).unwrap_or_else(|error| {
                log::error!("a login cannot be judged by PAM: {error}");
                PamVerdict::Unavailable
            });
            if self.answer(id, verdict).is_err() {
                return;
            }
        }
    }

    fn answer(&self, id: u64, verdict: PamVerdict) -> Result<(), LinkError> {
        self.link.send_waiting(&FromPam::Judged { id, verdict }, &[])
    }

    /// Has a process judge it, which is ended when it takes too long.
    fn judge(&self, login: PamLogin, since: Instant) -> Result<PamVerdict, LinkError> {
        let left = || PATIENCE.saturating_sub(since.elapsed());
        if left().is_zero() {
            return Ok(PamVerdict::Unavailable);
        }
        let (life, link) = start_process::<ToPam, FromPam>(&self.program, Role::PamLogin, None)?;
        let process = Process(life);
        let service = login.service.clone();
        link.send(&ToPam::Hello { hello: self.hello.clone() }, &[self.program.fd()])?;
        if let Some(way) = self.way.get() {
            link.send(&ToPam::Messages, &[way.as_fd()])?;
        }
        link.send(&ToPam::Login { login }, &[])?;
        if !sys::poll::readable(link.fd(), Some(left()))? {
            log::warn!(
                "PAM service {service}: no verdict within {} s; its login is ended",
                PATIENCE.as_secs()
            );
            return Ok(PamVerdict::Unavailable);
        }
        match link.receive()? {
            Some((FromPam::Judged { verdict, .. }, _)) => {
                drop(link);
                process.wait();
                Ok(verdict)
            }
            _ => Err(LinkError::Closed),
        }
    }
}

/// The process of a login, which ends with this.
struct Process(Life);

impl Process {
    /// Waits a moment for its end: it takes away what modules have left lying.
    fn wait(&self) {
        if let Some(fd) = self.0.fd() {
            let _ = sys::poll::readable(fd, Some(END_PATIENCE));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // That it has ended is no error.
        self.0.kill();
        // Without it a zombie would stay.
        self.wait();
        let _ = self.0.ended();
    }
}

/// Judges one login, or says whether it could.
pub(super) fn run_login(link: OwnedFd) -> Result<(), Fault> {
    let link: Up = Link::new(link);
    let (ToPam::Hello { hello }, program) = link.receive_waiting()? else { return Err(Fault::Order) };
    // That is for who starts others.
    drop(program);
    begin(&hello)?;
    let mut asked = link.receive_waiting()?;
    if let (ToPam::Messages, descriptors) = asked {
        show_messages(descriptors, Place::Process);
        asked = link.receive_waiting()?;
    }
    match asked {
        (ToPam::Login { login }, _) => {
            let (id, verdict) = (login.id, verdict(&login));
            drop(login);
            link.send_waiting(&FromPam::Judged { id, verdict }, &[])?;
        }
        (ToPam::Probe { services }, _) => {
            let library = Pam::open().err().map(|error| error.to_string());
            let missing = services.into_iter().filter(|service| !sys::pam::has_service(service)).collect();
            link.send_waiting(&FromPam::Probed { library, missing }, &[])?;
        }
        (ToPam::Hello { .. } | ToPam::ErrorLog | ToPam::Messages, _) => return Err(Fault::Order),
    }
    Ok(())
}

fn verdict(login: &PamLogin) -> PamVerdict {
    let PamLogin { service, user, secret, client, .. } = login;
    // A service that is gone would be judged by the rules for all others.
    if !sys::pam::has_service(service) {
        log::error!("there is no PAM service \"{service}\": write /etc/pam.d/{service}");
        return PamVerdict::Unavailable;
    }
    match Pam::open().and_then(|pam| pam.login(service, user, &secret.0, client)) {
        Ok(Judgement::Granted) => PamVerdict::Granted,
        Ok(Judgement::Denied) => PamVerdict::Denied,
        Err(error) => {
            log::error!("PAM service {service}: {error}");
            PamVerdict::Unavailable
        }
    }
}
