//! The way of a request through the rules of its host and of its locations, to the location that serves it.
//!
//! ```text
//! rules of the host -> location -> its rules -> (another path: location -> its rules ->) arrived
//! ```

use std::sync::Arc;

use config::Then;
use proto_http::{Request, Status, path};

use super::attempts::{Attempts, Last};
use super::condition::{Bench, Kind, Questions};
use super::pattern::Captured;
use super::reply;
use super::rule::{Miss, Outcome, RuleList};
use super::target::Made;
use super::variable::{Knowledge, View};
use crate::action::file_for;
use crate::exchange::{Inquiry, keeps_slash};
use crate::{Action, Answer, Files, Host, Place};

/// Most look-ups of a location for one request: rules that lead further lead in circles.
pub const LOOKUPS_MAX: usize = 10;
/// Most looks at files for one request.
pub const QUESTIONS_MAX: usize = 64;

/// Buffers beyond this are not kept from one request to the next.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// Where a request leads by now. Its buffers go from request to request.
#[derive(Debug, Default)]
pub struct Trail {
    path: Vec<u8>,
    query: Vec<u8>,
    has_query: bool,
    /// The path in the form of a request line; empty while it is the one that the client has asked for.
    encoded: Vec<u8>,
    captured: Captured,
    made: Made,
    questions: Questions,
    /// Locations that were looked up.
    lookups: usize,
    /// Questions that were asked.
    questions_asked: usize,
}

impl Trail {
    /// Begins where the client has asked for.
    pub fn begin(&mut self, path: &[u8], query: Option<&[u8]>) {
        self.path.clear();
        self.path.extend_from_slice(path);
        self.query.clear();
        self.query.extend_from_slice(query.unwrap_or_default());
        self.has_query = query.is_some();
        self.encoded.clear();
        self.questions.clear();
        self.lookups = 0;
        self.questions_asked = 0;
    }

    /// The path, normalised.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The path in the form of a request line, percent-encoded; none while it is the one that the client has asked for.
    #[must_use]
    pub fn encoded(&self) -> Option<&[u8]> {
        (!self.encoded.is_empty()).then_some(&self.encoded)
    }

    /// The query, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.has_query.then_some(&self.query)
    }

    /// What [`Arrival::Asks`] asks for: whether there is such a thing at this path.
    #[must_use]
    pub fn asked(&self) -> (Kind, &[u8]) {
        self.questions.asked()
    }

    /// The answer to that.
    pub fn answer(&mut self, there: bool) {
        self.questions.answer(there);
    }

    /// Lets go of what a rare large request has left.
    pub fn slim(&mut self) {
        let made = self.encoded.capacity() + self.made.path.capacity() + self.made.query.capacity();
        if KEPT_BYTES_MAX < self.path.capacity() + self.query.capacity() + self.captured.capacity() + made {
            *self = Trail::default();
        }
    }

    /// Takes what a rule has made.
    fn take(&mut self, request: &Request<'_>) {
        std::mem::swap(&mut self.path, &mut self.made.path);
        std::mem::swap(&mut self.query, &mut self.made.query);
        self.has_query = self.made.has_query;
        self.encoded.clear();
        if path::has_encoded_slash(request.path()) {
            path::encode_keeping(&self.path, &mut self.encoded);
        } else {
            path::encode(&self.path, &mut self.encoded);
        }
    }

    /// Goes on with another path, and the same query.
    fn lead_to(&mut self, path: &[u8]) {
        self.path.clear();
        self.path.extend_from_slice(path);
        self.encoded.clear();
        path::encode(&self.path, &mut self.encoded);
    }

    /// What rules see, and what they write to.
    fn parts<'t>(
        &'t mut self,
        inquiry: &Inquiry<'t>,
        place: &Place<'t>,
        nothing: &'t Captured,
    ) -> (View<'t>, Bench<'t>) {
        let Trail { path, query, has_query, captured, made, questions, .. } = self;
        let view = View {
            request: inquiry.request,
            client: inquiry.client,
            security: inquiry.security,
            host: &place.host.name,
            asked: inquiry.asked,
            path,
            query: has_query.then_some(query),
            captured: nothing,
            subject: None,
            facts: Knowledge::default(),
        };
        let files = place.location.files.as_deref();
        (view, Bench { captured, made, questions, files })
    }
}

/// Where a walk has come to.
#[derive(Debug)]
pub enum Arrival<'s> {
    /// At the location that serves the request; the trail has its path and query.
    Place(Place<'s>),
    /// At a rule that answers it, at this place.
    Answered(Place<'s>, Action<'s>),
    /// At nothing that was tried there: what comes next in the location goes on.
    Untried(Place<'s>),
    /// At something that only a look at these files can tell; [`Trail::asked`] has the question.
    Asks(&'s Arc<Files>),
    /// Nowhere: the rules lead in circles.
    Circle {
        /// Where it was last.
        place: Place<'s>,
        /// JSON Pointer of the rule that led on from there.
        rule: &'s str,
    },
}

/// What happens on the way, for whoever wants to show it.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// A location was found for the path, by its key.
    Location(&'e str),
    /// The rule at this JSON Pointer does not match.
    Missed(&'e str, Miss),
    /// The rule at this JSON Pointer has matched.
    Matched(&'e str),
    /// The request leads to this path and query now.
    Moved(&'e [u8], Option<&'e [u8]>),
}

/// A walk.
#[derive(Debug)]
pub struct Walk<'s> {
    host: &'s Host,
    /// Where it is: outside of all locations while it looks at the rules of the host.
    place: Place<'s>,
    rules: Option<&'s RuleList>,
    /// The rule that comes next.
    next: usize,
    /// The file that is tried next.
    tried: usize,
    /// Whether the path is another one since the location was found.
    moved: Moved,
    arrived: Arrived,
    /// JSON Pointer of the rule that has given it another path last.
    led_on_by: &'s str,
}

/// Whether a walk has been at the place where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    No,
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    No,
    Yes,
}

impl<'s> Walk<'s> {
    /// Begins before the rules of the host.
    #[must_use]
    pub fn new(host: &'s Host) -> Walk<'s> {
        Walk {
            host,
            place: Place { host, location: host.locations.root() },
            rules: host.rules.as_deref(),
            next: 0,
            tried: 0,
            // No location is found yet.
            moved: Moved::Yes,
            arrived: Arrived::No,
            led_on_by: "",
        }
    }

    /// Goes on until it has arrived. Once it has been at a place it goes on with what that tries: that is what is to be
    /// done for [`Action::Try`].
    pub fn go(
        &mut self,
        inquiry: &Inquiry<'_>,
        trail: &mut Trail,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Arrival<'s> {
        let arrival = match self.place.location.attempts() {
            Some(attempts) if self.arrived == Arrived::Yes => self.attempt(attempts, inquiry, trail, tell),
            _ => self.follow(inquiry, trail, tell),
        };
        if let Arrival::Place(_) = arrival {
            self.arrived = Arrived::Yes;
        }
        arrival
    }

    /// Leads a request, wherever it is, to this path of its host; [`Walk::go`] goes on there. `by` is what does so.
    pub fn lead_to(&mut self, trail: &mut Trail, path: &[u8], by: &'static str) {
        trail.lead_to(path);
        self.rules = None;
        self.moved = Moved::Yes;
        self.arrived = Arrived::No;
        self.led_on_by = by;
    }

    fn follow(
        &mut self,
        inquiry: &Inquiry<'_>,
        trail: &mut Trail,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Arrival<'s> {
        let nothing = Captured::default();
        loop {
            let Some(rule) = self.rules.and_then(|rules| rules.rules.get(self.next)) else {
                if self.moved == Moved::No {
                    return Arrival::Place(self.place);
                }
                if trail.lookups == LOOKUPS_MAX {
                    return self.circle();
                }
                if let Err(status) = self.look_up(inquiry, trail, tell) {
                    return Arrival::Answered(self.place, refuse(status));
                }
                continue;
            };
            let (view, mut bench) = trail.parts(inquiry, &self.place, &nothing);
            let outcome = rule.look(&view, &mut bench);
            if let Ok(Outcome::Asks) = outcome {
                return self.asks(trail, self.place.location.files.as_ref());
            }
            trail.questions.clear();
            self.next += 1;
            if let Ok(Outcome::Missed(miss)) = outcome {
                tell(Event::Missed(&rule.pointer, miss));
                self.next = rule.otherwise;
                continue;
            }
            tell(Event::Matched(&rule.pointer));
            let then = match outcome {
                Ok(Outcome::Answered(action)) => return Arrival::Answered(self.place, action),
                Err(status) => return Arrival::Answered(self.place, refuse(status)),
                Ok(Outcome::Changed(then)) => {
                    self.moves(inquiry, trail, &rule.pointer, tell);
                    then
                }
                Ok(Outcome::Kept(then)) => then,
                Ok(Outcome::Missed(_) | Outcome::Asks) => continue,
            };
            if let Err(status) = self.turn(then, inquiry, trail, tell) {
                return Arrival::Answered(self.place, refuse(status));
            }
        }
    }

    /// Tries the files of the location until one is there.
    fn attempt(
        &mut self,
        attempts: &'s Attempts,
        inquiry: &Inquiry<'_>,
        trail: &mut Trail,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Arrival<'s> {
        let nothing = Captured::default();
        while let Some(candidate) = attempts.candidates.get(self.tried) {
            let (view, bench) = trail.parts(inquiry, &self.place, &nothing);
            // What is no path leads to no file.
            let is_path = candidate.resolve(&view, bench.made).is_ok()
                && !keeps_slash(&bench.made.path, &inquiry.request);
            let there = is_path && {
                let path = &bench.made.path;
                let kind = if path.ends_with(b"/") { Kind::Folder } else { Kind::File };
                bench.questions.again();
                match bench.questions.ask(kind, path, &attempts.files) {
                    Ok(there) => there,
                    Err(_) => return self.asks(trail, Some(&attempts.files)),
                }
            };
            trail.questions.clear();
            if there {
                self.moves(inquiry, trail, &attempts.pointer, tell);
                // The index of a folder may be a script, which takes any.
                let action = if self.place.may_lead_from(trail.path()) {
                    Action::File(&attempts.files)
                } else {
                    file_for(&attempts.files, inquiry.request.method())
                };
                return Arrival::Answered(self.place, action);
            }
            self.tried += 1;
        }
        match &attempts.last {
            Last::Status(status) => Arrival::Answered(self.place, reply::with(*status)),
            Last::Handler => Arrival::Untried(self.place),
            Last::To(target) => {
                let (view, bench) = trail.parts(inquiry, &self.place, &nothing);
                if let Err(status) = target.resolve(&view, bench.made) {
                    return Arrival::Answered(self.place, refuse(status));
                }
                self.moves(inquiry, trail, &attempts.pointer, tell);
                self.rules = None;
                self.arrived = Arrived::No;
                self.follow(inquiry, trail, tell)
            }
        }
    }

    fn moves(
        &mut self,
        inquiry: &Inquiry<'_>,
        trail: &mut Trail,
        rule: &'s str,
        tell: &mut dyn FnMut(Event<'_>),
    ) {
        trail.take(&inquiry.request);
        self.moved = Moved::Yes;
        self.led_on_by = rule;
        tell(Event::Moved(trail.path(), trail.query()));
    }

    fn asks(&self, trail: &mut Trail, files: Option<&'s Arc<Files>>) -> Arrival<'s> {
        trail.questions_asked += 1;
        match files {
            Some(files) if trail.questions_asked <= QUESTIONS_MAX => Arrival::Asks(files),
            _ => self.circle(),
        }
    }

    fn circle(&self) -> Arrival<'s> {
        Arrival::Circle { place: self.place, rule: self.led_on_by }
    }

    fn turn(
        &mut self,
        then: Then,
        inquiry: &Inquiry<'_>,
        trail: &mut Trail,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Status> {
        match then {
            Then::Next => {}
            // The end of the list looks for the location.
            Then::Again => self.rules = None,
            Then::Stop => {
                if trail.lookups == 0 {
                    self.look_up(inquiry, trail, tell)?;
                }
                self.rules = None;
                self.moved = Moved::No;
            }
        }
        Ok(())
    }

    /// An error is the status of the answer: see [`Locations::find_for`](crate::location::Locations::find_for).
    fn look_up(
        &mut self,
        inquiry: &Inquiry<'_>,
        trail: &mut Trail,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Status> {
        trail.lookups += 1;
        self.place.location = self.host.locations.find_for(&trail.path, &inquiry.request)?;
        // Whoever asks for what is internal finds nothing there, and no rule that would answer or lead elsewhere.
        let is_closed = self.place.location.is_internal() && trail.path == inquiry.asked;
        self.rules = self.place.location.rules.as_deref().filter(|_| !is_closed);
        self.next = 0;
        self.tried = 0;
        self.moved = Moved::No;
        tell(Event::Location(&self.place.location.key));
        Ok(())
    }
}

fn refuse(status: Status) -> Action<'static> {
    Action::Respond(Answer::with(status))
}
