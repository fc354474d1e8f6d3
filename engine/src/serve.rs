//! The way of a request, from the first byte of its head to the decision whether another may follow.
//!
//! ```text
//! read head -> locate host and location -> phases (-> login -> phases) -> action -> send -> finish -> next?
//! ```
//!
//! The lane polls this future directly. In the usual case it runs through without waiting once.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;

use auth::access::Holder;
use perf::Counter;
use proto_http::{BadRequest, Body, Head, HeadParser, Progress, Request, Status, path};
use site::{
    Action, Answer, Arrival, Exchange, Fields, Inquiry, LOOKUPS_MAX, Place, Security, Site, Trail, Walk,
    decide, decide_admitted,
};

use crate::connection::Wait;
use crate::content::{self, Responder};
use crate::finish::{self, Finished};
use crate::holding::{self, Room};
use crate::limits::{INPUT_CAPACITY, OUTPUT_MAX, REQUESTS_PER_TURN};
use crate::logins::{self, Admission};
use crate::port::Port;
use crate::request_body::RequestBody;
use crate::request_ids;
use crate::served::Served;
use crate::shaping::{Candidate, Moment};
use crate::shard::Shard;
use crate::stream::{Gone, Stream};

/// How the future leaves its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Between requests; nothing of a next one has come.
    Idle,
    /// After a last response.
    Close,
    /// In the middle of something: the client must see that it is not whole.
    Abort,
}

/// Buffers that serving needs; they go from connection to connection.
#[derive(Default)]
pub(crate) struct Work {
    /// Received; `input[start..]` begins with the head that is being read or served.
    input: Vec<u8>,
    start: usize,
    /// What has come after the head of a request with a body.
    after_head: Vec<u8>,
    parser: HeadParser,
    head: Head,
    /// Decoded path.
    path: Vec<u8>,
    /// Where rules have led.
    trail: Trail,
    /// Responses not yet handed over.
    out: Vec<u8>,
    relay: content::relay::Work,
}

/// Buffers beyond this are not kept between connections.
const KEPT_BYTES_MAX: usize = 32 * 1024;

impl Work {
    /// Lets go of what a rare large request has left.
    pub(crate) fn slim(&mut self) {
        for buffer in [&mut self.input, &mut self.after_head, &mut self.path, &mut self.out] {
            buffer.clear();
            if KEPT_BYTES_MAX < buffer.capacity() {
                buffer.shrink_to(INPUT_CAPACITY);
            }
        }
        self.trail.slim();
        self.start = 0;
        self.relay.slim();
    }
}

/// Serves a connection until it is idle or ends.
pub(crate) async fn serve(shard: Rc<Shard>, port: Rc<Port>, mut work: Box<Work>) -> (End, Box<Work>) {
    let stream = Stream { shard, port };
    let end = requests(&stream, &mut work).await;
    work.slim();
    (end, work)
}

async fn requests(stream: &Stream, work: &mut Work) -> End {
    let mut served_in_turn = 0;
    loop {
        // A request keeps to the end what was served when its head was looked for.
        let (served, address) = stream.shard.serving(stream.port.listener.get());
        let head = match read_head(stream, &served.limits.head, work).await {
            Ok(Next::Nothing) => return End::Idle,
            Ok(Next::Head(len)) => Ok(len),
            Ok(Next::Refused(refusal)) => Err(refusal),
            Err(Gone::Ended) => return End::Close,
            Err(Gone::Expired(_) | Gone::Broken) => return End::Abort,
        };
        let Ok(persists) = exchange(stream, (&served, address), work, head).await else { return End::Abort };
        if !persists {
            return if stream.send(&mut work.out).await.is_ok() { End::Close } else { End::Abort };
        }
        served_in_turn += 1;
        let enough = OUTPUT_MAX <= work.out.len() || served_in_turn == REQUESTS_PER_TURN;
        if enough && stream.send(&mut work.out).await.is_err() {
            return End::Abort;
        }
        if served_in_turn == REQUESTS_PER_TURN {
            served_in_turn = 0;
            stream.turn().await;
        }
    }
}

/// What has been read.
enum Next {
    /// A head of this many bytes.
    Head(usize),
    /// Something that cannot be served.
    Refused(Refusal),
    /// Not a byte.
    Nothing,
}

/// Why a request is answered without a look at the site.
#[derive(Clone, Copy)]
pub(crate) enum Refusal {
    /// It is broken, or too large.
    Bad(BadRequest),
    /// It did not come to its end in time.
    Late,
}

impl Refusal {
    fn status(self) -> Status {
        match self {
            Refusal::Bad(bad) => bad.status(),
            Refusal::Late => Status::REQUEST_TIMEOUT,
        }
    }
}

async fn read_head(stream: &Stream, limits: &proto_http::Limits, work: &mut Work) -> Result<Next, Gone> {
    work.parser.reset();
    let mut waited = false;
    loop {
        let message = &work.input[work.start..];
        if !message.is_empty() {
            match work.parser.parse(message, limits, &mut work.head) {
                Ok(Progress::Done { len }) => return Ok(Next::Head(len)),
                Ok(Progress::NeedMore) => {}
                Err(bad) => return Ok(Next::Refused(Refusal::Bad(bad))),
            }
        }
        work.input.drain(..work.start);
        work.start = 0;
        if stream.take_received(&mut work.input) {
            continue;
        }
        // Nothing more to answer now: what is answered goes out in one piece.
        stream.send(&mut work.out).await?;
        if work.input.is_empty() {
            return Ok(Next::Nothing);
        }
        if !std::mem::replace(&mut waited, true) {
            stream.watch(Wait::Header);
        }
        match stream.receive(&mut work.input).await {
            Ok(()) => {}
            Err(Gone::Expired(Wait::Header)) => {
                stream.port.expired.set(None);
                return Ok(Next::Refused(Refusal::Late));
            }
            Err(gone) => return Err(gone),
        }
    }
}

/// One request and its response; answers whether another may follow on the connection. `served` comes with the index
/// of the address that the request came in by.
async fn exchange(
    stream: &Stream,
    (served, address): (&Served, usize),
    work: &mut Work,
    head: Result<usize, Refusal>,
) -> Result<bool, Gone> {
    let shard = &stream.shard;
    let begun = shard.clock.now();
    if work.out.capacity() == 0 {
        work.out = shard.buffer();
    }
    shard.count(Counter::RequestsBegun);
    work.relay.begin();
    let head_len = head.unwrap_or_default();

    // A body is read while the head is still needed: its bytes move out of the way.
    let has_body = head.is_ok() && work.head.view(&work.input[work.start..]).body() != Body::None;
    if has_body {
        let head_end = work.start + head_len;
        work.after_head.clear();
        work.after_head.extend_from_slice(&work.input[head_end..]);
        work.input.truncate(head_end);
        // Reading it may take long: earlier answers must not wait for it.
        stream.send(&mut work.out).await?;
    }
    let request = head.ok().map(|_| work.head.view(&work.input[work.start..]));
    let mut body = RequestBody::new(stream, served.limits.body, request.as_ref(), &mut work.after_head);
    let peer = stream.port.peer.get().address;
    let client = request.as_ref().map_or(peer, |request| served.clients.find(peer, request));
    let (security, holder) = shard.security(&stream.port, (served, address));
    let origin = Origin { client, security, holder: holder.as_deref() };
    let Decision { asked, path, raw_path, query, place, mut action } = match (&request, head) {
        // Who is banned and connects has been closed. The connection of a proxy is that of others, too.
        (Some(_), _) if client != peer && shard.has_banned(client) => {
            shard.count(Counter::RequestsRefusedBan);
            Decision::nowhere(Action::Respond(Answer::with(Status::FORBIDDEN)))
        }
        (Some(request), _) => {
            let finder = Finder { shard, site: served, address, origin };
            finder.find(request, &mut work.path, &mut work.trail)
        }
        (None, refused) => Decision::refuse(refused.map_or_else(Refusal::status, |_| Status::BAD_REQUEST)),
    };
    // What has no place of its own gets the pages, the fields and the log of the default host.
    let shown = place.or_else(|| served.fallback(address));
    let holding = shown.map_or(&[][..], |place| served.holding(place.location.id));
    let left = |gone| finish::gone(shard, gone);
    let room = match holding {
        [] => Room::There,
        sinks => stream.room_in(sinks, &mut work.out).await.map_err(left)?,
    };
    if room == Room::None {
        action = holding::refuse(&head);
    }
    let mut user = None;
    let shaped = shard.shaped(place);
    let mut running = None;
    let arrival = Candidate { place, client, user: None, body_begun: body.begun() };
    if head.is_ok() && shaped == Some(Moment::Early) {
        match stream.admit_shaped(arrival, &mut work.out).await.map_err(left)? {
            Ok(counted) => running = Some(counted),
            Err(refused) => action = refused,
        }
    }
    if let (Action::NeedLogin(gate), Some(place), Some(request)) = (&action, place, &request) {
        let gate = *gate;
        (action, user) =
            match logins::admit(stream, gate, (client, request), &mut work.out).await.map_err(left)? {
                Admission::Granted(user) => {
                    let target = Target { asked, path, raw_path, query };
                    (decide_admitted(&seen(origin, request, target, place)), Some(user))
                }
                Admission::Refused(answer, user) => (Action::Respond(answer), user),
                Admission::Challenged => {
                    let challenge = Some(gate.challenge.as_str());
                    (Action::Respond(Answer { challenge, ..Answer::with(Status::UNAUTHORIZED) }), None)
                }
            };
    }
    if head.is_ok() && shaped == Some(Moment::Late) {
        let arrival = Candidate { user: user.as_deref(), ..arrival };
        match stream.admit_shaped(arrival, &mut work.out).await.map_err(left)? {
            Ok(counted) => running = Some(counted),
            Err(refused) => action = refused,
        }
    }
    if let Some(place) = place {
        body.set_limit(place.location.body_size);
    }
    let place = shown;
    let own_id = shard.ids.next();
    let id = request_ids::known_by(own_id, served, peer, request.as_ref());
    if let Err(status) = body.make_way_for(&action).await? {
        action = refuse(status);
    }

    let named_path = OnceCell::new();
    let mut responder = Responder {
        stream,
        served,
        request,
        path,
        raw_path,
        query,
        place,
        instead: None,
        named_path: &named_path,
        stands_for: None,
        lines: Vec::new(),
        compression: place.and_then(|place| place.location.compression.as_deref()),
        fields: place.map_or(&NO_RULES, |p| &p.location.fields),
        shown_id: place.filter(|place| place.location.request_id).map(|_| id),
        client,
        ahead: work.input.get(work.start + head_len..).unwrap_or_default(),
        out: &mut work.out,
        relay: &mut work.relay,
        body,
        close_wanted: close_wanted(stream, served),
        head_at: 0,
        head_status: Status::OK,
        head_sent: 0,
        uncoded: None,
    };
    let sent = content::send(&mut responder, action).await;
    let persists = responder.persists();
    let uncoded = responder.uncoded;
    let received = head_len as u64 + responder.body.received();
    finish::record(&Finished {
        stream,
        served,
        client,
        request,
        path: asked,
        refusal: head.err(),
        place,
        room,
        own_id,
        id,
        user: user.as_deref(),
        begun,
        received,
        tries: responder.relay.tries(),
        head_sent: responder.head_sent,
        sent: &sent,
        uncoded,
    });

    drop(responder);
    drop(running);
    sent?;
    if has_body {
        work.input.clear();
        work.start = 0;
        std::mem::swap(&mut work.input, &mut work.after_head);
    } else {
        work.start += head_len;
    }
    Ok(persists)
}

/// What holds where nobody is in charge.
static NO_RULES: Fields = Fields::none();

fn refuse(status: Status) -> Action<'static> {
    Action::Respond(Answer { close: true, ..Answer::with(status) })
}

/// Where a request belongs, and what to do for it.
struct Decision<'s> {
    /// The path that the client has asked for; empty when it could not be read.
    asked: &'s [u8],
    path: &'s [u8],
    /// That one in the form of a request line.
    raw_path: &'s [u8],
    query: Option<&'s [u8]>,
    place: Option<Place<'s>>,
    action: Action<'s>,
}

impl<'s> Decision<'s> {
    /// It has not come as far as to a path.
    fn nowhere(action: Action<'s>) -> Decision<'s> {
        Decision { asked: b"", path: b"", raw_path: b"", query: None, place: None, action }
    }

    fn refuse(status: Status) -> Decision<'static> {
        Decision::nowhere(refuse(status))
    }

    fn at(target: Target<'s>, place: Place<'s>, action: Action<'s>) -> Decision<'s> {
        let Target { asked, path, raw_path, query } = target;
        Decision { asked, path, raw_path, query, place: Some(place), action }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy)]
struct Origin<'s> {
    client: Option<IpAddr>,
    security: Security,
    holder: Option<&'s Holder>,
}

/// Where a request leads.
#[derive(Clone, Copy)]
struct Target<'s> {
    /// The path that the client has asked for.
    asked: &'s [u8],
    /// The path that rules have made of it.
    path: &'s [u8],
    /// That one in the form of a request line.
    raw_path: &'s [u8],
    query: Option<&'s [u8]>,
}

/// Finds where requests belong that came in by one address.
struct Finder<'s> {
    shard: &'s Shard,
    site: &'s Site,
    address: usize,
    origin: Origin<'s>,
}

impl<'s> Finder<'s> {
    fn find(self, request: &Request<'s>, scratch: &'s mut Vec<u8>, trail: &'s mut Trail) -> Decision<'s> {
        // `OPTIONS *` is about the server, not about a place in it (RFC 9110 section 9.3.7).
        let raw = if request.is_options_star() { b"/" } else { request.path() };
        let asked = match path::normalize(raw, scratch) {
            Ok(path) => path,
            Err(bad) => return Decision::refuse(bad.status()),
        };
        let target = Target { asked, path: asked, raw_path: request.path(), query: request.query() };
        match self.site.locate(self.address, request, asked) {
            Ok(place) if place.is_ruled() => self.follow(request, target, place, trail),
            Ok(place) => Decision::at(target, place, decide(&seen(self.origin, request, target, place))),
            Err(status) => {
                Decision { asked, path: asked, ..Decision::nowhere(Action::Respond(Answer::with(status))) }
            }
        }
    }

    /// Follows the rules of host and locations.
    fn follow(
        self,
        request: &Request<'s>,
        target: Target<'s>,
        place: Place<'s>,
        trail: &'s mut Trail,
    ) -> Decision<'s> {
        let Origin { client, security, .. } = self.origin;
        let inquiry = Inquiry { request: *request, asked: target.asked, client, security };
        trail.begin(target.asked, target.query);
        let arrival = Walk::new(place.host).go(&inquiry, trail);
        let raw_path = trail.encoded().unwrap_or(target.raw_path);
        let target = Target { path: trail.path(), raw_path, query: trail.query(), ..target };
        match arrival {
            Arrival::Place(place) => {
                Decision::at(target, place, decide(&seen(self.origin, request, target, place)))
            }
            Arrival::Answered(place, action) => Decision::at(target, place, action),
            Arrival::Circle { place, rule } => {
                self.shard.count(Counter::RewriteCircles);
                log::error!(
                    "rules lead in circles: {LOOKUPS_MAX} locations were looked up for one request, the last because of {rule}: \
                     see to it that one of them leaves the way of the others"
                );
                Decision::at(target, place, Action::Respond(Answer::with(Status::INTERNAL_SERVER_ERROR)))
            }
        }
    }
}

/// What phases see of a request.
fn seen<'s>(origin: Origin<'s>, request: &Request<'s>, target: Target<'s>, place: Place<'s>) -> Exchange<'s> {
    let Origin { client, security, holder } = origin;
    let Target { asked, path, query, .. } = target;
    Exchange { request: *request, path, query, asked, place, client, security, holder }
}

/// Whether the server wants this response to be the last on its connection.
fn close_wanted(stream: &Stream, served: &Served) -> bool {
    let count = stream.port.served.get() + 1;
    let limit = served.limits.requests_per_connection;
    let reached = limit.is_some_and(|limit| limit.get() <= count);
    if reached {
        stream.shard.count(Counter::LimitRequestsPerConnection);
    }
    stream.port.served.set(count);
    reached || stream.leaving()
}
