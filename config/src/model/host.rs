//! Virtual hosts and their locations: `/hosts`.

use std::fmt;

use super::{Listen, Rewriting, Settings, Tls};
use crate::HostName;

/// One virtual host: `/hosts/NAME`.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// The name that the host is listed under.
    pub name: HostName,
    /// Further names (`names` in the file). No name occurs twice in a configuration.
    pub aliases: Vec<HostName>,
    /// The only addresses on which the host answers; all of the server's when absent.
    pub listen: Option<Vec<Listen>>,
    /// TLS, where the host answers on an address that has it.
    pub tls: Option<Tls>,
    /// What holds outside of all locations.
    pub settings: Settings,
    /// Its rules are looked at before a location is looked for; its answer is for what is outside of all locations.
    pub rewriting: Rewriting,
    /// Parts of the host that differ, in the order of the file.
    pub locations: Vec<Location>,
    /// JSON Pointer of the host.
    pub pointer: String,
}

impl Host {
    /// What holds at each of its places: outside of all locations, then in each.
    pub fn places(&self) -> impl Iterator<Item = &Settings> {
        std::iter::once(&self.settings).chain(self.locations.iter().map(|location| &location.settings))
    }
}

/// A part of a host: `/hosts/NAME/locations/KEY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// Which paths it is for.
    pub matcher: Matcher,
    /// What holds there, with everything inherited from the host.
    pub settings: Settings,
    /// Its own rules and its answer.
    pub rewriting: Rewriting,
    /// JSON Pointer of the location.
    pub pointer: String,
}

/// Which paths a location is for. Paths are compared after percent-decoding and removal of dot segments.
///
/// An exact match wins; else the first pattern in the order of the file; else the longest prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Key `/img/`: every path that begins so. Begins with `/`.
    Prefix(String),
    /// Key `= /path`: this path alone. Begins with `/`.
    Exact(String),
    /// Key `~ regex`: text of a regular expression, not yet compiled.
    Pattern(String),
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Prefix(prefix) => f.write_str(prefix),
            Matcher::Exact(path) => write!(f, "= {path}"),
            Matcher::Pattern(pattern) => write!(f, "~ {pattern}"),
        }
    }
}

/// Which host answers a request whose name is none of the configured ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultHost {
    /// The first host that answers on the address on which the request came.
    First,
    /// The host with this index in [`super::Config::hosts`].
    Named(usize),
    /// None: 421 Misdirected Request.
    Refuse,
}
