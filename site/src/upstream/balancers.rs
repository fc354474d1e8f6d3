//! Which server of a group gets a request, as one shard sees it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use config::{Balance, UpstreamPart};
use foldhash::fast::FixedState;
use proto_http::Request;
use sys::net::Address;

use super::chance::Chance;
use super::changes::{Changes, State};
use super::rotation::{self, Credit};
use super::seats::{Seat, Seats};
use super::{Group, GroupId, Server, key, nanos, rendezvous, sticky};
use crate::{Security, cookie};

/// What a shard knows of all groups. All times are monotonic, in nanoseconds.
#[derive(Debug)]
pub struct Balancers {
    groups: HashMap<GroupId, Balancer, FixedState>,
    changes: Arc<Changes>,
    seats: Seats,
    chance: Chance,
    /// Nobody outside knows it; all shards have the same.
    secret: u64,
}

/// What a shard knows of one group.
#[derive(Debug)]
struct Balancer {
    group: Arc<Group>,
    candidates: Vec<Candidate>,
}

/// A server of a group.
#[derive(Debug)]
struct Candidate {
    seat: Seat,
    weight: u32,
    part: UpstreamPart,
    state: State,
    /// Since when it has been up, if it was not from the beginning.
    up_since: Option<u64>,
    credit: Credit,
    /// What it has of the scores for keys.
    digest: u64,
    /// What stands for it in cookies; empty where there are none.
    token: String,
    /// Its weight for the request that is looked at; 0 where it cannot get it.
    turn: u32,
}

/// A request that looks for a server.
#[derive(Clone, Copy)]
pub struct Visit<'r> {
    /// The request.
    pub request: Request<'r>,
    /// Whom it is from; none when the client has no IP address.
    pub client: Option<IpAddr>,
    /// Servers that have failed it already, and do not get it again.
    pub tried: &'r [Seat],
}

/// How a request went at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has answered.
    Answered,
    /// It could not be reached, or did not answer as it should.
    Failed,
    /// Nothing can be said: the client went away, for example.
    Unknown,
}

/// A server that gets no requests for a while, because it has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejected {
    /// Name of its group.
    pub group: String,
    /// The server.
    pub server: Arc<Server>,
    /// For how long, in nanoseconds.
    pub duration: u64,
}

/// What one shard, or several, know of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatReport {
    /// Its group.
    pub group: GroupId,
    /// The server.
    pub address: Address,
    /// Requests that it has now.
    pub open: u64,
    /// Requests that it has got.
    pub begun: u64,
    /// How many of these have failed.
    pub failed: u64,
    /// Shards that have ejected it.
    pub ejected: u64,
}

impl SeatReport {
    /// With what another shard knows.
    pub fn add(&mut self, other: &SeatReport) {
        self.open += other.open;
        self.begun += other.begun;
        self.failed += other.failed;
        self.ejected += other.ejected;
    }
}

/// Who is looked at for a request, one pass after the other.
#[derive(Clone, Copy)]
struct Pass {
    part: UpstreamPart,
    ejections: Ejections,
}

/// Whether servers that have failed are passed by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ejections {
    Heeded,
    Ignored,
}

/// Servers that have failed are better than none.
const PASSES: [Pass; 4] = [
    Pass { part: UpstreamPart::Regular, ejections: Ejections::Heeded },
    Pass { part: UpstreamPart::Backup, ejections: Ejections::Heeded },
    Pass { part: UpstreamPart::Regular, ejections: Ejections::Ignored },
    Pass { part: UpstreamPart::Backup, ejections: Ejections::Ignored },
];

/// What a weight of one is while a server is being warmed up: so fine are the steps.
const FINE: u32 = 100;

impl Balancers {
    /// Those of a shard that has none yet; those with another seed choose others by chance, and begin their rounds with
    /// another server. With the same secret they know each other's cookies.
    #[must_use]
    pub fn new(seed: u64, secret: u64) -> Balancers {
        Balancers {
            groups: HashMap::default(),
            changes: Arc::default(),
            seats: Seats::default(),
            chance: Chance::new(seed),
            secret,
        }
    }

    /// Goes over to the groups of another configuration. What is known of a server stays, as long as its group has one at
    /// its address.
    pub fn renew(&mut self, groups: &[Arc<Group>], now: u64) {
        let mut before = std::mem::take(&mut self.groups);
        for group in groups {
            let known = before.remove(&group.id).map(|balancer| balancer.candidates);
            self.seat(group, known, now);
        }
        for candidate in before.into_values().flat_map(|balancer| balancer.candidates) {
            self.seats.strike(candidate.seat);
        }
    }

    /// Goes over to other changes of the groups.
    pub fn change(&mut self, changes: Arc<Changes>, now: u64) {
        self.changes = changes;
        for balancer in std::mem::take(&mut self.groups).into_values() {
            self.seat(&balancer.group, Some(balancer.candidates), now);
        }
    }

    /// Gives each server of the group a seat, that which it has if it has one.
    fn seat(&mut self, group: &Arc<Group>, known: Option<Vec<Candidate>>, now: u64) {
        let is_new = known.is_none();
        let mut known = known.unwrap_or_default();
        let mut candidates = Vec::new();
        for member in self.changes.members(group) {
            let server = member.server;
            let same = |candidate: &Candidate| {
                self.seats.get(candidate.seat).is_some_and(|seated| seated.server.address == server.address)
            };
            let before = known.iter().position(same).map(|at| known.swap_remove(at));
            let comes_up = match &before {
                Some(before) => before.state != State::Up && member.state == State::Up,
                // With the group all of its servers are new, and all are alike.
                None => !is_new,
            };
            let up_since = before.as_ref().and_then(|before| before.up_since);
            let credit = before.as_ref().map_or_else(Credit::default, |before| before.credit);
            let seat =
                before.map_or_else(|| self.seats.take(group.id, Arc::clone(&server)), |before| before.seat);
            let address = server.address.to_string();
            candidates.push(Candidate {
                seat,
                weight: server.weight,
                part: server.part,
                state: member.state,
                up_since: if comes_up { Some(now) } else { up_since },
                credit,
                digest: key::digest(&[address.as_bytes()]),
                token: match group.sticky {
                    Some(_) => sticky::token(self.secret, &group.name, &address),
                    None => String::new(),
                },
                turn: 0,
            });
            self.seats.describe(seat, server, member.state);
        }
        for candidate in known {
            self.seats.strike(candidate.seat);
        }
        let mut balancer = Balancer { group: Arc::clone(group), candidates };
        if is_new && !balancer.candidates.is_empty() {
            // Shards that begin together do not all begin with the same server.
            for _ in 0..self.chance.below(balancer.candidates.len() as u64) {
                let turns = balancer.candidates.iter_mut().map(|one| (one.weight, &mut one.credit));
                rotation::next(turns);
            }
        }
        self.groups.insert(group.id, balancer);
    }

    /// The server that gets the request, which counts as one of its own until [`Balancers::ended`]; none when no server
    /// can be used.
    pub fn choose(&mut self, group: &Group, visit: &Visit<'_>, now: u64) -> Option<Seat> {
        let balancer = self.groups.get_mut(&group.id)?;
        if !PASSES.into_iter().any(|pass| balancer.admit(pass, visit, &self.seats, now)) {
            return None;
        }
        let seat = balancer.pick(visit, &self.seats, &mut self.chance)?;
        self.seats.begin(seat);
        Some(seat)
    }

    /// The request that [`Balancers::choose`] gave to this server has ended there, or was never sent. Tells when the server
    /// is ejected for it.
    pub fn ended(&mut self, seat: Seat, outcome: Outcome, now: u64) -> Option<Ejected> {
        let seated = self.seats.get_mut(seat)?;
        let mut ejected = None;
        if outcome == Outcome::Failed {
            seated.failed += 1;
            if let Some(Balancer { group, .. }) = self.groups.get(&seated.group) {
                ejected = seated.record.fail(&group.eject, now).map(|duration| Ejected {
                    group: group.name.clone(),
                    server: Arc::clone(&seated.server),
                    duration,
                });
            }
        }
        self.seats.end(seat);
        ejected
    }

    /// Appends the field that has a client come to the same server again; nothing where it will anyway.
    pub fn stick(
        &self,
        seat: Seat,
        (group, request): (&Group, &Request<'_>),
        security: Security,
        lines: &mut Vec<u8>,
    ) {
        let Some(name) = &group.sticky else { return };
        let balancer = self.groups.get(&group.id);
        let mut candidates = balancer.iter().flat_map(|balancer| &balancer.candidates);
        let Some(candidate) = candidates.find(|candidate| candidate.seat == seat) else { return };
        if cookie::find(request, name.as_bytes()) != Some(candidate.token.as_bytes()) {
            sticky::set(lines, name, &candidate.token, security);
        }
    }

    /// What is known of all servers that groups have.
    #[must_use]
    pub fn report(&self, now: u64) -> Vec<SeatReport> {
        let candidates = self.groups.values().flat_map(|balancer| &balancer.candidates);
        let report = |seat: Seat| {
            let seated = self.seats.get(seat)?;
            Some(SeatReport {
                group: seated.group,
                address: seated.server.address.clone(),
                open: seated.open.into(),
                begun: seated.begun,
                failed: seated.failed,
                ejected: seated.record.is_out(now).into(),
            })
        };
        candidates.filter_map(|candidate| report(candidate.seat)).collect()
    }

    /// The server; none when it is gone, which none is that has a request.
    #[must_use]
    pub fn server(&self, seat: Seat) -> Option<&Arc<Server>> {
        self.seats.get(seat).map(|seated| &seated.server)
    }

    /// Whether connections to the server are worth keeping: it gets requests.
    #[must_use]
    pub fn keeps(&self, seat: Seat) -> bool {
        self.seats.is_up(seat)
    }
}

impl Balancer {
    /// Gives each server its turn for the request; answers whether any can get it.
    fn admit(&mut self, pass: Pass, visit: &Visit<'_>, seats: &Seats, now: u64) -> bool {
        let is_out =
            |candidate: &Candidate| seats.get(candidate.seat).is_some_and(|seated| seated.record.is_out(now));
        let of_part = |candidate: &&Candidate| candidate.part == pass.part && candidate.state == State::Up;
        let up = self.candidates.iter().filter(of_part).count();
        let fit = self.candidates.iter().filter(of_part).filter(|candidate| !is_out(candidate)).count();
        // Where that few would get the requests of all, they would fail, too.
        let few = fit * 100 < up * usize::from(self.group.eject.panic);
        let heeded = pass.ejections == Ejections::Heeded && !(few && fit != 0);
        let group = &self.group;
        let mut any = false;
        for candidate in &mut self.candidates {
            let passed_by = !of_part(&&*candidate)
                || heeded && is_out(candidate)
                || visit.tried.contains(&candidate.seat);
            candidate.turn = if passed_by { 0 } else { candidate.weight_at(group, seats, now) };
            any |= !passed_by;
        }
        any
    }

    /// One of those that have a turn, as the rule of the group says.
    fn pick(&mut self, visit: &Visit<'_>, seats: &Seats, chance: &mut Chance) -> Option<Seat> {
        if let Some(known) = self.known(visit) {
            return Some(known);
        }
        let index = match &self.group.balance {
            Balance::RoundRobin => self.next(),
            Balance::LeastConnections => {
                self.keep_idlest(seats);
                self.next()
            }
            Balance::RandomTwo => self.idler_of_two(seats, chance),
            Balance::Hash(by) => match key::of(visit, by) {
                Some(key) => self.owner(key),
                None => self.next(),
            },
        };
        Some(self.candidates[index?].seat)
    }

    /// The server that the client was told to come to again, if it can get the request.
    fn known(&self, visit: &Visit<'_>) -> Option<Seat> {
        let value = cookie::find(&visit.request, self.group.sticky.as_deref()?.as_bytes())?;
        let known = |candidate: &&Candidate| candidate.turn != 0 && candidate.token.as_bytes() == value;
        self.candidates.iter().find(known).map(|candidate| candidate.seat)
    }

    fn next(&mut self) -> Option<usize> {
        rotation::next(self.candidates.iter_mut().map(|candidate| (candidate.turn, &mut candidate.credit)))
    }

    /// Takes their turns from all but those that have fewest requests for their weights.
    fn keep_idlest(&mut self, seats: &Seats) {
        let turns = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.turn != 0);
        let loads = turns.map(|(index, candidate)| (index, Load::of(candidate, seats)));
        let Some((_, least)) = loads.min_by(|(_, a), (_, b)| a.compare(*b)) else { return };
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.turn != 0) {
            if Load::of(candidate, seats).compare(least).is_gt() {
                candidate.turn = 0;
            }
        }
    }

    /// Of two by chance, the one that has fewer requests for its weight.
    fn idler_of_two(&mut self, seats: &Seats, chance: &mut Chance) -> Option<usize> {
        let first = self.by_chance(chance)?;
        let turn = std::mem::take(&mut self.candidates[first].turn);
        let second = self.by_chance(chance);
        self.candidates[first].turn = turn;
        let load = |index: usize| Load::of(&self.candidates[index], seats);
        match second {
            Some(second) if load(second).compare(load(first)).is_lt() => Some(second),
            _ => Some(first),
        }
    }

    fn by_chance(&self, chance: &mut Chance) -> Option<usize> {
        let total: u64 = self.candidates.iter().map(|candidate| u64::from(candidate.turn)).sum();
        if total == 0 {
            return None;
        }
        let mut left = chance.below(total);
        self.candidates.iter().position(|candidate| {
            let turn = u64::from(candidate.turn);
            let found = left < turn;
            left = left.saturating_sub(turn);
            found
        })
    }

    /// Whose the key is.
    fn owner(&self, key: u64) -> Option<usize> {
        let turns = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.turn != 0);
        let scores =
            turns.map(|(index, candidate)| (index, rendezvous::score(key, candidate.digest, candidate.turn)));
        scores.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    }
}

impl Candidate {
    /// Its weight now, in hundredths: less while it is being warmed up.
    fn weight_at(&self, group: &Group, seats: &Seats, now: u64) -> u32 {
        let whole = self.weight.saturating_mul(FINE);
        // A key that moves twice is worse than a server that is not warm.
        if group.slow_start.is_zero() || matches!(group.balance, Balance::Hash(_)) {
            return whole;
        }
        let back = seats.get(self.seat).and_then(|seated| seated.record.back_since(now));
        let Some(since) = self.up_since.max(back) else { return whole };
        let (passed, needed) = (now.saturating_sub(since), nanos(group.slow_start));
        if needed <= passed {
            return whole;
        }
        let share = u128::from(whole) * u128::from(passed) / u128::from(needed);
        u32::try_from(share).unwrap_or(whole).max(whole / FINE)
    }
}

/// How busy a server is: its requests for its weight.
#[derive(Clone, Copy)]
struct Load {
    open: u32,
    turn: u32,
}

impl Load {
    fn of(candidate: &Candidate, seats: &Seats) -> Load {
        Load { open: seats.get(candidate.seat).map_or(0, |seated| seated.open), turn: candidate.turn }
    }

    fn compare(self, other: Load) -> std::cmp::Ordering {
        let of = |open: u32, turn: u32| u64::from(open) * u64::from(turn);
        of(self.open, other.turn).cmp(&of(other.open, self.turn))
    }
}

#[cfg(test)]
mod tests;
