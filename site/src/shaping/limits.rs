//! Limits, compiled from the configuration: immutable, shared by all shards.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use auth::Prefix;
use config::{Config, Problems, Quota, Registry, ShapedBy};

use super::Meter;
use super::clients::Sought;
use crate::clients::network;

/// Names the limits of the server, a host or a location: the same in every process and for as long as the place has its
/// name in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub u64);

impl ScopeId {
    /// Of the place that has this JSON Pointer.
    #[must_use]
    pub fn of(pointer: &str) -> ScopeId {
        // Without a key of its own the hasher gives the same in every process of this program.
        let mut hasher = DefaultHasher::new();
        pointer.hash(&mut hasher);
        ScopeId(hasher.finish())
    }
}

/// All limits of a site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shaping {
    scopes: HashMap<ScopeId, Arc<Scope>>,
    server: Option<ScopeId>,
}

/// The limits of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// What the configuration says.
    pub config: Arc<config::Shaping>,
    pub(super) total: Limits,
    pub(super) client: Limits,
    pub(super) connection: Limits,
    exempt: Vec<Prefix>,
}

/// Limits of one kind of user. What is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of responses.
    pub down: Option<Meter>,
    /// Bytes of requests.
    pub up: Option<Meter>,
    /// Requests.
    pub requests: Option<Meter>,
    /// How long a request may be held back.
    pub delay_ns: u64,
    /// Requests at the same time.
    pub concurrent: Option<u32>,
    /// Connections at the same time.
    pub connections: Option<u32>,
}

impl Limits {
    /// As the configuration says.
    #[must_use]
    pub fn new(quota: &Quota) -> Limits {
        Limits {
            down: quota.down.map(|rate| Meter::bytes(rate, quota.down_burst)),
            up: quota.up.map(|rate| Meter::bytes(rate, quota.up_burst)),
            requests: quota.requests.map(|rate| Meter::requests(rate, quota.requests_burst)),
            delay_ns: u64::try_from(quota.delay.as_nanos()).unwrap_or(u64::MAX),
            concurrent: quota.concurrent.map(std::num::NonZeroU32::get),
            connections: quota.connections.map(std::num::NonZeroU32::get),
        }
    }

    pub(super) fn meters(&self) -> [Option<Meter>; 3] {
        [self.down, self.up, self.requests]
    }
}

impl Shaping {
    /// As `config` says; none where it says nothing. What is wrong goes to `problems`.
    pub(crate) fn compile(
        config: &Config,
        registry: &Registry,
        problems: &mut Problems,
    ) -> Option<Arc<Shaping>> {
        let mut shaping = Shaping::default();
        let settings = config.hosts.iter().flat_map(|host| {
            std::iter::once(&host.settings).chain(host.locations.iter().map(|location| &location.settings))
        });
        let places = settings.filter_map(|settings| settings.shaping.as_ref());
        let bans_count = config.server.bans.as_ref().is_some_and(|bans| bans.bad_requests.is_some());
        let mut seen = std::collections::HashSet::new();
        for section in config.server.shaping.iter().chain(places) {
            let known = !seen.insert(&section.pointer);
            let mut unheard = Problems::new();
            let problems = if known { &mut unheard } else { &mut *problems };
            let exempt = section.exempt.iter();
            let exempt = exempt.filter_map(|(pointer, text)| network(text, pointer, registry, problems));
            let exempt = exempt.collect();
            if section.offence && !bans_count {
                let cause = "nobody is banned for bad requests, so that an offence does nothing";
                let cure = r#"write "bans": {"bad_requests": 50} into "server", or leave it out"#;
                let pointer = format!("{}/offence", section.pointer);
                problems.push(registry.problem(&pointer, cause, cure));
            }
            let scope = Scope::new(Arc::clone(section), exempt);
            shaping.scopes.insert(scope.id(), Arc::new(scope));
        }
        shaping.server = config.server.shaping.as_ref().map(|section| ScopeId::of(&section.scope));
        (!shaping.scopes.is_empty()).then(|| Arc::new(shaping))
    }

    /// These alone; those of the server are at `/server`.
    #[cfg(test)]
    pub(super) fn of_scopes(scopes: impl Iterator<Item = Scope>) -> Shaping {
        let scopes: HashMap<_, _> = scopes.map(|scope| (scope.id(), Arc::new(scope))).collect();
        let server = scopes.contains_key(&ScopeId::of("/server")).then(|| ScopeId::of("/server"));
        Shaping { scopes, server }
    }

    /// The limits of the server as a whole, if it has some.
    #[must_use]
    pub fn server(&self) -> Option<ScopeId> {
        self.server
    }

    /// All of them.
    pub fn scopes(&self) -> impl Iterator<Item = (ScopeId, &Arc<Scope>)> {
        self.scopes.iter().map(|(id, scope)| (*id, scope))
    }
}

impl Scope {
    pub(super) fn new(config: Arc<config::Shaping>, exempt: Vec<Prefix>) -> Scope {
        Scope {
            total: Limits::new(&config.total),
            client: Limits::new(&config.client),
            connection: Limits::new(&config.connection),
            exempt,
            config,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn id(&self) -> ScopeId {
        ScopeId::of(&self.config.scope)
    }

    /// Whether nobody is refused or delayed.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.config.dry_run
    }

    /// Whether nothing of it holds for a client.
    #[must_use]
    pub fn exempts(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|client| self.exempt.iter().any(|prefix| prefix.contains(client)))
    }

    /// Who a client is here; none if it is nobody who could be told from others.
    pub(super) fn client<'w>(&self, address: Option<IpAddr>, user: Option<&'w str>) -> Option<Sought<'w>> {
        match (self.config.by, user, address) {
            (ShapedBy::User, Some(user), _) => Some(Sought::User(user)),
            (_, _, Some(address)) => {
                let prefix = Prefix::of(address, self.config.ipv4_bits, self.config.ipv6_bits);
                Some(Sought::Network(prefix))
            }
            (_, _, None) => None,
        }
    }

    /// Whether clients have to be told apart: they are limited, or take turns at what is for all of them.
    pub(super) fn knows_clients(&self) -> bool {
        self.client != Limits::default() || self.total.down.is_some() || self.total.up.is_some()
    }
}
