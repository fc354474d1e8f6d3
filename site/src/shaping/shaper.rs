//! The limits as one shard holds them: who may go on, when, and with how much.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::account::{Account, Delta, Room, Seen, Use};
use super::clients::{Clients, Slot, Sought, Who};
use super::limits::{Limits, Scope, ScopeId, Shaping};
use super::{Bucket, Meter};

pub use connecting::Entering;
pub use doubt::Doubt;
pub use passage::{Piece, Step};

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Down,
    /// From the client.
    Up,
}

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All clients together.
    Total,
    /// One client.
    Client,
    /// One connection.
    Connection,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Bytes of responses.
    Down,
    /// Bytes of requests.
    Up,
    /// Requests in a time.
    Requests,
    /// Requests at the same time.
    Concurrent,
    /// Connections at the same time.
    Connections,
}

/// The limit that has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Where it stands.
    pub scope: ScopeId,
    /// For whom it is.
    pub level: Level,
    /// What it is about.
    pub item: Item,
    /// Whether it would only have acted.
    pub dry: bool,
}

impl Acted {
    /// As the end of its JSON Pointer, with `dry:` before it where it only would have acted.
    #[must_use]
    pub fn text(self) -> &'static str {
        let (text, dry) = match (self.level, self.item) {
            (Level::Total, Item::Down) => ("total/down", "dry:total/down"),
            (Level::Total, Item::Up) => ("total/up", "dry:total/up"),
            (Level::Total, Item::Requests) => ("total/requests", "dry:total/requests"),
            (Level::Total, Item::Concurrent) => ("total/concurrent", "dry:total/concurrent"),
            (Level::Total, Item::Connections) => ("total/connections", "dry:total/connections"),
            (Level::Client, Item::Down) => ("client/down", "dry:client/down"),
            (Level::Client, Item::Up) => ("client/up", "dry:client/up"),
            (Level::Client, Item::Requests) => ("client/requests", "dry:client/requests"),
            (Level::Client, Item::Concurrent) => ("client/concurrent", "dry:client/concurrent"),
            (Level::Client, Item::Connections) => ("client/connections", "dry:client/connections"),
            (Level::Connection, Item::Down) => ("connection/down", "dry:connection/down"),
            (Level::Connection, _) => ("connection/up", "dry:connection/up"),
        };
        if self.dry { dry } else { text }
    }
}

/// The user of limits: a request, or a connection that brings one.
#[derive(Clone, Copy, Debug)]
pub struct Customer<'c> {
    /// From where it comes; none at a Unix socket.
    pub address: Option<IpAddr>,
    /// Who has logged in.
    pub user: Option<&'c str>,
    /// What it has waited with since it asked before.
    pub doubt: Option<Doubt>,
}

/// Limits that a request is held to: those of the server, and those of its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    links: [Option<Link>; 2],
    /// The request counts as running.
    runs: bool,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    scope: ScopeId,
    client: Option<Slot>,
    /// What its connection has used: down, and up.
    connection: [Bucket; 2],
}

impl Chain {
    /// Whether there is any limit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.iter().all(Option::is_none)
    }

    /// Whether both are of the same client at the same place.
    #[must_use]
    pub fn is_like(&self, other: &Chain) -> bool {
        let names = |chain: &Chain| chain.links.map(|link| link.map(|link| (link.scope, link.client)));
        names(self) == names(other)
    }

    /// The client at a place.
    fn client(&self, scope: ScopeId) -> Option<Slot> {
        let links = self.links.iter().flatten();
        links.filter(|link| link.scope == scope).find_map(|link| link.client)
    }

    /// Goes on from what the same connection has used before.
    pub fn follow(&mut self, before: &Chain) {
        for link in self.links.iter_mut().flatten() {
            let same = before.links.iter().flatten().find(|known| known.scope == link.scope);
            if let Some(same) = same {
                link.connection = same.connection;
            }
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes on, after so many nanoseconds, for which the limit is the reason.
    Granted {
        /// Nanoseconds.
        wait: u64,
        /// Why it waits, or would.
        by: Option<Acted>,
    },
    /// Others may be about to tell that there is room: it asks again in a short while, or [gives up](Shaper::settle).
    Doubtful(Doubt),
    /// It is refused.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// By what.
    pub by: Acted,
    /// Seconds after which it can come again, at least one.
    pub retry_seconds: u32,
    /// Whether it counts as a bad request for bans.
    pub offence: bool,
}

impl Refusal {
    /// The line at a limit on bytes is longer by so many nanoseconds than it may be.
    #[must_use]
    pub fn late(ns: u64, by: Acted) -> Refusal {
        Refusal { by, retry_seconds: seconds(ns), offence: false }
    }
}

/// What has happened to the table of clients since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clients that are remembered.
    pub clients: usize,
    /// Clients that were forgotten although something was known of them.
    pub forgotten: u64,
    /// Clients for whom there was no place.
    pub turned_away: u64,
}

/// What is known of one user, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose limits.
    pub scope: ScopeId,
    /// Which client; `None` is all of them together.
    pub who: Option<Who>,
    /// Requests under way here.
    pub running: u32,
    /// Connections here, where they are limited.
    pub connections: u32,
    /// What it has had.
    pub seen: Seen,
}

/// After which time a request that found too many others can come again: nobody knows.
const RETRY_SECONDS: u32 = 1;

/// How long the line at a limit on bytes may be, in time: nobody else comes into a longer one.
const LINE_NS_MAX: u64 = 30_000_000_000;

/// The limits of one shard.
pub struct Shaper {
    tracks: HashMap<ScopeId, Track>,
    server: Option<ScopeId>,
    clients: Clients,
    /// Somebody has used something that others have not been told.
    news: bool,
}

struct Track {
    scope: Arc<Scope>,
    total: Account,
}

impl Shaper {
    /// Nobody has used anything.
    #[must_use]
    pub fn new(shaping: &Shaping) -> Shaper {
        let mut shaper =
            Shaper { tracks: HashMap::new(), server: None, clients: Clients::new(), news: false };
        shaper.adopt(0, shaping);
        shaper
    }

    /// Goes by other limits from now on. What was used of those that stay is not forgotten.
    pub fn adopt(&mut self, now: u64, shaping: &Shaping) {
        self.server = shaping.server();
        let mut tracks = HashMap::new();
        for (id, scope) in shaping.scopes() {
            let before = self.tracks.remove(&id);
            let total = before.map_or_else(Account::default, |Track { scope: old, mut total }| {
                total.go_over(now, old.total.meters(), scope.total.meters());
                if old.client.meters() != scope.client.meters() {
                    let theirs = self.clients.accounts_of(id);
                    theirs.for_each(|one| one.go_over(now, old.client.meters(), scope.client.meters()));
                }
                total
            });
            tracks.insert(id, Track { scope: Arc::clone(scope), total });
        }
        self.tracks = tracks;
    }

    /// Asks for a request at a place with the limits `place`. One that is granted [ends](Shaper::end) with its chain.
    pub fn admit(&mut self, now: u64, place: Option<ScopeId>, customer: Customer<'_>) -> (Admission, Chain) {
        let mut chain = self.chain(now, place, customer);
        // The answer of one that is refused is held to the limits on bytes.
        let admission = self.decide(now, &chain, customer.doubt);
        self.begin(now, &mut chain, admission, customer.doubt);
        (admission, chain)
    }

    /// A request is refused after all: the line at a limit on its bytes is longer by `ns` than it may be.
    pub fn turn_away(&mut self, chain: &mut Chain, ns: u64, by: Acted) -> Refusal {
        self.end(chain);
        self.refused(by, chain.client(by.scope));
        Refusal::late(ns, by)
    }

    /// What all levels say of a request.
    fn judge(&self, now: u64, chain: &Chain, doubt: Option<Doubt>) -> Admission {
        let mut granted = Admission::Granted { wait: 0, by: None };
        let mut doubtful = None;
        for link in chain.links.iter().flatten() {
            let Some(track) = self.tracks.get(&link.scope) else { continue };
            let client = link.client.and_then(|slot| self.clients.look(slot));
            let scope = &track.scope;
            let dry = scope.is_dry_run();
            let levels =
                [(Level::Total, &scope.total, Some(&track.total)), (Level::Client, &scope.client, client)];
            for (level, limits, account) in levels {
                let Some(account) = account else { continue };
                let acted = |item| Acted { scope: link.scope, level, item, dry };
                match judge(limits, account, now, doubt) {
                    Judgement::Free => {}
                    Judgement::Late(ns) => put_off(&mut granted, ns, acted(Item::Requests)),
                    Judgement::Doubtful if dry => put_off(&mut granted, 0, acted(Item::Concurrent)),
                    Judgement::Not(item, _) if dry => put_off(&mut granted, 0, acted(item)),
                    Judgement::Doubtful => {
                        doubtful = doubtful.or(Some((acted(Item::Concurrent), link.client)));
                    }
                    Judgement::Not(item, retry_seconds) => {
                        return Admission::Refused(self.refusal(acted(item), retry_seconds));
                    }
                }
            }
        }
        let Some((by, client)) = doubtful else { return granted };
        match Doubt::go_on(doubt, now, by, client) {
            Some(doubt) => Admission::Doubtful(doubt),
            None => Admission::Refused(self.refusal(by, RETRY_SECONDS)),
        }
    }

    fn refusal(&self, by: Acted, retry_seconds: u32) -> Refusal {
        let is_offence = |track: &Track| by.level == Level::Client && track.scope.config.offence;
        Refusal { by, retry_seconds, offence: self.tracks.get(&by.scope).is_some_and(is_offence) }
    }

    /// The limits that a request is held to.
    fn chain(&mut self, now: u64, place: Option<ScopeId>, customer: Customer<'_>) -> Chain {
        let mut chain = Chain::default();
        for (id, slot) in [self.server, place].into_iter().zip(&mut chain.links) {
            let Some((id, track)) = id.and_then(|id| Some((id, self.tracks.get(&id)?))) else { continue };
            let scope = &track.scope;
            if scope.exempts(customer.address) {
                continue;
            }
            let sought = scope.client(customer.address, customer.user).filter(|_| scope.knows_clients());
            let client = sought.and_then(|sought| self.clients.enter(now, id, sought));
            *slot = Some(Link { scope: id, client, connection: [Bucket::default(); 2] });
        }
        chain
    }

    /// A request begins, if it may.
    fn begin(&mut self, now: u64, chain: &mut Chain, admission: Admission, doubt: Option<Doubt>) {
        let Admission::Granted { wait, .. } = admission else { return };
        chain.runs = true;
        let waits = wait > 0 || doubt.is_some();
        self.accounts(chain, |account, limits, dry| {
            // In a dry run nobody waits, so that only what is allowed counts: the others would pile up for ever.
            let late = |meter: Meter| limits.delay_ns < account.requests.wait_for(meter, now, 1);
            if let Some(meter) = limits.requests.filter(|meter| !(dry && late(*meter))) {
                account.requests.charge(meter, now, 1);
            }
            account.running.here += 1;
            account.untold.running += 1;
            account.untold.requests += 1;
            account.seen.requests += 1;
            account.seen.delayed += u64::from(waits);
        });
    }

    fn refused(&mut self, by: Acted, client: Option<Slot>) {
        let account = match by.level {
            Level::Client => client.and_then(|slot| self.clients.account(slot)),
            Level::Total | Level::Connection => self.tracks.get_mut(&by.scope).map(|track| &mut track.total),
        };
        if let Some(account) = account {
            account.seen.refused += 1;
        }
    }

    /// A request has ended. Its chain still holds for bytes that have not left.
    pub fn end(&mut self, chain: &mut Chain) {
        if std::mem::take(&mut chain.runs) {
            self.accounts(chain, |account, _, _| {
                account.running.here = account.running.here.saturating_sub(1);
                account.untold.running -= 1;
            });
        }
    }

    /// Does something with the accounts of a chain, but for those of the connection.
    fn accounts(&mut self, chain: &Chain, mut then: impl FnMut(&mut Account, &Limits, bool)) {
        self.news = true;
        for link in chain.links.iter().flatten() {
            let Some(track) = self.tracks.get_mut(&link.scope) else { continue };
            let dry = track.scope.is_dry_run();
            then(&mut track.total, &track.scope.total, dry);
            if let Some(account) = link.client.and_then(|slot| self.clients.account(slot)) {
                then(account, &track.scope.client, dry);
            }
        }
    }

    /// Whether a request at a place can only be judged once it is known who has logged in.
    #[must_use]
    pub fn knows_users(&self, place: Option<ScopeId>) -> bool {
        let mut scopes = [self.server, place].into_iter().flatten().filter_map(|id| self.tracks.get(&id));
        scopes.any(|track| track.scope.config.by == config::ShapedBy::User)
    }

    /// Whether there is something to report.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// What was used since the last report, of so many users at most; the others come with the next one.
    pub fn report(&mut self, most: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for (&scope, track) in &mut self.tracks {
            let delta = std::mem::take(&mut track.total.untold);
            if delta != Delta::default() {
                uses.push(Use { scope, who: None, delta });
            }
        }
        self.clients.take_news(most, |scope, who, account| {
            let delta = std::mem::take(&mut account.untold);
            if delta != Delta::default() {
                uses.push(Use { scope, who: Some(who.clone()), delta });
            }
        });
        self.news = self.clients.have_news();
        uses
    }

    /// Takes a report back that could not be handed over: it is told with the next one.
    pub fn put_back(&mut self, uses: &[Use]) {
        for Use { scope, who, delta } in uses {
            let account = match who {
                None => self.tracks.get_mut(scope).map(|track| &mut track.total),
                Some(who) => {
                    let slot = self.clients.get(*scope, Sought::of(who));
                    slot.and_then(|slot| self.clients.account(slot))
                }
            };
            if let Some(account) = account {
                account.untold.add(delta);
                self.news = true;
            }
        }
    }

    /// Takes in what another shard has used.
    pub fn hear(&mut self, now: u64, uses: &[Use]) {
        for Use { scope, who, delta } in uses {
            let Some(track) = self.tracks.get_mut(scope) else { continue };
            let (account, limits) = match who {
                None => (Some(&mut track.total), &track.scope.total),
                Some(who) => {
                    let slot = self.clients.enter(now, *scope, Sought::of(who));
                    (slot.and_then(|slot| self.clients.account_of_others(slot)), &track.scope.client)
                }
            };
            if let Some(account) = account {
                account.hear(now, delta, limits.meters());
            }
        }
    }

    /// What has happened to the table of clients.
    pub fn tally(&mut self) -> Tally {
        Tally {
            clients: self.clients.len(),
            forgotten: std::mem::take(&mut self.clients.forgotten),
            turned_away: std::mem::take(&mut self.clients.turned_away),
        }
    }

    /// Who has had most, so many at most, those first who were refused most often; and all places.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<Entry> {
        let totals = self.tracks.iter().map(|(&scope, track)| entry(scope, None, &track.total));
        let mut totals: Vec<Entry> = totals.collect();
        let mut clients: Vec<Entry> = self
            .clients
            .all()
            .map(|(scope, who, account)| entry(scope, Some(who.clone()), account))
            .collect();
        clients.sort_by_key(|entry| std::cmp::Reverse(rank(entry)));
        clients.truncate(most);
        totals.append(&mut clients);
        totals
    }

    /// The limits of a place, as they hold now.
    #[must_use]
    pub fn scope(&self, id: ScopeId) -> Option<&Arc<Scope>> {
        self.tracks.get(&id).map(|track| &track.scope)
    }
}

fn entry(scope: ScopeId, who: Option<Who>, account: &Account) -> Entry {
    let (running, connections) = (account.running.here, account.connections.here);
    Entry { scope, who, running, connections, seen: account.seen }
}

/// What several shards tell, added up: all places in the order of their pointers, then so many clients at most.
#[must_use]
pub fn merge(told: impl Iterator<Item = (String, Entry)>, most: usize) -> Vec<(String, Entry)> {
    let mut sums: BTreeMap<(String, Option<String>), Entry> = BTreeMap::new();
    for (scope, entry) in told {
        let key = (scope, entry.who.as_ref().map(Who::to_string));
        match sums.get_mut(&key) {
            Some(sum) => sum.add(&entry),
            None => drop(sums.insert(key, entry)),
        }
    }
    let (places, mut clients): (Vec<_>, Vec<_>) = sums
        .into_iter()
        .map(|((scope, _), entry)| (scope, entry))
        .partition(|(_, entry)| entry.who.is_none());
    clients.sort_by_key(|(_, entry)| std::cmp::Reverse(rank(entry)));
    clients.truncate(most);
    places.into_iter().chain(clients).collect()
}

impl Entry {
    fn add(&mut self, other: &Entry) {
        self.running = self.running.saturating_add(other.running);
        self.connections = self.connections.saturating_add(other.connections);
        let (seen, more) = (&mut self.seen, other.seen);
        seen.down = seen.down.saturating_add(more.down);
        seen.up = seen.up.saturating_add(more.up);
        seen.requests = seen.requests.saturating_add(more.requests);
        seen.delayed = seen.delayed.saturating_add(more.delayed);
        seen.refused = seen.refused.saturating_add(more.refused);
    }
}

/// By which entries are ordered: those first for whom limits have done most.
fn rank(entry: &Entry) -> (u64, u64, u64) {
    let Seen { down, up, requests, delayed, refused } = entry.seen;
    (refused.saturating_add(delayed), down.saturating_add(up), requests)
}

/// What one level says of a request.
enum Judgement {
    Free,
    /// So many nanoseconds too early.
    Late(u64),
    /// What others have told may hold no more.
    Doubtful,
    /// No, and when to come again.
    Not(Item, u32),
}

fn judge(limits: &Limits, account: &Account, now: u64, doubt: Option<Doubt>) -> Judgement {
    let room = limits.concurrent.map_or(Room::Free, |most| Doubt::room(doubt, account.running, most));
    if room == Room::Full {
        return Judgement::Not(Item::Concurrent, RETRY_SECONDS);
    }
    // Its answer would stand in a line that is too long already.
    let line = limits.down.map_or(0, |meter| account.line(Direction::Down, meter, now));
    if LINE_NS_MAX < line {
        return Judgement::Not(Item::Down, seconds(line - LINE_NS_MAX));
    }
    let wait = limits.requests.map_or(0, |meter| account.requests.wait_for(meter, now, 1));
    if limits.delay_ns < wait {
        // Once the next one would be held back no longer than is allowed.
        return Judgement::Not(Item::Requests, seconds(wait - limits.delay_ns));
    }
    match wait {
        _ if room == Room::Doubtful => Judgement::Doubtful,
        0 => Judgement::Free,
        wait => Judgement::Late(wait),
    }
}

/// Nanoseconds as the seconds after which a client may come again, at least one.
fn seconds(ns: u64) -> u32 {
    u32::try_from(ns.div_ceil(1_000_000_000)).unwrap_or(u32::MAX).max(1)
}

/// A request waits for the last of those who hold it back. A dry run is told of, and changes nothing.
fn put_off(granted: &mut Admission, ns: u64, acted: Acted) {
    if let Admission::Granted { wait, by } = granted {
        if acted.dry {
            *by = by.or(Some(acted));
        } else if *wait < ns {
            (*wait, *by) = (ns, Some(acted));
        }
    }
}

mod connecting;
mod doubt;
mod onward;
mod passage;
#[cfg(test)]
mod tests;
