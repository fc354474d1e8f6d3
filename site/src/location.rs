//! Parts of a host: which paths they are for, and everything that holds there, compiled.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use config::{Dotfiles, Listing, Log, Symlinks};
use proto_http::{Request, Status, path};
use regex::bytes::Regex;

use crate::compression::Compression;
use crate::error_pages::ErrorPages;
use crate::exchange::keeps_slash;
use crate::fields::Fields;
use crate::indexes::Indexes;
use crate::media::MediaTypes;
use crate::phase::Phase;
use crate::rewrite::{Attempts, RuleList};
use crate::shaping::ScopeId;

/// A part of a host with its own settings and its own flat chain of phases.
#[derive(Debug)]
pub struct Location {
    /// A number of its own among all locations of the site; the key under which shards keep state for it.
    pub id: u32,
    pub(crate) chain: Vec<Phase>,
    /// What is looked at before its chain.
    pub(crate) rules: Option<Box<RuleList>>,
    /// Where files are, if it serves any or its rules look for some.
    pub(crate) files: Option<Arc<Files>>,
    /// Where the indexes of its folders can lead.
    pub indexes: Indexes,
    /// What becomes of the fields of every response.
    pub fields: Arc<Fields>,
    /// What is sent with errors.
    pub error_pages: ErrorPages,
    /// Whether errors of an upstream get these.
    pub intercept: bool,
    /// What an upstream may have sent in place of its answer, if anything.
    pub accel: Option<Accel>,
    /// Where requests are logged; nowhere when it is empty.
    pub logs: Vec<Arc<Log>>,
    /// Its key in the configuration; empty for what holds outside of all locations of a host.
    pub key: String,
    /// Whether responses carry the id of their request.
    pub request_id: bool,
    /// How contents are compressed, if they are.
    pub compression: Option<Arc<Compression>>,
    /// Largest request body in bytes.
    pub body_size: u64,
    /// The limits on what its clients use, beside those of the server.
    pub shaping: Option<ScopeId>,
}

impl Location {
    /// What is needed to find files, if the location serves any or its rules look for some.
    #[must_use]
    pub fn files(&self) -> Option<&Arc<Files>> {
        self.files.as_ref()
    }

    /// The files that make its responses, if files do; others may still be looked for by rules.
    #[must_use]
    pub fn served_files(&self) -> Option<&Arc<Files>> {
        match self.chain.last() {
            Some(Phase::Files(files)) => Some(files),
            _ => None,
        }
    }

    /// Whether only the server itself leads there.
    pub(crate) fn is_internal(&self) -> bool {
        self.chain.iter().any(|phase| matches!(phase, Phase::Internal))
    }

    /// What is tried there before anything else makes a response.
    pub(crate) fn attempts(&self) -> Option<&Attempts> {
        self.chain.iter().find_map(|phase| match phase {
            Phase::Try(attempts) => Some(attempts),
            _ => None,
        })
    }
}

impl Location {
    /// What is looked at there before somebody makes a response, and who that is.
    pub fn phases(&self) -> impl Iterator<Item = &'static str> {
        self.chain.iter().map(Phase::name)
    }

    /// The files that shards keep in their caches for it.
    #[must_use]
    pub fn kept_files(&self) -> Option<&Arc<Files>> {
        let sent = || self.accel.as_ref()?.folder.as_ref().map(|(_, files)| files);
        self.files().or_else(sent)
    }

    /// Whether a path may have hidden segments here.
    #[must_use]
    pub fn shows_dotfiles(&self) -> bool {
        !self.chain.iter().any(|phase| matches!(phase, Phase::Dotfiles(_)))
    }

    /// Whether it shows logs.
    #[must_use]
    pub fn shows_logs(&self) -> bool {
        matches!(self.chain.last(), Some(Phase::Comet(_)))
    }
}

/// What an upstream may have sent in place of its answer: any path of the host, and files below a folder.
#[derive(Debug)]
pub struct Accel {
    /// The path of that folder, without a slash at its end, and what is needed to find files there.
    pub(crate) folder: Option<(Vec<u8>, Arc<Files>)>,
}

impl Accel {
    /// The files that a path of the machine is among, and what is left of the path, with one slash at its beginning.
    #[must_use]
    pub fn below<'p>(&self, path: &'p [u8]) -> Option<(&Files, &'p [u8])> {
        let (folder, files) = self.folder.as_ref()?;
        Some((&**files, name_below(folder, path)?))
    }
}

impl Files {
    /// Whether a path that leads to the same file is answered with the same head by both.
    #[must_use]
    pub fn describe_alike(&self, other: &Files) -> bool {
        self.index == other.index
            && self.symlinks == other.symlinks
            && self.etag == other.etag
            && self.fields.prepare_alike(&other.fields)
            && self.types == other.types
            && self.compression == other.compression
    }
}

/// Files below a folder: what the engine needs to find and describe one.
#[derive(Debug)]
pub struct Files {
    /// The id of the location that these settings are of.
    pub location: u32,
    /// The folder; locations with the same one share it.
    pub root: Arc<OwnedFd>,
    /// File names tried, in this order, when a folder is asked for.
    pub index: Vec<String>,
    /// Which symbolic links are followed.
    pub symlinks: Symlinks,
    /// Whether rules find names that begin with a dot.
    pub dotfiles: Dotfiles,
    /// From file name to media type.
    pub types: MediaTypes,
    /// Whether responses carry an entity tag.
    pub etag: bool,
    /// How contents are compressed, if they are.
    pub compression: Option<Arc<Compression>>,
    /// What folders without an index are listed as, if they are, and without what.
    pub listing: Option<(Listing, Dotfiles)>,
    /// The location's rules about fields; a head that is kept has those for TLS, since hosts with some serve files over
    /// TLS only.
    pub fields: Arc<Fields>,
}

/// All locations of a host.
#[derive(Debug)]
pub(crate) struct Locations {
    /// Exact paths.
    pub(crate) exact: Vec<(Vec<u8>, Location)>,
    /// In the order of the file.
    pub(crate) patterns: Vec<(Regex, Location)>,
    /// Longest first, so that the first that fits is the longest.
    pub(crate) prefixes: Vec<(Vec<u8>, Location)>,
    /// What holds outside of all others.
    pub(crate) root: Location,
}

impl Locations {
    /// Exact match, else first pattern, else longest prefix, else the host's own settings.
    pub(crate) fn find(&self, path: &[u8]) -> &Location {
        if let Some((_, location)) = self.exact.iter().find(|(exact, _)| exact == path) {
            return location;
        }
        if let Some((_, location)) = self.patterns.iter().find(|(pattern, _)| pattern.is_match(path)) {
            return location;
        }
        match self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            Some((_, location)) => location,
            None => &self.root,
        }
    }

    /// As [`Locations::find`], for a path that `request` leads to.
    ///
    /// # Errors
    ///
    /// 400 for an encoded slash with which another location would be found, were it decoded: whoever gets the request might
    /// decode it, and what holds there would not have been asked.
    pub(crate) fn find_for(&self, path: &[u8], request: &Request<'_>) -> Result<&Location, Status> {
        let location = self.find(path);
        if keeps_slash(path, request) && self.find(&path::with_slashes(path)).id != location.id {
            return Err(Status::BAD_REQUEST);
        }
        Ok(location)
    }

    pub(crate) fn root(&self) -> &Location {
        &self.root
    }

    /// The host itself, then its parts.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Location> {
        let root = std::iter::once(&self.root);
        let exact = self.exact.iter().map(|(_, l)| l);
        let patterns = self.patterns.iter().map(|(_, l)| l);
        root.chain(exact).chain(patterns).chain(self.prefixes.iter().map(|(_, l)| l))
    }
}

/// What is left of a path below a folder that has no slash at its end. Applications glue the name of a file to a folder that
/// ends with a slash already: all slashes there count as one.
fn name_below<'p>(folder: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(folder)?;
    let name = rest.iter().position(|byte| *byte != b'/').unwrap_or(rest.len());
    Some(&rest[name.checked_sub(1)?..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_between_folder_and_name_are_one() {
        for (path, wanted, hidden) in [
            ("/srv/sent/a.pdf", Some("/a.pdf"), false),
            ("/srv/sent//a/b.pdf", Some("/a/b.pdf"), false),
            ("/srv/sent///a", Some("/a"), false),
            ("/srv/sent/", Some("/"), false),
            ("/srv/sent", None, false),
            ("/srv/sentry/a", None, false),
            ("/srv//sent/a", None, false),
            ("/srv/sent//../a", Some("/../a"), true),
            ("/srv/sent//.a", Some("/.a"), true),
        ] {
            let found = name_below(b"/srv/sent", path.as_bytes());
            assert_eq!(found, wanted.map(str::as_bytes), "{path}");
            assert_eq!(found.is_some_and(path::has_hidden_segment), hidden, "{path}");
        }
        assert_eq!(name_below(b"", b"//a"), Some(&b"/a"[..]));
    }
}
