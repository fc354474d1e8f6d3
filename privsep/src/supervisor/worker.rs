//! One generation of workers, as the supervisor sees it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use perf::Block;
use sys::net::listen_again;

use super::Deployment;
use super::estate::{Estate, Opened};
use super::pressure::Pressure;
use crate::link::{Link, LinkError};
use crate::message::{FromWorker, Hello, KeptPhase, ToWorker, WorkerReport};
use crate::stage::Life;

/// How long a worker may take until all its shards accept.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(30);
/// How much longer than the requests a worker may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its shards begin.
    Starting,
    /// All of them accept.
    Serving,
    /// It accepts no more; a successor does.
    Retiring,
    /// It accepts no more, and nobody will.
    Draining,
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) generation: u32,
    pub(crate) life: Life,
    pub(crate) link: Link<ToWorker, FromWorker>,
    pub(crate) phase: Phase,
    /// When it is ended unless it has got further.
    pub(crate) deadline: Option<Instant>,
    pub(crate) begun: Instant,
    pub(crate) blocks: Vec<Block>,
    /// The logger's end of its log: what no logger has read yet waits here.
    pub(crate) lines: OwnedFd,
    /// Whether it has said that what waits is its successor's.
    pub(crate) let_go: bool,
    /// So many destinations of logs it knows.
    sinks: usize,
}

/// What a worker is started with.
pub(crate) struct Birth<'b> {
    pub(crate) generation: u32,
    pub(crate) hello: Hello,
    /// The core of each shard.
    pub(crate) cores: &'b [usize],
    /// Where batches of log lines go.
    pub(crate) log: OwnedFd,
    /// Where they come out.
    pub(crate) lines: OwnedFd,
    /// What it is to see of the logger.
    pub(crate) seen: Seen<'b>,
}

/// What a worker reads that the logger or the supervisor writes; nothing in a rehearsal.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen<'b> {
    /// Which logs cannot keep up.
    pub(crate) pressure: Option<&'b Pressure>,
    /// What viewers of the logs read.
    pub(crate) tail: Option<BorrowedFd<'b>>,
    /// What scrapers read.
    pub(crate) metrics: Option<BorrowedFd<'b>>,
}

impl Worker {
    /// Tells a worker that was just started everything up to the site; ends it where that is not possible.
    pub(crate) fn greet(life: Life, link: Link<ToWorker, FromWorker>, birth: Birth<'_>) -> io::Result<Self> {
        let blocks = (0..birth.cores.len()).map(Block::create).collect::<io::Result<Vec<_>>>();
        let blocks = match blocks {
            Ok(blocks) => blocks,
            Err(error) => {
                end(life, &link);
                return Err(error);
            }
        };
        let cores = birth.cores.iter().map(|&core| core as u32).collect();
        let hello = ToWorker::Hello { hello: birth.hello, generation: birth.generation, cores };
        let now = Instant::now();
        let worker = Self {
            generation: birth.generation,
            life,
            link,
            phase: Phase::Starting,
            deadline: Some(now + START_PATIENCE),
            begun: now,
            blocks,
            lines: birth.lines,
            let_go: false,
            sinks: 0,
        };
        match worker.hand_over(&hello, &birth.log, birth.seen) {
            Ok(()) => Ok(worker),
            Err(error) => {
                end(worker.life, &worker.link);
                Err(io::Error::other(error))
            }
        }
    }

    fn hand_over(&self, hello: &ToWorker, log: &OwnedFd, seen: Seen<'_>) -> Result<(), LinkError> {
        self.link.send(hello, &[])?;
        for block in &self.blocks {
            self.link.send(&ToWorker::Counters, &[block.fd()])?;
        }
        if let Some(pressure) = seen.pressure {
            self.link.send(&ToWorker::Pressure { sinks: Pressure::SINKS }, &[pressure.view()])?;
        }
        if let Some(tail) = seen.tail {
            self.link.send(&ToWorker::Tail, &[tail])?;
        }
        if let Some(metrics) = seen.metrics {
            self.link.send(&ToWorker::Metrics, &[metrics])?;
        }
        self.link.send(&ToWorker::Log, &[log.as_fd()])
    }

    /// One that another program has started in this process.
    pub(crate) fn inherit(
        generation: u32,
        life: Life,
        link: Link<ToWorker, FromWorker>,
        kept: &KeptPhase,
        blocks: Vec<Block>,
        lines: OwnedFd,
    ) -> Self {
        let now = Instant::now();
        let (phase, deadline) = match kept {
            KeptPhase::Starting => (Phase::Starting, Some(now + START_PATIENCE)),
            KeptPhase::Serving => (Phase::Serving, None),
            KeptPhase::Leaving { millis } => (Phase::Retiring, Some(now + Duration::from_millis(*millis))),
        };
        // It is told no more destinations of logs.
        let sinks = usize::MAX;
        Self { generation, life, link, phase, deadline, begun: now, blocks, lines, let_go: false, sinks }
    }

    /// Tells it a site and all its sockets, to be followed by `Start`.
    pub(crate) fn deploy(
        &mut self,
        deployment: &Deployment,
        estate: &Estate,
        opened: &Opened,
    ) -> Result<(), LinkError> {
        self.tell_sinks(estate)?;
        let subject = deployment.subject.clone();
        self.link.send(&ToWorker::Configuration { subject }, &[deployment.text.as_fd()])?;
        self.link.send(&ToWorker::Files, &[deployment.files.workers.as_fd()])?;
        self.link.send(&ToWorker::Tickets { keys: estate.tickets.told() }, &[])?;
        estate.bans.tell(self)?;
        estate.upstreams.tell(self)?;
        self.link.send(&ToWorker::CookieSecret { number: estate.epoch }, &[])?;
        estate.limits.tell(self)?;
        let shards = self.blocks.len();
        for (address, listen) in deployment.needs.listeners.iter().enumerate() {
            let Some(listener) = estate.listener(opened, &listen.address) else { continue };
            for shard in 0..shards {
                for socket in listener.of_shard(shard, shards) {
                    // Another backlog may be wanted; and a worker that was taken over may have shut it down for all.
                    if let Err(error) =
                        listen_again(socket.fd.as_fd(), &listener.actual, deployment.needs.backlog)
                    {
                        log::error!("{} cannot be listened on again: {error}", listener.actual);
                    }
                    let (shard, id, address) = (shard as u32, socket.id, address as u32);
                    self.link.send(&ToWorker::Socket { shard, id, address }, &[socket.fd.as_fd()])?;
                }
            }
        }
        Ok(())
    }

    /// Has it serve what it was told.
    pub(crate) fn begin(&mut self) -> Result<(), LinkError> {
        self.link.send(&ToWorker::Start, &[])
    }

    /// Tells it the destinations of logs that are new to it.
    fn tell_sinks(&mut self, estate: &Estate) -> Result<(), LinkError> {
        for sink in estate.sinks().iter().skip(self.sinks) {
            self.link.send(&ToWorker::Sink { output: sink.output.clone() }, &[])?;
            self.sinks += 1;
        }
        Ok(())
    }

    /// As the next program is told.
    pub(crate) fn kept_phase(&self) -> KeptPhase {
        match self.phase {
            Phase::Starting => KeptPhase::Starting,
            Phase::Serving => KeptPhase::Serving,
            Phase::Retiring | Phase::Draining => {
                let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                KeptPhase::Leaving { millis: millis(left.unwrap_or(END_PATIENCE)) }
            }
        }
    }

    /// Whether it has been told to end.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Retiring | Phase::Draining)
    }

    /// Has it end when all is answered, in favour of a successor.
    pub(crate) fn retire(&mut self, patience: Duration) {
        if !self.is_leaving() {
            self.leave(Phase::Retiring, &ToWorker::Retire { millis: millis(patience) }, patience);
        }
    }

    /// Has it end when all is answered.
    pub(crate) fn drain(&mut self, patience: Duration) {
        if self.phase != Phase::Draining {
            self.leave(Phase::Draining, &ToWorker::Drain { millis: millis(patience) }, patience);
        }
    }

    fn leave(&mut self, phase: Phase, message: &ToWorker, patience: Duration) {
        self.phase = phase;
        self.deadline = Some(Instant::now() + patience + END_PATIENCE);
        if self.link.send(message, &[]).is_err() {
            self.end();
        }
    }

    /// Ends it: a process is killed, a thread is left without a link.
    pub(crate) fn end(&self) {
        match self.life {
            Life::Process(_) => self.life.kill(),
            Life::Thread(_) => self.link.shut(),
        }
    }

    /// Has it end now.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Draining;
        self.deadline = Some(Instant::now() + END_PATIENCE);
        if self.link.send(&ToWorker::Stop, &[]).is_err() {
            self.end();
        }
    }

    pub(crate) fn report(&self) -> WorkerReport {
        let state = match self.phase {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::Retiring | Phase::Draining => "draining",
        };
        WorkerReport {
            generation: self.generation,
            pid: self.life.pid(),
            state: state.to_owned(),
            shards: self.blocks.len() as u32,
        }
    }
}

/// Ends one that never came to be a worker.
fn end(mut life: Life, link: &Link<ToWorker, FromWorker>) {
    link.shut();
    life.put_down();
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
