//! One request and its response.

use std::cell::OnceCell;

use perf::Counter;
use proto_http::path::{self, BadPath};
use proto_http::{Request, Status};
use site::Action;

use super::Refusal;
use super::arrived::{Arrived, Detour, Ends, Means, Visit};
use super::work::{Behind, Work};
use crate::content::{self, Onward};
use crate::entering::{Entrance, Lead};
use crate::finding::{Decision, Finder, NOBODY_ASKED, Origin};
use crate::finish;
use crate::request_body::RequestBody;
use crate::request_ids;
use crate::served::Served;
use crate::shaping::Come;
use crate::stream::{Gone, Stream};

/// Answers a request, and whether another may follow on the connection. `served` comes with the index of the address that
/// the request came in by.
pub(super) async fn exchange(
    stream: &Stream,
    (served, address): (&Served, usize),
    work: &mut Work,
    head: Result<usize, Refusal>,
) -> Result<bool, Gone> {
    let shard = &stream.shard;
    let left = |gone| finish::gone(shard, gone);
    let begun = shard.clock.now();
    shard.count(Counter::RequestsBegun);
    stream.port.ban.set(None);
    stream.port.kept.borrow_mut().clear();
    let behind = work.begin(shard, head);
    if behind == Behind::Apart {
        // Reading it may take long: earlier answers must not wait for it.
        stream.send(&mut work.out).await.map_err(left)?;
    }
    let request = head.map(|_| work.head.view(&work.input[work.start..]));
    let mut body = RequestBody::new(stream, served.limits.body, request.as_ref().ok(), &mut work.after_head);
    let asked = asked(request, &mut work.path);
    let request = request.ok();
    let peer = stream.port.peer.get().address;
    let client = request.as_ref().map_or(peer, |request| served.clients.find(peer, request));
    let (security, holder) = shard.security(&stream.port, (served, address));
    let origin = Origin { client, security, holder: holder.as_deref() };
    let own_id = shard.ids.next();
    let id = request_ids::known_by(own_id, served, peer, request.as_ref());
    let ahead = work.input.get(work.start + head.unwrap_or_default()..).unwrap_or_default();
    let finder = Finder { stream, served, address, origin };
    let arrived = Arrived { finder, begun, head, request, asked, peer, own_id, id, ahead };
    let finder = &arrived.finder;

    let (mut decision, mut walk) = match arrived.sought() {
        Ok((request, asked)) => finder.find(&request, asked, &mut work.trail).await,
        Err(action) => (Decision::nowhere(action), None),
    };
    let come = Come { own: head.unwrap_or_default() + body.begun(), behind: ahead.len() };
    let mut entrance = Entrance::new(stream, served, head.map(|_| ()), (client, come));
    let mut close_wanted = close_wanted(stream, served);
    let mut asking = arrived.asked.ok();
    let mut detour = Detour::default();
    let (place, sent, ends) = loop {
        loop {
            let lead = entrance.enter(finder, &mut decision, asking.as_ref(), &mut work.out).await;
            let (Some(lead), Some((request, asked))) = (lead.map_err(left)?, &asking) else { break };
            (decision, walk) = match (lead, walk.take()) {
                (Lead::Tried, Some(from)) => finder.follow(request, from, asked, &mut work.trail).await,
                (Lead::Tried, None) => break,
                (Lead::Index(path), from) => {
                    finder.follow_index((request, asked), from, &path, &mut work.trail).await
                }
            };
        }
        let Decision { path, raw_path, query, place, mut action, .. } = decision;
        if let Some(place) = place {
            body.set_limit(place.location.body_size);
        }
        if detour.onward.is_some() {
            action = Onward::permit(action);
        } else if let Err(answer) = body.make_way_for(&action).await.map_err(left)? {
            action = Action::Respond(answer);
        }
        let place = finder.shown(place);
        let request = if detour.onward.is_some() { asking.map(|(request, _)| request) } else { request };
        let visit = Visit { request, path, raw_path, query, place, user: entrance.user.as_deref() };
        let named_path = OnceCell::new();
        let (out, relay) = (&mut work.out, &mut work.relay);
        let means = Means { out, relay, named_path: &named_path, body, close_wanted };
        let mut responder = arrived.responder(visit, &mut detour, means);
        let sent = content::send(&mut responder, action).await;
        let next = responder.onward.take().filter(|_| sent.is_ok());
        let (Some(next), Some((request, _))) = (next, asking) else {
            break (place, sent, Ends::of(&responder));
        };
        let rest = responder.body.left();
        close_wanted = responder.close_wanted;
        drop(responder);
        body = RequestBody::after(&rest, stream, &mut work.after_head);
        let request = request.to_get();
        asking = Some((request, NOBODY_ASKED));
        let onward = detour.begin(place, next);
        (decision, walk) = finder.follow_named(&request, onward, &mut work.trail).await;
    };
    arrived.record((place, &entrance), (&sent, &ends), work.relay.tries());
    drop(entrance);
    sent?;
    work.go_on(behind);
    Ok(ends.persists)
}

/// A request with the path that it asks for, which lies in `room`; or the status to answer with, if there is none.
fn asked<'x>(
    request: Result<Request<'x>, Refusal>,
    room: &'x mut Vec<u8>,
) -> Result<(Request<'x>, &'x [u8]), Status> {
    let request = request.map_err(Refusal::status)?;
    // `OPTIONS *` is about the server, not about a place in it (RFC 9110 section 9.3.7).
    let raw = if request.is_options_star() { b"/" } else { request.path() };
    let path = path::normalize_keeping(raw, room).map_err(BadPath::status)?;
    Ok((request, path))
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
