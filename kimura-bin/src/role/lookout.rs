//! Looks after the servers that requests are passed on to, beside the shards: checks whether they are well, looks their
//! names up again, and tells the shards what has changed.

mod names;
mod probe;
mod script;
mod watch;

pub(super) use names::{FILES, has_names};

use crate::certificates::Outwards;
use config::{Config, UpstreamPart, UpstreamServer};
use engine::Server as Shards;
use names::{Found, Names, addresses};
use privsep::link::Link;
use privsep::message::{FromWorker, ToWorker, UpstreamOrder, UpstreamReport, UpstreamState, UpstreamsReport};
use privsep::sealed::seal;
use probe::Probe;
use site::upstream::{Changes, Checked, Group, GroupId, Health, Member, SeatReport, Server, State};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use sys::eventfd::EventFd;
use sys::net::Address;
use sys::poll::{Interest, any_ready};
use watch::Watch;

/// Most checks that are under way at a time; the others wait for their turn.
const PROBES_MAX: usize = 64;
/// How long names may take that are looked up for the first time. What is not found until then comes later.
const NAMES_PATIENCE: Duration = Duration::from_secs(3);
/// How long the shards may take to say what they know.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);

/// What the thread can be told.
enum Mail {
    /// These groups may be served next; answered when their names are looked up and the shards know.
    Prepare(Vec<Arc<Group>>, Outwards, Sender<()>),
    /// They are.
    Commit,
    /// They are not.
    Abort,
    /// What was ordered by commands; all of it.
    Orders(Vec<UpstreamOrder>),
    /// Names were looked up.
    Found(Found),
    /// The supervisor wants to know how it stands.
    Report,
    /// The shards have ended.
    End,
}

/// The thread, as others reach it.
#[derive(Clone)]
pub(super) struct Lookout {
    mail: Sender<Mail>,
    bell: Arc<EventFd>,
}

/// What is known before the shards begin.
pub(super) struct Beginning {
    watch: Watch,
    outwards: Ways,
    names: Names,
    lookout: Lookout,
    letters: Receiver<Mail>,
}

impl Beginning {
    /// Looks the names of these groups up, and waits for that as long as may be.
    ///
    /// # Errors
    /// When threads or descriptors have run out.
    pub(super) fn new(
        (groups, served): (&[Arc<Group>], Outwards),
        orders: Vec<UpstreamOrder>,
    ) -> std::io::Result<Beginning> {
        let (mail, letters) = channel();
        let lookout = Lookout { mail, bell: Arc::new(EventFd::new()?) };
        let found = lookout.clone();
        let names = Names::start(move |names| found.send(Mail::Found(names)))?;
        let outwards = Ways { served, next: Outwards::new() };
        let mut beginning =
            Beginning { watch: Watch::new(groups, orders), outwards, names, lookout, letters };
        acquaint(&mut beginning.watch, &beginning.names);
        Ok(beginning)
    }

    /// What the shards are to know from the beginning.
    pub(super) fn changes(&self) -> Changes {
        self.watch.changes()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When threads have run out.
    pub(super) fn start(
        self,
        shards: &Arc<Shards>,
        link: &Arc<Link<FromWorker, ToWorker>>,
    ) -> std::io::Result<Lookout> {
        let Beginning { watch, outwards, names, lookout, letters } = self;
        let told = watch.changes();
        let post = Post {
            watch,
            outwards,
            names,
            letters,
            bell: Arc::clone(&lookout.bell),
            shards: Arc::clone(shards),
            link: Arc::clone(link),
            told,
            patients: HashMap::new(),
        };
        thread::Builder::new().name("kimura-lookout".to_owned()).spawn(move || post.keep())?;
        Ok(lookout)
    }
}

impl Lookout {
    /// Whether anybody is there to hear it.
    fn send(&self, mail: Mail) -> bool {
        let heard = self.mail.send(mail).is_ok();
        self.bell.notify();
        heard
    }

    /// Readies all for these groups; returns when the shards know what is known of them.
    pub(super) fn prepare(&self, groups: &[Arc<Group>], outwards: Outwards) {
        let (ready, done) = channel();
        self.send(Mail::Prepare(groups.to_vec(), outwards, ready));
        // At the latest it is given up with the thread.
        let _ = done.recv();
    }

    /// They are served.
    pub(super) fn commit(&self) {
        self.send(Mail::Commit);
    }

    /// They will not be.
    pub(super) fn abort(&self) {
        self.send(Mail::Abort);
    }

    /// These are all the orders that hold.
    pub(super) fn order(&self, orders: Vec<UpstreamOrder>) {
        self.send(Mail::Orders(orders));
    }

    /// Tells the supervisor how it stands.
    pub(super) fn report(&self) {
        self.send(Mail::Report);
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        self.send(Mail::End);
    }
}

/// Says which names of servers cannot be found. That is no error: it may be the name server that is down, and all else can
/// be served.
pub(super) fn warn_of_names(config: &Config) {
    let mut seen = HashSet::new();
    for upstream in config.all_upstreams() {
        for place in upstream.servers.iter().filter_map(UpstreamServer::place_to_look_up) {
            if !seen.insert(place) {
                continue;
            }
            if let Err(why) = addresses(place) {
                log::warn!(
                    "upstream {}: {place} cannot be found: {why}; correct the name, or see to it",
                    upstream.name
                );
            }
        }
    }
}

/// Has the names looked up that are not known yet.
fn acquaint(watch: &mut Watch, names: &Names) {
    let wanted = watch.wanted();
    if wanted.is_empty() {
        names.want(wanted);
        return;
    }
    match names.want(wanted).recv_timeout(NAMES_PATIENCE) {
        Ok(found) => tell_names(watch, found),
        Err(_) => log::warn!("names of upstream servers take long to be looked up"),
    }
}

fn tell_names(watch: &mut Watch, found: Found) {
    for news in watch.find(found) {
        log::info!("{news}");
    }
}

/// A server whose health is looked at.
struct Patient {
    group: Arc<Group>,
    server: Arc<Server>,
    /// When the next check begins.
    due: Instant,
    probe: Option<Probe>,
}

/// How servers are spoken to by TLS.
struct Ways {
    served: Outwards,
    /// What may be served next.
    next: Outwards,
}

/// What the thread has.
struct Post {
    watch: Watch,
    outwards: Ways,
    names: Names,
    letters: Receiver<Mail>,
    bell: Arc<EventFd>,
    shards: Arc<Shards>,
    link: Arc<Link<FromWorker, ToWorker>>,
    /// What the shards were told last.
    told: Changes,
    patients: HashMap<(GroupId, Address), Patient>,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Course {
    On,
    End,
}

impl Post {
    fn keep(mut self) {
        self.admit();
        loop {
            self.bell.drain();
            while let Ok(mail) = self.letters.try_recv() {
                if self.hear(mail) == Course::End {
                    return;
                }
            }
            let now = Instant::now();
            self.begin_checks(now);
            if let Err(error) = self.wait(now) {
                log::error!("upstream servers are not looked after any more: {error}");
                return;
            }
        }
    }

    fn hear(&mut self, mail: Mail) -> Course {
        match mail {
            Mail::Prepare(groups, outwards, ready) => {
                self.watch.prepare(&groups);
                self.outwards.next = outwards;
                acquaint(&mut self.watch, &self.names);
                self.publish();
                // Who asked waits for it, or is gone.
                let _ = ready.send(());
            }
            Mail::Commit => {
                self.watch.commit();
                self.outwards.served = std::mem::take(&mut self.outwards.next);
                self.names.want(self.watch.wanted());
                self.publish();
            }
            Mail::Abort => {
                self.watch.abort();
                self.outwards.next.clear();
            }
            Mail::Orders(orders) => {
                self.watch.order(orders);
                self.publish();
            }
            Mail::Found(found) => {
                tell_names(&mut self.watch, found);
                self.publish();
            }
            Mail::Report => self.report(),
            Mail::End => return Course::End,
        }
        Course::On
    }

    /// Tells the shards what has changed, if anything has, and looks at the health of those who are there now.
    fn publish(&mut self) {
        let changes = self.watch.changes();
        if changes != self.told {
            self.shards.change_upstreams(changes.clone());
            self.told = changes;
        }
        self.admit();
    }

    /// Looks at the health of those who are there, and of nobody else.
    fn admit(&mut self) {
        let now = Instant::now();
        let mut before = std::mem::take(&mut self.patients);
        for (group, server) in self.watch.patients() {
            let key = (group.id, server.address.clone());
            let patient = match before.remove(&key) {
                Some(known) => Patient { group, server, ..known },
                None => Patient { group, server, due: now, probe: None },
            };
            self.patients.insert(key, patient);
        }
        let known: HashSet<(GroupId, Address)> = self.patients.keys().cloned().collect();
        self.watch.keep_health(&known);
    }

    /// Begins the checks that are due, as many as may be under way.
    fn begin_checks(&mut self, now: Instant) {
        let under_way = self.patients.values().filter(|patient| patient.probe.is_some()).count();
        let mut room = PROBES_MAX.saturating_sub(under_way);
        let mut failed = Vec::new();
        for (key, patient) in &mut self.patients {
            let Some(rule) = &patient.group.health else { continue };
            if room == 0 || patient.probe.is_some() || now < patient.due {
                continue;
            }
            match Probe::begin(&patient.server, rule, now) {
                Ok(probe) => {
                    patient.probe = Some(probe);
                    room -= 1;
                }
                Err(_) => failed.push(key.clone()),
            }
        }
        for key in failed {
            self.ended(&key, Checked::Failed);
        }
    }

    /// Waits for what comes first: mail, a step of a check, its end, or the next one. Takes the steps.
    fn wait(&mut self, now: Instant) -> std::io::Result<()> {
        let under_way = |patient: &&Patient| patient.probe.is_some();
        let busy = PROBES_MAX <= self.patients.values().filter(under_way).count();
        let next = self.patients.values().filter_map(|patient| match &patient.probe {
            Some(probe) => Some(probe.deadline),
            None => (!busy).then_some(patient.due),
        });
        let timeout = next.min().map(|next| next.saturating_duration_since(now));
        let probes = self.patients.iter().filter_map(|(key, patient)| Some((key, patient.probe.as_ref()?)));
        let (keys, mut waits): (Vec<_>, Vec<_>) =
            probes.map(|(key, probe)| (key.clone(), probe.waits())).unzip();
        waits.push((self.bell.as_fd(), Interest::Read));
        let ready = any_ready(&waits, timeout)?;
        let now = Instant::now();
        for (key, ready) in keys.into_iter().zip(ready) {
            let Some(patient) = self.patients.get_mut(&key) else { continue };
            let (Some(probe), Some(rule)) = (&mut patient.probe, &patient.group.health) else { continue };
            let toward = self.outwards.served.get(&patient.group.id);
            let checked = match ready {
                true => probe.advance(&patient.server, (&patient.group, rule), toward),
                false => None,
            };
            let late = probe.deadline <= now;
            if let Some(checked) = checked.or(late.then_some(Checked::Failed)) {
                self.ended(&key, checked);
            }
        }
        Ok(())
    }

    /// A check has ended.
    fn ended(&mut self, key: &(GroupId, Address), checked: Checked) {
        let Some(patient) = self.patients.get_mut(key) else { return };
        patient.probe = None;
        let interval = patient.group.health.as_ref().map(|rule| rule.interval).unwrap_or_default();
        patient.due = Instant::now() + jittered(interval);
        let (group, server) = (Arc::clone(&patient.group), Arc::clone(&patient.server));
        let Some(health) = self.watch.check(&group, &server, checked) else { return };
        self.shards.count_health(health);
        let place = if server.name == server.address.to_string() {
            server.name.clone()
        } else {
            format!("{} ({})", server.name, server.address)
        };
        match health {
            Health::Down(_) => log::warn!("upstream {}: {place} is down: it fails its checks", group.name),
            Health::Up(_) | Health::Unknown => {
                log::info!("upstream {}: {place} is up: it passes its checks", group.name);
            }
        }
        self.publish();
    }

    /// Tells the supervisor how all servers are, with what the shards know of them.
    fn report(&self) {
        let mut known: HashMap<(GroupId, Address), SeatReport> = HashMap::new();
        for seat in self.shards.report_upstreams(REPORT_PATIENCE) {
            let key = (seat.group, seat.address.clone());
            match known.entry(key) {
                Entry::Occupied(mut sum) => sum.get_mut().add(&seat),
                Entry::Vacant(place) => drop(place.insert(seat)),
            }
        }
        let changes = self.watch.changes();
        let mut servers = Vec::new();
        for group in self.watch.groups() {
            for member in changes.members(group) {
                let key = (group.id, member.server.address.clone());
                servers.push(report(group, &member, known.get(&key)));
            }
        }
        let sealed = seal(&UpstreamsReport { servers });
        let sent = sealed.map_err(|error| error.to_string()).and_then(|sealed| {
            let sent = self.link.send_waiting(&FromWorker::Upstreams, &[sealed.as_fd()]);
            sent.map_err(|error| error.to_string())
        });
        if let Err(error) = sent {
            log::error!("the supervisor cannot be told of upstream servers: {error}");
        }
    }
}

/// What is told of a server; shards that do not know it yet have given it nothing.
fn report(group: &Group, member: &Member, seat: Option<&SeatReport>) -> UpstreamReport {
    let Member { server, state } = member;
    UpstreamReport {
        group: group.name.clone(),
        server: server.name.clone(),
        address: server.address.to_string(),
        weight: server.weight,
        backup: server.part == UpstreamPart::Backup,
        state: match state {
            State::Up => UpstreamState::Up,
            State::Down => UpstreamState::Down,
            State::Drained => UpstreamState::Drained,
        },
        ejected: seat.map_or(0, |seat| seat.ejected),
        open: seat.map_or(0, |seat| seat.open),
        requests: seat.map_or(0, |seat| seat.begun),
        failures: seat.map_or(0, |seat| seat.failed),
    }
}

/// About that long: a tenth more or less, so that checks do not come together that once did.
fn jittered(interval: Duration) -> Duration {
    let mut bytes = [0; 2];
    // Without random bytes checks come together, which is not worth a word.
    let _ = sys::random::fill(&mut bytes);
    let fifth = interval / 5;
    interval - fifth / 2 + fifth * u32::from(u16::from_ne_bytes(bytes)) / u32::from(u16::MAX)
}
