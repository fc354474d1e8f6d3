//! Files of logs that were put aside are compressed: by the logger, from descriptor to descriptor, one at a time.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::Instant;

use sys::fs::{FileId, Found, take_time_of};

use super::archive::packed;
use super::pressed;
use super::run::Supervisor;
use super::turning::RETRY;
use crate::message::{Method, ToLogger};

const COMPRESSING: &str = "compressing files of the log";

/// What is being compressed.
#[derive(Debug, Default)]
pub(crate) struct Press {
    job: Option<Job>,
    /// Number of the last one.
    last: u32,
}

#[derive(Debug)]
struct Job {
    id: u32,
    /// The log.
    at: usize,
    method: Method,
    source: File,
    target: File,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The logger compresses.
    Compressing,
    /// The result has its name; when that is on the disk, the original goes.
    Syncing,
}

/// What a task has come to.
enum Done {
    /// It goes on.
    On(Job),
    /// It is over.
    Over,
}

impl Supervisor<'_> {
    /// When the next file may be compressed.
    pub(super) fn press_due(&self) -> Option<Instant> {
        if self.press.job.is_some() || !self.logger.is_filled() {
            return None;
        }
        self.estate.sinks().iter().filter_map(|sink| sink.turning.work).min()
    }

    /// Has the next file compressed, unless one is.
    pub(super) fn press_on(&mut self, now: Instant) {
        for at in 0..self.estate.sinks().len() {
            if self.press.job.is_some() || !self.logger.is_filled() {
                return;
            }
            if self.estate.sinks()[at].turning.work.is_some_and(|due| due <= now) {
                self.begin_job(at, now);
            }
        }
    }

    fn begin_job(&mut self, at: usize, now: Instant) {
        self.press.last = self.press.last.wrapping_add(1);
        match self.prepare_job(at, self.press.last) {
            Ok(Some(job)) => {
                let message = ToLogger::Compress { job: job.id, method: job.method };
                let descriptors = [job.source.as_fd(), job.target.as_fd()];
                if self.logger.send(&message, &descriptors) {
                    self.press.job = Some(job);
                }
            }
            Ok(None) => self.estate.sinks_mut()[at].turning.work = None,
            Err(why) => self.job_failed(at, &why, now),
        }
    }

    /// The oldest file of a log that is to be compressed, and an empty one for the result. What somebody who was killed
    /// has left is finished before.
    fn prepare_job(&self, at: usize, id: u32) -> Result<Option<Job>, String> {
        let sink = &self.estate.sinks()[at];
        let Some(archive) = sink.archive(self.names_beside(at)).transpose()? else { return Ok(None) };
        let sentence = |error: std::io::Error| error.to_string();
        let folder = archive.folder();
        folder.remove(&archive.unfinished()).map_err(sentence)?;
        let next = archive.next(&sink.written()).map_err(sentence)?;
        let (Some(aside), Some(method)) = (next, sink.turning.needs.and_then(|needs| needs.method)) else {
            return Ok(None);
        };
        let source = folder.read(&aside.name).map_err(sentence)?;
        let target = folder.create(&archive.unfinished(), source.as_fd()).map_err(sentence)?;
        Ok(Some(Job { id, at, method, source, target, step: Step::Compressing }))
    }

    /// The logger has done what it was told; whether it was told so.
    pub(super) fn hear_compressed(&mut self, id: u32) -> bool {
        self.hear_done(id, Step::Compressing)
    }

    /// As above.
    pub(super) fn hear_synced(&mut self, id: u32) -> bool {
        self.hear_done(id, Step::Syncing)
    }

    fn hear_done(&mut self, id: u32, step: Step) -> bool {
        let Some(job) = self.press.job.take_if(|job| job.id == id && job.step == step) else { return false };
        let (at, now) = (job.at, Instant::now());
        let done = match step {
            Step::Compressing => self.name_result(job),
            Step::Syncing => self.remove_original(&job).map(|()| Done::Over),
        };
        match done {
            Ok(Done::On(job)) => self.press.job = Some(job),
            Ok(Done::Over) => {
                let sink = &mut self.estate.sinks_mut()[at];
                let name = super::estate::name(&sink.output);
                sink.turning.trouble.end(COMPRESSING, &name);
                sink.turning.tidy = now;
                self.press_on(now);
            }
            Err(why) => self.job_failed(at, &why, now),
        }
        true
    }

    /// The task cannot be carried out; whether there was one.
    pub(super) fn hear_failed(&mut self, id: u32, error: u32) -> bool {
        let Some(job) = self.press.job.take_if(|job| job.id == id) else { return false };
        let error = i32::try_from(error).ok().filter(|&error| error > 0);
        let why = error.map_or_else(
            || "the result cannot be made".to_owned(),
            |error| std::io::Error::from_raw_os_error(error).to_string(),
        );
        self.job_failed(job.at, &why, Instant::now());
        true
    }

    /// The logger has ended, and with it what it did: another one begins with what there is then.
    pub(super) fn forget_job(&mut self) {
        self.press.job = None;
        let now = Instant::now();
        for sink in self.estate.sinks_mut() {
            sink.turning.work = sink.turning.needs.map(|_| now);
        }
    }

    /// The result is whole: it gets its name, and then that is brought to the disk. An original that is not there any
    /// more was not to be kept, and its result is not either.
    fn name_result(&mut self, job: Job) -> Result<Done, String> {
        let sentence = |error: std::io::Error| error.to_string();
        let sink = &self.estate.sinks()[job.at];
        let Some(archive) = sink.archive(self.names_beside(job.at)).transpose()? else {
            return Ok(Done::Over);
        };
        let (folder, unfinished) = (archive.folder(), archive.unfinished());
        let target = Found::of(job.target.as_fd()).map_err(sentence)?;
        let there = folder.find(&unfinished).map_err(sentence)?;
        if target.is_none_or(|target| target.len == 0 || there.map(|there| there.id) != Some(target.id)) {
            return Err("the result is not there".to_owned());
        }
        let made = folder.read(&unfinished).map_err(sentence)?;
        if Some(id_of(&made)?) != target.map(|target| target.id) {
            return Err("the result is not there".to_owned());
        }
        let original = job.source.metadata().map_err(sentence)?.len();
        pressed::judge(job.method, original, &made)?;
        let Some(name) = archive.name_of(id_of(&job.source)?).map_err(sentence)? else {
            folder.remove(&unfinished).map_err(sentence)?;
            return Ok(Done::Over);
        };
        take_time_of(job.target.as_fd(), job.source.as_fd()).map_err(sentence)?;
        let result: OsString = packed(&name, job.method);
        folder.rename(&unfinished, &result).map_err(sentence)?;
        let told = self.logger.send(&ToLogger::Sync { job: job.id }, &[archive.folder().fd()]);
        Ok(if told { Done::On(Job { step: Step::Syncing, ..job }) } else { Done::Over })
    }

    fn remove_original(&self, job: &Job) -> Result<(), String> {
        let sentence = |error: std::io::Error| error.to_string();
        let sink = &self.estate.sinks()[job.at];
        if let Some(archive) = sink.archive(self.names_beside(job.at)).transpose()?
            && let Some(name) = archive.name_of(id_of(&job.source)?).map_err(sentence)?
        {
            archive.folder().remove(&name).map_err(sentence)?;
        }
        Ok(())
    }

    /// What is left of it is removed by the next attempt.
    fn job_failed(&mut self, at: usize, why: &str, now: Instant) {
        let sink = &mut self.estate.sinks_mut()[at];
        let name = super::estate::name(&sink.output);
        sink.turning.work = Some(now + RETRY);
        sink.turning.trouble.add(COMPRESSING, &name, why);
    }
}

fn id_of(file: &File) -> Result<FileId, String> {
    FileId::of(file.as_fd()).map_err(|error| error.to_string())
}
