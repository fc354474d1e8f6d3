//! The one way into a location, however a request has come there: asked for, by rules, because nothing was there that was
//! tried, to the index of a folder, or because an upstream has named it.
//!
//! ```text
//! access rules -> room in its logs -> (login ->) its limits -> what is to be done
//! ```
//!
//! What is tried is found before limits are asked: those hold of the location that the request ends in. Limits on what
//! users use are asked once somebody has logged in, all others before anybody does.

use std::net::IpAddr;

use proto_http::{Request, Status};
use site::{Action, Answer, Gate, Place, decide_admitted, file_for};

use crate::finding::{Decision, Finder, Origin};
use crate::holding::{self, Room};
use crate::logins::{self, Admission};
use crate::serve::Refusal;
use crate::served::Served;
use crate::shaping::{Candidate, Come, Moment, Running};
use crate::stream::{Gone, Stream};

/// A request on its way into locations.
pub(crate) struct Entrance<'s> {
    stream: &'s Stream,
    served: &'s Served,
    head: Result<(), Refusal>,
    client: Option<IpAddr>,
    come: Come,
    /// The location whose logs were asked for room.
    roomed: Option<u32>,
    /// What they had.
    pub(crate) room: Room,
    limits: Limits,
    /// Who has logged in.
    pub(crate) user: Option<String>,
    /// It counts as running until it has left.
    _running: Running<'s>,
}

/// Whose limits were asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limits {
    None,
    /// Those of the location with this id, or those that hold where there is no location.
    Of(Option<u32>),
}

/// Where a request is led on to from a place that it has entered.
pub(crate) enum Lead {
    /// What is tried there.
    Tried,
    /// The index of a folder, at this path, of which another location is in charge.
    Index(Vec<u8>),
}

impl<'s> Entrance<'s> {
    pub(crate) fn new(
        stream: &'s Stream,
        served: &'s Served,
        head: Result<(), Refusal>,
        (client, come): (Option<IpAddr>, Come),
    ) -> Entrance<'s> {
        Entrance {
            stream,
            served,
            head,
            client,
            come,
            roomed: None,
            room: Room::There,
            limits: Limits::None,
            user: None,
            _running: Running(stream),
        }
    }

    /// Has it enter the place that it has come to; answers where it is led on to from there, or else leaves in `decision`
    /// what is to be done. `asking` is the request with the path that the client has asked for, if both could be read.
    pub(crate) async fn enter<'d>(
        &mut self,
        finder: &Finder<'d>,
        decision: &mut Decision<'d>,
        asking: Option<&(Request<'d>, &[u8])>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Lead>, Gone> {
        loop {
            let places = (decision.place, finder.shown(decision.place));
            if let Some(refused) = self.pass(places, &decision.action, out).await? {
                decision.action = refused;
            }
            let Some((request, _)) = asking else { return Ok(None) };
            match decision.action {
                Action::NeedLogin(gate) => {
                    let login = self.log_in(gate, (decision, finder.origin, request), out);
                    decision.action = login.await?;
                }
                Action::Try(_) => return Ok(Some(Lead::Tried)),
                Action::File(files) if decision.may_lead_on() => {
                    let index = finder.index_elsewhere(decision, files).await;
                    if index.is_none() {
                        decision.action = file_for(files, request.method());
                    }
                    return Ok(index.map(Lead::Index));
                }
                _ => return Ok(None),
            }
        }
    }

    /// Asks whatever is to be asked before `action` is carried out at `own`, or at `shown` where it has no place of its own;
    /// answers what is to be done instead, if it is refused. `out` are answers to earlier requests, which do not wait for it.
    async fn pass(
        &mut self,
        (own, shown): (Option<Place<'_>>, Option<Place<'_>>),
        action: &Action<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Action<'static>>, Gone> {
        let mut refused = None;
        if let Some(place) = shown.filter(|place| self.roomed != Some(place.location.id)) {
            self.roomed = Some(place.location.id);
            self.room = match self.served.holding(place.location.id) {
                [] => Room::There,
                sinks => self.stream.room_in(sinks, out).await?,
            };
            if self.room == Room::None {
                refused = Some(holding::refuse(self.head));
            }
        }
        // Where it leads is not known yet.
        if refused.is_none() && matches!(action, Action::Try(_)) {
            return Ok(None);
        }
        let due = match self.stream.shard.shaped(own) {
            Some(Moment::Early) => true,
            Some(Moment::Late) => refused.is_some() || !matches!(action, Action::NeedLogin(_)),
            None => false,
        };
        let limits = Limits::Of(own.map(|place| place.location.id));
        if due && self.head.is_ok() && self.limits != limits {
            self.limits = limits;
            let candidate =
                Candidate { place: own, client: self.client, user: self.user.as_deref(), come: self.come };
            if let Err(action) = self.stream.admit_shaped(candidate, out).await? {
                refused = Some(action);
            }
        }
        Ok(refused)
    }

    /// Has the client log in; answers what is to be done then.
    async fn log_in<'d>(
        &mut self,
        gate: &'d Gate,
        (decision, origin, request): (&Decision<'d>, Origin<'d>, &Request<'d>),
        out: &mut Vec<u8>,
    ) -> Result<Action<'d>, Gone> {
        let Some(place) = decision.place else {
            return Ok(Action::Respond(Answer::with(Status::SERVICE_UNAVAILABLE)));
        };
        Ok(match logins::admit(self.stream, gate, (self.client, request), out).await? {
            Admission::Granted(user) => {
                self.user = Some(user);
                decide_admitted(&decision.seen(origin, request, place))
            }
            Admission::Refused(answer, user) => {
                self.user = user;
                Action::Respond(answer)
            }
            Admission::Challenged => {
                self.user = None;
                let challenge = Some(gate.challenge.as_str());
                Action::Respond(Answer { challenge, ..Answer::with(Status::UNAUTHORIZED) })
            }
        })
    }
}
