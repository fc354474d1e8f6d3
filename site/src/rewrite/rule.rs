//! One rule, and whether it matches.

use config::Then;
use proto_http::Status;

use super::condition::{Bench, Condition};
use super::pattern::Pattern;
use super::reply::Reply;
use super::target::Target;
use super::variable::View;
use crate::Action;

/// The rules of a host or a location, in their order. Rules of a group follow the one that they are in.
#[derive(Debug)]
pub(crate) struct RuleList {
    pub(crate) rules: Vec<Rule>,
}

impl RuleList {
    /// The rule at this place, and the groups that it is in.
    pub(crate) fn around(&self, index: usize) -> impl Iterator<Item = &Rule> {
        let rules = self.rules[..=index].iter().enumerate();
        rules.filter(move |(at, rule)| *at == index || index < rule.otherwise).map(|(_, rule)| rule)
    }
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What the path has to match; `None` is every path.
    pub(crate) path: Option<Pattern>,
    pub(crate) condition: Option<Condition>,
    pub(crate) effect: Effect,
    /// Which rule is next if it does not match.
    pub(crate) otherwise: usize,
    /// JSON Pointer of the rule.
    pub(crate) pointer: String,
}

/// What it does once it has matched.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The request leads elsewhere, if there is a target, and goes on.
    Rewrite(Option<Target>, Then),
    /// The request is answered.
    Reply(Reply),
}

/// What has come of a rule.
#[derive(Debug)]
pub(crate) enum Outcome<'s> {
    /// It does not match.
    Missed(Miss),
    /// Something has to be asked first.
    Asks,
    /// It has matched and changes nothing.
    Kept(Then),
    /// What it has made is the target now.
    Changed(Then),
    /// The request is answered.
    Answered(Action<'s>),
}

/// Why a rule does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The path does not.
    Path,
    /// The conditions do not hold.
    Conditions,
}

impl Rule {
    /// Looks at a request; an error is the status for a client that puts something into a target that cannot be there.
    pub(crate) fn look<'s>(&'s self, view: &View<'_>, bench: &mut Bench<'_>) -> Result<Outcome<'s>, Status> {
        bench.captured.clear();
        bench.questions.again();
        if let Some(path) = &self.path
            && !path.matches(view.path, bench.captured)
        {
            return Ok(Outcome::Missed(Miss::Path));
        }
        match self.condition.as_ref().map(|condition| condition.holds(view, bench)) {
            Some(Ok(false)) => return Ok(Outcome::Missed(Miss::Conditions)),
            Some(Err(_)) => return Ok(Outcome::Asks),
            Some(Ok(true)) | None => {}
        }
        let view = View { captured: bench.captured, ..*view };
        match &self.effect {
            Effect::Rewrite(None, then) => Ok(Outcome::Kept(*then)),
            Effect::Rewrite(Some(target), then) => {
                target.resolve(&view, bench.made)?;
                Ok(Outcome::Changed(*then))
            }
            Effect::Reply(reply) => Ok(Outcome::Answered(reply.action(&view))),
        }
    }
}
