//! Serves: a control thread that hears the supervisor, and the shards.

use super::lookout::{self, Beginning, Lookout};
use super::{Fault, Place, Sandbox, begin, gatekeeper, level, needs, replace_error_log, show_messages};
use crate::certificates::{Material, Outwards};
use crate::folders;
use crate::settings::{self, Unloadable};
use auth::Prefix;
use auth::bans::BanTable;
use auth::limits::BANS_FILE_LEN_MAX;
use config::{Config, Loaded};
use engine::{Change, Farewell, Listening, Outcome, Plan, Secured, Server, ShardPlan};
use logging::{Logger, PressureView, Target, error_log};
use perf::Block;
use privsep::child::{Relaying, confine};
use privsep::link::{Link, LinkError};
use privsep::message::{
    Contents, FromWorker, LimitUse, Network, Output, Setting, Subject, ToWorker, UpstreamOrder,
};
use privsep::role::Role;
use privsep::sealed::{unseal, unseal_secret};
use privsep::wire::Bytes;
use site::Site;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use sys::broadcast::Reader;
use sys::fs::{Cached, Symlinks, open_beneath};
use tls::TicketKey;

type Up = Link<FromWorker, ToWorker>;

/// How long the last lines of the logs may take to be handed over.
const LOG_PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a configuration's text.
const TEXT_MAX: usize = config::TEXT_MAX + 1;

/// Reports of the shards that may wait for the supervisor.
const REPORTS_MAX: usize = 64;

/// Bytes of what is told about limits at a time, and of the numbers of one user.
const USES_BYTES_MAX: usize = 48 * 1024;
const USE_BYTES: usize = 80;

/// How long the shards may take to go over to another configuration, in each of the two steps.
const SWAP_PATIENCE: Duration = Duration::from_secs(10);

/// Serves until told to end, or until the supervisor is gone.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link = Arc::new(Up::new(link));
    let ended = serve(&link, place);
    // As a thread, the supervisor sees the end by this.
    link.shut();
    ended
}

fn serve(link: &Arc<Up>, place: Place) -> Result<(), Fault> {
    let (ToWorker::Hello { hello, cores, .. }, _) = link.receive_waiting()? else { return Err(Fault::Order) };
    begin(&hello, place)?;
    engine::prepare();
    let mut luggage = Luggage::new(cores);
    while luggage.take(link.receive_waiting()?)? {}
    show_messages(luggage.log.iter().filter_map(|log| log.try_clone().ok()).collect(), place);
    let Serving { server, logger, offenders, limits, beginning } =
        match luggage.start(Sandbox::of(&hello, place)) {
            Ok(serving) => serving,
            Err(why) => {
                link.send_waiting(&FromWorker::Refused { why }, &[])?;
                return Ok(());
            }
        };
    link.send_waiting(&FromWorker::Serving, &[])?;
    let lookout = beginning.map(|beginning| beginning.start(&server, link)).transpose();
    let lookout = lookout.map_err(|error| Fault::Link(LinkError::System(error)))?;
    let control = Control {
        link: Arc::clone(link),
        server: Arc::clone(&server),
        logger: Arc::clone(&logger),
        place,
        lookout: lookout.clone(),
        next: Setup::default(),
        limits,
    };
    let thread = thread::Builder::new().name("kimura-control".to_owned()).spawn(move || control.run());
    let thread = thread.map_err(|error| Fault::Link(LinkError::System(error)))?;
    let (last_report, offenders) = offenders;
    let reporter = report(Arc::clone(link), offenders)?;
    let logins = gatekeeper::start(&server, link).map_err(|error| Fault::Link(LinkError::System(error)))?;
    let outcome = server.wait();
    if let Outcome::ShardLost { shard } = outcome {
        log::error!("shard {shard} has ended by itself");
    }
    // The control thread still waits for messages; this wakes it, and the last word goes out before.
    let stopped = logger.stop(LOG_PATIENCE);
    lookout.iter().for_each(Lookout::end);
    // An empty report is the last one. It has ended before if the link has.
    let _ = last_report.send(Vec::new());
    let _ = reporter.join();
    let lines_lost = stopped.map_or(0, |totals| totals.lost);
    let last = link.send_waiting(&FromWorker::Ended { lines_lost }, &[]);
    link.shut();
    // They end with the link, and with the shards.
    let _ = thread.join();
    let _ = logins.join();
    Ok(last?)
}

/// Tells the supervisor who makes bad requests, until a report is empty.
fn report(link: Arc<Up>, offenders: Receiver<Vec<IpAddr>>) -> Result<JoinHandle<()>, Fault> {
    let run = move || {
        for batch in offenders.into_iter().take_while(|batch| !batch.is_empty()) {
            let clients = batch.into_iter().map(|address| Network::from(Prefix::single(address))).collect();
            // Without its supervisor a worker ends, which the control thread sees to.
            if link.send_waiting(&FromWorker::Offenders { clients }, &[]).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("kimura-reports".to_owned()).spawn(run);
    thread.map_err(|error| Fault::Link(LinkError::System(error)))
}

/// A configuration that is to be served, with the sockets that belong to it.
#[derive(Default)]
struct Setup {
    configuration: Option<(Subject, OwnedFd)>,
    /// What its files hold, sealed.
    files: Option<OwnedFd>,
    /// Keys of session tickets, the one that seals first.
    tickets: Vec<TicketKey>,
    sockets: Vec<(u32, Listening)>,
}

impl Setup {
    fn take_socket(&mut self, shard: u32, id: u32, address: u32, socket: OwnedFd) {
        self.sockets.push((shard, Listening { id, address: address as usize, socket: Some(socket) }));
    }

    /// What it says; an error says why it cannot be read, for people.
    /// `limits` are what somebody has changed of it by command.
    fn load(&self, limits: &[String]) -> Result<Loaded, String> {
        let (subject, text) = self.configuration.as_ref().ok_or("no configuration")?;
        load(subject, text, limits)
    }

    /// Where it comes from, and its text.
    fn configuration(&self) -> Result<(Subject, OwnedFd), String> {
        let (subject, text) = self.configuration.as_ref().ok_or("no configuration")?;
        Ok((subject.clone(), text.try_clone().map_err(|error| error.to_string())?))
    }

    /// What TLS makes of its files, for each address and towards each group of servers; an error says why it cannot, for
    /// people.
    fn secured(&self, config: &Config) -> Result<(Vec<Option<Secured>>, Outwards), String> {
        let sealed = self.files.as_ref().ok_or("no files")?;
        let contents: Contents = unseal_secret(sealed).map_err(|error| error.to_string())?;
        let contents = contents.files.into_iter().map(|file| file.0).collect();
        let material = Material::new(config, contents)
            .map_err(|flaws| flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let served = material.serve(config, &self.tickets).map_err(|error| error.to_string())?;
        Ok((served, material.outward))
    }

    /// The listeners of each shard.
    fn listeners(self, shards: usize) -> Vec<Vec<Listening>> {
        let mut listeners: Vec<Vec<Listening>> = (0..shards).map(|_| Vec::new()).collect();
        for (shard, listening) in self.sockets {
            if let Some(listeners) = listeners.get_mut(shard as usize) {
                listeners.push(listening);
            }
        }
        listeners
    }
}

fn load(subject: &Subject, text: &OwnedFd, limits: &[String]) -> Result<Loaded, String> {
    let text = sys::mem::read_sealed(text.as_fd(), TEXT_MAX).map_err(|error| error.to_string())?;
    let loaded = settings::load(subject, text.clone()).map_err(|unloadable| match unloadable {
        Unloadable::Problems(problems) => problems.to_string(),
        Unloadable::NoText(why) => why,
    })?;
    if limits.is_empty() {
        return Ok(loaded);
    }
    let sections = needs::limit_sections(&loaded.config);
    let mut changed = subject.clone();
    let (Subject::File { settings, .. } | Subject::Folder { settings, .. }) = &mut changed;
    let here = limits.iter().filter(|limit| is_below(&sections, limit));
    settings.extend(here.map(|limit| Setting::Set { argument: limit.clone() }));
    Ok(settings::load(&changed, text).unwrap_or_else(|_| {
        // It is better served with the limits that the configuration has than not at all.
        log::error!("the limits that were set by command do not fit the configuration; they do not hold");
        loaded
    }))
}

/// Whether a limit that was set by command is at a place that has limits anyway. No other one comes into being by that: a
/// change may have taken the place away, and others have to hold all the same.
fn is_below(sections: &[String], limit: &str) -> bool {
    let leads_to =
        |section: &String| limit.strip_prefix(section.as_str()).is_some_and(|rest| rest.starts_with('/'));
    sections.iter().any(leads_to)
}

fn compile(loaded: &Loaded) -> Result<Site, String> {
    site::compile(&loaded.config, &loaded.registry).map_err(|problems| problems.to_string())
}

/// Everything that a worker is handed before it starts.
struct Luggage {
    cores: Vec<u32>,
    blocks: Vec<Block>,
    log: Option<OwnedFd>,
    /// Which logs cannot keep up.
    pressure: Option<PressureView>,
    /// What viewers of the logs see.
    tail: Option<Arc<Reader>>,
    /// What scrapers see.
    metrics: Option<Arc<Reader>>,
    targets: Vec<Target>,
    /// Who is banned from the first connection on.
    banned: Option<BanTable>,
    /// What was ordered of servers that requests are passed on to.
    orders: Vec<UpstreamOrder>,
    /// By which their cookies are made.
    cookie_secret: u64,
    /// Limits that were changed by command.
    limits: Vec<String>,
    setup: Setup,
}

/// What runs.
struct Serving {
    server: Arc<Server>,
    logger: Arc<Logger>,
    /// Who makes bad requests, from the shards.
    offenders: (SyncSender<Vec<IpAddr>>, Receiver<Vec<IpAddr>>),
    limits: Limited,
    /// What looks after other servers, where some can be reached.
    beginning: Option<Beginning>,
}

/// The configuration that is served, to be read again with other limits.
struct Limited {
    serving: (Subject, OwnedFd),
    /// The one that is held ready.
    next: Option<(Subject, OwnedFd)>,
    /// What was changed by command.
    settings: Vec<String>,
}

impl Luggage {
    fn new(cores: Vec<u32>) -> Self {
        let setup = Setup::default();
        let (blocks, targets, orders) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            cores,
            blocks,
            log: None,
            pressure: None,
            tail: None,
            metrics: None,
            targets,
            banned: None,
            limits: Vec::new(),
            orders,
            cookie_secret: 0,
            setup,
        }
    }

    /// Takes one message; `false` when it was the last before the start.
    fn take(&mut self, (message, mut descriptors): (ToWorker, Vec<OwnedFd>)) -> Result<bool, Fault> {
        match (message, descriptors.pop()) {
            (ToWorker::Counters, Some(fd)) => {
                let block = Block::open(fd).map_err(|error| {
                    log::error!("counters: {error}");
                    Fault::Order
                })?;
                self.blocks.push(block);
            }
            (ToWorker::Pressure { sinks }, Some(fd)) => {
                let view = PressureView::open(&fd, sinks as usize);
                let view = view.inspect_err(|error| log::error!("no request will wait for a log: {error}"));
                self.pressure = view.ok();
            }
            (ToWorker::Log, Some(fd)) => self.log = Some(fd),
            (ToWorker::Tail, Some(fd)) => self.tail = opened(logging::tail::open(&fd), "live logs"),
            (ToWorker::Metrics, Some(fd)) => self.metrics = opened(Reader::open(&fd), "metrics"),
            (ToWorker::Sink { output }, None) => self.targets.push(target(output)),
            (ToWorker::Configuration { subject }, Some(text)) => {
                self.setup.configuration = Some((subject, text));
            }
            (ToWorker::Files, Some(files)) => self.setup.files = Some(files),
            (ToWorker::Tickets { keys }, None) => self.setup.tickets = ticket_keys(&keys),
            (ToWorker::Bans, Some(packed)) => self.banned = unpack(&packed),
            (ToWorker::NoBans, None) => self.banned = None,
            (ToWorker::UpstreamOrders, Some(sealed)) => self.orders = unseal(&sealed)?,
            (ToWorker::Limits { settings }, None) => self.limits = settings,
            // Nobody has used anything yet; whoever asks is told so when it serves.
            (ToWorker::TellLimits, None) => {}
            (ToWorker::Socket { shard, id, address }, Some(fd)) => {
                self.setup.take_socket(shard, id, address, fd);
            }
            (ToWorker::CookieSecret { number }, None) => self.cookie_secret = number,
            (ToWorker::Start, None) => return Ok(false),
            // Nobody has logged in yet.
            (ToWorker::ForgetLogins, None) => {}
            (ToWorker::Verbosity { level: number }, None) => error_log::set_level(level(number)),
            _ => return Err(Fault::Order),
        }
        Ok(true)
    }

    /// Starts the shards; an error says why it cannot, for people.
    fn start(self, sandbox: Sandbox) -> Result<Serving, String> {
        let loaded = self.setup.load(&self.limits)?;
        let serving = self.setup.configuration()?;
        let relaying = if loaded.config.all_upstreams().is_empty() { Relaying::Off } else { Relaying::On };
        if sandbox == Sandbox::On {
            let served = folders::served(&loaded.config).into_keys().map(Path::to_owned);
            let served = served.chain(name_files(&loaded.config)).collect();
            confine(Role::Worker, served, relaying).map_err(|error| error.to_string())?;
        }
        let site = compile(&loaded)?;
        let (secured, outward) = self.setup.secured(&loaded.config)?;
        let config = loaded.config;
        let log = self.log.ok_or("no way to the logger")?;
        let logger = Logger::start(self.targets, log).map_err(|error| error.to_string())?;
        let logger = logger.heeding(self.pressure);
        let listeners = self.setup.listeners(self.cores.len());
        let shards = self.cores.iter().zip(listeners).zip(self.blocks);
        let shards = shards.map(|((&cpu, listeners), block)| ShardPlan {
            cpu: cpu as usize,
            listeners,
            block: Arc::new(block),
        });
        let offenders = sync_channel(REPORTS_MAX);
        // Without a sandbox nothing is out of reach.
        let relaying = if sandbox == Sandbox::On { relaying } else { Relaying::On };
        let beginning = match relaying {
            Relaying::On => {
                let served = (site.groups(), outward.clone());
                Some(Beginning::new(served, self.orders).map_err(|error| error.to_string())?)
            }
            Relaying::Off => None,
        };
        let plan = Plan {
            site: Arc::new(site),
            secured,
            outward,
            config: &config.server,
            shards: shards.collect(),
            logger: &logger,
            banned: self.banned.map(Arc::new),
            changes: Arc::new(beginning.as_ref().map(Beginning::changes).unwrap_or_default()),
            cookie_secret: self.cookie_secret,
            offenders: Some(offenders.0.clone()),
            tail: self.tail,
            metrics: self.metrics,
        };
        let server = Server::start(plan).map_err(|error| error.to_string())?;
        if sandbox == Sandbox::On {
            sys::sandbox::give_up_rings().map_err(|error| error.to_string())?;
        }
        server.open();
        let limits = Limited { serving, next: None, settings: self.limits };
        Ok(Serving { server: Arc::new(server), logger: Arc::new(logger), offenders, limits, beginning })
    }
}

fn opened(ring: std::io::Result<Reader>, what: &str) -> Option<Arc<Reader>> {
    ring.map(Arc::new).inspect_err(|error| log::error!("{what}: {error}")).ok()
}

fn target(output: Output) -> Target {
    match output {
        Output::Stdout => Target::Stdout,
        Output::Stderr => Target::Stderr,
        Output::File { path } => Target::File(path),
        Output::Receiver { identity, .. } => Target::Receiver(identity),
    }
}

/// Hears the supervisor while the shards serve.
struct Control {
    link: Arc<Up>,
    server: Arc<Server>,
    logger: Arc<Logger>,
    place: Place,
    /// Looks after other servers; without it none can be reached.
    lookout: Option<Lookout>,
    /// What is to be served next, as far as it has come.
    next: Setup,
    limits: Limited,
}

impl Control {
    fn run(mut self) {
        loop {
            let heard = self.link.receive_waiting().and_then(|(message, descriptors)| {
                self.hear(message, descriptors).map_or(Ok(()), |answer| self.link.send_waiting(&answer, &[]))
            });
            if let Err(error) = heard {
                if !matches!(error, LinkError::Closed) {
                    log::error!("link to the supervisor: {error}");
                }
                // Without its supervisor a worker serves nobody.
                return self.server.stop();
            }
        }
    }

    /// Does what it is told; answers what has to be answered.
    fn hear(&mut self, message: ToWorker, mut descriptors: Vec<OwnedFd>) -> Option<FromWorker> {
        match message {
            ToWorker::Sink { output } => self.logger.add(target(output)),
            ToWorker::Configuration { subject } => {
                let text = descriptors.pop()?;
                self.next = Setup { configuration: Some((subject, text)), ..Setup::default() };
            }
            ToWorker::Socket { shard, id, address } => {
                self.next.take_socket(shard, id, address, descriptors.pop()?);
            }
            ToWorker::Files => self.next.files = Some(descriptors.pop()?),
            ToWorker::Tickets { keys } => self.next.tickets = ticket_keys(&keys),
            ToWorker::Bans => {
                let table = unpack(&descriptors.pop()?);
                table.into_iter().for_each(|table| self.server.ban(table));
            }
            ToWorker::NoBans => self.server.ban(BanTable::default()),
            ToWorker::Limits { settings } => {
                self.limits.settings = settings;
                self.reshape();
            }
            ToWorker::TellLimits => return Some(FromWorker::LimitsTold { uses: self.uses() }),
            ToWorker::UpstreamOrders => match (unseal(&descriptors.pop()?), &self.lookout) {
                (Ok(orders), Some(lookout)) => lookout.order(orders),
                (Ok(_), None) => {}
                (Err(error), _) => log::error!("orders for upstream servers are not understood: {error}"),
            },
            // It has been told, and it is the same.
            ToWorker::CookieSecret { .. } => {}
            ToWorker::ReportUpstreams => self.lookout.iter().for_each(Lookout::report),
            ToWorker::Prepare => return Some(answer(self.prepare(), FromWorker::Prepared)),
            ToWorker::Commit => {
                let committed = self.server.commit(SWAP_PATIENCE).map_err(|error| error.to_string());
                self.lookout.iter().for_each(Lookout::commit);
                if let Some(next) = self.limits.next.take() {
                    self.limits.serving = next;
                    // They may have changed since it was prepared.
                    self.reshape();
                }
                return Some(answer(committed, FromWorker::Committed));
            }
            ToWorker::Abort => {
                self.next = Setup::default();
                self.limits.next = None;
                self.server.abort();
                self.lookout.iter().for_each(Lookout::abort);
            }
            ToWorker::Drain { millis } => {
                // Its sockets would stay open.
                self.next = Setup::default();
                self.server.drain(Duration::from_millis(millis), Farewell::AtOnce);
            }
            ToWorker::Retire { millis } => {
                self.server.drain(Duration::from_millis(millis), Farewell::OnceMore);
                return Some(FromWorker::LetGo);
            }
            ToWorker::Judged { ticket, outcome, lasting, led_to } => {
                self.server.judged(ticket, gatekeeper::verdict(outcome, lasting, led_to));
            }
            ToWorker::ForgetLogins => self.server.forget_logins(),
            ToWorker::Look => self.server.look(),
            ToWorker::Stop => self.server.stop(),
            ToWorker::Verbosity { level: number } => error_log::set_level(level(number)),
            ToWorker::ErrorLog => replace_error_log(&descriptors, self.place),
            other => log::warn!("a message out of turn is ignored: {other:?}"),
        }
        None
    }

    /// Has every shard go by the limits that hold now.
    fn reshape(&self) {
        let (subject, text) = &self.limits.serving;
        let limits = load(subject, text, &self.limits.settings)
            .and_then(|loaded| site::shaping(&loaded).map_err(|problems| problems.to_string()));
        match limits {
            Ok(limits) => self.server.reshape(limits.as_ref()),
            Err(why) => log::error!("limits cannot be changed: {why}"),
        }
    }

    /// Who has used how much.
    fn uses(&self) -> Vec<LimitUse> {
        let uses = self.server.limits().into_iter().map(|(scope, entry)| LimitUse {
            scope,
            client: entry.who.map(|who| who.to_string()),
            running: entry.running.into(),
            connections: entry.connections.into(),
            down: entry.seen.down,
            up: entry.seen.up,
            requests: entry.seen.requests,
            delayed: entry.seen.delayed,
            refused: entry.seen.refused,
        });
        // All have to fit a frame: with very many places, the last of them are left out.
        let mut room = USES_BYTES_MAX;
        let fits = |one: &LimitUse| {
            let len = one.scope.len() + one.client.as_ref().map_or(0, String::len) + USE_BYTES;
            room = room.saturating_sub(len);
            room > 0
        };
        uses.take_while(fits).collect()
    }

    /// Has every shard hold ready what has come.
    fn prepare(&mut self) -> Result<(), String> {
        let next = std::mem::take(&mut self.next);
        let loaded = next.load(&self.limits.settings)?;
        self.limits.next = Some(next.configuration()?);
        let site = compile(&loaded)?;
        readable(&site)?;
        let (secured, outward) = next.secured(&loaded.config)?;
        match &self.lookout {
            Some(lookout) => {
                names_can_be_read(&loaded.config)?;
                lookout.prepare(site.groups(), outward.clone());
            }
            None if !loaded.config.all_upstreams().is_empty() => {
                return Err("other servers cannot be reached by this process".to_owned());
            }
            None => {}
        }
        let config = loaded.config;
        let listeners = next.listeners(self.server.shards());
        let site = Arc::new(site);
        let change =
            Change { site, secured, outward, config: &config.server, logger: &self.logger, listeners };
        self.server.prepare(change, SWAP_PATIENCE).map_err(|error| error.to_string())
    }
}

/// Files by which the system looks names up, where there are names of servers to be looked up.
fn name_files(config: &Config) -> Vec<PathBuf> {
    if !lookout::has_names(config) {
        return Vec::new();
    }
    lookout::FILES.iter().map(PathBuf::from).filter(|path| path.exists()).collect()
}

/// Whether this process can look names up, if it has to: its sandbox was made for another configuration.
fn names_can_be_read(config: &Config) -> Result<(), String> {
    match name_files(config).into_iter().find(|path| std::fs::File::open(path).is_err()) {
        Some(path) => {
            Err(format!("names cannot be looked up by this process: it cannot read {}", path.display()))
        }
        None => Ok(()),
    }
}

/// The table of bans in sealed memory; without one that can be read, those stay banned who are.
fn unpack(packed: &OwnedFd) -> Option<BanTable> {
    let bytes = sys::mem::read_sealed(packed.as_fd(), BANS_FILE_LEN_MAX);
    let table = bytes.ok().and_then(|bytes| BanTable::unpack(&bytes));
    if table.is_none() {
        log::error!("the bans are not understood");
    }
    table
}

/// Keys of tickets, without those that are none.
fn ticket_keys(keys: &[Bytes]) -> Vec<TicketKey> {
    keys.iter().filter_map(|key| Some(TicketKey::from_bytes(key.0.as_slice().try_into().ok()?))).collect()
}

/// Whether this process can read what a site has served: its sandbox was made for another one, and what a path leads to
/// may have changed since.
fn readable(site: &Site) -> Result<(), String> {
    let roots = site.locations().filter_map(|location| location.kept_files());
    for files in roots {
        if let Err(error) = open_beneath(files.root.as_fd(), b"", Symlinks::Never, Cached::Any) {
            return Err(format!("a folder cannot be read by this process: {error}"));
        }
    }
    Ok(())
}

fn answer(done: Result<(), String>, well: FromWorker) -> FromWorker {
    match done {
        Ok(()) => well,
        Err(why) => FromWorker::Refused { why },
    }
}
