//! Rules that always lead back to themselves, and clients that are sent to where they are let in by nobody, as far as that
//! can be seen without a request.
//!
//! A course begins behind a rule that has led on and follows what then happens to every request, whatever it is: rules
//! that certainly match or do not, locations that are certainly found. Where anything depends on the request the course
//! ends without a finding: such circles are bounded while serving. Two things are known of the request, since they were
//! so when the course began: the conditions of its rule held, if nothing on the way can change them, and nothing was there
//! of what was tried, if that is the same wherever a request comes from.

use config::Then;

use super::attempts::{Attempts, Last};
use super::closed::Closed;
use super::compile::Fault;
use super::known::Known;
use super::reply::Reply;
use super::rule::{Effect, Rule, RuleList};
use super::target::Target;
use crate::Location;
use crate::location::Locations;
use crate::phase::Phase;

/// Most rules that one course looks at.
const LOOKS_MAX: usize = 1000;

/// Finds those of a host with these rules of its own, each with the JSON Pointer of one of its members.
pub(crate) fn find(rules: Option<&RuleList>, locations: &Locations) -> Vec<(String, Fault)> {
    let mut ends: Vec<End<'_>> = Vec::new();
    for location in locations.all() {
        let list = location.rules.as_deref();
        for (index, rule) in list.into_iter().flat_map(|list| list.rules.iter().enumerate()) {
            if let (Effect::Rewrite(Some(target), then), Some(list)) = (&rule.effect, list) {
                let course = Course::behind_rule(locations, location, (list, index), (target, *then));
                ends.extend(course.and_then(Course::run));
            }
        }
        if let Some(attempts) = location.attempts() {
            ends.extend(Course::behind_attempts(locations, attempts).and_then(Course::run));
        }
    }
    let lists = rules.into_iter().chain(locations.all().filter_map(|location| location.rules.as_deref()));
    let replies = locations.all().filter_map(Location::reply);
    for reply in lists.flat_map(answers).chain(replies) {
        ends.extend(Course::of_client(rules, locations, reply).and_then(Course::run));
    }
    let mut told: Vec<&str> = Vec::new();
    let mut faults = Vec::new();
    for end in &ends {
        match end {
            // It was found from each of its members.
            End::Ring(ring) if ring.members.iter().any(|member| told.contains(member)) => {}
            End::Ring(ring) => {
                told.extend(&ring.members);
                faults.push((ring.place(), ring.fault()));
            }
            End::Closed(closed) => faults.push((closed.place(), closed.fault())),
        }
    }
    faults
}

/// Answers of rules.
fn answers(list: &RuleList) -> impl Iterator<Item = &Reply> {
    list.rules.iter().filter_map(|rule| match &rule.effect {
        Effect::Reply(reply) => Some(reply),
        Effect::Rewrite(..) => None,
    })
}

/// What is wrong with where a course has come to.
enum End<'s> {
    Ring(Ring<'s>),
    Closed(Closed<'s>),
}

/// What leads back to itself.
struct Ring<'s> {
    kind: Kind,
    /// JSON Pointers, in the order of the way.
    members: Vec<&'s str>,
    /// Where the first one leads.
    to: Known,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rule,
    Attempts,
    /// Clients are sent around.
    Redirect,
}

impl Ring<'_> {
    /// JSON Pointer of what leads there.
    fn place(&self) -> String {
        match self.kind {
            Kind::Rule | Kind::Redirect => format!("{}/to", self.members[0]),
            Kind::Attempts => self.members[0].to_owned(),
        }
    }

    fn fault(&self) -> Fault {
        let to = &self.to;
        let by = match &self.members[1..] {
            [] => String::new(),
            others => format!(" by {}", others.join(" and ")),
        };
        let (what, cure) = match self.kind {
            Kind::Rule => (
                "the rule leads",
                "write \"then\": \"stop\" into it, or a \"path\" that does not match where it leads",
            ),
            Kind::Attempts => (
                "what is not there leads",
                "let the last be \"=404\", \"handler\" or a path of another location",
            ),
            Kind::Redirect => {
                ("clients are sent", "send them to a path that another location answers, or to another host")
            }
        };
        Fault::new(format!("{what} to {to}, and from there{by} always back here"), cure)
    }
}

/// What happens to every request behind a rule.
struct Course<'s> {
    kind: Kind,
    /// The rules of the host, where a client asks anew.
    top: Option<&'s RuleList>,
    /// What a client has asked for.
    asked: Option<Known>,
    locations: &'s Locations,
    /// Rules whose conditions hold, and what was tried in vain, by their JSON Pointers.
    granted: Vec<&'s str>,
    path: Known,
    location: Option<&'s Location>,
    rules: Option<&'s RuleList>,
    next: usize,
    moved: Moved,
    /// What has led on, and where to.
    steps: Vec<(&'s str, Known)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    No,
    Yes,
}

/// Whether a course goes on.
enum Onward<'s> {
    Yes,
    /// Nobody knows, or the request has left.
    No,
    /// It ends here, where something is wrong.
    End(End<'s>),
}

impl<'s> Course<'s> {
    fn new(kind: Kind, locations: &'s Locations, (pointer, path): (&'s str, Known)) -> Course<'s> {
        Course {
            kind,
            top: None,
            asked: None,
            locations,
            granted: vec![pointer],
            path: path.clone(),
            location: None,
            rules: None,
            next: 0,
            moved: Moved::Yes,
            steps: vec![(pointer, path)],
        }
    }

    fn behind_rule(
        locations: &'s Locations,
        location: &'s Location,
        (list, index): (&'s RuleList, usize),
        (target, then): (&Target, Then),
    ) -> Option<Course<'s>> {
        let rule = &list.rules[index];
        let path = Known::nothing().led(target)?;
        let mut course = Course::new(Kind::Rule, locations, (&rule.pointer, path));
        course.granted.extend(list.around(index).map(|rule| rule.pointer.as_str()));
        (course.location, course.rules, course.next) = (Some(location), Some(list), index + 1);
        course.turn(then);
        Some(course)
    }

    fn behind_attempts(locations: &'s Locations, attempts: &'s Attempts) -> Option<Course<'s>> {
        let Last::To(target) = &attempts.last else { return None };
        let path = Known::nothing().led(target)?;
        Some(Course::new(Kind::Attempts, locations, (&attempts.pointer, path)))
    }

    /// Of a client that is sent to another path of the host.
    fn of_client(
        rules: Option<&'s RuleList>,
        locations: &'s Locations,
        reply: &'s Reply,
    ) -> Option<Course<'s>> {
        let (pointer, path) = sent(reply)?;
        let mut course = Course::new(Kind::Redirect, locations, (pointer, path));
        course.granted.clear();
        course.top = rules;
        course.ask_anew();
        Some(course)
    }

    fn ask_anew(&mut self) {
        self.asked = Some(self.path.clone());
        (self.location, self.rules, self.next, self.moved) = (None, self.top, 0, Moved::Yes);
    }

    fn run(mut self) -> Option<End<'s>> {
        for _ in 0..LOOKS_MAX {
            let onward = match self.rules.and_then(|rules| rules.rules.get(self.next)) {
                Some(rule) => self.look(rule),
                None if self.moved == Moved::Yes => self.look_up(),
                None => self.arrive(),
            };
            match onward {
                Onward::Yes => {}
                Onward::No => return None,
                Onward::End(end) => return Some(end),
            }
        }
        None
    }

    fn look(&mut self, rule: &'s Rule) -> Onward<'s> {
        match self.matches(rule) {
            None => Onward::No,
            Some(false) => {
                self.next = rule.otherwise;
                Onward::Yes
            }
            Some(true) => {
                self.next += 1;
                match &rule.effect {
                    Effect::Rewrite(None, then) => {
                        self.turn(*then);
                        Onward::Yes
                    }
                    Effect::Rewrite(Some(target), then) => {
                        let onward = self.lead(&rule.pointer, self.path.led(target));
                        self.moved = Moved::Yes;
                        self.turn(*then);
                        onward
                    }
                    Effect::Reply(reply) => self.answer(reply),
                }
            }
        }
    }

    /// Whether a rule matches; none where nobody knows.
    fn matches(&self, rule: &Rule) -> Option<bool> {
        let path = rule.path.as_ref().map_or(Some(true), |path| self.path.matches(path.regex()));
        match &rule.condition {
            _ if path == Some(false) => path,
            Some(condition) if !self.granted(&rule.pointer) || !condition.is_settled() => None,
            _ => path,
        }
    }

    fn granted(&self, pointer: &str) -> bool {
        self.granted.contains(&pointer)
    }

    fn turn(&mut self, then: Then) {
        match then {
            Then::Next => {}
            Then::Again => self.rules = None,
            Then::Stop => {
                self.rules = None;
                if self.location.is_none() {
                    self.location = self.path.locate(self.locations);
                }
                self.moved = Moved::No;
            }
        }
    }

    fn look_up(&mut self) -> Onward<'s> {
        self.location = self.path.locate(self.locations);
        let rules = self.location.and_then(|location| location.rules.as_deref());
        self.rules = rules.filter(|_| !self.is_closed());
        (self.next, self.moved) = (0, Moved::No);
        if self.location.is_some() { Onward::Yes } else { Onward::No }
    }

    /// Whether a client asks for what is internal.
    fn is_closed(&self) -> bool {
        self.location.is_some_and(Location::is_internal) && self.asked.as_ref() == Some(&self.path)
    }

    fn arrive(&mut self) -> Onward<'s> {
        let Some(location) = self.location else { return Onward::No };
        if self.is_closed() {
            return match self.steps.as_slice() {
                [(pointer, to)] => Onward::End(End::Closed(Closed { pointer, to: to.clone(), location })),
                // It is found from the last that sends there.
                _ => Onward::No,
            };
        }
        if let Some(reply) = location.reply() {
            return self.answer(reply);
        }
        match location.attempts() {
            Some(attempts) if self.finds_nothing(attempts) => match &attempts.last {
                Last::To(target) => {
                    let onward = self.lead(&attempts.pointer, self.path.led(target));
                    (self.rules, self.moved) = (None, Moved::Yes);
                    onward
                }
                Last::Status(_) | Last::Handler => Onward::No,
            },
            _ => Onward::No,
        }
    }

    /// Whether nothing is there of what is tried: it was tried before.
    fn finds_nothing(&self, attempts: &Attempts) -> bool {
        let candidates = &attempts.candidates;
        candidates.is_empty()
            || self.granted(&attempts.pointer)
                && candidates.iter().flat_map(Target::parts).all(super::condition::is_settled)
    }

    fn answer(&mut self, reply: &'s Reply) -> Onward<'s> {
        match sent(reply) {
            Some((pointer, path)) if self.kind == Kind::Redirect => {
                let onward = self.lead(pointer, Some(path));
                self.ask_anew();
                onward
            }
            _ => Onward::No,
        }
    }

    fn lead(&mut self, pointer: &'s str, to: Option<Known>) -> Onward<'s> {
        let Some(to) = to else { return Onward::No };
        let before = self.steps.iter().position(|(known, at)| *known == pointer && to.is_among(at));
        match before {
            Some(0) => {
                let members = self.steps.iter().map(|(pointer, _)| *pointer).collect();
                Onward::End(End::Ring(Ring { kind: self.kind, members, to: self.steps[0].1.clone() }))
            }
            // Whoever is in that ring finds it.
            Some(_) => Onward::No,
            None => {
                self.path = to.clone();
                self.steps.push((pointer, to));
                Onward::Yes
            }
        }
    }
}

/// Where a client is sent within the host, if the whole path is known, and the JSON Pointer of the answer.
fn sent(reply: &Reply) -> Option<(&str, Known)> {
    let Reply::Redirect { target, pointer, .. } = reply else { return None };
    if target.is_elsewhere() {
        return None;
    }
    let path = Known::nothing().led(target)?;
    matches!(path, Known::Whole(_)).then_some((pointer.as_str(), path))
}

impl Location {
    /// What all requests are answered with, if they are.
    fn reply(&self) -> Option<&Reply> {
        self.chain.iter().find_map(|phase| match phase {
            Phase::Reply(reply) => Some(reply),
            _ => None,
        })
    }
}
