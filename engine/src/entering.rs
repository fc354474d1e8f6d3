//! The one way into a location, however a request has come there: asked for, by rules, or because nothing was there that was
//! tried.
//!
//! ```text
//! access rules -> room in its logs -> (login ->) its limits -> what is to be done
//! ```
//!
//! What is tried is found before limits are asked: those hold of the location that the request ends in. Limits on what
//! users use are asked once somebody has logged in, all others before anybody does.

use std::net::IpAddr;

use proto_http::{Request, Status};
use site::{Action, Answer, Gate, Place, decide_admitted};

use crate::finding::{Decision, Origin};
use crate::holding::{self, Room};
use crate::logins::{self, Admission};
use crate::serve::Refusal;
use crate::served::Served;
use crate::shaping::{Candidate, Moment, Running};
use crate::stream::{Gone, Stream};

/// A request on its way into locations.
pub(crate) struct Entrance<'s> {
    stream: &'s Stream,
    served: &'s Served,
    head: Result<(), Refusal>,
    client: Option<IpAddr>,
    /// Bytes of its body that have come with the head.
    body_begun: usize,
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

impl<'s> Entrance<'s> {
    pub(crate) fn new(
        stream: &'s Stream,
        served: &'s Served,
        head: Result<(), Refusal>,
        (client, body_begun): (Option<IpAddr>, usize),
    ) -> Entrance<'s> {
        Entrance {
            stream,
            served,
            head,
            client,
            body_begun,
            roomed: None,
            room: Room::There,
            limits: Limits::None,
            user: None,
            _running: Running(stream),
        }
    }

    /// Asks whatever is to be asked before `action` is carried out at `own`, or at `shown` where it has no place of its own;
    /// answers what is to be done instead, if it is refused. `out` are answers to earlier requests, which do not wait for it.
    pub(crate) async fn pass(
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
            let candidate = Candidate {
                place: own,
                client: self.client,
                user: self.user.as_deref(),
                body_begun: self.body_begun,
            };
            if let Err(action) = self.stream.admit_shaped(candidate, out).await? {
                refused = Some(action);
            }
        }
        Ok(refused)
    }

    /// Has the client log in; answers what is to be done then.
    pub(crate) async fn log_in<'d>(
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
