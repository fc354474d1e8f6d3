//! Who is let in where, as the auth process knows it, and the threads that compare passwords.

use auth::{Combine, Groups, Outcome, Realm, Require, Users, Verdict};
use privsep::link::Link;
use privsep::message::{Contents, FromAuth, LoginOutcome, PamVerdict, RealmEntry, Realms, ToAuth};
use privsep::sealed::unseal_secret;
use privsep::wire::Secret;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Most threads that compare passwords, each with the memory that a hash takes.
const THREADS_MAX: usize = 4;
/// Most logins that wait for one.
const WAITING_MAX: usize = 128;
/// Nobody waits longer for a verdict, so that none is worth the work.
const PATIENCE: Duration = Duration::from_secs(9);

/// One place where clients log in.
pub(super) struct Gate {
    realm: Realm,
    /// Of the file, and of the configuration, where they are asked; none where what they say cannot be read.
    backends: Vec<Option<Users>>,
    /// PAM is one more, which others ask.
    pam: Option<Pam>,
    groups: Option<Groups>,
}

/// Where PAM has a say.
struct Pam;

/// All of them, by what workers call them.
#[derive(Default)]
pub(super) struct Book {
    gates: HashMap<u64, Arc<Gate>>,
    /// What was in force before: a worker that ends, or is about to change, still asks by it.
    before: HashMap<u64, Arc<Gate>>,
}

impl Book {
    /// Puts in force what the supervisor has sent.
    pub(super) fn learn(&mut self, sealed: &[OwnedFd]) {
        let gates = read(sealed).unwrap_or_else(|why| {
            log::error!("who is let in cannot be read: {why}; nobody is");
            HashMap::new()
        });
        let old = std::mem::replace(&mut self.gates, gates);
        // The same once more says nothing about who still asks by those before.
        if old.keys().any(|id| !self.gates.contains_key(id)) {
            self.before = old;
        }
    }

    /// The place of that number.
    pub(super) fn gate(&self, id: u64) -> Option<&Arc<Gate>> {
        self.gates.get(&id).or_else(|| self.before.get(&id))
    }
}

fn read(sealed: &[OwnedFd]) -> Result<HashMap<u64, Arc<Gate>>, String> {
    let [realms, files] = sealed else { return Err("something is missing".to_owned()) };
    let realms: Realms = unseal_secret(realms).map_err(|error| error.to_string())?;
    let mut files: Contents = unseal_secret(files).map_err(|error| error.to_string())?;
    let gates = realms.realms.into_iter().map(|entry| (entry.id, Arc::new(Gate::new(entry, &files))));
    let gates = gates.collect();
    files.files.iter_mut().for_each(|file| file.0.zeroize());
    Ok(gates)
}

impl Gate {
    fn new(entry: RealmEntry, files: &Contents) -> Self {
        let file = |place: u32| files.files.get(place as usize).map(|file| file.0.as_slice());
        // Check has found all of it right before; what is not lets nobody in.
        let htpasswd = entry.htpasswd.map(|place| Users::from_htpasswd(file(place)?).ok());
        let users =
            entry.users.map(|users| Users::new(users.into_iter().map(|user| (user.name, user.hash))).ok());
        let groups = entry.groups.and_then(|place| Groups::parse(file(place)?).ok());
        let (users_required, groups_required) = (entry.required_users, entry.required_groups);
        let require = if users_required.is_empty() && groups_required.is_empty() {
            Require::ValidUser
        } else {
            Require::OneOf { users: users_required, groups: groups_required }
        };
        let combine = if entry.all { Combine::All } else { Combine::Any };
        Self {
            realm: Realm { combine, require },
            backends: htpasswd.into_iter().chain(users).collect(),
            pam: entry.pam.then_some(Pam),
            groups,
        }
    }

    /// What becomes of a login. All that can tell are asked, so that the time does not say which one knew.
    fn judge(&self, user: &str, secret: &[u8], pam: Option<PamVerdict>) -> LoginOutcome {
        let ask = |users: &Option<Users>| match users {
            Some(users) => users.ask(user, secret),
            None => Verdict::Unavailable,
        };
        let pam = self.pam.as_ref().map(|Pam| match pam {
            Some(PamVerdict::Granted) => Verdict::Granted,
            Some(PamVerdict::Denied) => Verdict::Denied,
            // Nobody has asked: that must not let anybody in.
            Some(PamVerdict::Unavailable) | None => Verdict::Unavailable,
        });
        let verdicts: Vec<Verdict> = self.backends.iter().map(ask).chain(pam).collect();
        match self.realm.judge(user, &verdicts, self.groups.as_ref()) {
            Outcome::Admit => LoginOutcome::Admitted,
            Outcome::Challenge => LoginOutcome::Denied,
            Outcome::Forbid => LoginOutcome::Forbidden,
            Outcome::Unavailable => LoginOutcome::Unavailable,
        }
    }
}

/// A login to be judged.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) gate: Arc<Gate>,
    pub(super) user: String,
    pub(super) secret: Secret,
    /// What PAM says, where it was asked.
    pub(super) pam: Option<PamVerdict>,
    pub(super) since: Instant,
}

/// The threads that compare passwords, behind everybody else on this machine.
pub(super) struct Pool {
    jobs: SyncSender<Job>,
}

impl Pool {
    /// Starts them; they answer over `link`, and end when the pool is dropped.
    ///
    /// # Errors
    /// When threads have run out.
    pub(super) fn start(link: &Arc<Link<FromAuth, ToAuth>>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        for number in 0..threads {
            let (queue, link) = (Arc::clone(&queue), Arc::clone(link));
            let name = format!("kimura-hash-{number}");
            thread::Builder::new().name(name).spawn(move || work(&queue, &link))?;
        }
        Ok(Self { jobs })
    }

    /// Has a login judged; whether there was room.
    pub(super) fn take(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

fn work(queue: &Mutex<Receiver<Job>>, link: &Link<FromAuth, ToAuth>) {
    if let Err(error) = sys::process::yield_to_all() {
        log::warn!("passwords are compared at the same priority as all else: {error}");
    }
    loop {
        // One waits for the next job, the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let late = PATIENCE <= job.since.elapsed();
        let judge = || job.gate.judge(&job.user, &job.secret.0, job.pam);
        let outcome = if late { LoginOutcome::Unavailable } else { judge() };
        if link.send_waiting(&FromAuth::Judged { id: job.id, outcome }, &[]).is_err() {
            return;
        }
    }
}
