//! Places that show something of the server itself, which is not for everybody.

use config::Settings;

use super::Compiler;
use crate::comet::Comet;
use crate::phase::Phase;

impl Compiler<'_> {
    /// Live logs, where they can be.
    pub(super) fn comet(
        &mut self,
        shows: config::Comet,
        settings: &Settings,
        pointer: &str,
    ) -> Option<Comet> {
        let at = self.setting(pointer, "comet");
        let (host, base) = self.place.clone();
        let base = base.filter(|base| base.ends_with('/'));
        let Some(base) = base else {
            let cause = "logs are shown below a path, and this location is none that ends with a slash";
            self.problem(&at, cause, r#"name the location "/live/", or write "comet": "off" here"#);
            return None;
        };
        if is_open(settings) {
            let cause = "everybody would see the logs";
            let cure = r#"have viewers log in with "auth", or let in only some with "access""#;
            self.problem(&at, cause, cure);
            return None;
        }
        Some(Comet::new(shows, host, base))
    }

    /// The numbers of the server, where they can be.
    pub(super) fn metrics(&mut self, settings: &Settings, pointer: &str) -> Option<Phase> {
        if is_open(settings) {
            let at = self.setting(pointer, "handler");
            let cause = "everybody would see the numbers of the server";
            let cure = r#"have scrapers log in with "auth", or let in only some with "access""#;
            self.problem(&at, cause, cure);
            return None;
        }
        Some(Phase::Metrics)
    }
}

/// Whether everybody is let in.
fn is_open(settings: &Settings) -> bool {
    settings.auth.is_none() && !denies_somebody(&settings.access)
}

/// Whether rules do not let everybody in.
fn denies_somebody(rules: &[String]) -> bool {
    let deciding = rules.iter().find(|rule| rule.starts_with("deny") || *rule == "allow all");
    deciding.is_some_and(|rule| rule.starts_with("deny"))
}
