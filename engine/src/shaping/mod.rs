//! Limits on what clients use, as requests and connections meet them. What is allowed is decided in [`site::shaping`];
//! here it is carried out: requests and bytes wait, or are refused.
//!
//! All bytes pass one place each way ([`Stream::allow`] and [`Stream::take_toll`]), whatever brings them, in pieces each of
//! which waits for its turn before the next one asks. Without limits a
//! shard has no [`Shaper`], and a send looks at one flag of its port.

mod pacing;
mod passing;
mod telling;

use std::net::IpAddr;
use std::sync::Arc;

use perf::Counter;
use proto_http::Status;
use site::shaping::{
    Acted, Admission, Chain, Customer, Doubt, Entering, Entry, Level, Refusal, ScopeId, Shaper, Shaping,
};
use site::{Action, Answer, Place};

use crate::limits::{REPORT_MAX, SHOWN_MAX};
use crate::shard::Shard;
use crate::stream::{Gone, Stream};

pub(crate) use pacing::Pacing;
pub(crate) use passing::Held;
pub(crate) use telling::{Report, Telling, start as start_telling};

/// When the limits of a request are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before anybody has logged in.
    Early,
    /// Once it is known who has: a limit is for users.
    Late,
}

/// Whose limits (JSON Pointer of the place), and what was used of them.
pub(crate) type Used = (String, Entry);

/// What the limits did to a request, for its line in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// The limit that acted last.
    pub(crate) by: Option<Acted>,
    /// How long it and its bytes waited.
    pub(crate) delayed_ns: u64,
}

/// What has been let go on counts as running for as long as this lives.
pub(crate) struct Running<'s>(pub(crate) &'s Stream);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut chain = self.0.port.chain.get();
        if !chain.is_running() {
            return;
        }
        match self.0.shard.shaper.borrow_mut().as_mut() {
            Some(shaper) => shaper.end(&mut chain),
            // Limits that are gone know nobody.
            None => chain = Chain::default(),
        }
        self.0.port.chain.set(chain);
    }
}

/// What has become of a request: how long it waits and why, or that it is refused; and what it is held to.
type Asked = (Result<(u64, Option<Acted>), Refusal>, Chain);

/// A request of somebody, somewhere.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'r> {
    pub(crate) place: Option<Place<'r>>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) user: Option<&'r str>,
    pub(crate) come: Come,
}

/// How many bytes had come when a request was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Come {
    /// Of its head and its body.
    pub(crate) own: usize,
    /// Of the next request.
    pub(crate) behind: usize,
}

impl Shard {
    /// When to ask about a request at `place`; none where nothing is limited.
    pub(crate) fn shaped(&self, place: Option<Place<'_>>) -> Option<Moment> {
        let shaper = self.shaper.borrow();
        let shaper = shaper.as_ref()?;
        let scope = place.and_then(|place| place.location.shaping);
        Some(if shaper.knows_users(scope) { Moment::Late } else { Moment::Early })
    }

    /// Goes by these limits from now on.
    pub(crate) fn reshape(&self, shaping: Option<&Arc<Shaping>>) {
        let mut shaper = self.shaper.borrow_mut();
        match (shaping, shaper.as_mut()) {
            (Some(shaping), Some(shaper)) => shaper.adopt(self.clock.now(), shaping),
            (Some(shaping), None) => *shaper = Some(Box::new(Shaper::new(shaping))),
            (None, _) => *shaper = None,
        }
        if let Some(shaper) = shaper.as_mut().filter(|shaper| shaper.limits_connections()) {
            let connections = self.connections.borrow();
            let served = self.served.borrow();
            let addresses = connections.peers().filter_map(|peer| peer.address);
            let counted = addresses.filter(|&address| !served.clients.trusts(Some(address)));
            shaper.recount(self.clock.now(), counted);
        }
        drop(shaper);
        // Whoever waits for what may have changed looks again.
        self.ready.borrow_mut().extend(self.pacing.borrow_mut().release());
    }

    /// Whether a client may have one more connection, which counts from now on then. `doubt` is what it has waited with.
    /// Connections of trusted proxies are those of many.
    pub(crate) fn enter_shaped(&self, address: Option<IpAddr>, doubt: Option<Doubt>) -> Entering {
        let mut shaper = self.shaper.borrow_mut();
        let Some(shaper) = shaper.as_mut() else { return Entering::Granted(None) };
        if let Some(doubt) = doubt {
            shaper.settle(doubt);
        }
        if !shaper.limits_connections() || self.served.borrow().clients.trusts(address) {
            return Entering::Granted(None);
        }
        let entering = shaper.connect(self.clock.now(), address, doubt);
        if matches!(entering, Entering::Granted(Some(_))) {
            self.count(Counter::LimitsDryRun);
        }
        entering
    }

    /// Somebody waits no more who was in doubt.
    pub(crate) fn settle_doubt(&self, doubt: Doubt) {
        if let Some(shaper) = self.shaper.borrow_mut().as_mut() {
            shaper.settle(doubt);
        }
    }

    /// A client has one connection less.
    pub(crate) fn leave_shaped(&self, address: Option<IpAddr>) {
        let mut shaper = self.shaper.borrow_mut();
        let Some(shaper) = shaper.as_mut().filter(|shaper| shaper.limits_connections()) else { return };
        if !self.served.borrow().clients.trusts(address) {
            shaper.disconnect(address);
        }
    }

    /// Tells the other shards what was used.
    pub(crate) fn tell_used(&self) {
        let mut shaper = self.shaper.borrow_mut();
        if let (Some(shaper), Some(telling)) = (shaper.as_mut(), &self.telling)
            && shaper.has_news()
            && telling.has_room()
        {
            // Others may have been quicker.
            if let Err(uses) = telling.tell(shaper.report(REPORT_MAX)) {
                shaper.put_back(&uses);
            }
        }
    }

    /// Publishes what has become of those who are remembered.
    pub(crate) fn publish_limits(&self) {
        let mut shaper = self.shaper.borrow_mut();
        let Some(shaper) = shaper.as_mut() else { return };
        let tally = shaper.tally();
        self.counters.set(Counter::LimitClients, tally.clients as u64);
        self.count_by(Counter::LimitClientsForgotten, tally.forgotten);
        self.count_by(Counter::LimitClientsTurnedAway, tally.turned_away);
    }

    /// Whether others are still to be told something.
    pub(crate) fn has_used(&self) -> bool {
        self.telling.is_some() && self.shaper.borrow().as_ref().is_some_and(|shaper| shaper.has_news())
    }

    /// Who has used how much here.
    pub(crate) fn used(&self) -> Vec<Used> {
        let shaper = self.shaper.borrow();
        let Some(shaper) = shaper.as_ref() else { return Vec::new() };
        let place = |entry: &Entry| shaper.scope(entry.scope).map(|scope| scope.config.scope.clone());
        let entries = shaper.top(SHOWN_MAX).into_iter();
        entries.filter_map(|entry| Some((place(&entry)?, entry))).collect()
    }

    /// Takes in what other shards have used.
    pub(crate) fn hear_used(&self, reports: &[Report]) {
        if let Some(shaper) = self.shaper.borrow_mut().as_mut() {
            let others = reports.iter().filter(|report| report.shard != self.number);
            others.for_each(|report| shaper.hear(self.clock.now(), &report.uses));
        }
    }
}

impl Stream {
    /// Asks for a request, at each place with limits of its own that it comes to. It waits for its time here, holding
    /// nothing but what it has; `out` are answers to earlier requests, which do not wait for it. An error of the inner kind
    /// is how it is to be answered instead.
    pub(crate) async fn admit_shaped(
        &self,
        candidate: Candidate<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), Action<'static>>, Gone> {
        if !self.port.chain.get().is_running() {
            self.port.marks.take();
        }
        let (admission, mut chain) = self.ask_patiently(candidate, out).await?;
        // What is still to be sent belongs to requests that were held to others.
        if self.port.shaped.get() && !chain.is_like(&self.port.chain.get()) {
            let sent = self.send(out).await;
            if sent.is_err()
                && let Some(shaper) = self.shard.shaper.borrow_mut().as_mut()
            {
                shaper.end(&mut chain);
            }
            sent?;
        }
        chain.follow(&self.port.chain.get());
        self.port.chain.set(chain);
        self.port.shaped.set(!chain.is_empty());
        match admission {
            Ok((wait, by)) => {
                self.mark(by, wait);
                if wait > 0 {
                    self.shard.count(Counter::RequestsDelayedLimit);
                    self.send(out).await?;
                    self.delay(wait).await?;
                }
                self.pay_for_begun(None, candidate, out).await
            }
            Err(refusal) => {
                self.mark(Some(refusal.by), 0);
                self.pay_for_begun(Some(refusal), candidate, out).await
            }
        }
    }

    /// Has the client wait for what has come of a request, before anything is done for it, be it only that it is refused.
    async fn pay_for_begun(
        &self,
        refusal: Option<Refusal>,
        candidate: Candidate<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), Action<'static>>, Gone> {
        let line = match self.take_toll_of_begun(candidate.come, out).await {
            Ok(_) => None,
            Err(Held::Full(ns, by)) => Some((ns, by)),
            Err(Held::Gone(gone)) => return Err(gone),
        };
        let refusal = match (refusal, line) {
            (None, None) => return Ok(Ok(())),
            (None, Some((ns, by))) => self.turn_away(ns, by),
            (Some(refusal), _) => {
                self.note(refusal, candidate.client);
                refusal
            }
        };
        // Nobody has paid for it: more of that is at the price of a connection each.
        Ok(Err(Action::Respond(Answer { close: line.is_some(), ..refused(refusal) })))
    }

    /// Refuses a request that limits have let go on: the line at a limit on its bytes is longer by `ns` than it may be.
    pub(crate) fn turn_away(&self, ns: u64, by: Acted) -> Refusal {
        let mut chain = self.port.chain.get();
        let refusal = match self.shard.shaper.borrow_mut().as_mut() {
            Some(shaper) => shaper.turn_away(&mut chain, ns, by),
            None => Refusal::late(ns, by),
        };
        self.port.chain.set(chain);
        // It is no offence, whoever it is.
        self.note(refusal, None);
        refusal
    }

    /// Asks until there is no doubt: what others tell next can end it. Answers how long the request waits still, and why.
    async fn ask_patiently(&self, candidate: Candidate<'_>, out: &mut Vec<u8>) -> Result<Asked, Gone> {
        let mut doubt = None;
        loop {
            let (admission, chain) = self.ask(candidate, doubt);
            let next = match admission {
                Admission::Granted { wait, by } => return Ok((Ok((wait, by)), chain)),
                Admission::Refused(refusal) => return Ok((Err(refusal), chain)),
                Admission::Doubtful(next) => next,
            };
            if doubt.is_none() {
                self.shard.count(Counter::RequestsDelayedLimit);
            }
            if let Err(gone) = self.wait_for_word(next, out).await {
                self.shard.settle_doubt(next);
                return Err(gone);
            }
            doubt = Some(if self.leaving() { next.benefit() } else { next });
        }
    }

    async fn wait_for_word(&self, doubt: Doubt, out: &mut Vec<u8>) -> Result<(), Gone> {
        self.send(out).await?;
        let begun = self.shard.clock.now();
        self.delay(Doubt::LOOK_NS).await?;
        self.mark(Some(doubt.by), self.shard.clock.now().saturating_sub(begun));
        Ok(())
    }

    fn ask(&self, candidate: Candidate<'_>, doubt: Option<Doubt>) -> (Admission, Chain) {
        let scope: Option<ScopeId> = candidate.place.and_then(|place| place.location.shaping);
        let customer = Customer { address: candidate.client, user: candidate.user, doubt };
        let now = self.shard.clock.now();
        let mut shaper = self.shard.shaper.borrow_mut();
        let Some(shaper) = shaper.as_mut() else {
            return (Admission::Granted { wait: 0, by: None }, Chain::default());
        };
        let mut before = self.port.chain.get();
        if !before.is_running() {
            return shaper.admit(now, scope, customer);
        }
        let asked = shaper.admit_onward(now, &mut before, scope, customer);
        self.port.chain.set(before);
        asked
    }

    /// Counts a request that is refused.
    fn note(&self, refusal: Refusal, client: Option<IpAddr>) {
        self.shard.count(Counter::RequestsRefusedLimit);
        if let Some(client) = client.filter(|_| refusal.offence)
            && !self.shard.offenders.note(client)
        {
            self.shard.count(Counter::OffencesLost);
        }
    }

    fn mark(&self, by: Option<Acted>, delayed_ns: u64) {
        let marks = self.port.marks.get();
        if by.is_some_and(|acted| acted.dry) {
            self.shard.count(Counter::LimitsDryRun);
        }
        self.port.marks.set(Marks { by: by.or(marks.by), delayed_ns: marks.delayed_ns + delayed_ns });
    }
}

/// What is answered to who is refused.
pub(crate) fn refused(refusal: Refusal) -> Answer<'static> {
    // RFC 6585 section 4: the client has sent too many. What others have sent is no fault of this one.
    let status = match refusal.by.level {
        Level::Client | Level::Connection => Status::TOO_MANY_REQUESTS,
        Level::Total => Status::SERVICE_UNAVAILABLE,
    };
    Answer { retry_after: Some(refusal.retry_seconds), ..Answer::with(status) }
}
