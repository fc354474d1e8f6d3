//! One rule, and whether it matches.

use config::Then;
use proto_http::Status;

use super::pattern::{Captured, Pattern};
use super::reply::Reply;
use super::target::{Made, Target};
use super::variable::View;
use crate::Action;

/// The rules of a host or a location, in their order.
#[derive(Debug)]
pub(crate) struct RuleList {
    pub(crate) rules: Vec<Rule>,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What the path has to match; `None` is every path.
    pub(crate) path: Option<Pattern>,
    pub(crate) effect: Effect,
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
    Missed,
    /// It has matched and changes nothing.
    Kept(Then),
    /// What it has made is the target now.
    Changed(Then),
    /// The request is answered.
    Answered(Action<'s>),
}

impl Rule {
    /// Looks at a request; an error is the status for a client that puts something into a target that cannot be there.
    pub(crate) fn look<'s>(
        &'s self,
        view: &View<'_>,
        captured: &mut Captured,
        made: &mut Made,
    ) -> Result<Outcome<'s>, Status> {
        captured.clear();
        if let Some(path) = &self.path
            && !path.matches(view.path, captured)
        {
            return Ok(Outcome::Missed);
        }
        let view = View { captured, ..*view };
        match &self.effect {
            Effect::Rewrite(None, then) => Ok(Outcome::Kept(*then)),
            Effect::Rewrite(Some(target), then) => {
                target.resolve(&view, made)?;
                Ok(Outcome::Changed(*then))
            }
            Effect::Reply(reply) => Ok(Outcome::Answered(reply.action(&view))),
        }
    }
}
