//! What reaches a serving process from outside: signals, and the passing of seconds for `-V`.

use crate::counters::{PERIOD, Ticker};
use crate::print;
use engine::Server;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use sys::signal::{Signal, Signals};

/// The signals that end the server. The others keep their default: a hangup ends it as it ends any program.
pub(crate) const ENDING: &[Signal] = &[Signal::Terminate, Signal::Interrupt, Signal::Quit];

/// Passes on what comes until the process ends. A thread of its own, because the main thread waits for the shards,
/// which may end without any signal.
///
/// # Errors
/// When the system refuses one more thread.
pub(crate) fn start(
    signals: Signals,
    server: Arc<Server>,
    drain: Duration,
    ticker: Option<Ticker>,
) -> io::Result<()> {
    let watch = Watch { signals, server, drain, draining: false };
    thread::Builder::new().name("kimura-signals".to_owned()).spawn(move || watch.run(ticker)).map(drop)
}

struct Watch {
    signals: Signals,
    server: Arc<Server>,
    drain: Duration,
    draining: bool,
}

impl Watch {
    fn run(mut self, ticker: Option<Ticker>) {
        let watched = match ticker {
            None => self.wait(),
            Some(ticker) => self.wait_and_tick(ticker),
        };
        if let Err(error) = watched {
            log::error!("signals are no longer heard ({error}); only SIGKILL ends the server now");
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        loop {
            let signal = self.signals.wait()?;
            self.on(signal);
        }
    }

    fn wait_and_tick(&mut self, mut ticker: Ticker) -> io::Result<()> {
        let mut next = Instant::now() + PERIOD;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if let Some(signal) = self.signals.wait_timeout(left)? {
                self.on(signal);
                continue;
            }
            next += PERIOD;
            print::out(&ticker.line())?;
        }
    }

    fn on(&mut self, signal: Signal) {
        if self.draining {
            log::warn!("{signal} again: stopping at once");
            return self.server.stop();
        }
        log::info!("{signal}: accepting no more; running requests have {} s", self.drain.as_secs_f32());
        self.draining = true;
        self.server.drain(self.drain);
    }
}
