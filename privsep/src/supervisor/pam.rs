//! Logins where PAM has a say: auth-pam is asked first, and what it says goes to auth with the question, which decides.
//! Where nobody can ask PAM, auth hears that, and what the other back ends say may still suffice.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sys::spawn::Program;

use super::logins::{Place, Waiting};
use super::post::Post;
use super::run::{Supervisor, TURN};
use crate::link::LinkError;
use crate::message::{FromPam, Hello, Needs, PamLogin, PamNeeds, PamVerdict, ToPam, Trouble};
use crate::role::Role;
use crate::stage::start_process;
use crate::wire::Secret;

/// Most logins of one service that wait: as many as auth-pam asks about at a time, and keeps.
const WAITING_OF_SERVICE_MAX: usize = 40;
/// Most services. Each has threads of its own in auth-pam, once somebody logs in.
pub(super) const SERVICES_MAX: usize = 16;
/// How long auth-pam may take, which gives up by itself long before.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process may take to open libpam and look for services.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// Which places have PAM asked, by what workers call them.
#[derive(Debug, Default)]
pub(super) struct Services {
    now: HashMap<u64, String>,
    /// What was in force before: a worker that ends, or is about to change, still asks by it.
    before: HashMap<u64, String>,
}

impl Services {
    pub(super) fn of(places: &[PamNeeds]) -> Self {
        let now = places.iter().map(|place| (place.realm, place.service.clone())).collect();
        Self { now, before: HashMap::new() }
    }

    /// Puts others in force.
    pub(super) fn learn(&mut self, places: &[PamNeeds]) {
        let before = std::mem::replace(self, Self::of(places));
        self.before = before.now;
    }

    pub(super) fn of_realm(&self, realm: u64) -> Option<&String> {
        self.now.get(&realm).or_else(|| self.before.get(&realm))
    }

    fn is_empty(&self) -> bool {
        self.now.is_empty()
    }
}

/// Auth-pam, and who waits for it.
#[derive(Debug)]
pub(super) struct Pam {
    pub(super) post: Post<ToPam, FromPam>,
    last: u64,
    /// By the number under which auth-pam was asked: the oldest first.
    waiting: BTreeMap<u64, Asked>,
}

/// A login that waits for auth-pam.
#[derive(Debug)]
struct Asked {
    waiting: Waiting,
    place: Place,
    service: String,
    since: Instant,
}

impl Pam {
    pub(super) fn new() -> Self {
        Self { post: Post::new(Role::AuthPam), last: 0, waiting: BTreeMap::new() }
    }

    fn has_room(&self, service: &str) -> bool {
        self.waiting.values().filter(|asked| asked.service == service).count() < WAITING_OF_SERVICE_MAX
    }
}

impl Supervisor<'_> {
    /// When auth-pam is to be started; none where nobody needs it.
    pub(super) fn pam_due(&self) -> Option<Instant> {
        self.pam.post.due().filter(|_| !self.logins.services.is_empty() && !self.is_ending())
    }

    /// Starts auth-pam where it is missing.
    pub(super) fn fill_pam(&mut self, now: Instant) {
        if self.pam_due().is_none_or(|due| now < due) {
            return;
        }
        // Whoever started us may ask PAM about others; who serves may not.
        let hello = Hello { identity: None, ..self.hello() };
        let way = self.way_for_messages(Role::AuthPam);
        let errors = self.errors.as_ref().map(AsFd::as_fd);
        let program = self.stage.program();
        self.pam.post.fill(&self.stage, errors, |link| {
            link.send(&ToPam::Hello { hello }, &[program.fd()])?;
            way.iter().try_for_each(|way| link.send(&ToPam::Messages, &[way.as_fd()]))
        });
    }

    /// Ends auth-pam where nobody needs it any more.
    pub(super) fn dismiss_idle_pam(&mut self) {
        if self.logins.services.is_empty() && self.pam.post.is_filled() {
            self.pam.post.dismiss_quietly();
            self.pam_lost();
        }
    }

    /// Asks PAM, and auth then.
    pub(super) fn ask_pam(&mut self, waiting: Waiting, place: Place, service: String) {
        let now = Instant::now();
        self.give_up_on_pam(now);
        if !self.pam.post.is_filled() || !self.pam.has_room(&service) {
            return self.ask_auth(waiting, place, Some(PamVerdict::Unavailable));
        }
        self.pam.last += 1;
        let id = self.pam.last;
        let client = waiting.client.map(|client| client.to_string()).unwrap_or_default();
        let (user, secret) = (waiting.user.clone(), Secret::clone(&place.secret));
        let login = PamLogin { id, service: service.clone(), user, secret, client };
        self.pam.waiting.insert(id, Asked { waiting, place, service, since: now });
        // If it is gone, the next turn tells whoever waits.
        self.pam.post.send(&ToPam::Login { login }, &[]);
    }

    pub(super) fn on_pam(&mut self) {
        for _ in 0..TURN {
            match self.pam.post.receive() {
                Some(FromPam::Judged { id, verdict }) => {
                    // It may only answer what it was asked; anything else has no effect.
                    if let Some(Asked { waiting, place, .. }) = self.pam.waiting.remove(&id) {
                        self.ask_auth(waiting, place, Some(verdict));
                    }
                }
                // Nobody has asked.
                Some(FromPam::Probed { .. }) => {}
                None => return,
            }
        }
    }

    /// Nobody waits for an auth-pam that is not there.
    pub(super) fn look_after_pam(&mut self) {
        if !self.pam.post.is_filled() {
            self.pam_lost();
        }
    }

    /// Auth-pam has ended: what it was to judge it cannot tell.
    pub(super) fn pam_lost(&mut self) {
        for Asked { waiting, place, .. } in std::mem::take(&mut self.pam.waiting).into_values() {
            self.ask_auth(waiting, place, Some(PamVerdict::Unavailable));
        }
    }

    /// Verdicts that should have come make no room for others.
    fn give_up_on_pam(&mut self, now: Instant) {
        while let Some(oldest) = self.pam.waiting.first_entry()
            && PATIENCE <= now.saturating_duration_since(oldest.get().since)
        {
            let Asked { waiting, place, .. } = oldest.remove();
            self.ask_auth(waiting, place, Some(PamVerdict::Unavailable));
        }
    }
}

/// Whether PAM can judge what `needs` wants of it, as a process with the rights of auth-pam sees it.
///
/// # Errors
/// What is missing, for each place that needs it.
pub(super) fn probe(program: &Program, hello: &Hello, needs: &Needs) -> Result<(), Vec<Trouble>> {
    if needs.pam.is_empty() {
        return Ok(());
    }
    let mut services: Vec<String> = needs.pam.iter().map(|place| place.service.clone()).collect();
    services.sort_unstable();
    services.dedup();
    let answer = ask_probe(program, hello, &services);
    let troubles: Vec<Trouble> = match answer {
        Ok((None, missing)) => {
            needs.pam.iter().filter(|place| missing.contains(&place.service)).map(no_service).collect()
        }
        Ok((Some(why), _)) => needs.pam.iter().take(1).map(|place| no_library(place, &why)).collect(),
        Err(error) => {
            let why = format!("whether there is PAM cannot be seen: {error}");
            needs.pam.iter().take(1).map(|place| no_library(place, &why)).collect()
        }
    };
    if troubles.is_empty() { Ok(()) } else { Err(troubles) }
}

type Probed = (Option<String>, Vec<String>);

fn ask_probe(program: &Program, hello: &Hello, services: &[String]) -> Result<Probed, LinkError> {
    let (mut life, link) = start_process::<ToPam, FromPam>(program, Role::PamLogin, None)?;
    let told = link
        .send(&ToPam::Hello { hello: hello.clone() }, &[program.fd()])
        .and_then(|()| link.send(&ToPam::Probe { services: services.to_vec() }, &[]))
        .and_then(|()| Ok(sys::poll::readable(link.fd(), Some(PROBE_PATIENCE))?))
        .and_then(|_| link.receive());
    drop(link);
    life.kill();
    if let Some(fd) = life.fd() {
        // It was killed, so that this takes no time; without it a zombie would stay.
        let _ = sys::poll::readable(fd, Some(Duration::from_secs(1)));
    }
    let _ = life.ended();
    match told? {
        Some((FromPam::Probed { library, missing }, _)) => Ok((library, missing)),
        _ => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

fn no_service(place: &PamNeeds) -> Trouble {
    Trouble {
        pointer: place.pointer.clone(),
        cause: format!("there is no PAM service \"{}\"", place.service),
        cure: format!("write /etc/pam.d/{}, or name a service that is there", place.service),
    }
}

fn no_library(place: &PamNeeds, why: &str) -> Trouble {
    let (cause, cure) = why.split_once(": ").unwrap_or((why, "try again"));
    Trouble { pointer: place.pointer.clone(), cause: cause.to_owned(), cure: cure.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(places: &[(u64, &str)]) -> Vec<PamNeeds> {
        let place = |&(realm, service): &(u64, &str)| PamNeeds {
            realm,
            service: service.to_owned(),
            pointer: String::new(),
        };
        places.iter().map(place).collect()
    }

    #[test]
    fn places_of_before_are_known_until_the_next_change() {
        let mut services = Services::of(&places(&[(1, "one")]));
        for (change, known) in [
            (vec![(2, "two"), (3, "three")], vec![(1, Some("one")), (2, Some("two")), (3, Some("three"))]),
            (vec![(3, "three")], vec![(1, None), (2, Some("two")), (3, Some("three"))]),
            (vec![], vec![(2, None), (3, Some("three"))]),
        ] {
            services.learn(&places(&change));
            assert_eq!(services.is_empty(), change.is_empty());
            for (realm, wanted) in known {
                assert_eq!(services.of_realm(realm).map(String::as_str), wanted, "{realm} after {change:?}");
            }
        }
    }

    #[test]
    fn one_service_does_not_take_the_room_of_another() {
        let mut pam = Pam::new();
        let asked = || Asked {
            waiting: Waiting::of_nobody(),
            place: Place { realm: 1, secret: Secret::default() },
            service: "one".to_owned(),
            since: Instant::now(),
        };
        for id in 0..WAITING_OF_SERVICE_MAX as u64 {
            assert!(pam.has_room("one"));
            pam.waiting.insert(id, asked());
        }
        assert!(!pam.has_room("one") && pam.has_room("two"));
    }
}
