//! Starting the shards, telling them to end, and waiting for that.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use glommio::{LocalExecutorBuilder, Placement};
use logging::{Format, Logger, ShardLog, SinkId, Target};
use perf::Block;
use site::Site;
use sys::eventfd::EventFd;

use crate::access_log::AccessLog;
use crate::error::Error;
use crate::inbox::{Inbox, Letter};
use crate::jobs::Jobs;
use crate::lane::Lane;
use crate::lane::ring::Ring;
use crate::limits::Limits;
use crate::shard::{Listener, Shard};

/// What a server is made of.
pub struct Plan<'p> {
    /// What is served.
    pub site: Arc<Site>,
    /// Limits and times.
    pub config: &'p config::Server,
    /// One for each shard.
    pub shards: Vec<ShardPlan>,
    /// Takes the access logs.
    pub logger: &'p Logger,
}

/// What one shard gets.
pub struct ShardPlan {
    /// The core it is pinned to.
    pub cpu: usize,
    /// Bound, listening, blocking sockets; each with the index of its address in the configuration.
    pub listeners: Vec<(usize, OwnedFd)>,
    /// Its counters; this shard is their only writer.
    pub block: Arc<Block>,
}

/// How serving has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As told.
    Stopped,
    /// A shard failed, and the others were stopped.
    ShardLost {
        /// Which.
        shard: usize,
    },
}

/// Running shards.
pub struct Server {
    inboxes: Vec<Arc<Inbox>>,
    ended: Receiver<(usize, bool)>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Server {
    /// Starts one thread for each shard; returns when all of them accept.
    ///
    /// # Errors
    ///
    /// When one cannot start; the others are stopped then.
    pub fn start(plan: Plan<'_>) -> Result<Server, Error> {
        glommio::early_init();
        let jobs = Jobs::start().map_err(Error::Thread)?;
        let count = plan.shards.len();
        let (ended_in, ended) = bounded(count);
        let (ready_in, ready) = bounded(count);
        let sinks = sinks(&plan.site, plan.logger);
        let mut server = Server { inboxes: Vec::new(), ended, threads: Mutex::default() };
        for (number, shard) in plan.shards.into_iter().enumerate() {
            let (inbox, letters) = Inbox::new().map_err(Error::Thread)?;
            server.inboxes.push(Arc::clone(&inbox));
            let start = Start {
                number,
                plan: shard,
                site: Arc::clone(&plan.site),
                limits: Limits::new(plan.config),
                file_cache: plan.config.file_cache.clone(),
                log: plan.logger.shard(),
                sinks: sinks.clone(),
                jobs: jobs.clone(),
                inbox,
                letters,
            };
            let (ready, ended) = (ready_in.clone(), ended_in.clone());
            let name = format!("shard {number}");
            let thread = thread::Builder::new().name(name).spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| start.run(&ready)));
                let well = matches!(outcome, Ok(Ok(())));
                if let Ok(Err(error)) = outcome {
                    log::error!("{error}");
                    // Nobody reads any more once all shards have started.
                    let _ = ready.send(Err(error));
                }
                // The receiver lives as long as the server.
                let _ = ended.send((number, well));
            });
            server
                .threads
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread.map_err(Error::Thread)?);
        }
        drop(ready_in);
        for _ in 0..count {
            // A thread that panicked has dropped its sender without a word.
            let answer = ready.recv().unwrap_or(Err(Error::ShardLost { shard: 0 }));
            if let Err(error) = answer {
                server.stop();
                return Err(error);
            }
        }
        Ok(server)
    }

    /// Accepts no more, closes idle connections, lets requests end; after `patience` stops all the same.
    pub fn drain(&self, patience: Duration) {
        self.tell(|| Letter::Drain(patience));
    }

    /// Stops at once.
    pub fn stop(&self) {
        self.tell(|| Letter::Stop);
    }

    fn tell(&self, letter: impl Fn() -> Letter) {
        for inbox in &self.inboxes {
            inbox.post(letter());
        }
    }

    /// Waits until all shards have ended. When one fails, stops the others.
    pub fn wait(&self) -> Outcome {
        let mut outcome = Outcome::Stopped;
        for _ in 0..self.inboxes.len() {
            let Ok((shard, well)) = self.ended.recv() else { break };
            if !well && outcome == Outcome::Stopped {
                outcome = Outcome::ShardLost { shard };
                self.stop();
            }
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A panic has been caught and reported inside.
            let _ = thread.join();
        }
        outcome
    }
}

/// Where each location logs to, by its id.
fn sinks(site: &Site, logger: &Logger) -> Vec<Option<(SinkId, Format)>> {
    let mut sinks = Vec::new();
    for location in site.locations() {
        let index = location.id as usize;
        if sinks.len() <= index {
            sinks.resize(index + 1, None);
        }
        sinks[index] = location.log.as_ref().and_then(|log| {
            let target = match &log.output {
                config::Output::Stdout => Target::Stdout,
                config::Output::Stderr => Target::Stderr,
                config::Output::File(path) => Target::File(path.clone()),
            };
            let format = match log.format {
                config::LogFormat::Common => Format::Common,
                config::LogFormat::Combined => Format::Combined,
                config::LogFormat::Json => Format::Json,
            };
            logger.sink(&target).map(|sink| (sink, format))
        });
    }
    sinks
}

/// Everything that goes into a shard's thread.
struct Start {
    number: usize,
    plan: ShardPlan,
    site: Arc<Site>,
    limits: Limits,
    file_cache: config::FileCache,
    log: ShardLog,
    sinks: Vec<Option<(SinkId, Format)>>,
    jobs: Jobs,
    inbox: Arc<Inbox>,
    letters: Receiver<Letter>,
}

impl Start {
    /// Runs the shard to its end.
    fn run(self, ready: &Sender<Result<(), Error>>) -> Result<(), Error> {
        let number = self.number;
        let ring_error = |source: io::Error| Error::Ring { shard: number, source };
        let executor = LocalExecutorBuilder::new(Placement::Fixed(self.plan.cpu))
            .name("shard")
            // Files go through the lane, so the executor needs no registered memory.
            .io_memory(0)
            .make()
            .map_err(|error| Error::Executor { shard: number, reason: error.to_string() })?;
        executor.run(async move {
            let notify = EventFd::new().map_err(ring_error)?;
            let ring = Ring::new(notify.as_fd()).map_err(ring_error)?;
            let letters = self.letters.clone();
            let shard = Rc::new(self.into_shard(ring));
            let mut lane = Lane::new(shard, letters, notify).map_err(ring_error)?;
            // The one who starts the server waits for this word of every shard.
            let _ = ready.send(Ok(()));
            lane.drive().await.map_err(ring_error)
        })
    }

    fn into_shard(self, ring: Ring) -> Shard {
        let listeners = self.plan.listeners.into_iter();
        let listeners = listeners.map(|(address, socket)| Listener::new(address, socket)).collect();
        let log = AccessLog::new(self.log, self.sinks);
        let parts = crate::shard::Parts {
            listeners,
            ring,
            site: self.site,
            limits: self.limits,
            file_cache: self.file_cache,
            counters: self.plan.block,
            log,
            jobs: self.jobs,
            inbox: self.inbox,
        };
        Shard::new(parts)
    }
}
