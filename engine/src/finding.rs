//! From a request to the place that it belongs to, and to what is to be done for it.

use std::net::IpAddr;
use std::sync::Arc;

use auth::access::Holder;
use perf::Counter;
use proto_http::{Request, Status};
use site::{
    Action, Answer, Arrival, Exchange, Files, Inquiry, Kind, LOOKUPS_MAX, Place, QUESTIONS_MAX, Security,
    Trail, Walk, decide, decide_untried,
};

use crate::content::Onward;
use crate::file_lookup::{self, Found};
use crate::served::Served;
use crate::stream::Stream;

/// Where a request belongs, and what to do for it.
pub(crate) struct Decision<'s> {
    /// The path that the client has asked for; empty when it could not be read.
    pub(crate) asked: &'s [u8],
    /// The path that rules have made of it.
    pub(crate) path: &'s [u8],
    /// That one in the form of a request line.
    pub(crate) raw_path: &'s [u8],
    pub(crate) query: Option<&'s [u8]>,
    pub(crate) place: Option<Place<'s>>,
    pub(crate) action: Action<'s>,
}

impl<'s> Decision<'s> {
    /// It has not come as far as to a path.
    pub(crate) fn nowhere(action: Action<'s>) -> Decision<'s> {
        Decision { asked: b"", path: b"", raw_path: b"", query: None, place: None, action }
    }

    pub(crate) fn refuse(status: Status) -> Decision<'static> {
        Decision::nowhere(refuse(status))
    }

    /// Whether it has come to a folder whose index may be in the charge of another location.
    pub(crate) fn may_lead_on(&self) -> bool {
        self.place.is_some_and(|place| place.may_lead_from(self.path))
    }

    /// What phases see of a request.
    pub(crate) fn seen(&self, origin: Origin<'s>, request: &Request<'s>, place: Place<'s>) -> Exchange<'s> {
        let Decision { asked, path, query, .. } = *self;
        let Origin { client, security, holder } = origin;
        Exchange { request: *request, path, query, asked, place, client, security, holder }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'s> {
    pub(crate) client: Option<IpAddr>,
    pub(crate) security: Security,
    pub(crate) holder: Option<&'s Holder>,
}

/// The path that a client has asked for, where none has: so it may be of an internal location.
pub(crate) const NOBODY_ASKED: &[u8] = b"";

pub(crate) fn refuse(status: Status) -> Action<'static> {
    Action::Respond(Answer { close: true, ..Answer::with(status) })
}

/// Finds where requests belong that came in by one address.
pub(crate) struct Finder<'s> {
    pub(crate) stream: &'s Stream,
    pub(crate) served: &'s Served,
    pub(crate) address: usize,
    pub(crate) origin: Origin<'s>,
}

impl<'s> Finder<'s> {
    /// What has no place of its own gets the pages, the fields and the log of the default host.
    pub(crate) fn shown(&self, place: Option<Place<'s>>) -> Option<Place<'s>> {
        place.or_else(|| self.served.fallback(self.address))
    }

    /// Where it belongs, and how it has got there if rules have had a say. Waits only where a rule asks for a file that
    /// is not at hand. `asked` is the path that the client has asked for, normalised.
    pub(crate) async fn find<'t>(
        &self,
        request: &Request<'t>,
        asked: &'t [u8],
        trail: &'t mut Trail,
    ) -> (Decision<'t>, Option<Walk<'s>>)
    where
        's: 't,
    {
        let decision = Decision {
            asked,
            path: asked,
            raw_path: request.path(),
            query: request.query(),
            ..Decision::nowhere(Action::Respond(Answer::with(Status::NOT_FOUND)))
        };
        let place = match self.served.locate(self.address, request, asked) {
            Ok(place) => place,
            Err(status) => {
                return (Decision { action: Action::Respond(Answer::with(status)), ..decision }, None);
            }
        };
        if place.is_ruled() {
            trail.begin(asked, decision.query);
            return self.follow(request, Walk::new(place.host), asked, trail).await;
        }
        let action = decide(&decision.seen(self.origin, request, place));
        (Decision { place: Some(place), action, ..decision }, None)
    }

    /// Goes on with a walk: by the rules of host and locations, or by what its place tries.
    pub(crate) async fn follow<'t>(
        &self,
        request: &Request<'t>,
        mut walk: Walk<'s>,
        asked: &'t [u8],
        trail: &'t mut Trail,
    ) -> (Decision<'t>, Option<Walk<'s>>)
    where
        's: 't,
    {
        let Origin { client, security, .. } = self.origin;
        let inquiry = Inquiry { request: *request, asked, client, security };
        let arrival = loop {
            let arrival = walk.go(&inquiry, trail, &mut |_| {});
            let Arrival::Asks(files) = arrival else { break arrival };
            let there = self.is_there(files, trail.asked()).await;
            trail.answer(there);
        };
        let trail: &'t Trail = trail;
        let decision = Decision {
            asked,
            path: trail.path(),
            raw_path: trail.encoded().unwrap_or(request.path()),
            query: trail.query(),
            ..Decision::nowhere(Action::Respond(Answer::with(Status::INTERNAL_SERVER_ERROR)))
        };
        let (place, action) = match arrival {
            Arrival::Place(place) => (place, decide(&decision.seen(self.origin, request, place))),
            Arrival::Untried(place) => (place, decide_untried(&decision.seen(self.origin, request, place))),
            Arrival::Answered(place, action) => (place, action),
            Arrival::Circle { place, rule } => {
                self.stream.shard.count(Counter::RewriteCircles);
                log::error!(
                    "rules lead in circles: one request took more than {LOOKUPS_MAX} locations or {QUESTIONS_MAX} looks at \
                     files, the last because of {rule}: see to it that one of them leaves the way of the others"
                );
                return (Decision { place: Some(place), ..decision }, None);
            }
            Arrival::Asks(_) => unreachable!("a question has been answered above"),
        };
        (Decision { place: Some(place), action, ..decision }, Some(walk))
    }

    /// The path of the index of the folder that a request has come to, if another location is in charge of it.
    pub(crate) async fn index_elsewhere(&self, decision: &Decision<'_>, files: &Files) -> Option<Vec<u8>> {
        let place = decision.place?;
        let Found::File(file) = file_lookup::find(self.stream, self.served, files, decision.path).await
        else {
            return None;
        };
        let path = [decision.path, files.index.get(file.index?)?.as_bytes()].concat();
        place.leads_to(&path).then_some(path)
    }

    /// Begins anew at a path that an upstream has named. Rules of the host have had their say.
    pub(crate) async fn follow_named<'t>(
        &self,
        request: &Request<'t>,
        onward: &Onward,
        trail: &'t mut Trail,
    ) -> (Decision<'t>, Option<Walk<'s>>)
    where
        's: 't,
    {
        let place = match self.served.locate(self.address, request, &onward.path) {
            Ok(place) => place,
            Err(status) => return (Decision::refuse(status), None),
        };
        trail.begin(&onward.path, onward.query.as_deref());
        let mut walk = Walk::new(place.host);
        walk.lead_to(trail, &onward.path, "what an upstream has named");
        self.follow(request, walk, NOBODY_ASKED, trail).await
    }

    /// Goes on at the index of a folder. `walk` is how the request has come to the folder, if rules have had a say.
    pub(crate) async fn follow_index<'t>(
        &self,
        (request, asked): (&Request<'t>, &'t [u8]),
        walk: Option<Walk<'s>>,
        path: &[u8],
        trail: &'t mut Trail,
    ) -> (Decision<'t>, Option<Walk<'s>>)
    where
        's: 't,
    {
        let mut walk = match (walk, self.served.locate(self.address, request, asked)) {
            (Some(walk), _) => walk,
            (None, Ok(place)) => {
                trail.begin(asked, request.query());
                Walk::new(place.host)
            }
            (None, Err(status)) => return (Decision::refuse(status), None),
        };
        walk.lead_to(trail, path, "the index of a folder");
        self.follow(request, walk, asked, trail).await
    }

    async fn is_there(&self, files: &Arc<Files>, (kind, path): (Kind, &[u8])) -> bool {
        let find = |path| file_lookup::find(self.stream, self.served, files, path);
        match (kind, path.strip_suffix(b"/")) {
            (Kind::File, None) => matches!(find(path).await, Found::File(_)),
            (Kind::File, Some(_)) => false,
            // The root of all.
            (Kind::Folder, Some(b"")) => true,
            (Kind::Folder, bare) => matches!(find(bare.unwrap_or(path)).await, Found::Folder),
        }
    }
}
