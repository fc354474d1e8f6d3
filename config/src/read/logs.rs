//! `/logs`, and what hosts and locations choose from it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::receiver;
use crate::cause::{Cause, Flaw};
use crate::kind::{LogChoice, LogList};
use crate::model::{Every, Log, LogConditions, LogFormat, LogQueue, Output, Receiver, Rotate, RotatedNames};
use crate::near::nearest;
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::{Origin, Source};
use crate::table::{Key, log, rotate, top};
use crate::tree::quoted;
use crate::{pointer, syntax};

/// The logs of `/logs`.
pub(super) struct Logs {
    /// By name; none for one that has a problem of its own.
    logs: Vec<(String, Option<Arc<Log>>)>,
}

/// A log as a place names it.
#[derive(Clone)]
pub(super) enum Chosen {
    /// One of `/logs`.
    Named(Arc<Log>),
    /// A path or stream.
    Unnamed(Unnamed),
}

/// A path or stream that a place names itself. How its lines look can be said elsewhere.
#[derive(Clone)]
pub(super) struct Unnamed {
    output: Output,
    queue: LogQueue,
    /// JSON Pointer of the text that names it.
    pointer: String,
}

impl Chosen {
    /// The log; `format` is for one without a name.
    pub(super) fn log(&self, format: &LogFormat) -> Arc<Log> {
        match self {
            Chosen::Named(log) => Arc::clone(log),
            Chosen::Unnamed(Unnamed { output, queue, pointer }) => Arc::new(Log {
                name: None,
                output: output.clone(),
                format: format.clone(),
                conditions: LogConditions::default(),
                anonymize: false,
                queue: queue.clone(),
                rotate: None,
                pointer: pointer.clone(),
            }),
        }
    }
}

impl Logs {
    pub(super) fn read(top: &Reader<'_>, source: Option<&Source>, problems: &mut Problems) -> Logs {
        let mut outputs = Outputs { files: HashMap::new(), streams: HashMap::new(), source };
        let mut logs = Vec::new();
        for (member, reader) in top.named(&top::LOGS, problems) {
            if let Err(flaw) = syntax::log_name(&member.name) {
                let problem = Problem::new(source, &member.origin, reader.pointer(), Cause::Malformed(flaw));
                problems.push(problem);
            }
            let log = read_log(&member.name, &reader, problems);
            if let Some(log) = &log {
                outputs.take(log, &reader, problems);
            }
            logs.push((member.name.clone(), log.map(Arc::new)));
        }
        Logs { logs }
    }

    /// The logs that have no problem, in the order of the file.
    pub(super) fn named(&self) -> Vec<Arc<Log>> {
        self.logs.iter().filter_map(|(_, log)| log.clone()).collect()
    }

    /// What the `key` of a place says, such as its `access_log`, if it says something.
    pub(super) fn chosen(
        &self,
        place: &Reader<'_>,
        key: &'static Key<LogList>,
        problems: &mut Problems,
    ) -> Option<Vec<Chosen>> {
        let mut chosen = Vec::new();
        for (index, (pointer, choice)) in place.get(key, problems)?.into_iter().enumerate() {
            let found = match choice {
                LogChoice::Name(name) => self.find(&name),
                LogChoice::Output(output) => self.unnamed(output, pointer).map(Some),
            };
            match found {
                Ok(found) => chosen.extend(found),
                Err(cause) => problems.extend(place.at_item(key, index, cause)),
            }
        }
        Some(chosen)
    }

    fn find(&self, name: &str) -> Result<Option<Chosen>, Cause> {
        match self.logs.iter().find(|(known, _)| known == name) {
            Some((_, log)) => Ok(log.clone().map(Chosen::Named)),
            None => {
                let near = nearest(name, self.logs.iter().map(|(known, _)| known.as_str()));
                Err(Cause::UnknownLog { name: name.to_owned(), near: near.map(str::to_owned) })
            }
        }
    }

    /// How lines for an output wait that a log of `/logs` may have, too.
    fn queue_of(&self, output: &Output) -> LogQueue {
        let mut logs = self.logs.iter().filter_map(|(_, log)| log.as_ref());
        logs.find(|log| log.output == *output).map(|log| log.queue.clone()).unwrap_or_default()
    }

    /// A file has one log: what is said of how it is kept would otherwise be said twice.
    fn unnamed(&self, output: Output, pointer: String) -> Result<Chosen, Cause> {
        let logs = self.logs.iter().filter_map(|(name, log)| Some((name, log.as_ref()?)));
        let same = |log: &Log| matches!(output, Output::File(_)) && log.output == output;
        match logs.into_iter().find(|(_, log)| same(log)) {
            None => {
                let queue = self.queue_of(&output);
                Ok(Chosen::Unnamed(Unnamed { output, queue, pointer }))
            }
            Some((name, _)) => {
                let what = format!("the file is that of the log {}", quoted(name));
                Err(Cause::Conflict(Flaw::new(what, format!("write its name: {}", quoted(name)))))
            }
        }
    }
}

/// The outputs of the logs so far, and where they are named.
struct Outputs<'s> {
    files: HashMap<PathBuf, Origin>,
    streams: HashMap<Output, (LogQueue, Origin)>,
    source: Option<&'s Source>,
}

impl Outputs<'_> {
    fn take(&mut self, log: &Log, reader: &Reader<'_>, problems: &mut Problems) {
        match &log.output {
            Output::File(path) => {
                let Some(origin) = reader.origin_of(&log::FILE) else { return };
                self.take_file(path, (&log.pointer, origin), problems);
            }
            stream @ (Output::Stdout | Output::Stderr) => {
                if !self.take_stream(stream, log, reader, problems) {
                    return;
                }
            }
            // Each log has a connection of its own.
            Output::Receiver(_) => {}
        }
        if let (Some(path), Some(origin)) = (&log.queue.spill, reader.origin_of(&log::SPILL)) {
            let pointer = pointer::join(reader.pointer(), log::SPILL.name);
            self.take_file(path, (&pointer, origin), problems);
        }
    }

    fn take_file(&mut self, path: &Path, (pointer, origin): (&str, &Origin), problems: &mut Problems) {
        match self.files.get(path) {
            None => drop(self.files.insert(path.to_owned(), origin.clone())),
            Some(first) => {
                let cure = "give each log a file of its own, or let hosts share one log";
                let flaw = Flaw::new("another log has the same file", cure);
                let problem = Problem::new(self.source, origin, pointer, Cause::Conflict(flaw));
                problems.push(problem.note("first", self.source, first));
            }
        }
    }

    /// Several logs can write to a stream, where their lines wait together; `true` for the first one.
    fn take_stream(
        &mut self,
        stream: &Output,
        log: &Log,
        reader: &Reader<'_>,
        problems: &mut Problems,
    ) -> bool {
        let Some(origin) = reader.origin_of(&log::STREAM) else { return false };
        match self.streams.get(stream) {
            None => {
                self.streams.insert(stream.clone(), (log.queue.clone(), origin.clone()));
                true
            }
            Some((queue, _)) if *queue == log.queue => false,
            Some((_, first)) => {
                let what = "another log has the same stream, and lets lines wait there in another way";
                let flaw = Flaw::new(what, "say the same for both, or nothing");
                let problem = Problem::new(self.source, origin, &log.pointer, Cause::Conflict(flaw));
                problems.push(problem.note("first", self.source, first));
                false
            }
        }
    }
}

/// A section of `/logs`, if it is right.
fn read_log(name: &str, reader: &Reader<'_>, problems: &mut Problems) -> Option<Log> {
    let output = output(name, reader, problems);
    let format = reader.or_default(&log::FORMAT, problems);
    let statuses = reader.or_default(&log::STATUS, problems);
    let sample = reader.or_default(&log::SAMPLE, problems);
    let conditions = LogConditions {
        statuses: statuses.into_iter().map(|(_, status)| status).collect(),
        slower_than: reader.get(&log::SLOWER_THAN, problems),
        sample: u32::try_from(sample).unwrap_or(u32::MAX),
    };
    let anonymize = reader.or_default(&log::ANONYMIZE, problems);
    let queue = LogQueue {
        size: reader.or_default(&log::QUEUE, problems),
        when_full: reader.or_default(&log::WHEN_FULL, problems),
        spill: reader.get(&log::SPILL, problems),
    };
    let rotate = read_rotate(reader, problems);
    let (output, key) = output?;
    Some(Log {
        name: Some(name.to_owned()),
        output,
        format,
        conditions,
        anonymize,
        queue,
        rotate,
        pointer: pointer::join(reader.pointer(), key),
    })
}

/// Most files that are numbered: each of them gets another name every time.
const NUMBERED_MAX: u32 = 1000;

/// What is said of rotation, if anything is.
fn read_rotate(log: &Reader<'_>, problems: &mut Problems) -> Option<Rotate> {
    let reader = log.section(&log::ROTATE, problems);
    if !reader.exists() {
        return None;
    }
    if !log.has(&log::FILE) {
        let flaw = Flaw::new("only a file can be put aside", "remove \"rotate\", or write to a \"file\"");
        problems.extend(log.at_value(&log::ROTATE, Cause::Conflict(flaw)));
    }
    let (size, every) = (reader.get(&rotate::SIZE, problems), reader.get(&rotate::EVERY, problems));
    let timed = reader.has(&rotate::EVERY) || reader.has(&rotate::SIZE);
    let keep = reader.or_default(&rotate::KEEP, problems);
    let rotation = Rotate {
        size,
        every: if timed { every } else { Some(Every::Day) },
        zone: reader.or_default(&rotate::TIME_ZONE, problems),
        keep: u32::try_from(keep).unwrap_or(u32::MAX),
        keep_for: reader.get(&rotate::KEEP_FOR, problems),
        budget: reader.get(&rotate::BUDGET, problems),
        compress: reader.or_default(&rotate::COMPRESS, problems),
        names: reader.or_default(&rotate::NAMES, problems),
    };
    if rotation.names == RotatedNames::Number && rotation.keep > NUMBERED_MAX {
        let what = format!("each of {} numbered files would get another name every time", rotation.keep);
        let flaw = Flaw::new(what, format!("keep at most {NUMBERED_MAX}, or write \"names\": \"date\""));
        problems.extend(reader.at_value(&rotate::KEEP, Cause::Conflict(flaw)));
    }
    Some(rotation)
}

/// Where the lines go, and the key that says so: exactly one of several.
fn output(name: &str, reader: &Reader<'_>, problems: &mut Problems) -> Option<(Output, &'static str)> {
    let syslog = receiver::syslog(reader, problems);
    let journald = receiver::journald(reader, problems);
    let gearman = receiver::gearman(reader, problems);
    let to = |kind| Output::Receiver(Arc::new(Receiver { log: name.to_owned(), kind }));
    let kinds = [
        (log::FILE.name, reader.has(&log::FILE), reader.get(&log::FILE, problems).map(Output::File)),
        (log::STREAM.name, reader.has(&log::STREAM), reader.get(&log::STREAM, problems)),
        (log::SYSLOG.name, reader.has(&log::SYSLOG), syslog.map(to)),
        (log::JOURNALD.name, reader.has(&log::JOURNALD), journald.map(to)),
        (log::GEARMAN.name, reader.has(&log::GEARMAN), gearman.map(to)),
    ];
    let mut there = kinds.iter().filter(|(_, there, _)| *there).map(|(name, ..)| *name);
    match (there.next(), there.next()) {
        (None, _) => {
            let cure = format!("write for example \"{}\": {}", log::FILE.name, log::FILE.example);
            let flaw = Flaw::new("nothing says where the lines of the log go", cure);
            problems.extend(reader.at_itself(Cause::Conflict(flaw)));
        }
        (Some(first), Some(second)) => {
            let what = format!("the log has both \"{first}\" and \"{second}\"");
            let flaw = Flaw::new(what, "keep one of the two; an \"access_log\" can list several logs");
            problems.extend(reader.at_named(second, Cause::Conflict(flaw)));
        }
        (Some(kind), None) => receiver::check(kind, reader, problems),
    }
    kinds.into_iter().find_map(|(name, _, output)| Some((output?, name)))
}
