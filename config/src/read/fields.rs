//! `headers`, `security` and `cors` of `/defaults`, a host or a location.

use super::layer::Entries;
use crate::cause::{Cause, Flaw};
use crate::fields::OriginItem;
use crate::kind::{List, Ruled, Text};
use crate::model::{Cors, FieldAction, FieldRule, Origins};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::syntax::FieldName;
use crate::table::{Key, cors, security, settings};

/// Which fields for security there are where nobody says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    Off,
    Basic,
    Strict,
}

const NOSNIFF: &str = "X-Content-Type-Options";
const FRAMES: &str = "X-Frame-Options";
const REFERRER: &str = "Referrer-Policy";
const CONTENT: &str = "Content-Security-Policy";
const REPORT: &str = "Content-Security-Policy-Report-Only";
const PERMISSIONS: &str = "Permissions-Policy";
const OPENER: &str = "Cross-Origin-Opener-Policy";
const EMBEDDER: &str = "Cross-Origin-Embedder-Policy";
const RESOURCE: &str = "Cross-Origin-Resource-Policy";

const BASIC: &[(&str, &str)] =
    &[(NOSNIFF, "nosniff"), (FRAMES, "SAMEORIGIN"), (REFERRER, "strict-origin-when-cross-origin")];

const STRICT: &[(&str, &str)] = &[
    (NOSNIFF, "nosniff"),
    (FRAMES, "DENY"),
    (REFERRER, "no-referrer"),
    (
        CONTENT,
        "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (PERMISSIONS, "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (OPENER, "same-origin"),
    (RESOURCE, "same-origin"),
];

impl Preset {
    fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Preset::Off => &[],
            Preset::Basic => BASIC,
            Preset::Strict => STRICT,
        }
    }

    /// A preset steps back behind what a response says itself: whoever made it knows it better.
    fn rules(self) -> Vec<FieldRule> {
        let rule = |(name, value): &(&str, &str)| FieldRule {
            name: (*name).to_owned(),
            action: FieldAction::Default((*value).to_owned()),
            on: Vec::new(),
        };
        self.fields().iter().map(rule).collect()
    }
}

/// What `security` says, if it is there.
pub(super) fn security(place: &Reader<'_>, problems: &mut Problems) -> Option<Vec<FieldRule>> {
    let reader = match place.word_or_section(&settings::SECURITY, problems)? {
        Ok(preset) => return Some(preset.rules()),
        Err(reader) => reader,
    };
    let mut rules = reader.or_default(&security::PRESET, problems).rules();
    let nosniff = reader.get(&security::NOSNIFF, problems);
    put(&mut rules, NOSNIFF, nosniff.map(|nosniff| nosniff.then_some("nosniff")));
    put(&mut rules, FRAMES, reader.get(&security::FRAME_OPTIONS, problems));
    put(&mut rules, REFERRER, reader.get(&security::REFERRER_POLICY, problems));
    put(&mut rules, CONTENT, reader.get(&security::CONTENT_POLICY, problems));
    put(&mut rules, REPORT, reader.get(&security::REPORT_POLICY, problems));
    put(&mut rules, PERMISSIONS, reader.get(&security::PERMISSIONS, problems));
    put(&mut rules, OPENER, reader.get(&security::OPENER, problems));
    put(&mut rules, EMBEDDER, reader.get(&security::EMBEDDER, problems));
    put(&mut rules, RESOURCE, reader.get(&security::RESOURCE, problems));
    Some(rules)
}

/// Has a field set to what a key says; off leaves it to whoever makes the response.
fn put<T: Into<String>>(rules: &mut Vec<FieldRule>, name: &str, said: Option<Option<T>>) {
    let Some(value) = said else { return };
    rules.retain(|rule| rule.name != name);
    rules.extend(value.map(|value| {
        let action = FieldAction::Set(value.into());
        FieldRule { name: name.to_owned(), action, on: Vec::new() }
    }));
}

/// What `cors` says, if it is there, not off, and right.
pub(super) fn cors(place: &Reader<'_>, problems: &mut Problems) -> Option<Cors> {
    let reader = place.section_unless_off(&settings::CORS, problems)?;
    if reader.exists() && !reader.has(&cors::ORIGINS) {
        let flaw = Flaw::new(
            "nobody says which origins are meant: there is no \"origins\"",
            r#"write "origins": ["https://app.example.org"]"#,
        );
        problems.extend(reader.at_itself(Cause::Conflict(flaw)));
    }
    let credentials = reader.or_default(&cors::CREDENTIALS, problems);
    let mut values = |key: &'static Key<List<Text<String>>>| -> Vec<String> {
        reader.or_default(key, problems).into_iter().map(|(_, value)| value).collect()
    };
    let (methods, headers, expose) = (values(&cors::METHODS), values(&cors::HEADERS), values(&cors::EXPOSE));
    let max_age = reader.or_default(&cors::MAX_AGE, problems);
    let origins = origins(&reader, credentials, problems);
    for (key, names) in [(&cors::HEADERS, &headers), (&cors::EXPOSE, &expose)] {
        if credentials && names.iter().any(|name| name == "*") {
            // Fetch, CORS protocol: with credentials the star is the name of a field.
            let flaw = Flaw::new("browsers do not take \"*\" where credentials go along", "name each field");
            problems.extend(reader.at_value(key, Cause::Conflict(flaw)));
        }
    }
    Some(Cors { origins: origins?, methods, headers, expose, credentials, max_age })
}

fn origins(reader: &Reader<'_>, credentials: bool, problems: &mut Problems) -> Option<Origins> {
    let items = reader.get(&cors::ORIGINS, problems)?;
    let mut conflict = |what: &str, cure: &str| {
        problems.extend(reader.at_value(&cors::ORIGINS, Cause::Conflict(Flaw::new(what, cure))));
    };
    let all = items.iter().any(|(_, item)| *item == OriginItem::Any);
    match (all, items.len()) {
        (true, 1) if credentials => {
            let what = "every page of the world could act in the name of a visitor";
            conflict(what, "name the origins, or leave \"credentials\" out");
        }
        (true, 1) => return Some(Origins::Any),
        (true, _) => {
            conflict("\"*\" is every origin, and others stand beside it", "keep it alone, or leave it out");
        }
        (false, _) => {}
    }
    let patterns = items.into_iter().filter_map(|(_, item)| match item {
        OriginItem::Any => None,
        OriginItem::Pattern(pattern) => Some(pattern),
    });
    Some(Origins::Listed(patterns.collect()))
}

/// What `proxy_headers` says. Requests have no status, and what a client has sent shows only while they are written.
pub(super) fn of_requests(place: &Reader<'_>, problems: &mut Problems) -> Entries<FieldName, Ruled> {
    let entries = place.get(&settings::PROXY_HEADERS, problems).unwrap_or_default();
    let fits = |(action, on): &Ruled| on.is_empty() && !matches!(action, FieldAction::Default(_));
    if entries.iter().any(|(_, ruled)| ruled.as_ref().is_some_and(|ruled| !fits(ruled))) {
        let what = "requests to an upstream have no status, and what is missing in them cannot be asked";
        let cure = "write a text, false, or an object with \"set\" or \"add\" alone for each field";
        problems.extend(place.at_value(&settings::PROXY_HEADERS, Cause::Conflict(Flaw::new(what, cure))));
    }
    entries.into_iter().map(|(name, ruled)| (name.0, ruled)).collect()
}

/// Puts rules of an inner place over those of an outer one. Keeps the order in which the names were first seen:
/// responses carry them so.
pub(super) fn merge(rules: &mut Vec<FieldRule>, entries: Entries<FieldName, Ruled>) {
    for (FieldName(name), ruled) in entries {
        let known = rules.iter().position(|known| known.name.eq_ignore_ascii_case(&name));
        let rule = ruled.map(|(action, on)| FieldRule { name, action, on });
        match (known, rule) {
            (Some(at), Some(rule)) => rules[at] = rule,
            (Some(at), None) => drop(rules.remove(at)),
            (None, Some(rule)) => rules.push(rule),
            (None, None) => {}
        }
    }
}
