//! Passing requests on to other servers, and their answers back.
//!
//! ```text
//! order -> server -> link -> request and content there | answer back, at the same time -> link kept or closed
//! ```
//!
//! A request that has come to nothing is tried again where that is safe. What is said to a server and how its answers
//! are read is for `order` and `answer` alone; everything else does not know the protocol.

mod answer;
mod exchange;
mod gathering;
mod instead;
mod order;
mod preamble;
mod records;
mod tries;
mod tunnel;
mod upload;
mod way;

use std::rc::Rc;
use std::time::Duration;

use config::Dotfiles;
use perf::Counter;
use proto_http::{Status, path};
use site::Answer;
use site::upstream::{Ejected, Outcome, Relay, Seat, Visit};

use super::{Responder, Sent, answer as own};
use crate::file_lookup;
use crate::limits::{INPUT_CAPACITY, TRIES_MAX};
use crate::shard::Shard;
use crate::stream::Gone;
use answer::Reading;
use gathering::Gathered;
use order::Order;
pub(crate) use tries::{Try, tell};
use way::Failure;

/// Buffers that relaying needs; they go from connection to connection.
#[derive(Default)]
pub(crate) struct Work {
    /// On its way to the server.
    out: Vec<u8>,
    /// Lines of its head that rules have made for it.
    lines: Vec<u8>,
    reading: Reading,
    /// What has become of the request that is served now.
    tries: Vec<Try>,
}

/// Buffers beyond this are not kept between connections.
const KEPT_BYTES_MAX: usize = 32 * 1024;

impl Work {
    /// Lets go of what a rare large answer has left.
    pub(crate) fn slim(&mut self) {
        slim(&mut self.out);
        slim(&mut self.lines);
        self.reading.slim();
    }

    /// A request begins, wherever it leads.
    pub(crate) fn begin(&mut self) {
        self.tries.clear();
    }

    /// The servers that the request was tried at.
    pub(crate) fn tries(&self) -> &[Try] {
        &self.tries
    }
}

fn slim(buffer: &mut Vec<u8>) {
    buffer.clear();
    if KEPT_BYTES_MAX < buffer.capacity() {
        buffer.shrink_to(INPUT_CAPACITY);
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Seconds after which a client may come again when no server can be used.
const RETRY_SECONDS: u32 = 5;

/// Has a server answer.
pub(super) async fn send(responder: &mut Responder<'_>, relay: &Relay) -> Result<Sent, Gone> {
    if let Err(status) = find_script(responder, relay).await {
        return Ok(own::send(responder, &Answer::with(status)));
    }
    let mut order = match Order::of(responder, relay) {
        Ok(order) => order,
        Err(answer) => return Ok(own::send(responder, &answer)),
    };
    let shard = Rc::clone(&responder.stream.shard);
    let _gathered = match relay.buffering {
        0 => None,
        _ if responder.body.is_read() => None,
        most => match Gathered::take(responder, &shard, most).await {
            Ok(gathered) => {
                order.measure(gathered.content);
                Some(gathered)
            }
            Err(missing) => return missing.answer(responder),
        },
    };
    let mut tried = Vec::new();
    let mut links = if order.is_repeatable() { Links::Any } else { Links::Sure };
    let mut last = None;
    let mut reached = false;
    while tried.len() < TRIES_MAX {
        let visit = Visit { request: order.request, client: responder.client, tried: &tried };
        let Some(mut turn) = Turn::take(&shard, relay, &visit) else { break };
        if last.is_some() {
            shard.count(Counter::UpstreamRetries);
        }
        let trouble = match exchange::run(responder, relay, &order, (turn.seat, links)).await {
            Ok(sent) => {
                turn.outcome = Outcome::Answered;
                return Ok(sent);
            }
            Err(trouble) => trouble,
        };
        if let Some(counter) = trouble.failure.counter() {
            shard.count(counter);
        }
        let again = trouble.again(order.is_idempotent());
        trouble.tell((relay, &order), (&shard, turn.seat), again);
        turn.outcome = trouble.outcome(again);
        match again {
            Again::Never if trouble.told => return Err(trouble.gone()),
            Again::Never => return trouble.answer(responder),
            Again::ByNewLink => links = Links::New,
            Again::Elsewhere => tried.push(turn.seat),
        }
        reached |= !trouble.failure.is_unsent();
        last = Some(trouble);
    }
    match last {
        // Of several servers, none is there.
        Some(_) if 1 < tried.len() && !reached => Ok(none_left(responder)),
        Some(trouble) => trouble.answer(responder),
        None => Ok(none_left(responder)),
    }
}

/// Looks whether there is the script that a path names, where that can be told. Otherwise `/upload.jpg/x.php` would have an
/// application that is set up carelessly run what somebody has sent as a picture.
async fn find_script(responder: &Responder<'_>, relay: &Relay) -> Result<(), Status> {
    let Some(scripts) = &relay.scripts else { return Ok(()) };
    let (Some(files), Some(script)) = (&scripts.files, scripts.rule.find(responder.path)) else {
        return Ok(());
    };
    let path = [script.path, script.index].concat();
    if files.dotfiles == Dotfiles::Hide && path::has_hidden_segment(&path) {
        return Err(Status::NOT_FOUND);
    }
    file_lookup::is_there(responder.stream, responder.served, files, &path).await
}

/// None of the servers can be used.
fn none_left(responder: &mut Responder<'_>) -> Sent {
    responder.stream.shard.count(Counter::UpstreamsUnavailable);
    unavailable(responder)
}

fn unavailable(responder: &mut Responder<'_>) -> Sent {
    let answer = Answer::with(Status::SERVICE_UNAVAILABLE);
    own::send(responder, &Answer { retry_after: Some(RETRY_SECONDS), ..answer })
}

/// By which links a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    /// Any.
    Any,
    /// Any that its server has not ended yet: whatever has been sent there cannot be sent again.
    Sure,
    /// One that has carried none before: it cannot have been left by its server meanwhile.
    New,
}

/// One try of a request at one server, which is told how it went.
struct Turn<'s> {
    shard: &'s Shard,
    seat: Seat,
    outcome: Outcome,
}

impl Turn<'_> {
    fn take<'s>(shard: &'s Shard, relay: &Relay, visit: &Visit<'_>) -> Option<Turn<'s>> {
        let seat = shard.balancers.borrow_mut().choose(&relay.group, visit, shard.clock.now())?;
        Some(Turn { shard, seat, outcome: Outcome::Unknown })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let now = self.shard.clock.now();
        let ejected = self.shard.balancers.borrow_mut().ended(self.seat, self.outcome, now);
        if let Some(Ejected { group, server, duration }) = ejected {
            self.shard.count(Counter::UpstreamEjections);
            let seconds = Duration::from_nanos(duration).as_secs_f32();
            log::warn!(
                "upstream {group}: {} has failed, and gets no request for {seconds:.1} s while there are others",
                server.name
            );
        }
    }
}

/// What has become of a try that has failed.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    failure: Failure,
    /// Whether the client has got something of an answer.
    told: bool,
    /// Whether all of the request's content is still there.
    whole: bool,
    /// Whether the link had carried another request before, and nothing of an answer has come by it.
    stale: bool,
    /// Whether the client has not sent all of the request's content.
    unasked: bool,
}

/// Whether a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    /// At once, by a link of its own.
    ByNewLink,
    /// At another server.
    Elsewhere,
}

impl Trouble {
    /// A request that may have reached a server is sent again only if doing it twice is as good as once
    /// (RFC 9110 section 9.2.2).
    fn again(&self, idempotent: bool) -> Again {
        if !self.failure.is_of_server() || self.told || !self.whole {
            return Again::Never;
        }
        match self.failure {
            failure if failure.is_unsent() => Again::Elsewhere,
            _ if !idempotent => Again::Never,
            Failure::Ended | Failure::Broken if self.stale => Again::ByNewLink,
            _ => Again::Elsewhere,
        }
    }

    /// Tells whoever runs the server, who has been told already why there is no connection. That an idle link had gone is
    /// no news.
    fn tell(&self, (relay, order): (&Relay, &Order<'_>), (shard, seat): (&Shard, Seat), again: Again) {
        let failure = self.failure;
        if !failure.is_of_server() || failure.is_unsent() || again == Again::ByNewLink {
            return;
        }
        if let Some(server) = shard.balancers.borrow().server(seat) {
            let (group, asked) = (&relay.group.name, order.request);
            let (method, target) = (asked.method_bytes(), asked.raw_target().escape_ascii());
            let method = method.escape_ascii();
            log::warn!(
                "upstream {group}: {} has failed: {failure}; asked for {method} {target}",
                server.name
            );
        }
    }

    fn outcome(&self, again: Again) -> Outcome {
        match self.failure {
            Failure::Client(_) | Failure::Body(_) => Outcome::Unknown,
            // Its server has closed it for want of requests, which says nothing about the server.
            _ if again == Again::ByNewLink => Outcome::Unknown,
            // It has waited for the client as long as we have: who sends slowly must not take servers away from others.
            Failure::Ended | Failure::Broken if self.unasked => Outcome::Unknown,
            _ => Outcome::Failed,
        }
    }

    /// How the client's connection ends, which has got a part of an answer.
    fn gone(&self) -> Gone {
        match self.failure {
            Failure::Client(gone) => gone,
            _ => Gone::Broken,
        }
    }

    /// Tells the client, which has got nothing yet.
    fn answer(&self, responder: &mut Responder<'_>) -> Result<Sent, Gone> {
        let answer = match self.failure {
            Failure::Client(gone) => return Err(gone),
            Failure::Body(error) => error.answer().ok_or(Gone::Broken)?,
            failure => Answer::with(failure.status()),
        };
        Ok(own::send(responder, &answer))
    }
}

#[cfg(test)]
mod tests;
