//! Groups of servers that requests are passed on to: `/upstreams`.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::{LogStatus, Place};

/// One group: `/upstreams/NAME`, or what a `proxy` names itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name; of one that a `proxy` names itself, that text. No two groups have the same.
    pub name: String,
    /// Never empty, and never of backups alone; no address is there twice.
    pub servers: Vec<UpstreamServer>,
    /// What the servers speak.
    pub protocol: UpstreamProtocol,
    /// Which scripts requests are for, where that is FastCGI.
    pub fastcgi: Fastcgi,
    /// What each connection to a server begins with. If it is anything, no connection carries a second request:
    /// `keep_alive` is 0.
    pub preamble: Preamble,
    /// Who gets a request.
    pub balance: Balance,
    /// Name of the cookie that has a client come to the same server again.
    pub sticky: Option<String>,
    /// How long it takes until a server that has come back gets all of its share.
    pub slow_start: Duration,
    /// When a server that fails gets no more for a while.
    pub eject: Eject,
    /// How it is found out whether a server is well; nobody looks without it.
    pub health: Option<Health>,
    /// How often the names of servers are looked up again.
    pub resolve: Duration,
    /// Connections that a shard keeps to each server while nothing is to be sent.
    pub keep_alive: u32,
    /// Bounds on how long a server may take.
    pub timeouts: UpstreamTimeouts,
    /// TLS with the servers; `None` for none.
    pub tls: Option<UpstreamTls>,
    /// JSON Pointer of the section, or of the `proxy`.
    pub pointer: String,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http,
    /// FastCGI.
    Fastcgi,
}

/// What a connection to a server begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preamble {
    /// The first request, or the handshake of TLS.
    None,
    /// A PROXY header of version 1.
    ProxyV1,
    /// A PROXY header of version 2.
    ProxyV2,
}

/// Which scripts requests are for: `/upstreams/NAME/fastcgi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fastcgi {
    /// Their folder, as the application knows it: absolute. The root of the place when absent.
    pub root: Option<String>,
    /// The script of a path that ends in a slash: a file name.
    pub index: String,
    /// How names of scripts end.
    pub ending: String,
    /// One script for all paths, itself a path below the root.
    pub script: Option<String>,
    /// Further variables: name and value.
    pub variables: Vec<(String, String)>,
}

/// One server of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamServer {
    /// Where it is.
    pub address: UpstreamAddress,
    /// Its share of the requests, in relation to those of the others; 1..=1000.
    pub weight: u32,
    /// When it gets requests.
    pub part: UpstreamPart,
    /// JSON Pointer of the item.
    pub pointer: String,
}

impl UpstreamServer {
    /// The name that is to be looked up; none where the address is there.
    #[must_use]
    pub fn place_to_look_up(&self) -> Option<&Place> {
        match &self.address {
            UpstreamAddress::Tcp(place) if place.host.parse::<IpAddr>().is_err() => Some(place),
            UpstreamAddress::Tcp(_) | UpstreamAddress::Unix(_) => None,
        }
    }
}

/// `/upstreams/NAME/tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name that each server has to have; `None` for the host of its address.
    pub name: Option<String>,
    /// Who the servers have to be.
    pub trust: UpstreamTrust,
    /// What is shown to servers that ask for it: a certificate with its chain, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// JSON Pointer of the section, or of the `proxy`.
    pub pointer: String,
}

/// Who servers have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTrust {
    /// Those for whom these vouch.
    In(PathBuf),
    /// Those for whom somebody vouches whom the system trusts.
    System,
    /// Anybody.
    Anybody,
}

/// When a server gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamPart {
    /// Always.
    Regular,
    /// While no regular one can be used.
    Backup,
}

/// Which server gets a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each in its turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests for its weight, of this shard.
    LeastConnections,
    /// Of two by chance, the one with fewer of them.
    RandomTwo,
    /// The same for all requests that are alike in something.
    Hash(HashBy),
}

/// What requests are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The address of the client.
    Address,
    /// A field with this name.
    Header(String),
    /// A cookie with this name.
    Cookie(String),
}

/// When a server that fails gets no requests for a while. Each shard sees to that by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// The failure within `window` that ejects; `None` ejects nobody.
    pub failures: Option<NonZeroU32>,
    /// How long a failure counts.
    pub window: Duration,
    /// How long it is the first time. Each further time lasts twice as long.
    pub duration: Duration,
    /// How long it is at most.
    pub duration_max: Duration,
    /// Where fewer than so many percent of the servers are left, none counts as ejected; 0..=100.
    pub panic: u8,
}

/// How it is found out whether a server is well: `/upstreams/NAME/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The target of the GET that is sent; without it, it is enough to be connected.
    pub path: Option<String>,
    /// The host that it names; `None` for the name of the server.
    pub host: Option<String>,
    /// The answers of a server that is well.
    pub statuses: Vec<LogStatus>,
    /// From one check to the next, about.
    pub interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// Checks in a row that bring a server back; never 0.
    pub rise: u32,
    /// Failed checks in a row that take it out; never 0.
    pub fall: u32,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// A host and a port.
    Tcp(Place),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamAddress::Tcp(place) => place.fmt(f),
            UpstreamAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `/upstreams/NAME/timeouts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// For a connection to a server.
    pub connect: Duration,
    /// While a server takes no byte of a request.
    pub send: Duration,
    /// While no byte of a response comes.
    pub response: Duration,
    /// For a connection that nothing is sent over.
    pub idle: Duration,
}

/// Which host a request to a server names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHost {
    /// The one that the client named.
    Keep,
    /// The server's own address.
    Upstream,
    /// This one.
    Name(String),
}

/// Which fields tell a server who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedFields {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// All of these.
    Both,
    /// None.
    None,
}

/// What becomes of what trusted proxies have said in such fields; what others have said never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedBefore {
    /// It stays, and ours follows.
    Kept,
    /// It goes: the server learns of the client alone.
    Replaced,
}
