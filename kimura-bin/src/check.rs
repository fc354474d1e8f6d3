//! `--test`: everything that can be known without serving.

use crate::arguments::{Reports, Wishes};
use crate::boot::Home;
use crate::error::Error;
use crate::keeps;
use privsep::message::Needs;
use privsep::supervisor::{self, House};

/// Checks the configuration and the system.
///
/// # Errors
/// Every problem of the configuration, or else what the system denies.
pub(crate) fn check(wishes: &Wishes, reports: Reports) -> Result<String, Error> {
    let home = Home::new(wishes, Reports::Quiet)?;
    let needs = supervisor::examine(&home)?;
    sys::uring::probe()?;
    let summary = summary(&needs, &home.origin());
    Ok(match reports {
        Reports::Quiet => summary,
        Reports::Verbose => summary + &keeps::told(&needs),
    })
}

/// One line for people.
fn summary(needs: &Needs, origin: &str) -> String {
    let locations = needs.hosts.iter().map(|host| host.locations as usize).sum();
    format!(
        "configuration ok: {origin}; {}, {}, {}\n",
        counted(needs.hosts.len(), "host"),
        counted(locations, "location"),
        counted_with(needs.listeners.len(), "address", "addresses"),
    )
}

fn counted(count: usize, noun: &str) -> String {
    counted_with(count, noun, &format!("{noun}s"))
}

fn counted_with(count: usize, singular: &str, plural: &str) -> String {
    format!("{count} {}", if count == 1 { singular } else { plural })
}
