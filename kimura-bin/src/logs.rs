//! The log files that the configuration names.

use config::{Config, Output, Problems, Registry};
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

const CURE: &str = "create the folder, or let the user of the server write there";

/// Every access log once, with the place that names it first.
pub(crate) fn access_logs(config: &Config) -> Vec<(&Output, String)> {
    let settings = config.hosts.iter().flat_map(|host| {
        let locations = host.locations.iter().map(|location| &location.settings);
        std::iter::once(&host.settings).chain(locations)
    });
    let mut seen = HashSet::new();
    settings
        .flat_map(|settings| &settings.access_logs)
        .filter(|log| seen.insert(&log.output))
        .map(|log| (&log.output, log.pointer.clone()))
        .collect()
}
