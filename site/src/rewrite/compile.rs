//! From rules as they are configured to rules that run.

use std::sync::Arc;

use config::{Content, FileAt, Return, Subject, Way};
use proto_http::Status;

use super::attempts::{Attempts, Last};
use super::condition::{Condition, Kind, slot};
use super::map::Map;
use super::pattern::Pattern;
use super::reply::Reply;
use super::rule::{Effect, Rule, RuleList};
use super::target::{Target, Use};
use super::template::{self, Escape, Part};
use super::variable::{Scope, Variable};
use crate::Files;

/// What is wrong with a part of a rule, and the cure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) cause: String,
    pub(crate) cure: String,
}

impl Fault {
    pub(crate) fn new(cause: impl Into<String>, cure: impl Into<String>) -> Fault {
        Fault { cause: cause.into(), cure: cure.into() }
    }
}

/// The maps of a configuration, by their names.
pub(crate) type Maps = Vec<(String, Arc<Map>)>;

/// Compiles rules and answers of one place; what is wrong gathers, each with the JSON Pointer of its value.
pub(crate) struct RuleCompiler<'c> {
    pub(crate) maps: &'c Maps,
    /// Whether rules of the place can look for files.
    pub(crate) has_files: HasFiles,
    pub(crate) faults: Vec<(String, Fault)>,
}

/// Whether a place has a folder where rules can look for files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasFiles {
    No,
    Yes,
}

/// The expressions of one rule, by the slots that they have taken.
struct Slots<'n> {
    scope: Scope<'n>,
    taken: usize,
}

impl<'c> RuleCompiler<'c> {
    pub(crate) fn new(maps: &'c Maps, has_files: HasFiles) -> RuleCompiler<'c> {
        RuleCompiler { maps, has_files, faults: Vec::new() }
    }

    /// The rules of one place, if it has any.
    pub(crate) fn rules(&mut self, rules: &[config::Rule]) -> Option<Box<RuleList>> {
        let mut list = RuleList { rules: Vec::new() };
        self.append(rules, &mut list.rules);
        (!list.rules.is_empty()).then(|| Box::new(list))
    }

    fn append(&mut self, rules: &[config::Rule], list: &mut Vec<Rule>) {
        for rule in rules {
            let Some(mut compiled) = self.rule(rule) else { continue };
            let at = list.len();
            compiled.otherwise = at + 1;
            list.push(compiled);
            if let config::Effect::Group(rules) = &rule.effect {
                self.append(rules, list);
                list[at].otherwise = list.len();
            }
        }
    }

    /// An answer to all requests of a place.
    pub(crate) fn answer(&mut self, answer: &Return) -> Option<Reply> {
        self.reply(answer, &Scope { maps: self.maps, ..Scope::default() })
    }

    /// What a place tries; `pointer` is that of the list.
    pub(crate) fn attempts(
        &mut self,
        attempts: &[config::Attempt],
        files: &Arc<Files>,
        pointer: String,
    ) -> Option<Attempts> {
        let scope = Scope { maps: self.maps, ..Scope::default() };
        let (last, candidates) = attempts.split_last()?;
        let mut target = |attempt: &config::Attempt| match &attempt.way {
            Way::To(to) => self.target((&attempt.pointer, ""), to, &scope, Use::Within),
            Way::Status(_) | Way::Handler => None,
        };
        let candidates: Vec<Target> = candidates.iter().filter_map(&mut target).collect();
        let last = match last.way {
            Way::To(_) => Last::To(target(last)?),
            Way::Status(code) => Last::Status(Status::new(code)?),
            Way::Handler => Last::Handler,
        };
        Some(Attempts { files: Arc::clone(files), candidates, last, pointer })
    }

    fn rule(&mut self, rule: &config::Rule) -> Option<Rule> {
        let pointer = &rule.pointer;
        let path = match &rule.path {
            Some(text) => Some(self.heed(pointer, "/path", Pattern::new(text, 0))?),
            None => None,
        };
        let mut slots = Slots { scope: Scope { maps: self.maps, ..Scope::default() }, taken: 0 };
        if let Some(path) = &path {
            slots.taken = path.slots();
            slots.scope.numbered = path.slots();
            slots.scope.named.extend(path.names().map(|(name, slot)| (name.to_owned().into(), slot, false)));
        }
        let condition = match &rule.condition {
            Some(condition) => Some(self.condition(condition, &mut slots)?),
            None => None,
        };
        let scope = &slots.scope;
        let effect = match &rule.effect {
            config::Effect::Group(_) => Effect::Rewrite(None, config::Then::Next),
            config::Effect::Rewrite(None, then) => Effect::Rewrite(None, *then),
            config::Effect::Rewrite(Some(to), then) => {
                Effect::Rewrite(Some(self.target((pointer, "/to"), to, scope, Use::Within)?), *then)
            }
            config::Effect::Return(answer) => Effect::Reply(self.reply(answer, scope)?),
        };
        let (mut path, mut condition) = (path, condition);
        let mut wanted = effect.slots();
        wanted.extend(condition.iter().flat_map(Condition::slots));
        let patterns = condition.iter_mut().flat_map(Condition::patterns).chain(&mut path);
        patterns.for_each(|pattern| wanted.iter().for_each(|&slot| pattern.want(slot)));
        Some(Rule { path, condition, effect, otherwise: 0, pointer: pointer.clone() })
    }

    fn condition<'n>(
        &mut self,
        condition: &'n config::Condition,
        slots: &mut Slots<'n>,
    ) -> Option<Condition> {
        Some(match condition {
            config::Condition::All(all) => Condition::All(self.conditions(all, slots)?),
            config::Condition::Any(any) => Condition::Any(self.conditions(any, slots)?),
            config::Condition::Not(not) => Condition::Not(Box::new(self.condition(not, slots)?)),
            config::Condition::Method(methods) => Condition::Method(methods.clone()),
            config::Condition::Scheme(scheme) => Condition::Scheme(*scheme),
            config::Condition::Address(networks) => {
                let mut prefixes = Vec::new();
                for (pointer, text) in networks {
                    let prefix = text.parse().map_err(|bad: auth::BadPrefix| {
                        let sentence = bad.to_string();
                        let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "correct it"));
                        Fault::new(cause, cure)
                    });
                    prefixes.push(self.heed(pointer, "", prefix)?);
                }
                Condition::Address(prefixes)
            }
            config::Condition::Match { subject, pattern, pointer } => {
                let of_host = matches!(subject, Subject::Host);
                let subject = self.heed(pointer, "", parts_of(subject, &slots.scope))?;
                let pattern = match pattern {
                    Some(text) => Some(self.heed(pointer, "", Pattern::new(text, slots.taken))?),
                    None => None,
                };
                if let Some(pattern) = &pattern {
                    slots.taken += pattern.slots();
                    let names = pattern.names().map(|(name, slot)| (name.to_owned().into(), slot, of_host));
                    slots.scope.named.extend(names);
                }
                Condition::Match(subject, pattern)
            }
            config::Condition::File(file) => self.there(Kind::File, file, &slots.scope)?,
            config::Condition::Folder(file) => self.there(Kind::Folder, file, &slots.scope)?,
        })
    }

    fn conditions<'n>(
        &mut self,
        conditions: &'n [config::Condition],
        slots: &mut Slots<'n>,
    ) -> Option<Vec<Condition>> {
        conditions.iter().map(|condition| self.condition(condition, slots)).collect()
    }

    fn there(&mut self, kind: Kind, file: &FileAt, scope: &Scope<'_>) -> Option<Condition> {
        let has_files = match self.has_files {
            HasFiles::Yes => Ok(()),
            HasFiles::No => Err(Fault::new(
                "nothing says in which folder the file is: there is no \"root\"",
                "write \"root\": \"www\" into the host or location of the rule",
            )),
        };
        self.heed(&file.pointer, "", has_files)?;
        let target = self.target((&file.pointer, ""), &file.path, scope, Use::Within)?;
        Some(Condition::There(kind, target))
    }

    fn reply(&mut self, answer: &Return, scope: &Scope<'_>) -> Option<Reply> {
        let status = Status::new(answer.status).expect("the configuration has statuses from 200 to 599");
        Some(match &answer.content {
            Content::None => Reply::Status(status),
            Content::To(to) => {
                let target = self.target((&answer.pointer, "/to"), to, scope, Use::Redirect)?;
                Reply::Redirect { status, target, pointer: answer.pointer.clone() }
            }
            Content::Body { body, media_type } => {
                let parts = template::parse(body, scope);
                let parts = self.heed(&answer.pointer, "/body", parts)?;
                let escape = Escape::of(media_type);
                Reply::Body { status, media_type: media_type.clone(), escape, parts }
            }
        })
    }

    fn target(
        &mut self,
        (pointer, key): (&str, &str),
        to: &str,
        scope: &Scope<'_>,
        for_what: Use,
    ) -> Option<Target> {
        let target = template::parse(to, scope).and_then(|parts| Target::new(parts, for_what));
        self.heed(pointer, key, target)
    }

    fn heed<T>(&mut self, pointer: &str, key: &str, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push((format!("{pointer}{key}"), fault))).ok()
    }
}

/// What stands for a part of a request.
fn parts_of(subject: &Subject, scope: &Scope<'_>) -> Result<Vec<Part>, Fault> {
    Ok(vec![Part::Value(match subject {
        Subject::Host => Variable::Host,
        Subject::Field(name) => Variable::Field(name.to_ascii_lowercase().into_bytes().into()),
        Subject::Argument(name) => Variable::Argument(name.as_bytes().into()),
        Subject::Cookie(name) => Variable::Cookie(name.as_bytes().into()),
        Subject::Text(text) => return template::parse(text, scope),
    })])
}

impl Effect {
    /// The slots that it refers to.
    fn slots(&self) -> Vec<usize> {
        match self {
            Effect::Rewrite(target, _) => target.iter().flat_map(Target::parts).filter_map(slot).collect(),
            Effect::Reply(Reply::Status(_)) => Vec::new(),
            Effect::Reply(Reply::Redirect { target, .. }) => target.parts().filter_map(slot).collect(),
            Effect::Reply(Reply::Body { parts, .. }) => parts.iter().filter_map(slot).collect(),
        }
    }
}
