//! The typed configuration: what every later stage reads, and nothing it has to check again.
//!
//! Values here are complete. Inheritance (location from host, host from `/defaults`, defaults from the
//! built-in table) has already happened, sizes are bytes, times are [`Duration`]s, paths are resolved
//! against the folder they are relative to.

mod auth;
mod bans;
mod compression;
mod control;
mod fields;
mod host;
mod logs;
mod receiver;
mod rewriting;
mod server;
mod settings;
mod shaping;
mod tls;
mod upstream;

use std::sync::Arc;

use sys::net::Address;

pub use auth::{Auth, Requirement, Satisfy};
pub use bans::Bans;
pub use compression::{Coding, Compression};
pub use control::{Control, Peer, Rank, Remote};
pub use fields::{CacheFor, Cors, FieldAction, FieldRule, OriginPattern, OriginPort, Origins};
pub use host::{DefaultHost, Host, Location, Matcher};
pub use logs::{
    Compress, Every, Log, LogConditions, LogFormat, LogQueue, LogStatus, Output, Rotate, RotatedNames,
    TimeZone, WhenFull,
};
pub use receiver::{
    Labels, Place, Receiver, ReceiverKind, Syslog, SyslogFraming, SyslogShape, SyslogTransport,
};
pub use rewriting::{
    Attempt, Condition, Content, Effect, FileAt, Map, NO_ANSWER, Return, Rewriting, Rule, Scheme, Subject,
    Then, Way,
};
pub use server::{ClientAddress, FileCache, Level, Limits, Server, Shards, Timeouts};
pub use settings::{
    ClientCertificate, Comet, Dotfiles, ErrorFormat, ErrorPage, ErrorStatus, Handler, Listing, Settings,
    Symlinks,
};
pub use shaping::{Quota, Rate, ShapedBy, Shaping};
pub use tls::{ClientCertificates, Tls, TlsCertificate, TlsVersion};
pub use upstream::{
    Balance, Eject, Fastcgi, ForwardedBefore, ForwardedFields, HashBy, Health, Preamble, ProxyHost, Upstream,
    UpstreamAddress, UpstreamPart, UpstreamProtocol, UpstreamServer, UpstreamTimeouts, UpstreamTls,
    UpstreamTrust,
};

/// Everything the server was told to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What concerns the process as a whole.
    pub server: Server,
    /// The logs that have a name, in the order of the file.
    pub logs: Vec<Arc<Log>>,
    /// The groups of servers that have a name, in the order of the file.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Tables of texts that rules can look up, in the order of the file.
    pub maps: Vec<Map>,
    /// The virtual hosts, in the order of the file; never empty.
    pub hosts: Vec<Host>,
    /// Which host answers a request whose name is none of `hosts`.
    pub default_host: DefaultHost,
}

impl Config {
    /// The addresses that have to be bound: those of the server, then those that only a host names.
    /// Each address once.
    #[must_use]
    pub fn listeners(&self) -> Vec<&Listen> {
        let mut found: Vec<&Listen> = Vec::new();
        let of_hosts = self.hosts.iter().filter_map(|host| host.listen.as_ref());
        for listen in std::iter::once(&self.server.listen).chain(of_hosts).flatten() {
            if !found.iter().any(|known| known.address == listen.address) {
                found.push(listen);
            }
        }
        found
    }
}

impl Config {
    /// All groups of servers that requests are passed on to, those with a name first. Each once.
    #[must_use]
    pub fn all_upstreams(&self) -> Vec<&Upstream> {
        let mut found: Vec<&Upstream> = self.upstreams.iter().map(AsRef::as_ref).collect();
        let mut seen: std::collections::HashSet<&str> =
            found.iter().map(|upstream| upstream.name.as_str()).collect();
        let settings = self.hosts.iter().flat_map(Host::places);
        let chosen = settings.filter_map(|settings| settings.proxy.as_deref());
        found.extend(chosen.filter(|upstream| seen.insert(upstream.name.as_str())));
        found
    }

    /// All that ask for a login, each section once.
    #[must_use]
    pub fn logins(&self) -> Vec<&Auth> {
        let mut seen = std::collections::HashSet::new();
        let settings = self.hosts.iter().flat_map(Host::places);
        settings
            .filter_map(|settings| settings.auth.as_deref())
            .filter(|auth| seen.insert(&auth.pointer))
            .collect()
    }
}

/// One address to listen on, and where the configuration says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// What is spoken there.
    pub transport: Transport,
    /// Who connects there.
    pub arrival: Arrival,
    /// JSON Pointer of the value, for a problem that only binding can find.
    pub pointer: String,
}

/// What carries HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The connection itself.
    Plain,
    /// TLS: written behind the address, as in `:443 tls`.
    Tls,
}

/// Who connects to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Clients, or proxies that say in a field of the request for whom they speak, if at all.
    Direct,
    /// Proxies alone, which say it before the first byte (PROXY protocol): written behind the address, as in `:80 proxy`.
    Proxied,
}
