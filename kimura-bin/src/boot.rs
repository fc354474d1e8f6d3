//! From a command line to a serving process, and to its end: one straight list.

use crate::arguments::{Reports, Wishes};
use crate::counters::{Counters, Ticker};
use crate::error::Error;
use crate::listeners::{self, Listeners};
use crate::settings::{self, Origin};
use crate::{identity, limits, logs, print, shards, watch};
use config::Loaded;
use engine::{Outcome, Plan, Server, ShardPlan};
use log::LevelFilter;
use logging::{Logger, Target, error_log};
use std::io::{self, IsTerminal};
use std::panic;
use std::sync::Arc;
use std::time::Duration;
use sys::daemon::daemonize;
use sys::net::Address;
use sys::pid_file::PidFile;
use sys::signal::Signals;

/// How long the last lines of the logs may take to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// Serves until a signal ends it.
///
/// # Errors
/// Whatever prevents the start, with nothing left behind; afterwards only that a shard was lost.
pub(crate) fn serve(wishes: &Wishes, reports: Reports) -> Result<(), Error> {
    error_log::install(&Target::Stderr, LevelFilter::Info)?;
    // A server in the background has no standard error, where a panic would be told otherwise.
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    let nofile = limits::raise().map_err(Error::process("read the limits of the process"))?;
    sys::uring::probe()?;
    let (Loaded { config, registry }, origin) = settings::load(wishes)?;
    let site = Arc::new(site::compile(&config, &registry)?);
    let identity = identity::resolve(&config.server, &registry)?;
    let cores = shards::cores(config.server.shards).map_err(Error::process("learn which cores there are"))?;
    limits::compare(nofile, &config.server, &registry, cores.len());
    let Listeners { addresses, by_shard } = listeners::bind(&config, &registry, cores.len())?;
    let counters = Counters::create(cores.len()).map_err(Error::process("make the counters"))?;
    let sinks = logs::open_access_logs(&config, &registry)?;
    logs::open_error_log(&config, &registry)?;

    // No thread before this line: only the calling one would go along to the background.
    let background = config.server.daemon.then(daemonize).transpose();
    let background = background.map_err(Error::process("go to the background"))?;
    let pid_file = config.server.pid_file.as_deref().map(PidFile::create).transpose()?;
    if let Some(identity) = &identity {
        sys::creds::drop_to(identity)?;
    }
    // Nor before this one: a thread that has not blocked a signal dies of it.
    let signals = Signals::block(watch::ENDING).map_err(Error::process("receive signals"))?;
    let logger = Logger::start(sinks)?;
    let shards = cores.iter().zip(by_shard).zip(counters.blocks());
    let shards =
        shards.map(|((&cpu, listeners), block)| ShardPlan { cpu, listeners, block: Arc::clone(block) });
    let plan = Plan { site, config: &config.server, shards: shards.collect(), logger: &logger };
    let server = Arc::new(Server::start(plan)?);

    let ticker = || Ticker::new(counters.clone(), io::stdout().is_terminal());
    let (every_second, mut at_the_end) = match reports {
        Reports::Quiet => (None, None),
        Reports::Verbose => (Some(ticker()), Some(ticker())),
    };
    watch::start(signals, Arc::clone(&server), config.server.timeouts.drain, every_second)
        .map_err(Error::process("start a thread for signals"))?;
    banner(&origin, cores.len(), &addresses);
    if let Some(ready) = background {
        ready.serving().map_err(Error::process("let go of the terminal"))?;
        logger.reopen_streams();
    }

    let outcome = server.wait();
    if let Some(ticker) = &mut at_the_end {
        print::out(&ticker.line()).map_err(Error::process("print the counters"))?;
    }
    finish(logger, &counters);
    drop(pid_file);
    match outcome {
        Outcome::Stopped => Ok(()),
        Outcome::ShardLost { shard } => Err(engine::Error::ShardLost { shard }.into()),
    }
}

/// Tells people what runs, when all of it runs.
fn banner(origin: &Origin, shards: usize, addresses: &[Address]) {
    let plural = if shards == 1 { "" } else { "s" };
    print::note(&format!("kimura {}: {origin}; {shards} shard{plural}", env!("CARGO_PKG_VERSION")));
    for address in addresses {
        print::note(&format!("kimura: listening on {}", listeners::url(address)));
    }
}

/// Empties the logs, and accounts for every connection, request and log line.
fn finish(logger: Logger, counters: &Counters) {
    match logger.stop(LOG_PATIENCE) {
        Some(totals) if totals.lost == 0 => {}
        Some(totals) => log::warn!("{} lines of the access logs were lost to write errors", totals.lost),
        None => log::warn!("an access log takes no more lines; its last ones are lost"),
    }
    log::info!("ended; {}", counters.ledger());
}
