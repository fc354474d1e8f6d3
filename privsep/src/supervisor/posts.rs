//! Auth and logger: started where they are missing, and heard. Auth-pam is started here, too.

use std::os::fd::AsFd;
use std::time::Instant;

use super::logins;
use super::run::{Supervisor, TURN};
use crate::message::{FromAuth, ToAuth, ToLogger};
use crate::role::Role;

impl Supervisor<'_> {
    /// Starts auth and logger where they are missing.
    pub(super) fn fill_posts(&mut self, now: Instant) {
        if !self.is_ending() && self.auth.due().is_some_and(|due| due <= now) {
            let (hello, way) = (self.hello(), self.way_for_messages(Role::Auth));
            let errors = self.errors.as_ref().map(AsFd::as_fd);
            self.auth_ready = false;
            let secrets = sys::mem::sealed("kimura-secrets", &self.deployment.needs.control.secrets.0);
            let deployment = &self.deployment;
            self.logins.refilled = true;
            self.auth.fill(&self.stage, errors, |link| {
                link.send(&ToAuth::Hello { hello }, &[])?;
                way.iter().try_for_each(|way| link.send(&ToAuth::Messages, &[way.as_fd()]))?;
                link.send(&ToAuth::Learn, &[secrets?.as_fd()])?;
                logins::teach(link, deployment)
            });
        }
        self.fill_pam(now);
        // Also while the end is near: the last lines are to be written.
        if self.logger.due().is_some_and(|due| due <= now) {
            let hello = self.hello();
            let errors = self.errors.as_ref().map(AsFd::as_fd);
            self.logger.fill(&self.stage, errors, |link| link.send(&ToLogger::Hello { hello }, &[]));
            self.forget_job();
            self.tell_files_before();
            self.tell_sinks();
            // Some destinations are to have the messages that wait there.
            self.tell_tail();
            self.tell_producers();
        }
    }

    pub(super) fn on_auth(&mut self) {
        for _ in 0..TURN {
            match self.auth.receive() {
                Some(FromAuth::Ready) => self.auth_ready = true,
                Some(FromAuth::Verdict { id, name }) => self.on_verdict(id, name.as_deref()),
                Some(FromAuth::Judged { id, outcome }) => self.on_judged(id, outcome),
                None => return,
            }
        }
    }

    /// Nobody waits for a verdict that does not come.
    pub(super) fn look_after_auth(&mut self, now: Instant) {
        if self.auth.is_filled() && self.control.misses_verdict(now) {
            log::error!("auth gives no verdict");
            self.auth.dismiss();
        }
        if !self.auth.is_filled() {
            self.auth_ready = false;
            self.auth_lost();
            self.logins_lost();
        }
    }

    pub(super) fn auth_is_ready(&self) -> bool {
        self.auth_ready
    }
}
