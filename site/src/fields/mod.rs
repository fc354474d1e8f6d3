//! What becomes of the fields of every response, wherever it comes from: rules, what caches are told, what scripts
//! of other origins may do. Applied in one place, when a head is whole but for its empty line.
//!
//! What does not depend on the request is prepared when the site is compiled; for files it is a part of the head
//! that the file cache keeps.

mod cache;
mod cors;
mod head;
mod rule;

use std::sync::Arc;

use config::Settings;
use proto_http::{Request, Status};

use cache::Cache;
use cors::Cors;
pub(crate) use cors::is_preflight;
use rule::{Deed, Lines, Rule};

use crate::Exchange;
use crate::rewrite::{Captured, Fault, Knowledge, Maps, View};

/// The rules of one location.
#[derive(Debug, Default)]
pub struct Fields {
    /// Lines for responses over TLS alone.
    tls: Vec<u8>,
    rules: Vec<Rule>,
    /// Whether some of them depend on the request.
    vary: bool,
    /// All lines of the rules in one piece, if nothing in an answer of our own can stand in their way.
    plain: Option<Vec<u8>>,
    cache: Cache,
    cors: Option<Arc<Cors>>,
}

/// Where a head comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From here: it has few fields, all of them known.
    Own,
    /// From an upstream: it may have any field.
    Relayed,
}

/// What rules need to know of a response.
#[derive(Clone, Copy, Debug)]
pub struct About<'r> {
    /// Its status.
    pub status: Status,
    /// Whether it goes over TLS.
    pub over_tls: bool,
    /// Where its head comes from.
    pub source: Source,
    /// The media type of its content; `None` is what the head says.
    pub media_type: Option<&'r str>,
    /// Fields that no rule changes, as pages of our own have them.
    pub fixed: &'r [(&'r str, &'r str)],
}

/// Who gets a response.
#[derive(Clone, Copy, Default)]
pub struct Asker<'r> {
    /// What was asked; none for a request that could not be read.
    pub request: Option<&'r Request<'r>>,
    /// The same with its place. Without it, rules with variables are left out.
    pub exchange: Option<&'r Exchange<'r>>,
    /// What else is known.
    pub facts: Knowledge<'r>,
}

impl About<'static> {
    /// A response of our own that has come without TLS, with a content that is no page.
    #[must_use]
    pub fn own(status: Status) -> About<'static> {
        About { source: Source::Own, ..About::relayed(status) }
    }

    /// A response of an upstream that has come without TLS.
    #[must_use]
    pub fn relayed(status: Status) -> About<'static> {
        About { status, over_tls: false, source: Source::Relayed, media_type: None, fixed: &[] }
    }
}

/// Fields that answers of our own may have beside those that no rule can be about.
const IN_OWN_ANSWERS: [&str; 8] = [
    "cache-control",
    "content-encoding",
    "link",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
    "x-request-id",
];

impl Fields {
    /// No rules at all.
    #[must_use]
    pub const fn none() -> Fields {
        Fields {
            tls: Vec::new(),
            rules: Vec::new(),
            vary: false,
            plain: Some(Vec::new()),
            cache: Cache::none(),
            cors: None,
        }
    }

    /// `tls` are whole lines for responses over TLS alone. What is wrong with a value comes with the name of its field.
    pub(crate) fn new(settings: &Settings, tls: &[u8], maps: &Maps) -> Result<Fields, (String, Fault)> {
        let headers = &settings.headers;
        let named = |name: &str| headers.iter().any(|rule| rule.name.eq_ignore_ascii_case(name));
        let security = settings.security.iter().filter(|rule| !named(&rule.name));
        let rules = headers.iter().chain(security).map(|rule| Rule::new(rule, maps));
        let rules = rules.collect::<Result<Vec<Rule>, _>>()?;
        let in_way = |rule: &Rule| {
            !rule.holds_always() || IN_OWN_ANSWERS.iter().any(|own| rule.name.eq_ignore_ascii_case(own))
        };
        let plain = (!rules.iter().any(in_way)).then(|| {
            let lines = rules.iter().filter(|rule| rule.deed != Deed::Remove);
            let fixed = lines.filter_map(|rule| match &rule.lines {
                Lines::Fixed(lines) => Some(lines),
                Lines::Varying(_) => None,
            });
            fixed.flatten().copied().collect()
        });
        let vary = rules.iter().any(|rule| matches!(rule.lines, Lines::Varying(_)));
        let cors = settings.cors.as_deref().map(|cors| Arc::new(Cors::new(cors)));
        Ok(Fields { tls: tls.to_vec(), rules, vary, plain, cache: Cache::new(&settings.cache), cors })
    }

    /// Whether both do the same to a head, as far as that does not depend on the request.
    pub(crate) fn prepare_alike(&self, other: &Fields) -> bool {
        let rules = self.rules.iter().filter_map(Rule::prepared);
        rules.eq(other.rules.iter().filter_map(Rule::prepared))
            && (&self.tls, &self.cache, &self.cors) == (&other.tls, &other.cache, &other.cors)
    }

    /// Whether two requests for the same can get different fields.
    #[must_use]
    pub fn depend_on_request(&self) -> bool {
        self.cors.is_some() || self.vary
    }

    /// Whether requests of scripts from other origins are answered here.
    pub(crate) fn answers_preflights(&self) -> bool {
        self.cors.is_some()
    }

    /// Does to a head all that does not depend on the request. It stands at `head_at` of `out`: a status line and
    /// whole lines, without the empty one.
    pub fn fix(&self, out: &mut Vec<u8>, head_at: usize, about: &About<'_>) {
        // RFC 6797 section 7.2: not over anything but a secure transport.
        if about.over_tls {
            out.extend_from_slice(&self.tls);
        }
        match (&self.plain, about.source) {
            (Some(lines), Source::Own) => out.extend_from_slice(lines),
            _ => self.rules.iter().for_each(|rule| rule.apply(out, head_at, about.status)),
        }
        self.cache.apply(out, head_at, about);
        if let Some(cors) = &self.cors {
            cors.fix(out, head_at);
        }
        for (name, value) in about.fixed {
            head::remove(out, head_at, name);
            head::push(out, name, value);
        }
    }

    /// Does what depends on the request, to a head for which [`Fields::fix`] has done the rest.
    pub fn add_for(&self, asker: &Asker<'_>, out: &mut Vec<u8>, head_at: usize, about: &About<'_>) {
        if let (Some(cors), Some(request)) = (&self.cors, asker.request) {
            cors.add_for(request, out);
        }
        let (true, Some(exchange)) = (self.vary, asker.exchange) else { return };
        let view = View { facts: asker.facts, ..View::of(exchange, Captured::NOTHING) };
        let is_fixed =
            |rule: &&Rule| about.fixed.iter().any(|(name, _)| rule.name.eq_ignore_ascii_case(name));
        let rules = self.rules.iter().filter(|rule| !is_fixed(rule));
        rules.for_each(|rule| rule.apply_for(&view, out, head_at, about.status));
    }
}
