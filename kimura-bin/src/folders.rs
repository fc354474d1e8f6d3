//! The files and folders that a configuration has served, for whoever decides what a worker can open.

use config::{Config, ErrorPage, Settings, Symlinks};
use std::collections::BTreeMap;
use std::path::Path;

/// Each of them once, with the pointer of a value that names it.
pub(crate) fn served(config: &Config) -> BTreeMap<&Path, String> {
    let mut found = BTreeMap::new();
    for host in &config.hosts {
        let locations = host.locations.iter().map(|location| (&location.settings, &location.pointer));
        for (settings, pointer) in std::iter::once((&host.settings, &host.pointer)).chain(locations) {
            for (path, key) in of(settings) {
                found.entry(path).or_insert_with(|| format!("{pointer}/{key}"));
            }
        }
    }
    found
}

fn of(settings: &Settings) -> impl Iterator<Item = (&Path, &'static str)> {
    // Links that lead anywhere can be followed only by whoever may open anything.
    let anywhere = settings.symlinks == Symlinks::Follow;
    let root = settings.root.as_deref().map(|root| (root, "root"));
    let pages = settings.error_pages.values().filter_map(|page| match page {
        ErrorPage::File(path) => Some((path.as_path(), "error_pages")),
        ErrorPage::Inline { .. } | ErrorPage::To(_) => None,
    });
    root.into_iter().chain(pages).chain(anywhere.then_some((Path::new("/"), "symlinks")))
}
