//! Groups of servers, as the configuration has them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use config::{
    Balance, Eject, FieldAction, FieldRule, Health, Place, Preamble, ProxyHost, UpstreamPart,
    UpstreamProtocol, UpstreamTimeouts,
};
use proto_http::upstream::{FieldNames, Rules};
use sys::net::Address;

use super::Scripts;

/// A group by its name, whatever its place in the configuration: what shards know of it outlives reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(u64);

impl GroupId {
    /// Of the group with this name.
    #[must_use]
    pub fn of(name: &str) -> GroupId {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        GroupId(hasher.finish())
    }
}

/// Servers each of which gives the same answers.
#[derive(Debug)]
pub struct Group {
    /// What shards know it by.
    pub id: GroupId,
    /// Its name in `/upstreams`, or the text of the `proxy` that names its only server.
    pub name: String,
    /// What the servers speak.
    pub protocol: UpstreamProtocol,
    /// What each connection begins with.
    pub preamble: Preamble,
    /// Those whose addresses the configuration has.
    pub servers: Vec<Arc<Server>>,
    /// Those of which it has a name. Where they are, [`GroupChanges::found`](super::GroupChanges) says.
    pub named: Vec<Named>,
    /// Who gets a request.
    pub balance: Balance,
    /// Name of the cookie that has a client come to the same server again.
    pub sticky: Option<String>,
    /// How long it takes until a server that has come back gets all of its share.
    pub slow_start: Duration,
    /// When a server that fails gets no more for a while.
    pub eject: Eject,
    /// How it is found out whether a server is well, if at all.
    pub health: Option<Health>,
    /// How often names are looked up again.
    pub resolve: Duration,
    /// Connections that a shard keeps to each server while nothing is to be sent.
    pub keep_alive: u32,
    /// Bounds on how long a server may take.
    pub timeouts: UpstreamTimeouts,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// As the configuration has it: `app.example:9000`, `unix:/run/app.sock`.
    pub name: String,
    /// Where to connect to.
    pub address: Address,
    /// Its share of the requests, in relation to those of the others; never 0.
    pub weight: u32,
    /// When it gets requests.
    pub part: UpstreamPart,
}

/// Servers that have a name: each address of it is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// The name and the port.
    pub place: Place,
    /// As of [`Server`].
    pub weight: u32,
    /// As of [`Server`].
    pub part: UpstreamPart,
}

/// Whom a location passes its requests on to, and how.
#[derive(Debug)]
pub struct Relay {
    /// The servers.
    pub group: Arc<Group>,
    /// Which host the requests name.
    pub host: ProxyHost,
    /// Which scripts the requests are for, where the servers speak FastCGI.
    pub scripts: Option<Scripts>,
    /// What the fields of requests are changed to.
    pub changes: RequestChanges,
}

/// Changes to the fields of requests on their way.
#[derive(Debug, Default, PartialEq)]
pub struct RequestChanges {
    dropped: FieldNames,
    lines: Vec<u8>,
}

impl RequestChanges {
    pub(crate) fn new(rules: &[FieldRule]) -> RequestChanges {
        let mut changes = RequestChanges::default();
        for rule in rules {
            let (values, drops) = match &rule.action {
                FieldAction::Set(value) | FieldAction::Default(value) => (std::slice::from_ref(value), true),
                FieldAction::Add(values) => (values.as_slice(), false),
                FieldAction::Remove => (&[][..], true),
            };
            if drops {
                changes.dropped.insert(&rule.name).expect("the configuration has names of fields only");
            }
            for value in values {
                changes.lines.extend_from_slice(format!("{}: {value}\r\n", rule.name).as_bytes());
            }
        }
        changes
    }

    /// As the writer of requests takes them.
    #[must_use]
    pub fn rules(&self) -> Rules<'_> {
        Rules { dropped: &self.dropped, lines: &self.lines }
    }
}
