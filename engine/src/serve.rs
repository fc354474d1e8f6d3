//! The way of a request, from the first byte of its head to the decision whether another may follow.
//!
//! ```text
//! read head -> locate host and location -> phases -> enter (-> login or try -> enter) -> action -> send -> finish -> next?
//! ```
//!
//! The lane polls this future directly. In the usual case it runs through without waiting once.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use perf::Counter;
use proto_http::{BadRequest, Body, Head, HeadParser, Progress, Status, path};
use site::{Action, Answer, Fields, Trail, file_for};

use crate::connection::Wait;
use crate::content::{self, Led, Onward, Responder};
use crate::entering::Entrance;
use crate::finding::{Decision, Finder, NOBODY_ASKED, Origin, refuse};
use crate::finish::{self, Finished};
use crate::kept::NOTHING;
use crate::limits::{INPUT_CAPACITY, OUTPUT_MAX, REQUESTS_PER_TURN};
use crate::port::Port;
use crate::request_body::RequestBody;
use crate::request_ids;
use crate::served::Served;
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
    stream.port.ban.set(None);
    stream.port.kept.borrow_mut().clear();
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
    let finder = Finder { stream, served, address, origin };
    let asked = request.map(|request| {
        // `OPTIONS *` is about the server, not about a place in it (RFC 9110 section 9.3.7).
        let raw = if request.is_options_star() { b"/" } else { request.path() };
        (request, path::normalize_keeping(raw, &mut work.path))
    });
    let (mut decision, mut walk) = match asked {
        // Who is banned and connects has been closed. The connection of a proxy is that of others, too.
        Some(_) if client != peer && shard.has_banned(client) => {
            shard.count(Counter::RequestsRefusedBan);
            stream.port.ban.set(shard.ban_of(client));
            (Decision::nowhere(Action::Respond(Answer::with(Status::FORBIDDEN))), None)
        }
        Some((request, Ok(asked))) => finder.find(&request, asked, &mut work.trail).await,
        Some((_, Err(bad))) => (Decision::refuse(bad.status()), None),
        None => (Decision::refuse(head.map_or_else(Refusal::status, |_| Status::BAD_REQUEST)), None),
    };
    let left = |gone| finish::gone(shard, gone);
    let outcome = head.as_ref().map(|_| ()).map_err(|refusal| *refusal);
    let mut entrance = Entrance::new(stream, served, outcome, (client, body.begun()));
    let own_id = shard.ids.next();
    let id = request_ids::known_by(own_id, served, peer, request.as_ref());
    let mut close_wanted = close_wanted(stream, served);
    let mut asking = asked.and_then(|(request, asked)| Some((request, asked.ok()?)));
    let path_asked = asking.map_or(&b""[..], |(_, asked)| asked);
    let mut asked_fields: Option<Arc<Fields>> = None;
    let mut onward: Option<Onward> = None;
    let (place, sent, ends) = loop {
        loop {
            // What has no place of its own gets the pages, the fields and the log of the default host.
            let shown = decision.place.or_else(|| served.fallback(address));
            let places = (decision.place, shown);
            let refused = entrance.pass(places, &decision.action, &mut work.out).await.map_err(left)?;
            if let Some(refused) = refused {
                decision.action = refused;
            }
            let Some((request, asked)) = &asking else { break };
            match decision.action {
                Action::NeedLogin(gate) => {
                    let login = entrance.log_in(gate, (&decision, origin, request), &mut work.out);
                    decision.action = login.await.map_err(left)?;
                }
                Action::Try(_) => {
                    let Some(from) = walk.take() else { break };
                    (decision, walk) = finder.follow(request, from, asked, &mut work.trail).await;
                }
                Action::File(files) if decision.may_lead_on() => {
                    match finder.index_elsewhere(&decision, files).await {
                        Some(index) => {
                            let (asking, from) = ((request, *asked), walk.take());
                            (decision, walk) =
                                finder.follow_index(asking, from, &index, &mut work.trail).await;
                        }
                        None => {
                            decision.action = file_for(files, request.method());
                            break;
                        }
                    }
                }
                _ => break,
            }
        }
        let place = decision.place.or_else(|| served.fallback(address));
        let Decision { path, raw_path, query, place: own, mut action, .. } = decision;
        if let Some(place) = own {
            body.set_limit(place.location.body_size);
        }
        if onward.is_some() {
            action = Onward::permit(action);
        } else if let Err(status) = body.make_way_for(&action).await? {
            action = refuse(status);
        }
        let fields: &Fields = place.map_or(&NO_RULES, |place| &place.location.fields);

        let named_path = OnceCell::new();
        let mut responder = Responder {
            stream,
            served,
            request: if onward.is_some() { asking.map(|(request, _)| request) } else { request },
            path,
            raw_path,
            query,
            place,
            instead: None,
            named_path: &named_path,
            onward: None,
            led: if onward.is_some() { Led::ByUpstream } else { Led::ByClient },
            media_type: onward.as_mut().and_then(|onward| onward.media_type.take()),
            stands_for: None,
            lines: onward.as_mut().map(|onward| std::mem::take(&mut onward.lines)).unwrap_or_default(),
            compression: place.and_then(|place| place.location.compression.as_deref()),
            fields,
            asked_fields: asked_fields.as_deref().unwrap_or(fields),
            wanted: place.map_or(&NOTHING, |place| served.wanted(place.location.id)),
            asked: path_asked,
            id,
            user: entrance.user.as_deref(),
            holder: holder.as_deref(),
            shown_id: place.filter(|place| place.location.request_id).map(|_| id),
            client,
            ahead: work.input.get(work.start + head_len..).unwrap_or_default(),
            out: &mut work.out,
            relay: &mut work.relay,
            body,
            close_wanted,
            head_at: 0,
            head_status: Status::OK,
            head_sent: 0,
            uncoded: None,
        };
        let sent = content::send(&mut responder, action).await;
        if let (Some((request, _)), Some(next)) = (asking, responder.onward.take())
            && sent.is_ok()
        {
            let rest = responder.body.left();
            close_wanted = responder.close_wanted;
            drop(responder);
            asked_fields = place.map(|place| Arc::clone(&place.location.fields));
            body = RequestBody::after(&rest, stream, &mut work.after_head);
            let request = request.to_get();
            asking = Some((request, NOBODY_ASKED));
            (decision, walk) = finder.follow_named(&request, &next, &mut work.trail).await;
            onward = Some(next);
            continue;
        }
        let persists = responder.persists();
        let ends = Ends {
            persists,
            uncoded: responder.uncoded,
            received: head_len as u64 + responder.body.received(),
            head_sent: responder.head_sent,
        };
        break (place, sent, ends);
    };
    finish::record(&Finished {
        stream,
        served,
        client,
        request,
        path: path_asked,
        refusal: head.err(),
        place,
        room: entrance.room,
        own_id,
        id,
        user: entrance.user.as_deref(),
        begun,
        received: ends.received,
        tries: work.relay.tries(),
        head_sent: ends.head_sent,
        sent: &sent,
        uncoded: ends.uncoded,
        persists: ends.persists,
    });

    drop(entrance);
    sent?;
    if has_body {
        work.input.clear();
        work.start = 0;
        std::mem::swap(&mut work.input, &mut work.after_head);
    } else {
        work.start += head_len;
    }
    Ok(ends.persists)
}

/// What is left of a response that was sent, for whoever counts and logs.
struct Ends {
    persists: bool,
    uncoded: Option<u64>,
    received: u64,
    head_sent: u64,
}

/// What holds where nobody is in charge.
static NO_RULES: Fields = Fields::none();

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
