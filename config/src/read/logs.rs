//! `/logs`, and what hosts and locations choose from it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::receiver;
use crate::cause::{Cause, Flaw};
use crate::kind::LogChoice;
use crate::model::{Every, Log, LogConditions, LogFormat, Output, Receiver, Rotate, RotatedNames};
use crate::near::nearest;
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::source::{Origin, Source};
use crate::table::{log, rotate, settings, top};
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
    /// A path or stream, and the JSON Pointer of the text that names it. How its lines look can be said elsewhere.
    Unnamed(Output, String),
}

impl Chosen {
    /// The log; `format` is for one without a name.
    pub(super) fn log(&self, format: &LogFormat) -> Arc<Log> {
        match self {
            Chosen::Named(log) => Arc::clone(log),
            Chosen::Unnamed(output, pointer) => Arc::new(Log {
                name: None,
                output: output.clone(),
                format: format.clone(),
                conditions: LogConditions::default(),
                anonymize: false,
                rotate: None,
                pointer: pointer.clone(),
            }),
        }
    }
}

impl Logs {
    pub(super) fn read(top: &Reader<'_>, source: Option<&Source>, problems: &mut Problems) -> Logs {
        let mut files = Files { taken: HashMap::new(), source };
        let mut logs = Vec::new();
        for (member, reader) in top.named(&top::LOGS, problems) {
            if let Err(flaw) = syntax::log_name(&member.name) {
                let problem = Problem::new(source, &member.origin, reader.pointer(), Cause::Malformed(flaw));
                problems.push(problem);
            }
            let log = read_log(&member.name, &reader, problems);
            if let Some(log) = &log {
                files.take(log, &reader, problems);
            }
            logs.push((member.name.clone(), log.map(Arc::new)));
        }
        Logs { logs }
    }

    /// The logs that have no problem, in the order of the file.
    pub(super) fn named(&self) -> Vec<Arc<Log>> {
        self.logs.iter().filter_map(|(_, log)| log.clone()).collect()
    }

    /// What the `access_log` of a place says, if it says something.
    pub(super) fn chosen(&self, place: &Reader<'_>, problems: &mut Problems) -> Option<Vec<Chosen>> {
        let mut chosen = Vec::new();
        for (index, (pointer, choice)) in place.get(&settings::ACCESS_LOG, problems)?.into_iter().enumerate()
        {
            let found = match choice {
                LogChoice::Name(name) => self.find(&name),
                LogChoice::Output(output) => self.unnamed(output, pointer).map(Some),
            };
            match found {
                Ok(found) => chosen.extend(found),
                Err(cause) => problems.extend(place.at_item(&settings::ACCESS_LOG, index, cause)),
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

    /// A file has one log: what is said of how it is kept would otherwise be said twice.
    fn unnamed(&self, output: Output, pointer: String) -> Result<Chosen, Cause> {
        let logs = self.logs.iter().filter_map(|(name, log)| Some((name, log.as_ref()?)));
        let same = |log: &Log| matches!(output, Output::File(_)) && log.output == output;
        match logs.into_iter().find(|(_, log)| same(log)) {
            None => Ok(Chosen::Unnamed(output, pointer)),
            Some((name, _)) => {
                let what = format!("the file is that of the log {}", quoted(name));
                Err(Cause::Conflict(Flaw::new(what, format!("write its name: {}", quoted(name)))))
            }
        }
    }
}

/// The files of the logs so far, and where they are named.
struct Files<'s> {
    taken: HashMap<PathBuf, Origin>,
    source: Option<&'s Source>,
}

impl Files<'_> {
    fn take(&mut self, log: &Log, reader: &Reader<'_>, problems: &mut Problems) {
        let (Output::File(path), Some(origin)) = (&log.output, reader.origin_of(&log::FILE)) else { return };
        match self.taken.get(path) {
            None => drop(self.taken.insert(path.clone(), origin.clone())),
            Some(first) => {
                let cure = "give each log a file of its own, or let hosts share one log";
                let flaw = Flaw::new("another log has the same file", cure);
                let problem = Problem::new(self.source, origin, &log.pointer, Cause::Conflict(flaw));
                problems.push(problem.note("first", self.source, first));
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
    let rotate = read_rotate(reader, problems);
    let (output, key) = output?;
    Some(Log {
        name: Some(name.to_owned()),
        output,
        format,
        conditions,
        anonymize,
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
