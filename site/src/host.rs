//! The compiled site: which host and which location a request is for.

use std::sync::Arc;

use proto_http::{Request, Status};

use crate::location::Locations;
use crate::names::Names;
use crate::rewrite::RuleList;
use crate::shaping::Shaping;
use crate::upstream::Group;
use crate::{Clients, Indexes, Location};

/// Everything that is served; immutable, shared by all shards.
#[derive(Debug)]
pub struct Site {
    /// One table of names for each listening address, in the order of `config::Config::listeners`.
    pub(crate) listeners: Vec<Names>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) groups: Vec<Arc<Group>>,
    /// Who clients are.
    pub clients: Clients,
    /// What they may use; none where it is not limited.
    pub shaping: Option<Arc<Shaping>>,
}

/// One virtual host: a context of its own.
#[derive(Debug)]
pub struct Host {
    /// The name under which the configuration lists it.
    pub name: String,
    pub(crate) locations: Locations,
    /// What is looked at before a location is looked for.
    pub(crate) rules: Option<Box<RuleList>>,
}

/// Where a request belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'s> {
    /// The virtual host.
    pub host: &'s Host,
    /// The part of it.
    pub location: &'s Location,
}

impl Host {
    /// The location for a normalised path, but for rules.
    #[must_use]
    pub fn location(&self, path: &[u8]) -> &Location {
        self.locations.find(path)
    }
}

impl Place<'_> {
    /// Whether the index of the folder at this path may be in the charge of another location.
    #[must_use]
    pub fn may_lead_from(&self, folder: &[u8]) -> bool {
        self.location.indexes == Indexes::MayLead && folder.ends_with(b"/")
    }

    /// Whether another location of the host is in charge of an index with this path: neither this one nor the one in
    /// charge of the folder, which is another one where rules have stripped a prefix and stopped.
    #[must_use]
    pub fn leads_to(&self, path: &[u8]) -> bool {
        let folder = path.iter().rposition(|&byte| byte == b'/').map_or(path, |slash| &path[..=slash]);
        let index = self.host.location(path).id;
        index != self.location.id && index != self.host.location(folder).id
    }

    /// Whether rules of the host or of the location have a say in where the request leads: then a
    /// [`Walk`](crate::Walk) finds its place.
    #[must_use]
    pub fn is_ruled(&self) -> bool {
        self.host.rules.is_some() || self.location.rules.is_some() || self.location.attempts().is_some()
    }
}

impl Site {
    /// Finds host and location, but for rules, for a request that came in by the listening address with index `listener`.
    /// `path` is the normalised path.
    ///
    /// # Errors
    ///
    /// 421 when the request names a host that is not served on this address (RFC 9110 section 15.5.20); 400 for an encoded
    /// slash that would lead to another location if it were decoded.
    pub fn locate<'s>(
        &'s self,
        listener: usize,
        request: &Request<'_>,
        path: &[u8],
    ) -> Result<Place<'s>, Status> {
        let names = &self.listeners[listener];
        let authority = request.authority();
        let index = names.find(authority.as_ref()).ok_or(Status::MISDIRECTED_REQUEST)?;
        let host = &self.hosts[index];
        Ok(Place { host, location: host.locations.find_for(path, request)? })
    }

    /// The host that answers on a listening address when no name is known: for requests that cannot be placed.
    #[must_use]
    pub fn fallback(&self, listener: usize) -> Option<Place<'_>> {
        let host = &self.hosts[self.listeners[listener].find(None)?];
        Some(Place { host, location: host.locations.root() })
    }

    /// How many listening addresses there are; [`Site::locate`] takes an index below this.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.listeners.len()
    }

    /// The hosts, in the order of the configuration.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The groups of servers that requests can be passed on to: those with a name, then the others.
    #[must_use]
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Every location of every host, in no particular order; each has an `id` of its own.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        self.hosts.iter().flat_map(|host| host.locations.all())
    }
}
