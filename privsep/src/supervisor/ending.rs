//! How the server ends: what is under way may come to its end, or not, and everything is accounted for.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::run::{Ending, SECOND, Supervisor};
use super::worker::Worker;
use crate::message::{FromLogger, ToLogger};

impl Supervisor<'_> {
    /// Ends when all is answered.
    pub(super) fn begin_drain(&mut self) {
        self.ending = Ending::Draining;
        self.worker_due = None;
        self.end_change();
        self.estate.close();
        let patience = self.drain_patience();
        self.workers.iter_mut().for_each(|worker| worker.drain(patience));
    }

    /// Ends now.
    pub(super) fn begin_stop(&mut self) {
        self.ending = Ending::Stopping;
        self.worker_due = None;
        self.end_change();
        self.workers.iter_mut().for_each(Worker::stop);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending != Ending::Not
    }

    /// Ends everybody and accounts for everything.
    pub(super) fn end(&mut self) {
        self.report(Instant::now());
        for mut worker in std::mem::take(&mut self.workers) {
            worker.life.kill();
            if let Some(fd) = worker.life.fd() {
                let _ = sys::poll::readable(fd, Some(SECOND));
            }
            let _ = worker.life.ended();
            self.bury(worker);
        }
        if self.house.ticks() && self.served {
            self.tick();
        }
        self.agent.close();
        self.pam.post.close();
        self.auth.close();
        self.finish_logger();
        let lines = self.line_ledger().end();
        if lines.missing() > 0 {
            log::warn!("{lines}");
        }
        self.end_tail();
        self.estate.bans.finish();
        self.control.remove_file();
        self.estate.remove_files();
        if self.served {
            log::info!("ended; {}", self.past);
        }
    }

    /// Lets the logger write what it has.
    pub(super) fn finish_logger(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + PATIENCE;
        if !self.logger.send(&ToLogger::Finish, &[]) {
            return;
        }
        while self.logger.is_filled() && Instant::now() < deadline {
            if let Some(FromLogger::Finished) = self.logger.receive() {
                return self.logger.close();
            }
            let fds: Vec<BorrowedFd<'_>> = self.logger.fds().collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if sys::poll::any_readable(&fds, Some(left)).is_err() {
                break;
            }
        }
        log::warn!("the logger does not end; its last lines may be lost");
        self.logger.close();
    }
}
