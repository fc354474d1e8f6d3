//! One request at one server: what is sent there and what comes back, at the same time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use config::Preamble;
use logging::RequestId;
use perf::Counter;
use site::Knowledge;
use site::upstream::{Relay, Seat};

use super::super::{Responder, Sent};
use super::answer::{Answered, Answering, GoesOn, Teller};
use super::order::Order;
use super::upload::{self, Gathered};
use super::way::{self, Failure, Way};
use super::{CONTINUE, Links, Trouble, Try, Work, tunnel};
use crate::upstream::{Link, Patience};

/// How far an exchange has come.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// When there was a link, and when the head of the answer had come.
    pub(super) linked: Option<u64>,
    pub(super) headed: Option<u64>,
    /// Of the answer.
    pub(super) status: Option<u16>,
    /// Whether the link had carried a request before.
    pub(super) used: bool,
    /// Whether anything has come from the server.
    pub(super) heard: bool,
    /// Whether the client has got something of the answer.
    pub(super) told: bool,
    /// Whether the client has not sent all of the content when the exchange ended.
    unasked: bool,
}

/// Has a server answer.
pub(super) async fn run(
    responder: &mut Responder<'_>,
    relay: &Relay,
    order: &Order<'_>,
    (seat, links): (Seat, Links),
) -> Result<Sent, Trouble> {
    let mut course = Course::default();
    let begun = responder.stream.shard.clock.now();
    let done = go(responder, relay, order, (seat, links), &mut course).await;
    responder.relay.reading.records.tell_errors(&relay.group.name);
    let Course { linked, headed, status, used, heard, told, unasked } = course;
    let failed = |failure: &Failure| failure.is_of_server().then(|| failure.status().code());
    responder.relay.tries.push(Try {
        seat,
        begun,
        linked,
        headed,
        ended: responder.stream.shard.clock.now(),
        status: status.or_else(|| done.as_ref().err().and_then(failed)),
        content: done.as_ref().map_or(0, |sent| sent.content),
    });
    done.map_err(|failure| {
        if !told {
            // What was made of an answer that is none.
            responder.out.clear();
        }
        Trouble { failure, told, whole: responder.body.is_whole(), stale: used && !heard, unasked }
    })
}

async fn go(
    responder: &mut Responder<'_>,
    relay: &Relay,
    order: &Order<'_>,
    (seat, links): (Seat, Links),
    course: &mut Course,
) -> Result<Sent, Failure> {
    // Earlier answers do not wait for this one.
    responder.stream.send(responder.out).await.map_err(Failure::Client)?;
    let way = link(responder, relay, order, (seat, links)).await?;
    course.used = way.is_used();
    course.linked = Some(way.client.shard.clock.now());
    responder.stream.shard.count(Counter::UpstreamRequests);

    let teller = Teller::of(responder, order);
    let exchange = relay.changes.depend_on_request().then(|| responder.exchange()).flatten();
    let id = responder.id;
    let user = responder.user;
    let Responder { body, relay: Work { out: to_server, lines, reading, .. }, out, .. } = responder;
    to_server.clear();
    lines.clear();
    if !way.is_used() && !way.server.is_sealed() {
        order.introduce(relay, way.client, to_server);
    }
    reading.begin(relay.group.protocol);
    if let Some(server) = way.client.shard.balancers.borrow().server(seat) {
        if let Some(exchange) = &exchange {
            let mut digits = [0; RequestId::DIGITS];
            let facts = Knowledge { request_id: id.text(&mut digits), user, upstream: Some(&server.name) };
            relay.changes.compose(exchange, facts, lines);
        }
        reading.server.push_str(&server.name);
        order.write(relay, (server, lines), to_server);
    }
    let security = way.client.port.security.get();
    let asks = (&*relay.group, &order.request);
    way.client.shard.balancers.borrow().stick(seat, asks, security, &mut reading.cookie);
    body.rewind();
    let gathered = upload::gather(order.parcel(relay), body, to_server).map_err(Failure::Body)?;
    if gathered == Gathered::Part && body.take_continue() {
        out.extend_from_slice(CONTINUE);
        way.client.shard.count(Counter::Responses1xx);
        way.client.send(out).await.map_err(Failure::Client)?;
    }
    let mut answering = Answering { way: &way, course, teller: &teller, reading, out };
    let answered = if gathered == Gathered::All {
        way.send(to_server).await?;
        way.has_asked();
        answering.pass_on().await?
    } else {
        let upload = upload::send(&way, (order.parcel(relay), body), gathered, to_server);
        let answered = both(&way, upload, answering.pass_on()).await;
        course.unasked = !way.is_asked();
        answered?
    };
    let Answered { mut sent, head, closes, keeps, goes_on, uncoded, replacement } = answered;
    if goes_on == GoesOn::Tunnel {
        way.client.shard.count(Counter::UpstreamTunnels);
        sent.content = tunnel::run(&way, to_server, reading.rest(), out).await;
    }
    let whole = keeps && way.is_asked() && reading.is_empty();
    (responder.head_at, responder.head_sent) = head;
    responder.close_wanted |= closes;
    responder.uncoded = uncoded;
    if whole {
        way.keep(sent.content, relay.group.keep_alive as usize);
    }
    Ok(match replacement {
        Some(replacement) => replacement.send(responder),
        None => sent,
    })
}

/// A link to a server that takes requests.
async fn link<'x>(
    responder: &Responder<'x>,
    relay: &Relay,
    order: &Order<'_>,
    (seat, links): (Seat, Links),
) -> Result<Way<'x>, Failure> {
    let client = responder.stream;
    let shard = &client.shard;
    let key = client.port.key.get();
    // One that is spare has not begun as a group wants it that has another configuration now.
    let spares = relay.group.preamble == Preamble::None;
    if spares && links == Links::Sure {
        shard.drop_left_links(seat);
    }
    if spares
        && links != Links::New
        && let Some(link) = shard.spare_link(seat, key)
    {
        return Ok(Way::new(client, link));
    }
    let way = Way::new(client, begin(responder, relay, seat).ok_or(Failure::Refused)?);
    way.connected().await?;
    if let Some(toward) = responder.served.outward(relay.group.id) {
        let server = shard.balancers.borrow().server(seat).map(Arc::clone).ok_or(Failure::Refused)?;
        let name = toward.name.as_deref().unwrap_or_else(|| server.host());
        // What introduces the client stands before TLS, for whoever ends that.
        let mut hello = shard.buffer();
        order.introduce(relay, client, &mut hello);
        way.secure(&toward.outward, name, hello).await?;
    }
    Ok(way)
}

fn begin(responder: &Responder<'_>, relay: &Relay, seat: Seat) -> Option<Rc<Link>> {
    let client = responder.stream;
    let shard = &client.shard;
    let times = &relay.group.timeouts;
    let patience =
        Patience { connect: times.connect, request: times.send, response: times.response, spare: times.idle };
    let balancers = shard.balancers.borrow();
    let server = balancers.server(seat)?;
    let link =
        shard.link_to(&server.address, (seat, patience), responder.served.number(), client.port.key.get());
    link.inspect_err(|error| way::tell_unreached(shard, seat, error)).ok()
}

/// Sends and receives at the same time, until the answer is whole. Once the server takes no more, only what it has to
/// say counts.
async fn both(
    way: &Way<'_>,
    upload: impl Future<Output = Result<(), Failure>>,
    answer: impl Future<Output = Result<Answered, Failure>>,
) -> Result<Answered, Failure> {
    let (mut upload, mut answer) = (pin!(upload), pin!(answer));
    let mut sends = true;
    poll_fn(|context| {
        if sends && let Poll::Ready(sent) = upload.as_mut().poll(context) {
            sends = false;
            match sent {
                Ok(()) => way.has_asked(),
                Err(failure @ (Failure::Client(_) | Failure::Body(_) | Failure::Late)) => {
                    return Poll::Ready(Err(failure));
                }
                Err(_) => {}
            }
        }
        answer.as_mut().poll(context)
    })
    .await
}
