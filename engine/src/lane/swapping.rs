//! How a shard goes over to another site: it holds what it is offered, and takes it up between two passes.

use std::rc::Rc;
use std::sync::Arc;

use perf::Counter;
use site::upstream::Changes;

use crate::change::Offer;
use crate::error::Error;
use crate::served::Served;
use crate::shard::{Held, Shard};

impl Shard {
    /// Holds an offer aside, ready to be taken up; an earlier one is dropped.
    pub(super) fn hold(&self, offer: Offer) -> Result<(), Error> {
        if self.draining() {
            return Err(Error::Draining { shard: self.number });
        }
        if let Some(id) = self.listeners.borrow().unknown(&offer.listeners) {
            return Err(Error::NoSocket { shard: self.number, id });
        }
        let served = Rc::new(Served::new(&offer, Some(&self.served.borrow())));
        let held = Held { served, file_cache: offer.file_cache, listeners: offer.listeners };
        self.held.replace(Some(held));
        Ok(())
    }

    /// Serves what is held from now on. Exchanges under way keep what they began with; connections stay, unless
    /// their listener goes.
    pub(super) fn swap(&self) -> Result<(), Error> {
        let Some(held) = self.held.take() else {
            let shard = self.number;
            return Err(if self.draining() { Error::Draining { shard } } else { Error::NothingPrepared });
        };
        self.count_by(Counter::FileCacheEvicted, self.files.adapt(&held.file_cache, held.served.scopes()));
        self.listeners.borrow_mut().change(held.listeners, &held.served);
        self.balancers.borrow_mut().renew(held.served.groups(), self.clock.now());
        self.served.replace(held.served);
        // Whom TLS trusts may have changed, or whether there is TLS at all, and what a server is spoken to in. Links that
        // carry a request now are not kept after it.
        self.leave_servers(|_| false);
        self.logins.borrow_mut().forget();
        self.recount_clients();
        let shaping = self.served.borrow().shaping.clone();
        self.reshape(shaping.as_ref());
        self.retire();
        self.accept();
        Ok(())
    }

    /// From now on this is so of the servers that requests are passed on to.
    pub(super) fn change_upstreams(&self, changes: Arc<Changes>) {
        self.balancers.borrow_mut().change(changes, self.clock.now());
        self.leave_servers(|link| self.balancers.borrow().keeps(link.server));
    }

    /// Ends what the retired listeners still do, and their idle connections.
    fn retire(&self) {
        for slot in self.listeners.borrow().leaving() {
            self.ring.borrow_mut().cancel_accept(slot);
        }
        self.dismiss_idle(|connection| self.listeners.borrow().retired(connection.listener));
        self.listeners.borrow_mut().sweep();
    }
}
