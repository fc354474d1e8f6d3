//! Groups of servers, as the configuration has them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use config::{
    Balance, Eject, FieldAction, FieldRule, ForwardedBefore, Health, Place, Preamble, ProxyHost,
    UpstreamPart, UpstreamProtocol, UpstreamTimeouts,
};
use proto_http::upstream::{Announce, FieldNames, Rules};
use sys::net::Address;

use super::Scripts;
use crate::Exchange;
use crate::rewrite::{Captured, Fault, FieldTemplate, Knowledge, Maps, View};

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
    /// What checks of servers that speak FastCGI need to ask for a script. Its folder may be unknown: then it is none, and
    /// a path that such an application answers by itself can be asked for.
    pub scripts: Option<Scripts>,
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

impl Server {
    /// Its host, as certificates name it.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.name.rsplit_once(':').map_or(self.name.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
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
    /// Which fields tell who asks.
    pub announce: Announce,
    /// What becomes of those of trusted proxies.
    pub before: ForwardedBefore,
    /// Most bytes of a content that are taken before a server is chosen; 0 passes it on as it comes.
    pub buffering: u64,
    /// Protocols that connections may go on in.
    pub upgrades: Vec<String>,
}

/// Changes to the fields of requests on their way.
#[derive(Debug, Default)]
pub struct RequestChanges {
    dropped: FieldNames,
    /// What is added to every request, whole lines.
    lines: Vec<u8>,
    /// What depends on the request, by names.
    varying: Vec<(String, FieldTemplate)>,
}

impl RequestChanges {
    /// Reads rules; what is wrong with a value comes with the name of its field.
    pub(crate) fn new(rules: &[FieldRule], maps: &Maps) -> Result<RequestChanges, (String, Fault)> {
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
            let parsed = values.iter().map(|value| FieldTemplate::parse(value, maps));
            let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(|fault| (rule.name.clone(), fault))?;
            let fixed: Option<Vec<&[u8]>> = parsed.iter().map(FieldTemplate::fixed).collect();
            let Some(fixed) = fixed else {
                // All of them, so that they stay in their order.
                changes.varying.extend(parsed.into_iter().map(|value| (rule.name.clone(), value)));
                continue;
            };
            for value in fixed {
                let line = [rule.name.as_bytes(), b": ", value, b"\r\n"];
                line.iter().for_each(|part| changes.lines.extend_from_slice(part));
            }
        }
        Ok(changes)
    }

    /// Whether some of the lines depend on the request, so that they have to be composed for each.
    #[must_use]
    pub fn depend_on_request(&self) -> bool {
        !self.varying.is_empty()
    }

    /// Appends the lines for a request.
    pub fn compose(&self, exchange: &Exchange<'_>, facts: Knowledge<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lines);
        let view = View { facts, ..View::of(exchange, Captured::NOTHING) };
        self.varying.iter().for_each(|(name, value)| value.write_line(name, &view, out));
    }

    /// As the writer of requests takes them; `composed` is what [`RequestChanges::compose`] has made.
    #[must_use]
    pub fn rules<'a>(&'a self, composed: &'a [u8]) -> Rules<'a> {
        Rules { dropped: &self.dropped, lines: if self.depend_on_request() { composed } else { &self.lines } }
    }

    /// Fields of clients that do not pass.
    #[must_use]
    pub fn dropped(&self) -> &FieldNames {
        &self.dropped
    }
}
