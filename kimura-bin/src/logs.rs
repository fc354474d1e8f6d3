//! The log files that the configuration names.

use config::{Config, Level, Output, Problems, Registry, Settings};
use log::LevelFilter;
use logging::{Sinks, Target, error_log};

/// Opens every access log.
///
/// # Errors
/// The files that cannot be opened, each where the configuration names it.
pub(crate) fn open_access_logs(config: &Config, registry: &Registry) -> Result<Sinks, Problems> {
    let mut sinks = Sinks::new();
    let mut problems = Problems::new();
    for (settings, pointer) in places(config) {
        let Some(log) = &settings.access_log else { continue };
        if let Err(error) = sinks.open(&target(&log.output)) {
            problems.push(registry.problem(&format!("{pointer}/access_log"), error.to_string(), CURE));
        }
    }
    problems.or(sinks)
}

/// Sends the error log where the configuration says.
///
/// # Errors
/// When that file cannot be opened.
pub(crate) fn open_error_log(config: &Config, registry: &Registry) -> Result<(), Problems> {
    let opened = error_log::redirect(&target(&config.server.error_log));
    opened.map_err(|error| Problems::from(registry.problem("/server/error_log", error.to_string(), CURE)))?;
    error_log::set_level(level(config.server.error_log_level));
    Ok(())
}

const CURE: &str = "create the folder, or let the user of the server write there";

/// Every place that can set an access log.
fn places(config: &Config) -> impl Iterator<Item = (&Settings, &str)> {
    config.hosts.iter().flat_map(|host| {
        let locations = host.locations.iter().map(|location| (&location.settings, location.pointer.as_str()));
        std::iter::once((&host.settings, host.pointer.as_str())).chain(locations)
    })
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
