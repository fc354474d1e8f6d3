//! A request as it has arrived, before there is a place for it, and what is said of it wherever it leads.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use logging::RequestId;
use perf::Counter;
use proto_http::{Request, Status};
use site::{Action, Answer, Fields, Place};

use super::Refusal;
use crate::content::relay::{self, Try};
use crate::content::{Led, Onward, Responder, Sent};
use crate::entering::Entrance;
use crate::finding::{Finder, refuse};
use crate::finish::{self, Finished};
use crate::kept::NOTHING;
use crate::request_body::RequestBody;
use crate::stream::Gone;

/// What is known of a request before a place is looked for, and stays as it is.
pub(super) struct Arrived<'x> {
    /// Looks for places from where it has come in.
    pub(super) finder: Finder<'x>,
    /// Monotonic nanoseconds.
    pub(super) begun: u64,
    /// Bytes of its head, or why that could not be read.
    pub(super) head: Result<usize, Refusal>,
    /// `None` when the head could not be read.
    pub(super) request: Option<Request<'x>>,
    /// It and the path that it asks for, normalised; or what is answered because one of them could not be read.
    pub(super) asked: Result<(Request<'x>, &'x [u8]), Status>,
    /// The other end of the connection; `None` at a Unix socket.
    pub(super) peer: Option<IpAddr>,
    /// The id that the server has made.
    pub(super) own_id: u128,
    /// The id that the request goes by.
    pub(super) id: RequestId<'x>,
    /// The bytes behind its head, if it has no body: the beginning of the next request.
    pub(super) ahead: &'x [u8],
}

/// How a request has come to be where it is answered.
#[derive(Clone, Copy)]
pub(super) struct Visit<'x> {
    /// As it is carried out there.
    pub(super) request: Option<Request<'x>>,
    pub(super) path: &'x [u8],
    pub(super) raw_path: &'x [u8],
    pub(super) query: Option<&'x [u8]>,
    /// Where it belongs, or what stands for that.
    pub(super) place: Option<Place<'x>>,
    /// Who has logged in.
    pub(super) user: Option<&'x str>,
}

/// What a request goes on with once an upstream has named a path of the host in place of its answer.
#[derive(Default)]
pub(super) struct Detour {
    /// What the upstream has named.
    pub(super) onward: Option<Onward>,
    /// The rules about fields of the place that was asked for.
    pub(super) fields: Option<Arc<Fields>>,
}

/// What an answer is made with.
pub(super) struct Means<'x> {
    pub(super) out: &'x mut Vec<u8>,
    pub(super) relay: &'x mut relay::Work,
    pub(super) named_path: &'x OnceCell<Vec<u8>>,
    pub(super) body: RequestBody<'x>,
    /// Whether the server wants it to be the last on its connection.
    pub(super) close_wanted: bool,
}

/// What is left of a response that was sent, for whoever counts and logs.
pub(super) struct Ends {
    pub(super) persists: bool,
    uncoded: Option<u64>,
    /// Bytes of the body, framing included.
    received: u64,
    head_sent: u64,
}

/// What holds where nobody is in charge.
static NO_RULES: Fields = Fields::none();

impl<'x> Arrived<'x> {
    /// What a place is to be found for, or what is done without a look.
    pub(super) fn sought(&self) -> Result<(Request<'x>, &'x [u8]), Action<'static>> {
        let Finder { stream, origin, .. } = &self.finder;
        let shard = &stream.shard;
        // Who is banned and connects has been closed. The connection of a proxy is that of others, too.
        if self.request.is_some() && origin.client != self.peer && shard.has_banned(origin.client) {
            shard.count(Counter::RequestsRefusedBan);
            stream.port.ban.set(shard.ban_of(origin.client));
            return Err(Action::Respond(Answer::with(Status::FORBIDDEN)));
        }
        self.asked.map_err(refuse)
    }

    /// The path that it asks for; empty when it could not be read.
    fn path(&self) -> &'x [u8] {
        self.asked.map_or(b"", |(_, path)| path)
    }

    /// What answers it at the place that it has come to.
    pub(super) fn responder<'v>(
        &'v self,
        visit: Visit<'v>,
        detour: &'v mut Detour,
        means: Means<'v>,
    ) -> Responder<'v> {
        let Finder { stream, served, origin, .. } = &self.finder;
        let place = visit.place;
        let fields: &Fields = place.map_or(&NO_RULES, |place| &place.location.fields);
        let (led, media_type, lines) = match &mut detour.onward {
            Some(onward) => (Led::ByUpstream, onward.media_type.take(), std::mem::take(&mut onward.lines)),
            None => (Led::ByClient, None, Vec::new()),
        };
        Responder {
            stream,
            served,
            request: visit.request,
            path: visit.path,
            raw_path: visit.raw_path,
            query: visit.query,
            place,
            instead: None,
            named_path: means.named_path,
            onward: None,
            led,
            media_type,
            stands_for: None,
            lines,
            compression: place.and_then(|place| place.location.compression.as_deref()),
            fields,
            asked_fields: detour.fields.as_deref().unwrap_or(fields),
            wanted: place.map_or(&NOTHING, |place| served.wanted(place.location.id)),
            asked: self.path(),
            id: self.id,
            shown_id: place.filter(|place| place.location.request_id).map(|_| self.id),
            user: visit.user,
            holder: origin.holder,
            client: origin.client,
            ahead: self.ahead,
            out: means.out,
            relay: means.relay,
            body: means.body,
            close_wanted: means.close_wanted,
            head_at: 0,
            head_status: Status::OK,
            head_sent: 0,
            uncoded: None,
        }
    }

    /// Has it counted and logged, with what became of it.
    pub(super) fn record(
        &self,
        (place, entrance): (Option<Place<'_>>, &Entrance<'_>),
        (sent, ends): (&Result<Sent, Gone>, &Ends),
        tries: &[Try],
    ) {
        let Finder { stream, served, origin, .. } = &self.finder;
        finish::record(&Finished {
            stream,
            served,
            client: origin.client,
            request: self.request,
            path: self.path(),
            refusal: self.head.err(),
            place,
            room: entrance.room,
            own_id: self.own_id,
            id: self.id,
            user: entrance.user.as_deref(),
            begun: self.begun,
            received: self.head.unwrap_or_default() as u64 + ends.received,
            tries,
            head_sent: ends.head_sent,
            sent,
            uncoded: ends.uncoded,
            persists: ends.persists,
        });
    }
}

impl Detour {
    /// From a place to what its upstream has named.
    pub(super) fn begin(&mut self, place: Option<Place<'_>>, onward: Onward) -> &Onward {
        self.fields = place.map(|place| Arc::clone(&place.location.fields));
        self.onward.insert(onward)
    }
}

impl Ends {
    pub(super) fn of(responder: &Responder<'_>) -> Ends {
        Ends {
            persists: responder.persists(),
            uncoded: responder.uncoded,
            received: responder.body.received(),
            head_sent: responder.head_sent,
        }
    }
}
