//! The log files that the configuration names.

use config::{Config, Level, Output, Problem, Problems, Registry};
use log::LevelFilter;
use logging::{Error, Sinks, Target, error_log};
use std::collections::HashSet;
use std::path::Path;

/// Finds the log files that cannot be opened, without making any.
pub(crate) fn check(config: &Config, registry: &Registry) -> Problems {
    let error_log = (&config.server.error_log, "/server/error_log".to_owned());
    let mut problems = Problems::new();
    for (output, pointer) in access_logs(config).into_iter().chain([error_log]) {
        let Output::File(path) = output else { continue };
        if !path.parent().is_none_or(Path::is_dir) {
            let cause = format!("the log file {} cannot be made: its folder does not exist", path.display());
            problems.push(registry.problem(&pointer, cause, CURE));
        }
    }
    problems
}

/// Opens every access log.
///
/// # Errors
/// The files that cannot be opened, each where the configuration names it.
pub(crate) fn open_access_logs(config: &Config, registry: &Registry) -> Result<Sinks, Problems> {
    let mut sinks = Sinks::new();
    let mut problems = Problems::new();
    for (output, pointer) in access_logs(config) {
        if let Err(error) = sinks.open(&target(output)) {
            problems.push(problem(registry, &pointer, &error));
        }
    }
    problems.or(sinks)
}

/// Sends the error log where the configuration says.
///
/// # Errors
/// When that file cannot be opened.
pub(crate) fn open_error_log(config: &Config, registry: &Registry) -> Result<(), Problem> {
    let opened = error_log::redirect(&target(&config.server.error_log));
    opened.map_err(|error| problem(registry, "/server/error_log", &error))?;
    error_log::set_level(level(config.server.error_log_level));
    Ok(())
}

const CURE: &str = "create the folder, or let the user of the server write there";

fn problem(registry: &Registry, pointer: &str, error: &Error) -> Problem {
    match error {
        Error::Open { path, cause } => {
            let cause = format!("the log file {} cannot be opened: {cause}", path.display());
            registry.problem(pointer, cause, CURE)
        }
        other => registry.problem(pointer, other.to_string(), "log to a file"),
    }
}

/// Every access log once, with the first place where it is in force.
fn access_logs(config: &Config) -> Vec<(&Output, String)> {
    let places = config.hosts.iter().flat_map(|host| {
        let locations = host.locations.iter().map(|location| (&location.settings, &location.pointer));
        std::iter::once((&host.settings, &host.pointer)).chain(locations)
    });
    let mut seen = HashSet::new();
    places
        .filter_map(|(settings, pointer)| Some((&settings.access_log.as_ref()?.output, pointer)))
        .filter(|(output, _)| seen.insert(*output))
        .map(|(output, pointer)| (output, format!("{pointer}/access_log")))
        .collect()
}

fn target(output: &Output) -> Target {
    match output {
        Output::Stdout => Target::Stdout,
        Output::Stderr => Target::Stderr,
        Output::File(path) => Target::File(path.clone()),
    }
}

fn level(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::Error,
        Level::Warn => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
        Level::Trace => LevelFilter::Trace,
    }
}
