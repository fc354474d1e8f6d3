//! Starting the shards, telling them to end, and waiting for that.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use auth::bans::BanTable;
use crossbeam_channel::{Receiver, Sender, bounded};
use glommio::{LocalExecutorBuilder, Placement};
use logging::{Logger, ShardLog};
use perf::{Block, Counter};
use site::Site;
use site::shaping::{Entry, Shaping, merge};
use site::upstream::{Changes, GroupId, Health, SeatReport};
use sys::broadcast::Reader;
use sys::eventfd::EventFd;

use crate::access_log::AccessLog;
use crate::change::{Change, Listening, Offer};
use crate::error::Error;
use crate::inbox::{Inbox, Letter, Letters, ask};
use crate::jobs::Jobs;
use crate::lane::Lane;
use crate::lane::ring::Ring;
use crate::limits::{LOGINS_WAITING_MAX, SHOWN_MAX};
use crate::listeners::Listeners;
use crate::logins::{Login, Logins, Verdict, shard_of};
use crate::offenders::Offenders;
use crate::scopes::Scopes;
use crate::secure::{Secured, Toward};
use crate::shaping::{Telling, start_telling};
use crate::shard::{Parts, Shard};

/// How long shards may take to tell who has used what.
const TELL_PATIENCE: Duration = Duration::from_secs(1);

/// How long shards may take to give up their accepts.
const LET_GO_PATIENCE: Duration = Duration::from_secs(1);

/// What a server is made of.
pub struct Plan<'p> {
    /// What is served.
    pub site: Arc<Site>,
    /// What TLS is spoken with, by address; none for an address without.
    pub secured: Vec<Option<Secured>>,
    /// How TLS is spoken to servers that requests are passed on to, by their group; those of others get none.
    pub outward: HashMap<GroupId, Toward>,
    /// Limits and times.
    pub config: &'p config::Server,
    /// One for each shard.
    pub shards: Vec<ShardPlan>,
    /// Takes the access logs.
    pub logger: &'p Logger,
    /// Who is banned from the first connection on; none when nobody is.
    pub banned: Option<Arc<BanTable>>,
    /// What has become of the servers that requests are passed on to.
    pub changes: Arc<Changes>,
    /// By which cookies are made that name these servers: nobody outside knows it.
    pub cookie_secret: u64,
    /// Takes the clients that make bad requests, each as often as it does; none when nobody wants to know.
    pub offenders: Option<SyncSender<Vec<IpAddr>>>,
    /// What viewers of live logs see; without it there are none.
    pub tail: Option<Arc<Reader>>,
    /// What scrapers see; without it there is nothing.
    pub metrics: Option<Arc<Reader>>,
}

/// What one shard gets.
pub struct ShardPlan {
    /// The core it is pinned to.
    pub cpu: usize,
    /// Where it listens; each with its socket.
    pub listeners: Vec<Listening>,
    /// Its counters; this shard is their only writer.
    pub block: Arc<Block>,
}

/// What becomes of connections without a request when the server drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// They are closed: nobody will serve any more.
    AtOnce,
    /// They may ask once more, and hear with the answer that the connection ends: whoever asks just then gets an
    /// answer, and connects to the successor next (RFC 9112 section 9.6).
    OnceMore,
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
    sites: Mutex<Sites>,
    logins: Receiver<Login>,
}

/// What is served and what is prepared, as told by the scopes of each.
struct Sites {
    served: Scopes,
    prepared: Option<Scopes>,
}

/// Readies the process for [`Server::start`], while it has a single thread: later the same takes a grace period of the
/// kernel, which on a busy machine was seen to last for more than ten seconds.
pub fn prepare() {
    glommio::early_init();
}

impl Server {
    /// Starts one thread for each shard; returns when all of them are ready to accept, for which they wait for
    /// [`Server::open`]: what one of them accepted would be lost if another could not start.
    ///
    /// # Errors
    ///
    /// When one cannot start, or the listeners are not as they have to be; the others are stopped then.
    pub fn start(plan: Plan<'_>) -> Result<Server, Error> {
        prepare();
        let Plan {
            site,
            secured,
            outward,
            config,
            shards,
            logger,
            banned,
            changes,
            cookie_secret,
            offenders,
            tail,
            metrics,
        } = plan;
        let count = shards.len();
        let (listeners, places): (Vec<_>, Vec<_>) =
            shards.into_iter().map(|shard| (shard.listeners, (shard.cpu, shard.block))).unzip();
        for (shard, listeners) in listeners.iter().enumerate() {
            if let Some(id) = Listeners::default().unknown(listeners) {
                return Err(Error::NoSocket { shard, id });
            }
        }
        let (offers, served) =
            Change { site, secured, outward, config, logger, listeners }.offers(count, None)?;
        let jobs = Jobs::start().map_err(Error::Thread)?;
        let (ended_in, ended) = bounded(count);
        let (ready_in, ready) = bounded(count);
        let sites = Mutex::new(Sites { served, prepared: None });
        let (desk, logins) = bounded(count.max(1) * LOGINS_WAITING_MAX);
        let mut server = Server { inboxes: Vec::new(), ended, threads: Mutex::default(), sites, logins };
        let (telling, gathering) = start_telling(count);
        for ((number, (offer, (cpu, block))), telling) in
            offers.into_iter().zip(places).enumerate().zip(telling)
        {
            let (inbox, letters) = Inbox::new().map_err(Error::Thread)?;
            server.inboxes.push(Arc::clone(&inbox));
            let logins = Logins::new(number, desk.clone()).map_err(Error::Thread)?;
            let start = Start {
                number,
                cpu,
                offer,
                banned: banned.clone(),
                changes: Arc::clone(&changes),
                cookie_secret,
                offenders: offenders.clone(),
                block,
                log: logger.shard(),
                jobs: jobs.clone(),
                inbox,
                letters,
                logins,
                tail: tail.clone(),
                metrics: metrics.clone(),
                telling,
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
        gathering.run(server.inboxes.clone()).map_err(Error::Thread)?;
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

    /// Accepts no more and lets requests end; after `patience` stops all the same. Returns when nothing is accepted
    /// any more: a successor at the same sockets has to [look](Server::look) then.
    pub fn drain(&self, patience: Duration, farewell: Farewell) {
        let letters = self.inboxes.iter().map(|_| ());
        let letter = |(), reply| Letter::Drain(patience, farewell, reply);
        if let Err(error) = ask(&self.inboxes, letters, letter, LET_GO_PATIENCE) {
            // A shard that has ended accepts nothing either.
            log::debug!("draining: {error}");
        }
    }

    /// Accepts whoever waits at the listeners, after another process has let go of them: it may have been told of
    /// connections that it has not accepted.
    pub fn look(&self) {
        self.tell(|| Letter::Look);
    }

    /// Bans those of `table`, and nobody else, from now on: who is connected of them is closed.
    pub fn ban(&self, table: BanTable) {
        let table = Arc::new(table);
        self.tell(|| Letter::Ban(Arc::clone(&table)));
    }

    /// Tells what has become of the servers that requests are passed on to.
    pub fn change_upstreams(&self, changes: Changes) {
        let changes = Arc::new(changes);
        self.tell(|| Letter::Upstreams(Arc::clone(&changes)));
    }

    /// What each shard knows of these servers; of those that have not said so after `patience`, nothing.
    pub fn report_upstreams(&self, patience: Duration) -> Vec<SeatReport> {
        let deadline = Instant::now() + patience;
        let (asker, reports) = bounded(self.inboxes.len());
        self.tell(|| Letter::ReportUpstreams(asker.clone()));
        // When the shards have dropped theirs, there is no more to wait for.
        drop(asker);
        let mut all = Vec::new();
        while let Ok(report) = reports.recv_deadline(deadline) {
            all.extend(report);
        }
        all
    }

    /// Counts that a server has become well, or is so no more.
    pub fn count_health(&self, health: Health) {
        let counter = if health.is_down() { Counter::UpstreamsDown } else { Counter::UpstreamsUp };
        // A counter has one writer.
        self.inboxes.first().into_iter().for_each(|inbox| inbox.post(Letter::Count(counter)));
    }

    /// Has all shards go by other limits on what clients use. What was used of those that stay is not forgotten.
    pub fn reshape(&self, shaping: Option<&Arc<Shaping>>) {
        self.tell(|| Letter::Limits(shaping.cloned()));
    }

    /// Who has used how much of the limits, each with the JSON Pointer of the place whose limits they are: all places, then
    /// the hundred clients for whom limits have done most. A shard that does not answer within a second is left out.
    #[must_use]
    pub fn limits(&self) -> Vec<(String, Entry)> {
        let (to, from) = bounded(self.inboxes.len());
        self.tell(|| Letter::TellLimits(to.clone()));
        drop(to);
        let told = std::iter::from_fn(|| from.recv_timeout(TELL_PATIENCE).ok());
        merge(told.flatten(), SHOWN_MAX)
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// Stops at once.
    pub fn stop(&self) {
        self.tell(|| Letter::Stop);
    }

    /// Has every shard hold another site ready, in place of one that was prepared before. What is served stays as it
    /// is until [`Server::commit`].
    ///
    /// # Errors
    ///
    /// When the change does not fit the server, a shard cannot take it, or not all have answered after `patience`.
    /// Then nothing is prepared any more.
    pub fn prepare(&self, change: Change<'_>, patience: Duration) -> Result<(), Error> {
        let mut sites = self.sites();
        sites.prepared = None;
        let prepared = change.offers(self.inboxes.len(), Some(&sites.served)).and_then(|(offers, scopes)| {
            let letters = offers.into_iter().map(Box::new);
            ask(&self.inboxes, letters, Letter::Prepare, patience).map(|()| scopes)
        });
        match prepared {
            Ok(scopes) => {
                sites.prepared = Some(scopes);
                Ok(())
            }
            Err(error) => {
                self.tell(|| Letter::Abort);
                Err(error)
            }
        }
    }

    /// Has every shard go over to what was prepared, each between two of its passes; returns when all have. Requests
    /// that have begun end with what they began with.
    ///
    /// # Errors
    ///
    /// When nothing is prepared, when the server is on its way out, and when not all shards have answered after
    /// `patience`: those go over when they come to it.
    pub fn commit(&self, patience: Duration) -> Result<(), Error> {
        let mut sites = self.sites();
        sites.served = sites.prepared.take().ok_or(Error::NothingPrepared)?;
        let letters = self.inboxes.iter().map(|_| ());
        ask(&self.inboxes, letters, |(), reply| Letter::Commit(reply), patience)
    }

    /// Drops what was prepared, if anything.
    pub fn abort(&self) {
        self.sites().prepared = None;
        self.tell(|| Letter::Abort);
    }

    /// Waits for the next client that wants to log in; none when there will be no more. One of several threads that wait
    /// gets it.
    pub fn next_login(&self) -> Option<Login> {
        self.logins.recv().ok()
    }

    /// Tells the request that waits for it what becomes of a login.
    pub fn judged(&self, ticket: u64, verdict: Verdict) {
        if let Some(inbox) = self.inboxes.get(shard_of(ticket)) {
            inbox.post(Letter::Judged(ticket, verdict));
        }
    }

    /// Has all passwords judged again.
    pub fn forget_logins(&self) {
        self.tell(|| Letter::ForgetLogins);
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, letter: impl Fn() -> Letter) {
        for inbox in &self.inboxes {
            inbox.post(letter());
        }
    }

    /// Has every shard accept from now on.
    pub fn open(&self) {
        self.tell(|| Letter::Open);
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

/// Everything that goes into a shard's thread.
struct Start {
    number: usize,
    cpu: usize,
    offer: Offer,
    banned: Option<Arc<BanTable>>,
    changes: Arc<Changes>,
    cookie_secret: u64,
    offenders: Option<SyncSender<Vec<IpAddr>>>,
    block: Arc<Block>,
    log: ShardLog,
    jobs: Jobs,
    inbox: Arc<Inbox>,
    letters: Letters,
    logins: Logins,
    tail: Option<Arc<Reader>>,
    metrics: Option<Arc<Reader>>,
    telling: Option<Telling>,
}

impl Start {
    /// Runs the shard to its end.
    fn run(self, ready: &Sender<Result<(), Error>>) -> Result<(), Error> {
        let number = self.number;
        let ring_error = |source: io::Error| Error::Ring { shard: number, source };
        let executor = LocalExecutorBuilder::new(Placement::Fixed(self.cpu))
            .name("shard")
            // Files go through the lane, so the executor needs no registered memory.
            .io_memory(0)
            .make()
            .map_err(|error| Error::Executor { shard: number, reason: error.to_string() })?;
        executor.run(async move {
            let notify = EventFd::new().map_err(ring_error)?;
            let ring = Ring::new(notify.as_fd()).map_err(ring_error)?;
            let shard = Rc::new(Shard::new(Parts {
                number,
                ring,
                offer: self.offer,
                banned: self.banned,
                changes: self.changes,
                cookie_secret: self.cookie_secret,
                offenders: Offenders::new(self.offenders),
                counters: self.block,
                log: AccessLog::new(self.log),
                jobs: self.jobs,
                inbox: self.inbox,
                logins: self.logins,
                tail: self.tail,
                metrics: self.metrics,
                telling: self.telling,
            }));
            let mut lane = Lane::new(shard, self.letters, notify).map_err(ring_error)?;
            // The one who starts the server waits for this word of every shard.
            let _ = ready.send(Ok(()));
            lane.drive().await.map_err(ring_error)
        })
    }
}
