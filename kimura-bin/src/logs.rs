//! The log files that the configuration names.

use config::{Config, Log, LogFormat, Output, Problems, Registry, Settings};
use logging::{BadTemplate, Template};
use std::collections::HashSet;
use std::path::Path;

/// Finds the log files that cannot be opened, without making any.
pub(crate) fn check(config: &Config, registry: &Registry) -> Problems {
    let error_log = (&config.server.error_log, "/server/error_log".to_owned());
    let mut problems = Problems::new();
    let access_logs = access_logs(config).into_iter().map(|log| (&log.output, log.pointer.clone()));
    for (output, pointer) in access_logs.chain([error_log]) {
        let Output::File(path) = output else { continue };
        if !path.parent().is_none_or(Path::is_dir) {
            let cause = format!("the log file {} cannot be made: its folder does not exist", path.display());
            problems.push(registry.problem(&pointer, cause, CURE));
        }
    }
    for log in self::access_logs(config) {
        let Some(path) = &log.queue.spill else { continue };
        if !path.parent().is_none_or(Path::is_dir) {
            let cause = format!("lines cannot wait in {}: its folder does not exist", path.display());
            problems.push(registry.problem(&spill_pointer(log), cause, CURE));
        }
    }
    check_templates(config, registry, &mut problems);
    problems
}

/// Finds the templates that are none.
fn check_templates(config: &Config, registry: &Registry, problems: &mut Problems) {
    let named = config.logs.iter().map(|log| {
        let name = log.name.as_deref().unwrap_or_default();
        (format!("/logs/{name}/format"), &**log)
    });
    let unnamed = places(config).flat_map(|(settings, pointer)| {
        let logs = settings.access_logs.iter().filter(|log| log.name.is_none());
        logs.map(move |log| (format!("{pointer}/access_log_format"), &**log))
    });
    let mut seen = HashSet::new();
    for (pointer, log) in named.chain(unnamed) {
        let LogFormat::Template(text) = &log.format else { continue };
        // What is inherited is told once.
        if (log.name.is_some() || seen.insert(text))
            && let Err(bad) = Template::parse(text)
        {
            let sentence = bad.to_string();
            let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "write another"));
            let cure = near(&bad).unwrap_or_else(|| cure.to_owned());
            problems.push(registry.problem(&pointer, format!("the template cannot be used, {cause}"), cure));
        }
    }
}

/// The variable that was meant.
fn near(bad: &BadTemplate) -> Option<String> {
    let BadTemplate::Unknown(name) = bad else { return None };
    config::nearest(name, logging::variables()).map(|near| format!("did you mean ${near}?"))
}

const CURE: &str = "create the folder, or let the user of the server write there";

/// The first log of each output, be it for requests or for messages.
pub(crate) fn access_logs(config: &Config) -> Vec<&Log> {
    let mut seen = HashSet::new();
    places(config)
        .flat_map(|(settings, _)| &settings.access_logs)
        .chain(&config.server.error_log_also)
        .map(|log| &**log)
        .filter(|log| seen.insert(&log.output))
        .collect()
}

/// Where the configuration names the file in which lines of a log wait.
pub(crate) fn spill_pointer(log: &Log) -> String {
    // The queue of a log without a name is that of one with a name.
    match &log.name {
        Some(name) => format!("/logs/{name}/spill"),
        None => log.pointer.clone(),
    }
}

/// Hosts and locations, each with its JSON Pointer.
fn places(config: &Config) -> impl Iterator<Item = (&Settings, &str)> {
    config.hosts.iter().flat_map(|host| {
        let locations = host.locations.iter();
        let locations = locations.map(|location| (&location.settings, location.pointer.as_str()));
        std::iter::once((&host.settings, host.pointer.as_str())).chain(locations)
    })
}
