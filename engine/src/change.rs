//! From one site to another while requests are served: what a server is given for it, and what each shard gets.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use logging::Logger;
use site::Site;
use site::upstream::GroupId;

use crate::error::Error;
use crate::limits::Limits;
use crate::logs::Logs;
use crate::scopes::Scopes;
use crate::secure::{Secured, Toward};

/// One listening address of a shard.
pub struct Listening {
    /// Names a listening address for the life of the server: the same number means the same socket as before.
    pub id: u32,
    /// Index of the address in the configuration of the site that goes with it.
    pub address: usize,
    /// Bound, listening and blocking. `None`: the shard has it already. One that the shard has already is closed.
    pub socket: Option<OwnedFd>,
}

/// What is to be served instead of the present site.
pub struct Change<'c> {
    /// What is served.
    pub site: Arc<Site>,
    /// What TLS is spoken with, by address; none for an address without.
    pub secured: Vec<Option<Secured>>,
    /// How TLS is spoken to servers that requests are passed on to, by their group; those of others get none.
    pub outward: HashMap<GroupId, Toward>,
    /// Limits and times.
    pub config: &'c config::Server,
    /// Takes the access logs: the one that the server was started with.
    pub logger: &'c Logger,
    /// By shard: all listening addresses. Those that a shard has and that are missing here are closed.
    pub listeners: Vec<Vec<Listening>>,
}

/// What one shard is to serve.
pub(crate) struct Offer {
    pub(crate) site: Arc<Site>,
    pub(crate) secured: Arc<[Option<Secured>]>,
    pub(crate) outward: Arc<HashMap<GroupId, Toward>>,
    pub(crate) limits: Limits,
    pub(crate) file_cache: config::FileCache,
    /// Where each location logs to.
    pub(crate) logs: Logs,
    /// The scope of the files of each location, by its id.
    pub(crate) scopes: Arc<[u64]>,
    pub(crate) listeners: Vec<Listening>,
}

impl Change<'_> {
    /// One offer for each shard, and the scopes of the new site; `before` are those of the present one.
    ///
    /// # Errors
    ///
    /// When the listeners do not fit the shards or the site, or a template of a log is none.
    pub(crate) fn offers(
        self,
        shards: usize,
        before: Option<&Scopes>,
    ) -> Result<(Vec<Offer>, Scopes), Error> {
        if self.listeners.len() != shards {
            return Err(Error::ShardCount { shards, given: self.listeners.len() });
        }
        let addresses = self.site.addresses();
        for listeners in &self.listeners {
            check(listeners, addresses)?;
        }
        if self.secured.len() != addresses {
            return Err(Error::SecuredCount { addresses, given: self.secured.len() });
        }
        let secured: Arc<[Option<Secured>]> = self.secured.into();
        let outward = Arc::new(self.outward);
        let logs = Logs::new(&self.site, self.logger)?;
        let (scopes, numbers) = Scopes::number(&self.site, self.config, before);
        let limits = Limits::new(self.config);
        let offer = |listeners| Offer {
            site: Arc::clone(&self.site),
            secured: Arc::clone(&secured),
            outward: Arc::clone(&outward),
            limits: limits.clone(),
            file_cache: self.config.file_cache.clone(),
            logs: logs.clone(),
            scopes: Arc::clone(&numbers),
            listeners,
        };
        Ok((self.listeners.into_iter().map(offer).collect(), scopes))
    }
}

/// Whether the listeners of a shard are each another one, and of an address that the site knows.
fn check(listeners: &[Listening], addresses: usize) -> Result<(), Error> {
    let mut seen = std::collections::HashSet::new();
    for &Listening { id, address, .. } in listeners {
        if addresses <= address {
            return Err(Error::UnknownAddress { id, address, addresses });
        }
        if !seen.insert(id) {
            return Err(Error::ListenerTwice { id });
        }
    }
    Ok(())
}
