//! From rules as they are configured to rules that run.

use config::{Content, Return};
use proto_http::Status;

use super::pattern::Pattern;
use super::reply::Reply;
use super::rule::{Effect, Rule, RuleList};
use super::target::{Target, Use};
use super::template::{self, Escape, Part};
use super::variable::{Scope, Variable};

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

/// Compiles rules and answers; what is wrong gathers, each with the JSON Pointer of its value.
#[derive(Default)]
pub(crate) struct RuleCompiler {
    pub(crate) faults: Vec<(String, Fault)>,
}

impl RuleCompiler {
    /// The rules of one place, if it has any.
    pub(crate) fn rules(&mut self, rules: &[config::Rule]) -> Option<Box<RuleList>> {
        let rules: Vec<Rule> = rules.iter().filter_map(|rule| self.rule(rule)).collect();
        (!rules.is_empty()).then(|| Box::new(RuleList { rules }))
    }

    /// An answer to all requests of a place.
    pub(crate) fn answer(&mut self, answer: &Return) -> Option<Reply> {
        self.reply(answer, &Scope::default())
    }

    fn rule(&mut self, rule: &config::Rule) -> Option<Rule> {
        let pointer = &rule.pointer;
        let path = match &rule.path {
            Some(text) => Some(self.heed(pointer, "path", Pattern::new(text, 0))?),
            None => None,
        };
        let mut scope = Scope::default();
        if let Some(path) = &path {
            scope.numbered = path.slots();
            scope.named.extend(path.names().map(|(name, slot)| (name, slot, false)));
        }
        let effect = match &rule.effect {
            config::Effect::Rewrite(None, then) => Effect::Rewrite(None, *then),
            config::Effect::Rewrite(Some(to), then) => {
                Effect::Rewrite(Some(self.target(pointer, to, &scope, Use::Within)?), *then)
            }
            config::Effect::Return(answer) => Effect::Reply(self.reply(answer, &scope)?),
        };
        let mut path = path;
        if let Some(path) = &mut path {
            effect.slots().for_each(|slot| path.want(slot));
        }
        Some(Rule { path, effect, pointer: pointer.clone() })
    }

    fn reply(&mut self, answer: &Return, scope: &Scope<'_>) -> Option<Reply> {
        let status = Status::new(answer.status).expect("the configuration has statuses from 200 to 599");
        Some(match &answer.content {
            Content::None => Reply::Status(status),
            Content::To(to) => {
                Reply::Redirect(status, self.target(&answer.pointer, to, scope, Use::Redirect)?)
            }
            Content::Body { body, media_type } => {
                let parts = template::parse(body, scope);
                let parts = self.heed(&answer.pointer, "body", parts)?;
                let escape = Escape::of(media_type);
                Reply::Body { status, media_type: media_type.clone(), escape, parts }
            }
        })
    }

    fn target(&mut self, pointer: &str, to: &str, scope: &Scope<'_>, for_what: Use) -> Option<Target> {
        let target = template::parse(to, scope).and_then(|parts| Target::new(parts, for_what));
        self.heed(pointer, "to", target)
    }

    fn heed<T>(&mut self, pointer: &str, key: &str, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push((format!("{pointer}/{key}"), fault))).ok()
    }
}

impl Effect {
    /// The slots that it refers to.
    fn slots(&self) -> impl Iterator<Item = usize> {
        let parts: Vec<&Part> = match self {
            Effect::Rewrite(target, _) => target.iter().flat_map(Target::parts).collect(),
            Effect::Reply(Reply::Status(_)) => Vec::new(),
            Effect::Reply(Reply::Redirect(_, target)) => target.parts().collect(),
            Effect::Reply(Reply::Body { parts, .. }) => parts.iter().collect(),
        };
        parts.into_iter().filter_map(|part| match part {
            Part::Value(Variable::Captured { slot, .. }) => Some(*slot),
            _ => None,
        })
    }
}
