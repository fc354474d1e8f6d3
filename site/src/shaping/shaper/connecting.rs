//! Connections of clients, of which there are only so many at the same time.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Acted, Doubt, Item, Level, Shaper};
use crate::shaping::account::Room;
use crate::shaping::clients::Slot;
use crate::shaping::limits::{Scope, ScopeId};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entering {
    /// It counts from now on. The limit would have kept it out, in a dry run.
    Granted(Option<Acted>),
    /// Others may be about to tell that there is room: it asks again in a short while, or [gives up](Shaper::settle).
    Doubtful(Doubt),
    /// The limit keeps it out.
    Refused(Acted),
}

impl Shaper {
    /// Whether connections of clients are limited.
    #[must_use]
    pub fn limits_connections(&self) -> bool {
        self.connection_limit().is_some()
    }

    fn connection_limit(&self) -> Option<(ScopeId, &Arc<Scope>, u32)> {
        let id = self.server?;
        let scope = &self.tracks.get(&id)?.scope;
        Some((id, scope, scope.client.connections?))
    }

    /// A client connects, or asks again with the doubt that it has waited with, which has been settled.
    pub fn connect(&mut self, now: u64, address: Option<IpAddr>, doubt: Option<Doubt>) -> Entering {
        let Some((id, slot, most, dry)) = self.connecting(now, address) else {
            return Entering::Granted(None);
        };
        let Some(account) = self.clients.account(slot) else { return Entering::Granted(None) };
        let acted = Acted { scope: id, level: Level::Client, item: Item::Connections, dry };
        let room = Doubt::room(doubt, account.connections, most);
        let goes_on = match room {
            Room::Doubtful => Doubt::go_on(doubt, now, acted, Some(slot)),
            Room::Free | Room::Full => None,
        };
        match (room, goes_on) {
            (Room::Free, _) => {}
            _ if dry => {}
            (_, Some(doubt)) => {
                account.connections.waiting += 1;
                return Entering::Doubtful(doubt);
            }
            (_, None) => {
                account.seen.refused += 1;
                return Entering::Refused(acted);
            }
        }
        account.connections.here += 1;
        account.untold.connections += 1;
        account.seen.delayed += u64::from(doubt.is_some());
        self.news = true;
        Entering::Granted((room != Room::Free).then_some(acted))
    }

    fn connecting(&mut self, now: u64, address: Option<IpAddr>) -> Option<(ScopeId, Slot, u32, bool)> {
        let (id, scope, most) = self.connection_limit()?;
        let sought = scope.client(address, None).filter(|_| !scope.exempts(address))?;
        let dry = scope.is_dry_run();
        Some((id, self.clients.enter(now, id, sought)?, most, dry))
    }

    /// A client's connection has ended.
    pub fn disconnect(&mut self, address: Option<IpAddr>) {
        let Some((id, scope, _)) = self.connection_limit() else { return };
        let Some(sought) = scope.client(address, None).filter(|_| !scope.exempts(address)) else { return };
        let Some(slot) = self.clients.get(id, sought) else { return };
        if let Some(account) = self.clients.account(slot)
            && account.connections.here > 0
        {
            account.connections.here -= 1;
            account.untold.connections -= 1;
            self.news = true;
        }
    }

    /// Counts the connections of all clients anew, after the limits have changed.
    pub fn recount(&mut self, now: u64, addresses: impl Iterator<Item = IpAddr>) {
        self.news = true;
        let held: Vec<Slot> = self.clients.with_connections().collect();
        for slot in held {
            if let Some(account) = self.clients.account(slot) {
                let here = std::mem::take(&mut account.connections.here);
                account.untold.connections = account.untold.connections.saturating_sub_unsigned(here);
            }
        }
        for address in addresses {
            let Some((_, slot, ..)) = self.connecting(now, Some(address)) else { continue };
            if let Some(account) = self.clients.account(slot) {
                account.connections.here += 1;
                account.untold.connections += 1;
            }
        }
    }
}
