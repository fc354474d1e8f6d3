//! What caches are told, by media type.

use std::collections::BTreeMap;

use config::CacheFor;

use super::{About, head};

const FIELD: &str = "Cache-Control";

/// What caches are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cache {
    /// By media type, lower case; `None` says nothing.
    types: Vec<(String, Option<String>)>,
    /// By what a media type begins with, up to its slash.
    mains: Vec<(String, Option<String>)>,
    others: Option<String>,
}

impl Cache {
    pub(super) const fn none() -> Cache {
        Cache { types: Vec::new(), mains: Vec::new(), others: None }
    }

    pub(super) fn new(rules: &BTreeMap<CacheFor, Option<String>>) -> Cache {
        let mut cache = Cache::none();
        for (what, said) in rules {
            match what {
                CacheFor::Type(name) => cache.types.push((name.clone(), said.clone())),
                CacheFor::Main(name) => cache.mains.push((name.clone(), said.clone())),
                CacheFor::Any => cache.others.clone_from(said),
            }
        }
        cache
    }

    fn is_empty(&self) -> bool {
        self.types.is_empty() && self.mains.is_empty() && self.others.is_none()
    }

    /// Adds the field where the head has none.
    pub(super) fn apply(&self, out: &mut Vec<u8>, head_at: usize, about: &About<'_>) {
        // RFC 9110 section 15.4.5: a 304 has it as the 200 would.
        const TOLD: [u16; 4] = [200, 203, 206, 304];
        if self.is_empty() || !TOLD.contains(&about.status.code()) {
            return;
        }
        let head = &out[head_at..];
        if head::find(head, FIELD).is_some() {
            return;
        }
        let media_type = about.media_type.map(str::as_bytes).or_else(|| head::find(head, "Content-Type"));
        if let Some(said) = self.of(media_type.unwrap_or_default()) {
            head::push(out, FIELD, said);
        }
    }

    /// What is said of a media type, with or without parameters.
    fn of(&self, media_type: &[u8]) -> Option<&str> {
        let essence = media_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        let main = essence.split(|&b| b == b'/').next().unwrap_or_default();
        let among = |rules: &'_ [(String, Option<String>)], name: &[u8]| {
            rules.iter().position(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
        };
        if let Some(at) = among(&self.types, essence) {
            return self.types[at].1.as_deref();
        }
        match among(&self.mains, main) {
            Some(at) => self.mains[at].1.as_deref(),
            None => self.others.as_deref(),
        }
    }
}
