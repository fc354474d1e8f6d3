//! What is served, and all that goes with it. An exchange keeps the whole of it from its head to its line in the
//! log, so that a change of the site never shows in the middle of a request.

use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use logging::SinkId;
use site::Site;
use site::upstream::GroupId;

use crate::change::Offer;
use crate::file_cache::Scope;
use crate::kept::{NOTHING, Wanted};
use crate::limits::Limits;
use crate::logs::{LogTo, Logs};
use crate::secure::{Secured, Toward};

/// A site as one shard serves it. Counted by this shard alone: the count of the `Arc` is shared, and every request
/// would write it.
pub(crate) struct Served {
    /// How many this shard has served before, and one: tells it from all others.
    number: u64,
    site: Arc<Site>,
    secured: Arc<[Option<Secured>]>,
    outward: Arc<HashMap<GroupId, Toward>>,
    pub(crate) limits: Limits,
    logs: Logs,
    scopes: Vec<Rc<Scope>>,
}

impl Served {
    /// `before` is what the shard serves now: what it knows of files is kept where it still holds.
    pub(crate) fn new(offer: &Offer, before: Option<&Served>) -> Served {
        let known = before.into_iter().flat_map(|served| &served.scopes);
        let mut known: HashMap<u64, Rc<Scope>> =
            known.map(|scope| (scope.number(), Rc::clone(scope))).collect();
        let scope = |&number| Rc::clone(known.entry(number).or_insert_with(|| Rc::new(Scope::new(number))));
        let scopes = offer.scopes.iter().map(scope).collect();
        Served {
            number: before.map_or(0, Served::number) + 1,
            site: Arc::clone(&offer.site),
            secured: Arc::clone(&offer.secured),
            outward: Arc::clone(&offer.outward),
            limits: offer.limits.clone(),
            logs: offer.logs.clone(),
            scopes,
        }
    }

    /// Tells what is served now from what was served before; not 0.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What TLS is spoken with on an address.
    pub(crate) fn secured(&self, address: usize) -> Option<&Secured> {
        self.secured.get(address)?.as_ref()
    }

    /// How TLS is spoken to the servers of a group, where it is.
    pub(crate) fn outward(&self, group: GroupId) -> Option<&Toward> {
        self.outward.get(&group)
    }

    /// Where a location logs to.
    pub(crate) fn logs(&self, location: u32) -> &[LogTo] {
        self.logs.of(location).map_or(&[], |logs| &logs.all)
    }

    /// The sinks of those of its logs that requests wait for.
    pub(crate) fn holding(&self, location: u32) -> &[SinkId] {
        self.logs.of(location).map_or(&[], |logs| &logs.holding)
    }

    /// The fields of answers that they ask for.
    pub(crate) fn wanted(&self, location: u32) -> &Wanted {
        self.logs.of(location).map_or(&NOTHING, |logs| &logs.wanted)
    }

    /// What is known of the files of a location.
    pub(crate) fn scope(&self, location: u32) -> &Rc<Scope> {
        &self.scopes[location as usize]
    }

    /// The scopes of all locations; some more than once.
    pub(crate) fn scopes(&self) -> &[Rc<Scope>] {
        &self.scopes
    }
}

impl Deref for Served {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}
