//! Serves: a control thread that hears the supervisor, and the shards.

use super::{Fault, Place, begin, level, replace_error_log};
use crate::settings::{self, Unloadable};
use config::Loaded;
use engine::{Listening, Outcome, Plan, Server, ShardPlan};
use logging::{Logger, Sinks, Target, error_log};
use perf::Block;
use privsep::link::{Link, LinkError};
use privsep::message::{FromWorker, Output, Subject, ToWorker};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Up = Link<FromWorker, ToWorker>;

/// How long the last lines of the logs may take to be handed over.
const LOG_PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a configuration's text.
const TEXT_MAX: usize = config::TEXT_MAX + 1;

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
    let mut luggage = Luggage::new(cores);
    while luggage.take(link.receive_waiting()?)? {}
    let started = luggage.start();
    let Serving { server, logger } = match started {
        Ok(serving) => serving,
        Err(why) => {
            link.send_waiting(&FromWorker::Refused { why }, &[])?;
            return Ok(());
        }
    };
    link.send_waiting(&FromWorker::Serving, &[])?;
    let control = Control { link: Arc::clone(link), server: Arc::clone(&server), place };
    let thread = thread::Builder::new().name("kimura-control".to_owned()).spawn(move || control.run());
    let thread = thread.map_err(|error| Fault::Link(LinkError::System(error)))?;
    let outcome = server.wait();
    if let Outcome::ShardLost { shard } = outcome {
        log::error!("shard {shard} has ended by itself");
    }
    // The control thread still waits for messages; this wakes it, and the last word goes out before.
    let stopped = logger.stop(LOG_PATIENCE);
    let lines_lost = stopped.map_or(0, |totals| totals.lost);
    let last = link.send_waiting(&FromWorker::Ended { lines_lost }, &[]);
    link.shut();
    // It ends with the link.
    let _ = thread.join();
    Ok(last?)
}

/// Everything that a worker is handed before it starts.
struct Luggage {
    cores: Vec<u32>,
    blocks: Vec<Block>,
    log: Option<OwnedFd>,
    targets: Vec<Target>,
    configuration: Option<(Subject, OwnedFd)>,
    /// By shard: number of the address, and socket.
    sockets: Vec<Vec<(usize, OwnedFd)>>,
}

/// What runs.
struct Serving {
    server: Arc<Server>,
    logger: Logger,
}

impl Luggage {
    fn new(cores: Vec<u32>) -> Self {
        let sockets = cores.iter().map(|_| Vec::new()).collect();
        Self { cores, blocks: Vec::new(), log: None, targets: Vec::new(), configuration: None, sockets }
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
            (ToWorker::Log, Some(fd)) => self.log = Some(fd),
            (ToWorker::Sink { output }, None) => self.targets.push(target(output)),
            (ToWorker::Configuration { subject }, Some(text)) => self.configuration = Some((subject, text)),
            (ToWorker::Socket { shard, address, .. }, Some(fd)) => {
                let sockets = self.sockets.get_mut(shard as usize).ok_or(Fault::Order)?;
                sockets.push((address as usize, fd));
            }
            (ToWorker::Start, None) => return Ok(false),
            (ToWorker::Verbosity { level: number }, None) => error_log::set_level(level(number)),
            _ => return Err(Fault::Order),
        }
        Ok(true)
    }

    /// Starts the shards; an error says why it cannot, for people.
    fn start(self) -> Result<Serving, String> {
        let Loaded { config, registry } = self.load()?;
        let site = site::compile(&config, &registry).map_err(|problems| problems.to_string())?;
        let log = self.log.ok_or("no way to the logger")?;
        let logger = Logger::start(Sinks::forward(self.targets, log)).map_err(|error| error.to_string())?;
        let shards = self.cores.iter().zip(self.sockets).zip(self.blocks);
        let shards = shards.map(|((&cpu, listeners), block)| ShardPlan {
            cpu: cpu as usize,
            listeners: listeners.into_iter().map(listening).collect(),
            block: Arc::new(block),
        });
        let plan =
            Plan { site: Arc::new(site), config: &config.server, shards: shards.collect(), logger: &logger };
        let server = Server::start(plan).map_err(|error| error.to_string())?;
        Ok(Serving { server: Arc::new(server), logger })
    }

    fn load(&self) -> Result<Loaded, String> {
        let (subject, text) = self.configuration.as_ref().ok_or("no configuration")?;
        let text = sys::mem::read_sealed(text.as_fd(), TEXT_MAX).map_err(|error| error.to_string())?;
        settings::load(subject, text).map_err(|unloadable| match unloadable {
            Unloadable::Problems(problems) => problems.to_string(),
            Unloadable::NoText(why) => why,
        })
    }
}

fn listening((address, socket): (usize, OwnedFd)) -> Listening {
    // The addresses of a worker do not change while it lives.
    Listening { id: address as u32, address, socket: Some(socket) }
}

fn target(output: Output) -> Target {
    match output {
        Output::Stdout => Target::Stdout,
        Output::Stderr => Target::Stderr,
        Output::File { path } => Target::File(path),
    }
}

/// Hears the supervisor while the shards serve.
struct Control {
    link: Arc<Up>,
    server: Arc<Server>,
    place: Place,
}

impl Control {
    fn run(self) {
        loop {
            match self.link.receive_waiting() {
                Ok((message, descriptors)) => self.hear(message, &descriptors),
                Err(error) => {
                    if !matches!(error, LinkError::Closed) {
                        log::error!("link to the supervisor: {error}");
                    }
                    // Without its supervisor a worker serves nobody.
                    return self.server.stop();
                }
            }
        }
    }

    fn hear(&self, message: ToWorker, descriptors: &[OwnedFd]) {
        match message {
            ToWorker::Drain { millis } => self.server.drain(Duration::from_millis(millis)),
            ToWorker::Stop => self.server.stop(),
            ToWorker::Verbosity { level: number } => error_log::set_level(level(number)),
            ToWorker::ErrorLog => replace_error_log(descriptors, self.place),
            other => log::warn!("a message out of turn is ignored: {other:?}"),
        }
    }
}
