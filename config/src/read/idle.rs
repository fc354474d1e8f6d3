//! Settings of a place that cannot do there what they say.

use crate::cause::{Cause, Flaw};
use crate::model::{FieldAction, FieldRule, Settings};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::settings;

/// Looks at what the section at `reader` says of fields and compression, where `holds` is what then holds there.
pub(super) fn check_fields(reader: &Reader<'_>, holds: &Settings, problems: &mut Problems) {
    if holds.compression.is_none() {
        return;
    }
    for rule in &holds.headers {
        let Some(what) = spoils_compression(rule) else { continue };
        let own = Flaw::new(what, "remove it, or write \"compression\": \"off\" beside it");
        let problem = reader.at_member(&settings::HEADERS, &rule.name, Cause::Conflict(own));
        let problem = problem.or_else(|| {
            let what = format!("{what}: \"headers\" have \"{}\", which holds here", rule.name);
            let cure = format!("remove it, or write \"headers\": {{\"{}\": null}} beside it", rule.name);
            reader.at_value(&settings::COMPRESSION, Cause::Conflict(Flaw::new(what, cure)))
        });
        problems.extend(problem);
    }
}

/// What would become of compressed answers by this rule, if it does them harm.
fn spoils_compression(rule: &FieldRule) -> Option<&'static str> {
    let is = |name: &str| rule.name.eq_ignore_ascii_case(name);
    let (is_coding, is_vary) = (is("Content-Encoding"), is("Vary"));
    match &rule.action {
        FieldAction::Remove if is_coding => {
            Some("clients could not tell that an answer is compressed, and would show it as it is")
        }
        FieldAction::Set(_) | FieldAction::Add(_) if is_coding => Some(
            "answers that are compressed here have a coding already, and clients would decode them twice or wrongly",
        ),
        FieldAction::Remove if is_vary => Some(WITHOUT_VARY),
        FieldAction::Set(value) if is_vary && !names_coding(value) => Some(WITHOUT_VARY),
        _ => None,
    }
}

/// RFC 9110 section 12.5.5: what an answer was chosen by.
const WITHOUT_VARY: &str =
    "caches could not tell that answers are compressed for some clients alone, and would send them to all";

fn names_coding(vary: &str) -> bool {
    vary.split(',').map(str::trim).any(|name| name == "*" || name.eq_ignore_ascii_case("Accept-Encoding"))
}

/// Whether requests are passed on anywhere that a section holds for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Proxy,
    Nothing,
}

impl Reach {
    /// Of a section that holds for these places.
    pub(super) fn of<'s>(mut places: impl Iterator<Item = &'s Settings>) -> Reach {
        if places.any(|settings| settings.proxy.is_some()) { Reach::Proxy } else { Reach::Nothing }
    }
}

/// Looks for what the section at `reader` says of upstreams that nothing has.
pub(super) fn check_relaying(reader: &Reader<'_>, reach: Reach, problems: &mut Problems) {
    // What is wrong elsewhere may be the proxy that is missed here.
    if reach == Reach::Proxy || !problems.is_empty() {
        return;
    }
    let switched_on = |on: Option<bool>| on == Some(true);
    let said = [
        (settings::PROXY_HOST.name, reader.has(&settings::PROXY_HOST)),
        (settings::INTERCEPT.name, switched_on(reader.get(&settings::INTERCEPT, problems))),
        (settings::ACCEL.name, switched_on(reader.get(&settings::ACCEL, problems))),
    ];
    for (name, _) in said.into_iter().filter(|(_, said)| *said) {
        let what = format!("nothing is passed on here, so that \"{name}\" does nothing");
        let flaw = Flaw::new(what, "remove it, or write \"proxy\": \"http://127.0.0.1:9000\" beside it");
        problems.extend(reader.at_named(name, Cause::Conflict(flaw)));
    }
}
