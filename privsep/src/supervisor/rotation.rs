//! Files of logs are put aside when the logger says that it is time, or a command does, and looked after then.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sys::fs::{FileId, Found, make_alike};

use super::archive::Tidied;
use super::run::Supervisor;
use super::turning::{RETRY, TURN_MIN, Trouble, Turned, Turning};
use crate::message::{Output, ToLogger};

/// How often it is looked whether files are in their places.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked whether files are too old to be kept.
const TIDY: Duration = Duration::from_secs(60);
/// The same while there are more than are removed at once.
const TIDY_AGAIN: Duration = Duration::from_millis(100);
const PUTTING_ASIDE: &str = "putting aside the log file";
const TIDYING: &str = "removing old files of the log";
const LOOKING: &str = "looking after the log file";

/// The file of the error log is looked after, too.
#[derive(Debug)]
pub(super) struct ErrorsWatch {
    look: Instant,
    trouble: Trouble,
}

impl ErrorsWatch {
    /// Looks soon.
    pub(super) fn new(now: Instant) -> Self {
        Self { look: now + LOOK, trouble: Trouble::default() }
    }
}

impl Supervisor<'_> {
    /// When something of it falls due.
    pub(super) fn rotation_due(&self) -> Option<Instant> {
        let turning = self.estate.sinks().iter().map(|sink| &sink.turning);
        let looks = turning.filter_map(|turning| match turning.needs {
            Some(_) => Some(turning.look.min(turning.tidy)),
            None => turning.named.then_some(turning.look),
        });
        let errors = self.errors.is_some().then_some(self.errors_watch.look);
        looks.chain(errors).chain(self.press_due()).min()
    }

    pub(super) fn look_after_rotation(&mut self, now: Instant) {
        for at in 0..self.estate.sinks().len() {
            let Turning { needs, named, look, tidy, .. } = self.estate.sinks()[at].turning;
            match needs {
                Some(_) if look <= now => self.look_after(at, now),
                None if named && look <= now => self.look_after_plain(at, now),
                _ => {}
            }
            if needs.is_some() && tidy <= now {
                self.tidy(at, now);
            }
        }
        if self.errors.is_some() && self.errors_watch.look <= now {
            self.errors_watch.look = now + LOOK;
            self.look_after_errors();
        }
        self.press_on(now);
    }

    /// A file that somebody has removed or moved takes no lines that anybody will find; so another one is begun.
    fn look_after(&mut self, at: usize, now: Instant) {
        let others = self.names_beside(at);
        let sink = &mut self.estate.sinks_mut()[at];
        sink.turning.look = now + LOOK;
        let name = super::estate::name(&sink.output);
        match sink.is_in_place(others) {
            Ok(true) => sink.turning.trouble.end(LOOKING, &name),
            Ok(false) => {
                sink.turning.trouble.end(LOOKING, &name);
                self.put_file_aside(at, now);
            }
            Err(why) => sink.turning.trouble.add(LOOKING, &name, &why),
        }
    }

    /// The same of a log whose file others put aside.
    fn look_after_plain(&mut self, at: usize, now: Instant) {
        let sink = &mut self.estate.sinks_mut()[at];
        sink.turning.look = now + LOOK;
        let name = super::estate::name(&sink.output);
        match sink.begin_anew(sys::clock::now_realtime_secs()) {
            Ok(false) => sink.turning.trouble.end(LOOKING, &name),
            Ok(true) => {
                sink.turning.trouble.end(LOOKING, &name);
                self.tell_sink(at);
            }
            Err(why) => sink.turning.trouble.add(LOOKING, &name, &why),
        }
    }

    /// The same of the error log.
    fn look_after_errors(&mut self) {
        let log = self.deployment.needs.error_log.clone();
        let (Output::File { path }, Some(file)) = (&log.output, &self.errors) else { return };
        let Ok(Some(found)) = Found::of(file.as_fd()) else { return };
        let there = FileId::at(path).unwrap_or_default();
        if there == Some(found.id) {
            return;
        }
        let name = super::estate::name(&log.output);
        match super::estate::open_log(&log) {
            Ok(new) => {
                if let Some(new) = new.filter(|_| there.is_none()) {
                    // A file that is less alike is better than none.
                    let _ = make_alike(new.as_fd(), file.as_fd());
                }
                self.redirect_errors(&log);
                self.errors_watch.trouble.end(LOOKING, &name);
            }
            Err(trouble) => self.errors_watch.trouble.add(LOOKING, &name, &trouble.cause),
        }
    }

    fn tidy(&mut self, at: usize, now: Instant) {
        let others = self.names_beside(at);
        let sink = &mut self.estate.sinks_mut()[at];
        let name = super::estate::name(&sink.output);
        sink.turning.tidy = now + TIDY;
        match sink.tidy(others, sys::clock::now_realtime_secs()) {
            Ok(Tidied::Wholly) => sink.turning.trouble.end(TIDYING, &name),
            Ok(Tidied::Partly) => sink.turning.tidy = now + TIDY_AGAIN,
            Err(why) => sink.turning.trouble.add(TIDYING, &name, &why),
        }
    }

    /// The logger says that the file of a log should be put aside; whether that may be.
    pub(super) fn hear_rotate(&mut self, number: u16) -> bool {
        let Some(sink) = self.estate.sinks_mut().get_mut(usize::from(number)) else { return false };
        let now = Instant::now();
        // What it says is a hint; that its rules have just changed is no fault of it.
        if sink.turning.not_before <= now && sink.is_over(sys::clock::now_realtime_secs()) {
            self.put_file_aside(usize::from(number), now);
        }
        true
    }

    /// The logger writes no more to any file of a log before this one; whether there was such a one.
    pub(super) fn hear_switched(&mut self, number: u16, turn: u32) -> bool {
        let Some(sink) = self.estate.sinks_mut().get_mut(usize::from(number)) else { return false };
        let turning = &mut sink.turning;
        if turn > turning.turn {
            return false;
        }
        if turn == turning.turn && !turning.before.is_empty() {
            turning.before.clear();
            turning.work = turning.needs.map(|_| Instant::now());
        }
        true
    }

    /// Puts the files of all logs aside that have rules for that.
    pub(super) fn rotate_inside(&mut self) {
        let now = Instant::now();
        for at in 0..self.estate.sinks().len() {
            if self.estate.sinks()[at].turning.needs.is_some() {
                self.put_file_aside(at, now);
            }
        }
    }

    fn put_file_aside(&mut self, at: usize, now: Instant) {
        let others = self.names_beside(at);
        let sink = &mut self.estate.sinks_mut()[at];
        let name = super::estate::name(&sink.output);
        let turned = sink.put_aside(others, sys::clock::now_realtime_secs());
        let turning = &mut sink.turning;
        match turned {
            Ok(Turned::Nothing) => {}
            Ok(Turned::Aside | Turned::Anew) => {
                turning.not_before = now + TURN_MIN;
                turning.tidy = now;
                turning.trouble.end(PUTTING_ASIDE, &name);
                self.tell_sink(at);
            }
            Err(why) => {
                turning.not_before = now + RETRY;
                turning.trouble.add(PUTTING_ASIDE, &name, &why);
            }
        }
    }

    /// Names in the folder of a log that are those of other logs.
    pub(super) fn names_beside(&self, at: usize) -> Vec<OsString> {
        let sinks = self.estate.sinks();
        let Output::File { path } = &sinks[at].output else { return Vec::new() };
        let beside = sinks.iter().filter_map(|sink| match &sink.output {
            Output::File { path: other } if other != path && other.parent() == path.parent() => {
                other.file_name().map(OsString::from)
            }
            _ => None,
        });
        beside.collect()
    }

    /// Gives a new logger the files that the one before it may have written to last.
    pub(super) fn tell_files_before(&mut self) {
        for (number, sink) in self.estate.sinks().iter().enumerate() {
            for file in &sink.turning.before {
                if !self.logger.send(&ToLogger::Before { number: number as u16 }, &[file.as_fd()]) {
                    return;
                }
            }
        }
    }
}
