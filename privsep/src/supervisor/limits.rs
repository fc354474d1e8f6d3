//! Limits that were changed by command: kept here for every worker to come, and what workers tell of those who use them.

use std::time::{Duration, Instant};

use super::control::Id;
use super::reply::Reply;
use super::run::Supervisor;
use super::worker::{Phase, Worker};
use crate::link::LinkError;
use crate::message::{LimitUse, LimitsReport, ToWorker};

/// Limits that can be changed by command at a time.
const SETTINGS_MAX: usize = 64;
/// Most bytes of one of them: all fit a frame.
const SETTING_LEN_MAX: usize = 800;
/// How long a worker may take to tell who has used what.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was set by command, and who waits for word from a worker.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// Each as `POINTER=VALUE`.
    settings: Vec<String>,
    waiting: Vec<(Id, Instant)>,
}

impl Limits {
    /// What the program before this one has left, as far as the configuration has these limits.
    pub(crate) fn inherit(settings: &[String], sections: &[String]) -> Self {
        let mut limits = Self { settings: settings.to_vec(), waiting: Vec::new() };
        // Nobody has been told of the others.
        let _ = limits.adopt(sections);
        limits
    }

    /// Another configuration has limits at these places; answers whether anything was set elsewhere, which is forgotten.
    #[must_use]
    pub(crate) fn adopt(&mut self, sections: &[String]) -> bool {
        let before = self.settings.len();
        self.settings.retain(|setting| is_in(sections, pointer_of(setting)));
        self.settings.len() < before
    }

    /// What a successor is left.
    pub(crate) fn settings(&self) -> &[String] {
        &self.settings
    }

    /// Tells a worker what was set; nothing when nothing was.
    pub(crate) fn tell(&self, worker: &Worker) -> Result<(), LinkError> {
        if self.settings.is_empty() {
            return Ok(());
        }
        worker.link.send(&ToWorker::Limits { settings: self.settings.clone() }, &[])
    }

    /// When somebody has waited long enough.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, until)| *until).min()
    }

    fn set(&mut self, pointer: &str, value: Option<&str>) -> Result<(), String> {
        let written = value.map(|value| format!("{pointer}={value}"));
        let fits = |text: &String| text.len() <= SETTING_LEN_MAX && !text.chars().any(char::is_control);
        if !written.as_ref().is_none_or(fits) {
            return Err("the pointer is too long; use the program of the server".to_owned());
        }
        let others = |setting: &String| pointer_of(setting) != pointer;
        if value.is_some() && self.settings.iter().filter(|setting| others(setting)).count() == SETTINGS_MAX {
            return Err(format!(
                "{SETTINGS_MAX} limits are set by command; write them into the configuration, and reload it"
            ));
        }
        self.settings.retain(others);
        self.settings.extend(written);
        Ok(())
    }
}

fn pointer_of(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(pointer, _)| pointer)
}

/// Whether a pointer leads into one of the sections.
fn is_in(sections: &[String], pointer: &str) -> bool {
    sections
        .iter()
        .any(|section| pointer.strip_prefix(section.as_str()).is_some_and(|rest| rest.starts_with('/')))
}

impl Supervisor<'_> {
    /// `kimura limits`.
    pub(super) fn report_limits(&mut self, id: Id) {
        let serving = self.workers.iter().rev().find(|worker| worker.phase == Phase::Serving);
        match serving.map(|worker| worker.link.send(&ToWorker::TellLimits, &[])) {
            Some(Ok(())) => self.estate.limits.waiting.push((id, Instant::now() + PATIENCE)),
            Some(Err(_)) | None => self.answer(id, Reply::Refused(NOBODY.to_owned())),
        }
    }

    /// A worker tells who has used what.
    pub(super) fn hear_limits(&mut self, uses: &[LimitUse]) {
        for (id, _) in std::mem::take(&mut self.estate.limits.waiting) {
            let settings = self.estate.limits.settings.clone();
            self.answer(id, Reply::Limits(Box::new(LimitsReport { uses: uses.to_vec(), settings })));
        }
    }

    /// Gives up on a worker that does not tell.
    pub(super) fn look_after_limits(&mut self, now: Instant) {
        let limits = &mut self.estate.limits;
        let late: Vec<Id> =
            limits.waiting.extract_if(.., |(_, until)| *until <= now).map(|(id, _)| id).collect();
        for id in late {
            self.answer(id, Reply::Refused(NOBODY.to_owned()));
        }
    }

    /// Tells these workers what was set, be it nothing.
    pub(super) fn publish_limits(&self, whom: fn(&Worker) -> bool) {
        let settings = &self.estate.limits.settings;
        for worker in self.workers.iter().filter(|worker| whom(worker)) {
            // Whoever does not read is told with its end; any other failure is that already.
            if let Err(error @ LinkError::Full) =
                worker.link.send(&ToWorker::Limits { settings: settings.clone() }, &[])
            {
                log::error!("worker {} is ended: {error} what limits there are", worker.generation);
                worker.life.kill();
            }
        }
    }

    /// `kimura limit`.
    pub(super) fn limit(&mut self, id: Id, pointer: &str, value: Option<&str>) {
        let sections = &self.deployment.needs.limits;
        if !is_in(sections, pointer) {
            let why = match sections.as_slice() {
                [] => "the configuration has no limits; write \"shaping\": {} into \"server\", a host or a \
                       location, and reload it"
                    .to_owned(),
                some => format!(
                    "the configuration has no limits there, but {}; name one of them",
                    some.join(", ")
                ),
            };
            return self.answer(id, Reply::Refused(why));
        }
        if let Err(why) = self.estate.limits.set(pointer, value) {
            return self.answer(id, Reply::Refused(why));
        }
        self.publish_limits(|_| true);
        let what = match value {
            Some(value) => format!("{pointer} is {value} from now on"),
            None => format!("{pointer} is what the configuration says"),
        };
        log::info!("{what}");
        self.answer(id, Reply::Done(what));
    }
}

const NOBODY: &str = "no worker tells what is used; try again when the server serves";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_replace_one_another_and_go_with_their_section() {
        let sections = ["/server/shaping".to_owned(), "/hosts/a/shaping".to_owned()];
        let mut limits = Limits::default();
        limits.set("/server/shaping/client/down", Some("\"1MB/s\"")).unwrap();
        limits.set("/hosts/a/shaping/total/up", Some("\"2MB/s\"")).unwrap();
        limits.set("/server/shaping/client/down", Some("\"3MB/s\"")).unwrap();
        assert_eq!(
            limits.settings(),
            ["/hosts/a/shaping/total/up=\"2MB/s\"", "/server/shaping/client/down=\"3MB/s\""]
        );
        assert_eq!(Limits::inherit(limits.settings(), &sections[..1]).settings().len(), 1);
        limits.set("/server/shaping/client/down", None).unwrap();
        assert_eq!(limits.settings().len(), 1);
        assert!(limits.set("/server/shaping/client/up", Some(&"9".repeat(SETTING_LEN_MAX))).is_err());
        for number in 0..SETTINGS_MAX - 1 {
            limits.set(&format!("/server/shaping/{number}"), Some("1")).unwrap();
        }
        assert!(limits.set("/server/shaping/client/up", Some("1")).is_err());
        assert!(limits.set("/hosts/a/shaping/total/up", Some("1")).is_ok());
        assert!(is_in(&sections, "/hosts/a/shaping/total") && !is_in(&sections, "/hosts/ab/shaping/total"));
    }
}
