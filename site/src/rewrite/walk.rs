//! The way of a request through the rules of its host and of its locations, to the location that serves it.
//!
//! ```text
//! rules of the host -> location -> its rules -> (another path: location -> its rules ->) arrived
//! ```

use config::Then;
use proto_http::{Status, path};

use super::pattern::Captured;
use super::rule::{Outcome, RuleList};
use super::target::Made;
use super::variable::View;
use crate::exchange::Inquiry;
use crate::{Action, Host, Place};

/// Most look-ups of a location for one request: rules that lead further lead in circles.
pub const LOOKUPS_MAX: usize = 10;

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

    /// Lets go of what a rare large request has left.
    pub fn slim(&mut self) {
        let made = self.encoded.capacity()
            + self.made.path.capacity()
            + self.made.query.capacity()
            + self.captured.capacity();
        if KEPT_BYTES_MAX < self.path.capacity() + self.query.capacity() + made {
            *self = Trail::default();
        }
    }

    /// Takes what a rule has made.
    fn take(&mut self) {
        std::mem::swap(&mut self.path, &mut self.made.path);
        std::mem::swap(&mut self.query, &mut self.made.query);
        self.has_query = self.made.has_query;
        self.encoded.clear();
        path::encode(&self.path, &mut self.encoded);
    }
}

/// Where a walk has come to.
#[derive(Debug)]
pub enum Arrival<'s> {
    /// At the location that serves the request; the trail has its path and query.
    Place(Place<'s>),
    /// At a rule that answers it, at this place.
    Answered(Place<'s>, Action<'s>),
    /// Nowhere: the rules lead in circles.
    Circle {
        /// Where it was last.
        place: Place<'s>,
        /// JSON Pointer of the rule that led on from there.
        rule: &'s str,
    },
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
    lookups: usize,
    /// Whether the path is another one since the location was found.
    moved: Moved,
    /// JSON Pointer of the rule that has given it another path last.
    led_on_by: &'s str,
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
        let place = Place { host, location: host.locations.root() };
        // No location is found yet.
        Walk {
            host,
            place,
            rules: host.rules.as_deref(),
            next: 0,
            lookups: 0,
            moved: Moved::Yes,
            led_on_by: "",
        }
    }

    /// Goes on until it has arrived.
    pub fn go(&mut self, inquiry: &Inquiry<'_>, trail: &mut Trail) -> Arrival<'s> {
        loop {
            let Some(rule) = self.rules.and_then(|rules| rules.rules.get(self.next)) else {
                if self.moved == Moved::No {
                    return Arrival::Place(self.place);
                }
                if self.lookups == LOOKUPS_MAX {
                    return Arrival::Circle { place: self.place, rule: self.led_on_by };
                }
                self.look_up(trail);
                continue;
            };
            self.next += 1;
            let Trail { path, query, has_query, captured, made, .. } = &mut *trail;
            let nothing = Captured::default();
            let view = View {
                request: inquiry.request,
                client: inquiry.client,
                security: inquiry.security,
                host: &self.host.name,
                asked: inquiry.asked,
                path,
                query: has_query.then_some(query),
                captured: &nothing,
            };
            let then = match rule.look(&view, captured, made) {
                Ok(Outcome::Missed) => continue,
                Ok(Outcome::Answered(action)) => return Arrival::Answered(self.place, action),
                Err(status) => return Arrival::Answered(self.place, refuse(status)),
                Ok(Outcome::Kept(then)) => then,
                Ok(Outcome::Changed(then)) => {
                    trail.take();
                    self.moved = Moved::Yes;
                    self.led_on_by = &rule.pointer;
                    then
                }
            };
            self.turn(then, trail);
        }
    }

    fn turn(&mut self, then: Then, trail: &Trail) {
        match then {
            Then::Next => {}
            // The end of the list looks for the location.
            Then::Again => self.rules = None,
            Then::Stop => {
                if self.lookups == 0 {
                    self.look_up(trail);
                }
                self.rules = None;
                self.moved = Moved::No;
            }
        }
    }

    fn look_up(&mut self, trail: &Trail) {
        self.lookups += 1;
        self.place.location = self.host.locations.find(&trail.path);
        self.rules = self.place.location.rules.as_deref();
        self.next = 0;
        self.moved = Moved::No;
    }
}

fn refuse(status: Status) -> Action<'static> {
    Action::Respond(crate::Answer::with(status))
}
