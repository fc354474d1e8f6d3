//! Files of logs are put aside when the logger says that it is time, or a command does, and looked after then.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::archive::Tidied;
use super::run::Supervisor;
use super::turning::{RETRY, TURN_MIN, Turned};
use crate::message::{Output, ToLogger};

/// How often it is looked whether files are in their places, and whether some are not to be kept any more.
const LOOK: Duration = Duration::from_secs(5);
/// The same while there are more than are removed at once.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const PUTTING_ASIDE: &str = "putting aside the log file";
const LOOKING: &str = "looking after the log file";

impl Supervisor<'_> {
    /// When something of it falls due.
    pub(super) fn rotation_due(&self) -> Option<Instant> {
        let turning = self.estate.sinks().iter().map(|sink| &sink.turning);
        let looks = turning.filter(|turning| turning.needs.is_some()).map(|turning| turning.look);
        looks.chain(self.press_due()).min()
    }

    pub(super) fn look_after_rotation(&mut self, now: Instant) {
        for at in 0..self.estate.sinks().len() {
            let turning = &self.estate.sinks()[at].turning;
            if turning.needs.is_some() && turning.look <= now {
                self.look_after(at, now);
            }
        }
        self.press_on(now);
    }

    /// A file that somebody has removed or moved takes no lines that anybody will find; so another one is begun.
    fn look_after(&mut self, at: usize, now: Instant) {
        let others = self.names_beside(at);
        let sink = &mut self.estate.sinks_mut()[at];
        sink.turning.look = now + LOOK;
        let name = super::estate::name(&sink.output);
        match sink.is_in_place(others.clone()) {
            Ok(true) => {}
            Ok(false) => self.put_file_aside(at, now),
            Err(why) => return sink.turning.trouble.add(LOOKING, &name, &why),
        }
        let sink = &mut self.estate.sinks_mut()[at];
        match sink.tidy(others, sys::clock::now_realtime_secs()) {
            Ok(Tidied::Wholly) => sink.turning.trouble.end(LOOKING, &name),
            Ok(Tidied::Partly) => sink.turning.look = now + LOOK_AGAIN,
            Err(why) => sink.turning.trouble.add(LOOKING, &name, &why),
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
                turning.look = now;
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
        use std::os::fd::AsFd;
        for (number, sink) in self.estate.sinks().iter().enumerate() {
            for file in &sink.turning.before {
                if !self.logger.send(&ToLogger::Before { number: number as u16 }, &[file.as_fd()]) {
                    return;
                }
            }
        }
    }
}
