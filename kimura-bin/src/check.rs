//! `--test`: everything that can be known without serving.

use crate::arguments::Wishes;
use crate::error::Error;
use crate::identity;
use crate::logs;
use crate::settings::{self, Origin};
use config::Config;

/// Checks the configuration and the system.
///
/// # Errors
/// Every problem of the configuration, or else what the system denies.
pub(crate) fn check(wishes: &Wishes) -> Result<String, Error> {
    let (loaded, origin) = settings::load(wishes)?;
    let mut problems = logs::check(&loaded.config, &loaded.registry);
    if let Err(found) = site::compile(&loaded.config, &loaded.registry) {
        problems.extend(found.iter().cloned());
    }
    if let Err(problem) = identity::resolve(&loaded.config.server, &loaded.registry) {
        problems.push(problem);
    }
    problems.or(())?;
    sys::uring::probe()?;
    Ok(summary(&loaded.config, &origin))
}

/// One line for people.
fn summary(config: &Config, origin: &Origin) -> String {
    let locations = config.hosts.iter().map(|host| host.locations.len()).sum();
    format!(
        "configuration ok: {origin}; {}, {}, {}\n",
        counted(config.hosts.len(), "host"),
        counted(locations, "location"),
        counted_with(config.listeners().len(), "address", "addresses"),
    )
}

fn counted(count: usize, noun: &str) -> String {
    counted_with(count, noun, &format!("{noun}s"))
}

fn counted_with(count: usize, singular: &str, plural: &str) -> String {
    format!("{count} {}", if count == 1 { singular } else { plural })
}
