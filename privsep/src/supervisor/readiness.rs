//! What the service manager that has started us is told: when we serve, when that changes, how we are, and the end.
//!
//! - READY=1 when every shard accepts, and again after every change, however that has ended; STATUS= says how.
//! - RELOADING=1 when a reload or an upgrade begins. In an upgrade the program that takes over says the rest.
//! - STOPPING=1 when the end begins.
//! - WATCHDOG=1 at half of the time that is asked for, as long as a worker serves, or the end is under way, which has
//!   deadlines of its own. A server that cannot get a worker to serve in that time is left to the service manager,
//!   which starts it again. Before READY=1 nobody asks.
//!
//! Without a service manager all of this is an empty field.

use std::time::{Duration, Instant};

use sys::notify::{News, Notifier, watchdog};

use super::run::Supervisor;
use super::worker::Phase;

/// What a service manager knows of us.
#[derive(Debug)]
pub(super) struct Readiness {
    notifier: Notifier,
    told: Told,
    status: String,
    watchdog: Option<Watchdog>,
}

/// The last that it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Ready,
    /// That a change has begun; so many had succeeded then.
    Changing(u32),
    Stopping,
}

/// When it is to hear that we are well.
#[derive(Debug)]
struct Watchdog {
    half: Duration,
    due: Instant,
}

impl Readiness {
    /// None without a service manager that wants to know.
    pub(super) fn from_environment() -> Option<Self> {
        let notifier = match Notifier::from_environment() {
            Ok(notifier) => notifier?,
            Err(error) => {
                log::warn!("the service manager is told nothing, NOTIFY_SOCKET cannot be used: {error}");
                return None;
            }
        };
        let watchdog = watchdog().map(|interval| Watchdog { half: interval / 2, due: Instant::now() });
        Some(Self { notifier, told: Told::Nothing, status: String::new(), watchdog })
    }

    fn tell(&self, news: &[News<'_>]) {
        if let Err(error) = self.notifier.tell(news) {
            log::warn!("the service manager cannot be told: {error}");
        }
    }

    fn tell_status(&mut self, news: &[News<'_>], status: String) {
        self.tell(&[news, &[News::Status(&status)]].concat());
        self.status = status;
    }
}

impl Supervisor<'_> {
    /// A reload or an upgrade begins, or is refused at once: whoever waits for its end gets to hear of both.
    pub(super) fn report_change(&mut self, what: &str) {
        let (changes, serving) = (self.changes(), self.serving_status());
        if let Some(readiness) = &mut self.readiness
            && readiness.told != Told::Stopping
        {
            readiness.told = match readiness.told {
                // Another one is under way; the end of that is the end of both.
                Told::Changing(before) => Told::Changing(before),
                _ => Told::Changing(changes),
            };
            readiness.tell_status(&[News::Reloading], format!("{what}; {serving}"));
        }
    }

    /// The program before us has told that a change begins.
    pub(super) fn inherit_readiness(&mut self) {
        let changes = self.changes();
        if let Some(readiness) = &mut self.readiness {
            readiness.told = Told::Changing(changes);
        }
    }

    /// Tells what is so and was not told yet.
    pub(super) fn report(&mut self, now: Instant) {
        if self.readiness.is_none() {
            return;
        }
        self.report_state();
        let healthy = self.is_healthy();
        let Some(readiness) = &mut self.readiness else { return };
        if let Some(watchdog) = readiness.watchdog.as_mut().filter(|watchdog| healthy && watchdog.due <= now)
        {
            watchdog.due = now + watchdog.half;
            readiness.tell(&[News::Alive]);
        }
    }

    fn report_state(&mut self) {
        let (ending, changing, changes) = (self.is_ending(), self.change.is_some(), self.changes());
        let (status, patience) = (self.serving_status(), self.drain_patience());
        let Some(readiness) = &mut self.readiness else { return };
        let pid = News::MainPid(std::process::id());
        match readiness.told {
            Told::Stopping => {}
            _ if ending => {
                readiness.told = Told::Stopping;
                let status = format!("ending; running requests have {} s", patience.as_secs_f32());
                readiness.tell_status(&[News::Stopping], status);
            }
            _ if !self.served => {}
            Told::Changing(_) if changing => {}
            Told::Changing(before) => {
                readiness.told = Told::Ready;
                let refused =
                    if before == changes { "; the last change was refused, see the log" } else { "" };
                readiness.tell_status(&[News::Ready, pid], status + refused);
            }
            Told::Nothing => {
                readiness.told = Told::Ready;
                readiness.tell_status(&[News::Ready, pid], status);
            }
            // What stands behind it is about a change.
            Told::Ready if readiness.status.starts_with(&status) => {}
            Told::Ready => readiness.tell_status(&[], status),
        }
    }

    /// When the service manager is to hear from us.
    pub(super) fn report_due(&self) -> Option<Instant> {
        let watchdog = self.readiness.as_ref()?.watchdog.as_ref()?;
        self.is_healthy().then_some(watchdog.due)
    }

    fn is_healthy(&self) -> bool {
        self.is_ending() || self.serving_shards().is_some()
    }

    fn serving_shards(&self) -> Option<usize> {
        let serving = self.workers.iter().find(|worker| worker.phase == Phase::Serving);
        serving.map(|worker| worker.blocks.len())
    }

    /// Reloads and upgrades that have succeeded.
    fn changes(&self) -> u32 {
        self.reloads.saturating_add(self.upgrades)
    }

    fn serving_status(&self) -> String {
        let needs = &self.deployment.needs;
        match self.serving_shards() {
            Some(shards) => format!(
                "serving {} on {}, {}",
                counted(needs.hosts.len(), "host", "hosts"),
                counted(needs.listeners.len(), "address", "addresses"),
                counted(shards, "shard", "shards"),
            ),
            None => "nobody serves: the worker has ended, and another one is being started".to_owned(),
        }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
